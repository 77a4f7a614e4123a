/* snapshot.c - tide_snapshot: snapshots that the caller holds, and reading from them. */
#include "api/database.h"
#include "base/memory.h"
#include "lmdb/readers.h"
#include "tide_consumer.h"

/* Opens the reader and reads the state. Also refreshes the handle's catalog to the snapshot's
 * version, because tide_find_at finds cached tables while the catalog has this version. */
static int take_commit(struct tide_snapshot *snapshot, struct tide *tide, struct failure *failure)
{
	int err = reader_open(&snapshot->reader, tide->store, failure);

	if (!err)
		err = reader_renew(snapshot->reader, failure);
	if (err)
		return err;
	snapshot->commit = txn_id(snapshot->reader);
	snapshot->now_ms = clock_now_ms(store_clock(tide->store));
	err = state_read(snapshot->reader, &snapshot->state);
	if (!tide->transaction.txn)
		catalog_limit(&tide->catalog);
	if (!err)
		err = catalog_refresh(&tide->catalog, snapshot->reader, &snapshot->state);
	return err ? fail_about(failure, err, "a row of the state or of the catalog") : 0;
}

int snapshot_take(struct tide_snapshot **out, struct tide *tide, struct failure *failure)
{
	struct tide_snapshot *snapshot = memory_alloc_zeroed(sizeof *snapshot);
	int err;

	*out = NULL;
	if (!snapshot)
		return fail(failure, ERR_NO_MEMORY);
	err = take_commit(snapshot, tide, failure);
	if (err)
		tide_snapshot_close(snapshot);
	else
		*out = snapshot;
	return err;
}

int tide_snapshot_open(struct tide_snapshot **out, struct tide *tide, struct failure *failure)
{
	*out = NULL;
	return tide->transaction.txn ? fail(failure, ERR_NESTED) :
		snapshot_take(out, tide, failure);
}

void tide_snapshot_close(struct tide_snapshot *snapshot)
{
	if (!snapshot)
		return;
	reader_close(snapshot->reader);
	memory_free(snapshot);
}

void tide_snapshot_limit(struct tide_snapshot *snapshot, uint64_t deadline_ms)
{
	reader_limit(snapshot->reader, deadline_ms);
}

void tide_snapshot_show_expired(struct tide_snapshot *snapshot)
{
	snapshot->now_ms = 0;
}

void tide_release_in_time(struct tide *tide)
{
	store_release_in_time(tide->store);
}

int snapshot_enter(const struct tide_snapshot *snapshot, struct failure *failure)
{
	return reader_enter(snapshot->reader) ? 0 : fail_as(failure, ERR_TIMEOUT,
		"the snapshot was held longer than its time limit");
}

void snapshot_leave(const struct tide_snapshot *snapshot)
{
	reader_leave(snapshot->reader);
}

uint64_t tide_snapshot_commit(const struct tide_snapshot *snapshot)
{
	return snapshot->commit;
}

uint64_t tide_snapshot_catalog(const struct tide_snapshot *snapshot)
{
	return snapshot->state.catalog_version;
}

uint64_t tide_last_commit(const struct tide *tide)
{
	const struct txn *txn = tide->transaction.txn;

	return txn ? txn_id(txn) - 1 : store_last_commit(tide->store);
}

/* --- tables and items in a snapshot --- */

/* Reads the table from the snapshot into *buf. */
static int read_table(const struct tide_snapshot *snapshot, const struct tide_table *table,
	struct table *buf, struct failure *failure)
{
	int err = snapshot_enter(snapshot, failure), lost;

	if (err)
		return err;
	err = catalog_read_table(snapshot->reader, slice_of(table->name, table->len), buf);
	lost = reader_verify(snapshot->reader, failure);
	snapshot_leave(snapshot);
	if (lost)
		return lost;
	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Table: %s not found", table->name);
	return err ? fail_about(failure, err, "the row of table %s", table->name) : 0;
}

