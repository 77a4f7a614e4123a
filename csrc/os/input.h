/* input.h - the door to what comes in pieces: a pipe, a terminal.
 *
 * For command lines: the C library's reading waits until a whole buffer is
 * there, and goes on waiting when a signal comes.
 */
#ifndef OS_INPUT_H
#define OS_INPUT_H

#include <stddef.h>

#include "base/error.h"

/* What is there, at most size bytes: *len, 0 at the end. Waits for wait_ms (below 0: no
 * limit) until something is; then TIMEOUT. INTERRUPTED: a signal came; STORE: it can't be
 * read. */
int input_read(int descriptor, void *bytes, size_t size, int wait_ms, size_t *len,
	struct failure *failure);

#endif
