/* test_input.c - input.h: available bytes, end of input, waiting, signals, errors. */
#include "os/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "unit/check.h"

static void test_pieces(void)
{
	struct failure failure = { 0 };
	char bytes[4];
	size_t len = 9;
	int ends[2];

	CHECK_EQUAL_INT(pipe(ends), 0);
	CHECK_EQUAL_INT(input_read(ends[0], bytes, sizeof bytes, 0, &len, &failure), ERR_TIMEOUT);
	CHECK_EQUAL_UINT(len, 0);
	CHECK_EQUAL_INT(input_read(ends[0], bytes, sizeof bytes, 1, &len, NULL), ERR_TIMEOUT);
	CHECK_EQUAL_INT(write(ends[1], "abcdef", 6), 6);
	CHECK_EQUAL_INT(input_read(ends[0], bytes, sizeof bytes, -1, &len, &failure), 0);
	CHECK_EQUAL_UINT(len, 4);
	CHECK(memcmp(bytes, "abcd", 4) == 0);
	CHECK_EQUAL_INT(input_read(ends[0], bytes, sizeof bytes, 0, &len, &failure), 0);
	CHECK_EQUAL_UINT(len, 2);
	close(ends[1]);
	CHECK_EQUAL_INT(input_read(ends[0], bytes, sizeof bytes, -1, &len, &failure), 0);
	CHECK_EQUAL_UINT(len, 0);
	close(ends[0]);
}

static void ignore(int number)
{
	(void)number;
}

/* The handler is installed with SA_RESTART, as Lua's is. */
static void test_signal(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct failure failure = { 0 };
	char bytes[4];
	size_t len;
	int ends[2];

	CHECK_EQUAL_INT(pipe(ends), 0);
	CHECK_EQUAL_INT(sigaction(SIGALRM, &action, NULL), 0);
	alarm(1);
	CHECK_EQUAL_INT(input_read(ends[0], bytes, sizeof bytes, -1, &len, &failure),
		ERR_INTERRUPTED);
	close(ends[0]);
	close(ends[1]);
}

static void test_unreadable(void)
{
	struct failure failure = { 0 };
	char bytes[4];
	size_t len;
	int folder = open("/", O_RDONLY | O_DIRECTORY);

	CHECK_EQUAL_INT(input_read(folder, bytes, sizeof bytes, 0, &len, &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, EISDIR);
	CHECK(strcmp(failure.message, strerror(EISDIR)) == 0);
	close(folder);
	CHECK_EQUAL_INT(input_read(folder, bytes, sizeof bytes, 0, &len, NULL), ERR_STORE);
}

/* If poll reports input that another process then reads, input_read returns TIMEOUT. The test
 * simulates this with a descriptor without input. */
static void test_taken(void)
{
	struct failure failure = { 0 };
	int file = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	char bytes[4];
	size_t len;

	if (file < 0)
		return;
	CHECK_EQUAL_INT(input_read(file, bytes, sizeof bytes, 0, &len, &failure), ERR_TIMEOUT);
	close(file);
}

int main(void)
{
	test_pieces();
	test_signal();
	test_unreadable();
	test_taken();
	return 0;
}
