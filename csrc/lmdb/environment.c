/* environment.c - LMDB's environment for one file: creation, checked opening, errors.
 *
 * A database file is created under a temporary name and renamed after it was flushed. A crash
 * leaves either no database file or a complete one, and perhaps the temporary file, which the next
 * creation removes (os/temporary.h). The OPENING lock of the shared page is held during all of
 * this, so no other process creates the same name. The shared page records whether the directory
 * entry was flushed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "lmdb/internal.h"
#include "lmdb_file/audit.h"
#include "os/address_space.h"
#include "os/fd_links.h"
#include "os/file_system.h"
#include "os/temporary.h"

/* Number of attempts to open an environment, because LMDB documents that opening may fail while
 * another process closes the file. */
#define OPEN_ATTEMPTS 10
#define OPEN_RETRY_US 10000
#define CHECK_RETRY_US 1000

/* Number of descriptors after LMDB's first one that are searched for its second one. */
#define META_DESCRIPTORS_SEARCHED 64

#define RESERVE_LEAST (UINT64_C(16) << 20)
#define RESERVE_FRACTION 20
#define MAX_BYTES_MOST (UINT64_C(1) << 46)

/* --- errors --- */

int env_error(int fd, int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
		return END;
	case MDB_KEYEXIST: case MDB_CORRUPTED: case MDB_PAGE_NOTFOUND: case MDB_INVALID:
	case MDB_INCOMPATIBLE: case MDB_CURSOR_FULL: case MDB_BAD_DBI: case MDB_BAD_VALSIZE:
	case MDB_PAGE_FULL: case MDB_VERSION_MISMATCH:
		return ERR_CORRUPT;
	case MDB_MAP_FULL:
		return ERR_FULL;
	case MDB_TXN_FULL:
		return ERR_TOO_BIG;
	case MDB_READERS_FULL:
		return ERR_READERS_FULL;
	case MDB_MAP_RESIZED: case STORE_SLOTS_BUSY:
		return ERR_BUSY;
	default:
		return rc > 0 ? file_write_error(fd, rc) : ERR_STORE;
	}
}

static int fail_slots_busy(struct failure *failure, const struct store *store)
{
	fail_busy(failure, slot_lock_owner(store->shared),
		"the lock on the reader slots of %s is held by another process, which may be"
		" stopped", store->path);
	if (failure)
		failure->transient = true;
	return ERR_BUSY;
}

int env_fail(struct failure *failure, const struct store *store, int rc, const char *what)
{
	int err = env_error(store->fd, rc);

	if (rc == STORE_SLOTS_BUSY)
		return fail_slots_busy(failure, store);
	if (rc == MDB_MAP_RESIZED)
		fail_as(failure, err, "%s has grown beyond this process's mapping, and an open"
			" snapshot prevents a larger mapping; try again when the snapshot has"
			" ended", store->path);
	else if (rc == ENOMEM)
		fail_as(failure, err, "%s %s: out of memory or of address space (ulimit -v)",
			store->path, what);
	else if (err == ERR_DISK_FULL)
		file_fail_full(failure, store->fd, store->path);
	else if (err == ERR_READERS_FULL || err == ERR_FULL)
		fail_about(failure, err, "%s", store->path);
	else
		fail_as(failure, err, "%s %s: %s", store->path, what, mdb_strerror(rc));
	if (failure)
		failure->system = rc;
	return err;
}

int env_full(const struct store *store, struct failure *failure)
{
	uint64_t limit = atomic_load(&store->limit_bytes);
	bool is_cut = limit < store->options.max_bytes;

	return fail_as(failure, ERR_FULL, "%s has reached its maximum size of %llu bytes (%s)",
		store->path, (unsigned long long)limit,
		is_cut ? "limited by the address space" : "max_size");
}

/* --- sizes --- */

static uint64_t reserve_bytes(uint64_t max_bytes)
{
	uint64_t part = max_bytes / RESERVE_FRACTION;

	return part > RESERVE_LEAST ? part : RESERVE_LEAST;
}

