/* test_copy.c - copy.h: a copy contains exactly one commit while other processes write. */
#include <poll.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "lmdb/copy.h"
#include "unit/files.h"
#include "unit/stores.h"

#define ROWS 2000
#define ROW_BYTES 500
#define PHASE 3
#define PAGE ((uint64_t)getpagesize())

static struct failure failure;

/* --- a store in which every row contains the number of times that all were written --- */

static void set_key(char key[16], int row)
{
	snprintf(key, 16, "row %08d", row);
}

static int put_all(struct txn *txn, uint32_t round)
{
	uint8_t value[ROW_BYTES] = { 0 };
	char key[16];
	int err = 0;

	memcpy(value, &round, sizeof round);
	for (int row = 0; row < ROWS && !err; row++) {
		set_key(key, row);
		err = txn_put(txn, TREE_ITEMS, slice_of_text(key), slice_of(value, sizeof value));
	}
	return err;
}

static void write_all(struct store *store, uint32_t round)
{
	struct txn *txn = begin_write(store);

	CHECK_EQUAL_INT(put_all(txn, round), 0);
	commit(txn);
}

/* Returns the number that all rows contain. */
static uint32_t round_of(struct store *store)
{
	struct txn *txn = open_reader(store);
	uint32_t round = 0, each;
	struct slice value;
	char key[16];

	renew(txn);
	for (int row = 0; row < ROWS; row++) {
		set_key(key, row);
		CHECK_EQUAL_INT(txn_get(txn, TREE_ITEMS, slice_of_text(key), &value), 0);
		CHECK_EQUAL_UINT(value.len, ROW_BYTES);
		memcpy(&each, value.data, sizeof each);
		if (row == 0)
			round = each;
		CHECK_EQUAL_UINT(each, round);
	}
	reader_close(txn);
	return round;
}

static struct store *open_filled(const char *path)
{
	struct store *store = open_small(path);

	write_all(store, 1);
	return store;
}

static struct temporary make(void)
{
	struct temporary temporary;

	MUST(temporary_make(&temporary, store_path("copy.tide"), &failure), failure);
	return temporary;
}

/* Acquires the write lock, as copy_store requires, and copies. */
static int copy_to(struct store *store, const struct temporary *to, bool compact,
	struct progress *progress)
{
	struct lock_waiter waiter = { .shared = store_shared_page(store) };
	int err;

	while (lock_waiter_try(&waiter))
		lock_waiter_sleep(&waiter, 1000);
	failure = (struct failure){ 0 };
	err = copy_store(store, to, compact, PHASE, progress, &failure);
	CHECK_EQUAL_INT(failure.err, err);
	return err;
}

static void lock_is_free(struct store *store)
{
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	write_lock_release(store_shared_page(store));
}

static struct store *publish(struct temporary *temporary)
{
	const char *path = store_path("copy.tide");

	MUST(temporary_publish(temporary, path, false, &failure), failure);
	temporary_drop(temporary);
	return open_small(path);
}

/* --- content of a copy --- */

static void a_copy_holds_all(bool compact)
{
	const char *path = store_path("source.tide");
	struct store *store = open_filled(path), *copy;
	struct temporary temporary = make();
	struct progress progress = { 0 };
	uint64_t pages, source_pages = store_file_bytes(store) / PAGE;

	write_all(store, 2);
	write_all(store, 3);             /* creates free pages */
	MUST(copy_to(store, &temporary, compact, &progress), failure);
	lock_is_free(store);
	CHECK_EQUAL_UINT(atomic_load(&progress.phase), PHASE);
	MUST(copy_check_pages(&temporary, &pages, NULL, &failure), failure);
	CHECK_EQUAL_UINT(atomic_load(&progress.done), compact ? ROWS : pages);
	CHECK_EQUAL_UINT(atomic_load(&progress.total), compact ? ROWS : pages);
	CHECK(compact ? pages < store_file_bytes(store) / PAGE / 2
		: pages > source_pages);
	copy = publish(&temporary);
	CHECK_EQUAL_UINT(round_of(copy), 3);
	write_all(copy, 4);              /* does not change the original */
	CHECK_EQUAL_UINT(round_of(store), 3);
	store_close(copy);
	store_close(store);
	remove_files(path);
	remove_files(store_path("copy.tide"));
}

