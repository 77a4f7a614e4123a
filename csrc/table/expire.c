/* expire.c - removes expired items, and builds and removes expiry indexes, in small steps. */
#include "table/expire.h"

#include "table/expiry_index.h"
#include "table/items.h"
#include "table/write.h"

/* --- removing items --- */

/* Reads the item of a row. Returns CORRUPT if the item does not belong to the row. */
static int read_item(struct stored *stored, struct transaction *transaction,
	const struct table *table, const struct expiry_row *row)
{
	int err = item_at(stored, transaction->txn, row->item_key, &transaction->old);

	if (err)
		return err == END ? ERR_CORRUPT : err;
	return stored->sequence == row->sequence && row->expiry_ms ==
		item_expiry(stored->item, time_to_live_name(&table->row.ttl)) ? 0 : ERR_CORRUPT;
}

/* Removes the item of a row. Adds its size to *bytes. */
static int remove_item(struct transaction *transaction, const struct table *table,
	const struct expiry_row *row, uint64_t *bytes)
{
	struct write_request request = { .table = table, .removes_expired = true };
	struct write_result result;
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct key_values values;
	struct failure failure;
	struct stored stored;
	int err = read_item(&stored, transaction, table, row);

	if (!err)
		err = key_find(&values, &table->row.schema, stored.item);
	if (!err)
		err = key_put_attributes(&request.key, &values, buf);
	if (err)
		return err == ERR_NO_MEMORY || err == ERR_STORE ? err : ERR_CORRUPT;
	*bytes += stored.item.len;
	return write_item(transaction, &request, &result, &failure);
}

/* The rows of the items of a table that can be removed, in the order of expiry. */
struct expired_walk {
	struct transaction *transaction;
	const struct table *table;
	struct expiry_row row;
	uint64_t next_ms;            /* expiry of the first row that remains; UINT64_MAX: none */
	uint64_t removed, skipped, bytes;
};

/* Moves to the next row. Returns END if its item can't be removed yet. */
static int next_row(struct expired_walk *walk)
{
	const struct transaction *transaction = walk->transaction;
	struct expiry_row *row = &walk->row, last = *row;
	int err = expiry_row_after(transaction->txn, walk->table->row.ttl.index, row);

	if (err == END)
		walk->next_ms = UINT64_MAX;
	if (!err && row->expiry_ms >= transaction->removal_ms) {
		walk->next_ms = row->expiry_ms;
		return END;
	}
	/* A malformed key does not say where the next row is. */
	return err == ERR_CORRUPT && row->sequence == last.sequence &&
		row->expiry_ms == last.expiry_ms ? END : err;
}

static int remove_row(struct expired_walk *walk)
{
	uint64_t bytes = 0;
	int err = remove_item(walk->transaction, walk->table, &walk->row, &bytes);

	walk->bytes += bytes;
	if (!err)
		walk->removed++;
	return err;
}

/* Items that should have expired more than EXPIRY_PAST_MS ago are not expired. */
static uint64_t oldest_expiry(uint64_t now_ms)
{
	return now_ms > EXPIRY_PAST_MS ? now_ms - EXPIRY_PAST_MS + 1 : 1;
}

/* Returns true if a step with damage can continue with the next row. */
static bool is_skipped(const struct transaction *transaction, int err)
{
	return err == ERR_CORRUPT && !transaction->broken;
}

/* Loads the bounds of the stream that the records will be appended to: if its records are damaged,
 * no item is removed, so the commit of another table does not fail. */
static int load_stream(const struct transaction *transaction, const struct table *table)
{
	struct streams *streams = &transaction->catalog->streams;
	struct stream *stream;
	int err;

	if (!table->row.stream)
		return 0;
	err = streams_find(streams, transaction->txn, table->row.stream, &stream);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	return stream_load_bounds(streams, stream, transaction->txn);
}

int expire_items(struct transaction *transaction, const struct table *table, uint64_t max_items,
	uint64_t *removed)
{
	struct expired_walk walk = {
		.transaction = transaction, .table = table,
		.row.expiry_ms = oldest_expiry(transaction->now_ms),
	};
	int err;

	if (table->row.replica || catalog_expiry(transaction->catalog, table) >=
			transaction->removal_ms)
		return 0;
	err = load_stream(transaction, table);
	if (err)
		return err;
	while (!err && walk.removed + walk.skipped < max_items && walk.bytes < EXPIRE_BYTES) {
		err = next_row(&walk);
		if (!err)
			err = remove_row(&walk);
		if (is_skipped(transaction, err)) {
			walk.skipped++;
			err = 0;
		}
	}
	catalog_set_expiry(transaction->catalog, table, walk.skipped ? 0 : walk.next_ms);
	*removed += walk.removed;
	if (err < 0)
		return err;
	return walk.skipped && !walk.removed ? ERR_CORRUPT : 0;
}

