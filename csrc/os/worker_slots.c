/* worker_slots.c - table of the running workers of consumers, in the shared page.
 *
 * A slot is published by its owner word, as in a sequence lock: the word contains how often the
 * slot was taken, so two workers of a slot never have the same word.
 *
 *     worker                              reader
 *     owner: free -> taken (CAS)          word = owner
 *     write the fields                    read the fields
 *     owner = taken and complete          if owner != word: the worker has left
 *
 * If the owner word has changed, the slot is skipped and not read again, because its worker left
 * and another one joined during the call. So no function loops forever, whatever the page contains.
 *
 * A released slot keeps its fields and its count. So the batch of a worker that died in its handler
 * can be read until the slot is used again.
 */
#include "os/worker_slots.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/shared_page.h"
#include "os/shared_page_layout.h"

/* Fields of an owner word: pid, fields complete, index of the slot, number of times taken. A
 * released slot has no pid. */
#define OWNER_PID UINT64_C(0x3fffff)
#define OWNER_COMPLETE (UINT64_C(1) << 22)
#define OWNER_INDEX_SHIFT 23
#define OWNER_TAKEN_SHIFT 31

/* Bit of slot->number: a stop of the worker was noted. */
#define STOP_NOTED (UINT32_C(1) << 31)

static_assert(WORKERS_MAX == 1 << (OWNER_TAKEN_SHIFT - OWNER_INDEX_SHIFT), "every index is valid");
static_assert(WORKERS_MAX == WORKER_SLOTS, "the table has a slot for each worker");
static_assert(sizeof(struct worker_slot) == CACHE_LINE, "a beat changes no other worker's line");

/* slot->batch_records: number of records in the handler, and above it the negated error for which
 * the worker waits. Only one of them is not 0. */
#define RECORDS_MAX UINT32_C(0xffffff)
#define WAIT_SHIFT 24

/* Copy of a slot. */
struct reading {
	uint64_t owner;
	struct worker_id id;
	uint64_t consumer;
	uint64_t beat_us;
	struct worker_batch batch;
	int waits_for;               /* error; 0 if none */
	bool has_stop;               /* a stop of the worker was noted */
};

/* --- owner words --- */

static int64_t pid_of(uint64_t owner)
{
	return (int64_t)(owner & OWNER_PID);
}

static uint64_t released(uint64_t owner)
{
	return owner & ~(OWNER_PID | OWNER_COMPLETE);
}

static bool is_complete(uint64_t owner)
{
	return pid_of(owner) && owner & OWNER_COMPLETE;
}

/* Returns the slot if the worker with this owner word still has it, otherwise NULL. */
static struct worker_slot *slot_of(const struct shared_page *shared, uint64_t owner)
{
	struct worker_slot *slot = &shared->page->workers[
		(owner >> OWNER_INDEX_SHIFT) % WORKER_SLOTS];

	if (shared->foreign || !is_complete(owner) || atomic_load(&slot->owner) != owner)
		return NULL;
	return slot;
}

static void release(struct worker_slot *slot, uint64_t owner)
{
	atomic_compare_exchange_strong(&slot->owner, &owner, released(owner));
}

/* --- joining and leaving --- */

/* A process can't test its own GUARD, because its locks do not conflict. A slot with this process's
 * pid belongs to this process, because opening has released the slots of an earlier process with
 * that pid. */
static bool is_alive(const struct shared_page *shared, int64_t pid)
{
	return pid == shared->pid || shared_page_has_open(shared, pid);
}

static void release_dead(struct shared_page *shared)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct worker_slot *slot = &shared->page->workers[i];
		uint64_t owner = atomic_load(&slot->owner);

		if (pid_of(owner) && !is_alive(shared, pid_of(owner)))
			release(slot, owner);
	}
}

/* Returns true if the worker of a released slot died in its handler. */
static bool has_death(const struct worker_slot *slot)
{
	return atomic_load(&slot->batch_last) != 0;
}

/* Takes a free slot. Returns its owner word, 0 if none is free. If spare_deaths is true, takes no
 * slot whose worker died in its handler. */
