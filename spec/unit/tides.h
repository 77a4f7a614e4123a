/* tides.h - helpers for tests of tide.h: databases, tables and items in one line.
 *
 * The helpers check that each call succeeds. Tests of failures call the functions
 * directly.
 */
#ifndef UNIT_TIDES_H
#define UNIT_TIDES_H

#include "codec/builder.h"
#include "tide.h"
#include "unit/child.h"
#include "unit/must.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

/* Returns a path in the test's directory, valid until the 8th call from now. */
static inline const char *tide_path(const char *name)
{
	static char paths[8][4200];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s", check_directory(), name);
	return path;
}

static inline struct tide_options weak_options(const char *path)
{
	return (struct tide_options){
		.path = path, .create = true, .durability = DURABILITY_NONE,
		.max_bytes = UINT64_C(1) << 30,      /* the default is too big for valgrind */
	};
}

/* Opens a database. Retries while another process opens it. */
static inline struct tide *open_tide_with(const struct tide_options *options)
{
	struct failure failure = { 0 };
	struct tide *tide;
	int err = tide_open(&tide, options, &failure);

	while (err == ERR_BUSY && failure.transient) {
		usleep(1000);
		err = tide_open(&tide, options, &failure);
	}
	MUST(err, failure);
	return tide;
}

static inline struct tide *open_tide(const char *path)
{
	struct tide_options options = weak_options(path);

	return open_tide_with(&options);
}

static inline struct tide *open_with_clock(const char *path, struct clock *clock)
{
	struct tide_options options = weak_options(path);

	options.clock = clock;
	return open_tide_with(&options);
}

/* Begins a transaction; waits for other writers. */
static inline void begin(struct tide *tide)
{
	struct failure failure = { 0 };
	struct tide_waiter *waiter;
	int err = tide_begin(tide, &failure);

	if (err == ERR_BUSY) {
		MUST(tide_waiter_open(&waiter, tide, false, &failure), failure);
		while (err == ERR_BUSY) {
			tide_waiter_sleep(waiter, 1000);
			tide_waiter_use(waiter);
			err = tide_begin(tide, &failure);
		}
		tide_waiter_close(waiter);
	}
	MUST(err, failure);
}

static inline void commit(struct tide *tide)
{
	struct failure failure = { 0 };

	MUST(tide_commit(tide, &failure), failure);
}

static inline struct tide_table table_named(const char *name)
{
	struct failure failure = { 0 };
	struct tide_table table;

	MUST(tide_table_named(&table, slice_of_text(name), &failure), failure);
	return table;
}

/* Returns a table with partition key p (S), sort key s (S) and a stream with both images. */
/* Ids of the streams of the first two tables of a file. */
enum { STREAM_ONE = STREAM_OF_TABLES + 1, STREAM_TWO };

static inline struct tide_table_spec spec_of(const char *name)
{
	return (struct tide_table_spec){
		.name = slice_of_text(name),
		.schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_S, 1, "s" } },
		.view = VIEW_NEW_AND_OLD_IMAGES,
		.retention = { .age_ms = DAY_MS },
	};
}

static inline struct tide_table create_table(struct tide *tide, const char *name)
{
	struct tide_table_spec spec = spec_of(name);
	struct failure failure = { 0 };

	MUST(tide_create_table(tide, &spec, &failure), failure);
	return table_named(name);
}

/* Returns the item { p, s, v }, or its key if v is NULL. Valid until the builder is used again. */
static inline struct slice item_of(struct builder *builder, const char *p, const char *s,
	const char *v)
{
	struct slice item;

	builder_start(builder);
	builder_name(builder, slice_of_text("p"));
	builder_string(builder, slice_of_text(p));
	builder_name(builder, slice_of_text("s"));
	builder_string(builder, slice_of_text(s));
	if (v) {
		builder_name(builder, slice_of_text("v"));
		builder_string(builder, slice_of_text(v));
	}
	CHECK_EQUAL_INT(builder_finish(builder, &item), 0);
	return item;
}

/* Puts an item in the open transaction. Returns the sequence number of the change, 0 if none. */
static inline uint64_t put(struct tide *tide, struct tide_table *table, const char *p,
	const char *s, const char *v)
{
	struct builder builder = { 0 };
	struct failure failure = { 0 };
	struct tide_change change;

	MUST(tide_put(tide, table, item_of(&builder, p, s, v), &change, &failure), failure);
	builder_release(&builder);
	return change.sequence;
}

/* Puts an item in a transaction with no other change. */
static inline uint64_t put_alone(struct tide *tide, struct tide_table *table, const char *p,
	const char *s, const char *v)
{
	uint64_t sequence;

	begin(tide);
	sequence = put(tide, table, p, s, v);
	commit(tide);
	return sequence;
}

static inline bool has(struct tide *tide, struct tide_table *table, const char *p, const char *s,
	const char *v)
{
	struct builder builder = { 0 };
	struct failure failure = { 0 };
	struct buffer out = { 0 };
	uint64_t sequence;
	int err = tide_get(tide, table, item_of(&builder, p, s, NULL), &out, &sequence, &failure);
	bool same;

	if (err < 0)
		MUST(err, failure);
	same = !err && slice_equal(buffer_slice(&out), item_of(&builder, p, s, v));
	builder_release(&builder);
	buffer_release(&out);
	return same;
}

/* Returns the number of problems that check finds. */
static inline uint64_t problems_of(struct tide *tide)
{
	struct report report = { 0 };
	struct failure failure = { 0 };

	MUST(tide_check(tide, &report, &failure), failure);
	buffer_release(&report.text);
	return report.problems;
}

static inline void check_clean(struct tide *tide)
{
	struct report report = { 0 };
	struct failure failure = { 0 };

	MUST(tide_check(tide, &report, &failure), failure);
	if (report.problems)
		fprintf(stderr, "%.*s\n", (int)report.text.len, (const char *)report.text.data);
	CHECK_EQUAL_UINT(report.problems, 0);
	buffer_release(&report.text);
}

#endif