static void a_copy_of_memory_is_a_file(void)
{
	struct store_options options = { .in_memory = true, .max_bytes = SMALL_MAX_BYTES };
	struct store *store = open_with(&options), *copy;
	struct temporary temporary = make();

	write_all(store, 5);
	MUST(copy_to(store, &temporary, true, NULL), failure);
	copy = publish(&temporary);
	CHECK_EQUAL_UINT(round_of(copy), 5);
	store_close(copy);
	store_close(store);
	remove_files(store_path("copy.tide"));
}

static void write_rounds(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	child_tell(parent);
	for (uint32_t round = 2; round < 100000; round++) {
		struct txn *txn = begin_write(store);
		int err = put_all(txn, round);

		/* The copy's snapshot prevents reuse of pages, so the file may become full. */
		CHECK(err == 0 || err == ERR_FULL);
		if (err)
			cancel_write(txn);
		else
			err = end_write(txn, &failure);
		CHECK(err == 0 || err == ERR_FULL);
	}
}

static void a_copy_is_one_commit(void)
{
	const char *path = store_path("busy.tide");
	struct store *store = open_filled(path), *copy;
	struct child child = child_start(write_rounds, (void *)(uintptr_t)path);
	uint32_t last = 0, round;

	CHECK(child_hear(&child));
	for (int i = 0; i < 10; i++) {
		struct temporary temporary = make();
		uint64_t pages;

		MUST(copy_to(store, &temporary, i & 1, NULL), failure);
		MUST(copy_check_pages(&temporary, &pages, NULL, &failure), failure);
		copy = publish(&temporary);
		round = round_of(copy);
		CHECK(round >= last);
		last = round;
		store_close(copy);
		remove_files(store_path("copy.tide"));
	}
	CHECK(last > 1);
	child_kill(&child);
	store_close(store);
	remove_files(path);
}

/* --- during a plain copy: into a pipe, so that it continues only when the test reads --- */

struct slow {
	struct store *store;
	struct temporary to;
	struct progress progress;
	int from;
	int err;
	pthread_t thread;
};

static void *run_slow(void *context)
{
	struct slow *slow = context;

	slow->err = copy_store(slow->store, &slow->to, false, PHASE, &slow->progress,
		NULL);
	close(slow->to.fd);
	return NULL;
}

static void start_slow(struct slow *slow)
{
	int ends[2];

	CHECK(pipe(ends) == 0);
	slow->from = ends[0];
	slow->to.fd = ends[1];
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(slow->store)), 0);
	CHECK(pthread_create(&slow->thread, NULL, run_slow, slow) == 0);
}

/* Reads to the end. Returns the number of bytes. */
static uint64_t end_slow(struct slow *slow)
{
	static uint8_t bytes[65536];
	uint64_t sum = 0;
	ssize_t got;

	while ((got = read(slow->from, bytes, sizeof bytes)) > 0)
		sum += (uint64_t)got;
	CHECK(got == 0 && pthread_join(slow->thread, NULL) == 0);
	close(slow->from);
	return sum;
}

static void writers_go_on(void)
{
	const char *path = store_path("slow.tide");
	struct slow slow = { .store = open_filled(path) };
	uint64_t before, pinned;

	for (uint32_t round = 2; round < 6; round++)
		write_all(slow.store, round);
	before = store_file_bytes(slow.store);
	start_slow(&slow);
	for (uint32_t round = 6; round < 10; round++)
		write_all(slow.store, round);    /* waits only for the write lock */
	pinned = store_file_bytes(slow.store);
	CHECK(pinned > before);          /* the snapshot's pages are not reused */
	CHECK(end_slow(&slow) >= before);
	CHECK_EQUAL_INT(slow.err, 0);
	for (uint32_t round = 10; round < 14; round++)
		write_all(slow.store, round);
	CHECK(store_file_bytes(slow.store) == pinned);   /* now they are */
	store_close(slow.store);
	remove_files(path);
}

