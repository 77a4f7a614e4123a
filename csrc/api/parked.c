/* parked.c - the functions of tide_consumer.h for parked records. */
#include "api/database.h"
#include "codec/value.h"
#include "stream/parked_transaction.h"
#include "table/consume.h"
#include "tide_consumer.h"

/* Size of a page of copies after which no further one is added. */
#define PAGE_BYTES (1024 * 1024)

int tide_parked_item(const struct tide *tide, uint32_t table, const struct key_schema *schema,
	const struct record *record, uint8_t item[PARKED_ITEM_BYTES])
{
	struct key_values values;
	int err = key_find(&values, schema, record->keys.len ? record->keys : record->new_image);

	if (err)
		return ERR_CORRUPT;
	set_u32(item, table);
	parked_hash(item + 4, values.partition.bytes, tide->header.secret);
	return 0;
}

/* --- in the transaction of a batch --- */

int tide_park(struct tide *tide, const struct parked_place *place, struct parked_copy *copy,
	uint64_t transaction, uint64_t more, uint64_t max_records, uint64_t max_bytes,
	struct failure *failure)
{
	struct park_limits limits = { max_records, max_bytes };
	struct park_group group = { transaction, more };

	return park_record(&tide->transaction, place, copy, &group, &limits, failure);
}

int tide_verify_parked(struct tide *tide, struct shard_range range, uint64_t version,
	struct failure *failure)
{
	return park_verify(&tide->transaction, range, version, failure);
}

int tide_parked_handled(struct tide *tide, const struct parked_place *place,
	struct failure *failure)
{
	return park_handled(&tide->transaction, place, failure);
}

int tide_parked_failed(struct tide *tide, const struct parked_place *place, struct slice error,
	struct failure *failure)
{
	return park_failed(&tide->transaction, place, error, failure);
}

int tide_count_dead_letter(struct tide *tide, uint64_t consumer, struct failure *failure)
{
	return park_dead_letter(&tide->transaction, consumer, failure);
}

uint64_t tide_set_written_bytes(struct tide *tide, uint64_t bytes)
{
	uint64_t former = tide->transaction.bytes;

	tide->transaction.bytes = bytes;
	return former;
}

/* --- commands --- */

static int set_scope(struct parked_scope *scope, const struct tide *tide,
	const struct tide_parked_scope *wanted, struct failure *failure)
{
	struct map_walk walk;
	struct slice name;
	struct value value;
	int err;

	*scope = (struct parked_scope){ .table_name = wanted->table_name };
	if (wanted->key.len == 0)
		return 0;
	err = map_start(&walk, wanted->key);
	if (!err && walk.left != 1)
		return fail_as(failure, ERR_VALIDATION,
			"a key of parked records must have the partition key and nothing else");
	if (!err)
		err = map_next(&walk, &name, &value);
	if (err)
		return fail(failure, ERR_CORRUPT);
	if (value.type > TYPE_B)
		return fail(failure, ERR_KEY_TYPE);
	scope->has_hash = true;
	scope->key_name = name;
	scope->key_type = value.type;
	parked_hash(scope->hash, value.bytes, tide->header.secret);
	return 0;
}

/* Sets *row to stream `at` of the consumer's streams, or of all streams if it reads all. Returns
 * END after the last one, and for a stream that was removed; then *is_removed is true. */
static int read_stream(struct stream_row *row, struct txn *txn, struct slice streams, size_t at,
	bool *is_removed)
{
	int err;

	if (streams.len == 0) {
		uint32_t id = at ? row->id : 0;

		err = stream_next_of_table(txn, &id);
		return err ? err : stream_read_row(txn, id, row);
	}
	if (4 * at >= streams.len)
		return END;
	err = stream_read_row(txn, get_u32(streams.data + 4 * at), row);
	*is_removed = err == END;
	return err;
}

/* Returns VALIDATION if the consumer can have no records of the scope: it does not read the table,
 * or no table in the scope has such a partition key. Tables whose streams were removed are no
 * longer known. */
static int check_scope(const struct parked_scope *scope, struct txn *txn, struct slice streams,
	struct failure *failure)
{
	struct stream_row row;
	struct slice table = scope->table_name;
	bool is_removed = false, reads_table = table.len == 0, has_any = false;
	size_t at = 0;
	int err = 0;

