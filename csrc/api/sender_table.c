/* sender_table.c - the tables that a sender sends, and their definitions as frames. */
#include <string.h>

#include "api/sender.h"
#include "base/memory.h"
#include "table/replica.h"

/* --- the list --- */

struct sent_table *sender_table(const struct tide_sender *sender, uint32_t id)
{
	size_t low = 0, high = sender->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sender->tables[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sender->count && sender->tables[low].id == id ? &sender->tables[low] : NULL;
}

static int reserve(struct tide_sender *sender)
{
	struct sent_table *tables;

	if (sender->count < sender->cap)
		return 0;
	tables = memory_grow(sender->tables, &sender->cap, sizeof *tables);
	if (!tables)
		return ERR_NO_MEMORY;
	sender->tables = tables;
	return 0;
}

int sender_add_table(struct tide_sender *sender, const struct start_table *table)
{
	struct sent_table *entry = sender_table(sender, table->id);
	int err = entry ? 0 : reserve(sender);

	if (err)
		return err;
	if (!entry) {
		size_t at = sender->count++;

		for (; at > 0 && sender->tables[at - 1].id > table->id; at--)
			sender->tables[at] = sender->tables[at - 1];
		entry = &sender->tables[at];
	}
	*entry = (struct sent_table){ .id = table->id, .stream = table->stream,
		.state = table->state, .name_len = (uint16_t)table->name.len };
	memcpy(entry->name, table->name.data, table->name.len);
	return 0;
}

static void remove_table(struct tide_sender *sender, const struct sent_table *entry)
{
	size_t at = (size_t)(entry - sender->tables);

	memmove(sender->tables + at, sender->tables + at + 1,
		(sender->count - at - 1) * sizeof *entry);
	sender->count--;
}

/* Returns true if the table is one of those to replicate. */
static bool is_selected(const struct tide_sender *sender, struct slice name)
{
	struct source source = source_of(buffer_slice(&sender->names));

	if (source_left(&source) == 0)
		return true;
	while (source_left(&source))
		if (slice_equal(source_counted(&source), name))
			return true;
	return false;
}

/* Drops the page that was read for the copy of a table whose state changes. */
static void drop_page(struct tide_sender *sender)
{
	buffer_clear(&sender->page);
	sender->place_len = 0;
}

/* --- definitions --- */

/* Why a table can't be followed; empty: it can. */
static struct slice reason_of(const struct stream_row *stream)
{
	if (!stream)
		return slice_of_text("it has no stream");
	return view_has_new(stream->view) ? slice_of(NULL, 0) :
		slice_of_text("its stream does not contain new images");
}

/* Sets path and incarnation of a table: those of the replica that it belongs to here, and this
 * database. */
static int find_path(struct sending *sending, const struct table_row *row,
	struct frame_table *table)
{
	struct buffer *path = &sending->sender->path;
	const uint8_t *incarnation = sending->tide->header.incarnation;
	struct replica_table has = { 0 };
	int err = END;

