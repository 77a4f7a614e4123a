/* test_schema.c - tests of codec/schema.h: encoding of tables, streams and trim horizons. */
#include "codec/schema.h"
#include "codec/state.h"

#include "base/error.h"
#include "unit/check.h"

static void random_attribute(struct key_attribute *attribute)
{
	memset(attribute, 0, sizeof *attribute);
	attribute->type = (enum type)(TYPE_S + check_random_below(3));
	attribute->len = (uint8_t)(1 + check_random_below(255));
	for (size_t i = 0; i < attribute->len; i++)
		attribute->name[i] = (char)('a' + check_random_below(26));
}

static void random_schema(struct key_schema *schema)
{
	memset(schema, 0, sizeof *schema);
	random_attribute(&schema->partition);
	if (check_random_below(2))
		random_attribute(&schema->sort);
}

static void random_name(char *name)
{
	size_t len = TABLE_NAME_MIN + check_random_below(TABLE_NAME_MAX - TABLE_NAME_MIN + 1);

	memset(name, 'x', len);
	name[len] = '\0';
}

static void random_ttl(struct time_to_live *ttl)
{
	memset(ttl, 0, sizeof *ttl);
	if (check_random_below(2))
		return;
	ttl->index = (uint32_t)check_random() | 1;
	ttl->len = (uint8_t)(1 + check_random_below(255));
	for (size_t i = 0; i < ttl->len; i++)
		ttl->name[i] = (char)check_random_below(128);    /* NUL too */
}

static void tables_come_back(void)
{
	struct buffer bytes = { 0 };

	for (int i = 0; i < 500; i++) {
		struct table_row table, again;

		memset(&table, 0, sizeof table);
		table.id = (uint32_t)check_random() | 1;
		table.created_ms = check_random();
		table.stream = (uint32_t)check_random();
		table.newest_stream = (uint32_t)check_random();
		random_ttl(&table.ttl);
		random_schema(&table.schema);
		buffer_clear(&bytes);
		table_put(&bytes, &table);
		memset(&again, 0, sizeof again);
		CHECK_EQUAL_INT(table_get(&again, buffer_slice(&bytes)), 0);
		CHECK_BYTES(&again, sizeof again, &table, sizeof table);
		for (size_t len = 0; len < bytes.len; len++)
			CHECK_EQUAL_INT(table_get(&again, slice_of(bytes.data, len)), ERR_CORRUPT);
		set_u32(bytes.data, 0);
		CHECK_EQUAL_INT(table_get(&again, buffer_slice(&bytes)), ERR_CORRUPT);
	}
	buffer_release(&bytes);
}

static int read_ttl(uint32_t index, size_t len)
{
	static const uint8_t name[300] = { 'e' };
	struct table_row table = { .id = 1 }, again;
	struct buffer bytes = { 0 };
	int err;

	random_schema(&table.schema);
	buffer_put_u32(&bytes, table.id);
	buffer_put_u64(&bytes, 0);
	buffer_put_u64(&bytes, 0);       /* two stream ids */
	buffer_put_u32(&bytes, index);
	buffer_put_counted(&bytes, slice_of(name, len));
	buffer_put_u64(&bytes, 0);       /* no replica */
	buffer_put_u8(&bytes, (uint8_t)table.schema.partition.type);
	buffer_put_counted(&bytes, attribute_name(&table.schema.partition));
	buffer_put_u8(&bytes, 0);
	buffer_put_u8(&bytes, 0);
	err = table_get(&again, buffer_slice(&bytes));
	CHECK(err || (again.ttl.index == index && again.ttl.len == len));
	buffer_release(&bytes);
	return err;
}

/* Time to live has an index if and only if it has an attribute. */
static void time_to_live_is_whole(void)
{
	CHECK_EQUAL_INT(read_ttl(0, 0), 0);
	CHECK_EQUAL_INT(read_ttl(7, 1), 0);
	CHECK_EQUAL_INT(read_ttl(UINT32_MAX, 255), 0);
	CHECK_EQUAL_INT(read_ttl(0, 1), ERR_CORRUPT);
	CHECK_EQUAL_INT(read_ttl(7, 0), ERR_CORRUPT);
	CHECK_EQUAL_INT(read_ttl(7, 256), ERR_CORRUPT);
	CHECK_EQUAL_INT(read_ttl(7, 300), ERR_CORRUPT);
}

static void indexes_come_back(void)
{
	struct buffer bytes = { 0 };

	for (int i = 0; i < 500; i++) {
		uint8_t key[511];
		struct index_row index = {
			.work = (uint8_t)(INDEX_BUILDS + check_random_below(2)),
			.table = (uint32_t)check_random(),
			.done = slice_of(key, check_random_below(sizeof key + 1)),
		}, again = { .id = 5 };

		check_random_bytes(key, sizeof key);
		buffer_clear(&bytes);
		index_put(&bytes, &index);
		CHECK_EQUAL_INT(index_get(&again, buffer_slice(&bytes)), 0);
		CHECK_EQUAL_UINT(again.id, 5);
		CHECK_EQUAL_UINT(again.work, index.work);
		CHECK_EQUAL_UINT(again.table, index.table);
		CHECK(slice_equal(again.done, index.done));
		for (size_t len = 0; len < 5; len++)
			CHECK_EQUAL_INT(index_get(&again, slice_of(bytes.data, len)), ERR_CORRUPT);
		bytes.data[0] = 0;
		CHECK_EQUAL_INT(index_get(&again, buffer_slice(&bytes)), ERR_CORRUPT);
		bytes.data[0] = INDEX_REMOVES + 1;
		CHECK_EQUAL_INT(index_get(&again, buffer_slice(&bytes)), ERR_CORRUPT);
	}
	buffer_release(&bytes);
}

