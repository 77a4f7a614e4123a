/* consumer_hold.c - holds of consumers in a write transaction. */
#include "table/consumer_hold.h"

#include "stream/hold.h"

static int hide(struct transaction *transaction, uint32_t id)
{
	struct streams *streams = &transaction->catalog->streams;
	struct stream *stream;
	int err = streams_find(streams, transaction->txn, id, &stream);

	if (!err)
		err = stream_load_bounds(streams, stream, transaction->txn);
	if (!err)
		err = retention_hide(transaction->txn, stream, transaction->clock_ms);
	return err < 0 ? err : 0;
}

static int hide_all(struct transaction *transaction)
{
	uint32_t id = 0;
	int err;

	while ((err = stream_next_id(transaction->txn, &id)) == 0) {
		err = hide(transaction, id);
		if (err)
			return err;
	}
	return err < 0 ? err : 0;
}

int consumer_hold_hide(struct transaction *transaction, struct slice streams)
{
	int err = streams.len ? 0 : hide_all(transaction);

	transaction->changed = true;
	for (size_t i = 0; i < streams.len && !err; i += 4)
		err = hide(transaction, get_u32(streams.data + i));
	return err;
}

int consumer_hold_begin(struct transaction *transaction, uint64_t consumer, struct slice streams)
{
	struct stream *stream;
	int err = streams.len ? 0 : hold_remove_consumer(transaction->txn, consumer);

	if (!streams.len && !err)
		err = hold_write(transaction->txn, 0, consumer);
	for (size_t i = 0; i < streams.len && !err; i += 4) {
		uint32_t id = get_u32(streams.data + i);

		err = streams_find(&transaction->catalog->streams, transaction->txn, id, &stream);
		if (err >= 0)
			err = err ? 0 : hold_write(transaction->txn, id, consumer);
	}
	return err ? err : transaction_catalog_changed(transaction);
}

int consumer_hold_end(struct transaction *transaction, uint64_t consumer, struct slice streams)
{
	int err = streams.len ? 0 : hold_remove_consumer(transaction->txn, consumer);

	for (size_t i = 0; i < streams.len && !err; i += 4)
		err = hold_remove(transaction->txn, get_u32(streams.data + i), consumer);
	return err;
}

/* Hides the expired records of the streams on which the consumer has holds. */
static int hide_held(struct transaction *transaction, uint64_t consumer)
{
	uint64_t found = 0;
	uint32_t stream = 0;
	int err;

	while ((err = hold_next(transaction->txn, &stream, &found)) == 0) {
		if (found == consumer)
			err = stream ? hide(transaction, stream) : hide_all(transaction);
		if (err)
			return err;
	}
	return err < 0 ? err : 0;
}

int consumer_hold_revive(struct transaction *transaction, uint64_t consumer, uint64_t hold_ms,
	uint64_t moved_ms, bool *has_written)
{
	*has_written = hold_ms && transaction->clock_ms - moved_ms > hold_ms;
	return *has_written ? hide_held(transaction, consumer) : 0;
}
