/* apply_table.c - applies the definitions of the source's tables.
 *
 * Tables are matched by their ids in the source: another id of the same name is another table. The
 * tables of a replica belong to it (table_row.replica) until it is promoted.
 */
#include <string.h>

#include "base/u64_map.h"
#include "table/applying.h"
#include "table/define.h"
#include "table/long_key.h"

/* A table of the source. */
struct given {
	struct frame_table frame;
	struct table_row row;
	struct stream_row stream;
	bool has_stream;
};

static int decode(struct apply *apply, struct source *source, struct given *given)
{
	frame_get_table(source, &given->frame);
	if (source->err)
		return fail(apply->failure, ERR_CORRUPT);
	given->has_stream = given->frame.stream_row.len > 0;
	if (table_get(&given->row, given->frame.row) || (given->has_stream &&
			stream_get(&given->stream, given->frame.stream_row)))
		return fail(apply->failure, ERR_CORRUPT);
	return 0;
}

static bool can_be_followed(const struct given *given)
{
	return given->frame.reason.len == 0;
}

static int find_here(struct apply *apply, struct slice name, const struct table **table)
{
	int err = catalog_find(apply->transaction->catalog, apply->transaction->txn, name, table);

	return err < 0 ? fail_about(apply->failure, err, "the row of table %.*s", (int)name.len,
		(const char *)name.data) : err;
}

/* Ends the transaction of a definition for readers. */
static int flush(struct apply *apply)
{
	struct annotation annotation = { 0 };

	annotation.source.path = slice_of(apply->row.database, DATABASE_ID_BYTES);
	annotation.source.incarnation = apply->row.incarnation;
	return apply_flush(apply, &annotation);
}

/* Stores the row of a table of the replica. */
static int put_table(struct apply *apply, const struct replica_table *table)
{
	int err = replica_table_write(apply->transaction->txn, apply->row.id, table);

	apply_forget(apply);
	apply->has_changed = true;
	return err ? fail_about(apply->failure, transaction_break(apply->transaction, err),
		"table %.*s", (int)table->name.len, (const char *)table->name.data) : 0;
}

/* Stores a table that is not followed, with the reason. */
static int put_unfollowed(struct apply *apply, const struct given *given, uint32_t table,
	struct slice reason)
{
	struct replica_table row = { .source = given->frame.id, .state = REPLICA_OFF,
		.table = table, .stream = given->frame.stream, .path = given->frame.path,
		.incarnation = given->frame.incarnation, .name = given->frame.name,
		.reason = reason };

	if (apply->spec->is_strict && apply->row.position)
		return fail_as(apply->failure, ERR_NOT_FOLLOWED, "table %.*s can no longer be"
			" followed: %.*s", (int)row.name.len, (const char *)row.name.data,
			(int)reason.len, (const char *)reason.data);
	return put_table(apply, &row);
}

/* --- making the definition that of the source --- */

/* Makes the table belong to the replica. */
static int take_over(struct apply *apply, struct slice name)
{
	struct transaction *transaction = apply->transaction;
	const struct table *found;
	struct table_row row;
	int err = find_here(apply, name, &found);

	if (err)
		return err == END ? fail(apply->failure, ERR_CORRUPT) : err;
	row = found->row;
	row.replica = apply->row.id;
	err = catalog_put_table(transaction->txn, &row);
	if (!err)
		err = transaction_catalog_changed(transaction);
	return err ? fail(apply->failure, transaction_break(transaction, err)) : 0;
}

static int create(struct apply *apply, const struct given *given)
{
	struct table_spec spec = { .name = given->frame.name, .schema = given->row.schema,
		.view = given->has_stream ? given->stream.view : 0,
		.ttl = time_to_live_name(&given->row.ttl), .retention = given->stream.retention };
	int err = define_table(apply->transaction, &spec, apply->failure);

	return err ? err : take_over(apply, spec.name);
}

