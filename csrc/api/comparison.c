/* comparison.c - tide_comparison: a merge of the items of two tables in key order.
 *
 * The bytes of a key after the table id are the same in every file, except those of a long
 * partition key, which is hashed with the secret of the file. So the items with short partition
 * keys are merged. Of those with hashed keys, which follow them in both tables, each is searched in
 * the other table: first all of the first table, then all of the second.
 */
#include "tide_comparison.h"

#include <string.h>

#include "api/database.h"
#include "base/memory.h"
#include "lmdb/readers.h"

enum phase { PHASE_MERGE, PHASE_HASHED_FIRST, PHASE_HASHED_SECOND, PHASE_OVER };

/* A table, where it was read last. */
struct side {
	struct table table;
	struct buffer parts;         /* an item that is stored in parts */
	struct buffer item;          /* the item of a difference */
};

struct tide_comparison {
	struct side first, second;
	enum phase phase;
	uint64_t equal;              /* pairs of equal items */
	uint16_t key_len;            /* 0: the phase begins */
	uint8_t key[KEY_HEAD_MAX + SORT_KEY_MAX];    /* of the last item compared, without table
	                              * id */
};

/* One side during a call. */
struct walk {
	struct side *side;
	struct txn *txn;
	const uint8_t *secret;
	struct row_walk rows;
	bool has;                    /* there is a current row */
	struct slice key;            /* of the current row, without table id */
	struct stored stored;        /* its item */
};

/* --- walking --- */

static bool is_hashed(struct slice key)
{
	return key.len > 0 && key.data[0] == KEY_HEAD_HASHED;
}

/* Reads the current row if it belongs to the table and to this phase. */
static int read_row(struct walk *walk, bool hashed)
{
	uint8_t prefix[ID_MAX];
	size_t len = set_id(prefix, walk->side->table.row.id);
	struct slice key = row_walk_key(&walk->rows);
	int err;

	walk->has = slice_begins(key, slice_of(prefix, len));
	if (!walk->has)
		return 0;
	walk->key = slice_of(key.data + len, key.len - len);
	walk->has = is_hashed(walk->key) == hashed;
	if (!walk->has)
		return 0;
	err = stored_read(&walk->stored, walk->txn, walk->rows.payload, &walk->side->parts);
	return err ? err : 0;
}

static int step(struct walk *walk, bool hashed)
{
	int err = row_walk_next(&walk->rows);

	if (!err)
		return read_row(walk, hashed);
	walk->has = false;
	return err == END ? 0 : err;
}

/* Moves to the first row after the comparison's key. */
static int seek(struct walk *walk, const struct tide_comparison *comparison, bool hashed)
{
	uint8_t from[KEY_HEAD_MAX + SORT_KEY_MAX];
	size_t id = set_id(from, walk->side->table.row.id), len = id + comparison->key_len;
	int err;

	memcpy(from + id, comparison->key, comparison->key_len);
	if (comparison->key_len == 0 && hashed)
		from[len++] = KEY_HEAD_HASHED;
	err = row_walk_from(&walk->rows, walk->txn, slice_of(from, len));
	if (!err && comparison->key_len &&
			slice_equal(row_walk_key(&walk->rows), slice_of(from, len)))
		err = row_walk_next(&walk->rows);
	if (!err)
		return read_row(walk, hashed);
	walk->has = false;
	return err == END ? 0 : err;
}

static void set_key(struct tide_comparison *comparison, struct slice key)
{
	comparison->key_len = (uint16_t)key.len;
	memcpy(comparison->key, key.data, key.len);
}

/* --- differences --- */

static int keep(struct buffer *item, struct slice bytes, struct slice *kept)
{
	buffer_clear(item);
	buffer_put_slice(item, bytes);
	*kept = buffer_slice(item);
	return buffer_error(item);
}

/* Fills a difference; NULL: the table has no such item. */
static int describe(struct tide_difference *difference, struct side *a, const struct stored *first,
	struct side *b, const struct stored *second)
{
	int err = 0;

