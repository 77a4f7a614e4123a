/* test_identity.c - identity.h: all processes use the same side files of a data file. */
#include <sys/mount.h>

#include "os/identity.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

static struct identity open_identity(const char *path)
{
	struct identity identity = { .fd = -1 };

	MUST(identity_open(&identity, path, false, &failure), failure);
	return identity;
}

static void put_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0);
	close(fd);
}

/* --- claims --- */

struct claimant {
	const char *path;
	uint64_t side;
};

static void claim_and_stay(struct child *parent, void *context)
{
	struct claimant *claimant = context;
	struct identity identity = open_identity(claimant->path);

	MUST(identity_claim(identity.fd, claimant->path, claimant->side, &failure), failure);
	child_tell(parent);
	child_hear(parent);
	identity_close(&identity);
	identity_close(&identity);
}

static int claim(const char *path, uint64_t side)
{
	struct identity identity = open_identity(path);
	int err = identity_claim(identity.fd, path, side, &failure);

	identity_close(&identity);
	return err;
}

static void claims_of_one_side_agree(void)
{
	const uint64_t last = (UINT64_C(1) << 38) - 1;
	const uint64_t sides[] = { 0, 1, 1000, last };
	const char *path = store_path("claimed");

	put_file(path);
	for (int i = 0; i < 4; i++) {
		struct claimant claimant = { path, sides[i] };
		struct child child = child_start(claim_and_stay, &claimant);

		CHECK(child_hear(&child));
		for (int other = 0; other < 4; other++) {
			CHECK_EQUAL_INT(claim(path, sides[other]), other == i ? 0 : ERR_BUSY);
			CHECK(other == i || failure.pid == child.pid);
			CHECK(other == i || !failure.transient);
		}
		child_kill(&child);
		CHECK_EQUAL_INT(claim(path, sides[(i + 1) % 4]), 0);
	}
}

static void a_side_is_never_0_and_has_38_bits(void)
{
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t side = identity_side(check_random_below(1000), i);

		CHECK(side > 0 && side < UINT64_C(1) << 38);
	}
	CHECK(identity_side(1, 2) != identity_side(2, 1));
}

static void a_name_that_has_changed_is_noticed(void)
{
	const char *path = store_path("moved");
	struct identity identity;

	put_file(path);
	identity = open_identity(path);
	CHECK(rename(path, store_path("elsewhere")) == 0);
	CHECK_EQUAL_INT(identity_claim(identity.fd, path, 7, &failure), ERR_BUSY);
	CHECK(failure.transient);
	CHECK_EQUAL_INT(claim(store_path("elsewhere"), 8), 0);   /* the claim was released */
	CHECK_EQUAL_INT(identity_claim(identity.fd, NULL, 7, &failure), 0);
	CHECK_EQUAL_INT(claim(store_path("elsewhere"), 8), ERR_BUSY);
	identity_close(&identity);
}

static void forget_and_stay(struct child *parent, void *context)
{
	identity_forget(context);
	child_tell(parent);
	child_hear(parent);
}

static void a_child_of_fork_keeps_no_claim(void)
{
	const char *path = store_path("forked");
	struct identity identity;
	struct child child;

	put_file(path);
	identity = open_identity(path);
	MUST(identity_claim(identity.fd, path, 5, &failure), failure);
	child = child_start(forget_and_stay, &identity);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(claim(path, 6), ERR_BUSY);
	close(identity.fd);
	CHECK_EQUAL_INT(claim(path, 6), 0);
	child_tell(&child);
	child_end(&child);
}

/* --- databases under other names --- */

static void keep_open(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	child_tell(parent);
	child_hear(parent);
	store_close(store);
}

static void expect_refused(const char *path, const struct child *child)
{
	struct store_options options = small_options(path);

	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, child->pid);
	CHECK(!failure.transient);
}

static void renamed_it_is_refused_under_the_new_name(void)
{
	char *path = (char *)(uintptr_t)store_path("before.tide");
	const char *after = store_path("after.tide");
	struct child child = child_start(keep_open, path);

	CHECK(child_hear(&child));
	CHECK(rename(path, after) == 0);
	expect_refused(after, &child);
	CHECK(access(store_path("after.tide-wake"), F_OK) != 0);
	child_tell(&child);
	child_end(&child);
	store_close(open_small(after));
}

static void with_side_files_removed_it_is_refused(void)
{
	static const char *const removed[][2] = {
		{ "-lock", "-lock" }, { "-wake", "-wake" }, { "-lock", "-wake" },
	};
	char name[4300];

	for (int i = 0; i < 3; i++) {
		char *path = (char *)(uintptr_t)store_path("sides.tide");
		struct child child = child_start(keep_open, path);

		CHECK(child_hear(&child));
		for (int k = 0; k < 2; k++) {
			snprintf(name, sizeof name, "%s%s", path, removed[i][k]);
			unlink(name);
		}
		expect_refused(path, &child);
		CHECK(access(name, F_OK) != 0);
		child_tell(&child);
		child_end(&child);
		store_close(open_small(path));
	}
}

static void bind_mounted_it_is_refused(void)
{
	char *path = (char *)(uintptr_t)store_path("mounted.tide");
	const char *other = store_path("elsewhere.tide");
	struct child child;

	put_file(other);
	store_close(open_small(path));
	if (mount(path, other, NULL, MS_BIND, NULL)) {
		fprintf(stderr, "skipped: a bind mount: %s\n", strerror(errno));
		return;
	}
	child = child_start(keep_open, path);
	CHECK(child_hear(&child));
	expect_refused(other, &child);
	child_tell(&child);
	child_end(&child);
	store_close(open_small(other));
	CHECK(umount(other) == 0);
}

/* After its name was removed, the file is not written at any level. */
static void writing_under_a_lost_name_is_refused(void)
{
	for (int level = DURABILITY_FULL; level <= DURABILITY_NONE; level++) {
		struct store_options options = small_options(store_path("lost.tide"));
		struct store *store;
		struct txn *txn;

		options.durability = (enum durability)level;
		store = open_with(&options);
		write_row(store, TREE_META, "a", "b");
		CHECK(unlink(options.path) == 0);
		store_note_time(store, 99);
		if (level == DURABILITY_NONE)
			write_row(store, TREE_META, "a", "c");
		store_note_time(store, 100);
		txn = begin_write(store);
		CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of_text("a"), slice_of_text("d")),
			0);
		CHECK_EQUAL_INT(end_write(txn, &failure), ERR_FILE_GONE);
		CHECK(strstr(failure.message, "lost.tide was removed"));
		CHECK(store_has(store, TREE_META, "a", level == DURABILITY_NONE ? "c" : "b"));
		store_close(store);
		remove_files(options.path);
	}
}

int main(void)
{
	claims_of_one_side_agree();
	a_side_is_never_0_and_has_38_bits();
	a_name_that_has_changed_is_noticed();
	a_child_of_fork_keeps_no_claim();
	renamed_it_is_refused_under_the_new_name();
	with_side_files_removed_it_is_refused();
	bind_mounted_it_is_refused();
	writing_under_a_lost_name_is_refused();
	return 0;
}
