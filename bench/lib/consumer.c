/* consumer.c - the work of consumers, and their command line. */
#include "lib/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same values as in bench/lib/sales.lua. */
#define MIX UINT64_C(2654435761)
#define MIX_SHIFT 16
#define LEAST_TOTAL 100
#define TOTALS 900

static int64_t counters[SALE_CUSTOMERS];
static int64_t counted;

/* --- sales --- */

static int64_t total_of(uint64_t number)
{
	return LEAST_TOTAL + (int64_t)(number % TOTALS);
}

const char *sale_customer(uint64_t number)
{
	static char name[SALE_CUSTOMER + 1] = "c-";

	set_digits(name + 2, SALE_CUSTOMER - 2, number);
	return name;
}

void sale_make(struct order *order, uint64_t number)
{
	uint64_t state = seed_of(number + 1);
	struct image image;

	image_make(&image, number, number + 1, &state);
	memcpy(image.customer, sale_customer((number * MIX >> MIX_SHIFT) % SALE_CUSTOMERS),
		sizeof image.customer);
	image.placed_at += (int64_t)number;
	image.total = (double)total_of(number);
	order_write(order, &image);
}

void sale_read(struct sale *sale, const void *item, size_t len)
{
	struct image image;

	if (!order_read(&image, item, len))
		die("sale", "should be readable");
	memcpy(sale->customer, image.customer, sizeof sale->customer);
	sale->total = (int64_t)image.total;
}

void sale_add(const struct sale *sale)
{
	counters[strtoul(sale->customer + 2, NULL, 10) % SALE_CUSTOMERS] += sale->total;
}

void sale_count(uint64_t changes)
{
	counted += (int64_t)changes;
}

/* --- commands --- */

static int64_t expected_sum(const struct job *job, uint64_t count)
{
	int64_t sum = 0;

	if (!job->is_counters)
		return (int64_t)count;
	for (uint64_t i = 0; i < count; i++)
		sum += total_of(i);
	return sum;
}

static int64_t sum_in_memory(void)
{
	int64_t sum = counted;

	for (size_t i = 0; i < SALE_CUSTOMERS; i++)
		sum += counters[i];
	return sum;
}

static int64_t sum_of(const struct job *job)
{
	return job->is_exact ? consumer.sum() : sum_in_memory();
}

/* `count` is a multiple of the batch size. */
static void consume(const char *path, enum level level, const struct job *job, uint64_t count)
{
	uint64_t start, done = 0;
	int64_t before;

	consumer.open(path, level);
	consumer.start(job);
	before = sum_of(job);
	start = now_ns();
	while (done < count) {
		uint64_t handled = consumer.handle(job);

		if (!handled)
			die(path, "should have more changes");
		done += handled;
	}
	print_each(start, count);
	if (done != count || consumer.position() != count)
		die(path, "the stored position should be the last change");
	if (sum_of(job) - before != expected_sum(job, count))
		die(path, "the counters should have the sum of the changes");
	consumer.close();
}

static void make(const char *path, uint64_t records)
{
	consumer.open(path, LEVEL_NONE);
	consumer.make(records);
	consumer.close();
}

int main(int count, char **arg)
{
	const char *command = count > 1 ? arg[1] : "";

	if (is(command, "describe")) {
		consumer.describe();
	} else if (is(command, "make") && count == 4) {
		make(arg[2], number_of(arg[3]));
	} else if (is(command, "consume") && count == 8) {
		struct job job = {
			.batch = number_of(arg[4]),
			.is_counters = is(arg[6], "counters"),
			.is_exact = is(arg[7], "exactly"),
		};

		consume(arg[2], level_of(arg[3]), &job, number_of(arg[5]));
	} else {
		die("usage", "see the head of bench/lib/consumer.h");
	}
	return 0;
}
