/* parked.h - the rows of parked records in a transaction (codec/parked.h).
 */
#ifndef STREAM_PARKED_H
#define STREAM_PARKED_H

#include "codec/parked.h"
#include "codec/schema.h"
#include "lmdb/txn.h"

/* Writes a row of `consumers`: the checksum and the payload. */
int parked_write_row(struct txn *txn, struct slice key, struct slice payload);

/* Stores the copy of a record in as many rows as it needs, and sets *bytes to its size. No copy may
 * have this place. Returns TOO_BIG if it needs more than PARKED_LAST_PART rows. */
int parked_write(struct txn *txn, const struct parked_place *place,
	const struct parked_copy *copy, uint64_t *bytes);

/* Returns 0 if there is a copy at this place, otherwise END. */
int parked_find(struct txn *txn, const struct parked_place *place);

/* Appends the bytes of a copy to the buffer. Returns END if there is none. */
int parked_read(struct buffer *bytes, struct txn *txn, const struct parked_place *place);

/* Removes a copy, but not its mark, and sets *bytes to its size. Returns END if there is none. */
int parked_remove(struct txn *txn, const struct parked_place *place, uint64_t *bytes);

/* Moves *place to the next record of its consumer that has a row of this kind: CONSUMER_PARKED or
 * CONSUMER_REPLAY. A place whose other fields are 0 precedes all of them. Returns END after the
 * last one. */
int parked_next(struct txn *txn, uint8_t kind, struct parked_place *place);

/* Sets place->sequence to that of the newest record that is parked for the key of the place.
 * Returns END if there is none. */
int parked_newest(struct txn *txn, struct parked_place *place);

/* Move *place to the previous and to the next parked record of its key. Return END if there is
 * none. A place need not be that of a record. */
int parked_before(struct txn *txn, struct parked_place *place);
int parked_after(struct txn *txn, struct parked_place *place);

static inline bool parked_is_same_key(const struct parked_place *a, const struct parked_place *b)
{
	return a->consumer == b->consumer && a->table == b->table &&
		memcmp(a->hash, b->hash, HASH_BYTES) == 0;
}

/* Returns 0 if the record is to be delivered again, otherwise END. */
int parked_find_mark(struct txn *txn, const struct parked_place *place);
int parked_mark(struct txn *txn, const struct parked_place *place);
int parked_unmark(struct txn *txn, const struct parked_place *place);    /* END if it has none */

/* Some of the parked records of a consumer. */
struct parked_scope {
	struct slice table_name;     /* of their table; empty: of all tables */
	bool has_hash;               /* only those with this partition key */
	struct slice key_name;       /* its name */
	enum type key_type;
	uint8_t hash[HASH_BYTES];    /* the hash of its value */
	uint32_t known;              /* id of a table with the names; 0: unknown */
	uint32_t other;              /* id of a table without them; 0: unknown */
};

/* Returns true if the table of a stream has the name and the partition key of the scope. */
bool parked_scope_has(const struct parked_scope *scope, const struct stream_row *stream);

/* Sets *matches to whether the record at *place is in the scope. */
int parked_scope_matches(bool *matches, struct txn *txn, struct parked_scope *scope,
	const struct parked_place *place);

/* Moves *place to the next record of the scope. */
int parked_next_of(struct txn *txn, struct parked_scope *scope, struct parked_place *place);

/* Sets hash to the hash of the value of a partition key. */
static inline void parked_hash(uint8_t hash[HASH_BYTES], struct slice partition,
	const uint8_t secret[HASH_SECRET_BYTES])
{
	hash128(secret, partition, hash);
}

#endif
