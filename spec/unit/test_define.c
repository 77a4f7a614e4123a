/* test_define.c - table/define.h: invalid definitions, and the end of the ids. */
#include "api/database.h"
#include "unit/tides.h"

static struct failure failure;

static int try_schema(struct tide *tide, struct key_attribute partition,
	struct key_attribute sort)
{
	struct tide_table_spec spec = spec_of("tried");
	int err;

	spec.schema.partition = partition;
	spec.schema.sort = sort;
	err = tide_create_table(tide, &spec, &failure);
	CHECK(!tide_in_transaction(tide));
	if (!err)
		MUST(tide_delete_table(tide, spec.name, &failure), failure);
	return err;
}

static void keys_of_a_table(struct tide *tide)
{
	static const struct key_attribute good = { TYPE_S, 1, "p" }, none;
	struct key_attribute bad[] = {
		{ TYPE_S, 0, "" }, { TYPE_S, 1, "\xff" }, { (enum type)0, 1, "b" },
		{ TYPE_TRUE, 1, "b" }, { TYPE_M, 1, "b" },
	};

	CHECK_EQUAL_INT(try_schema(tide, good, none), 0);
	CHECK_EQUAL_INT(try_schema(tide, good, (struct key_attribute){ TYPE_B, 2, "pp" }), 0);
	CHECK_EQUAL_INT(try_schema(tide, good, good), ERR_VALIDATION);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_EQUAL_INT(try_schema(tide, bad[i], none), ERR_VALIDATION);
		if (bad[i].type)
			CHECK_EQUAL_INT(try_schema(tide, good, bad[i]), ERR_VALIDATION);
	}
}

static void names_of_a_table(struct tide *tide)
{
	char longest[TABLE_NAME_MAX + 2];
	struct tide_table_spec spec = spec_of("a b c");

	memset(longest, 'n', sizeof longest);
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_VALIDATION);
	spec.name = slice_of(longest, sizeof longest);
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_VALIDATION);
	CHECK_EQUAL_INT(tide_delete_table(tide, spec.name, &failure), ERR_NOT_FOUND);
}

/* Ids are never reused: LIMIT when the last one has been assigned. */
static void ids_end(struct tide *tide)
{
	struct transaction *transaction = &tide->transaction;
	struct tide_table_spec asked = spec_of("last");
	struct table_spec spec = { .name = asked.name,
		.schema = asked.schema, .view = asked.view, .retention = asked.retention };

	begin(tide);
	transaction->state.table = UINT32_MAX - 1;
	CHECK_EQUAL_INT(define_table(transaction, &spec, &failure), ERR_LIMIT);
	tide_abort(tide);
	begin(tide);
	transaction->state.stream = UINT32_MAX - 1;
	CHECK_EQUAL_INT(define_table(transaction, &spec, &failure), ERR_LIMIT);
	tide_abort(tide);
	begin(tide);
	transaction->state.table = transaction->state.stream = UINT32_MAX - 2;
	MUST(define_table(transaction, &spec, &failure), failure);
	tide_abort(tide);
}

/* The numbers of tables and streams are limited; a refused table leaves the transaction whole. */
static void tables_are_counted(struct tide *tide)
{
	struct transaction *transaction = &tide->transaction;
	struct tide_table_spec asked = spec_of("counted");
	struct table_spec spec = { .name = asked.name, .schema = asked.schema,
		.ttl = slice_of_text("e"), .retention = asked.retention };
	struct state before;

	begin(tide);
	before = transaction->state;
	transaction->state.tables = TABLES_MAX;
	CHECK_EQUAL_INT(define_table(transaction, &spec, &failure), ERR_LIMIT);
	transaction->state.tables = before.tables;
	spec.view = asked.view;
	transaction->state.streams = STREAMS_MAX;
	CHECK_EQUAL_INT(define_table(transaction, &spec, &failure), ERR_LIMIT);
	transaction->state.streams = before.streams;
	spec.retention.age_ms = 0;
	CHECK_EQUAL_INT(define_table(transaction, &spec, &failure), ERR_VALIDATION);
	spec.retention = asked.retention;
	MUST(define_table(transaction, &spec, &failure), failure);
	CHECK_EQUAL_UINT(transaction->state.tables, before.tables + 1);
	CHECK_EQUAL_UINT(transaction->state.streams, before.streams + 1);
	MUST(define_no_stream(transaction, spec.name, &failure), failure);
	transaction->state.streams = STREAMS_MAX;
	CHECK_EQUAL_INT(define_stream(transaction, spec.name, asked.view, &asked.retention,
		&failure), ERR_LIMIT);
	transaction->state.streams = before.streams + 1;
	tide_commit(tide, &failure);
	check_clean(tide);
	MUST(tide_delete_table(tide, spec.name, &failure), failure);
	CHECK_EQUAL_UINT(transaction->state.tables, before.tables);
	check_clean(tide);
}

