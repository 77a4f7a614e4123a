/* descriptor.c - pipes and sockets for event loops: reads and writes that never wait. */
#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Maximum number of bytes in one write to a blocking descriptor: a pipe that is writable accepts a
 * page without waiting. */
#define BLOCKING_PIECE 4096

static int fail_system(struct failure *failure, const char *what)
{
	int system = errno;

	fail_as(failure, ERR_STORE, "%s: %s", what, strerror(system));
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

int descriptor_pipe(int ends[2], struct failure *failure)
{
	return pipe2(ends, O_CLOEXEC) ? fail_system(failure, "can't open a pipe") : 0;
}

int descriptor_socket_pair(int ends[2], struct failure *failure)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return fail_system(failure, "can't open a pair of sockets");
	return 0;
}

void descriptor_unblock(int descriptor)
{
	int flags = fcntl(descriptor, F_GETFL);

	if (flags >= 0)
		fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

void descriptor_keep(int descriptor)
{
	fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

static bool is_ready(int descriptor, short event)
{
	struct pollfd one = { .fd = descriptor, .events = event };

	return poll(&one, 1, 0) == 1;
}

int descriptor_read(int descriptor, void *bytes, size_t size, size_t *len,
	struct failure *failure)
{
	ssize_t got;

	*len = 0;
	if (!is_ready(descriptor, POLLIN))
		return END;
	got = read(descriptor, bytes, size);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return END;
	if (got < 0 && errno != ECONNRESET && errno != EIO)
		return fail_system(failure, "can't read");
	*len = got > 0 ? (size_t)got : 0;
	return 0;
}

/* Writes with SIGPIPE blocked. A SIGPIPE that the write has caused is removed before the mask is
 * restored, unless one was pending before. */
static ssize_t write_without_signal(int descriptor, const void *bytes, size_t len)
{
	const struct timespec now = { 0 };
	sigset_t pipe_signal, before, pending;
	bool was_pending;
	ssize_t put;
	int system;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	sigprocmask(SIG_BLOCK, &pipe_signal, &before);
	put = write(descriptor, bytes, len);
	system = errno;
	if (put < 0 && system == EPIPE && !was_pending)
		while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR)
			;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = system;
	return put;
}

int descriptor_write(int descriptor, const void *bytes, size_t len, size_t *written,
	struct failure *failure)
{
	int flags = fcntl(descriptor, F_GETFL);
	ssize_t put;

	*written = 0;
	if (flags >= 0 && !(flags & O_NONBLOCK)) {
		if (!is_ready(descriptor, POLLOUT))
			return END;
		len = len < BLOCKING_PIECE ? len : BLOCKING_PIECE;
	}
	put = write_without_signal(descriptor, bytes, len);
	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return END;
	if (put < 0)
		return fail_system(failure, "can't write");
	*written = (size_t)put;
	return 0;
}

void descriptor_close(int descriptor)
{
	if (descriptor >= 0)
		close(descriptor);
}

int descriptor_send_datagram(const char *path, const void *bytes, size_t len,
	struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t path_len = strlen(path);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len);
	ssize_t sent;
	int fd, err = 0;

	if (path_len == 0 || path_len >= sizeof address.sun_path) {
		errno = EINVAL;
		return fail_system(failure, "can't send a datagram");
	}
	memcpy(address.sun_path, path, path_len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_system(failure, "can't open a socket");
	sent = sendto(fd, bytes, len, MSG_NOSIGNAL, (struct sockaddr *)&address, size);
	if (sent < 0)
		err = fail_system(failure, "can't send a datagram");
	close(fd);
	return err;
}
