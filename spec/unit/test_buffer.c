/* test_buffer.c - tests of base/buffer.h: values written to a buffer and read with a source. */
#include "base/buffer.h"

#include "base/error.h"
#include "base/memory.h"
#include "check.h"

static void slices_compare_as_their_bytes(void)
{
	struct slice none = { 0 }, empty = slice_of("", 0);
	struct slice a = slice_of_text("a"), ab = slice_of_text("ab"), high = slice_of_text("\xff");

	CHECK(slice_compare(none, empty) == 0 && slice_equal(none, empty));
	CHECK(slice_compare(none, a) < 0 && slice_compare(a, none) > 0);
	CHECK(slice_compare(a, ab) < 0 && slice_compare(ab, a) > 0);
	CHECK(slice_compare(ab, high) < 0 && slice_compare(high, ab) > 0);
	CHECK(slice_equal(ab, slice_of("abc", 2)) && !slice_equal(a, ab));
	CHECK(slice_begins(ab, a) && slice_begins(ab, none) && slice_begins(none, empty));
	CHECK(!slice_begins(a, ab) && !slice_begins(ab, high));
}

static void integers_lie_big_end_first(void)
{
	struct buffer buffer = { 0 };
	struct source source;

	buffer_put_u8(&buffer, 0x01);
	buffer_put_u16(&buffer, 0x0203);
	buffer_put_u32(&buffer, 0x04050607);
	buffer_put_u64(&buffer, 0x08090a0b0c0d0e0f);
	CHECK_BYTES(buffer.data, buffer.len, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 15);
	source = source_of(buffer_slice(&buffer));
	CHECK_EQUAL_UINT(source_u8(&source), 0x01);
	CHECK_EQUAL_UINT(source_u16(&source), 0x0203);
	CHECK_EQUAL_UINT(source_u32(&source), 0x04050607);
	CHECK_EQUAL_UINT(source_left(&source), 8);
	CHECK_EQUAL_UINT(source_u64(&source), 0x08090a0b0c0d0e0f);
	CHECK_EQUAL_INT(source_finish(&source), 0);
	buffer_release(&buffer);
}

static void integers_at_an_odd_address(void)
{
	uint8_t bytes[9] = { 0 };

	set_u16(bytes + 1, 0x8001);
	CHECK_EQUAL_UINT(get_u16(bytes + 1), 0x8001);
	set_u32(bytes + 1, 0x80000001);
	CHECK_EQUAL_UINT(get_u32(bytes + 1), 0x80000001);
	set_u64(bytes + 1, 0x8000000000000001);
	CHECK_EQUAL_UINT(get_u64(bytes + 1), 0x8000000000000001);
	CHECK_EQUAL_INT(bytes[1], 0x80);
	CHECK_EQUAL_INT(bytes[8], 0x01);
}

static void check_varint(uint64_t n, size_t width)
{
	uint8_t bytes[VARINT_MAX];
	struct buffer buffer = { 0 };
	struct source source;
	size_t len;

	CHECK_EQUAL_UINT(set_varint(bytes, n), width);
	buffer_put_varint(&buffer, n);
	CHECK_BYTES(buffer.data, buffer.len, bytes, width);
	source = source_of(slice_of(bytes, width));
	CHECK_EQUAL_UINT(source_varint(&source), n);
	CHECK_EQUAL_INT(source_finish(&source), 0);
	for (len = 0; len < width; len++) {
		source = source_of(slice_of(bytes, len));
		CHECK_EQUAL_UINT(source_varint(&source), 0);
		CHECK_EQUAL_INT(source_finish(&source), ERR_CORRUPT);
	}
	buffer_release(&buffer);
}

static void varints_of_every_width(void)
{
	size_t width;
	int i;

	check_varint(0, 1);
	for (width = 1; width < VARINT_MAX; width++) {
		check_varint((UINT64_C(1) << 7 * width) - 1, width);
		check_varint(UINT64_C(1) << 7 * width, width + 1);
	}
	check_varint(UINT64_MAX, VARINT_MAX);
	for (i = 0; i < 10000; i++) {
		width = check_random_below(64);
		check_varint(check_random() >> width | UINT64_C(1) << (63 - width),
			(64 - width + 6) / 7);
	}
}

static void refuse_varint(const char *bytes, size_t len)
{
	struct source source = source_of(slice_of(bytes, len));

	CHECK_EQUAL_UINT(source_varint(&source), 0);
	CHECK_EQUAL_INT(source.err, ERR_CORRUPT);
}

static void a_varint_has_one_form(void)
{
	refuse_varint("\x80\x00", 2);
	refuse_varint("\xff\x00", 2);
	refuse_varint("\x80\x80\x00", 3);
	refuse_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10);
	refuse_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
	refuse_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11);
	refuse_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
}

static void counted_bytes(void)
{
	struct buffer buffer = { 0 };
	struct source source;
	uint8_t long_one[300];

	check_random_bytes(long_one, sizeof long_one);
	buffer_put_counted(&buffer, slice_of(NULL, 0));
	buffer_put_counted(&buffer, slice_of_text("ab"));
	buffer_put_counted(&buffer, slice_of(long_one, sizeof long_one));
	CHECK_EQUAL_UINT(buffer.len, 1 + 3 + 302);
	source = source_of(buffer_slice(&buffer));
	CHECK_EQUAL_UINT(source_counted(&source).len, 0);
	CHECK(slice_equal(source_counted(&source), slice_of_text("ab")));
	CHECK(slice_equal(source_counted(&source), slice_of(long_one, sizeof long_one)));
	CHECK_EQUAL_INT(source_finish(&source), 0);
	buffer_release(&buffer);
}

