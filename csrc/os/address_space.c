/* address_space.c - size of the mapping of a database when the address space is limited.
 *
 * Tests a size by mapping an empty file as LMDB maps the database (shared, read-only). A PROT_NONE
 * mapping would not be equivalent, because qemu's user mode accepts larger mappings of that kind.
 */
#include "os/address_space.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* Address space, in bytes, that must remain free for the rest of the process when `wanted` bytes
 * are mapped. */
#define SPARE (UINT64_C(64) << 20)
#define SMALLEST (UINT64_C(1) << 20)

static bool is_free(int fd, uint64_t bytes)
{
	void *range = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (range == MAP_FAILED)
		return false;
	munmap(range, bytes);
	return true;
}

static uint64_t fit(int fd, uint64_t wanted, uint64_t least, uint64_t reused)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t range = wanted + SPARE;

	if (is_free(fd, range))
		return wanted;
	while (range > SMALLEST && !is_free(fd, range))
		range /= 2;
	range = range / 2 / page * page;
	if (range >= least)
		return range;
	if (least <= reused || is_free(fd, least - reused))
		return least < wanted ? least : wanted;
	return 0;
}

/* Returns `wanted` if no file can be created for the test, because LMDB then reports the error. */
uint64_t address_space_fit(uint64_t wanted, uint64_t least, uint64_t reused)
{
	int fd = memfd_create("tidetable", MFD_CLOEXEC);
	uint64_t bytes = fd < 0 ? wanted : fit(fd, wanted, least, reused);

	if (fd >= 0)
		close(fd);
	return bytes;
}