/* Removing the slots of dead processes does not remove those of the copy's threads. */
static void its_snapshots_stay(void)
{
	const char *path = store_path("slots.tide");
	struct slow slow = { .store = open_filled(path) };
	struct pollfd begun;
	uint32_t cleared;

	start_slow(&slow);
	begun = (struct pollfd){ .fd = slow.from, .events = POLLIN };
	CHECK_EQUAL_INT(poll(&begun, 1, -1), 1);
	MUST(store_clear_stale(slow.store, &cleared, &failure), failure);
	CHECK_EQUAL_UINT(cleared, 0);
	CHECK(end_slow(&slow) >= ROWS * ROW_BYTES);
	CHECK_EQUAL_INT(slow.err, 0);
	store_close(slow.store);
	remove_files(path);
}

static void it_can_be_cancelled(void)
{
	const char *path = store_path("stopped.tide");
	struct slow slow = { .store = open_filled(path) };

	start_slow(&slow);
	atomic_store(&slow.progress.stop, true);
	CHECK(end_slow(&slow) < store_file_bytes(slow.store));
	CHECK_EQUAL_INT(slow.err, ERR_INTERRUPTED);
	lock_is_free(slow.store);
	write_all(slow.store, 2);
	store_close(slow.store);         /* all readers are closed */
	remove_files(path);
}

static void looking_at_its_pages_ends_too(void)
{
	const char *path = store_path("looked at.tide");
	struct store *store = open_filled(path);
	struct temporary temporary = make();
	struct progress progress = { 0 };
	uint64_t pages;

	MUST(copy_to(store, &temporary, false, &progress), failure);
	MUST(copy_check_pages(&temporary, &pages, &progress, &failure), failure);
	atomic_store(&progress.stop, true);
	CHECK_EQUAL_INT(copy_check_pages(&temporary, &pages, &progress, &failure),
		ERR_INTERRUPTED);
	CHECK_EQUAL_INT(failure.err, ERR_INTERRUPTED);
	CHECK_EQUAL_INT(copy_to(store, &temporary, true, &progress), ERR_INTERRUPTED);
	temporary_drop(&temporary);
	store_close(store);
	remove_files(path);
}

/* --- failures --- */

static void without_descriptors_there_is_no_copy(void)
{
	const char *path = store_path("none.tide");
	struct store *store = open_filled(path);
	struct temporary temporary = make();
	struct rlimit before, none;

	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = (struct rlimit){ 0, before.rlim_max };
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_EQUAL_INT(copy_to(store, &temporary, false, NULL), ERR_STORE);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	lock_is_free(store);
	temporary_drop(&temporary);
	store_close(store);
	remove_files(path);
}

/* A damaged page is reported; LMDB would follow its pointers. */
static void damage_is_found(void)
{
	const char *path = store_path("damaged.tide");
	struct store *store = open_filled(path);
	int fd = open(path, O_RDWR), damaged = 0;
	uint64_t ignored, pages = store_file_bytes(store) / PAGE;
	off_t page = (off_t)PAGE;

	store_close(store);
	for (off_t at = 2; at < (off_t)pages; at++) {
		struct temporary temporary;
		uint8_t head[16], wrong[16];
		int err;

		CHECK(pread(fd, head, sizeof head, at * page) == sizeof head);
		memset(wrong, 0xff, sizeof wrong);
		CHECK(pwrite(fd, wrong, sizeof wrong, at * page) == sizeof wrong);
		store = open_small(path);
		temporary = make();
		err = copy_to(store, &temporary, true, NULL);
		CHECK(err == 0 || err == ERR_CORRUPT);       /* 0 if the page was free */
		damaged += err == ERR_CORRUPT;
		if (err) {
			CHECK_EQUAL_INT(ftruncate(temporary.fd, 0), 0);
			MUST(copy_to(store, &temporary, false, NULL), failure);
			CHECK_EQUAL_INT(copy_check_pages(&temporary, &ignored, NULL,
				&failure), ERR_CORRUPT);
		}
		temporary_drop(&temporary);
		lock_is_free(store);
		store_close(store);
		CHECK(pwrite(fd, head, sizeof head, at * page) == sizeof head);
		at += (off_t)check_random_below(20);
	}
	CHECK(damaged > 5);
	close(fd);
	remove_files(path);
}

