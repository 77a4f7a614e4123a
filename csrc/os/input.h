/* input.h - reads available bytes from a pipe or terminal, for command-line programs.
 *
 * Unlike fread, input_read returns as soon as some bytes are available, and when a signal arrives.
 */
#ifndef OS_INPUT_H
#define OS_INPUT_H

#include <stddef.h>

#include "base/error.h"

/* Reads the available bytes, at most `size`, and sets *len to their number, which is 0 at the end
 * of the input. Waits up to wait_ms for the first byte, without limit if wait_ms is negative.
 * Returns 0, ERR_TIMEOUT, ERR_INTERRUPTED after a signal, or ERR_STORE if reading fails. */
int input_read(int descriptor, void *bytes, size_t size, int wait_ms, size_t *len,
	struct failure *failure);

#endif
