/* test_compaction.c - compact copies (lmdb/compaction.c): the same rows, full pages, and what other
 * threads do in the meantime. */
#include <pthread.h>
#include <semaphore.h>

#include "calls/calls.h"
#include "lmdb/copy.h"
#include "lmdb/cursor.h"
#include "unit/files.h"
#include "unit/stores.h"

#define PHASE 3
#define MAX_BYTES (UINT64_C(128) << 20)

static struct failure failure;

static struct store *open_big(const char *path)
{
	struct store_options options = small_options(path);

	options.max_bytes = MAX_BYTES;
	return open_with(&options);
}

static struct temporary make(void)
{
	struct temporary temporary;

	MUST(temporary_make(&temporary, store_path("copy.tide"), &failure), failure);
	return temporary;
}

static void take_lock(struct store *store)
{
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
}

static struct store *copy_of(struct store *store)
{
	const char *path = store_path("copy.tide");
	struct temporary temporary = make();
	struct progress progress = { 0 };
	uint64_t pages;

	take_lock(store);
	MUST(copy_store(store, &temporary, true, PHASE, &progress, &failure), failure);
	CHECK_EQUAL_UINT(atomic_load(&progress.done), atomic_load(&progress.total));
	MUST(copy_check_pages(&temporary, &pages, NULL, &failure), failure);
	MUST(temporary_publish(&temporary, path, false, &failure), failure);
	temporary_drop(&temporary);
	return open_big(path);
}

/* --- rows --- */

static bool is_ours(enum tree tree, struct slice key)
{
	return tree != TREE_META || key.data[0] < TREE_META_END;
}

/* Moves to the next row that is not the name of a tree. Returns false at the end. */
static bool next(struct cursor *cursor, enum tree tree, struct slice *key, struct slice *value)
{
	int err = cursor_move(cursor, MOVE_NEXT, key, value);

	CHECK(err == 0 || err == END);
	return !err && is_ours(tree, *key);
}

static uint64_t compare_tree(struct txn *a, struct txn *b, enum tree tree)
{
	struct slice key_a, key_b, value_a, value_b;
	struct cursor *from_a, *from_b;
	uint64_t rows = 0;

	CHECK_EQUAL_INT(cursor_open(&from_a, a, tree), 0);
	CHECK_EQUAL_INT(cursor_open(&from_b, b, tree), 0);
	while (next(from_a, tree, &key_a, &value_a)) {
		CHECK(next(from_b, tree, &key_b, &value_b));
		CHECK_BYTES(key_b.data, key_b.len, key_a.data, key_a.len);
		CHECK_BYTES(value_b.data, value_b.len, value_a.data, value_a.len);
		rows++;
	}
	CHECK(!next(from_b, tree, &key_b, &value_b));
	cursor_close(from_a);
	cursor_close(from_b);
	return rows;
}

static uint64_t compare(struct store *a, struct store *b)
{
	struct txn *reader_a = open_reader(a), *reader_b = open_reader(b);
	uint64_t rows = 0;

	renew(reader_a);
	renew(reader_b);
	for (int tree = 0; tree < TREE_COUNT; tree++)
		rows += compare_tree(reader_a, reader_b, (enum tree)tree);
	reader_close(reader_a);
	reader_close(reader_b);
	return rows;
}

static void append_tree(struct txn *to, struct txn *from, enum tree tree)
{
	struct slice key, value;
	struct cursor *cursor;

	CHECK_EQUAL_INT(cursor_open(&cursor, from, tree), 0);
	while (next(cursor, tree, &key, &value))
		CHECK_EQUAL_INT(tree == TREE_META ? txn_put(to, tree, key, value)
			: append_row(to, tree, key, value), 0);
	cursor_close(cursor);
}

/* Returns the size of a new file to which the rows are added in key order, in one transaction. */
static uint64_t bytes_loaded(struct store *store)
{
	const char *path = store_path("loaded.tide");
	struct store *fresh = open_big(path);
	struct txn *from = open_reader(store), *to = begin_write(fresh);
	uint64_t bytes;

	renew(from);
	for (int tree = 0; tree < TREE_COUNT; tree++)
		append_tree(to, from, (enum tree)tree);
	commit(to);
	reader_close(from);
	bytes = store_file_bytes(fresh);
	store_close(fresh);
	remove_files(path);
	return bytes;
}

static void a_copy_has_the_same_rows(unsigned commits)
{
	const char *path = store_path("random.tide");
	struct store *store = open_big(path), *copy;
	uint64_t bytes;

	fill_at_random(store, commits);
	copy = copy_of(store);
	CHECK(compare(store, copy) > 0 || commits == 0);
	bytes = store_file_bytes(copy);
	CHECK(bytes <= store_file_bytes(store) + (UINT64_C(64) << 10));
	CHECK(bytes <= bytes_loaded(store) * 105 / 100 + (UINT64_C(64) << 10));
	fill_at_random(copy, 1);         /* it can be written to */
	store_close(copy);
	store_close(store);
	remove_files(path);
	remove_files(store_path("copy.tide"));
}

