/* parked_transaction.c - reads and writes the rows of parked transactions. */
#include "stream/parked_transaction.h"

#include "base/error.h"
#include "codec/consumer.h"
#include "codec/row.h"
#include "lmdb/cursor.h"

int parked_member_write(struct txn *txn, const struct parked_member *member)
{
	uint8_t key[PARKED_MEMBER_KEY], payload[PARKED_ITEM_BYTES];

	parked_member_set_key(key, CONSUMER_MEMBER, member);
	parked_member_set(payload, member);
	return parked_write_row(txn, slice_of(key, sizeof key), slice_of(payload, sizeof payload));
}

int parked_member_remove(struct txn *txn, const struct parked_member *member)
{
	uint8_t key[PARKED_MEMBER_KEY];

	parked_member_set_key(key, CONSUMER_MEMBER, member);
	return txn_delete(txn, TREE_CONSUMERS, slice_of(key, sizeof key));
}

/* Decodes a row at which the cursor is. Returns END if it is no member of this consumer. */
static int read_member(struct parked_member *member, uint64_t consumer, struct slice key,
	struct slice value)
{
	struct parked_member found;
	struct slice payload;
	int err;

	if (key.data[0] != CONSUMER_MEMBER)
		return END;
	if (!parked_member_get_key(&found, key))
		return ERR_CORRUPT;
	if (found.place.consumer != consumer)
		return END;
	err = row_open(key, value, &payload);
	if (!err)
		err = parked_member_get(&found, payload);
	if (!err)
		*member = found;
	return err;
}

/* Moves a cursor to the first member row that follows *member, or equals it. Sets *key and *value;
 * the row can be one of another consumer or kind. */
static int seek(struct cursor **cursor, struct txn *txn, const struct parked_member *member,
	uint8_t bytes[PARKED_MEMBER_KEY], struct slice *key, struct slice *value)
{
	int err = txn_cursor(txn, TREE_CONSUMERS, cursor);

	*key = slice_of(bytes, parked_member_set_key(bytes, CONSUMER_MEMBER, member));
	return err ? err : cursor_move(*cursor, MOVE_FROM, key, value);
}

int parked_member_next(struct txn *txn, struct parked_member *member)
{
	uint8_t bytes[PARKED_MEMBER_KEY];
	struct parked_member from = *member;
	struct slice key, value;
	struct cursor *cursor;
	int err;

	if (from.place.sequence < UINT64_MAX)
		from.place.sequence++;
	err = seek(&cursor, txn, &from, bytes, &key, &value);
	return err ? err : read_member(member, from.place.consumer, key, value);
}

int parked_member_next_of(struct txn *txn, struct parked_member *member)
{
	struct parked_member next = *member;
	int err = parked_member_next(txn, &next);

	if (err)
		return err;
	if (next.transaction != member->transaction)
		return END;
	*member = next;
	return 0;
}

int parked_transaction_next(struct txn *txn, uint64_t consumer, uint64_t *transaction)
{
	struct parked_member member = { *transaction, { .consumer = consumer,
		.sequence = UINT64_MAX } };
	int err = parked_member_next(txn, &member);

	if (!err)
		*transaction = member.transaction;
	return err;
}

int parked_transaction_next_of(struct txn *txn, struct parked_scope *scope, uint64_t consumer,
	uint64_t *transaction)
{
	struct parked_member member = { *transaction, { .consumer = consumer,
		.sequence = UINT64_MAX } };
	bool matches = false;
	int err;

	do {
		err = parked_member_next(txn, &member);
		if (!err)
			err = parked_scope_matches(&matches, txn, scope, &member.place);
	} while (!err && !matches);
	if (!err)
		*transaction = member.transaction;
	return err;
}

int parked_transaction_of(struct txn *txn, uint64_t consumer, uint64_t sequence,
	uint64_t *transaction)
{
	struct parked_member member = { sequence, { .consumer = consumer,
		.sequence = UINT64_MAX } };
	uint8_t bytes[PARKED_MEMBER_KEY];
	struct slice key, value;
	struct cursor *cursor;
	int err = seek(&cursor, txn, &member, bytes, &key, &value);

	if (err >= 0)
		err = cursor_move(cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, &key, &value);
	if (!err)
		err = read_member(&member, consumer, key, value);
	if (err)
		return err;
	if (member.place.sequence < sequence)
		return END;
	*transaction = member.transaction;
	return 0;
}

/* --- marks --- */

static struct slice mark_key(uint8_t bytes[PARKED_MEMBER_KEY], uint64_t consumer,
	uint64_t transaction)
{
	struct parked_member member = { transaction, { .consumer = consumer } };

	return slice_of(bytes, parked_member_set_key(bytes, CONSUMER_REPLAY_TRANSACTION, &member));
}

int parked_transaction_find_mark(struct txn *txn, uint64_t consumer, uint64_t transaction)
{
	uint8_t bytes[PARKED_MEMBER_KEY];
	struct slice value;

	return txn_get(txn, TREE_CONSUMERS, mark_key(bytes, consumer, transaction), &value);
}

int parked_transaction_mark(struct txn *txn, uint64_t consumer, uint64_t transaction)
{
	uint8_t bytes[PARKED_MEMBER_KEY];

	return parked_write_row(txn, mark_key(bytes, consumer, transaction), slice_of("", 0));
}

int parked_transaction_unmark(struct txn *txn, uint64_t consumer, uint64_t transaction)
{
	uint8_t bytes[PARKED_MEMBER_KEY];

	return txn_delete(txn, TREE_CONSUMERS, mark_key(bytes, consumer, transaction));
}

int parked_transaction_next_marked(struct txn *txn, uint64_t consumer, uint64_t *transaction)
{
	uint8_t bytes[PARKED_MEMBER_KEY];
	struct slice key = mark_key(bytes, consumer, *transaction + 1), value;
	struct parked_member member;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err)
		return err;
	if (key.data[0] != CONSUMER_REPLAY_TRANSACTION)
		return END;
	if (!parked_member_get_key(&member, key))
		return ERR_CORRUPT;
	if (member.place.consumer != consumer)
		return END;
	*transaction = member.transaction;
	return 0;
}
