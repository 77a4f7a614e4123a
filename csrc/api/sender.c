/* sender.c - tide_sender: reads the changes of a source and sends them as frames. */
#include "api/sender.h"

#include <string.h>

#include "base/memory.h"
#include "os/commit_notifier.h"
#include "stream/consumer.h"
#include "table/replica.h"
#include "tide_consumer.h"

/* Interval after which a sender that was not notified checks for commits. */
#define CHECK_AGAIN_MS 1000

/* --- fingerprints --- */

/* Returns the hash of a record, by which a replica recognizes its source. */
static uint64_t fingerprint_of(const struct record *record, struct buffer *scratch)
{
	static const uint8_t no_secret[HASH_SECRET_BYTES];

	buffer_clear(scratch);
	buffer_put_u64(scratch, record->sequence);
	buffer_put_u8(scratch, record->event);
	buffer_put_u64(scratch, record->created_ms);
	buffer_put_counted(scratch, record->keys);
	buffer_put_counted(scratch, record->old_image);
	buffer_put_counted(scratch, record->new_image);
	return hash64(no_secret, buffer_slice(scratch));
}

/* Reads a record that a replica has read. Returns END if it has expired. */
static int read_record(struct tide_sender *sender, const struct view_of_streams *view,
	struct record *record)
{
	struct buffer bytes = { 0 };
	struct stream_row row;
	struct bounds bounds = { 0 };
	struct cursor *cursor;
	uint64_t hidden = 0;
	int err = stream_read_row(view->txn, sender->record_stream, &row);

	if (!err)
		err = stream_bounds(view->txn, row.id, &bounds);
	if (!err)
		err = retention_hidden(view->txn, &row, &bounds, view->clock_ms, 0, &hidden);
	if (!err && hidden >= sender->record)
		err = END;
	if (!err)
		err = txn_cursor(view->txn, TREE_LOG, &cursor);
	if (!err)
		err = log_seek(cursor, row.id, sender->record, record);
	if (!err && record->sequence != sender->record)
		err = END;
	if (!err)
		err = log_copy(cursor, row.id, record, &bytes);
	if (!err)
		err = record_get(record, buffer_slice(&bytes));
	if (!err)
		record->ordinal = fingerprint_of(record, &sender->scratch);
	buffer_release(&bytes);
	return err;
}

/* Verifies that the replica continues this database. */
static int check_record(struct tide_sender *sender, const struct view_of_streams *view,
	struct failure *failure)
{
	struct record record;
	int err = sender->record ? read_record(sender, view, &record) : 0;

	if (err == END) {
		fail_with(failure, ERR_TRIMMED, "the last record that the replica has read, %llu,"
			" has expired", (unsigned long long)sender->record);
		if (failure) {
			failure->first = sender->record;
			failure->last = sender->record;
		}
		return ERR_TRIMMED;
	}
	if (err)
		return fail_about(failure, err, "record %llu", (unsigned long long)sender->record);
	return !sender->record || record.ordinal == sender->fingerprint ? 0 :
		fail_as(failure, ERR_SOURCE_DIFFERS, "record %llu of the source is not the one that"
			" was replicated: the source is another copy of its database",
			(unsigned long long)sender->record);
}

/* --- opening --- */

static int check_identity(const struct tide *tide, const struct replica_start *start,
	const struct view_of_streams *view, struct failure *failure)
{
	bool continues = memcmp(start->incarnation.data, tide->header.incarnation,
		FILE_ID_BYTES) == 0;
	int err = 0;

	if (memcmp(start->database.data, tide->header.database_id, FILE_ID_BYTES) != 0)
		return fail_as(failure, ERR_SOURCE_DIFFERS,
			"the source is another database than the one that was replicated before");
	if (!continues)
		err = incarnation_continues(view->txn, start->incarnation.data, start->position,
			&continues);
	if (err)
		return fail_about(failure, err, "the incarnations of the file");
	if (!continues)
		return fail_as(failure, ERR_SOURCE_DIFFERS, "the source is another copy of its"
			" database (incarnation) than the one that was replicated before");
	if (start->position > view->state->sequence)
		return fail_as(failure, ERR_SOURCE_DIFFERS, "the replica is at sequence number %llu"
			" of the source, whose last change has %llu",
			(unsigned long long)start->position,
			(unsigned long long)view->state->sequence);
	return 0;
}

