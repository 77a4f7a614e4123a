/* read_ahead.h - the records of several streams in a range of sequence numbers, which a feed has
 * copied from the log before it returns them.
 *
 * A merge of many streams that alternate needs a search in the log for each record. A window is
 * filled stream by stream instead: one search for each stream, and then one step for each record.
 * An array with a slot for each sequence number of the range gives the records in commit order.
 *
 *     entries    for each record: struct ahead_entry, the record, padding to a multiple of 8 bytes
 *     slots      for each sequence number: offset of its entry plus 1; 0 if there is none
 */
#ifndef STREAM_READ_AHEAD_H
#define STREAM_READ_AHEAD_H

#include "base/buffer.h"

/* Limits of windows, which a test can change. */
struct read_ahead_limits {
	size_t least_bytes;          /* of a window */
	size_t most_bytes;           /* of a window; less than 4 GiB */
	size_t stream_bytes;         /* of a window between these limits, for each stream */
	size_t process_bytes;        /* of the windows of all feeds of the process */
	uint32_t probe;              /* records after which a feed decides whether to read ahead */
};

extern struct read_ahead_limits read_ahead_limits;

struct ahead_entry {
	uint64_t sequence;
	uint64_t transaction;
	uint64_t expires_ms;         /* retention clock at which the record may expire; 0: it may
	                              * have expired in any later snapshot */
	uint64_t len;                /* bytes of the record in memory */
	uint32_t stream;
	bool is_annotated;           /* its transaction is */
	bool is_left_out;            /* it does not pass the filter, and was not copied */
};

/* A zeroed window is empty. */
struct read_ahead {
	struct buffer entries;       /* grouped by stream, ascending within a stream */
	uint32_t *slots;
	size_t slot_count;           /* maximum number of sequence numbers in the range */
	uint64_t from, to;           /* the records with from < sequence number <= to */
	uint64_t snapshot;           /* commit number of the snapshot that was read */
	uint64_t clock_ms;           /* retention clock then */
	uint64_t catalog_version;    /* in that snapshot */
};

/* Begins an empty window with a range of at most `numbers` sequence numbers after `from`, in about
 * this many bytes. Returns END if the process has no bytes left. */
int read_ahead_begin(struct read_ahead *ahead, size_t bytes, uint64_t from, uint64_t numbers);

/* Appends an entry and reserves the bytes of its record, unless it is left out. The caller then
 * appends the record to ahead->entries, or removes the entry with read_ahead_undo. Returns END if
 * the window is full, CORRUPT if it has an entry with this sequence number. */
int read_ahead_add(struct read_ahead *ahead, const struct ahead_entry *entry, size_t *start);
void read_ahead_undo(struct read_ahead *ahead, size_t start);

/* Returns the entry at *offset, and advances *offset to the next one; NULL at the end. The order is
 * that in which the entries were added. */
const struct ahead_entry *read_ahead_walk(const struct read_ahead *ahead, size_t *offset);

/* Lowers the end of the range to `to` and removes the entries after it. */
void read_ahead_cut(struct read_ahead *ahead, uint64_t to);

/* Returns the entry with the lowest sequence number after the position, NULL if there is none. */
const struct ahead_entry *read_ahead_next(const struct read_ahead *ahead, uint64_t position);

/* Removes an entry that read_ahead_next has returned. */
void read_ahead_drop(struct read_ahead *ahead, const struct ahead_entry *entry);

static inline struct slice ahead_record(const struct ahead_entry *entry)
{
	return slice_of(entry + 1, entry->len);
}

/* Empties the window, but keeps its memory; read_ahead_release also frees it. */
void read_ahead_clear(struct read_ahead *ahead);
void read_ahead_release(struct read_ahead *ahead);

/* Returns the number of bytes that the window occupies. */
size_t read_ahead_bytes(const struct read_ahead *ahead);

#endif
