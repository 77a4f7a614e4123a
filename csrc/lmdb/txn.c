/* txn.c - transactions, and the gate that allows remapping.
 *
 * Another process may have opened the file with a larger mapping and grown the file beyond the
 * mapping of this process. LMDB then refuses to begin a transaction until the file is mapped
 * again. The mapping must not be replaced while a transaction of this process uses it, because the
 * transaction would crash (SIGSEGV). So transactions are counted:
 *
 *     begin: active += 1; if resizing: active -= 1, wait, retry
 *     grow:  resizing = true; wait until active == 0; remap; resizing = false
 *
 * Both sides write before they read, sequentially consistent (a Dekker-style handshake).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "lmdb/internal.h"
#include "os/fault_point.h"

/* Time, in us, for which remapping waits until the process's transactions have ended. */
#define RESIZE_TIMEOUT_US 100000
#define RESIZE_RETRY_US 100

/* Number of commits, and of pages by which the file has grown, after which the slots of dead
 * readers are removed. These slots prevent reuse of pages, so the file grows. */
#define READER_CHECK_COMMITS 1000
#define READER_CHECK_PAGES 1024

/* Upper bound of the number of pages that writing one row uses: its leaf, the branches above it,
 * and a split. Used by writer_check_space. The actual number is almost always lower. */
#define PAGES_PER_ROW 5

/* --- the gate --- */

static void gate_enter(struct store *store)
{
	for (;;) {
		atomic_fetch_add(&store->active, 1);
		if (!atomic_load(&store->resizing))
			return;
		atomic_fetch_sub(&store->active, 1);
		pthread_mutex_lock(&store->resize);   /* held while the mapping is resized */
		pthread_mutex_unlock(&store->resize);
	}
}

void gate_leave(struct store *store)
{
	atomic_fetch_sub(&store->active, 1);
}

static bool wait_until_none_is_active(struct store *store)
{
	for (int waited = 0; atomic_load(&store->active); waited += RESIZE_RETRY_US) {
		if (waited >= RESIZE_TIMEOUT_US)
			return false;
		clock_sleep_us(RESIZE_RETRY_US);
	}
	return true;
}

int txn_grow_map(struct store *store)
{
	int rc = MDB_MAP_RESIZED;

	pthread_mutex_lock(&store->resize);
	atomic_store(&store->resizing, true);
	if (wait_until_none_is_active(store))
		rc = env_grow_map(store);
	atomic_store(&store->resizing, false);
	pthread_mutex_unlock(&store->resize);
	return rc;
}

int store_failed(const struct store *store, struct failure *failure)
{
	return fail_as(failure, ERR_STORE, "%s can't be used after an earlier failure;"
		" close every handle on it and open it again", store->path);
}

/* --- beginning --- */

static int begin_guarded(struct store *store, unsigned flags, MDB_txn **mdb)
{
	int rc;

	if (slot_lock_take(store->shared))
		return STORE_SLOTS_BUSY;
	rc = mdb_txn_begin(store->env, NULL, flags, mdb);
	slot_lock_release(store->shared);
	return rc;
}

/* Begins a write transaction. If the last writer died in one, LMDB's recovery locks the reader
 * mutex, so the slot lock is acquired. The page is marked before LMDB's mutex is locked, because
 * this process may die as well. */
static int begin_writer(struct store *store, MDB_txn **mdb)
{
	int rc;

	if (slot_lock_is_needed(store->shared))
		return begin_guarded(store, 0, mdb);
	slot_lock_writer_begins(store->shared);
	rc = mdb_txn_begin(store->env, NULL, 0, mdb);
	if (rc)
		slot_lock_writer_ends(store->shared);
	return rc;
}

static int begin_or_renew(struct store *store, unsigned flags, MDB_txn **mdb)
{
	if (*mdb)
		return mdb_txn_renew(*mdb);
	return flags & MDB_RDONLY ? begin_guarded(store, flags, mdb) : begin_writer(store, mdb);
}

/* Leaves the gate and removes the cause of the error rc if possible, by remapping the file or
 * removing the slots of dead readers. Returns 0 inside the gate, otherwise LMDB's code outside the
 * gate. */
static int resolve(struct store *store, int rc)
{
	int cleared;

	gate_leave(store);
	if (rc == MDB_MAP_RESIZED)
		rc = txn_grow_map(store);
	else if (rc == MDB_READERS_FULL)
		rc = readers_check(store, &cleared) || !cleared ? rc : 0;
	if (rc == MDB_PANIC)
		atomic_store(&store->failed, true);
	if (!rc)
		gate_enter(store);
	return rc;
}

