/* readers.c - stale reader slots, also of an earlier process with this pid.
 *
 * LMDB removes the reader slots of dead processes, but assumes that a slot with the pid of this
 * process belongs to this process. An earlier process with the same pid may have been killed (in a
 * restarted container the pid is always the same). Its slot would prevent reuse of pages as long
 * as this process lives. So the store has a list of the threads that have slots. A slot with this
 * pid and a thread that is not in the list is stale.
 *
 * LMDB has no function to remove such a slot. So the lock file is mapped here as well
 * (lmdb_file/lock_file.h, lmdb_file/layout.h), and a slot is freed by setting its pid to 0. In a
 * lock file with another layout the slot is not found, so nothing is changed.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "lmdb/internal.h"

#define FORMER_MOST 64

/* --- slots of this store --- */

void readers_add(struct store *store, struct slot *slot)
{
	slot->thread = pthread_self();
	slot->at = NULL;
	slot->previous = NULL;
	pthread_mutex_lock(&store->listing);
	slot->next = store->slots;
	if (slot->next)
		slot->next->previous = slot;
	store->slots = slot;
	pthread_mutex_unlock(&store->listing);
}

void readers_remove(struct store *store, struct slot *slot)
{
	pthread_mutex_lock(&store->listing);
	if (slot->next)
		slot->next->previous = slot->previous;
	if (slot->previous)
		slot->previous->next = slot->next;
	else
		store->slots = slot->next;
	pthread_mutex_unlock(&store->listing);
}

static uint32_t pid_of(const uint8_t *slot)
{
	return __atomic_load_n((const uint32_t *)(const void *)(slot + LMDB_SLOT_PID_AT),
		__ATOMIC_ACQUIRE);
}

static uint64_t thread_of(const uint8_t *slot)
{
	uint64_t thread;

	memcpy(&thread, slot + LMDB_SLOT_THREAD_AT, sizeof thread);
	return thread;
}

static bool is_located(const struct store *store, const uint8_t *at)
{
	const struct slot *slot = store->slots;

	while (slot && slot->at != at)
		slot = slot->next;
	return slot != NULL;
}

void readers_locate(struct store *store, struct slot *slot)
{
	const uint8_t *map = store->lock.map;

	slot->at = NULL;
	pthread_mutex_lock(&store->listing);
	for (size_t at = LMDB_SLOTS_AT; map && !slot->at && at + LMDB_SLOT_BYTES <= store->lock.len;
			at += LMDB_SLOT_BYTES)
		if (pid_of(map + at) == (uint32_t)store->pid &&
				thread_of(map + at) == (uint64_t)slot->thread &&
				!is_located(store, map + at))
			slot->at = map + at;
	pthread_mutex_unlock(&store->listing);
}

bool readers_has(const struct store *store, const struct slot *slot)
{
	return !slot->at || (pid_of(slot->at) == (uint32_t)store->pid &&
		thread_of(slot->at) == (uint64_t)slot->thread);
}

bool readers_holds(const struct store *store, const struct slot *slot, uint64_t snapshot)
{
	const void *word = slot->at;

	return readers_has(store, slot) && (!word ||
		__atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE) == snapshot);
}

/* List of the readers of readers_abandon, so that leak checkers find their memory. */
struct abandoned {
	MDB_txn *mdb;
	struct abandoned *next;
};

static pthread_mutex_t leaving = PTHREAD_MUTEX_INITIALIZER;
static struct abandoned *abandoned;

void readers_abandon(MDB_txn *mdb)
{
	struct abandoned *left = memory_alloc(sizeof *left);

	if (!left)
		return;
	left->mdb = mdb;
	pthread_mutex_lock(&leaving);
	left->next = abandoned;
	abandoned = left;
	pthread_mutex_unlock(&leaving);
}

/* --- slots of dead processes --- */

/* Returns true if a live process (one that holds its GUARD) has a reader slot but not LMDB's lock
 * on the byte of its pid, because the lock file was closed in that process. LMDB would consider
 * this process dead. */
