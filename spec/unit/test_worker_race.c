/* test_worker_race.c - os/worker_slots.h: slots that change during a call, and damaged slots. */
#include "unit/workers.h"

#define PROCESSES 4
#define STEPS 20000
#define INTERRUPTS 10000
#define FEW 6

/* --- several processes --- */

struct storm {
	_Atomic uint32_t numbers;
};

/* Consumer and opening of every worker are functions of its number. */
static uint64_t consumer_of(uint32_t number)
{
	return number % 3;
}

static void read_all(const struct shared_page *shared)
{
	struct worker_facts facts[WORKERS_MAX];

	for (uint64_t consumer = 0; consumer < 3; consumer++) {
		uint32_t count = worker_list(shared, consumer, facts, WORKERS_MAX);

		for (uint32_t i = 0; i < count; i++) {
			struct worker_id id = id_of(facts[i].id.number);

			CHECK_BYTES(facts[i].id.opening, sizeof id.opening, id.opening,
				sizeof id.opening);
			CHECK_EQUAL_UINT(consumer_of(facts[i].id.number), consumer);
		}
	}
}

static void step(struct shared_page *shared, struct storm *storm, uint64_t slots[FEW],
	uint32_t numbers[FEW])
{
	uint64_t at = check_random_below(FEW);
	struct worker_id id = id_of(numbers[at]);
	uint64_t consumer = consumer_of(numbers[at]);

	if (slots[at]) {
		CHECK_EQUAL_INT(worker_state(shared, &id, consumer, LEASE_MS, LIMIT_MS),
			WORKER_LIVE);
		worker_leave(shared, slots[at]);
		CHECK_EQUAL_INT(worker_state(shared, &id, consumer, LEASE_MS, LIMIT_MS),
			WORKER_GONE);
		slots[at] = 0;
		return;
	}
	numbers[at] = atomic_fetch_add(&storm->numbers, 1) + 1;
	id = id_of(numbers[at]);
	MUST(worker_join(shared, &id, consumer_of(numbers[at]), &slots[at], &failure), failure);
}

/* Runs until it is killed, or for STEPS steps. */
static void join_and_leave(struct child *parent, void *context)
{
	struct shared_page *shared = open_page();
	uint64_t slots[FEW] = { 0 };
	uint32_t numbers[FEW] = { 0 };

	child_tell(parent);
	for (uint64_t i = check_runs(STEPS); i; i--) {
		step(shared, context, slots, numbers);
		pause_randomly();
	}
	shared_page_close(shared);
}

static void change_slots(struct child *parent, void *context)
{
	struct storm *storm = context;
	struct shared_page *shared = open_page();

	child_tell(parent);
	for (uint64_t i = check_runs(STEPS); i; i--) {
		uint32_t number = atomic_fetch_add(&storm->numbers, 1) + 1;
		struct worker_id id = id_of(number);
		uint64_t slot;

		MUST(worker_join(shared, &id, consumer_of(number), &slot, &failure), failure);
		CHECK_EQUAL_INT(worker_state(shared, &id, consumer_of(number), LEASE_MS,
			LIMIT_MS), WORKER_LIVE);
		worker_leave(shared, slot);
	}
	shared_page_close(shared);
}

/* The processes want the same slots all the time. */
static void test_no_two_workers_have_a_slot(void)
{
	struct storm *storm = share_memory(sizeof *storm);
	struct child children[PROCESSES];

	for (int i = 0; i < PROCESSES; i++)
		children[i] = child_start(change_slots, storm);
	for (int i = 0; i < PROCESSES; i++)
		child_end(&children[i]);
	munmap(storm, sizeof *storm);
}

struct one {
	struct worker_id id;
	uint64_t consumer, slot;
};

static void join_next(struct shared_page *shared, struct one *one, uint32_t number)
{
	one->id = id_of(number);
	one->consumer = consumer_of(number);
	CHECK_EQUAL_INT(worker_join(shared, &one->id, one->consumer, &one->slot, NULL), 0);
}

static void expect_live(const struct shared_page *shared, const struct one *one)
{
	CHECK_EQUAL_INT(worker_state(shared, &one->id, one->consumer, LEASE_MS, LIMIT_MS),
		WORKER_LIVE);
}

static struct shared_page *interrupted;
static struct one other;
static volatile uint32_t interrupts;

/* Reads the slots and puts another worker into one, between any two instructions of a function. */
static void interrupt(int signal)
{
	uint64_t slot = other.slot;

	(void)signal;
	read_all(interrupted);
	if (interrupts)
		expect_live(interrupted, &other);
	interrupts++;
	if (interrupts % 8 > 1)                /* most take the slot of the last worker */
		worker_leave(interrupted, slot);
	join_next(interrupted, &other, 2 * interrupts);
	worker_leave(interrupted, slot);       /* it took the first free slot */
}