/* Begins the LMDB transaction *mdb, or renews it if *mdb is not NULL. */
static int begin(struct store *store, unsigned flags, MDB_txn **mdb)
{
	int rc;

	if (atomic_load(&store->failed))
		return MDB_PANIC;
	gate_enter(store);
	rc = begin_or_renew(store, flags, mdb);
	for (int attempt = 0; rc && attempt < 3; attempt++) {
		rc = resolve(store, rc);
		if (rc)
			return rc;
		rc = begin_or_renew(store, flags, mdb);
	}
	if (rc)
		gate_leave(store);
	return rc;
}

int txn_begin(struct store *store, unsigned flags, MDB_txn **mdb)
{
	*mdb = NULL;
	return begin(store, flags, mdb);
}

int txn_begin_failed(const struct store *store, int rc, struct failure *failure)
{
	if (atomic_load(&store->failed))
		return store_failed(store, failure);
	if (rc == EAGAIN)
		return fail_as(failure, ERR_NAMESPACE, "%s is being read by a process with the same"
			" pid in another PID namespace", store->path);
	return env_fail(failure, store, rc, "allows no new transaction");
}

/* --- readers --- */

int reader_open(struct txn **out, struct store *store, struct failure *failure)
{
	struct txn *txn = memory_alloc_zeroed(sizeof *txn);
	int rc;

	*out = NULL;
	if (!txn)
		return fail(failure, ERR_NO_MEMORY);
	lock_file_retake(&store->lock);
	readers_add(store, &txn->slot);
	rc = txn_begin(store, MDB_RDONLY, &txn->mdb);
	if (rc) {
		readers_remove(store, &txn->slot);
		memory_free(txn);
		return txn_begin_failed(store, rc, failure);
	}
	readers_locate(store, &txn->slot);
	mdb_txn_reset(txn->mdb);
	gate_leave(store);
	atomic_fetch_add(&store->readers, 1);
	txn->store = store;
	*out = txn;
	return 0;
}

static void abandon_slot(struct txn *txn)
{
	cursors_close(txn);
	readers_abandon(txn->mdb);
	txn->mdb = NULL;
	txn->slot.at = NULL;
}

static int renew(struct txn *txn)
{
	struct store *store = txn->store;
	int rc;

	if (txn->mdb && !readers_has(store, &txn->slot))
		abandon_slot(txn);
	if (txn->mdb)
		return begin(store, MDB_RDONLY, &txn->mdb);
	lock_file_retake(&store->lock);
	rc = begin(store, MDB_RDONLY, &txn->mdb);
	if (!rc)
		readers_locate(store, &txn->slot);
	return rc;
}

/* Publishes the commit of a dead writer, then takes a new snapshot for the reader. */
static int renew_recovered(struct txn *txn, struct failure *failure)
{
	struct store *store = txn->store;
	int err;
	int rc;

	mdb_txn_reset(txn->mdb);
	gate_leave(store);
	err = store_recover(store, failure);
	if (err)
		return err;
	rc = renew(txn);
	return rc ? txn_begin_failed(store, rc, failure) : 0;
}

int reader_renew(struct txn *txn, struct failure *failure)
{
	int rc = renew(txn);

	if (rc)
		return txn_begin_failed(txn->store, rc, failure);
	if (recovery_is_due(txn->store)) {
		int err = renew_recovered(txn, failure);

		if (err)
			return err;
	}
	txn->snapshot++;
	txn->live = true;
	txn->err = txn->system = 0;
	return 0;
}

void reader_reset(struct txn *txn)
{
	if (!txn->live)
		return;
	if (readers_holds(txn->store, &txn->slot, mdb_txn_id(txn->mdb)))
		mdb_txn_reset(txn->mdb);
	else
		abandon_slot(txn);
	txn->live = false;
	gate_leave(txn->store);
}

int reader_verify(const struct txn *txn, struct failure *failure)
{
	if (txn->writing || txn->raw || !txn->live ||
			readers_holds(txn->store, &txn->slot, mdb_txn_id(txn->mdb)))
		return 0;
	return fail_as(failure, ERR_STORE, "the snapshot of %s was freed by another program, which"
		" considered this process dead because %s-lock was closed in this process",
		txn->store->path, txn->store->path);
}

