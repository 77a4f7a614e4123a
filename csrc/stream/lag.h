/* lag.h - the lag of a consumer, and whether it has processed a change.
 *
 * Records are not counted one by one: the header of each has its ordinal and the bytes of its
 * stream up to it. Records that the consumer will ignore count until it has processed
 * them.
 */
#ifndef STREAM_LAG_H
#define STREAM_LAG_H

#include "codec/consumer.h"
#include "stream/feed.h"

/* Computes the lag of a consumer. Returns 0 or an error. */
int lag_of(struct lag *lag, const struct view_of_streams *view, const struct consumer_row *row,
	const struct progress_row *progress);

/* Sets *processed to whether no record of the consumer's source with a sequence number up to this
 * one waits for it or was lost. A consumer that is copying has processed no change, because its
 * item may still wait. Returns 0 or an error. */
int lag_has_processed(bool *processed, const struct view_of_streams *view,
	const struct consumer_row *row, const struct progress_row *progress, uint64_t sequence);

#endif
