/* stream.h - the streams of a database and their bounds.
 *
 * A stream stores the name, id and key schema of its table, so that it can be
 * read after the table was deleted.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "codec/schema.h"
#include "lmdb/store.h"
#include "stream/log.h"

/* The newest record of a stream, even if it was removed; all 0 if the stream never had one. */
struct stream_head {
	uint64_t sequence;
	uint64_t ordinal;
	uint64_t stream_bytes;
	uint64_t transaction;        /* id of its transaction; 0: the record was removed */
};

/* Beginning and end of a stream in one snapshot. */
struct bounds {
	struct horizon horizon;
	struct stream_head head;
};

/* A writer tries to trim the stream again when one of these values is reached (retention.h). */
struct trim_hint {
	uint64_t at_ms;              /* retention clock; 0: try now */
	uint64_t at_ordinal;         /* ordinal of the newest record */
	uint64_t at_bytes;           /* stream bytes of the newest record */
};

struct stream {
	struct stream_row row;
	struct bounds bounds;        /* cached by stream_load_bounds */
	uint64_t epoch;              /* epoch in which the bounds were loaded; 0: not loaded */
	struct trim_hint hint;
};

/* All streams, ascending by id. */
struct streams {
	struct stream *all;
	size_t count;
	size_t cap;
	bool is_unordered;           /* a stream was created before one with a lower id */
	uint64_t epoch;              /* bounds loaded in an earlier epoch are no longer valid */
};

/* Replaces the set with the streams in the database. Errors: CORRUPT, NO_MEMORY. */
int streams_load(struct streams *streams, struct txn *txn);
void streams_release(struct streams *streams);

/* Adds a stream from its row. Rows must be added in ascending key order. */
int streams_add_row(struct streams *streams, struct slice key, struct slice value);

/* Adds a stream that was just created and therefore has the highest id. Returns 0 or NO_MEMORY. */
int streams_enter(struct streams *streams, const struct stream_row *row);

/* Returns the stream with this id, NULL if there is none. Valid until the set changes. */
struct stream *streams_find(const struct streams *streams, uint32_t id);

/* Read the bounds of a stream from the database. */
int stream_bounds(struct txn *txn, uint32_t id, struct bounds *bounds);
int stream_horizon(struct txn *txn, uint32_t id, struct horizon *horizon);

/* Returns true if stream->bounds is valid. */
static inline bool stream_is_known(const struct streams *streams, const struct stream *stream)
{
	return stream->epoch && stream->epoch == streams->epoch;
}

/* Makes the bounds of all streams invalid, because another handle may have changed them. */
static inline void streams_forget_bounds(struct streams *streams)
{
	streams->epoch++;
}

/* Reads the bounds into stream->bounds, unless stream->bounds is valid already. */
int stream_load_bounds(struct streams *streams, struct stream *stream, struct txn *txn);

/* Adds the checksum to a row of `meta` (codec/row.h), writes the row and releases the value. */
int meta_write(struct txn *txn, struct slice key, struct buffer *value);

int stream_write_row(struct txn *txn, const struct stream_row *row);
int stream_write_horizon(struct txn *txn, uint32_t id, const struct horizon *horizon);

/* Removes the rows of a stream that has no records left. */
int stream_remove(struct txn *txn, uint32_t id);

#endif
