/* items.c - the functions of tide.h that read and write single items, and truncation. */
#include "api/database.h"
#include "api/expressions.h"

/* --- reading --- */

static int get_item(struct tide *tide, const struct read_view *snapshot, const struct table *table,
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
static int get_item_and_end(struct tide *tide, const struct read_view *snapshot,
	struct tide_table *table, struct slice key, struct buffer *out, uint64_t *sequence,
	struct failure *failure)
{
	const struct table *found;
	int err = tide_find(tide, snapshot->txn, table, &found, failure);

	if (!err)
		err = get_item(tide, snapshot, found, key, out, sequence, failure);
	return tide_read_end(tide, snapshot, err, failure);
}

int tide_get(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	return err ? err : get_item_and_end(tide, &snapshot, table, key, out, sequence, failure);
}

int tide_get_committed(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	return err ? err : get_item_and_end(tide, &snapshot, table, key, out, sequence, failure);
}

/* --- writing --- */

static int write_in_transaction(struct tide *tide, struct tide_table *table,
	struct write_request *request, struct tide_change *change, struct failure *failure)
{
	struct write_result result;
	int err = tide_find(tide, tide->transaction.txn, table, &request->table, failure);

	if (err)
		return err;
	err = write_item(&tide->transaction, request, &result, failure);
	if (!err || err == ERR_CONDITION_FAILED)
		*change = (struct tide_change){ result.sequence, result.old_item, result.new_item };
	return err;
}

static struct write_request write_request_of(enum tide_operation operation, struct slice item,
	struct tide_expressions *expressions)
{
	struct write_request request = {
		.updates = operation == TIDE_UPDATE,
		.update = expression_of(expressions, EXPRESSION_UPDATE),
		.updater = expressions ? &expressions->update : NULL,
		.condition = expression_of(expressions, EXPRESSION_CONDITION),
	};

	if (operation == TIDE_PUT)
		request.item = item;
	else
		request.key = item;
	return request;
}

int tide_write(struct tide *tide, struct tide_table *table, enum tide_operation operation,
	struct slice item, struct tide_expressions *expressions, struct tide_change *change,
	struct failure *failure)
{
	struct write_request request = write_request_of(operation, item, expressions);

	return write_in_transaction(tide, table, &request, change, failure);
}

int tide_evaluate(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, enum tide_operation operation, struct slice item,
	struct slice old, struct tide_expressions *expressions, struct tide_change *change,
	struct failure *failure)
{
	struct write_request request = write_request_of(operation, item, expressions);
	struct table buf;
	int err = tide_find_at(tide, snapshot, table, &buf, &request.table, failure);

	*change = (struct tide_change){ .old_item = old };
	if (!err)
		err = write_check_expressions(&request, failure);
	return err ? err : write_evaluate(&request, old, &change->new_item, failure);
}

int tide_put(struct tide *tide, struct tide_table *table, struct slice item,
	struct tide_change *change, struct failure *failure)
{
	struct write_request request = { .item = item };

	return write_in_transaction(tide, table, &request, change, failure);
}

int tide_delete(struct tide *tide, struct tide_table *table, struct slice key,
	struct tide_change *change, struct failure *failure)
{
	struct write_request request = { .key = key };

	return write_in_transaction(tide, table, &request, change, failure);
}

/* --- truncation --- */

/* Sets *found to the table. If the truncation has not begun, sets *progress to remove the items
 * that the table has now. */
static int begin_truncation(struct tide *tide, struct tide_table *table,
	struct tide_truncation *progress, const struct table **found, struct failure *failure)
{
	int err = tide_find(tide, tide->transaction.txn, table, found, failure);

	if (err)
		return err;
	if (progress->table == 0) {
		progress->table = (*found)->row.id;
		return truncate_begin(&tide->transaction, *found, &progress->sequence, failure);
	}
	return progress->table == (*found)->row.id ? 0 : fail_as(failure, ERR_NOT_FOUND,
		"table %s was deleted while it was being truncated", table->name);
}

int tide_truncate(struct tide *tide, struct tide_table *table,
	struct tide_truncation *progress, uint64_t *removed, bool *more,
	struct failure *failure)
{
	struct tide_truncation next = *progress;
	const struct table *found;
	uint64_t count = 0;
	bool has_more = false;
	int err = tide_begin(tide, failure);

	if (err)
		return err;
	err = begin_truncation(tide, table, &next, &found, failure);
	if (!err)
		err = truncate_step(&tide->transaction, found, next.sequence, &next.last, &count,
			&has_more, failure);
	err = tide_end(tide, err, failure);
	if (err)
		return err;
	*progress = next;
	*removed += count;
	*more = has_more;
	return 0;
}