static void a_source_keeps_its_failure_and_gives_zeros(void)
{
	struct source source = source_of(slice_of("\1\2\3", 3));

	CHECK_EQUAL_UINT(source_u8(&source), 1);
	CHECK_EQUAL_INT(source_finish(&source), ERR_CORRUPT);
	CHECK_EQUAL_UINT(source_u32(&source), 0);
	CHECK_EQUAL_INT(source.err, ERR_CORRUPT);
	CHECK_EQUAL_UINT(source_u8(&source), 0);
	CHECK_EQUAL_UINT(source_u16(&source), 0);
	CHECK_EQUAL_UINT(source_u64(&source), 0);
	CHECK_EQUAL_UINT(source_varint(&source), 0);
	CHECK_EQUAL_UINT(source_counted(&source).len, 0);
	CHECK_EQUAL_UINT(source_take(&source, 1).len, 0);
	CHECK_EQUAL_INT(source_finish(&source), ERR_CORRUPT);
}

static void lengths_beyond_the_end(void)
{
	struct source source = source_of(slice_of("abc", 3));

	CHECK_EQUAL_UINT(source_take(&source, UINT64_MAX).len, 0);
	CHECK_EQUAL_INT(source.err, ERR_CORRUPT);
	source = source_of(slice_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 11));
	CHECK_EQUAL_UINT(source_counted(&source).len, 0);
	CHECK_EQUAL_INT(source.err, ERR_CORRUPT);
	source = source_of(slice_of(NULL, 0));
	CHECK_EQUAL_UINT(source_take(&source, 0).len, 0);
	CHECK_EQUAL_INT(source_finish(&source), 0);
}

static void a_buffer_grows_with_what_is_put(void)
{
	static uint8_t shadow[1 << 18];
	struct buffer buffer = { 0 };
	size_t len;

	while (buffer.len + 1000 < sizeof shadow) {
		len = check_random_below(1000);
		check_random_bytes(shadow + buffer.len, len);
		buffer_put(&buffer, shadow + buffer.len, len);
	}
	CHECK_BYTES(buffer.data, buffer.len, shadow, buffer.len);
	CHECK_EQUAL_INT(buffer_error(&buffer), 0);
	buffer_release(&buffer);
}

static void a_clear_buffer_keeps_its_memory(void)
{
	struct buffer buffer = { 0 };
	uint8_t *buf;

	buffer_clear(&buffer);
	buffer_put(&buffer, "abc", 3);
	buf = buffer.data;
	buffer_clear(&buffer);
	CHECK_EQUAL_UINT(buffer_slice(&buffer).len, 0);
	buffer_put(&buffer, NULL, 0);
	CHECK(buffer_reserve(&buffer, buffer.cap) == buf);
	buffer_release(&buffer);
	buffer_release(&buffer);
	CHECK(!buffer.data && !buffer.cap);
}

static void more_than_there_can_be(void)
{
	struct buffer buffer = { 0 };

	buffer_put_u8(&buffer, 1);
	CHECK(!buffer_reserve(&buffer, SIZE_MAX));
	CHECK_EQUAL_INT(buffer_error(&buffer), ERR_NO_MEMORY);
	CHECK(!buffer_reserve(&buffer, 0));
	buffer_clear(&buffer);
	CHECK(!buffer_reserve(&buffer, SIZE_MAX / 2 + 1));
	CHECK_EQUAL_INT(buffer_error(&buffer), ERR_NO_MEMORY);
	buffer_release(&buffer);
}

static void a_failed_buffer_takes_nothing_more(void)
{
	struct buffer buffer = { 0 };

	buffer_put(&buffer, "abc", 3);
	memory_fail_after(0);
	CHECK(!buffer_reserve(&buffer, buffer.cap));
	memory_fail_after(-1);
	buffer_put(&buffer, "d", 1);
	buffer_put_u8(&buffer, 1);
	buffer_put_varint(&buffer, 1);
	CHECK_EQUAL_INT(buffer_error(&buffer), ERR_NO_MEMORY);
	CHECK_BYTES(buffer.data, buffer.len, "abc", 3);
	buffer_clear(&buffer);
	buffer_put(&buffer, "d", 1);
	CHECK_EQUAL_INT(buffer_error(&buffer), 0);
	buffer_release(&buffer);
}

int main(void)
{
	slices_compare_as_their_bytes();
	integers_lie_big_end_first();
	integers_at_an_odd_address();
	varints_of_every_width();
	a_varint_has_one_form();
	counted_bytes();
	a_source_keeps_its_failure_and_gives_zeros();
	lengths_beyond_the_end();
	a_buffer_grows_with_what_is_put();
	a_clear_buffer_keeps_its_memory();
	more_than_there_can_be();
	a_failed_buffer_takes_nothing_more();
	return 0;
}
