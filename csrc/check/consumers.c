/* consumers.c - checks consumers and the progress of their shards: invariants 40, 48, 50, 54
 * and 55.
 *
 * The rows of all consumers precede those of their progress. The first pass notes the consumers and
 * counts the shards that have progress, and the holds; the second finds consumers of which shards
 * or holds are missing.
 */
#include "check/consumers.h"

#include "check/parked.h"
#include "check/parked_transaction.h"
#include "check/problem.h"
#include "check/replicas.h"
#include "check/rows.h"
#include "codec/consumer.h"
#include "codec/row.h"
#include "stream/consumer.h"
#include "stream/hold.h"

int check_consumer_row(struct slice key, struct slice payload)
{
	switch (key.data[0]) {
	case CONSUMER_ROW:
		return consumer_get(&(struct consumer_row){ 0 }, payload);
	case CONSUMER_PROGRESS:
		return progress_get(&(struct progress_row){ 0 }, payload);
	case CONSUMER_FLOOR:
		return payload.len == CONSUMER_FLOOR_BYTES ? 0 : ERR_CORRUPT;
	case CONSUMER_REPLAY: case CONSUMER_REPLAY_TRANSACTION:
		return payload.len == 0 ? 0 : ERR_CORRUPT;
	case CONSUMER_COPY:
		return copy_get(&(struct copy_row){ 0 }, payload);
	case CONSUMER_HOLD:
		return hold_get(&(struct hold_row){ 0 }, payload);
	case CONSUMER_MEMBER:
		return parked_member_get(&(struct parked_member){ 0 }, payload);
	case CONSUMER_PARKED:
		return 0;
	default:
		return check_replica_row(key, payload);
	}
}

/* Notes a consumer. In check->consumers a is the number of shards, b the number of those that have
 * progress. */
static int note_consumer(struct check *check, struct slice payload)
{
	struct u64_map_entry *entry;
	struct consumer_row row;

	if (consumer_get(&row, payload))
		return 0;                        /* reported as a row that does not decode */
	if (check->has_state && row.id > check->state.node)
		problem(check, 2, "has an id that was never assigned");
	if (u64_map_find(&check->consumers, row.id))
		problem(check, 2, "has the id of another consumer");
	entry = u64_map_make(&check->consumers, row.id);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a = row.shards;
	return 0;
}

/* Returns true if a row has values in the fields that belong to the consumer, not to its range. */
static bool has_fields_of_first(const struct progress_row *row)
{
	return row->parked || row->parked_bytes || row->parked_version || row->hold_ms ||
		row->gaps || row->dead_letters || row->end.len;
}

/* Verifies a range of a consumer with this number of shards. */
static void check_range(struct check *check, const struct progress_row *row, uint64_t shards)
{
	if (row->first > 0 && has_fields_of_first(row))
		problem(check, 54, "has fields that only the row of the first shards may have");
	if (row->is_copying && (row->first > 0 || row->last + 1u < shards))
		problem(check, 50, "is copying, but is not the progress of all shards");
}

static int check_progress(struct check *check, struct slice key, struct slice payload)
{
	struct u64_map_entry *entry = u64_map_find(&check->consumers, get_u64(key.data + 1));
	struct progress_row row;

	if (progress_get(&row, payload))
		return 0;
	row.first = get_u16(key.data + 9);
	if (check->has_state && row.position > check->state.sequence)
		problem(check, 40, "has a position after the last sequence number assigned");
	if (!entry) {
		if (!check->is_damaged[TREE_CONSUMERS])
			problem(check, 40, "belongs to no consumer");
		return 0;
	}
	if (row.first > row.last || row.last >= entry->a)
		problem(check, 40, "is the progress of shards that do not exist");
	else if (row.first != entry->b && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 40, "begins at shard %u; the shards before it end at %llu",
			row.first, (unsigned long long)entry->b);
	entry->b = row.last + 1u;
	check_range(check, &row, entry->a);
	if (row.is_copying && !u64_map_make(&check->copies, entry->key))
		return ERR_NO_MEMORY;
	return check_parked_progress(check, get_u64(key.data + 1), &row);
}

/* The rows of progress precede those of copies. */
static int check_copy(struct check *check, struct slice key)
{
	struct u64_map_entry *entry = u64_map_find(&check->copies, get_u64(key.data + 1));

	if (get_u16(key.data + 9) != 0)
		problem(check, 50, "is a copy of shards other than the first ones");
	else if (entry)
		entry->a = 1;
	else if (!check->is_damaged[TREE_CONSUMERS])
		problem(check, 50, "belongs to no consumer that is copying");
	return 0;
}

static int check_floor(struct check *check, struct slice key)
{
	if (!u64_map_find(&check->consumers, get_u64(key.data + 1)) &&
			!check->is_damaged[TREE_CONSUMERS])
		problem(check, 40, "belongs to no consumer");
	return 0;
}

static int check_hold(struct check *check, struct slice key)
{
	uint32_t stream = get_u32(key.data + 1);
	uint64_t consumer = get_u64(key.data + 5);
	struct u64_map_entry *entry;

	if (stream && !streams_cached(&check->catalog.streams, stream) &&
			!check->is_damaged[TREE_CATALOG])
		problem(check, 48, "is on a stream that does not exist");
	if (!u64_map_find(&check->consumers, consumer)) {
		if (!check->is_damaged[TREE_CONSUMERS])
			problem(check, 48, "belongs to no consumer");
		return 0;
	}
	entry = u64_map_make(&check->holds, consumer);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a++;
	return 0;
}