/* Sets *expiry_ms to the first expiry in an index after the oldest one at which items can be
 * removed. Returns 0, END or an error. */
static int first_expiry(struct txn *txn, uint32_t index, uint64_t now_ms, uint64_t *expiry_ms)
{
	struct expiry_row row = { .expiry_ms = oldest_expiry(now_ms) };
	int err = expiry_row_after(txn, index, &row);

	*expiry_ms = row.expiry_ms;
	return err;
}

/* Sets *does to false if the index belongs to a table of a replica: expired items are not removed
 * from it. */
static int table_expires(struct txn *txn, uint32_t index, bool *does)
{
	struct slice name;
	struct table table;
	int err = catalog_read_expiry(txn, index, &name);

	if (!err)
		err = catalog_read_table(txn, name, &table);
	*does = err || !table.row.replica;
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

int expire_next(struct txn *txn, uint64_t now_ms, uint64_t *expiry_ms)
{
	uint32_t index = 0;
	int err;

	*expiry_ms = UINT64_MAX;
	while ((err = catalog_next_expiry(txn, &index)) == 0) {
		uint64_t first_ms;
		bool does = false;

		err = first_expiry(txn, index, now_ms, &first_ms);
		if (!err && first_ms < *expiry_ms)
			err = table_expires(txn, index, &does);
		if (does)
			*expiry_ms = first_ms;
		if (err < 0 && err != ERR_CORRUPT)
			return err;
	}
	return err == END ? 0 : err;
}

/* --- steps --- */

static int skip_damage(const struct transaction *transaction, int err)
{
	return is_skipped(transaction, err) ? 0 : err;
}

/* Removes items in a transaction of their own: the size and the last change of the one that is
 * being committed stay its own. A file that is nearly full leaves them to trim. */
static int expire_apart(struct transaction *transaction, const struct table *table,
	uint64_t max_items)
{
	uint64_t last = transaction->last_sequence, removed = 0;
	struct failure failure;
	int err;

	if (table->row.replica ||
			catalog_expiry(transaction->catalog, table) >= transaction->removal_ms ||
			writer_check_space(transaction->txn, &failure))
		return 0;
	transaction->bytes = 0;
	err = skip_damage(transaction, expire_items(transaction, table, max_items, &removed));
	transaction->last_sequence = last;
	return err;
}

/* Sets *table to the table whose turn it is; NULL if its rows are damaged or there is none. */
static int next_table(struct transaction *transaction, const struct table **table)
{
	struct txn *txn = transaction->txn;
	int err = catalog_next_expiry(txn, &transaction->last_expired);

	*table = NULL;
	if (err == END) {
		transaction->last_expired = 0;
		err = catalog_next_expiry(txn, &transaction->last_expired);
	}
	if (!err)
		err = catalog_find_expiring(transaction->catalog, txn,
			transaction->last_expired, table);
	if (err)
		*table = NULL;
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

int expire_a_little(struct transaction *transaction)
{
	const struct table *written = transaction->written, *other;
	uint64_t twice = transaction->changes * 2;
	int err = 0;

	if (!transaction->catalog->expiring)
		return 0;
	if (written)
		err = expire_apart(transaction, written,
			twice > EXPIRE_ITEMS ? twice : EXPIRE_ITEMS);
	if (!err)
		err = next_table(transaction, &other);
	if (!err && other && other != written)
		err = expire_apart(transaction, other, EXPIRE_ITEMS);
	return err ? err : transaction_flush(transaction);
}

/* Removes items of the table with this expiry index. Its row is read only if there are any. */
static int expire_indexed(struct transaction *transaction, uint32_t index, uint64_t *removed)
{
	const struct table *table;
	uint64_t first_ms;
	int err = first_expiry(transaction->txn, index, transaction->now_ms, &first_ms);

	if (err == END || (!err && first_ms >= transaction->removal_ms))
		return 0;
	if (!err || err == ERR_CORRUPT)
		err = catalog_find_expiring(transaction->catalog, transaction->txn, index, &table);
	return err ? err : expire_items(transaction, table, EXPIRE_ITEMS * 8, removed);
}

int expire_step(struct transaction *transaction, uint64_t *removed)
{
	uint64_t before = *removed;
	uint32_t index = 0;
	int damaged = 0, err;

	if (!transaction->catalog->expiring)
		return 0;
	while ((err = catalog_next_expiry(transaction->txn, &index)) == 0) {
		err = expire_indexed(transaction, index, removed);
		if (*removed > before || skip_damage(transaction, err))
			return skip_damage(transaction, err);
		damaged = err ? err : damaged;
	}
	return err == END ? damaged : err;
}

/* --- indexes --- */

/* Adds the row of the item under the walk, if it can expire. */
static int index_item(struct transaction *transaction, const struct table *table,
	const struct row_walk *walk)
{
	struct expiry_row row = { .item_key = row_walk_key(walk) };
	struct stored stored;
	int err = stored_read(&stored, transaction->txn, walk->payload, &transaction->old);

	if (err)
		return err == ERR_CORRUPT ? 0 : err;     /* a damaged item is not removed either */
	row.sequence = stored.sequence;
	row.expiry_ms = item_expiry(stored.item, time_to_live_name(&table->row.ttl));
	return row.expiry_ms == EXPIRY_NEVER ? 0 :
		expiry_row_put(transaction->txn, table->row.ttl.index, &row);
}

/* The key of the last item of a step, which may be as long as an item key. */
struct last_key {
	size_t len;
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];
};

/* Indexes the items of a table from the walk's row on. Returns END after the last one; CORRUPT if
 * the first row can't be read. */
static int index_items(struct transaction *transaction, const struct table *table,
	struct row_walk *walk, uint64_t max_rows, struct last_key *last)
{
	int err = 0;

	for (uint64_t i = 0; i < max_rows && !err; i++) {
		struct slice key = row_walk_key(walk);

		if (get_id(key) != table->row.id)
			return END;
		err = index_item(transaction, table, walk);
		if (err)
			return err;
		last->len = key.len;
		memcpy(last->bytes, key.data, key.len);
		err = row_walk_next(walk);
	}
	return err == ERR_CORRUPT && last->len ? 0 : err;
}

/* Starts at the first item of the table after index->done. */
static int start_walk(struct row_walk *walk, struct transaction *transaction,
	const struct table *table, struct slice done)
{
	uint8_t prefix[ID_MAX];
	size_t len = set_id(prefix, table->row.id);
	int err = row_walk_from(walk, transaction->txn, done.len ? done : slice_of(prefix, len));

	if (!err && done.len && slice_equal(row_walk_key(walk), done))
		err = row_walk_next(walk);
	return err;
}

static int end_index(struct transaction *transaction, uint32_t index)
{
	int err = catalog_delete_index(transaction->txn, index);

	return err ? err : transaction_catalog_changed(transaction);
}

/* Returns END if the index is complete. */
static int build(struct transaction *transaction, struct index_row *index, uint64_t max_rows)
{
	const struct table *table;
	struct row_walk walk = { 0 };
	struct last_key last = { 0 };
	int err = catalog_find_expiring(transaction->catalog, transaction->txn, index->id, &table);

	if (!err && table->row.id != index->table)
		err = ERR_CORRUPT;
	if (err)
		return err;
	err = start_walk(&walk, transaction, table, index->done);
	if (!err)
		err = index_items(transaction, table, &walk, max_rows, &last);
	row_walk_stop(&walk);
	catalog_set_expiry(transaction->catalog, table, 0);
	if (err)
		return err;
	index->done = slice_of(last.bytes, last.len);
	return catalog_put_index(transaction->txn, index);
}

/* Returns END after the last row. */
static int remove_rows(struct txn *txn, uint32_t index, uint64_t max_rows, uint64_t *rows)
{
	uint8_t prefix[ID_MAX];
	struct slice key = slice_of(prefix, set_id(prefix, index)), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_INDEXES, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	for (uint64_t i = 0; i < max_rows && !err; i++) {
		if (get_id(key) != index)
			return END;
		err = cursor_delete(cursor);
		if (!err)
			(*rows)++;
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err;
}

int expire_index_step(struct transaction *transaction, uint64_t max_rows, uint64_t *rows)
{
	struct index_row index;
	int err = catalog_read_index(transaction->txn, transaction->catalog->index, &index);

	if (err)
		return err == END ? ERR_CORRUPT : err;
	transaction->changed = true;
	err = index.work == INDEX_BUILDS ? build(transaction, &index, max_rows) :
		remove_rows(transaction->txn, index.id, max_rows, rows);
	if (err == END)
		err = end_index(transaction, index.id);
	if (!err)
		*rows += 1;              /* the step is progress even if it read no row */
	return err == ERR_CORRUPT ? err : transaction_break(transaction, err);
}
