/* value.h - DynamoDB's values as canonical bytes: equal values, equal bytes.
 *
 *     value      type (1 byte), then
 *       S  0x01  varint length, UTF-8 bytes
 *       N  0x02  a number (codec/number.h), which ends by itself
 *       B  0x03  varint length, bytes
 *       true 0x04, false 0x05, NULL 0x06      nothing more
 *       M  0x07  u32 length of what follows, then a map body
 *       L  0x08  u32 length of what follows, varint count, values
 *       SS 0x09, NS 0x0a, BS 0x0b   u32 length of what follows, varint count,
 *                members without a type byte, ascending: varint length and
 *                bytes for SS and BS, numbers for NS
 *     map body   varint count, then for each attribute, names ascending
 *                bytewise: varint length, name (UTF-8), value
 *     item       a map body
 *
 * Everything that has a choice is made one: names and members are sorted,
 * numbers canonical, varints shortest. Two items are equal if and only if
 * their bytes are, and looking for a name may stop early.
 *
 * Here they are read; codec/builder.h makes them.
 */
#ifndef CODEC_VALUE_H
#define CODEC_VALUE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/number.h"

/* Out of the way of what is common, which then needs no frame. */
#define SELDOM __attribute__((noinline))

#define VALUE_MAX_DEPTH 32          /* levels of M and L below the item */
#define ITEM_MAX_BYTES 409600       /* by DynamoDB's size rule, below */
#define NAME_MAX_BYTES 65535

enum type {
	TYPE_S = 1, TYPE_N, TYPE_B, TYPE_TRUE, TYPE_FALSE, TYPE_NULL,
	TYPE_M, TYPE_L, TYPE_SS, TYPE_NS, TYPE_BS,
};

/* DynamoDB's name of the type: "S", "N", "BOOL", ... */
const char *type_name(enum type type);

/* --- reading ---
 *
 * A value borrowed from encoded bytes. `bytes` is the text for S and B, the
 * encoded number for N, the body for M (a map body), the members for L and the
 * sets; count is the number of members. These functions check what they touch
 * and answer CORRUPT, so they may be pointed at any bytes.
 */
struct value {
	enum type type;
	uint32_t count;
	struct slice bytes;
};

static inline bool type_is_set(enum type type)
{
	return type >= TYPE_SS;
}

/* Reads one value from the front of source. */
int value_read(struct source *source, struct value *value);

/* A walk over the attributes of a map body; next returns END behind the last. */
struct map_walk {
	struct source source;
	uint64_t left;
};
int map_start(struct map_walk *walk, struct slice body);
int map_next(struct map_walk *walk, struct slice *name, struct value *value);

/* A walk over the members of a list or a set. A member of a set has the type
 * S, N or B. */
struct list_walk {
	struct source source;
	uint32_t left;
	enum type of;
};
int list_start(struct list_walk *walk, const struct value *list);
int list_next(struct list_walk *walk, struct value *member);

/* The attribute `name` of a map body: 0, END if it isn't there, CORRUPT. */
int map_find(struct slice body, struct slice name, struct value *value);

/* Verifies a whole map body: structure, order, UTF-8, numbers, depth. 0 means
 * that the builder would have made these bytes of what they say; CORRUPT if
 * not. The 400 KB are no matter of form and are not asked. */
int map_check(struct slice body);

/* The size by DynamoDB's rule of an item (names and values), and of a value.
 * Trusts checked bytes. S, B: length; N: number_size; BOOL, NULL: 1; sets: sum
 * of members; L: 3 + sum of (1 + value); M: 3 + sum of (1 + name + value). */
size_t item_size(struct slice body);
size_t value_size(const struct value *value);

/* Returns the number of levels of M and L in a value, itself included; 0 for others. More
 * than VALUE_MAX_DEPTH + 1 are not counted. */
unsigned value_levels(const struct value *value);

/* UTF-8 as Unicode has it: shortest forms, no surrogates, up to U+10FFFF. */
bool is_utf8(struct slice text);

#endif
