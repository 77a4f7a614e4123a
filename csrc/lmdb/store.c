/* store.c - opens, shares and closes the stores of this process.
 *
 * LMDB loses acknowledged data if a process opens a file twice, because LMDB's locks belong to the
 * process and the first close releases all of them. So a process has one store for each file. The
 * store is found by device and inode, is reference-counted, and is closed with the last handle.
 * Another copy of this library in the same process has another list of stores; the GUARD lock of
 * the shared page detects such a copy.
 *
 * A forked process has the memory of the stores but none of their locks. A forked process must not
 * use LMDB, because closing a reader would free the parent's slot. So its stores are marked as
 * foreign and moved to another list, and closing a foreign store only closes the shared page.
 * LMDB's memory and descriptors are not freed, because closing the lock file would release the
 * locks of a store that the forked process opens itself.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "lmdb/internal.h"

#define CHECK_NAME_EVERY_MS 100

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t forks = PTHREAD_MUTEX_INITIALIZER;    /* locked before registry */
static struct store *stores;
static struct store *foreign_stores;    /* in a list so that leak checkers find them */
static pthread_once_t watch_forks_once = PTHREAD_ONCE_INIT;

/* --- fork --- */

/* Delays fork while another thread opens or closes a store, because the forked process would
 * inherit the descriptors and hold the locks. The mutexes are held for one attempt to open or
 * close a store, never while waiting. */
static void before_fork(void)
{
	pthread_mutex_lock(&forks);
	pthread_mutex_lock(&registry);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&registry);
	pthread_mutex_unlock(&forks);
}

