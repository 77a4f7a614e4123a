/* replica.c - reads and writes the rows of replicas. */
#include "table/replica.h"

#include <string.h>

#include "codec/consumer.h"
#include "codec/row.h"
#include "stream/stream.h"

#define ROW_MAX 2028             /* of key and value, so that two rows fit in a page */
#define NAME_KEY (1 + REPLICA_NAME_MAX)

static struct slice name_key(uint8_t bytes[NAME_KEY], struct slice name)
{
	bytes[0] = REPLICA_ROW;
	return slice_of(bytes, (size_t)(slice_write(bytes + 1, name) - bytes));
}

static struct slice table_key(uint8_t bytes[REPLICA_TABLE_KEY], uint8_t kind, uint64_t replica,
	uint32_t source)
{
	bytes[0] = kind;
	set_u64(bytes + 1, replica);
	set_u32(bytes + 9, source);
	return slice_of(bytes, REPLICA_TABLE_KEY);
}

static int read_row(struct txn *txn, struct slice key, struct slice *payload)
{
	struct slice value;
	int err = txn_get(txn, TREE_CONSUMERS, key, &value);

	return err ? err : row_open(key, value, payload);
}

static int delete_row(struct txn *txn, struct slice key)
{
	int err = txn_delete(txn, TREE_CONSUMERS, key);

	return err == END ? 0 : err;
}

/* Removes up to max rows with this prefix. Sets *is_done to false if there are more. */
static int remove_rows(struct txn *txn, struct slice prefix, uint64_t max, bool *is_done)
{
	struct slice key, value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	*is_done = false;
	for (uint64_t i = 0; i < max && !err; i++) {
		key = prefix;
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
		*is_done = err == END || (!err && !slice_begins(key, prefix));
		if (err || *is_done)
			return err == END ? 0 : err;
		err = cursor_delete(cursor);
	}
	return err;
}

/* --- replicas --- */

int replica_read(struct replica_row *row, struct txn *txn, struct slice name)
{
	uint8_t bytes[NAME_KEY];
	struct slice payload;
	int err;

	if (!is_consumer_name(name))
		return END;
	err = read_row(txn, name_key(bytes, name), &payload);
	return err ? err : replica_get(row, payload);
}

int replica_write(struct txn *txn, struct slice name, const struct replica_row *row)
{
	uint8_t bytes[NAME_KEY];
	struct slice key = name_key(bytes, name);
	struct buffer value = { 0 };

	row_start(&value);
	replica_put(&value, row);
	if (!buffer_error(&value) && key.len + value.len > ROW_MAX) {
		buffer_release(&value);
		return ERR_LIMIT;
	}
	return row_write(txn, TREE_CONSUMERS, key, &value);
}

int replica_remove(struct txn *txn, struct slice name, uint64_t id)
{
	static const uint8_t kinds[] = { REPLICA_TABLE, REPLICA_SEEN, REPLICA_SWEPT };
	uint8_t bytes[NAME_KEY], prefix[9];
	bool is_done;
	int err = 0;

	set_u64(prefix + 1, id);
	for (size_t i = 0; i < sizeof kinds && !err; i++) {
		prefix[0] = kinds[i];
		err = remove_rows(txn, slice_of(prefix, sizeof prefix), UINT64_MAX, &is_done);
	}
	return err ? err : delete_row(txn, name_key(bytes, name));
}

int replica_names(struct buffer *names, struct txn *txn)
{
	static const uint8_t kind = REPLICA_ROW;
	struct slice key = slice_of(&kind, 1), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.data[0] == REPLICA_ROW) {
		buffer_put_counted(names, slice_of(key.data + 1, key.len - 1));
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : buffer_error(names);
}

int replica_failed(struct failure *failure, int err, struct slice name)
{
	int len = name.len > REPLICA_NAME_MAX ? REPLICA_NAME_MAX : (int)name.len;

	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND, "no replica %.*s", len,
			(const char *)name.data);
	return err ? fail_about(failure, err, "replica %.*s", len, (const char *)name.data) : 0;
}

/* --- their tables --- */