static bool is_same_retention(const struct retention *a, const struct retention *b)
{
	return a->age_ms == b->age_ms && a->max_bytes == b->max_bytes &&
		a->max_count == b->max_count && a->hold_age_ms == b->hold_age_ms &&
		a->hold_bytes == b->hold_bytes;
}

/* Makes the stream of the table here that of the source; id: the enabled stream here. */
static int change_stream(struct apply *apply, const struct given *given, uint32_t id)
{
	struct transaction *transaction = apply->transaction;
	struct slice name = given->frame.name;
	struct stream *stream = NULL;
	bool is_other;
	int err = id ? streams_find(&transaction->catalog->streams, transaction->txn, id, &stream) :
		0;

	if (err)
		return fail(apply->failure, err == END ? ERR_CORRUPT : err);
	is_other = id && (!given->has_stream || stream->row.view != given->stream.view);
	if (id && !is_other)
		return is_same_retention(&stream->row.retention, &given->stream.retention) ? 0 :
			define_retention(transaction, id, &given->stream.retention,
				apply->failure);
	if (is_other)
		err = define_no_stream(transaction, name, apply->failure);
	return err || !given->has_stream ? err : define_stream(transaction, name,
		given->stream.view, &given->stream.retention, apply->failure);
}

static int alter(struct apply *apply, const struct given *given)
{
	const struct table *table;
	int err = find_here(apply, given->frame.name, &table);

	if (!err)
		err = define_ttl(apply->transaction, given->frame.name,
			time_to_live_name(&given->row.ttl), apply->failure);
	if (!err)
		err = find_here(apply, given->frame.name, &table);
	return err ? err : change_stream(apply, given, table->row.stream);
}

/* --- tables that exist here --- */

static bool is_same_attribute(const struct key_attribute *a, const struct key_attribute *b)
{
	return a->type == b->type && slice_equal(attribute_name(a), attribute_name(b));
}

static bool is_same_schema(const struct key_schema *a, const struct key_schema *b)
{
	return is_same_attribute(&a->partition, &b->partition) &&
		is_same_attribute(&a->sort, &b->sort);
}

static int is_empty(struct transaction *transaction, const struct table *table, bool *empty)
{
	struct row_walk walk = { 0 };
	uint8_t prefix[ID_MAX];
	struct slice id = slice_of(prefix, set_id(prefix, table->row.id));
	int err = row_walk_from(&walk, transaction->txn, id);

	*empty = err == END || (!err && !slice_begins(row_walk_key(&walk), id));
	row_walk_stop(&walk);
	return err == END ? 0 : err;
}

/* Sets *is_alike to true if the table is empty and defined as the one of the source. */
static int compare(struct apply *apply, const struct given *given, const struct table *table,
	bool *is_alike)
{
	struct transaction *transaction = apply->transaction;
	struct stream *stream = NULL;
	int err = is_empty(transaction, table, is_alike);

	if (!err && table->row.stream)
		err = streams_find(&transaction->catalog->streams, transaction->txn,
			table->row.stream, &stream);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	*is_alike = *is_alike && is_same_schema(&table->row.schema, &given->row.schema) &&
		slice_equal(time_to_live_name(&table->row.ttl),
			time_to_live_name(&given->row.ttl)) &&
		(stream ? stream->row.view : 0) == (given->has_stream ? given->stream.view : 0);
	return 0;
}

/* Takes over a table that exists here, or returns why it can't be taken over. */
static int adopt(struct apply *apply, const struct given *given, const struct table *table,
	bool *merges)
{
	const char *name = table->row.name;
	bool is_alike;
	int err = compare(apply, given, table, &is_alike);

	if (err)
		return fail_about(apply->failure, err, "table %s", name);
	if (table->row.replica)
		return fail_as(apply->failure, ERR_IN_USE, "table %s belongs to another replica",
			name);
	if (!is_same_schema(&table->row.schema, &given->row.schema))
		return fail_as(apply->failure, ERR_IN_USE,
			"table %s exists here with other key attributes", name);
	if (!is_alike && !apply->is_adopting)
		return fail_as(apply->failure, ERR_IN_USE, "table %s exists here and is not empty,"
			" or its definition differs: adopting makes it equal to that of the source",
			name);
	*merges = !is_alike;
	err = take_over(apply, given->frame.name);
	return err ? err : alter(apply, given);
}

