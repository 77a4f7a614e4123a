/* trim_after.h - trims the stream whose records are kept while another stream has an older one.
 *
 * This is the stream of the changes of tables. One of its records is removed when it is
 * TRIM_AFTER_AGE_MS old, no other stream has an older record that has not expired, and no consumer
 * whose hold on the stream is not released has a position before it. Until then every reader sees
 * it.
 *
 * A file can have thousands of streams, so they are scanned in steps. The lowest number that a step
 * has found remains a lower bound: the oldest record of a stream only moves forward, and a new
 * record follows all others. A scan stops at a stream with an older record, and later continues
 * there.
 */
#ifndef STREAM_TRIM_AFTER_H
#define STREAM_TRIM_AFTER_H

#include "stream/retention.h"

#define TRIM_AFTER_AGE_MS (UINT64_C(24) * 3600 * 1000)
#define TRIM_AFTER_STREAMS 64        /* streams scanned by a writer in a commit */

/* A scan of all other streams; zeroed: it has not begun. It is valid in transactions that follow
 * each other, and must be zeroed after one was aborted. */
struct trim_scan {
	uint32_t passed;             /* streams up to this id were scanned */
	uint64_t lowest;             /* no record of theirs has a lower sequence number */
	uint64_t end;                /* no record of any other stream has a lower one: that of the
	                              * last scan that was completed */
};

/* The time and place of a trim. */
struct trim_moment {
	uint64_t clock_ms;           /* retention clock */
	uint64_t sequence;           /* last sequence number assigned before the transaction */
	bool is_whole;               /* scan all streams in one step */
};

/* Does a step. Sets *removed to the number of records removed, and the hint of the stream to the
 * time of the next step. stream_load_bounds must have been called in this transaction. Returns
 * CORRUPT if the oldest record is damaged. */
int trim_after_others(struct txn *txn, struct stream *stream, struct trim_scan *scan,
	const struct trim_moment *moment, uint64_t *removed);

#endif
