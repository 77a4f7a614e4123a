/* stream.h - the streams of a file, and where each one begins and ends.
 *
 * A stream knows nothing of tables but a name, an id and how keys are made up,
 * so that it can be read when its table is gone.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "codec/schema.h"
#include "lmdb/store.h"
#include "stream/log.h"

/* The last record a stream ever had; all 0: it never had one. */
struct stream_head {
	uint64_t sequence;
	uint64_t ordinal;
	uint64_t stream_bytes;
	uint64_t transaction;        /* its transaction's id; 0 if it has been removed */
};

/* Where a stream begins and ends, in one snapshot. */
struct bounds {
	struct horizon horizon;
	struct stream_head head;
};

/* When a writer looks at the front of the stream again: see retention.h. */
struct trim_hint {
	uint64_t at_ms;              /* retention clock; 0: look now */
	uint64_t at_ordinal;         /* or when the head has got this far */
	uint64_t at_bytes;
};

struct stream {
	struct stream_row row;
	struct bounds bounds;        /* as the writer knows them: stream_load_bounds */
	uint64_t known_at;           /* the snapshot in which they hold; 0: none */
	struct trim_hint hint;
};

/* All streams, ascending by id. */
struct streams {
	struct stream *all;
	size_t count;
	size_t cap;
};

/* Reads every stream's row, replacing what was there. CORRUPT, NO_MEMORY. */
int streams_load(struct streams *streams, struct txn *txn);
void streams_release(struct streams *streams);

/* Adds one more from its row; rows come in the order of their keys. */
int streams_add_row(struct streams *streams, struct slice key, struct slice value);

/* NULL when there is none. Good until the next load. */
struct stream *streams_find(const struct streams *streams, uint32_t id);

/* Reads where a stream begins and ends. */
int stream_bounds(struct txn *txn, uint32_t id, struct bounds *bounds);
int stream_horizon(struct txn *txn, uint32_t id, struct horizon *horizon);

/* Keeps the bounds in the stream; free of cost when they hold already. */
int stream_load_bounds(struct stream *stream, struct txn *txn, uint64_t snapshot);

/* Seals a row of `meta` (codec/row.h) and writes it; releases the value. */
int meta_write(struct txn *txn, struct slice key, struct buffer *value);

int stream_write_row(struct txn *txn, const struct stream_row *row);
int stream_write_horizon(struct txn *txn, uint32_t id, const struct horizon *horizon);

/* Removes a stream that has no records left. */
int stream_remove(struct txn *txn, uint32_t id);

#endif
