/* record_filter.h - the filter of a feed: a condition on the fields of records, and the key of
 * an item.
 *
 * The condition is evaluated on the bytes of a record. A record is a document whose top-level
 * attributes are the record's fields, with the names and values that they have in Lua
 * (lua/lua_record.c). Only the fields in the condition are looked up, and images are not copied.
 */
#ifndef API_RECORD_FILTER_H
#define API_RECORD_FILTER_H

#include "api/expressions.h"
#include "codec/number.h"
#include "stream/feed.h"

/* Number of fields that a condition can name. */
#define RECORD_FIELDS 18

/* A zeroed filter lets every record pass. */
struct feed_filter {
	struct record_filter filter; /* given to the feed */
	struct tide_expressions *expressions;        /* NULL: no condition */
	struct buffer key;           /* key attributes as a map body; empty: any key */
	struct condition_field fields[RECORD_FIELDS];        /* fields in the condition */
	uint8_t field_ids[RECORD_FIELDS];                    /* enum field of each of them */
	unsigned field_count;
	struct number numbers[RECORD_FIELDS];        /* bytes of the values of type N */
	uint8_t key_attributes[KEY_ATTRIBUTES_MAX];  /* keys of the record that is tested */
};

/* Lets only those records pass that satisfy the bound EXPRESSION_RECORD_FILTER of `expressions`,
 * if there is one. The filter owns expressions from now on. */
void feed_filter_by_condition(struct feed_filter *filter, struct tide_expressions *expressions);

/* Lets only the records of the item with this key pass. row is the row of the feed's stream.
 * Returns 0, VALIDATION if the key does not fit the key schema of the stream's table, or
 * NO_MEMORY. */
int feed_filter_by_key(struct feed_filter *filter, struct slice key,
	const struct stream_row *row, const uint8_t secret[HASH_SECRET_BYTES],
	struct failure *failure);

void feed_filter_release(struct feed_filter *filter);

/* Returns the memory that the filter occupies besides the struct, in bytes. */
size_t feed_filter_bytes(const struct feed_filter *filter);

#endif
