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

static void each_request_may_fail(void (*refuse_after)(long requests))
{
	struct key_schema schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_B, 1, "s" } };
	struct buffer item = { 0 }, keys = { 0 };
	long allowed = 0;
	int err;

	make_item(&item);
	do {
		buffer_release(&keys);
		refuse_after(allowed++);
		err = attributes_of(&keys, &schema, buffer_slice(&item));
		refuse_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : 0);
	} while (err);
	CHECK(allowed > 1);
	CHECK(slice_equal(buffer_slice(&keys), buffer_slice(&item)));
	buffer_release(&keys);
	buffer_release(&item);
}

int main(void)
{
	each_request_may_fail(memory_fail_after);
	each_request_may_fail(memory_fail_once_after);
	return 0;
}
