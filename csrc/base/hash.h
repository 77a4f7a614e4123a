/* hash.h - SipHash-2-4 with 128 bits of result: a hash that nobody can aim at
 * without the database's secret.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/buffer.h"

#define HASH_SECRET_BYTES 16
#define HASH_BYTES 16

/* The bytes of the reference implementation's 16-byte output. */
void hash128(const uint8_t secret[HASH_SECRET_BYTES], struct slice data, uint8_t out[HASH_BYTES]);

/* SipHash-2-4's 64-bit result. */
uint64_t hash64(const uint8_t secret[HASH_SECRET_BYTES], struct slice data);

#endif
