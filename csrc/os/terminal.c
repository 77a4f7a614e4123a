/* terminal.c - terminal size, hangup detection and character widths, for command-line programs.
 */
#include "os/terminal.h"

#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

bool terminal_size(int descriptor, unsigned *columns, unsigned *rows)
{
	struct winsize size;

	*columns = *rows = 0;
	if (!isatty(descriptor))
		return false;
	if (ioctl(descriptor, TIOCGWINSZ, &size) == 0) {
		*columns = size.ws_col;
		*rows = size.ws_row;
	}
	return true;
}

bool terminal_wait(int descriptor, unsigned ms)
{
	struct pollfd reader = { .fd = descriptor };

	return poll(&reader, 1, ms > INT_MAX ? INT_MAX : (int)ms) == 1;
}

/* UTF-8 locale, because the result of wcwidth depends on the locale and the program's own locale
 * must not be changed. NULL if the C library has no UTF-8 locale. */
static locale_t utf8;

static void make_utf8(void)
{
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

int terminal_char_columns(uint32_t character)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	locale_t before;
	int columns;

	pthread_once(&once, make_utf8);
	if (!utf8)
		return character >= 0x20 && (character < 0x7f || character >= 0xa0) ? 1 : -1;
	before = uselocale(utf8);
	columns = wcwidth((wchar_t)character);
	uselocale(before);
	return columns;
}