static uint64_t whole_pages(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

/* Sets the limit for user writes to max_bytes and computes the reserve above it. Both are smaller
 * if the mapping of map_bytes is too small for them. */
static void set_limits(struct store *store, uint64_t map_bytes)
{
	uint64_t limit = store->options.max_bytes;
	uint64_t reserve = reserve_bytes(limit);

	if (map_bytes < limit + reserve) {
		uint64_t part = map_bytes / (RESERVE_FRACTION + 1);

		reserve = part > RESERVE_LEAST ? part : RESERVE_LEAST;
		if (limit > map_bytes - reserve)
			limit = map_bytes - reserve;
	}
	atomic_store(&store->limit_bytes, limit);
	store->max_pages = limit / store->page_bytes;
	store->reserve_pages = reserve / store->page_bytes;
}

/* Returns the size of the mapping and sets the limits. The size is the larger of max_bytes and the
 * file size, plus the reserve. If the address space is too small for that, the size is less, but
 * at least the file size plus the smallest reserve. Returns 0 if this minimum does not fit either.
 * `wanted` is a minimum for the size, `reused` is the size of the mapping that will be replaced. */
static uint64_t choose_map(struct store *store, uint64_t page_count, uint64_t wanted,
	uint64_t reused)
{
	uint64_t max_bytes = store->options.max_bytes;
	uint64_t there = page_count * store->page_bytes;
	uint64_t all = (max_bytes > there ? max_bytes : there) + reserve_bytes(max_bytes);
	uint64_t map_bytes = address_space_fit(whole_pages(all > wanted ? all : wanted),
		whole_pages(there + RESERVE_LEAST), reused);

	if (map_bytes)
		set_limits(store, map_bytes);
	return map_bytes;
}

static int set_map(struct store *store, uint64_t page_count, struct failure *failure)
{
	uint64_t map_bytes;

	if (store->options.max_bytes > MAX_BYTES_MOST)
		return fail_as(failure, ERR_VALIDATION, "max_bytes is more than 64 TiB");
	map_bytes = choose_map(store, page_count, 0, 0);
	if (!map_bytes)
		return fail_as(failure, ERR_NO_MEMORY, "%s needs a mapping of %llu MiB, which does"
			" not fit in the address space (ulimit -v)", store->path, (unsigned long long)
			((page_count * store->page_bytes + RESERVE_LEAST) >> 20));
	mdb_env_set_mapsize(store->env, map_bytes);
	return 0;
}

/* --- the environment --- */

static unsigned durability_flags(const struct store_options *options)
{
	if (options->in_memory || options->durability == DURABILITY_NONE)
		return MDB_NOSYNC;
	return options->durability == DURABILITY_ONE_FLUSH ? MDB_NOMETASYNC : 0;
}

static bool is_transient(int rc)
{
	return rc == MDB_INVALID || rc == EAGAIN || rc == EINVAL || rc == ENOENT;
}

/* Opens the environment through fd_links, so that LMDB uses the files that were checked. path is
 * used in messages, and to open the file on machines without /proc. */
static int open_by_descriptor(struct store *store, int fd, const char *path, unsigned flags,
	struct failure *failure)
{
	struct fd_links links;
	int lock_fd = flags & MDB_NOLOCK ? -1 : store->lock.fd;
	int err = fd_links_make(&links, fd, lock_fd, path, failure);
	int rc;

	if (err)
		return err;
	rc = mdb_env_open(store->env, links.path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600);
	fd_links_remove(&links);
	if (rc == MDB_VERSION_MISMATCH)      /* of the lock file; the data file was checked */
		return fail_as(failure, ERR_BUSY,
			"%s is open in a program with another version of LMDB, whose lock file has"
			" another format", path);
	return rc ? env_fail(failure, store, rc, "can't be opened") : 0;
}

static int environment_open(struct store *store, int fd, const char *path, uint64_t page_count,
	unsigned flags, struct failure *failure)
{
	int err;
	int rc = mdb_env_create(&store->env);

	if (rc)
		return env_fail(failure, store, rc, "can't be opened");
	mdb_env_set_maxreaders(store->env, STORE_READERS);
	mdb_env_set_maxdbs(store->env, TREE_COUNT);
	err = set_map(store, page_count, failure);
	if (!err)
		err = open_by_descriptor(store, fd, path, flags, failure);
	if (err) {
		mdb_env_close(store->env);
		store->env = NULL;
	}
	return err;
}

static int environment_open_retrying(struct store *store, uint64_t page_count, unsigned flags,
	struct failure *failure)
{
	struct failure ours = { 0 };
	int err = 0;

	for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
		if (attempt)
			clock_sleep_us(OPEN_RETRY_US);
		err = environment_open(store, store->data.fd, store->path, page_count, flags,
			&ours);
		if (!err || !is_transient(ours.system))
			break;
	}
	if (err && failure)
		*failure = ours;
	return err;
}

