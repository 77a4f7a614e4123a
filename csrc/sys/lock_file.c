/* lock_file.c - LMDB's lock file while this process has the database open.
 *
 * LMDB holds a shared POSIX lock on byte 0 while it has the environment open, and
 * a process that gets the byte exclusively initializes the file. LMDB 0.9.26 to
 * 0.9.31 (ITS#9278, taken back in 0.9.32 by ITS#10095) also try for the exclusive
 * lock when they close; if they get it they destroy the two mutexes. A program
 * that opens the database at that moment waits for the lock, assumes that the file
 * is initialized, and gets EINVAL from each transaction. So does every process that
 * opens the database before this program closes it.
 *
 * lock_file_join takes a shared open-file-description lock on the same byte and
 * holds it until LMDB has closed the environment, so LMDB can't get the byte
 * exclusively. No close() elsewhere in the process drops this lock.
 *
 * The code knows no member of pthread_mutex_t. It compares the mutexes with three
 * that it initializes itself: robust, not robust, and destroyed. musl's
 * pthread_mutex_destroy changes nothing, so there a mutex is never found destroyed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/lmdb_store.h"

#define WORDS (sizeof(pthread_mutex_t) / sizeof(uint32_t))

/* Begins the name of a semaphore, where LMDB was built to use those. */
#define SEMAPHORE_NAME "/MDBr"

struct image {
	uint32_t words[WORDS];
};

/* A mutex that is robust, one that is not, and a robust one that was destroyed. */
struct images {
	struct image robust, fragile, destroyed;
};

/* --- mutexes --- */

static int make_mutex(struct image *image, int robustness, bool destroy)
{
	pthread_mutexattr_t how;
	pthread_mutex_t mutex;
	int system = pthread_mutexattr_init(&how);

	if (system)
		return system;
	memset(&mutex, 0, sizeof mutex);
	system = pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
	if (!system)
		system = pthread_mutexattr_setrobust(&how, robustness);
	if (!system)
		system = pthread_mutex_init(&mutex, &how);
	if (!system && destroy)
		system = pthread_mutex_destroy(&mutex);
	pthread_mutexattr_destroy(&how);
	memcpy(image->words, &mutex, sizeof image->words);
	return system;
}

static int make_images(struct images *images)
{
	int system = make_mutex(&images->robust, PTHREAD_MUTEX_ROBUST, false);

	if (!system)
		system = make_mutex(&images->fragile, PTHREAD_MUTEX_STALLED, false);
	if (!system)
		system = make_mutex(&images->destroyed, PTHREAD_MUTEX_ROBUST, true);
	return system;
}

/* Returns true if the mutex agrees with `like` in every bit in which that differs from
 * `other`. False if they don't differ. */
static bool is_like(const uint32_t *mutex, const struct image *like, const struct image *other)
{
	uint32_t told_by = 0;

	for (size_t i = 0; i < WORDS; i++) {
		uint32_t bits = like->words[i] ^ other->words[i];

		told_by |= bits;
		if ((__atomic_load_n(&mutex[i], __ATOMIC_SEQ_CST) ^ like->words[i]) & bits)
			return false;
	}
	return told_by != 0;
}

/* Initializes a destroyed mutex. Writes the words that mark it as destroyed last:
 * until then every attempt to lock it fails. */
static void initialize_again(uint32_t *mutex, const struct images *images)
{
	for (int last = 0; last < 2; last++)
		for (size_t i = 0; i < WORDS; i++)
			if (last == (images->robust.words[i] != images->destroyed.words[i]))
				__atomic_store_n(&mutex[i], images->robust.words[i],
					__ATOMIC_SEQ_CST);
}

/* --- the lock file's header --- */

static int refuse_destroyed(const struct store *store, struct failure *failure)
{
	return fail_as(failure, ERR_BUSY, "%s-lock: another program, with LMDB 0.9.26 to 0.9.31,"
		" has destroyed the locks in it while a process has the database open; close"
		" the database in all processes, then open it again", store->path);
}

static int refuse_fragile(const struct store *store, struct failure *failure)
{
	return fail_as(failure, ERR_STORE, "%s-lock: its locks are not robust mutexes; %s, or the"
		" LMDB of a program that has the database open, was built with MDB_USE_ROBUST=0"
		" or MDB_USE_POSIX_SEM, and a killed process would block all others",
		store->path, mdb_version(NULL, NULL, NULL));
}

static int check_mutex(struct store *store, uint32_t *mutex, const struct images *images,
	bool alone, struct failure *failure)
{
	if (is_like(mutex, &images->destroyed, &images->robust)) {
		if (!alone)
			return refuse_destroyed(store, failure);
		initialize_again(mutex, images);
	}
	return is_like(mutex, &images->robust, &images->fragile) ? 0
		: refuse_fragile(store, failure);
}

static int check_header(struct store *store, uint8_t *header, bool alone, struct failure *failure)
{
	uint32_t *reader_mutex = (uint32_t *)(void *)(header + LMDB_READER_MUTEX_AT);
	uint32_t *writer_mutex = (uint32_t *)(void *)(header + LMDB_WRITER_MUTEX_AT);
	struct images images;
	uint32_t magic;
	int system;
	int err;

	memcpy(&magic, header, sizeof magic);
	if (magic != LMDB_MAGIC)
		return fail_as(failure, ERR_BUSY, "%s-lock: was replaced while the database was"
			" being opened", store->path);
	if (memcmp(reader_mutex, SEMAPHORE_NAME, strlen(SEMAPHORE_NAME)) == 0)
		return refuse_fragile(store, failure);
	system = make_images(&images);
	if (system)
		return fail_as(failure, ERR_STORE, "%s-lock: this system has no robust mutexes: %s",
			store->path, strerror(system));
	err = check_mutex(store, reader_mutex, &images, alone, failure);
	return err ? err : check_mutex(store, writer_mutex, &images, alone, failure);
}

static int check_file(struct store *store, const char *path, bool alone,
	struct failure *failure)
{
	uint8_t *header = mmap(NULL, LMDB_SLOTS_AT, PROT_READ | PROT_WRITE, MAP_SHARED,
		store->lock_fd, 0);
	int err;

	if (header == MAP_FAILED)
		return file_fail(failure, errno, path, "can't be mapped");
	err = check_header(store, header, alone, failure);
	munmap(header, LMDB_SLOTS_AT);
	return err;
}

/* --- joining and leaving --- */

static int set_lock(const struct store *store, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };
	int status;

	do
		status = fcntl(store->lock_fd, F_OFD_SETLK, &lock);
	while (status && errno == EINTR);
	return status ? errno : 0;
}

int lock_file_join(struct store *store, bool alone, struct failure *failure)
{
	char path[PATH_MAX + FILE_SUFFIX_MAX];
	struct file_facts file;
	int system;
	int err;

	snprintf(path, sizeof path, "%s-lock", store->path);
	err = file_open(&store->lock_fd, path, O_RDWR, &file, failure);
	if (err)
		return err;
	system = set_lock(store, F_RDLCK);
	if (system)
		return file_fail(failure, system, path, "can't be locked");
	return check_file(store, path, alone, failure);
}

/* A child of fork may still have the descriptor: closing it would not unlock. */
void lock_file_leave(struct store *store)
{
	mdb_env_close(store->env);
	store->env = NULL;
	if (store->lock_fd < 0)
		return;
	set_lock(store, F_UNLCK);
	close(store->lock_fd);
	store->lock_fd = -1;
}

void lock_file_forget(struct store *store)
{
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	store->lock_fd = -1;
}
