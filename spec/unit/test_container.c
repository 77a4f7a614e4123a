/* test_container.c - tests of expr/container.h. */
#include "expr/container.h"

#include "unit/document.h"
#include "unit/notation.h"

/* Checks that writing all values of an item again gives the same bytes. */
static void check_copy(struct slice item)
{
	struct buffer out = { 0 };
	struct map_walk walk;
	struct slice name;
	struct value value;
	uint64_t count = 0;
	size_t body = container_open_item(&out);

	CHECK_EQUAL_INT(map_start(&walk, item), 0);
	while (map_next(&walk, &name, &value) == 0) {
		buffer_put_counted(&out, name);
		container_put_value(&out, &value);
		count++;
	}
	container_close_item(&out, body, count);
	CHECK_EQUAL_INT(buffer_error(&out), 0);
	CHECK_BYTES(out.data, out.len, item.data, item.len);
	buffer_release(&out);
}

static void test_copies(void)
{
	struct builder builder = { 0 };
	struct document document;
	struct slice item;
	uint64_t runs = check_runs(500);

	check_copy(notation_item(&builder, "{a: 1, b: b'x', c: 's', d: true, e: false, f: null,"
		" g: {x: 1}, h: [], i: <1, 2>, j: <'x'>, k: <b'x'>, l: [[], {}]}"));
	while (runs-- > 0) {
		document_random(&document);
		CHECK_EQUAL_INT(document_build(&builder, &document, &item), 0);
		check_copy(item);
	}
	builder_release(&builder);
}

/* A count of up to 127 takes one byte, 128 takes two, 16384 three. */
static void test_counts(void)
{
	static const uint64_t counts[] = { 0, 1, 127, 128, 16383, 16384 };
	unsigned i;

	for (i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct buffer out = { 0 };
		uint64_t n = counts[i];
		size_t list, body = container_open_item(&out);

		buffer_put_counted(&out, slice_of_text("l"));
		list = container_open(&out, TYPE_L);
		while (n-- > 0)
			buffer_put_u8(&out, TYPE_NULL);
		container_close(&out, list, counts[i]);
		container_close_item(&out, body, 1);
		CHECK_EQUAL_INT(map_check(buffer_slice(&out)), 0);
		buffer_release(&out);
	}
}

int main(void)
{
	test_copies();
	test_counts();
	return 0;
}