static void after_fork_in_child(void)
{
	while (stores) {
		struct store *store = stores;

		atomic_store(&store->foreign, true);
		shared_page_forget(store->shared);
		lock_file_forget(&store->lock);
		identity_forget(&store->data);
		stores = store->next;
		store->next = foreign_stores;
		foreign_stores = store;
	}
	pthread_mutex_unlock(&registry);
	pthread_mutex_unlock(&forks);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void store_hold_forks(void)
{
	pthread_once(&watch_forks_once, watch_forks);
	pthread_mutex_lock(&forks);
}

void store_release_forks(void)
{
	pthread_mutex_unlock(&forks);
}

bool store_is_foreign(const struct store *store)
{
	return atomic_load_explicit(&store->foreign, memory_order_relaxed);
}

/* --- sharing --- */

static struct store *find(const struct file_facts *file)
{
	struct store *store = stores;

	while (store && (store->options.in_memory || store->data.facts.device != file->device ||
			store->data.facts.inode != file->inode))
		store = store->next;
	return store;
}

static int not_alone(const struct store *store, int64_t pid, struct failure *failure)
{
	return fail_busy(failure, pid, "%s is already open", store->path);
}

static int differ(const struct store *store, const char *what, struct failure *failure)
{
	return fail_as(failure, ERR_OPTIONS,
		"%s is already open in this process with another %s", store->path, what);
}

/* Adds a handle to a store. Fails if the options contradict those of the store. */
static int share(struct store *store, const struct store_options *wanted,
	struct failure *failure)
{
	const struct store_options *have = &store->options;

	if (have->alone || wanted->alone)
		return not_alone(store, store->pid, failure);
	if (have->read_only && !wanted->read_only)
		return fail_as(failure, ERR_OPTIONS,
			"%s is already open in this process, read-only", store->path);
	if (!wanted->read_only && wanted->durability != have->durability)
		return differ(store, "durability", failure);
	if (wanted->max_bytes && wanted->max_bytes != have->max_bytes)
		return differ(store, "max_size", failure);
	if (wanted->clock && wanted->clock != have->clock)
		return differ(store, "clock", failure);
	store->handles++;
	return 0;
}

/* --- opening --- */

bool store_is_durable(const struct store *store)
{
	return !store->options.in_memory && store->options.durability != DURABILITY_NONE;
}

static struct store *store_new(const struct store_options *options)
{
	struct store *store = memory_alloc_zeroed(sizeof *store);

	if (!store)
		return NULL;
	store->handles = 1;
	store->pid = getpid();
	store->fd = store->meta_fd = -1;
	store->lock.fd = store->data.fd = -1;
	store->options = *options;
	store->limit_is_set = options->max_bytes != 0;
	if (!store->limit_is_set)
		store->options.max_bytes = STORE_DEFAULT_MAX_BYTES;
	store->options.clock = clock_share(options->clock ? options->clock : clock_process());
	store->options.path = store->path;
	pthread_mutex_init(&store->resize, NULL);
	pthread_mutex_init(&store->listing, NULL);
	pthread_mutex_init(&store->limiting, NULL);
	return store;
}

static void store_free(struct store *store)
{
	clock_drop(store->options.clock);
	pthread_mutex_destroy(&store->resize);
	pthread_mutex_destroy(&store->listing);
	pthread_mutex_destroy(&store->limiting);
	memory_free(store);
}

static int make_if_missing(struct store *store, bool alone, struct failure *failure)
{
	struct file_facts file;
	int err = file_look(store->path, &file, failure);

	if (err != END)
		return err;
	if (!store->options.create || store->options.read_only)
		return fail_as(failure, ERR_NO_FILE, "the database %s does not exist", store->path);
	if (!alone)
		return fail_as(failure, ERR_BUSY, "%s was removed, but another process still has the"
			" file open", store->path);
	return env_create(store, failure);
}

/* Checks that no other process has the database open. Other programs that use LMDB cannot be
 * excluded, but are detected by their lock on LMDB's lock file. */
static int check_alone(struct store *store, bool alone, struct failure *failure)
{
	char lock_path[PATH_MAX + FILE_SUFFIX_MAX];
	int64_t pid;

	if (!alone)
		return not_alone(store, shared_page_other(store->shared), failure);
	snprintf(lock_path, sizeof lock_path, "%s-lock", store->path);
	pid = lock_file_owner(lock_path);
	return pid ? not_alone(store, pid, failure) : 0;
}

/* Removes the side files that this attempt to open created. Removes all side files if the database
 * does not exist, because then a process was killed while creating it. OPENING is held, and no
 * other process has the database open. */
static void remove_side_files(const struct store *store)
{
	char path[PATH_MAX + FILE_SUFFIX_MAX];
	struct file_facts file;
	bool missing = file_look(store->path, &file, NULL) == END;

	if (store->lock.fd >= 0 && (missing || store->lock.made)) {
		snprintf(path, sizeof path, "%s-lock", store->path);
		file_remove(path, NULL);
	}
	snprintf(path, sizeof path, "%s-wake", store->path);
	if (missing)
		file_remove(path, NULL);
	else
		shared_page_take_back(store->shared);
}

static int claim(struct store *store, struct failure *failure)
{
	int err = identity_open(&store->data, store->path, store->options.read_only, failure);

	if (!err && store->data.facts.owner.uid != store->owner.uid)
		err = fail_as(failure, ERR_PERMISSION, "the owner of %s was changed while the file"
			" was being opened", store->path);
	if (!err)
		err = identity_claim(store->data.fd, store->path,
			store->bare ? 0 : shared_page_side(store->shared), failure);
	if (!err && !shared_page_identify(store->shared, store->data.facts.device,
			store->data.facts.inode))
		err = fail_busy(failure, shared_page_other(store->shared),
			"%s is a new file; another process still has the old file of this name"
			" open", store->path);
	return err;
}

/* Creates the file if necessary and opens it. OPENING is held. */
static int open_locked(struct store *store, bool alone, struct failure *failure)
{
	int err = make_if_missing(store, alone, failure);

	if (!err)
		err = claim(store, failure);
	if (!err && store->options.alone)
		err = check_alone(store, alone, failure);
	if (!err)
		err = env_open(store, alone, failure);
	if (err && alone)
		remove_side_files(store);
	return err;
}

static void abandon(struct store *store)
{
	env_close(store);
	identity_close(&store->data);
	shared_page_close(store->shared);
	store->shared = NULL;
}

/* Opens store->path with its side files. Creates the shared page file, so it is called only if
 * the database exists or will be created. */
static int open_with_side_files(struct store *store, struct failure *failure)
{
	char page_path[PATH_MAX + FILE_SUFFIX_MAX];
	bool alone;
	int err;

	snprintf(page_path, sizeof page_path, "%s-wake", store->path);
	err = shared_page_open(&store->shared, page_path, &store->owner, &alone, failure);
	if (err)
		return err;
	store->flush_failures = shared_page_flush_failures(store->shared);
	err = open_locked(store, alone, failure);
	if (err)
		abandon(store);
	else if (!store->options.alone)
		shared_page_opened(store->shared);
	return err;
}

/* Opens a database read-only without side files, on a read-only mount or in a directory that is
 * not writable. LMDB has no reader slots then, so the claim of this process (os/identity.h)
 * excludes writers, and their claims exclude this process. */
static int open_bare(struct store *store, struct failure *failure)
{
	int err = shared_page_open_private(&store->shared, store->path, failure);

	if (err)
		return err;
	store->bare = true;
	err = claim(store, failure);
	if (!err)
		err = env_open(store, true, failure);
	if (err)
		abandon(store);
	return err;
}

static int open_files(struct store *store, struct failure *failure)
{
	struct failure ours = { 0 };
	int err = open_with_side_files(store, &ours);

	if (err == ERR_PERMISSION && store->options.read_only &&
			(ours.system == EROFS || ours.system == EACCES || ours.system == EPERM))
		return open_bare(store, failure);
	if (err && failure)
		*failure = ours;
	return err;
}

/* Returns the owner of the file, or of the file that would be created. */
static struct file_owner owner_of(const char *path)
{
	struct file_facts file;

	if (file_look(path, &file, NULL) == 0)
		return file.owner;
	return file_owner_new();
}

static int open_new(struct store **out, const struct store_options *options, const char *path,
	struct failure *failure)
{
	struct store *store = store_new(options);
	int err;

	if (!store)
		return fail(failure, ERR_NO_MEMORY);
	snprintf(store->path, sizeof store->path, "%s", path);
	store->owner = owner_of(path);
	err = open_files(store, failure);
	if (err) {
		store_free(store);
		return err;
	}
	store->next = stores;
	stores = store;
	*out = store;
	return 0;
}

/* Opens a new database in a temporary directory and removes the names of its files. */
static int open_in_memory(struct store **out, const struct store_options *options,
	struct failure *failure)
{
	static const char *const suffixes[] = { "", "-lock", "-wake" };
	struct store_options made = *options;
	char directory[PATH_MAX];
	char path[PATH_MAX];
	char name[PATH_MAX + FILE_SUFFIX_MAX];
	int err = file_memory_directory(directory, failure);

	if (err)
		return err;
	if ((size_t)snprintf(path, sizeof path, "%s/tide", directory) >= sizeof path)
		return fail_as(failure, ERR_VALIDATION, "the path %s is too long", directory);
	made.create = true;
	made.read_only = false;
	err = open_new(out, &made, path, failure);
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
	rmdir(directory);
	return err;
}

static int open_path(struct store **out, const struct store_options *options,
	struct failure *failure)
{
	char path[PATH_MAX];
	struct file_facts file;
	struct store *open_one;
	int err = file_resolve(path, options->path, failure);

	if (!err)
		err = file_check_directory(path, failure);
	if (!err)
		err = file_look(path, &file, failure);
	if (err < 0)
		return err;
	if (err == END && (!options->create || options->read_only))
		return fail_as(failure, ERR_NO_FILE, "the database %s does not exist", path);
	open_one = err == END ? NULL : find(&file);
	if (open_one) {
		*out = open_one;
		return share(open_one, options, failure);
	}
	err = err == END ? 0 : store_recognise(path, failure);
	return err ? err : open_new(out, options, path, failure);
}

int store_open(struct store **out, const struct store_options *options,
	struct failure *failure)
{
	struct store *store = NULL;
	int err;

	*out = NULL;
	err = lmdb_version_check(failure);
	if (err)
		return err;
	pthread_once(&watch_forks_once, watch_forks);
	file_spare_standard();
	pthread_mutex_lock(&registry);
	if (options->in_memory)
		err = open_in_memory(&store, options, failure);
	else
		err = open_path(&store, options, failure);
	pthread_mutex_unlock(&registry);
	if (!err)
		*out = store;
	return err;
}

/* --- closing --- */

static void unlist(const struct store *store)
{
	struct store **at = &stores;

	while (*at != store)
		at = &(*at)->next;
	*at = store->next;
}

/* Flushes the commits that a weaker durability level has not flushed, so that a power cut after a
 * regular close loses nothing. The next writer repairs a failed flush. */
static void flush_at_end(struct store *store)
{
	if (!store->dirty || store->options.in_memory || atomic_load(&store->failed))
		return;
	if (mdb_env_sync(store->env, 1) == 0)
		store->dirty = false;
	else if (store_is_durable(store))
		shared_page_flush_failed(store->shared);
}

/* Closes LMDB before the shared page, because a process that is alone according to the locks of
 * the shared page must also be alone in LMDB's files. OPENING is not needed, because while LMDB
 * closes its files, the lock of lock_file_hold prevents LMDB from assuming that it is alone. */
static void close_files(struct store *store)
{
	store_end_releases(store);
	assert(!atomic_load(&store->readers) && !store->writer.live);
	flush_at_end(store);
	env_close(store);
	identity_close(&store->data);
	shared_page_close(store->shared);
}

static void close_foreign(struct store *store)
{
	if (--store->handles)
		return;
	shared_page_close(store->shared);
	clock_drop(store->options.clock);
}

static bool is_last_handle(const struct store *store)
{
	bool last;

	pthread_mutex_lock(&registry);
	last = store->handles == 1;
	pthread_mutex_unlock(&registry);
	return last;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store_is_foreign(store)) {
		close_foreign(store);
		return;
	}
	if (is_last_handle(store))
		flush_at_end(store);     /* the registry is not locked, because this may take
		                          * seconds */
	pthread_mutex_lock(&registry);
	if (--store->handles == 0) {
		unlist(store);
		close_files(store);
		store_free(store);
	}
	pthread_mutex_unlock(&registry);
}

