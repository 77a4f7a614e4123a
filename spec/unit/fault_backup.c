/* fault_backup.c - copies when memory, a system call or the disk fails.
 *
 * Each memory request fails, alone or with all later ones. Each system call fails once,
 * except those that clean up, whose failure can't be repaired. In every case the
 * database is unchanged, the target is the old file or does not exist (or is the new
 * file, if the copy reports success), and no other files are left.
 */
#include <dirent.h>
#include <stdatomic.h>
#include <sys/mount.h>

#include "base/memory.h"
#include "calls/calls.h"
#include "unit/files.h"
#include "unit/tides.h"

static struct failure failure;

/* --- system calls of the library and of LMDB, of which a chosen one fails --- */

static _Atomic long calls_allowed;
static int system_error;

/* Returns true for calls that clean up, and for fstatfs, because LMDB ignores the result of
 * fstatfs and reads the struct (to choose fsync on kernels before 3.6), which memcheck would
 * report. */
static bool is_never_refused(enum call_kind kind)
{
	return kind == CALL_CLOSE || kind == CALL_UNMAP || kind == CALL_UNLINK ||
		kind == CALL_STATFS;
}

static struct fate before_call(const struct call *call)
{
	bool fails = !is_never_refused(call->kind) && atomic_fetch_sub(&calls_allowed, 1) == 0;

	return (struct fate){ .error = fails ? system_error : 0 };
}

static const struct call_hooks hooks = { before_call, NULL };

/* --- databases --- */

static void put_some(struct tide *tide, int count)
{
	struct tide_table table = table_named("orders");
	char key[16];

	begin(tide);
	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof key, "%d", i);
		put(tide, &table, "ann", key, "value");
	}
	commit(tide);
}

static bool has_some(struct tide *tide, int count)
{
	struct tide_table table = table_named("orders");
	char key[16];

	snprintf(key, sizeof key, "%d", count);
	return has(tide, &table, "ann", "0", "value") && !has(tide, &table, "ann", key, "value");
}

static void make_database(const char *path, int count)
{
	struct tide *tide = open_tide(path);

	create_table(tide, "orders");
	put_some(tide, count);
	tide_close(tide);
}

/* Checks that the file has no problems and this number of items. */
static void holds(const char *path, int count)
{
	struct tide *tide = open_tide(path);

	check_clean(tide);
	CHECK(has_some(tide, count));
	tide_close(tide);
}

/* Returns the number of files in the directory whose name begins with that of the path and which
 * are not files of a database. */
static int count_strangers(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	size_t len = strlen(name);
	struct dirent *entry;
	char folder[4200];
	DIR *directory;
	int count = 0;

	snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
	directory = opendir(folder);
	CHECK(directory != NULL);
	while ((entry = readdir(directory)))
		if (strncmp(entry->d_name, name, len) == 0 && entry->d_name[len] &&
				strcmp(entry->d_name + len, "-lock") != 0 &&
				strcmp(entry->d_name + len, "-wake") != 0)
			count++;
	closedir(directory);
	return count;
}

/* --- copies --- */

enum { SOURCE_ITEMS = 40, OLD_ITEMS = 7 };

struct kind {
	const char *name;
	bool compact;
	bool overwrite;              /* a file exists at the target */
	bool in_place;
};

static const struct kind kinds[] = {
	{ "plain", false, false, false },
	{ "compact", true, false, false },
	{ "over an old one", false, true, false },
	{ "in place", true, false, true },
};

static char source[4200], target[4200];

static int finish(struct tide_backup *backup)
{
	struct tide_backup_facts facts;
	int err;

	while ((err = tide_backup_result(backup, &facts, &failure)) == END)
		tide_backup_wait(backup, 10);
	tide_backup_finish(backup);
	return err;
}

static int copy(const struct kind *kind, struct tide *tide)
{
	struct tide_backup_options options = { .path = target, .compact = kind->compact,
		.overwrite = kind->overwrite };
	struct tide_backup *backup;
	int err = kind->in_place ? tide_compact_start(&backup, tide, &failure)
		: tide_backup_start(&backup, tide, &options, &failure);

	CHECK((err == 0) == (backup != NULL));
	return err ? err : finish(backup);
}

static struct tide *open_source(const struct kind *kind)
{
	struct tide_options options = weak_options(source);
	struct tide *tide;

	options.alone = kind->in_place;
	MUST(tide_open(&tide, &options, &failure), failure);
	return tide;
}

static void is_sound(const struct kind *kind, struct tide *tide, bool done)
{
	if (!kind->in_place) {
		CHECK_EQUAL_INT(tide_begin(tide, &failure), 0);      /* the lock is free */
		tide_abort(tide);
		check_clean(tide);
	}
	tide_close(tide);
	holds(source, SOURCE_ITEMS);
	CHECK_EQUAL_INT(count_strangers(source), 0);
	CHECK_EQUAL_INT(count_strangers(target), 0);
	if (kind->in_place)
		return;
	if (done)
		holds(target, SOURCE_ITEMS);
	else if (kind->overwrite)
		holds(target, OLD_ITEMS);
	else
		CHECK(access(target, F_OK) != 0);
}

