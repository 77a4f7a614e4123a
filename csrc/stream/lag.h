/* lag.h - how far a consumer is behind, and whether it has passed a change.
 *
 * Records are not counted one by one: the header of each has its ordinal and the bytes of its
 * stream up to it. Records that the consumer's filter will leave out count until it has passed
 * them.
 */
#ifndef STREAM_LAG_H
#define STREAM_LAG_H

#include "codec/consumer.h"
#include "stream/feed.h"

/* Computes the lag of a consumer. Returns 0 or an error. */
int lag_of(struct lag *lag, const struct view_of_streams *view, const struct consumer_row *row,
	const struct progress_row *progress);

/* Sets *passed to whether no record of the consumer's source with a sequence number up to this one
 * waits for it or was lost. A consumer that is copying has passed no change, because its item may
 * still wait. Returns 0 or an error. */
int lag_passed(bool *passed, const struct view_of_streams *view, const struct consumer_row *row,
	const struct progress_row *progress, uint64_t sequence);

#endif
