/* test_table_change.c - tests of codec/table_change.h: encoding of the changes of tables. */
#include "codec/table_change.h"

#include "base/error.h"
#include "unit/check.h"

#define CREATED "\0\0\0\0\0\0\4\xd2"
#define KEYS "\1\2id\2\2at"
#define STREAM "\0\0\0\7" "\4" "\0\0\0\0\0\0\4\xd3" \
	"\0\0\0\0\0\0\0\1" "\0\0\0\0\0\0\0\2" "\0\0\0\0\0\0\0\3" \
	"\0\0\0\0\0\0\0\4" "\0\0\0\0\0\0\0\5" "\5label"

/* Without and with a stream and time to live. */
#define SMALL CREATED KEYS "\0" "\0\0\0\0"
#define WHOLE CREATED KEYS "\1e" STREAM
#define SIZE(text) (sizeof (text) - 1)

static const struct table_row small = {
	.id = 3, .created_ms = 1234, .name = "orders",
	.schema = { .partition = { TYPE_S, 2, "id" }, .sort = { TYPE_N, 2, "at" } },
};

static const struct stream_row stream = {
	.id = 7, .view = VIEW_NEW_AND_OLD_IMAGES, .created_ms = 1235,
	.retention = { 1, 2, 3, 4, 5 }, .label = "label",
};

static struct table_row whole_row(void)
{
	struct table_row row = small;

	row.stream = 7;
	row.ttl = (struct time_to_live){ .index = 9, .len = 1, .name = "e" };
	return row;
}

/* The bytes of a change and of definitions, as doc/format.md describes them. */
static void golden_bytes(void)
{
	static const uint8_t expected[] = "\2\0\0\0\3" "\6orders" "\0\x4d" WHOLE SMALL;
	struct buffer before = { 0 }, after = { 0 }, bytes = { 0 };
	struct table_row row = whole_row();
	struct table_change change = { .event = TABLE_ALTERED, .table = 3,
		.name = slice_of_text("orders") };

	table_definition_put(&before, &small, NULL);
	CHECK_BYTES(before.data, before.len, SMALL, SIZE(SMALL));
	table_definition_put(&after, &row, &stream);
	CHECK_BYTES(after.data, after.len, WHOLE, SIZE(WHOLE));
	CHECK_EQUAL_UINT(after.len, 0x4d);
	change.definition = buffer_slice(&after);
	change.old_definition = buffer_slice(&before);
	table_change_put(&bytes, &change);
	CHECK_BYTES(bytes.data, bytes.len, expected, SIZE(expected));
	buffer_release(&before);
	buffer_release(&after);
	buffer_release(&bytes);
}

static void definitions_come_back(void)
{
	struct table_definition definition;

	CHECK_EQUAL_INT(table_definition_get(&definition, slice_of(WHOLE, SIZE(WHOLE))), 0);
	CHECK(definition.created_ms == 1234 && definition.stream_created_ms == 1235);
	CHECK_BYTES(&definition.schema, sizeof definition.schema, &small.schema,
		sizeof small.schema);
	CHECK(slice_equal(definition.ttl, slice_of_text("e")));
	CHECK(definition.stream == 7 && definition.view == VIEW_NEW_AND_OLD_IMAGES);
	CHECK_BYTES(&definition.retention, sizeof definition.retention, &stream.retention,
		sizeof stream.retention);
	CHECK(slice_equal(definition.label, slice_of_text("label")));
	CHECK_EQUAL_INT(table_definition_get(&definition, slice_of(SMALL, SIZE(SMALL))), 0);
	CHECK(definition.ttl.len == 0 && definition.stream == 0 && definition.label.len == 0);
	for (size_t len = 0; len < SIZE(WHOLE); len++)
		CHECK_EQUAL_INT(table_definition_get(&definition, slice_of(WHOLE, len)),
			ERR_CORRUPT);
	CHECK_EQUAL_INT(table_definition_get(&definition, slice_of(SMALL "?", SIZE(SMALL) + 1)),
		ERR_CORRUPT);
}