static int map_metas(struct store *store, struct failure *failure)
{
	size_t size = 2 * (size_t)store->page_bytes;
	void *metas = mmap(NULL, size, PROT_READ, MAP_SHARED, store->fd, 0);

	if (metas == MAP_FAILED)
		return file_fail(failure, errno, store->path, "can't be mapped");
	store->metas = metas;
	return 0;
}

/* --- trees --- */

static int open_tree(struct store *store, MDB_txn *mdb, enum tree tree, unsigned flags)
{
	const char *name = tree == TREE_META ? NULL : tree_name(tree);
	unsigned kept = 0;
	int rc = mdb_dbi_open(mdb, name, flags, &store->trees[tree]);

	if (!rc)
		rc = mdb_dbi_flags(mdb, store->trees[tree], &kept);
	return !rc && kept ? MDB_INCOMPATIBLE : rc;  /* no tree has a flag such as MDB_DUPSORT */
}

/* Opens the trees of a database. Returns MDB_NOTFOUND if the file has none of them. If it has only
 * some, its header decides between an older format and damage (store_check_trees). */
int env_open_trees(struct store *store, MDB_txn *mdb, unsigned flags)
{
	int missing = 0;

	for (int i = 0; i < TREE_COUNT; i++) {
		int rc = open_tree(store, mdb, (enum tree)i, flags);

		if (rc && rc != MDB_NOTFOUND)
			return rc;
		if (rc == MDB_NOTFOUND)
			store->missing_tree = (enum tree)i;
		missing += rc == MDB_NOTFOUND;
	}
	return missing == TREE_COUNT - 1 ? MDB_NOTFOUND : 0;
}

int store_check_trees(const struct store *store, struct failure *failure)
{
	return store->missing_tree == TREE_META ? 0 : fail_as(failure, ERR_CORRUPT,
		"%s: tree %s can't be found: its root is not in meta", store->path,
		tree_name(store->missing_tree));
}

static int begin_first(struct store *store, MDB_txn **mdb)
{
	int rc;

	if (slot_lock_take(store->shared))
		return STORE_SLOTS_BUSY;
	rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, mdb);
	if (rc == MDB_READERS_FULL && !mdb_reader_check(store->env, NULL))
		rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, mdb);
	slot_lock_release(store->shared);
	return rc;
}

/* Opens the trees in the first transaction. LMDB keeps the handles only if the transaction
 * commits, and requires that no other transaction opens handles at the same time. */
static int open_trees_of_file(struct store *store, struct failure *failure)
{
	MDB_txn *mdb;
	int rc = begin_first(store, &mdb);

	if (rc)
		return txn_begin_failed(store, rc, failure);
	rc = env_open_trees(store, mdb, 0);
	if (rc) {
		mdb_txn_abort(mdb);
		if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
			return fail_as(failure, ERR_NOT_DATABASE,
				"%s is an LMDB file, but not a tidetable database", store->path);
		return env_fail(failure, store, rc, "can't be read");
	}
	rc = mdb_txn_commit(mdb);
	return rc ? env_fail(failure, store, rc, "can't be read") : 0;
}

