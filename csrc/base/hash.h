/* hash.h - SipHash-2-4, keyed with the database's secret.
 *
 * Without the secret, colliding keys cannot be constructed.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/buffer.h"

#define HASH_SECRET_BYTES 16
#define HASH_BYTES 16

/* 128-bit result, byte for byte that of the reference implementation. */
void hash128(const uint8_t secret[HASH_SECRET_BYTES], struct slice data, uint8_t out[HASH_BYTES]);

/* 64-bit result. */
uint64_t hash64(const uint8_t secret[HASH_SECRET_BYTES], struct slice data);

#endif
