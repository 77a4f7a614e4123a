/* value.h - decoder for DynamoDB's values in their canonical encoding.
 *
 *     value      type (1 byte), then
 *       S  0x01  varint length, UTF-8 bytes
 *       N  0x02  a number (codec/number.h), self-terminating
 *       B  0x03  varint length, bytes
 *       true 0x04, false 0x05, NULL 0x06      no further bytes
 *       M  0x07  u32 length of the rest, then a map body
 *       L  0x08  u32 length of the rest, varint count, values
 *       SS 0x09, NS 0x0a, BS 0x0b   u32 length of the rest, varint count,
 *                members without a type byte, ascending: varint length and
 *                bytes for SS and BS, numbers for NS
 *     map body   varint count, then for each attribute, names ascending
 *                bytewise: varint length, name (UTF-8), value
 *     item       a map body
 *
 * Each value has exactly one encoding, because names and members are sorted, numbers are canonical
 * and varints minimal. So two items are equal if and only if their bytes are equal, and a search
 * for an attribute name can stop early.
 *
 * codec/builder.h is the encoder of these values.
 */
#ifndef CODEC_VALUE_H
#define CODEC_VALUE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/number.h"

/* Marks a function for uncommon cases. It is kept out of line so that the common path needs no
 * stack frame. */
#define SELDOM __attribute__((noinline))

#define VALUE_MAX_DEPTH 31          /* M and L around a scalar; with the attribute 32 levels */
#define ITEM_MAX_BYTES 409600       /* maximum of item_size */
#define NAME_MAX_BYTES 65535

enum type {
	TYPE_S = 1, TYPE_N, TYPE_B, TYPE_TRUE, TYPE_FALSE, TYPE_NULL,
	TYPE_M, TYPE_L, TYPE_SS, TYPE_NS, TYPE_BS,
};

/* Returns DynamoDB's name of the type: "S", "N", "BOOL", ... */
const char *type_name(enum type type);

/* --- reading ---
 *
 * These functions verify the bytes that they read and return CORRUPT, so they can
 * be used on any bytes.
 */

/* A value, borrowed from encoded bytes. */
struct value {
	enum type type;
	uint32_t count;          /* M, L and sets: number of members */
	struct slice bytes;      /* S, B: content; N: number; M: map body; L, sets: members */
};

static inline bool type_is_set(enum type type)
{
	return type >= TYPE_SS;
}

/* Reads one value from the source. Returns 0 or CORRUPT. */
int value_read(struct source *source, struct value *value);

/* Iterator over the attributes of a map body; map_next returns END after the last one. */
struct map_walk {
	struct source source;
	uint64_t left;
	const uint8_t *found;    /* start of the attribute that map_seek returned */
};
int map_start(struct map_walk *walk, struct slice body);
int map_next(struct map_walk *walk, struct slice *name, struct value *value);

/* Like map_next, but skips the attributes whose names precede `wanted`; of these it verifies only
 * that their bytes can be skipped. */
int map_seek(struct map_walk *walk, struct slice wanted, struct slice *name,
	struct value *value);

/* Iterator over the members of a list or a set. Members of a set have type S, N or B. */
struct list_walk {
	struct source source;
	uint32_t left;
	enum type of;
};
int list_start(struct list_walk *walk, const struct value *list);
int list_next(struct list_walk *walk, struct value *member);

/* Finds the attribute `name` in a map body. Returns 0, END if the map has no such attribute, or
 * CORRUPT. */
int map_find(struct slice body, struct slice name, struct value *value);

/* Verifies a whole map body: its structure, order, UTF-8, numbers and depth. Returns 0 if the
 * builder would produce the same bytes for its content, otherwise CORRUPT. Does not check the
 * limit of 400 KB. */
int map_check(struct slice body);

/* These functions return the size of an item (names and values) or of a value as DynamoDB counts
 * it. The bytes must be valid. The size is the length for S and B, number_size for N, 1 for BOOL
 * and NULL, the sum of the members for sets, 3 + sum of (1 + value) for L, and 3 + sum of (1 +
 * name + value) for M. */
size_t item_size(struct slice body);
size_t value_size(const struct value *value);

/* Returns the number of levels of M and L in a value, including itself; 0 for other types.
 * Stops counting at VALUE_MAX_DEPTH + 1. */
unsigned value_levels(const struct value *value);

/* Returns true if the text is UTF-8 as Unicode defines it: shortest forms, no surrogates, no code
 * point above U+10FFFF. */
bool is_utf8(struct slice text);

/* Returns the length of the longest part of a text that begins it and is UTF-8. */
size_t utf8_prefix(struct slice text);

#endif
