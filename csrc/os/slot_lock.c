/* slot_lock.c - a lock with a timeout, acquired before LMDB's reader mutex. */
#include "os/slot_lock.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/shared_page.h"
#include "os/shared_page_layout.h"

#define RETRY_US 100
#define TRIES 200

/* Halves of the slot lock's word: the owner's pid, and the number of acquisitions. */
#define OWNER UINT64_C(0xffffffff)
#define TAKEN (UINT64_C(1) << 32)

/* Returns true if the slot lock has no owner or its owner has exited. Threads of this process
 * exclude each other by shared->in_slots, so a word with this process's pid was left by an earlier
 * process with the same pid. */
static bool is_free(const struct shared_page *shared, uint64_t word)
{
	int64_t owner = (int64_t)(word & OWNER);

	return !owner || owner == shared->pid || !shared_page_has_open(shared, owner);
}

static bool try(struct shared_page *shared)
{
	struct shared_page_layout *page = shared->page;
	bool nobody = false;
	uint64_t word;

	if (!atomic_compare_exchange_strong(&shared->in_slots, &nobody, true))
		return false;
	word = atomic_load(&page->slot_lock);
	if (is_free(shared, word) && atomic_compare_exchange_strong(&page->slot_lock, &word,
			((word & ~OWNER) + TAKEN) | (uint64_t)shared->pid))
		return true;
	atomic_store(&shared->in_slots, false);
	return false;
}

int slot_lock_take(struct shared_page *shared)
{
	if (!shared)
		return 0;
	for (int tries = 0; tries < TRIES; tries++) {
		if (try(shared))
			return 0;
		clock_sleep_us(RETRY_US);
	}
	return ERR_BUSY;
}

void slot_lock_release(struct shared_page *shared)
{
	if (!shared)
		return;
	atomic_fetch_and(&shared->page->slot_lock, ~OWNER);
	atomic_store(&shared->in_slots, false);
}

int64_t slot_lock_owner(const struct shared_page *shared)
{
	return (int64_t)(atomic_load(&shared->page->slot_lock) & OWNER);
}

void slot_lock_writer_begins(struct shared_page *shared)
{
	atomic_store_explicit(&shared->page->inside, 1, memory_order_relaxed);
}

void slot_lock_writer_ends(struct shared_page *shared)
{
	atomic_store_explicit(&shared->page->inside, 0, memory_order_release);
}

bool slot_lock_is_needed(const struct shared_page *shared)
{
	return atomic_load_explicit(&shared->page->inside, memory_order_relaxed) != 0;
}
