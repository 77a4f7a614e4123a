/* evaluator.c - measures the expressions of a store. */
#include "lib/evaluator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAKE_BATCH 1000
#define LARGE_SHARE 10           /* one large item for so many small ones */

static const struct evaluator *evaluator;

static uint64_t large_items(uint64_t items)
{
	return items < LARGE_SHARE ? 1 : items / LARGE_SHARE;
}

static void encode(struct shipment *shipment)
{
	if (evaluator->encode)
		evaluator->encode(shipment);
}

/* --- making --- */

static void make_items(bool is_large, uint64_t items)
{
	uint64_t state = seed_of(items);
	struct shipment shipment;

	for (uint64_t i = 0; i < items; i++) {
		if (i % MAKE_BATCH == 0)
			evaluator->begin(MAKE_BATCH);
		shipment_make(&shipment, is_large, i, items, &state);
		encode(&shipment);
		evaluator->put(&shipment);
		if (i % MAKE_BATCH == MAKE_BATCH - 1 || i == items - 1)
			evaluator->commit();
	}
}

static void make(const char *path, uint64_t items)
{
	evaluator->open(path, LEVEL_NONE, USE_BARE);
	make_items(false, items);
	make_items(true, large_items(items));
	evaluator->flush();
	evaluator->close();
}

/* --- writing --- */

struct writes {
	char kind;                       /* of put, update, insert: the first letter */
	enum level level;
	uint64_t batch;
	uint64_t count;
	uint64_t seed;
};

/* Makes items with random values and random numbers, or with ascending ones. */
static struct shipment *choose(uint64_t items, uint64_t count, uint64_t seed, bool is_random)
{
	struct shipment *chosen = get_memory(count * sizeof *chosen);
	uint64_t state = seed_of(seed);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = is_random ? chance(&state) : i;

		shipment_make(&chosen[i], false, number % items, items, &state);
		encode(&chosen[i]);
	}
	return chosen;
}

static void write_one(char kind, const struct shipment *shipment)
{
	if (kind == 'p')
		evaluator->put(shipment);
	else if (kind == 'u' ? !evaluator->update(shipment) : evaluator->insert(shipment))
		die(evaluator->name, "an item should be there");
}

/* Writes items in one transaction. */
static void write_batch(char kind, const struct shipment *chosen, uint64_t batch)
{
	evaluator->begin(batch);
	for (uint64_t i = 0; i < batch; i++)
		write_one(kind, &chosen[i]);
	evaluator->commit();
}

static void write_all(const struct writes *writes, const struct shipment *chosen)
{
	for (uint64_t i = 0; i < writes->count; i += writes->batch) {
		if (writes->kind == 'i')
			write_one(writes->kind, &chosen[i]);
		else
			write_batch(writes->kind, &chosen[i], writes->batch);
	}
}

static void measure_writes(const char *path, uint64_t items, const struct writes *writes)
{
	struct shipment *chosen = choose(items, writes->count, writes->seed, true);
	uint64_t start;

	if (writes->count % writes->batch)
		die("usage", "COUNT should be a multiple of BATCH");
	evaluator->open(path, writes->level, USE_CAPTURED);
	evaluator->filter(FILTER_TOP);               /* all items are in memory */
	start = now_ns();
	write_all(writes, chosen);
	print_each(start, writes->count);
	evaluator->flush();
	evaluator->close();
	free(chosen);
}

/* Each put stores other values than the update before it. */
static void compare(const char *path, uint64_t items, uint64_t count)
{
	uint64_t all = items < count ? items : count, batch, start, spent[2] = { 0 };
	struct shipment *chosen = choose(items, all, count, false);

	evaluator->open(path, LEVEL_NONE, USE_CAPTURED);
	evaluator->filter(FILTER_TOP);
	for (uint64_t i = 0; i < all; i += batch) {
		batch = all - i < MAKE_BATCH ? all - i : MAKE_BATCH;
		for (unsigned n = 0; n < 4; n++) {
			start = processor_ns();
			write_batch(n % 2 ? 'u' : 'p', &chosen[i], batch);
			spent[n % 2] += processor_ns() - start;
		}
	}
	printf("%.1f %.1f\n", (double)spent[0] / (double)(2 * all),
		(double)spent[1] / (double)(2 * all));
	evaluator->flush();
	evaluator->close();
	free(chosen);
}

/* --- reading --- */

static uint64_t read_all(const char *what)
{
	return is(what, "project") ? evaluator->project() :
		evaluator->filter(is(what, "nested") ? FILTER_NESTED : FILTER_TOP);
}

/* Prints the time of the whole scan. */
static void measure_read(const char *path, const char *what)
{
	uint64_t start, returned;

	evaluator->open(path, LEVEL_NONE, USE_READ);
	read_all(what);
	start = now_ns();
	returned = read_all(what);
	printf("%" PRIu64 " %" PRIu64 "\n", now_ns() - start, returned);
	evaluator->close();
}

/* --- the command line --- */

static bool is_write(const char *command)
{
	return is(command, "put") || is(command, "update") || is(command, "insert");
}

int evaluator_main(const struct evaluator *of, int count, char **arg)
{
	const char *command = count > 1 ? arg[1] : "";

	evaluator = of;
	if (is(command, "describe"))
		evaluator->describe();
	else if (is(command, "make") && count == 4)
		make(arg[2], number_of(arg[3]));
	else if (is_write(command) && count == 8)
		measure_writes(arg[2], number_of(arg[3]), &(struct writes){ command[0],
			level_of(arg[4]), number_of(arg[5]), number_of(arg[6]),
			number_of(arg[7]) });
	else if (is(command, "compare") && count == 5)
		compare(arg[2], number_of(arg[3]), number_of(arg[4]));
	else if (is(command, "filter") && count == 4)
		measure_read(arg[2], arg[3]);
	else if (is(command, "project") && count == 3)
		measure_read(arg[2], command);
	else
		die("usage", "see the head of bench/lib/evaluator.h");
	return 0;
}
