/* test_write_lock.c - os/write_lock.h: one owner, and a queue in which no waiter starves.
 *
 * The rules of the queue are tested in one process with the test's clock. A call
 * without a waiter represents another writer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "unit/shared_pages.h"

#define HANDOVERS 2000
#define STEPS 200000

/* --- one owner --- */

struct counter {
	uint64_t plain;        /* not atomic, because the lock protects it */
};

static void wait_for_lock(struct shared_page *shared)
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
		wait_for_lock(work->shared);
		CHECK_EQUAL_INT(write_lock_owner(work->shared), getpid());
		work->counter->plain++;
		write_lock_release(work->shared);
	}
	return NULL;
}

static void count_in_threads(struct child *parent, void *context)
{
	struct thread_work work = { open_page(), context };
	pthread_t threads[3];

	(void)parent;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, count_up, &work) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	shared_page_close(work.shared);
}

static void test_lock_is_exclusive(void)
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
	struct shared_page *shared = open_page();

	(void)context;
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	child_tell(parent);
	child_hear(parent);
	write_lock_release(shared);
	shared_page_close(shared);
}

static void test_killed_owner(void)
{
	struct shared_page *shared = open_page();
	struct lock_waiter waiter = { .shared = shared };
	struct child child = child_start(hold_the_lock, NULL);

	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	CHECK_EQUAL_INT(write_lock_owner(shared), child.pid);
	CHECK_EQUAL_INT(lock_waiter_sleep(&waiter, 1), 0);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), ERR_BUSY);
	lock_waiter_leave(&waiter);
	child_kill(&child);
	wait_for_lock(shared);
	CHECK_EQUAL_INT(write_lock_owner(shared), getpid());
	write_lock_release(shared);
	CHECK_EQUAL_INT(write_lock_owner(shared), 0);
	shared_page_close(shared);
}

/* The parent writes the child's pid as the owner, as if a process with that pid
 * had died with the lock. Then the child opens the database and does not write. */
static void open_with_the_pid_of_a_dead_owner(struct child *parent, void *context)
{
	struct shared_page *shared;

	(void)context;
	CHECK(child_hear(parent));
	shared = open_page();
	child_tell(parent);
	CHECK(child_hear(parent));
	shared_page_close(shared);
}

static void test_reused_pid_does_not_own_the_lock(void)
{
	struct child child = child_start(open_with_the_pid_of_a_dead_owner, NULL);
	struct shared_page *shared = open_page();

	atomic_store(&shared->page->writer, (UINT64_C(7) << 32) | (uint64_t)child.pid);
	child_tell(&child);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	child_tell(&child);
	child_end(&child);
	shared_page_close(shared);
}

static void test_closing_releases_the_lock(void)
{
	struct shared_page *shared = open_page();
	struct child child = child_start(stay_open, NULL);

	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	shared_page_close(shared);
	shared = open_page();
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	shared_page_close(shared);
	child_tell(&child);
	child_end(&child);
}

/* A release between try and wait sends no notification, so the wait must return
 * at once. The kernel counts how often the thread has slept. */
static void test_no_wait_for_a_free_lock(void)
{
	struct shared_page *shared = open_page();
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

static void test_signal_ends_a_wait(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct shared_page *shared = open_page();
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

/* Two processes take the lock alternately. */
struct game {
	_Atomic uint64_t moves;
	_Atomic uint64_t moved_at_ms;
	_Atomic uint64_t lost;
};

/* Takes the lock HANDOVERS times. A lost notification costs 50 ms; if all were
 * lost, the test would take minutes. */
static void take_turns(struct shared_page *shared, struct game *game, uint64_t mine)
{
	struct lock_waiter waiter = { .shared = shared };

	shared->limits.age_us = UINT32_MAX;        /* the waiter sleeps until it is notified */
	for (int taken = 0; taken < HANDOVERS;) {
		if (lock_waiter_try(&waiter)) {
			uint64_t before = now_ms();

			lock_waiter_sleep(&waiter, 1000);
			if (now_ms() - before >= 45 &&
					now_ms() - atomic_load(&game->moved_at_ms) >= 45)
				atomic_fetch_add(&game->lost, 1);
			continue;
		}
		pause_randomly();
		if (atomic_load(&game->moves) % 2 == mine ||
				atomic_load(&game->moves) >= 2 * HANDOVERS - 1) {
			atomic_fetch_add(&game->moves, 1);
			taken++;
		}
		atomic_store(&game->moved_at_ms, now_ms());
		write_lock_release(shared);
		pause_randomly();
	}
}

static void take_turns_second(struct child *parent, void *context)
{
	struct shared_page *shared = open_page();

	(void)parent;
	take_turns(shared, context, 1);
	shared_page_close(shared);
}

static void test_release_is_notified(void)
{
	struct game *game = share_memory(sizeof *game);
	struct child child = child_start(take_turns_second, game);
	struct shared_page *shared = open_page();

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

/* Only the test advances this clock. Waiters do not spin. */
static struct shared_page *open_with_test_clock(void)
{
	struct shared_page *shared = open_page();

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

/* Tries while the lock is taken. */
static void enter_queue(struct lock_waiter *waiter)
{
	CHECK_EQUAL_INT(lock_waiter_try(waiter), ERR_BUSY);
	CHECK(lock_waiter_arm(waiter) > 0);
	CHECK(waiter->place);
}

static void try_without_success(struct shared_page *shared, struct lock_waiter *waiter)
{
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	CHECK_EQUAL_INT(lock_waiter_try(waiter), ERR_BUSY);
	lock_waiter_arm(waiter);
	write_lock_release(shared);
}

static void test_due_waiter_has_priority(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&waiter);
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 2000);
	write_lock_release(shared);
	hold(shared, 20);
	test_now_us += 1999;
	try_without_success(shared, &waiter);
	hold(shared, 1);                   /* after ten holds, but before 2 ms */
	test_now_us++;
	try_without_success(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	CHECK_EQUAL_INT(write_lock_owner(shared), 0);
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 0);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), 0);
	CHECK(!waiter.place);
	write_lock_release(shared);
	hold(shared, 1);
	shared_page_close(shared);
}