/* --- opening --- */

/* Checks the pages that LMDB reads first: the meta pages and the root page of each tree. */
static int check_pages(int fd, const char *path, struct meta_page *pages,
	struct failure *failure)
{
	int err = meta_page_read(fd, path, pages, failure);

	return err ? err : audit_tops(fd, path, pages, failure);
}

/* Checks the pages again while other processes have the file open, because they may have been read
 * in the middle of a commit. */
static int check_pages_retrying(struct store *store, int fd, bool alone, struct meta_page *pages,
	struct failure *failure)
{
	int err = check_pages(fd, store->path, pages, failure);

	for (int attempt = 1; err && !alone && attempt < OPEN_ATTEMPTS; attempt++) {
		clock_sleep_us(CHECK_RETRY_US);
		err = check_pages(fd, store->path, pages, failure);
	}
	return err;
}

/* Checks the file without LMDB. check_same_file verifies later that LMDB has opened this file. */
static int check_before_opening(struct store *store, bool alone, struct meta_page *pages,
	struct failure *failure)
{
	int fd = store->data.fd;
	int err = check_pages_retrying(store, fd, alone, pages, failure);

	/* A truncated file is audited, but only if no other process changes its pages. */
	if (!err && alone && pages->file_pages < pages->page_count)
		err = audit_first(fd, store->path, pages, NULL, failure);
	store->page_bytes = pages->page_bytes;
	return err;
}

int store_recognise(const char *path, struct failure *failure)
{
	struct failure ours = { 0 };
	struct meta_page pages;
	struct file_facts file;
	int fd;
	int err = file_open(&fd, path, O_RDONLY, &file, failure);

	if (err)
		return err;
	err = file_system_check_local(fd, path, &ours);
	if (!err)
		err = meta_page_read(fd, path, &pages, &ours);
	close(fd);
	/* The pages were perhaps read in the middle of a commit. They are checked again with
	 * OPENING held. */
	if (err == ERR_CORRUPT)
		return 0;
	if (err && failure)
		*failure = ours;
	return err;
}

static bool is_meta_descriptor(const struct store *store, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_DSYNC &&
		file_is(fd, store->data.facts.device, store->data.facts.inode);
}

/* Finds LMDB's O_DSYNC descriptor for meta pages. LMDB uses this descriptor only at the level FULL
 * and has no function that returns it. LMDB opens it directly after its first descriptor, so its
 * number is usually the next one, or a lower one if another thread has closed a descriptor in
 * between. */
static void find_meta_descriptor(struct store *store)
{
	int last = store->fd + META_DESCRIPTORS_SEARCHED;

	store->meta_fd = -1;
	if (store->options.read_only || store->options.durability != DURABILITY_FULL)
		return;
	for (int fd = store->fd + 1; fd <= last && store->meta_fd < 0; fd++)
		if (is_meta_descriptor(store, fd))
			store->meta_fd = fd;
	for (int fd = 0; fd < store->fd && store->meta_fd < 0; fd++)
		if (is_meta_descriptor(store, fd))
			store->meta_fd = fd;
}

static int check_same_file(struct store *store, struct failure *failure)
{
	struct file_facts file;
	int err = file_look(store->path, &file, failure);

	mdb_env_get_fd(store->env, &store->fd);
	if (!err && (file.device != store->data.facts.device ||
			file.inode != store->data.facts.inode ||
			!file_is_at(store->fd, store->path)))
		err = END;
	if (err == END)
		return fail_as(failure, ERR_BUSY, "%s was replaced while it was being opened",
			store->path);
	find_meta_descriptor(store);
	/* LMDB opens this descriptor without O_CLOEXEC. */
	if (!err && fcntl(store->fd, F_SETFD, FD_CLOEXEC))
		return file_fail(failure, errno, store->path, "can't be set to close on exec");
	return err;
}

