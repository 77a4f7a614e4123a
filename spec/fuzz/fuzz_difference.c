/* fuzz_difference.c - the differences between any bytes: each is at its path in both items, or the
 * bytes are CORRUPT.
 *
 *     length of the first item (2 bytes), the first item, the second item
 */
#include "codec/builder.h"
#include "codec/difference.h"
#include "fuzz/fuzz.h"
#include "unit/document.h"

#define SEEDS 24

/* Finds the value at a path. Returns 0, or END if it is missing. */
static int find(struct slice item, const struct difference *difference, struct value *value)
{
	int err = 0;

	*value = (struct value){ TYPE_M, 0, item };
	for (unsigned i = 0; !err && i < difference->step_count; i++) {
		const struct difference_step *step = &difference->steps[i];
		struct value parent = *value;
		struct list_walk walk;

		if (parent.type != (step->is_index ? TYPE_L : TYPE_M))
			return END;
		if (!step->is_index) {
			err = parent.bytes.len ? map_find(parent.bytes, step->name, value) : END;
			continue;
		}
		err = list_start(&walk, &parent);
		for (uint32_t n = 0; !err && n <= step->index; n++)
			err = list_next(&walk, value);
	}
	return err;
}

static void check_side(struct slice item, const struct difference *difference,
	const struct value *value)
{
	struct value found;
	int err = find(item, difference, &found);

	CHECK_EQUAL_INT(err, value->type ? 0 : END);
	if (!err)
		CHECK(found.type == value->type && slice_equal(found.bytes, value->bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	size_t len = source_u16(&source);
	struct difference_walk walk;
	struct difference difference;
	struct slice old, new;
	unsigned count = 0;
	bool are_items;
	int err;

	old = source_take(&source, len < source_left(&source) ? len : source_left(&source));
	new = source_take(&source, source_left(&source));
	are_items = (old.len == 0 || map_check(old) == 0) && (new.len == 0 || map_check(new) == 0);
	err = difference_start(&walk, old, new);
	while (!err && (err = difference_next(&walk, &difference)) == 0) {
		count++;
		if (!are_items)
			continue;
		check_side(old, &difference, &difference.old);
		check_side(new, &difference, &difference.new);
	}
	CHECK(err == END || (err == ERR_CORRUPT && !are_items));
	if (are_items && old.len && new.len)
		CHECK((count == 0) == slice_equal(old, new));
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static struct document document;
	struct builder builder = { 0 };
	struct slice item = { 0 };
	struct buffer first = { 0 };

	for (int i = 0; i < 2; i++) {
		if (i == 0 || n % 2)
			do
				document_random(&document);
			while (document_build(&builder, &document, &item) || item.len > 512);
		if (i == 0)
			buffer_put_slice(&first, item);
	}
	buffer_put_u16(out, (uint16_t)first.len);
	buffer_put_slice(out, buffer_slice(&first));
	buffer_put_slice(out, item);
	builder_release(&builder);
	buffer_release(&first);
	return n < SEEDS;
}
