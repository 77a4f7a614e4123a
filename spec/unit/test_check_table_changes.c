/* test_check_table_changes.c - problems that tide_check reports of the changes of tables. */
#include "codec/table_change.h"
#include "unit/expiring.h"
#include "unit/wrong.h"

#define ORDERS 1             /* id of the first table; its creation has sequence number 1 */

static uint64_t altered, truncated, deleted;     /* sequence numbers of changes */

static uint64_t last_sequence(void)
{
	struct tide_info info;

	MUST(tide_info(tide, &info, &failure), failure);
	return info.sequence;
}

static void change_tables(void)
{
	struct tide_table numbers = table_named("numbers");
	struct tide_truncation progress = { 0 };
	uint64_t removed;
	bool more;

	set_ttl(tide, "orders", "e");
	altered = last_sequence();
	MUST(tide_truncate(tide, &numbers, &progress, &removed, &more, &failure), failure);
	CHECK(!more);
	truncated = last_sequence();
	MUST(tide_delete_table(tide, slice_of_text("numbers"), &failure), failure);
	deleted = last_sequence();
	CHECK_EQUAL_UINT(deleted, altered + 2);
}

/* --- one record --- */

static struct table_change content;
static struct buffer bytes;

static void set_content(struct record *record)
{
	buffer_clear(&bytes);
	table_change_put(&bytes, &content);
	CHECK_EQUAL_INT(buffer_error(&bytes), 0);
	record->stream_bytes += bytes.len - record->new_image.len;
	record->new_image = buffer_slice(&bytes);
}

static void forge_change(uint64_t sequence, void (*change)(struct record *record))
{
	forge_record(txn, STREAM_OF_TABLES, sequence, change);
}

static void of_unknown_table(struct record *record)
{
	CHECK_EQUAL_INT(table_change_get(&content, record->new_image), 0);
	content.table = 77;
	set_content(record);
}

static void forge_unknown_table(void)
{
	forge_change(3, of_unknown_table);
}

static void of_first_table(struct record *record)
{
	CHECK_EQUAL_INT(table_change_get(&content, record->new_image), 0);
	content.table = ORDERS;
	set_content(record);
}

/* The creation of the second table is one of the first. */
static void forge_second_creation(void)
{
	forge_change(2, of_first_table);
}

static void deletion(struct record *record)
{
	CHECK_EQUAL_INT(table_change_get(&content, record->new_image), 0);
	content.event = TABLE_DELETED;
	set_content(record);
}

static void forge_change_after_deletion(void)
{
	forge_change(truncated, deletion);
}

static void truncation(struct record *record)
{
	CHECK_EQUAL_INT(table_change_get(&content, record->new_image), 0);
	content.event = TABLE_TRUNCATED;
	set_content(record);
}

static void forge_no_creation(void)
{
	forge_change(2, truncation);
}

static void forge_no_deletion(void)
{
	forge_change(deleted, truncation);
}

/* Returns a copy of a definition in which the time of creation is another. */
static struct slice created_later(struct slice definition)
{
	static uint8_t copy[500];

	CHECK(definition.len <= sizeof copy);
	memcpy(copy, definition.data, definition.len);
	copy[0]++;
	return slice_of(copy, definition.len);
}

static void altered_from_another(struct record *record)
{
	CHECK_EQUAL_INT(table_change_get(&content, record->new_image), 0);
	content.old_definition = created_later(content.old_definition);
	set_content(record);
}

static void forge_old_definition(void)
{
	forge_change(altered, altered_from_another);
}

static void altered_to_another(struct record *record)
{
	CHECK_EQUAL_INT(table_change_get(&content, record->new_image), 0);
	content.definition = created_later(content.definition);
	set_content(record);
}

static void forge_definition(void)
{
	forge_change(altered, altered_to_another);
}

static void cut_short(struct record *record)
{
	record->stream_bytes--;
	record->new_image.len--;
}

static void forge_short_content(void)
{
	forge_change(truncated, cut_short);
}

static void forge_lost_creation(void)
{
	forge_no_record(txn, STREAM_OF_TABLES, 1);
}

/* --- the stream --- */

static struct record kept;

static void keep(struct record *record)
{
	kept = *record;
}

