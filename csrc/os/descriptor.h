/* descriptor.h - pipes and sockets for event loops: reads and writes that never wait. */
#ifndef OS_DESCRIPTOR_H
#define OS_DESCRIPTOR_H

#include <stddef.h>

#include "base/error.h"

/* Opens a pipe: ends[0] is read, ends[1] is written. Both are closed in programs that are executed,
 * and blocking. Returns 0 or ERR_STORE. */
int descriptor_pipe(int ends[2], struct failure *failure);

/* Opens a pair of connected stream sockets in the same way. */
int descriptor_socket_pair(int ends[2], struct failure *failure);

/* Makes the descriptor non-blocking; the other end is unchanged. */
void descriptor_unblock(int descriptor);

/* Sets FD_CLOEXEC on an inherited descriptor. */
void descriptor_keep(int descriptor);

/* Reads the available bytes, at most `size`, and sets *len to their number, which is 0 at the end.
 * Returns 0; END if there are none now; ERR_STORE. A connection that was reset is at its end. */
int descriptor_read(int descriptor, void *bytes, size_t size, size_t *len,
	struct failure *failure);

/* Writes as many bytes as can be written without waiting and sets *written to their number. Returns
 * 0; END if nothing can be written now; ERR_STORE, with failure->system EPIPE if the
 * read end is closed. The descriptor may be blocking. Sends no SIGPIPE. */
int descriptor_write(int descriptor, const void *bytes, size_t len, size_t *written,
	struct failure *failure);

/* Closes the descriptor; nothing if it is negative. */
void descriptor_close(int descriptor);

/* Sends a datagram to a Unix socket. A path that begins with "@" is one of the abstract namespace.
 * Returns 0 or ERR_STORE. */
int descriptor_send_datagram(const char *path, const void *bytes, size_t len,
	struct failure *failure);

#endif
