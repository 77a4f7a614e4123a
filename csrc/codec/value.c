/* value.c - decoding and verifying canonical values.
 *
 * The bytes are not trusted. Every length is compared with the number of bytes left, and every
 * count with the number of members that fit in these bytes.
 */
#include "codec/value.h"

#include "base/error.h"

/* Minimum width of an attribute: a length, a name of one byte, a type. */
#define ATTRIBUTE_MIN 3

const char *type_name(enum type type)
{
	static const char *const names[] = {
		[TYPE_S] = "S", [TYPE_N] = "N", [TYPE_B] = "B",
		[TYPE_TRUE] = "BOOL", [TYPE_FALSE] = "BOOL", [TYPE_NULL] = "NULL",
		[TYPE_M] = "M", [TYPE_L] = "L",
		[TYPE_SS] = "SS", [TYPE_NS] = "NS", [TYPE_BS] = "BS",
	};

	return type >= TYPE_S && type <= TYPE_BS ? names[type] : "?";
}

/* --- UTF-8 --- */

static inline bool high_bit_in_8(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	return (word & 0x8080808080808080u) != 0;
}

static inline bool high_bit_in_4(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof word);
	return (word & 0x80808080u) != 0;
}

/* Returns true if a text is ASCII. Tests 8 bytes at once; the last word overlaps the previous
 * one. */
static inline bool is_ascii(const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;
	uint8_t seen = 0;

	if (len >= 8) {
		for (; end - p > 8; p += 8)
			if (high_bit_in_8(p))
				return false;
		return !high_bit_in_8(end - 8);
	}
	if (len >= 4)
		return !high_bit_in_4(p) && !high_bit_in_4(end - 4);
	while (p < end)
		seen |= *p++;
	return seen < 0x80;
}

static inline bool between(uint8_t byte, uint8_t low, uint8_t high)
{
	return byte >= low && byte <= high;
}

/* Returns the width of the UTF-8 character at p, 0 if it is invalid. The ranges of the second byte
 * are those of Unicode's table 3-7. They exclude overlong forms, surrogates and code points above
 * U+10FFFF. */
static size_t character_width(const uint8_t *p, size_t left)
{
	uint8_t lead = p[0];

	if (lead < 0x80)
		return 1;
	if (between(lead, 0xc2, 0xdf))
		return left >= 2 && between(p[1], 0x80, 0xbf) ? 2 : 0;
	if (between(lead, 0xe0, 0xef))
		return left >= 3 &&
			between(p[1], lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) &&
			between(p[2], 0x80, 0xbf) ? 3 : 0;
	if (between(lead, 0xf0, 0xf4))
		return left >= 4 &&
			between(p[1], lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) &&
			between(p[2], 0x80, 0xbf) && between(p[3], 0x80, 0xbf) ? 4 : 0;
	return 0;
}

bool is_utf8(struct slice text)
{
	const uint8_t *p = text.data;
	size_t left = text.len, width;

	if (is_ascii(p, left))
		return true;
	while (left > 0) {
		if (left >= 8 && !high_bit_in_8(p))
			width = 8;
		else
			width = character_width(p, left);
		if (width == 0)
			return false;
		p += width;
		left -= width;
	}
	return true;
}

size_t utf8_prefix(struct slice text)
{
	const uint8_t *p = text.data;
	size_t left = text.len, width;

	while (left > 0 && (width = left >= 8 && !high_bit_in_8(p) ? 8 :
			character_width(p, left)) > 0) {
		p += width;
		left -= width;
	}
	return text.len - left;
}

/* --- one value ---
 *
 * These functions read at address `at` and return the address after the bytes that they
 * have read, NULL if the bytes are invalid. Addresses stay in registers, whereas a struct
 * source would be stored and loaded at each step.
 */

SELDOM static const uint8_t *take_long_varint(const uint8_t *at, const uint8_t *end, uint64_t *n)
{
	struct source source = { at, end, 0 };

	*n = source_varint(&source);
	return source.err ? NULL : source.at;
}

static inline const uint8_t *take_varint(const uint8_t *at, const uint8_t *end, uint64_t *n)
{
	if (at == end || *at >= 0x80)
		return take_long_varint(at, end, n);
	*n = *at;
	return at + 1;
}

static inline const uint8_t *take(const uint8_t *at, const uint8_t *end, uint64_t len,
	struct slice *taken)
{
	if (!at || len > (size_t)(end - at))
		return NULL;
	*taken = slice_of(at, (size_t)len);
	return at + len;
}

SELDOM static const uint8_t *take_long(const uint8_t *at, const uint8_t *end,
	struct slice *taken)
{
	uint64_t len;

	at = take_long_varint(at, end, &len);
	return take(at, end, len, taken);
}

/* Reads bytes that are preceded by their length as a varint. */
static inline const uint8_t *take_counted(const uint8_t *at, const uint8_t *end,
	struct slice *taken)
{
	if (at == end || *at >= 0x80)
		return take_long(at, end, taken);
	return take(at + 1, end, *at, taken);
}