	difference->kind = !second ? TIDE_ONLY_FIRST : !first ? TIDE_ONLY_SECOND : TIDE_DIFFERENT;
	if (first) {
		difference->first_sequence = first->sequence;
		err = keep(&a->item, first->item, &difference->first);
	}
	if (second && !err) {
		difference->second_sequence = second->sequence;
		err = keep(&b->item, second->item, &difference->second);
	}
	return err;
}

/* Compares the current rows of two walks, of which at least one has one, and moves those that were
 * compared. */
static int merge_row(struct tide_comparison *comparison, struct walk *a, struct walk *b,
	struct tide_difference *difference)
{
	int order = !b->has ? -1 : !a->has ? 1 : slice_compare(a->key, b->key), err = 0;

	set_key(comparison, order <= 0 ? a->key : b->key);
	if (order == 0 && slice_equal(a->stored.item, b->stored.item))
		comparison->equal++;
	else
		err = describe(difference, a->side, order <= 0 ? &a->stored : NULL, b->side,
			order >= 0 ? &b->stored : NULL);
	if (!err && difference->kind == TIDE_SAME && order <= 0)
		err = step(a, false);
	if (!err && difference->kind == TIDE_SAME && order >= 0)
		err = step(b, false);
	return err;
}

static int next_phase(struct tide_comparison *comparison)
{
	comparison->phase++;
	comparison->key_len = 0;
	return 0;
}

static int merge(struct tide_comparison *comparison, struct walk *a, struct walk *b, uint32_t max,
	struct tide_difference *difference)
{
	int err = seek(a, comparison, false);

	if (!err)
		err = seek(b, comparison, false);
	for (uint32_t i = 0; i < max && !err && difference->kind == TIDE_SAME; i++) {
		if (!a->has && !b->has)
			return next_phase(comparison);
		err = merge_row(comparison, a, b, difference);
	}
	return err;
}

/* Searches the item of the current row of `from` in the other table, and moves to the next row. */
static int search_row(struct tide_comparison *comparison, struct walk *from, struct walk *in,
	struct tide_difference *difference)
{
	const struct key_schema *schema = &in->side->table.row.schema;
	bool is_first = comparison->phase == PHASE_HASHED_FIRST, same;
	struct key key;
	int err = key_of_item(&key, in->side->table.row.id, schema, from->stored.item, in->secret);

	if (err)
		return ERR_CORRUPT;
	set_key(comparison, from->key);
	err = item_get(&in->stored, in->txn, &key, schema, from->stored.item, &in->side->parts);
	if (err < 0)
		return err;
	same = !err && slice_equal(from->stored.item, in->stored.item);
	if (err == END)
		err = is_first ? describe(difference, from->side, &from->stored, in->side, NULL) :
			describe(difference, in->side, NULL, from->side, &from->stored);
	else if (is_first && same)
		comparison->equal++;
	else if (is_first)
		err = describe(difference, from->side, &from->stored, in->side, &in->stored);
	return err || difference->kind ? err : step(from, true);
}

static int search(struct tide_comparison *comparison, struct walk *from, struct walk *in,
	uint32_t max, struct tide_difference *difference)
{
	int err = seek(from, comparison, true);

	for (uint32_t i = 0; i < max && !err && difference->kind == TIDE_SAME; i++) {
		if (!from->has)
			return next_phase(comparison);
		err = search_row(comparison, from, in, difference);
	}
	return err;
}

/* --- calls --- */

static int compare(struct tide_comparison *comparison, struct walk *a, struct walk *b,
	uint32_t max, struct tide_difference *difference)
{
	switch (comparison->phase) {
	case PHASE_MERGE:
		return merge(comparison, a, b, max, difference);
	case PHASE_HASHED_FIRST:
		return search(comparison, a, b, max, difference);
	case PHASE_HASHED_SECOND:
		return search(comparison, b, a, max, difference);
	default:
		return END;
	}
}

