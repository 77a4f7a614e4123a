/* test_damaged_rows.c - calls every function of tide.h on files with wrong rows.
 *
 * The rows are damaged at random and get valid checksums, as an attacker would write
 * them. Each of RUNS files (default 200) has one to three such rows. A call may return an
 * error with a message; none may crash, loop forever or keep the write lock.
 */
#include "api/database.h"
#include "codec/row.h"
#include "lmdb/cursor.h"
#include "unit/consuming.h"
#include "unit/tides.h"

#define BIG 5000
#define LONG 700
#define TIMEOUT_SECONDS 60

static struct failure failure;
static struct builder made;
static struct clock *manual;
static struct slice pristine;
static char big[BIG + 1], deep[LONG + 1], hashed[LONG + 1];

/* --- a file with a row of every kind --- */

static bool has_consumer_row(struct tide *tide, uint8_t kind)
{
	struct slice key = slice_of(&kind, 1), value;
	struct cursor *cursor;
	bool found;

	begin(tide);
	CHECK_EQUAL_INT(txn_cursor(tide->transaction.txn, TREE_CONSUMERS, &cursor), 0);
	found = cursor_move(cursor, MOVE_FROM, &key, &value) == 0 && key.data[0] == kind;
	tide_abort(tide);
	return found;
}

/* Makes random steps until two consumers have a row of every kind. */
static void fill_consumers(struct tide *tide)
{
	struct dice dice = dice_for(check_random(), 0, 0, 0);
	uint8_t kind = CONSUMER_ROW;

	while (kind <= CONSUMER_REPLAY_TRANSACTION) {
		MUST(consume_step(tide, &dice, &failure), failure);
		for (kind = CONSUMER_ROW; kind <= CONSUMER_REPLAY_TRANSACTION; kind++)
			if (!has_consumer_row(tide, kind))
				break;
	}
}

static void fill(const char *path)
{
	struct tide *tide = open_with_clock(path, manual);
	struct tide_table table = create_table(tide, "orders"), other;
	struct tide_table_spec spec = spec_of("silent");
	struct retention second = { .age_ms = 1000 };

	spec.view = 0;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	other = table_named("silent");
	put_alone(tide, &other, "ann", "1", "v");
	put_alone(tide, &table, "ann", "1", "v");
	put_alone(tide, &table, "ann", "big", big);
	put_alone(tide, &table, "ann", deep, "v");
	put_alone(tide, &table, hashed, "1", "v");
	begin(tide);
	put(tide, &table, "bob", "1", "v");
	put(tide, &table, "bob", "2", "v");
	put(tide, &table, "bob", "3", "v");
	commit(tide);
	for (int i = 0; i < 2; i++) {
		other = create_table(tide, i ? "dropped" : "old");
		put_alone(tide, &other, "ann", "1", big);
		put_alone(tide, &other, "ann", deep, big);
	}
	MUST(tide_set_retention(tide, 2, &second, &failure), failure);
	clock_advance(manual, 2000);
	put_alone(tide, &other, "ann", "2", "v");
	MUST(tide_delete_table(tide, slice_of_text("dropped"), &failure), failure);
	fill_consumers(tide);
	check_clean(tide);
	tide_close(tide);
}

static void read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long len;

	CHECK(file && fseek(file, 0, SEEK_END) == 0);
	len = ftell(file);
	bytes = malloc((size_t)len);
	CHECK(bytes && fseek(file, 0, SEEK_SET) == 0);
	CHECK(fread(bytes, 1, (size_t)len, file) == (size_t)len);
	fclose(file);
	pristine = slice_of(bytes, (size_t)len);
}

static void write_file(const char *path)
{
	FILE *file = fopen(path, "wb");

	CHECK(file && fwrite(pristine.data, 1, pristine.len, file) == pristine.len);
	CHECK(fclose(file) == 0);
}

/* --- damaging rows --- */

static bool is_ours(enum tree tree, struct slice key)
{
	return tree != TREE_META || key.data[0] < TREE_META_END;
}

/* Copies a random row of the tree, because the next write may move it. Returns false if the tree
 * is empty or the row is LMDB's. */
