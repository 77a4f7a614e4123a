/* feed_copy.h - the feed of a consumer that is copying: pages of items, and the records between two
 * pages.
 *
 * A page is read in one read transaction. The last sequence number of that is the page's position.
 * Before the items of a page the feed returns the records up to the page's position whose items
 * were in earlier pages. So every item is returned once, and then every later change of it.
 *
 * The filter is applied to items and records. An item that does not pass it still belongs to its
 * page, so the later changes of this item are tested, too.
 */
#ifndef API_FEED_COPY_H
#define API_FEED_COPY_H

#include "api/database.h"
#include "table/item_copy.h"

struct feed_copy {
	struct item_copy items;
	struct buffer streams;       /* ids (u32) of the consumer's streams; empty: all */
	struct copy_row row;         /* when the feed was started, without its key */
	struct record_filter filter; /* of the records between two pages */
	const uint8_t *secret;
	bool has_page;
	uint64_t position;           /* of the page */
	uint16_t start_len;          /* item key of the last item before the page */
	uint8_t start[KEY_HEAD_MAX + SORT_KEY_MAX];
};

/* Starts a zeroed copy for a feed at the position of its consumer, with the rows that a snapshot
 * contains. The feed then borrows the filter. Returns CORRUPT, NO_MEMORY, STORE. */
int feed_copy_start(struct feed_copy *copy, struct feed *feed, const struct tide *tide,
	uint64_t consumer, struct slice streams, const struct view_of_streams *view);

/* Only items and records that pass this filter are returned; NULL: all. The copy borrows it. */
void feed_copy_select(struct feed_copy *copy, const struct record_filter *selection);

/* Returns the key of the last item that was returned or left out: the copy can continue after it at
 * the feed's position. */
struct slice feed_copy_place(const struct feed_copy *copy, const struct feed *feed);

/* Returns the key of the last item before the page. The records that the copy returns before the
 * items of the page are changes of items up to this key. Empty: no item was passed. */
struct slice feed_copy_passed(const struct feed_copy *copy);

/* Reads a page of items if the last one was returned, then a page of records. Returns the errors of
 * feed_fill and item_copy_fill, and STREAM_ENDED if a source has no stream any more. */
int feed_copy_fill(struct feed_copy *copy, struct feed *feed, uint32_t max, struct tide *tide,
	const struct view_of_streams *view, struct failure *failure);

/* Return the next record or item as tide_feed_next and tide_feed_peek do. */
int feed_copy_next(struct feed_copy *copy, struct feed *feed, uint32_t *stream,
	struct slice *record);
int feed_copy_peek(const struct feed_copy *copy, const struct feed *feed, uint32_t *stream,
	struct slice *record);

/* Discards the page. The caller then calls feed_reread. */
void feed_copy_reread(struct feed_copy *copy, struct feed *feed);

/* Returns true if all records up to the page's position were returned. */
bool feed_copy_has_reached(const struct feed_copy *copy, const struct feed *feed);

/* Returns true if the last item was returned. */
bool feed_copy_is_over(const struct feed_copy *copy, const struct feed *feed);

/* Returns the memory that the copy occupies, in bytes. */
size_t feed_copy_bytes(const struct feed_copy *copy);

void feed_copy_release(struct feed_copy *copy);

#endif
