/* apply_page.c - applies pages of items: merges them into a table of a replica.
 *
 * A page contains all items of the source's table between two keys. Items that differ are put,
 * items that the source lacks are removed, equal ones are not written. Hashed keys have a different
 * order in each file: the items of the source with such keys are noted, and after the last page the
 * others are removed.
 */
#include <string.h>

#include "table/applying.h"
#include "table/keyspace.h"

struct merging {
	struct apply *apply;
	const struct applied_table *applied;
	struct replica_table *row;
	const struct table *table;
	uint8_t flags;
	struct slice to;             /* key of the last item in the page, without table id */
	uint32_t count;
	struct source items;
	size_t id_len;
	uint8_t id[ID_MAX];          /* beginning of the keys of this table */
};

static int failed(struct merging *merging, int err)
{
	return err < 0 ? fail_about(merging->apply->failure, err, "table %s",
		merging->applied->name) : err;
}

/* Deletes the item under the walk, and moves the walk to the next one. */
static int remove_here(struct merging *merging, struct row_walk *walk)
{
	struct apply *apply = merging->apply;
	struct write_request request = { .table = merging->table };
	struct write_result result;
	uint8_t buf[KEY_ATTRIBUTES_MAX], at[KEY_HEAD_MAX + SORT_KEY_MAX];
	size_t len = row_walk_key(walk).len;
	struct key_values values;
	struct stored stored;
	int err = stored_read(&stored, walk->txn, walk->payload, &apply->scratch);

	if (!err)
		err = key_find(&values, &merging->table->row.schema, stored.item);
	if (!err)
		err = key_put_attributes(&request.key, &values, buf);
	if (err)
		return failed(merging, err == ERR_KEY_MISSING ? ERR_CORRUPT : err);
	memcpy(at, row_walk_key(walk).data, len);
	row_walk_stop(walk);
	err = write_item(apply->transaction, &request, &result, apply->failure);
	if (err)
		return err;
	apply->removed++;
	apply->row.items++;
	apply->spent += stored.item.len;
	return failed(merging, row_walk_from(walk, apply->transaction->txn, slice_of(at, len)));
}

/* Returns the key of the current row without table id; empty if it is of another table. */
static struct slice own_key(const struct merging *merging, const struct row_walk *walk)
{
	struct slice key = row_walk_key(walk), id = slice_of(merging->id, merging->id_len);

	return slice_begins(key, id) ? slice_of(key.data + id.len, key.len - id.len) :
		slice_of(NULL, 0);
}

/* Starts a walk after a key without table id. */
static int start_after(struct merging *merging, struct row_walk *walk, struct slice key)
{
	uint8_t from[KEY_HEAD_MAX + SORT_KEY_MAX];
	size_t len = merging->id_len + key.len;
	int err;

	memcpy(from, merging->id, merging->id_len);
	slice_write(from + merging->id_len, key);
	err = row_walk_from(walk, merging->apply->transaction->txn, slice_of(from, len));
	if (!err && key.len && slice_equal(row_walk_key(walk), slice_of(from, len)))
		err = row_walk_next(walk);
	return err;
}

/* Removes the items of the table here between two keys; end empty: up to the last with a short
 * partition key. Sets *is_done to false if some are left. */
static int remove_between(struct merging *merging, struct slice after, struct slice end,
	bool *is_done)
{
	static const uint8_t hashed[] = { KEY_HEAD_HASHED };
	struct slice before = end.len ? end : slice_of(hashed, sizeof hashed);
	struct row_walk walk = { 0 };
	int err = start_after(merging, &walk, after);

	*is_done = true;
	while (!err) {
		struct slice key = own_key(merging, &walk);

		if (key.len == 0 || slice_compare(key, before) >= 0)
			break;
		*is_done = !apply_is_full(merging->apply);
		if (!*is_done)
			break;
		err = remove_here(merging, &walk);
	}
	row_walk_stop(&walk);
	return err == END ? 0 : failed(merging, err);
}

static int put(struct merging *merging, struct slice item)
{
	struct write_request request = { .table = merging->table, .item = item };
	struct write_result result;
	int err = write_item(merging->apply->transaction, &request, &result,
		merging->apply->failure);

	if (!err && result.event) {
		merging->apply->row.items++;
		merging->apply->spent += result.old_item.len;
	}
	return err;
}