static int take_tables(struct tide_sender *sender, struct replica_start *start)
{
	for (uint32_t i = 0; i < start->table_count; i++) {
		struct start_table table;
		int err = start_table_get(&table, &start->tables);

		if (!err)
			err = sender_add_table(sender, &table);
		if (err)
			return err;
		if (table.state == REPLICA_COPIES) {
			sender->copying = sender->count - 1;
			sender->place_len = (uint16_t)table.place.len;
			slice_write(sender->place, table.place);
		}
	}
	return 0;
}

static int take_start(struct tide_sender *sender, const struct tide *tide,
	struct replica_start *start, const struct view_of_streams *view, struct failure *failure)
{
	int err = start->has_source ? check_identity(tide, start, view, failure) : 0;

	if (err)
		return err;
	buffer_put_slice(&sender->names, start->names);
	err = buffer_error(&sender->names);
	sender->begins = !start->has_source || sender->restarts;
	if (err || sender->begins)
		return err ? fail(failure, err) : 0;
	sender->position = start->position;
	sender->record = sender->sent_record = start->record;
	sender->record_stream = start->record_stream;
	sender->fingerprint = start->fingerprint;
	err = take_tables(sender, start);
	return err ? fail(failure, err) : check_record(sender, view, failure);
}

static int open_sender(struct tide_sender *sender, struct tide *tide, struct replica_start *start,
	struct failure *failure)
{
	struct view_of_streams view;
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	tide_view_streams(tide, &snapshot, &view);
	err = take_start(sender, tide, start, &view, failure);
	return tide_read_end(tide, &snapshot, err, failure);
}

int tide_sender_open(struct tide_sender **out, struct tide *tide, struct slice bytes,
	bool restarts, struct failure *failure)
{
	struct tide_sender *sender = memory_alloc_zeroed(sizeof *sender);
	struct replica_start start;
	int err = replica_start_get(&start, bytes);

	*out = NULL;
	if (!sender)
		return fail(failure, ERR_NO_MEMORY);
	if (err == ERR_CORRUPT)
		err = fail_as(failure, ERR_VALIDATION, "the position of the replica is damaged");
	else if (err)
		err = fail_as(failure, err, "the replica is of a newer tidetable");
	sender->restarts = restarts;
	if (!err)
		err = open_sender(sender, tide, &start, failure);
	if (err)
		tide_sender_close(sender);
	else
		*out = sender;
	return err;
}

/* --- the feed --- */

void sender_restart_feed(struct tide_sender *sender)
{
	feed_release(&sender->feed);
	sender->feed = (struct feed){ 0 };
	sender->has_feed = false;
}

int tide_sender_streams(const struct tide_sender *sender, struct buffer *ids)
{
	size_t start = ids->len;

	buffer_put_u32(ids, STREAM_OF_TABLES);
	for (size_t i = 0; i < sender->count; i++) {
		const struct sent_table *table = &sender->tables[i];
		size_t at = ids->len;

		if (table->state == REPLICA_OFF || !table->stream)
			continue;
		buffer_put_u32(ids, 0);
		if (buffer_error(ids))
			break;
		for (; at > start && get_u32(ids->data + at - 4) > table->stream; at -= 4)
			memcpy(ids->data + at, ids->data + at - 4, 4);
		set_u32(ids->data + at, table->stream);
	}
	return buffer_error(ids);
}

/* Starts the feed of the streams that are read, if there is none. */
static int start_feed(struct sending *sending)
{
	struct tide_sender *sender = sending->sender;
	struct position from = { POSITION_AFTER, sender->position };
	struct buffer ids = { 0 };
	int err = sender->has_feed ? 0 : tide_sender_streams(sender, &ids);

	if (!err && !sender->has_feed) {
		err = stream_set_init(&sender->feed.streams, buffer_slice(&ids));
		sender->has_feed = !err;
		err = err ? fail(sending->failure, err) : feed_start(&sender->feed, from,
			&sending->view, sending->failure);
		if (err == ERR_NOT_FOUND)
			err = fail_with(sending->failure, ERR_TRIMMED, "a stream of a table was"
				" removed");
	}
	buffer_release(&ids);
	return err;
}

