/* replica_start.h - the start message from a replica to its source: position and tables.
 *
 *     u8    version (FRAME_VERSION)
 *     16 bytes database id of the target
 *     u8    1 if the replica has a source; then, else nothing of
 *           16 bytes database id, 16 incarnation, u64 position, u64 last record that was read (0:
 *           none), u32 its stream, u64 its fingerprint
 *     u16   number of names of the tables to replicate; 0: all; each counted
 *     u32   number of tables; for each u32 id in the source, u32 stream id, u8 state, name
 *           (counted), place (counted)
 */
#ifndef CODEC_REPLICA_START_H
#define CODEC_REPLICA_START_H

#include "codec/replica.h"

struct replica_start {
	struct slice target;         /* FILE_ID_BYTES */
	bool has_source;
	struct slice database;       /* FILE_ID_BYTES */
	struct slice incarnation;
	uint64_t position;
	uint64_t record;
	uint32_t record_stream;
	uint64_t fingerprint;
	uint16_t name_count;
	struct slice names;          /* each counted */
	uint32_t table_count;
	struct source tables;
};

struct start_table {
	uint32_t id;
	uint32_t stream;
	uint8_t state;
	struct slice name;
	struct slice place;
};

/* Encodes all but the tables, whose number follows. row NULL: no source. */
void replica_start_put(struct buffer *out, const uint8_t target[DATABASE_ID_BYTES],
	const struct replica_row *row, struct slice names);
void start_table_put(struct buffer *out, const struct start_table *table);

/* Decodes a start; start->tables is then read by start_table_get. Returns CORRUPT, or NEWER_FORMAT
 * for another version. */
int replica_start_get(struct replica_start *start, struct slice bytes);
int start_table_get(struct start_table *table, struct source *source);

#endif
