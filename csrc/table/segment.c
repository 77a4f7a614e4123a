/* segment.c - segments of a parallel scan: disjoint sets of partitions that cover a table. */
#include "table/segment.h"

#include <string.h>

void segment_start(struct segment *segment, uint32_t number, uint32_t total,
	const struct key_schema *schema, const uint8_t *secret)
{
	segment->number = number;
	segment->total = total;
	segment->secret = secret;
	segment->schema = *schema;
	segment->last_len = 0;
}

static bool has_hash(const struct segment *segment, uint32_t hash)
{
	return (uint64_t)hash * segment->total >> 32 == segment->number;
}

/* Sets *partition to the partition key of the row, and *head_len to the length of the part of
 * its key that all rows of the partition share. A hashed partition key is read from the item. */
static int read_partition(const struct segment *segment, const struct row_walk *walk,
	struct buffer *scratch, struct slice *partition, size_t *head_len)
{
	struct slice key = row_walk_key(walk);
	struct key_values values;
	struct stored stored;
	int err = key_read(&values, key, &segment->schema, scratch);

	if (err)
		return err;
	*head_len = key.len - values.sort.bytes.len;
	if (head_is_hashed(key)) {
		err = stored_read(&stored, walk->txn, walk->payload, scratch);
		if (!err)
			err = key_find(&values, &segment->schema, stored.item);
	}
	*partition = values.partition.bytes;
	return err == ERR_KEY_MISSING ? ERR_CORRUPT : err;
}

int segment_has_row(struct segment *segment, const struct row_walk *walk,
	struct buffer *scratch, bool *has)
{
	struct slice key = row_walk_key(walk), partition;
	size_t head_len;
	int err = 0;

	/* No head is a prefix of another. */
	if (!segment->last_len ||
			!slice_begins(key, slice_of(segment->last, segment->last_len))) {
		err = read_partition(segment, walk, scratch, &partition, &head_len);
		if (err)
			return err;
		segment->has_last = has_hash(segment, hash_partition(partition,
			segment->secret));
		memcpy(segment->last, key.data, head_len);
		segment->last_len = (uint16_t)head_len;
	}
	*has = segment->has_last;
	return 0;
}

bool segment_has_item(const struct segment *segment, struct slice item)
{
	struct key_values values;

	return key_find(&values, &segment->schema, item) == 0 &&
		has_hash(segment, hash_partition(values.partition.bytes, segment->secret));
}

bool segment_is_stop(const struct segment *segment, struct slice row_key)
{
	return hash64(segment->secret, row_key) % STOP_DISTANCE == 0;
}

int segment_check_start(const struct segment *segment, const struct keyspace *keyspace,
	struct slice key_item, struct failure *failure)
{
	struct key key;
	int err = keyspace_key(&key, keyspace, key_item, segment->secret, failure);

	if (err || has_hash(segment, key.partition_hash) ||
			segment_is_stop(segment, key_whole(&key)))
		return err;
	return fail_start_key_segment(failure, segment->number, segment->total);
}
