/* record_filter.c - the filter of a feed: a condition on the fields of records, and the key of
 * an item.
 */
#include "api/record_filter.h"

#include <inttypes.h>
#include <stdio.h>

#include "table/key_errors.h"
#include "tide.h"

enum field {
	FIELD_KEYS, FIELD_OLD_IMAGE, FIELD_NEW_IMAGE, FIELD_EVENT_NAME, FIELD_SEQUENCE_NUMBER,
	FIELD_CREATED_AT, FIELD_TABLE_NAME, FIELD_STREAM_LABEL, FIELD_VIEW_TYPE,
	FIELD_TRANSACTION_ID, FIELD_TRANSACTION_POSITION, FIELD_TRANSACTION_COUNT,
	FIELD_SIZE_BYTES, FIELD_PARTITION_HASH, FIELD_USER_IDENTITY, FIELD_CONTEXT,
	FIELD_ORIGIN, FIELD_DEPTH, FIELDS,
};

_Static_assert(FIELDS == RECORD_FIELDS, "struct feed_filter has an element for each field");

static const char *const field_names[FIELDS] = {
	[FIELD_KEYS] = "keys", [FIELD_OLD_IMAGE] = "old_image", [FIELD_NEW_IMAGE] = "new_image",
	[FIELD_EVENT_NAME] = "event_name", [FIELD_SEQUENCE_NUMBER] = "sequence_number",
	[FIELD_CREATED_AT] = "created_at", [FIELD_TABLE_NAME] = "table_name",
	[FIELD_STREAM_LABEL] = "stream_label", [FIELD_VIEW_TYPE] = "view_type",
	[FIELD_TRANSACTION_ID] = "transaction_id",
	[FIELD_TRANSACTION_POSITION] = "transaction_position",
	[FIELD_TRANSACTION_COUNT] = "transaction_count", [FIELD_SIZE_BYTES] = "size_bytes",
	[FIELD_PARTITION_HASH] = "partition_hash", [FIELD_USER_IDENTITY] = "user_identity",
	[FIELD_CONTEXT] = "context", [FIELD_ORIGIN] = "origin", [FIELD_DEPTH] = "depth",
};

/* { principal_id = "dynamodb.amazonaws.com", type = "Service" } as a map body. */
static const char time_to_live_identity[] =
	"\x02" "\x0c" "principal_id" "\x01\x16" "dynamodb.amazonaws.com"
	"\x04" "type" "\x01\x07" "Service";

/* --- the document of a record --- */

/* Sets *value to the map with this body, or to a missing value if the body is empty. */
static int set_map(struct value *value, struct slice body)
{
	struct map_walk walk;
	int err;

	value->type = 0;
	if (body.len == 0)
		return 0;
	err = map_start(&walk, body);
	if (!err)
		*value = (struct value){ TYPE_M, (uint32_t)walk.left, body };
	return err;
}

static int set_text(struct value *value, const char *text)
{
	*value = (struct value){ TYPE_S, 0, slice_of_text(text) };
	return 0;
}

static int set_integer(struct value *value, struct number *number, uint64_t n)
{
	number_from_integer(number, (int64_t)n);
	*value = (struct value){ TYPE_N, 0, number_slice(number) };
	return 0;
}

