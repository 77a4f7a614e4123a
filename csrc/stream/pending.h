/* pending.h - the records of an open transaction.
 *
 * Each record contains the number of records in its transaction, which is known
 * only at its end. So records are collected here and appended to their streams
 * immediately before the commit. pending_clear keeps the memory for the next
 * transaction, and forgets the annotation.
 */
#ifndef STREAM_PENDING_H
#define STREAM_PENDING_H

#include "stream/stream.h"

struct pending_record {
	uint32_t stream;
	struct record record;        /* slices have lengths only */
	size_t start;                /* offset in `bytes` of the content of the slices */
};

struct pending_records {
	struct buffer bytes;
	struct pending_record *all;
	uint32_t count;
	size_t cap;
	struct buffer annotation;    /* of the transaction (codec/annotation.h); empty: none */
	bool annotates_all;          /* also records that time to live has caused */
	uint64_t flushes;            /* number of calls of pending_flush */
};

/* Adds a copy of a record. The caller sets event, origin, sequence, partition_hash and the
 * slices; pending_flush sets the other fields. Returns 0 or NO_MEMORY. */
int pending_add(struct pending_records *pending, uint32_t stream, const struct record *record);

/* Appends all records to their streams, with the same creation time. The first in each stream that
 * time to live has not caused gets the annotation, and the others that it has not caused are
 * marked; with annotates_all those that it has caused, too. stream_load_bounds must have been
 * called for each of these streams in this transaction. */
int pending_flush(struct pending_records *pending, struct txn *txn, struct streams *streams,
	uint64_t created_ms, uint64_t retention_ms);

void pending_clear(struct pending_records *pending);
void pending_release(struct pending_records *pending);

#endif