static bool pick(struct txn *txn, enum tree tree, struct buffer *key, struct buffer *payload)
{
	struct slice at = { NULL, 0 }, value;
	struct cursor *cursor;
	uint64_t rows, n;

	CHECK_EQUAL_INT(txn_count(txn, tree, &rows), 0);
	if (rows == 0)
		return false;
	n = check_random_below(rows);
	CHECK_EQUAL_INT(txn_cursor(txn, tree, &cursor), 0);
	CHECK_EQUAL_INT(cursor_move(cursor, MOVE_FIRST, &at, &value), 0);
	while (n-- > 0)
		CHECK_EQUAL_INT(cursor_move(cursor, MOVE_NEXT, &at, &value), 0);
	buffer_clear(key);
	buffer_clear(payload);
	buffer_put_slice(key, at);
	if (!is_ours(tree, at) || value.len < ROW_CHECKSUM)
		return false;
	buffer_put(payload, value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	return true;
}

/* Changes a random byte. In half of the cases the byte is one of the first 100, which describe the
 * bytes after them. */
static void change_byte(struct buffer *bytes)
{
	uint64_t near = bytes->len < 100 || check_random_below(2) ? bytes->len : 100;

	if (bytes->len)
		bytes->data[check_random_below(near)] = (uint8_t)(check_random_below(3) ?
			check_random() : check_random_below(5));
}

static void put_sealed(struct txn *txn, enum tree tree, struct slice key, struct slice payload)
{
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_slice(&value, payload);
	CHECK_EQUAL_INT(row_seal(&value, key), 0);
	if (is_ours(tree, key))
		CHECK_EQUAL_INT(txn_put(txn, tree, key, buffer_slice(&value)), 0);
	buffer_release(&value);
}

static void damage_row(struct txn *txn, enum tree tree, struct buffer *key,
	struct buffer *payload)
{
	uint64_t how = check_random_below(8);

	if (how == 0 || how == 1)
		CHECK_EQUAL_INT(txn_delete(txn, tree, buffer_slice(key)), 0);
	if (how == 1)
		change_byte(key);
	if (how == 2)
		payload->len = check_random_below(payload->len + 1);
	if (how == 3)
		buffer_put_u8(payload, 0);
	if (how >= 4 && how < 7)
		change_byte(payload);
	if (how == 7)
		CHECK_EQUAL_INT(txn_put(txn, tree, buffer_slice(key), slice_of("ruin",
			check_random_below(5))), 0);
	else if (how)
		put_sealed(txn, tree, buffer_slice(key), buffer_slice(payload));
}

/* Damages one to three random rows of the file. An open handle of this process has the same
 * store. */
static void damage(const char *path)
{
	struct store_options options = { .path = path, .durability = DURABILITY_NONE,
		.max_bytes = UINT64_C(1) << 30, .clock = manual };
	struct buffer key = { 0 }, payload = { 0 };
	uint64_t times = 1 + check_random_below(3);
	struct store *store;
	struct txn *txn;

	MUST(store_open(&store, &options, &failure), failure);
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	MUST(writer_begin(&txn, store, &failure), failure);
	while (times > 0) {
		enum tree tree = (enum tree)check_random_below(TREE_COUNT);

		if (pick(txn, tree, &key, &payload)) {
			damage_row(txn, tree, &key, &payload);
			times--;
		}
	}
	MUST(writer_commit(&txn, &failure), failure);
	write_lock_release(store_shared_page(store));
	store_close(store);
	buffer_release(&key);
	buffer_release(&payload);
}

/* --- calling every function --- */

/* Checks that an error has a message and is not one that a mistake of this test would cause.
 * Returns err. */
static int tested(int err)
{
	CHECK(err >= 0 || (failure.err == err && failure.message[0]));
	CHECK(err != ERR_NO_MEMORY && err != ERR_NESTED && err != ERR_BUSY && err != ERR_CLOSED);
	return err;
}

static void read_items(struct tide *tide, struct tide_table *table,
	const struct tide_snapshot *snapshot)
{
	static const char *const sorts[] = { "1", "big", deep, "none" };
	struct buffer out = { 0 };
	uint64_t sequence;

	for (size_t i = 0; i < 4; i++) {
		struct slice key = item_of(&made, "ann", sorts[i], NULL);

		tested(tide_get(tide, table, key, &out, &sequence, &failure));
		if (snapshot)
			tested(tide_get_at(tide, snapshot, table, key, &out, &sequence, &failure));
	}
	tested(tide_get(tide, table, item_of(&made, hashed, "1", NULL), &out, &sequence, &failure));
	buffer_release(&out);
}

static void read_query(struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec)
{
	struct tide_query *query;
	struct slice item;
	uint64_t sequence;
	int err = tested(tide_query_start(&query, tide, table, spec, &failure));

	while (!err) {
		err = tested(tide_query_fill(query, tide, 2, &failure));
		while (!err && tide_query_next(query, &sequence, &item) == 0)
			CHECK(item.len < 1000000);
		if (!err && !tide_query_more(query))
			break;
	}
	tide_query_finish(query);
}

static void read_queries(struct tide *tide, struct tide_table *table,
	const struct tide_snapshot *snapshot)
{
	struct value partitions[] = { { TYPE_S, 0, slice_of_text("ann") },
		{ TYPE_S, 0, slice_of_text(hashed) } };

	for (int i = 0; i < 6; i++) {
		struct tide_query_spec spec = { .backward = i % 2 };

		if (i < 4)
			spec.partition = &partitions[i / 2];
		read_query(tide, table, &spec);
		spec.snapshot = snapshot;
		if (snapshot)
			read_query(tide, table, &spec);
	}
}

static void read_feed(struct tide *tide, uint32_t id, enum tide_from from, uint64_t at)
{
	struct tide_feed *feed;
	struct slice record;
	uint32_t stream;
	bool given = true;
	int err = tested(tide_feed_start(&feed, tide, id, from, at, &failure));

	while (!err && given) {
		err = tested(tide_feed_fill(feed, tide, 2, &failure));
		for (given = false; !err && tide_feed_next(feed, &stream, &record) == 0;)
			given = true;
	}
	tide_feed_finish(feed);
}

static void read_streams(struct tide *tide)
{
	for (uint32_t id = 0; id <= 3; id++) {
		struct tide_stream_state state;

		tested(tide_describe_stream(tide, id, &state, &failure));
		for (int from = TIDE_TRIM_HORIZON; from <= TIDE_TIME; from++)
			read_feed(tide, id, (enum tide_from)from, from == TIDE_TIME ? 1000500 : 4);
	}
}

static void read_parked(struct tide *tide, struct slice name)
{
	struct tide_parked_scope all = { 0 };
	struct parked_place place = { 0 };
	struct buffer page = { 0 };
	int err = 0;

	while (!err) {
		buffer_clear(&page);
		err = tested(tide_parked_page(tide, name, &all, 2, &place, &page, &failure));
	}
	buffer_release(&page);
}

static void use_consumers(struct tide *tide)
{
	struct dice dice = dice_for(check_random(), 0, 0, 0);
	struct buffer list = { 0 };
	struct source source;

	tested(tide_consumer_lags(tide, &list, &failure));
	buffer_clear(&list);
	if (tested(tide_consumer_names(tide, &list, &failure)) == 0)
		for (source = source_of(buffer_slice(&list)); source_left(&source);) {
			struct slice name = source_counted(&source);
			bool passed;

			read_parked(tide, name);
			tested(tide_consumer_has_processed(tide, name, 1, 4, &passed, &failure));
		}
	buffer_release(&list);
	for (int i = 0; i < 30; i++) {
		tested(consume_step(tide, &dice, &failure));
		CHECK(!tide_in_transaction(tide));
	}
}

static void check_it(struct tide *tide)
{
	struct report report = { 0 };

	tested(tide_check(tide, &report, &failure));
	CHECK((report.problems > 0) == (report.text.len > 0));
	buffer_release(&report.text);
}

static void write_items(struct tide *tide, struct tide_table *table)
{
	static const char *const sorts[] = { "1", "big", deep, "new" };
	struct tide_change change;

	for (size_t i = 0; i < 4; i++) {
		if (tested(tide_begin(tide, &failure)))
			return;
		tested(tide_put(tide, table, item_of(&made, "ann", sorts[i], i % 2 ? "w" : big),
			&change, &failure));
		tested(tide_delete(tide, table, item_of(&made, "bob", "2", NULL), &change,
			&failure));
		tested(tide_commit(tide, &failure));
		CHECK(!tide_in_transaction(tide));
	}
	if (tested(tide_begin(tide, &failure)))
		return;
	for (size_t i = 0; i < 4; i++)
		tested(tide_delete(tide, table, item_of(&made, "ann", sorts[i], NULL), &change,
			&failure));
	tested(tide_delete(tide, table, item_of(&made, hashed, "1", NULL), &change, &failure));
	tested(tide_commit(tide, &failure));
}

static void trim_it(struct tide *tide)
{
	struct tide_swept swept = { 0 };
	bool more = true;

	for (int i = 0; more && i < 100; i++)
		if (tested(tide_sweep(tide, &swept, &more, &failure)))
			break;
}

static void define_it(struct tide *tide)
{
	struct retention two = { .age_ms = 1000, .max_count = 2 };
	struct tide_table_spec spec = spec_of("newer");
	struct slice orders = slice_of_text("orders");

	tested(tide_create_table(tide, &spec, &failure));
	tested(tide_set_retention(tide, 1, &two, &failure));
	tested(tide_disable_stream(tide, orders, &failure));
	tested(tide_enable_stream(tide, orders, VIEW_NEW_IMAGE, &two, &failure));
	tested(tide_delete_table(tide, orders, &failure));
}

static void use(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct tide_snapshot *snapshot;

	tested(tide_snapshot_open(&snapshot, tide, &failure));
	check_it(tide);
	read_items(tide, &table, snapshot);
	read_queries(tide, &table, snapshot);
	read_streams(tide);
	use_consumers(tide);
	write_items(tide, &table);
	clock_advance(manual, 10000);
	trim_it(tide);
	define_it(tide);
	clock_advance(manual, DAY_MS);
	trim_it(tide);
	read_items(tide, &table, snapshot);
	read_streams(tide);
	check_it(tide);
	tide_snapshot_close(snapshot);
}

/* Damages one file and calls every function. Half of the files are damaged while a handle is open,
 * which has cached the undamaged catalog. */
static void one_file(const char *path)
{
	struct tide_options options = weak_options(path);
	struct tide *tide = NULL, *another = open_with_clock(path, manual);

	options.clock = manual;
	if (check_random_below(2)) {
		tide = another;
		another = NULL;
		check_clean(tide);
	}
	damage(path);
	tide_close(another);
	if (!tide && tested(tide_open(&tide, &options, &failure))) {
		CHECK(tide == NULL);
		return;
	}
	use(tide);
	tide_close(tide);
}

/* If a file has more problems than a report has lines, all are counted and the first ones are
 * listed. */
static void a_file_full_of_damage(void)
{
	enum { ROWS = REPORT_PROBLEMS_MAX + 100 };
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };
	struct report report = { 0 };
	struct tide *tide;
	uint64_t lines = 0;

	MUST(tide_open(&tide, &options, &failure), failure);
	create_table(tide, "orders");
	begin(tide);
	for (int i = 0; i < ROWS; i++) {
		char key[32];
		int len = snprintf(key, sizeof key, "%c%c%c%c%08d", 0, 0, 0, 1, i);

		CHECK_EQUAL_INT(txn_put(tide->transaction.txn, TREE_ITEMS,
			slice_of(key, (size_t)len), slice_of_text("ruin")), 0);
	}
	tide->transaction.changed = true;
	commit(tide);
	MUST(tide_check(tide, &report, &failure), failure);
	CHECK(report.problems >= ROWS);
	for (size_t i = 0; i < report.text.len; i++)
		lines += report.text.data[i] == '\n';
	CHECK(lines > 0 && lines <= REPORT_PROBLEMS_MAX);
	buffer_release(&report.text);
	tide_close(tide);
}

int main(void)
{
	uint64_t runs = check_runs(200);
	char *path = strdup(tide_path("damaged.tide"));

	CHECK(path != NULL);
	memset(big, 'x', BIG);
	memset(deep, 'd', LONG);
	memset(hashed, 'h', LONG);
	manual = clock_manual(1000000);
	a_file_full_of_damage();
	fill(path);
	read_file(path);
	while (runs--) {
		alarm(TIMEOUT_SECONDS);
		write_file(path);
		clock_set(manual, 1003000);
		one_file(path);
	}
	alarm(0);
	free((void *)pristine.data);
	free(path);
	builder_release(&made);
	clock_drop(manual);
	return 0;
}
