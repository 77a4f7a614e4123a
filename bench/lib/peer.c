/* peer.c - measures the work of a peer.
 *
 * Before a measurement one of eight items is read, at least one of every page, so that
 * the items are in memory.
 */
#include "lib/peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAKE_BATCH 1000
#define WARM_STEP 8
#define MILLISECOND 1000000L
#define LINE_MAX_BYTES 256

/* --- choice of items --- */

struct choice {
	uint64_t items;
	uint64_t partition;      /* of ascending items; 0 for random items */
	uint64_t state;          /* of the random numbers */
	uint32_t *shuffled;
	uint64_t at;
};

/* Chooses random items without repetition, so that no peer has to find an old image in its
 * own transaction. */
static void choice_shuffle(struct choice *choice)
{
	uint32_t *all = get_memory(choice->items * sizeof *all);

	for (uint64_t i = 0; i < choice->items; i++) {
		uint64_t other = chance(&choice->state) % (i + 1);

		all[i] = all[other];
		all[other] = (uint32_t)i;
	}
	choice->shuffled = all;
}

static uint64_t choice_number(struct choice *choice)
{
	uint64_t at = choice->at++;

	return choice->shuffled ? choice->shuffled[at % choice->items] : at;
}

static void choice_next(struct choice *choice, struct image *image)
{
	uint64_t number = choice_number(choice);

	if (choice->partition)
		image_make_behind(image, choice->partition, number, &choice->state);
	else
		image_make(image, number, choice->items, &choice->state);
}

static void put_image(const struct image *image)
{
	struct order order;

	if (peer.write)
		peer.write(&order, image);
	else
		order_write(&order, image);
	peer.put(&order);
}

static void write_key(struct order *order, const struct image *image)
{
	if (peer.write_key)
		peer.write_key(order, image);
	else
		order_write(order, image);
}

static void put_next(struct choice *choice)
{
	struct image image;

	choice_next(choice, &image);
	put_image(&image);
}

static void put_all(struct choice *choice, uint64_t batch, uint64_t count)
{
	for (uint64_t left = count, puts; left > 0; left -= puts) {
		puts = left < batch ? left : batch;
		peer.begin(puts);
		for (uint64_t i = 0; i < puts; i++)
			put_next(choice);
		peer.commit();
	}
}

static void must_get(const uint8_t *key)
{
	uint8_t item[ORDER_ITEM];

	if (!peer.get(key, item))
		die(peer.name, "an item is not there");
}

/* A server has all items in memory. */
static void warm(uint64_t items)
{
	struct image image;
	struct order order;
	uint64_t state = 1;

	for (uint64_t i = 0; i < items && !peer.server; i += WARM_STEP) {
		image_make(&image, i, items, &state);
		write_key(&order, &image);
		must_get(order.key);
	}
}

/* --- writing --- */

static void make(const char *path, uint64_t items, uint64_t changes)
{
	struct choice choice = { .items = items, .state = seed_of(items) };

	peer.open(path, LEVEL_NONE, USE_BARE);
	put_all(&choice, MAKE_BATCH, items);
	peer.flush();
	peer.close();

	choice.at = 0;
	peer.open(path, LEVEL_NONE, USE_CAPTURED);
	put_all(&choice, MAKE_BATCH, changes);
	peer.flush();
	if (peer.settle)
		peer.settle();
	peer.close();
}

struct puts {
	enum level level;
	bool is_random;
	uint64_t batch;
	uint64_t count;
	uint64_t seed;
};

static void measure_put(const char *path, uint64_t items,
	const struct puts *puts)
{
	struct choice choice = { .items = items, .state = seed_of(puts->seed) };
	uint64_t start;

	if (puts->is_random)
		choice_shuffle(&choice);
	else
		choice.partition = puts->seed;
	peer.open(path, puts->level, USE_CAPTURED);
	warm(items);
	start = now_ns();
	put_all(&choice, puts->batch, puts->count);
	print_each(start, puts->count);
	peer.flush();
	peer.close();
	free(choice.shuffled);
}

static void measure_load(const char *path, uint64_t count)
{
	struct choice choice = { .items = count, .state = seed_of(count) };
	uint64_t start;

	peer.open(path, LEVEL_NONE, USE_CAPTURED);
	start = now_ns();
	put_all(&choice, MAKE_BATCH, count);
	peer.flush();
	print_each(start, count);
	peer.close();
}

static void measure_trim(const char *path, uint64_t stay)
{
	uint64_t start, gone;

	peer.open(path, LEVEL_NONE, USE_CAPTURED);
	start = now_ns();
	gone = peer.trim(stay);
	if (!gone)
		die(peer.name, "there was nothing to trim");
	print_each(start, gone);
	peer.close();
}

/* --- reading --- */

static void read_image(struct image *image, const struct change *change)
{
	bool (*read)(struct image *, const uint8_t *, size_t) = peer.read ? peer.read : order_read;

	if (!read(image, change->new_image, change->new_len))
		die(peer.name, "an image is not an order");
}

