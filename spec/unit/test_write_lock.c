/* test_write_lock.c - wake.h's write lock: one owner, and a queue in which no waiter starves.
 *
 * The rules of the queue are tested in one process with a clock of the test's: what
 * counts as another writer there is a call without a waiter.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "os/shared_page.h"
#include "os/shared_page_layout.h"
#include "os/write_lock.h"
#include "unit/child.h"

#define HANDOVERS 2000
#define STEPS 200000

static char path[4200];

static struct shared_page *open_wake(void)
{
	struct failure failure = { 0 };
	struct shared_page *shared;
	bool alone;
	int err = shared_page_open(&shared, path, NULL, &alone, &failure);

	while (err == ERR_BUSY && failure.momentary) {   /* the other process opens it */
		usleep(100);
		err = shared_page_open(&shared, path, NULL, &alone, &failure);
	}
	if (err) {
		fprintf(stderr, "%s\n", failure.message);
		exit(1);
	}
	shared_page_opened(shared);
	return shared;
}

static void *share_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Nothing, a yield, or a short spin: so that the two meet at every point. */
static void dawdle(void)
{
	uint64_t kind = check_random_below(8);

	if (kind == 0)
		sched_yield();
	else if (kind < 5)
		for (volatile uint64_t i = check_random_below(3000); i; i--)
			;
}

static void be_there(struct child *parent, void *context)
{
	struct shared_page *shared = open_wake();

	(void)context;
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

/* --- one owner --- */

struct counter {
	uint64_t plain;        /* not atomic: the lock is what keeps it right */
};

static void lock_patiently(struct shared_page *shared)
{
	struct lock_waiter waiter = { .shared = shared };

	while (lock_waiter_try(&waiter))
		lock_waiter_sleep(&waiter, 1000);
}

struct thread_work {
	struct shared_page *shared;
	struct counter *counter;
};

static void *count_up(void *context)
{
	struct thread_work *work = context;

	for (int i = 0; i < 1000; i++) {
		lock_patiently(work->shared);
		CHECK_EQUAL_INT(write_lock_owner(work->shared), getpid());
		work->counter->plain++;
		write_lock_release(work->shared);
	}
	return NULL;
}

static void count_in_threads(struct child *parent, void *context)
{
	struct thread_work work = { open_wake(), context };
	pthread_t threads[3];

	(void)parent;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, count_up, &work) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	shared_page_close(work.shared);
}

static void one_writes_at_a_time(void)
{
	struct counter *counter = share_memory(sizeof *counter);
	struct child children[3];

	for (int i = 0; i < 3; i++)
		children[i] = child_start(count_in_threads, counter);
	for (int i = 0; i < 3; i++)
		child_end(&children[i]);
	CHECK_EQUAL_UINT(counter->plain, 3 * 3 * 1000);
	munmap(counter, sizeof *counter);
}

static void hold_the_lock(struct child *parent, void *context)
{
	struct shared_page *shared = open_wake();

	(void)context;
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	child_tell(parent);
	child_hear(parent);
	write_lock_release(shared);
	shared_page_close(shared);
}

static void a_killed_owner_frees_the_lock(void)
{
	struct shared_page *shared = open_wake();
	struct lock_waiter waiter = { .shared = shared };
	struct child child = child_start(hold_the_lock, NULL);

	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	CHECK_EQUAL_INT(write_lock_owner(shared), child.pid);
	CHECK_EQUAL_INT(lock_waiter_sleep(&waiter, 1), 0);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), ERR_BUSY);
	lock_waiter_leave(&waiter);
	child_kill(&child);
	lock_patiently(shared);
	CHECK_EQUAL_INT(write_lock_owner(shared), getpid());
	write_lock_release(shared);
	CHECK_EQUAL_INT(write_lock_owner(shared), 0);
	shared_page_close(shared);
}

/* The child waits until its pid stands in the page, as if one of that pid had
 * died with the lock; then it opens the database and does not write. */
