/* store.c - how the benches open a store. */
#include "lib/store.h"

#include <stdio.h>

#include "lib/program.h"

enum level level_of(const char *text)
{
	static const char *const levels[] = { "full", "one_flush", "relaxed", "none" };

	for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (is(text, levels[i]))
			return (enum level)i;
	}
	die(text, "should be a level");
}

const char *path_of(const char *directory, const char *name)
{
	static char path[4096];

	if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
		die(directory, "too long a path");
	return path;
}
