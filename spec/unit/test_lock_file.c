/* test_lock_file.c - lock_file.h: creating, checking and locking LMDB's lock file. */
#include "lmdb_file/lock_file.h"
#include "os/file.h"
#include "unit/stores.h"

#define LOCK_SIZE 65664

static struct failure failure;
static struct file_owner owner;

static void put_file(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	close(fd);
}

/* Locks byte 0 like LMDB. */
static void lock_byte_0(struct child *parent, void *context)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(context, O_RDWR);

	CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
	child_tell(parent);
	child_hear(parent);
}

static void expect_lock_file(const char *path, int err, uint64_t size, bool whole)
{
	struct lock_file file = { .fd = -1 };
	struct file_facts facts;

	CHECK_EQUAL_INT(lock_file_open(&file, path, &owner, LOCK_SIZE, &failure), err);
	CHECK_EQUAL_INT(file_look(path, &facts, &failure), 0);
	CHECK_EQUAL_UINT(facts.size, size);
	CHECK((facts.allocated >= facts.size) == whole);
	CHECK(err || (file.map && file.len == size));
	lock_file_close(&file);
	lock_file_close(&file);
}

static void it_has_no_holes(void)
{
	char *path = (char *)(uintptr_t)store_path("y-lock");
	struct child child;

	expect_lock_file(path, 0, LOCK_SIZE, true);
	expect_lock_file(path, 0, LOCK_SIZE, true);
	remove(path);
	put_file(path, 8192);
	expect_lock_file(path, 0, LOCK_SIZE, true);
	remove(path);
	put_file(path, 100000);
	expect_lock_file(path, 0, 100000, true);

	/* in use, so it is filled but never extended */
	remove(path);
	put_file(path, 8192);
	CHECK_EQUAL_INT(lock_file_owner(path), 0);
	child = child_start(lock_byte_0, path);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(lock_file_owner(path), child.pid);
	expect_lock_file(path, 0, 8192, true);
	CHECK(truncate(path, 10) == 0);
	expect_lock_file(path, ERR_STORE, 10, true);
	child_tell(&child);
	child_end(&child);
	remove(path);
	CHECK_EQUAL_INT(lock_file_owner(path), 0);
}

/* Closing the lock file would release the locks of another LMDB binding in this process. */
static void locks_of_another_binding_are_noticed_and_kept(void)
{
	const char *path = store_path("z-lock");
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct flock raw = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd;

	put_file(path, 8192);
	fd = open(path, O_RDWR);
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	expect_lock_file(path, ERR_OPTIONS, 8192, false);
	CHECK_EQUAL_INT(lock_file_owner(path), getpid());
	CHECK(fcntl(fd, F_OFD_GETLK, &raw) == 0);
	CHECK_EQUAL_INT(raw.l_type, F_RDLCK);
	close(fd);
	remove(path);
}

static bool byte_0_is_free(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0);
	close(fd);
	return lock.l_type == F_UNLCK;
}

static void forget_it(struct child *parent, void *context)
{
	struct lock_file *file = context;

	lock_file_forget(file);
	CHECK(!file->map && file->fd < 0);
	child_tell(parent);
	child_hear(parent);
}

/* Neither a close of the file in this process nor the exit of a child releases the lock, and a
 * child does not keep it. */
static void byte_0_is_held_until_the_end(void)
{
	const char *path = store_path("held-lock");
	struct lock_file file = { .fd = -1 };
	struct child child;

	MUST(lock_file_open(&file, path, &owner, LOCK_SIZE, &failure), failure);
	CHECK(byte_0_is_free(path));
	MUST(lock_file_hold(&file, path, &failure), failure);
	CHECK(!byte_0_is_free(path));
	CHECK(!byte_0_is_free(path));
	child = child_start(forget_it, &file);
	CHECK(child_hear(&child));
	CHECK(!byte_0_is_free(path));
	lock_file_close(&file);
	CHECK(byte_0_is_free(path));
	child_tell(&child);
	child_end(&child);
}

int main(void)
{
	owner = file_owner_new();
	it_has_no_holes();
	locks_of_another_binding_are_noticed_and_kept();
	byte_0_is_held_until_the_end();
	return 0;
}
