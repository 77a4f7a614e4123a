/* test_frame.c - tests of codec/frame.h: frames in a stream of bytes, whole, cut and damaged. */
#include "base/error.h"
#include "codec/frame.h"
#include "codec/record.h"
#include "unit/check.h"

static struct buffer out;

/* Appends a frame with a random body. */
static void put(uint8_t kind, uint64_t number, size_t len)
{
	size_t start = frame_start(&out, kind);
	uint8_t byte = (uint8_t)number;

	for (size_t i = 0; i < len; i++)
		buffer_put_u8(&out, byte++);
	frame_end(&out, start, number);
	CHECK_EQUAL_INT(buffer_error(&out), 0);
}

static void frames_come_back_in_order(void)
{
	struct slice rest;
	struct frame frame;

	buffer_clear(&out);
	put(FRAME_SOURCE, 0, 0);
	put(FRAME_TRANSACTION, 7, 1000);
	put(FRAME_END, UINT64_C(1) << 62, 1);
	rest = buffer_slice(&out);
	CHECK_EQUAL_INT(frame_next(&frame, &rest), 0);
	CHECK_EQUAL_UINT(frame.kind, FRAME_SOURCE);
	CHECK_EQUAL_UINT(frame.body.len, 0);
	CHECK_EQUAL_INT(frame_next(&frame, &rest), 0);
	CHECK_EQUAL_UINT(frame.number, 7);
	CHECK_EQUAL_UINT(frame.body.len, 1000);
	CHECK_EQUAL_UINT(frame.body.data[1], 8);
	CHECK_EQUAL_INT(frame_next(&frame, &rest), 0);
	CHECK_EQUAL_UINT(frame.number, UINT64_C(1) << 62);
	CHECK_EQUAL_UINT(rest.len, 0);
	CHECK_EQUAL_INT(frame_next(&frame, &rest), END);
}

static void a_part_of_a_frame_is_none(void)
{
	struct frame frame;

	buffer_clear(&out);
	put(FRAME_PAGE, 9, 40);
	for (size_t len = 0; len < out.len; len++) {
		struct slice rest = slice_of(out.data, len);

		CHECK_EQUAL_INT(frame_next(&frame, &rest), END);
		CHECK_EQUAL_UINT(rest.len, len);
	}
}

/* Each flipped bit is found: in the length, the frame ends elsewhere or is too long. */
static void a_flipped_bit_is_found(void)
{
	struct frame frame;

	for (size_t bit = 0; bit < 8 * 60; bit++) {
		struct slice rest;
		int err;

		buffer_clear(&out);
		put(FRAME_ADVANCE, 5, 43);
		CHECK_EQUAL_UINT(out.len, 60);
		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rest = buffer_slice(&out);
		err = frame_next(&frame, &rest);
		CHECK(err == ERR_CORRUPT || (bit < 32 && err == END));
	}
}

static void a_table_comes_back(void)
{
	static const uint8_t ids[3 * DATABASE_ID_BYTES] = { 1, 2, 3 };
	const struct frame_table table = { .id = 300, .stream = 5,
		.path = slice_of(ids, 2 * DATABASE_ID_BYTES),
		.incarnation = ids + 2 * DATABASE_ID_BYTES, .name = slice_of_text("orders"),
		.reason = slice_of_text("it has no stream"), .row = slice_of_text("row"),
		.stream_row = slice_of(NULL, 0) };
	struct frame_table again, short_name = table;
	struct source source;

	buffer_clear(&out);
	frame_put_table(&out, &table);
	source = source_of(buffer_slice(&out));
	frame_get_table(&source, &again);
	CHECK_EQUAL_INT(source_finish(&source), 0);
	CHECK(again.id == 300 && again.stream == 5 && slice_equal(again.path, table.path) &&
		slice_equal(again.name, table.name) && slice_equal(again.reason, table.reason) &&
		slice_equal(again.row, table.row) && again.stream_row.len == 0);
	for (size_t len = 0; len < out.len; len++) {
		source = source_of(slice_of(out.data, len));
		frame_get_table(&source, &again);
		CHECK(source_finish(&source) != 0);
	}
	short_name.name = slice_of_text("no");
	buffer_clear(&out);
	frame_put_table(&out, &short_name);
	source = source_of(buffer_slice(&out));
	frame_get_table(&source, &again);
	CHECK(source_finish(&source) != 0);
}

static void a_record_comes_back(void)
{
	const struct frame_record record = { .table = 9, .event = EVENT_REMOVE, .is_expiry = true,
		.distance = 12345678901, .body = slice_of_text("keys") };
	struct frame_record again;
	struct source source;

	buffer_clear(&out);
	frame_put_record(&out, &record);
	source = source_of(buffer_slice(&out));
	frame_get_record(&source, &again);
	CHECK_EQUAL_INT(source_finish(&source), 0);
	CHECK(again.table == 9 && again.event == EVENT_REMOVE && again.is_expiry &&
		again.distance == 12345678901 && slice_equal(again.body, record.body));
}

int main(void)
{
	frames_come_back_in_order();
	a_part_of_a_frame_is_none();
	a_flipped_bit_is_found();
	a_table_comes_back();
	a_record_comes_back();
	buffer_release(&out);
	return 0;
}
