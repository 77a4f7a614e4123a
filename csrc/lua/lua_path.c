/* lua_path.c - document paths as text. */
#include "lua/lua_path.h"

#include <inttypes.h>
#include <stdio.h>

#include "codec/value.h"

/* Maximum number of bytes of a name that a path shows. */
#define NAME_MAX_SHOWN 40

void path_start(struct path *path)
{
	path->len = 0;
	path->full = false;
	path->text[0] = '\0';
}

/* Appends the piece, or "..." if it does not fit. */
static void add_piece(struct path *path, const char *piece, size_t len)
{
	if (path->full)
		return;
	if (len > PATH_MAX_TEXT - path->len) {
		path->full = true;
		piece = "...";
		len = 3;
	}
	memcpy(path->text + path->len, piece, len);
	path->len += len;
	path->text[path->len] = '\0';
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_identifier(struct slice name)
{
	size_t i;

	if (name.len == 0 || name.len > NAME_MAX_SHOWN || !is_letter(name.data[0]))
		return false;
	for (i = 1; i < name.len; i++)
		if (!is_letter(name.data[i]) && !(name.data[i] >= '0' && name.data[i] <= '9'))
			return false;
	return true;
}

/* Returns the longest prefix of at most NAME_MAX_SHOWN bytes that ends between characters. */
static struct slice shortened_name(struct slice text)
{
	if (text.len <= NAME_MAX_SHOWN)
		return text;
	text.len = NAME_MAX_SHOWN;
	while (text.len > 0 && (text.data[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

static void add_quoted(struct path *path, struct slice name)
{
	struct slice shown = shortened_name(name);
	bool is_text = is_utf8(shown);
	char piece[NAME_MAX_SHOWN * 4 + 8];
	size_t i, len = 0;
	uint8_t c;

	piece[len++] = '[';
	piece[len++] = '"';
	for (i = 0; i < shown.len; i++) {
		c = shown.data[i];
		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\' || (c >= 0x80 && !is_text))
			len += (size_t)snprintf(piece + len, 5, "\\x%02x", c);
		else
			piece[len++] = (char)c;
	}
	if (shown.len < name.len) {
		memcpy(piece + len, "...", 3);
		len += 3;
	}
	piece[len++] = '"';
	piece[len++] = ']';
	add_piece(path, piece, len);
}

void path_name(struct path *path, struct slice name)
{
	char piece[NAME_MAX_SHOWN + 1];
	size_t dot = path->len > 0;

	if (!is_identifier(name)) {
		add_quoted(path, name);
		return;
	}
	piece[0] = '.';
	memcpy(piece + 1, name.data, name.len);
	add_piece(path, piece + 1 - dot, name.len + dot);
}

void path_index(struct path *path, int64_t index)
{
	char piece[24];
	int len = snprintf(piece, sizeof piece, "[%" PRId64 "]", index);

	add_piece(path, piece, (size_t)len);
}

void path_text(struct path *path, const char *text)
{
	add_piece(path, text, strlen(text));
}
