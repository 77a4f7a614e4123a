/* test_gate.c - the gate of lmdb/txn.c: mappings that grow or cannot, and waiting transactions. */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lmdb/internal.h"
#include "unit/stores.h"

static struct failure failure;

/* --- wrappers of LMDB's mmap and of mdb_txn_renew --- */

static struct store *growing;   /* store whose mapping is being replaced */
static int maps;                /* number of mappings requested */
static bool maps_fail;

__attribute__((visibility("default")))
void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (growing && fd == growing->fd) {
		maps++;
		CHECK(growing->resizing && growing->active == 0);
		CHECK_EQUAL_INT(pthread_mutex_trylock(&growing->resize), EBUSY);
		if (maps_fail) {
			errno = ENOMEM;
			return MAP_FAILED;
		}
	}
	return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

static int too_small;           /* number of times that a mapping will be too small */

__attribute__((visibility("default")))
int mdb_txn_renew(MDB_txn *mdb)
{
	void *found = dlsym(RTLD_NEXT, "mdb_txn_renew");
	int (*renew_it)(MDB_txn *);

	memcpy(&renew_it, &found, sizeof found);
	return too_small > 0 && too_small-- ? MDB_MAP_RESIZED : renew_it(mdb);
}

/* --- growing mappings --- */

static void add_rows(struct store *store, uint64_t from)
{
	static uint8_t bytes[2000];
	struct txn *txn = begin_write(store);
	uint8_t key[8];

	for (uint64_t i = 0; i < 500; i++) {
		set_u64(key, from + i);
		CHECK_EQUAL_INT(append_row(txn, TREE_ITEMS, slice_of(key, sizeof key),
			slice_of(bytes, sizeof bytes)), 0);
	}
	commit(txn);
}

/* Grows the file by 20 MB after each byte from the parent: more than the reserve. */
static void grow_beyond(struct child *parent, void *context)
{
	struct store_options options = small_options(context);
	struct store *store;
	uint64_t rows = 0;

	options.max_bytes = 8 * SMALL_MAX_BYTES;
	store = open_with(&options);
	child_tell(parent);
	while (child_hear(parent)) {
		for (int i = 0; i < 20; i++, rows += 500)
			add_rows(store, rows);
		write_row(store, TREE_META, "grown", "far");
		child_tell(parent);
	}
	store_close(store);
}

static void grow_far(struct child *child)
{
	for (int i = 0; i < 3; i++) {
		child_tell(child);
		CHECK(child_hear(child));
	}
}

/* A mapping cannot be replaced while a snapshot uses it. */
static void expect_busy(struct store *store, struct txn *pinned, struct txn *reader)
{
	struct txn *txn;

	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_BUSY);
	CHECK(strstr(failure.message, "grow"));
	CHECK(has_row(pinned, TREE_META, "before", "it grew"));
	CHECK(!has_row(pinned, TREE_META, "grown", "far"));
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &failure), ERR_BUSY);
	write_lock_release(store_shared_page(store));
}

static void a_map_grows_when_another_process_makes_it(void)
{
	char *path = (char *)(uintptr_t)store_path("map.tide");
	struct store *store = open_small(path);
	struct txn *pinned = open_reader(store);
	struct txn *reader = open_reader(store);
	struct child child = child_start(grow_beyond, path);
	struct store_usage usage;
	struct txn *txn;

	CHECK(child_hear(&child));
	write_row(store, TREE_META, "before", "it grew");
	renew(pinned);
	grow_far(&child);
	growing = store;
	expect_busy(store, pinned, reader);
	CHECK_EQUAL_INT(maps, 0);
	reader_reset(pinned);
	renew(reader);
	CHECK_EQUAL_INT(maps, 1);
	growing = NULL;
	CHECK(has_row(reader, TREE_META, "grown", "far"));
	reader_reset(reader);
	CHECK_EQUAL_INT(store->active, 0);
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK(usage.file_bytes > SMALL_MAX_BYTES * 3 / 2);
	txn = begin_write(store);
	CHECK_EQUAL_INT(writer_check_space(txn, &failure), ERR_FULL);   /* its own limit */
	CHECK_EQUAL_INT(txn_delete(txn, TREE_META, slice_of_text("before")), 0);
	commit(txn);
	reader_close(pinned);
	reader_close(reader);
	child_end(&child);
	store_close(store);
}