static bool has_lost_its_lock(const struct store *store)
{
	const uint8_t *map = store->lock.map;
	uint32_t last = 0;

	for (size_t at = LMDB_SLOTS_AT; map && at + LMDB_SLOT_BYTES <= store->lock.len;
			at += LMDB_SLOT_BYTES) {
		uint32_t pid = pid_of(map + at);

		if (pid && pid != last && pid != (uint32_t)store->pid &&
				!lock_file_has_reader(&store->lock, pid) &&
				shared_page_has_open(store->shared, pid))
			return true;
		last = pid ? pid : last;
	}
	return false;
}

int readers_check(struct store *store, int *cleared)
{
	int rc;

	if (cleared)
		*cleared = 0;
	lock_file_retake(&store->lock);
	if (has_lost_its_lock(store))
		return 0;
	if (slot_lock_take(store->shared))
		return STORE_SLOTS_BUSY;
	rc = mdb_reader_check(store->env, cleared);
	slot_lock_release(store->shared);
	return rc;
}

/* --- slots of an earlier process with this pid --- */

struct former {
	const struct store *store;
	uint64_t threads[FORMER_MOST];
	size_t count;
};

static bool is_ours(const struct store *store, uint64_t thread)
{
	const struct slot *slot = store->slots;

	while (slot && (uint64_t)slot->thread != thread)
		slot = slot->next;
	return slot != NULL;
}

static int take_line(const char *line, void *context)
{
	struct former *former = context;
	long long pid;
	unsigned long long thread;

	if (sscanf(line, "%lld %llx", &pid, &thread) == 2 && pid == former->store->pid &&
			!is_ours(former->store, thread) && former->count < FORMER_MOST)
		former->threads[former->count++] = thread;
	return 0;
}

static bool clear_slot(uint8_t *slot, uint32_t pid, uint64_t thread)
{
	uint32_t found = pid;
	uint64_t by;

	memcpy(&by, slot + LMDB_SLOT_THREAD_AT, sizeof by);
	return by == thread && __atomic_compare_exchange_n(
		(uint32_t *)(void *)(slot + LMDB_SLOT_PID_AT), &found, 0, false,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static bool clear_one(uint8_t *table, size_t len, uint32_t pid, uint64_t thread)
{
	for (size_t at = LMDB_SLOTS_AT; at + LMDB_SLOT_BYTES <= len; at += LMDB_SLOT_BYTES)
		if (clear_slot(table + at, pid, thread))
			return true;
	return false;
}

uint32_t readers_clear_former(struct store *store)
{
	struct former former = { .store = store };
	uint32_t cleared = 0;

	pthread_mutex_lock(&store->listing);
	mdb_reader_list(store->env, take_line, &former);
	for (size_t i = 0; i < former.count; i++)
		cleared += clear_one(store->lock.map, store->lock.len, (uint32_t)store->pid,
			former.threads[i]);
	pthread_mutex_unlock(&store->listing);
	return cleared;
}

/* --- readers of all processes --- */

struct reader_scan {
	uint32_t count;
	uint64_t oldest;
	int64_t oldest_pid;      /* 0 if no reader has a snapshot */
};

/* Parses a line of mdb_reader_list, which contains the pid, the thread, and the snapshot's number
 * or a dash. The first line is a heading. */
static int scan_line(const char *line, void *context)
{
	struct reader_scan *scan = context;
	long long pid;
	unsigned long long thread;
	unsigned long long snapshot;
	int fields = sscanf(line, "%lld %llx %llu", &pid, &thread, &snapshot);

	if (fields >= 2)
		scan->count++;
	if (fields == 3 && (!scan->oldest_pid || snapshot < scan->oldest)) {
		scan->oldest = snapshot;
		scan->oldest_pid = pid;
	}
	return 0;
}

void readers_scan(struct store *store, uint64_t *oldest, int64_t *oldest_pid,
	uint32_t *count)
{
	struct reader_scan scan = { 0 };

	mdb_reader_list(store->env, scan_line, &scan);
	*oldest = scan.oldest;
	*oldest_pid = scan.oldest_pid;
	*count = scan.count;
}
