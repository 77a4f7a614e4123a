/* digest.c - reads all tables, items, records and consumers into one hash. */
#include "calls/digest.h"

#include "base/hash.h"
#include "calls/dice.h"
#include "tide_consumer.h"

#define PAGE 100

static void mix_number(uint64_t *digest, uint64_t number)
{
	*digest = dice_mix(*digest ^ number) + 1;
}

static void mix_bytes(uint64_t *digest, struct slice bytes)
{
	static const uint8_t secret[HASH_SECRET_BYTES] = { 1 };

	mix_number(digest, hash64(secret, bytes));
	mix_number(digest, bytes.len);
}

static int mix_items(struct tide *tide, struct tide_table *table, uint64_t *digest,
	struct failure *failure)
{
	struct tide_query_spec spec = { .comparison = COMPARE_ALL };
	struct tide_query *query;
	struct slice item;
	uint64_t sequence;
	int err = tide_query_start(&query, tide, table, &spec, failure);

	if (err)
		return err;
	do {
		err = tide_query_fill(query, tide, PAGE, failure);
		while (!err && tide_query_next(query, &sequence, &item) == 0) {
			mix_number(digest, sequence);
			mix_bytes(digest, item);
		}
	} while (!err && tide_query_more(query));
	tide_query_finish(query);
	return err;
}

static int mix_table(struct tide *tide, struct slice name, uint64_t *digest,
	struct failure *failure)
{
	const struct table_row *row;
	struct tide_table table;
	int err = tide_table_named(&table, name, failure);

	if (!err)
		err = tide_describe_table(tide, &table, &row, failure);
	if (err)
		return err;
	mix_bytes(digest, name);
	mix_number(digest, row->id);
	mix_number(digest, row->stream);
	mix_number(digest, row->newest_stream);
	mix_number(digest, row->ttl.index);
	mix_bytes(digest, time_to_live_name(&row->ttl));
	mix_number(digest, row->created_ms);
	return mix_items(tide, &table, digest, failure);
}

static int mix_records(struct tide *tide, uint32_t id, uint64_t *digest,
	struct failure *failure)
{
	struct tide_feed *feed;
	struct slice record;
	uint32_t stream;
	bool more = true;
	int err = tide_feed_start(&feed, tide, id, TIDE_TRIM_HORIZON, 0, failure);

	if (err)
		return err;
	while (!err && more) {
		more = false;
		err = tide_feed_fill(feed, tide, PAGE, failure);
		while (!err && tide_feed_next(feed, &stream, &record) == 0) {
			mix_bytes(digest, record);
			more = true;
		}
	}
	tide_feed_finish(feed);
	return err;
}

static int mix_stream(struct tide *tide, uint32_t id, uint64_t *digest,
	struct failure *failure)
{
	struct tide_stream_state state;
	int err = tide_describe_stream(tide, id, &state, failure);

	if (err)
		return err;
	mix_number(digest, id);
	mix_number(digest, state.row->status);
	mix_number(digest, state.row->view);
	mix_bytes(digest, slice_of_text(state.row->table_name));
	mix_bytes(digest, slice_of_text(state.row->label));
	mix_number(digest, state.first_sequence);
	mix_number(digest, state.last_sequence);
	mix_number(digest, state.count);
	mix_number(digest, state.bytes);
	return mix_records(tide, id, digest, failure);
}

static void mix_progress(const struct tide_consumer *consumer, uint64_t *digest)
{
	struct buffer bytes = { 0 };

	consumer_put(&bytes, &consumer->row);
	progress_put(&bytes, &consumer->progress);
	mix_bytes(digest, buffer_slice(&bytes));
	buffer_release(&bytes);
	if (consumer->progress.is_copying) {
		mix_number(digest, consumer->copy.has_begun);
		mix_number(digest, consumer->copy.rounds);
		mix_number(digest, consumer->copy.items);
	}
}

static void mix_lag(const struct lag *lag, uint64_t *digest)
{
	mix_number(digest, lag->records);
	mix_number(digest, lag->bytes);
	mix_number(digest, lag->held_bytes);
	mix_number(digest, lag->is_held);
	mix_number(digest, lag->is_released);
}

static int mix_parked(struct tide *tide, struct slice name, uint64_t *digest,
	struct failure *failure)
{
	struct tide_parked_scope all = { 0 };
	struct parked_place place = { 0 };
	struct buffer page = { 0 };
	int err = 0;

	while (!err) {
		buffer_clear(&page);
		err = tide_parked_page(tide, name, &all, PAGE, &place, &page, failure);
		if (err >= 0)
			mix_bytes(digest, buffer_slice(&page));
	}
	buffer_release(&page);
	return err == END ? 0 : err;
}

static int mix_consumer(struct tide *tide, struct slice name, uint64_t *digest,
	struct failure *failure)
{
	struct tide_consumer consumer;
	struct lag lag;
	int err = tide_describe_consumer(tide, name, &consumer, failure);

	if (err)
		return err;
	mix_bytes(digest, name);
	mix_progress(&consumer, digest);
	err = tide_consumer_lag(tide, name, &lag, failure);
	if (err)
		return err;
	mix_lag(&lag, digest);
	return mix_parked(tide, name, digest, failure);
}

static int mix_consumers(struct tide *tide, uint64_t *digest, struct failure *failure)
{
	struct buffer names = { 0 };
	struct source source;
	int err = tide_consumer_names(tide, &names, failure);

	source = source_of(buffer_slice(&names));
	while (!err && source_left(&source))
		err = mix_consumer(tide, source_counted(&source), digest, failure);
	buffer_release(&names);
	return err;
}

int digest_of(struct tide *tide, uint64_t *digest, struct failure *failure)
{
	struct buffer names = { 0 }, ids = { 0 };
	struct source source;
	int err = tide_table_names(tide, &names, failure);

	*digest = 1;             /* never 0, even if the database is empty */
	if (!err)
		err = tide_stream_ids(tide, &ids, failure);
	source = source_of(buffer_slice(&names));
	while (!err && source_left(&source))
		err = mix_table(tide, source_counted(&source), digest, failure);
	source = source_of(buffer_slice(&ids));
	while (!err && source_left(&source))
		err = mix_stream(tide, source_u32(&source), digest, failure);
	if (!err)
		err = mix_stream(tide, STREAM_OF_TABLES, digest, failure);
	buffer_release(&names);
	buffer_release(&ids);
	return err ? err : mix_consumers(tide, digest, failure);
}
