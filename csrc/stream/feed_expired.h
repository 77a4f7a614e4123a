/* feed_expired.h - finds the first record of a stream that a feed must return, and detects records
 * that it has lost; for the files of feeds. */
#ifndef STREAM_FEED_EXPIRED_H
#define STREAM_FEED_EXPIRED_H

#include "stream/feed.h"

/* Returns the sequence number of the newest record of a stream that the feed must not return: the
 * feed's position, or a later record that had expired when the feed was started. */
uint64_t feed_floor(const struct feed *feed, uint32_t stream);

/* Returns TRIMMED if streams of a feed of several streams were removed with records that the feed
 * has not returned. */
int feed_check_removed(const struct feed *feed, const struct view_of_streams *view,
	struct failure *failure);

/* Reads the newest expired record, as far as it is after floor, and the newest record of a
 * stream. */
int feed_read_bounds(const struct view_of_streams *view, const struct stream_row *row,
	uint64_t floor, uint64_t *hidden, uint64_t *last);

/* Positions the cursor on the first record of the stream that the feed must return. Returns END
 * if there is none, TRIMMED if records before it have expired. */
int feed_seek_first(const struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, struct record *header,
	struct failure *failure);

/* Positions the cursor on the next record of an input of the merge, not before input->sequence.
 * Returns END if there is none, or if its stream was removed, because feed_check_removed has found
 * that no record was lost; TRIMMED as feed_seek_first. Sets *row to the stream's row, or to NULL if
 * it was not needed. */
int feed_open_input(const struct feed *feed, struct merge_input *input,
	const struct view_of_streams *view, const struct stream_row **row, struct cursor *cursor,
	struct record *header, struct failure *failure);

#endif
