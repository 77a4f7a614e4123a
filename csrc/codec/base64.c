/* base64.c - strict base64 (RFC 4648, section 4). */
#include "codec/base64.h"

#define BAD 64       /* value of a byte that is no letter */

static const char letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint8_t *base64_encode(uint8_t *to, struct slice bytes)
{
	const uint8_t *from = bytes.data;
	size_t left = bytes.len;
	uint32_t group;

	for (; left >= 3; left -= 3, from += 3) {
		group = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
		*to++ = (uint8_t)letters[group >> 18];
		*to++ = (uint8_t)letters[group >> 12 & 63];
		*to++ = (uint8_t)letters[group >> 6 & 63];
		*to++ = (uint8_t)letters[group & 63];
	}
	if (left > 0) {
		group = (uint32_t)from[0] << 16 | (left > 1 ? (uint32_t)from[1] << 8 : 0);
		*to++ = (uint8_t)letters[group >> 18];
		*to++ = (uint8_t)letters[group >> 12 & 63];
		*to++ = (uint8_t)(left > 1 ? letters[group >> 6 & 63] : '=');
		*to++ = '=';
	}
	return to;
}

static inline uint32_t value_of(uint8_t letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return (uint32_t)(letter - 'A');
	if (letter >= 'a' && letter <= 'z')
		return (uint32_t)(letter - 'a' + 26);
	if (letter >= '0' && letter <= '9')
		return (uint32_t)(letter - '0' + 52);
	return letter == '+' ? 62 : letter == '/' ? 63 : BAD;
}

/* Decodes the last four letters, of which one or two are padding. The unused bits of the last
 * letter must be 0. Returns the number of bytes, 0 if the letters are invalid. */
static size_t decode_padded(uint8_t *to, const uint8_t *from)
{
	uint32_t a = value_of(from[0]), b = value_of(from[1]);
	uint32_t c = from[2] == '=' ? 0 : value_of(from[2]);

	if (a == BAD || b == BAD || c == BAD)
		return 0;
	to[0] = (uint8_t)(a << 2 | b >> 4);
	if (from[2] == '=')
		return (b & 15) == 0;
	to[1] = (uint8_t)(b << 4 | c >> 2);
	return (c & 3) == 0 ? 2 : 0;
}

bool base64_decode(uint8_t *to, struct slice text, size_t *len)
{
	const uint8_t *from = text.data;
	const uint8_t *start = to;
	size_t left = text.len, rest = 0;
	bool padded;

	if (left % 4)
		return false;
	padded = left > 0 && from[left - 1] == '=';
	for (; left > (padded ? 4 : 0); left -= 4, from += 4) {
		uint32_t a = value_of(from[0]), b = value_of(from[1]);
		uint32_t c = value_of(from[2]), d = value_of(from[3]);

		if ((a | b | c | d) & BAD)
			return false;
		*to++ = (uint8_t)(a << 2 | b >> 4);
		*to++ = (uint8_t)(b << 4 | c >> 2);
		*to++ = (uint8_t)(c << 6 | d);
	}
	if (padded) {
		rest = decode_padded(to, from);
		if (rest == 0)
			return false;
	}
	*len = (size_t)(to - start) + rest;
	return true;
}
