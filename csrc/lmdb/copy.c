/* copy.c - copies a database file while other processes write, with progress and cancellation.
 *
 * A compact copy contains the rows of a snapshot (lmdb/compaction.c), a plain copy all pages:
 *
 *     LMDB's thread          mdb_env_copyfd2 -> socket
 *     the calling thread     socket -> file, 1 MiB at a time
 *
 * mdb_env_copyfd2 begins a plain copy with the two meta pages, which it writes while it holds
 * LMDB's write mutex. LMDB waits for this mutex without a timeout, so the caller must hold the
 * write lock. The two pages fit in the socket's buffer, so LMDB releases the mutex even if the
 * calling thread does not read from the socket yet.
 */
#include "lmdb/copy.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "lmdb/internal.h"
#include "lmdb_file/audit.h"

#define CHUNK (UINT32_C(1) << 20)

/* Maximum number of unflushed bytes of the copy. The limit bounds the time of the last flush, and
 * the time for which commits on the same disk wait for writes of the copy. */
#define FLUSH_EVERY (UINT64_C(64) << 20)

struct copier {
	struct store *store;
	int socket;              /* LMDB's end */
	int rc;
	pthread_t thread;
};

struct pump {
	int socket;              /* the calling thread's end */
	const struct temporary *to;
	struct shared_page *shared;      /* the write lock is held; NULL after its release */
	struct shared_page *slots;       /* the slot lock is held; NULL after its release */
	bool marked;             /* slot_lock_writer_begins was called */
	uint32_t page_bytes;
	uint64_t bytes;
	uint64_t pages;          /* number of pages reported to progress */
	uint64_t unflushed;
	uint8_t *chunk;
	struct progress *progress;
	struct failure *failure;
};

/* --- LMDB's thread --- */

/* Runs mdb_env_copyfd2 on LMDB's thread. SIGPIPE is blocked, because a write to a socket that was
 * shut down raises this signal, whose default action terminates the process. The signal stays
 * pending until the thread ends. */
static void *run_copier(void *context)
{
	struct copier *copier = context;
	struct slot slot;
	sigset_t pipe_signal;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	readers_add(copier->store, &slot);
	copier->rc = mdb_env_copyfd2(copier->store->env, copier->socket, 0);
	readers_remove(copier->store, &slot);
	shutdown(copier->socket, SHUT_RDWR);
	return NULL;
}

/* --- the calling thread --- */

static void release_write_lock(struct pump *pump)
{
	if (!pump->shared)
		return;
	if (pump->marked)
		slot_lock_writer_ends(pump->shared);
	write_lock_release(pump->shared);
	pump->shared = NULL;
}

/* Releases the slot lock after the first byte of the copy, because LMDB has its reader slot
 * then. */
static void release_slot_lock(struct pump *pump)
{
	slot_lock_release(pump->slots);
	pump->slots = NULL;
}

static int write_failed(const struct pump *pump, int system, const char *what)
{
	int err = file_write_error(pump->to->fd, system);

	if (err == ERR_DISK_FULL)
		file_fail_full(pump->failure, pump->to->fd, pump->to->path);
	else
		file_fail(pump->failure, system, pump->to->path, what);
	if (pump->failure)
		pump->failure->system = system;
	return err;
}

static int write_all(struct pump *pump, size_t len)
{
	const uint8_t *from = pump->chunk;

	while (len) {
		ssize_t written = write(pump->to->fd, from, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return write_failed(pump, written ? errno : EIO, "can't be written");
		from += written;
		len -= (size_t)written;
		pump->bytes += (uint64_t)written;
		pump->unflushed += (uint64_t)written;
	}
	if (pump->unflushed < FLUSH_EVERY)
		return 0;
	pump->unflushed = 0;
	return fdatasync(pump->to->fd) ? write_failed(pump, errno, "can't be flushed") : 0;
}

static int count_pages(struct pump *pump)
{
	uint64_t pages = pump->bytes / pump->page_bytes;
	int err = progress_step(pump->progress, pages - pump->pages);

	pump->pages = pages;
	return err ? fail(pump->failure, err) : 0;
}

static int pump_all(struct pump *pump)
{
	for (;;) {
		ssize_t got = recv(pump->socket, pump->chunk, CHUNK, 0);
		int err;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_as(pump->failure, ERR_STORE, "%s can't be copied: the socket of"
				" the copying thread can't be read: %s", pump->to->path, strerror(errno));
		release_slot_lock(pump);
		release_write_lock(pump);
		if (got == 0)
			return 0;
		err = write_all(pump, (size_t)got);
		if (!err)
			err = count_pages(pump);
		if (err)
			return err;
	}
}

/* --- copying --- */

static int lmdb_failed(const struct store *store, int rc, struct failure *failure)
{
	if (atomic_load(&store->failed))
		return store_failed(store, failure);
	return env_fail(failure, store, rc, "can't be copied");
}

static int start_copier(struct copier *copier, struct failure *failure)
{
	int system = pthread_create(&copier->thread, NULL, run_copier, copier);

	return system ? fail_as(failure, ERR_STORE, "can't start a thread for the copy") : 0;
}

static int copy_through_socket(struct store *store, struct copier *copier, struct pump *pump)
{
	int err;

	if (slot_lock_take(store->shared))
		return lmdb_failed(store, STORE_SLOTS_BUSY, pump->failure);
	pump->slots = store->shared;
	pump->marked = pump->shared && !slot_lock_is_needed(pump->shared);
	if (pump->marked)
		slot_lock_writer_begins(pump->shared);
	err = start_copier(copier, pump->failure);
	if (!err) {
		err = pump_all(pump);
		shutdown(pump->socket, SHUT_RDWR);   /* makes LMDB's next write fail */
		pthread_join(copier->thread, NULL);
	}
	release_slot_lock(pump);
	if (err)
		return err;
	if (copier->rc)
		err = lmdb_failed(store, copier->rc, pump->failure);
	return err;
}

static int pump_pages(struct store *store, struct pump *pump)
{
	struct copier copier = { .store = store };
	int sockets[2];
	int err;

	pump->chunk = memory_alloc(CHUNK);
	if (!pump->chunk)
		return fail(pump->failure, ERR_NO_MEMORY);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
		err = fail_as(pump->failure, ERR_STORE, "can't create a socket for the copy");
	} else {
		pump->socket = sockets[0];
		copier.socket = sockets[1];
		err = copy_through_socket(store, &copier, pump);
		close(sockets[0]);
		close(sockets[1]);
	}
	memory_free(pump->chunk);
	return err;
}