static const uint8_t *take_number(const uint8_t *at, const uint8_t *end, struct slice *taken)
{
	int width = number_width(slice_of(at, (size_t)(end - at)));

	return width < 0 ? NULL : take(at, end, (uint64_t)width, taken);
}

static const uint8_t *take_container(const uint8_t *at, const uint8_t *end, struct value *value)
{
	const uint8_t *members;
	struct slice body;
	uint64_t count;
	size_t left;

	if (end - at < 4)
		return NULL;
	at = take(at + 4, end, get_u32(at), &body);
	members = at ? take_varint(body.data, at, &count) : NULL;
	if (!members)
		return NULL;
	left = (size_t)(at - members);
	if (count > left / (value->type == TYPE_M ? ATTRIBUTE_MIN : 1) ||
			(count == 0 && (left > 0 || type_is_set(value->type))))
		return NULL;
	value->count = (uint32_t)count;
	value->bytes = value->type == TYPE_M ? body : slice_of(members, left);
	return at;
}

static inline const uint8_t *take_value(const uint8_t *at, const uint8_t *end,
	struct value *value)
{
	if (at == end)
		return NULL;
	value->type = (enum type)*at++;
	value->count = 0;
	value->bytes = slice_of(at, 0);
	switch (value->type) {
	case TYPE_S:
	case TYPE_B:
		return take_counted(at, end, &value->bytes);
	case TYPE_N:
		return take_number(at, end, &value->bytes);
	case TYPE_TRUE:
	case TYPE_FALSE:
	case TYPE_NULL:
		return at;
	case TYPE_M:
	case TYPE_L:
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		return take_container(at, end, value);
	default:
		return NULL;
	}
}

/* Returns the address after the value at `at`, without verifying the members of a container. */
static inline const uint8_t *skip_value(const uint8_t *at, const uint8_t *end)
{
	struct slice skipped;

	if (at == end)
		return NULL;
	switch (*at++) {
	case TYPE_S:
	case TYPE_B:
		return take_counted(at, end, &skipped);
	case TYPE_N:
		return take_number(at, end, &skipped);
	case TYPE_TRUE:
	case TYPE_FALSE:
	case TYPE_NULL:
		return at;
	case TYPE_M:
	case TYPE_L:
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		return end - at < 4 ? NULL : take(at + 4, end, get_u32(at), &skipped);
	default:
		return NULL;
	}
}

/* Moves the source to `at`. NULL means that the value is invalid, so the source becomes CORRUPT. */
static inline int advance(struct source *source, const uint8_t *at)
{
	if (!at)
		return source->err = ERR_CORRUPT;
	source->at = at;
	return 0;
}

int value_read(struct source *source, struct value *value)
{
	return source->err ? source->err :
		advance(source, take_value(source->at, source->end, value));
}

/* --- walks --- */

int map_start(struct map_walk *walk, struct slice body)
{
	struct source *source = &walk->source;
	const uint8_t *at;

	*source = source_of(body);
	walk->left = 0;
	at = take_varint(source->at, source->end, &walk->left);
	if (at && walk->left > (size_t)(source->end - at) / ATTRIBUTE_MIN)
		at = NULL;
	return advance(source, at);
}

/* Ends the walk over a container. Returns END after the last member, CORRUPT if more bytes
 * follow. */
static inline int walk_end(const struct source *source)
{
	return source->err || source->at != source->end ? ERR_CORRUPT : END;
}

int map_next(struct map_walk *walk, struct slice *name, struct value *value)
{
	struct source *source = &walk->source;
	const uint8_t *at;

	if (walk->left == 0 || source->err)
		return walk_end(source);
	walk->left--;
	at = take_counted(source->at, source->end, name);
	return advance(source, at ? take_value(at, source->end, value) : NULL);
}

/* Returns true if a name precedes another one. Most differ in their first byte. */
static inline bool precedes(struct slice a, struct slice b)
{
	if (a.len && b.len && a.data[0] != b.data[0])
		return a.data[0] < b.data[0];
	return slice_compare(a, b) < 0;
}

int map_seek(struct map_walk *walk, struct slice wanted, struct slice *name,
	struct value *value)
{
	const uint8_t *at = walk->source.at, *end = walk->source.end, *start;
	uint64_t left = walk->source.err ? 0 : walk->left;
	struct slice here;

	for (; left > 0 && at; left--) {
		start = at;
		at = take_counted(at, end, &here);
		if (at && !precedes(here, wanted)) {
			*name = here;
			walk->found = start;
			walk->left = left - 1;
			return advance(&walk->source, take_value(at, end, value));
		}
		at = at ? skip_value(at, end) : NULL;
	}
	walk->left = 0;
	advance(&walk->source, at);
	return walk_end(&walk->source);
}

static enum type member_type(enum type set)
{
	switch (set) {
	case TYPE_SS: return TYPE_S;
	case TYPE_NS: return TYPE_N;
	case TYPE_BS: return TYPE_B;
	default: return 0;
	}
}

int list_start(struct list_walk *walk, const struct value *list)
{
	walk->source = source_of(list->bytes);
	walk->left = list->count;
	walk->of = member_type(list->type);
	return 0;
}

