/* test_record_filter.c - tests of api/record_filter.h: the fields of a record, and its key. */
#include "api/database.h"
#include "api/record_filter.h"
#include "unit/tides.h"

static struct failure failure;
static struct tide *tide;
static struct builder builder;
static struct stream_row row = { .view = VIEW_KEYS_ONLY, .label = "2026-01-31T12:00:00.000",
	.table_name = "orders", .schema = { .partition = { TYPE_S, 1, "p" },
	.sort = { TYPE_S, 1, "s" } } };

/* Returns a bound filter without parameters. */
static struct tide_expressions *bound(const char *text)
{
	struct tide_expressions *expressions;

	MUST(tide_expressions_open(&expressions, tide, &failure), failure);
	MUST(tide_expressions_parse(expressions, EXPRESSION_RECORD_FILTER, slice_of_text(text),
		&failure), failure);
	MUST(tide_expressions_bind(expressions, "", &failure), failure);
	return expressions;
}

static int test(struct feed_filter *filter, const struct record *record, bool *passes)
{
	*passes = true;
	return filter->filter.test(filter->filter.context, &row, record, passes);
}

static bool passes(const char *text, const struct record *record)
{
	struct feed_filter filter = { .expressions = NULL };
	bool result;

	feed_filter_by_condition(&filter, bound(text));
	CHECK_EQUAL_INT(test(&filter, record, &result), 0);
	CHECK(feed_filter_bytes(&filter) > 0);
	feed_filter_release(&filter);
	return result;
}

static void fields_of_a_removal(void)
{
	struct record record = { .event = EVENT_REMOVE, .origin = ORIGIN_TIME_TO_LIVE, .count = 1,
		.sequence = 7, .transaction = 7, .created_ms = 5,
		.keys = item_of(&builder, "ann", "1", NULL) };

	CHECK(passes("size(user_identity) = size(keys) AND attribute_exists(keys.s)", &record));
	CHECK(passes("size(user_identity.principal_id) > size(user_identity.type)", &record));
	CHECK(passes("transaction_id = sequence_number AND created_at < transaction_count",
		&record));
	CHECK(passes("transaction_position = transaction_count", &record));
	CHECK(passes("size(view_type) > size(event_name) AND size(stream_label) > size(table_name)",
		&record));
	CHECK(!passes("attribute_exists(old_image) OR attribute_exists(new_image)", &record));
	CHECK(!passes("attribute_exists(size)", &record));
	record.origin = ORIGIN_USER;
	CHECK(!passes("attribute_exists(user_identity)", &record));
}

static void fields_of_an_annotated_record(void)
{
	static const char annotation[] = "\2\2me" "\1\2by\1\3ann";
	struct record record = { .event = EVENT_REMOVE, .is_annotated = true,
		.annotation = slice_of(annotation, sizeof annotation - 1) };

	CHECK(passes("size(context.by) > depth AND size(origin) = depth", &record));
	record.annotation = slice_of("\1", 2);
	CHECK(passes("attribute_not_exists(context) AND attribute_not_exists(origin)", &record));
	CHECK(passes("attribute_exists(depth) AND NOT depth = size(event_name)", &record));
	record.annotation.len = 0;
	record.is_annotated = false;
	CHECK(passes("attribute_not_exists(context) AND attribute_not_exists(origin)", &record));
	CHECK(passes("attribute_exists(depth)", &record));
}

/* An item of a snapshot has no fields about a transaction. */
static void fields_of_a_copied_item(void)
{
	struct record record = { .event = EVENT_INSERT, .origin = ORIGIN_SNAPSHOT, .count = 1,
		.sequence = 7, .transaction = 7, .new_image = item_of(&builder, "ann", "1", "x") };

	CHECK(!passes("attribute_exists(transaction_id) OR attribute_exists(transaction_count)"
		" OR attribute_exists(transaction_position)", &record));
	CHECK(passes("attribute_exists(keys.s) AND attribute_exists(new_image.s)", &record));
	CHECK(passes("depth < sequence_number AND attribute_not_exists(context)", &record));
	CHECK(!passes("attribute_exists(old_image) OR attribute_exists(user_identity)", &record));
}

