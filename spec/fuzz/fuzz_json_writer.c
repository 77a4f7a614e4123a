/* fuzz_json_writer.c - any bytes as an item are written as JSON, or CORRUPT.
 *
 * An item that map_check accepts is read back from both forms with the same bytes.
 */
#include "codec/json_reader.h"
#include "fuzz/fuzz.h"
#include "unit/document.h"

#define SEEDS 24

static void write_and_read(struct slice body, enum json_form form)
{
	static const struct json_order none = { NULL, 0 };
	static struct json_reader reader;
	static struct buffer out;
	struct slice again;
	int err;

	buffer_clear(&out);
	err = json_put_item(&out, body, form, &none);
	if (!fuzz_decoded(err) || map_check(body) || item_size(body) > ITEM_MAX_BYTES)
		return;
	err = json_read_item(&reader, buffer_slice(&out), 0, NULL, form, &again);
	CHECK_EQUAL_INT(err, 0);
	CHECK_BYTES(again.data, again.len, body.data, body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = slice_of(data, size);

	write_and_read(body, JSON_PLAIN);
	write_and_read(body, JSON_TYPED);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static struct document document;
	struct builder builder = { 0 };
	struct slice item;

	do {
		document_random(&document);
		CHECK_EQUAL_INT(document_build(&builder, &document, &item), 0);
	} while (item.len > 512);
	buffer_put_slice(out, item);
	builder_release(&builder);
	return n < SEEDS;
}
