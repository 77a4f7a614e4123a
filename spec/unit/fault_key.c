/* fault_key.c - key attributes are written whole, or NO_MEMORY is said. */
#include "base/error.h"
#include "base/memory.h"
#include "check.h"
#include "codec/key.h"

/* { p = <300 bytes>, s = <300 bytes> } */
static void make_item(struct buffer *item)
{
	uint8_t bytes[300];

	memset(bytes, 'x', sizeof bytes);
	buffer_put_varint(item, 2);
	buffer_put_counted(item, slice_of_text("p"));
	buffer_put_u8(item, TYPE_S);
	buffer_put_counted(item, slice_of(bytes, sizeof bytes));
	buffer_put_counted(item, slice_of_text("s"));
	buffer_put_u8(item, TYPE_B);
	buffer_put_counted(item, slice_of(bytes, sizeof bytes));
}

/* An item's key attributes alone. */
static int attributes_of(struct buffer *out, const struct key_schema *schema, struct slice item)
{
	struct key_values values;
	int err = key_find(&values, schema, item);

	return err ? err : key_put_attributes(out, &values);
}

int main(void)
{
	struct key_schema schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_B, 1, "s" } };
	struct buffer item = { 0 }, keys = { 0 };
	long allowed = 0;
	int err;

	make_item(&item);
	do {
		buffer_release(&keys);
		memory_fail_after(allowed++);
		err = attributes_of(&keys, &schema, buffer_slice(&item));
		memory_fail_after(-1);
		CHECK(err == 0 || err == ERR_NO_MEMORY);
	} while (err);
	CHECK(allowed > 1);
	CHECK(slice_equal(buffer_slice(&keys), buffer_slice(&item)));
	buffer_release(&keys);
	buffer_release(&item);
	return 0;
}
