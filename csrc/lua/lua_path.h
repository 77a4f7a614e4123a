/* lua_path.h - document paths as text, for messages.
 *
 *     tags[3].name
 *     ["odd name"][1]
 *
 * A name that is not an identifier is quoted. Bytes that are not printable or not
 * UTF-8 are escaped in hexadecimal. A path that is too long ends in "...".
 */
#ifndef LUA_LUA_PATH_H
#define LUA_LUA_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "lua/lua_version.h"

#define PATH_MAX_TEXT 120

struct path {
	size_t len;
	bool full;                   /* "..." was appended; the rest is left out */
	char text[PATH_MAX_TEXT + 4];        /* ends in NUL */
};

/* Makes the path empty. */
void path_start(struct path *path);

/* Append an attribute name, an index, and a text without quoting. */
void path_name(struct path *path, struct slice name);
void path_index(struct path *path, int64_t index);
void path_text(struct path *path, const char *text);

/* Returns true if nothing was appended. */
static inline bool path_is_empty(const struct path *path)
{
	return path->len == 0;
}

#endif
