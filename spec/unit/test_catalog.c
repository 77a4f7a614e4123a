/* test_catalog.c - table/catalog.h: memory and opening do not depend on the number of tables, the
 * cache is bounded, and a damaged row concerns its table or stream only. */
#include "table/catalog.h"

#include <malloc.h>

#include "api/database.h"
#include "base/memory.h"
#include "unit/forge.h"

/* The allocator returns up to this many bytes more than requested, because it does not keep smaller
 * remainders. */
#define ROUNDING 16

#define FEW 10
#define MANY 5000

static struct failure failure;
static struct builder made;

/* --- the memory of the library --- */

static size_t live;              /* bytes that are allocated */
static size_t allocations;

static void *count(void *memory, size_t before)
{
	allocations++;
	live += malloc_usable_size(memory) - before;
	return memory;
}

/* Wraps an allocation function; `old` is the memory that it replaces. */
#define ALLOCATES(name, parameters, arguments, old) \
	void *__real_##name parameters; \
	void *__wrap_##name parameters; \
	void *__wrap_##name parameters \
	{ \
		size_t before = malloc_usable_size(old); \
	\
		return count(__real_##name arguments, before); \
	}

ALLOCATES(memory_alloc, (size_t size), (size), NULL)
ALLOCATES(memory_alloc_zeroed, (size_t size), (size), NULL)
ALLOCATES(memory_realloc, (void *memory, size_t size), (memory, size), memory)
ALLOCATES(memory_grow, (void *memory, size_t *cap, size_t size), (memory, cap, size), memory)

void __real_memory_free(void *memory);
void __wrap_memory_free(void *memory);
void __wrap_memory_free(void *memory)
{
	live -= malloc_usable_size(memory);
	__real_memory_free(memory);
}

/* --- files with tables --- */

static const char *name_of(unsigned n)
{
	static char name[16];

	snprintf(name, sizeof name, "table%06u", n);
	return name;
}

static const char *make(const char *name, unsigned tables)
{
	const char *path = tide_path(name);
	struct tide *tide = open_tide(path);

	for (unsigned i = 0; i < tables; i++)
		create_table(tide, name_of(i));
	tide_close(tide);
	return path;
}

struct cost {
	size_t live, allocations;
};

/* Returns what an open handle has allocated since it was opened, and how many allocations this
 * took. */
static struct cost cost_since(struct cost before)
{
	return (struct cost){ live - before.live, allocations - before.allocations };
}

static void use(struct tide *tide, unsigned tables, const char *value)
{
	for (unsigned i = 0; i < tables; i++) {
		struct tide_table table = table_named(name_of(i));
		struct tide_stream_state state;
		uint32_t stream;

		put_alone(tide, &table, "p", "s", value);
		CHECK(has(tide, &table, "p", "s", value));
		MUST(tide_stream_of(tide, slice_of_text(table.name), slice_of(NULL, 0), &stream,
			&failure), failure);
		MUST(tide_describe_stream(tide, stream, &state, &failure), failure);
		CHECK(state.count > 0);
	}
}

static void follow(struct tide *tide)
{
	struct tide_table table = table_named(name_of(1));
	struct tide_feed *feed;
	struct slice record;
	uint32_t stream;

	MUST(tide_feed_start(&feed, tide, 0, TIDE_LATEST, 0, &failure), failure);
	put_alone(tide, &table, "p", "s", "followed");
	MUST(tide_feed_fill(feed, tide, 10, &failure), failure);
	CHECK_EQUAL_INT(tide_feed_next(feed, &stream, &record), 0);
	CHECK_EQUAL_INT(tide_feed_next(feed, &stream, &record), END);
	tide_feed_finish(feed);
}

enum { OPENED, USED, CHANGED, STAGES };

/* Measures opening, the use of ten tables, and their use after another handle has created and
 * deleted a table. */
static void measure(const char *path, struct cost costs[STAGES])
{
	struct tide *other = open_tide(path), *tide;
	struct cost before = { live, allocations };

	tide = open_tide(path);
	costs[OPENED] = cost_since(before);
	use(tide, FEW, "used");
	follow(tide);
	costs[USED] = cost_since(before);
	tide_close(tide);

	before = (struct cost){ live, allocations };
	tide = open_tide(path);
	use(tide, FEW, "again");
	create_table(other, "another");
	MUST(tide_delete_table(other, slice_of_text("another"), &failure), failure);
	use(tide, FEW, "changed");
	follow(tide);
	costs[CHANGED] = cost_since(before);
	tide_close(tide);
	check_clean(other);
	tide_close(other);
}

static void no_cost_depends_on_the_number_of_tables(void)
{
	struct cost few[STAGES], many[STAGES];

	measure(make("few.tide", FEW), few);
	measure(make("big.tide", MANY), many);
	for (int i = 0; i < STAGES; i++) {
		CHECK(few[i].live > 0 && few[i].allocations > 0);
		CHECK(many[i].live <= few[i].live + ROUNDING * few[i].allocations);
		CHECK_EQUAL_UINT(many[i].allocations, few[i].allocations);
	}
}

/* --- the bound of the cache --- */

#define USED_TABLES (CATALOG_CACHED_MAX + 200)

static void the_cache_is_bounded(void)
{
	struct tide *tide = open_tide(make("bounded.tide", USED_TABLES));
	const struct catalog *catalog = &tide->catalog;

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < USED_TABLES; i++) {
			struct tide_table table = table_named(name_of(i));

			put_alone(tide, &table, "p", "s", name_of(round * 10000 + i));
			CHECK(catalog->count <= CATALOG_CACHED_MAX + 1);
			CHECK(catalog->streams.count <= CATALOG_CACHED_MAX + 1);
		}
	check_clean(tide);
	tide_close(tide);
}