/* --- names --- */

void store_note_time(struct store *store, uint64_t elapsed_ms)
{
	if (elapsed_ms - store->names_checked_ms < CHECK_NAME_EVERY_MS)
		return;
	store->names_checked_ms = elapsed_ms;
	store->names_due = true;
}

/* --- properties --- */

void store_set_limit(struct store *store, uint64_t max_bytes)
{
	pthread_mutex_lock(&registry);
	if (!store->limit_is_set && max_bytes != store->options.max_bytes) {
		store->options.max_bytes = max_bytes;
		if (!env_set_limits(store))
			txn_grow_map(store);     /* if it fails, the limit is a lower one */
	}
	store->limit_is_set = true;
	pthread_mutex_unlock(&registry);
}

const struct store_options *store_options(const struct store *store)
{
	return &store->options;
}

struct shared_page *store_shared_page(struct store *store)
{
	return store->shared;
}

int store_check_path(const struct store *store, const char *path, struct failure *failure)
{
	uint64_t device;
	uint64_t inode;
	int err = file_identify(path, &device, &inode);

	if (err == END)
		return fail_as(failure, ERR_FILE_GONE,
			"%s was removed or renamed while it was open", path);
	if (!err && (device != store->data.facts.device || inode != store->data.facts.inode))
		return fail_as(failure, ERR_FILE_REPLACED,
			"%s was replaced by another file while it was open", path);
	return 0;
}

