/* consuming.h - random steps of consumers and of their worker, for tests of whole files.
 *
 * The steps return the errors of the library: the file may be damaged.
 */
#ifndef UNIT_CONSUMING_H
#define UNIT_CONSUMING_H

#include <stdio.h>

#include "calls/dice.h"
#include "unit/ranges.h"

#define CONSUMERS 2
#define OWNERS 3
#define CONSUMED_MAX 8
#define PARKED_MAX 40

/* A consumer, as it is in the file, and one of its ranges. */
struct consuming {
	struct tide *tide;
	struct dice *dice;
	struct failure *failure;
	char name[16];
	struct tide_consumer found;
	struct progress_row row;     /* of the range */
	struct progress_row before;  /* of the range before it; of itself if it is the first */
	struct buffer streams;
};

/* Records of a batch. */
struct consumed {
	struct consume_batch end;
	struct slice records[CONSUMED_MAX];
	uint32_t streams[CONSUMED_MAX];
	struct key key;              /* of the last item of the snapshot */
	size_t count;
};

static struct slice name_of(const struct consuming *c)
{
	return slice_of_text(c->name);
}

static struct shard_range chosen_range(const struct consuming *c)
{
	return range_of(c->found.row.id, &c->row);
}

static void choose_range(struct consuming *c)
{
	const size_t size = sizeof c->row;
	const uint8_t *rows = c->found.ranges.data;
	size_t i = (size_t)dice_below(c->dice, c->found.ranges.len / size);

	memcpy(&c->row, rows + i * size, size);
	memcpy(&c->before, rows + (i ? i - 1 : 0) * size, size);
}

/* --- commands --- */

static int create_consumer(struct consuming *c)
{
	static const enum tide_from from[] = { TIDE_TRIM_HORIZON, TIDE_LATEST, TIDE_SNAPSHOT };
	struct tide_consumer_spec spec = consumer_spec(c->name, from[dice_below(c->dice, 3)]);
	struct buffer ids = { 0 };
	int err = 0;

	spec.hold_ms = dice_one_in(c->dice, 2) ? 1000 * DAY_MS : 0;
	if (dice_one_in(c->dice, 2)) {
		err = tide_stream_ids(c->tide, &ids, c->failure);
		spec.streams = slice_of(ids.data, ids.len < 4 ? 0 : 4);
	}
	if (!err)
		err = tide_create_consumer(c->tide, &spec, c->failure);
	buffer_release(&ids);
	return err;
}

/* Changes the number of shards of a paused consumer, if it can be changed. */
static int change_shards(struct consuming *c)
{
	static const uint16_t numbers[] = { 1, 2, 48, 64, 128 };
	int err = set_shards_of(c->tide, name_of(c), numbers[dice_below(c->dice, 5)],
		c->found.progress.hold_ms, c->failure);

	return err == ERR_VALIDATION ? 0 : err;
}

static int change_consumer(struct consuming *c)
{
	bool is_done;
	int err;

	if (c->found.row.is_paused && dice_one_in(c->dice, 2))
		return change_shards(c);
	switch (dice_below(c->dice, 4)) {
	case 0:
		return tide_pause_consumer(c->tide, name_of(c), !c->found.row.is_paused,
			c->failure);
	case 1:
		return set_hold_of(c->tide, name_of(c),
			dice_one_in(c->dice, 2) ? 1000 * DAY_MS : 0, c->failure);
	case 2:
		err = tide_move_consumer(c->tide, name_of(c), TIDE_SNAPSHOT, 0, false, &is_done,
			c->failure);
		break;
	default:
		err = tide_move_consumer(c->tide, name_of(c), TIDE_AT,
			1 + dice_below(c->dice, c->found.progress.position + 1), true, &is_done,
			c->failure);
	}
	return err == ERR_AHEAD || err == ERR_PARKED ? 0 : err;
}

static int remove_consumer(struct consuming *c)
{
	bool is_done;

	return tide_delete_consumer(c->tide, name_of(c), true, &is_done, c->failure);
}

/* Makes a consumer whose stream has ended read the newest one. */
static int renew_consumer(struct consuming *c)
{
	struct buffer ids = { 0 };
	int err = tide_stream_ids(c->tide, &ids, c->failure);

	if (!err)
		err = ids.len < 4 ? remove_consumer(c) : tide_renew_consumer(c->tide, name_of(c),
			chosen_range(c), slice_of(ids.data + ids.len - 4, 4), &(bool){ false },
			c->failure);
	buffer_release(&ids);
	return err;
}

static int join_consumer(struct consuming *c)
{
	struct handler_batch death = { (uint32_t)dice_below(c->dice, 4),
		c->row.position + 1 };
	struct shard_owner owner = { .worker = 1 + (uint32_t)dice_below(c->dice, OWNERS) };
	struct progress_row row;

	memcpy(owner.opening, tide_opening(c->tide), sizeof owner.opening);
	return tide_join_consumer(c->tide, chosen_range(c), &owner, &death, &row, c->failure);
}

