/* write.c - all changes of items: each request passes the same stages in one transaction. */
#include "table/write.h"

#include "table/expiry_index.h"
#include "table/keyspace.h"

/* A change of the item that a request names. */
struct change {
	uint8_t event;               /* enum event; 0: none */
	uint8_t origin;              /* enum origin */
	uint64_t sequence;
	const struct stored *old;    /* NULL: the item does not exist */
	struct slice new_item;       /* len 0: the item will not exist */
};

/* A request and what the stages have found. */
struct write {
	struct transaction *transaction;
	const struct write_request *request;
	struct write_result *result;
	struct key_values values;    /* set by a put only */
	struct key key;
	struct stored stored;        /* the old item of one of the changes */
	struct change expired;       /* removal of an expired item, before the change itself */
	struct change change;
};

static bool is_put(const struct write_request *request)
{
	return request->item.len > 0;
}

/* Returns the map that contains the key attributes. */
static struct slice asked(const struct write_request *request)
{
	return is_put(request) ? request->item : request->key;
}

static int report(const struct write *write, int err, struct failure *failure)
{
	return err ? fail_about(failure, err, "table %s", write->request->table->row.name) : 0;
}

/* --- stages --- */

static int derive_key(struct write *write, const struct keyspace *keyspace,
	struct failure *failure)
{
	const struct write_request *request = write->request;
	const uint8_t *secret = write->transaction->secret;
	int err;

	if (!is_put(request))
		return keyspace_key_alone(&write->key, keyspace, request->key, secret, failure);
	err = key_find(&write->values, keyspace->schema, request->item);
	if (!err)
		err = key_of_values(&write->key, keyspace->id, keyspace->schema, &write->values,
			secret);
	return err ? fail_key(failure, err, keyspace->schema, request->item) : 0;
}

int write_check_expressions(const struct write_request *request, struct failure *failure)
{
	const struct key_schema *schema = &request->table->row.schema;
	int err = request->update ? binding_check_keys(request->update, schema, failure) : 0;

	return err || !request->condition ? err :
		binding_check_keys(request->condition, schema, failure);
}

static int check_space(const struct write *write, struct failure *failure)
{
	return is_put(write->request) || write->request->updates ?
		writer_check_space(write->transaction->txn, failure) : 0;
}

/* Copies the old item out of the map, where later stages overwrite it. */
static int keep_old(struct write *write)
{
	struct buffer *copy = &write->transaction->old;

	if (write->stored.part == 0) {
		buffer_clear(copy);
		buffer_put_slice(copy, write->stored.item);
		if (buffer_error(copy))
			return buffer_error(copy);
	}
	write->stored.item = buffer_slice(copy);
	return 0;
}

/* Makes the old item that of the request's change, or of its removal if it is expired. */
static void take_old(struct write *write, const struct keyspace *keyspace)
{
	bool may_expire = !write->request->removes_expired && !write->request->table->row.replica;

	if (may_expire && keyspace_hides(keyspace, write->stored.item)) {
		write->expired.old = &write->stored;
		write->expired.event = EVENT_REMOVE;
		write->expired.origin = ORIGIN_TIME_TO_LIVE;
		return;
	}
	write->change.old = &write->stored;
	write->result->old_item = write->stored.item;
}

static int read_old(struct write *write, const struct keyspace *keyspace,
	struct failure *failure)
{
	struct transaction *transaction = write->transaction;
	int err = item_get(&write->stored, transaction->txn, &write->key, keyspace->schema,
		asked(write->request), &transaction->old);

	if (err == END)
		return 0;
	if (!err)
		err = keep_old(write);
	if (!err)
		take_old(write, keyspace);
	return report(write, err, failure);
}

static int check_condition(const struct write_request *request, struct slice old,
	struct failure *failure)
{
	bool holds = true;
	int err = request->condition ? condition_holds(request->condition, old, &holds) : 0;

	if (err)
		return fail_about(failure, err, "table %s", request->table->row.name);
	return holds ? 0 : fail(failure, ERR_CONDITION_FAILED);
}

/* An update without an expression only creates the item. */
static int make_new(const struct write_request *request, struct slice old,
	struct slice *new_item, struct failure *failure)
{
	if (request->update)
		return update_apply(request->updater, request->update, old, request->key,
			new_item, failure);
	*new_item = !request->updates ? request->item : old.len ? old : request->key;
	return 0;
}

int write_evaluate(const struct write_request *request, struct slice old,
	struct slice *new_item, struct failure *failure)
{
	int err = check_condition(request, old, failure);

	return err ? err : make_new(request, old, new_item, failure);
}

static uint8_t event_of(const struct stored *old, struct slice new_item)
{
	if (new_item.len == 0)
		return old ? EVENT_REMOVE : 0;
	if (!old)
		return EVENT_INSERT;
	return slice_equal(old->item, new_item) ? 0 : EVENT_MODIFY;
}

/* Returns the number of bytes that the changes of a request count in their transaction. */
static size_t bytes_of(const struct write *write)
{
	size_t old = write->expired.event || write->change.old ? write->stored.item.len : 0;

	return old + 2 * write->change.new_item.len;
}

