/* parked_transaction.c - checks parked transactions: their records are parked, they do not overlap,
 * and no transaction is marked while one that must be delivered before it is not.
 *
 * Of each consumer, check->members has the number of its parked records (a), and of those in parked
 * transactions (b). check->member is the last row that was read.
 */
#include "check/parked_transaction.h"

#include "check/problem.h"
#include "codec/consumer.h"
#include "stream/parked_transaction.h"

int check_parked_member_expected(struct check *check, uint64_t consumer)
{
	struct u64_map_entry *entry = u64_map_make(&check->members, consumer);

	if (!entry)
		return ERR_NO_MEMORY;
	entry->a++;
	return 0;
}

/* Returns 0 instead of errors that are reported elsewhere. */
static int ignore_damage(int err)
{
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

int check_mark_of_record(struct check *check, uint64_t consumer)
{
	uint64_t first = 0;
	int err = parked_transaction_next(check->txn, consumer, &first);

	if (!err)
		problem(check, 58, "marks a record of a consumer that has parked transactions");
	return ignore_damage(err);
}

/* Verifies that a transaction does not overlap the one before it. */
static void check_order(struct check *check, const struct parked_member *member)
{
	const struct parked_member *last = &check->member;

	if (member->place.sequence < member->transaction)
		problem(check, 58, "precedes its transaction");
	if (last->place.consumer == member->place.consumer &&
			last->transaction != member->transaction &&
			last->place.sequence >= member->transaction)
		problem(check, 58, "is in a transaction that overlaps transaction %llu",
			(unsigned long long)last->transaction);
}

static int check_is_parked(struct check *check, const struct parked_member *member)
{
	int err = parked_find(check->txn, &member->place);

	if (err == END && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 58, "is in a parked transaction, but is not parked");
	return ignore_damage(err);
}

/* Verifies that the older neighbour that has the key of a marked member is marked. */
static int check_older(struct check *check, const struct parked_member *member)
{
	struct parked_place place = member->place;
	uint64_t older;
	int err;

	place.sequence = member->transaction;
	err = parked_before(check->txn, &place);
	if (!err)
		err = parked_transaction_of(check->txn, place.consumer, place.sequence, &older);
	if (err)
		return ignore_damage(err);
	err = parked_transaction_find_mark(check->txn, place.consumer, older);
	if (err == END && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 59, "is marked, but transaction %llu of its key is not",
			(unsigned long long)older);
	return ignore_damage(err);
}

static int check_member(struct check *check, const struct parked_member *member)
{
	struct u64_map_entry *replays = u64_map_find(&check->replays, member->place.consumer);
	struct u64_map_entry *entry = u64_map_make(&check->members, member->place.consumer);
	int err, mark;

	if (!entry)
		return ERR_NO_MEMORY;
	entry->b++;
	check_order(check, member);
	check->member = *member;
	err = check_is_parked(check, member);
	if (err)
		return err;
	mark = parked_transaction_find_mark(check->txn, member->place.consumer,
		member->transaction);
	if (mark)
		return ignore_damage(mark);
	replays->a--;
	return check_older(check, member);
}

static int check_mark(struct check *check, struct parked_member member)
{
	int err = parked_member_next_of(check->txn, &member);

	if (err == END && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 58, "marks a transaction that is not parked");
	return ignore_damage(err);
}

int check_parked_transaction_row(struct check *check, struct slice key, struct slice payload)
{
	struct parked_member member = { 0 };

	if (!parked_member_get_key(&member, key))
		return 0;                        /* reported as a row that is unknown */
	if (!u64_map_find(&check->parked, member.place.consumer)) {
		if (!check->is_damaged[TREE_CONSUMERS])
			problem(check, 58, "belongs to no consumer");
		return 0;
	}
	if (key.data[0] == CONSUMER_REPLAY_TRANSACTION)
		return check_mark(check, member);
	return parked_member_get(&member, payload) ? 0 : check_member(check, &member);
}

void check_parked_transaction_counts(struct check *check, uint64_t consumer)
{
	const struct u64_map_entry *entry = u64_map_find(&check->members, consumer);

	if (entry && entry->b && entry->b != entry->a && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 58, "has %llu parked records, of which %llu are in parked"
			" transactions", (unsigned long long)entry->a,
			(unsigned long long)entry->b);
}
