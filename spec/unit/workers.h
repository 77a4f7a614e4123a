/* workers.h - workers with a number, for tests of the worker slots. */
#ifndef UNIT_WORKERS_H
#define UNIT_WORKERS_H

#include <stdatomic.h>

#include "os/worker_slots.h"
#include "unit/must.h"
#include "unit/shared_pages.h"

#define CONSUMER 7
#define LEASE_MS 30000
#define LIMIT_MS 900000
#define COMPLETE (UINT64_C(1) << 22)    /* bit of the owner word of a slot in use */

static struct failure failure;

/* Returns the id with this number. Its opening is a function of the number. */
static inline struct worker_id id_of(uint32_t number)
{
	struct worker_id id = { .number = number };

	for (uint32_t i = 0; i < WORKER_OPENING_BYTES; i++)
		id.opening[i] = (uint8_t)(number * 2654435761u >> i);
	return id;
}

static inline uint64_t join(struct shared_page *shared, uint32_t number)
{
	struct worker_id id = id_of(number);
	uint64_t slot;

	MUST(worker_join(shared, &id, CONSUMER, &slot, &failure), failure);
	CHECK(slot != 0);
	return slot;
}

static inline void enter_handler(struct shared_page *shared, uint64_t slot)
{
	worker_enter_handler(shared, slot, &(struct worker_batch){ 10, 500 });
}

static inline enum worker_state state(const struct shared_page *shared, uint32_t number)
{
	struct worker_id id = id_of(number);

	return worker_state(shared, &id, CONSUMER, LEASE_MS, LIMIT_MS);
}

/* Returns the number of records of the batch in whose handler the worker died; 0: none. */
static inline uint32_t died_with(const struct shared_page *shared, uint32_t number)
{
	struct worker_id id = id_of(number);
	struct worker_batch batch;

	if (!worker_died_in_handler(shared, &id, CONSUMER, LIMIT_MS, &batch))
		return 0;
	CHECK_EQUAL_UINT(batch.last, 500);
	return batch.records;
}

static inline uint32_t slots_in_use(const struct shared_page *shared)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < WORKER_SLOTS; i++)
		count += (atomic_load(&shared->page->workers[i].owner) & COMPLETE) != 0;
	return count;
}

#endif