	buffer_clear(path);
	while (row->replica && (err = replica_table_next(&has, sending->view.txn,
			row->replica)) == 0 && has.table != row->id)
		;
	if (!err) {
		buffer_put_slice(path, has.path);
		incarnation = has.incarnation;
	}
	buffer_put(path, sending->tide->header.database_id, FILE_ID_BYTES);
	buffer_put(path, incarnation, FILE_ID_BYTES);
	if (buffer_error(path) || err < 0)
		return err < 0 ? err : buffer_error(path);
	table->path = slice_of(path->data, path->len - FILE_ID_BYTES);
	table->incarnation = path->data + path->len - FILE_ID_BYTES;
	return 0;
}

/* Appends a table with this definition; stream NULL: none is enabled. */
static int put_table(struct sending *sending, const struct table_row *row,
	const struct stream_row *stream)
{
	struct tide_sender *sender = sending->sender;
	struct frame_table table = { .id = row->id, .stream = stream ? stream->id : 0,
		.name = slice_of_text(row->name), .reason = reason_of(stream) };
	int err = find_path(sending, row, &table);

	buffer_clear(&sender->row);
	table_put(&sender->row, row);
	buffer_clear(&sender->stream_row);
	if (stream)
		stream_put(&sender->stream_row, stream);
	if (!err)
		err = buffer_error(&sender->row);
	if (!err)
		err = buffer_error(&sender->stream_row);
	if (err)
		return fail_about(sending->failure, err, "the definition of table %s", row->name);
	table.row = buffer_slice(&sender->row);
	table.stream_row = buffer_slice(&sender->stream_row);
	frame_put_table(sending->out, &table);
	return 0;
}

/* --- all tables --- */

static int put_present_table(struct sending *sending, struct slice name)
{
	struct catalog *catalog = &sending->tide->catalog;
	struct stream *stream = NULL;
	struct start_table added = { .name = name };
	struct table table;
	int err = catalog_read_table(sending->view.txn, name, &table);

	if (!err && table.row.stream)
		err = streams_find(&catalog->streams, sending->view.txn, table.row.stream, &stream);
	if (err)
		return err == END ? fail_as(sending->failure, ERR_NOT_FOUND,
			"Requested resource not found: Table: %.*s not found", (int)name.len,
			(const char *)name.data) : fail_about(sending->failure, err,
			"the rows of table %.*s", (int)name.len, (const char *)name.data);
	added.id = table.row.id;
	added.stream = table.row.stream;
	added.state = reason_of(stream ? &stream->row : NULL).len ? REPLICA_OFF : REPLICA_WAITS;
	err = sender_add_table(sending->sender, &added);
	return err ? fail(sending->failure, err) :
		put_table(sending, &table.row, stream ? &stream->row : NULL);
}

static int put_name(void *context, struct slice name)
{
	buffer_put_counted(context, name);
	return buffer_error(context);
}

/* Replaces the contents of names with those of the tables to replicate. A table that is missing
 * when a copy is repeated was deleted. */
static int list_names(struct sending *sending, struct buffer *names)
{
	struct tide_sender *sender = sending->sender;
	struct source source = source_of(buffer_slice(&sender->names));
	int err = 0;

	if (source_left(&source) == 0)
		return catalog_each_name(sending->view.txn, put_name, names);
	while (source_left(&source) && !err) {
		struct slice name = source_counted(&source);
		struct table table;

		err = sender->restarts ? catalog_read_table(sending->view.txn, name, &table) : 0;
		if (!err)
			buffer_put_counted(names, name);
		err = err == END ? 0 : err;
	}
	return err ? err : buffer_error(names);
}

int sender_put_tables(struct sending *sending)
{
	struct tide_sender *sender = sending->sender;
	struct buffer names = { 0 }, *out = sending->out;
	size_t start = frame_start(out, FRAME_TABLES), count_at;
	struct source source;
	int err = list_names(sending, &names);

	sender->count = 0;
	drop_page(sender);
	buffer_put_u8(out, sender->restarts);
	count_at = out->len;
	buffer_put_u32(out, 0);
	if (err)
		fail(sending->failure, err);
	source = source_of(buffer_slice(&names));
	while (!err && source_left(&source))
		err = put_present_table(sending, source_counted(&source));
	buffer_release(&names);
	if (err || buffer_error(out))
		return err ? err : fail(sending->failure, buffer_error(out));
	set_u32(out->data + count_at, (uint32_t)sender->count);
	frame_end(out, start, sending->view.state->sequence);
	sender->position = sending->view.state->sequence;
	sender->record = sender->sent_record = sender->fingerprint = sender->record_stream = 0;
	sender->begins = false;
	sending->has_changes = true;
	sender_restart_feed(sender);
	return 0;
}

/* --- a change of a table --- */

/* Decodes a definition of a change. Sets *has_stream. */
static int get_definition(const struct table_change *change, struct table_row *row,
	struct stream_row *stream, bool *has_stream)
{
	struct table_definition definition;
	int err = table_definition_get(&definition, change->definition);

