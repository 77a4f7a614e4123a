/* base64.h - strict base64 (RFC 4648, section 4): padded, without line breaks.
 *
 * Every sequence of bytes has exactly one text. The decoder refuses all other texts, because two
 * texts of the same bytes would be the same key.
 */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stdbool.h>

#include "base/buffer.h"

/* Returns the length of the text of `len` bytes. */
static inline size_t base64_length(size_t len)
{
	return (len + 2) / 3 * 4;
}

/* Writes the text of `bytes` at `to`, base64_length(bytes.len) bytes. Returns the address after
 * it. */
uint8_t *base64_encode(uint8_t *to, struct slice bytes);

/* Writes the bytes of a text at `to`, at most text.len / 4 * 3 bytes, and sets *len to their
 * number. `to` may be text.data. Returns false unless the text is a result of base64_encode. */
bool base64_decode(uint8_t *to, struct slice text, size_t *len);

#endif