/* Determines the events and adds the size of the changes to that of the transaction. A request that
 * is refused adds nothing, so a smaller one can still be made. */
static int decide_event(struct write *write, struct failure *failure)
{
	struct transaction *transaction = write->transaction;
	struct change *change = &write->change;

	change->event = event_of(change->old, change->new_item);
	if (change->event == 0 && write->expired.event == 0)
		return 0;
	if (bytes_of(write) > TRANSACTION_MAX_BYTES - transaction->bytes)
		return report(write, ERR_TOO_BIG, failure);
	transaction->bytes += bytes_of(write);
	if (write->expired.event)
		write->expired.sequence = transaction_sequence(transaction);
	if (change->event)
		change->sequence = transaction_sequence(transaction);
	write->result->event = change->event;
	write->result->sequence = change->sequence;
	return 0;
}

static int store_item(struct write *write, const struct change *change)
{
	struct transaction *transaction = write->transaction;

	if (change->new_item.len == 0)
		return item_delete(transaction->txn, &write->key, change->old);
	return item_put(transaction->txn, &write->key, change->new_item, change->sequence,
		change->old, &transaction->state.node);
}

/* Moves the item in the expiry index. While the index is being built, the row of the old item may
 * be missing. */
static int index_item(struct write *write, const struct change *change)
{
	const struct table *table = write->request->table;
	const struct time_to_live *ttl = &table->row.ttl;
	struct expiry_row row = { .sequence = change->sequence,
		.item_key = key_whole(&write->key) };
	uint64_t old_ms;
	int err = 0;

	if (!ttl->index)
		return 0;
	old_ms = change->old ? item_expiry(change->old->item, time_to_live_name(ttl)) : 0;
	row.expiry_ms = change->new_item.len ?
		item_expiry(change->new_item, time_to_live_name(ttl)) : EXPIRY_NEVER;
	if (old_ms)
		err = expiry_row_delete(write->transaction->txn, ttl->index, old_ms,
			change->old->sequence);
	if (err < 0 || row.expiry_ms == EXPIRY_NEVER)
		return err < 0 ? err : 0;
	transaction_expects_expiry(write->transaction, table, row.expiry_ms);
	return expiry_row_put(write->transaction->txn, ttl->index, &row);
}

/* Sets *keys to a map of the key attributes, in buf or borrowed from the request. */
static int key_attributes(struct slice *keys, const struct write *write,
	uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	*keys = write->request->key;
	return is_put(write->request) ? key_put_attributes(keys, &write->values, buf) : 0;
}

/* Adds a record with the images of the stream's view type. */
static int add_record(struct write *write, const struct change *change,
	const struct stream *stream)
{
	struct record record = {
		.event = change->event,
		.origin = change->origin,
		.sequence = change->sequence,
		.partition_hash = write->key.partition_hash,
	};
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	int err = 0;

	if (view_has_old(stream->row.view) && change->old)
		record.old_image = change->old->item;
	if (view_has_new(stream->row.view))
		record.new_image = change->new_item;
	if (record.new_image.len == 0)
		err = key_attributes(&record.keys, write, buf);
	return err ? err : pending_add(&write->transaction->pending, stream->row.id, &record);
}

static int record_change(struct write *write, const struct change *change)
{
	uint32_t id = write->request->table->row.stream;
	struct stream *stream;
	int err;

	if (!id)
		return 0;
	err = streams_find(&write->transaction->catalog->streams, write->transaction->txn, id,
		&stream);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	return add_record(write, change, stream);
}

/* --- running the stages --- */

static int evaluate(struct write *write, struct failure *failure)
{
	struct keyspace keyspace = keyspace_of_table(write->request->table,
		write->transaction->now_ms);
	int err = transaction_check_table(write->transaction, &write->request->table->row, failure);

	if (!err)
		err = derive_key(write, &keyspace, failure);
	if (!err)
		err = write_check_expressions(write->request, failure);
	if (!err)
		err = check_space(write, failure);
	if (!err)
		err = read_old(write, &keyspace, failure);
	if (!err)
		err = write_evaluate(write->request, write->result->old_item,
			&write->change.new_item, failure);
	if (err)
		return err;
	write->result->new_item = write->change.new_item;
	return decide_event(write, failure);
}

/* A failure leaves half a change, so it breaks the transaction. */
static int perform(struct write *write, const struct change *change, struct failure *failure)
{
	int err = change->event ? store_item(write, change) : 0;

	if (!err && change->event)
		err = index_item(write, change);
	if (!err && change->event)
		err = record_change(write, change);
	return report(write, transaction_break(write->transaction, err), failure);
}

int write_item(struct transaction *transaction, const struct write_request *request,
	struct write_result *result, struct failure *failure)
{
	struct write write;
	int err;

	write.transaction = transaction;
	write.request = request;
	write.result = result;
	write.expired = (struct change){ 0 };
	write.change = (struct change){
		.origin = request->removes_expired ? ORIGIN_TIME_TO_LIVE : ORIGIN_USER,
	};
	*result = (struct write_result){ 0 };
	err = evaluate(&write, failure);
	if (!err)
		err = perform(&write, &write.expired, failure);
	return err ? err : perform(&write, &write.change, failure);
}
