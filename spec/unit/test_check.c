/* test_check.c - problems that tide_check reports of the catalog, of keys and of pages. */
#include <fcntl.h>

#include "lmdb_file/audit.h"
#include "unit/wrong.h"

static struct table_row table_row(void)
{
	return *forge_table(tide, "orders");
}

/* --- meta --- */

static void put_table(const struct table_row *row)
{
	CHECK_EQUAL_INT(catalog_put_table(txn, row), 0);
}

static void forge_table_ids(void)
{
	struct table_row row = table_row();

	row.stream = 9;
	put_table(&row);
}

static void forge_disabled_stream(void)
{
	struct stream_row row = *stream_row();

	row.status = STREAM_DISABLED;
	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
}

static void forge_stream_of_another(void)
{
	struct stream_row row = *stream_row();

	row.table = 2;
	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
}

static void forge_orphan_rows(void)
{
	forge_row(txn, TREE_ITEMS, slice_of("\11a", 2), slice_of_text("?"));
	forge_row(txn, TREE_ITEMS, slice_of("\11b", 2), slice_of_text("?"));
	forge_row(txn, TREE_LOG, slice_of("\11\0\0\0\0\0\0\0\1", 9), slice_of_text("?"));
}

static const uint8_t file_header_key[] = { META_FILE_HEADER }, state_key[] = { META_STATE },
	boot_key[] = { META_WEAK_BOOT }, max_size_key[] = { META_MAX_SIZE };

static void forge_file_header(void)
{
	forge_row(txn, TREE_META, slice_of(file_header_key, 1), slice_of_text("another program's"));
}

static void forge_no_state(void)
{
	forge_delete(txn, TREE_META, slice_of(state_key, 1));
}

static void ruin_boot(void)
{
	CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of(boot_key, 1), slice_of_text("ruin")), 0);
}

static void forge_item_counts(void)
{
	struct item_count count = { 3, 1 };
	static const uint8_t key[] = { META_ITEM_COUNT, 0, 0, 0, 1 };

	CHECK_EQUAL_INT(item_count_write(txn, 9, &count), 0);
	forge_row(txn, TREE_META, slice_of(key, sizeof key), slice_of_text("short"));
}

static void ruin_max_size(void)
{
	CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of(max_size_key, 1),
		slice_of_text("ruin")), 0);
}

static void forge_number_key(void)
{
	static const uint8_t key[] = { 3, 1, 'a', 0, 1, 0xff, 0xff, 0xff };

	forge_row(txn, TREE_ITEMS, slice_of(key, sizeof key), slice_of_text("?"));
}

static void forge_counts(void)
{
	struct buffer scratch = { 0 };
	struct state state;

	CHECK_EQUAL_INT(state_read(txn, &state), 0);
	state.tables = 1000;
	state.streams = 0;
	CHECK_EQUAL_INT(state_write(txn, &state, &scratch), 0);
	buffer_release(&scratch);
}

static void forge_no_label(void)
{
	struct stream_row row = *stream_row();

	CHECK_EQUAL_INT(stream_remove(txn, &row), 0);
	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
}

static void forge_labels(void)
{
	struct stream_row row = *stream_row();

	strcpy(row.label, "other");
	CHECK_EQUAL_INT(stream_write_label(txn, &row), 0);
	strcpy(row.label, "unknown");
	row.id = 1000;
	CHECK_EQUAL_INT(stream_write_label(txn, &row), 0);
	forge_row(txn, TREE_CATALOG, slice_of_text("\x22" "orders/short"), slice_of_text("id"));
	forge_row(txn, TREE_CATALOG, slice_of_text("\x22" "orders"), slice_of_text("id"));
}

