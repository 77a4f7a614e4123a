/* item_count.c - the number of items that a table had when they were counted last. */
#include "table/item_count.h"

#include "codec/row.h"
#include "codec/state.h"
#include "stream/stream.h"

#define COUNT_KEY 5

static struct slice count_key(uint8_t bytes[COUNT_KEY], uint32_t table)
{
	bytes[0] = META_ITEM_COUNT;
	set_u32(bytes + 1, table);
	return slice_of(bytes, COUNT_KEY);
}

int item_count_read(struct txn *txn, uint32_t table, struct item_count *count)
{
	uint8_t bytes[COUNT_KEY];
	struct slice key = count_key(bytes, table), value, payload;
	struct source source;
	int err = txn_get(txn, TREE_META, key, &value);

	*count = (struct item_count){ 0 };
	if (!err)
		err = row_open(key, value, &payload);
	if (err)
		return err == END ? 0 : err;
	source = source_of(payload);
	count->items = source_u64(&source);
	count->counted_ms = source_u64(&source);
	return source_finish(&source);
}

int item_count_write(struct txn *txn, uint32_t table, const struct item_count *count)
{
	uint8_t bytes[COUNT_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_u64(&value, count->items);
	buffer_put_u64(&value, count->counted_ms);
	return row_write(txn, TREE_META, count_key(bytes, table), &value);
}

int item_count_delete(struct txn *txn, uint32_t table)
{
	uint8_t bytes[COUNT_KEY];
	int err = txn_delete(txn, TREE_META, count_key(bytes, table));

	return err < 0 ? err : 0;
}
