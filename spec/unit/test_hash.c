/* test_hash.c - SipHash-2-4 against the values of the paper and of OpenSSL. */
#include "base/hash.h"

#include "check.h"

#define LONGEST 64

/* Key 00 01 .. 0f, input 00 01 .. (len - 1), computed with OpenSSL 3.0. The input of 15
 * bytes is the example of the paper. */
static const struct { size_t len; uint64_t hash; } known64[] = {
	{ 0, 0x726fdb47dd0e0e31 },
	{ 1, 0x74f839c593dc67fd },
	{ 2, 0x0d6c8009d9a94f5a },
	{ 3, 0x85676696d7fb7e2d },
	{ 4, 0xcf2794e0277187b7 },
	{ 5, 0x18765564cd99a68d },
	{ 6, 0xcbc9466e58fee3ce },
	{ 7, 0xab0200f58b01d137 },
	{ 8, 0x93f5f5799a932462 },
	{ 15, 0xa129ca6149be45e5 },
	{ 16, 0x3f2acc7f57c29bdb },
	{ 31, 0x32d892fad841c342 },
	{ 63, 0x958a324ceb064572 },
};

static const struct { size_t len; const char *hash; } known128[] = {
	{ 0, "\xa3\x81\x7f\x04\xba\x25\xa8\xe6\x6d\xf6\x72\x14\xc7\x55\x02\x93" },
	{ 1, "\xda\x87\xc1\xd8\x6b\x99\xaf\x44\x34\x76\x59\x11\x9b\x22\xfc\x45" },
	{ 2, "\x81\x77\x22\x8d\xa4\xa4\x5d\xc7\xfc\xa3\x8b\xde\xf6\x0a\xff\xe4" },
	{ 3, "\x9c\x70\xb6\x0c\x52\x67\xa9\x4e\x5f\x33\xb6\xb0\x29\x85\xed\x51" },
	{ 4, "\xf8\x81\x64\xc1\x2d\x9c\x8f\xaf\x7d\x0f\x6e\x7c\x7b\xcd\x55\x79" },
	{ 5, "\x13\x68\x87\x59\x80\x77\x6f\x88\x54\x52\x7a\x07\x69\x0e\x96\x27" },
	{ 6, "\x14\xee\xca\x33\x8b\x20\x86\x13\x48\x5e\xa0\x30\x8f\xd7\xa1\x5e" },
	{ 7, "\xa1\xf1\xeb\xbe\xd8\xdb\xc1\x53\xc0\xb8\x4a\xa6\x1f\xf0\x82\x39" },
	{ 8, "\x3b\x62\xa9\xba\x62\x58\xf5\x61\x0f\x83\xe2\x64\xf3\x14\x97\xb4" },
	{ 15, "\x54\x93\xe9\x99\x33\xb0\xa8\x11\x7e\x08\xec\x0f\x97\xcf\xc3\xd9" },
	{ 16, "\x6e\xe2\xa4\xca\x67\xb0\x54\xbb\xfd\x33\x15\xbf\x85\x23\x05\x77" },
	{ 31, "\x29\x39\xb0\x18\x32\x23\xfa\xfc\x17\x23\xde\x4f\x52\xc4\x3d\x35" },
	{ 63, "\x51\x50\xd1\x77\x2f\x50\x83\x4a\x50\x3e\x06\x9a\x97\x3f\xbd\x7c" },
};

static void counting_up(uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)i;
}

static void known_values(void)
{
	uint8_t secret[HASH_SECRET_BYTES], input[LONGEST], out[HASH_BYTES];
	size_t i;

	counting_up(secret, sizeof secret);
	counting_up(input, sizeof input);
	for (i = 0; i < sizeof known64 / sizeof *known64; i++)
		CHECK_EQUAL_UINT(hash64(secret, slice_of(input, known64[i].len)), known64[i].hash);
	for (i = 0; i < sizeof known128 / sizeof *known128; i++) {
		hash128(secret, slice_of(input, known128[i].len), out);
		CHECK_BYTES(out, sizeof out, known128[i].hash, HASH_BYTES);
	}
}

static void the_address_does_not_matter(void)
{
	uint8_t secret[HASH_SECRET_BYTES], bytes[LONGEST + 8], moved[LONGEST + 8];
	uint8_t out[HASH_BYTES], again[HASH_BYTES];
	size_t len, from;

	check_random_bytes(secret, sizeof secret);
	check_random_bytes(bytes, sizeof bytes);
	for (len = 0; len <= LONGEST; len++)
		for (from = 0; from < 8; from++) {
			memcpy(moved + from, bytes, len);
			CHECK_EQUAL_UINT(hash64(secret, slice_of(moved + from, len)),
				hash64(secret, slice_of(bytes, len)));
			hash128(secret, slice_of(moved + from, len), again);
			hash128(secret, slice_of(bytes, len), out);
			CHECK_BYTES(again, sizeof again, out, sizeof out);
		}
}

/* Each bit of the secret and of the input changes about half of the result. */
static void every_bit_counts(void)
{
	uint8_t bytes[HASH_SECRET_BYTES + LONGEST];
	struct slice input = slice_of(bytes + HASH_SECRET_BYTES, LONGEST);
	uint64_t before, changed;
	size_t bit;

	check_random_bytes(bytes, sizeof bytes);
	before = hash64(bytes, input);
	for (bit = 0; bit < 8 * sizeof bytes; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		changed = before ^ hash64(bytes, input);
		CHECK(__builtin_popcountll(changed) > 8 && __builtin_popcountll(changed) < 56);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void nothing_and_zeros_differ(void)
{
	static const uint8_t zeros[LONGEST];
	uint8_t secret[HASH_SECRET_BYTES];
	size_t len;

	check_random_bytes(secret, sizeof secret);
	CHECK_EQUAL_UINT(hash64(secret, slice_of(NULL, 0)), hash64(secret, slice_of(zeros, 0)));
	for (len = 1; len <= LONGEST; len++)
		CHECK(hash64(secret, slice_of(zeros, len)) !=
			hash64(secret, slice_of(zeros, len - 1)));
}

int main(void)
{
	known_values();
	the_address_does_not_matter();
	every_bit_counts();
	nothing_and_zeros_differ();
	return 0;
}
