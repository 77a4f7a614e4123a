/* sender_page.c - pages of items that a sender sends: the copy of a table.
 *
 * A page is read from one snapshot and sent after all records up to that snapshot. Of the table
 * that is being copied, only records of items up to the end of the last page are sent, so each item
 * is sent once, and then its later changes (as api/feed_copy.c does for consumers).
 */
#include <string.h>

#include "api/sender.h"

/* The page that is being read. */
struct reading {
	struct sending *sending;
	const struct sent_table *table;
	struct row_walk walk;
	struct buffer items;
	uint32_t count;
	size_t id_len;
	uint8_t id[ID_MAX];
	bool is_hashed;              /* its items have hashed keys */
};

/* Returns the key under the walk without table id; empty: it is of another table. */
static struct slice own_key(const struct reading *reading)
{
	struct slice key = row_walk_key(&reading->walk), id = slice_of(reading->id,
		reading->id_len);

	return slice_begins(key, id) ? slice_of(key.data + id.len, key.len - id.len) :
		slice_of(NULL, 0);
}

static bool is_hashed(struct slice key)
{
	return key.len > 0 && key.data[0] == KEY_HEAD_HASHED;
}

static int start_walk(struct reading *reading)
{
	const struct tide_sender *sender = reading->sending->sender;
	uint8_t from[KEY_HEAD_MAX + SORT_KEY_MAX];
	size_t len = reading->id_len + sender->place_len;
	int err;

	memcpy(from, reading->id, reading->id_len);
	memcpy(from + reading->id_len, sender->place, sender->place_len);
	err = row_walk_from(&reading->walk, reading->sending->view.txn, slice_of(from, len));
	if (!err && sender->place_len &&
			slice_equal(row_walk_key(&reading->walk), slice_of(from, len)))
		err = row_walk_next(&reading->walk);
	return err;
}

/* Appends the item under the walk. */
static int take_item(struct reading *reading)
{
	struct tide_sender *sender = reading->sending->sender;
	struct slice key = own_key(reading);
	struct stored stored;
	int err = stored_read(&stored, reading->walk.txn, reading->walk.payload, &sender->scratch);

	if (err)
		return err;
	buffer_put_counted(&reading->items, stored.item);
	reading->count++;
	sender->page_end_len = (uint16_t)key.len;
	slice_write(sender->page_end, key);
	return buffer_error(&reading->items);
}

/* Reads items until the page is full, or the kind of the keys changes. */
static int take_items(struct reading *reading)
{
	int err = start_walk(reading);

	reading->is_hashed = !err && is_hashed(own_key(reading));
	while (!err) {
		struct slice key = own_key(reading);

		if (key.len == 0 || is_hashed(key) != reading->is_hashed)
			break;
		if (reading->count >= SENT_PAGE_ITEMS || reading->items.len >= SENT_PAGE_BYTES)
			return 0;
		err = take_item(reading);
		if (!err)
			err = row_walk_next(&reading->walk);
	}
	if (err < 0)
		return err;
	if (!reading->is_hashed)
		reading->sending->sender->page_flags |= PAGE_ENDS_SHORT;
	if (err == END || own_key(reading).len == 0)
		reading->sending->sender->page_flags |= PAGE_IS_LAST | PAGE_ENDS_SHORT;
	return 0;
}

/* Encodes the page. A page with hashed keys only, the first of its table, ends the short ones. */
static int encode(struct reading *reading)
{
	struct tide_sender *sender = reading->sending->sender;
	struct buffer *page = &sender->page;
	struct slice place = slice_of(sender->place, sender->place_len);

	if (reading->is_hashed)
		sender->page_flags = (uint8_t)((sender->page_flags & ~PAGE_ENDS_SHORT) |
			PAGE_IS_HASHED | (is_hashed(place) ? 0 : PAGE_ENDS_SHORT));
	buffer_put_u32(page, reading->table->id);
	buffer_put_u8(page, sender->page_flags);
	buffer_put_counted(page, place);
	buffer_put_counted(page, slice_of(sender->page_end, sender->page_end_len));
	buffer_put_u32(page, reading->count);
	buffer_put_slice(page, buffer_slice(&reading->items));
	return buffer_error(page);
}

/* Returns true if the table exists in the snapshot. If not, the record of its deletion follows. */
static int exists(struct reading *reading, bool *exists)
{
	struct table table;
	int err = catalog_read_table(reading->sending->view.txn,
		slice_of_text(reading->table->name), &table);

	*exists = !err && table.row.id == reading->table->id;
	return err == END ? 0 : err;
}

static int read_page(struct sending *sending, const struct sent_table *table)
{
	struct tide_sender *sender = sending->sender;
	struct reading reading = { .sending = sending, .table = table };
	bool has_table = false;
	int err = exists(&reading, &has_table);

	reading.walk.txn = sending->view.txn;
	reading.id_len = set_id(reading.id, table->id);
	sender->page_at = sending->view.state->sequence;
	sender->page_flags = 0;
	sender->page_end_len = sender->place_len;
	memcpy(sender->page_end, sender->place, sender->place_len);
	buffer_clear(&sender->page);
	if (!err && has_table)
		err = take_items(&reading);
	if (!err && has_table)
		err = encode(&reading);
	row_walk_stop(&reading.walk);
	buffer_release(&reading.items);
	if (err < 0)
		buffer_clear(&sender->page);
	return err < 0 ? fail_about(sending->failure, err, "table %s", table->name) : 0;
}

int sender_read_page(struct sending *sending)
{
	struct tide_sender *sender = sending->sender;
	size_t next = sender->count;

	if (sender->page.len)
		return 0;
	for (size_t i = sender->count; i-- > 0;) {
		if (sender->tables[i].state == REPLICA_COPIES) {
			next = i;
			break;
		}
		if (sender->tables[i].state == REPLICA_WAITS)
			next = i;
	}
	if (next == sender->count)
		return 0;
	if (sender->tables[next].state == REPLICA_WAITS)
		sender->place_len = 0;
	sender->copying = next;
	return read_page(sending, &sender->tables[next]);
}

int sender_put_page(struct sending *sending)
{
	struct tide_sender *sender = sending->sender;
	struct sent_table *table;
	size_t start;

	if (!sender->page.len)
		return 0;
	table = &sender->tables[sender->copying];
	start = frame_start(sending->out, FRAME_PAGE);
	buffer_put_slice(sending->out, buffer_slice(&sender->page));
	frame_end(sending->out, start, sender->page_at);
	table->state = sender->page_flags & PAGE_IS_LAST ? REPLICA_FOLLOWS : REPLICA_COPIES;
	sender->place_len = sender->page_end_len;
	memcpy(sender->place, sender->page_end, sender->page_end_len);
	buffer_clear(&sender->page);
	sending->has_changes = true;
	return 0;
}

int sender_has_passed(const struct sending *sending, const struct stream_row *row,
	const struct record *record, bool *passed)
{
	const struct tide_sender *sender = sending->sender;
	uint8_t buf[KEY_ATTRIBUTES_MAX], id[ID_MAX];
	size_t len = set_id(id, row->table);
	struct slice keys, whole;
	struct key key;
	int err = record_keys(&keys, record, &row->schema, buf);

	if (!err)
		err = key_of_item(&key, row->table, &row->schema, keys,
			sending->tide->header.secret);
	if (err)
		return fail_about(sending->failure, ERR_CORRUPT, "record %llu",
			(unsigned long long)record->sequence);
	whole = key_whole(&key);
	*passed = slice_compare(slice_of(whole.data + len, whole.len - len),
		slice_of(sender->place, sender->place_len)) <= 0;
	return 0;
}
