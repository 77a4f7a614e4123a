/* test_reader_deadline.c - store.h: readers with a time limit. */
#include <pthread.h>

#include "lmdb/internal.h"
#include "unit/stores.h"

static struct failure failure;

static uint64_t now_ms(void)
{
	return clock_elapsed_ms(clock_process());
}

static struct txn *limited(struct store *store, uint64_t deadline_ms)
{
	struct txn *reader = open_reader(store);

	renew(reader);
	reader_limit(reader, deadline_ms);
	return reader;
}

/* A deadline in an hour, and a deadline in the past. */
#define LATER (now_ms() + 3600000)
#define PASSED 1

static void only_what_is_late_is_released(void)
{
	struct store *store = open_small(store_path("late.tide"));
	struct txn *free = open_reader(store);
	struct txn *one = limited(store, LATER), *two = limited(store, LATER + 1);
	struct txn *late = limited(store, PASSED), *last = limited(store, LATER);

	renew(free);
	CHECK_EQUAL_UINT(store->next_deadline_ms, PASSED);
	CHECK_EQUAL_INT(store->readers, 5);
	store_release_late(store);
	CHECK_EQUAL_INT(store->readers, 4);
	CHECK_EQUAL_INT(store->active, 4);
	CHECK(!reader_enter(late));
	CHECK_EQUAL_UINT(store->next_deadline_ms, one->deadline_ms);
	CHECK(reader_enter(one) && reader_enter(two) && reader_enter(last) && reader_enter(free));
	reader_leave(free);
	reader_close(late);
	reader_close(one);
	CHECK_EQUAL_UINT(store->next_deadline_ms, last->deadline_ms);
	reader_close(last);
	CHECK_EQUAL_UINT(store->next_deadline_ms, two->deadline_ms);
	reader_close(two);
	CHECK_EQUAL_UINT(store->next_deadline_ms, 0);
	store_release_late(store);
	CHECK(reader_enter(free));
	reader_close(free);
	CHECK(!store->readers && !store->active && !store->limited && !store->slots);
	store_close(store);
}

/* After a reader is released at its deadline, its slot is free and the pages of its snapshot are
 * reused. */
static void a_late_reader_holds_nothing(void)
{
	struct store *store = open_small(store_path("holds.tide"));
	struct txn *late = limited(store, PASSED);
	struct store_usage usage;

	write_row(store, TREE_META, "a", "b");
	MUST(store_usage(store, &usage, &failure), failure);
	CHECK_EQUAL_UINT(usage.oldest_reader_lag, 1);
	store_release_late(store);
	MUST(store_usage(store, &usage, &failure), failure);
	CHECK(usage.readers == 0 && usage.oldest_reader_pid == 0);
	reader_close(late);
	store_close(store);
}

static void one_in_use_is_released_later(void)
{
	struct store *store = open_small(store_path("used.tide"));
	struct txn *late;

	write_row(store, TREE_META, "a", "b");
	late = limited(store, PASSED);
	CHECK(reader_enter(late));
	store_release_late(store);
	CHECK(has_row(late, TREE_META, "a", "b"));
	CHECK_EQUAL_UINT(store->next_deadline_ms, PASSED);
	reader_leave(late);
	store_release_late(store);
	CHECK(!reader_enter(late));
	CHECK_EQUAL_UINT(store->next_deadline_ms, 0);
	reader_close(late);
	store_close(store);
}

static void *release_all_the_time(void *context)
{
	for (int i = 0; i < 20000; i++)
		store_release_late(context);
	return NULL;
}

static void *read_until_released(void *context)
{
	struct store *store = context;

	for (int i = 0; i < 300; i++) {
		struct txn *reader = limited(store, PASSED);

		while (reader_enter(reader)) {
			CHECK(has_row(reader, TREE_META, "a", "b"));
			reader_leave(reader);
			if (i % 2)
				break;
		}
		reader_close(reader);
	}
	return NULL;
}

