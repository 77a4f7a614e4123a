/* memory.c - makes LMDB's memory allocations fail.
 *
 * The return address shows which library calls malloc. Only LMDB's allocations can fail here,
 * because tidetable's own allocations are tested through base/memory.h. The sanitizers replace
 * malloc themselves, so with a sanitizer LMDB's allocations do not fail.
 */
#include "calls/calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__

#define EXPORTED __attribute__((visibility("default")))

/* glibc's functions, under the names that it exports for wrappers. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static uintptr_t lmdb_first, lmdb_last;

static int find_lmdb(struct dl_phdr_info *object, size_t size, void *context)
{
	(void)size;
	(void)context;
	if (!strstr(object->dlpi_name, "/liblmdb"))
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		lmdb_first = object->dlpi_addr + part->p_vaddr;
		lmdb_last = lmdb_first + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void look_for_lmdb(void)
{
	dl_iterate_phdr(find_lmdb, NULL);
}

static bool refused(const void *caller, size_t size)
{
	uintptr_t at = (uintptr_t)caller;

	if (at < lmdb_first || at >= lmdb_last || !calls_refuse_memory(size))
		return false;
	errno = ENOMEM;
	return true;
}

EXPORTED void *malloc(size_t size)
{
	return refused(__builtin_return_address(0), size) ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
	return refused(__builtin_return_address(0), size) ? NULL : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *memory, size_t size)
{
	return refused(__builtin_return_address(0), size) ? NULL : __libc_realloc(memory, size);
}

EXPORTED char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = refused(__builtin_return_address(0), size) ? NULL : __libc_malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

#endif