static void come_after_a_namesake(struct child *parent, void *context)
{
	struct shared_page *shared;

	(void)context;
	CHECK(child_hear(parent));
	shared = open_wake();
	child_tell(parent);
	CHECK(child_hear(parent));
	shared_page_close(shared);
}

static void a_namesake_of_the_dead_does_not_hold_the_lock(void)
{
	struct child child = child_start(come_after_a_namesake, NULL);
	struct shared_page *shared = open_wake();

	atomic_store(&shared->page->writer, (UINT64_C(7) << 32) | (uint64_t)child.pid);
	child_tell(&child);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	child_tell(&child);
	child_end(&child);
	shared_page_close(shared);
}

static void closing_frees_the_lock(void)
{
	struct shared_page *shared = open_wake();
	struct child child = child_start(be_there, NULL);

	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	shared_page_close(shared);
	shared = open_wake();
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	shared_page_close(shared);
	child_tell(&child);
	child_end(&child);
}

/* An unlock between the try and the wait was told to nobody. Who sleeps gives
 * the processor away; the kernel counts that. */
static void nobody_waits_for_a_free_lock(void)
{
	struct shared_page *shared = open_wake();
	struct lock_waiter waiter = { .shared = shared };
	struct rusage before, after;

	CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL_INT(lock_waiter_sleep(&waiter, 1000), 0);
	CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
	CHECK(after.ru_nvcsw - before.ru_nvcsw < 10);
	lock_waiter_leave(&waiter);
	shared_page_close(shared);
}

static void ignore(int signal)
{
	(void)signal;
}

static void a_signal_ends_a_wait(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct shared_page *shared = open_wake();
	struct lock_waiter waiter = { .shared = shared };
	struct child child = child_start(hold_the_lock, NULL);

	CHECK(child_hear(&child));
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(ualarm(1000, 1000) == 0);
	while (lock_waiter_sleep(&waiter, 1000) != ERR_INTERRUPTED)
		;
	ualarm(0, 0);
	lock_waiter_leave(&waiter);
	child_tell(&child);
	child_end(&child);
	shared_page_close(shared);
}

/* Two processes take turns with the lock. */
struct game {
	_Atomic uint64_t moves;
	_Atomic uint64_t moved_at_ms;
	_Atomic uint64_t lost;
};

/* The lock goes to and fro; whoever must wait for it is told. One that isn't
 * told sleeps 50 ms: all of them would be minutes. */
static void take_turns(struct shared_page *shared, struct game *game, uint64_t mine)
{
	struct lock_waiter waiter = { .shared = shared };

	shared->limits.age_us = UINT32_MAX;        /* so that it sleeps until it is notified */
	for (int taken = 0; taken < HANDOVERS;) {
		if (lock_waiter_try(&waiter)) {
			uint64_t before = now_ms();

			lock_waiter_sleep(&waiter, 1000);
			if (now_ms() - before >= 45 &&
					now_ms() - atomic_load(&game->moved_at_ms) >= 45)
				atomic_fetch_add(&game->lost, 1);
			continue;
		}
		dawdle();
		if (atomic_load(&game->moves) % 2 == mine ||
				atomic_load(&game->moves) >= 2 * HANDOVERS - 1) {
			atomic_fetch_add(&game->moves, 1);
			taken++;
		}
		atomic_store(&game->moved_at_ms, now_ms());
		write_lock_release(shared);
		dawdle();
	}
}

static void take_turns_second(struct child *parent, void *context)
{
	struct shared_page *shared = open_wake();

	(void)parent;
	take_turns(shared, context, 1);
	shared_page_close(shared);
}

static void an_unlock_is_told(void)
{
	struct game *game = share_memory(sizeof *game);
	struct child child = child_start(take_turns_second, game);
	struct shared_page *shared = open_wake();

	take_turns(shared, game, 0);
	child_end(&child);
	CHECK(atomic_load(&game->lost) < HANDOVERS / 20);
	shared_page_close(shared);
	munmap(game, sizeof *game);
}

/* --- the queue --- */

static uint64_t test_now_us;

static uint64_t test_clock(void)
{
	return test_now_us;
}

