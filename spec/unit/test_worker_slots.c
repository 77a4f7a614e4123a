/* test_worker_slots.c - os/worker_slots.h: a slot is of one worker, and states without a commit.
 *
 * The test's clock shows the time at which the test began until the test advances it, so the
 * beats of other processes, which use the machine's clock, are slightly younger than the test's.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "os/clock.h"
#include "unit/workers.h"

static uint64_t test_now_us;

static uint64_t test_clock(void)
{
	return test_now_us;
}

static void advance(uint64_t ms)
{
	test_now_us += 1000 * ms;
}

static struct shared_page *open_with_test_clock(void)
{
	struct shared_page *shared = open_page();

	test_now_us = clock_monotonic_us();
	shared->limits.now_us = test_clock;
	return shared;
}

/* --- one process --- */

static void test_join_and_leave(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct worker_id id = id_of(1), other = id_of(1);
	uint64_t one, two;

	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	one = join(shared, 1);
	two = join(shared, 2);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	CHECK_EQUAL_INT(state(shared, 2), WORKER_LIVE);
	CHECK_EQUAL_INT(state(shared, 3), WORKER_GONE);
	other.opening[15] ^= 1;
	CHECK_EQUAL_INT(worker_state(shared, &other, CONSUMER, LEASE_MS, LIMIT_MS), WORKER_GONE);
	CHECK_EQUAL_INT(worker_state(shared, &id, CONSUMER + 1, LEASE_MS, LIMIT_MS), WORKER_GONE);
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), 2);
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER + 1), 0);
	worker_leave(shared, one);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), 1);
	CHECK(join(shared, 3) != one);         /* the same slot, used again */
	worker_leave(shared, one);
	worker_leave(shared, 0);
	CHECK_EQUAL_INT(state(shared, 3), WORKER_LIVE);
	worker_leave(shared, two);
	CHECK_EQUAL_INT(state(shared, 2), WORKER_GONE);
	shared_page_close(shared);
}

static void test_worker_without_beats(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t slot = join(shared, 1);

	advance(LEASE_MS - 1);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	worker_beat(shared, slot);
	advance(LEASE_MS - 1);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	advance(1);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_STOPPED);
	worker_beat(shared, slot);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	shared_page_close(shared);
}

static void test_long_handler(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t slot = join(shared, 1);

	enter_handler(shared, slot);
	advance(LIMIT_MS - 1);                 /* much more than a lease */
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	advance(1);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_OVERRUN);
	worker_leave_handler(shared, slot);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	advance(LEASE_MS);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_STOPPED);
	enter_handler(shared, slot);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	shared_page_close(shared);
}

/* A time in the future is that of a process with another clock. */
static void test_different_clocks(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t slot = join(shared, 1);

	advance(10 * LIMIT_MS);
	worker_beat(shared, slot);
	test_now_us -= 1000000;
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	test_now_us -= UINT64_C(1000) * LEASE_MS;
	CHECK_EQUAL_INT(state(shared, 1), WORKER_STOPPED);
	advance(LEASE_MS);
	enter_handler(shared, slot);
	test_now_us -= UINT64_C(1000) * LIMIT_MS;
	CHECK_EQUAL_INT(state(shared, 1), WORKER_OVERRUN);
	shared_page_close(shared);
}

/* The batch of a worker that is being stopped does not count, whatever ends its process. */
static void test_noted_stop(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t slot = join(shared, 1);

	enter_handler(shared, slot);
	worker_note_stop(shared, getpid() + 1);
	advance(LIMIT_MS);
	CHECK_EQUAL_UINT(died_with(shared, 1), 10);
	worker_note_stop(shared, getpid());
	CHECK_EQUAL_UINT(died_with(shared, 1), 0);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_OVERRUN);     /* it is found by its number */
	worker_leave(shared, slot);
	enter_handler(shared, join(shared, 2));        /* the same slot, without the note */
	advance(LIMIT_MS);
	CHECK_EQUAL_UINT(died_with(shared, 2), 10);
	shared_page_close(shared);
}

