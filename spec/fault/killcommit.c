/* killcommit.c - kills or stops a process between the two steps of LMDB's commit.
 *
 *     LD_PRELOAD=killcommit.so COMMIT=3 [COMMIT_SIGNAL=19] program
 *
 * Sends the signal (SIGKILL by default) to the process after its COMMIT-th write of a meta
 * page, before LMDB publishes that commit in its lock file. Meta pages are the first two
 * of the file; LMDB's write to one is shorter than a sector.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

#define META_WRITE_MIN 64
#define META_WRITE_MAX 256

typedef ssize_t write_at(int fd, const void *bytes, size_t len, off_t at);

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at);

static long number_of(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : otherwise;
}

static ssize_t write_and_count(const char *name, int fd, const void *bytes, size_t len, off_t at)
{
	static long commits;
	write_at *real;
	void *found = dlsym(RTLD_NEXT, name);
	ssize_t written;

	memcpy(&real, &found, sizeof real);
	written = real(fd, bytes, len, at);
	if (at < 2 * sysconf(_SC_PAGESIZE) && len >= META_WRITE_MIN && len <= META_WRITE_MAX &&
			++commits == number_of("COMMIT", 0))
		raise((int)number_of("COMMIT_SIGNAL", SIGKILL));
	return written;
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return write_and_count("pwrite", fd, bytes, len, at);
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
	return write_and_count("pwrite64", fd, bytes, len, at);
}
