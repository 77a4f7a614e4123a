/* write.c - the one funnel: every change of an item passes here. */
#include "table/write.h"

#include "table/items.h"
#include "table/key_errors.h"

static uint8_t event_of(const struct stored *old, struct slice new_item)
{
	if (new_item.len == 0)
		return old ? EVENT_REMOVE : 0;
	if (!old)
		return EVENT_INSERT;
	return slice_equal(old->item, new_item) ? 0 : EVENT_MODIFY;
}

/* What is put or deleted. */
struct target {
	const struct table *table;
	struct slice asked;          /* the item, or its key attributes alone */
	struct key_values values;    /* of an item that is put */
	struct key key;
};

/* The key attributes alone, as a map body. */
static int keys_of(struct slice *keys, const struct target *target, bool puts,
	uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	*keys = target->asked;
	return puts ? key_put_attributes(keys, &target->values, buf) : 0;
}

/* Keeps the record for the stream, as its view has it. */
static int capture(struct transaction *transaction, const struct target *target,
	const struct change *change, const struct changed *changed)
{
	const struct stream *stream =
		streams_find(&transaction->catalog->streams, target->table->row.stream);
	struct record record = {
		.event = changed->event,
		.origin = change->origin,
		.sequence = changed->sequence,
		.partition_hash = target->key.partition_hash,
	};
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	int err = 0;

	if (!stream)
		return ERR_CORRUPT;
	if (view_has_old(stream->row.view))
		record.old_image = changed->old_item;
	if (view_has_new(stream->row.view))
		record.new_image = change->new_item;
	if (record.new_image.len == 0)
		err = keys_of(&record.keys, target, change->new_item.len > 0, buf);
	return err ? err : pending_add(&transaction->pending, stream->row.id, &record);
}

/* The old item may lie in the map; what comes next overwrites it. */
static int keep_old(struct transaction *transaction, struct stored *old,
	struct changed *changed)
{
	if (old->part == 0) {
		buffer_clear(&transaction->old);
		buffer_put_slice(&transaction->old, old->item);
		if (buffer_error(&transaction->old))
			return buffer_error(&transaction->old);
	}
	changed->old_item = buffer_slice(&transaction->old);
	old->item = changed->old_item;
	return 0;
}

/* What is refused takes nothing: something smaller may still fit. */
static int take_bytes(struct transaction *transaction, size_t bytes)
{
	if (bytes > TRANSACTION_MAX_BYTES - transaction->bytes)
		return ERR_TOO_BIG;
	transaction->bytes += bytes;
	return 0;
}

static int apply(struct transaction *transaction, const struct target *target,
	const struct change *change, struct changed *changed)
{
	const struct table *table = target->table;
	const struct key *key = &target->key;
	struct stored stored, *old = NULL;
	int err = item_get(&stored, transaction->txn, key, &table->row.schema, target->asked,
		&transaction->old);

	*changed = (struct changed){ 0 };
	if (err < 0)
		return err;
	if (err == 0) {
		old = &stored;
		err = keep_old(transaction, old, changed);
		if (err)
			return err;
	}
	changed->event = event_of(old, change->new_item);
	if (changed->event == 0)
		return 0;
	err = take_bytes(transaction, changed->old_item.len + 2 * change->new_item.len);
	if (err)
		return err;
	changed->sequence = transaction_sequence(transaction);
	if (table->row.stream) {
		err = capture(transaction, target, change, changed);
		if (err)
			return transaction_break(transaction, err);
	}
	if (change->new_item.len)
		err = item_put(transaction->txn, key, change->new_item, changed->sequence, old,
			&transaction->state.node);
	else
		err = item_delete(transaction->txn, key, old);
	return transaction_break(transaction, err);
}

static int report(struct failure *failure, int err, const struct table *table)
{
	return fail_with(failure, err, "table %s", table->row.name);
}

int write_put(struct transaction *transaction, const struct table *table, struct slice item,
	struct changed *changed, struct failure *failure)
{
	const struct key_schema *schema = &table->row.schema;
	struct change change = { item, ORIGIN_USER };
	struct target target;
	int err = key_find(&target.values, schema, item);

	if (!err)
		err = key_of_values(&target.key, table->row.id, schema, &target.values,
			transaction->secret);
	if (err)
		return fail_key(failure, err, schema, item);
	err = writer_check_space(transaction->txn, failure);
	if (err)
		return err;
	target.table = table;
	target.asked = item;
	err = apply(transaction, &target, &change, changed);
	return err ? report(failure, err, table) : 0;
}

int write_delete(struct transaction *transaction, const struct table *table,
	struct slice key_item, struct changed *changed, struct failure *failure)
{
	struct change change = { { NULL, 0 }, ORIGIN_USER };
	struct target target;
	int err = key_of_key(&target.key, table->row.id, &table->row.schema, key_item,
		transaction->secret);

	if (err)
		return fail_key(failure, err, &table->row.schema, key_item);
	target.table = table;
	target.asked = key_item;
	err = apply(transaction, &target, &change, changed);
	return err ? report(failure, err, table) : 0;
}
