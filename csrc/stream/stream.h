/* stream.h - the streams of a database and their bounds.
 *
 *     catalog   0x20, stream id (u32)              a stream              codec/schema.h
 *     catalog   0x21, stream id (u32)              its trim horizon
 *     catalog   0x22, table name, '/', label       its id (u32)
 *
 * A stream stores the name, id and key schema of its table, so that it can be
 * read after the table was deleted. Rows are read when a stream is used, and cached.
 * The stream STREAM_OF_TABLES belongs to no table and has no label.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "codec/schema.h"
#include "lmdb/txn.h"
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
	uint64_t annotated_by;       /* last flush that wrote an annotation (pending.h); 0: none */
	uint64_t free_through;       /* no consumer holds records up to this sequence number */
};

/* Cache of the streams that were used, ascending by id. Its rows are those of one catalog
 * version. */
struct streams {
	struct stream **all;
	size_t count;
	size_t cap;
	uint64_t epoch;              /* bounds loaded in an earlier epoch are no longer valid */
};

/* Sets *stream to the stream with this id, which is read from the transaction if it is not cached.
 * It is valid until streams_clear. Returns 0, END if there is none, CORRUPT, NO_MEMORY, STORE. */
int streams_find(struct streams *streams, struct txn *txn, uint32_t id, struct stream **stream);

/* Returns the stream with this id if it is cached, otherwise NULL. */
struct stream *streams_cached(const struct streams *streams, uint32_t id);

/* Caches a stream from its row. Returns CORRUPT, NO_MEMORY. */
int streams_add_row(struct streams *streams, struct slice key, struct slice value);

/* Removes all streams from the cache; streams_release frees its memory too. */
void streams_clear(struct streams *streams);
void streams_release(struct streams *streams);

/* Reads the row of a stream. Returns 0, END or an error. */
int stream_read_row(struct txn *txn, uint32_t id, struct stream_row *row);

/* Verifies the row of a stream and appends its bytes (codec/schema.h) to out. Returns 0, END or an
 * error. */
int stream_read_bytes(struct txn *txn, uint32_t id, struct buffer *out);

/* Sets *id to the lowest id greater than *id in the key of a row of `catalog` of this kind.
 * Returns END if there is none, or STORE. Reads no row, so it also finds the ids of damaged
 * ones. */
int row_next_id(struct txn *txn, uint8_t kind, uint32_t *id);

static inline int stream_next_id(struct txn *txn, uint32_t *id)
{
	return row_next_id(txn, CATALOG_STREAM, id);
}

/* The same for the streams of tables: without that of the changes of tables. */
static inline int stream_next_of_table(struct txn *txn, uint32_t *id)
{
	if (*id < STREAM_OF_TABLES)
		*id = STREAM_OF_TABLES;
	return stream_next_id(txn, id);
}

/* Like stream_next_id, and reads the row. *id is also set if the row is damaged. */
int stream_next_row(struct txn *txn, uint32_t *id, struct stream_row *row);

/* Sets *exists to whether there is a row with this id, which may be damaged. Returns 0 or STORE. */
int stream_exists(struct txn *txn, uint32_t id, bool *exists);

/* Sets *id to the id of the stream of the table with this name that has this label. Returns 0, END
 * or an error. */
int stream_id_of_label(struct txn *txn, struct slice table_name, struct slice label,
	uint32_t *id);

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

/* Adds the checksum to a row (codec/row.h), writes the row and releases the value. */
int row_write(struct txn *txn, enum tree tree, struct slice key, struct buffer *value);

int stream_write_row(struct txn *txn, const struct stream_row *row);

/* Writes the row of the stream of the changes of tables into a new file. */
int stream_write_of_tables(struct txn *txn, uint64_t now_ms);

int stream_write_label(struct txn *txn, const struct stream_row *row);
int stream_write_horizon(struct txn *txn, uint32_t id, const struct horizon *horizon);

/* Sets *table_name and *label to what the key of a row of a label contains. Returns false for
 * another key. */
bool stream_label_key(struct slice key, struct slice *table_name, struct slice *label);

/* Searches for the rows that stream_remove removes, of which some may not exist. Returns 0 or the
 * error of a damaged page. */
int stream_find_rows(struct txn *txn, const struct stream_row *row);

/* Removes the rows of a stream that has no records left. */
int stream_remove(struct txn *txn, const struct stream_row *row);

#endif