static void test_list(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t one = join(shared, 1), two = join(shared, 2);
	struct worker_facts facts[3] = { { .pid = 0 } };
	struct worker_id id = id_of(2);

	enter_handler(shared, two);
	advance(250);
	worker_beat(shared, one);
	advance(1000);
	CHECK_EQUAL_UINT(worker_list(shared, CONSUMER, facts, 1), 2);
	CHECK_EQUAL_INT(facts[1].pid, 0);
	CHECK_EQUAL_UINT(worker_list(shared, CONSUMER, facts, 3), 2);
	CHECK_EQUAL_INT(facts[0].pid, getpid());
	CHECK_EQUAL_UINT(facts[0].slot, one);
	CHECK_EQUAL_UINT(facts[0].id.number, 1);
	CHECK_EQUAL_UINT(facts[0].beat_age_ms, 1000);
	CHECK_EQUAL_UINT(facts[0].handler_age_ms, 0);
	CHECK(!facts[0].in_handler);
	CHECK_EQUAL_UINT(facts[1].slot, two);
	CHECK(memcmp(facts[1].id.opening, id.opening, sizeof id.opening) == 0);
	CHECK_EQUAL_UINT(facts[1].handler_age_ms, 1250);
	CHECK(facts[1].in_handler);
	shared_page_close(shared);
}

static uint32_t count_live(const struct shared_page *shared)
{
	return worker_count_live(shared, CONSUMER, LEASE_MS, LIMIT_MS);
}

/* Workers of other consumers, those that are late, and those that have left do not count. */
static void test_live_workers(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct worker_id other = id_of(9);
	uint64_t one, two, slot;

	CHECK_EQUAL_UINT(count_live(shared), 0);
	one = join(shared, 1);
	two = join(shared, 2);
	MUST(worker_join(shared, &other, CONSUMER + 1, &slot, &failure), failure);
	CHECK_EQUAL_UINT(count_live(shared), 2);
	enter_handler(shared, one);
	advance(LEASE_MS);
	CHECK_EQUAL_UINT(count_live(shared), 1);         /* the one in its handler */
	worker_beat(shared, two);
	CHECK_EQUAL_UINT(count_live(shared), 2);
	advance(LIMIT_MS - LEASE_MS);
	worker_beat(shared, two);
	CHECK_EQUAL_UINT(count_live(shared), 1);         /* its handler has reached the limit */
	worker_leave_handler(shared, one);
	CHECK_EQUAL_UINT(count_live(shared), 2);
	worker_leave(shared, two);
	CHECK_EQUAL_UINT(count_live(shared), 1);
	CHECK_EQUAL_UINT(worker_count_live(shared, CONSUMER + 1, UINT64_MAX, LIMIT_MS), 1);
	worker_leave(shared, one);
	worker_leave(shared, slot);
	CHECK_EQUAL_UINT(count_live(shared), 0);
	shared_page_close(shared);
}

static void test_private_page(void)
{
	struct shared_page *shared;

	MUST(shared_page_open_private(&shared, path, &failure), failure);
	worker_leave(shared, join(shared, 1));
	join(shared, 2);
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), 1);
	shared_page_close(shared);
}

/* Returns the slot with this owner word. Slots of workers that died in a handler are spared. */
static struct worker_slot *slot_with(struct shared_page *shared, uint64_t owner)
{
	uint32_t i = 0;

	while (atomic_load(&shared->page->workers[i].owner) != owner)
		CHECK(++i < WORKER_SLOTS);
	return &shared->page->workers[i];
}

/* --- several processes --- */

struct joining {
	uint32_t first, count;
	bool in_handler;
};

static void join_workers(struct child *parent, void *context)
{
	const struct joining *joining = context;
	struct shared_page *shared = open_page();

	for (uint32_t i = 0; i < joining->count; i++) {
		uint64_t slot = join(shared, joining->first + i);

		if (joining->in_handler)
			enter_handler(shared, slot);
	}
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

static struct child start_workers(const struct joining *joining)
{
	struct child child = child_start(join_workers, (void *)(uintptr_t)joining);

	CHECK(child_hear(&child));
	return child;
}

static void test_killed_process(void)
{
	const struct joining joining = { 1, 3, true };
	struct shared_page *shared = open_page();
	struct child child = start_workers(&joining);
	struct worker_facts facts[3];

	CHECK_EQUAL_INT(state(shared, 3), WORKER_LIVE);
	CHECK_EQUAL_UINT(worker_list(shared, CONSUMER, facts, 3), 3);
	CHECK_EQUAL_INT(facts[2].pid, child.pid);
	child_kill(&child);
	CHECK_EQUAL_INT(state(shared, 3), WORKER_GONE);
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), 0);
	CHECK_EQUAL_UINT(count_live(shared), 0);
	CHECK_EQUAL_UINT(slots_in_use(shared), 3);
	shared_page_close(shared);
}

