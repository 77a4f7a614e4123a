/* test_temporary.c - temporary.h: temporary files that are published or removed. */
#include <dlfcn.h>
#include <stdarg.h>

#include "os/identity.h"
#include "os/temporary.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

static int lock_refused;         /* errno with which the lock fails; 0 if it succeeds */

int fcntl(int fd, int command, ...)
{
	int (*real)(int, int, ...);
	void *found = dlsym(RTLD_NEXT, "fcntl"), *argument;
	va_list args;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	memcpy(&real, &found, sizeof real);
	if (command != F_OFD_SETLK || !lock_refused)
		return real(fd, command, argument);
	errno = lock_refused;
	return -1;
}

static const char *target(void)
{
	return store_path("target");
}

static struct temporary make(void)
{
	struct temporary temporary;

	MUST(temporary_make(&temporary, target(), &failure), failure);
	return temporary;
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool holds(const char *path, const char *text)
{
	char found[64] = { 0 };
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return false;
	CHECK(read(fd, found, sizeof found - 1) >= 0);
	close(fd);
	return strcmp(found, text) == 0;
}

static bool exists(const char *path, const char *suffix)
{
	char name[PATH_MAX + 16];
	struct stat stat;

	snprintf(name, sizeof name, "%s%s", path, suffix);
	return lstat(name, &stat) == 0;
}

static void put_beside(const char *path)
{
	char name[PATH_MAX + 16];

	snprintf(name, sizeof name, "%s-lock", path);
	put_file(name, "");
	snprintf(name, sizeof name, "%s-wake", path);
	put_file(name, "");
}

/* Returns the number of files in the test's directory. */
static int count_files(void)
{
	DIR *directory = opendir(check_directory());
	struct dirent *entry;
	int count = 0;

	CHECK(directory != NULL);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void it_is_ours_alone(void)
{
	struct temporary one, other;
	struct stat stat;
	mode_t before = umask(0);

	one = make();
	umask(before);
	CHECK(lstat(one.path, &stat) == 0);
	CHECK_EQUAL_INT(stat.st_mode & 07777, 0600);
	CHECK_EQUAL_INT(stat.st_size, 0);
	CHECK_EQUAL_INT(strncmp(one.path, target(), strlen(target())), 0);
	CHECK(file_is_at(one.fd, one.path));
	CHECK_EQUAL_INT(fcntl(one.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

	other = make();                  /* the first is in use and remains */
	CHECK(strcmp(one.path, other.path) != 0);
	CHECK(exists(one.path, ""));
	temporary_drop(&one);
	temporary_drop(&one);
	temporary_drop(&other);
	CHECK_EQUAL_INT(count_files(), 0);
}

static void what_lies_beside_it_goes_with_it(void)
{
	struct temporary temporary = make();

	put_beside(temporary.path);
	temporary_drop(&temporary);
	CHECK_EQUAL_INT(count_files(), 0);
}

/* --- files of killed processes --- */

static void make_and_wait(struct child *parent, void *context)
{
	struct temporary temporary = make();

	(void)context;
	put_beside(temporary.path);
	child_tell(parent);
	child_hear(parent);              /* until it is killed */
}

static void what_the_dead_have_left_is_removed(void)
{
	struct child child = child_start(make_and_wait, NULL);
	struct temporary temporary;

	CHECK(child_hear(&child));
	temporary = make();
	CHECK_EQUAL_INT(count_files(), 4);       /* the process is alive */
	temporary_drop(&temporary);
	child_kill(&child);
	CHECK_EQUAL_INT(count_files(), 3);
	temporary = make();
	CHECK_EQUAL_INT(count_files(), 1);
	temporary_drop(&temporary);
}

static void what_is_not_ours_is_not_touched(void)
{
	static const char *const names[] = {
		"target", "target-part", "target-part01234567", "target-part0123456789abcdef",
		"target-part0123456789abcdeg", "target-part0123456789ABCDEF",
		"other-part0123456789abcdef", "targe-part0123456789abcdef",
		"target-part0123456789abcdef-lock", "target-parts123456789abcdef",
	};
	const int count = sizeof names / sizeof *names;
	char path[4300];
	struct temporary temporary;

	for (int i = 0; i < count; i++)
		put_file(store_path(names[i]), "precious");
	temporary_name(path, sizeof path, target(), 0x89abcdef);
	CHECK(symlink("target", path) == 0);     /* not a regular file */
	temporary = make();
	temporary_drop(&temporary);
	for (int i = 0; i < count; i++) {
		CHECK(holds(store_path(names[i]), "precious"));
		unlink(store_path(names[i]));
	}
	CHECK_EQUAL_INT(count_files(), 1);
	unlink(path);
}

/* --- the name --- */

static void it_gets_a_name_that_is_free(void)
{
	struct temporary temporary = make();

	CHECK(write(temporary.fd, "new", 3) == 3);
	put_beside(temporary.path);
	MUST(temporary_publish(&temporary, target(), false, &failure), failure);
	temporary_drop(&temporary);
	CHECK(holds(target(), "new"));
	CHECK_EQUAL_INT(count_files(), 1);

	temporary = make();
	CHECK(temporary_publish(&temporary, target(), false, &failure) < 0);
	CHECK(exists(temporary.path, ""));
	temporary_drop(&temporary);
	CHECK(holds(target(), "new"));
	CHECK_EQUAL_INT(count_files(), 1);
	unlink(target());
}

static void it_takes_the_name_of_another(void)
{
	struct temporary temporary;

	put_file(target(), "old");
	temporary = make();
	CHECK(write(temporary.fd, "new", 3) == 3);
	MUST(temporary_publish(&temporary, target(), true, &failure), failure);
	temporary_drop(&temporary);
	CHECK(holds(target(), "new"));
	CHECK_EQUAL_INT(count_files(), 1);
	unlink(target());
}

static void a_link_is_replaced_and_not_followed(void)
{
	struct temporary temporary;

	put_file(store_path("victim"), "precious");
	CHECK(symlink("victim", target()) == 0);
	temporary = make();
	CHECK(temporary_publish(&temporary, target(), false, &failure) < 0);
	MUST(temporary_publish(&temporary, target(), true, &failure), failure);
	temporary_drop(&temporary);
	CHECK(holds(store_path("victim"), "precious"));
	CHECK(holds(target(), ""));
	unlink(target());
	unlink(store_path("victim"));
}

static void names_may_be_too_long(void)
{
	char path[PATH_MAX + 300];
	struct temporary temporary;

	snprintf(path, sizeof path, "/%0240d", 1);
	CHECK_EQUAL_INT(temporary_make(&temporary, path, &failure), ERR_VALIDATION);
	CHECK(temporary.path[0] == '\0');
	temporary_drop(&temporary);
	CHECK_EQUAL_INT(temporary_make(&temporary, "/no such directory/x", &failure),
		ERR_NO_FILE);
	temporary_drop(&temporary);
}

/* --- fork --- */

static void forget(struct child *parent, void *context)
{
	(void)parent;
	temporary_forget(context);
}

static void a_child_leaves_it_to_the_parent(void)
{
	struct temporary temporary = make();
	struct child child = child_start(forget, &temporary);

	child_end(&child);
	CHECK(exists(temporary.path, ""));
	temporary_drop(&temporary);
}

static void drop_and_hold(struct child *parent, void *context)
{
	(void)context;
	child_tell(parent);
	child_hear(parent);
}

/* The child still has the descriptor, but the lock was released. */
static void a_child_does_not_hold_its_lock(void)
{
	struct temporary temporary = make();
	struct child child = child_start(drop_and_hold, NULL);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(temporary.path, O_RDWR);

	CHECK(fd >= 0 && child_hear(&child));
	CHECK(fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK);
	temporary_drop(&temporary);
	lock.l_type = F_WRLCK;
	lock.l_pid = 0;
	CHECK(fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK);
	close(fd);
	child_tell(&child);
	child_end(&child);
}

/* If the file cannot be locked, it is removed. */
static void without_a_lock_there_is_none(void)
{
	struct temporary temporary;

	CHECK_EQUAL_INT(count_parts(), 0);
	lock_refused = ENOLCK;
	CHECK_EQUAL_INT(temporary_make(&temporary, target(), &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, ENOLCK);
	lock_refused = 0;
	CHECK(temporary.fd < 0 && !temporary.path[0]);
	CHECK_EQUAL_INT(count_parts(), 0);
}

static void stay(struct child *parent, void *context)
{
	(void)context;
	child_tell(parent);
	child_hear(parent);
}

/* A process that was forked while a copy was made continues to run. */
static void a_child_does_not_hold_the_claim(void)
{
	struct temporary temporary = make();
	struct identity identity = { .fd = -1 };
	struct child child = child_start(stay, NULL);

	CHECK(child_hear(&child));
	MUST(identity_claim(temporary.fd, NULL, 5, &failure), failure);
	MUST(temporary_publish(&temporary, target(), false, &failure), failure);
	temporary_drop(&temporary);
	MUST(identity_open(&identity, target(), false, &failure), failure);
	MUST(identity_claim(identity.fd, target(), 6, &failure), failure);
	identity_close(&identity);
	child_tell(&child);
	child_end(&child);
	unlink(target());
}

int main(void)
{
	without_a_lock_there_is_none();
	it_is_ours_alone();
	what_lies_beside_it_goes_with_it();
	what_the_dead_have_left_is_removed();
	what_is_not_ours_is_not_touched();
	it_gets_a_name_that_is_free();
	it_takes_the_name_of_another();
	a_link_is_replaced_and_not_followed();
	names_may_be_too_long();
	a_child_leaves_it_to_the_parent();
	a_child_does_not_hold_its_lock();
	a_child_does_not_hold_the_claim();
	return 0;
}
