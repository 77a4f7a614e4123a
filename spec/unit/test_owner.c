/* test_owner.c - store.h: ownership and permissions of a database's files. */
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

static bool exists(const char *path, const char *suffix)
{
	char name[4400];

	snprintf(name, sizeof name, "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

static void open_as_nobody(struct child *parent, void *context)
{
	struct store_options options = small_options(context);

	(void)parent;
	CHECK(seteuid(65534) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
	options.read_only = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
}

static void open_unwritable_as_owner(struct child *parent, void *context)
{
	struct store_options options = small_options(context);
	struct store *store;

	(void)parent;
	CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
	options.read_only = true;
	store = open_with(&options);
	CHECK(store_has(store, TREE_META, "a", "b"));
	store_close(store);
}

static void permissions_are_kept(void)
{
	static const char *const suffixes[] = { "", "-lock", "-wake" };
	char directory[] = "/tmp/tidetable-owner-XXXXXX";
	char path[100], name[120];
	struct child child;

	if (geteuid()) {
		fprintf(stderr, "skipped: permissions: we are not root\n");
		return;
	}
	CHECK(mkdtemp(directory) && chmod(directory, 01777) == 0);
	snprintf(path, sizeof path, "%s/x.tide", directory);
	{
		struct store *store = open_small(path);

		write_row(store, TREE_META, "a", "b");
		store_close(store);
	}
	child = child_start(open_as_nobody, path);
	child_end(&child);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		CHECK(chown(name, 65534, 65534) == 0);
	}
	CHECK(chmod(path, 0400) == 0);
	child = child_start(open_unwritable_as_owner, path);
	child_end(&child);
	store_close(open_small(path));   /* allowed for root */
	remove_files(path);
	rmdir(directory);
}

static void expect_owner(const char *path, const char *suffix, uid_t uid, gid_t gid, mode_t mode)
{
	char name[4400];
	struct stat stat;

	snprintf(name, sizeof name, "%s%s", path, suffix);
	CHECK(lstat(name, &stat) == 0);
	CHECK_EQUAL_UINT(stat.st_uid, uid);
	CHECK_EQUAL_UINT(stat.st_gid, gid);
	CHECK_EQUAL_UINT(stat.st_mode & 0777, mode);
}

static void use_as_owner(struct child *parent, void *context)
{
	(void)parent;
	CHECK(setegid(65533) == 0 && seteuid(65534) == 0);
	store_close(open_small(context));
}

/* Root opens a user's database, and then the user opens it. */
static void what_root_makes_is_given_to_the_owner(void)
{
	char directory[] = "/tmp/tidetable-owner-XXXXXX";
	char path[100];
	struct child child;

	if (geteuid()) {
		fprintf(stderr, "skipped: a user's database: we are not root\n");
		return;
	}
	CHECK(mkdtemp(directory) && chown(directory, 65534, 65533) == 0);
	snprintf(path, sizeof path, "%s/x.tide", directory);
	store_close(open_small(path));
	CHECK(chown(path, 65534, 65533) == 0 && chmod(path, 0640) == 0);
	store_close(open_small(path));       /* created the side files with root as owner */
	expect_owner(path, "-lock", 65534, 65533, 0640);
	expect_owner(path, "-wake", 65534, 65533, 0640);
	child = child_start(use_as_owner, path);
	child_end(&child);
	remove_files(path);
	rmdir(directory);
}

/* The other user could truncate files that root has mapped. */
static void what_another_user_has_prepared_is_refused(void)
{
	static const char *const suffixes[] = { "-lock", "-wake" };
	const char *path = store_path("prepared.tide");
	struct store_options options = small_options(path);
	char name[4400];

	if (geteuid()) {
		fprintf(stderr, "skipped: another user's files: we are not root\n");
		return;
	}
	store_close(open_small(path));
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		CHECK(chown(name, 65534, 65534) == 0);
		CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
		CHECK(strstr(failure.message, suffixes[i]));
		CHECK(chown(name, 0, 0) == 0);
	}
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void a_directory_that_everybody_may_change_is_refused(void)
{
	char path[4300];
	struct store_options options;

	snprintf(path, sizeof path, "%s", store_path("common"));
	CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof path, "%s", store_path("common/x.tide"));
	options = small_options(path);
	CHECK(chmod(store_path("common"), 0777) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_PERMISSION);
	CHECK(strstr(failure.message, "sticky"));
	CHECK(!exists(path, "") && !exists(path, "-wake"));
	CHECK(chmod(store_path("common"), 01777) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
	CHECK(chmod(store_path("common"), 0770) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
	remove_files(path);
	rmdir(store_path("common"));
}

int main(void)
{
	permissions_are_kept();
	what_root_makes_is_given_to_the_owner();
	what_another_user_has_prepared_is_refused();
	a_directory_that_everybody_may_change_is_refused();
	return 0;
}
