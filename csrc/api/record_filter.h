/* record_filter.h - the filter of a feed: a condition on the fields of records, and the key of
 * an item.
 *
 * The condition is evaluated on the bytes of a record. The record is a document whose top-level
 * attributes are its fields, of the names and values that they have in Lua (lua/lua_record.c);
 * only those that the condition names are looked up, and images are not copied.
 */
#ifndef API_RECORD_FILTER_H
#define API_RECORD_FILTER_H

#include "api/expressions.h"
#include "codec/number.h"
#include "stream/feed.h"

/* Number of fields that a condition can name. */
#define RECORD_FIELDS 15

/* A zeroed filter lets every record pass. */
struct feed_filter {
	struct record_filter filter; /* given to the feed */
	struct tide_expressions *expressions;        /* NULL: no condition */
	struct buffer key;           /* key attributes as a map body; empty: of any item */
	struct condition_field fields[RECORD_FIELDS];        /* those that the condition names */
	uint8_t field_ids[RECORD_FIELDS];
	unsigned field_count;
	struct number numbers[RECORD_FIELDS];        /* bytes of the values of type N */
	uint8_t key_attributes[KEY_ATTRIBUTES_MAX];  /* of the record that is tested */
};

/* Lets only records pass that satisfy the bound EXPRESSION_RECORD_FILTER of `expressions`, if it
 * has one. Takes over expressions. */
void feed_filter_by_condition(struct feed_filter *filter, struct tide_expressions *expressions);

/* Lets only records of the item with this key pass. row is the feed's stream. Returns VALIDATION
 * if it is not a key of the stream's table, or NO_MEMORY. */
int feed_filter_by_key(struct feed_filter *filter, struct slice key,
	const struct stream_row *row, const uint8_t secret[HASH_SECRET_BYTES],
	struct failure *failure);

void feed_filter_release(struct feed_filter *filter);

/* Returns the memory that the filter occupies besides the struct, in bytes. */
size_t feed_filter_bytes(const struct feed_filter *filter);

#endif
