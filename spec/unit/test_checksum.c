/* test_checksum.c - CRC-32C against the values of RFC 3720 and a bitwise implementation. */
#include "base/checksum.h"

#include "check.h"

#define LONGEST 20000

/* Reference implementation: one bit at a time. */
static uint32_t checksum_by_bit(uint32_t crc, const uint8_t *p, size_t len)
{
	size_t i;
	int bit;

	crc = ~crc;
	for (i = 0; i < len; i++)
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc ^ (uint32_t)(p[i] >> bit)) & 1 ? 0x82f63b78u : 0);
	return ~crc;
}

static void check_value(const void *bytes, size_t len, uint32_t expected)
{
	CHECK_EQUAL_UINT(checksum(0, bytes, len), expected);
	CHECK_EQUAL_UINT(checksum_by_table(0, bytes, len), expected);
	CHECK_EQUAL_UINT(checksum_by_bit(0, bytes, len), expected);
}

/* RFC 3720, B.4 */
static void the_values_of_the_rfc(void)
{
	static const uint8_t read_command[48] = {
		0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
		0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	uint8_t bytes[32];
	uint8_t i;

	memset(bytes, 0, sizeof bytes);
	check_value(bytes, sizeof bytes, 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	check_value(bytes, sizeof bytes, 0x62a8ab43);
	for (i = 0; i < 32; i++)
		bytes[i] = i;
	check_value(bytes, sizeof bytes, 0x46dd794e);
	for (i = 0; i < 32; i++)
		bytes[i] = (uint8_t)(31 - i);
	check_value(bytes, sizeof bytes, 0x113fdb5c);
	check_value(read_command, sizeof read_command, 0xd9963a56);
	check_value("123456789", 9, 0xe3069283);
	check_value("", 0, 0);
}

static void every_length_at_every_alignment(const uint8_t *bytes)
{
	uint32_t crc = (uint32_t)check_random(), expected;
	size_t len, from;

	for (from = 0; from < 8; from++)
		for (len = 0; len < 800; len++) {
			expected = checksum_by_bit(crc, bytes + from, len);
			CHECK_EQUAL_UINT(checksum(crc, bytes + from, len), expected);
			CHECK_EQUAL_UINT(checksum_by_table(crc, bytes + from, len), expected);
		}
}

static void long_ones_in_pieces(const uint8_t *bytes)
{
	uint32_t whole, by_table, pieces;
	size_t len, at, piece;
	int i;

	for (i = 0; i < 200; i++) {
		len = check_random_below(LONGEST);
		whole = checksum_by_bit(0, bytes, len);
		CHECK_EQUAL_UINT(checksum(0, bytes, len), whole);
		pieces = by_table = 0;
		for (at = 0; at < len; at += piece) {
			piece = 1 + check_random_below(len - at);
			pieces = checksum(pieces, bytes + at, piece);
			by_table = checksum_by_table(by_table, bytes + at, piece);
		}
		CHECK_EQUAL_UINT(pieces, whole);
		CHECK_EQUAL_UINT(by_table, whole);
	}
}

static void a_flipped_bit_is_seen(uint8_t *bytes)
{
	size_t len, bit;
	uint32_t before;
	int i;

	for (i = 0; i < 1000; i++) {
		len = 1 + check_random_below(600);
		bit = check_random_below(8 * len);
		before = checksum(0, bytes, len);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(checksum(0, bytes, len) != before);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	static uint8_t bytes[LONGEST];

	check_random_bytes(bytes, sizeof bytes);
	the_values_of_the_rfc();
	every_length_at_every_alignment(bytes);
	long_ones_in_pieces(bytes);
	a_flipped_bit_is_seen(bytes);
	return 0;
}
