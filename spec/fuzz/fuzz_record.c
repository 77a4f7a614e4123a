/* fuzz_record.c - any bytes as a record in memory: header and frame encode to the same bytes, or
 * they are CORRUPT.
 */
#include "codec/record.h"

#include "fuzz/fuzz.h"
#include "unit/document.h"

static void check_header(const struct record *record, const uint8_t *data)
{
	uint8_t header[RECORD_HEADER_MAX];
	size_t len = record_put_header(record, header);

	CHECK_BYTES(header, len, data + RECORD_PREFIX, record->header_len);
	CHECK_EQUAL_UINT(record_sequence(data), record->sequence);
	CHECK(record->event == EVENT_TABLE || strcmp(event_name(record->event), "?") != 0);
}

static void check_keys(const struct record *record)
{
	static const struct key_schema schema = {
		.partition = { TYPE_S, 1, "a" }, .sort = { TYPE_N, 1, "b" },
	};
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct slice keys;
	int err = record_keys(&keys, record, &schema, buf);

	CHECK(err == 0 || err == ERR_KEY_MISSING || err == ERR_CORRUPT);
	if (err == 0)
		CHECK(record_size(record, keys) <= keys.len + record_body(record));
	if (record->event == EVENT_TABLE)
		CHECK(err == 0 && keys.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct record header, whole;
	bool framed, checked;

	if (size >= RECORD_PREFIX && fuzz_decoded(record_get_header(&header, record_sequence(data),
			slice_of(data + RECORD_PREFIX, size - RECORD_PREFIX))))
		check_header(&header, data);
	framed = fuzz_decoded(record_get(&whole, bytes));
	if (framed) {
		CHECK_EQUAL_UINT(RECORD_PREFIX + record_len(&whole), size);
		CHECK(whole.keys.data == data + RECORD_PREFIX + whole.header_len);
		CHECK(whole.old_image.data == whole.keys.data + whole.keys.len);
		CHECK(whole.new_image.data == whole.old_image.data + whole.old_image.len);
		CHECK(whole.annotation.data == whole.new_image.data + whole.new_image.len);
		check_header(&whole, data);
	}
	checked = fuzz_decoded(record_check(bytes));
	CHECK(framed || !checked);
	if (checked)
		check_keys(&whole);
	return 0;
}

static struct slice an_item(struct builder *builder)
{
	static struct document document;
	struct slice item;

	do {
		document_random(&document);
		CHECK_EQUAL_INT(document_build(builder, &document, &item), 0);
	} while (item.len > 200);
	return item;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	struct builder keys = { 0 }, old = { 0 }, new = { 0 };
	struct record record = {
		.event = (uint8_t)(EVENT_INSERT + n % 3),
		.origin = n % 2, .count = 1 + n, .position = n, .sequence = 100 + n,
		.transaction = 100, .created_ms = 1, .ordinal = 1,
		.stream_bytes = 100000,
		.is_annotated = n % 4 == 0,
	};
	uint8_t header[RECORD_HEADER_MAX];

	if (n % 2 || record.event == EVENT_REMOVE)
		record.keys = an_item(&keys);
	if (record.event != EVENT_INSERT)
		record.old_image = an_item(&old);
	if (record.event != EVENT_REMOVE)
		record.new_image = an_item(&new);
	if (n % 8 == 0)
		record.annotation = slice_of("\1\3tag\0", 6);
	buffer_put_u64(out, record.sequence);
	buffer_put(out, header, record_put_header(&record, header));
	buffer_put_slice(out, record.keys);
	buffer_put_slice(out, record.old_image);
	buffer_put_slice(out, record.new_image);
	buffer_put_slice(out, record.annotation);
	builder_release(&keys);
	builder_release(&old);
	builder_release(&new);
	return n < 18;
}
