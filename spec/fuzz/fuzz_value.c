/* fuzz_value.c - any bytes as an item are canonical or CORRUPT. */
#include "codec/builder.h"
#include "fuzz/fuzz.h"
#include "unit/document.h"
#include "unit/rebuild.h"

#define SEEDS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct builder builder;
	struct slice body = slice_of(data, size), again;
	struct value value;
	int err;

	map_find(body, slice_of_text("m"), &value);
	err = rebuild_item(&builder, body, &again);
	if (fuzz_decoded(map_check(body)) && item_size(body) <= ITEM_MAX_BYTES) {
		CHECK_EQUAL_INT(err, 0);
		CHECK_BYTES(again.data, again.len, data, size);
		CHECK_EQUAL_UINT(builder.size, item_size(body));
	}
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