int store_check_name(const struct store *store, struct failure *failure)
{
	return store->options.in_memory ? 0 : store_check_path(store, store->path, failure);
}

bool store_has_open(uint64_t device, uint64_t inode)
{
	struct file_facts file = { .device = device, .inode = inode };
	bool open;

	pthread_mutex_lock(&registry);
	open = find(&file) != NULL;
	pthread_mutex_unlock(&registry);
	return open;
}

struct clock *store_clock(struct store *store)
{
	return store->options.clock;
}

uint64_t store_file_bytes(const struct store *store)
{
	return env_page_count(store) * store->page_bytes;
}

int store_usage(struct store *store, struct store_usage *usage, struct failure *failure)
{
	uint64_t free_pages;
	uint64_t oldest;
	int rc;

	memset(usage, 0, sizeof *usage);
	if (atomic_load(&store->failed))
		return store_failed(store, failure);
	readers_scan(store, &oldest, &usage->oldest_reader_pid, &usage->readers);
	rc = env_free_pages(store, false, UINT64_MAX, &free_pages);
	if (rc)
		return env_fail(failure, store, rc, "can't be read");

	usage->page_bytes = store->page_bytes;
	usage->file_bytes = store_file_bytes(store);
	usage->free_bytes = free_pages * store->page_bytes;
	usage->max_bytes = atomic_load(&store->limit_bytes);
	usage->asked_bytes = store->options.max_bytes;
	mdb_env_get_maxreaders(store->env, &usage->readers_max);
	if (usage->oldest_reader_pid && oldest < store_last_commit(store))
		usage->oldest_reader_lag = store_last_commit(store) - oldest;
	usage->engine = mdb_version(NULL, NULL, NULL);
	return 0;
}

int store_clear_stale(struct store *store, uint32_t *cleared, struct failure *failure)
{
	int count = 0;
	int rc;

	*cleared = 0;
	if (atomic_load(&store->failed))
		return store_failed(store, failure);
	rc = readers_check(store, &count);
	if (rc)
		return env_fail(failure, store, rc, "has reader slots that can't be checked");
	*cleared = (uint32_t)count + readers_clear_former(store) +
		atomic_exchange(&store->cleared, 0);
	return 0;
}

int store_sync(struct store *store, struct failure *failure)
{
	int rc;

	if (store->options.read_only)
		return 0;
	if (atomic_load(&store->failed))
		return store_failed(store, failure);
	rc = mdb_env_sync(store->env, 1);
	if (rc && store_is_durable(store))
		shared_page_flush_failed(store->shared);   /* the next writer repairs the flush */
	return rc ? env_fail(failure, store, rc, "can't be flushed") : 0;
}

const char *store_engine(void)
{
	return mdb_version(NULL, NULL, NULL);
}
