/* files.h - helpers that create, remove and count files, and count open descriptors. */
#ifndef UNIT_FILES_H
#define UNIT_FILES_H

#include <dirent.h>

#include "unit/check.h"

static inline void remove_files(const char *path)
{
	static const char *const suffixes[] = { "", "-lock", "-wake" };
	char name[4400];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

/* Writes a file that contains a text 3,000 times. */
static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "wb");

	CHECK(file != NULL);
	for (int i = 0; i < 3000; i++)
		fputs(text, file);
	CHECK(fclose(file) == 0);
}

static inline int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	CHECK(directory != NULL);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* Returns the number of temporary files (os/temporary.h) in the test's directory. */
static inline int count_parts(void)
{
	DIR *directory = opendir(check_directory());
	struct dirent *entry;
	int count = 0;

	CHECK(directory != NULL);
	while ((entry = readdir(directory)))
		count += strstr(entry->d_name, "-part") != NULL;
	closedir(directory);
	return count;
}

#endif
