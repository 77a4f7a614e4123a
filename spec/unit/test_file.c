/* test_file.c - file.h: paths, ownership, creation, full disks, publishing. */
#include <dlfcn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "os/file.h"
#include "unit/child.h"
#include "unit/stores.h"

static struct failure failure;

static void put_file(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	close(fd);
}

static int open_it(const char *path)
{
	struct file_facts facts;
	int fd;
	int err = file_open(&fd, path, O_RDWR, &facts, &failure);

	CHECK((err == 0) == (fd >= 0));
	if (fd >= 0)
		close(fd);
	return err;
}

/* --- paths --- */

static void paths_become_absolute(void)
{
	char path[PATH_MAX], expected[4300], directory[PATH_MAX];
	char link[4300];

	CHECK(realpath(check_directory(), directory) != NULL);
	CHECK(chdir(directory) == 0);
	snprintf(expected, sizeof expected, "%s/x.tide", directory);
	CHECK_EQUAL_INT(file_resolve(path, "x.tide", &failure), 0);
	CHECK_EQUAL_STRING(path, expected);
	CHECK_EQUAL_INT(file_resolve(path, "./x.tide", &failure), 0);
	CHECK_EQUAL_STRING(path, expected);
	snprintf(link, sizeof link, "%s/link", directory);
	CHECK(symlink(".", link) == 0);   /* links to directories are allowed */
	CHECK_EQUAL_INT(file_resolve(path, "link/x.tide", &failure), 0);
	CHECK_EQUAL_STRING(path, expected);
	CHECK_EQUAL_INT(file_resolve(path, "/x.tide", &failure), 0);
	CHECK_EQUAL_STRING(path, "/x.tide");
	remove(link);
}

static void links_stay_in_absolute_paths(void)
{
	char path[PATH_MAX], expected[PATH_MAX], longer[2 * PATH_MAX];

	CHECK(chdir(check_directory()) == 0);
	CHECK(getcwd(expected, sizeof expected - 16) != NULL);
	strcat(expected, "/link/../x.tide");
	CHECK(file_absolute(path, "link/../x.tide"));
	CHECK_EQUAL_STRING(path, expected);
	CHECK(file_absolute(path, "/link/x.tide"));
	CHECK_EQUAL_STRING(path, "/link/x.tide");
	memset(longer, 'x', sizeof longer);
	longer[PATH_MAX - 1] = '\0';
	CHECK(!file_absolute(path, longer));
	longer[0] = '/';
	CHECK(file_absolute(path, longer));
	longer[PATH_MAX - 1] = 'x';
	longer[PATH_MAX] = '\0';
	CHECK(!file_absolute(path, longer));
}

