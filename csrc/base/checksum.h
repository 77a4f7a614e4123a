/* checksum.h - CRC-32C (Castagnoli), the checksum of every stored row.
 *
 * The processor's instruction where there is one (SSE 4.2, ARMv8 CRC), tables
 * elsewhere; both give RFC 3720's values.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`; begin with 0. checksum(checksum(0, a), b) is the
 * checksum of a and b in a row. */
uint32_t checksum(uint32_t crc, const void *data, size_t len);

/* For tests: the same without the processor's help. */
uint32_t checksum_by_table(uint32_t crc, const void *data, size_t len);

#endif
