/* test_terminal.c - terminal.h: sizes, closed readers, widths of characters. */
#include "os/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "unit/check.h"

/* A pseudo-terminal and its window size. */
static void test_size(void)
{
	struct winsize window = { .ws_col = 132, .ws_row = 43 };
	unsigned columns = 1, rows = 1;
	int window_end, program_end;

	window_end = posix_openpt(O_RDWR | O_NOCTTY);
	if (window_end < 0 || grantpt(window_end) || unlockpt(window_end)) {
		fprintf(stderr, "no pseudo-terminals here\n");
		return;
	}
	program_end = open(ptsname(window_end), O_RDWR | O_NOCTTY);
	CHECK(program_end >= 0);
	CHECK(terminal_size(program_end, &columns, &rows));
	CHECK_EQUAL_UINT(columns, 0);
	CHECK_EQUAL_UINT(rows, 0);
	CHECK_EQUAL_INT(ioctl(window_end, TIOCSWINSZ, &window), 0);
	CHECK(terminal_size(program_end, &columns, &rows));
	CHECK_EQUAL_UINT(columns, 132);
	CHECK_EQUAL_UINT(rows, 43);

	CHECK(!terminal_wait(program_end, 0));
	close(window_end);
	CHECK(terminal_wait(program_end, 0));
	close(program_end);
}

static void test_no_terminal(void)
{
	unsigned columns = 1, rows = 1;
	int file = open("/dev/null", O_WRONLY);

	CHECK(!terminal_size(file, &columns, &rows));
	CHECK_EQUAL_UINT(columns, 0);
	CHECK_EQUAL_UINT(rows, 0);
	CHECK(!terminal_wait(file, 0));
	close(file);
	CHECK(!terminal_size(-1, &columns, &rows));
}

static void test_abandoned_pipe(void)
{
	int ends[2];

	CHECK_EQUAL_INT(pipe(ends), 0);
	CHECK(!terminal_wait(ends[1], 0));
	CHECK_EQUAL_INT(write(ends[1], "x", 1), 1);
	CHECK(!terminal_wait(ends[1], 0));
	CHECK(!terminal_wait(ends[1], 1));
	close(ends[0]);
	CHECK(terminal_wait(ends[1], 0));
	CHECK(terminal_wait(ends[1], 4000000000));
	close(ends[1]);
}

static void test_widths(void)
{
	CHECK_EQUAL_INT(terminal_char_columns('a'), 1);
	CHECK_EQUAL_INT(terminal_char_columns(0x1b), -1);
	CHECK_EQUAL_INT(terminal_char_columns(0x7f), -1);
	CHECK_EQUAL_INT(terminal_char_columns(0x9b), -1);    /* a C1 control character */
	CHECK_EQUAL_INT(terminal_char_columns(0xe9), 1);     /* e with an acute accent */
	CHECK_EQUAL_INT(terminal_char_columns(0x301), 0);    /* a combining accent */
	CHECK_EQUAL_INT(terminal_char_columns(0x6f22), 2);   /* a CJK ideograph */
	CHECK_EQUAL_INT(terminal_char_columns(0x1f30a), 2);  /* an emoji */
	CHECK_EQUAL_INT(terminal_char_columns(0x10ffff), -1);
}

int main(void)
{
	test_size();
	test_no_terminal();
	test_abandoned_pipe();
	test_widths();
	return 0;
}
