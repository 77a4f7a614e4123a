/* write_lock.c - the write lock and the queue of its waiters, both in the shared page.
 *
 * The lock is a word with the owner's pid, acquired by one compare-and-swap. While no waiter
 * has priority, any process that finds it free may take it (barging), because a handover to a
 * sleeping process takes as long as several commits.
 *
 * The oldest waiter that is due (struct lock_limits) makes itself the heir when it wakes up and
 * tries to acquire the lock. The lock is then reserved for the heir. Most holds are short, so the
 * heir first spins, then sleeps again and keeps the reservation. The lock is not reserved for a
 * sleeping waiter that is not the heir, so the running process continues to commit until the next
 * waiter is awake. After an heir has acquired the lock, no other waiter becomes heir for turn_us,
 * because otherwise many waiters would limit the writers to one commit per context switch (a lock
 * convoy). An heir that is stopped or busy loses the reservation after reserve_us.
 *
 * Unlocking notifies the oldest sleeping waiter: a thread by its own futex word, coroutines of
 * event loops by one inotify event for all of their descriptors. While that waiter is awake,
 * and for at most a millisecond, no other is notified.
 *
 * No notification is lost (a Dekker-style handshake, sequentially consistent):
 *
 *     waiter                              owner
 *     waiting |= its bit; awake = 0       writer = free
 *     read writer                         read waiting
 *     futex wait while awake == 0         awake = 1, futex wake
 *
 * The queue affects only waiting times. A process that is killed leaves its place in the queue.
 * Other processes remove the place when it is next notified, when it is late as the heir, or when
 * the queue is full. An owner that is killed notifies no waiter, so waiters check the lock every
 * RECHECK_US.
 */
#include "os/write_lock.h"

#include <assert.h>
#include <sched.h>

#include "os/clock.h"
#include "os/commit_notifier.h"
#include "os/futex.h"
#include "os/shared_page.h"
#include "os/shared_page_layout.h"

/* Halves of the word of the write lock: the owner's pid and the number of acquisitions. */
#define WRITER_PID UINT64_C(0xffffffff)
#define WRITER_TAKEN (UINT64_C(1) << 32)

/* Fields of a waiter's place: ticket, slot, at_descriptor, pid. */
#define PLACE_PID UINT64_C(0x3fffff)
#define PLACE_AT_DESCRIPTOR (UINT64_C(1) << 22)
#define PLACE_SLOT_SHIFT 23
#define PLACE_TICKET_SHIFT 30

/* Interval at which a waiter checks the write lock without a notification. */
#define RECHECK_US 50000
/* The same interval for a waiter without a place in the queue. */
#define RECHECK_UNQUEUED_US 5000

/* Time within which a notified waiter is expected to try to acquire the lock. */
#define NOTIFICATION_US 1000

/* Number of pause instructions between two checks of a spinning waiter, about 1 us. */
#define SPIN_PAUSES 32

/* Maximum of a waiter's reserve_us. This time is doubled each time the waiter misses its
 * reservation, so that a slow event loop does not starve. */
#define RESERVE_MAX_US 80000

static const struct lock_limits default_limits = {
	.now_us = clock_monotonic_us,
	.age_us = 2000,
	.age_holds = 10,
	.age_most_us = 10000,
	.reserve_us = 5000,
	.turn_us = 2000,
	.spin_us = 50,
};

struct lock_limits lock_limits_here(void)
{
	struct lock_limits limits = default_limits;
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof set, &set) && CPU_COUNT(&set) < 2)
		limits.spin_us = 0;   /* the owner could not run at the same time */
	return limits;
}

/* --- the word --- */

/* Returns true if another process holds the write lock. The callers have excluded the threads of
 * this process, so a word with this process's pid was left by an earlier process. */
static bool is_held(const struct shared_page *shared, uint64_t writer)
{
	int64_t owner = write_lock_pid_of(writer);

	return owner && owner != shared->pid && shared_page_has_open(shared, owner);
}