void reader_end(struct txn *txn)
{
	struct store *store = txn->store;

	reader_reset(txn);
	cursors_close(txn);
	if (txn->mdb && readers_has(store, &txn->slot))
		mdb_txn_abort(txn->mdb);
	else if (txn->mdb)
		readers_abandon(txn->mdb);
	txn->mdb = NULL;
	txn->ended = true;
	readers_remove(store, &txn->slot);
	atomic_fetch_sub(&store->readers, 1);
}

void reader_close(struct txn *txn)
{
	if (!txn)
		return;
	if (!store_is_foreign(txn->store)) {
		reader_unlimit(txn);
		if (!txn->ended)
			reader_end(txn);
	}
	memory_free(txn);
}

/* --- the writer --- */

static void clear_stale_if_due(struct store *store)
{
	uint64_t pages = env_page_count(store);

	if (++store->commits < READER_CHECK_COMMITS &&
			pages < store->pages_checked + READER_CHECK_PAGES)
		return;
	store->commits = 0;
	store->pages_checked = pages;
	readers_check(store, NULL);   /* a failure is ignored; the check is repeated */
}

/* Repairs failed flushes before the next commit, because the next commit requires that the last
 * commit is, or will be, on the disk. Must also be called for a failed flush that another process
 * has repaired, because the descriptors of this process still report the old error. Returns 0 or
 * an errno. */
static int settle(struct store *store)
{
	uint32_t failures = shared_page_flush_failures(store->shared);
	uint32_t unsettled = shared_page_unsettled(store->shared);
	int system;

	if ((!unsettled && failures == store->flush_failures) || !store_is_durable(store))
		return 0;
	system = env_settle(store);
	if (!system) {
		store->flush_failures = failures;
		shared_page_settled(store->shared, unsettled);
	}
	return system;
}

int writer_begin(struct txn **out, struct store *store, struct failure *failure)
{
	struct txn *txn = &store->writer;
	int err;
	int rc;

	*out = NULL;
	if (store->options.read_only)
		return fail(failure, ERR_READ_ONLY);
	assert(!txn->live);   /* the write lock allows one writer */
	if (!atomic_load(&store->failed))
		clear_stale_if_due(store);
	memset(txn, 0, sizeof *txn);
	rc = settle(store);
	if (rc)
		return env_fail(failure, store, rc, "can't be flushed after its last commit");
	err = store_recover_locked(store, failure);
	if (err)
		return err;
	rc = txn_begin(store, 0, &txn->mdb);
	if (rc)
		return txn_begin_failed(store, rc, failure);
	txn->store = store;
	txn->writing = txn->live = true;
	*out = txn;
	return 0;
}

static void writer_end(struct txn *txn)
{
	txn->live = false;
	txn->mdb = NULL;
	slot_lock_writer_ends(txn->store->shared);
	gate_leave(txn->store);
}

void writer_abort(struct txn **txn)
{
	struct txn *ending = *txn;

	*txn = NULL;
	if (!ending || !ending->live || store_is_foreign(ending->store))
		return;
	mdb_txn_abort(ending->mdb);
	writer_end(ending);
}

/* Returns true if LMDB refuses all further transactions because it failed to write a meta page and
 * does not know whether the page is on the disk. The test begins a transaction, which does not
 * wait, because the write lock is held. The caller must be inside the gate. */
static bool lmdb_has_failed(struct store *store)
{
	MDB_txn *mdb;
	int rc = mdb_txn_begin(store->env, NULL, 0, &mdb);

	if (!rc)
		mdb_txn_abort(mdb);
	return rc == MDB_PANIC;
}

static int fail_unknown(struct store *store, int rc, struct failure *failure)
{
	int err = fail_as(failure, ERR_UNKNOWN_OUTCOME,
		"the commit to %s failed (%s) and its outcome is unknown;"
		" close every handle on the database and open it again", store->path,
		mdb_strerror(rc));

	if (failure)
		failure->system = rc;
	return err;
}

/* Reports the error of a fault that a test has set. */
static int fail_for_test(struct store *store, int fault, struct failure *failure)
{
	if (fault != ERR_UNKNOWN_OUTCOME)
		return fail_with(failure, fault, "a fault set by a test");
	atomic_store(&store->failed, true);
	return fail_unknown(store, EIO, failure);
}

static int commit_failed(struct txn *txn, int rc, struct failure *failure)
{
	struct store *store = txn->store;

	if (atomic_load(&store->failed))
		return fail_unknown(store, rc, failure);
	if (store_is_durable(store))
		shared_page_flush_failed(store->shared);
	settle(store);
	/* If an earlier operation of the transaction failed, its error is the cause to report. */
	return env_fail(failure, store, txn->err ? txn->system : rc,
		"can't be written by the commit");
}

