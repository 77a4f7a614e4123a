/* test_environment.c - store.h: creating and opening files, foreign files, limits, full disks. */
#include <glob.h>
#include <lmdb.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "os/temporary.h"
#include "unit/files.h"
#include "unit/stores.h"

#define CRASHES 150

static struct failure failure;

/* Returns the number of temporary files for this path. */
static size_t parts_of(const char *path)
{
	char pattern[4400];
	glob_t found;
	size_t count = 0;

	snprintf(pattern, sizeof pattern, "%s-part????????????????", path);
	if (glob(pattern, 0, NULL, &found) == 0)
		count = found.gl_pathc;
	globfree(&found);
	return count;
}

/* --- creation --- */

static int fill_two_rows(struct txn *txn, void *context, struct failure *why)
{
	CHECK(store_clock(txn_store(txn)) == clock_process());
	CHECK_EQUAL_UINT(txn_id(txn), 1);
	CHECK_EQUAL_INT(writer_check_space(txn, why), 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of_text("a"), slice_of_text(context)), 0);
	return txn_put(txn, TREE_META, slice_of_text("b"), slice_of_text(context));
}

static int refuse_to_fill(struct txn *txn, void *context, struct failure *why)
{
	(void)txn;
	return fail_as(why, ERR_LIMIT, "%s", (const char *)context);
}

static bool exists(const char *path, const char *suffix)
{
	char name[4400];

	snprintf(name, sizeof name, "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

static void expect_private(const char *path, const char *suffix)
{
	char name[4400];
	struct stat stat;

	snprintf(name, sizeof name, "%s%s", path, suffix);
	CHECK(lstat(name, &stat) == 0);
	CHECK_EQUAL_INT(stat.st_mode & 0777, 0600);
	CHECK(stat.st_blocks * 512 >= stat.st_size);
}

static void a_new_store_is_filled(void)
{
	const char *path = store_path("filled.tide");
	struct store_options options = small_options(path);
	struct store *store;

	options.fill = fill_two_rows;
	options.context = "words";
	umask(0);
	store = open_with(&options);
	umask(022);
	CHECK_EQUAL_UINT(store_last_commit(store), 1);
	CHECK(store_has(store, TREE_META, "a", "words"));
	CHECK(store_has(store, TREE_META, "b", "words"));
	store_close(store);
	CHECK(parts_of(path) == 0);
	expect_private(path, "");
	expect_private(path, "-lock");
	expect_private(path, "-wake");

	options.context = "other words";   /* not used, because the file exists */
	store = open_with(&options);
	CHECK(store_has(store, TREE_META, "a", "words"));
	store_close(store);
}

static void a_fill_that_fails_leaves_no_file(void)
{
	const char *path = store_path("unfilled.tide");
	struct store_options options = small_options(path);

	options.fill = refuse_to_fill;
	options.context = "not today";
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_LIMIT);
	CHECK_EQUAL_STRING(failure.message, "not today");
	CHECK(!exists(path, "") && parts_of(path) == 0);
	options.fill = NULL;
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void nothing_is_made_unasked(void)
{
	const char *path = store_path("absent.tide");
	struct store_options options = small_options(path);

	options.create = false;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NO_FILE);
	options.create = true;
	options.read_only = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NO_FILE);
	CHECK(!exists(path, "") && !exists(path, "-wake") && !exists(path, "-lock"));
	options.read_only = false;
	options.path = store_path("no/such/directory.tide");
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NO_FILE);
	options.path = check_directory();
	CHECK(try_open(&options, &failure) == ERR_NOT_DATABASE);
}

static void create_in_child(struct child *parent, void *context)
{
	struct store_options options = small_options(context);
	struct store *store;

	options.durability = DURABILITY_FULL;
	options.fill = fill_two_rows;
	options.context = "whole";
	child_tell(parent);
	store = open_with(&options);
	store_close(store);
}

/* The creating process is killed at any time. The database file must not exist or be complete, and
 * other files that the process left must do no harm. */
