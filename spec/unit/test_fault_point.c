/* test_fault_point.c - fault_point.h: the n-th commit fails, or the process dies there. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "os/fault_point.h"
#include "unit/check.h"

static void nothing_happens_unless_set(void)
{
	CHECK_EQUAL_INT(fault_reached(FAULT_BEFORE_COMMIT), 0);
	CHECK_EQUAL_INT(fault_set(FAULT_AFTER_COMMIT, 1, ERR_UNKNOWN_OUTCOME, NULL), 0);
	CHECK_EQUAL_INT(fault_reached(FAULT_BEFORE_COMMIT), 0);
	fault_clear();
	CHECK_EQUAL_INT(fault_reached(FAULT_AFTER_COMMIT), 0);
}

static void the_nth_commit_fails_once(void)
{
	for (uint32_t n = 1; n <= 5; n++) {
		CHECK_EQUAL_INT(fault_set(FAULT_BEFORE_COMMIT, n, ERR_DISK_FULL, NULL), 0);
		for (uint32_t i = 1; i < n; i++)
			CHECK_EQUAL_INT(fault_reached(FAULT_BEFORE_COMMIT), 0);
		CHECK_EQUAL_INT(fault_reached(FAULT_BEFORE_COMMIT), ERR_DISK_FULL);
		CHECK_EQUAL_INT(fault_reached(FAULT_BEFORE_COMMIT), 0);
	}
}

/* Writes as a commit does: data pages, the meta page, a notification. */
static void commit(int fd)
{
	static const char page[4096] = "x";

	fault_reached(FAULT_BEFORE_COMMIT);
	if (fault_reached(FAULT_AFTER_WRITE))
		_exit(2);
	CHECK(pwrite(fd, page, sizeof page, 8192) == sizeof page);
	CHECK(pwrite(fd, page, 120, 4096) == 120);
	fault_reached(FAULT_AFTER_COMMIT);
	CHECK(pwrite(fd, page, 1, 20000) == 1);
}

/* Commits n times in a child process, which dies at the last commit. Returns what that commit has
 * written: bytes 'd' (data page) and 'm' (meta page). */
static const char *die_at(enum fault_point point, uint32_t n)
{
	static char written[3];
	FILE *file = tmpfile();
	char data = 0, meta = 0;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQUAL_INT(fault_set(point, n, 0, NULL), 0);
		for (uint32_t i = 1; i < n; i++)
			commit(fileno(file));
		CHECK(ftruncate(fileno(file), 0) == 0);
		commit(fileno(file));
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQUAL_INT(WTERMSIG(status), SIGKILL);
	CHECK(pread(fileno(file), &data, 1, 8192) >= 0);
	CHECK(pread(fileno(file), &meta, 1, 4096) >= 0);
	fclose(file);
	snprintf(written, sizeof written, "%s%s", data ? "d" : "", meta ? "m" : "");
	return written;
}

/* Returns false where the kernel or an emulator has no seccomp. */
static bool can_die_after_write(void)
{
	struct failure failure = { 0 };
	int err = fault_set(FAULT_AFTER_WRITE, 1, 0, &failure);

	fault_clear();
	CHECK(!err || strstr(failure.message, "the kernel can't stop"));
	return !err;
}

static void the_process_dies_at_its_point(void)
{
	for (uint32_t n = 1; n <= 3; n++) {
		CHECK_EQUAL_STRING(die_at(FAULT_BEFORE_COMMIT, n), "");
		CHECK_EQUAL_STRING(die_at(FAULT_AFTER_COMMIT, n), "dm");
		if (can_die_after_write())
			CHECK_EQUAL_STRING(die_at(FAULT_AFTER_WRITE, n), "d");
	}
}

int main(void)
{
	nothing_happens_unless_set();
	the_nth_commit_fails_once();
	the_process_dies_at_its_point();
	return 0;
}