static int copy_pages(struct store *store, struct pump *pump, uint32_t phase)
{
	progress_begin(pump->progress, phase, env_page_count(store));
	return pump_pages(store, pump);
}

/* Audits the pages of the snapshot before a compact copy. The caller's reader prevents reuse of
 * these pages. The write lock is held until the snapshot's meta page has been read. */
static int check_source(struct store *store, uint64_t snapshot, struct pump *pump)
{
	struct meta_page facts;
	struct meta_faults faults;
	int err = raw_txn_read_meta(store, snapshot, &facts, &faults, pump->failure);

	release_write_lock(pump);
	return err ? err : audit_first(store->fd, store->path, &facts, pump->progress,
		pump->failure);
}

static int copy_rows(struct store *store, MDB_txn *snapshot, struct pump *pump, uint32_t phase)
{
	uint64_t rows;
	int rc = compact_count(store, snapshot, &rows);
	int err;

	if (rc)
		return lmdb_failed(store, rc, pump->failure);
	progress_begin(pump->progress, phase, rows);
	err = check_source(store, mdb_txn_id(snapshot), pump);
	return err ? err : compact_rows(store, snapshot, pump->to, pump->progress, pump->failure);
}

int copy_store(struct store *store, const struct temporary *to, bool compact, uint32_t phase,
	struct progress *progress, struct failure *failure)
{
	struct pump pump = { .to = to, .shared = store->shared, .page_bytes = store->page_bytes,
		.progress = progress, .failure = failure };
	struct slot slot;
	MDB_txn *mdb;
	int err;
	int rc;

	readers_add(store, &slot);
	rc = txn_begin(store, MDB_RDONLY, &mdb);   /* also remaps and frees slots of dead readers */
	if (rc) {
		err = lmdb_failed(store, rc, failure);
	} else {
		readers_locate(store, &slot);
		err = compact ? copy_rows(store, mdb, &pump, phase)
			: copy_pages(store, &pump, phase);
		if (!readers_holds(store, &slot, mdb_txn_id(mdb)))
			err = fail_as(failure, ERR_STORE, "the snapshot of %s that was being copied"
				" was freed by another program", store->path);
		if (readers_has(store, &slot))
			mdb_txn_abort(mdb);
		else
			readers_abandon(mdb);
		gate_leave(store);
	}
	readers_remove(store, &slot);
	release_write_lock(&pump);
	return err;
}

int copy_check_pages(const struct temporary *copy, uint64_t *page_count,
	struct progress *progress, struct failure *failure)
{
	struct meta_page facts;
	int err = meta_page_read(copy->fd, copy->path, &facts, failure);

	if (!err)
		err = audit_first(copy->fd, copy->path, &facts, progress, failure);
	*page_count = err ? 0 : facts.page_count;
	return err;
}

int copy_amend(const struct temporary *copy, uint64_t page_count,
	int (*amend)(struct txn *txn, void *context, struct failure *failure), void *context,
	struct failure *failure)
{
	struct store_options options = {
		.max_bytes = 1,          /* so that only the file and the reserve are mapped */
		.durability = DURABILITY_FULL,
		.clock = clock_system(),
		.fill = amend,
		.context = context,
	};

	return env_fill(&options, copy->path, copy, page_count, failure);
}
