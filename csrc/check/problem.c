/* problem.c - formats problems as lines of the report, with tree, table, key, page and a sentence.
 *
 * A key is written as the key attributes of its table, so that the user can look up the item. A
 * key that does not decode is written as bytes. Bytes from the file are escaped unless they are
 * printable ASCII.
 */
#include "check/problem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "check/rows.h"
#include "codec/consumer.h"
#include "codec/parked.h"
#include "codec/replica.h"
#include "table/expiry_index.h"

/* --- text --- */

static void put_format(struct buffer *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put_format(struct buffer *out, const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	buffer_put(out, text, strlen(text));
}

/* Copies the error of a buffer to `out`, so that an incomplete report is never returned as
 * complete. */
static void keep_failure(struct buffer *out, int err)
{
	if (err && !buffer_error(out))
		out->err = err;
}

static void put_buffer(struct buffer *out, const struct buffer *piece)
{
	keep_failure(out, buffer_error(piece));
	buffer_put_slice(out, buffer_slice(piece));
}

/* Writes bytes of the file into the report: printable ASCII unchanged, other bytes in
 * hexadecimal. */
static void put_shown(struct buffer *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.data[i];

		if (c >= ' ' && c < 0x7f && c != '\\' && c != '"')
			buffer_put_u8(out, c);
		else
			put_format(out, "\\x%02x", c);
	}
}

static void put_bytes(struct buffer *out, struct slice bytes)
{
	put_format(out, "the bytes \"");
	put_shown(out, bytes);
	buffer_put_u8(out, '"');
}

static void put_hex(struct buffer *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		put_format(out, "%02x", bytes.data[i]);
}

static void put_value(struct buffer *out, enum type type, struct slice bytes)
{
	char number[NUMBER_MAX_TEXT];

	if (type == TYPE_N && number_width(bytes) == (int)bytes.len) {
		number_format(bytes, number);
		put_format(out, "%s", number);
	} else if (type == TYPE_S) {
		buffer_put_u8(out, '"');
		put_shown(out, bytes);
		buffer_put_u8(out, '"');
	} else {
		put_format(out, "0x");
		put_hex(out, bytes);
	}
}

static void put_key(struct check *check, struct buffer *out, const struct key_schema *schema,
	struct slice whole)
{
	struct key_values values;

	buffer_clear(&check->scratch);
	if (key_read(&values, whole, schema, &check->scratch)) {
		keep_failure(out, buffer_error(&check->scratch));
		put_bytes(out, whole);
		return;
	}
	put_shown(out, attribute_name(&schema->partition));
	put_format(out, values.partition.type ? " = " : " with hash ");
	put_value(out, values.partition.type, values.partition.bytes);
	if (!values.sort.type)
		return;
	put_format(out, ", ");
	put_shown(out, attribute_name(&schema->sort));
	put_format(out, " = ");
	put_value(out, values.sort.type, values.sort.bytes);
}

/* --- long keys: the nodes and their places in a key --- */

static int add_node(struct check *check, uint64_t node, uint64_t parent, struct slice bytes)
{
	if (check->node_count == check->node_cap) {
		struct node_name *names = memory_grow(check->node_names, &check->node_cap,
			sizeof *names);

		if (!names)
			return ERR_NO_MEMORY;
		check->node_names = names;
	}
	check->node_names[check->node_count++] = (struct node_name){ node, parent,
		check->node_bytes.len, bytes.len };
	buffer_put_slice(&check->node_bytes, bytes);
	return buffer_error(&check->node_bytes);
}

/* Adds the name of a node if the row refers to one, which is the case if its key has 511 bytes. In
 * the tree tails the first 8 bytes of the key are the id of the parent node. */
static int add_node_row(struct check *check, enum tree tree, struct slice key,
	struct slice value)
{
	size_t base = tree == TREE_TAILS ? 8 : 0;
	struct slice payload;
	uint64_t node;

	if (key.len != STORE_KEY_MAX || row_open(key, value, &payload) || row_node(payload, &node))
		return 0;
	return add_node(check, node, base ? get_u64(key.data) : 0,
		slice_of(key.data + base, key.len - base - 1));
}

static const struct node_name *find_node(struct check *check, uint64_t node)
{
	if (!check->nodes_are_named) {
		check->nodes_are_named = true;
		check->nodes_err = check_each_row(check, TREE_ITEMS, add_node_row, NULL);
		if (!check->nodes_err)
			check->nodes_err = check_each_row(check, TREE_TAILS, add_node_row, NULL);
	}
	for (size_t i = 0; i < check->node_count; i++)
		if (check->node_names[i].node == node)
			return &check->node_names[i];
	return NULL;
}

