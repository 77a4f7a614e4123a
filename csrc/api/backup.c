/* backup.c - copies an open database: verified copies, and compaction.
 *
 *     copy        the pages or rows of one commit, in a temporary file (lmdb/copy.h)
 *     pages       every page in use is present; read without LMDB
 *     header      the copy gets a new incarnation
 *     verify      the copy is opened as a database and every row is checked
 *     publish     the file is flushed and renamed, the directory is flushed
 *
 * All steps run on a thread (os/thread.h). A copy that fails leaves no file. A
 * process that is killed leaves a temporary file, which the next copy to the
 * same path removes.
 *
 * Compaction keeps the incarnation and replaces the database's own file. The
 * rename is atomic, so at any time exactly one of the two files has the name.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/database.h"
#include "base/memory.h"
#include "lmdb/copy.h"
#include "os/file.h"
#include "os/identity.h"
#include "os/temporary.h"

/* Longest sleep, in ms, between two attempts to acquire the write lock. It is limited because a
 * writer that was killed wakes no waiter. */
#define WAIT_AGAIN_MS 50

/* Pause, in us, between two attempts while another process opens the database at the path. */
#define OPEN_AGAIN_US 10000

struct tide_backup {
	struct store *store;         /* store of the source database */
	struct thread *thread;
	char path[PATH_MAX];         /* path of the finished copy */
	bool compact, overwrite;
	bool in_place;               /* compaction: the path is that of the source */
	uint32_t busy_ms;
	uint64_t began_ms;
	uint64_t commit;             /* number of the commit that was copied */
	struct temporary temporary;
	struct tide_backup_facts facts;
};

/* --- the path --- */

static int fail_own_file(const char *path, struct failure *failure)
{
	return fail_as(failure, ERR_VALIDATION, "%s is a file of the database itself", path);
}

/* Returns VALIDATION if the path is that of the source or of one of its side files. */
static int check_names(const struct tide_backup *backup, struct failure *failure)
{
	static const char *const suffixes[] = { "", "-lock", "-wake" };
	const struct store_options *source = store_options(backup->store);
	size_t len = strlen(source->path);

	if (source->in_memory || strncmp(backup->path, source->path, len) != 0)
		return 0;
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
		if (strcmp(backup->path + len, suffixes[i]) == 0)
			return fail_own_file(backup->path, failure);
	return 0;
}

static int fail_target_open(const struct tide_backup *backup, int64_t pid,
	struct failure *failure)
{
	return fail_busy(failure, pid, "%s is already open", backup->path);
}

/* Returns 0 if there is no file at the path, or if the file may be replaced: overwrite is set, and
 * the file is a database that this process does not have open. */
static int check_target(const struct tide_backup *backup, struct failure *failure)
{
	struct file_facts file;
	int err = file_look(backup->path, &file, failure);

	if (err)
		return err == END ? 0 : err;
	if (!backup->overwrite)
		return fail_as(failure, ERR_IN_USE, "%s already exists", backup->path);
	if (store_has_open(file.device, file.inode))
		return fail_target_open(backup, getpid(), failure);
	return store_recognise(backup->path, failure);
}

/* --- the file header --- */

/* Gives the copy a new incarnation, and notes which records were written in the one before. */
static int renew_incarnation(struct txn *txn, struct file_header *header)
{
	struct state state;
	int err = state_read(txn, &state);

	if (!err && state.sequence)
		err = incarnation_end(txn, state.sequence, header->incarnation, false);
	if (!err && getrandom(header->incarnation, FILE_ID_BYTES, 0) != FILE_ID_BYTES)
		err = ERR_STORE;
	return err;
}

static int renew_file_header(struct txn *txn, void *context, struct failure *failure)
{
	const struct tide_backup *backup = context;
	struct file_header header;
	bool this_boot;
	int err = file_header_read(txn, &header);

	if (!err && !backup->in_place)
		err = renew_incarnation(txn, &header);
	if (!err)
		err = file_header_write(txn, &header);
	/* The mark of the boot says that a power cut may undo commits made since then. The copy is
	 * flushed before it is published, so it does not need the mark. */
	if (!err)
		err = weak_boot_read(txn, &this_boot);
	if (!err && this_boot)
		err = weak_boot_delete(txn);
	return err < 0 ? fail_about(failure, err, "the copy's file header") : 0;
}

/* --- verifying --- */