static struct walk walk_of(struct side *side, const struct tide_compared *compared)
{
	struct walk walk = { .side = side, .txn = compared->snapshot->reader,
		.secret = compared->tide->header.secret };

	walk.rows.txn = walk.txn;
	return walk;
}

static int compare_at(struct tide_comparison *comparison, const struct tide_compared *first,
	const struct tide_compared *second, uint32_t max, struct tide_difference *difference,
	struct failure *failure)
{
	struct walk a = walk_of(&comparison->first, first);
	struct walk b = walk_of(&comparison->second, second);
	int err = compare(comparison, &a, &b, max, difference);
	int lost = reader_verify(a.txn, failure);

	row_walk_stop(&a.rows);
	row_walk_stop(&b.rows);
	if (!lost)
		lost = reader_verify(b.txn, failure);
	if (lost || err >= 0)
		return lost ? lost : err;
	return fail_about(failure, err, "tables %s and %s", comparison->first.table.row.name,
		comparison->second.table.row.name);
}

/* Enters the snapshots of both sides, which may be one. */
static int enter(const struct tide_compared *first, const struct tide_compared *second,
	struct failure *failure)
{
	int err = snapshot_enter(first->snapshot, failure);

	if (err || first->snapshot == second->snapshot)
		return err;
	err = snapshot_enter(second->snapshot, failure);
	if (err)
		snapshot_leave(first->snapshot);
	return err;
}

int tide_comparison_next(struct tide_comparison *comparison, const struct tide_compared *first,
	const struct tide_compared *second, uint32_t max, struct tide_difference *difference,
	struct failure *failure)
{
	int err = enter(first, second, failure);

	*difference = (struct tide_difference){ 0 };
	if (err)
		return err;
	err = compare_at(comparison, first, second, max, difference, failure);
	snapshot_leave(first->snapshot);
	if (first->snapshot != second->snapshot)
		snapshot_leave(second->snapshot);
	return err;
}

static int find_table(struct side *side, const struct tide_compared *compared,
	struct failure *failure)
{
	struct table buf;
	const struct table *found;
	int err = tide_find_at(compared->tide, compared->snapshot, compared->table, &buf, &found,
		failure);

	if (!err)
		side->table = *found;
	return err;
}

static bool is_same_key(const struct key_attribute *a, const struct key_attribute *b)
{
	return a->type == b->type && slice_equal(attribute_name(a), attribute_name(b));
}

static int start(struct tide_comparison *comparison, const struct tide_compared *first,
	const struct tide_compared *second, struct failure *failure)
{
	const struct table_row *a = &comparison->first.table.row;
	const struct table_row *b = &comparison->second.table.row;
	int err = find_table(&comparison->first, first, failure);

	if (!err)
		err = find_table(&comparison->second, second, failure);
	if (err)
		return err;
	if (is_same_key(&a->schema.partition, &b->schema.partition) &&
			is_same_key(&a->schema.sort, &b->schema.sort))
		return 0;
	return fail_as(failure, ERR_VALIDATION, "tables %s and %s have other key attributes",
		a->name, b->name);
}

int tide_comparison_start(struct tide_comparison **out, const struct tide_compared *first,
	const struct tide_compared *second, struct failure *failure)
{
	struct tide_comparison *comparison = memory_alloc_zeroed(sizeof *comparison);
	int err;

	*out = NULL;
	if (!comparison)
		return fail(failure, ERR_NO_MEMORY);
	err = start(comparison, first, second, failure);
	if (err)
		tide_comparison_finish(comparison);
	else
		*out = comparison;
	return err;
}

uint64_t tide_comparison_equal(const struct tide_comparison *comparison)
{
	return comparison->equal;
}

static void release(struct side *side)
{
	buffer_release(&side->parts);
	buffer_release(&side->item);
}

void tide_comparison_finish(struct tide_comparison *comparison)
{
	if (!comparison)
		return;
	release(&comparison->first);
	release(&comparison->second);
	memory_free(comparison);
}
