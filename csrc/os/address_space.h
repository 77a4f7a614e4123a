/* address_space.h - how much can be mapped where the address space is limited.
 *
 * LMDB maps a database once, for its maximum size. A process may have less room
 * than that: under RLIMIT_AS (`ulimit -v`), in qemu's user mode, under valgrind, on
 * kernels with 39 bits of address.
 */
#ifndef OS_ADDRESS_SPACE_H
#define OS_ADDRESS_SPACE_H

#include <stdint.h>

/* Returns how many bytes to map: `wanted` if there is room for that and 64 MiB more,
 * else between a quarter and a half of the largest free range, but at least `least`;
 * 0 if there is no room for `least`. All sizes are multiples of the page size.
 * `reused` bytes, a mapping that is about to be replaced, count as free for `least`. */
uint64_t address_space_fit(uint64_t wanted, uint64_t least, uint64_t reused);

#endif
