/* slot_lock.c - the lock around LMDB's reader mutex. */
#include "os/slot_lock.h"

#include "base/error.h"
#include "os/clock.h"
#include "sys/wake.h"
#include "sys/wake_page.h"

#define RETRY_US 100
#define TRIES 200

/* The halves of the word: the owner's pid, and how often the lock was taken, so
 * that one that was released and taken again is not stolen. */
#define OWNER UINT64_C(0xffffffff)
#define TAKEN (UINT64_C(1) << 32)

/* The word does not keep the threads of this process apart; wake->in_slots does. So
 * a word with our own pid was left by a process that had the pid before. */
static bool is_free(const struct wake *wake, uint64_t word)
{
	int64_t owner = (int64_t)(word & OWNER);

	return !owner || owner == wake->pid || !wake_has_open(wake, owner);
}

static bool try(struct wake *wake)
{
	struct wake_page *page = wake->page;
	bool nobody = false;
	uint64_t word;

	if (!atomic_compare_exchange_strong(&wake->in_slots, &nobody, true))
		return false;
	word = atomic_load(&page->slot_lock);
	if (is_free(wake, word) && atomic_compare_exchange_strong(&page->slot_lock, &word,
			((word & ~OWNER) + TAKEN) | (uint64_t)wake->pid))
		return true;
	atomic_store(&wake->in_slots, false);
	return false;
}

int slot_lock_take(struct wake *wake)
{
	if (!wake)
		return 0;
	for (int tries = 0; tries < TRIES; tries++) {
		if (try(wake))
			return 0;
		clock_sleep_us(RETRY_US);
	}
	return ERR_BUSY;
}

void slot_lock_release(struct wake *wake)
{
	if (!wake)
		return;
	atomic_fetch_and(&wake->page->slot_lock, ~OWNER);
	atomic_store(&wake->in_slots, false);
}

int64_t slot_lock_owner(const struct wake *wake)
{
	return (int64_t)(atomic_load(&wake->page->slot_lock) & OWNER);
}

void slot_lock_writer_begins(struct wake *wake)
{
	atomic_store_explicit(&wake->page->inside, 1, memory_order_relaxed);
}

void slot_lock_writer_ends(struct wake *wake)
{
	atomic_store_explicit(&wake->page->inside, 0, memory_order_release);
}

bool slot_lock_is_needed(const struct wake *wake)
{
	return atomic_load_explicit(&wake->page->inside, memory_order_relaxed) != 0;
}