/* --- frames --- */

static void put_promoted(struct buffer *out, const struct replica_row *row)
{
	buffer_put(out, row->database, DATABASE_ID_BYTES);
	buffer_put(out, row->incarnation, DATABASE_ID_BYTES);
	buffer_put_u64(out, row->position);
}

/* Appends the replicas of this database that were promoted, after their number. */
static int put_all_promoted(struct sending *sending)
{
	struct buffer names = { 0 }, *out = sending->out;
	size_t at = out->len;
	struct source source;
	uint16_t count = 0;
	int err = replica_names(&names, sending->view.txn);

	buffer_put_u16(out, 0);
	source = source_of(buffer_slice(&names));
	while (!err && source_left(&source)) {
		struct replica_row row;

		err = replica_read(&row, sending->view.txn, source_counted(&source));
		if (err || !row.is_promoted)
			continue;
		put_promoted(out, &row);
		count++;
	}
	if (!err && !buffer_error(out))
		set_u16(out->data + at, count);
	buffer_release(&names);
	return err;
}

static int put_greeting(struct sending *sending)
{
	struct tide_sender *sender = sending->sender;
	struct buffer *out = sending->out;
	size_t start = frame_start(out, FRAME_SOURCE);
	int err;

	buffer_put_u8(out, FRAME_VERSION);
	buffer_put(out, sending->tide->header.database_id, FILE_ID_BYTES);
	buffer_put(out, sending->tide->header.incarnation, FILE_ID_BYTES);
	buffer_put_u64(out, sending->view.state->sequence);
	buffer_put_counted(out, buffer_slice(&sender->names));
	err = put_all_promoted(sending);
	frame_end(out, start, sender->position);
	sender->is_greeted = !err;
	return err ? fail_about(sending->failure, err, "the rows of replicas") : 0;
}

/* Sends a new position, unless it was sent. */
static void put_advance(struct sending *sending, uint64_t position)
{
	struct tide_sender *sender = sending->sender;
	struct buffer *out = sending->out;
	size_t start;

	if (position == sender->position && sender->record == sender->sent_record)
		return;
	start = frame_start(out, FRAME_ADVANCE);
	buffer_put_u64(out, sender->position);
	buffer_put_u64(out, sender->record);
	buffer_put_u32(out, sender->record_stream);
	buffer_put_u64(out, sender->fingerprint);
	frame_end(out, start, position);
	sender->position = position;
	sender->sent_record = sender->record;
}

/* --- transactions --- */

/* The transaction whose records are being read. */
struct departure {
	uint64_t transaction;        /* 0: none */
	uint64_t last;               /* sequence number of its last record */
	size_t start;                /* its frame; SIZE_MAX: none of its records is sent */
	size_t count_at;             /* where the number of records is */
	uint32_t count;
};

static int begin_departure(struct sending *sending, struct departure *departure,
	const struct record *record)
{
	struct buffer *out = sending->out;
	const uint8_t *incarnation = incarnation_of(tide_identity(sending->tide),
		record->transaction);

	if (!incarnation)
		return fail_about(sending->failure, ERR_CORRUPT, "the incarnations of the file");
	departure->start = frame_start(out, FRAME_TRANSACTION);
	buffer_put_u64(out, sending->sender->position);
	buffer_put_u64(out, record->transaction);
	buffer_put_u64(out, record->created_ms);
	buffer_put(out, incarnation, FILE_ID_BYTES);
	buffer_put_counted(out, record->annotation);
	departure->count_at = out->len;
	buffer_put_u32(out, 0);
	return 0;
}

static void end_departure(struct sending *sending, struct departure *departure)
{
	struct buffer *out = sending->out;

	if (departure->transaction && departure->start != SIZE_MAX && !buffer_error(out)) {
		set_u32(out->data + departure->count_at, departure->count);
		frame_end(out, departure->start, departure->last);
		sending->sender->position = departure->last;
		sending->has_changes = true;
	}
	*departure = (struct departure){ .start = SIZE_MAX };
}