static void test_closing_releases_slots(void)
{
	const struct joining joining = { 1, 3, false };
	struct shared_page *shared = open_page();
	struct child child = start_workers(&joining);

	join(shared, 9);
	CHECK_EQUAL_UINT(slots_in_use(shared), 4);
	child_tell(&child);
	child_end(&child);
	CHECK_EQUAL_UINT(slots_in_use(shared), 1);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	CHECK_EQUAL_INT(state(shared, 9), WORKER_LIVE);
	shared_page_close(shared);
}

static void test_full_table(void)
{
	const struct joining joining = { 1, WORKERS_MAX - 1, false };
	struct shared_page *shared = open_page();
	struct child child = start_workers(&joining);
	struct worker_id id = id_of(1000);
	uint64_t slot, mine = join(shared, 999);

	CHECK_EQUAL_INT(worker_join(shared, &id, CONSUMER, &slot, &failure), ERR_LIMIT);
	CHECK(strstr(failure.message, "256 running workers"));
	CHECK_EQUAL_UINT(slot, 0);
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), WORKERS_MAX);
	worker_leave(shared, mine);
	CHECK_EQUAL_INT(worker_join(shared, &id, CONSUMER, &slot, &failure), 0);
	child_kill(&child);
	CHECK_EQUAL_UINT(slots_in_use(shared), WORKERS_MAX);
	join(shared, 1001);                        /* releases the slots of the dead */
	CHECK_EQUAL_UINT(slots_in_use(shared), 2);
	CHECK_EQUAL_INT(state(shared, 1000), WORKER_LIVE);
	CHECK_EQUAL_INT(state(shared, 1001), WORKER_LIVE);
	shared_page_close(shared);
}

static void await(const struct child *child, int signal, int options)
{
	int status;

	CHECK(kill(child->pid, signal) == 0);
	CHECK(waitpid(child->pid, &status, options) == child->pid);
	CHECK(WIFSTOPPED(status) || WIFCONTINUED(status));
}

static void test_stopped_process(void)
{
	const struct joining handling = { 1, 1, true }, waiting = { 2, 1, false };
	struct shared_page *shared = open_page();
	struct child one = start_workers(&handling), two = start_workers(&waiting);

	test_now_us = clock_monotonic_us();
	shared->limits.now_us = test_clock;
	await(&one, SIGSTOP, WUNTRACED);
	await(&two, SIGSTOP, WUNTRACED);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);    /* it has beaten */
	CHECK_EQUAL_INT(state(shared, 2), WORKER_LIVE);
	advance(LEASE_MS);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_STOPPED);
	CHECK_EQUAL_INT(state(shared, 2), WORKER_STOPPED);
	shared->proc = check_directory();                  /* no /proc */
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	CHECK_EQUAL_INT(state(shared, 2), WORKER_STOPPED);
	advance(LIMIT_MS);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_OVERRUN);
	shared->proc = "/proc";
	CHECK_EQUAL_INT(state(shared, 1), WORKER_STOPPED);
	await(&one, SIGCONT, WCONTINUED);
	await(&two, SIGCONT, WCONTINUED);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_OVERRUN);
	CHECK_EQUAL_INT(state(shared, 2), WORKER_STOPPED);
	child_kill(&one);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	child_end(&two);
	shared_page_close(shared);
}

static void write_stat(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t len = (ssize_t)strlen(text);

	CHECK(fd >= 0 && write(fd, text, (size_t)len) == len);
	close(fd);
}

/* The name of a program may contain parentheses. */
static void test_state_in_proc(void)
{
	static const struct { const char *text; enum worker_state state; } cases[] = {
		{ "1 (x) S 1", WORKER_LIVE }, { "1 (x) T 1", WORKER_STOPPED },
		{ "1 (x) t 1", WORKER_LIVE }, { "1 (x) T (y) S 1", WORKER_LIVE },
		{ "1 (x) S (y) T 1", WORKER_STOPPED }, { "1 x T 1", WORKER_LIVE },
		{ "", WORKER_LIVE }, { ")", WORKER_LIVE }, { "1 (x)T", WORKER_LIVE },
	};
	struct shared_page *shared = open_with_test_clock();
	char proc[4200], self[4300], folder[4300], file[4400], target[24];

	enter_handler(shared, join(shared, 1));
	advance(LEASE_MS);
	snprintf(proc, sizeof proc, "%s/p", check_directory());
	snprintf(self, sizeof self, "%s/self", proc);
	snprintf(target, sizeof target, "%d", getpid());
	snprintf(folder, sizeof folder, "%s/%s", proc, target);
	snprintf(file, sizeof file, "%s/stat", folder);
	CHECK(mkdir(proc, 0700) == 0 && mkdir(folder, 0700) == 0);
	shared->proc = proc;
	write_stat(file, "1 (x) T 1");
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	CHECK(symlink("1234567", self) == 0);      /* /proc of another PID namespace */
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	CHECK(remove(self) == 0 && symlink(target, self) == 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_stat(file, cases[i].text);
		CHECK_EQUAL_INT(state(shared, 1), cases[i].state);
	}
	remove(file);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_LIVE);
	shared_page_close(shared);
}