/* Nothing but the test moves the time, and a waiter does not spin. */
static struct shared_page *open_with_test_clock(void)
{
	struct shared_page *shared = open_wake();

	test_now_us = 1000000000;
	shared->limits.now_us = test_clock;
	shared->limits.spin_us = 0;
	return shared;
}

static void hold(struct shared_page *shared, int times)
{
	for (int i = 0; i < times; i++) {
		CHECK_EQUAL_INT(write_lock_try(shared), 0);
		write_lock_release(shared);
	}
}

/* It tries while the lock is taken. */
static void queue_up(struct lock_waiter *waiter)
{
	CHECK_EQUAL_INT(lock_waiter_try(waiter), ERR_BUSY);
	CHECK(lock_waiter_arm(waiter) > 0);
	CHECK(waiter->place);
}

static void try_in_vain(struct shared_page *shared, struct lock_waiter *waiter)
{
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	CHECK_EQUAL_INT(lock_waiter_try(waiter), ERR_BUSY);
	lock_waiter_arm(waiter);
	write_lock_release(shared);
}

static void a_waiter_that_is_due_goes_before_the_others(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&waiter);
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 2000);
	write_lock_release(shared);
	hold(shared, 20);
	test_now_us += 1999;
	try_in_vain(shared, &waiter);
	hold(shared, 1);                   /* ten holds, but not 2 ms */
	test_now_us++;
	try_in_vain(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	CHECK_EQUAL_INT(write_lock_owner(shared), 0);
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 0);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), 0);
	CHECK(!waiter.place);
	write_lock_release(shared);
	hold(shared, 1);
	shared_page_close(shared);
}