static int put_item_record(struct sending *sending, struct departure *departure,
	const struct sent_table *table, const struct record *record)
{
	struct frame_record sent = { .table = table->id, .event = record->event,
		.is_expiry = record->origin == ORIGIN_TIME_TO_LIVE,
		.distance = record->sequence - record->transaction,
		.body = record->event == EVENT_REMOVE ? record->keys : record->new_image };
	int err = departure->start == SIZE_MAX ? begin_departure(sending, departure, record) : 0;

	if (err)
		return err;
	frame_put_record(sending->out, &sent);
	departure->count++;
	return 0;
}

/* Sends a record of an item, unless its table is not replicated or the item has still to be
 * copied. */
static int take_item_record(struct sending *sending, struct departure *departure,
	uint32_t stream, const struct record *record)
{
	const struct sent_table *table;
	struct stream *found;
	bool passes = true;
	int err = streams_find(sending->view.streams, sending->view.txn, stream, &found);

	if (err)
		return err == END ? 0 : fail_about(sending->failure, err, "the row of stream %u",
			stream);
	table = sender_table(sending->sender, found->row.table);
	if (!table || table->state == REPLICA_OFF || table->state == REPLICA_WAITS)
		return 0;
	if (table->state == REPLICA_COPIES)
		err = sender_has_passed(sending, &found->row, record, &passes);
	return err || !passes ? err : put_item_record(sending, departure, table, record);
}

/* Sends a record. */
static int take_record(struct sending *sending, struct departure *departure, uint32_t stream,
	struct slice bytes)
{
	struct tide_sender *sender = sending->sender;
	struct record record;
	int err = record_get(&record, bytes);

	if (err)
		return fail_about(sending->failure, err, "stream %u", stream);
	if (record.transaction != departure->transaction)
		end_departure(sending, departure);
	departure->transaction = record.transaction;
	departure->last = record.sequence;
	sender->record = record.sequence;
	sender->record_stream = stream;
	sender->fingerprint = fingerprint_of(&record, &sender->scratch);
	if (record.event != EVENT_TABLE)
		return take_item_record(sending, departure, stream, &record);
	if (departure->start != SIZE_MAX)        /* a truncation, in the transaction of its step */
		return 0;
	return sender_put_change(sending, &record);
}

/* Returns true if all records of the snapshot, or all up to that of the waiting page, were sent. */
static bool is_done(const struct sending *sending)
{
	const struct tide_sender *sender = sending->sender;
	uint32_t stream;
	struct slice record;

	if (sender->page.len && feed_peek(&sender->feed, &stream, &record) == 0)
		return true;                     /* it follows the page */
	return sender->feed.filled_at == txn_id(sending->view.txn) &&
		!feed_is_behind(&sender->feed);
}

/* Sends the records in the page of the feed, up to the snapshot of the waiting page. Sets *is_over
 * to true if the call should end, which is only possible between transactions. */
static int send_page_of_feed(struct sending *sending, struct departure *departure, size_t max,
	bool *is_over)
{
	struct tide_sender *sender = sending->sender;
	uint32_t stream;
	struct slice bytes;
	int err = 0;

	*is_over = false;
	while (!err && sender->has_feed && feed_peek(&sender->feed, &stream, &bytes) == 0) {
		struct record record;

		if (sender->page.len && record_sequence(bytes.data) > sender->page_at)
			return 0;
		err = record_get(&record, bytes);
		*is_over = !err && sending->out->len >= max &&
			record.transaction != departure->transaction;
		if (err || *is_over)
			return err ? fail_about(sending->failure, err, "stream %u", stream) : 0;
		feed_next(&sender->feed, &stream, &bytes);
		err = take_record(sending, departure, stream, bytes);
	}
	return err;
}

/* Sends records until the snapshot, or max bytes, or the snapshot of the waiting page is reached.
 * Sets *is_over to true in the second case. */
static int send_records(struct sending *sending, struct departure *departure, size_t max,
	bool *is_over)
{
	struct tide_sender *sender = sending->sender;
	int err = 0;

	*is_over = false;
	while (!err && !*is_over) {
		err = start_feed(sending);
		if (!err)
			err = send_page_of_feed(sending, departure, max, is_over);
		if (err || *is_over || !sender->has_feed)
			continue;                /* the streams have changed */
		if (is_done(sending))
			break;
		err = feed_fill(&sender->feed, FEED_PAGE_RECORDS, &sending->view,
			sending->failure);
	}
	end_departure(sending, departure);
	return err;
}

