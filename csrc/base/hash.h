/* hash.h - SipHash-2-4, keyed with the database's secret.
 *
 * An attacker who does not know the secret cannot construct keys with equal hashes.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/buffer.h"

#define HASH_SECRET_BYTES 16
#define HASH_BYTES 16

/* Computes the 128-bit hash of data. The result is byte for byte that of the reference
 * implementation. */
void hash128(const uint8_t secret[HASH_SECRET_BYTES], struct slice data, uint8_t out[HASH_BYTES]);

/* Returns the 64-bit hash of data. */
uint64_t hash64(const uint8_t secret[HASH_SECRET_BYTES], struct slice data);

#endif