static void a_killed_creator_leaves_all_or_nothing(void)
{
	char *path = (char *)(uintptr_t)store_path("crash.tide");
	struct store_options options = small_options(path);
	int absent = 0, whole = 0;

	options.create = false;
	for (int i = 0; i < CRASHES; i++) {
		struct child child = child_start(create_in_child, path);

		CHECK(child_hear(&child));
		usleep((useconds_t)check_random_below(i % 2 ? 2500 : 10000));
		kill(child.pid, SIGKILL);
		child_reap(&child);
		if (exists(path, "")) {
			struct store *store = open_with(&options);

			CHECK(store_has(store, TREE_META, "a", "whole"));
			CHECK(store_has(store, TREE_META, "b", "whole"));
			store_close(store);
			whole++;
			remove_files(path);
		} else {
			absent++;
			CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NO_FILE);
			if (check_random_below(2)) {
				store_close(open_small(path));
				remove_files(path);
			}
		}
	}
	CHECK_EQUAL_INT(absent + whole, CRASHES);
	fprintf(stderr, "killed creators: %d left nothing, %d a whole file\n", absent, whole);
}

static void make_file(const char *path, const char *suffix)
{
	char name[4400];
	int fd;

	snprintf(name, sizeof name, "%s%s", path, suffix);
	fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(write(fd, "keep", 4) == 4);
	close(fd);
}

static void what_dead_creators_left_is_removed(void)
{
	const char *path = store_path("left.tide");
	char left[4300];

	temporary_name(left, sizeof left, path, 0x0123abcd);
	make_file(left, "");
	make_file(path, "-part0123abcd01234567");
	make_file(path, "-partition");
	CHECK_EQUAL_UINT(parts_of(path), 2);
	store_close(open_small(path));
	CHECK_EQUAL_UINT(parts_of(path), 1);
	CHECK(!exists(left, ""));
	CHECK(exists(path, "-part0123abcd01234567"));
	CHECK(exists(path, "-partition"));
}

/* Removes also the files of a process that was killed while creating the database. */
static void a_failed_creation_leaves_nothing(void)
{
	const char *path = store_path("failed.tide");
	struct store_options options = small_options(path);

	options.fill = refuse_to_fill;
	options.context = "no";
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_LIMIT);
	CHECK(!exists(path, "") && !exists(path, "-lock") && !exists(path, "-wake"));
	make_file(path, "-lock");
	CHECK(truncate(store_path("failed.tide-lock"), 0) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_LIMIT);
	CHECK(!exists(path, "-lock") && !exists(path, "-wake"));
	CHECK_EQUAL_UINT(parts_of(path), 0);
}

/* NAME-lock may be a user's file. */
static void a_file_that_is_no_lock_file_is_left_alone(void)
{
	const char *path = store_path("notes");
	struct store_options options = small_options(path);
	struct stat stat_before, stat_after;

	make_file(path, "-lock");
	CHECK(stat(store_path("notes-lock"), &stat_before) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NOT_DATABASE);
	CHECK(strstr(failure.message, "notes-lock"));
	CHECK(stat(store_path("notes-lock"), &stat_after) == 0);
	CHECK_EQUAL_INT(stat_after.st_size, stat_before.st_size);
	CHECK(!exists(path, "") && !exists(path, "-wake"));
}

/* A database may have any name, also one like that of a temporary file. */
static void a_neighbour_is_left_alone(void)
{
	const char *neighbours[] = { "-new", "-part", "-temporary" };
	const char *path = store_path("street.tide");
	char name[4400];

	for (size_t i = 0; i < sizeof neighbours / sizeof *neighbours; i++) {
		snprintf(name, sizeof name, "%s%s", path, neighbours[i]);
		store_close(open_small(name));
	}
	store_close(open_small(path));
	for (size_t i = 0; i < sizeof neighbours / sizeof *neighbours; i++)
		CHECK(exists(path, neighbours[i]));
}

