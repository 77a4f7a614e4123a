/* fuzz_value.c - any bytes as an item: canonical, or CORRUPT, never a crash. */
#include "codec/builder.h"
#include "unit/check.h"
#include "unit/rebuild.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct builder builder;
	struct slice body = slice_of(data, size), again;
	struct value value;
	int checked, err;

	is_utf8(body);
	map_find(body, slice_of_text("m"), &value);
	checked = map_check(body);
	err = rebuild_item(&builder, body, &again);
	if (checked == 0 && item_size(body) <= ITEM_MAX_BYTES) {
		CHECK_EQUAL_INT(err, 0);
		CHECK_BYTES(again.data, again.len, data, size);
		CHECK_EQUAL_UINT(builder.size, item_size(body));
	}
	return 0;
}