static void set_facts(struct tide_backup *backup, const struct tide_info *info,
	const struct report *report)
{
	struct tide_backup_facts *facts = &backup->facts;

	facts->sequence = info->sequence;
	facts->items = report->items;
	facts->records = report->records;
	memcpy(facts->database_id, info->database_id, sizeof facts->database_id);
	memcpy(facts->incarnation, info->incarnation, sizeof facts->incarnation);
}

/* Sets *steps to the number of progress steps of a check: 3 per log row, 2 per item row, 1
 * per other row. */
static int count_steps(struct tide *copy, uint64_t *steps, struct failure *failure)
{
	static const uint8_t per_row[TREE_COUNT] = {
		[TREE_META] = 1, [TREE_CATALOG] = 1, [TREE_ITEMS] = 2, [TREE_TAILS] = 1,
		[TREE_PARTS] = 1, [TREE_LOG] = 3, [TREE_INDEXES] = 1, [TREE_CONSUMERS] = 1,
	};
	struct read_view snapshot;
	int err = tide_read_begin(copy, &snapshot, failure);

	*steps = 0;
	if (err)
		return err;
	for (int tree = 0; tree < TREE_COUNT && !err; tree++) {
		uint64_t count = 0;

		err = txn_count(snapshot.txn, (enum tree)tree, &count);
		*steps += per_row[tree] * count;
	}
	if (err)
		fail(failure, err);
	return tide_read_end(copy, &snapshot, err, failure);
}

static int check_copy(struct tide_backup *backup, struct tide *copy, struct progress *progress,
	struct failure *failure)
{
	struct report report = { 0 };
	struct tide_info info;
	uint64_t steps;
	int err = count_steps(copy, &steps, failure);

	if (!err) {
		progress_begin(progress, TIDE_VERIFYING, steps);
		err = check_all_rows(copy, &report, progress, failure);
	}
	if (!err && report.problems) {
		struct slice first = report_first_problem(&report);

		err = fail_as(failure, ERR_CORRUPT, "the copy has %llu problems, which the"
			" database probably also has; the first: %.*s",
			(unsigned long long)report.problems, (int)first.len,
			(const char *)first.data);
	}
	if (!err)
		err = tide_info(copy, &info, failure);
	if (!err)
		set_facts(backup, &info, &report);
	buffer_release(&report.text);
	return err;
}

static int verify_copy(struct tide_backup *backup, struct progress *progress,
	struct failure *failure)
{
	struct tide_options options = {
		.path = backup->temporary.path,
		.read_only = true,
		.max_bytes = store_options(backup->store)->max_bytes,
	};
	struct tide *copy;
	int err = tide_open(&copy, &options, failure);

	if (err)
		return err;
	err = check_copy(backup, copy, progress, failure);
	tide_close(copy);
	return err;
}

/* --- publishing --- */

/* Returns owner, group and mode of the file that is replaced; those of a new file if there is
 * none. */
static struct file_owner owner_of_target(const struct tide_backup *backup)
{
	struct file_facts file;

	if (file_look(backup->path, &file, NULL) == 0)
		return file.owner;
	return file_owner_new();
}

/* Claims the file at the path, if there is one, and the copy, and gives the copy the owner of that
 * file. So no process can open either file under any name before the rename. */
static int claim_old_and_copy(struct tide_backup *backup, struct identity *old,
	const struct shared_page *shared, struct failure *failure)
{
	struct file_facts file;
	int err = file_look(backup->path, &file, failure);

	if (!err)
		err = identity_open(old, backup->path, false, failure);
	if (!err)
		err = identity_claim(old->fd, backup->path, shared_page_side(shared), failure);
	if (!err)
		err = file_give_to(backup->temporary.fd, backup->temporary.path,
			&old->facts.owner, failure);
	return err < 0 ? err : identity_claim(backup->temporary.fd, NULL, shared_page_side(shared),
		failure);
}

/* Replaces the file at the path. The caller holds OPENING of the path's shared page. */
static int publish_locked(struct tide_backup *backup, const struct shared_page *shared, bool alone,
	struct failure *failure)
{
	struct identity old = { .fd = -1 };
	int err = alone ? 0 : fail_target_open(backup, shared_page_other(shared), failure);

	if (!err)
		err = check_target(backup, failure);
	if (!err)
		err = claim_old_and_copy(backup, &old, shared, failure);
	if (!err)
		err = temporary_publish(&backup->temporary, backup->path, backup->overwrite,
			failure);
	identity_close(&old);
	return err;
}

