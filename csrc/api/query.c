/* query.c - tide_query: reads the items of a table or of a partition in pages, each from one
 * snapshot.
 */
#include <assert.h>

#include "api/expressions.h"
#include "api/database.h"
#include "base/memory.h"
#include "lmdb/readers.h"

struct tide_query {
	struct tide_table table;
	uint32_t table_id;
	struct range range;          /* part of the range that was not read yet */
	struct range *whole;         /* whole range; NULL without spec->snapshot */
	struct segment *segment;     /* NULL: all items of the range */
	struct page page;
	size_t page_bytes;           /* limit set by tide_query_limit_pages; 0: none */
	const struct tide_snapshot *snapshot;        /* NULL: a new snapshot for each page */
	struct tide_snapshot *own;   /* snapshot taken by tide_query_pin; NULL: none */
	bool pinned;                 /* tide_query_pin was called, even if `own` was released */
	int over;                    /* END or error that all later fills return; 0: none */
	bool committed;              /* reads the last commit even in a transaction */
	struct buffer partition;     /* partition key; empty: the whole table */
	enum type partition_type;
	struct tide_expressions *expressions;        /* NULL: none */
	struct item_filter filter;   /* applies the filter and the projection of expressions */
	struct buffer projected;     /* last item returned by filter_item after a projection */
};

/* Returns END for an item that does not satisfy the filter. Otherwise sets *shown to the item or,
 * if the query has a projection, to the selected attributes. */
static int filter_item(void *context, struct slice item, struct slice *shown)
{
	struct tide_query *query = context;
	struct binding *filter = expression_of(query->expressions, EXPRESSION_FILTER);
	struct binding *projection = expression_of(query->expressions, EXPRESSION_PROJECTION);
	bool holds = true;
	int err = filter ? condition_holds(filter, item, &holds) : 0;

	*shown = item;
	if (err || !holds)
		return err ? err : END;
	if (!projection)
		return 0;
	buffer_clear(&query->projected);
	err = project(projection, item, &query->projected);
	*shown = buffer_slice(&query->projected);
	return err;
}

/* Checks the expressions against the table's key schema: no filter may test a key attribute of a
 * query, and key attributes must have the right type. */
static int check_expressions(const struct tide_query *query, const struct table *table,
	bool is_scan, struct failure *failure)
{
	const struct key_schema *schema = &table->row.schema;
	const struct binding *filter = expression_of(query->expressions, EXPRESSION_FILTER);
	const struct binding *projection =
		expression_of(query->expressions, EXPRESSION_PROJECTION);
	int err = filter && !is_scan ? binding_check_filter(filter, schema, failure) : 0;

	if (!err && filter)
		err = binding_check_keys(filter, schema, failure);
	return err || !projection ? err : binding_check_keys(projection, schema, failure);
}

/* Sets partition and comparison from the key condition, if there is one. */
static int apply_key_condition(const struct tide_query *query, const struct table *table,
	struct key_condition *condition, struct tide_query_spec *spec, struct failure *failure)
{
	const struct binding *binding = expression_of(query->expressions,
		EXPRESSION_KEY_CONDITION);
	int err;

	if (!binding)
		return 0;
	err = key_condition_match(condition, binding, &table->row.schema, failure);
	if (err)
		return err;
	spec->partition = &condition->partition;
	spec->comparison = condition->comparison;
	spec->a = condition->a;
	spec->b = condition->b;
	return 0;
}

/* Restricts the query to a segment. Returns an error if the start key is not in the segment. */
static int set_segment(struct tide_query *query, struct tide *tide,
	const struct keyspace *keyspace, const struct tide_query_spec *spec,
	struct failure *failure)
{
	query->segment = memory_alloc_zeroed(sizeof *query->segment);
	if (!query->segment)
		return fail(failure, ERR_NO_MEMORY);
	segment_start(query->segment, spec->segment, spec->total_segments, keyspace->schema,
		tide->header.secret);
	return spec->start_key.len ? segment_check_start(query->segment, keyspace,
		spec->start_key, failure) : 0;
}

static int set_range(struct tide_query *query, struct tide *tide, const struct table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	struct sort_condition sort = { spec->comparison, spec->a, spec->b };
	struct keyspace keyspace = keyspace_of_table(table, 0);
	int err = 0;

	query->table_id = table->row.id;
	if (spec->partition) {
		err = range_of_partition(&query->range, &keyspace, spec->partition, &sort,
			tide->header.secret, failure);
		query->partition_type = spec->partition->type;
		buffer_put_slice(&query->partition, spec->partition->bytes);
	} else {
		range_of_keyspace(&query->range, &keyspace);
	}
	query->range.backward = spec->backward;
	if (!err && buffer_error(&query->partition))
		err = fail(failure, ERR_NO_MEMORY);
	if (!err && spec->start_key.len)
		err = range_start_after(&query->range, &keyspace, spec->start_key,
			tide->header.secret, failure);
	return err || !spec->total_segments ? err :
		set_segment(query, tide, &keyspace, spec, failure);
}