int replica_table_read(struct replica_table *table, struct txn *txn, uint64_t replica,
	uint32_t source)
{
	uint8_t bytes[REPLICA_TABLE_KEY];
	struct slice payload;
	int err = read_row(txn, table_key(bytes, REPLICA_TABLE, replica, source), &payload);

	table->source = source;
	return err ? err : replica_table_get(table, payload);
}

int replica_table_write(struct txn *txn, uint64_t replica, const struct replica_table *table)
{
	uint8_t bytes[REPLICA_TABLE_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	replica_table_put(&value, table);
	return row_write(txn, TREE_CONSUMERS,
		table_key(bytes, REPLICA_TABLE, replica, table->source), &value);
}

int replica_table_remove(struct txn *txn, uint64_t replica, uint32_t source)
{
	uint8_t bytes[REPLICA_TABLE_KEY];
	bool is_done;
	int err = delete_row(txn, table_key(bytes, REPLICA_TABLE, replica, source));

	if (!err)
		err = replica_swept_remove(txn, replica, source);
	return err ? err : replica_forget_seen(txn, replica, source, UINT64_MAX, &is_done);
}

int replica_table_next(struct replica_table *table, struct txn *txn, uint64_t replica)
{
	uint8_t bytes[REPLICA_TABLE_KEY];
	struct slice key, value, payload;
	struct cursor *cursor;
	int err;

	if (table->source == UINT32_MAX)
		return END;
	key = table_key(bytes, REPLICA_TABLE, replica, table->source + 1);
	err = txn_cursor(txn, TREE_CONSUMERS, &cursor);
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err)
		return err;
	if (key.len != REPLICA_TABLE_KEY || !slice_begins(key, slice_of(bytes, 9)))
		return END;
	table->source = get_u32(key.data + 9);
	err = row_open(key, value, &payload);
	return err ? err : replica_table_get(table, payload);
}

/* --- items with hashed keys --- */

static struct slice seen_key(uint8_t bytes[REPLICA_SEEN_KEY], uint64_t replica, uint32_t source,
	const uint8_t hash[HASH_BYTES])
{
	table_key(bytes, REPLICA_SEEN, replica, source);
	memcpy(bytes + REPLICA_TABLE_KEY, hash, HASH_BYTES);
	return slice_of(bytes, REPLICA_SEEN_KEY);
}

int replica_note_seen(struct txn *txn, uint64_t replica, uint32_t source,
	const uint8_t hash[HASH_BYTES])
{
	uint8_t bytes[REPLICA_SEEN_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	return row_write(txn, TREE_CONSUMERS, seen_key(bytes, replica, source, hash), &value);
}

int replica_was_seen(struct txn *txn, uint64_t replica, uint32_t source,
	const uint8_t hash[HASH_BYTES])
{
	uint8_t bytes[REPLICA_SEEN_KEY];
	struct slice payload;

	return read_row(txn, seen_key(bytes, replica, source, hash), &payload);
}

int replica_forget_seen(struct txn *txn, uint64_t replica, uint32_t source, uint64_t max,
	bool *is_done)
{
	uint8_t bytes[REPLICA_TABLE_KEY];

	return remove_rows(txn, table_key(bytes, REPLICA_SEEN, replica, source), max, is_done);
}

int replica_swept_read(struct slice *key, struct txn *txn, uint64_t replica, uint32_t source)
{
	uint8_t bytes[REPLICA_TABLE_KEY];

	return read_row(txn, table_key(bytes, REPLICA_SWEPT, replica, source), key);
}

int replica_swept_write(struct txn *txn, uint64_t replica, uint32_t source, struct slice key)
{
	uint8_t bytes[REPLICA_TABLE_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_slice(&value, key);
	return row_write(txn, TREE_CONSUMERS, table_key(bytes, REPLICA_SWEPT, replica, source),
		&value);
}

int replica_swept_remove(struct txn *txn, uint64_t replica, uint32_t source)
{
	uint8_t bytes[REPLICA_TABLE_KEY];

	return delete_row(txn, table_key(bytes, REPLICA_SWEPT, replica, source));
}