static int try_to_publish_at_path(struct tide_backup *backup, struct failure *failure)
{
	struct file_owner owner = owner_of_target(backup);
	char wake_path[PATH_MAX + FILE_SUFFIX_MAX];
	struct shared_page *shared;
	bool alone;
	int err;

	snprintf(wake_path, sizeof wake_path, "%s-wake", backup->path);
	err = shared_page_open(&shared, wake_path, &owner, &alone, failure);
	if (err)
		return err;
	err = publish_locked(backup, shared, alone, failure);
	if (alone)                   /* otherwise another process uses the page */
		shared_page_take_back(shared);
	shared_page_close(shared);
	return err;
}

/* Retries for at most busy_ms while another process opens the database at the path. */
static int publish_at_path(struct tide_backup *backup, struct progress *progress,
	struct failure *failure)
{
	const struct clock *clock = clock_system();
	uint64_t began = clock_elapsed_ms(clock);
	struct failure last_failure = { 0 };

	for (;;) {
		int err;

		store_hold_forks();
		err = try_to_publish_at_path(backup, &last_failure);
		store_release_forks();
		if (err != ERR_BUSY || !last_failure.transient ||
				clock_elapsed_ms(clock) - began >= backup->busy_ms) {
			if (err && failure)
				*failure = last_failure;
			return err;
		}
		clock_sleep_us(OPEN_AGAIN_US);
		err = progress_step(progress, 0);
		if (err)
			return fail(failure, err);
	}
}

/* The store is open exclusively, so no tidetable process can write to it. A write by a program
 * that uses LMDB directly is detected by its commit number. */
static int publish_in_place(struct tide_backup *backup, struct failure *failure)
{
	struct file_owner owner = owner_of_target(backup);
	int err;

	if (store_last_commit(backup->store) != backup->commit)
		return fail_as(failure, ERR_BUSY, "another program wrote to the database %s"
			" while it was copied", backup->path);
	err = file_give_to(backup->temporary.fd, backup->temporary.path, &owner, failure);
	if (err)
		return err;
	err = identity_claim(backup->temporary.fd, NULL,
		shared_page_side(store_shared_page(backup->store)),
		failure);
	return err ? err : temporary_publish(&backup->temporary, backup->path, true, failure);
}

static int publish_copy(struct tide_backup *backup, struct progress *progress,
	struct failure *failure)
{
	struct file_facts file;
	int err = file_look(backup->temporary.path, &file, failure);

	if (err)
		return err == END ? fail_as(failure, ERR_STORE,
			"the temporary file %s was removed", backup->temporary.path) : err;
	backup->facts.bytes = file.size;
	return backup->in_place ? publish_in_place(backup, failure)
		: publish_at_path(backup, progress, failure);
}

/* --- the thread --- */

/* Acquires the write lock. Returns BUSY after ms, INTERRUPTED if the thread must stop. */
static int wait_for_lock(struct shared_page *shared, uint32_t ms, struct progress *progress)
{
	const struct clock *clock = clock_system();
	struct lock_waiter waiter = { .shared = shared };
	uint64_t began = clock_elapsed_ms(clock);
	int err = lock_waiter_try(&waiter);

	while (err == ERR_BUSY && clock_elapsed_ms(clock) - began < ms) {
		lock_waiter_sleep(&waiter, WAIT_AGAIN_MS);
		err = progress_step(progress, 0);
		if (!err)
			err = lock_waiter_try(&waiter);
	}
	lock_waiter_leave(&waiter);
	return err;
}

/* Acquires the write lock, so that there is no new commit before the number of the commit to copy
 * is read. copy_store releases the lock. */
static int take_lock(const struct tide_backup *backup, struct progress *progress,
	struct failure *failure)
{
	struct shared_page *shared = store_shared_page(backup->store);
	int err = wait_for_lock(shared, backup->busy_ms, progress);

	if (err == ERR_BUSY)
		return fail_busy(failure, write_lock_owner(shared), "%s", error_text(err));
	if (err)
		return fail(failure, err);
	err = store_recover_locked(backup->store, failure);
	if (err)
		write_lock_release(shared);
	return err;
}

static int copy_commit(struct tide_backup *backup, struct progress *progress,
	struct failure *failure)
{
	int err = take_lock(backup, progress, failure);

	if (err)
		return err;
	backup->commit = store_last_commit(backup->store);
	backup->facts.source_bytes = store_file_bytes(backup->store);
	err = copy_store(backup->store, &backup->temporary, backup->compact, TIDE_COPYING,
		progress, failure);
	backup->facts.grown_bytes =
		store_file_bytes(backup->store) - backup->facts.source_bytes;
	return err;
}

