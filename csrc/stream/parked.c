/* parked.c - reads and writes the rows of parked records. */
#include "stream/parked.h"

#include "codec/consumer.h"
#include "codec/row.h"
#include "codec/schema.h"
#include "lmdb/cursor.h"

/* Bytes of a copy in one row. */
#define PART_BYTES (STORE_ROW_SHARE - PARKED_KEY - ROW_CHECKSUM)

int parked_write_row(struct txn *txn, struct slice key, struct slice payload)
{
	uint8_t *value;
	int err = txn_put_reserve(txn, TREE_CONSUMERS, key, ROW_CHECKSUM + payload.len, &value);

	if (err)
		return err;
	slice_write(value + ROW_CHECKSUM, payload);
	row_seal_here(value, ROW_CHECKSUM + payload.len, key);
	return 0;
}

static int write_parts(struct txn *txn, const struct parked_place *place, struct slice bytes)
{
	uint8_t key[PARKED_KEY];
	uint16_t part = 0;
	int err = 0;

	while (bytes.len && !err) {
		size_t len = bytes.len < PART_BYTES ? bytes.len : PART_BYTES;

		if (part == PARKED_LAST_PART)
			return ERR_TOO_BIG;
		parked_set_key(key, CONSUMER_PARKED, place, part++);
		err = parked_write_row(txn, slice_of(key, PARKED_KEY),
			slice_of(bytes.data, len));
		bytes = slice_of(bytes.data + len, bytes.len - len);
	}
	return err;
}

int parked_write(struct txn *txn, const struct parked_place *place,
	const struct parked_copy *copy, uint64_t *bytes)
{
	struct buffer value = { 0 };
	int err;

	parked_put(&value, copy);
	err = buffer_error(&value);
	if (!err)
		err = write_parts(txn, place, buffer_slice(&value));
	*bytes = value.len;
	buffer_release(&value);
	return err;
}

/* Moves the cursor to a part of a copy. Returns END if the copy has no such part. */
static int find_part(struct cursor *cursor, const struct parked_place *place, uint16_t part,
	struct slice *payload)
{
	uint8_t bytes[PARKED_KEY];
	struct slice key = slice_of(bytes, PARKED_KEY), value;
	int err;

	parked_set_key(bytes, CONSUMER_PARKED, place, part);
	err = cursor_move(cursor, MOVE_TO, &key, &value);
	return err ? err : row_open(key, value, payload);
}

int parked_read(struct buffer *bytes, struct txn *txn, const struct parked_place *place)
{
	struct slice payload;
	struct cursor *cursor;
	uint16_t part = 0;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	while (!err) {
		err = find_part(cursor, place, part, &payload);
		if (!err) {
			buffer_put_slice(bytes, payload);
			part++;
		}
	}
	if (err != END || part == 0)
		return err;
	return buffer_error(bytes);
}

int parked_find(struct txn *txn, const struct parked_place *place)
{
	struct slice payload;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	return err ? err : find_part(cursor, place, 0, &payload);
}

int parked_remove(struct txn *txn, const struct parked_place *place, uint64_t *bytes)
{
	struct slice payload;
	struct cursor *cursor;
	uint16_t part = 0;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	*bytes = 0;
	while (!err) {
		err = find_part(cursor, place, part, &payload);
		if (!err) {
			*bytes += payload.len;
			part++;
			err = cursor_delete(cursor);
		}
	}
	return err == END && part ? 0 : err;
}

/* --- order --- */

int parked_next(struct txn *txn, uint8_t kind, struct parked_place *place)
{
	uint8_t bytes[PARKED_KEY];
	struct slice key = slice_of(bytes, PARKED_KEY), value;
	struct cursor *cursor;
	uint16_t part;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	/* With a part after all parts it follows every row of the place, also the mark, which has
	 * no part. */
	parked_set_key(bytes, CONSUMER_PARKED, place, PARKED_LAST_PART);
	bytes[0] = kind;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err)
		return err;
	if (!slice_begins(key, slice_of(bytes, 1 + 8)))
		return END;
	return parked_get_key(place, &part, key) ? 0 : ERR_CORRUPT;
}