/* Moves the place of the copy to a key. */
static int set_place(struct merging *merging, struct slice key)
{
	struct apply *apply = merging->apply;
	struct replica_table row = *merging->row;

	row.state = REPLICA_COPIES;
	row.place = key;
	apply->has_changed = true;
	return failed(merging, transaction_break(apply->transaction,
		replica_table_write(apply->transaction->txn, apply->row.id, &row)));
}

static int key_of(struct merging *merging, struct slice item, struct key *key)
{
	const struct table_row *row = &merging->table->row;
	int err = key_of_item(key, row->id, &row->schema, item,
		merging->apply->transaction->secret);

	return err ? fail(merging->apply->failure, ERR_CORRUPT) : 0;
}

/* Merges an item with a short key, and removes the items between it and the last one. */
static int merge_short(struct merging *merging, struct slice *last, struct slice item,
	bool *is_done)
{
	struct key key;
	struct slice own;
	int err = key_of(merging, item, &key);

	if (err)
		return err;
	own = key_whole(&key);
	own = slice_of(own.data + merging->id_len, own.len - merging->id_len);
	*is_done = true;
	if (last->len && slice_compare(own, *last) <= 0)
		return 0;                        /* was merged before */
	if (merging->row->merges)
		err = remove_between(merging, *last, own, is_done);
	if (err || !*is_done)
		return err;
	err = put(merging, item);
	merging->row->items++;
	slice_write((uint8_t *)(uintptr_t)last->data, own);
	last->len = own.len;
	return err;
}

static int note_hashed(struct merging *merging, const struct key *key)
{
	struct apply *apply = merging->apply;
	uint8_t hash[HASH_BYTES];

	hash128(apply->transaction->secret, key_whole(key), hash);
	return failed(merging, replica_note_seen(apply->transaction->txn, apply->row.id,
		merging->row->source, hash));
}

static int merge_hashed(struct merging *merging, struct slice item)
{
	struct key key;
	int err = key_of(merging, item, &key);

	if (!err)
		err = put(merging, item);
	merging->row->items++;
	return err || !merging->row->merges ? err : note_hashed(merging, &key);
}

/* Merges the items of the page, and sets *last to the key of the last one with a short key. Sets
 * *is_done to false if the transaction is full before the end of the page. */
static int merge_each(struct merging *merging, struct slice *last, bool *is_done)
{
	bool is_hashed = merging->flags & PAGE_IS_HASHED;
	int err = 0;

	*is_done = true;
	for (uint32_t i = 0; i < merging->count && !err && *is_done; i++) {
		struct slice item = source_counted(&merging->items);

		if (merging->items.err)
			return fail(merging->apply->failure, ERR_CORRUPT);
		err = apply_check_item(merging->apply, item);
		if (err)
			return err;
		err = is_hashed ? merge_hashed(merging, item) :
			merge_short(merging, last, item, is_done);
		if (i + 1 < merging->count && apply_is_full(merging->apply))
			*is_done = false;
	}
	return err;
}

/* Merges the page. Sets *is_done to false, and the place to the last short key that was merged, if
 * the transaction is full before its end. The next transaction merges the page again: items with
 * hashed keys, which have no place, are then equal, and count once. */
static int merge_items(struct merging *merging, bool *is_done)
{
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];
	struct slice last = slice_of(bytes, merging->row->place.len);
	uint64_t before = merging->row->items;
	int err;

	slice_write(bytes, merging->row->place);
	err = merge_each(merging, &last, is_done);
	if (!err && *is_done && merging->row->merges && merging->flags & PAGE_ENDS_SHORT)
		err = remove_between(merging, last, slice_of(NULL, 0), is_done);
	if (err || *is_done)
		return err;
	if (merging->flags & PAGE_IS_HASHED)
		merging->row->items = before;
	return set_place(merging, last);
}

/* --- the end of a table --- */

