/* test_readers.c - store_clear_stale: slots of dead processes, also with this process's pid. */
#include <sys/mman.h>

#include "lmdb/internal.h"
#include "unit/stores.h"

static struct failure failure;
static char path[4200], lock_path[4300];

#define LOCK_BYTES (128 + 64 * 1024)

/* Holds a reader until it is killed. */
static void read_for_ever(struct child *parent, void *context)
{
	struct store *store = open_small(path);
	struct txn *txn = open_reader(store);

	(void)context;
	renew(txn);
	child_tell(parent);
	child_hear(parent);
}

struct edit {
	pid_t from, to;
};

/* Changes the pid of a slot, and its thread as after a restart. Runs in a separate process, because
 * closing the lock file releases the process's locks. */
static void edit_slot(struct child *parent, void *context)
{
	const struct edit *edit = context;
	int fd = open(lock_path, O_RDWR);
	uint8_t *table = mmap(NULL, LOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int found = 0;

	(void)parent;
	CHECK(fd >= 0 && table != MAP_FAILED);
	for (size_t at = 128; at < LOCK_BYTES; at += 64) {
		pid_t pid;

		memcpy(&pid, table + at + 8, sizeof pid);
		if (pid != edit->from)
			continue;
		memcpy(table + at + 8, &edit->to, sizeof edit->to);
		table[at + 16 + 2] ^= 0x5a;
		found++;
	}
	CHECK(found > 0);
}

static void leave_a_slot(pid_t pid)
{
	struct child reader = child_start(read_for_ever, NULL);
	struct edit edit = { reader.pid, pid };
	struct child editor;

	CHECK(child_hear(&reader));
	child_kill(&reader);
	if (!pid)
		return;
	editor = child_start(edit_slot, &edit);
	child_end(&editor);
}

static struct store_usage usage_of(struct store *store)
{
	struct store_usage usage;

	MUST(store_usage(store, &usage, &failure), failure);
	return usage;
}

static void clear(struct store *store, uint32_t expected)
{
	uint32_t cleared;

	MUST(store_clear_stale(store, &cleared, &failure), failure);
	CHECK_EQUAL_UINT(cleared, expected);
}

static void a_dead_ones_slots_go(void)
{
	struct store *store = open_small(path);

	leave_a_slot(0);
	CHECK_EQUAL_UINT(usage_of(store).readers, 1);
	clear(store, 1);
	CHECK_EQUAL_UINT(usage_of(store).readers, 0);
	store_close(store);
}

static void those_of_our_former_life_go_and_ours_stay(void)
{
	struct store *store = open_small(path);
	struct txn *held, *idle;

	write_row(store, TREE_ITEMS, "a", "1");
	held = open_reader(store);
	idle = open_reader(store);
	renew(held);
	clear(store, 0);
	for (int i = 1; i < 4; i++) {
		leave_a_slot(getpid());
		CHECK_EQUAL_INT(usage_of(store).oldest_reader_pid, getpid());
		CHECK(usage_of(store).readers > 2);
		clear(store, 1);
		CHECK_EQUAL_UINT(usage_of(store).readers, 2);
		write_row(store, TREE_ITEMS, "a", "2");
		CHECK(has_row(held, TREE_ITEMS, "a", "1"));
		CHECK(store_has(store, TREE_ITEMS, "a", "2"));
	}
	CHECK_EQUAL_UINT(usage_of(store).oldest_reader_lag, 3);
	reader_close(held);
	reader_close(idle);
	CHECK_EQUAL_UINT(usage_of(store).readers, 0);
	store_close(store);
}

/* --- a live process without its lock --- */

static void lose_the_lock(struct child *parent, void *context)
{
	struct store *store = open_small(context);
	struct txn *txn = open_reader(store);

	renew(txn);
	close(open(store_path("dropped.tide-lock"), O_RDWR));
	child_tell(parent);
	child_hear(parent);
	write_row(store, TREE_META, "theirs", "1");
	store_note_time(store, 1000000);
	write_row(store, TREE_META, "theirs", "2");      /* LMDB's lock is acquired again */
	child_tell(parent);
	child_hear(parent);
	reader_close(txn);
	store_close(store);
}

static int64_t oldest_reader(struct store *store)
{
	struct store_usage usage;

	MUST(store_usage(store, &usage, &failure), failure);
	return usage.oldest_reader_pid;
}

/* Closing the lock file in a process releases LMDB's locks. The slots of the process are kept while
 * it is alive, and removed after its death. */
static void a_slot_whose_lock_was_dropped_is_kept(void)
{
	char *dropped = (char *)(uintptr_t)store_path("dropped.tide");
	struct store *store = open_small(dropped);
	struct lock_file *lock = &store->lock;
	struct child child;
	uint32_t cleared;

	write_row(store, TREE_META, "a", "b");
	child = child_start(lose_the_lock, dropped);
	CHECK(child_hear(&child));
	CHECK(!lock_file_has_reader(lock, child.pid));
	MUST(store_clear_stale(store, &cleared, &failure), failure);
	CHECK_EQUAL_UINT(cleared, 0);
	CHECK_EQUAL_INT(oldest_reader(store), child.pid);
	child_tell(&child);
	CHECK(child_hear(&child));
	CHECK(lock_file_has_reader(lock, child.pid));
	child_kill(&child);
	MUST(store_clear_stale(store, &cleared, &failure), failure);
	CHECK(cleared > 0);
	store_close(store);
}

/* --- lost slots --- */

static uint8_t *map_of(struct store *store, const struct txn *txn)
{
	CHECK(txn->slot.at != NULL);
	return store->lock.map + (txn->slot.at - store->lock.map);
}

static void free_slot(uint8_t *at)
{
	memset(at + 8, 0, 4);
}

/* Writes another process's pid, thread and snapshot into the slot. */
static void give_slot(uint8_t *at)
{
	memset(at, 7, 24);
}

static bool is_given(const uint8_t *at)
{
	uint8_t expected[24];

	memset(expected, 7, sizeof expected);
	return memcmp(at, expected, 12) == 0 && memcmp(at + 16, expected, 8) == 0;
}

/* Another program considered this process dead: reads fail, and the slot, which another process
 * uses now, is not changed. */
static void a_lost_slot_is_noticed(void)
{
	struct store *store = open_small(store_path("lost.tide"));
	struct txn *one = open_reader(store), *two = open_reader(store);
	uint8_t *given;

	write_row(store, TREE_META, "a", "1");
	renew(one);
	CHECK_EQUAL_INT(reader_verify(one, &failure), 0);
	CHECK(has_row(one, TREE_META, "a", "1"));
	free_slot(map_of(store, one));
	CHECK_EQUAL_INT(reader_verify(one, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "considered this process dead"));
	reader_reset(one);
	renew(one);                              /* gets another slot */
	CHECK_EQUAL_INT(reader_verify(one, &failure), 0);
	reader_reset(one);

	renew(two);
	given = map_of(store, two);
	give_slot(given);
	CHECK_EQUAL_INT(reader_verify(two, &failure), ERR_STORE);
	reader_reset(two);
	CHECK(is_given(given));
	renew(two);
	CHECK(is_given(given) && map_of(store, two) != given);
	reader_close(two);

	given = map_of(store, one);
	give_slot(given);                        /* while the reader is reset */
	renew(one);
	CHECK_EQUAL_INT(reader_verify(one, &failure), 0);
	CHECK(is_given(given));
	CHECK(has_row(one, TREE_META, "a", "1"));        /* opens a cursor */
	give_slot(map_of(store, one));
	reader_close(one);
	store_close(store);
}

int main(void)
{
	snprintf(path, sizeof path, "%s", store_path("readers.tide"));
	snprintf(lock_path, sizeof lock_path, "%s-lock", path);
	a_dead_ones_slots_go();
	those_of_our_former_life_go_and_ours_stay();
	a_slot_whose_lock_was_dropped_is_kept();
	a_lost_slot_is_noticed();
	return 0;
}