/* Opens LMDB's lock file unless env_create has done so. */
static int open_lock(struct store *store, bool alone, struct failure *failure)
{
	char path[PATH_MAX + FILE_SUFFIX_MAX];
	struct file_facts *facts = &store->lock.facts;
	int err = 0;

	snprintf(path, sizeof path, "%s-lock", store->path);
	if (store->lock.fd < 0)
		err = lock_file_open(&store->lock, path, alone ? &store->owner : NULL,
			STORE_LOCK_BYTES, failure);
	if (err == ERR_NO_FILE && !alone)
		err = END;
	if (!err && !shared_page_identify_lock(store->shared, facts->device, facts->inode))
		err = END;
	if (err == END)
		return fail_busy(failure, shared_page_other(store->shared), "%s was removed or"
			" replaced while the database is open; close the database in all processes",
			path);
	return err;
}

/* Flushes the directory entry of the database file, unless the shared page says that this was
 * done. In a power cut an unflushed entry would be lost, and the file with it. The process that
 * created the file may have been killed before the flush, and the file may have been moved, so the
 * first process that opens the file flushes its entry. */
static int flush_name(struct store *store, struct failure *failure)
{
	int err;

	if (store->options.in_memory || store->options.read_only ||
			shared_page_named(store->shared) == store->data.facts.inode)
		return 0;
	err = file_flush_name(store->fd, store->path, failure);
	if (!err)
		shared_page_set_named(store->shared, store->data.facts.inode);
	return err;
}

static void clear_stale(struct store *store)
{
	int count = 0;

	if (readers_check(store, &count) == 0)
		atomic_store(&store->cleared, (uint32_t)count);
}

int env_open(struct store *store, bool alone, struct failure *failure)
{
	struct meta_page pages = { 0 };
	unsigned flags = durability_flags(&store->options);
	int err;

	if (store->options.read_only)
		flags = store->bare ? MDB_RDONLY | MDB_NOLOCK : MDB_RDONLY;
	err = check_before_opening(store, alone, &pages, failure);
	if (!err && !store->bare)
		err = open_lock(store, alone, failure);
	if (!err && !store->bare)
		recovery_begin(store, pages.commit);
	if (!err)
		err = environment_open_retrying(store, pages.page_count, flags, failure);
	if (!err && !store->bare)
		err = lock_file_hold(&store->lock, store->path, failure);
	if (!err && !store->bare)
		err = lock_mutexes_check(store, alone, failure);
	if (!err)
		err = check_same_file(store, failure);
	if (!err)
		err = map_metas(store, failure);
	if (!err)
		err = recovery_opened(store, alone, failure);
	if (!err)
		err = flush_name(store, failure);
	if (!err)
		err = open_trees_of_file(store, failure);
	if (!err)
		clear_stale(store);
	if (err)
		env_close(store);
	return err;
}

void env_close(struct store *store)
{
	if (store->metas)
		munmap((void *)(uintptr_t)store->metas, 2 * (size_t)store->page_bytes);
	store->metas = NULL;
	store->published = NULL;
	if (store->env)
		mdb_env_close(store->env);
	store->env = NULL;
	store->fd = store->meta_fd = -1;
	lock_file_close(&store->lock);
}

/* --- creation --- */

/* Runs the first transaction of a new file, which creates the trees and calls options->fill. */
static int fill(struct store *store, struct failure *failure)
{
	const struct store_options *options = &store->options;
	struct txn *txn = &store->writer;
	int err = 0;
	int rc = mdb_txn_begin(store->env, NULL, 0, &txn->mdb);

	if (rc)
		return env_fail(failure, store, rc, "can't be created");
	txn->store = store;
	txn->writing = txn->live = true;
	rc = env_open_trees(store, txn->mdb, MDB_CREATE);
	if (!rc && options->fill)
		err = options->fill(txn, options->context, failure);
	if (rc || err)
		mdb_txn_abort(txn->mdb);
	else
		rc = mdb_txn_commit(txn->mdb);
	memset(txn, 0, sizeof *txn);
	return rc ? env_fail(failure, store, rc, "can't be created") : err;
}