/* The row of a table refers to a stream that does not exist. */
static void a_stream_is_missing(struct tide *tide)
{
	struct transaction *transaction = &tide->transaction;
	struct tide_table table = create_table(tide, "torn");
	struct builder builder = { 0 };
	struct tide_change change;
	struct stream_row row;
	uint32_t id;

	MUST(tide_stream_of(tide, slice_of_text("torn"), slice_of(NULL, 0), &id, &failure),
		failure);
	begin(tide);
	CHECK_EQUAL_INT(stream_read_row(transaction->txn, id, &row), 0);
	CHECK_EQUAL_INT(stream_remove(transaction->txn, &row), 0);
	CHECK_EQUAL_INT(transaction_catalog_changed(transaction), 0);
	CHECK_EQUAL_INT(tide_put(tide, &table, item_of(&builder, "a", "b", "c"), &change,
		&failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(define_no_stream(transaction, slice_of_text("torn"), &failure),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(tide_commit(tide, &failure), ERR_CORRUPT);
	CHECK(has(tide, &table, "a", "b", "c") == false);
	builder_release(&builder);
}

static void put_refused(struct tide *tide, struct tide_table *table, struct slice item, int err,
	const char *words)
{
	struct tide_change change;

	begin(tide);
	CHECK_EQUAL_INT(tide_put(tide, table, item, &change, &failure), err);
	CHECK(strstr(failure.message, words));
	tide_abort(tide);
}

/* An item { p, s } with values of these types; 0: without the attribute. */
static struct slice typed(struct builder *builder, enum type p, enum type s)
{
	struct slice item;

	builder_start(builder);
	for (int i = 0; i < 2; i++) {
		enum type type = i ? s : p;

		if (type)
			builder_name(builder, slice_of_text(i ? "s" : "p"));
		if (type == TYPE_S)
			builder_string(builder, slice_of_text("x"));
		else if (type)
			builder_null(builder);
	}
	CHECK_EQUAL_INT(builder_finish(builder, &item), 0);
	return item;
}

/* The message names the wrong key attribute; if both are wrong, the partition key. */
static void the_wrong_key_is_named(struct tide *tide)
{
	struct tide_table table = create_table(tide, "keyed");
	struct builder builder = { 0 };

	put_refused(tide, &table, item_of(&builder, "", "1", "v"), ERR_KEY_EMPTY, "Key: p");
	put_refused(tide, &table, item_of(&builder, "a", "", "v"), ERR_KEY_EMPTY, "Key: s");
	put_refused(tide, &table, item_of(&builder, "", "", "v"), ERR_KEY_EMPTY, "Key: p");
	put_refused(tide, &table, typed(&builder, TYPE_S, 0), ERR_KEY_MISSING, "key s");
	put_refused(tide, &table, typed(&builder, 0, TYPE_S), ERR_KEY_MISSING, "key p");
	put_refused(tide, &table, typed(&builder, 0, 0), ERR_KEY_MISSING, "key p");
	put_refused(tide, &table, typed(&builder, TYPE_S, TYPE_NULL), ERR_KEY_TYPE, "key s");
	put_refused(tide, &table, typed(&builder, TYPE_NULL, TYPE_S), ERR_KEY_TYPE, "key p");
	builder_release(&builder);
}

/* Errors are returned also if failure is NULL. */
static void failure_can_be_null(struct tide *tide)
{
	struct tide *other = open_tide(tide_path("define.tide"));

	CHECK_EQUAL_INT(tide_delete_table(tide, slice_of_text("none"), NULL), ERR_NOT_FOUND);
	begin(tide);
	CHECK_EQUAL_INT(tide_begin(tide, NULL), ERR_NESTED);
	CHECK_EQUAL_INT(tide_begin(other, NULL), ERR_BUSY);
	tide_abort(tide);
	tide_close(other);
}

int main(void)
{
	struct tide *tide = open_tide(tide_path("define.tide"));

	keys_of_a_table(tide);
	names_of_a_table(tide);
	ids_end(tide);
	tables_are_counted(tide);
	a_stream_is_missing(tide);
	the_wrong_key_is_named(tide);
	failure_can_be_null(tide);
	check_clean(tide);
	tide_close(tide);
	return 0;
}