static void two_milliseconds_are_not_enough_without_ten_holds(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&waiter);
	test_now_us += 9999;
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 1);
	write_lock_release(shared);
	hold(shared, 8);
	try_in_vain(shared, &waiter);      /* the ninth */
	hold(shared, 1);
	try_in_vain(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	lock_waiter_leave(&waiter);
	hold(shared, 1);

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;            /* but ten are */
	try_in_vain(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	lock_waiter_leave(&waiter);
	shared_page_close(shared);
}

static void the_oldest_of_those_that_are_due_goes_first(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter first = { .shared = shared }, second = first;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&first);
	queue_up(&second);
	test_now_us += 10000;
	CHECK_EQUAL_INT(lock_waiter_try(&second), ERR_BUSY);
	CHECK_EQUAL_INT(lock_waiter_try(&first), ERR_BUSY);
	CHECK_EQUAL_INT(lock_waiter_try(&second), ERR_BUSY);
	write_lock_release(shared);
	CHECK_EQUAL_INT(lock_waiter_try(&second), ERR_BUSY);
	CHECK_EQUAL_UINT(lock_waiter_arm(&second), 5000);
	CHECK_EQUAL_INT(lock_waiter_try(&first), 0);
	test_now_us += 1999;             /* one waiter gets priority every 2 ms */
	CHECK_EQUAL_INT(lock_waiter_try(&second), ERR_BUSY);
	write_lock_release(shared);
	hold(shared, 1);
	test_now_us++;
	try_in_vain(shared, &second);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	CHECK_EQUAL_INT(lock_waiter_try(&second), 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

/* A stopped process costs the others 5 ms once; a slow event loop gets more time each time
 * that it was late. */
static void a_waiter_that_is_late_loses_its_priority(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };
	uint32_t patience = 5000;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;
	for (int i = 0; i < 8; i++) {
		try_in_vain(shared, &waiter);
		test_now_us += patience - 1;
		CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
		test_now_us++;
		hold(shared, 100);
		if (patience < 80000)
			patience *= 2;
	}
	CHECK_EQUAL_UINT(patience, 80000);
	try_in_vain(shared, &waiter);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

static void a_waiter_that_leaves_reserves_nothing(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	lock_waiter_leave(&waiter);      /* it is not in the queue */
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;
	try_in_vain(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	lock_waiter_leave(&waiter);
	lock_waiter_leave(&waiter);
	hold(shared, 1);
	CHECK_EQUAL_UINT(shared->page->waiting[0] | shared->page->waiting[1], 0);
	shared_page_close(shared);
}

/* Clocks of two time namespaces: no order, but no delay either. */
static void a_clock_that_disagrees_delays_nothing(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	queue_up(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;
	try_in_vain(shared, &waiter);
	test_now_us -= 3600 * UINT64_C(1000000);
	hold(shared, 1);
	lock_waiter_leave(&waiter);
	shared_page_close(shared);
}

static void a_waiter_beyond_the_last_slot_waits_without_a_place(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiters[WAITER_SLOTS + 1];

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	for (int i = 0; i <= WAITER_SLOTS; i++) {
		waiters[i] = (struct lock_waiter){ .shared = shared };
		CHECK(lock_waiter_arm(&waiters[i]) > 0);
		CHECK((waiters[i].place != 0) == (i < WAITER_SLOTS));
	}
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiters[WAITER_SLOTS]), 5000);
	CHECK_EQUAL_INT(lock_waiter_sleep(&waiters[WAITER_SLOTS], 1), 0);
	CHECK_EQUAL_INT(lock_waiter_try(&waiters[WAITER_SLOTS]), ERR_BUSY);
	lock_waiter_leave(&waiters[5]);
	lock_waiter_arm(&waiters[WAITER_SLOTS]);
	CHECK(waiters[WAITER_SLOTS].place);
	write_lock_release(shared);
	for (int i = 0; i <= WAITER_SLOTS; i++)
		lock_waiter_leave(&waiters[i]);
	hold(shared, 1);
	shared_page_close(shared);
}

/* --- other processes in the queue --- */

static void wait_in_the_queue(struct child *parent, void *context)
{
	struct shared_page *shared = open_wake();
	struct lock_waiter waiters[WAITER_SLOTS];

	for (int i = 0; i < *(int *)context; i++) {
		waiters[i] = (struct lock_waiter){ .shared = shared };
		CHECK(lock_waiter_arm(&waiters[i]) > 0);
	}
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

static void a_killed_process_leaves_the_queue(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };
	int all = WAITER_SLOTS, one = 1;
	struct child child;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	child = child_start(wait_in_the_queue, &all);
	CHECK(child_hear(&child));
	CHECK(lock_waiter_arm(&waiter) > 0);
	CHECK(!waiter.place);
	child_kill(&child);
	CHECK(lock_waiter_arm(&waiter) > 0);
	CHECK(waiter.place);             /* the queue was full of the dead */
	CHECK_EQUAL_INT(__builtin_popcountll(shared->page->waiting[0] | shared->page->waiting[1]),
		1);
	lock_waiter_leave(&waiter);

	child = child_start(wait_in_the_queue, &one);
	CHECK(child_hear(&child));
	child_kill(&child);
	atomic_store(&shared->page->heir, shared->page->slots[0].place);
	write_lock_release(shared);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	test_now_us += 5000;
	hold(shared, 1);
	CHECK_EQUAL_UINT(shared->page->waiting[0], 0);     /* it was late, and is dead */
	shared_page_close(shared);
}

static void closing_leaves_the_queue(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct child child;
	int many = 3;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	child = child_start(wait_in_the_queue, &many);
	CHECK(child_hear(&child));
	CHECK_EQUAL_UINT(shared->page->waiting[0], 7);
	child_tell(&child);
	child_end(&child);
	CHECK_EQUAL_UINT(shared->page->waiting[0], 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

/* --- the queue against a model --- */

#define WAITERS 5
#define OTHER (-1)
#define NONE (-2)

struct model_waiter {
	bool queued, had_priority;
	uint64_t ticket, arrived, taken, patience;
};

static struct model {
	struct model_waiter waiters[WAITERS];
	int owner, heir;                 /* a waiter, OTHER or NONE */
	uint64_t tickets, taken, freed, inherited;
} model;

static bool model_is_due(const struct model_waiter *waiter)
{
	uint64_t waited = test_now_us - waiter->arrived;

	return waited >= 10000 || (waited >= 2000 && model.taken - waiter->taken >= 10);
}

static void model_claim(int i)
{
	struct model_waiter *waiter = &model.waiters[i];

	if (!waiter->queued || !model_is_due(waiter) || model.heir == i ||
			test_now_us - model.inherited < 2000 || (model.heir != NONE &&
			model.waiters[model.heir].ticket < waiter->ticket))
		return;
	model.heir = i;
	if (waiter->had_priority && waiter->patience < 80000)
		waiter->patience *= 2;
	waiter->had_priority = true;
}

static bool model_is_reserved(int i)
{
	return model.heir != NONE && model.heir != i &&
		test_now_us - model.freed < model.waiters[model.heir].patience;
}

static bool model_try(int i)
{
	if (i != OTHER)
		model_claim(i);
	if (model.owner != NONE || model_is_reserved(i))
		return false;
	if (model.heir != i && model.heir != NONE)
		model.heir = NONE;
	else if (i != OTHER && model.heir == i)
		model.inherited = test_now_us;
	if (i != OTHER) {
		model.heir = model.heir == i ? NONE : model.heir;
		model.waiters[i] = (struct model_waiter){ 0 };
	}
	model.owner = i;
	model.taken++;
	return true;
}

static void model_unlock(void)
{
	for (int i = 0; i < WAITERS; i++)
		if (model.waiters[i].queued)
			model.freed = test_now_us;
	model.owner = NONE;
}

/* Whether it should try again now. */
static bool model_arm(int i)
{
	struct model_waiter *waiter = &model.waiters[i];

	if (!waiter->queued)
		*waiter = (struct model_waiter){ true, false, ++model.tickets, test_now_us,
			model.taken, 5000 };
	return model.owner == NONE && !model_is_reserved(i);
}

static void model_leave(int i)
{
	model.waiters[i] = (struct model_waiter){ 0 };
	if (model.heir == i)
		model.heir = NONE;
}

static void step(struct shared_page *shared, struct lock_waiter *waiters)
{
	int i = (int)check_random_below(WAITERS);

	switch (check_random_below(8)) {
	case 0:
		test_now_us += check_random_below(check_random_below(4) ? 300 : 9000);
		break;
	case 1:
		if (check_random_below(4))
			break;
		lock_waiter_leave(&waiters[i]);
		model_leave(i);
		break;
	case 2:
	case 3:
		if (model.owner != NONE) {
			write_lock_release(shared);
			model_unlock();
		}
		break;
	case 4:
		CHECK_EQUAL_INT(write_lock_try(shared) == 0, model_try(OTHER));
		break;
	default:
		CHECK_EQUAL_INT(lock_waiter_try(&waiters[i]) == 0, model_try(i));
		if (model.owner != i)
			CHECK_EQUAL_INT(lock_waiter_arm(&waiters[i]) == 0, model_arm(i));
		break;
	}
}

static void the_queue_is_as_its_model(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiters[WAITERS];

	model = (struct model){ .owner = NONE, .heir = NONE };
	for (int i = 0; i < WAITERS; i++)
		waiters[i] = (struct lock_waiter){ .shared = shared };
	for (int i = 0; i < STEPS; i++)
		step(shared, waiters);
	shared_page_close(shared);
}

int main(void)
{
	snprintf(path, sizeof path, "%s/x.tide-wake", check_directory());
	one_writes_at_a_time();
	a_killed_owner_frees_the_lock();
	a_namesake_of_the_dead_does_not_hold_the_lock();
	closing_frees_the_lock();
	nobody_waits_for_a_free_lock();
	a_signal_ends_a_wait();
	an_unlock_is_told();
	a_waiter_that_is_due_goes_before_the_others();
	two_milliseconds_are_not_enough_without_ten_holds();
	the_oldest_of_those_that_are_due_goes_first();
	a_waiter_that_is_late_loses_its_priority();
	a_waiter_that_leaves_reserves_nothing();
	a_clock_that_disagrees_delays_nothing();
	a_waiter_beyond_the_last_slot_waits_without_a_place();
	a_killed_process_leaves_the_queue();
	closing_leaves_the_queue();
	the_queue_is_as_its_model();
	return 0;
}
