/* journal.h - the records of a transaction, until it commits.
 *
 * A record says how many its transaction has; that is known at the end. So
 * they wait here, and are appended to their streams in the moment before the
 * commit. A journal is reused: clear keeps its memory.
 */
#ifndef STREAM_JOURNAL_H
#define STREAM_JOURNAL_H

#include "stream/stream.h"

struct pending {
	uint32_t stream;
	struct record record;        /* its slices' addresses are not kept ... */
	size_t start;                /* ... the bytes begin here, in `bytes` */
};

struct journal {
	struct buffer bytes;
	struct pending *all;
	uint32_t count;
	uint32_t cap;
};

/* Keeps a record: event, origin, sequence, hash and slices are given;
 * the rest is filled in by the flush. NO_MEMORY. */
int journal_add(struct journal *journal, uint32_t stream, const struct record *record);

/* Appends everything to its stream, each of which must be known in this
 * transaction (stream_know). All have one creation time. */
int journal_flush(struct journal *journal, struct txn *txn, struct streams *streams,
	uint64_t created_ms, uint64_t retention_ms);

void journal_clear(struct journal *journal);
void journal_release(struct journal *journal);

#endif