/* If the flush of the directory fails after the rename, the copy returns an error, and the new
 * file is at the target. */
static bool is_new(const struct kind *kind)
{
	struct tide *tide;
	bool new;

	if (!kind->overwrite || failure.err == ERR_NO_MEMORY)
		return false;
	tide = open_tide(target);
	new = has_some(tide, SOURCE_ITEMS);
	tide_close(tide);
	return new;
}

static void prepare(const struct kind *kind)
{
	remove_files(target);
	if (kind->overwrite)
		make_database(target, OLD_ITEMS);
}

static int copy_with(const struct kind *kind, void (*refuse_after)(long requests), long allowed)
{
	struct tide *tide;
	int err;

	prepare(kind);
	tide = open_source(kind);
	refuse_after(allowed);
	err = copy(kind, tide);
	refuse_after(-1);
	CHECK(err == 0 || (err == ERR_NO_MEMORY && failure.err == err));
	is_sound(kind, tide, err == 0);
	return err;
}

/* The copy's thread counts its requests separately, so the number of requests is known when the
 * copy succeeds for the first time. */
static void each_request_may_fail(const struct kind *kind)
{
	long requests = 0;

	while (copy_with(kind, memory_fail_after, requests))
		requests++;
	CHECK(requests > 10);
	for (long before = 0; before < requests; before++)
		copy_with(kind, memory_fail_once_after, before);
}

/* Returns true if the chosen call was reached and failed. */
static bool fail_call(const struct kind *kind, long which, int error)
{
	struct tide *tide;
	bool came;
	int err;

	prepare(kind);
	tide = open_source(kind);
	system_error = error;
	atomic_store(&calls_allowed, which);
	calls_watch(&hooks);
	err = copy(kind, tide);
	calls_watch(NULL);
	came = atomic_load(&calls_allowed) < 0;
	CHECK(err <= 0 && (err == 0 || failure.err == err));
	CHECK(came || err == 0);
	is_sound(kind, tide, err == 0 || is_new(kind));
	return came;
}

static long each_call_may_fail(const struct kind *kind)
{
	static const int errors[] = { EIO, ENOSPC };
	long which = 0;

	while (fail_call(kind, which, errors[which & 1]))
		which++;
	CHECK(which > 20);
	return which;
}

/* --- a full disk --- */

static bool copy_to_disk_of(const struct kind *kind, const char *directory, unsigned kib)
{
	struct tide *tide = open_source(kind);
	char size[32], before[4200];
	int err;

	snprintf(size, sizeof size, "size=%uk", kib);
	CHECK(mount("none", directory, "tmpfs", 0, size) == 0);
	snprintf(before, sizeof before, "%s", target);
	snprintf(target, sizeof target, "%s/copy.tide", directory);
	err = copy(kind, tide);
	if (err && err != ERR_DISK_FULL)
		fprintf(stderr, "%u KiB: %s\n", kib, failure.message);
	CHECK(err == 0 || err == ERR_DISK_FULL);
	CHECK_EQUAL_INT(count_strangers(target), 0);
	CHECK(mount("none", directory, "tmpfs", MS_REMOUNT, "size=1m") == 0);
	if (err)
		CHECK(access(target, F_OK) != 0);
	else
		holds(target, SOURCE_ITEMS);     /* opening needs disk space, too */
	snprintf(target, sizeof target, "%s", before);
	tide_close(tide);
	CHECK(umount(directory) == 0);
	return err == 0;
}

static void a_disk_may_be_full(const struct kind *kind)
{
	const char *directory = tide_path("disk");
	unsigned kib = 4;

	CHECK(mkdir(directory, 0700) == 0);
	if (mount("none", directory, "tmpfs", 0, "size=1m")) {
		fprintf(stderr, "skipped: a full disk: can't mount: %s\n", strerror(errno));
	} else {
		CHECK(umount(directory) == 0);
		while (!copy_to_disk_of(kind, directory, kib))
			kib += 4;
		CHECK(kib > 40);
	}
	CHECK(rmdir(directory) == 0);
}

int main(void)
{
	snprintf(source, sizeof source, "%s", tide_path("source.tide"));
	snprintf(target, sizeof target, "%s", tide_path("target.tide"));
	make_database(source, SOURCE_ITEMS);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		fprintf(stderr, "%s\n", kinds[i].name);
		each_request_may_fail(&kinds[i]);
		fprintf(stderr, "%ld calls\n", each_call_may_fail(&kinds[i]));
	}
	a_disk_may_be_full(&kinds[0]);
	a_disk_may_be_full(&kinds[1]);
	return 0;
}