static void random_stream(struct stream_row *stream)
{
	memset(stream, 0, sizeof *stream);
	stream->table = (uint32_t)check_random();
	stream->view = (uint8_t)(VIEW_KEYS_ONLY + check_random_below(4));
	stream->status = (uint8_t)(STREAM_ENABLED + check_random_below(2));
	stream->created_ms = check_random();
	stream->disabled_ms = check_random();
	stream->retention.age_ms = check_random() | 1;
	stream->retention.max_bytes = check_random();
	stream->retention.max_count = check_random();
	stream->first_sequence = check_random_below(SEQUENCE_MAX + 1);
	snprintf(stream->label, sizeof stream->label, "2026-01-31T12:00:00.%03u",
		(unsigned)check_random_below(1000));
	random_name(stream->table_name);
	random_schema(&stream->schema);
}

static int read_changed(const struct stream_row *stream)
{
	struct buffer bytes = { 0 };
	struct stream_row again;
	int err;

	stream_put(&bytes, stream);
	err = stream_get(&again, buffer_slice(&bytes));
	buffer_release(&bytes);
	return err;
}

static void streams_come_back(void)
{
	struct buffer bytes = { 0 };

	for (int i = 0; i < 500; i++) {
		struct stream_row stream, again;

		random_stream(&stream);
		buffer_clear(&bytes);
		stream_put(&bytes, &stream);
		memset(&again, 0, sizeof again);
		CHECK_EQUAL_INT(stream_get(&again, buffer_slice(&bytes)), 0);
		CHECK_BYTES(&again, sizeof again, &stream, sizeof stream);
		for (size_t len = 0; len < bytes.len; len++)
			CHECK_EQUAL_INT(stream_get(&again, slice_of(bytes.data, len)),
				ERR_CORRUPT);
	}
	buffer_release(&bytes);
}

static void a_stream_with_a_wrong_field_is_damaged(void)
{
	struct stream_row stream, changed;

	random_stream(&stream);
	CHECK_EQUAL_INT(read_changed(&stream), 0);
	changed = stream;
	changed.view = 0;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed.view = VIEW_NEW_AND_OLD_IMAGES + 1;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.status = STREAM_DISABLED + 1;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.retention.age_ms = 0;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.schema.partition.type = TYPE_M;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.label[0] = '\0';
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.label[4] = '\t';         /* a report separates its fields with tabs */
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed.label[4] = '\x9b';
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.table_name[1] = '\n';
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
	changed = stream;
	changed.first_sequence = SEQUENCE_MAX + 1;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_CORRUPT);
}

static void horizons_come_back(void)
{
	struct horizon horizon = { 5, 3, 700, 9 }, again;
	struct buffer bytes = { 0 };

	horizon_put(&bytes, &horizon);
	CHECK_EQUAL_INT(horizon_get(&again, buffer_slice(&bytes)), 0);
	CHECK_BYTES(&again, sizeof again, &horizon, sizeof horizon);
	for (size_t len = 0; len < bytes.len; len++)
		CHECK_EQUAL_INT(horizon_get(&again, slice_of(bytes.data, len)), ERR_CORRUPT);
	buffer_clear(&bytes);
	horizon.hidden = 4;
	horizon_put(&bytes, &horizon);
	CHECK_EQUAL_INT(horizon_get(&again, buffer_slice(&bytes)), ERR_CORRUPT);
	buffer_release(&bytes);
}

static void names_are_dynamodbs(void)
{
	char longest[TABLE_NAME_MAX + 2];

	memset(longest, 'n', sizeof longest);
	CHECK(is_table_name(slice_of_text("abc")));
	CHECK(is_table_name(slice_of_text("A-z_0.9")));
	CHECK(is_table_name(slice_of(longest, TABLE_NAME_MAX)));
	CHECK(!is_table_name(slice_of(longest, TABLE_NAME_MAX + 1)));
	CHECK(!is_table_name(slice_of_text("ab")));
	CHECK(!is_table_name(slice_of_text("a b c")));
	CHECK(!is_table_name(slice_of("ab\0c", 4)));
	CHECK(!is_table_name(slice_of_text("caf\xc3\xa9")));
	CHECK_EQUAL_STRING(view_name(VIEW_KEYS_ONLY), "KEYS_ONLY");
	CHECK(view_name(0) == NULL);
	CHECK(view_name(VIEW_NEW_AND_OLD_IMAGES + 1) == NULL);
}

int main(void)
{
	tables_come_back();
	time_to_live_is_whole();
	indexes_come_back();
	streams_come_back();
	a_stream_with_a_wrong_field_is_damaged();
	horizons_come_back();
	names_are_dynamodbs();
	return 0;
}