static uint64_t take(struct shared_page *shared, bool spare_deaths)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct worker_slot *slot = &shared->page->workers[i];
		uint64_t old = atomic_load(&slot->owner);
		uint64_t mine = ((old >> OWNER_TAKEN_SHIFT) + 1) << OWNER_TAKEN_SHIFT |
			(uint64_t)i << OWNER_INDEX_SHIFT | (uint64_t)shared->pid;

		if (pid_of(old) || (spare_deaths && has_death(slot)))
			continue;
		if (atomic_compare_exchange_strong(&slot->owner, &old, mine))
			return mine;
	}
	return 0;
}

static uint64_t publish(struct shared_page *shared, uint64_t owner, const struct worker_id *id,
	uint64_t consumer)
{
	struct worker_slot *slot = &shared->page->workers[
		(owner >> OWNER_INDEX_SHIFT) % WORKER_SLOTS];
	uint64_t opening[2];

	static_assert(sizeof opening == sizeof id->opening, "an opening is two words");
	memcpy(opening, id->opening, sizeof opening);
	atomic_store(&slot->opening[0], opening[0]);
	atomic_store(&slot->opening[1], opening[1]);
	atomic_store(&slot->number, id->number);
	atomic_store(&slot->consumer, consumer);
	atomic_store(&slot->beat_us, shared->limits.now_us());
	atomic_store(&slot->batch_last, 0);
	atomic_store(&slot->batch_records, 0);
	atomic_store(&slot->asked, 0);
	atomic_store(&slot->owner, owner | OWNER_COMPLETE);
	return owner | OWNER_COMPLETE;
}

int worker_join(struct shared_page *shared, const struct worker_id *id, uint64_t consumer,
	uint64_t *slot, struct failure *failure)
{
	uint64_t owner;

	assert(!(id->number & STOP_NOTED));
	*slot = 0;
	if (shared->foreign)
		return fail(failure, ERR_FORKED);
	owner = take(shared, true);
	if (!owner) {
		release_dead(shared);
		owner = take(shared, true);
	}
	if (!owner)
		owner = take(shared, false);
	if (!owner)
		return fail_as(failure, ERR_LIMIT,
			"the database has %d running workers, the maximum", WORKER_SLOTS);
	*slot = publish(shared, owner, id, consumer);
	return 0;
}

void worker_leave(struct shared_page *shared, uint64_t owner)
{
	struct worker_slot *slot = slot_of(shared, owner);

	if (!slot)
		return;
	atomic_store(&slot->batch_last, 0);
	release(slot, owner);
}

void worker_slots_release(struct shared_page *shared, bool is_closing)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct worker_slot *slot = &shared->page->workers[i];
		uint64_t owner = atomic_load(&slot->owner);

		if (pid_of(owner) != shared->pid)
			continue;
		if (is_closing)
			atomic_store(&slot->batch_last, 0);
		release(slot, owner);
	}
}

void worker_slots_reset(struct shared_page_layout *page, bool keep_deaths)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct worker_slot *slot = &page->workers[i];
		uint64_t owner = atomic_load(&slot->owner);

		if (keep_deaths && has_death(slot))
			atomic_store(&slot->owner, released(owner));
		else
			memset(slot, 0, sizeof *slot);
	}
}

/* --- the worker's own words --- */

void worker_beat(struct shared_page *shared, uint64_t owner)
{
	struct worker_slot *slot = slot_of(shared, owner);

	if (slot && !atomic_load(&slot->batch_last))
		atomic_store(&slot->beat_us, shared->limits.now_us());
}

void worker_enter_handler(struct shared_page *shared, uint64_t owner,
	const struct worker_batch *batch)
{
	struct worker_slot *slot = slot_of(shared, owner);

	assert(batch->records && batch->last);
	if (!slot)
		return;
	atomic_store(&slot->beat_us, shared->limits.now_us());
	atomic_store(&slot->batch_records,
		batch->records < RECORDS_MAX ? batch->records : RECORDS_MAX);
	atomic_store(&slot->batch_last, batch->last);
}

/* Beats first: a reader that finds no handler then finds this beat (read_slot). */
void worker_leave_handler(struct shared_page *shared, uint64_t owner)
{
	struct worker_slot *slot = slot_of(shared, owner);

	if (!slot)
		return;
	atomic_store(&slot->beat_us, shared->limits.now_us());
	atomic_store(&slot->batch_last, 0);
}

