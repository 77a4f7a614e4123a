/* hold.h - holds: records that are kept longer than their stream's retention, for consumers.
 *
 *     consumers   0x36, stream id (u32; 0: all streams), consumer id (u64)   codec/consumer.h
 *
 * A consumer holds the records after its position (doc/format.md, "Hold"). Holds are looked up only
 * after a limit of the retention is exceeded. The functions that write return the errors of
 * txn_put.
 */
#ifndef STREAM_HOLD_H
#define STREAM_HOLD_H

#include "codec/consumer.h"
#include "stream/stream.h"

/* The holds on a stream in one snapshot. */
struct held {
	uint64_t after;              /* records after this sequence number are held; UINT64_MAX:
	                              * none is */
	uint64_t free_through;       /* no hold, released or not, is on a record up to this sequence
	                              * number */
	uint64_t count;              /* number of rows that were read */
};

/* Finds the holds on a stream. A row that is damaged holds all records. Uses the cursor of the
 * log. Returns 0, STORE or NO_MEMORY. */
int hold_find(struct held *held, struct txn *txn, uint32_t stream, const struct bounds *bounds,
	uint64_t clock_ms);

/* Stores since when records wait, in the hold rows of the consumers for which records up to
 * `hidden` are lost. Must be called before these records are hidden; bounds are those of that
 * time. */
int hold_note_lost(struct txn *txn, uint32_t stream, const struct bounds *bounds, uint64_t hidden);

/* State of the hold of one consumer on one stream. */
struct hold_state {
	bool is_held;                /* the consumer holds records of the stream */
	bool is_released;            /* records have waited for too long */
	uint64_t waited_ms;          /* time for which records have waited; 0 if none wait */
};

/* Reads the state of a hold. Uses the cursor of the log. Returns 0 or an error. */
int hold_read_state(struct hold_state *state, struct txn *txn, uint32_t stream, uint64_t consumer,
	const struct progress_row *progress, const struct bounds *bounds, uint64_t clock_ms);

/* Writes the row of a hold whose consumer's position was just set, or removes it (which may not
 * exist). stream 0: all streams. */
int hold_write(struct txn *txn, uint32_t stream, uint64_t consumer);
int hold_remove(struct txn *txn, uint32_t stream, uint64_t consumer);

/* Returns 0 if a consumer has a row of a hold on this stream, otherwise END, CORRUPT or STORE. */
int hold_find_row(struct txn *txn, uint32_t stream, uint64_t consumer);

/* Removes the rows of all holds on a stream that is being removed, or of a consumer. */
int hold_remove_stream(struct txn *txn, uint32_t stream);
int hold_remove_consumer(struct txn *txn, uint64_t consumer);

/* Sets *stream and *consumer to those of the next row after them; both are 0 at the start. Returns
 * 0, END or STORE. */
int hold_next(struct txn *txn, uint32_t *stream, uint64_t *consumer);

#endif