static void test_due_after_ten_holds_or_10_ms(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&waiter);
	test_now_us += 9999;
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 1);
	write_lock_release(shared);
	hold(shared, 8);
	try_without_success(shared, &waiter);      /* the ninth */
	hold(shared, 1);
	try_without_success(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	lock_waiter_leave(&waiter);
	hold(shared, 1);

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;            /* 10 ms of waiting are sufficient */
	try_without_success(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	lock_waiter_leave(&waiter);
	shared_page_close(shared);
}

static void test_oldest_due_waiter_is_first(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter first = { .shared = shared }, second = first;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&first);
	enter_queue(&second);
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
	try_without_success(shared, &second);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	CHECK_EQUAL_INT(lock_waiter_try(&second), 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

/* A stopped process delays the others by 5 ms once; a slow event loop gets more
 * time each time that it is late. */
static void test_late_waiter_loses_priority(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };
	uint32_t limit_us = 5000;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;
	for (int i = 0; i < 8; i++) {
		try_without_success(shared, &waiter);
		test_now_us += limit_us - 1;
		CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
		test_now_us++;
		hold(shared, 100);
		if (limit_us < 80000)
			limit_us *= 2;
	}
	CHECK_EQUAL_UINT(limit_us, 80000);
	try_without_success(shared, &waiter);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

static void test_leaving_waiter_reserves_nothing(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	lock_waiter_leave(&waiter);      /* does nothing, because the waiter is not in the queue */
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;
	try_without_success(shared, &waiter);
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	lock_waiter_leave(&waiter);
	lock_waiter_leave(&waiter);
	hold(shared, 1);
	CHECK_EQUAL_UINT(shared->page->waiting[0] | shared->page->waiting[1], 0);
	shared_page_close(shared);
}

/* If the clocks of two time namespaces differ, the order of the waiters is undefined, but no
 * waiter is delayed. */
static void test_different_clocks_do_not_delay(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct lock_waiter waiter = { .shared = shared };

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	enter_queue(&waiter);
	write_lock_release(shared);
	test_now_us += 10000;
	try_without_success(shared, &waiter);
	test_now_us -= 3600 * UINT64_C(1000000);
	hold(shared, 1);
	lock_waiter_leave(&waiter);
	shared_page_close(shared);
}

static void test_waiter_without_a_slot(void)
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
	struct shared_page *shared = open_page();
	struct lock_waiter waiters[WAITER_SLOTS];

	for (int i = 0; i < *(int *)context; i++) {
		waiters[i] = (struct lock_waiter){ .shared = shared };
		CHECK(lock_waiter_arm(&waiters[i]) > 0);
	}
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

static void test_killed_process_leaves_the_queue(void)
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
	CHECK(waiter.place);             /* dead waiters were removed */
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
	CHECK_EQUAL_UINT(shared->page->waiting[0], 0);     /* the late heir is removed */
	shared_page_close(shared);
}

static void test_closing_leaves_the_queue(void)
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
	uint64_t ticket, arrived, taken, limit_us;
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
	if (waiter->had_priority && waiter->limit_us < 80000)
		waiter->limit_us *= 2;
	waiter->had_priority = true;
}

static bool model_is_reserved(int i)
{
	return model.heir != NONE && model.heir != i &&
		test_now_us - model.freed < model.waiters[model.heir].limit_us;
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

/* Returns true if the waiter should try again at once. */
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

static void test_queue_against_model(void)
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
	use_test_directory();
	test_lock_is_exclusive();
	test_killed_owner();
	test_reused_pid_does_not_own_the_lock();
	test_closing_releases_the_lock();
	test_no_wait_for_a_free_lock();
	test_signal_ends_a_wait();
	test_release_is_notified();
	test_due_waiter_has_priority();
	test_due_after_ten_holds_or_10_ms();
	test_oldest_due_waiter_is_first();
	test_late_waiter_loses_priority();
	test_leaving_waiter_reserves_nothing();
	test_different_clocks_do_not_delay();
	test_waiter_without_a_slot();
	test_killed_process_leaves_the_queue();
	test_closing_leaves_the_queue();
	test_queue_against_model();
	return 0;
}
