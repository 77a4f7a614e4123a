/* test_bare.c - store.h: opening read-only without side files. */
#include <sys/mount.h>

#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

static char writable[4200], path[4300];      /* a directory, and the database in it */
static char mounted[4200], seen[4300];       /* the same directory in a read-only mount */

static struct store_options reading(const char *name)
{
	struct store_options options = small_options(name);

	options.read_only = true;
	options.create = false;
	return options;
}

static bool mount_read_only(void)
{
	snprintf(writable, sizeof writable, "%s", store_path("writable"));
	snprintf(mounted, sizeof mounted, "%s", store_path("mounted"));
	snprintf(path, sizeof path, "%s/x.tide", writable);
	snprintf(seen, sizeof seen, "%s/x.tide", mounted);
	CHECK(mkdir(writable, 0700) == 0 && mkdir(mounted, 0700) == 0);
	if (mount(writable, mounted, NULL, MS_BIND, NULL) || mount(NULL, mounted, NULL,
			MS_BIND | MS_REMOUNT | MS_RDONLY, NULL)) {
		fprintf(stderr, "skipped: a read-only mount: %s\n", strerror(errno));
		return false;
	}
	return true;
}

static void make_database(void)
{
	struct store *store = open_small(path);

	write_row(store, TREE_META, "a", "b");
	store_close(store);
}

static void remove_side_files(void)
{
	char name[4400];

	snprintf(name, sizeof name, "%s-lock", path);
	CHECK(unlink(name) == 0);
	snprintf(name, sizeof name, "%s-wake", path);
	CHECK(unlink(name) == 0);
}

static void expect_readable(const char *name)
{
	struct store_options options = reading(name);
	struct store *store = open_with(&options);
	struct store_usage usage;
	struct failure why;
	struct wakeup *wakeup;
	struct txn *txn;
	uint32_t cleared;

	CHECK(store_has(store, TREE_META, "a", "b"));
	MUST(store_usage(store, &usage, &why), why);
	MUST(store_clear_stale(store, &cleared, &why), why);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &why), ERR_READ_ONLY);
	MUST(wakeup_open(&wakeup, store_shared_page(store), WAKEUP_COMMITS, &why), why);
	CHECK_EQUAL_INT(wakeup_wait(wakeup, 1), END);        /* commits are impossible */
	wakeup_close(wakeup);
	store_close(store);
}

static void it_is_read_with_and_without_side_files(void)
{
	struct store_options options = small_options(seen);

	make_database();
	expect_readable(seen);
	remove_side_files();
	expect_readable(seen);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
}

static void keep_open(struct child *parent, void *context)
{
	struct store *store = open_with(context);

	child_tell(parent);
	child_hear(parent);
	CHECK(store_has(store, TREE_META, "a", "b"));
	store_close(store);
}

static void expect_refused(const struct store_options *options, const struct child *child)
{
	CHECK_EQUAL_INT(try_open(options, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, child->pid);
	CHECK(!failure.transient);
}

/* LMDB has no reader slots there, so a writer would reuse pages that are being read. */
static void writers_and_it_exclude_each_other(void)
{
	struct store_options without = reading(seen);
	struct store_options with = small_options(path);
	struct child child = child_start(keep_open, &without);

	CHECK(child_hear(&child));
	expect_refused(&with, &child);
	with.read_only = true;
	with.create = false;
	expect_refused(&with, &child);
	expect_readable(seen);                   /* a second read-only handle */
	child_tell(&child);
	child_end(&child);

	with = small_options(path);
	child = child_start(keep_open, &with);
	CHECK(child_hear(&child));
	expect_refused(&without, &child);
	child_tell(&child);
	child_end(&child);
	expect_readable(seen);
}

static void read_as_owner(struct child *parent, void *context)
{
	(void)parent;
	CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
	expect_readable(context);
}

static void a_directory_that_cant_be_written_will_do(void)
{
	char directory[] = "/tmp/tidetable-bare-XXXXXX";
	char name[100];
	struct store *store;
	struct child child;

	if (geteuid()) {
		fprintf(stderr, "skipped: a directory without write permission: we are not root\n");
		return;
	}
	CHECK(mkdtemp(directory) != NULL);
	snprintf(name, sizeof name, "%s/x.tide", directory);
	store = open_small(name);
	write_row(store, TREE_META, "a", "b");
	store_close(store);
	CHECK(chown(name, 65534, 65534) == 0 && chmod(directory, 0755) == 0);
	snprintf(name, sizeof name, "%s/x.tide-lock", directory);
	CHECK(unlink(name) == 0);
	snprintf(name, sizeof name, "%s/x.tide-wake", directory);
	CHECK(unlink(name) == 0);
	snprintf(name, sizeof name, "%s/x.tide", directory);
	child = child_start(read_as_owner, name);
	child_end(&child);
	remove_files(name);
	rmdir(directory);
}

int main(void)
{
	if (mount_read_only()) {
		it_is_read_with_and_without_side_files();
		writers_and_it_exclude_each_other();
		CHECK(umount(mounted) == 0);
	}
	a_directory_that_cant_be_written_will_do();
	return 0;
}
