/* test_links.c - links.h: what LMDB opens is what was checked. */
#include <dlfcn.h>
#include <limits.h>
#include <sys/stat.h>

#include "sys/links.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

/* Is done just before LMDB opens; or access is refused, as without /proc. */
static void (*meanwhile)(void);
static bool without_proc;

int access(const char *path, int mode)
{
	int (*real)(const char *, int);
	void *found = dlsym(RTLD_NEXT, "access");

	memcpy(&real, &found, sizeof real);
	if (strncmp(path, "/proc/self/fd/", 14) != 0)
		return real(path, mode);
	if (meanwhile)
		meanwhile();
	if (!without_proc)
		return real(path, mode);
	errno = ENOENT;
	return -1;
}

static int make_file(const char *name, const char *text)
{
	int fd = open(store_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static bool leads_to(const char *path, int fd)
{
	struct stat named, open_one;

	return stat(path, &named) == 0 && fstat(fd, &open_one) == 0 &&
		named.st_ino == open_one.st_ino && named.st_dev == open_one.st_dev;
}

static void the_names_lead_to_the_descriptors(void)
{
	int data = make_file("data", "data"), lock = make_file("lock", "lock");
	struct links links;
	char path[PATH_MAX + 10], lock_path[PATH_MAX + 10];
	struct stat stat;

	MUST(links_make(&links, data, lock, store_path("x.tide"), &failure), failure);
	snprintf(path, sizeof path, "%s", links.path);
	snprintf(lock_path, sizeof lock_path, "%s-lock", links.path);
	CHECK(leads_to(path, data) && leads_to(lock_path, lock));
	CHECK(lstat(links.directory, &stat) == 0 && (stat.st_mode & 0777) == 0700);
	links_remove(&links);
	links_remove(&links);
	CHECK(lstat(path, &stat) != 0 && lstat(lock_path, &stat) != 0);

	MUST(links_make(&links, data, -1, store_path("x.tide"), &failure), failure);
	CHECK(leads_to(links.path, data) && !links.directory[0]);
	links_remove(&links);
	close(data);
	close(lock);
}

static void what_killed_processes_left_is_removed(void)
{
	static const struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };
	int data = make_file("data", "data"), lock = make_file("lock", "lock");
	struct links left, young, other;
	struct stat stat;

	MUST(links_make(&left, data, lock, store_path("x.tide"), &failure), failure);
	MUST(links_make(&young, data, lock, store_path("x.tide"), &failure), failure);
	MUST(links_make(&other, data, lock, store_path("x.tide"), &failure), failure);
	CHECK(unlink(other.path) == 0 && mkdir(other.path, 0700) == 0);
	CHECK(utimensat(AT_FDCWD, left.directory, old, 0) == 0);
	CHECK(utimensat(AT_FDCWD, other.directory, old, 0) == 0);
	store_close(open_small(store_path("sweeps.tide")));
	CHECK(lstat(left.directory, &stat) != 0);
	CHECK(lstat(young.directory, &stat) == 0);
	CHECK(lstat(other.directory, &stat) == 0);       /* it has something else in it */
	CHECK(rmdir(other.path) == 0);
	links_remove(&young);
	links_remove(&other);
	close(data);
	close(lock);
}

static void without_proc_it_is_the_name(void)
{
	struct links links;

	without_proc = true;
	MUST(links_make(&links, 0, 1, "/some/where", &failure), failure);
	CHECK(strcmp(links.path, "/some/where") == 0);
	links_remove(&links);
	store_close(open_small(store_path("noproc.tide")));
	without_proc = false;
	store_close(open_small(store_path("noproc.tide")));
}

/* Both names lead to files of somebody else's when LMDB opens them. */
static void exchange(void)
{
	meanwhile = NULL;
	CHECK(rename(store_path("raced.tide"), store_path("aside")) == 0);
	CHECK(rename(store_path("raced.tide-lock"), store_path("aside-lock")) == 0);
	CHECK(symlink(store_path("victim"), store_path("raced.tide")) == 0);
	CHECK(symlink(store_path("victim"), store_path("raced.tide-lock")) == 0);
}

static void names_that_change_under_an_open_harm_no_other_file(void)
{
	struct store_options options = small_options(store_path("raced.tide"));
	char found[16] = "";
	int fd = make_file("victim", "victim");

	store_close(open_small(options.path));
	meanwhile = exchange;
	CHECK(try_open(&options, &failure) < 0);
	CHECK_EQUAL_INT(pread(fd, found, sizeof found, 0), 6);
	CHECK(memcmp(found, "victim", 6) == 0);
	close(fd);
	CHECK(unlink(store_path("raced.tide")) == 0);
	CHECK(unlink(store_path("raced.tide-lock")) == 0);
	CHECK(rename(store_path("aside"), store_path("raced.tide")) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

int main(void)
{
	the_names_lead_to_the_descriptors();
	what_killed_processes_left_is_removed();
	without_proc_it_is_the_name();
	names_that_change_under_an_open_harm_no_other_file();
	return 0;
}