static void free_word(struct shared_page *shared)
{
	atomic_fetch_and(&shared->page->writer, ~WRITER_PID);
	atomic_store(&shared->writing, false);
}

int64_t write_lock_owner(const struct shared_page *shared)
{
	return write_lock_pid_of(atomic_load(&shared->page->writer));
}

static uint32_t times_taken(const struct shared_page *shared)
{
	return (uint32_t)(atomic_load(&shared->page->writer) >> 32);
}

/* --- places --- */

static uint32_t waiter_slot_index(uint64_t place)
{
	return (uint32_t)(place >> PLACE_SLOT_SHIFT) % WAITER_SLOTS;
}

static struct waiter_slot *waiter_slot_of(const struct shared_page *shared, uint64_t place)
{
	return &shared->page->slots[waiter_slot_index(place)];
}

/* Returns true if a waiter's place is older than another. Compares the tickets modulo their
 * size. */
static bool is_older(uint64_t place, uint64_t other)
{
	return (int64_t)(place - other) < 0;
}

static uint64_t bit_of(uint32_t slot)
{
	return UINT64_C(1) << slot % 64;
}

static bool has_waiters(const struct shared_page_layout *page)
{
	return atomic_load(&page->waiting[0]) | atomic_load(&page->waiting[1]);
}

static_assert(WAITER_SLOTS == 128, "two words of bits");

/* Returns the oldest waiter's place in the slots of the bitmap, 0 if the bitmap is empty. */
static uint64_t oldest(const struct shared_page_layout *page, const uint64_t bits[2])
{
	uint64_t found = 0;

	for (unsigned word = 0; word < 2; word++)
		for (uint64_t left = bits[word]; left; left &= left - 1) {
			unsigned slot = word * 64 + (unsigned)__builtin_ctzll(left);
			uint64_t place = atomic_load(&page->slots[slot].place);

			if (place && (!found || is_older(place, found)))
				found = place;
		}
	return found;
}

/* Sets *word to 0 if it contains this waiter's place. */
static void clear_if(_Atomic uint64_t *word, uint64_t place)
{
	if (atomic_load(word) == place)
		atomic_compare_exchange_strong(word, &place, 0);
}

static void free_place(struct shared_page *shared, uint64_t place)
{
	struct shared_page_layout *page = shared->page;
	uint32_t slot = waiter_slot_index(place);

	if (atomic_load(&page->slots[slot].place) != place)
		return;
	atomic_fetch_and(&page->waiting[slot / 64], ~bit_of(slot));
	clear_if(&page->heir, place);
	clear_if(&page->notified, place);
	clear_if(&page->slots[slot].place, place);
}

/* Frees the waiter's place if its process no longer has the database open. */
static void free_place_of_dead(struct shared_page *shared, uint64_t place)
{
	int64_t pid = (int64_t)(place & PLACE_PID);

	if (pid != shared->pid && !shared_page_has_open(shared, pid))
		free_place(shared, place);
}

static void free_places_of_dead(struct shared_page *shared)
{
	for (uint32_t slot = 0; slot < WAITER_SLOTS; slot++) {
		uint64_t place = atomic_load(&shared->page->slots[slot].place);

		if (place)
			free_place_of_dead(shared, place);
	}
}

static void free_own_places(struct shared_page *shared)
{
	for (uint32_t slot = 0; slot < WAITER_SLOTS; slot++) {
		uint64_t place = atomic_load(&shared->page->slots[slot].place);

		if (place && (int64_t)(place & PLACE_PID) == shared->pid)
			free_place(shared, place);
	}
}