/* LMDB has no mapping after the failure, so using the store would crash. */
static void a_map_that_can_not_grow_fails_its_store(void)
{
	char *path = (char *)(uintptr_t)store_path("nomap.tide");
	struct store *store = open_small(path);
	struct txn *reader = open_reader(store);
	struct child child = child_start(grow_beyond, path);

	CHECK(child_hear(&child));
	grow_far(&child);
	growing = store;
	maps_fail = true;
	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_STORE);
	maps_fail = false;
	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "open it again"));
	growing = NULL;
	reader_close(reader);
	store_close(store);
	store = open_small(path);
	CHECK(store_has(store, TREE_META, "grown", "far"));
	child_end(&child);
	store_close(store);
}

struct resized {
	struct store *store;
	_Atomic bool done;
};

static void *read_while_it_grows(void *context)
{
	struct resized *resized = context;
	struct txn *txn = open_reader(resized->store);
	struct cursor *cursor;
	struct slice key, value;

	while (!resized->done) {
		int err = reader_renew(txn, &failure);

		if (err == ERR_BUSY)
			continue;
		CHECK_EQUAL_INT(err, 0);
		CHECK_EQUAL_INT(txn_cursor(txn, TREE_ITEMS, &cursor), 0);
		for (int i = 0; i < 50; i++)
			if (cursor_move(cursor, i ? MOVE_NEXT : MOVE_LAST, &key, &value) == 0)
				CHECK(value.len == 2000 && value.data[1999] == 0);
		CHECK(store_last_commit(resized->store) >= txn_id(txn));
		reader_reset(txn);
	}
	reader_close(txn);
	return NULL;
}

/* Checks with a new snapshot; retries while the gate is busy. */
static bool store_has_now(struct store *store)
{
	struct txn *txn = open_reader(store);
	int err = reader_renew(txn, &failure);
	bool newest = !err && txn_id(txn) == store_last_commit(store);

	CHECK(err == 0 || err == ERR_BUSY);
	reader_close(txn);
	return newest;
}

/* The mapping can be replaced although threads read continuously. */
static void a_map_grows_under_busy_threads(void)
{
	char *path = (char *)(uintptr_t)store_path("busy.tide");
	struct child child = child_start(grow_beyond, path);

	CHECK(child_hear(&child));
	for (int round = 0; round < 6; round++) {   /* each of these processes grows the file */
		struct resized resized = { open_small(path), false };
		pthread_t threads[3];

		for (int i = 0; i < 3; i++)
			CHECK(pthread_create(&threads[i], NULL, read_while_it_grows,
				&resized) == 0);
		child_tell(&child);
		CHECK(child_hear(&child));
		while (!store_has_now(resized.store))
			;
		resized.done = true;
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		store_close(resized.store);
	}
	child_end(&child);
}

struct latecomer {
	struct txn *reader;
	_Atomic bool began;
};

static void *begin_late(void *context)
{
	struct latecomer *latecomer = context;

	renew(latecomer->reader);
	latecomer->began = true;
	reader_reset(latecomer->reader);
	return NULL;
}

/* Uses store->resizing directly, because the gate is rarely found closed. */
static void no_transaction_begins_during_a_remap(void)
{
	struct store *store = open_small(store_path("gate.tide"));
	struct latecomer latecomer = { open_reader(store), false };
	pthread_t thread;

	pthread_mutex_lock(&store->resize);
	store->resizing = true;
	CHECK(pthread_create(&thread, NULL, begin_late, &latecomer) == 0);
	for (int i = 0; i < 50 && !latecomer.began; i++)
		usleep(1000);
	CHECK(!latecomer.began);
	store->resizing = false;
	pthread_mutex_unlock(&store->resize);
	pthread_join(thread, NULL);
	CHECK(latecomer.began);
	reader_close(latecomer.reader);
	store_close(store);
}
/* Other processes may grow the file between each remapping and the next attempt to begin. */
static void a_map_that_is_always_too_small_is_busy(void)
{
	struct store *store = open_small(store_path("again.tide"));
	struct txn *reader = open_reader(store);

	too_small = 100;
	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_BUSY);
	too_small = 2;
	CHECK_EQUAL_INT(store->active, 0);
	renew(reader);
	CHECK_EQUAL_INT(too_small, 0);
	reader_close(reader);
	store_close(store);
}

int main(void)
{
	a_map_grows_when_another_process_makes_it();
	a_map_that_can_not_grow_fails_its_store();
	a_map_that_is_always_too_small_is_busy();
	a_map_grows_under_busy_threads();
	no_transaction_begins_during_a_remap();
	return 0;
}
