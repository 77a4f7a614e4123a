/* read.c - key ranges, and pages of items read from one snapshot in key order. */
#include "table/read.h"

#include <string.h>


#define ENTRY_HEAD 12         /* sequence number and length */

/* --- ranges --- */

static struct slice range_prefix(const struct range *range)
{
	return slice_of(range->prefix, range->prefix_len);
}

static void set_bound(struct bound *bound, struct slice bytes, bool open)
{
	bound->open = open;
	bound->len = (uint16_t)bytes.len;
	memcpy(bound->bytes, bytes.data, bytes.len);
}

static struct slice bound_key(const struct bound *bound)
{
	return slice_of(bound->bytes, bound->len);
}

/* Returns the bound at which reading continues. */
static struct bound *range_start(struct range *range)
{
	return range->backward ? &range->high : &range->low;
}

void range_of_keyspace(struct range *range, const struct keyspace *keyspace)
{
	memset(range, 0, sizeof *range);
	range->prefix_len = (uint16_t)set_id(range->prefix, keyspace->id);
}

/* Replaces a prefix with the smallest key greater than every key that has this prefix: drops
 * trailing 0xff bytes, increments the last byte. No id begins with 0xff. */
static void successor(uint8_t *bytes, uint16_t *len)
{
	while (bytes[*len - 1] == 0xff)
		--*len;
	bytes[*len - 1]++;
}

static int set_sort(struct key *key, const struct keyspace *keyspace, const struct value *value,
	bool may_be_empty)
{
	if (may_be_empty && value->bytes.len == 0 && value->type == keyspace->schema->sort.type) {
		key->sort_len = 0;
		return 0;
	}
	return key_set_sort(key, keyspace->schema, value);
}

static int set_bounds(struct range *range, struct key *key, const struct keyspace *keyspace,
	const struct sort_condition *sort)
{
	enum comparison how = sort->comparison;
	int err = set_sort(key, keyspace, &sort->a, how == COMPARE_BEGINS_WITH);

	if (err)
		return err;
	if (how == COMPARE_EQUAL || how == COMPARE_GREATER || how == COMPARE_GREATER_OR_EQUAL ||
			how == COMPARE_BETWEEN || how == COMPARE_BEGINS_WITH)
		set_bound(&range->low, key_whole(key), how == COMPARE_GREATER);
	if (how == COMPARE_EQUAL || how == COMPARE_LESS || how == COMPARE_LESS_OR_EQUAL)
		set_bound(&range->high, key_whole(key), how == COMPARE_LESS);
	if (how == COMPARE_BEGINS_WITH) {
		set_bound(&range->high, key_whole(key), true);
		successor(range->high.bytes, &range->high.len);
	}
	if (how == COMPARE_BETWEEN) {
		err = set_sort(key, keyspace, &sort->b, false);
		if (err)
			return err;
		set_bound(&range->high, key_whole(key), false);
		if (slice_compare(bound_key(&range->low), bound_key(&range->high)) > 0)
			return ERR_VALIDATION;
	}
	return 0;
}

static int check_condition(const struct keyspace *keyspace, const struct sort_condition *sort,
	struct failure *failure)
{
	enum type type = keyspace->schema->sort.type;

	if (sort->comparison == COMPARE_ALL)
		return 0;
	if (type == 0)
		return fail_no_sort_key(failure, keyspace->table);
	if (sort->comparison == COMPARE_BEGINS_WITH && type == TYPE_N)
		return fail_begins_with_number(failure, &keyspace->schema->sort);
	return 0;
}

int range_of_partition(struct range *range, const struct keyspace *keyspace,
	const struct value *partition, const struct sort_condition *sort,
	const uint8_t *secret, struct failure *failure)
{
	const struct key_schema *schema = keyspace->schema;
	struct key key;
	int err = check_condition(keyspace, sort, failure);

	memset(range, 0, sizeof *range);
	if (err)
		return err;
	err = key_set_partition(&key, keyspace->id, schema, partition, secret);
	if (err)
		return fail_condition_value(failure, err, &schema->partition, partition->type);
	memcpy(range->prefix, key_head(&key).data, key.head_len);
	range->prefix_len = key.head_len;
	if (sort->comparison == COMPARE_ALL)
		return 0;
	err = set_bounds(range, &key, keyspace, sort);
	/* Of the two bounds of BETWEEN, the one of the wrong type is reported. */
	return err ? fail_condition_value(failure, err, &schema->sort,
		sort->a.type == schema->sort.type ? sort->b.type : sort->a.type) : 0;
}

static bool is_before(struct slice key, const struct bound *low)
{
	int order = low->len ? slice_compare(key, bound_key(low)) : 1;

	return order < 0 || (order == 0 && low->open);
}

static bool is_after(struct slice key, const struct bound *high)
{
	int order = high->len ? slice_compare(key, bound_key(high)) : -1;

	return order > 0 || (order == 0 && high->open);
}

int range_start_after(struct range *range, const struct keyspace *keyspace,
	struct slice key_item, const uint8_t *secret, struct failure *failure)
{
	struct key key;
	int err = key_of_key(&key, keyspace->id, keyspace->schema, key_item, secret);

