/* temporary_directory.c - a directory that is removed with everything in it. */
#include "os/temporary_directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"

#define OPEN_MAX_WHILE_REMOVING 16

int temporary_directory_create(struct temporary_directory *directory, struct failure *failure)
{
	const char *parent = getenv("TMPDIR");
	char path[PATH_MAX];
	int len;

	directory->path[0] = '\0';
	directory->pid = getpid();
	parent = parent && *parent ? parent : "/tmp";
	len = snprintf(path, sizeof path, "%s/tidetable-XXXXXX", parent);
	if (len < 0 || (size_t)len >= sizeof path)
		return fail_with(failure, ERR_STORE, "the path in TMPDIR is too long");
	if (!mkdtemp(path))
		return fail_with(failure, ERR_STORE, "can't create a directory in %s: %s", parent,
			strerror(errno));
	return file_resolve(directory->path, path, failure);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
	(void)facts;
	(void)kind;
	(void)place;
	remove(path);
	return 0;
}

void temporary_directory_remove(struct temporary_directory *directory)
{
	if (directory->path[0] && directory->pid == getpid())
		nftw(directory->path, remove_entry, OPEN_MAX_WHILE_REMOVING, FTW_DEPTH | FTW_PHYS);
	directory->path[0] = '\0';
}