int list_next(struct list_walk *walk, struct value *member)
{
	struct source *source = &walk->source;
	const uint8_t *at = source->at;

	if (walk->left == 0 || source->err)
		return walk_end(source);
	walk->left--;
	if (!walk->of)
		return advance(source, take_value(at, source->end, member));
	member->type = walk->of;
	member->count = 0;
	return advance(source, walk->of == TYPE_N ?
		take_number(at, source->end, &member->bytes) :
		take_counted(at, source->end, &member->bytes));
}

int map_find(struct slice body, struct slice name, struct value *value)
{
	struct map_walk walk;
	struct slice here;
	int err;

	err = map_start(&walk, body);
	if (!err)
		err = map_seek(&walk, name, &here, value);
	return !err && !slice_equal(here, name) ? END : err;
}

/* --- verifying: bytes that the builder would not produce are CORRUPT --- */

static int check_map(struct slice body, unsigned depth);
static int check_list(const struct value *list, unsigned depth);

static int check_set(const struct value *set)
{
	struct list_walk walk;
	struct value member;
	struct slice before = { 0 };
	bool first = true;
	int err;

	list_start(&walk, set);
	while ((err = list_next(&walk, &member)) == 0) {
		if (!first && slice_compare(before, member.bytes) >= 0)
			return ERR_CORRUPT;
		if (member.type == TYPE_S && !is_utf8(member.bytes))
			return ERR_CORRUPT;
		before = member.bytes;
		first = false;
	}
	return err == END ? 0 : err;
}

/* Verifies a value. depth is the number of levels of M and L around it. */
static int check_value(const struct value *value, unsigned depth)
{
	switch (value->type) {
	case TYPE_S:
		return is_utf8(value->bytes) ? 0 : ERR_CORRUPT;
	case TYPE_M:
		return depth < VALUE_MAX_DEPTH ? check_map(value->bytes, depth + 1) : ERR_CORRUPT;
	case TYPE_L:
		return depth < VALUE_MAX_DEPTH ? check_list(value, depth + 1) : ERR_CORRUPT;
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		return check_set(value);
	default:
		return 0;
	}
}

static int check_list(const struct value *list, unsigned depth)
{
	struct list_walk walk;
	struct value member;
	int err;

	list_start(&walk, list);
	while ((err = list_next(&walk, &member)) == 0) {
		err = check_value(&member, depth);
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

static int check_map(struct slice body, unsigned depth)
{
	struct slice name, before = { 0 };
	struct map_walk walk;
	struct value value;
	int err;

	err = map_start(&walk, body);
	while (!err) {
		err = map_next(&walk, &name, &value);
		if (err)
			break;
		/* before is empty at first, so an empty name is CORRUPT too */
		if (slice_compare(before, name) >= 0 || name.len > NAME_MAX_BYTES ||
			!is_utf8(name))
			return ERR_CORRUPT;
		before = name;
		err = check_value(&value, depth);
	}
	return err == END ? 0 : err;
}

int map_check(struct slice body)
{
	return check_map(body, 0);
}

/* --- sizes --- */

static size_t list_size(const struct value *list, size_t each)
{
	struct list_walk walk;
	struct value member;
	size_t size = 0;

	list_start(&walk, list);
	while (list_next(&walk, &member) == 0)
		size += each + value_size(&member);
	return size;
}

static size_t map_size(struct slice body, size_t each)
{
	struct map_walk walk;
	struct slice name;
	struct value value;
	size_t size = 0;

	if (map_start(&walk, body))
		return 0;
	while (map_next(&walk, &name, &value) == 0)
		size += each + name.len + value_size(&value);
	return size;
}

size_t item_size(struct slice body)
{
	return map_size(body, 0);
}

size_t value_size(const struct value *value)
{
	switch (value->type) {
	case TYPE_S:
	case TYPE_B:
		return value->bytes.len;
	case TYPE_N:
		return number_size(value->bytes);
	case TYPE_M:
		return 3 + map_size(value->bytes, 1);
	case TYPE_L:
		return 3 + list_size(value, 1);
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		return list_size(value, 0);
	default:
		return 1;
	}
}

/* --- depth --- */

/* Returns the number of levels of M and L in a value, at most `most`, so that the recursion is
 * bounded for any bytes. */
static unsigned levels(const struct value *value, unsigned most)
{
	struct map_walk attributes = { .left = 0 };
	struct list_walk members = { .left = 0 };
	unsigned deepest = 0, here;
	struct value member;
	struct slice name;
	int err;

	if (most == 0 || (value->type != TYPE_M && value->type != TYPE_L))
		return 0;
	err = value->type == TYPE_M ? map_start(&attributes, value->bytes) :
		list_start(&members, value);
	while (!err) {
		err = value->type == TYPE_M ? map_next(&attributes, &name, &member) :
			list_next(&members, &member);
		here = err ? 0 : levels(&member, most - 1);
		deepest = here > deepest ? here : deepest;
	}
	return 1 + deepest;
}

unsigned value_levels(const struct value *value)
{
	return levels(value, VALUE_MAX_DEPTH + 1);
}
