/* notation.h - items as text, for tests: {a: 1, l: ['x', null], s: <'a', 'b'>, b: b'bytes'}.
 *
 * A name ends at the first ": ". Quoted text has no escapes. <...> is a set with the type of
 * its first member. notation_print writes the same form, with names and members ascending.
 */
#ifndef UNIT_NOTATION_H
#define UNIT_NOTATION_H

#include <ctype.h>

#include "base/error.h"
#include "codec/builder.h"
#include "unit/check.h"

static inline void notation_blanks(const char **at)
{
	while (isspace((unsigned char)**at) || **at == ',')
		++*at;
}

/* Returns true at the end of a container and skips it. */
static inline bool notation_ends(const char **at, char end)
{
	notation_blanks(at);
	CHECK(**at != '\0');
	*at += **at == end;
	return (*at)[-1] == end;
}

static inline struct slice notation_quoted(const char **at)
{
	const char *start = *at + 1, *end = strchr(start, '\'');

	CHECK(end != NULL);
	*at = end + 1;
	return slice_of(start, (size_t)(end - start));
}

static inline void notation_number(struct builder *builder, const char **at)
{
	size_t len = strspn(*at, "+-.0123456789eE");
	struct number number;

	CHECK_EQUAL_INT(number_parse(&number, slice_of(*at, len)), 0);
	builder_number(builder, number_slice(&number));
	*at += len;
}

static inline bool notation_word(const char **at, const char *word)
{
	if (strncmp(*at, word, strlen(word)) != 0)
		return false;
	*at += strlen(word);
	return true;
}

static inline void notation_value(struct builder *builder, const char **at);

static inline void notation_members(struct builder *builder, const char **at, enum type type,
	char end)
{
	builder_open(builder, type);
	while (!notation_ends(at, end))
		notation_value(builder, at);
	builder_close(builder);
}

static inline void notation_attributes(struct builder *builder, const char **at)
{
	const char *end;

	while (!notation_ends(at, '}')) {
		end = strstr(*at, ": ");
		CHECK(end != NULL);
		builder_name(builder, slice_of(*at, (size_t)(end - *at)));
		*at = end + 2;
		notation_value(builder, at);
	}
}

static inline void notation_value(struct builder *builder, const char **at)
{
	notation_blanks(at);
	switch (**at) {
	case '\'':
		builder_string(builder, notation_quoted(at));
		break;
	case 'b':
		++*at;
		builder_binary(builder, notation_quoted(at));
		break;
	case '[':
		++*at;
		notation_members(builder, at, TYPE_L, ']');
		break;
	case '<':
		++*at;
		notation_blanks(at);
		notation_members(builder, at, **at == '\'' ? TYPE_SS :
			**at == 'b' ? TYPE_BS : TYPE_NS, '>');
		break;
	case '{':
		++*at;
		builder_open(builder, TYPE_M);
		notation_attributes(builder, at);
		builder_close(builder);
		break;
	default:
		if (notation_word(at, "true"))
			builder_bool(builder, true);
		else if (notation_word(at, "false"))
			builder_bool(builder, false);
		else if (notation_word(at, "null"))
			builder_null(builder);
		else
			notation_number(builder, at);
	}
}

/* Builds an item; its bytes are valid until the next use of the builder. */
static inline struct slice notation_item(struct builder *builder, const char *text)
{
	struct slice item;
	const char *at = text + 1;

	CHECK(text[0] == '{');
	builder_start(builder);
	builder->size_max = SIZE_MAX;
	notation_attributes(builder, &at);
	CHECK_EQUAL_INT(builder_finish(builder, &item), 0);
	return item;
}

/* --- printing --- */

static inline void notation_put(struct buffer *out, const char *text)
{
	buffer_put_slice(out, slice_of_text(text));
}

static inline void notation_print_value(struct buffer *out, const struct value *value);

static inline void notation_print_members(struct buffer *out, const struct value *list)
{
	struct list_walk walk;
	struct value member;
	const char *before = "";

	list_start(&walk, list);
	while (list_next(&walk, &member) == 0) {
		notation_put(out, before);
		notation_print_value(out, &member);
		before = ", ";
	}
}

static inline void notation_print_map(struct buffer *out, struct slice body)
{
	struct map_walk walk;
	struct slice name;
	struct value value;
	const char *before = "";

	notation_put(out, "{");
	CHECK_EQUAL_INT(map_start(&walk, body), 0);
	while (map_next(&walk, &name, &value) == 0) {
		notation_put(out, before);
		buffer_put_slice(out, name);
		notation_put(out, ": ");
		notation_print_value(out, &value);
		before = ", ";
	}
	notation_put(out, "}");
}

static inline void notation_print_value(struct buffer *out, const struct value *value)
{
	char text[NUMBER_MAX_TEXT];

	switch (value->type) {
	case TYPE_S:
	case TYPE_B:
		notation_put(out, value->type == TYPE_B ? "b'" : "'");
		buffer_put_slice(out, value->bytes);
		notation_put(out, "'");
		break;
	case TYPE_N:
		number_format(value->bytes, text);
		notation_put(out, text);
		break;
	case TYPE_M:
		notation_print_map(out, value->bytes);
		break;
	case TYPE_L:
		notation_put(out, "[");
		notation_print_members(out, value);
		notation_put(out, "]");
		break;
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		notation_put(out, "<");
		notation_print_members(out, value);
		notation_put(out, ">");
		break;
	default:
		notation_put(out, value->type == TYPE_NULL ? "null" :
			value->type == TYPE_TRUE ? "true" : "false");
	}
}

/* Returns an item as text, which is valid until the next use of out. */
static inline const char *notation_print(struct buffer *out, struct slice item)
{
	buffer_clear(out);
	notation_print_map(out, item);
	buffer_put_u8(out, 0);
	CHECK_EQUAL_INT(buffer_error(out), 0);
	return (const char *)out->data;
}

#endif