/* Checks that the path still refers to the open file; commits to a removed file would be lost.
 * Called before each commit that is flushed, where a few system calls cost little. At the level
 * NONE, called only when store_note_time has requested the check. */
static int check_name(struct store *store, struct failure *failure)
{
	int err = 0;

	if (store_is_durable(store) || store->names_due) {
		lock_file_retake(&store->lock);
		err = store_check_name(store, failure);
	}
	store->names_due = err != 0;
	return err;
}

int writer_commit(struct txn **txn, struct failure *failure)
{
	struct txn *ending = *txn;
	struct store *store = ending->store;
	uint64_t number = mdb_txn_id(ending->mdb);
	int err = check_name(store, failure);
	int fault, rc;

	if (!err) {
		fault = fault_reached(FAULT_BEFORE_COMMIT);
		fault = fault ? fault : fault_reached(FAULT_AFTER_WRITE);
		err = fault ? fail_for_test(store, fault, failure) : 0;
	}
	if (err) {
		writer_abort(txn);
		return err;
	}
	*txn = NULL;
	rc = mdb_txn_commit(ending->mdb);   /* frees the transaction, also on failure */
	fault = rc ? 0 : fault_reached(FAULT_AFTER_COMMIT);
	if (rc && lmdb_has_failed(store))
		atomic_store(&store->failed, true);
	writer_end(ending);
	if (rc)
		return commit_failed(ending, rc, failure);
	if (fault)
		return fail_for_test(store, fault, failure);
	if (store_last_commit(store) == number) {   /* otherwise nothing was written */
		store->dirty = store->options.durability != DURABILITY_FULL;
		/* First: a worker that the commit wakes looks at the number of these. */
		if (ending->has_progressed)
			progress_notify(store->shared);
		if (!ending->is_quiet)
			commit_notify(store->shared, ending->touched);
	}
	return 0;
}

void txn_touch(struct txn *txn, uint64_t streams)
{
	txn->touched |= streams;
}

void txn_be_quiet(struct txn *txn)
{
	txn->is_quiet = true;
}

void txn_progressed(struct txn *txn)
{
	txn->has_progressed = true;
}

/* --- space --- */

/* Returns an upper bound of the number of pages that the transaction has used. */
static uint64_t pages_taken_at_most(const struct txn *txn)
{
	return txn->rows_written * PAGES_PER_ROW + 2 * txn->bytes_written / txn->store->page_bytes;
}

/* Sets *found to true if `wanted` pages are free. Counts only as many free pages as necessary, and
 * only once per transaction, because the free list is long if the file was full and is empty
 * again. */
static int find_free_pages(struct txn *txn, uint64_t wanted, bool *found)
{
	uint64_t enough = 2 * wanted;
	int rc = 0;

	if (txn->free_pages < wanted && !txn->free_counted) {
		readers_check(txn->store, NULL);
		rc = env_free_pages(txn->store, true, enough, &txn->free_pages);
		txn->free_counted = txn->free_pages < enough;
	}
	*found = txn->free_pages >= wanted;
	return rc;
}

/* User writes are allowed up to max_pages. A transaction that begins below this limit may exceed
 * it by half the reserve, because the other half is for trims and deletes. */
int writer_check_space(struct txn *txn, struct failure *failure)
{
	struct store *store = txn->store;
	uint64_t taken = pages_taken_at_most(txn);
	uint64_t grace = store->reserve_pages / 2;
	uint64_t used;
	bool found;
	int rc;

	if (!store->metas)   /* a temporary file (env_fill) */
		return 0;
	used = env_page_count(store);
	used += taken > grace ? taken - grace : 0;
	if (used < store->max_pages)
		return 0;
	rc = find_free_pages(txn, used - store->max_pages + 1, &found);
	if (rc)
		return env_fail(failure, store, rc, "has free pages that can't be counted");
	if (found)
		return 0;
	return env_full(store, failure);
}

/* --- in readers and writers --- */

uint64_t txn_id(const struct txn *txn)
{
	return txn->raw ? raw_txn_commit(txn) : mdb_txn_id(txn->mdb);
}

struct store *txn_store(const struct txn *txn)
{
	return txn->store;
}

uint32_t txn_page_bytes(const struct txn *txn)
{
	MDB_stat stat;

	return mdb_env_stat(mdb_txn_env(txn->mdb), &stat) ? 0 : stat.ms_psize;
}