/* Reads the slots, and joins and leaves, while a signal handler does. */
static void test_interrupted_functions(void)
{
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESTART };
	uint32_t most = (uint32_t)check_runs(INTERRUPTS);
	struct one mine;

	interrupted = open_page();
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(ualarm(50, 50) == 0);
	for (uint32_t number = 1; interrupts < most; number += 2) {
		read_all(interrupted);
		join_next(interrupted, &mine, number);
		expect_live(interrupted, &mine);
		worker_leave(interrupted, mine.slot);
	}
	ualarm(0, 0);
	CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
	expect_live(interrupted, &other);
	shared_page_close(interrupted);
}

static void test_killed_processes_at_random(void)
{
	struct storm *storm = share_memory(sizeof *storm);
	struct child children[PROCESSES];
	struct shared_page *shared = open_page();

	for (int i = 0; i < PROCESSES; i++)
		children[i] = child_start(join_and_leave, storm);
	for (int i = 0; i < PROCESSES; i++)
		CHECK(child_hear(&children[i]));
	for (uint64_t i = check_runs(STEPS) / 20; i; i--) {
		struct child *one = &children[check_random_below(PROCESSES - 1)];

		read_all(shared);
		if (check_random_below(20) || kill(one->pid, SIGKILL))
			continue;
		child_reap(one);               /* it may have ended before */
		*one = child_start(join_and_leave, storm);
		CHECK(child_hear(one));
	}
	for (int i = 0; i < PROCESSES; i++)
		child_end(&children[i]);
	CHECK_EQUAL_UINT(worker_count(shared, 0) + worker_count(shared, 1) +
		worker_count(shared, 2), 0);
	join(shared, 1);
	shared_page_close(shared);
	munmap(storm, sizeof *storm);
}

/* --- damage --- */

/* Like died_with, but the last record of the batch can be any. */
static bool died_at_random(const struct shared_page *shared)
{
	struct worker_id id = id_of(1);
	struct worker_batch batch;

	return worker_died_in_handler(shared, &id, CONSUMER, LIMIT_MS, &batch);
}

static void call_everything(struct shared_page *shared)
{
	struct worker_facts facts[3];
	struct worker_id id = id_of(1);
	uint64_t slot, random = check_random();

	worker_join(shared, &id, CONSUMER, &slot, &failure);
	for (int i = 0; i < 2; i++, slot = random) {
		worker_beat(shared, slot);
		enter_handler(shared, slot);
		state(shared, 1);
		died_at_random(shared);
		worker_leave_handler(shared, slot);
		worker_leave(shared, slot);
	}
	worker_list(shared, 0, facts, 3);
	worker_count(shared, CONSUMER);
}

/* Fills the words with values that are likely to be meant for something. */
static void damage(struct worker_slot *workers)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct worker_slot *slot = &workers[i];
		uint64_t owner = check_random();
		struct worker_id id = id_of(1);

		if (check_random_below(3) == 0) {
			check_random_bytes(slot, sizeof *slot);
			continue;
		}
		if (check_random_below(2))
			owner = (owner & ~UINT64_C(0x3fffff)) | (uint64_t)getpid();
		memcpy((void *)slot->opening, id.opening, sizeof id.opening);
		atomic_store(&slot->owner, owner);
		atomic_store(&slot->number, 1);
		atomic_store(&slot->consumer, check_random_below(2) ? CONSUMER : 0);
		atomic_store(&slot->batch_last, check_random_below(2));
		atomic_store(&slot->batch_records, (uint32_t)check_random_below(2));
	}
}

static void test_any_bytes(void)
{
	for (uint64_t run = check_runs(200); run; run--) {
		struct shared_page *shared = open_page();

		check_random_bytes(shared->page->workers, sizeof shared->page->workers);
		call_everything(shared);
		damage(shared->page->workers);
		call_everything(shared);
		shared_page_close(shared);
		shared = open_page();                  /* reinitializes the page */
		CHECK_EQUAL_UINT(slots_in_use(shared), 0);
		for (uint32_t i = 0; i < WORKERS_MAX; i++)
			join(shared, 2 + i);
		CHECK_EQUAL_UINT(worker_count(shared, CONSUMER), WORKERS_MAX);
		CHECK(!died_at_random(shared));
		shared_page_close(shared);
	}
}

int main(void)
{
	use_test_directory();
	test_any_bytes();
	test_no_two_workers_have_a_slot();
	test_interrupted_functions();
	test_killed_processes_at_random();
	return 0;
}