int parked_before(struct txn *txn, struct parked_place *place)
{
	uint8_t bytes[PARKED_KEY];
	struct slice key = slice_of(bytes, PARKED_KEY), value;
	struct cursor *cursor;
	uint16_t part;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	parked_set_key(bytes, CONSUMER_PARKED, place, 0);
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err >= 0)
		err = cursor_move(cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, &key, &value);
	if (err)
		return err;
	if (!slice_begins(key, slice_of(bytes, 1 + 8 + PARKED_ITEM_BYTES)))
		return END;
	return parked_get_key(place, &part, key) ? 0 : ERR_CORRUPT;
}

int parked_newest(struct txn *txn, struct parked_place *place)
{
	place->sequence = UINT64_MAX;
	return parked_before(txn, place);
}

int parked_after(struct txn *txn, struct parked_place *place)
{
	struct parked_place next = *place;
	int err = parked_next(txn, CONSUMER_PARKED, &next);

	if (err)
		return err;
	if (!parked_is_same_key(&next, place))
		return END;
	*place = next;
	return 0;
}

/* --- marks --- */

static struct slice mark_key(uint8_t bytes[PARKED_KEY], const struct parked_place *place)
{
	return slice_of(bytes, parked_set_key(bytes, CONSUMER_REPLAY, place, 0));
}

int parked_find_mark(struct txn *txn, const struct parked_place *place)
{
	uint8_t bytes[PARKED_KEY];
	struct slice value;

	return txn_get(txn, TREE_CONSUMERS, mark_key(bytes, place), &value);
}

int parked_mark(struct txn *txn, const struct parked_place *place)
{
	uint8_t bytes[PARKED_KEY];

	return parked_write_row(txn, mark_key(bytes, place), slice_of("", 0));
}

int parked_unmark(struct txn *txn, const struct parked_place *place)
{
	uint8_t bytes[PARKED_KEY];

	return txn_delete(txn, TREE_CONSUMERS, mark_key(bytes, place));
}

/* --- scopes --- */

static bool has_key(const struct parked_scope *scope, const struct stream_row *stream)
{
	const struct key_attribute *partition = &stream->schema.partition;

	return !scope->has_hash || (scope->key_type == partition->type &&
		slice_equal(scope->key_name, attribute_name(partition)));
}

bool parked_scope_has(const struct parked_scope *scope, const struct stream_row *stream)
{
	return (!scope->table_name.len ||
		slice_equal(slice_of_text(stream->table_name), scope->table_name)) &&
		has_key(scope, stream);
}

/* Sets *matches to whether the table of the record at *place is in the scope. */
static int match_table(bool *matches, struct txn *txn, struct parked_scope *scope,
	const struct parked_place *place)
{
	struct buffer bytes = { 0 };
	struct stream_row stream;
	struct parked_copy copy;
	int err;

	*matches = (!scope->table_name.len && !scope->has_hash) || scope->known == place->table;
	if (*matches || scope->other == place->table)
		return 0;
	err = parked_read(&bytes, txn, place);
	if (!err)
		err = parked_get(&copy, buffer_slice(&bytes));
	if (!err)
		err = stream_get(&stream, copy.stream_row);
	if (!err)
		*matches = parked_scope_has(scope, &stream);
	buffer_release(&bytes);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	*(*matches ? &scope->known : &scope->other) = place->table;
	return 0;
}

int parked_scope_matches(bool *matches, struct txn *txn, struct parked_scope *scope,
	const struct parked_place *place)
{
	*matches = !scope->has_hash || memcmp(place->hash, scope->hash, HASH_BYTES) == 0;
	return *matches ? match_table(matches, txn, scope, place) : 0;
}

/* Moves *place after all records of its table. */
static void skip_table(struct parked_place *place)
{
	memset(place->hash, 0xff, HASH_BYTES);
	place->sequence = UINT64_MAX;
}

int parked_next_of(struct txn *txn, struct parked_scope *scope, struct parked_place *place)
{
	for (;;) {
		bool matches = true;
		int order = 0, err = parked_next(txn, CONSUMER_PARKED, place);

		if (!err)
			err = match_table(&matches, txn, scope, place);
		if (err)
			return err;
		if (scope->has_hash)
			order = memcmp(place->hash, scope->hash, HASH_BYTES);
		if (matches && order == 0)
			return 0;
		if (!matches || order > 0) {
			skip_table(place);
		} else {
			memcpy(place->hash, scope->hash, HASH_BYTES);
			place->sequence = 0;
		}
	}
}