void worker_wait_out(struct shared_page *shared, uint64_t owner, int err)
{
	struct worker_slot *slot = slot_of(shared, owner);

	assert(err <= 0 && err > -128);
	if (slot && !atomic_load(&slot->batch_last))
		atomic_store(&slot->batch_records, (uint32_t)-err << WAIT_SHIFT);
}

uint64_t worker_asked(const struct shared_page *shared, uint64_t owner)
{
	const struct worker_slot *slot = slot_of(shared, owner);

	return slot ? atomic_load(&slot->asked) : 0;
}

/* --- reading --- */

/* Copies a slot, also a released one. Returns false if its owner has changed. */
static bool read_slot(struct reading *reading, const struct worker_slot *slot)
{
	uint64_t opening[2];
	uint32_t number, records;

	reading->owner = atomic_load(&slot->owner);
	opening[0] = atomic_load(&slot->opening[0]);
	opening[1] = atomic_load(&slot->opening[1]);
	memcpy(reading->id.opening, opening, sizeof opening);
	number = atomic_load(&slot->number);
	reading->id.number = number & ~STOP_NOTED;
	reading->has_stop = (number & STOP_NOTED) != 0;
	reading->consumer = atomic_load(&slot->consumer);
	reading->batch.last = atomic_load(&slot->batch_last);
	records = atomic_load(&slot->batch_records);
	reading->batch.records = records & RECORDS_MAX;
	reading->waits_for = -(int)(records >> WAIT_SHIFT);
	reading->beat_us = atomic_load(&slot->beat_us);
	return atomic_load(&slot->owner) == reading->owner;
}

/* Copies a slot that is in use. Returns false if it is not. */
static bool read_worker(struct reading *reading, const struct worker_slot *slot)
{
	return is_complete(atomic_load(&slot->owner)) && read_slot(reading, slot) &&
		is_complete(reading->owner);
}

static bool is_worker(const struct reading *reading, const struct worker_id *id,
	uint64_t consumer)
{
	return reading->consumer == consumer && reading->id.number == id->number &&
		memcmp(reading->id.opening, id->opening, sizeof id->opening) == 0;
}

/* Returns the age of a time, in milliseconds. If the time is in the future, as that of a process in
 * another time namespace can be, returns the distance. So every time eventually gets old. */
static uint64_t age_ms(const struct shared_page *shared, uint64_t time_us)
{
	uint64_t now = shared->limits.now_us();

	return (now > time_us ? now - time_us : time_us - now) / 1000;
}

void worker_leave_opening(struct shared_page *shared, const uint8_t opening[WORKER_OPENING_BYTES])
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct reading reading;

		if (read_worker(&reading, &shared->page->workers[i]) &&
				memcmp(reading.id.opening, opening, WORKER_OPENING_BYTES) == 0)
			worker_leave(shared, reading.owner);
	}
}

/* If the slot is reused concurrently, one death of its next worker is not counted. */
void worker_note_stop(struct shared_page *shared, int64_t pid)
{
	for (uint32_t i = 0; i < WORKER_SLOTS && !shared->foreign; i++) {
		struct worker_slot *slot = &shared->page->workers[i];
		uint64_t owner = atomic_load(&slot->owner);

		if (is_complete(owner) && pid_of(owner) == pid)
			atomic_fetch_or(&slot->number, STOP_NOTED);
	}
}

/* --- waiting for a worker --- */

/* Raises slot->asked. Returns false if it was at least that great. */
static bool raise_asked(struct worker_slot *slot, uint64_t sequence)
{
	uint64_t asked = atomic_load(&slot->asked);

	while (asked < sequence)
		if (atomic_compare_exchange_weak(&slot->asked, &asked, sequence))
			return true;
	return false;
}

/* If another worker takes the slot during the call, it may store a position earlier than necessary,
 * which is harmless. */
bool worker_ask(struct shared_page *shared, uint64_t consumer, uint64_t sequence)
{
	bool is_news = false;

	for (uint32_t i = 0; i < WORKER_SLOTS && !shared->foreign; i++) {
		struct worker_slot *slot = &shared->page->workers[i];
		struct reading reading;

		if (read_worker(&reading, slot) && reading.consumer == consumer)
			is_news |= raise_asked(slot, sequence);
	}
	return is_news;
}

/* --- stopped processes --- */

