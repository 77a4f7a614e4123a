/* read.h - key ranges, and pages of items read from one snapshot in key order.
 *
 *     page    for each item: sequence number (u64), length (u32), the item
 */
#ifndef TABLE_READ_H
#define TABLE_READ_H

#include "base/error.h"
#include "table/segment.h"

#define PAGE_ITEMS 1000
#define PAGE_BYTES (1024 * 1024)
#define PAGE_EXPIRED 10000           /* number of expired items at which a page ends */

struct bound {
	bool open;                   /* the key itself is outside the range */
	uint16_t len;                /* 0: only the prefix limits the range */
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];
};

/* The keys with this prefix, from low to high. */
struct range {
	uint16_t prefix_len;
	uint8_t prefix[KEY_HEAD_MAX];
	struct bound low, high;
	bool backward;
};

/* Condition on the sort key. */
struct sort_condition {
	enum comparison comparison;
	struct value a, b;           /* b: upper bound of BETWEEN */
};

/* range_of_keyspace sets *range to all keys of a keyspace, range_of_partition to the keys of one
 * partition that satisfy a condition on the sort key. range_of_partition returns the errors of
 * codec/key.h, and VALIDATION for a condition that the schema does not allow. */
void range_of_keyspace(struct range *range, const struct keyspace *keyspace);
int range_of_partition(struct range *range, const struct keyspace *keyspace,
	const struct value *partition, const struct sort_condition *sort,
	const uint8_t *secret, struct failure *failure);

/* Moves the start of the range after this key, a map of the key attributes. range->backward must
 * be set before. Returns VALIDATION if it is not a key of the keyspace, or is outside the
 * range. */
int range_start_after(struct range *range, const struct keyspace *keyspace,
	struct slice key_item, const uint8_t *secret, struct failure *failure);

/* Returns <0 if the key precedes the range, 0 if it is inside, >0 if it follows. Every key
 * precedes an empty range. */
int range_place(const struct range *range, struct slice key);

struct page_request {
	const struct keyspace *keyspace;
	const struct value *partition;       /* that of a query; NULL: a scan */
	const struct item_filter *filter;    /* gets projected items; NULL: none */
	struct segment *segment;     /* items of other segments are skipped; NULL: none are */
	uint32_t max;                /* number of items to evaluate, at most PAGE_ITEMS */
	size_t max_bytes;            /* bytes after which the page ends; 0: PAGE_BYTES */
};

struct page {
	struct buffer bytes;
	struct buffer scratch;
	struct buffer last_key;      /* key after which the range continues; see page_fill */
	size_t at;                   /* offset of the next item for page_next */
	uint32_t count;              /* number of items in the page */
	uint32_t scanned;            /* number of items evaluated, filtered ones included */
	uint32_t skipped;            /* number of items of other segments */
	uint32_t expired;            /* number of expired items, which are not evaluated */
	size_t scanned_bytes;        /* size of the items evaluated, as if all were in the page */
	bool more;                   /* the range has items after those evaluated */
	bool at_stop;                /* the page ended at a stop of the segment */
};

/* Evaluates items until request->max, its max_bytes or PAGE_EXPIRED is reached, copies those that
 * pass the filter into the page, and moves the start of the range after the last item read. If
 * there is a segment, a page that has skipped PAGE_SKIPPED items ends at the next stop (segment.h),
 * and the range starts after that. A page with page->more can be empty if there is a filter or a
 * segment, or if items of the table can expire. In these cases, or if there is a projection,
 * page->last_key is set, if page->more, to the key attributes of the item after which the range
 * starts, a map for range_start_after: the items in the page may lack them. If the keys of a
 * partition are hashed, request->partition is compared with each item.
 *
 * If an item cannot be read, or the filter fails, the page ends before this item, and the next
 * fill, which starts with it, returns the error: CORRUPT, NO_MEMORY, STORE. */
int page_fill(struct page *page, struct range *range, const struct page_request *request,
	struct txn *txn, struct failure *failure);

/* Returns the next item of the page, which is valid until the next fill; END if there is
 * none. */
int page_next(struct page *page, uint64_t *sequence, struct slice *item);

/* Returns the same item without moving to the next one. */
int page_peek(const struct page *page, uint64_t *sequence, struct slice *item);

/* Returns the page's last item, and moves the memory of the page, in which it is, to *bytes.
 * Returns END if page_peek returns another item or none. */
int page_take_last(struct page *page, uint64_t *sequence, struct slice *item,
	struct buffer *bytes);

/* Empties the page. page_clear keeps its memory, page_release releases it. */
void page_clear(struct page *page);
void page_release(struct page *page);

/* Returns the bytes of memory that the page holds. */
static inline size_t page_bytes(const struct page *page)
{
	return page->bytes.cap + page->scratch.cap + page->last_key.cap;
}

#endif
