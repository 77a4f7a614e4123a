/* test_output.c - output.h: a file appears when it is complete; devices are written directly;
 * a non-blocking pipe is waited for. */
#include "os/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/check.h"
#include "unit/files.h"

/* Returns true if the file contains this text. */
static bool contains(const char *path, const char *text)
{
	char bytes[100] = { 0 };
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);

	if (fd >= 0)
		close(fd);
	return len == (ssize_t)strlen(text) && strcmp(bytes, text) == 0;
}

static void write_out(const char *text)
{
	CHECK_EQUAL_INT(write(STDOUT_FILENO, text, strlen(text)), (ssize_t)strlen(text));
}

static void make(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);

	CHECK(fd >= 0);
	CHECK_EQUAL_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_new_file(void)
{
	struct output output;
	struct failure failure = { 0 };
	struct stat stat_there;

	umask(027);
	CHECK_EQUAL_INT(output_open(&output, "new.txt", &failure), 0);
	write_out("all of it");
	CHECK(access("new.txt", F_OK) != 0);
	CHECK_EQUAL_INT(output_publish(&output, &failure), 0);
	output_drop(&output);
	output_drop(&output);
	CHECK(contains("new.txt", "all of it"));
	CHECK_EQUAL_INT(stat("new.txt", &stat_there), 0);
	CHECK_EQUAL_UINT(stat_there.st_mode & 0777, 0640);
}

static void test_old_file(void)
{
	struct output output;
	struct failure failure = { 0 };
	struct stat stat_there;
	char temporary[PATH_MAX];

	make("old.txt", "old", 0604);
	CHECK_EQUAL_INT(chmod("old.txt", 0604), 0);
	CHECK_EQUAL_INT(symlink("old.txt", "link.txt"), 0);
	CHECK_EQUAL_INT(output_open(&output, "link.txt", &failure), 0);
	memcpy(temporary, output.temporary.path, sizeof temporary);
	write_out("half");
	output_drop(&output);
	CHECK(contains("old.txt", "old"));
	CHECK(access(temporary, F_OK) != 0);
	CHECK_EQUAL_INT(output_open(&output, "link.txt", &failure), 0);
	write_out("new");
	CHECK_EQUAL_INT(output_publish(&output, &failure), 0);
	output_drop(&output);
	CHECK(contains("old.txt", "new"));
	CHECK_EQUAL_INT(lstat("link.txt", &stat_there), 0);
	CHECK(S_ISLNK(stat_there.st_mode));
	CHECK_EQUAL_INT(stat("old.txt", &stat_there), 0);
	CHECK_EQUAL_UINT(stat_there.st_mode & 0777, 0604);
}

static void test_other_files(void)
{
	struct output output;
	struct failure failure = { 0 };
	struct stat stat_there;

	CHECK_EQUAL_INT(output_open(&output, "/dev/null", &failure), 0);
	write_out("nothing");
	CHECK_EQUAL_INT(output_publish(&output, &failure), 0);
	output_drop(&output);
	CHECK_EQUAL_INT(stat("/dev/null", &stat_there), 0);
	CHECK(S_ISCHR(stat_there.st_mode));
	CHECK_EQUAL_INT(output_open(&output, ".", &failure), ERR_NOT_DATABASE);
	CHECK_EQUAL_INT(output_open(&output, "none/new.txt", &failure), ERR_NO_FILE);
	CHECK_EQUAL_INT(output_open(&output, "", &failure), ERR_VALIDATION);
}

/* A child reads slowly from a pipe that is non-blocking on this side and much smaller than the
 * text. */
static void test_nonblocking(void)
{
	static char text[1 << 20];
	size_t total = 0;
	int ends[2], status;
	pid_t child;

	CHECK_EQUAL_INT(pipe(ends), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		ssize_t len;

		close(ends[1]);
		while ((len = read(ends[0], text, 1000)) > 0)
			total += (size_t)len;
		_exit(total == sizeof text ? 0 : 1);
	}
	close(ends[0]);
	CHECK(dup2(ends[1], STDOUT_FILENO) >= 0);
	CHECK(!output_is_nonblocking());
	CHECK_EQUAL_INT(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	close(ends[1]);
	CHECK(output_is_nonblocking());
	CHECK(output_write(text, sizeof text));
	CHECK(open("/dev/null", O_WRONLY) >= 0 && close(STDOUT_FILENO) == 0);
	CHECK_EQUAL_INT(waitpid(child, &status, 0), child);
	CHECK_EQUAL_INT(status, 0);
	CHECK(!output_write("x", 1));
	CHECK_EQUAL_INT(errno, EBADF);
}

int main(void)
{
	int before = dup(STDOUT_FILENO);
	char directory[] = "/tmp/tidetable-output-XXXXXX";

	CHECK(mkdtemp(directory));
	CHECK_EQUAL_INT(chdir(directory), 0);
	test_new_file();
	test_old_file();
	test_other_files();
	CHECK(dup2(before, STDOUT_FILENO) >= 0);
	test_nonblocking();
	CHECK_EQUAL_INT(unlink("new.txt") | unlink("old.txt") | unlink("link.txt"), 0);
	CHECK_EQUAL_INT(rmdir(directory), 0);
	dup2(before, STDOUT_FILENO);
	return 0;
}