/* Allocates a slot of the queue. Returns the new place, 0 if no slot is free. */
static uint64_t claim(struct shared_page *shared, uint64_t ticket, bool at_descriptor)
{
	uint64_t place = ticket << PLACE_TICKET_SHIFT | (uint64_t)shared->pid |
		(at_descriptor ? PLACE_AT_DESCRIPTOR : 0);

	for (uint32_t i = 0; i < WAITER_SLOTS; i++) {
		struct waiter_slot *slot = &shared->page->slots[i];
		uint64_t none = 0, here = place | (uint64_t)i << PLACE_SLOT_SHIFT;

		if (atomic_load(&slot->place) ||
				!atomic_compare_exchange_strong(&slot->place, &none, here))
			continue;
		atomic_store(&slot->awake, 1);
		atomic_store(&slot->reserve_us, shared->limits.reserve_us);
		return here;
	}
	return 0;
}

/* --- entering and leaving the queue --- */

static bool has_place(const struct lock_waiter *waiter)
{
	return waiter->place &&
		atomic_load(&waiter_slot_of(waiter->shared, waiter->place)->place) == waiter->place;
}

static void take_place(struct lock_waiter *waiter)
{
	struct shared_page *shared = waiter->shared;
	uint64_t ticket = atomic_fetch_add(&shared->page->tickets, 1) + 1;

	waiter->had_priority = false;
	waiter->place = claim(shared, ticket, waiter->at_descriptor);
	if (waiter->place)
		return;
	free_places_of_dead(shared);
	waiter->place = claim(shared, ticket, waiter->at_descriptor);
}

/* Gives the waiter a place in the queue if it has none and a slot is free. Sets the bit of the
 * slot each time, because a process that removed an earlier place in this slot may have cleared
 * the bit. */
static void enter(struct lock_waiter *waiter)
{
	struct shared_page *shared = waiter->shared;
	uint32_t slot;

	if (!waiter->arrived_us) {
		waiter->arrived_us = shared->limits.now_us();
		waiter->taken = times_taken(shared);
	}
	if (!has_place(waiter))
		take_place(waiter);
	if (!waiter->place)
		return;
	slot = waiter_slot_index(waiter->place);
	if (!(atomic_load(&shared->page->waiting[slot / 64]) & bit_of(slot)))
		atomic_fetch_or(&shared->page->waiting[slot / 64], bit_of(slot));
}

static void leave(struct lock_waiter *waiter)
{
	if (waiter->place)
		free_place(waiter->shared, waiter->place);
	*waiter = (struct lock_waiter){
		.shared = waiter->shared, .at_descriptor = waiter->at_descriptor,
	};
}

/* --- priority --- */

static bool is_due(const struct lock_waiter *waiter)
{
	const struct lock_limits *limits = &waiter->shared->limits;
	uint64_t waited = limits->now_us() - waiter->arrived_us;

	return waited >= limits->age_most_us || (waited >= limits->age_us &&
		times_taken(waiter->shared) - waiter->taken >= limits->age_holds);
}

/* Makes the waiter the heir of the write lock, unless an older waiter is the heir or the last heir
 * acquired the lock less than turn_us ago. The waiter must be due. */
static void claim_priority(struct lock_waiter *waiter)
{
	struct shared_page *shared = waiter->shared;
	_Atomic uint32_t *reserve = &waiter_slot_of(shared, waiter->place)->reserve_us;
	uint64_t heir = atomic_load(&shared->page->heir);

	if (heir == waiter->place || (heir && is_older(heir, waiter->place)) ||
			shared->limits.now_us() - atomic_load(&shared->page->inherited_us) <
				shared->limits.turn_us ||
			!atomic_compare_exchange_strong(&shared->page->heir, &heir, waiter->place))
		return;
	if (waiter->had_priority && atomic_load(reserve) <= RESERVE_MAX_US / 2)
		atomic_store(reserve, 2 * atomic_load(reserve));
	waiter->had_priority = true;
}

/* Records that the waiter is awake and about to try, so that the next unlock need not notify
 * another waiter. */
static void record_awake(struct lock_waiter *waiter)
{
	struct shared_page *shared = waiter->shared;

	if (!has_place(waiter))
		return;
	atomic_store(&waiter_slot_of(shared, waiter->place)->awake, 1);
	if (!is_due(waiter))
		return;
	claim_priority(waiter);
	if (atomic_load(&shared->page->heir) != waiter->place)
		return;
	atomic_store(&shared->page->notified_us, shared->limits.now_us());
	atomic_store(&shared->page->notified, waiter->place);
}