	if (err)
		return fail_start_key(failure, err);
	if (!slice_begins(key_whole(&key), range_prefix(range)))
		return fail_start_key_outside(failure);
	if (is_before(key_whole(&key), &range->low) || is_after(key_whole(&key), &range->high))
		return fail_start_key_condition(failure);
	set_bound(range_start(range), key_whole(&key), true);
	return 0;
}

int range_place(const struct range *range, struct slice key)
{
	if (!slice_begins(key, range_prefix(range)))
		return slice_compare(key, range_prefix(range));
	if (is_before(key, &range->low))
		return -1;
	return is_after(key, &range->high);
}

/* --- pages --- */

/* Move the walk to the first row of the range, in the direction of reading. */
static int start_forward(struct row_walk *walk, struct txn *txn, const struct range *range)
{
	struct slice from = range->low.len ? bound_key(&range->low) : range_prefix(range);
	int err = row_walk_from(walk, txn, from);

	if (err == 0 && range->low.open && slice_equal(row_walk_key(walk), from))
		err = row_walk_next(walk);
	return err;
}

static int start_backward(struct row_walk *walk, struct txn *txn, const struct range *range)
{
	uint8_t bytes[KEY_HEAD_MAX];
	uint16_t len = range->prefix_len;
	int err;

	if (range->high.len == 0) {
		memcpy(bytes, range->prefix, len);
		successor(bytes, &len);
		return row_walk_before(walk, txn, slice_of(bytes, len));
	}
	err = row_walk_from(walk, txn, bound_key(&range->high));
	if (err == 0 && !range->high.open &&
			slice_equal(row_walk_key(walk), bound_key(&range->high)))
		return 0;
	if (err == 0)
		return row_walk_previous(walk);
	if (err < 0)
		return err;
	row_walk_stop(walk);
	return row_walk_before(walk, txn, bound_key(&range->high));
}

static bool is_in_range(const struct row_walk *walk, const struct range *range)
{
	struct slice key = row_walk_key(walk);

	if (!slice_begins(key, range_prefix(range)))
		return false;
	return range->backward ? !is_before(key, &range->low) : !is_after(key, &range->high);
}

static int check_partition(const struct keyspace *keyspace, struct slice item,
	const struct value *asked)
{
	struct value value;
	int err = map_find(item, attribute_name(&keyspace->schema->partition), &value);

	if (err || value.type != asked->type || !slice_equal(value.bytes, asked->bytes))
		return ERR_CORRUPT;
	return 0;
}

/* Applies the projection of the keyspace, then the filter. Returns END if it is left out. */
static int filter_item(const struct page_request *request, struct slice *item)
{
	const struct item_filter *projection = request->keyspace->projection;
	const struct item_filter *filter = request->filter;
	int err = projection ? projection->apply(projection->context, *item, item) : 0;

	return !err && filter ? filter->apply(filter->context, *item, item) : err;
}

/* Appends an item to the page; appends nothing on failure. */
static int append(struct page *page, uint64_t sequence, struct slice item)
{
	size_t start = page->bytes.len;
	int err;

	buffer_put_u64(&page->bytes, sequence);
	buffer_put_u32(&page->bytes, (uint32_t)item.len);
	buffer_put_slice(&page->bytes, item);
	err = buffer_error(&page->bytes);
	if (err)
		page->bytes.len = start;
	else
		page->count++;
	return err;
}

/* Evaluates the current item of the walk. */
static int evaluate(struct page *page, const struct row_walk *walk,
	const struct page_request *request, bool is_filtered)
{
	struct stored stored;
	size_t len;
	int err = stored_read(&stored, walk->txn, walk->payload, &page->scratch);

	if (!err && request->partition && head_is_hashed(row_walk_key(walk)))
		err = check_partition(request->keyspace, stored.item, request->partition);
	if (err)
		return err;
	if (keyspace_hides(request->keyspace, stored.item)) {
		page->expired++;
		return 0;
	}
	len = stored.item.len;
	if (is_filtered)
		err = filter_item(request, &stored.item);
	if (!err)
		err = append(page, stored.sequence, stored.item);
	if (err < 0)
		return err;
	page->scanned++;
	page->scanned_bytes += ENTRY_HEAD + len;
	return 0;
}

/* Returns true if the range starts after an item that this page has read. */
static bool has_advanced(const struct page *page)
{
	return page->scanned > 0 || page->expired > 0 || page->at_stop;
}

static bool is_full(const struct page *page, uint32_t max, size_t max_bytes)
{
	return page->scanned >= max || page->scanned_bytes >= max_bytes ||
		page->expired >= PAGE_EXPIRED;
}

/* Counts an item of another segment. Ends the page if it has skipped enough of them and this one
 * is a stop; reads it then, so that set_last_key allocates nothing. */
