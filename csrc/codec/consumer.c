/* consumer.c - encoding and decoding of consumers and of the progress of their shards. */
#include "codec/consumer.h"

#include <string.h>

#include "base/error.h"
#include "codec/parked.h"
#include "codec/replica.h"
#include "codec/schema.h"
#include "codec/state.h"

#define FLAG_PAUSED 1
#define FLAG_COPYING 1
#define FLAG_BEGUN 1

bool is_consumer_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				c == '_' || c == '.' || c == '-'))
			return false;
	}
	return name.len > 0 && name.len <= CONSUMER_NAME_MAX;
}

bool is_consumers_key(struct slice key)
{
	struct parked_member member;
	struct parked_place place;
	uint16_t part;

	switch (key.len ? key.data[0] : 0) {
	case CONSUMER_ROW:
		return is_consumer_name(slice_of(key.data + 1, key.len - 1));
	case CONSUMER_PROGRESS: case CONSUMER_COPY:
		return key.len == CONSUMER_SHARD_KEY;
	case CONSUMER_FLOOR: case CONSUMER_HOLD:
		return key.len == CONSUMER_STREAM_KEY;
	case CONSUMER_MEMBER: case CONSUMER_REPLAY_TRANSACTION:
		return parked_member_get_key(&member, key);
	case CONSUMER_PARKED: case CONSUMER_REPLAY:
		return parked_get_key(&place, &part, key);
	default:
		return is_replica_key(key);
	}
}

bool is_consumer_source(struct slice streams)
{
	uint32_t last = STREAM_OF_TABLES;

	if (streams.len % 4 || streams.len > 4 * CONSUMER_SOURCES_MAX)
		return false;
	for (size_t i = 0; i < streams.len; i += 4) {
		if (get_u32(streams.data + i) <= last)
			return false;
		last = get_u32(streams.data + i);
	}
	return true;
}

void consumer_put(struct buffer *out, const struct consumer_row *row)
{
	buffer_put_u64(out, row->id);
	buffer_put_u64(out, row->created_ms);
	buffer_put_u8(out, row->is_paused ? FLAG_PAUSED : 0);
	buffer_put_u16(out, row->shards);
	buffer_put_u8(out, (uint8_t)(row->streams.len / 4));
	buffer_put_slice(out, row->streams);
	buffer_put_slice(out, row->settings);
}

int consumer_get(struct consumer_row *row, struct slice bytes)
{
	struct source source = source_of(bytes);
	uint8_t flags;

	row->id = source_u64(&source);
	row->created_ms = source_u64(&source);
	flags = source_u8(&source);
	row->is_paused = flags == FLAG_PAUSED;
	row->shards = source_u16(&source);
	row->streams = source_take(&source, 4 * (size_t)source_u8(&source));
	row->settings = source_take(&source, source_left(&source));
	if (source.err || row->id == 0 || flags > FLAG_PAUSED || row->shards < 1 ||
			row->shards > CONSUMER_SHARDS_MAX || !is_consumer_source(row->streams))
		return ERR_CORRUPT;
	return source_finish(&source);
}

void progress_put(struct buffer *out, const struct progress_row *row)
{
	buffer_put_u16(out, row->last);
	buffer_put_u64(out, row->epoch);
	buffer_put(out, row->owner.opening, WORKER_OPENING_BYTES);
	buffer_put_u32(out, row->owner.worker);
	buffer_put_u64(out, row->position);
	buffer_put_u64(out, row->moved_ms);
	buffer_put_u32(out, row->attempts);
	buffer_put_u32(out, row->largest_batch);
	buffer_put_u64(out, row->limit_until);
	buffer_put_u64(out, row->parked);
	buffer_put_u64(out, row->parked_bytes);
	buffer_put_u64(out, row->parked_version);
	buffer_put_u64(out, row->replays);
	buffer_put_u8(out, row->is_copying ? FLAG_COPYING : 0);
	buffer_put_u64(out, row->hold_ms);
	buffer_put_u64(out, row->records);
	buffer_put_u64(out, row->batches);
	buffer_put_u64(out, row->failures);
	buffer_put_u64(out, row->gaps);
	buffer_put_u64(out, row->dead_letters);
	buffer_put_u64(out, row->takeovers);
	buffer_put_slice(out, row->end);
}

int progress_get(struct progress_row *row, struct slice bytes)
{
	struct source source = source_of(bytes);
	struct slice opening;
	uint8_t flags;

	row->last = source_u16(&source);
	row->epoch = source_u64(&source);
	opening = source_take(&source, WORKER_OPENING_BYTES);
	row->owner.worker = source_u32(&source);
	row->position = source_u64(&source);
	row->moved_ms = source_u64(&source);
	row->attempts = source_u32(&source);
	row->largest_batch = source_u32(&source);
	row->limit_until = source_u64(&source);
	row->parked = source_u64(&source);
	row->parked_bytes = source_u64(&source);
	row->parked_version = source_u64(&source);
	row->replays = source_u64(&source);
	flags = source_u8(&source);
	row->is_copying = flags == FLAG_COPYING;
	row->hold_ms = source_u64(&source);
	row->records = source_u64(&source);
	row->batches = source_u64(&source);
	row->failures = source_u64(&source);
	row->gaps = source_u64(&source);
	row->dead_letters = source_u64(&source);
	row->takeovers = source_u64(&source);
	row->end = source_take(&source, source_left(&source));
	if (source.err || row->last >= CONSUMER_SHARDS_MAX || row->position > SEQUENCE_MAX ||
			flags > FLAG_COPYING || row->replays > row->parked ||
			row->end.len > CONSUMER_END_MAX)
		return ERR_CORRUPT;
	memcpy(row->owner.opening, opening.data, WORKER_OPENING_BYTES);
	return source_finish(&source);
}

void copy_put(struct buffer *out, const struct copy_row *row)
{
	buffer_put_u8(out, row->has_begun ? FLAG_BEGUN : 0);
	buffer_put_u8(out, row->rounds);
	buffer_put_u64(out, row->items);
	buffer_put_slice(out, row->key);
}

int copy_get(struct copy_row *row, struct slice bytes)
{
	struct source source = source_of(bytes);
	uint8_t flags = source_u8(&source);

	row->has_begun = flags == FLAG_BEGUN;
	row->rounds = source_u8(&source);
	row->items = source_u64(&source);
	row->key = source_take(&source, source_left(&source));
	if (source.err || flags > FLAG_BEGUN || row->rounds < 1 ||
			row->rounds > CONSUMER_ROUNDS_MAX ||
			(row->items > 0 && row->key.len == 0) ||
			(row->key.len > 0 && !row->has_begun) ||
			row->key.len > KEY_HEAD_MAX + SORT_KEY_MAX)
		return ERR_CORRUPT;
	return source_finish(&source);
}

void hold_put(struct buffer *out, const struct hold_row *row)
{
	buffer_put_u64(out, row->position);
	buffer_put_u64(out, row->waiting_ms);
}

int hold_get(struct hold_row *row, struct slice bytes)
{
	struct source source = source_of(bytes);

	row->position = source_u64(&source);
	row->waiting_ms = source_u64(&source);
	return source.err || row->position > SEQUENCE_MAX ? ERR_CORRUPT : source_finish(&source);
}