	while ((err = read_stream(&row, txn, streams, at++, &is_removed)) == 0) {
		bool is_named = !table.len || slice_equal(slice_of_text(row.table_name), table);

		reads_table |= is_named;
		has_any |= is_named;
		if (is_named && parked_scope_has(scope, &row))
			return 0;
	}
	if (err != END)
		return fail(failure, err);
	if (is_removed || (streams.len == 0 && !reads_table))
		return 0;
	if (!reads_table)
		return fail_as(failure, ERR_VALIDATION, "the consumer does not read table %.*s",
			(int)table.len, (const char *)table.data);
	return has_any && scope->has_hash ? fail_as(failure, ERR_VALIDATION, "%.*s of type %s is"
		" not the partition key of a table of these records", (int)scope->key_name.len,
		(const char *)scope->key_name.data, type_name(scope->key_type)) : 0;
}

/* Sets *id to the id of the consumer with this name, which can have records of the scope. */
static int find_consumer(uint64_t *id, const struct parked_scope *scope, struct txn *txn,
	struct slice name, struct failure *failure)
{
	struct consumer_row row;
	int err = consumer_failed(failure, consumer_read(&row, txn, name), name);

	if (err)
		return err;
	*id = row.id;
	return check_scope(scope, txn, row.streams, failure);
}

int tide_change_parked(struct tide *tide, struct slice name, enum tide_parked_command command,
	const struct tide_parked_scope *scope, struct tide_parked_steps *steps,
	struct failure *failure)
{
	struct park_command step = { .limit = steps->limit, .from = steps->place,
		.count = steps->count };
	struct transaction *transaction = &tide->transaction;
	int err = set_scope(&step.scope, tide, scope, failure);

	if (!err)
		err = tide_begin(tide, failure);
	if (err)
		return err;
	err = find_consumer(&step.consumer, &step.scope, transaction->txn, name, failure);
	if (!err)
		err = command == TIDE_REPLAY ? park_replay(transaction, &step, failure) :
			park_discard(transaction, &step, failure);
	err = tide_end(tide, err, failure);
	if (err)
		return err;
	steps->place = step.from;
	steps->count = step.count;
	steps->is_done = step.is_done;
	return 0;
}

/* --- reading --- */

/* Sets *has to whether a copy is of a record with one of these hashes. */
static int has_hash(struct slice bytes, const struct shard_hashes *hashes, bool *has)
{
	struct parked_copy copy;
	struct record record;
	int err = parked_get(&copy, bytes);

	if (!err)
		err = record_get(&record, copy.record);
	*has = !err && record.partition_hash >= hashes->first &&
		record.partition_hash <= hashes->last;
	return err;
}

/* Appends the record at *place to the page, if it has one of these hashes (NULL: any). marked: 0 if
 * it is to be delivered again, END if not, or an error. */
static int add_copy(struct buffer *page, struct txn *txn, const struct parked_place *place,
	uint64_t transaction, int marked, const struct shard_hashes *hashes)
{
	uint8_t bytes[PARKED_PLACE_BYTES];
	struct buffer copy = { 0 };
	int err = marked < 0 ? marked : parked_read(&copy, txn, place);
	bool has = true;

	if (err == END)
		err = ERR_CORRUPT;       /* a mark or a member without a record */
	if (!err && hashes)
		err = has_hash(buffer_slice(&copy), hashes, &has);
	if (!err && has) {
		parked_set_place(bytes, place);
		buffer_put(page, bytes, sizeof bytes);
		buffer_put_u8(page, marked == 0);
		buffer_put_u64(page, transaction);
		buffer_put_counted(page, buffer_slice(&copy));
		err = buffer_error(page);
	}
	buffer_release(&copy);
	return err;
}