/* A tree in which each insertion precedes a row, so that its pages are split in the middle. */
static void half_full_pages_are_filled(void)
{
	const char *path = store_path("half.tide");
	struct store *store = open_big(path), *copy;
	struct txn *txn = begin_write(store);
	uint8_t value[100] = { 0 };
	char key[16];

	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of_text("z"), slice_of_text("")), 0);
	for (int row = 0; row < 20000; row++) {
		snprintf(key, sizeof key, "%08d", row);
		CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of_text(key),
			slice_of(value, sizeof value)), 0);
	}
	commit(txn);
	copy = copy_of(store);
	CHECK_EQUAL_UINT(compare(store, copy), 20001);
	CHECK(store_file_bytes(copy) < store_file_bytes(store) * 6 / 10);
	CHECK(store_file_bytes(copy) <= bytes_loaded(store) * 105 / 100);
	store_close(copy);
	store_close(store);
	remove_files(path);
	remove_files(store_path("copy.tide"));
}

/* --- during a copy: its thread stops at its first write until the test continues it --- */

struct paused {
	struct store *store;
	struct temporary to;
	struct progress progress;
	int err;
	pthread_t thread;
};

static _Thread_local bool is_copying;
static sem_t stopped, go_on;

static struct fate stop_once(const struct call *call)
{
	if (is_copying && call->kind == CALL_PWRITE) {
		is_copying = false;
		CHECK(sem_post(&stopped) == 0);
		while (sem_wait(&go_on))
			continue;
	}
	return (struct fate){ 0 };
}

static const struct call_hooks hooks = { stop_once, NULL };

static void *run_paused(void *context)
{
	struct paused *paused = context;

	is_copying = true;
	paused->err = copy_store(paused->store, &paused->to, true, PHASE, &paused->progress, NULL);
	CHECK(!is_copying);              /* it has stopped once */
	return NULL;
}

static struct store *open_filled(const char *path)
{
	struct store *store = open_big(path);

	fill_at_random(store, 100);
	return store;
}

static void start_paused(struct paused *paused)
{
	paused->to = make();
	take_lock(paused->store);
	calls_watch(&hooks);
	CHECK(pthread_create(&paused->thread, NULL, run_paused, paused) == 0);
	while (sem_wait(&stopped))
		continue;
}

static void end_paused(struct paused *paused)
{
	CHECK(sem_post(&go_on) == 0);
	CHECK(pthread_join(paused->thread, NULL) == 0);
	calls_watch(NULL);
	temporary_drop(&paused->to);
}

static void writers_go_on(void)
{
	const char *path = store_path("slow.tide");
	struct paused paused = { .store = open_filled(path) };
	uint64_t before, pinned;

	write_row(paused.store, TREE_META, "META", "a");
	before = store_file_bytes(paused.store);
	start_paused(&paused);
	for (int i = 0; i < 1000; i++)
		write_row(paused.store, TREE_META, "META", i & 1 ? "b" : "c");
	pinned = store_file_bytes(paused.store);
	CHECK(pinned > before);          /* the snapshot's pages are not reused */
	end_paused(&paused);
	CHECK_EQUAL_INT(paused.err, 0);
	for (int i = 0; i < 1000; i++)
		write_row(paused.store, TREE_META, "META", i & 1 ? "d" : "e");
	CHECK_EQUAL_UINT(store_file_bytes(paused.store), pinned);    /* now they are */
	store_close(paused.store);
	remove_files(path);
}

/* Removing the slots of dead processes does not remove that of the copy's thread. */
static void its_snapshot_stays(void)
{
	const char *path = store_path("slots.tide");
	struct paused paused = { .store = open_filled(path) };
	uint32_t cleared;

	start_paused(&paused);
	MUST(store_clear_stale(paused.store, &cleared, &failure), failure);
	CHECK_EQUAL_UINT(cleared, 0);
	end_paused(&paused);
	CHECK_EQUAL_INT(paused.err, 0);
	store_close(paused.store);
	remove_files(path);
}

static void it_can_be_cancelled(void)
{
	const char *path = store_path("cancelled.tide");
	struct paused paused = { .store = open_filled(path) };

	start_paused(&paused);
	atomic_store(&paused.progress.stop, true);
	end_paused(&paused);
	CHECK_EQUAL_INT(paused.err, ERR_INTERRUPTED);
	CHECK(atomic_load(&paused.progress.done) < atomic_load(&paused.progress.total));
	take_lock(paused.store);
	write_lock_release(store_shared_page(paused.store));
	fill_at_random(paused.store, 1);
	store_close(paused.store);       /* all readers are closed */
	remove_files(path);
}

int main(void)
{
	CHECK(sem_init(&stopped, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
	a_copy_has_the_same_rows(0);
	for (uint64_t runs = check_runs(10); runs > 0; runs--)
		a_copy_has_the_same_rows((unsigned)check_random_below(40));
	a_copy_has_the_same_rows(1500);  /* several transactions */
	half_full_pages_are_filled();
	writers_go_on();
	its_snapshot_stays();
	it_can_be_cancelled();
	return 0;
}