/* Creates the table here, or takes over one that exists. */
static int obtain(struct apply *apply, const struct given *given, bool *merges)
{
	const struct table *table;
	int err = find_here(apply, given->frame.name, &table);

	*merges = false;
	if (err < 0)
		return err;
	return err == END ? create(apply, given) : adopt(apply, given, table, merges);
}

/* --- states --- */

/* Stores the state of a table that exists here. */
static int put_state(struct apply *apply, const struct given *given, uint8_t state, bool merges)
{
	struct replica_table row = { .source = given->frame.id, .state = state, .merges = merges,
		.stream = given->frame.stream, .path = given->frame.path,
		.incarnation = given->frame.incarnation, .name = given->frame.name };
	const struct table *table;
	int err = find_here(apply, given->frame.name, &table);

	if (err)
		return err == END ? fail(apply->failure, ERR_CORRUPT) : err;
	if (path_contains(given->frame.path, apply->spec->database))
		return fail_as(apply->failure, ERR_LOOP, "table %s of the source is replicated from"
			" this database", table->row.name);
	row.table = table->row.id;
	err = put_table(apply, &row);
	return err ? err : flush(apply);
}

/* Starts with a table of the source that the replica does not have. */
static int begin_table(struct apply *apply, const struct given *given, uint8_t state)
{
	const struct slice name = given->frame.name;
	bool merges;
	int err;

	if (!can_be_followed(given) && !apply->spec->skips && !apply->row.position)
		return fail_as(apply->failure, ERR_NOT_FOLLOWED,
			"table %.*s of the source can't be replicated: %.*s", (int)name.len,
			(const char *)name.data, (int)given->frame.reason.len,
			(const char *)given->frame.reason.data);
	if (!can_be_followed(given))
		return put_unfollowed(apply, given, 0, given->frame.reason);
	err = obtain(apply, given, &merges);
	if (err == ERR_IN_USE && apply->row.position && !apply->transaction->broken)
		return put_unfollowed(apply, given, 0,
			slice_of_text("another table has this name in the target"));
	return err ? err : put_state(apply, given, state, merges);
}

/* Continues with a table that the replica has: in this state, if it can be followed. */
static int continue_table(struct apply *apply, const struct given *given, uint32_t table,
	uint8_t state)
{
	int err;

	if (!table)
		return begin_table(apply, given, state);
	err = alter(apply, given);
	if (err)
		return err;
	if (can_be_followed(given))
		return put_state(apply, given, state, true);
	err = put_unfollowed(apply, given, table, given->frame.reason);
	return err ? err : flush(apply);
}

/* Deletes a table that the source no longer has. */
static int end_table(struct apply *apply, uint32_t source)
{
	struct replica_table table;
	int err = apply_read_table(apply, source, &table);

	if (err)
		return err == END ? 0 : fail(apply->failure, err);
	if (table.table)
		err = define_delete(apply->transaction, table.name, apply->failure);
	if (err == ERR_NOT_FOUND)
		err = 0;
	if (!err) {
		err = replica_table_remove(apply->transaction->txn, apply->row.id, source);
		if (err)
			fail(apply->failure, transaction_break(apply->transaction, err));
	}
	apply_forget(apply);
	apply->has_changed = true;
	return err ? err : flush(apply);
}

/* --- frames --- */

/* Deletes the tables of the replica that are not in the map. */
static int end_others(struct apply *apply, const struct u64_map *given)
{
	struct replica_table table = { 0 };
	int err;

	while ((err = replica_table_next(&table, apply->transaction->txn, apply->row.id)) == 0) {
		if (u64_map_find(given, table.source))
			continue;
		err = end_table(apply, table.source);
		if (err)
			return err;
	}
	return err == END ? 0 : fail(apply->failure, err);
}

