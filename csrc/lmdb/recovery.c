/* recovery.c - commits whose writer died before LMDB published them.
 *
 * LMDB commits in two steps: it writes the meta page (at a durable level through
 * O_DSYNC) and then stores the commit's number in its lock file. Readers take
 * their snapshot number from there. A writer that is killed in between leaves a
 * commit that is in the file and that no reader sees, until a process locks LMDB's
 * write mutex: it is robust, and LMDB then sets the number from the meta page.
 *
 *                  writing   flushing   published
 *     meta page    T         T+1        T+1
 *     lock file    T         T          T+1
 *
 * A process that finds the meta page ahead asks whether the write lock
 * (os/shared_page.h) has a live owner. If it has, the owner is flushing. If it has
 * not, the process takes the lock and does what the next writer would do. It
 * flushes first: the killed writer may not have done it, and a power cut must not
 * take back what a reader has seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lmdb/internal.h"
#include "lmdb_file/format.h"

/* The owner of the write lock is asked for at most this often, by each store. */
#define ASK_EVERY_MS 10

/* Loads until the meta pages and the lock file agree, while others commit. */
#define AGREE_ATTEMPTS 1000

/* --- the lock file --- */

/* LMDB sets the number when it initializes the lock file, so what it was before
 * tells whether the newest commit was published, and so flushed. */
void recovery_begin(struct store *store, uint64_t newest)
{
	uint8_t *header = store->lock.map;
	uint32_t magic;

	store->published = (_Atomic uint64_t *)(void *)(header + LMDB_PUBLISHED_AT);
	memcpy(&magic, header, sizeof magic);
	store->unflushed = !store->made &&
		(magic != LMDB_MAGIC || atomic_load(store->published) != newest);
}

/* Returns true if the mapped number is LMDB's: it is that of the newest meta page, or
 * one less. */
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

/* Returns 0 or an errno. After a failed flush the kernel takes the pages for clean, so
 * the meta pages are written again. */
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
		return fail_as(failure, ERR_STORE, "%s: LMDB's lock file has an unknown layout, or"
			" was replaced while the database was opened", store->path);
	system = alone && store->unflushed ? flush(store) : 0;
	if (!system)
		return 0;
	atomic_fetch_sub(store->published, 1);   /* so that the next open flushes, too */
	return env_fail(failure, store, system, "the last commit can't be flushed");
}

/* LMDB recovers from a dead owner of its write mutex. Without a dead owner the meta
 * page is ahead if a write of it failed and so did taking it back; then the number is
 * set here, or the next writer would overwrite pages that the meta page refers to. */
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

/* Starts a copy that fails. LMDB's recovery takes the reader mutex. */
static int copy_nothing(struct store *store, int fd)
{
	if (slot_lock_take(store->shared))
		return STORE_SLOTS_BUSY;
	mdb_env_copyfd2(store->env, fd, 0);
	slot_lock_release(store->shared);
	return 0;
}

/* A read-only environment can't begin a write transaction. But before LMDB copies the
 * meta pages it locks the write mutex, and recovers from a dead owner. The copy goes to
 * a descriptor that refuses it. */
static int publish_read_only(struct store *store)
{
	struct slot slot;
	MDB_txn *mdb;
	int ends[2];
	int rc;

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	readers_add(store, &slot);
	rc = txn_begin(store, MDB_RDONLY, &mdb);   /* for the gate */
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

/* Says why the meta page is still ahead. */
static int fail_to_publish(const struct store *store, int rc, struct failure *failure)
{
	struct meta_page facts;
	int err;

	if (rc)
		return txn_begin_failed(store, rc, failure);
	err = meta_page_read(store->fd, store->path, &facts, failure);
	return err ? err : fail_as(failure, ERR_BUSY, "%s: a commit that a killed process left"
		" can't be completed here; open the database for writing once", store->path);
}

int store_recover_locked(struct store *store, struct failure *failure)
{
	int rc;

	if (!recovery_is_due(store))
		return 0;
	rc = flush(store);
	if (rc)
		return env_fail(failure, store, rc,
			"a commit that a killed process left can't be flushed");
	rc = store->options.read_only ? publish_read_only(store) : publish(store);
	if (recovery_is_due(store))
		return fail_to_publish(store, rc, failure);
	commit_notify(store->shared, COMMIT_ALL_GROUPS);
	return 0;
}

/* --- looking --- */

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
		atomic_store(&store->asked_ms, 0);   /* fails again at the next look */
	return err;
}

uint32_t store_wait_ms(const struct store *store, uint32_t ms)
{
	return ms > ASK_EVERY_MS && recovery_is_due(store) ? ASK_EVERY_MS : ms;
}