static const struct wrong wrongs[] = {
	{ "a table's ids", forge_table_ids, {
		"2\tcatalog\torders\ttable orders\t*has an id that was never assigned",
		"3\tcatalog\torders\ttable orders\t*refers to a stream that is not"
			" an enabled stream of this table",
	} },
	{ "a disabled stream", forge_disabled_stream, {
		"3\tcatalog\torders\ttable orders\t*refers to a stream that is not"
			" an enabled stream of this table",
	} },
	{ "a stream of another", forge_stream_of_another, {
		"3\tcatalog\torders\ttable orders\t*refers to a stream that is not"
			" an enabled stream of this table",
	} },
	{ "orphan rows", forge_orphan_rows, {
		"3\titems\t*holds 2 rows of table 9, which is not in the catalog",
		"3\tlog\t*holds 1 rows of stream 9, which is not in the catalog",
		"4\titems\t\tthe bytes \"\\x09a\"\t*does not decode",
		"4\titems\t\tthe bytes \"\\x09b\"\t*does not decode",
	} },
	{ "a file header", forge_file_header, {
		"1\tmeta\t\tfile header\t*does not decode",
		"1\tmeta\t*lacks the file header or the state",
	} },
	{ "no state", forge_no_state, {
		"1\tmeta\t*lacks the file header or the state",
	} },
	{ "a ruined row", ruin_boot, {
		"1\tmeta\t\tboot\t*)",
	} },
	{ "item counts", forge_item_counts, {
		"1\tmeta\t\titem count of table 1\t*does not decode",
		"3\tmeta\t\titem count of table 9\t*belongs to no table",
	} },
	{ "a ruined maximum size", ruin_max_size, {
		"1\tmeta\t\tmaximum size\t*)",
	} },
	{ "wrong counts", forge_counts, {
		"44\tmeta\t\tstate\t*counts 1000 tables, but there are 3",
		"44\tmeta\t\tstate\t*counts 0 streams, but there are 1",
	} },
	{ "no label", forge_no_label, {
		"45\tcatalog\t\tstream 2\t*has a label without a row",
	} },
	{ "labels of no stream", forge_labels, {
		"1\tcatalog\t\tthe bytes \"\\x22orders\"\t*has an invalid key",
		"45\tcatalog\torders\tlabel orders/other\t*names a stream that does not have"
			" this label",
		"1\tcatalog\torders\tlabel orders/short\t*does not decode",
		"45\tcatalog\torders\tlabel orders/unknown\t*names a stream that does not have"
			" this label",
	} },
	{ "an invalid number key", forge_number_key, {
		"4\titems\tnumbers\tp = \"a\", s = 0xffffff\t*does not decode",
	} },
};

/* The file may belong to another program, so its problems are not listed. */
static void without_stamp_and_state_it_is_no_database(void)
{
	struct report report = { 0 };

	fill();
	txn = forge_begin(tide);
	forge_delete(txn, TREE_META, slice_of(state_key, 1));
	forge_delete(txn, TREE_META, slice_of(file_header_key, 1));
	forge_commit(tide, txn);
	CHECK_EQUAL_INT(tide_check(tide, &report, &failure), ERR_NOT_DATABASE);
	buffer_release(&report.text);
	tide_close(tide);
}

/* --- a file --- */

static const char *make_file(const char *name)
{
	const char *path = tide_path(name);
	struct tide_table table;

	tide = open_tide(path);
	table = create_table(tide, "orders");
	for (int i = 0; i < 5; i++)
		put_alone(tide, &table, "ann", "big", i % 2 ? big : "small");
	tide_close(tide);
	return path;
}