static int start_range(struct tide_query *query, struct tide *tide, const struct table *table,
	const struct tide_query_spec *given, struct failure *failure)
{
	struct tide_query_spec spec = *given;
	struct key_condition condition;
	int err;

	query->expressions = given->expressions;
	err = apply_key_condition(query, table, &condition, &spec, failure);
	if (!err)
		err = check_expressions(query, table, !spec.partition, failure);
	if (!err)
		err = set_range(query, tide, table, &spec, failure);
	return err;
}

static int begin_read(const struct tide_query *query, struct tide *tide, struct read_view *snapshot,
	struct failure *failure)
{
	return query->committed ? tide_read_committed_begin(tide, snapshot, failure) :
		tide_read_begin(tide, snapshot, failure);
}

static int start_without_snapshot(struct tide_query *query, struct tide *tide,
	struct tide_table *table, const struct tide_query_spec *spec, struct failure *failure)
{
	struct read_view snapshot;
	const struct table *found;
	int err = begin_read(query, tide, &snapshot, failure);

	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, table, &found, failure);
	if (!err)
		err = start_range(query, tide, found, spec, failure);
	return tide_read_end(tide, &snapshot, err, failure);
}

static int start_in_snapshot(struct tide_query *query, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	const struct table *found;
	struct table buf;
	int err = tide_find_at(tide, spec->snapshot, table, &buf, &found, failure);

	if (!err)
		err = start_range(query, tide, found, spec, failure);
	if (err)
		return err;
	query->whole = memory_alloc_zeroed(sizeof *query->whole);
	if (!query->whole)
		return fail(failure, ERR_NO_MEMORY);
	*query->whole = query->range;
	query->snapshot = spec->snapshot;
	return 0;
}

int tide_query_start(struct tide_query **out, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	struct tide_query *query = memory_alloc_zeroed(sizeof *query);
	int err;

	*out = NULL;
	if (!query)
		return fail(failure, ERR_NO_MEMORY);
	query->committed = spec->committed;
	err = spec->snapshot ? start_in_snapshot(query, tide, table, spec, failure) :
		start_without_snapshot(query, tide, table, spec, failure);
	query->table = *table;
	query->filter = (struct item_filter){ filter_item, query };
	if (err) {
		query->expressions = NULL;       /* the caller still owns them */
		tide_query_finish(query);
	} else {
		*out = query;
	}
	return err;
}

/* Returns true if fills apply the filter and the projection. Queries with a snapshot of the caller
 * return whole items, and the caller applies both with tide_query_select. */
static bool filters_pages(const struct tide_query *query)
{
	return !query->whole && (expression_of(query->expressions, EXPRESSION_FILTER) ||
		expression_of(query->expressions, EXPRESSION_PROJECTION));
}

static int fill_page(struct tide_query *query, uint32_t max, struct txn *txn,
	const struct table *found, const struct keyspace *keyspace, struct failure *failure)
{
	struct value asked = { query->partition_type, 0, buffer_slice(&query->partition) };
	struct page_request request = {
		.keyspace = keyspace,
		.partition = query->partition.len ? &asked : NULL,
		.filter = filters_pages(query) ? &query->filter : NULL,
		.segment = query->segment,
		.max = max,
		.max_bytes = query->page_bytes,
	};

	if (found->row.id != query->table_id)
		return fail_as(failure, ERR_NOT_FOUND,
			"table %s was deleted while it was being read", query->table.name);
	return page_fill(&query->page, &query->range, &request, txn, failure);
}

static int fill_without_snapshot(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	struct read_view snapshot;
	struct keyspace keyspace;
	const struct table *found;
	int err = begin_read(query, tide, &snapshot, failure);

	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, &query->table, &found, failure);
	if (!err) {
		keyspace = tide_keyspace(tide, &snapshot, found);
		err = fill_page(query, max, snapshot.txn, found, &keyspace, failure);
	}
	return tide_read_end(tide, &snapshot, err, failure);
}

static int fill_from_snapshot(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	const struct tide_snapshot *snapshot = query->snapshot;
	struct keyspace keyspace;
	const struct table *found;
	struct table buf;
	int err = tide_find_at(tide, snapshot, &query->table, &buf, &found, failure);
	int lost;

	if (!err)
		err = snapshot_enter(snapshot, failure);
	if (err)
		return err;
	keyspace = keyspace_of_table(found, snapshot->now_ms);
	err = fill_page(query, max, snapshot->reader, found, &keyspace, failure);
	lost = reader_verify(snapshot->reader, failure);
	snapshot_leave(snapshot);
	return lost ? lost : err;
}

