/* replicas.c - the functions of tide_replica.h for the target: applying, describing, promoting. */
#include <string.h>
#include <sys/random.h>

#include "api/database.h"
#include "codec/replica_start.h"
#include "table/apply.h"
#include "tide_replica.h"

/* --- reading --- */

/* Appends the rows of all tables of a replica. */
static int put_tables(struct buffer *out, struct txn *txn, uint64_t replica)
{
	struct replica_table table = { 0 };
	int err;

	while ((err = replica_table_next(&table, txn, replica)) == 0) {
		size_t at;

		buffer_put_u32(out, table.source);
		at = out->len;
		buffer_put_u16(out, 0);
		replica_table_put(out, &table);
		if (buffer_error(out))
			return buffer_error(out);
		set_u16(out->data + at, (uint16_t)(out->len - at - 2));
	}
	return err == END ? 0 : err;
}

int tide_describe_replica(struct tide *tide, struct slice name, struct tide_replica *replica,
	struct failure *failure)
{
	struct buffer *kept = &tide->scratch;
	struct read_view snapshot;
	size_t settings = 0;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(kept);
	err = replica_read(&replica->row, snapshot.txn, name);
	if (!err) {
		settings = replica->row.settings.len;
		buffer_put_slice(kept, replica->row.settings);
		err = put_tables(kept, snapshot.txn, replica->row.id);
	}
	if (!err)
		err = buffer_error(kept);
	replica->row.settings = slice_of(kept->data, settings);
	replica->tables = slice_of(kept->data + settings, kept->len - settings);
	return tide_read_end(tide, &snapshot, replica_failed(failure, err, name), failure);
}

int tide_replica_names(struct tide *tide, struct buffer *names, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(names);
	err = replica_names(names, snapshot.txn);
	return tide_read_end(tide, &snapshot, err ? fail_about(failure, err,
		"the rows of replicas") : 0, failure);
}

/* Appends the tables of a replica, after their number. */
static int put_start_tables(struct buffer *start, struct txn *txn, uint64_t replica)
{
	struct replica_table row = { 0 };
	size_t at = start->len;
	uint32_t count = 0;
	int err = 0;

	buffer_put_u32(start, 0);
	while (replica && (err = replica_table_next(&row, txn, replica)) == 0) {
		struct start_table table = { .id = row.source, .stream = row.stream,
			.state = row.state, .name = row.name, .place = row.place };

		start_table_put(start, &table);
		count++;
	}
	if (buffer_error(start) || err < 0)
		return err < 0 ? err : buffer_error(start);
	set_u32(start->data + at, count);
	return 0;
}

int tide_replica_start(struct tide *tide, struct slice name, struct slice names,
	struct buffer *start, struct failure *failure)
{
	struct replica_row row = { 0 };
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(start);
	err = replica_read(&row, snapshot.txn, name);
	if (err == END) {
		row.id = 0;
		err = 0;
	}
	if (!err && row.is_promoted) {
		err = fail_as(failure, ERR_PROMOTED, "replica %.*s was promoted", (int)name.len,
			(const char *)name.data);
		return tide_read_end(tide, &snapshot, err, failure);
	}
	if (!err) {
		replica_start_put(start, tide->header.database_id, row.id ? &row : NULL,
			names);
		err = put_start_tables(start, snapshot.txn, row.id);
	}
	return tide_read_end(tide, &snapshot, replica_failed(failure, err, name), failure);
}

/* --- applying --- */

/* Applies frames in a transaction. Sets *too_big to the offset of the frame that is too big, if
 * those before it can be applied alone; otherwise to 0. */
static int apply_once(struct tide *tide, const struct apply_spec *spec, struct slice frames,
	struct apply_result *result, size_t *too_big, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	*too_big = 0;
	if (err)
		return err;
	err = apply_frames(&tide->transaction, spec, frames, result, failure);
	*too_big = err == ERR_TOO_BIG && result->has_moved ? result->consumed : 0;
	return tide_end(tide, err, failure);
}

int tide_apply_frames(struct tide *tide, const struct tide_apply_spec *spec, struct slice frames,
	struct tide_applied *applied, struct failure *failure)
{
	const struct apply_spec apply = { .name = spec->name, .settings = spec->settings,
		.names = spec->names, .database = tide->header.database_id,
		.adopts = spec->adopts, .skips = spec->skips, .is_strict = spec->is_strict,
		.loses = spec->loses };
	struct apply_result result = { 0 };
	size_t too_big;
	int err = apply_once(tide, &apply, frames, &result, &too_big, failure);

	if (too_big)     /* those before it are valid: the next call begins with this one */
		err = apply_once(tide, &apply, slice_of(frames.data, too_big), &result, &too_big,
			failure);
	*applied = (struct tide_applied){ .consumed = err ? 0 : result.consumed,
		.position = result.position, .head = result.head,
		.is_copying = result.is_copying, .has_ended = result.has_ended };
	return err;
}

/* --- promoting --- */

/* Gives the file a new incarnation in the open transaction. */
static int renew_incarnation(struct tide *tide)
{
	struct transaction *transaction = &tide->transaction;
	struct buffer made_by = { 0 };
	struct file_header header;
	int err = file_header_read(transaction->txn, &header);

	if (!err)
		err = incarnation_end(transaction->txn, transaction->state.sequence,
			header.incarnation, true);
	if (err)
		return err;
	buffer_put_slice(&made_by, header.made_by);
	header.made_by = buffer_slice(&made_by);
	err = buffer_error(&made_by);
	if (!err && getrandom(header.incarnation, FILE_ID_BYTES, 0) != FILE_ID_BYTES)
		err = ERR_STORE;
	if (!err)
		err = file_header_write(transaction->txn, &header);
	buffer_release(&made_by);
	return err;
}

static int promote(struct tide *tide, struct slice name, struct failure *failure)
{
	int err = apply_promotion(&tide->transaction, name, failure);

	if (err)
		return err;
	err = renew_incarnation(tide);
	if (!err)       /* other handles read the incarnation again */
		err = transaction_catalog_changed(&tide->transaction);
	return err ? fail_about(failure, transaction_break(&tide->transaction, err),
		"the incarnation of the file") : 0;
}

int tide_promote(struct tide *tide, struct slice name, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, promote(tide, name, failure), failure);
}

int tide_forget_replica(struct tide *tide, struct slice name, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, apply_removal(&tide->transaction, name, failure),
		failure);
}