static int note_given(struct apply *apply, struct source source, uint32_t count,
	struct u64_map *given)
{
	for (uint32_t i = 0; i < count; i++) {
		struct frame_table table;

		frame_get_table(&source, &table);
		if (source.err)
			return fail(apply->failure, ERR_CORRUPT);
		if (!u64_map_make(given, table.id))
			return fail(apply->failure, ERR_NO_MEMORY);
	}
	return source_finish(&source) ? fail(apply->failure, ERR_CORRUPT) : 0;
}

/* Takes the next table of a list: it will be copied. */
static int take_given(struct apply *apply, struct source *source)
{
	struct replica_table has = { 0 };
	struct given given = { 0 };
	int err = decode(apply, source, &given);

	if (err)
		return err;
	err = apply_read_table(apply, given.frame.id, &has);
	if (err < 0)
		return fail(apply->failure, err);
	return continue_table(apply, &given, err == END ? 0 : has.table, REPLICA_WAITS);
}

/* Deletes the rows that an interrupted copy has noted. */
static int forget_copy(struct apply *apply)
{
	struct replica_table table = { 0 };
	struct txn *txn = apply->transaction->txn;
	bool is_done;
	int err;

	while ((err = replica_table_next(&table, txn, apply->row.id)) == 0) {
		err = replica_swept_remove(txn, apply->row.id, table.source);
		if (!err)
			err = replica_forget_seen(txn, apply->row.id, table.source, UINT64_MAX,
				&is_done);
		if (err)
			break;
	}
	return err == END ? 0 : fail(apply->failure, transaction_break(apply->transaction, err));
}

static int begin_copy(struct apply *apply)
{
	if (apply->row.rounds >= REPLICA_ROUNDS_MAX)
		return fail_as(apply->failure, ERR_TRIMMED, "the source has removed records before"
			" the replica read them, in each of %d copies", REPLICA_ROUNDS_MAX);
	apply->row.rounds++;
	return forget_copy(apply);
}

int apply_tables(struct apply *apply, const struct frame *frame)
{
	struct source source = source_of(frame->body);
	uint32_t count;
	struct u64_map given = { 0 };
	int err;

	source_u8(&source);
	count = source_u32(&source);
	err = source.err ? fail(apply->failure, ERR_CORRUPT) : begin_copy(apply);
	if (!err)
		err = note_given(apply, source, count, &given);
	if (!err)
		err = end_others(apply, &given);
	for (uint32_t i = 0; i < count && !err; i++)
		err = take_given(apply, &source);
	u64_map_release(&given);
	apply->row.position = frame->number;
	apply->row.record = apply->row.fingerprint = apply->row.record_stream = 0;
	apply->has_changed = true;
	return err;
}

/* An alteration of a table that stays followed leaves the state of its copy. */
static int change_table(struct apply *apply, const struct given *given, uint8_t action,
	uint32_t table)
{
	int err;

	if (action == ACTION_DELETE)
		return end_table(apply, given->frame.id);
	if (action != ACTION_ALTER || !table)
		return continue_table(apply, given, table,
			action == ACTION_CREATE ? REPLICA_FOLLOWS : REPLICA_WAITS);
	err = alter(apply, given);
	apply_forget(apply);
	return err ? err : flush(apply);
}

int apply_table(struct apply *apply, const struct frame *frame)
{
	struct source source = source_of(frame->body);
	struct replica_table has = { 0 };
	struct given given = { 0 };
	uint8_t action;
	int err;

	source_u64(&source);
	action = source_u8(&source);
	err = decode(apply, &source, &given);
	if (!err && (source_finish(&source) || action < ACTION_CREATE || action > ACTION_DELETE))
		err = fail(apply->failure, ERR_CORRUPT);
	if (err)
		return err;
	err = apply_read_table(apply, given.frame.id, &has);
	if (err < 0)
		return fail(apply->failure, err);
	err = change_table(apply, &given, action, err == END ? 0 : has.table);
	apply->row.position = frame->number;
	apply->has_changed = true;
	return err;
}
