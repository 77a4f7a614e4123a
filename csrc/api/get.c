/* get.c - the functions of tide.h that describe tables and read single items. */
#include <string.h>

#include "api/database.h"

/* --- tables --- */

int tide_table_named(struct tide_table *table, struct slice name, struct failure *failure)
{
	memset(table, 0, sizeof *table);
	if (!is_table_name(name))
		return fail_as(failure, ERR_VALIDATION, "TableName must be at least 3 characters"
			" long and at most 255 characters long, of a-z, A-Z, 0-9, '_', '-' and '.'");
	table->len = (uint16_t)name.len;
	memcpy(table->name, name.data, name.len);
	return 0;
}

int tide_describe_table(struct tide *tide, struct tide_table *table,
	const struct table_row **row, struct failure *failure)
{
	struct read_view snapshot;
	const struct table *found;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, table, &found, failure);
	if (!err)
		*row = &found->row;
	return tide_read_end(tide, &snapshot, err, failure);
}

static int put_name(void *context, struct slice name)
{
	buffer_put_counted(context, name);
	return buffer_error(context);
}

int tide_item_count(struct tide *tide, struct tide_table *table, uint64_t *items,
	uint64_t *counted_ms, struct failure *failure)
{
	struct item_count count = { 0 };
	struct read_view snapshot;
	const struct table *found;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, table, &found, failure);
	if (!err) {
		err = item_count_read(snapshot.txn, found->row.id, &count);
		if (err)
			fail_about(failure, err, "the item count of table %s", found->row.name);
	}
	*items = count.items;
	*counted_ms = count.counted_ms;
	return tide_read_end(tide, &snapshot, err, failure);
}

static int note_item_count(struct tide *tide, struct tide_table *table, uint32_t id,
	uint64_t items, struct failure *failure)
{
	struct item_count count = { items, tide->transaction.now_ms };
	struct txn *txn = tide->transaction.txn;
	const struct table *found;
	int err = tide_find(tide, txn, table, &found, failure);

	if (err)
		return err;
	if (found->row.id != id)
		return fail_with(failure, ERR_NOT_FOUND, "table %s", found->row.name);
	tide->transaction.changed = true;
	err = item_count_write(txn, id, &count);
	return err ? fail(failure, err) : 0;
}

int tide_note_item_count(struct tide *tide, struct tide_table *table, uint32_t id, uint64_t items,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	if (err)
		return err;
	err = note_item_count(tide, table, id, items, failure);
	if (!err)
		return tide_commit(tide, failure);
	tide_abort(tide);
	return err;
}

int tide_table_names(struct tide *tide, struct buffer *names, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(names);
	err = catalog_each_name(snapshot.txn, put_name, names);
	return tide_read_end(tide, &snapshot, err ? fail_about(failure, err,
		"a row of a table") : 0, failure);
}

static int put_stream_ids(struct txn *txn, struct buffer *ids)
{
	struct stream_row row;
	uint32_t id = 0;
	int err;

	while ((err = stream_next_id(txn, &id)) == 0) {
		err = stream_read_row(txn, id, &row);
		if (err)
			return err;
		buffer_put_u32(ids, id);
	}
	return err == END ? buffer_error(ids) : err;
}

int tide_stream_ids(struct tide *tide, struct buffer *ids, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(ids);
	err = put_stream_ids(snapshot.txn, ids);
	return tide_read_end(tide, &snapshot, err ? fail_about(failure, err,
		"a row of a stream") : 0, failure);
}

/* --- items --- */

static int get(struct tide *tide, const struct read_view *snapshot, const struct table *table,
	struct slice asked, struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	struct keyspace keyspace = tide_keyspace(tide, snapshot, table);
	struct stored stored;
	struct key key;
	int err = keyspace_key_alone(&key, &keyspace, asked, tide->header.secret, failure);

	if (err)
		return err;
	buffer_clear(out);
	err = keyspace_get(&stored, &keyspace, snapshot->txn, &key, asked, &tide->scratch, failure);
	if (err)
		return err;
	*sequence = stored.sequence;
	buffer_put_slice(out, stored.item);
	return buffer_error(out) ? fail_about(failure, buffer_error(out), "table %s",
		table->row.name) : 0;
}

/* Reads the item and ends the read call. */
static int get_in(struct tide *tide, const struct read_view *snapshot, struct tide_table *table,
	struct slice key, struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	const struct table *found;
	int err = tide_find(tide, snapshot->txn, table, &found, failure);

	if (!err)
		err = get(tide, snapshot, found, key, out, sequence, failure);
	return tide_read_end(tide, snapshot, err, failure);
}

int tide_get(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	return err ? err : get_in(tide, &snapshot, table, key, out, sequence, failure);
}

int tide_get_committed(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	return err ? err : get_in(tide, &snapshot, table, key, out, sequence, failure);
}