static int add_row(struct txn *txn, void *context, struct failure *why)
{
	if (!context)
		return fail(why, ERR_LIMIT);
	return txn_put(txn, TREE_META, slice_of_text("added"), slice_of_text(context));
}

static void a_copy_is_amended(void)
{
	const char *path = store_path("amended.tide");
	struct store *store = open_filled(path), *copy;
	struct temporary temporary = make();
	uint64_t pages;

	MUST(copy_to(store, &temporary, true, NULL), failure);
	MUST(copy_check_pages(&temporary, &pages, NULL, &failure), failure);
	CHECK_EQUAL_INT(copy_amend(&temporary, pages, add_row, NULL, &failure),
		ERR_LIMIT);
	MUST(copy_amend(&temporary, pages, add_row, "by hand", &failure), failure);
	copy = publish(&temporary);
	CHECK(store_has(copy, TREE_META, "added", "by hand"));
	CHECK(!store_has(store, TREE_META, "added", "by hand"));
	CHECK_EQUAL_UINT(round_of(copy), 1);
	store_close(copy);
	store_close(store);
	remove_files(path);
	remove_files(store_path("copy.tide"));
}

/* --- a disk that becomes full at each block --- */

static void copy_to_disk_of(struct store *store, const char *directory, unsigned kib)
{
	struct temporary temporary;
	char path[4300], size[32];
	int err;

	snprintf(size, sizeof size, "size=%uk", kib);
	CHECK(mount("none", directory, "tmpfs", 0, size) == 0);
	snprintf(path, sizeof path, "%s/copy.tide", directory);
	MUST(temporary_make(&temporary, path, &failure), failure);
	err = copy_to(store, &temporary, kib & 4, NULL);
	CHECK_EQUAL_INT(err, ERR_DISK_FULL);
	CHECK(failure.system != 0);
	lock_is_free(store);
	temporary_drop(&temporary);
	CHECK(rmdir(directory) != 0 && umount(directory) == 0);
}

static void a_full_disk_is_said(void)
{
	const char *path = store_path("source.tide"), *directory = store_path("disk");
	struct store *store = open_filled(path);

	CHECK(mkdir(directory, 0700) == 0);
	if (mount("none", directory, "tmpfs", 0, "size=1m")) {
		fprintf(stderr, "skipped: a full disk: can't mount: %s\n", strerror(errno));
	} else {
		CHECK(umount(directory) == 0);
		for (unsigned kib = 4; kib < 1000; kib += 4 * (1 + (unsigned)check_random_below(
			20)))
			copy_to_disk_of(store, directory, kib);
	}
	CHECK(rmdir(directory) == 0);
	store_close(store);
	remove_files(path);
}

int main(void)
{
	a_copy_holds_all(false);
	a_copy_holds_all(true);
	a_copy_of_memory_is_a_file();
	a_copy_is_one_commit();
	writers_go_on();
	its_snapshots_stay();
	it_can_be_cancelled();
	looking_at_its_pages_ends_too();
	without_descriptors_there_is_no_copy();
	damage_is_found();
	a_copy_is_amended();
	a_full_disk_is_said();
	return 0;
}
