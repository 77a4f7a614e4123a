/* read.h - pages of items, in key order, out of one snapshot.
 *
 *     page    for each item: sequence number (u64), length (u32), the item
 */
#ifndef TABLE_READ_H
#define TABLE_READ_H

#include "base/error.h"
#include "table/keyspace.h"

#define PAGE_ITEMS 1000
#define PAGE_BYTES (1024 * 1024)

/* A stretch of keys: those that begin with the prefix, from low to high. */
struct bound {
	bool open;                   /* the key itself is not part of it */
	uint16_t len;                /* 0: no bound but the prefix */
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];
};

struct range {
	uint16_t prefix_len;
	uint8_t prefix[KEY_HEAD_MAX];
	struct bound low, high;
	bool backward;
};

/* How a sort key is compared. */
struct sort_condition {
	enum comparison comparison;
	struct value a, b;           /* b: BETWEEN's upper bound */
};

/* A whole keyspace; one partition, with a condition on the sort key. Errors of
 * codec/key.h; VALIDATION for a condition that the schema can't have. */
void range_of_keyspace(struct range *range, const struct keyspace *keyspace);
int range_of_partition(struct range *range, const struct keyspace *keyspace,
	const struct value *partition, const struct sort_condition *sort,
	const uint8_t *secret, struct failure *failure);

/* Goes on behind this key (an item's key attributes): VALIDATION when it is
 * no key of the keyspace or lies outside. Backward must be set before. */
int range_start_after(struct range *range, const struct keyspace *keyspace,
	struct slice key_item, const uint8_t *secret, struct failure *failure);

/* Where a key lies: before the range (<0), in it (0) or behind it (>0); of
 * a range that is empty every key lies before. */
int range_place(const struct range *range, struct slice key);

struct page {
	struct buffer bytes;
	struct buffer scratch;
	size_t at;                   /* what of it is given */
	uint32_t count;
	bool more;                   /* the range goes on behind the page */
};

/* Fills the page with up to max items and moves the range's start behind the
 * last. `asked` is the partition asked for; a hit on a hashed key is compared
 * with it (NULL: a scan). What can't be read ends the page before it, and fails
 * the fill that begins with it: CORRUPT, NO_MEMORY, STORE. */
int page_fill(struct page *page, struct range *range, uint32_t max, struct txn *txn,
	const struct keyspace *keyspace, const struct value *asked, struct failure *failure);

/* The next item of the page: END when it is empty. Good until the next fill. */
int page_next(struct page *page, uint64_t *sequence, struct slice *item);

/* The same without moving. */
int page_peek(const struct page *page, uint64_t *sequence, struct slice *item);

/* Empties it and keeps its memory; page_release gives that back. */
void page_clear(struct page *page);
void page_release(struct page *page);

/* Returns the bytes of memory that the page holds. */
static inline size_t page_bytes(const struct page *page)
{
	return page->bytes.cap + page->scratch.cap;
}

#endif
