/* reader_deadline.c - readers with a deadline for their snapshot.
 *
 * The store has a list of these readers, and next_deadline_ms is their earliest deadline. Each
 * call of the library compares this deadline with the clock and releases the readers of any thread
 * whose deadline has passed. State transitions of a reader:
 *
 *     IDLE -> USED -> IDLE      by its owner: reader_enter, reader_leave
 *     IDLE -> RELEASED          by any thread that holds store->limiting
 *
 * A reader that is in use is not released until a later call.
 *
 * A program can wait for long without a call. store_release_in_time starts a thread that waits for
 * the earliest deadline and releases the readers then.
 */
#include <pthread.h>
#include <time.h>

#include "lmdb/internal.h"
#include "os/thread.h"

/* WAIT_MIN_MS: minimum wait of the thread, after which it tries again to release a reader that was
 * in use. LINGER_MS: first wait after the last reader with a deadline has ended, so that a program
 * that runs one transaction after the other need not wake the thread for each. */
#define WAIT_MIN_MS 10
#define LINGER_MS 1000

#define STACK_BYTES (128 << 10)

enum { IDLE, USED, RELEASED };

/* Recomputes next_deadline_ms. store->limiting must be held. */
static void set_next_deadline(struct store *store)
{
	uint64_t next = 0;

	for (const struct txn *txn = store->limited; txn; txn = txn->limited_next)
		if (!next || txn->deadline_ms < next)
			next = txn->deadline_ms;
	atomic_store(&store->next_deadline_ms, next);
}

/* Removes the reader from the list of readers with a deadline. store->limiting must be held. */
static void unlist(struct txn *txn)
{
	struct store *store = txn->store;

	if (txn->limited_next)
		txn->limited_next->limited_previous = txn->limited_previous;
	if (txn->limited_previous)
		txn->limited_previous->limited_next = txn->limited_next;
	else
		store->limited = txn->limited_next;
	txn->is_limited = false;
}

/* Adds the reader to the list of readers with a deadline. store->limiting must be held. */
static void list(struct txn *txn)
{
	struct store *store = txn->store;

	txn->is_limited = true;
	txn->limited_previous = NULL;
	txn->limited_next = store->limited;
	if (txn->limited_next)
		txn->limited_next->limited_previous = txn;
	store->limited = txn;
}

void reader_limit(struct txn *txn, uint64_t deadline_ms)
{
	struct store *store = txn->store;

	pthread_mutex_lock(&store->limiting);
	if (!txn->deadline_ms)
		list(txn);
	txn->deadline_ms = deadline_ms;
	set_next_deadline(store);
	if (store->releases && deadline_ms < store->release_ms)
		pthread_cond_signal(&store->release);
	pthread_mutex_unlock(&store->limiting);
}

void reader_unlimit(struct txn *txn)
{
	struct store *store = txn->store;

	if (!txn->deadline_ms)
		return;
	pthread_mutex_lock(&store->limiting);
	if (txn->is_limited)
		unlist(txn);
	set_next_deadline(store);
	pthread_mutex_unlock(&store->limiting);
}

bool reader_enter(struct txn *txn)
{
	int idle = IDLE;

	return atomic_compare_exchange_strong(&txn->use, &idle, USED);
}

void reader_leave(struct txn *txn)
{
	atomic_store(&txn->use, IDLE);
}

/* store->limiting must be held. */
static void release_late(struct store *store, uint64_t now_ms)
{
	struct txn *next;

	for (struct txn *txn = store->limited; txn; txn = next) {
		int idle = IDLE;

		next = txn->limited_next;
		if (now_ms <= txn->deadline_ms ||
				!atomic_compare_exchange_strong(&txn->use, &idle, RELEASED))
			continue;
		unlist(txn);
		reader_end(txn);
	}
	set_next_deadline(store);
}

void store_release_late(struct store *store)
{
	uint64_t next = atomic_load_explicit(&store->next_deadline_ms, memory_order_relaxed);
	uint64_t now_ms;

	if (!next)
		return;
	now_ms = clock_elapsed_ms(clock_process());
	if (now_ms <= next)
		return;
	pthread_mutex_lock(&store->limiting);
	release_late(store, now_ms);
	pthread_mutex_unlock(&store->limiting);
}

/* --- the thread --- */

/* Waits for ms milliseconds of the machine's clock, or for a signal. store->limiting must be
 * held. */
static void wait_for_deadline(struct store *store, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&store->release, &store->limiting, &until);
}

/* Releases late readers and waits once. Returns true if there are no readers with a deadline. */
static bool release_and_wait(struct store *store, bool was_idle)
{
	uint64_t now_ms = clock_elapsed_ms(clock_process()), next, wait_ms = LINGER_MS;

	release_late(store, now_ms);
	next = atomic_load(&store->next_deadline_ms);
	if (next) {
		wait_ms = next >= now_ms ? next - now_ms + 1 : 0;
		wait_ms = wait_ms < WAIT_MIN_MS ? WAIT_MIN_MS : wait_ms;
	}
	if (!next && was_idle) {
		store->release_ms = UINT64_MAX;
		pthread_cond_wait(&store->release, &store->limiting);
	} else {
		store->release_ms = now_ms + wait_ms;
		wait_for_deadline(store, wait_ms);
	}
	return !next;
}

static void *run_releases(void *context)
{
	struct store *store = context;
	bool is_idle = false;

	pthread_mutex_lock(&store->limiting);
	while (store->releases)
		is_idle = release_and_wait(store, is_idle);
	pthread_mutex_unlock(&store->limiting);
	return NULL;
}

static bool start_thread(struct store *store)
{
	pthread_condattr_t condition;
	pthread_attr_t attributes;
	int system;

	pthread_condattr_init(&condition);
	pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
	pthread_cond_init(&store->release, &condition);
	pthread_condattr_destroy(&condition);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	system = thread_create(&store->releaser, &attributes, run_releases, store);
	pthread_attr_destroy(&attributes);
	if (system)
		pthread_cond_destroy(&store->release);
	return system == 0;
}

void store_release_in_time(struct store *store)
{
	pthread_mutex_lock(&store->limiting);
	if (!store->releases)
		store->releases = start_thread(store);
	pthread_mutex_unlock(&store->limiting);
}

void store_end_releases(struct store *store)
{
	bool runs;

	pthread_mutex_lock(&store->limiting);
	runs = store->releases;
	store->releases = false;
	if (runs)
		pthread_cond_signal(&store->release);
	pthread_mutex_unlock(&store->limiting);
	if (!runs)
		return;
	pthread_join(store->releaser, NULL);
	pthread_cond_destroy(&store->release);
}