static void paths_that_are_none(void)
{
	char path[PATH_MAX], longer[2 * PATH_MAX], name[300];

	CHECK_EQUAL_INT(file_resolve(path, "", &failure), ERR_VALIDATION);
	CHECK_EQUAL_INT(file_resolve(path, "/", &failure), ERR_NOT_DATABASE);
	CHECK_EQUAL_INT(file_resolve(path, "..", &failure), ERR_NOT_DATABASE);
	CHECK_EQUAL_INT(file_resolve(path, "no such directory/x", &failure), ERR_NO_FILE);
	memset(longer, 'a', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	CHECK_EQUAL_INT(file_resolve(path, longer, &failure), ERR_VALIDATION);
	longer[sizeof longer - 3] = '/';
	CHECK_EQUAL_INT(file_resolve(path, longer, &failure), ERR_VALIDATION);
	memset(name, 'a', sizeof name);
	name[250] = '\0';
	CHECK_EQUAL_INT(file_resolve(path, name, &failure), 0);
	name[250] = 'a';
	name[251] = '\0';   /* 256 bytes with the suffix */
	CHECK_EQUAL_INT(file_resolve(path, name, &failure), ERR_VALIDATION);
}

/* --- ownership --- */

static void only_plain_files_with_one_name(void)
{
	const char *path = store_path("plain");
	const char *other = store_path("other");

	CHECK_EQUAL_INT(open_it(path), ERR_NO_FILE);
	put_file(path, 10);
	CHECK_EQUAL_INT(open_it(path), 0);
	CHECK(link(path, other) == 0);
	CHECK_EQUAL_INT(open_it(path), ERR_PERMISSION);
	remove(path);
	CHECK(symlink(other, path) == 0);
	CHECK_EQUAL_INT(open_it(path), ERR_PERMISSION);
	remove(path);
	CHECK(symlink("nowhere", path) == 0);
	CHECK_EQUAL_INT(open_it(path), ERR_PERMISSION);
	remove(path);
	CHECK(mkdir(path, 0700) == 0);
	CHECK_EQUAL_INT(open_it(path), ERR_NOT_DATABASE);
	rmdir(path);
	CHECK(mkfifo(path, 0600) == 0);
	CHECK_EQUAL_INT(open_it(path), ERR_NOT_DATABASE);
	remove(path);
	remove(other);
}

static void try_as_nobody(struct child *parent, void *context)
{
	(void)parent;
	CHECK(seteuid(65534) == 0);
	CHECK_EQUAL_INT(open_it(context), ERR_PERMISSION);
	CHECK(strstr(failure.message, "another user"));
}

static void another_users_file_is_refused(void)
{
	char path[] = "/tmp/tidetable-owner-XXXXXX";
	struct child child;
	int fd;

	if (geteuid()) {
		fprintf(stderr, "skipped: another user's file: we are not root\n");
		return;
	}
	fd = mkstemp(path);
	CHECK(fd >= 0 && fchmod(fd, 0666) == 0);
	child = child_start(try_as_nobody, path);
	child_end(&child);
	CHECK_EQUAL_INT(fchown(fd, 65534, 65534), 0);
	CHECK_EQUAL_INT(open_it(path), 0);   /* allowed for root */
	close(fd);
	remove(path);
}

/* --- creation --- */

static void a_new_file_is_private_and_new(void)
{
	const char *path = store_path("new");
	struct file_facts facts;
	struct stat stat;
	bool made;
	int fd;

	umask(0777);
	CHECK_EQUAL_INT(file_make(&fd, path, &failure), 0);
	umask(022);
	CHECK(fstat(fd, &stat) == 0);
	CHECK_EQUAL_INT(stat.st_mode & 0777, 0600);
	CHECK(file_is_at(fd, path));
	close(fd);
	CHECK_EQUAL_INT(file_make(&fd, path, &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, EEXIST);
	CHECK_EQUAL_INT(file_open_or_make(&fd, path, NULL, &facts, &made, &failure), 0);
	CHECK(!made);
	CHECK(facts.inode == stat.st_ino && facts.size == 0);
	CHECK_EQUAL_INT(file_remove(path, &failure), 0);
	CHECK(!file_is_at(fd, path));
	close(fd);
	CHECK_EQUAL_INT(file_remove(path, &failure), 0);
	CHECK_EQUAL_INT(file_open_or_make(&fd, path, NULL, &facts, &made, &failure), 0);
	CHECK(made);
	close(fd);
	file_remove(path, &failure);
}

static void a_name_is_given_once(void)
{
	const char *from = store_path("from");
	const char *to = store_path("to");
	struct file_facts facts;

	put_file(from, 7);
	CHECK_EQUAL_INT(file_look(to, &facts, &failure), END);
	CHECK_EQUAL_INT(file_publish(from, to, true, &failure), 0);
	CHECK_EQUAL_INT(file_look(from, &facts, &failure), END);
	CHECK_EQUAL_INT(file_look(to, &facts, &failure), 0);
	CHECK_EQUAL_UINT(facts.size, 7);
	put_file(from, 8);
	CHECK(file_publish(from, to, true, &failure) < 0);
	CHECK_EQUAL_INT(failure.system, EEXIST);
	CHECK_EQUAL_INT(file_look(to, &facts, &failure), 0);
	CHECK_EQUAL_UINT(facts.size, 7);
	file_remove(from, &failure);
	file_remove(to, &failure);
}

static void a_name_changes_hands(void)
{
	const char *from = store_path("from"), *to = store_path("to");
	struct file_facts facts;

	put_file(from, 7);
	CHECK_EQUAL_INT(file_replace(from, to, &failure), 0);
	put_file(from, 8);
	CHECK_EQUAL_INT(file_replace(from, to, &failure), 0);
	CHECK_EQUAL_INT(file_look(from, &facts, &failure), END);
	CHECK_EQUAL_INT(file_look(to, &facts, &failure), 0);
	CHECK_EQUAL_UINT(facts.size, 8);
	CHECK_EQUAL_INT(file_replace(from, to, &failure), ERR_NO_FILE);
	CHECK_EQUAL_INT(file_look(to, &facts, &failure), 0);
	CHECK_EQUAL_INT(symlink("to", from), 0);
	CHECK_EQUAL_INT(file_replace(from, to, &failure), ERR_PERMISSION);
	file_remove(from, &failure);
	file_remove(to, &failure);
}

static void keep_as_nobody(struct child *parent, void *context)
{
	struct file_facts facts;
	int fd;

	(void)parent;
	CHECK(seteuid(65534) == 0);
	CHECK_EQUAL_INT(file_open(&fd, context, O_RDWR, &facts, &failure), 0);
	CHECK_EQUAL_INT(file_flush_name(fd, context, &failure), 0);
	close(fd);
}

static void a_name_is_kept(void)
{
	const char *path = store_path("kept");
	char dark[] = "/tmp/tidetable-dark-XXXXXX", inside[64];
	struct file_facts facts;
	struct child child;
	int fd;

	put_file(path, 7);
	CHECK_EQUAL_INT(file_open(&fd, path, O_RDWR, &facts, &failure), 0);
	CHECK_EQUAL_INT(file_flush_name(fd, path, &failure), 0);
	CHECK_EQUAL_INT(file_flush_name(fd, "/no such directory/kept", &failure), ERR_NO_FILE);
	close(fd);
	file_remove(path, &failure);
	if (geteuid()) {
		fprintf(stderr, "skipped: a directory that can't be read: we are not root\n");
		return;
	}
	CHECK(mkdtemp(dark) != NULL);
	snprintf(inside, sizeof inside, "%s/kept", dark);
	put_file(inside, 7);
	CHECK(chown(inside, 65534, 65534) == 0);
	CHECK(chown(dark, 65534, 65534) == 0 && chmod(dark, 0300) == 0);
	child = child_start(keep_as_nobody, inside);
	child_end(&child);
	remove(inside);
	remove(dark);
}

static void a_reserved_file_has_blocks(void)
{
	const char *path = store_path("reserved");
	struct file_facts facts;
	int fd;

	CHECK_EQUAL_INT(file_make(&fd, path, &failure), 0);
	CHECK_EQUAL_INT(file_reserve(fd, path, 100000, &failure), 0);
	CHECK_EQUAL_INT(file_look(path, &facts, &failure), 0);
	CHECK(facts.size == 100000 && facts.allocated >= facts.size);
	close(fd);
	file_remove(path, &failure);
}

/* --- disks --- */

/* Returned by fstatvfs instead of the file's own disk, unless f_frsize is 0. */
static struct statvfs faked;

int fstatvfs(int fd, struct statvfs *disk)
{
	int (*real)(int, struct statvfs *);
	void *found = dlsym(RTLD_NEXT, "fstatvfs");

	memcpy(&real, &found, sizeof real);
	if (!faked.f_frsize)
		return real(fd, disk);
	*disk = faked;
	return 0;
}

static int error_with(unsigned long block, unsigned left)
{
	int err;

	faked = (struct statvfs){ .f_frsize = block, .f_bfree = left, .f_bavail = left };
	err = file_write_error(STDIN_FILENO, EIO);
	faked.f_frsize = 0;
	return err;
}

/* A disk with less than a mebibyte of free space is full, for any block size. */
static void a_disk_is_full_below_a_mebibyte(void)
{
	CHECK_EQUAL_INT(error_with(512, 2047), ERR_DISK_FULL);
	CHECK_EQUAL_INT(error_with(512, 2048), ERR_STORE);
	CHECK_EQUAL_INT(error_with(4096, 0), ERR_DISK_FULL);
	CHECK_EQUAL_INT(error_with(4096, UINT32_MAX), ERR_STORE);
	CHECK_EQUAL_INT(error_with(4 << 20, 0), ERR_DISK_FULL);
	CHECK_EQUAL_INT(error_with(4 << 20, 1), ERR_STORE);
}

static void errors_have_kinds(void)
{
	CHECK_EQUAL_INT(file_error(ENOENT), ERR_NO_FILE);
	CHECK_EQUAL_INT(file_error(EACCES), ERR_PERMISSION);
	CHECK_EQUAL_INT(file_error(EROFS), ERR_PERMISSION);
	CHECK_EQUAL_INT(file_error(EDQUOT), ERR_DISK_FULL);
	CHECK_EQUAL_INT(file_error(EFBIG), ERR_DISK_FULL);
	CHECK_EQUAL_INT(file_error(ENOMEM), ERR_NO_MEMORY);
	CHECK_EQUAL_INT(file_error(EMFILE), ERR_STORE);
	CHECK_EQUAL_INT(file_write_error(-1, EIO), ERR_STORE);
	CHECK_EQUAL_INT(file_fail(&failure, EACCES, "/x", "can't be opened"), ERR_PERMISSION);
	CHECK_EQUAL_STRING(failure.message, "/x can't be opened: Permission denied");
	CHECK_EQUAL_INT(failure.system, EACCES);
}

static void an_io_error_on_a_full_disk_is_a_full_disk(void)
{
	const char *path = store_path("disk");
	static char block[1 << 16];
	char file[4300];
	int fd;

	CHECK(mkdir(path, 0700) == 0);
	if (mount("none", path, "tmpfs", 0, "size=2m")) {
		fprintf(stderr, "skipped: a full disk: can't mount: %s\n", strerror(errno));
		rmdir(path);
		return;
	}
	snprintf(file, sizeof file, "%s/x", path);
	CHECK_EQUAL_INT(file_make(&fd, file, &failure), 0);
	CHECK_EQUAL_INT(file_write_error(fd, EIO), ERR_STORE);
	while (write(fd, block, sizeof block) > 0)
		;
	CHECK_EQUAL_INT(file_write_error(fd, EIO), ERR_DISK_FULL);
	CHECK_EQUAL_INT(file_reserve(fd, file, 4 << 20, &failure), ERR_DISK_FULL);
	close(fd);
	CHECK(umount(path) == 0);
	rmdir(path);
}

static void a_descriptor_is_compared_with_a_file(void)
{
	struct stat one;
	int fd, other;

	CHECK_EQUAL_INT(file_make(&fd, store_path("is_one"), &failure), 0);
	CHECK_EQUAL_INT(file_make(&other, store_path("is_other"), &failure), 0);
	CHECK(fstat(fd, &one) == 0);
	CHECK(file_is(fd, one.st_dev, one.st_ino));
	CHECK(!file_is(other, one.st_dev, one.st_ino));
	CHECK(!file_is(fd, one.st_dev + 1, one.st_ino));
	close(fd);
	close(other);
	CHECK(!file_is(fd, one.st_dev, one.st_ino));
}

/* LMDB reports a write that is cut short by RLIMIT_FSIZE as EIO. */
static void within_a_size_limit(struct child *parent, void *path)
{
	struct rlimit limit = { 8 << 20, 8 << 20 };
	int fd;

	(void)parent;
	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQUAL_INT(file_make(&fd, path, &failure), 0);
	CHECK(ftruncate(fd, 7 << 20) == 0);
	CHECK_EQUAL_INT(file_write_error(fd, EIO), ERR_STORE);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK_EQUAL_INT(file_write_error(fd, EIO), ERR_STORE);
	CHECK(ftruncate(fd, (7 << 20) + 1) == 0);
	CHECK_EQUAL_INT(file_write_error(fd, EIO), ERR_DISK_FULL);
	CHECK_EQUAL_INT(file_write_error(fd, EBADF), ERR_STORE);
	CHECK_EQUAL_INT(file_reserve(fd, path, 9 << 20, &failure), ERR_DISK_FULL);
	close(fd);
}

static void a_size_limit_is_a_full_disk(void)
{
	char path[4300];
	struct child child;

	snprintf(path, sizeof path, "%s", store_path("limited"));
	child = child_start(within_a_size_limit, path);
	child_end(&child);
}

static void without_its_descriptors(struct child *parent, void *path)
{
	int fd;

	(void)parent;
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	file_spare_standard();
	CHECK_EQUAL_INT(fcntl(STDOUT_FILENO, F_GETFD), 0);   /* unchanged */
	CHECK(fcntl(STDOUT_FILENO, F_GETFL) & (O_WRONLY | O_RDWR));
	CHECK_EQUAL_INT(file_make(&fd, path, &failure), 0);
	CHECK(fd > STDERR_FILENO);
	CHECK(write(STDERR_FILENO, "!", 1) < 0 && errno == EBADF);
	CHECK(read(STDIN_FILENO, path, 1) < 0 && errno == EBADF);
}

static void no_file_is_standard_error(void)
{
	char path[4300];
	struct child child;

	snprintf(path, sizeof path, "%s", store_path("standard"));
	child = child_start(without_its_descriptors, path);
	child_end(&child);
}

static void memory_has_a_directory(void)
{
	char path[PATH_MAX];
	struct stat stat;

	CHECK_EQUAL_INT(file_memory_directory(path, &failure), 0);
	CHECK(lstat(path, &stat) == 0);
	CHECK(S_ISDIR(stat.st_mode));
	CHECK_EQUAL_INT(stat.st_mode & 0777, 0700);
	CHECK(rmdir(path) == 0);
}

static void a_name_is_identified(void)
{
	char path[4300], below[4400];
	struct file_facts facts;
	uint64_t device, inode;
	int fd;

	snprintf(path, sizeof path, "%s/identified", check_directory());
	snprintf(below, sizeof below, "%s/below", path);
	CHECK_EQUAL_INT(file_identify(path, &device, &inode), END);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQUAL_INT(file_look(path, &facts, &failure), 0);
	CHECK_EQUAL_INT(file_identify(path, &device, &inode), 0);
	CHECK_EQUAL_UINT(device, facts.device);
	CHECK_EQUAL_UINT(inode, facts.inode);
	CHECK_EQUAL_INT(file_identify(below, &device, &inode), END);
	memset(below, 'x', sizeof below - 1);
	below[sizeof below - 1] = '\0';
	CHECK_EQUAL_INT(file_identify(below, &device, &inode), ERR_STORE);   /* path too long */
	remove(path);
}

int main(void)
{
	paths_become_absolute();
	links_stay_in_absolute_paths();
	paths_that_are_none();
	only_plain_files_with_one_name();
	another_users_file_is_refused();
	a_new_file_is_private_and_new();
	a_name_is_given_once();
	a_name_changes_hands();
	a_name_is_kept();
	a_reserved_file_has_blocks();
	errors_have_kinds();
	a_disk_is_full_below_a_mebibyte();
	an_io_error_on_a_full_disk_is_a_full_disk();
	a_size_limit_is_a_full_disk();
	a_descriptor_is_compared_with_a_file();
	a_name_is_identified();
	no_file_is_standard_error();
	memory_has_a_directory();
	return 0;
}