/* Writes the whole key of a row of the tree tails, as far as its parent nodes are known. */
static void put_whole_key(struct check *check, struct buffer *out, struct slice key)
{
	const struct node_name *way[LONG_KEY_LEVELS];
	size_t base = key.len < 8 ? 0 : 8;
	uint64_t node = base ? get_u64(key.data) : 0;
	int count = 0;

	while (node && count < LONG_KEY_LEVELS) {
		way[count] = find_node(check, node);
		node = way[count] ? way[count]->parent : 0;
		count += way[count] != NULL;
	}
	keep_failure(out, check->nodes_err);
	while (count-- > 0)
		buffer_put(out, check->node_bytes.data + way[count]->at, way[count]->len);
	buffer_put(out, key.data + base, key.len - base - (key.len == STORE_KEY_MAX));
}

/* --- subjects --- */

const struct table *check_table_with_id(struct check *check, uint32_t id)
{
	const struct catalog *catalog = &check->catalog;

	if (check->last_table && check->last_table->row.id == id)
		return check->last_table;
	for (size_t i = 0; i < catalog->count; i++)
		if (catalog->tables[i]->row.id == id)
			return check->last_table = catalog->tables[i];
	return NULL;
}

static struct subject *new_subject(struct check *check, int tree)
{
	struct subject *subject = &check->subject;

	subject->tree = tree;
	subject->page = 0;
	subject->row = -1;
	subject->table[0] = '\0';
	buffer_clear(&subject->key);
	buffer_clear(&subject->name);
	return subject;
}

static const char *name_of_tree(int tree)
{
	if (tree < 0)
		return "";
	return tree == AUDIT_FREE_LIST ? "free list" : tree_name((enum tree)tree);
}

void subject_set_file(struct check *check)
{
	put_format(&new_subject(check, -1)->name, "the file");
}

void subject_set_tree(struct check *check, int tree)
{
	struct subject *subject = new_subject(check, tree);

	put_format(&subject->name, tree == AUDIT_FREE_LIST ? "the %s" : "tree %s",
		name_of_tree(tree));
}

void subject_set_page(struct check *check, uint64_t page, int row)
{
	check->subject.page = page;
	check->subject.row = row;
}

static void set_table(struct subject *subject, const char *name)
{
	snprintf(subject->table, sizeof subject->table, "%s", name);
	put_format(&subject->name, "table %s, ", name);
}

void subject_set_item(struct check *check, struct slice whole)
{
	struct subject *subject = new_subject(check, TREE_ITEMS);
	const struct table *table = check_table_with_id(check, get_id(whole));

	if (table) {
		set_table(subject, table->row.name);
		put_key(check, &subject->key, &table->row.schema, whole);
	} else {
		put_bytes(&subject->key, whole);
	}
	put_format(&subject->name, "the item with key ");
	put_buffer(&subject->name, &subject->key);
}

void subject_set_record(struct check *check, const struct stream_row *row, uint64_t sequence)
{
	struct subject *subject = new_subject(check, TREE_LOG);

	put_format(&subject->key, "record %" PRIu64, sequence);
	if (row->id == STREAM_OF_TABLES) {
		put_format(&subject->name, "changes of tables, record %" PRIu64, sequence);
		return;
	}
	set_table(subject, row->table_name);
	put_format(&subject->name, "stream %s, record %" PRIu64, row->label, sequence);
}

static void name_meta_row(struct check *check, struct slice key)
{
	struct subject *subject = &check->subject;

	switch (key.len ? key.data[0] : 0) {
	case META_FILE_HEADER: put_format(&subject->key, "file header"); break;
	case META_STATE: put_format(&subject->key, "state"); break;
	case META_WEAK_BOOT: put_format(&subject->key, "boot"); break;
	case META_MAX_SIZE: put_format(&subject->key, "maximum size"); break;
	case META_ITEM_COUNT:
		put_format(&subject->key, "item count of table %u",
			key.len == 5 ? get_u32(key.data + 1) : 0);
		break;
	default:
		put_bytes(&subject->key, key);
	}
	put_format(&subject->name, "meta, the row of ");
	put_buffer(&subject->name, &subject->key);
}

static void name_label_row(struct subject *subject, struct slice key)
{
	struct slice table, label;

	if (!stream_label_key(key, &table, &label)) {
		put_bytes(&subject->key, key);
		return;
	}
	snprintf(subject->table, sizeof subject->table, "%.*s", (int)table.len,
		(const char *)table.data);
	put_format(&subject->key, "label ");
	put_shown(&subject->key, slice_of(key.data + 1, key.len - 1));
}

