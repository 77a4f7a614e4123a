/* pending.h - the records of a transaction, until it commits.
 *
 * A record says how many its transaction has; that is known at the end. So
 * they wait here, and are appended to their streams in the moment before the
 * commit. A journal is reused: clear keeps its memory.
 */
#ifndef STREAM_PENDING_H
#define STREAM_PENDING_H

#include "stream/stream.h"

struct pending_record {
	uint32_t stream;
	struct record record;        /* its slices' addresses are not kept ... */
	size_t start;                /* ... the bytes begin here, in `bytes` */
};

struct pending_records {
	struct buffer bytes;
	struct pending_record *all;
	uint32_t count;
	size_t cap;
};

/* Keeps a record: event, origin, sequence, hash and slices are given;
 * the rest is filled in by the flush. NO_MEMORY. */
int pending_add(struct pending_records *pending, uint32_t stream, const struct record *record);

/* Appends everything to its stream, each of which must be known in this
 * transaction (stream_load_bounds). All have one creation time. */
int pending_flush(struct pending_records *pending, struct txn *txn, struct streams *streams,
	uint64_t created_ms, uint64_t retention_ms);

void pending_clear(struct pending_records *pending);
void pending_release(struct pending_records *pending);

#endif
