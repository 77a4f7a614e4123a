/* consumers.h - helpers for tests of consumers. Like those of tides.h, they check that each call
 * succeeds, unless they return an error. */
#ifndef UNIT_CONSUMERS_H
#define UNIT_CONSUMERS_H

#include "tide_consumer.h"
#include "unit/tides.h"

#define NO_SETTINGS slice_of("\0", 1)
#define NO_DEATH (&(struct handler_batch){ 0 })

/* Returns the range of all shards of a consumer. */
static inline struct shard_range whole(uint64_t consumer, uint64_t epoch)
{
	return (struct shard_range){ consumer, 0, epoch };
}

/* Returns a consumer of all streams. */
static inline struct tide_consumer_spec consumer_spec(const char *name, enum tide_from from)
{
	return (struct tide_consumer_spec){ .name = slice_of_text(name), .from = from,
		.shards = 64, .settings = NO_SETTINGS };
}

static inline struct tide_consumer described(struct tide *tide, const char *name)
{
	struct failure failure = { 0 };
	struct tide_consumer consumer;

	MUST(tide_describe_consumer(tide, slice_of_text(name), &consumer, &failure), failure);
	return consumer;
}

/* Sets the position of a consumer without parked records after it. */
static inline void move_consumer(struct tide *tide, const char *name, enum tide_from from,
	uint64_t at)
{
	struct failure failure = { 0 };
	bool is_done;

	MUST(tide_move_consumer(tide, slice_of_text(name), from, at, false, &is_done, &failure),
		failure);
	CHECK(is_done);
}

/* Deletes a consumer without parked records. */
static inline void delete_consumer(struct tide *tide, const char *name)
{
	struct failure failure = { 0 };
	bool is_done;

	MUST(tide_delete_consumer(tide, slice_of_text(name), false, &is_done, &failure), failure);
	CHECK(is_done);
}

/* Commits a batch without other effects. Returns the error of tide_advance_consumer. */
static inline int commit_batch_of(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure)
{
	int err;

	begin(tide);
	err = tide_advance_consumer(tide, batch, failure);
	if (err)
		tide_abort(tide);
	else
		commit(tide);
	return err;
}

/* Sets *place, without its consumer, and copy->stream_row for the copy's stream and record. The
 * row is valid until the next call. Returns the errors of tide_stream_row and CORRUPT. */
static inline int place_copy(struct tide *tide, struct parked_copy *copy,
	struct parked_place *place, struct failure *failure)
{
	static struct buffer stream_row;
	uint8_t bytes[PARKED_PLACE_BYTES];
	const struct stream_row *row;
	struct record record;
	int err = tide_stream_row(tide, copy->stream, &row, failure);

	if (err)
		return err;
	buffer_clear(&stream_row);
	stream_put(&stream_row, row);
	copy->stream_row = buffer_slice(&stream_row);
	if (record_get(&record, copy->record) ||
			tide_parked_item(tide, row->table, &row->schema, &record, bytes))
		return fail(failure, ERR_CORRUPT);
	set_u64(bytes + PARKED_ITEM_BYTES, record.sequence);
	parked_get_place(place, bytes);
	return 0;
}

/* Sets the hold limit of a consumer without settings. */
static inline int set_hold_of(struct tide *tide, struct slice name, uint64_t hold_ms,
	struct failure *failure)
{
	struct consumer_change change = { .settings = NO_SETTINGS, .hold_ms = hold_ms };

	return tide_set_consumer(tide, name, &change, failure);
}

/* Sets the number of shards of a consumer without settings and with this hold limit. */
static inline int set_shards_of(struct tide *tide, struct slice name, unsigned shards,
	uint64_t hold_ms, struct failure *failure)
{
	struct consumer_change change = { .settings = NO_SETTINGS, .hold_ms = hold_ms,
		.shards = (uint16_t)shards };

	return tide_set_consumer(tide, name, &change, failure);
}

#endif