static void two_creators_make_one_file(void)
{
	char *path = (char *)(uintptr_t)store_path("race.tide");

	for (int i = 0; i < 20; i++) {
		struct child children[3];
		struct store *store;

		for (int c = 0; c < 3; c++)
			children[c] = child_start(create_in_child, path);
		for (int c = 0; c < 3; c++)
			child_end(&children[c]);
		store = open_small(path);
		CHECK_EQUAL_UINT(store_last_commit(store), 1);
		store_close(store);
		remove_files(path);
	}
}

/* --- foreign files --- */

static void planted_links_are_refused(void)
{
	static const char *const suffixes[] = { "", "-lock", "-wake" };
	const char *path = store_path("planted.tide");
	struct store_options options = small_options(path);
	char link[4400];
	const char *victim = store_path("victim");
	struct stat stat;
	int fd = open(victim, O_CREAT | O_RDWR, 0600);

	CHECK(write(fd, "mine", 4) == 4);
	close(fd);
	for (int i = 0; i < 3; i++) {
		remove_files(path);
		if (i == 1) {
			store_close(open_small(path));
			remove(store_path("planted.tide-lock"));
		}
		snprintf(link, sizeof link, "%s%s", path, suffixes[i]);
		CHECK(symlink(victim, link) == 0);
		CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
		CHECK(lstat(victim, &stat) == 0);
		CHECK_EQUAL_INT(stat.st_size, 4);
	}
	remove_files(path);
}

static void another_programs_lmdb_file_is_refused(void)
{
	const char *path = store_path("other.mdb");
	struct store_options options = small_options(path);
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val word = { 4, "word" };
	static const char *const ours[] = { "items", "tails", "parts", "log" };

	for (int duplicates = 0; duplicates < 2; duplicates++) {
		CHECK(mdb_env_create(&env) == 0);
		mdb_env_set_maxdbs(env, 5);
		CHECK(mdb_env_open(env, path, MDB_NOSUBDIR, 0600) == 0);
		CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0);
		CHECK(mdb_dbi_open(txn, "meta", MDB_CREATE, &dbi) == 0);
		for (int i = 0; i < 4 && duplicates; i++)
			CHECK(mdb_dbi_open(txn, ours[i], MDB_CREATE | (i ? MDB_DUPSORT : 0),
				&dbi) == 0);
		CHECK(mdb_put(txn, dbi, &word, &word, 0) == 0);
		CHECK(mdb_txn_commit(txn) == 0);
		mdb_env_close(env);
		CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NOT_DATABASE);
		CHECK(strstr(failure.message, "is an LMDB file"));
		options.read_only = true;
		CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NOT_DATABASE);
		options.read_only = false;
		remove_files(path);
	}
}

/* Another LMDB binding in this process has the file open, so opening it must fail, because a
 * second open would lose data. */
static void a_file_open_through_another_binding_is_refused(void)
{
	const char *path = store_path("twice.tide");
	struct store_options options = small_options(path);
	MDB_env *env;

	store_close(open_small(path));
	CHECK(mdb_env_create(&env) == 0);
	CHECK(mdb_env_open(env, path, MDB_NOSUBDIR, 0600) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_OPTIONS);
	mdb_env_close(env);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void lock_the_pid_of(struct child *parent, void *context)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1,
		.l_start = getppid() };
	int fd = open(context, O_RDWR);

	CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
	child_tell(parent);
	child_hear(parent);
}

/* LMDB's readers lock the byte of their pid. If it is already locked, a process in another PID
 * namespace has the same pid. */
static void a_reader_with_the_same_pid_is_detected(void)
{
	const char *path = store_path("same_pid.tide");
	struct store_options options = small_options(path);
	struct child child;

	store_close(open_small(path));
	child = child_start(lock_the_pid_of,
		(char *)(uintptr_t)store_path("same_pid.tide-lock"));
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NAMESPACE);
	child_end(&child);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void lock_the_first_byte(struct child *parent, void *context)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(context, O_RDWR);

	CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
	child_tell(parent);
	child_hear(parent);
}

