/* json_writer.c - writes encoded values as JSON. */
#include "codec/json_writer.h"

#include "base/error.h"
#include "codec/base64.h"
#include "codec/value.h"

#define ESCAPE_MAX 6         /* width of \u001f */
#define PIECE 1024           /* bytes of a string that are written at once */

/* --- strings --- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Returns true if none of 8 bytes is below 0x20, a quote, a backslash, or above 0x7e. A borrow can
 * only report a byte too many. */
static inline bool are_plain(const uint8_t *p)
{
	uint64_t word, quote, backslash;

	memcpy(&word, p, sizeof word);
	quote = word ^ ONES * '"';
	backslash = word ^ ONES * '\\';
	return ((word | (word + ONES) | (word - ONES * 0x20) | (quote - ONES) |
		(backslash - ONES)) & HIGHS) == 0;
}

static uint8_t *put_escape(uint8_t *to, unsigned code)
{
	static const char digits[] = "0123456789abcdef";

	*to++ = '\\';
	*to++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*to++ = (uint8_t)digits[code >> shift & 15];
	return to;
}

static inline bool between(unsigned code, unsigned low, unsigned high)
{
	return code >= low && code <= high;
}

/* Returns true for characters of two or three bytes that terminals interpret, that are invisible,
 * or that change the writing direction. */
static bool is_treacherous(unsigned code)
{
	return between(code, 0x80, 0x9f) || code == 0x61c || between(code, 0x200b, 0x200f) ||
		between(code, 0x2028, 0x202e) || between(code, 0x2060, 0x206f) || code == 0xfeff;
}

/* Writes the character at *at, which is not ASCII, and advances *at. */
static uint8_t *put_wide(uint8_t *to, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *p = *at, *start = p;
	unsigned code = 0;

	for (p++; p < end && (*p & 0xc0) == 0x80 && p - start < 4; p++)
		;
	if (p - start == 2 && *start < 0xe0)
		code = (unsigned)(start[0] & 0x1f) << 6 | (start[1] & 0x3f);
	else if (p - start == 3 && *start < 0xf0)
		code = (unsigned)(start[0] & 0x0f) << 12 | (unsigned)(start[1] & 0x3f) << 6 |
			(start[2] & 0x3f);
	*at = p;
	if (is_treacherous(code))
		return put_escape(to, code);
	return slice_write(to, slice_of(start, (size_t)(p - start)));
}

/* Writes an ASCII character. */
static uint8_t *put_ascii(uint8_t *to, uint8_t c)
{
	static const char short_escapes[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
		['"'] = '"', ['\\'] = '\\',
	};

	if (c < sizeof short_escapes && short_escapes[c]) {
		*to++ = '\\';
		*to++ = (uint8_t)short_escapes[c];
	} else if (c < 0x20 || c == 0x7f) {
		to = put_escape(to, c);
	} else {
		*to++ = c;
	}
	return to;
}

/* Writes the characters from *at that begin before `stop`, and advances *at. */
static uint8_t *put_piece(uint8_t *to, const uint8_t **at, const uint8_t *stop, const uint8_t *end)
{
	while (*at < stop) {
		if (stop - *at >= 8 && are_plain(*at)) {
			memcpy(to, *at, 8);
			to += 8;
			*at += 8;
		} else if (**at < 0x80) {
			to = put_ascii(to, *(*at)++);
		} else {
			to = put_wide(to, at, end);
		}
	}
	return to;
}

/* Appends the characters of a string. Reserves space for each piece, not for the longest possible
 * text of the whole string, which would be six times as long. */
int json_put_string(struct buffer *out, struct slice utf8)
{
	const uint8_t *at = utf8.data, *end = at + utf8.len;
	uint8_t *to;

	buffer_put_u8(out, '"');
	while (at < end) {
		const uint8_t *stop = end - at > PIECE ? at + PIECE : end;

		to = buffer_reserve(out, ESCAPE_MAX * (size_t)(stop - at) + 4);
		if (!to)
			return out->err;
		out->len = (size_t)(put_piece(to, &at, stop, end) - out->data);
	}
	buffer_put_u8(out, '"');
	return out->err;
}

/* --- numbers and binaries --- */

