/* replica.h - rows of `consumers` that describe replicas.
 *
 * A replica is the state of one-way replication in the target database: the source, the position in
 * its changes, and its tables. The functions encode and decode the payloads of these rows
 * (codec/row.h). doc/format.md describes the layouts.
 */
#ifndef CODEC_REPLICA_H
#define CODEC_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/annotation.h"
#include "codec/key.h"
#include "codec/schema.h"

/* First byte of the key of a row in `consumers`. */
#define REPLICA_ROW 0x39             /* name */
#define REPLICA_TABLE 0x3a           /* replica id (u64), table id in the source (u32) */
#define REPLICA_SEEN 0x3b            /* the same, hash (16 bytes) */
#define REPLICA_SWEPT 0x3c           /* the same as REPLICA_TABLE */

#define REPLICA_TABLE_KEY (1 + 8 + 4)
#define REPLICA_SEEN_KEY (REPLICA_TABLE_KEY + HASH_BYTES)
#define REPLICA_NAME_MAX 255
#define REPLICA_REASON_MAX 100
#define REPLICA_ROUNDS_MAX 3

struct replica_row {
	uint64_t id;
	uint64_t created_ms;
	bool is_promoted;
	bool has_source;             /* the fields of the source are set */
	uint8_t database[DATABASE_ID_BYTES];         /* of the source */
	uint8_t incarnation[DATABASE_ID_BYTES];
	uint64_t position;           /* all changes of the source up to it were applied */
	uint64_t record;             /* the last record that was read; 0: none */
	uint32_t record_stream;      /* its stream in the source */
	uint64_t fingerprint;        /* its hash */
	uint64_t changed_ms;         /* time of the last transaction, by the source's clock */
	uint8_t rounds;              /* copies begun since all tables were copied last */
	uint64_t transactions;       /* statistics: applied transactions */
	uint64_t records;            /* records in them */
	uint64_t items;              /* items that a copy has put or removed */
	struct slice settings;       /* a map (codec/value.h) */
};

enum replica_state {
	REPLICA_FOLLOWS = 1,
	REPLICA_WAITS,               /* for its copy */
	REPLICA_COPIES,
	REPLICA_OFF,                 /* can't be followed */
};

struct replica_table {
	uint32_t source;             /* id in the source, from the row's key */
	uint8_t state;               /* enum replica_state */
	bool merges;                 /* it had items before the copy */
	uint32_t table;              /* id here; 0: it was never created */
	uint32_t stream;             /* id of its stream in the source; 0: none */
	uint64_t items;              /* items of the source that the copy has passed */
	struct slice path;           /* ids of databases through which it came, the last one is the
	                              * source */
	const uint8_t *incarnation;  /* of the first of them */
	struct slice name;
	struct slice reason;         /* REPLICA_OFF: why */
	struct slice place;          /* REPLICA_COPIES: key of the last item copied, without table
	                              * id; empty: none */
};

void replica_put(struct buffer *out, const struct replica_row *row);
void replica_table_put(struct buffer *out, const struct replica_table *table);

/* Decode a payload, whose slices borrow from it. Return 0 or CORRUPT. The fields from the key are
 * unchanged. */
int replica_get(struct replica_row *row, struct slice bytes);
int replica_table_get(struct replica_table *table, struct slice bytes);

/* Returns true if bytes are the key of a row of replicas. */
bool is_replica_key(struct slice key);

/* Returns the name of a state: FOLLOWING, WAITING, COPYING, NOT_FOLLOWED. */
const char *replica_state_name(uint8_t state);

static inline bool replica_is_copying(uint8_t state)
{
	return state == REPLICA_WAITS || state == REPLICA_COPIES;
}

#endif