/* NAME-lock may be a user's file also while another process locks it. */
static void a_lock_file_of_something_else_is_refused(void)
{
	const char *path = store_path("mislocked.tide");
	char *lock = (char *)(uintptr_t)store_path("mislocked.tide-lock");
	struct store_options options = small_options(path);
	struct child child;
	int fd;

	store_close(open_small(path));
	fd = open(lock, O_RDWR);
	CHECK(pwrite(fd, "something else", 14, 0) == 14);
	close(fd);
	child = child_start(lock_the_first_byte, lock);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NOT_DATABASE);
	child_end(&child);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NOT_DATABASE);
	CHECK(unlink(lock) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* --- limits --- */

static int put_big(struct store *store, uint64_t number, bool ask)
{
	static uint8_t bytes[2000];
	struct txn *txn = begin_write(store);
	uint8_t key[8];
	int err = 0;

	for (uint64_t i = 0; i < 100 && !err; i++) {
		set_u64(key, number * 100 + i);
		if (ask)
			err = writer_check_space(txn, &failure);
		if (!err)
			err = txn_put(txn, TREE_ITEMS, slice_of(key, sizeof key),
				slice_of(bytes, sizeof bytes));
	}
	if (err) {
		cancel_write(txn);
		return err;
	}
	return end_write(txn, &failure);
}

static uint64_t fill_until_refused(struct store *store, bool ask)
{
	uint64_t number = 0;
	int err;

	while ((err = put_big(store, number, ask)) == 0)
		number++;
	CHECK_EQUAL_INT(err, ERR_FULL);
	return number;
}

static void delete_big(struct store *store, uint64_t from, uint64_t to)
{
	for (uint64_t number = from; number < to; number++) {
		struct txn *txn = begin_write(store);
		uint8_t key[8];

		for (uint64_t i = 0; i < 100; i++) {
			set_u64(key, number * 100 + i);
			CHECK_EQUAL_INT(txn_delete(txn, TREE_ITEMS, slice_of(key, 8)), 0);
		}
		commit(txn);
	}
}

static void users_stop_at_max_bytes_and_deletes_go_on(void)
{
	struct store *store = open_small(store_path("full.tide"));
	struct store_usage usage;
	uint64_t filled = fill_until_refused(store, true);

	CHECK(strstr(failure.message, "maximum size"));
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK(usage.file_bytes - usage.free_bytes > SMALL_MAX_BYTES * 9 / 10);
	CHECK(usage.file_bytes < SMALL_MAX_BYTES + SMALL_MAX_BYTES / 4);
	CHECK_EQUAL_UINT(usage.max_bytes, SMALL_MAX_BYTES);

	for (int round = 0; round < 5; round++) {
		uint64_t before = filled;

		delete_big(store, 0, filled);
		filled = fill_until_refused(store, true);
		CHECK(filled > before * 9 / 10);
	}
	delete_big(store, 0, filled);
	store_close(store);
}

/* A transaction that begins below the limit may exceed it, but must leave half the reserve for
 * trims and deletes. */
static void one_transaction_can_not_eat_the_reserve(void)
{
	struct store *store = open_small(store_path("greedy.tide"));
	static uint8_t bytes[2000];
	struct txn *txn = begin_write(store);
	uint64_t rows = 0;
	uint8_t key[8];
	struct store_usage usage;

	while (writer_check_space(txn, &failure) == 0) {
		set_u64(key, rows++);
		CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(key, sizeof key),
			slice_of(bytes, sizeof bytes)), 0);
	}
	CHECK_EQUAL_INT(failure.err, ERR_FULL);
	commit(txn);
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK(usage.file_bytes < SMALL_MAX_BYTES + (9 << 20));
	CHECK(rows > 1000);
	store_close(store);
}

