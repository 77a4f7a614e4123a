/* test_slot_lock.c - slot_lock.h: no process waits for LMDB's reader mutex without a timeout. */
#include <sys/mman.h>

#include "os/shared_page_layout.h"
#include "os/slot_lock.h"
#include "os/write_lock.h"
#include "unit/stores.h"

#define ROUNDS 2000

static struct failure failure;

static void one_thread_at_a_time(void)
{
	struct store *store = open_small(store_path("threads.tide"));
	struct shared_page *shared = store_shared_page(store);

	CHECK_EQUAL_INT(slot_lock_take(NULL), 0);
	slot_lock_release(NULL);
	CHECK_EQUAL_INT(slot_lock_owner(shared), 0);
	CHECK_EQUAL_INT(slot_lock_take(shared), 0);
	CHECK_EQUAL_INT(slot_lock_owner(shared), getpid());
	CHECK_EQUAL_INT(slot_lock_take(shared), ERR_BUSY);
	slot_lock_release(shared);
	CHECK_EQUAL_INT(slot_lock_owner(shared), 0);
	store_close(store);
}

/* The lock was left by an earlier process with the same pid. */
static void a_lock_of_an_earlier_process_is_stolen(void)
{
	struct store *store = open_small(store_path("earlier.tide"));
	struct shared_page *shared = store_shared_page(store);

	atomic_store(&shared->page->slot_lock, (uint64_t)getpid());
	CHECK_EQUAL_INT(slot_lock_take(shared), 0);
	slot_lock_release(shared);
	store_close(store);
}

static uint64_t *count;

static void count_under_the_lock(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	(void)parent;
	for (int i = 0; i < ROUNDS; i++) {
		while (slot_lock_take(store_shared_page(store)))
			;
		++*count;
		slot_lock_release(store_shared_page(store));
	}
	store_close(store);
}

static void processes_take_it_in_turn(void)
{
	char *path = (char *)(uintptr_t)store_path("turns.tide");
	struct child children[3];

	count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	CHECK(count != MAP_FAILED);
	for (int i = 0; i < 3; i++)
		children[i] = child_start(count_under_the_lock, path);
	for (int i = 0; i < 3; i++)
		child_end(&children[i]);
	CHECK_EQUAL_UINT(*count, 3 * ROUNDS);
	munmap(count, sizeof *count);
}

static void take_the_slot_lock(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	CHECK_EQUAL_INT(slot_lock_take(store_shared_page(store)), 0);
	child_tell(parent);
	child_hear(parent);
	slot_lock_release(store_shared_page(store));
	child_tell(parent);
	child_hear(parent);
	CHECK_EQUAL_INT(slot_lock_take(store_shared_page(store)), 0);
	child_tell(parent);
	child_hear(parent);
}

static void expect_slots_busy(struct store *store, int64_t pid)
{
	struct txn *txn;
	uint32_t cleared;

	CHECK_EQUAL_INT(reader_open(&txn, store, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, pid);
	CHECK_EQUAL_INT(store_clear_stale(store, &cleared, &failure), ERR_BUSY);
}

static void open_is_refused(struct child *parent, void *context)
{
	struct store_options options = small_options(context);

	(void)parent;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK(failure.transient && failure.pid > 0);
}

/* A process is stopped while it holds LMDB's reader mutex. Others get BUSY; readers and writers
 * that have a slot continue. */
static void a_process_stopped_while_it_takes_a_slot_is_named(void)
{
	char *path = (char *)(uintptr_t)store_path("slots.tide");
	struct store *store = open_small(path);
	struct child child, other;
	struct txn *txn = open_reader(store);

	write_row(store, TREE_META, "a", "b");
	child = child_start(take_the_slot_lock, path);
	CHECK(child_hear(&child));
	expect_slots_busy(store, child.pid);
	other = child_start(open_is_refused, path);
	child_end(&other);
	renew(txn);
	reader_reset(txn);
	write_row(store, TREE_META, "a", "c");

	child_tell(&child);
	CHECK(child_hear(&child));
	reader_close(open_reader(store));
	child_tell(&child);
	CHECK(child_hear(&child));
	expect_slots_busy(store, child.pid);
	child_kill(&child);
	reader_close(open_reader(store));
	reader_close(txn);
	store_close(store);
}

static void die_while_writing(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	(void)begin_write(store);
	child_tell(parent);
	child_hear(parent);
}

/* LMDB's recovery after a dead writer locks the reader mutex, so the slot lock is acquired. */
static void a_writer_after_a_dead_one_takes_the_slot_lock(void)
{
	char *path = (char *)(uintptr_t)store_path("after.tide");
	struct store *store = open_small(path);
	struct child writer = child_start(die_while_writing, path);
	struct child stopped;
	struct txn *txn;

	CHECK(child_hear(&writer));
	child_kill(&writer);
	stopped = child_start(take_the_slot_lock, path);
	CHECK(child_hear(&stopped));
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, stopped.pid);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &failure), ERR_BUSY);
	child_kill(&stopped);
	MUST(writer_begin(&txn, store, &failure), failure);
	writer_abort(&txn);
	write_lock_release(store_shared_page(store));
	write_row(store, TREE_META, "a", "c");
	store_close(store);
}

int main(void)
{
	one_thread_at_a_time();
	a_lock_of_an_earlier_process_is_stolen();
	processes_take_it_in_turn();
	a_process_stopped_while_it_takes_a_slot_is_named();
	a_writer_after_a_dead_one_takes_the_slot_lock();
	return 0;
}
