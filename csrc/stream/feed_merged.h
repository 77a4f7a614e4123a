/* feed_merged.h - fills the page of a feed of several or all streams. */
#ifndef STREAM_FEED_MERGED_H
#define STREAM_FEED_MERGED_H

#include "stream/feed.h"

/* Adds a stream to the merge. header: its first record that the feed must return; err: the result
 * of the search for this record with the cursor. A damaged record is added too, and is reported
 * when it is the next record of the feed, because other streams may have intact records before it.
 * Returns 0, NO_MEMORY, or err unless it is END or CORRUPT. */
int feed_add_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, const struct record *header, int err);

/* Like feed_fill, for a feed of several or all streams. Returns their records in commit order. */
int feed_fill_merged(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct failure *failure);

#endif