static void a_full_map_is_only_full(void)
{
	struct store *store = open_small(store_path("brim.tide"));
	uint64_t filled = fill_until_refused(store, false);   /* to the end of the mapping */
	struct txn *txn = open_reader(store);
	uint64_t rows;

	renew(txn);
	CHECK_EQUAL_INT(txn_count(txn, TREE_ITEMS, &rows), 0);
	CHECK_EQUAL_UINT(rows, filled * 100);
	reader_reset(txn);
	/* LMDB itself deletes single rows in a full map. */
	for (uint64_t i = 0; i < 50; i++) {
		struct txn *write = begin_write(store);
		uint8_t key[8];

		set_u64(key, i);
		CHECK_EQUAL_INT(txn_delete(write, TREE_ITEMS, slice_of(key, 8)), 0);
		commit(write);
	}
	reader_close(txn);
	store_close(store);
}

/* Freed pages that a snapshot still uses do not count as free space. */
static void a_snapshot_takes_room(void)
{
	struct store *store = open_small(store_path("pinned.tide"));
	uint64_t filled = fill_until_refused(store, true);
	struct txn *reader = open_reader(store);

	renew(reader);
	delete_big(store, 0, filled / 2);
	CHECK_EQUAL_INT(put_big(store, 0, true), ERR_FULL);
	reader_reset(reader);
	CHECK_EQUAL_INT(put_big(store, 0, true), 0);
	reader_close(reader);
	store_close(store);
}

static void pin_until_killed(struct child *parent, void *context)
{
	renew(open_reader(open_small(context)));
	child_tell(parent);
	child_hear(parent);
}

/* The slots of dead readers are removed immediately when the file is full, and not only after a
 * thousand commits. */
static void the_snapshot_of_a_dead_process_takes_none(void)
{
	char *path = (char *)(uintptr_t)store_path("died.tide");
	struct store *store = open_small(path);
	uint64_t filled = fill_until_refused(store, true);
	struct child child = child_start(pin_until_killed, path);

	CHECK(child_hear(&child));
	delete_big(store, 0, filled / 2);
	CHECK_EQUAL_INT(put_big(store, 0, true), ERR_FULL);
	child_kill(&child);
	CHECK_EQUAL_INT(put_big(store, 0, true), 0);
	store_close(store);
}

static void the_map_is_never_too_small_for_the_file(void)
{
	const char *path = store_path("shrunk.tide");
	struct store_options options = small_options(path);
	struct store *store = open_small(path);
	uint64_t filled = fill_until_refused(store, true);

	store_close(store);
	options.max_bytes = 1 << 20;
	store = open_with(&options);
	CHECK_EQUAL_INT(put_big(store, 0, true), ERR_FULL);
	CHECK_EQUAL_INT(put_big(store, filled, false), 0);   /* into the reserve */
	delete_big(store, 0, filled);   /* succeeds within the reserve */
	CHECK_EQUAL_INT(put_big(store, 0, true), 0);
	store_close(store);
}

static void what_no_machine_can_map_is_said(void)
{
	struct store_options options = small_options(store_path("huge.tide"));

	options.max_bytes = (UINT64_C(1) << 46) + 1;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_VALIDATION);
	options.max_bytes = UINT64_MAX;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_VALIDATION);
	CHECK(!exists(options.path, ""));
}

/* --- a full disk --- */

