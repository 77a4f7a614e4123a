/* feed_merged.h - fills the page of a feed of several or all streams. */
#ifndef STREAM_FEED_MERGED_H
#define STREAM_FEED_MERGED_H

#include "stream/feed.h"

/* Like feed_fill, for a feed of several or all streams. Returns their records in commit order. */
int feed_fill_merged(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct failure *failure);

#endif