/* Reads from the query's own snapshot. Releases the snapshot if the fill fails, or if the query has
 * ended and the page is empty. */
static int fill_pinned(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	int err;

	if (query->over) {
		tide_query_unpin(query, query->over);
		page_clear(&query->page);
		return query->over == END ? 0 : fail(failure, query->over);
	}
	err = fill_from_snapshot(query, tide, max, failure);
	if (!err && !query->page.more)
		query->over = END;
	if (err || (query->page.scanned == 0 && query->over))
		tide_query_unpin(query, err ? err : END);
	return err;
}

int tide_query_fill(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	int err = query->pinned ? fill_pinned(query, tide, max, failure) :
		query->snapshot ? fill_from_snapshot(query, tide, max, failure) :
		fill_without_snapshot(query, tide, max, failure);

	if (err == ERR_STORE)
		page_release(&query->page);      /* the page may be a mixture of two snapshots */
	return err;
}

void tide_query_limit_pages(struct tide_query *query, size_t max_bytes)
{
	query->page_bytes = max_bytes;
}

int tide_query_next(struct tide_query *query, uint64_t *sequence, struct slice *item)
{
	return page_next(&query->page, sequence, item);
}

int tide_query_peek(const struct tide_query *query, uint64_t *sequence, struct slice *item)
{
	return page_peek(&query->page, sequence, item);
}

int tide_query_take_last(struct tide_query *query, uint64_t *sequence, struct slice *item,
	struct buffer *bytes)
{
	return page_take_last(&query->page, sequence, item, bytes);
}

bool tide_query_more(const struct tide_query *query)
{
	return query->page.more;
}

int tide_query_select(struct tide_query *query, struct slice item, struct slice *shown)
{
	return filter_item(query, item, shown);
}

uint32_t tide_query_count(const struct tide_query *query)
{
	return query->page.count;
}

uint32_t tide_query_scanned(const struct tide_query *query)
{
	return query->page.scanned;
}

struct slice tide_query_last_key(const struct tide_query *query)
{
	return query->page.more ? buffer_slice(&query->page.last_key) : slice_of(NULL, 0);
}

bool tide_query_filters(const struct tide_query *query)
{
	return expression_of(query->expressions, EXPRESSION_FILTER) != NULL;
}

int tide_query_key(const struct tide_query *query, struct tide *tide, struct slice item,
	struct key *key, struct failure *failure)
{
	struct tide_table table = query->table;

	return tide_key_at(tide, query->snapshot, &table, item, false, key, failure);
}

int tide_query_place(const struct tide_query *query, struct slice key)
{
	return range_place(query->whole, key);
}

bool tide_query_has(const struct tide_query *query, struct slice item)
{
	return !query->segment || segment_has_item(query->segment, item);
}

void tide_query_rewind(struct tide_query *query)
{
	query->range = *query->whole;
	query->snapshot = NULL;
	query->page_bytes = 0;
	page_release(&query->page);
}

void tide_query_move(struct tide_query *query, const struct tide_snapshot *snapshot)
{
	query->snapshot = snapshot;
}

int tide_query_pin(struct tide_query *query, struct tide *tide, uint64_t deadline_ms,
	struct failure *failure)
{
	int err;

	assert(!query->own);
	if (!query->committed && tide->transaction.txn)
		return 0;
	err = snapshot_take(&query->own, tide, failure);
	if (err)
		return err;
	if (deadline_ms)
		tide_snapshot_limit(query->own, deadline_ms);
	query->snapshot = query->own;
	query->pinned = true;
	return 0;
}

void tide_query_unpin(struct tide_query *query, int why)
{
	if (!query->own)
		return;
	tide_snapshot_close(query->own);
	query->own = NULL;
	query->snapshot = NULL;
	query->over = why;
}

bool tide_query_ended(const struct tide_query *query)
{
	return query->over == END;
}

void tide_query_finish(struct tide_query *query)
{
	if (!query)
		return;
	tide_query_unpin(query, END);
	page_release(&query->page);
	buffer_release(&query->partition);
	buffer_release(&query->projected);
	tide_expressions_close(query->expressions);
	memory_free(query->whole);
	memory_free(query->segment);
	memory_free(query);
}

size_t tide_query_bytes(const struct tide_query *query)
{
	return sizeof *query + page_bytes(&query->page) + query->partition.cap +
		query->projected.cap +
		(query->expressions ? tide_expressions_bytes(query->expressions) : 0) +
		(query->whole ? sizeof *query->whole : 0) +
		(query->segment ? sizeof *query->segment : 0);
}