/* Appends the records of a parked transaction to the page. */
static int add_transaction(struct buffer *page, struct txn *txn, uint64_t consumer,
	uint64_t transaction)
{
	struct parked_member member = { transaction, { .consumer = consumer } };
	int marked = parked_transaction_find_mark(txn, consumer, transaction), err;

	while ((err = parked_member_next_of(txn, &member)) == 0) {
		err = add_copy(page, txn, &member.place, transaction, marked, NULL);
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

/* Appends a page of transactions. *place has the id of the transaction after which it continues. */
static int add_transactions(struct buffer *page, struct txn *txn, struct parked_scope *scope,
	uint32_t limit, struct parked_place *place)
{
	int err = 0;

	for (uint32_t i = 0; i < limit && page->len < PAGE_BYTES && !err; i++) {
		err = parked_transaction_next_of(txn, scope, place->consumer, &place->sequence);
		if (!err)
			err = add_transaction(page, txn, place->consumer, place->sequence);
	}
	return err;
}

static int add_copies(struct buffer *page, struct txn *txn, struct parked_scope *scope,
	uint32_t limit, struct parked_place *place)
{
	int err = 0;

	for (uint32_t i = 0; i < limit && page->len < PAGE_BYTES && !err; i++) {
		err = parked_next_of(txn, scope, place);
		if (!err)
			err = add_copy(page, txn, place, 0, parked_find_mark(txn, place), NULL);
	}
	return err;
}

int tide_parked_page(struct tide *tide, struct slice name, const struct tide_parked_scope *scope,
	uint32_t limit, struct parked_place *place, struct buffer *page, struct failure *failure)
{
	struct parked_scope found;
	struct read_view snapshot;
	uint64_t first = 0;
	int err = set_scope(&found, tide, scope, failure);

	if (!err)
		err = tide_read_begin(tide, &snapshot, failure);
	if (err)
		return err;
	err = find_consumer(&place->consumer, &found, snapshot.txn, name, failure);
	if (err)
		return tide_read_end(tide, &snapshot, err, failure);
	err = parked_transaction_next(snapshot.txn, place->consumer, &first);
	if (err >= 0)
		err = (err ? add_copies : add_transactions)(page, snapshot.txn, &found, limit,
			place);
	if (err < 0)
		fail(failure, err);
	return tide_read_end(tide, &snapshot, err, failure);
}

/* Appends the marked records that have one of these hashes. */
static int add_marked(struct buffer *page, struct txn *txn, const struct shard_hashes *hashes,
	uint64_t consumer, uint32_t limit)
{
	struct parked_place place = { .consumer = consumer };
	size_t before = page->len;
	uint32_t count = 0;
	int err = 0;

	while (count < limit && page->len < PAGE_BYTES && !err) {
		err = parked_next(txn, CONSUMER_REPLAY, &place);
		if (!err)
			err = add_copy(page, txn, &place, 0, 0, hashes);
		count += page->len > before;
		before = page->len;
	}
	return err == END ? 0 : err;
}

/* Appends the marked transactions. */
static int add_marked_transactions(struct buffer *page, struct txn *txn, uint64_t consumer,
	uint32_t limit)
{
	uint64_t transaction = 0;
	int err = 0;

	for (uint32_t i = 0; i < limit && page->len < PAGE_BYTES && !err; i++) {
		err = parked_transaction_next_marked(txn, consumer, &transaction);
		if (!err)
			err = add_transaction(page, txn, consumer, transaction);
	}
	return err == END ? 0 : err;
}

int tide_parked_replays(struct tide *tide, const struct shard_hashes *hashes, uint64_t consumer,
	uint32_t limit, struct buffer *page, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = add_marked_transactions(page, snapshot.txn, consumer, limit);
	if (!err && page->len == 0)
		err = add_marked(page, snapshot.txn, hashes, consumer, limit);
	return tide_read_end(tide, &snapshot, err ? fail(failure, err) : 0, failure);
}

static int add_items(struct buffer *items, struct txn *txn, uint64_t consumer)
{
	struct parked_place place = { .consumer = consumer };
	uint8_t bytes[PARKED_PLACE_BYTES];
	int err;

	while ((err = parked_next(txn, CONSUMER_PARKED, &place)) == 0) {
		parked_set_place(bytes, &place);
		buffer_put(items, bytes, PARKED_ITEM_BYTES);
		place.sequence = UINT64_MAX;     /* the next key */
	}
	return err < 0 ? err : buffer_error(items);
}

int tide_parked_items(struct tide *tide, uint64_t consumer, struct buffer *items,
	uint64_t *version, struct failure *failure)
{
	struct progress_row row;
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = progress_read(&row, snapshot.txn, consumer, 0);
	if (!err) {
		*version = row.parked_version;
		err = add_items(items, snapshot.txn, consumer);
	}
	if (err == END)
		err = ERR_CONSUMER_GONE;
	return tide_read_end(tide, &snapshot, err ? fail(failure, err) : 0, failure);
}