/* Each event with each combination of definitions; no other bytes decode. */
static void changes_come_back(void)
{
	static const struct slice definitions[] = {
		{ (const uint8_t *)SMALL, SIZE(SMALL) }, { (const uint8_t *)WHOLE, SIZE(WHOLE) },
	};
	struct buffer bytes = { 0 };

	for (unsigned i = 0; i < 5 * 3; i++) {
		struct table_change change = { .event = (uint8_t)(i / 3), .table = 1 + i,
			.name = slice_of_text("orders"), .definition = definitions[1] }, again;
		bool is_sound = change.event != 0 && (change.event == TABLE_ALTERED ?
			i % 3 == 0 : i % 3 == 2);

		if (i % 3 < 2)
			change.old_definition = definitions[i % 3];
		buffer_clear(&bytes);
		table_change_put(&bytes, &change);
		CHECK_EQUAL_INT(table_change_check(buffer_slice(&bytes)),
			is_sound ? 0 : ERR_CORRUPT);
		if (!is_sound)
			continue;
		CHECK(table_event_name(change.event) != NULL);
		CHECK_EQUAL_INT(table_change_get(&again, buffer_slice(&bytes)), 0);
		CHECK(again.event == change.event && again.table == change.table);
		CHECK(slice_equal(again.name, change.name));
		CHECK(slice_equal(again.definition, change.definition));
		CHECK(slice_equal(again.old_definition, change.old_definition));
		for (size_t len = 0; len < bytes.len; len++)
			CHECK_EQUAL_INT(table_change_check(slice_of(bytes.data, len)),
				ERR_CORRUPT);
		buffer_put_u8(&bytes, 0);
		CHECK_EQUAL_INT(table_change_check(buffer_slice(&bytes)), ERR_CORRUPT);
	}
	buffer_release(&bytes);
}

/* Replaces one byte of a sound definition. */
static int check_with(size_t at, uint8_t byte)
{
	uint8_t bytes[] = WHOLE;
	struct table_definition definition;

	bytes[at] = byte;
	return table_definition_get(&definition, slice_of(bytes, SIZE(bytes)));
}

static void impossible_definitions(void)
{
	enum { ID = SIZE(CREATED KEYS "\1e") + 3, VIEW, AGE = VIEW + 16, LABEL = SIZE(WHOLE) - 1 };

	CHECK_EQUAL_INT(check_with(ID, 8), 0);
	CHECK_EQUAL_INT(check_with(ID, 0), ERR_CORRUPT);
	CHECK_EQUAL_INT(check_with(ID, STREAM_OF_TABLES), ERR_CORRUPT);
	CHECK_EQUAL_INT(check_with(VIEW, 0), ERR_CORRUPT);
	CHECK_EQUAL_INT(check_with(VIEW, 5), ERR_CORRUPT);
	CHECK_EQUAL_INT(check_with(AGE, 0), ERR_CORRUPT);
	CHECK_EQUAL_INT(check_with(LABEL, ' '), ERR_CORRUPT);
	CHECK_EQUAL_INT(check_with(SIZE(CREATED), TYPE_B + 1), ERR_CORRUPT);
}

static void impossible_changes(void)
{
	struct table_change change = { .event = TABLE_CREATED, .table = 0,
		.name = slice_of_text("orders"), .definition = slice_of(SMALL, SIZE(SMALL)) };
	struct buffer bytes = { 0 };

	table_change_put(&bytes, &change);
	CHECK_EQUAL_INT(table_change_check(buffer_slice(&bytes)), ERR_CORRUPT);
	change.table = 1;
	change.name = slice_of_text("no name");
	buffer_clear(&bytes);
	table_change_put(&bytes, &change);
	CHECK_EQUAL_INT(table_change_check(buffer_slice(&bytes)), ERR_CORRUPT);
	change.name = slice_of_text("orders");
	change.definition = slice_of(NULL, 0);
	buffer_clear(&bytes);
	table_change_put(&bytes, &change);
	CHECK_EQUAL_INT(table_change_check(buffer_slice(&bytes)), ERR_CORRUPT);
	buffer_release(&bytes);
}

static void names_of_events(void)
{
	CHECK_EQUAL_STRING(table_event_name(TABLE_CREATED), "CREATE_TABLE");
	CHECK_EQUAL_STRING(table_event_name(TABLE_ALTERED), "ALTER_TABLE");
	CHECK_EQUAL_STRING(table_event_name(TABLE_DELETED), "DELETE_TABLE");
	CHECK_EQUAL_STRING(table_event_name(TABLE_TRUNCATED), "TRUNCATE_TABLE");
	CHECK(!table_event_name(0) && !table_event_name(TABLE_TRUNCATED + 1));
}

int main(void)
{
	golden_bytes();
	definitions_come_back();
	changes_come_back();
	impossible_definitions();
	impossible_changes();
	names_of_events();
	return 0;
}
