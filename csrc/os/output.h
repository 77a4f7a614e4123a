/* output.h - standard output of command-line programs: into a file that appears when it is
 * complete, or into a non-blocking pipe.
 */
#ifndef OS_OUTPUT_H
#define OS_OUTPUT_H

#include "os/temporary.h"

struct output {
	struct temporary temporary;  /* file that becomes path; without a path if it is not used */
	char path[PATH_MAX];         /* final path, without symbolic links */
};

/* Redirects standard output to a temporary file next to path. The file gets the owner and the mode
 * of the file at path, or those of a new file. A device, a pipe or another file that is not regular
 * is opened itself. Returns 0 or the errors of temporary_make. */
int output_open(struct output *output, const char *path, struct failure *failure);

/* Flushes the file and renames it to path, which replaces an existing file. Does nothing if path is
 * no regular file. The program must have flushed its buffers. Returns 0 or the errors of
 * temporary_publish; the file at path is unchanged then. */
int output_publish(struct output *output, struct failure *failure);

/* Returns true if standard output is non-blocking: a write may fail with EAGAIN then. Another
 * process has set this; clearing it would affect that process. */
bool output_is_nonblocking(void);

/* Writes all bytes to standard output; waits while a non-blocking file accepts none. Returns false
 * and sets errno on failure, EINTR if a signal arrived while waiting. */
bool output_write(const void *bytes, size_t len);

/* Removes the temporary file if it was not published. May be called twice. */
void output_drop(struct output *output);

#endif
