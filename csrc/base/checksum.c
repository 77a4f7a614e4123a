/* checksum.c - CRC-32C: slicing-by-8 tables, SSE 4.2 in three lanes, ARMv8.
 *
 * The implementation is chosen once, when the library is loaded. The polynomial is 0x1EDC6F41 with
 * its bits reversed. In this file a variable crc contains the register value before the final
 * inversion, as the CRC instruction computes it.
 */
#include "base/checksum.h"

#include "base/buffer.h"

#define POLYNOMIAL 0x82f63b78u

typedef uint32_t extend(uint32_t crc, const uint8_t *p, size_t len);

/* table[k][b]: register value after byte b and k zero bytes. */
static uint32_t table[8][256];

static void fill_table(void)
{
	uint32_t b, crc;
	int i, k;

	for (b = 0; b < 256; b++) {
		crc = b;
		for (i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
		table[0][b] = crc;
	}
	for (k = 1; k < 8; k++)
		for (b = 0; b < 256; b++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

static uint32_t extend_by_table(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t word;

	for (; len >= 8; p += 8, len -= 8) {
		word = get_u64_little(p) ^ crc;
		crc = table[7][word & 0xff] ^ table[6][word >> 8 & 0xff] ^
			table[5][word >> 16 & 0xff] ^ table[4][word >> 24 & 0xff] ^
			table[3][word >> 32 & 0xff] ^ table[2][word >> 40 & 0xff] ^
			table[1][word >> 48 & 0xff] ^ table[0][word >> 56];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <wmmintrin.h>

#define BY_PROCESSOR __attribute__((target("sse4.2,pclmul")))
#define LANE_WORDS 128      /* maximum number of words in each of the three lanes */
#define LANES_FROM 96       /* smallest length in bytes for which three lanes are faster than one */

/* power[n] is x^(64n - 33): multiplying a register by it has the effect of n words
 * of zeros. The exponent is 33 too small because the product of two reversed
 * polynomials lacks one factor x and the reduction adds x^32. power[1] is x^31,
 * which is 1 in reversed form; each word of zeros multiplies by x^64. */
static uint32_t power[2 * LANE_WORDS + 1];

BY_PROCESSOR static void fill_power(void)
{
	int n;

	power[1] = 1;
	for (n = 2; n <= 2 * LANE_WORDS; n++)
		power[n] = (uint32_t)_mm_crc32_u64(power[n - 1], 0);
}

BY_PROCESSOR static inline uint64_t multiply(uint64_t a, uint32_t b)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)a),
		_mm_cvtsi64_si128((long long)b), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

/* The CRC instruction has a latency of three cycles and a throughput of one per
 * cycle, so three parts of the bytes are processed in parallel. */
BY_PROCESSOR static uint32_t extend_by_lanes(uint32_t crc, const uint8_t *p, size_t words)
{
	const uint8_t *end = p + 8 * words;
	uint64_t a = crc, b = 0, c = 0;

	for (; p < end; p += 8) {
		a = _mm_crc32_u64(a, get_u64_little(p));
		b = _mm_crc32_u64(b, get_u64_little(p + 8 * words));
		c = _mm_crc32_u64(c, get_u64_little(p + 16 * words));
	}
	a = multiply(a, power[2 * words]) ^ multiply(b, power[words]);
	return (uint32_t)(_mm_crc32_u64(0, a) ^ c);
}

BY_PROCESSOR static uint32_t extend_by_processor(uint32_t crc, const uint8_t *p, size_t len)
{
	size_t words;

	while (len >= LANES_FROM) {
		words = len / 24 < LANE_WORDS ? len / 24 : LANE_WORDS;
		crc = extend_by_lanes(crc, p, words);
		p += 24 * words;
		len -= 24 * words;
	}
	for (; len >= 8; p += 8, len -= 8)
		crc = (uint32_t)_mm_crc32_u64(crc, get_u64_little(p));
	if (len & 4) {
		crc = _mm_crc32_u32(crc, get_u32_little(p));
		p += 4;
	}
	if (len & 2) {
		crc = _mm_crc32_u16(crc, get_u16_little(p));
		p += 2;
	}
	return len & 1 ? _mm_crc32_u8(crc, *p) : crc;
}

static extend *choose(void)
{
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul"))
		return extend_by_table;
	fill_power();
	return extend_by_processor;
}

#elif defined(__aarch64__) && (defined(__linux__) || defined(__ARM_FEATURE_CRC32))

#if !defined(__ARM_FEATURE_CRC32)
#include <sys/auxv.h>
#define HAS_CRC32 (getauxval(AT_HWCAP) & 1 << 7)
#else
#define HAS_CRC32 1
#endif

static uint32_t extend_by_processor(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8)
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1"
			: "+r"(crc) : "r"(get_u64_little(p)));
	for (; len; p++, len--)
		__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1"
			: "+r"(crc) : "r"((uint32_t)*p));
	return crc;
}

static extend *choose(void)
{
	return HAS_CRC32 ? extend_by_processor : extend_by_table;
}

#else

static extend *choose(void)
{
	return extend_by_table;
}

#endif

static extend *chosen;

/* The loader runs this before any function of the library can be called, so no
 * lock is needed. */
__attribute__((constructor)) static void prepare(void)
{
	fill_table();
	chosen = choose();
}

uint32_t checksum(uint32_t crc, const void *data, size_t len)
{
	return ~chosen(~crc, data, len);
}

uint32_t checksum_by_table(uint32_t crc, const void *data, size_t len)
{
	return ~extend_by_table(~crc, data, len);
}