int env_open_made(struct store **out, const struct store_options *options, const char *name,
	const struct temporary *made, uint64_t page_count, struct failure *failure)
{
	struct store *maker = memory_alloc_zeroed(sizeof *maker);
	int err;

	*out = NULL;
	if (!maker)
		return fail(failure, ERR_NO_MEMORY);
	maker->options = *options;
	snprintf(maker->path, sizeof maker->path, "%s", name);
	maker->page_bytes = page_bytes_of_machine();
	maker->fd = maker->lock.fd = maker->data.fd = -1;
	err = environment_open(maker, made->fd, made->path, page_count,
		MDB_NOLOCK | MDB_NOSYNC, failure);
	if (err) {
		memory_free(maker);
		return err;
	}
	mdb_env_get_fd(maker->env, &maker->fd);
	fcntl(maker->fd, F_SETFD, FD_CLOEXEC);
	*out = maker;
	return 0;
}

void env_close_made(struct store *maker)
{
	env_close(maker);
	memory_free(maker);
}

int env_fill(const struct store_options *options, const char *name,
	const struct temporary *made, uint64_t page_count, struct failure *failure)
{
	struct store *maker;
	int err = env_open_made(&maker, options, name, made, page_count, failure);
	int rc;

	if (err)
		return err;
	err = fill(maker, failure);
	rc = err || options->in_memory ? 0 : mdb_env_sync(maker->env, 1);
	if (rc)
		err = env_fail(failure, maker, rc, "can't be flushed");
	env_close_made(maker);
	return err;
}

int env_create(struct store *store, struct failure *failure)
{
	struct temporary made;
	struct file_facts file;
	/* The lock file is opened before the file is created, so that no file remains if this
	 * fails. */
	int err = open_lock(store, true, failure);

	if (!err)
		err = temporary_make(&made, store->path, failure);
	if (err)
		return err;
	err = env_fill(&store->options, store->path, &made, 2, failure);
	shared_page_set_named(store->shared, 0);      /* because inode numbers are reused */
	if (!err)
		err = temporary_publish(&made, store->path, false, failure);
	if (!err && file_look(store->path, &file, NULL) == 0)
		shared_page_set_named(store->shared, file.inode);
	store->made = !err;
	temporary_drop(&made);
	return err;
}

/* --- failed flushes --- */

/* Rewrites both meta pages unchanged and flushes them. After a failed flush the kernel marks the
 * unwritten pages clean and never writes them. The meta page of the last commit may be one of
 * these pages, because at the level ONE_FLUSH it is flushed with the next commit. If it were not
 * rewritten, the next commit would overwrite pages of the commit before the last, which is the
 * newest commit on the disk. */
static int rewrite_metas(const struct store *store)
{
	uint8_t meta[META_PAGE_BYTES];

	for (unsigned page = 0; page < 2; page++) {
		off_t at = (off_t)(page * (size_t)store->page_bytes);

		errno = EIO;             /* for a short write, which does not set errno */
		if (pread(store->fd, meta, sizeof meta, at) != (ssize_t)sizeof meta ||
				pwrite(store->fd, meta, sizeof meta, at) != (ssize_t)sizeof meta)
			return errno;
	}
	return fdatasync(store->fd) ? errno : 0;
}

/* Linux reports a failed writeback once to each open file description, at the next fsync or the
 * next write with O_DSYNC. LMDB has two descriptors. If LMDB's next write of a meta page reported
 * an old error, LMDB would refuse all further writes although the page is on the disk. So both
 * descriptors are flushed here, twice. An error in the second round is a new error. */