/* The parent writes the child's pid into a slot, as if a process with that pid had died. Then the
 * child opens the database. */
static void open_with_the_pid_of_a_dead_worker(struct child *parent, void *context)
{
	struct shared_page *shared;

	(void)context;
	CHECK(child_hear(parent));
	shared = open_page();
	join(shared, 2);
	child_tell(parent);
	CHECK(child_hear(parent));
	shared_page_close(shared);
}

static void test_reused_pid(void)
{
	struct child child = child_start(open_with_the_pid_of_a_dead_worker, NULL);
	struct shared_page *shared = open_page();
	uint64_t slot = join(shared, 1);
	struct worker_slot *one = slot_with(shared, slot);

	enter_handler(shared, slot);
	slot ^= (uint64_t)getpid() ^ (uint64_t)child.pid;
	atomic_store(&one->owner, slot);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	child_tell(&child);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	CHECK_EQUAL_INT(state(shared, 2), WORKER_LIVE);
	CHECK_EQUAL_UINT(slots_in_use(shared), 1);
	CHECK_EQUAL_UINT(died_with(shared, 1), 10);
	child_tell(&child);
	child_end(&child);
	shared_page_close(shared);
}

static void act_after_fork(struct child *parent, void *context)
{
	struct shared_page *shared = context;
	uint64_t slot = atomic_load(&shared->page->workers[0].owner), other;
	struct worker_id id = id_of(2);

	(void)parent;
	shared_page_forget(shared);
	enter_handler(shared, slot);
	worker_leave_handler(shared, slot);
	worker_beat(shared, slot);
	worker_leave(shared, slot);
	CHECK_EQUAL_INT(worker_join(shared, &id, CONSUMER, &other, &failure), ERR_FORKED);
	CHECK_EQUAL_UINT(other, 0);
	CHECK_EQUAL_UINT(slots_in_use(shared), 1);
	shared_page_close(shared);
}

static void test_forked_child_changes_nothing(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t slot = join(shared, 1);
	struct worker_slot before;
	struct child child;

	memcpy(&before, &shared->page->workers[0], sizeof before);
	advance(1000);
	child = child_start(act_after_fork, shared);
	child_end(&child);
	CHECK_BYTES(&shared->page->workers[0], sizeof before, &before, sizeof before);
	CHECK_EQUAL_UINT(slots_in_use(shared), 1);
	worker_leave(shared, slot);
	CHECK_EQUAL_UINT(slots_in_use(shared), 0);
	shared_page_close(shared);
}

/* --- deaths in a handler --- */

static void die_in_handler(struct child *parent, void *context)
{
	struct shared_page *shared = open_page();
	const uint32_t *number = context;

	enter_handler(shared, join(shared, *number));
	child_tell(parent);
	child_hear(parent);
}

/* Joins as this worker in a process that is killed in its handler. */
static void kill_in_handler(uint32_t number)
{
	struct child child = child_start(die_in_handler, &number);

	CHECK(child_hear(&child));
	child_kill(&child);
}

static void test_death_in_a_handler(void)
{
	struct shared_page *shared = open_page();
	uint64_t slot;

	kill_in_handler(1);
	CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
	CHECK_EQUAL_UINT(died_with(shared, 1), 10);
	CHECK_EQUAL_UINT(died_with(shared, 2), 0);
	slot = join(shared, 2);
	CHECK_EQUAL_UINT(died_with(shared, 1), 10);        /* its slot is spared */
	enter_handler(shared, slot);
	CHECK_EQUAL_UINT(died_with(shared, 2), 0);         /* it is alive */
	worker_leave_handler(shared, slot);
	worker_leave(shared, slot);
	CHECK_EQUAL_UINT(died_with(shared, 2), 0);
	shared_page_close(shared);
	/* Nobody had the database open. */
	shared = open_page();
	CHECK_EQUAL_UINT(died_with(shared, 1), 10);
	enter_handler(shared, join(shared, 3));
	shared_page_close(shared);
	shared = open_page();
	CHECK_EQUAL_UINT(died_with(shared, 3), 0);         /* it has closed the database */
	worker_slots_reset(shared->page, false);
	CHECK_EQUAL_UINT(died_with(shared, 1), 0);
	shared_page_close(shared);
}