/* Returns the remaining time, in us, for which the free write lock is reserved for the heir.
 * Returns 0 also if the clocks of the two processes differ, as in different time namespaces. */
static uint64_t reserved_us(const struct shared_page *shared, uint64_t heir)
{
	uint64_t reserve = atomic_load(&waiter_slot_of(shared, heir)->reserve_us);
	uint64_t since = shared->limits.now_us() - atomic_load(&shared->page->freed_us);

	return since < reserve ? reserve - since : 0;
}

/* Returns true if the free write lock is reserved for another waiter. If the heir's time has
 * expired, removes its priority and returns false. */
static bool is_reserved(struct shared_page *shared, uint64_t place)
{
	uint64_t heir = atomic_load(&shared->page->heir);

	if (!heir || heir == place)
		return false;
	if (reserved_us(shared, heir))
		return true;
	clear_if(&shared->page->heir, heir);
	free_place_of_dead(shared, heir);
	return false;
}

/* --- acquiring --- */

/* Acquires the write lock if it is free or its owner has exited. The number of acquisitions in the
 * word prevents stealing a lock that was released and acquired again after its owner was tested. */
static int take(struct shared_page *shared, uint64_t place)
{
	struct shared_page_layout *page = shared->page;
	bool expected = false;
	uint64_t writer;

	/* The word excludes other processes, and the flag excludes other threads of this
	 * process. */
	if (!atomic_compare_exchange_strong(&shared->writing, &expected, true))
		return ERR_BUSY;
	writer = atomic_load(&page->writer);
	if (!is_held(shared, writer) && !is_reserved(shared, place) &&
			atomic_compare_exchange_strong(&page->writer, &writer,
			((writer & ~WRITER_PID) + WRITER_TAKEN) | (uint64_t)shared->pid))
		return 0;
	atomic_store(&shared->writing, false);
	return ERR_BUSY;
}

int write_lock_try(struct shared_page *shared)
{
	return take(shared, 0);
}

static void pause_processor(void)
{
#if defined __x86_64__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile ("yield");
#endif
}

/* Tries to acquire the write lock for spin_us while the waiter is the heir. Returns 0 or
 * ERR_BUSY. */
static int spin(struct lock_waiter *waiter)
{
	struct shared_page *shared = waiter->shared;
	uint64_t began = shared->limits.now_us();
	int err = ERR_BUSY;

	while (err && atomic_load(&shared->page->heir) == waiter->place &&
			shared->limits.now_us() - began < shared->limits.spin_us) {
		for (int i = 0; i < SPIN_PAUSES; i++)
			pause_processor();
		if (!write_lock_owner(shared))
			err = take(shared, waiter->place);
	}
	return err;
}

int lock_waiter_try(struct lock_waiter *waiter)
{
	int err;

	record_awake(waiter);
	err = take(waiter->shared, waiter->place);
	if (err && waiter->place)
		err = spin(waiter);
	if (err)
		return err;
	if (waiter->place && atomic_load(&waiter->shared->page->heir) == waiter->place)
		atomic_store(&waiter->shared->page->inherited_us, waiter->shared->limits.now_us());
	leave(waiter);
	return 0;
}

/* --- releasing --- */

/* Notifies the oldest sleeping waiter of the write lock. Waiters at a descriptor are notified
 * together. It is unknown whether one of them is alive, so the oldest sleeping thread is notified
 * as well. */
