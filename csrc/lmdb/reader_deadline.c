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
 */
#include "lmdb/internal.h"

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

void reader_limit(struct txn *txn, uint64_t deadline_ms)
{
	struct store *store = txn->store;

	pthread_mutex_lock(&store->limiting);
	txn->deadline_ms = deadline_ms;
	txn->is_limited = true;
	txn->limited_previous = NULL;
	txn->limited_next = store->limited;
	if (txn->limited_next)
		txn->limited_next->limited_previous = txn;
	store->limited = txn;
	set_next_deadline(store);
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

static void release_late(struct store *store, uint64_t now_ms)
{
	struct txn *next;

	pthread_mutex_lock(&store->limiting);
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
	pthread_mutex_unlock(&store->limiting);
}

void store_release_late(struct store *store)
{
	uint64_t next = atomic_load_explicit(&store->next_deadline_ms, memory_order_relaxed);
	uint64_t now_ms;

	if (!next)
		return;
	now_ms = clock_elapsed_ms(clock_process());
	if (now_ms > next)
		release_late(store, now_ms);
}
