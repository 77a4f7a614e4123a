/* checksum.h - CRC-32C (Castagnoli), the checksum of every stored row.
 *
 * Uses the CRC instruction of the processor (SSE 4.2, ARMv8 CRC) if available,
 * otherwise lookup tables. Values are those of RFC 3720.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Extends a checksum by len bytes. `crc` is the checksum of the preceding bytes, or 0 if there are
 * none. So checksum(checksum(0, a), b) is the checksum of a followed by b. */
uint32_t checksum(uint32_t crc, const void *data, size_t len);

/* Computes the checksum with the lookup tables on every processor, for tests. */
uint32_t checksum_by_table(uint32_t crc, const void *data, size_t len);

#endif
