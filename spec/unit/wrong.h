/* wrong.h - a small valid database, and the comparison of reports with expected problems.
 *
 * A test violates an invariant by rows with valid checksums (unit/forge.h), and lists all
 * lines that the report must have. If any memory request fails, the report must be the
 * same, or the check must fail.
 */
#ifndef UNIT_WRONG_H
#define UNIT_WRONG_H

#include "base/memory.h"
#include "unit/forge.h"

#define BIG 5000
#define LONG 700
#define LONGER 1020
#define LONGS 70
#define LINES 12

static struct failure failure;
static struct builder made;
static char big[BIG + 1], deep[LONG + 1];

/* The database that the tests change, with a table and records of every kind. */
static struct tide *tide;
static struct txn *txn;
static uint64_t first, second, third, both, gone, parted, last;   /* sequence numbers */
static void (*fill_more)(void);          /* adds to the database; NULL: nothing */

/* Returns a sort key whose item needs three rows. */
static const char *long_name(int i)
{
	static char name[LONGER + 3];

	memset(name, 'l', LONGER);
	name[LONGER - 300] = (char)('0' + i / 10);
	name[LONGER - 299] = (char)('0' + i % 10);
	name[LONGER] = '\0';
	return name;
}

static void fill(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = UINT64_C(1) << 28 };
	struct tide_table table, longs;
	struct tide_table_spec spec = spec_of("longs");

	MUST(tide_open(&tide, &options, &failure), failure);
	table = create_table(tide, "orders");
	spec.view = 0;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	spec.name = slice_of_text("numbers");
	spec.schema.sort.type = TYPE_N;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	longs = table_named("longs");
	first = put_alone(tide, &table, "ann", "1", "v");
	second = put_alone(tide, &table, "ann", "2", "v");
	third = put_alone(tide, &table, "ann", "1", "w");
	begin(tide);
	both = put(tide, &table, "bob", "1", "v");
	put(tide, &table, "bob", "2", "v");
	put(tide, &table, "bob", "3", "v");
	MUST(tide_delete(tide, &table, item_of(&made, "ann", "2", NULL),
		&(struct tide_change){ 0 }, &failure), failure);
	commit(tide);
	gone = both + 3;
	parted = put_alone(tide, &table, "ann", "big", big);
	last = put_alone(tide, &table, "ann", deep, "v");
	begin(tide);
	for (int i = 0; i < LONGS; i++)
		put(tide, &longs, "ann", long_name(i), "v");
	commit(tide);
	if (fill_more)
		fill_more();
	check_clean(tide);
}

static inline struct stream_row *stream_row(void)
{
	static struct stream_row row;

	CHECK_EQUAL_INT(stream_read_row(txn, STREAM_ONE, &row), 0);
	return &row;
}

/* --- the report --- */

struct wrong {
	const char *name;
	void (*forge)(void);
	const char *lines[LINES];    /* beginning and end of each line, separated by * */
};

/* Removes the first line of the text. Returns true if it matches. */
static bool has_line(struct slice *text, const char *like)
{
	const uint8_t *end = memchr(text->data, '\n', text->len);
	const char *star = like ? strchr(like, '*') : NULL;
	struct slice line = slice_of(text->data, (size_t)(end - text->data)), begin, rest;

	*text = slice_of(end + 1, text->len - line.len - 1);
	if (!like)
		return false;
	begin = slice_of(like, (size_t)(star - like));
	rest = slice_of_text(star + 1);
	return line.len >= begin.len + rest.len && slice_begins(line, begin) &&
		slice_equal(slice_of(line.data + line.len - rest.len, rest.len), rest);
}

static void wrong_is_named(const struct wrong *wrong, const struct report *report)
{
	struct slice text = buffer_slice(&report->text);
	size_t lines = 0;
	bool good = true;

	for (; text.len; lines++)
		good &= has_line(&text, lines < LINES ? wrong->lines[lines] : NULL);
	if (good && report->problems == lines && (lines == LINES || !wrong->lines[lines]))
		return;
	fprintf(stderr, "%s: %zu lines:\n%.*s", wrong->name, lines, (int)report->text.len,
		(const char *)report->text.data);
	exit(1);
}

/* Lets each memory request fail once. The report must be the same, or the check must fail. */
static void memory_may_fail(const struct report *whole, void (*refuse_after)(long requests))
{
	struct report report;
	long allowed = 0;
	int err;

	do {
		report = (struct report){ 0 };
		refuse_after(allowed++);
		err = tide_check(tide, &report, &failure);
		refuse_after(-1);
		CHECK(err == 0 || (err == ERR_NO_MEMORY && failure.err == err));
		if (!err)
			CHECK_BYTES(report.text.data, report.text.len, whole->text.data,
				whole->text.len);
		CHECK(err || report.problems == whole->problems);
		buffer_release(&report.text);
	} while (memory_was_refused());
	CHECK_EQUAL_INT(err, 0);
	CHECK(allowed > 5);
}

static void is_named(const struct wrong *wrong)
{
	struct report report = { 0 };

	fill();
	txn = forge_begin(tide);
	if (wrong->forge)
		wrong->forge();
	forge_commit(tide, txn);
	MUST(tide_check(tide, &report, &failure), failure);
	wrong_is_named(wrong, &report);
	memory_may_fail(&report, memory_fail_after);
	memory_may_fail(&report, memory_fail_once_after);
	buffer_release(&report.text);
	tide_close(tide);
}

static void wrong_start(void)
{
	memset(big, 'x', BIG);
	memset(deep, 'd', LONG);
}

#endif
