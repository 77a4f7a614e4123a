/* expiring.h - helpers for tests of time to live: tables and items that expire, in one line. */
#ifndef UNIT_EXPIRING_H
#define UNIT_EXPIRING_H

#include "os/clock.h"
#include "unit/tides.h"

#define HOUR_MS (UINT64_C(3600) * 1000)

/* Creates a table like create_table whose items expire by the attribute e. */
static inline struct tide_table create_expiring(struct tide *tide, const char *name)
{
	struct tide_table_spec spec = spec_of(name);
	struct failure failure = { 0 };

	spec.ttl = slice_of_text("e");
	MUST(tide_create_table(tide, &spec, &failure), failure);
	return table_named(name);
}

static inline void set_ttl(struct tide *tide, const char *name, const char *attribute)
{
	struct failure failure = { 0 };

	MUST(tide_set_ttl(tide, slice_of_text(name), slice_of_text(attribute), &failure), failure);
}

/* Starts an item with the attribute e, a time in ms; 0: without it. */
static inline void start_expiring(struct builder *builder, uint64_t expiry_ms)
{
	char text[40];
	struct number number;

	builder_start(builder);
	if (!expiry_ms)
		return;
	snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, expiry_ms / 1000, expiry_ms % 1000);
	CHECK_EQUAL_INT(number_parse(&number, slice_of_text(text)), 0);
	builder_name(builder, slice_of_text("e"));
	builder_number(builder, number_slice(&number));
}

/* Returns the item { e, p, s, v }. Valid until the builder is used again. */
static inline struct slice expiring_item(struct builder *builder, const char *p, const char *s,
	const char *v, uint64_t expiry_ms)
{
	const char *const names[] = { "p", "s", "v" }, *const values[] = { p, s, v };
	struct slice item;

	start_expiring(builder, expiry_ms);
	for (int i = 0; i < 3; i++) {
		builder_name(builder, slice_of_text(names[i]));
		builder_string(builder, slice_of_text(values[i]));
	}
	CHECK_EQUAL_INT(builder_finish(builder, &item), 0);
	return item;
}

/* Puts an item in the open transaction. Returns the sequence number of the change. */
static inline uint64_t put_expiring(struct tide *tide, struct tide_table *table, const char *p,
	const char *s, const char *v, uint64_t expiry_ms)
{
	struct builder builder = { 0 };
	struct failure failure = { 0 };
	struct tide_change change;

	MUST(tide_put(tide, table, expiring_item(&builder, p, s, v, expiry_ms), &change, &failure),
		failure);
	builder_release(&builder);
	return change.sequence;
}

/* Puts `count` items with sort keys from `first` on in one transaction. */
static inline void put_many_expiring(struct tide *tide, struct tide_table *table, int first,
	int count, uint64_t expiry_ms)
{
	char sort[16];

	begin(tide);
	for (int i = 0; i < count; i++) {
		snprintf(sort, sizeof sort, "%06d", first + i);
		put_expiring(tide, table, "many", sort, "v", expiry_ms);
	}
	commit(tide);
}

#endif