static void an_item_is_selected(void)
{
	struct feed_filter filter = { .expressions = NULL };
	const uint8_t *secret = tide->header.secret;
	struct record record = { .event = EVENT_REMOVE };
	struct key key;
	bool result;

	CHECK_EQUAL_INT(feed_filter_by_key(&filter, slice_of_text("\1"), &row, secret, &failure),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(feed_filter_by_key(&filter, item_of(&builder, "ann", "1", "x"), &row,
		secret, &failure), ERR_KEY_SCHEMA);
	CHECK(!filter.filter.test);
	record.keys = item_of(&builder, "ann", "1", NULL);
	MUST(feed_filter_by_key(&filter, record.keys, &row, secret, &failure), failure);
	MUST(key_of_key(&key, 1, &row.schema, record.keys, secret), failure);
	CHECK(filter.filter.has_hashes && filter.filter.first_hash == key.partition_hash &&
		filter.filter.last_hash == key.partition_hash);
	CHECK(test(&filter, &record, &result) == 0 && result);
	record.keys = item_of(&builder, "ann", "2", NULL);
	CHECK(test(&filter, &record, &result) == 0 && !result);
	record.keys = slice_of(NULL, 0);
	record.new_image = item_of(&builder, "ann", "1", "x");
	CHECK(test(&filter, &record, &result) == 0 && result);
	record.new_image = slice_of_text("\1");
	CHECK_EQUAL_INT(test(&filter, &record, &result), ERR_CORRUPT);
	feed_filter_release(&filter);
}

static bool reads_annotation(const char *text)
{
	struct feed_filter filter = { .expressions = NULL };
	bool reads;

	feed_filter_by_condition(&filter, bound(text));
	reads = !filter.filter.ignores_annotations;
	feed_filter_release(&filter);
	return reads;
}

static void annotations_are_read_only_if_needed(void)
{
	CHECK(reads_annotation("attribute_exists(context.by)"));
	CHECK(reads_annotation("depth > transaction_id OR size(keys) > depth"));
	CHECK(reads_annotation("attribute_exists(keys) AND attribute_not_exists(origin)"));
	CHECK(!reads_annotation("attribute_exists(keys.depth) AND size_bytes > created_at"));
}

/* Keys and images are verified where they are read. */
static void damaged_records(void)
{
	static const char *const texts[] = { "attribute_exists(keys)",
		"attribute_exists(new_image)", "size_bytes > sequence_number" };
	struct record record = { .event = EVENT_INSERT };
	bool result;

	record.new_image = slice_of_text("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct feed_filter filter = { .expressions = NULL };

		feed_filter_by_condition(&filter, bound(texts[i]));
		CHECK_EQUAL_INT(test(&filter, &record, &result), ERR_CORRUPT);
		feed_filter_release(&filter);
	}
}

static void images_that_are_not_stored(void)
{
	struct tide_expressions *both = bound("old_image.a = new_image.a AND new_images = a");
	struct tide_expressions *none;

	CHECK_EQUAL_STRING(tide_expressions_unstored_image(both, VIEW_NEW_IMAGE), "old_image");
	CHECK_EQUAL_STRING(tide_expressions_unstored_image(both, VIEW_OLD_IMAGE), "new_image");
	CHECK(tide_expressions_unstored_image(both, VIEW_KEYS_ONLY));
	CHECK(!tide_expressions_unstored_image(both, VIEW_NEW_AND_OLD_IMAGES));
	tide_expressions_close(both);
	MUST(tide_expressions_open(&none, tide, &failure), failure);
	CHECK(!tide_expressions_unstored_image(none, VIEW_KEYS_ONLY));
	tide_expressions_close(none);
}

int main(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };

	MUST(tide_open(&tide, &options, &failure), failure);
	fields_of_a_removal();
	fields_of_an_annotated_record();
	fields_of_a_copied_item();
	annotations_are_read_only_if_needed();
	an_item_is_selected();
	damaged_records();
	images_that_are_not_stored();
	tide_close(tide);
	builder_release(&builder);
	return 0;
}