int tide_find_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table *buf, const struct table **found,
	struct failure *failure)
{
	bool is_same = tide->catalog.version == snapshot->state.catalog_version;
	int err;

	*found = is_same ? tide_find_cached(tide, table) : NULL;
	if (*found)
		return 0;
	err = read_table(snapshot, table, buf, failure);
	*found = buf;
	if (!err && is_same && catalog_enter(&tide->catalog, buf, found))
		err = fail(failure, ERR_NO_MEMORY);
	return err;
}

int tide_describe_table_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table_row *row, struct failure *failure)
{
	struct table buf;
	const struct table *found;
	int err = tide_find_at(tide, snapshot, table, &buf, &found, failure);

	if (!err)
		*row = found->row;
	return err;
}

static int make_key(struct tide *tide, const struct table *table, struct slice item, bool is_key,
	struct key *key, struct failure *failure)
{
	struct keyspace keyspace = keyspace_of_table(table, 0);

	return is_key ? keyspace_key_alone(key, &keyspace, item, tide->header.secret, failure) :
		keyspace_key(key, &keyspace, item, tide->header.secret, failure);
}

int tide_key_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, bool is_key, struct key *key,
	struct failure *failure)
{
	struct table buf;
	const struct table *found;
	int err = tide_find_at(tide, snapshot, table, &buf, &found, failure);

	return err ? err : make_key(tide, found, item, is_key, key, failure);
}

/* Reads an item. stored->item points into the memory map or into tide->scratch. */
static int read_stored(struct tide *tide, struct txn *txn, const struct keyspace *keyspace,
	struct slice item, struct stored *stored, struct failure *failure)
{
	struct key key;
	int err = keyspace_key(&key, keyspace, item, tide->header.secret, failure);

	return err ? err : keyspace_get(stored, keyspace, txn, &key, item, &tide->scratch,
		failure);
}

int tide_get_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, struct buffer *out, uint64_t *sequence,
	struct failure *failure)
{
	struct table buf;
	const struct table *found;
	struct keyspace keyspace;
	struct stored stored;
	int err = tide_find_at(tide, snapshot, table, &buf, &found, failure);
	int lost;

	*sequence = 0;
	if (!err)
		err = snapshot_enter(snapshot, failure);
	if (err)
		return err;
	keyspace = keyspace_of_table(found, snapshot->now_ms);
	err = read_stored(tide, snapshot->reader, &keyspace, item, &stored, failure);
	buffer_clear(out);
	if (!err) {
		buffer_put_slice(out, stored.item);
		*sequence = stored.sequence;
	}
	lost = reader_verify(snapshot->reader, failure);
	snapshot_leave(snapshot);
	if (lost || err)
		return lost ? lost : err;
	return buffer_error(out) ? fail(failure, ERR_NO_MEMORY) : 0;
}

int tide_expired_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, bool *expired, struct failure *failure)
{
	struct table buf;
	const struct table *found;
	struct keyspace keyspace;
	int err = tide_find_at(tide, snapshot, table, &buf, &found, failure);

	if (err)
		return err;
	keyspace = keyspace_of_table(found, snapshot->now_ms);
	*expired = keyspace_hides(&keyspace, item);
	return 0;
}

int tide_version(struct tide *tide, struct tide_table *table, struct slice item,
	uint64_t *sequence, struct failure *failure)
{
	struct read_view snapshot;
	struct keyspace keyspace;
	const struct table *found;
	struct stored stored;
	int err = tide_read_begin(tide, &snapshot, failure);

	*sequence = 0;
	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, table, &found, failure);
	if (!err) {
		keyspace = tide_keyspace(tide, &snapshot, found);
		err = read_stored(tide, snapshot.txn, &keyspace, item, &stored, failure);
	}
	if (!err)
		*sequence = stored.sequence;
	err = tide_read_end(tide, &snapshot, err, failure);
	return err == END ? 0 : err;
}
