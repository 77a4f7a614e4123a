/* parked.c - checks parked records: each is complete, and the counts of its consumer are right.
 *
 * Of each consumer, check->parked has the number of parked records (a) and their bytes (b), and
 * check->replays the number of marked ones (a), each as progress says minus as found. So all are 0
 * at the end. check->replays also has the greatest position of a range (b).
 */
#include "check/parked.h"

#include "check/parked_transaction.h"
#include "check/problem.h"
#include "codec/record.h"
#include "stream/consumer.h"
#include "stream/parked.h"

int check_parked_progress(struct check *check, uint64_t consumer, const struct progress_row *row)
{
	struct u64_map_entry *entry = u64_map_make(&check->parked, consumer);

	if (!entry)
		return ERR_NO_MEMORY;
	entry->a += row->parked;
	entry->b += row->parked_bytes;
	entry = u64_map_make(&check->replays, consumer);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a += row->replays;
	if (row->position > entry->b)
		entry->b = row->position;
	return 0;
}

/* Reads the record of a copy, which check->item then contains. Returns 0 if the whole copy is a
 * parked record with the sequence number of its place; CORRUPT; or another error. */
static int read_copy(struct check *check, const struct parked_place *place, struct record *record)
{
	struct buffer *bytes = &check->item;
	struct parked_copy copy;
	int err;

	buffer_clear(bytes);
	err = parked_read(bytes, check->txn, place);
	if (!err)
		err = parked_get(&copy, buffer_slice(bytes));
	if (!err)
		err = record_check(copy.record);
	if (!err)
		err = record_get(record, copy.record);
	return err || record->sequence == place->sequence ? err : ERR_CORRUPT;
}

/* Sets *position to the position of the range that contains this partition hash. Leaves *position
 * unchanged if the progress of the range is damaged or missing. check->consumers must contain the
 * consumer. */
static int find_position(struct check *check, uint64_t consumer, uint32_t hash, uint64_t *position)
{
	uint64_t shards = u64_map_find(&check->consumers, consumer)->a;
	struct progress_row row;
	int err = progress_read(&row, check->txn, consumer, hash_shard(hash, (uint32_t)shards));

	if (!err)
		*position = row.position;
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

static int check_copy(struct check *check, const struct parked_place *place, uint64_t position)
{
	struct record record;
	int err = check_parked_member_expected(check, place->consumer);

	if (err)
		return err;
	err = read_copy(check, place, &record);
	if (!err)
		err = find_position(check, place->consumer, record.partition_hash, &position);
	if (err && err != ERR_CORRUPT)
		return err;
	if (err && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 43, "is not the beginning of a complete parked record");
	if (place->sequence > position)
		problem(check, 43, "is parked, but follows the position %llu",
			(unsigned long long)position);
	return 0;
}

static int check_mark(struct check *check, const struct parked_place *place)
{
	uint8_t key[PARKED_KEY];
	struct slice value;
	size_t len = parked_set_key(key, CONSUMER_PARKED, place, 0);
	int err = txn_get(check->txn, TREE_CONSUMERS, slice_of(key, len), &value);

	if (err == END && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 43, "marks a record that is not parked");
	return err == END || err == ERR_CORRUPT || !err ?
		check_mark_of_record(check, place->consumer) : err;
}

int check_parked_row(struct check *check, struct slice key, struct slice payload)
{
	struct u64_map_entry *parked, *replays;
	struct parked_place place;
	uint16_t part;

	if (!parked_get_key(&place, &part, key))
		return 0;                        /* reported as a row that is unknown */
	parked = u64_map_find(&check->parked, place.consumer);
	replays = u64_map_find(&check->replays, place.consumer);
	if (!parked || !replays) {
		if (!check->is_damaged[TREE_CONSUMERS])
			problem(check, 43, "belongs to no consumer");
		return 0;
	}
	if (key.data[0] == CONSUMER_REPLAY) {
		replays->a--;
		return check_mark(check, &place);
	}
	parked->b -= payload.len;
	if (part > 0)
		return 0;
	parked->a--;
	return check_copy(check, &place, replays->b);
}

void check_parked_counts(struct check *check, uint64_t consumer)
{
	const struct u64_map_entry *parked = u64_map_find(&check->parked, consumer);
	const struct u64_map_entry *replays = u64_map_find(&check->replays, consumer);

	check_parked_transaction_counts(check, consumer);
	if (!parked || !replays || check->is_damaged[TREE_CONSUMERS])
		return;
	if (parked->a || parked->b)
		problem(check, 43, "counts %lld parked records and %lld bytes more than it has",
			(long long)parked->a, (long long)parked->b);
	if (replays->a)
		problem(check, 43, "counts %lld marked records more than it has",
			(long long)replays->a);
}