/* What a transaction has found stays valid until it ends, however many tables it uses. */
static void a_transaction_may_use_more_tables(void)
{
	struct tide *tide = open_tide(make("wide.tide", USED_TABLES));
	struct tide_table *tables = calloc(USED_TABLES, sizeof *tables);

	CHECK(tables != NULL);
	for (unsigned i = 0; i < USED_TABLES; i++)
		tables[i] = table_named(name_of(i));
	for (unsigned round = 0; round < 2; round++) {
		char value[] = { (char)('0' + round), '\0' };

		begin(tide);
		for (unsigned i = 0; i < USED_TABLES; i++)
			put(tide, &tables[i], "p", "s", value);
		CHECK_EQUAL_UINT(tide->catalog.count, USED_TABLES);
		commit(tide);
		for (unsigned i = 0; i < USED_TABLES; i++)
			CHECK(has(tide, &tables[i], "p", "s", value));
	}
	check_clean(tide);
	free(tables);
	tide_close(tide);
}

/* --- what is cached --- */

/* A table that was found, deleted and created again is another one, also for another handle. */
static void a_found_table_is_found_again(void)
{
	const char *path = make("again.tide", 2);
	struct tide *tide = open_tide(path), *other = open_tide(path);
	struct tide_table table = table_named(name_of(0));

	for (int round = 0; round < 3; round++) {
		struct tide *changing = round % 2 ? other : tide;

		put_alone(tide, &table, "p", "s", "old");
		CHECK(has(other, &table, "p", "s", "old"));
		MUST(tide_delete_table(changing, slice_of_text(table.name), &failure), failure);
		CHECK(tide_find_cached(other, &table) == NULL || changing == tide);
		begin(tide);
		CHECK_EQUAL_INT(tide_put(tide, &table, item_of(&made, "p", "s", "v"),
			&(struct tide_change){ 0 }, &failure), ERR_NOT_FOUND);
		tide_abort(tide);
		create_table(changing, table.name);
		CHECK(!has(other, &table, "p", "s", "old"));
		CHECK(!has(tide, &table, "p", "s", "old"));
	}
	check_clean(tide);
	tide_close(tide);
	tide_close(other);
}

/* What a transaction creates is visible in it, and forgotten when it is aborted. */
static void an_abort_forgets(void)
{
	struct tide *tide = open_tide(make("abort.tide", 1));
	struct tide_table made_table = table_named("made"), kept = table_named(name_of(0));
	struct table_spec spec = { .name = slice_of_text("made"),
		.schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_S, 1, "s" } },
		.view = VIEW_NEW_IMAGE, .ttl = slice_of_text("e"),
		.retention = { .age_ms = DAY_MS } };
	struct state before;

	put_alone(tide, &kept, "p", "s", "v");
	before = tide->transaction.state;
	begin(tide);
	MUST(define_table(&tide->transaction, &spec, &failure), failure);
	MUST(define_delete(&tide->transaction, slice_of_text(kept.name), &failure), failure);
	CHECK_EQUAL_UINT(tide->transaction.state.tables, before.tables);
	CHECK_EQUAL_UINT(tide->transaction.state.streams, before.streams + 1);
	CHECK(tide->catalog.expiring != 0);
	put(tide, &made_table, "p", "s", "v");
	CHECK_EQUAL_INT(tide_put(tide, &kept, item_of(&made, "p", "s", "v"),
		&(struct tide_change){ 0 }, &failure), ERR_NOT_FOUND);
	tide_abort(tide);
	CHECK(has(tide, &kept, "p", "s", "v"));
	begin(tide);
	CHECK_EQUAL_UINT(tide->transaction.state.tables, before.tables);
	CHECK_EQUAL_UINT(tide->transaction.state.streams, before.streams);
	CHECK_EQUAL_UINT(tide->catalog.expiring, 0);
	CHECK_EQUAL_INT(tide_put(tide, &made_table, item_of(&made, "p", "s", "v"),
		&(struct tide_change){ 0 }, &failure), ERR_NOT_FOUND);
	tide_abort(tide);
	check_clean(tide);
	tide_close(tide);
}

/* --- damaged rows --- */

