/* recovery.c - publishes commits whose writer died before LMDB published them.
 *
 * LMDB commits in two steps: it writes the meta page (at a durable level through O_DSYNC) and then
 * stores the commit's number in its lock file, from which readers take their snapshot number. If
 * the writer is killed in between, the commit is in the file, but no reader sees it until a
 * process locks LMDB's write mutex. This mutex is robust, and when LMDB locks it after the death
 * of its owner, LMDB sets the number from the meta page.
 *
 *                  writing   flushing   published
 *     meta page    T         T+1        T+1
 *     lock file    T         T          T+1
 *
 * A process that finds the meta page ahead of the lock file tests whether the write lock
 * (os/shared_page.h) has a live owner. If so, the owner is flushing. Otherwise the process
 * acquires the write lock and publishes the commit, as the next writer would. The process flushes
 * first, because the killed writer may not have flushed, and a power cut must not remove a commit
 * that a reader has seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lmdb/internal.h"
#include "lmdb_file/format.h"

/* Minimum interval, in ms, between two tests of the write lock's owner, for each store. */
#define ASK_EVERY_MS 10

/* Maximum number of attempts to load the meta pages and the lock file until they agree, while
 * other processes commit. */
#define AGREE_ATTEMPTS 1000

/* --- the lock file --- */

/* Must be called before LMDB initializes the lock file and sets the commit number there, because
 * the old number shows whether the newest commit was published, and therefore flushed. */
void recovery_begin(struct store *store, uint64_t newest)
{
	uint8_t *header = store->lock.map;
	uint32_t magic;

	store->published = (_Atomic uint64_t *)(void *)(header + LMDB_PUBLISHED_AT);
	memcpy(&magic, header, sizeof magic);
	store->unflushed = !store->made &&
		(magic != LMDB_MAGIC || atomic_load(store->published) != newest);
}

/* Returns true if the mapped word is the commit number in LMDB's lock file, which equals the
 * number of the newer meta page or is one less. */
static bool is_mapped(const struct store *store)
{
	for (int attempt = 0; attempt < AGREE_ATTEMPTS; attempt++) {
		uint64_t published = store_last_commit(store);
		uint64_t newest = env_newest_commit(store);

		if (newest == published || newest == published + 1)
			return true;
	}
	return false;
}

/* --- completing --- */

/* Flushes the newest commit. Returns 0 or an errno. If an earlier flush has failed, the meta pages
 * are written again, because the kernel considers their pages clean. */
static int flush(struct store *store)
{
	int system = 0;

	if (!store_is_durable(store))
		store->dirty = true;
	else if (shared_page_unsettled(store->shared) && !store->options.read_only)
		system = env_settle(store);
	else if (fdatasync(store->fd))
		system = errno;
	if (system)
		shared_page_flush_failed(store->shared);
	return system;
}

int recovery_opened(struct store *store, bool alone, struct failure *failure)
{
	int system;

	if (!is_mapped(store))
		return fail_as(failure, ERR_STORE, "LMDB's lock file of %s has an unknown layout, or"
			" was replaced while the database was opened", store->path);
	system = alone && store->unflushed ? flush(store) : 0;
	if (!system)
		return 0;
	atomic_fetch_sub(store->published, 1);   /* so that the next open flushes again */
	return env_fail(failure, store, system, "can't be flushed after its last commit");
}

/* Begins a write transaction, in which LMDB recovers from a dead owner of its write mutex. If no
 * owner died, the meta page is ahead because LMDB failed both to write it and to restore the old
 * one. Then the number is set here, because otherwise the next writer would overwrite pages that
 * the meta page refers to. */
static int publish(struct store *store)
{
	struct meta_page facts;
	MDB_txn *mdb;
	int rc = txn_begin(store, 0, &mdb);

	if (rc)
		return rc;
	if (recovery_is_due(store) &&
			meta_page_read(store->fd, store->path, &facts, NULL) == 0 &&
			facts.commit == store_last_commit(store) + 1)
		atomic_store(store->published, facts.commit);
	mdb_txn_abort(mdb);
	slot_lock_writer_ends(store->shared);
	gate_leave(store);
	return 0;
}

/* Starts a copy of the file that fails, with the slot lock held, because LMDB's recovery locks the
 * reader mutex. */
static int copy_nothing(struct store *store, int fd)
{
	if (slot_lock_take(store->shared))
		return STORE_SLOTS_BUSY;
	mdb_env_copyfd2(store->env, fd, 0);
	slot_lock_release(store->shared);
	return 0;
}

/* Publishes the last commit through a read-only environment, which cannot begin a write
 * transaction. LMDB also locks the write mutex, and recovers from a dead owner, before it copies
 * the meta pages in mdb_env_copyfd. So a copy is started to a descriptor that is not writable. */
static int publish_read_only(struct store *store)
{
	struct slot slot;
	MDB_txn *mdb;
	int ends[2];
	int rc;

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	readers_add(store, &slot);
	rc = txn_begin(store, MDB_RDONLY, &mdb);   /* only to enter the gate */
	if (!rc) {
		rc = copy_nothing(store, ends[0]);
		mdb_txn_abort(mdb);
		gate_leave(store);
	}
	readers_remove(store, &slot);
	close(ends[0]);
	close(ends[1]);
	return rc;
}

/* Reports why the meta page is still ahead of the lock file. */
static int fail_to_publish(const struct store *store, int rc, struct failure *failure)
{
	struct meta_page facts;
	int err;

	if (rc)
		return txn_begin_failed(store, rc, failure);
	err = meta_page_read(store->fd, store->path, &facts, failure);
	return err ? err : fail_as(failure, ERR_BUSY, "the last commit of a killed process to"
		" %s can't be completed by a read-only handle; open the database for writing once",
		store->path);
}

int store_recover_locked(struct store *store, struct failure *failure)
{
	int rc;

	if (!recovery_is_due(store))
		return 0;
	rc = flush(store);
	if (rc)
		return env_fail(failure, store, rc,
			"can't be flushed after the last commit of a killed process");
	rc = store->options.read_only ? publish_read_only(store) : publish(store);
	if (recovery_is_due(store))
		return fail_to_publish(store, rc, failure);
	commit_notify(store->shared, COMMIT_ALL_GROUPS);
	progress_notify(store->shared);
	return 0;
}

/* --- checking --- */

static bool may_ask(struct store *store)
{
	uint64_t now = clock_elapsed_ms(clock_system());
	uint64_t asked = atomic_load(&store->asked_ms);

	if (asked && now - asked < ASK_EVERY_MS)
		return false;
	atomic_store(&store->asked_ms, now);
	return true;
}

int store_recover(struct store *store, struct failure *failure)
{
	int err;

	if (!recovery_is_due(store) || !may_ask(store) || write_lock_try(store->shared))
		return 0;
	err = store_recover_locked(store, failure);
	write_lock_release(store->shared);
	if (err)
		atomic_store(&store->asked_ms, 0);   /* so that the next call fails as well */
	return err;
}

uint32_t store_wait_ms(const struct store *store, uint32_t ms)
{
	return ms > ASK_EVERY_MS && recovery_is_due(store) ? ASK_EVERY_MS : ms;
}
