/* lock_mutexes.c - checks and repairs the two mutexes in LMDB's lock file.
 *
 * LMDB 0.9.26 to 0.9.31 (ITS#9278, reverted in 0.9.32 by ITS#10095) try to acquire the exclusive
 * lock on byte 0 of the lock file when they close it, and destroy the mutexes if they succeed. A
 * program that opens the database at that moment waits for the lock and then assumes that the file
 * is initialized. This program, and every process that opens the database before this program
 * closes it, gets EINVAL from every transaction. While a tidetable process has the database open,
 * its lock on byte 0 (lock_file_hold) prevents this.
 *
 * The code does not depend on the members of pthread_mutex_t. It compares each mutex with three
 * mutexes that it initializes itself: a robust one, one that is not robust, and a destroyed one.
 * With musl a destroyed mutex is never detected, because its pthread_mutex_destroy changes
 * nothing.
 */
#include <string.h>

#include "lmdb/internal.h"

#define WORDS (sizeof(pthread_mutex_t) / sizeof(uint32_t))

/* Prefix of the semaphore names in the lock file, if LMDB was built to use semaphores. */
#define SEMAPHORE_NAME "/MDBr"

struct image {
	uint32_t words[WORDS];
};

/* Images of a robust mutex, of one that is not robust, and of a destroyed robust one. */
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

/* Returns true if the mutex equals the image `like` in all bits in which `like` differs from the
 * image `other`. Returns false if the two images are equal. */
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

/* Initializes a destroyed mutex. The words that mark the mutex as destroyed are written last, so
 * that every attempt to lock the mutex fails until it is complete. */
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
	return fail_as(failure, ERR_BUSY, "the mutexes in %s-lock were destroyed by another"
		" program with LMDB 0.9.26 to 0.9.31 while a process has the database open; close"
		" the database in all processes, then open it again", store->path);
}

static int refuse_fragile(const struct store *store, struct failure *failure)
{
	return fail_as(failure, ERR_STORE, "the locks in %s-lock are not robust mutexes, so a"
		" killed process would block all others; %s, or the LMDB of a program that has the"
		" database open, was built with MDB_USE_ROBUST=0 or MDB_USE_POSIX_SEM",
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

int lock_mutexes_check(struct store *store, bool alone, struct failure *failure)
{
	uint8_t *header = store->lock.map;
	uint32_t *reader_mutex = (uint32_t *)(void *)(header + LMDB_READER_MUTEX_AT);
	uint32_t *writer_mutex = (uint32_t *)(void *)(header + LMDB_WRITER_MUTEX_AT);
	struct images images;
	uint32_t magic;
	int system;
	int err;

	memcpy(&magic, header, sizeof magic);
	if (magic != LMDB_MAGIC)
		return fail_as(failure, ERR_BUSY, "%s-lock was replaced while the database was"
			" being opened", store->path);
	if (memcmp(reader_mutex, SEMAPHORE_NAME, strlen(SEMAPHORE_NAME)) == 0)
		return refuse_fragile(store, failure);
	system = make_images(&images);
	if (system)
		return fail_as(failure, ERR_STORE, "%s-lock can't be used, because this system has"
			" no robust mutexes: %s", store->path, strerror(system));
	err = check_mutex(store, reader_mutex, &images, alone, failure);
	return err ? err : check_mutex(store, writer_mutex, &images, alone, failure);
}
