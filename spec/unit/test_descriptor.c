/* test_descriptor.c - descriptor.h: reads and writes that never wait, and datagrams. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "unit/check.h"
#include "unit/must.h"

static struct failure failure;
static char bytes[1 << 20];

/* Writes until nothing can be written. Returns the number of bytes. */
static size_t fill(int descriptor)
{
	size_t sum = 0, written;
	int err;

	while ((err = descriptor_write(descriptor, bytes, sizeof bytes, &written, &failure)) == 0)
		sum += written;
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_UINT(written, 0);
	return sum;
}

static size_t drain(int descriptor)
{
	size_t sum = 0, len;
	int err;

	while ((err = descriptor_read(descriptor, bytes, sizeof bytes, &len, &failure)) == 0 && len)
		sum += len;
	CHECK_EQUAL_INT(err, END);
	return sum;
}

static void nothing_waits(bool blocks)
{
	int ends[2];

	MUST(descriptor_pipe(ends, &failure), failure);
	CHECK((fcntl(ends[0], F_GETFD) & FD_CLOEXEC) && (fcntl(ends[1], F_GETFD) & FD_CLOEXEC));
	if (!blocks) {
		descriptor_unblock(ends[1]);
		CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) &&
			!(fcntl(ends[0], F_GETFL) & O_NONBLOCK));
	}
	CHECK_EQUAL_UINT(drain(ends[0]), 0);
	CHECK_EQUAL_UINT(fill(ends[1]), 65536);
	CHECK_EQUAL_UINT(drain(ends[0]), 65536);
	descriptor_close(ends[0]);
	descriptor_close(ends[1]);
	descriptor_close(-1);
}

static void the_end_is_no_error(void)
{
	int ends[2];
	size_t len;

	MUST(descriptor_socket_pair(ends, &failure), failure);
	CHECK_EQUAL_INT(descriptor_write(ends[0], "abc", 3, &len, &failure), 0);
	descriptor_close(ends[0]);
	CHECK_EQUAL_INT(descriptor_read(ends[1], bytes, sizeof bytes, &len, &failure), 0);
	CHECK_EQUAL_UINT(len, 3);
	CHECK_EQUAL_INT(descriptor_read(ends[1], bytes, sizeof bytes, &len, &failure), 0);
	CHECK_EQUAL_UINT(len, 0);
	descriptor_close(ends[1]);
}

/* The default action of SIGPIPE would end the test. */
static void a_write_without_a_reader_is_an_error(void)
{
	int ends[2];
	size_t len;

	MUST(descriptor_pipe(ends, &failure), failure);
	descriptor_close(ends[0]);
	CHECK_EQUAL_INT(descriptor_write(ends[1], "a", 1, &len, &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, EPIPE);
	descriptor_close(ends[1]);
	CHECK_EQUAL_INT(descriptor_read(ends[1], bytes, 1, &len, &failure), ERR_STORE);
}

static void an_inherited_descriptor_can_be_kept(void)
{
	int one = open("/dev/null", O_RDONLY);

	CHECK(!(fcntl(one, F_GETFD) & FD_CLOEXEC));
	descriptor_keep(one);
	CHECK(fcntl(one, F_GETFD) & FD_CLOEXEC);
	close(one);
}

static void a_datagram_arrives(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[16] = "";

	strcpy(address.sun_path, name);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	CHECK(bind(receiver, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
	MUST(descriptor_send_datagram(name, "READY=1", 7, &failure), failure);
	CHECK_EQUAL_INT(recv(receiver, text, sizeof text, MSG_DONTWAIT), 7);
	CHECK_EQUAL_STRING(text, "READY=1");
	close(receiver);
}

static void a_datagram_needs_a_receiver(void)
{
	char long_name[200] = "";

	memset(long_name, 'a', sizeof long_name - 1);
	CHECK_EQUAL_INT(descriptor_send_datagram("/nowhere/socket", "a", 1, &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, ENOENT);
	CHECK_EQUAL_INT(descriptor_send_datagram("", "a", 1, &failure), ERR_STORE);
	CHECK_EQUAL_INT(descriptor_send_datagram(long_name, "a", 1, &failure), ERR_STORE);
}

int main(void)
{
	char path[64];

	nothing_waits(true);
	nothing_waits(false);
	the_end_is_no_error();
	a_write_without_a_reader_is_an_error();
	an_inherited_descriptor_can_be_kept();
	snprintf(path, sizeof path, "@tidetable-test-%d", (int)getpid());
	a_datagram_arrives(path);
	snprintf(path, sizeof path, "/tmp/tidetable-test-%d", (int)getpid());
	a_datagram_arrives(path);
	unlink(path);
	a_datagram_needs_a_receiver();
	return 0;
}
