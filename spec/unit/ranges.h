/* ranges.h - helpers for tests of the ranges of a consumer's shards. */
#ifndef UNIT_RANGES_H
#define UNIT_RANGES_H

#include "table/consume_range.h"
#include "unit/consumers.h"

#define RANGES_MAX 64

/* The ranges of a consumer, as they are in the file. */
struct ranges {
	uint64_t consumer;
	uint16_t shards;
	struct progress_row all[RANGES_MAX];
	size_t count;
};

static inline struct ranges ranges_of(struct tide *tide, const char *name)
{
	struct tide_consumer consumer = described(tide, name);
	struct ranges ranges = { .consumer = consumer.row.id, .shards = consumer.row.shards,
		.count = consumer.ranges.len / sizeof *ranges.all };

	CHECK(ranges.count > 0 && ranges.count <= RANGES_MAX);
	memcpy(ranges.all, consumer.ranges.data, consumer.ranges.len);
	return ranges;
}

/* Returns the range that begins at a shard. */
static inline struct progress_row row_at(struct tide *tide, const char *name, uint16_t first)
{
	struct ranges ranges = ranges_of(tide, name);
	size_t i = 0;

	while (i < ranges.count && ranges.all[i].first != first)
		i++;
	CHECK(i < ranges.count);
	return ranges.all[i];
}

static inline struct shard_range range_of(uint64_t consumer, const struct progress_row *row)
{
	return (struct shard_range){ consumer, row->first, row->epoch };
}

static inline struct shard_range range_at(struct tide *tide, const char *name, uint16_t first)
{
	struct progress_row row = row_at(tide, name, first);

	return range_of(described(tide, name).row.id, &row);
}

/* Makes a worker of this opening the owner of a range. */
static inline struct progress_row join_range(struct tide *tide, const char *name, uint16_t first,
	uint32_t worker, const struct handler_batch *death)
{
	struct shard_owner owner = { .worker = worker };
	struct failure failure = { 0 };
	struct progress_row row;

	memcpy(owner.opening, tide_opening(tide), sizeof owner.opening);
	MUST(tide_join_consumer(tide, range_at(tide, name, first), &owner, death, &row, &failure),
		failure);
	return row;
}

static inline struct progress_row split_range(struct tide *tide, const char *name, uint16_t first,
	uint16_t at, bool keeps_right)
{
	struct failure failure = { 0 };
	struct progress_row row;

	MUST(tide_split_range(tide, range_at(tide, name, first), at, keeps_right, &row, &failure),
		failure);
	return row;
}

/* Returns a batch of a range from its position to a sequence number. */
static inline struct consume_batch batch_of_range(struct tide *tide, const char *name,
	uint16_t first, uint64_t to)
{
	struct progress_row row = row_at(tide, name, first);
	struct tide_consumer consumer = described(tide, name);

	return (struct consume_batch){ .consumer = consumer.row.id, .epoch = row.epoch,
		.first = first, .from = row.position, .to = to, .records = 1,
		.parked_version = consumer.progress.parked_version };
}

static inline void advance_range(struct tide *tide, const char *name, uint16_t first, uint64_t to)
{
	struct consume_batch batch = batch_of_range(tide, name, first, to);
	struct failure failure = { 0 };

	MUST(commit_batch_of(tide, &batch, &failure), failure);
}

#endif