static void test_overrun_is_a_death(void)
{
	struct shared_page *shared = open_with_test_clock();
	uint64_t slot = join(shared, 4);

	enter_handler(shared, slot);
	advance(LIMIT_MS - 1);
	worker_beat(shared, slot);                         /* not in a handler */
	CHECK_EQUAL_UINT(died_with(shared, 4), 0);
	advance(1);
	CHECK_EQUAL_INT(state(shared, 4), WORKER_OVERRUN);
	CHECK_EQUAL_UINT(died_with(shared, 4), 10);
	worker_leave(shared, slot);
	CHECK_EQUAL_UINT(died_with(shared, 4), 0);
	shared_page_close(shared);
}

/* All processes are killed together, as at the end of a container. */
static void test_deaths_outlive_all_processes(void)
{
	const struct joining handling = { 1, 2, true }, waiting = { 3, 2, false };
	struct child one = start_workers(&handling), two = start_workers(&waiting);
	struct shared_page *shared;

	child_kill(&one);
	child_kill(&two);
	for (int i = 0; i < 2; i++) {
		shared = open_page();
		CHECK(died_with(shared, 1) && died_with(shared, 2));
		CHECK(!died_with(shared, 3) && !died_with(shared, 4));
		CHECK_EQUAL_INT(state(shared, 1), WORKER_GONE);
		CHECK_EQUAL_UINT(slots_in_use(shared), 0);
		shared_page_close(shared);
	}
}

/* Slots of workers that died in their handlers are used last. */
static void test_slots_of_deaths_are_spared(void)
{
	const struct joining joining = { 1, 100, true };
	struct child child = start_workers(&joining);
	struct shared_page *shared = open_page();
	uint32_t number = 1000;

	child_kill(&child);
	for (uint32_t i = 0; i < WORKERS_MAX - 100; i++)
		join(shared, number++);
	for (uint32_t i = 1; i <= 100; i++)
		CHECK(died_with(shared, i));
	for (uint32_t i = 1; i <= 100; i++) {
		join(shared, number++);
		CHECK(!died_with(shared, i));
	}
	CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), WORKERS_MAX);
	shared_page_close(shared);
}

/* Somebody waits for a sequence number: the workers of the consumer get the greatest one. */
static void test_ask(void)
{
	struct shared_page *shared = open_with_test_clock();
	struct worker_id other = id_of(3);
	uint64_t one, two, three;

	CHECK(!worker_ask(shared, CONSUMER, 5));
	one = join(shared, 1);
	two = join(shared, 2);
	MUST(worker_join(shared, &other, CONSUMER + 1, &three, &failure), failure);
	CHECK_EQUAL_UINT(worker_asked(shared, one), 0);
	CHECK(worker_ask(shared, CONSUMER, 5));
	CHECK(!worker_ask(shared, CONSUMER, 5) && !worker_ask(shared, CONSUMER, 4));
	CHECK_EQUAL_UINT(worker_asked(shared, one), 5);
	CHECK_EQUAL_UINT(worker_asked(shared, two), 5);
	CHECK_EQUAL_UINT(worker_asked(shared, three), 0);
	worker_leave(shared, one);
	CHECK_EQUAL_UINT(worker_asked(shared, one), 0);
	one = join(shared, 4);                 /* the same slot, used again */
	CHECK_EQUAL_UINT(worker_asked(shared, one), 0);
	CHECK(worker_ask(shared, CONSUMER, 5));
	CHECK_EQUAL_UINT(worker_asked(shared, one), 5);
	CHECK(worker_ask(shared, CONSUMER, 6));
	CHECK_EQUAL_UINT(worker_asked(shared, two), 6);
	CHECK_EQUAL_UINT(worker_asked(shared, 0), 0);
	shared_page_close(shared);
}

int main(void)
{
	use_test_directory();
	test_join_and_leave();
	test_worker_without_beats();
	test_long_handler();
	test_death_in_a_handler();
	test_overrun_is_a_death();
	test_different_clocks();
	test_noted_stop();
	test_list();
	test_ask();
	test_live_workers();
	test_private_page();
	test_killed_process();
	test_closing_releases_slots();
	test_full_table();
	test_stopped_process();
	test_state_in_proc();
	test_reused_pid();
	test_forked_child_changes_nothing();
	remove(path);                  /* contains the deaths of the tests above */
	test_deaths_outlive_all_processes();
	remove(path);
	test_slots_of_deaths_are_spared();
	return 0;
}