static int skip(struct page *page, const struct row_walk *walk, struct range *range,
	const struct segment *segment)
{
	struct stored stored;
	int err;

	if (++page->skipped < PAGE_SKIPPED || !segment_is_stop(segment, row_walk_key(walk)))
		return 0;
	err = stored_read(&stored, walk->txn, walk->payload, &page->scratch);
	if (err)
		return err;
	set_bound(range_start(range), row_walk_key(walk), true);
	page->at_stop = page->more = true;
	return 0;
}

/* Evaluates or skips the current item of the walk. */
static int visit(struct page *page, const struct row_walk *walk, struct range *range,
	const struct page_request *request, bool is_filtered)
{
	bool has = true;
	int err = request->segment ?
		segment_has_row(request->segment, walk, &page->scratch, &has) : 0;

	if (!err && !has)
		return skip(page, walk, range, request->segment);
	if (!err)
		err = evaluate(page, walk, request, is_filtered);
	if (!err)
		set_bound(range_start(range), row_walk_key(walk), true);
	return err;
}

static int walk_page(struct page *page, struct row_walk *walk, struct range *range,
	const struct page_request *request, bool is_filtered)
{
	uint32_t max = request->max < PAGE_ITEMS ? request->max : PAGE_ITEMS;
	size_t max_bytes = request->max_bytes ? request->max_bytes : PAGE_BYTES;
	int err = range->backward ? start_backward(walk, walk->txn, range) :
		start_forward(walk, walk->txn, range);

	while (!err && !page->more && is_in_range(walk, range)) {
		if (is_full(page, max, max_bytes)) {
			page->more = true;
			return 0;
		}
		err = visit(page, walk, range, request, is_filtered);
		if (err)
			return err;
		err = range->backward ? row_walk_previous(walk) : row_walk_next(walk);
	}
	return err < 0 ? err : 0;
}

/* Goes back to the item after which the range starts, which the walk has left. Allocates nothing:
 * its cursors are open and the buffers large enough, because the item was read before. */
static int set_last_key(struct page *page, struct range *range, struct row_walk *walk,
	const struct key_schema *schema)
{
	struct key_values values;
	struct stored stored;
	struct slice key;
	int err = row_walk_from(walk, walk->txn, bound_key(range_start(range)));

	if (!err)
		err = stored_read(&stored, walk->txn, walk->payload, &page->scratch);
	if (!err)
		err = key_find(&values, schema, stored.item);
	if (!err)
		err = key_put_attributes(&key, &values, page->last_key.data);
	if (!err)
		page->last_key.len = key.len;
	return err > 0 || err == ERR_KEY_MISSING ? ERR_CORRUPT : err;
}

void page_clear(struct page *page)
{
	buffer_clear(&page->bytes);
	buffer_clear(&page->last_key);
	page->at = 0;
	page->count = 0;
	page->scanned = 0;
	page->skipped = 0;
	page->expired = 0;
	page->scanned_bytes = 0;
	page->more = false;
	page->at_stop = false;
}

int page_fill(struct page *page, struct range *range, const struct page_request *request,
	struct txn *txn, struct failure *failure)
{
	const struct keyspace *keyspace = request->keyspace;
	bool is_filtered = keyspace->projection || request->filter;
	bool wants_key = is_filtered || request->segment || keyspace->now_ms;
	struct row_walk walk = { .txn = txn };
	int err;

	page_clear(page);
	if (wants_key && !buffer_reserve(&page->last_key, KEY_ATTRIBUTES_MAX))
		return fail(failure, ERR_NO_MEMORY);
	err = walk_page(page, &walk, range, request, is_filtered);
	if (err && has_advanced(page)) {
		page->more = true;           /* the next fill reports it */
		err = 0;
	}
	if (!err && wants_key && page->more && has_advanced(page))
		err = set_last_key(page, range, &walk, keyspace->schema);
	row_walk_stop(&walk);
	if (err != ERR_CORRUPT)
		return err ? fail(failure, err) : 0;
	return fail_about(failure, err, "table %s, the item %s the key at which the page starts",
		keyspace->table, range->backward ? "before" : "after");
}

int page_peek(const struct page *page, uint64_t *sequence, struct slice *item)
{
	const uint8_t *entry;

	if (page->at >= page->bytes.len)
		return END;
	entry = page->bytes.data + page->at;
	*sequence = get_u64(entry);
	*item = slice_of(entry + ENTRY_HEAD, get_u32(entry + 8));
	return 0;
}

int page_next(struct page *page, uint64_t *sequence, struct slice *item)
{
	int err = page_peek(page, sequence, item);

	if (err)
		return err;
	page->at += ENTRY_HEAD + item->len;
	return 0;
}

int page_take_last(struct page *page, uint64_t *sequence, struct slice *item,
	struct buffer *bytes)
{
	int err = page_peek(page, sequence, item);

	if (err || page->at + ENTRY_HEAD + item->len < page->bytes.len)
		return END;
	*bytes = page->bytes;
	page->bytes = (struct buffer){ 0 };
	page->at = 0;
	return 0;
}

void page_release(struct page *page)
{
	buffer_release(&page->bytes);
	buffer_release(&page->scratch);
	buffer_release(&page->last_key);
	*page = (struct page){ 0 };
}
