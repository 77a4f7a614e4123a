/* feed_ahead.h - reads the records of a merged feed ahead, and takes them into its page; for the
 * fills of merged feeds.
 *
 * A window (read_ahead.h) is read from one snapshot, and later fills with other snapshots take
 * records from it. A record that was read ahead is committed and precedes all records of later
 * commits, so it can only have expired since. A fill therefore checks this for each record, from
 * the window alone if the record expires by its age and no table or stream was changed; otherwise
 * it searches in the log, as for a record that was not read ahead.
 */
#ifndef STREAM_FEED_AHEAD_H
#define STREAM_FEED_AHEAD_H

#include "stream/feed.h"

/* Returns true if the window contains records after those that the fill has read. */
static inline bool feed_has_ahead(const struct feed *feed)
{
	return read_ahead_next(&feed->ahead, feed->filled_to) != NULL;
}

/* Reads a window, beginning at the first record of the merge. The window ends before the first
 * record that can't be read or was lost, so that this is reported at its place. It can be empty.
 * Returns 0 or an error after which the merge is invalid. */
int feed_read_ahead(struct feed *feed, const struct view_of_streams *view, struct cursor *cursor,
	struct failure *failure);

/* Takes the records of the window until the page is full. Returns END if a damaged record follows
 * those in the page, or the error of the first record. */
int feed_take_ahead(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure);

/* Must be called at the end of each fill. Decides from time to time whether the next records are
 * worth reading ahead, and frees the window if they are not. */
void feed_decide_ahead(struct feed *feed);

#endif
