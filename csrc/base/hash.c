/* hash.c - SipHash-2-4 as in the paper by Aumasson and Bernstein: two rounds per
 * word of input, four rounds for each 64-bit half of the result.
 */
#include "base/hash.h"

#define WORD_ROUNDS 2
#define LAST_ROUNDS 4

struct state {
	uint64_t a, b, c, d;
};

static void store_word(uint8_t *p, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	memcpy(p, &word, sizeof word);
}

static inline uint64_t rotate_left(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void mix(struct state *s, int rounds)
{
	for (; rounds; rounds--) {
		s->a += s->b;
		s->c += s->d;
		s->b = rotate_left(s->b, 13) ^ s->a;
		s->d = rotate_left(s->d, 16) ^ s->c;
		s->a = rotate_left(s->a, 32) + s->d;
		s->c += s->b;
		s->d = rotate_left(s->d, 21) ^ s->a;
		s->b = rotate_left(s->b, 17) ^ s->c;
		s->c = rotate_left(s->c, 32);
	}
}

static inline void take_word(struct state *s, uint64_t word)
{
	s->d ^= word;
	mix(s, WORD_ROUNDS);
	s->a ^= word;
}

/* Returns the final word of SipHash, which contains the remaining 0 to 7 bytes of the input and,
 * in its last byte, the length of the input. */
static inline uint64_t last_word(const uint8_t *p, size_t len)
{
	uint8_t bytes[8] = { 0 };
	size_t i;

	for (i = 0; i < (len & 7); i++)
		bytes[i] = p[i];
	bytes[7] = (uint8_t)len;
	return get_u64_little(bytes);
}

/* Processes the input and returns the state of SipHash. wide is 0 for a 64-bit result, 0xee for
 * 128 bits. */
static inline struct state absorb(const uint8_t *secret, struct slice data, uint64_t wide)
{
	uint64_t k0 = get_u64_little(secret), k1 = get_u64_little(secret + 8);
	struct state s = {
		k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ wide,
		k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
	};
	const uint8_t *p = data.data;
	size_t left;

	for (left = data.len; left >= 8; p += 8, left -= 8)
		take_word(&s, get_u64_little(p));
	take_word(&s, last_word(p, data.len));
	return s;
}

static inline uint64_t squeeze(struct state *s)
{
	mix(s, LAST_ROUNDS);
	return s->a ^ s->b ^ s->c ^ s->d;
}

void hash128(const uint8_t secret[HASH_SECRET_BYTES], struct slice data, uint8_t out[HASH_BYTES])
{
	struct state s = absorb(secret, data, 0xee);

	s.c ^= 0xee;
	store_word(out, squeeze(&s));
	s.b ^= 0xdd;
	store_word(out + 8, squeeze(&s));
}

uint64_t hash64(const uint8_t secret[HASH_SECRET_BYTES], struct slice data)
{
	struct state s = absorb(secret, data, 0);

	s.c ^= 0xff;
	return squeeze(&s);
}