/* Divides the range, or unites it with the one before it. Both can be impossible. */
static int change_range(struct consuming *c)
{
	uint64_t width = c->row.last + 1u - c->row.first;
	struct progress_row row;
	int err;

	if (c->row.first && dice_one_in(c->dice, 2))
		err = tide_merge_ranges(c->tide, range_of(c->found.row.id, &c->before),
			chosen_range(c), &row, c->failure);
	else
		err = tide_split_range(c->tide, chosen_range(c), (uint16_t)(c->row.first +
			dice_below(c->dice, width)), dice_one_in(c->dice, 2), &row, c->failure);
	return err == ERR_LEASE_LOST ? 0 : err;
}

static int change_parked(struct consuming *c)
{
	struct tide_parked_scope all = { 0 };
	enum tide_parked_command command = dice_one_in(c->dice, 3) ? TIDE_DISCARD : TIDE_REPLAY;
	struct tide_parked_steps steps = { .limit = 1 + dice_below(c->dice, 5) };

	return tide_change_parked(c->tide, name_of(c), command, &all, &steps, c->failure);
}

/* --- batches --- */

static int end_commit(struct consuming *c, int err)
{
	if (!err)
		return tide_commit(c->tide, c->failure);
	tide_abort(c->tide);
	return err;
}

static int add_record(struct consuming *c, struct consumed *batch, uint32_t stream,
	struct slice bytes)
{
	const struct stream_row *row;
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct record record;
	struct slice keys;
	int err = record_get(&record, bytes);

	if (err)
		return fail(c->failure, err);
	batch->records[batch->count] = bytes;
	batch->streams[batch->count++] = stream;
	batch->end.records++;
	if (record.origin != ORIGIN_SNAPSHOT) {
		batch->end.to = record.sequence;
		return 0;
	}
	batch->end.to = record.ordinal;
	batch->end.items++;
	err = tide_stream_row(c->tide, stream, &row, c->failure);
	if (err)
		return err;
	if (record_keys(&keys, &record, &row->schema, buf) ||
			tide_item_key(c->tide, row->table, &row->schema, keys, &batch->key))
		return fail(c->failure, ERR_CORRUPT);
	batch->end.key = key_whole(&batch->key);
	return 0;
}

/* Reads the next records. Returns TRIMMED, NOT_FOUND if the stream was removed, or STREAM_ENDED if
 * it has ended during a snapshot. */
static int read_batch(struct consuming *c, struct consumed *batch, struct tide_feed *feed)
{
	uint64_t most = 1 + dice_below(c->dice, CONSUMED_MAX);
	struct slice bytes;
	uint32_t stream;
	int err;

	do {
		err = tide_feed_fill(feed, c->tide, (uint32_t)most, c->failure);
		while (!err && batch->count < most && tide_feed_next(feed, &stream, &bytes) == 0)
			err = add_record(c, batch, stream, bytes);
	} while (!err && !batch->count && tide_feed_is_behind(feed));
	if (!err && !batch->count && c->found.progress.is_copying) {
		batch->end.mark = MARK_END;
		batch->end.to = tide_feed_position(feed);
	}
	return err;
}

/* One of the consumers parks whole transactions. */
static bool parks_transactions(const struct consuming *c)
{
	return c->name[strlen(c->name) - 1] % 2;
}

/* Returns the transaction with which a record of the batch is parked; 0: none. */
static uint64_t parked_with(const struct consuming *c, const struct consumed *batch, size_t i)
{
	struct record record;

	if (!parks_transactions(c) || i == batch->count || record_get(&record, batch->records[i]))
		return 0;
	return c->found.progress.is_copying ? record.sequence : record.transaction;
}

static int park_one(struct consuming *c, const struct consumed *batch, size_t i, uint64_t more)
{
	struct parked_copy copy = { .attempts = 1, .error = slice_of_text("parked"),
		.stream = batch->streams[i], .record = batch->records[i] };
	struct parked_place place;
	int err = place_copy(c->tide, &copy, &place, c->failure);

	if (err)
		return err;
	place.consumer = c->found.row.id;
	err = tide_park(c->tide, &place, &copy, parked_with(c, batch, i), more, PARKED_MAX,
		UINT64_MAX, c->failure);
	return err == ERR_PARKED_FULL ? tide_count_dead_letter(c->tide, place.consumer,
		c->failure) : err;
}

/* Parks some records or transactions of the batch. */
static int park_some(struct consuming *c, const struct consumed *batch)
{
	size_t first = 0, last;
	int err = 0;

	for (; !err && first < batch->count; first = last) {
		last = first + 1;
		while (parked_with(c, batch, last) &&
				parked_with(c, batch, last) == parked_with(c, batch, first))
			last++;
		if (!dice_one_in(c->dice, 4))
			continue;
		for (size_t i = first; !err && i < last; i++)
			err = park_one(c, batch, i, last - i - 1);
	}
	return err;
}