	if (err)
		return err;
	*row = (struct table_row){ .id = change->table, .created_ms = definition.created_ms,
		.schema = definition.schema, .stream = definition.stream };
	slice_write((uint8_t *)row->name, change->name);
	row->ttl.index = definition.ttl.len > 0;
	row->ttl.len = (uint8_t)definition.ttl.len;
	slice_write((uint8_t *)row->ttl.name, definition.ttl);
	*stream = (struct stream_row){ .id = definition.stream, .table = change->table,
		.view = definition.view, .status = STREAM_ENABLED,
		.created_ms = definition.stream_created_ms, .retention = definition.retention,
		.schema = definition.schema };
	slice_write((uint8_t *)stream->label, definition.label);
	slice_write((uint8_t *)stream->table_name, change->name);
	*has_stream = definition.stream != 0;
	return 0;
}

/* Returns the action of the replica for a table whose definition has changed. */
static enum table_action action_of(const struct table_change *change,
	const struct sent_table *table, uint32_t stream, bool follows)
{
	if (change->event == TABLE_DELETED)
		return ACTION_DELETE;
	if (change->event == TABLE_CREATED)
		return ACTION_CREATE;
	if (!follows)
		return ACTION_STOP;
	return table->state == REPLICA_OFF || table->stream != stream ? ACTION_COPY : ACTION_ALTER;
}

/* Drops the page that was read, because the order of the list may change, and the place of the copy
 * if it is one of this table. */
static void drop_copy(struct tide_sender *sender, const struct sent_table *table)
{
	if (table && table->state == REPLICA_COPIES)
		drop_page(sender);
	buffer_clear(&sender->page);
}

/* Notes the new state of the table. The change borrows from the feed, which ends last. */
static int note_action(struct tide_sender *sender, const struct table_change *change,
	enum table_action action, uint32_t stream, bool follows)
{
	struct sent_table *table = sender_table(sender, change->table);
	struct start_table now = { .id = change->table, .stream = stream, .name = change->name };
	int err = 0;

	if (action == ACTION_ALTER)
		return 0;
	drop_copy(sender, table);
	now.state = !follows ? REPLICA_OFF : action == ACTION_COPY ? REPLICA_WAITS :
		REPLICA_FOLLOWS;
	if (action == ACTION_DELETE)
		remove_table(sender, table);
	else
		err = sender_add_table(sender, &now);
	sender_restart_feed(sender);
	return err;
}

static int put_change(struct sending *sending, const struct record *record,
	const struct table_change *change)
{
	struct tide_sender *sender = sending->sender;
	const struct sent_table *table = sender_table(sender, change->table);
	struct buffer *out = sending->out;
	struct table_row row;
	struct stream_row stream;
	enum table_action action;
	bool has_stream, follows;
	size_t start;
	int err = get_definition(change, &row, &stream, &has_stream);

	if (err)
		return fail_about(sending->failure, err, "record %llu",
			(unsigned long long)record->sequence);
	follows = reason_of(has_stream ? &stream : NULL).len == 0;
	action = action_of(change, table, row.stream, follows);
	start = frame_start(out, FRAME_TABLE);
	buffer_put_u64(out, sender->position);
	buffer_put_u8(out, (uint8_t)action);
	err = put_table(sending, &row, has_stream ? &stream : NULL);
	frame_end(out, start, record->sequence);
	sender->position = record->sequence;
	sending->has_changes = true;
	if (!err) {
		err = note_action(sender, change, action, row.stream, follows);
		if (err)
			fail(sending->failure, err);
	}
	return err;
}

int sender_put_change(struct sending *sending, const struct record *record)
{
	struct tide_sender *sender = sending->sender;
	struct table_change change;
	int err = table_change_get(&change, record->new_image);

	if (err)
		return fail_about(sending->failure, err, "record %llu",
			(unsigned long long)record->sequence);
	if (change.event == TABLE_TRUNCATED)
		return 0;
	if (change.event == TABLE_CREATED ? !is_selected(sender, change.name) :
			!sender_table(sender, change.table))
		return 0;
	return put_change(sending, record, &change);
}
