/* feed_page.h - copies records from the log into the page of a feed; for the fills of a feed.
 *
 * The page is the one of stream/feed.h. A record that the feed's filter does not let pass is
 * counted, but it is not in the page.
 */
#ifndef STREAM_FEED_PAGE_H
#define STREAM_FEED_PAGE_H

#include "stream/feed.h"

/* Appends the record under the cursor to the page if it passes the filter. row may be NULL if there
 * is no filter. Afterwards the cursor is on some row of the record. Returns 0 or an error, after
 * which the page is unchanged. */
int feed_take(struct feed *feed, struct cursor *cursor, uint32_t stream,
	const struct stream_row *row, const struct record *header);

/* Does the same with a record that was read ahead. The cursor may be anywhere. */
int feed_take_copied(struct feed *feed, struct cursor *cursor, const struct stream_row *row,
	const struct ahead_entry *entry);

/* Returns false if no record with this partition hash passes the filter. */
static inline bool feed_hash_can_pass(const struct record_filter *filter, uint32_t hash)
{
	return !filter->has_hashes || (hash >= filter->first_hash && hash <= filter->last_hash);
}

/* Moves to the next record of the stream and does the same. Returns END if there is none. */
int feed_take_next(struct feed *feed, struct cursor *cursor, const struct stream_row *row);

/* Returns true if a fill of at most max records ends here. */
bool feed_page_is_full(const struct feed *feed, uint32_t max);

/* Returns CORRUPT for a damaged record at this sequence number or beyond it, but 0 if the page
 * contains records: these are returned first, and the next fill fails. Returns other errors
 * unchanged. */
int feed_fail_damaged(struct feed *feed, uint32_t stream, uint64_t sequence, int err,
	struct failure *failure);

#endif
