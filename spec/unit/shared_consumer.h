/* shared_consumer.h - the consumer "c" of tests of ranges of shards. */
#ifndef UNIT_SHARED_CONSUMER_H
#define UNIT_SHARED_CONSUMER_H

#include "unit/ranges.h"

#define NAME slice_of_text("c")

static struct failure failure;
static struct tide *tide;
static struct tide_table orders;

static inline void create(const char *name, uint16_t shards, enum tide_from from)
{
	struct tide_consumer_spec spec = consumer_spec(name, from);

	spec.shards = shards;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
}

/* Creates the consumer "c", whose worker 1 owns all shards, and puts ten records. Returns its
 * id. */
static inline uint64_t start(uint16_t shards)
{
	create("c", shards, TIDE_LATEST);
	join_range(tide, "c", 0, 1, NO_DEATH);
	for (int i = 0; i < 10; i++)
		put_alone(tide, &orders, "a", "b", i % 2 ? "1" : "2");
	return described(tide, "c").row.id;
}

static inline void stop(void)
{
	check_clean(tide);
	delete_consumer(tide, "c");
}

static inline uint64_t position_of(uint16_t first)
{
	return row_at(tide, "c", first).position;
}

/* Divides the shards into 0 to 19, 20 to 39 and 40 to 63, all of worker 1. */
static inline uint64_t start_with_three(void)
{
	uint64_t id = start(64);

	split_range(tide, "c", 0, 20, false);
	join_range(tide, "c", 20, 1, NO_DEATH);
	split_range(tide, "c", 20, 40, false);
	join_range(tide, "c", 40, 1, NO_DEATH);
	return id;
}

static inline void fail_range(uint16_t first, uint64_t to, uint32_t largest, int times)
{
	struct consume_batch batch = batch_of_range(tide, "c", first, to);

	for (int i = 0; i < times; i++)
		MUST(tide_fail_consumer(tide, &batch, largest, &failure), failure);
}

#endif
