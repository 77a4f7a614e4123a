/* forge.h - writes invalid rows with valid checksums.
 *
 * Checksums detect damaged bytes. The other invariants are tested with rows that are
 * changed and get a new checksum.
 */
#ifndef UNIT_FORGE_H
#define UNIT_FORGE_H

#include "api/database.h"
#include "codec/row.h"
#include "table/items.h"
#include "unit/tides.h"

/* Begins a write transaction of the handle's store, which checks no invariant. */
static inline struct txn *forge_begin(struct tide *tide)
{
	struct failure failure = { 0 };
	struct txn *txn;

	CHECK_EQUAL_INT(write_lock_try(store_shared_page(tide->store)), 0);
	MUST(writer_begin(&txn, tide->store, &failure), failure);
	return txn;
}

static inline void forge_commit(struct tide *tide, struct txn *txn)
{
	struct failure failure = { 0 };

	MUST(writer_commit(&txn, &failure), failure);
	write_lock_release(store_shared_page(tide->store));
}

/* Commits the transaction. Returns the number of problems that check finds then. */
static inline uint64_t forge_problems(struct tide *tide, struct txn *txn)
{
	forge_commit(tide, txn);
	return problems_of(tide);
}

static inline void forge_row(struct txn *txn, enum tree tree, struct slice key,
	struct slice payload)
{
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_slice(&value, payload);
	CHECK_EQUAL_INT(row_seal(&value, key), 0);
	CHECK_EQUAL_INT(txn_put(txn, tree, key, buffer_slice(&value)), 0);
	buffer_release(&value);
}

static inline void forge_delete(struct txn *txn, enum tree tree, struct slice key)
{
	CHECK_EQUAL_INT(txn_delete(txn, tree, key), 0);
}

/* --- items, by their whole key --- */

/* Returns the row of a table, which is valid until the next call with the handle. */
static inline const struct table_row *forge_table(struct tide *tide, const char *name)
{
	struct failure failure = { 0 };
	const struct table_row *row = NULL;
	struct tide_table table;

	MUST(tide_table_named(&table, slice_of_text(name), &failure), failure);
	MUST(tide_describe_table(tide, &table, &row, &failure), failure);
	return row;
}

/* Returns the encoded key of a table's item. */
static inline struct key forge_key(struct tide *tide, const char *name, struct slice item)
{
	const struct table_row *row = forge_table(tide, name);
	struct key key;

	CHECK_EQUAL_INT(key_of_item(&key, row->id, &row->schema, item,
		tide->header.secret), 0);
	return key;
}

static inline struct place forge_place(struct txn *txn, const struct key *key)
{
	struct place place;

	CHECK_EQUAL_INT(place_find(&place, txn, key_whole(key)), 0);
	return place;
}

/* Writes the head of a stored item, as described in table/items.h. */
static inline void forge_item_head(struct buffer *payload, enum row_kind kind, uint64_t sequence)
{
	unsigned width = u64_width(sequence);

	buffer_put_u8(payload, (uint8_t)(width << 4 | kind));
	for (unsigned i = 0; i < width; i++)
		buffer_put_u8(payload, (uint8_t)(sequence >> 8 * i));
}

/* Writes an item in one row, also if it is big. */
static inline void forge_item(struct txn *txn, const struct key *key, uint64_t sequence,
	struct slice item)
{
	struct place place = forge_place(txn, key);
	struct buffer payload = { 0 };

	forge_item_head(&payload, ROW_ITEM, sequence);
	buffer_put_slice(&payload, item);
	CHECK_EQUAL_INT(buffer_error(&payload), 0);
	forge_row(txn, place.tree, place_key(&place), buffer_slice(&payload));
	buffer_release(&payload);
}

/* --- records --- */

static inline void forge_no_record(struct txn *txn, uint32_t stream, uint64_t sequence)
{
	uint8_t key[RECORD_KEY_MAX];
	uint16_t part = 0;
	size_t len;

	do
		len = record_set_key(key, stream, sequence, part++);
	while (txn_delete(txn, TREE_LOG, slice_of(key, len)) == 0);
	CHECK(part > 1);
}

/* Reads a record, calls a function that changes it, and writes it under the key that it then
 * has. */
static inline void forge_record(struct txn *txn, uint32_t stream, uint64_t sequence,
	void (*change)(struct record *record))
{
	struct buffer bytes = { 0 };
	struct cursor *cursor;
	struct record record;

	CHECK_EQUAL_INT(cursor_open(&cursor, txn, TREE_LOG), 0);
	CHECK_EQUAL_INT(log_seek(cursor, stream, sequence, &record), 0);
	CHECK_EQUAL_UINT(record.sequence, sequence);
	CHECK_EQUAL_INT(log_copy(cursor, stream, &record, &bytes), 0);
	CHECK_EQUAL_INT(record_get(&record, buffer_slice(&bytes)), 0);
	cursor_close(cursor);
	change(&record);
	forge_no_record(txn, stream, sequence);
	CHECK_EQUAL_INT(log_append(txn, stream, &record, false), 0);
	buffer_release(&bytes);
}

#endif
