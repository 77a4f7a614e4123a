/* fuzz_buffer.c - checks that a source reads what a buffer wrote and accepts only what a buffer
 * can write, and that a row is opened only if its checksum is correct.
 */
#include "codec/row.h"
#include "fuzz/fuzz.h"

static void check_varints(struct slice bytes, struct buffer *again)
{
	struct source source = source_of(bytes);

	while (source_left(&source)) {
		const uint8_t *start = source.at;
		uint64_t n = source_varint(&source);

		if (source.err)
			break;
		buffer_clear(again);
		buffer_put_varint(again, n);
		CHECK_BYTES(again->data, again->len, start, (size_t)(source.at - start));
	}
	CHECK_EQUAL_INT(source_finish(&source), source.err);
}

static void check_counted(struct slice bytes, struct buffer *again)
{
	struct source source = source_of(bytes);

	buffer_clear(again);
	while (source_left(&source)) {
		struct slice piece = source_counted(&source);

		if (source.err)
			return;
		buffer_put_counted(again, piece);
	}
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void check_fixed(struct slice bytes, struct buffer *again)
{
	struct source source = source_of(bytes);

	buffer_clear(again);
	buffer_put_u8(again, source_u8(&source));
	buffer_put_u16(again, source_u16(&source));
	buffer_put_u32(again, source_u32(&source));
	buffer_put_u64(again, source_u64(&source));
	CHECK((bytes.len < 15) == (source.err != 0));
	if (!source.err)
		CHECK_BYTES(again->data, again->len, bytes.data, 15);
}

static void check_row(struct slice bytes, struct buffer *again)
{
	struct source source = source_of(bytes);
	struct slice key = source_counted(&source), payload;
	struct slice value = slice_of(source.at, source_left(&source));

	if (fuzz_decoded(row_open(key, value, &payload)))
		CHECK_EQUAL_UINT(payload.len + ROW_CHECKSUM, value.len);
	row_start(again);
	buffer_put_slice(again, value);
	CHECK_EQUAL_INT(row_seal(again, key), 0);
	CHECK_EQUAL_INT(row_open(key, buffer_slice(again), &payload), 0);
	CHECK(slice_equal(payload, value));
	again->data[again->len - 1] ^= 1;
	CHECK_EQUAL_INT(row_open(key, buffer_slice(again), &payload), ERR_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buffer again;
	struct slice bytes = slice_of(data, size);

	check_varints(bytes, &again);
	check_counted(bytes, &again);
	check_fixed(bytes, &again);
	check_row(bytes, &again);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	for (unsigned i = 0; i < 12; i++)
		buffer_put_varint(out, UINT64_MAX >> (n + i * 5) % 64);
	buffer_put_counted(out, slice_of_text("counted"));
	return n < 12;
}
