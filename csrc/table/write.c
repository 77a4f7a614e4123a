/* write.c - all changes of items: each request passes the same stages in one transaction. */
#include "table/write.h"

#include "table/keyspace.h"

/* A request and what the stages have found. */
struct write {
	struct transaction *transaction;
	const struct write_request *request;
	struct write_result *result;
	struct key_values values;    /* set by a put only */
	struct key key;
	struct stored stored;        /* what old points to */
	const struct stored *old;    /* NULL: the item does not exist */
	struct slice new_item;       /* len 0: the item will not exist */
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
	write->old = &write->stored;
	write->result->old_item = write->stored.item;
	return 0;
}

static int read_old(struct write *write, const struct keyspace *keyspace,
	struct failure *failure)
{
	struct transaction *transaction = write->transaction;
	int err = item_get(&write->stored, transaction->txn, &write->key, keyspace->schema,
		asked(write->request), &transaction->old);

	write->old = NULL;
	if (err == END)
		return 0;
	return report(write, err ? err : keep_old(write), failure);
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

/* Determines the event and adds the size of the change to that of the transaction. A change that
 * is refused adds nothing, so a smaller one can still be made. */
static int decide_event(struct write *write, struct failure *failure)
{
	struct transaction *transaction = write->transaction;
	size_t bytes = write->result->old_item.len + 2 * write->new_item.len;
	uint8_t event = event_of(write->old, write->new_item);

	if (event == 0)
		return 0;
	if (bytes > TRANSACTION_MAX_BYTES - transaction->bytes)
		return report(write, ERR_TOO_BIG, failure);
	transaction->bytes += bytes;
	write->result->event = event;
	write->result->sequence = transaction_sequence(transaction);
	return 0;
}

static int store_item(struct write *write)
{
	struct transaction *transaction = write->transaction;

	if (write->new_item.len == 0)
		return item_delete(transaction->txn, &write->key, write->old);
	return item_put(transaction->txn, &write->key, write->new_item, write->result->sequence,
		write->old, &transaction->state.node);
}

/* Sets *keys to a map of the key attributes, in buf or borrowed from the request. */
static int key_attributes(struct slice *keys, const struct write *write,
	uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	*keys = write->request->key;
	return is_put(write->request) ? key_put_attributes(keys, &write->values, buf) : 0;
}

/* Adds a record with the images of the stream's view type. */
static int add_record(struct write *write, const struct stream *stream)
{
	struct record record = {
		.event = write->result->event,
		.origin = write->request->origin,
		.sequence = write->result->sequence,
		.partition_hash = write->key.partition_hash,
	};
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	int err = 0;

	if (view_has_old(stream->row.view))
		record.old_image = write->result->old_item;
	if (view_has_new(stream->row.view))
		record.new_image = write->new_item;
	if (record.new_image.len == 0)
		err = key_attributes(&record.keys, write, buf);
	return err ? err : pending_add(&write->transaction->pending, stream->row.id, &record);
}

static int record_change(struct write *write)
{
	uint32_t id = write->request->table->row.stream;
	const struct stream *stream;

	if (!id)
		return 0;
	stream = streams_find(&write->transaction->catalog->streams, id);
	return stream ? add_record(write, stream) : ERR_CORRUPT;
}

/* --- running the stages --- */

static int evaluate(struct write *write, struct failure *failure)
{
	struct keyspace keyspace = keyspace_of_table(write->request->table);
	int err = derive_key(write, &keyspace, failure);

	if (!err)
		err = write_check_expressions(write->request, failure);
	if (!err)
		err = check_space(write, failure);
	if (!err)
		err = read_old(write, &keyspace, failure);
	if (!err)
		err = write_evaluate(write->request, write->result->old_item, &write->new_item,
			failure);
	if (err)
		return err;
	write->result->new_item = write->new_item;
	return decide_event(write, failure);
}

/* A failure leaves half a change, so it breaks the transaction. */
static int perform(struct write *write, struct failure *failure)
{
	int err = store_item(write);

	if (!err)
		err = record_change(write);
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
	*result = (struct write_result){ 0 };
	err = evaluate(&write, failure);
	return err || result->event == 0 ? err : perform(&write, failure);
}