/* Returns true if the processes in /proc have the pids of this process's namespace. */
static bool is_own_proc(const struct shared_page *shared)
{
	char path[64], pid[24] = "";

	snprintf(path, sizeof path, "%s/self", shared->proc);
	return readlink(path, pid, sizeof pid - 1) > 0 && strtoll(pid, NULL, 10) == getpid();
}

/* Returns true if a signal has stopped the process. State t, of a process at a breakpoint, does
 * not count, because every process under strace has it for moments. The state follows the name of
 * the process, which is in parentheses and can contain parentheses. */
static bool is_stopped(const struct shared_page *shared, int64_t pid)
{
	char path[64], text[256];
	const char *end;
	ssize_t len;
	int fd;

	if (!is_own_proc(shared))
		return false;
	snprintf(path, sizeof path, "%s/%lld/stat", shared->proc, (long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, text, sizeof text - 1);
	close(fd);
	if (len <= 0)
		return false;
	text[len] = '\0';
	end = strrchr(text, ')');
	return end && strncmp(end, ") T", 3) == 0;
}

/* --- states --- */

static enum worker_state state_of(const struct shared_page *shared, const struct reading *reading,
	uint64_t lease_ms, uint64_t handler_limit_ms)
{
	bool has_beaten = age_ms(shared, reading->beat_us) < lease_ms;

	if (!is_alive(shared, pid_of(reading->owner)))
		return WORKER_GONE;
	if (!reading->batch.last)
		return has_beaten ? WORKER_LIVE : WORKER_STOPPED;
	if (!has_beaten && is_stopped(shared, pid_of(reading->owner)))
		return WORKER_STOPPED;
	return age_ms(shared, reading->beat_us) < handler_limit_ms ? WORKER_LIVE
		: WORKER_OVERRUN;
}

enum worker_state worker_state(const struct shared_page *shared, const struct worker_id *id,
	uint64_t consumer, uint64_t lease_ms, uint64_t handler_limit_ms)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct reading reading;

		if (read_worker(&reading, &shared->page->workers[i]) &&
				is_worker(&reading, id, consumer))
			return state_of(shared, &reading, lease_ms, handler_limit_ms);
	}
	return WORKER_GONE;
}

uint32_t worker_list(const struct shared_page *shared, uint64_t consumer,
	struct worker_facts *facts, uint32_t max)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct reading reading;

		if (!read_worker(&reading, &shared->page->workers[i]) ||
				reading.consumer != consumer ||
				!is_alive(shared, pid_of(reading.owner)))
			continue;
		if (count < max)
			facts[count] = (struct worker_facts){
				.id = reading.id,
				.slot = reading.owner,
				.pid = pid_of(reading.owner),
				.beat_age_ms = age_ms(shared, reading.beat_us),
				.handler_age_ms = reading.batch.last
					? age_ms(shared, reading.beat_us) : 0,
				.in_handler = reading.batch.last != 0,
				.waits_for = reading.batch.last ? 0 : reading.waits_for,
			};
		count++;
	}
	return count;
}

uint32_t worker_count(const struct shared_page *shared, uint64_t consumer)
{
	return worker_list(shared, consumer, NULL, 0);
}

uint32_t worker_count_live(const struct shared_page *shared, uint64_t consumer, uint64_t lease_ms,
	uint64_t handler_limit_ms)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct reading reading;

		count += read_worker(&reading, &shared->page->workers[i]) &&
			reading.consumer == consumer &&
			state_of(shared, &reading, lease_ms, handler_limit_ms) == WORKER_LIVE;
	}
	return count;
}

/* --- deaths --- */

bool worker_died_in_handler(const struct shared_page *shared, const struct worker_id *id,
	uint64_t consumer, uint64_t handler_limit_ms, struct worker_batch *batch)
{
	for (uint32_t i = 0; i < WORKER_SLOTS; i++) {
		struct reading reading;

		if (!read_slot(&reading, &shared->page->workers[i]) ||
				!is_worker(&reading, id, consumer) || !reading.batch.last ||
				!reading.batch.records)
			continue;
		if (reading.has_stop)
			return false;
		*batch = reading.batch;
		return !pid_of(reading.owner) || state_of(shared, &reading, UINT64_MAX,
			handler_limit_ms) != WORKER_LIVE;
	}
	return false;
}
