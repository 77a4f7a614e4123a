/* address_space.h - size of the mapping of a database when the address space is limited.
 *
 * LMDB maps a database once, at its maximum size. The address space of the process may be
 * too small for that: under RLIMIT_AS (`ulimit -v`), in qemu's user mode, under valgrind,
 * on kernels with 39-bit addresses.
 */
#ifndef OS_ADDRESS_SPACE_H
#define OS_ADDRESS_SPACE_H

#include <stdint.h>

/* Returns the number of bytes to map. This is `wanted` if the address space has a free range of
 * that size plus 64 MiB, otherwise between a quarter and a half of the largest free range, but at
 * least `least`. Returns 0 if `least` bytes do not fit. All sizes are multiples of the page size.
 * `reused` is the size of a mapping that is about to be replaced; that mapping counts as free when
 * `least` is tested. */
uint64_t address_space_fit(uint64_t wanted, uint64_t least, uint64_t reused);

#endif