static uint64_t scan(bool is_image)
{
	struct change change;
	struct image image;
	uint64_t changes = 0;

	peer.start(false);
	for (; peer.next(&change); changes++) {
		if (change.old_len != ORDER_ITEM || change.new_len != ORDER_ITEM)
			die(peer.name, "a change should have both images");
		touch(change.old_image, change.old_len);
		touch(change.new_image, change.new_len);
		if (is_image) {
			read_image(&image, &change);
			touch(&image.placed_at, sizeof image.placed_at);
		}
	}
	return changes;
}

/* Returns the anonymous memory of a process. */
static long anonymous_kb(pid_t process)
{
	char path[64], line[LINE_MAX_BYTES];
	long kb = 0;
	FILE *status;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
	status = fopen(path, "r");
	if (!status)
		die(path, strerror(errno));
	while (fgets(line, sizeof line, status)) {
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtol(line + 8, NULL, 10);
	}
	fclose(status);
	return kb;
}

static void measure_scan(const char *path, bool is_image)
{
	uint64_t start, changes;
	double each;
	long kb;

	peer.open(path, LEVEL_NONE, USE_READ);
	scan(is_image);
	start = now_ns();
	changes = scan(is_image);
	if (!changes)
		die(peer.name, "there are no changes");
	each = (double)(now_ns() - start) / (double)changes;
	kb = anonymous_kb(getpid()) + (peer.server ? anonymous_kb(peer.server()) : 0);
	printf("%.1f %ld %" PRIu64 "\n", each, kb, changes);
	peer.close();
}

static void measure_get(const char *path, uint64_t items, uint64_t count,
	uint64_t seed)
{
	struct choice choice = { .items = items, .state = seed_of(seed) };
	uint8_t (*keys)[ORDER_KEY_MAX] = get_memory(count * sizeof *keys);
	struct image image;
	struct order order;
	uint64_t start;

	choice_shuffle(&choice);
	for (uint64_t i = 0; i < count; i++) {
		choice_next(&choice, &image);
		write_key(&order, &image);
		memcpy(keys[i], order.key, sizeof order.key);
	}
	peer.open(path, LEVEL_NONE, USE_READ);
	warm(items);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++)
		must_get(keys[i]);
	print_each(start, count);
	peer.close();
	free(choice.shuffled);
	free(keys);
}

/* --- from one process to another --- */

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void await(struct change *change, bool busy)
{
	while (!peer.next(change)) {
		if (peer.wait)
			peer.wait(busy);
		else if (!busy)
			sleep_ns(MILLISECOND);
	}
}

static void follow(const char *path, uint64_t count, bool busy)
{
	uint64_t *took = get_memory(count * sizeof *took);
	struct change change;
	struct image image;

	peer.open(path, LEVEL_NONE, USE_FOLLOW);
	peer.start(true);
	printf("ready\n");
	fflush(stdout);
	for (uint64_t i = 0; i < count; i++) {
		await(&change, busy);
		read_image(&image, &change);
		took[i] = now_ns() - image_stamp(&image);
	}
	qsort(took, count, sizeof *took, compare);
	printf("%.1f %.1f\n", (double)took[count / 2], (double)took[count * 99 / 100]);
	peer.close();
	free(took);
}

/* Waits 1 to 3 ms between changes, so that the other process sleeps and does not get into
 * step. */
static void ring(const char *path, uint64_t items, uint64_t count)
{
	uint64_t state = seed_of(count);
	struct image image;

	peer.open(path, LEVEL_NONE, USE_CAPTURED);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t any = chance(&state);

		sleep_ns(MILLISECOND + (long)(any % (2 * MILLISECOND)));
		image_make(&image, any % items, items, &state);
		image_set_stamp(&image, now_ns());
		peer.begin(1);
		put_image(&image);
		peer.commit();
	}
	peer.close();
}

/* --- the command line --- */

static void run_put(char **arg)
{
	struct puts puts = {
		.level = level_of(arg[2]),
		.is_random = is(arg[3], "random"),
		.batch = number_of(arg[4]),
		.count = number_of(arg[5]),
		.seed = number_of(arg[6]),
	};

	measure_put(arg[0], number_of(arg[1]), &puts);
}

int main(int count, char **arg)
{
	const char *command = count > 1 ? arg[1] : "";

	if (is(command, "describe"))
		peer.describe();
	else if (is(command, "make") && count == 5)
		make(arg[2], number_of(arg[3]), number_of(arg[4]));
	else if (is(command, "put") && count == 9)
		run_put(arg + 2);
	else if (is(command, "load") && count == 4)
		measure_load(arg[2], number_of(arg[3]));
	else if (is(command, "scan") && count == 4)
		measure_scan(arg[2], is(arg[3], "image"));
	else if (is(command, "get") && count == 6)
		measure_get(arg[2], number_of(arg[3]), number_of(arg[4]), number_of(arg[5]));
	else if (is(command, "trim") && count == 4)
		measure_trim(arg[2], number_of(arg[3]));
	else if (is(command, "follow") && count == 5)
		follow(arg[2], number_of(arg[3]), is(arg[4], "busy"));
	else if (is(command, "ring") && count == 5)
		ring(arg[2], number_of(arg[3]), number_of(arg[4]));
	else if (is(command, "serve") && count == 3 && peer.serve)
		peer.serve(arg[2]);
	else if (is(command, "ready") && count == 3 && peer.ready)
		peer.ready(arg[2]);
	else
		die("usage", "see the head of bench/lib/peer.h");
	return 0;
}
