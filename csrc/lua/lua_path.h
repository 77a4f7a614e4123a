/* lua_path.h - where in a document something is, as text for a message.
 *
 *     tags[3].name
 *     ["odd name"][1]
 *
 * A name that is not an identifier is quoted, and of what is not UTF-8 or not
 * printable the bytes are shown. A path that grows too long ends in "...".
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
	bool full;
	char text[PATH_MAX_TEXT + 4];      /* and "..." and a NUL */
};

void path_start(struct path *path);
void path_name(struct path *path, struct slice name);
void path_index(struct path *path, int64_t index);
void path_text(struct path *path, const char *text);

static inline bool path_is_empty(const struct path *path)
{
	return path->len == 0;
}

#endif