int env_settle(struct store *store)
{
	int system = rewrite_metas(store);

	if (system)
		system = rewrite_metas(store);
	if (!system && store->meta_fd >= 0 && fdatasync(store->meta_fd) &&
			fdatasync(store->meta_fd))
		system = errno;
	return system;
}

/* --- content of the file --- */

static uint64_t meta_word(const struct store *store, unsigned page, size_t at)
{
	const void *word = store->metas + page * (size_t)store->page_bytes + at;

	return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

uint64_t store_last_commit(const struct store *store)
{
	return store->published ? atomic_load_explicit(store->published, memory_order_acquire)
		: env_newest_commit(store);
}

uint64_t env_newest_commit(const struct store *store)
{
	uint64_t even = meta_word(store, 0, META_PAGE_COMMIT_AT);
	uint64_t odd = meta_word(store, 1, META_PAGE_COMMIT_AT);

	return even > odd ? even : odd;
}

/* Returns a word of the newer meta page. */
static uint64_t last_word(const struct store *store, size_t at)
{
	uint64_t even = meta_word(store, 0, META_PAGE_COMMIT_AT);
	uint64_t odd = meta_word(store, 1, META_PAGE_COMMIT_AT);

	return meta_word(store, odd > even, at);
}

uint64_t env_page_count(const struct store *store)
{
	return last_word(store, META_PAGE_LAST_PAGE_AT) + 1;
}

/* Replaces the mapping after another process has grown the file. Uses the map size in the meta
 * page, so that the mapping need not be replaced again soon, or less if the address space is too
 * small. */
int env_grow_map(struct store *store)
{
	MDB_envinfo info;
	uint64_t map_bytes;
	int rc = mdb_env_info(store->env, &info);

	if (rc)
		return rc;
	map_bytes = choose_map(store, env_page_count(store),
		last_word(store, META_PAGE_MAP_SIZE_AT), info.me_mapsize);
	if (!map_bytes)
		return ENOMEM;
	rc = mdb_env_set_mapsize(store->env, map_bytes);
	if (rc)   /* LMDB has no mapping now, so the next use would crash */
		atomic_store(&store->failed, true);
	return rc;
}

bool env_set_limits(struct store *store)
{
	MDB_envinfo info;

	mdb_env_info(store->env, &info);
	set_limits(store, info.me_mapsize);
	return atomic_load(&store->limit_bytes) == store->options.max_bytes;
}

/* Sums the page counts of the free list. The free list has a row for each commit, with the number
 * of pages that the commit freed, followed by these pages. LMDB reuses the pages of commits before
 * the oldest snapshot. */
static int sum_free_pages(MDB_txn *mdb, uint64_t before, uint64_t enough, uint64_t *pages)
{
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	int rc = mdb_cursor_open(mdb, 0, &cursor);

	*pages = 0;
	if (rc)
		return rc;
	while (*pages < enough && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		uint64_t commit;
		uint64_t count;

		if (key.mv_size != sizeof commit || value.mv_size < sizeof count) {
			rc = MDB_CORRUPTED;
			break;
		}
		memcpy(&commit, key.mv_data, sizeof commit);
		memcpy(&count, value.mv_data, sizeof count);
		if (commit >= before)
			break;
		*pages += count;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int env_free_pages(struct store *store, bool reusable, uint64_t enough, uint64_t *pages)
{
	uint64_t before = UINT64_MAX;
	struct slot slot;
	uint64_t oldest;
	int64_t pid;
	uint32_t count;
	MDB_txn *mdb;
	int rc;

	readers_add(store, &slot);
	rc = txn_begin(store, MDB_RDONLY, &mdb);
	if (!rc) {
		if (reusable) {
			before = mdb_txn_id(mdb);
			readers_scan(store, &oldest, &pid, &count);
			if (pid && oldest < before)
				before = oldest;
		}
		rc = sum_free_pages(mdb, before, enough, pages);
		mdb_txn_abort(mdb);
		gate_leave(store);
	}
	readers_remove(store, &slot);
	return rc;
}
