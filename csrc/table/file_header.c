/* file_header.c - the rows of `meta` that identify the file and the way it was written. */
#include "table/file_header.h"

#include <string.h>

#include "codec/row.h"
#include "stream/stream.h"

static const uint8_t file_header_key[] = { META_FILE_HEADER };
static const uint8_t boot_key[] = { META_WEAK_BOOT };
static const uint8_t max_size_key[] = { META_MAX_SIZE };

int file_header_write(struct txn *txn, const struct file_header *header)
{
	struct buffer value = { 0 };

	row_start(&value);
	file_header_put(&value, header);
	return row_write(txn, TREE_META, slice_of(file_header_key, sizeof file_header_key), &value);
}

int file_header_read(struct txn *txn, struct file_header *header)
{
	struct slice key = slice_of(file_header_key, sizeof file_header_key), value, payload;
	struct file_header local;
	int err = txn_get(txn, TREE_META, key, &value);

	if (err == END || (!err && value.len < ROW_CHECKSUM))
		return ERR_NOT_DATABASE;
	if (err)
		return err;
	/* The format is checked before the checksum, because a newer file must not be called
	 * damaged. */
	file_header_local(&local, txn_page_bytes(txn));
	payload = slice_of(value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	err = file_header_get(header, payload, &local);
	return err ? err : row_open(key, value, &payload);
}

int weak_boot_read(struct txn *txn, bool *is_this)
{
	struct slice key = slice_of(boot_key, sizeof boot_key), value, payload;
	uint8_t boot[BOOT_BYTES];
	int err = txn_get(txn, TREE_META, key, &value);

	*is_this = false;
	if (!err)
		err = row_open(key, value, &payload);
	if (err)
		return err;
	clock_boot(clock_system(), boot);
	*is_this = slice_equal(payload, slice_of(boot, sizeof boot));
	return 0;
}

int weak_boot_write(struct txn *txn)
{
	struct buffer row = { 0 };
	uint8_t boot[BOOT_BYTES];

	clock_boot(clock_system(), boot);
	row_start(&row);
	buffer_put(&row, boot, sizeof boot);
	return row_write(txn, TREE_META, slice_of(boot_key, sizeof boot_key), &row);
}

int weak_boot_delete(struct txn *txn)
{
	return txn_delete(txn, TREE_META, slice_of(boot_key, sizeof boot_key));
}

int max_size_read(struct txn *txn, uint64_t *bytes)
{
	struct slice key = slice_of(max_size_key, sizeof max_size_key), value, payload;
	int err = txn_get(txn, TREE_META, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	if (!err && payload.len != sizeof *bytes)
		err = ERR_CORRUPT;
	if (!err)
		*bytes = get_u64(payload.data);
	return err;
}

int max_size_write(struct txn *txn, uint64_t bytes)
{
	struct buffer row = { 0 };

	row_start(&row);
	buffer_put_u64(&row, bytes);
	return row_write(txn, TREE_META, slice_of(max_size_key, sizeof max_size_key), &row);
}

/* --- incarnations --- */

#define INCARNATION_KEY 9

static struct slice incarnation_key(uint8_t bytes[INCARNATION_KEY], uint64_t sequence)
{
	bytes[0] = CATALOG_INCARNATION;
	set_u64(bytes + 1, sequence);
	return slice_of(bytes, INCARNATION_KEY);
}

int incarnation_end(struct txn *txn, uint64_t sequence, const uint8_t incarnation[FILE_ID_BYTES],
	bool is_promotion)
{
	struct buffer row = { 0 };
	uint8_t bytes[INCARNATION_KEY];
	struct slice key = incarnation_key(bytes, sequence), value;
	int err = txn_get(txn, TREE_CATALOG, key, &value);

	if (err != END)
		return err;
	row_start(&row);
	buffer_put(&row, incarnation, FILE_ID_BYTES);
	if (is_promotion)
		buffer_put_u8(&row, 1);
	return row_write(txn, TREE_CATALOG, key, &row);
}

/* Verifies a row. Sets *is_promotion. */
static int open_incarnation(struct slice key, struct slice value, struct slice *payload,
	bool *is_promotion)
{
	int err = row_open(key, value, payload);

	if (err)
		return err;
	*is_promotion = payload->len == FILE_ID_BYTES + 1 && payload->data[FILE_ID_BYTES] == 1;
	return key.len == INCARNATION_KEY && (payload->len == FILE_ID_BYTES || *is_promotion) ?
		0 : ERR_CORRUPT;
}

int incarnation_continues(struct txn *txn, const uint8_t incarnation[FILE_ID_BYTES],
	uint64_t sequence, bool *continues)
{
	uint8_t bytes[INCARNATION_KEY];
	struct slice key = incarnation_key(bytes, sequence), value, payload;
	struct cursor *cursor;
	bool is_promotion;
	int err = txn_cursor(txn, TREE_CATALOG, &cursor);

	*continues = false;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.data[0] == CATALOG_INCARNATION) {
		err = open_incarnation(key, value, &payload, &is_promotion);
		if (err)
			return err;
		if (memcmp(payload.data, incarnation, FILE_ID_BYTES) == 0)
			*continues = true;
		if (!is_promotion || !*continues) {
			*continues = false;
			return 0;
		}
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : 0;
}

int incarnations_read(struct txn *txn, struct buffer *out)
{
	uint8_t bytes[INCARNATION_KEY];
	struct slice key = incarnation_key(bytes, 0), value, payload;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CATALOG, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.data[0] == CATALOG_INCARNATION) {
		bool is_promotion;

		err = open_incarnation(key, value, &payload, &is_promotion);
		if (err)
			return err;
		buffer_put_u64(out, get_u64(key.data + 1));
		buffer_put(out, payload.data, FILE_ID_BYTES);
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : buffer_error(out);
}