static void threads_release_each_others(void)
{
	struct store *store = open_small(store_path("threads.tide"));
	pthread_t threads[4];

	write_row(store, TREE_META, "a", "b");
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, i % 2 ? read_until_released
			: release_all_the_time, store) == 0);
	for (int i = 0; i < 4; i += 2)
		pthread_join(threads[i], NULL);
	for (int i = 1; i < 4; i += 2)
		while (pthread_tryjoin_np(threads[i], NULL))
			store_release_late(store);
	CHECK(!store->limited && !store->slots && store->next_deadline_ms == 0);
	store_close(store);
}

static void a_limit_can_be_changed(void)
{
	struct store *store = open_small(store_path("changed.tide"));
	struct txn *reader = limited(store, PASSED), *other = limited(store, LATER);

	reader_limit(reader, LATER + 1);
	CHECK_EQUAL_UINT(store->next_deadline_ms, other->deadline_ms);
	store_release_late(store);
	CHECK(reader_enter(reader));
	reader_leave(reader);
	reader_limit(reader, PASSED);
	store_release_late(store);
	CHECK(!reader_enter(reader));
	reader_limit(reader, LATER);     /* it remains released */
	CHECK(!reader_enter(reader));
	CHECK_EQUAL_UINT(store->next_deadline_ms, other->deadline_ms);
	CHECK_EQUAL_INT(store->readers, 1);
	reader_close(reader);
	reader_close(other);
	CHECK(!store->limited && store->next_deadline_ms == 0);
	store_close(store);
}

/* Waits until the thread has released readers, for at most ten seconds. */
static void wait_for_readers(const struct store *store, int64_t count)
{
	uint64_t ends_ms = now_ms() + 10000;

	while (store->readers != count && now_ms() < ends_ms)
		clock_sleep_us(1000);
	CHECK_EQUAL_INT(store->readers, count);
}

static void a_thread_releases_in_time(void)
{
	struct store *store = open_small(store_path("thread.tide"));
	struct txn *later = limited(store, LATER), *early, *used;

	store_release_in_time(store);
	store_release_in_time(store);
	clock_sleep_us(20000);           /* it waits for the later one */
	early = limited(store, now_ms() + 20);
	wait_for_readers(store, 1);
	CHECK(!reader_enter(early));
	used = limited(store, LATER);
	CHECK(reader_enter(used));
	reader_limit(used, now_ms());
	clock_sleep_us(50000);
	CHECK_EQUAL_INT(store->readers, 2);
	reader_leave(used);
	wait_for_readers(store, 1);
	reader_close(later);
	CHECK_EQUAL_INT(store->readers, 0);
	clock_sleep_us(2500000);         /* it waits for any */
	reader_close(early);
	early = limited(store, now_ms() + 20);
	wait_for_readers(store, 0);
	reader_close(early);
	reader_close(used);
	store_close(store);
}

/* A forked process does not have the thread. */
static void close_without_thread(struct child *parent, void *context)
{
	struct store *store = context;

	(void)parent;
	store_close(store);
}

static void a_child_does_not_wait_for_the_thread(void)
{
	struct store *store = open_small(store_path("forked.tide"));
	struct txn *reader;
	struct child child;

	store_release_in_time(store);
	child = child_start(close_without_thread, store);
	child_end(&child);
	reader = limited(store, now_ms() + 20);
	wait_for_readers(store, 0);
	reader_close(reader);
	store_close(store);
}

/* A forked process frees the reader; the parent's is unaffected. */
static void close_inherited(struct child *parent, void *reader)
{
	(void)parent;
	reader_close(reader);
}

static void a_child_leaves_it_alone(void)
{
	struct store *store = open_small(store_path("fork.tide"));
	struct txn *reader = limited(store, LATER);
	struct child child = child_start(close_inherited, reader);

	child_end(&child);
	CHECK(reader_enter(reader));
	reader_leave(reader);
	reader_close(reader);
	store_close(store);
}

int main(void)
{
	only_what_is_late_is_released();
	a_late_reader_holds_nothing();
	one_in_use_is_released_later();
	threads_release_each_others();
	a_limit_can_be_changed();
	a_thread_releases_in_time();
	a_child_does_not_wait_for_the_thread();
	a_child_leaves_it_alone();
	return 0;
}