static void notify(struct shared_page *shared)
{
	struct shared_page_layout *page = shared->page;
	uint64_t left[2] = { atomic_load(&page->waiting[0]), atomic_load(&page->waiting[1]) };
	uint64_t place, last = 0;
	bool descriptors_notified = false;

	while ((place = oldest(page, left)) != 0) {
		struct waiter_slot *slot = waiter_slot_of(shared, place);

		left[waiter_slot_index(place) / 64] &= ~bit_of(waiter_slot_index(place));
		last = place;
		if (atomic_exchange(&slot->awake, 1)) {
			free_place_of_dead(shared, place);
		} else if (!(place & PLACE_AT_DESCRIPTOR)) {
			if (futex_wake(&slot->awake, 1))
				break;
		} else if (!descriptors_notified) {
			wakeup_notify_unlocks(shared);
			descriptors_notified = true;
		}
	}
	atomic_store(&page->notified_us, shared->limits.now_us());
	atomic_store(&page->notified, last);
}

/* Notifies a waiter of the write lock unless one was notified recently. The queue must not be
 * empty. */
static void notify_if_due(struct shared_page *shared)
{
	const struct shared_page_layout *page = shared->page;

	if (!atomic_load(&page->notified) || shared->limits.now_us() -
			atomic_load(&page->notified_us) >= NOTIFICATION_US)
		notify(shared);
}

void write_lock_release(struct shared_page *shared)
{
	struct shared_page_layout *page = shared->page;

	if (has_waiters(page))
		atomic_store(&page->freed_us, shared->limits.now_us());
	free_word(shared);
	if (has_waiters(page))
		notify_if_due(shared);
}

/* --- waiting --- */

static bool is_taken(const struct shared_page *shared)
{
	return atomic_load(&shared->writing) || is_held(shared, atomic_load(&shared->page->writer));
}

/* Returns the maximum time, in us, to sleep while the write lock is taken, which is the time until
 * the waiter may be due. */
static uint64_t longest_sleep_us(const struct lock_waiter *waiter)
{
	const struct lock_limits *limits = &waiter->shared->limits;
	uint64_t waited = limits->now_us() - waiter->arrived_us, us = RECHECK_US;

	if (!waiter->place)
		return RECHECK_UNQUEUED_US;
	if (waited < limits->age_us)
		us = limits->age_us - waited;
	else if (!waiter->had_priority && waited < limits->age_most_us)
		us = limits->age_most_us - waited;
	return us < RECHECK_US ? us : RECHECK_US;
}

uint64_t lock_waiter_arm(struct lock_waiter *waiter)
{
	const struct shared_page *shared = waiter->shared;
	uint64_t heir;

	enter(waiter);
	if (waiter->place) {
		atomic_store(&waiter_slot_of(shared, waiter->place)->awake, 0);
		clear_if(&shared->page->notified, waiter->place);
	}
	if (is_taken(shared))
		return longest_sleep_us(waiter);
	heir = atomic_load(&shared->page->heir);
	return !heir || heir == waiter->place ? 0 : reserved_us(shared, heir);
}

int lock_waiter_sleep(struct lock_waiter *waiter, uint32_t timeout_ms)
{
	uint64_t timeout_us = UINT64_C(1000) * timeout_ms;
	uint64_t us = lock_waiter_arm(waiter);

	if (us > timeout_us)
		us = timeout_us;
	if (us == 0)
		return 0;
	if (waiter->place)
		return futex_wait(&waiter_slot_of(waiter->shared, waiter->place)->awake, 0, us);
	clock_sleep_us((uint32_t)us);
	return 0;
}

/* Removes the waiter from the queue. If the lock is free, notifies the next waiter, because the
 * waiter that leaves may have been notified and has not acquired the lock. */
void lock_waiter_leave(struct lock_waiter *waiter)
{
	if (!waiter->place)
		return;
	leave(waiter);
	if (!is_taken(waiter->shared) && has_waiters(waiter->shared->page))
		notify_if_due(waiter->shared);
}

/* --- opening and closing --- */

void lock_drop_former(struct shared_page *shared)
{
	if (write_lock_owner(shared) == shared->pid)
		atomic_fetch_and(&shared->page->writer, ~WRITER_PID);
	free_own_places(shared);
}

void lock_close(struct shared_page *shared)
{
	free_own_places(shared);
	if (atomic_load(&shared->writing))
		write_lock_release(shared);
}