int json_put_number(struct buffer *out, struct slice number)
{
	uint8_t *to = buffer_reserve(out, NUMBER_MAX_TEXT);

	if (to)
		out->len += number_format(number, (char *)to);
	return out->err;
}

int json_put_integer(struct buffer *out, int64_t n)
{
	uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	uint8_t digits[20], *at = digits + sizeof digits;

	do {
		*--at = (uint8_t)('0' + left % 10);
		left /= 10;
	} while (left);
	if (n < 0)
		*--at = '-';
	buffer_put(out, at, (size_t)(digits + sizeof digits - at));
	return out->err;
}

int json_put_base64(struct buffer *out, struct slice bytes)
{
	size_t len = base64_length(bytes.len);
	uint8_t *to = buffer_reserve(out, len + 2);

	if (!to)
		return out->err;
	*to++ = '"';
	to = base64_encode(to, bytes);
	*to = '"';
	out->len += len + 2;
	return 0;
}

/* --- values --- */

struct writer {
	struct buffer *out;
	enum json_form form;
	const struct json_order *order;
};

static int put_value(struct writer *writer, const struct value *value, unsigned depth);

static inline void put_char(struct buffer *out, char c)
{
	buffer_put_u8(out, (uint8_t)c);
}

static inline void put_word(struct buffer *out, const char *word)
{
	buffer_put(out, word, strlen(word));
}

/* Writes a name and the colon after it. A disguised name is a mark, which needs no escapes. */
static void put_name(struct writer *writer, struct slice name, bool disguise)
{
	struct buffer *out = writer->out;

	if (disguise) {
		put_word(out, "\"$");
		buffer_put_slice(out, name);
		put_char(out, '"');
	} else {
		json_put_string(out, name);
	}
	put_char(out, ':');
}

bool json_is_mark(struct slice name)
{
	size_t at = 0;
	struct slice rest;

	while (at < name.len && name.data[at] == '$')
		at++;
	rest = slice_of(name.data + at, name.len - at);
	return at > 0 && (slice_equal(rest, slice_of_text("B")) ||
		slice_equal(rest, slice_of_text("SS")) ||
		slice_equal(rest, slice_of_text("NS")) || slice_equal(rest, slice_of_text("BS")));
}

static int put_attribute(struct writer *writer, struct slice name, const struct value *value,
	bool *more, unsigned depth, bool disguise)
{
	if (*more)
		put_char(writer->out, ',');
	*more = true;
	put_name(writer, name, disguise);
	return put_value(writer, value, depth);
}

/* Writes the attributes that come first. */
static int put_first(struct writer *writer, struct slice body, bool *more, unsigned depth)
{
	const struct json_order *order = writer->order;
	struct value value;
	int err = 0;

	for (size_t i = 0; i < order->count && !err; i++) {
		err = map_find(body, order->names[i], &value);
		if (!err)
			err = put_attribute(writer, order->names[i], &value, more, depth, false);
		else if (err == END)
			err = 0;
	}
	return err;
}

/* Writes a map body. is_item: the names of an item are never marks. */
static int put_map(struct writer *writer, struct slice body, unsigned depth, bool is_item)
{
	struct map_walk walk;
	struct slice name;
	struct value value;
	bool more = false, single;
	int err = map_start(&walk, body);

	if (!err && depth > VALUE_MAX_DEPTH)
		err = ERR_CORRUPT;
	if (err)
		return err;
	single = walk.left == 1;
	put_char(writer->out, '{');
	if (!single && writer->order->count > 0)
		err = put_first(writer, body, &more, depth);
	while (!err && (err = map_next(&walk, &name, &value)) == 0)
		if (single || !json_order_has(writer->order, name))
			err = put_attribute(writer, name, &value, &more, depth, single &&
				!is_item && writer->form == JSON_PLAIN && json_is_mark(name));
	put_char(writer->out, '}');
	return err == END ? writer->out->err : err;
}

