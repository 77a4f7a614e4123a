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

/* How a page is filled. */
struct page_request {
	const struct keyspace *keyspace;
	const struct value *partition;       /* the only one in the range; NULL: a scan */
	const struct item_filter *filter;    /* sees projected items; NULL: gives them all */
	uint32_t max;                /* items to evaluate; at most PAGE_ITEMS are */
};

struct page {
	struct buffer bytes;
	struct buffer scratch;
	struct buffer last_key;      /* see page_fill */
	size_t at;                   /* what of it is given */
	uint32_t count;              /* items in the page */
	uint32_t scanned;            /* items evaluated, those left out included */
	size_t scanned_bytes;
	bool more;                   /* the range goes on behind the page */
};

/* Evaluates items until request->max or PAGE_BYTES, copies those that the filter gives into
 * the page, and moves the start of the range after the last one evaluated. With a filter or
 * a projection, and if the range goes on, page->last_key is set to the key attributes of
 * that item, from which range_start_after can continue: the page may not contain them.
 *
 * The first item that cannot be read, or that the filter fails on, ends the page before it;
 * the fill that begins with it fails: CORRUPT, NO_MEMORY, STORE. */
int page_fill(struct page *page, struct range *range, const struct page_request *request,
	struct txn *txn, struct failure *failure);

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
	return page->bytes.cap + page->scratch.cap + page->last_key.cap;
}

#endif