/* Sets *value to a time in seconds. */
static int set_seconds(struct value *value, struct number *number, uint64_t ms)
{
	char text[32];
	int err;

	snprintf(text, sizeof text, "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
	err = number_parse(number, slice_of_text(text));
	*value = (struct value){ TYPE_N, 0, number_slice(number) };
	return err;
}

/* Sets *value to a field of the annotation. The origin and the context are missing values if there
 * is none. */
static int set_annotation(struct feed_filter *filter, enum field field,
	const struct record *record, struct value *value)
{
	struct annotation annotation;
	int err = record_annotation(record, &annotation);

	value->type = 0;
	if (err)
		return err;
	if (field == FIELD_CONTEXT)
		return set_map(value, annotation.context);
	if (field == FIELD_DEPTH)
		return set_integer(value, &filter->numbers[field], annotation.depth);
	if (annotation.origin.len)
		*value = (struct value){ TYPE_S, 0, annotation.origin };
	return 0;
}

static int find_keys(struct feed_filter *filter, const struct stream_row *row,
	const struct record *record, struct slice *keys)
{
	int err = record_keys(keys, record, &row->schema, filter->key_attributes);

	return err ? ERR_CORRUPT : 0;
}

static int set_size(struct feed_filter *filter, const struct stream_row *row,
	const struct record *record, struct value *value)
{
	struct slice keys;
	int err = find_keys(filter, row, record, &keys);

	return err ? err : set_integer(value, &filter->numbers[FIELD_SIZE_BYTES],
		record_size(record, keys));
}

static int set_keys(struct feed_filter *filter, const struct stream_row *row,
	const struct record *record, struct value *value)
{
	struct slice keys;
	int err = find_keys(filter, row, record, &keys);

	return err ? err : set_map(value, keys);
}

/* Sets *value to a field about the record's transaction; for an item of a snapshot such a field is
 * missing, because the transaction of its last change is not known. */
static int set_of_transaction(struct number *number, enum field field,
	const struct record *record, struct value *value)
{
	value->type = 0;
	if (record->origin == ORIGIN_SNAPSHOT)
		return 0;
	switch (field) {
	case FIELD_TRANSACTION_ID: return set_integer(value, number, record->transaction);
	case FIELD_TRANSACTION_COUNT: return set_integer(value, number, record->count);
	default: return set_integer(value, number, record->position + UINT64_C(1));
	}
}

static int set_field(struct feed_filter *filter, enum field field,
	const struct stream_row *row, const struct record *record, struct value *value)
{
	struct number *number = &filter->numbers[field];
	struct slice user = slice_of(time_to_live_identity, sizeof time_to_live_identity - 1);

	switch (field) {
	case FIELD_KEYS: return set_keys(filter, row, record, value);
	case FIELD_OLD_IMAGE: return set_map(value, record->old_image);
	case FIELD_NEW_IMAGE: return set_map(value, record->new_image);
	case FIELD_EVENT_NAME: return set_text(value, event_name(record->event));
	case FIELD_SEQUENCE_NUMBER: return set_integer(value, number, record->sequence);
	case FIELD_CREATED_AT: return set_seconds(value, number, record->created_ms);
	case FIELD_TABLE_NAME: return set_text(value, row->table_name);
	case FIELD_STREAM_LABEL: return set_text(value, row->label);
	case FIELD_VIEW_TYPE: return set_text(value, view_name(row->view));
	case FIELD_TRANSACTION_ID: case FIELD_TRANSACTION_POSITION:
	case FIELD_TRANSACTION_COUNT:
		return set_of_transaction(number, field, record, value);
	case FIELD_SIZE_BYTES: return set_size(filter, row, record, value);
	case FIELD_PARTITION_HASH: return set_integer(value, number, record->partition_hash);
	case FIELD_CONTEXT: case FIELD_ORIGIN: case FIELD_DEPTH:
		return set_annotation(filter, field, record, value);
	default:
		return set_map(value, record->origin == ORIGIN_TIME_TO_LIVE ? user :
			slice_of(NULL, 0));
	}
}

/* --- testing a record --- */

static int test_condition(struct feed_filter *filter, const struct stream_row *row,
	const struct record *record, bool *passes)
{
	struct binding *condition = expression_of(filter->expressions, EXPRESSION_RECORD_FILTER);
	int err = 0;

	if (!condition)
		return 0;
	for (unsigned i = 0; i < filter->field_count && !err; i++)
		err = set_field(filter, (enum field)filter->field_ids[i], row, record,
			&filter->fields[i].value);
	return err ? err : condition_holds_fields(condition, filter->fields, filter->field_count,
		passes);
}

/* Sets *passes, which is true, for a record. Changes of tables pass. The feed has compared the hash
 * of the partition key, but different keys can have the same hash, so the keys are compared,
 * too. */
static int test_record(void *context, const struct stream_row *row,
	const struct record *record, bool *passes)
{
	struct feed_filter *filter = context;
	struct slice keys;
	int err;

	if (record->event == EVENT_TABLE)
		return 0;
	if (filter->key.len) {
		err = find_keys(filter, row, record, &keys);
		*passes = !err && slice_equal(keys, buffer_slice(&filter->key));
		if (err || !*passes)
			return err;
	}
	return test_condition(filter, row, record, passes);
}

/* --- making a filter --- */

static bool is_of_annotation(uint8_t field)
{
	return field == FIELD_CONTEXT || field == FIELD_ORIGIN || field == FIELD_DEPTH;
}

/* Makes the feed call test_record. */
static void set_test(struct feed_filter *filter)
{
	filter->filter.test = test_record;
	filter->filter.context = filter;
}

void feed_filter_by_condition(struct feed_filter *filter, struct tide_expressions *expressions)
{
	const struct binding *condition =
		expression_of(expressions, EXPRESSION_RECORD_FILTER);

	filter->expressions = expressions;
	filter->filter.ignores_annotations = true;
	set_test(filter);
	for (unsigned i = 0; condition && i < condition->top_count; i++)
		for (uint8_t field = 0; field < FIELDS; field++) {
			struct slice name = slice_of_text(field_names[field]);

			if (!slice_equal(condition->tops[i], name))
				continue;
			filter->filter.ignores_annotations &= !is_of_annotation(field);
			filter->fields[filter->field_count].name = name;
			filter->field_ids[filter->field_count++] = field;
		}
}

int feed_filter_by_key(struct feed_filter *filter, struct slice asked,
	const struct stream_row *row, const uint8_t secret[HASH_SECRET_BYTES],
	struct failure *failure)
{
	struct key key;
	int err = key_of_key(&key, row->table, &row->schema, asked, secret);

	if (err)
		return fail_key(failure, err, &row->schema, asked);
	buffer_put_slice(&filter->key, asked);
	if (buffer_error(&filter->key))
		return fail(failure, ERR_NO_MEMORY);
	filter->filter.has_hashes = true;
	filter->filter.first_hash = filter->filter.last_hash = key.partition_hash;
	set_test(filter);
	return 0;
}

const char *tide_expressions_unstored_image(const struct tide_expressions *expressions,
	uint8_t view)
{
	const struct binding *condition = &expressions->bindings[EXPRESSION_RECORD_FILTER];

	if (!expressions->parsed[EXPRESSION_RECORD_FILTER])
		return NULL;
	for (unsigned i = 0; i < condition->top_count; i++) {
		if (!view_has_old(view) && slice_equal(condition->tops[i],
				slice_of_text(field_names[FIELD_OLD_IMAGE])))
			return field_names[FIELD_OLD_IMAGE];
		if (!view_has_new(view) && slice_equal(condition->tops[i],
				slice_of_text(field_names[FIELD_NEW_IMAGE])))
			return field_names[FIELD_NEW_IMAGE];
	}
	return NULL;
}

void feed_filter_release(struct feed_filter *filter)
{
	tide_expressions_close(filter->expressions);
	buffer_release(&filter->key);
	*filter = (struct feed_filter){ .expressions = NULL };
}

size_t feed_filter_bytes(const struct feed_filter *filter)
{
	return filter->key.cap +
		(filter->expressions ? tide_expressions_bytes(filter->expressions) : 0);
}