static int commit_batch(struct consuming *c, const struct consumed *batch)
{
	int err = tide_begin(c->tide, c->failure);

	if (err)
		return err;
	err = tide_advance_consumer(c->tide, &batch->end, c->failure);
	if (!err)
		err = park_some(c, batch);
	return end_commit(c, err);
}

/* Handles what is next, or counts a failed attempt. */
static int finish_batch(struct consuming *c, struct consumed *batch, int err)
{
	struct progress_row row;

	if (err == ERR_TRIMMED) {
		err = tide_skip_gap(c->tide, name_of(c), chosen_range(c),
			dice_one_in(c->dice, 2), &row, c->failure);
		return err == ERR_TRIMMED ? remove_consumer(c) : err;
	}
	if (err == ERR_STREAM_ENDED)
		return renew_consumer(c);
	if (err == ERR_NOT_FOUND)
		return remove_consumer(c);
	if (err || !(batch->count || batch->end.mark))
		return err;
	if (batch->count && dice_one_in(c->dice, 5))
		return tide_fail_consumer(c->tide, &batch->end, (uint32_t)batch->count / 2,
			c->failure);
	return commit_batch(c, batch);
}

static int deliver_batch(struct consuming *c)
{
	struct consumed batch = { .end = { .consumer = c->found.row.id, .epoch = c->row.epoch,
		.first = c->row.first, .from = c->row.position, .to = c->row.position,
		.parked_version = c->found.progress.parked_version,
		.copied = c->found.copy.items } };
	struct tide_feed *feed = NULL;
	int err;

	if (c->found.progress.is_copying && !c->found.copy.has_begun) {
		batch.end.mark = MARK_BEGIN;
		return finish_batch(c, &batch, 0);
	}
	err = tide_consumer_feed(&feed, c->tide, chosen_range(c), c->found.row.shards,
		buffer_slice(&c->streams), c->failure);
	if (!err)
		err = read_batch(c, &batch, feed);
	err = finish_batch(c, &batch, err);
	tide_feed_finish(feed);
	return err;
}

/* Handles the parked record or transaction that is delivered again, or counts a failed attempt. */
static int handle_again(struct consuming *c, struct source *page)
{
	bool fails = dice_one_in(c->dice, 3);
	int err = 0;

	while (!err && source_left(page)) {
		struct parked_place place = { 0 };

		parked_get_place(&place, source_take(page, PARKED_PLACE_BYTES).data);
		place.consumer = c->found.row.id;
		if (fails)
			return tide_parked_failed(c->tide, &place, slice_of_text("again"),
				c->failure);
		err = tide_parked_handled(c->tide, &place, c->failure);
		source_take(page, 1 + 8);
		source_counted(page);
	}
	return err;
}

/* Delivers a parked record or transaction again. */
static int deliver_again(struct consuming *c)
{
	struct shard_hashes hashes = hashes_of_shards(c->row.first, c->row.last,
		c->found.row.shards);
	struct buffer page = { 0 };
	struct source source;
	int err = tide_parked_replays(c->tide, &hashes, c->found.row.id, 1, &page, c->failure);

	source = source_of(buffer_slice(&page));
	if (err >= 0 && source_left(&source))
		err = tide_begin(c->tide, c->failure);
	if (err < 0 || !tide_in_transaction(c->tide))
		goto out;
	err = tide_verify_parked(c->tide, chosen_range(c), c->found.progress.parked_version,
		c->failure);
	if (!err)
		err = handle_again(c, &source);
	err = end_commit(c, err);
out:
	buffer_release(&page);
	return err < 0 ? err : 0;
}

static int choose_step(struct consuming *c)
{
	uint64_t what = dice_below(c->dice, 40);

	if (what < 2)
		return remove_consumer(c);
	if (what < 6)
		return change_consumer(c);
	if (what < 9)
		return join_consumer(c);
	if (what < 12)
		return change_range(c);
	if (c->found.progress.replays && what < 26)
		return deliver_again(c);
	if (c->found.progress.parked && what < 20)
		return change_parked(c);
	return deliver_batch(c);
}

/* Creates, joins, moves, pauses or deletes a consumer, changes its ranges or its number of shards,
 * or delivers a batch to a range: live records or items of a snapshot, of which some are parked, or
 * a parked one that is delivered again. Makes at most one commit. Returns 0 or an error. */
static int consume_step(struct tide *tide, struct dice *dice, struct failure *failure)
{
	struct consuming c = { .tide = tide, .dice = dice, .failure = failure };
	int err;

	snprintf(c.name, sizeof c.name, "consumer-%u", (unsigned)dice_below(dice, CONSUMERS));
	err = tide_describe_consumer(tide, name_of(&c), &c.found, failure);
	if (err == ERR_NOT_FOUND)
		return create_consumer(&c);
	if (err)
		return err;
	buffer_put_slice(&c.streams, c.found.row.streams);
	choose_range(&c);
	err = choose_step(&c);
	buffer_release(&c.streams);
	return err;
}

#endif