static void damage(const char *path, struct slice key)
{
	struct tide *tide = open_tide(path);
	struct txn *txn = forge_begin(tide);

	CHECK_EQUAL_INT(txn_put(txn, TREE_CATALOG, key, slice_of_text("ruin")), 0);
	forge_commit(tide, txn);
	tide_close(tide);
}

static int put_in(struct tide *tide, const char *name)
{
	struct tide_table table = table_named(name);
	int err;

	begin(tide);
	err = tide_put(tide, &table, item_of(&made, "p", "s", "v"), &(struct tide_change){ 0 },
		&failure);
	tide_abort(tide);
	return err;
}

static void a_damaged_table_is_the_only_one(void)
{
	const char *path = make("table.tide", 3);
	struct buffer names = { 0 };
	struct tide_table_spec spec = spec_of("table000001");
	struct tide *tide;

	damage(path, slice_of_text("\x10" "table000001"));
	tide = open_tide(path);
	CHECK_EQUAL_INT(put_in(tide, "table000001"), ERR_CORRUPT);
	CHECK(strstr(failure.message, "table000001") != NULL);
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(tide_delete_table(tide, spec.name, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(put_in(tide, "table000000"), 0);
	CHECK_EQUAL_INT(put_in(tide, "table000002"), 0);
	CHECK_EQUAL_INT(tide_table_names(tide, &names, &failure), ERR_CORRUPT);
	create_table(tide, "another");
	CHECK_EQUAL_INT(put_in(tide, "another"), 0);
	buffer_release(&names);
	tide_close(tide);
}

static void a_damaged_stream_is_the_only_one(void)
{
	static const uint8_t key[] = { CATALOG_STREAM, 0, 0, 0, STREAM_TWO };
	const char *path = make("stream.tide", 3);
	struct tide_stream_state state;
	struct buffer ids = { 0 };
	struct tide_feed *feed;
	struct tide *tide;

	damage(path, slice_of(key, sizeof key));
	tide = open_tide(path);
	CHECK_EQUAL_INT(put_in(tide, "table000001"), ERR_CORRUPT);
	CHECK_EQUAL_INT(tide_describe_stream(tide, STREAM_TWO, &state, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(tide_describe_stream(tide, STREAM_ONE, &state, &failure), 0);
	CHECK_EQUAL_INT(tide_disable_stream(tide, slice_of_text("table000001"), &failure),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(tide_stream_ids(tide, &ids, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(tide_feed_start(&feed, tide, STREAM_TWO, TIDE_LATEST, 0, &failure),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(put_in(tide, "table000000"), 0);
	buffer_release(&ids);
	tide_close(tide);
}

/* --- labels --- */

static uint32_t stream_of(struct tide *tide, const char *name, const char *label)
{
	uint32_t stream = 0;

	if (tide_stream_of(tide, slice_of_text(name), slice_of_text(label), &stream, &failure))
		CHECK_EQUAL_INT(failure.err, ERR_NOT_FOUND);
	return stream;
}

/* Streams of tables with one name, created at the same time, have labels that differ, and are
 * found by them until they are removed. */
static void labels_differ(void)
{
	struct clock *manual = clock_manual(UINT64_C(1700000000000));
	struct tide *tide = open_with_clock(tide_path("labels.tide"), manual);
	char labels[4][LABEL_MAX + 1];
	struct tide_swept swept = { 0 };
	bool more = true;

	for (uint32_t i = 0; i < 4; i++) {
		const struct stream_row *row;

		create_table(tide, "orders");
		MUST(tide_stream_row(tide, STREAM_ONE + i, &row, &failure), failure);
		memcpy(labels[i], row->label, sizeof labels[i]);
		for (uint32_t j = 0; j <= i; j++)
			CHECK_EQUAL_UINT(stream_of(tide, "orders", labels[j]), STREAM_ONE + j);
		CHECK_EQUAL_UINT(stream_of(tide, "others", labels[i]), 0);
		MUST(tide_delete_table(tide, slice_of_text("orders"), &failure), failure);
	}
	CHECK_EQUAL_UINT(stream_of(tide, "orders", ""), 0);
	CHECK_EQUAL_UINT(stream_of(tide, "orders", "x"), 0);
	clock_advance(manual, DAY_MS / 24);
	for (int i = 0; i < 30; i++) {
		clock_advance(manual, DAY_MS / 24);
		create_table(tide, "other");             /* so that no jump is seen */
		MUST(tide_delete_table(tide, slice_of_text("other"), &failure), failure);
	}
	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQUAL_UINT(stream_of(tide, "orders", labels[i]), 0);
	check_clean(tide);
	tide_close(tide);
	clock_drop(manual);
}

int main(void)
{
	no_cost_depends_on_the_number_of_tables();
	the_cache_is_bounded();
	a_transaction_may_use_more_tables();
	a_found_table_is_found_again();
	an_abort_forgets();
	a_damaged_table_is_the_only_one();
	a_damaged_stream_is_the_only_one();
	labels_differ();
	builder_release(&made);
	return 0;
}