/* --- reading --- */

static int send_round(struct sending *sending, size_t max, bool *is_over)
{
	struct tide_sender *sender = sending->sender;
	struct departure departure = { .start = SIZE_MAX };
	int err = sender_read_page(sending);

	if (!err)
		err = send_records(sending, &departure, max, is_over);
	if (err || *is_over) {
		sending->has_changes = true;     /* there is more */
		return err;
	}
	put_advance(sending, sender->page.len ? sender->page_at : sending->view.state->sequence);
	*is_over = sender->page.len == 0;
	err = sender_put_page(sending);
	if (sending->out->len >= max)
		*is_over = true;
	return err;
}

static int send_all(struct sending *sending, size_t max)
{
	struct tide_sender *sender = sending->sender;
	bool is_over = false;
	int err = sender->is_greeted ? 0 : put_greeting(sending);

	if (!err && sender->begins)
		err = sender_put_tables(sending);
	while (!err && !is_over)
		err = send_round(sending, max, &is_over);
	if (!err && sender->record != sender->sent_record)
		put_advance(sending, sender->position > sender->record ? sender->position :
			sender->record);
	if (!err && buffer_error(sending->out))
		err = fail(sending->failure, buffer_error(sending->out));
	return err;
}

int tide_sender_read(struct tide_sender *sender, struct tide *tide, size_t max,
	struct buffer *out, bool *has_changes, struct failure *failure)
{
	struct sending sending = { .sender = sender, .tide = tide, .out = out,
		.failure = failure };
	struct read_view snapshot;
	int err;

	sender->seen = commit_count(store_shared_page(tide->store), 0);
	sender->read_ms = clock_elapsed_ms(clock_system());
	err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	tide_view_streams(tide, &snapshot, &sending.view);
	err = send_all(&sending, max);
	*has_changes = sending.has_changes;
	return tide_read_end(tide, &snapshot, err, failure);
}

int tide_sender_end(struct tide_sender *sender, struct buffer *out, struct failure *failure)
{
	size_t start = frame_start(out, FRAME_END);

	frame_end(out, start, sender->position);
	return buffer_error(out) ? fail(failure, buffer_error(out)) : 0;
}

/* --- state --- */

uint64_t tide_sender_position(const struct tide_sender *sender)
{
	return sender->position;
}

uint64_t tide_sender_record(const struct tide_sender *sender)
{
	return sender->record;
}

uint32_t tide_sender_copying(const struct tide_sender *sender)
{
	uint32_t count = 0;

	for (size_t i = 0; i < sender->count; i++)
		count += replica_is_copying(sender->tables[i].state);
	return count;
}

uint32_t tide_sender_tables(const struct tide_sender *sender)
{
	uint32_t count = 0;

	for (size_t i = 0; i < sender->count; i++)
		count += sender->tables[i].state != REPLICA_OFF;
	return count;
}

int tide_sender_wait(const struct tide_sender *sender, struct tide *tide, uint32_t ms)
{
	return commit_wait(store_shared_page(tide->store), 0, sender->seen,
		store_wait_ms(tide->store, ms));
}

bool tide_sender_is_touched(const struct tide_sender *sender, const struct tide *tide)
{
	if (store_recover(tide->store, NULL) ||
			commit_count(store_shared_page(tide->store), 0) != sender->seen)
		return true;
	return (!sender->has_feed ||
		feed_has_news(&sender->feed, store_last_commit(tide->store))) &&
		clock_elapsed_ms(clock_system()) - sender->read_ms >= CHECK_AGAIN_MS;
}

void tide_sender_close(struct tide_sender *sender)
{
	if (!sender)
		return;
	feed_release(&sender->feed);
	buffer_release(&sender->names);
	buffer_release(&sender->page);
	buffer_release(&sender->scratch);
	buffer_release(&sender->path);
	buffer_release(&sender->row);
	buffer_release(&sender->stream_row);
	memory_free(sender->tables);
	memory_free(sender);
}

size_t tide_sender_bytes(const struct tide_sender *sender)
{
	return sizeof *sender + sender->feed.page.cap + sender->page.cap +
		sender->cap * sizeof *sender->tables + sender->scratch.cap;
}