static void name_catalog_row(struct check *check, struct slice key)
{
	struct subject *subject = &check->subject;
	uint32_t id = key.len == 5 ? get_u32(key.data + 1) : 0;

	switch (key.len ? key.data[0] : 0) {
	case CATALOG_TABLE:
		snprintf(subject->table, sizeof subject->table, "%.*s", (int)key.len - 1,
			is_table_name(slice_of(key.data + 1, key.len - 1)) ?
			(const char *)key.data + 1 : "");
		put_format(&subject->key, "table ");
		put_shown(&subject->key, slice_of(key.data + 1, key.len - 1));
		break;
	case CATALOG_DROPPED: put_format(&subject->key, "deleted table %u", id); break;
	case CATALOG_INDEX: put_format(&subject->key, "index %u", id); break;
	case CATALOG_EXPIRY: put_format(&subject->key, "the table of index %u", id); break;
	case CATALOG_STREAM: put_format(&subject->key, "stream %u", id); break;
	case CATALOG_HORIZON: put_format(&subject->key, "horizon of stream %u", id); break;
	case CATALOG_LABEL: name_label_row(subject, key); break;
	case CATALOG_INCARNATION:
		put_format(&subject->key, "incarnation up to sequence number %" PRIu64,
			key.len == 9 ? get_u64(key.data + 1) : 0);
		break;
	default:
		put_bytes(&subject->key, key);
	}
	put_format(&subject->name, "catalog, the row of ");
	put_buffer(&subject->name, &subject->key);
}

static void name_tails_row(struct check *check, struct slice key)
{
	struct buffer whole = { 0 };

	put_whole_key(check, &whole, key);
	subject_set_item(check, buffer_slice(&whole));
	keep_failure(&check->subject.name, buffer_error(&whole));
	check->subject.tree = TREE_TAILS;
	buffer_release(&whole);
}

static void name_log_row(struct check *check, struct slice key)
{
	struct subject *subject = &check->subject;
	struct record_place place;
	const struct stream *stream = !record_get_key(&place, key) ? NULL
		: streams_cached(&check->catalog.streams, place.stream);

	if (stream) {
		subject_set_record(check, &stream->row, place.sequence);
		put_format(&subject->name, ", part %u", place.part);
		return;
	}
	put_bytes(&subject->key, key);
	put_format(&subject->name, "log, the row with key ");
	put_buffer(&subject->name, &subject->key);
}

static void name_part_row(struct check *check, struct slice key)
{
	struct subject *subject = &check->subject;

	if (key.len == PART_KEY)
		put_format(&subject->key, "part id %" PRIu64 ", piece %u", get_u64(key.data),
			get_u16(key.data + 8));
	else
		put_shown(&subject->key, key);
	put_format(&subject->name, "parts, ");
	put_buffer(&subject->name, &subject->key);
}

static void name_index_row(struct check *check, struct slice key)
{
	struct subject *subject = &check->subject;
	struct expiry_row row;
	uint32_t index;

	if (expiry_row_read_key(&index, &row, key))
		put_format(&subject->key, "index %u, expiry %" PRIu64 " ms, sequence number %"
			PRIu64, index, row.expiry_ms, row.sequence);
	else
		put_shown(&subject->key, key);
	put_format(&subject->name, "indexes, ");
	put_buffer(&subject->name, &subject->key);
}

static void name_replica_row(struct subject *subject, struct slice key)
{
	if (key.data[0] == REPLICA_ROW) {
		put_format(&subject->key, "replica ");
		put_shown(&subject->key, slice_of(key.data + 1, key.len - 1));
	} else if (key.data[0] == REPLICA_TABLE) {
		put_format(&subject->key, "state of table %u of replica %" PRIu64,
			get_u32(key.data + 9), get_u64(key.data + 1));
	} else {
		put_format(&subject->key, "%s table %u of replica %" PRIu64,
			key.data[0] == REPLICA_SEEN ? "item that the source has, of" :
			"place of the removal in", get_u32(key.data + 9), get_u64(key.data + 1));
	}
}