/* Removes the items with hashed keys that were not noted, from where the last call ended. */
static int sweep(struct merging *merging, bool *is_done)
{
	struct apply *apply = merging->apply;
	struct txn *txn = apply->transaction->txn;
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX] = { KEY_HEAD_HASHED };
	struct slice at = slice_of(bytes, 1), swept;
	struct row_walk walk = { 0 };
	uint64_t visited = 0;
	int err = replica_swept_read(&swept, txn, apply->row.id, merging->row->source);

	if (!err) {
		slice_write(bytes, swept);
		at.len = swept.len;
	}
	err = err < 0 ? err : start_after(merging, &walk, at);
	*is_done = true;
	while (!err && own_key(merging, &walk).len && *is_done) {
		struct slice key = own_key(merging, &walk);
		uint8_t hash[HASH_BYTES];

		slice_write(bytes, key);
		at.len = key.len;
		hash128(apply->transaction->secret, row_walk_key(&walk), hash);
		err = replica_was_seen(txn, apply->row.id, merging->row->source, hash);
		if (err >= 0)
			err = err == END ? remove_here(merging, &walk) : row_walk_next(&walk);
		*is_done = !apply_is_full(apply) && ++visited < APPLY_REMOVED;
	}
	row_walk_stop(&walk);
	if (err < 0 || *is_done || err == END) {
		*is_done = true;
		return err < 0 ? failed(merging, err) : 0;
	}
	apply->has_changed = true;
	return failed(merging, replica_swept_write(txn, apply->row.id, merging->row->source, at));
}

/* Ends the copy of the table: from now on it is followed. */
static int end_copy(struct merging *merging, bool *is_done)
{
	struct apply *apply = merging->apply;
	struct replica_table row = *merging->row;
	struct txn *txn = apply->transaction->txn;
	int err = 0;

	if (row.merges)
		err = sweep(merging, is_done);
	if (!err && *is_done && row.merges)
		err = failed(merging, replica_forget_seen(txn, apply->row.id, row.source,
			APPLY_REMOVED, is_done));
	if (err || !*is_done)
		return err;
	row.state = REPLICA_FOLLOWS;
	row.merges = false;
	row.place = slice_of(NULL, 0);
	err = replica_swept_remove(txn, apply->row.id, row.source);
	if (!err)
		err = replica_table_write(txn, apply->row.id, &row);
	apply->has_changed = true;
	apply_forget(apply);
	return failed(merging, transaction_break(apply->transaction, err));
}

/* --- frames --- */

/* Ends a transaction for readers of streams: the writes since the last one. */
static int flush(struct merging *merging)
{
	struct annotation annotation = { 0 };

	annotation.source.path = merging->row->path;
	annotation.source.incarnation = merging->row->incarnation;
	return apply_flush(merging->apply, &annotation);
}

static int merge_page(struct merging *merging, bool *is_done)
{
	bool was_merged = merging->row->place.len &&
		slice_compare(merging->to, merging->row->place) <= 0;
	int err = was_merged && merging->count ? 0 : merge_items(merging, is_done);

	if (!err && *is_done && merging->count && !was_merged) {
		merging->row->place = merging->to;
		err = set_place(merging, merging->to);
	}
	if (!err && *is_done && merging->flags & PAGE_IS_LAST)
		err = end_copy(merging, is_done);
	return err ? err : flush(merging);
}

/* Checks that the page continues the copy. Returns END if it was applied before. */
static int check_page(struct apply *apply, const struct replica_table *row, uint64_t number,
	struct slice from)
{
	if (!replica_is_copying(row->state))
		return END;
	if (number != apply->row.position || slice_compare(from, row->place) > 0)
		return fail_with(apply->failure, ERR_REPLICA_MOVED, "table %.*s",
			(int)row->name.len, (const char *)row->name.data);
	return 0;
}

int apply_page(struct apply *apply, const struct frame *frame, bool *is_done)
{
	struct source source = source_of(frame->body);
	uint32_t id = source_u32(&source);
	struct merging merging = { .apply = apply, .flags = source_u8(&source) };
	struct slice from = source_counted(&source);
	struct applied_table *applied;
	struct replica_table row;
	int err;

	merging.to = source_counted(&source);
	merging.count = source_u32(&source);
	merging.items = source;
	err = source.err || merging.to.len > KEY_HEAD_MAX + SORT_KEY_MAX ?
		ERR_CORRUPT : apply_find(apply, id, &applied);
	if (!err)
		err = applied ? apply_read_table(apply, id, &row) : END;
	if (!err)
		err = check_page(apply, &row, frame->number, from);
	if (err)
		return err == END ? 0 : err == ERR_REPLICA_MOVED ? err : fail(apply->failure, err);
	merging.applied = applied;
	merging.row = &row;
	err = apply_catalog_table(apply, applied, &merging.table);
	if (err)
		return fail_about(apply->failure, err, "table %s", applied->name);
	merging.id_len = set_id(merging.id, merging.table->row.id);
	return merge_page(&merging, is_done);
}