/* Removes the free list from both meta pages (LMDB's struct MDB_meta). */
static void lose_free_list(const char *path)
{
	static const uint8_t none[40] = { [32] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	FILE *file = fopen(path, "r+b");

	CHECK(file != NULL);
	for (long page = 0; page < 2; page++) {
		CHECK(fseek(file, page * sysconf(_SC_PAGESIZE) + 16 + 24 + 6, SEEK_SET) == 0);
		CHECK(fwrite("\0\0", 1, 2, file) == 2);             /* its depth */
		CHECK(fwrite(none, 1, sizeof none, file) == sizeof none);
	}
	CHECK(fclose(file) == 0);
}

/* Checks the file, whose report must have exactly this line. Returns the number of leaked pages. */
static uint64_t file_has(const char *name, const char *path, const char *line)
{
	struct wrong wrong = { name, NULL, { line } };
	struct report report = { 0 };

	MUST(tide_check_file(path, &report, &failure), failure);
	wrong_is_named(&wrong, &report);
	buffer_release(&report.text);
	CHECK(remove(path) == 0);
	return report.pages_leaked;
}

static void pages_may_be_lost(void)
{
	const char *path = make_file("lost.tide");

	lose_free_list(path);
	CHECK(file_has("pages", path, "25\tfree list\t*unused pages") > 0);
}

/* --- a page --- */

static const char *make_rows(void)
{
	const char *path = tide_path("rows.tide");
	struct tide_table table;

	tide = open_tide(path);
	table = create_table(tide, "orders");
	for (char sort[] = "1"; *sort <= '4'; ++*sort)
		put_alone(tide, &table, "ann", sort, "v");
	tide_close(tide);
	return path;
}

/* Returns the file offset of the row pointers of a tree that has one page. */
static off_t pointers_of(int fd, const char *path, enum tree tree)
{
	struct meta_page facts;
	struct tree_root trees[TREE_COUNT];
	bool lost[TREE_COUNT];

	MUST(meta_page_read(fd, path, &facts, &failure), failure);
	CHECK_EQUAL_INT(audit_trees(trees, lost, fd, &facts, NULL), 0);
	CHECK_EQUAL_UINT(trees[tree].depth, 1);
	return (off_t)trees[tree].root * sysconf(_SC_PAGESIZE) + 16;
}

/* If the pointer to a row is damaged, the report names the rows before and after it. */
static void rows_may_be_lost(void)
{
#define LOST "25\titems\t\t\t10\ttree items has a row with a damaged header, between "
#define ITEM "table orders, the item with key p = \"ann\", s = "
	static const struct { int row; const char *line; } rows[] = {
		{ 0, LOST "the beginning and " ITEM "\"2\"*, row 0)" },
		{ 2, LOST ITEM "\"2\" and " ITEM "\"4\"*, row 2)" },
		{ 3, LOST ITEM "\"3\" and the end*, row 3)" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *path = make_rows();
		int fd = open(path, O_RDWR);

		CHECK_EQUAL_INT(pwrite(fd, "\1\0", 2,
			pointers_of(fd, path, TREE_ITEMS) + 2 * rows[i].row), 2);
		CHECK(close(fd) == 0);
		file_has("a row's place", path, rows[i].line);
	}
}

/* The meta page has a row count of the tree meta that is too high by one (struct MDB_meta). */
static void rows_may_be_missing(void)
{
	const char *path = make_rows();
	struct meta_page facts;
	char line[120];
	uint64_t more;
	int fd = open(path, O_RDWR);

	MUST(meta_page_read(fd, path, &facts, &failure), failure);
	more = facts.trees.rows + 1;
	CHECK_EQUAL_INT(pwrite(fd, &more, sizeof more, (off_t)(facts.commit & 1) *
		sysconf(_SC_PAGESIZE) + 16 + 24 + TREE_ROOT_BYTES + 32), sizeof more);
	CHECK(close(fd) == 0);
	snprintf(line, sizeof line, "25\tmeta\t*has another number of rows than its descriptor"
		" says: %llu", (unsigned long long)more);
	file_has("a count", path, line);
}

/* --- other formats --- */

static void say_format(uint16_t format)
{
	struct slice value, key = slice_of(file_header_key, sizeof file_header_key);
	struct buffer payload = { 0 };

	txn = forge_begin(tide);
	CHECK_EQUAL_INT(txn_get(txn, TREE_META, key, &value), 0);
	buffer_put(&payload, value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	set_u16(payload.data + strlen(FILE_MAGIC), format);
	set_u16(payload.data + strlen(FILE_MAGIC) + 2, format);
	forge_row(txn, TREE_META, key, buffer_slice(&payload));
	forge_commit(tide, txn);
	buffer_release(&payload);
}

/* A file of another format is not damaged: opening and checking return the same error. */
static void other_formats_are_refused(void)
{
	static const struct { uint16_t format; int err; } others[] = {
		{ FILE_FORMAT_OLDEST - 1, ERR_OLDER_FORMAT }, { FILE_FORMAT + 1, ERR_NEWER_FORMAT },
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		const char *path = make_file("format.tide");
		struct tide_options options = { .path = path, .max_bytes = UINT64_C(1) << 28 };
		struct report report = { 0 };

		tide = open_tide(path);
		say_format(others[i].format);
		tide_close(tide);
		CHECK_EQUAL_INT(tide_open(&tide, &options, &failure), others[i].err);
		CHECK_EQUAL_INT(tide_check_file(path, &report, &failure), others[i].err);
		buffer_release(&report.text);
		CHECK(remove(path) == 0);
	}
}

/* Deletes the root of a tree from the unnamed tree, of which LMDB refuses a deletion by key. */
static void lose_tree(const char *path, enum tree tree)
{
	const char *name = tree_name(tree);
	struct meta_page facts;
	uint8_t page[1 << 16];
	ssize_t size = sysconf(_SC_PAGESIZE);
	int fd = open(path, O_RDWR);
	off_t at;
	uint8_t *found;

	MUST(meta_page_read(fd, path, &facts, &failure), failure);
	at = (off_t)facts.trees.root * size;
	CHECK_EQUAL_INT(pread(fd, page, (size_t)size, at), size);
	found = memmem(page, (size_t)size, name, strlen(name));
	CHECK(found != NULL);
	found[strlen(name) - 1]++;       /* the order of the keys remains */
	CHECK_EQUAL_INT(pwrite(fd, page, (size_t)size, at), size);
	CHECK(close(fd) == 0);
}

/* A file of an older format may lack a tree, which is damage in a file of this format. */
static void a_missing_tree_is_damage_or_an_older_format(void)
{
	static const struct { uint16_t format; int err, check; } files[] = {
		{ FILE_FORMAT_OLDEST - 1, ERR_OLDER_FORMAT, ERR_OLDER_FORMAT },
		{ FILE_FORMAT + 1, ERR_NEWER_FORMAT, ERR_NEWER_FORMAT },
		{ FILE_FORMAT, ERR_CORRUPT, 0 },
	};

	for (size_t i = 0; i < 2 * sizeof files / sizeof *files; i++) {
		const char *path = make_file("trees.tide");
		struct tide_options options = { .path = path, .max_bytes = UINT64_C(1) << 28,
			.read_only = i % 2 };
		struct report report = { 0 };

		tide = open_tide(path);
		say_format(files[i / 2].format);
		tide_close(tide);
		lose_tree(path, TREE_INDEXES);
		CHECK_EQUAL_INT(tide_open(&tide, &options, &failure), files[i / 2].err);
		CHECK(tide == NULL);
		if (files[i / 2].err == ERR_CORRUPT)
			CHECK(strstr(failure.message, "tree indexes can't be found") != NULL);
		CHECK_EQUAL_INT(tide_check_file(path, &report, &failure), files[i / 2].check);
		CHECK_EQUAL_INT(report.problems > 0, files[i / 2].check == 0);
		buffer_release(&report.text);
		CHECK(remove(path) == 0);
	}
}

int main(void)
{
	wrong_start();
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
		is_named(&wrongs[i]);
	without_stamp_and_state_it_is_no_database();
	pages_may_be_lost();
	rows_may_be_lost();
	rows_may_be_missing();
	other_formats_are_refused();
	a_missing_tree_is_damage_or_an_older_format();
	builder_release(&made);
	return 0;
}
