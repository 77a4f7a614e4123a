/* feed_backward.h - fills the page of a feed that returns the newest record first. */
#ifndef STREAM_FEED_BACKWARD_H
#define STREAM_FEED_BACKWARD_H

#include "stream/feed.h"

/* Like feed_fill, for a feed with feed->backward, of the stream with this row. Fills the page with
 * records before the position, in descending order of their sequence numbers. Catches up at the
 * first record that has expired, and at the beginning of the stream. Never returns TRIMMED. */
int feed_fill_backward(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	const struct stream_row *row, struct failure *failure);

#endif
