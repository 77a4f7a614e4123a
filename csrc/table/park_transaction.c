/* park_transaction.c - marks of parked transactions. */
#include "table/park_transaction.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/u64_map.h"
#include "stream/parked.h"

/* Returns a member that precedes those of a transaction. */
static struct parked_member before_all(uint64_t consumer, uint64_t transaction)
{
	return (struct parked_member){ transaction, { .consumer = consumer } };
}

/* Adds the number of records of a transaction, times `sign`, to *replays. */
static int count_members(struct txn *txn, uint64_t consumer, uint64_t transaction, int sign,
	int64_t *replays)
{
	struct parked_member member = before_all(consumer, transaction);
	int err;

	while ((err = parked_member_next_of(txn, &member)) == 0)
		*replays += sign;
	return err == END ? 0 : err;
}

/* Sets *transaction to that of the record at place, which is parked. */
static int find_transaction(struct txn *txn, const struct parked_place *place,
	uint64_t *transaction)
{
	int err = parked_transaction_of(txn, place->consumer, place->sequence, transaction);

	return err == END ? ERR_CORRUPT : err;
}

/* Sets *older to the older neighbour of the member's transaction that has its key. Returns END if
 * there is none. */
static int find_older(struct txn *txn, const struct parked_member *member, uint64_t *older)
{
	struct parked_place place = member->place;
	int err;

	place.sequence = member->transaction;
	err = parked_before(txn, &place);
	return err ? err : find_transaction(txn, &place, older);
}

/* Sets *newer to the newer neighbour of the member's transaction that has its key. Returns END if
 * there is none, or if a later member of the transaction has the key. */
static int find_newer(struct txn *txn, const struct parked_member *member, uint64_t *newer)
{
	struct parked_place place = member->place;
	int err = parked_after(txn, &place);

	if (!err)
		err = find_transaction(txn, &place, newer);
	return !err && *newer == member->transaction ? END : err;
}

/* --- marking --- */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Appends a transaction to the list, unless it is marked or in the list. */
static int add_unmarked(struct buffer *list, struct u64_map *listed, struct txn *txn,
	uint64_t consumer, uint64_t transaction)
{
	int err = parked_transaction_find_mark(txn, consumer, transaction);

	if (err != END)
		return err;
	if (u64_map_find(listed, transaction))
		return 0;
	if (!u64_map_make(listed, transaction))
		return ERR_NO_MEMORY;
	buffer_put(list, &transaction, sizeof transaction);
	return buffer_error(list);
}

static uint64_t transaction_at(const struct buffer *list, size_t i)
{
	uint64_t transaction;

	memcpy(&transaction, list->data + i * sizeof transaction, sizeof transaction);
	return transaction;
}

/* Lists a transaction and all that must be delivered before it, without marked ones. */
static int list_unmarked(struct buffer *list, struct txn *txn, uint64_t consumer,
	uint64_t transaction)
{
	struct u64_map listed = { 0 };
	int err = add_unmarked(list, &listed, txn, consumer, transaction);

	for (size_t i = 0; i * sizeof transaction < list->len && !err; i++) {
		struct parked_member member = before_all(consumer, transaction_at(list, i));
		uint64_t older;

		while (!err && (err = parked_member_next_of(txn, &member)) == 0) {
			err = find_older(txn, &member, &older);
			if (!err)
				err = add_unmarked(list, &listed, txn, consumer, older);
			if (err == END)
				err = 0;
		}
		if (err == END)
			err = 0;
	}
	u64_map_release(&listed);
	return err;
}

int park_mark_transaction(struct txn *txn, uint64_t consumer, uint64_t transaction, uint64_t most,
	uint64_t *count, int64_t *replays)
{
	struct buffer list = { 0 };
	int err = list_unmarked(&list, txn, consumer, transaction);
	size_t all = list.len / sizeof transaction;

	if (!err && all)
		qsort(list.data, all, sizeof transaction, compare);
	for (size_t i = 0; i < all && i < most && !err; i++) {
		err = parked_transaction_mark(txn, consumer, transaction_at(&list, i));
		if (!err)
			err = count_members(txn, consumer, transaction_at(&list, i), 1, replays);
		*count += !err;
	}
	buffer_release(&list);
	return err;
}

/* --- unmarking --- */

/* Removes the mark of a transaction, if it has one, and appends the transaction to the list. */
static int unmark(struct buffer *list, struct txn *txn, uint64_t consumer, uint64_t transaction,
	int64_t *replays)
{
	int err = parked_transaction_unmark(txn, consumer, transaction);

	if (!err)
		err = count_members(txn, consumer, transaction, -1, replays);
	if (err < 0)
		return err;
	buffer_put(list, &transaction, sizeof transaction);
	return buffer_error(list);
}

/* Unmarks a marked transaction that was found as a neighbour. */
static int unmark_marked(struct buffer *list, struct txn *txn, uint64_t consumer,
	uint64_t transaction, int64_t *replays)
{
	int err = parked_transaction_find_mark(txn, consumer, transaction);

	return err ? err : unmark(list, txn, consumer, transaction, replays);
}

int park_unmark_transaction(struct txn *txn, uint64_t consumer, uint64_t transaction,
	int64_t *replays)
{
	struct buffer list = { 0 };
	int err = unmark(&list, txn, consumer, transaction, replays);

	for (size_t i = 0; i * sizeof transaction < list.len && !err; i++) {
		struct parked_member member = before_all(consumer, transaction_at(&list, i));
		uint64_t newer;

		while (!err && (err = parked_member_next_of(txn, &member)) == 0) {
			err = find_newer(txn, &member, &newer);
			if (!err)
				err = unmark_marked(&list, txn, consumer, newer, replays);
			if (err == END)
				err = 0;
		}
		if (err == END)
			err = 0;
	}
	buffer_release(&list);
	return err;
}

/* --- after parking --- */

/* Numbers of neighbours of a transaction, of each of its members. */
struct neighbours {
	size_t older, unmarked_older, marked_newer;
};

static int count_neighbours(struct neighbours *found, struct txn *txn,
	const struct parked_member *member)
{
	uint64_t other, consumer = member->place.consumer;
	int err = find_older(txn, member, &other), mark;

	if (!err) {
		mark = parked_transaction_find_mark(txn, consumer, other);
		if (mark < 0)
			return mark;
		found->older++;
		found->unmarked_older += mark == END;
	}
	if (err >= 0)
		err = find_newer(txn, member, &other);
	if (err)
		return err == END ? 0 : err;
	mark = parked_transaction_find_mark(txn, consumer, other);
	found->marked_newer += mark == 0;
	return mark < 0 ? mark : 0;
}

int park_inherit_mark(struct txn *txn, uint64_t consumer, uint64_t transaction, int64_t *replays)
{
	struct parked_member member = before_all(consumer, transaction);
	struct neighbours found = { 0 };
	int err = 0, mark = parked_transaction_find_mark(txn, consumer, transaction);

	if (mark < 0)
		return mark;
	while (!err && (err = parked_member_next_of(txn, &member)) == 0)
		err = count_neighbours(&found, txn, &member);
	if (err != END)
		return err;
	if (found.unmarked_older || !(mark == 0 || found.older || found.marked_newer))
		return park_unmark_transaction(txn, consumer, transaction, replays);
	if (mark == 0)
		return 0;
	err = parked_transaction_mark(txn, consumer, transaction);
	return err ? err : count_members(txn, consumer, transaction, 1, replays);
}