static void use_a_full_disk(const char *directory)
{
	char path[4300], filler[4300];
	static uint8_t block[1 << 16];
	struct store_options options;
	struct store *store;
	uint64_t number = 0;
	int fd, err;

	snprintf(path, sizeof path, "%s/x.tide", directory);
	options = small_options(path);
	snprintf(filler, sizeof filler, "%s/filler", directory);
	options.durability = DURABILITY_FULL;
	store = open_with(&options);
	while ((err = put_big(store, number, true)) == 0)
		number++;
	CHECK_EQUAL_INT(err, ERR_DISK_FULL);
	CHECK(number > 5);

	/* No commit is lost, and deletes free space. */
	for (uint64_t i = 0; i < number * 100; i += 7) {
		struct txn *txn = open_reader(store);
		struct slice value;
		uint8_t key[8];

		set_u64(key, i);
		renew(txn);
		CHECK_EQUAL_INT(txn_get(txn, TREE_ITEMS, slice_of(key, 8), &value), 0);
		reader_close(txn);
	}
	fd = open(filler, O_CREAT | O_RDWR, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	CHECK(!store_has(store, TREE_META, "a", "b"));   /* no SIGBUS */
	CHECK(ftruncate(fd, 0) == 0);
	close(fd);
	delete_big(store, 0, number / 2);
	write_row(store, TREE_META, "a", "b");
	store_close(store);
}

static void create_on_a_full_disk(const char *directory)
{
	static uint8_t block[1 << 12];
	char path[4300], filler[4300];
	struct store_options options;
	int refused = 0;
	int fd;

	snprintf(path, sizeof path, "%s/y.tide", directory);
	options = small_options(path);
	snprintf(filler, sizeof filler, "%s/filler", directory);
	fd = open(filler, O_CREAT | O_RDWR, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	/* The disk has one more free block in each attempt, so that each step of the creation
	 * fails once. */
	for (;;) {
		struct stat stat;
		int err = try_open(&options, &failure);

		if (!err)
			break;
		CHECK_EQUAL_INT(err, ERR_DISK_FULL);
		CHECK(!exists(path, "") && parts_of(path) == 0);
		refused++;
		CHECK(fstat(fd, &stat) == 0);
		CHECK(ftruncate(fd, stat.st_size - (off_t)sizeof block) == 0);
	}
	CHECK(refused > 5);
	close(fd);
}

static char disk[4300];

static void unmount_disk(void)
{
	umount2(disk, MNT_DETACH);
}

static void a_full_disk_is_only_full(void)
{
	const char *directory = store_path("disk");

	snprintf(disk, sizeof disk, "%s", directory);
	CHECK(mkdir(directory, 0700) == 0);
	if (mount("none", directory, "tmpfs", 0, "size=4m")) {
		fprintf(stderr, "skipped: a full disk: can't mount: %s\n", strerror(errno));
		return;
	}
	atexit(unmount_disk);
	use_a_full_disk(directory);
	CHECK(umount(directory) == 0);
	CHECK(mount("none", directory, "tmpfs", 0, "size=4m") == 0);
	create_on_a_full_disk(directory);
	CHECK(umount(directory) == 0);
}

/* --- memory --- */

static void a_store_in_memory_leaves_nothing(void)
{
	struct store_options options = { .in_memory = true, .max_bytes = SMALL_MAX_BYTES,
		.fill = fill_two_rows, .context = "w" };
	struct store *one = open_with(&options);
	struct store *two = open_with(&options);
	struct stat stat;

	CHECK(one != two);
	CHECK(lstat(store_options(one)->path, &stat) != 0);
	write_row(one, TREE_META, "a", "one");
	CHECK(store_has(one, TREE_META, "a", "one"));
	CHECK(store_has(two, TREE_META, "a", "w"));
	store_close(two);
	CHECK(store_has(one, TREE_META, "a", "one"));
	store_close(one);
}

int main(void)
{
	a_new_store_is_filled();
	a_fill_that_fails_leaves_no_file();
	nothing_is_made_unasked();
	a_killed_creator_leaves_all_or_nothing();
	what_dead_creators_left_is_removed();
	a_failed_creation_leaves_nothing();
	a_file_that_is_no_lock_file_is_left_alone();
	a_neighbour_is_left_alone();
	two_creators_make_one_file();
	planted_links_are_refused();
	another_programs_lmdb_file_is_refused();
	a_file_open_through_another_binding_is_refused();
	a_reader_with_the_same_pid_is_detected();
	a_lock_file_of_something_else_is_refused();
	users_stop_at_max_bytes_and_deletes_go_on();
	one_transaction_can_not_eat_the_reserve();
	a_full_map_is_only_full();
	a_snapshot_takes_room();
	the_snapshot_of_a_dead_process_takes_none();
	the_map_is_never_too_small_for_the_file();
	what_no_machine_can_map_is_said();
	a_full_disk_is_only_full();
	a_store_in_memory_leaves_nothing();
	return 0;
}
