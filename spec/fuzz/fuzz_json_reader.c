/* fuzz_json_reader.c - reads any text as JSON: it is an item, or it is refused with a defect.
 *
 * The first byte chooses between plain JSON and DynamoDB's. If the text is an item, its stored
 * bytes are canonical, json_check accepts the text, and the item that is written and read again
 * is the same. Otherwise the defect has a position in the text and a reason in UTF-8.
 */
#include "codec/json_reader.h"
#include "fuzz/fuzz.h"
#include "unit/document.h"

#define SEEDS 24

static const struct json_order none = { NULL, 0 };

static void check_item(struct slice text, enum json_form form, struct slice item)
{
	static struct json_reader reader;
	static struct buffer out;
	struct json_fault fault = { 0 };
	struct slice again;

	CHECK_EQUAL_INT(map_check(item), 0);
	CHECK(item_size(item) <= ITEM_MAX_BYTES);
	CHECK_EQUAL_INT(json_check(text, 0, NULL, &fault), 0);
	buffer_clear(&out);
	CHECK_EQUAL_INT(json_put_item(&out, item, form, &none), 0);
	CHECK_EQUAL_INT(json_read_item(&reader, buffer_slice(&out), 0, NULL, form, &again), 0);
	CHECK_BYTES(again.data, again.len, item.data, item.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_reader reader;
	struct slice text, item;
	enum json_form form;
	const uint8_t *end;
	uint64_t line, column;

	if (size == 0)
		return 0;
	form = data[0] % 2 ? JSON_TYPED : JSON_PLAIN;
	text = slice_of(data + 1, size - 1);
	end = json_value_end(text.data, text.data + text.len);
	CHECK(!end || end <= text.data + text.len);
	if (json_read_item(&reader, text, 0, NULL, form, &item) == 0) {
		check_item(text, form, item);
		return 0;
	}
	CHECK(reader.fault.at <= text.len);
	CHECK(reader.fault.reason.len > 0);
	CHECK(is_utf8(buffer_slice(&reader.fault.reason)));
	CHECK(reader.path.len == 0 || is_utf8(buffer_slice(&reader.path)));
	json_place(text, reader.fault.at, &line, &column);
	CHECK(line >= 1 && column >= 1);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static struct document document;
	struct builder builder = { 0 };
	struct slice item;
	enum json_form form = n % 2 ? JSON_TYPED : JSON_PLAIN;

	do {
		document_random(&document);
		CHECK_EQUAL_INT(document_build(&builder, &document, &item), 0);
	} while (item.len > 512);
	buffer_put_u8(out, (uint8_t)form);
	CHECK_EQUAL_INT(json_put_item(out, item, form, &none), 0);
	builder_release(&builder);
	return n < SEEDS;
}
