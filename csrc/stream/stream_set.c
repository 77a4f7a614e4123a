/* stream_set.c - the streams that a feed reads. */
#include "stream/stream_set.h"

#include "base/memory.h"

int stream_set_init(struct stream_set *set, struct slice ids)
{
	size_t count = ids.len / 4;

	if (count == 1)
		set->one = get_u32(ids.data);
	if (count <= 1)
		return 0;
	set->ids = memory_alloc(count * sizeof *set->ids);
	if (!set->ids)
		return ERR_NO_MEMORY;
	set->count = count;
	for (size_t i = 0; i < count; i++)
		set->ids[i] = get_u32(ids.data + 4 * i);
	return 0;
}

/* Returns the index of the first id that is at least id. */
static size_t find_id(const struct stream_set *set, uint32_t id)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool stream_set_has(const struct stream_set *set, uint32_t id)
{
	size_t at;

	if (set->one)
		return set->one == id;
	if (!set->ids)
		return id != STREAM_OF_TABLES || set->with_tables;
	at = find_id(set, id);
	return at < set->count && set->ids[at] == id;
}

int stream_set_next(const struct stream_set *set, struct txn *txn, uint32_t *id)
{
	const uint32_t *ids = set->one ? &set->one : set->ids;
	size_t count = set->one ? 1 : set->count;
	size_t at = set->one ? *id >= set->one : find_id(set, *id + 1);
	bool exists = false;
	int err = 0;

	if (!ids)
		return set->with_tables ? stream_next_id(txn, id) : stream_next_of_table(txn, id);
	for (; at < count && !exists && !err; at++) {
		*id = ids[at];
		err = stream_exists(txn, *id, &exists);
	}
	return err ? err : exists ? 0 : END;
}

int stream_set_next_row(const struct stream_set *set, struct txn *txn, uint32_t *id,
	struct stream_row *row)
{
	int err;

	if (!set->one && !set->ids) {
		if (!set->with_tables && *id < STREAM_OF_TABLES)
			*id = STREAM_OF_TABLES;
		return stream_next_row(txn, id, row);
	}
	err = stream_set_next(set, txn, id);
	return err ? err : stream_read_row(txn, *id, row);
}

void stream_set_release(struct stream_set *set)
{
	memory_free(set->ids);
	*set = (struct stream_set){ 0 };
}
