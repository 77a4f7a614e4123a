/* test_fd_links.c - fd_links.h: LMDB opens the files that were checked. */
#include <dlfcn.h>
#include <limits.h>
#include <sys/stat.h>

#include "os/fd_links.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

/* Called just before LMDB opens the files. Alternatively access fails, as without /proc. */
static void (*before_open)(void);
static bool without_proc;

int access(const char *path, int mode)
{
	int (*real)(const char *, int);
	void *found = dlsym(RTLD_NEXT, "access");

	memcpy(&real, &found, sizeof real);
	if (strncmp(path, "/proc/self/fd/", 14) != 0)
		return real(path, mode);
	if (before_open)
		before_open();
	if (!without_proc)
		return real(path, mode);
	errno = ENOENT;
	return -1;
}

/* The common directory exists and is owned by another user. */
static bool common_is_foreign;

int lstat(const char *path, struct stat *found)
{
	int (*real)(const char *, struct stat *);
	void *symbol = dlsym(RTLD_NEXT, "lstat");
	char common[60];
	int status;

	snprintf(common, sizeof common, "/tidetable-links-%lu", (unsigned long)geteuid());

	memcpy(&real, &symbol, sizeof real);
	status = real(path, found);
	if (status == 0 && common_is_foreign && strstr(path, common))
		found->st_uid = 65534;
	return status;
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
	struct fd_links links;
	char path[PATH_MAX + 10], lock_path[PATH_MAX + 10];

	MUST(fd_links_make(&links, data, lock, store_path("x.tide"), &failure), failure);
	snprintf(path, sizeof path, "%s", links.path);
	snprintf(lock_path, sizeof lock_path, "%s-lock", links.path);
	CHECK(leads_to(path, data) && leads_to(lock_path, lock));
	CHECK(!links.directory[0]);
	fd_links_remove(&links);
	MUST(fd_links_make(&links, data, lock, store_path("y.tide"), &failure), failure);
	CHECK(strcmp(links.path, path) == 0);    /* the links are reused */

	MUST(fd_links_make(&links, data, -1, store_path("x.tide"), &failure), failure);
	CHECK(leads_to(links.path, data) && !links.directory[0]);
	fd_links_remove(&links);
	close(data);
	close(lock);
}

/* Another user has created the directory, or a symbolic link with its name. */
static void a_directory_of_another_user_is_not_used(void)
{
	int data = make_file("data", "data"), lock = make_file("lock", "lock");
	char path[PATH_MAX + 10], directory[PATH_MAX];
	struct fd_links links;
	struct stat stat;

	common_is_foreign = true;
	MUST(fd_links_make(&links, data, lock, store_path("x.tide"), &failure), failure);
	common_is_foreign = false;
	snprintf(path, sizeof path, "%s-lock", links.path);
	snprintf(directory, sizeof directory, "%s", links.directory);
	CHECK(directory[0] && leads_to(links.path, data) && leads_to(path, lock));
	CHECK(lstat(directory, &stat) == 0 && (stat.st_mode & 0777) == 0700);
	fd_links_remove(&links);
	fd_links_remove(&links);
	CHECK(lstat(directory, &stat) != 0);
	close(data);
	close(lock);
}

static void without_proc_it_is_the_name(void)
{
	struct fd_links links;

	without_proc = true;
	MUST(fd_links_make(&links, 0, 1, "/some/where", &failure), failure);
	CHECK(strcmp(links.path, "/some/where") == 0);
	fd_links_remove(&links);
	store_close(open_small(store_path("noproc.tide")));
	without_proc = false;
	store_close(open_small(store_path("noproc.tide")));
}

/* Replaces both files by other ones before LMDB opens them. */
static void exchange(void)
{
	before_open = NULL;
	CHECK(rename(store_path("raced.tide"), store_path("aside")) == 0);
	CHECK(rename(store_path("raced.tide-lock"), store_path("aside-lock")) == 0);
	CHECK(symlink(store_path("victim"), store_path("raced.tide")) == 0);
	CHECK(symlink(store_path("victim"), store_path("raced.tide-lock")) == 0);
}

static void names_that_change_under_an_open_harm_no_other_file(void)
{
	char path[256], found[16] = "";
	struct store_options options = small_options(path);
	int fd = make_file("victim", "victim");

	/* store_path lends one of a few buffers, and compilers evaluate arguments in any order. */
	snprintf(path, sizeof path, "%s", store_path("raced.tide"));
	store_close(open_small(options.path));
	before_open = exchange;
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
	a_directory_of_another_user_is_not_used();
	without_proc_it_is_the_name();
	names_that_change_under_an_open_harm_no_other_file();
	return 0;
}