static void name_consumers_row(struct check *check, struct slice key)
{
	struct parked_member member;
	struct parked_place place;
	uint16_t part;
	struct subject *subject = &check->subject;

	if (key.len > 1 && key.data[0] == CONSUMER_ROW) {
		put_format(&subject->key, "consumer ");
		put_shown(&subject->key, slice_of(key.data + 1, key.len - 1));
	} else if (key.len == CONSUMER_SHARD_KEY && key.data[0] == CONSUMER_PROGRESS) {
		put_format(&subject->key, "progress of consumer %" PRIu64 " from shard %u",
			get_u64(key.data + 1), get_u16(key.data + 9));
	} else if (key.len == CONSUMER_SHARD_KEY && key.data[0] == CONSUMER_COPY) {
		put_format(&subject->key, "copy of consumer %" PRIu64 ", shards from %u",
			get_u64(key.data + 1), get_u16(key.data + 9));
	} else if (key.len == CONSUMER_STREAM_KEY && key.data[0] == CONSUMER_FLOOR) {
		put_format(&subject->key, "floor of consumer %" PRIu64 " in stream %u",
			get_u64(key.data + 1), get_u32(key.data + 9));
	} else if (parked_get_key(&place, &part, key)) {
		put_format(&subject->key, "%s record %" PRIu64 " of consumer %" PRIu64
			", table %u, part %u", key.data[0] == CONSUMER_PARKED ? "parked" :
			"marked", place.sequence, place.consumer, place.table, part);
	} else if (parked_member_get_key(&member, key)) {
		put_format(&subject->key, "%s transaction %" PRIu64 " of consumer %" PRIu64,
			key.data[0] == CONSUMER_MEMBER ? "parked" : "marked", member.transaction,
			member.place.consumer);
		if (key.data[0] == CONSUMER_MEMBER)
			put_format(&subject->key, ", record %" PRIu64, member.place.sequence);
	} else if (key.len == CONSUMER_STREAM_KEY && key.data[0] == CONSUMER_HOLD) {
		put_format(&subject->key, "hold of consumer %" PRIu64 " on stream %u",
			get_u64(key.data + 5), get_u32(key.data + 1));
	} else if (is_replica_key(key)) {
		name_replica_row(subject, key);
	} else {
		put_bytes(&subject->key, key);
	}
	put_format(&subject->name, "consumers, ");
	put_buffer(&subject->name, &subject->key);
}

void subject_set_row(struct check *check, enum tree tree, struct slice key)
{
	new_subject(check, (int)tree);
	switch (tree) {
	case TREE_META:
		name_meta_row(check, key);
		break;
	case TREE_CATALOG:
		name_catalog_row(check, key);
		break;
	case TREE_ITEMS:
		subject_set_item(check, slice_of(key.data, key.len - (key.len == STORE_KEY_MAX)));
		break;
	case TREE_TAILS:
		name_tails_row(check, key);
		break;
	case TREE_PARTS:
		name_part_row(check, key);
		break;
	case TREE_LOG:
		name_log_row(check, key);
		break;
	case TREE_INDEXES:
		name_index_row(check, key);
		break;
	case TREE_CONSUMERS:
		name_consumers_row(check, key);
		break;
	}
}

/* --- problems --- */

/* Adds a line to the report: invariant, tree, table, key, page and sentence, separated by tabs.
 * The fields contain no tabs. */
static void note(struct check *check, int invariant, struct slice what)
{
	struct report *report = check->report;
	const struct subject *subject = &check->subject;

	if (report->problems++ >= REPORT_PROBLEMS_MAX)
		return;
	put_format(&report->text, "%d\t%s\t%s\t", invariant, name_of_tree(subject->tree),
		subject->table);
	put_buffer(&report->text, &subject->key);
	put_format(&report->text, "\t%" PRIu64 "\t", subject->page);
	put_buffer(&report->text, &subject->name);
	buffer_put_u8(&report->text, ' ');
	buffer_put_slice(&report->text, what);
	if (subject->page)
		put_format(&report->text, subject->row < 0 ? " (page %" PRIu64 ")"
			: " (page %" PRIu64 ", row %d)", subject->page, subject->row);
	buffer_put_u8(&report->text, '\n');
}

void problem(struct check *check, int invariant, const char *format, ...)
{
	char what[300];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	note(check, invariant, slice_of_text(what));
}

/* Writes one end of a range of rows, named like the subject of a problem. */
static void put_end(struct check *check, struct buffer *out, int tree, struct slice key)
{
	subject_set_row(check, (enum tree)tree, key);
	put_buffer(out, &check->subject.name);
}

/* Writes the two ends of a range of rows: the rest of "from A up to, but not including, B" or, for
 * one row, of "between A and B". */
static void put_range(struct check *check, struct buffer *out, int tree, bool one_row,
	struct slice low, struct slice high)
{
	if (low.len)
		put_end(check, out, tree, low);
	else
		put_format(out, one_row ? "the beginning" : "the first");
	if (!high.data) {
		put_format(out, one_row ? " and the end" : " to the last");
		return;
	}
	put_format(out, one_row ? " and " : " up to, but not including, ");
	put_end(check, out, tree, high);
}

void problem_of_rows(struct check *check, int tree, const char *what, struct slice low,
	struct slice high)
{
	uint64_t page = check->subject.page;
	int row = check->subject.row;
	struct buffer range = { 0 };

	if (row < 0)
		put_format(&range, "%s; this affects the rows from ", what);
	else
		put_format(&range, "has a row with a damaged header, between ");
	put_range(check, &range, tree, row >= 0, low, high);
	subject_set_tree(check, tree);
	subject_set_page(check, page, row);
	note(check, INVARIANT_PAGES, buffer_slice(&range));
	keep_failure(&check->report->text, buffer_error(&range));
	buffer_release(&range);
}