/* Sets *payload and the subject. Returns false for a row that has been reported as damaged. */
static bool open_row(struct check *check, struct slice key, struct slice value,
	struct slice *payload)
{
	subject_set_row(check, TREE_CONSUMERS, key);
	return is_consumers_key(key) && row_open(key, value, payload) == 0;
}

static int take_row(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	struct slice payload;

	(void)tree;
	if (!open_row(check, key, value, &payload))
		return 0;
	switch (key.data[0]) {
	case CONSUMER_ROW:
		return note_consumer(check, payload);
	case CONSUMER_PROGRESS:
		return check_progress(check, key, payload);
	case CONSUMER_FLOOR:
		return check_floor(check, key);
	case CONSUMER_COPY:
		return check_copy(check, key);
	case CONSUMER_HOLD:
		return check_hold(check, key);
	case CONSUMER_MEMBER: case CONSUMER_REPLAY_TRANSACTION:
		return check_parked_transaction_row(check, key, payload);
	case CONSUMER_PARKED: case CONSUMER_REPLAY:
		return check_parked_row(check, key, payload);
	default:
		return 0;                        /* of a replica */
	}
}

static void find_missing_copy(struct check *check, struct slice key, uint64_t id)
{
	const struct u64_map_entry *copy = u64_map_find(&check->copies, id);

	if (!copy || copy->a || check->is_damaged[TREE_CONSUMERS])
		return;
	subject_set_row(check, TREE_CONSUMERS, key);
	problem(check, 50, "is copying, and its copy has no row");
}

static int count_hold(struct check *check, uint32_t stream, uint64_t consumer, uint64_t *found)
{
	int err = hold_find_row(check->txn, stream, consumer);

	*found += err == 0;
	return err < 0 ? err : 0;
}

/* Sets *expected to the number of streams of the consumer's source on which it should have a hold,
 * and *found to the number of those on which it has one. */
static int count_holds(struct check *check, const struct consumer_row *row, uint64_t *expected,
	uint64_t *found)
{
	int err = 0;

	*expected = row->streams.len ? 0 : 1;
	*found = 0;
	if (!row->streams.len)
		return count_hold(check, 0, row->id, found);
	for (size_t i = 0; i < row->streams.len && !err; i += 4) {
		uint32_t stream = get_u32(row->streams.data + i);

		*expected += streams_cached(&check->catalog.streams, stream) != NULL;
		err = count_hold(check, stream, row->id, found);
	}
	return err;
}

/* Verifies that a consumer has the holds that its progress requires, and no others. */
static int check_holds(struct check *check, const struct consumer_row *row)
{
	const struct u64_map_entry *entry = u64_map_find(&check->holds, row->id);
	uint64_t all = entry ? entry->a : 0, found, expected;
	struct progress_row progress;
	int err = progress_read_oldest(&progress, check->txn, row->id);

	if (!err)
		err = count_holds(check, row, &expected, &found);
	if (err)
		return err == END || err == ERR_CORRUPT ? 0 : err;       /* reported elsewhere */
	if (!progress_hold_ms(&progress))
		expected = 0;
	/* A consumer of all streams can also have rows for some of them. */
	if (found != expected || all < found || (all > found && (row->streams.len || !found)))
		problem(check, 48, "has holds on %llu streams, of which %llu are in its source;"
			" it should have %llu", (unsigned long long)all,
			(unsigned long long)found, (unsigned long long)expected);
	return 0;
}

/* Verifies that no range has more failed attempts than the statistics of all ranges together. An
 * attempt was counted in the range that the shard belonged to at that time. */
static int check_attempts(struct check *check, uint64_t consumer)
{
	struct progress_row row;
	uint64_t failures = 0;
	uint32_t attempts = 0;
	uint16_t shard = 0;
	int err;

	while ((err = progress_next(&row, check->txn, consumer, &shard)) == 0) {
		failures += row.failures;
		if (row.attempts > attempts)
			attempts = row.attempts;
	}
	if (attempts > failures)
		problem(check, 55, "has a batch with %u failed attempts, and had %llu of them",
			attempts, (unsigned long long)failures);
	return err == END || err == ERR_CORRUPT ? 0 : err;       /* reported elsewhere */
}

static int find_missing(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	const struct u64_map_entry *entry;
	struct consumer_row row;
	struct slice payload;
	int err = 0;

	(void)tree;
	if (key.data[0] > CONSUMER_ROW)
		return END;
	if (key.data[0] < CONSUMER_ROW || row_open(key, value, &payload) ||
			consumer_get(&row, payload))
		return 0;
	subject_set_row(check, TREE_CONSUMERS, key);
	check_parked_counts(check, row.id);
	find_missing_copy(check, key, row.id);
	entry = u64_map_find(&check->consumers, row.id);
	if (!entry || check->is_damaged[TREE_CONSUMERS])
		return 0;
	if (!check->is_damaged[TREE_CATALOG])
		err = check_holds(check, &row);
	if (entry->b != entry->a)
		problem(check, 40, "has %llu shards, and progress of %llu",
			(unsigned long long)entry->a, (unsigned long long)entry->b);
	return err ? err : check_attempts(check, row.id);
}

int check_consumers(struct check *check)
{
	int err = check_each_row(check, TREE_CONSUMERS, take_row, NULL);

	return err ? err : check_each_row(check, TREE_CONSUMERS, find_missing, NULL);
}
