/* item_copy.h - pages of the items of several tables, in the order of their keys, as records.
 *
 * The record of an item is the INSERT record that the table's stream would get for it, with the
 * sequence number of the item's last change. Without new images in the view of the stream it has
 * the keys. Expired items are items until they are removed. Items whose records do not pass the
 * filter are not in the page.
 *
 *     page    for each item: length of its item key (u16), the key, then as in stream/feed.h the
 *             stream's id (u32), the length of the record (u32), the record
 */
#ifndef TABLE_ITEM_COPY_H
#define TABLE_ITEM_COPY_H

#include "stream/feed.h"
#include "table/long_key.h"

#define COPY_PAGE_ITEMS 1000
#define COPY_PAGE_BYTES (1024 * 1024)

/* A table and its enabled stream. */
struct copy_source {
	uint32_t table;
	uint32_t stream;
};

struct item_copy {
	const struct record_filter *filter;  /* NULL: every item passes */
	struct copy_source *sources;         /* in any order until the next fill */
	size_t source_count, source_cap;
	struct buffer page;
	struct buffer scratch;
	size_t at;                   /* offset of the next item in the page */
	bool is_last;                /* no item follows those in the page */
	uint16_t key_len;
	uint8_t key[KEY_HEAD_MAX + SORT_KEY_MAX];    /* of the last item returned; len 0: none */
	uint64_t left_out;           /* items of all fills that did not pass the filter */
	uint16_t end_len;
	uint8_t end[KEY_HEAD_MAX + SORT_KEY_MAX];    /* key of the last item that the fill has read,
	                              * or copy->key if there was none */
};

/* An item of the page. The slices are valid until the next fill. */
struct copied_item {
	struct slice key;
	struct slice record;
	uint32_t stream;
};

/* Adds a source for the next fill. Returns NO_MEMORY. */
int item_copy_add(struct item_copy *copy, const struct copy_source *source);

/* What is equal for the records of a page. */
struct copy_moment {
	struct streams *streams;
	const uint8_t *secret;
	uint64_t position;           /* last sequence number of the snapshot */
	uint64_t now_ms;             /* creation time of the records */
};

/* Replaces the page by the items after copy->key. Reads at most `max` and COPY_PAGE_ITEMS items,
 * and about COPY_PAGE_BYTES; the page is empty if none of them passes the filter. Returns CORRUPT,
 * NO_MEMORY, STORE; the page is then empty, too. */
int item_copy_fill(struct item_copy *copy, uint32_t max, struct txn *txn,
	const struct copy_moment *moment, struct failure *failure);

/* Returns the next item of the page, or END. item_copy_next also sets copy->key to its key. */
int item_copy_peek(const struct item_copy *copy, struct copied_item *item);
int item_copy_next(struct item_copy *copy, struct copied_item *item);

/* Returns the key of the last item that was returned or did not pass the filter. Items that do not
 * pass and follow the last item of the page count as soon as that item is returned. */
struct slice item_copy_place(const struct item_copy *copy);

/* Sets copy->key. */
void item_copy_set_key(struct item_copy *copy, struct slice key);

/* Empties the page. */
void item_copy_clear(struct item_copy *copy);
void item_copy_release(struct item_copy *copy);

#endif