/* Writes a member of a list or set. Numbers of a set are strings in the typed form. */
static int put_member(struct writer *writer, enum type list, const struct value *member,
	unsigned depth)
{
	struct buffer *out = writer->out;

	switch (list) {
	case TYPE_SS:
		return json_put_string(out, member->bytes);
	case TYPE_BS:
		return json_put_base64(out, member->bytes);
	case TYPE_NS:
		if (writer->form == JSON_PLAIN)
			return json_put_number(out, member->bytes);
		put_char(out, '"');
		json_put_number(out, member->bytes);
		put_char(out, '"');
		return out->err;
	default:
		return put_value(writer, member, depth);
	}
}

static int put_members(struct writer *writer, const struct value *list, unsigned depth)
{
	struct list_walk walk;
	struct value member;
	bool more = false;
	int err;

	if (depth > VALUE_MAX_DEPTH + 1)
		return ERR_CORRUPT;
	put_char(writer->out, '[');
	list_start(&walk, list);
	while ((err = list_next(&walk, &member)) == 0) {
		if (more)
			put_char(writer->out, ',');
		more = true;
		err = put_member(writer, list->type, &member, depth);
		if (err)
			return err;
	}
	put_char(writer->out, ']');
	return err == END ? writer->out->err : err;
}

#define TEXT(text) { (const uint8_t *)(text), sizeof (text) - 1 }

/* What is written before and after the content of a value. */
static const struct wrapping {
	struct slice before, after;
} wrappings[][TYPE_BS + 1] = {
	[JSON_PLAIN] = {
		[TYPE_B] = { TEXT("{\"$B\":"), TEXT("}") },
		[TYPE_SS] = { TEXT("{\"$SS\":"), TEXT("}") },
		[TYPE_NS] = { TEXT("{\"$NS\":"), TEXT("}") },
		[TYPE_BS] = { TEXT("{\"$BS\":"), TEXT("}") },
		[TYPE_TRUE] = { TEXT("true"), TEXT("") },
		[TYPE_FALSE] = { TEXT("false"), TEXT("") },
		[TYPE_NULL] = { TEXT("null"), TEXT("") },
	},
	[JSON_TYPED] = {
		[TYPE_S] = { TEXT("{\"S\":"), TEXT("}") },
		[TYPE_N] = { TEXT("{\"N\":\""), TEXT("\"}") },
		[TYPE_B] = { TEXT("{\"B\":"), TEXT("}") },
		[TYPE_TRUE] = { TEXT("{\"BOOL\":true"), TEXT("}") },
		[TYPE_FALSE] = { TEXT("{\"BOOL\":false"), TEXT("}") },
		[TYPE_NULL] = { TEXT("{\"NULL\":true"), TEXT("}") },
		[TYPE_M] = { TEXT("{\"M\":"), TEXT("}") },
		[TYPE_L] = { TEXT("{\"L\":"), TEXT("}") },
		[TYPE_SS] = { TEXT("{\"SS\":"), TEXT("}") },
		[TYPE_NS] = { TEXT("{\"NS\":"), TEXT("}") },
		[TYPE_BS] = { TEXT("{\"BS\":"), TEXT("}") },
	},
};

static int put_content(struct writer *writer, const struct value *value, unsigned depth)
{
	switch (value->type) {
	case TYPE_S:
		return json_put_string(writer->out, value->bytes);
	case TYPE_N:
		return json_put_number(writer->out, value->bytes);
	case TYPE_B:
		return json_put_base64(writer->out, value->bytes);
	case TYPE_M:
		return put_map(writer, value->bytes, depth + 1, false);
	case TYPE_L:
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		return put_members(writer, value, depth + 1);
	default:
		return 0;
	}
}

/* depth: number of maps and lists that contain the value. */
static int put_value(struct writer *writer, const struct value *value, unsigned depth)
{
	const struct wrapping *wrapping = &wrappings[writer->form][value->type];
	int err;

	buffer_put_slice(writer->out, wrapping->before);
	err = put_content(writer, value, depth);
	buffer_put_slice(writer->out, wrapping->after);
	return err ? err : writer->out->err;
}

int json_put_item(struct buffer *out, struct slice item, enum json_form form,
	const struct json_order *order)
{
	struct writer writer = { .out = out, .form = form, .order = order };
	int err = put_map(&writer, item, 0, true);

	if (err && !out->err)
		out->err = err;
	return out->err;
}