/* Appends the record of the last deletion to the stream of a table. */
static void forge_stream(void)
{
	struct cursor *cursor;
	struct record record;
	struct buffer copy = { 0 };

	CHECK_EQUAL_INT(cursor_open(&cursor, txn, TREE_LOG), 0);
	CHECK_EQUAL_INT(log_seek(cursor, STREAM_OF_TABLES, deleted, &record), 0);
	CHECK_EQUAL_INT(log_copy(cursor, STREAM_OF_TABLES, &record, &copy), 0);
	CHECK_EQUAL_INT(record_get(&record, buffer_slice(&copy)), 0);
	cursor_close(cursor);
	forge_record(txn, STREAM_ONE, last, keep);
	forge_no_record(txn, STREAM_ONE, last);
	record.sequence = record.transaction = last;
	record.ordinal = kept.ordinal;
	record.stream_bytes = kept.stream_bytes;
	CHECK_EQUAL_INT(log_append(txn, STREAM_ONE, &record, false), 0);
	buffer_release(&copy);
}

static void item_change(struct record *record)
{
	record->event = EVENT_INSERT;
}

static void forge_event(void)
{
	forge_change(deleted, item_change);
}

static void forge_no_stream(void)
{
	static const uint8_t key[5] = { CATALOG_STREAM, 0, 0, 0, STREAM_OF_TABLES };

	forge_delete(txn, TREE_CATALOG, slice_of(key, sizeof key));
}

/* All changes up to the truncation are removed, although records of items precede it. */
static void forge_horizon(void)
{
	struct horizon horizon = { .removed = truncated, .hidden = truncated };

	forge_change(truncated, keep);
	horizon.ordinal = kept.ordinal;
	horizon.stream_bytes = kept.stream_bytes;
	CHECK_EQUAL_INT(stream_write_horizon(txn, STREAM_OF_TABLES, &horizon), 0);
	forge_no_record(txn, STREAM_OF_TABLES, 1);
	forge_no_record(txn, STREAM_OF_TABLES, 2);
	forge_no_record(txn, STREAM_OF_TABLES, 3);
	forge_no_record(txn, STREAM_OF_TABLES, altered);
	forge_no_record(txn, STREAM_OF_TABLES, truncated);
}

static const struct wrong wrongs[] = {
	{ "nothing", NULL, { NULL } },
	{ "an unknown table", forge_unknown_table, {
		"2\tlog\t*record 3 is of table 77, whose id was never assigned",
		"62\tlog\t*record 84 changes table 3 before its creation",
		"62\tlog\t*record 3 is the last one of table 77, which does not exist",
	} },
	{ "a second creation", forge_second_creation, {
		"62\tlog\t*record 2 creates table 1 after table 1",
		"62\tlog\t*record 2 creates table 1 again",
		"62\tlog\t*record 83 does not begin with the definition of record 2",
		"62\tcatalog\t*catalog, the row of table longs has no record of its creation",
	} },
	{ "a change after a deletion", forge_change_after_deletion, {
		"62\tlog\t*record 85 changes table 3 after its deletion",
	} },
	{ "no creation", forge_no_creation, {
		"62\tlog\t*record 2 changes table 2 before its creation",
	} },
	{ "no deletion", forge_no_deletion, {
		"62\tlog\t*record 85 is the last one of table 3, which does not exist",
	} },
	{ "another old definition", forge_old_definition, {
		"62\tlog\t*record 83 does not begin with the definition of record 1",
	} },
	{ "another definition", forge_definition, {
		"62\tlog\t*record 83 has another definition of table orders than the catalog",
	} },
	{ "a short content", forge_short_content, {
		"1\tlog\t*record 84 does not decode",
		"9\tlog\t*record 83 is followed by unreadable rows",
	} },
	{ "a lost creation", forge_lost_creation, {
		"9\tlog\t*record 2 is preceded by a gap: 1 records are missing after 0",
		"62\tlog\t*record 83 changes table 1 before its creation",
	} },
	{ "another stream", forge_stream, {
		"12\titems\t*differs from the new image of its last record 12",
		"9\tlog\t*record 12 has stream bytes that do not match those before it",
		"61\tlog\t*record 12 is the change of a table in another stream",
	} },
	{ "the event of an item", forge_event, {
		"1\tlog\t*record 85 does not decode",
		"9\tlog\t*record 84 is followed by unreadable rows",
	} },
	{ "no stream", forge_no_stream, {
		"3\tlog\t*tree log holds 6 rows of stream 1, which is not in the catalog",
		"61\tcatalog\t*tree catalog lacks the stream of the changes of tables",
	} },
	{ "a horizon after records", forge_horizon, {
		"63\tlog\t*record 4 precedes the change 84 of a table, which was removed",
	} },
};

int main(void)
{
	fill_more = change_tables;
	wrong_start();
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
		is_named(&wrongs[i]);
	buffer_release(&bytes);
	builder_release(&made);
	return 0;
}
