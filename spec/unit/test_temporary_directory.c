/* test_temporary_directory.c - temporary_directory.h: creation and removal. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "os/temporary_directory.h"
#include "unit/check.h"
#include "unit/must.h"

static bool exists(const char *path)
{
	struct stat facts;

	return lstat(path, &facts) == 0;
}

/* Returns the path of a name in the directory; valid until the next call. */
static const char *in(const struct temporary_directory *directory, const char *name)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof path, "%s/%s", directory->path, name);
	return path;
}

static void create(struct temporary_directory *directory)
{
	struct failure failure = { 0 };

	MUST(temporary_directory_create(directory, &failure), failure);
}

static void everything_in_it_is_removed(void)
{
	struct temporary_directory directory, other;
	struct stat facts;
	FILE *file;

	create(&directory);
	create(&other);
	CHECK(strcmp(directory.path, other.path) != 0);
	CHECK(directory.path[0] == '/');
	CHECK(stat(directory.path, &facts) == 0 && (facts.st_mode & 0777) == 0700);
	CHECK(mkdir(in(&directory, "inner"), 0700) == 0);
	CHECK(symlink(other.path, in(&directory, "inner/link")) == 0);
	file = fopen(in(&directory, "inner/file"), "w");
	CHECK(file && fclose(file) == 0);
	temporary_directory_remove(&directory);
	CHECK(!directory.path[0]);
	CHECK(exists(other.path));
	temporary_directory_remove(&directory);
	temporary_directory_remove(&other);
}

static void a_fork_removes_nothing(void)
{
	struct temporary_directory directory;
	char path[PATH_MAX];
	pid_t pid;

	create(&directory);
	snprintf(path, sizeof path, "%s", directory.path);
	pid = fork();
	if (pid == 0) {
		temporary_directory_remove(&directory);
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(exists(path));
	temporary_directory_remove(&directory);
	CHECK(!exists(path));
}

static void a_failure_names_the_parent(void)
{
	static char longer[PATH_MAX];
	struct temporary_directory directory;
	struct failure failure = { 0 };

	setenv("TMPDIR", "/nowhere/at/all", 1);
	CHECK_EQUAL_INT(temporary_directory_create(&directory, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "/nowhere/at/all"));
	temporary_directory_remove(&directory);
	memset(longer, 'x', sizeof longer - 1);
	setenv("TMPDIR", longer, 1);
	CHECK_EQUAL_INT(temporary_directory_create(&directory, &failure), ERR_STORE);
	setenv("TMPDIR", "", 1);
	create(&directory);
	CHECK(strncmp(directory.path, "/tmp/tidetable-", 15) == 0);
	temporary_directory_remove(&directory);
	unsetenv("TMPDIR");
}

int main(void)
{
	everything_in_it_is_removed();
	a_fork_removes_nothing();
	a_failure_names_the_parent();
	return 0;
}
