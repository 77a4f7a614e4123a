/* truncate.c - removes the items that a table had at one moment, in small steps. */
#include "table/truncate.h"

#include <string.h>

#include "table/items.h"
#include "table/table_record.h"
#include "table/write.h"

int truncate_begin(struct transaction *transaction, const struct table *table, uint64_t *sequence,
	struct failure *failure)
{
	int err;

	*sequence = transaction->state.sequence;
	err = table_record_note(transaction, &table->row);
	if (!err)
		err = table_record_add(transaction, TABLE_TRUNCATED, &table->row);
	if (!err)
		err = transaction_flush(transaction);
	return err ? fail_about(failure, transaction_break(transaction, err),
		"the record of the truncation of table %s", table->row.name) : 0;
}

/* A step. */
struct truncation {
	struct transaction *transaction;
	const struct table *table;
	uint64_t sequence;
	struct key *last;
	struct row_walk walk;
	uint64_t removed, bytes, visited;    /* in this step */
	struct buffer scratch;
};

static bool is_of_table(const struct truncation *truncation)
{
	uint8_t prefix[ID_MAX];
	size_t len = set_id(prefix, truncation->table->row.id);

	return slice_begins(row_walk_key(&truncation->walk), slice_of(prefix, len));
}

static bool is_over(const struct truncation *truncation)
{
	return truncation->removed >= TRUNCATE_ITEMS || truncation->bytes >= TRUNCATE_BYTES ||
		truncation->visited >= TRUNCATE_VISITED;
}

/* Moves the walk to the first item after the last one visited. */
static int start(struct truncation *truncation)
{
	struct txn *txn = truncation->transaction->txn;
	struct slice last = key_whole(truncation->last);
	uint8_t prefix[ID_MAX];
	size_t len = set_id(prefix, truncation->table->row.id);
	int err;

	if (last.len == 0)
		return row_walk_from(&truncation->walk, txn, slice_of(prefix, len));
	err = row_walk_from(&truncation->walk, txn, last);
	if (!err && slice_equal(row_walk_key(&truncation->walk), last))
		err = row_walk_next(&truncation->walk);
	return err;
}

/* Sets request->key to the key attributes of the current item, in buf. */
static int read_key(struct truncation *truncation, struct stored *stored,
	struct write_request *request, uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	struct key_values values;
	int err = stored_read(stored, truncation->walk.txn, truncation->walk.payload,
		&truncation->scratch);

	if (!err)
		err = key_find(&values, &truncation->table->row.schema, stored->item);
	if (!err)
		err = key_put_attributes(&request->key, &values, buf);
	return err == ERR_KEY_MISSING ? ERR_CORRUPT : err;
}

/* Sets *last to the current item, also after row_walk_stop, which keeps its key. */
static void set_last(struct truncation *truncation)
{
	struct slice key = row_walk_key(&truncation->walk);

	memcpy(truncation->last->bytes, key.data, key.len);
	truncation->last->head_len = (uint16_t)key.len;
	truncation->last->sort_len = 0;
	truncation->visited++;
}

/* Deletes the current item through write_item, as a user's delete. */
static int delete_item(struct truncation *truncation, struct stored *stored,
	struct failure *failure)
{
	struct write_request request = { .table = truncation->table };
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct write_result result;
	int err = read_key(truncation, stored, &request, buf);

	if (err)
		return err;
	row_walk_stop(&truncation->walk);
	err = write_item(truncation->transaction, &request, &result, failure);
	if (!err)
		set_last(truncation);
	return err;
}

/* Deletes the rows of the current item. */
static int delete_rows(struct truncation *truncation, const struct stored *stored)
{
	struct transaction *transaction = truncation->transaction;

	set_last(truncation);
	row_walk_stop(&truncation->walk);
	transaction_sequence(transaction);
	return transaction_break(transaction, item_delete(transaction->txn, truncation->last,
		stored));
}

/* Returns true if the removal of an item changes more than its rows: it has a record, or a row in
 * the expiry index. */
static bool needs_funnel(const struct table *table)
{
	return table->row.stream || table->row.ttl.index;
}

/* Removes or keeps the current item, and moves the walk to the next one. */
static int visit(struct truncation *truncation, struct failure *failure)
{
	struct row_walk *walk = &truncation->walk;
	struct stored stored;
	int err = stored_open(&stored, walk->payload);

	if (err)
		return err;
	if (stored.sequence > truncation->sequence) {
		set_last(truncation);
		return row_walk_next(walk);
	}
	truncation->bytes += stored.item.len;
	err = needs_funnel(truncation->table) ? delete_item(truncation, &stored, failure) :
		delete_rows(truncation, &stored);
	if (err)
		return err;
	truncation->removed++;
	return row_walk_from(walk, truncation->transaction->txn, key_whole(truncation->last));
}

int truncate_step(struct transaction *transaction, const struct table *table,
	uint64_t sequence, struct key *last, uint64_t *removed, bool *more,
	struct failure *failure)
{
	struct truncation truncation = {
		.transaction = transaction, .table = table, .sequence = sequence, .last = last,
	};
	int err = transaction_check_table(transaction, &table->row, failure);

	*more = false;
	if (err)
		return err;
	err = start(&truncation);
	while (!err && is_of_table(&truncation) && !*more) {
		*more = is_over(&truncation);
		if (!*more)
			err = visit(&truncation, failure);
	}
	row_walk_stop(&truncation.walk);
	buffer_release(&truncation.scratch);
	if (err == ERR_CORRUPT && truncation.removed > 0 && !transaction->broken) {
		*more = true;            /* the next step reports it */
		err = 0;
	}
	*removed += truncation.removed;
	return err < 0 ? fail_with(failure, err, "table %s", table->row.name) : 0;
}