static int run_steps(struct tide_backup *backup, struct progress *progress,
	struct failure *failure)
{
	uint64_t pages;
	int err = temporary_make(&backup->temporary, backup->path, failure);

	if (!err)
		err = copy_commit(backup, progress, failure);
	if (!err)
		err = copy_check_pages(&backup->temporary, &pages, progress, failure);
	if (!err)
		err = copy_amend(&backup->temporary, pages,
			renew_file_header, backup, failure);
	if (!err)
		err = verify_copy(backup, progress, failure);
	if (err)
		return err;
	progress_begin(progress, TIDE_PUBLISHING, 0);
	err = progress_step(progress, 0);
	return err ? fail(failure, err) : publish_copy(backup, progress, failure);
}

static int run_backup(struct progress *progress, void *context, struct failure *failure)
{
	struct tide_backup *backup = context;
	int err = run_steps(backup, progress, failure);

	temporary_drop(&backup->temporary);
	backup->facts.elapsed_ms =
		clock_elapsed_ms(store_clock(backup->store)) - backup->began_ms;
	return err;
}

/* --- starting --- */

static int start_backup(struct tide_backup **out, struct tide_backup *backup,
	struct failure *failure)
{
	int err = thread_start(&backup->thread, run_backup, backup, failure);

	if (err)
		memory_free(backup);
	else
		*out = backup;
	return err;
}

static struct tide_backup *new_backup(struct tide *tide)
{
	struct tide_backup *backup = memory_alloc_zeroed(sizeof *backup);

	if (backup) {
		backup->store = tide->store;
		backup->began_ms = clock_elapsed_ms(store_clock(tide->store));
		backup->temporary.fd = -1;
	}
	return backup;
}

int tide_backup_start(struct tide_backup **out, struct tide *tide,
	const struct tide_backup_options *options, struct failure *failure)
{
	struct tide_backup *backup;
	int err;

	*out = NULL;
	if (tide->transaction.txn)
		return fail(failure, ERR_NESTED);
	backup = new_backup(tide);
	if (!backup)
		return fail(failure, ERR_NO_MEMORY);
	backup->compact = options->compact;
	backup->overwrite = options->overwrite;
	backup->busy_ms = options->busy_ms;
	file_spare_standard();
	err = file_resolve(backup->path, options->path, failure);
	if (!err)
		err = file_check_directory(backup->path, failure);
	if (!err)
		err = check_names(backup, failure);
	if (!err)
		err = check_target(backup, failure);
	if (err) {
		memory_free(backup);
		return err;
	}
	return start_backup(out, backup, failure);
}

int tide_compact_start(struct tide_backup **out, struct tide *tide, struct failure *failure)
{
	const struct store_options *source = store_options(tide->store);
	struct tide_backup *backup;

	*out = NULL;
	if (!source->alone || source->read_only)
		return fail_as(failure, ERR_OPTIONS,
			"compacting requires a database that is open exclusively and for writing");
	if (tide->transaction.txn)
		return fail(failure, ERR_NESTED);
	backup = new_backup(tide);
	if (!backup)
		return fail(failure, ERR_NO_MEMORY);
	backup->compact = backup->in_place = true;
	snprintf(backup->path, sizeof backup->path, "%s", source->path);
	return start_backup(out, backup, failure);
}

/* --- result and progress --- */

int tide_backup_result(const struct tide_backup *backup, struct tide_backup_facts *facts,
	struct failure *failure)
{
	int err = thread_result(backup->thread, failure);

	if (!err)
		*facts = backup->facts;
	return err;
}

void tide_backup_progress(const struct tide_backup *backup, struct tide_progress *progress)
{
	const struct progress *now = thread_progress(backup->thread);

	progress->phase = (enum tide_backup_phase)atomic_load(&now->phase);
	progress->done = atomic_load(&now->done);
	progress->total = atomic_load(&now->total);
}

void tide_backup_wait(const struct tide_backup *backup, uint32_t ms)
{
	thread_wait(backup->thread, ms);
}

int tide_backup_descriptor(const struct tide_backup *backup)
{
	return thread_descriptor(backup->thread);
}

void tide_backup_finish(struct tide_backup *backup)
{
	if (!backup)
		return;
	if (store_is_foreign(backup->store))
		temporary_forget(&backup->temporary);
	thread_finish(backup->thread);
	memory_free(backup);
}
