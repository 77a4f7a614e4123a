/* expressions.c - measures expressions on the bytes of an item, without a database.
 *
 *     expressions ROUNDS ITEMS     prints for each row: name, target and median in ns of
 *                                  processor time (target 0: none)
 *     expressions count N ROW      evaluates row ROW N times; for a profiler
 *
 * Items are orders of 200 bytes in 6 attributes, as in bench/lib/orders.lua, and larger ones
 * of 12 attributes with a map and a list. Each evaluation takes the next of 1,000 items, so
 * that branches differ. Before it the item is read as in a scan, which computes its checksum; the
 * time of this, in the first two rows, is subtracted from all others. "walk" reads every attribute
 * of the same item, for comparison.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "codec/builder.h"
#include "expr/expression.h"
#include "lib/program.h"

#define ITEMS 1000
#define ROUNDS_MAX 99

enum shape { SMALL, LARGE };

struct item {
	uint8_t bytes[1200];
	size_t len;
};

static struct item items[2][ITEMS];
static struct expression_cache cache;
static struct request request;
static struct update update;
static struct buffer out;
static uint64_t sum;                 /* sum of the results, so that they are not optimized away */

/* --- items --- */

static void put_text(struct builder *builder, const char *name, const char *text)
{
	builder_name(builder, slice_of_text(name));
	builder_string(builder, slice_of_text(text));
}

static void put_number(struct builder *builder, const char *name, int64_t n)
{
	struct number number;

	number_from_integer(&number, n);
	builder_name(builder, slice_of_text(name));
	builder_number(builder, number_slice(&number));
}

static void put_order(struct builder *builder, unsigned i)
{
	static const char *const states[] = { "pending", "shipped", "settled", "refused" };
	char customer[32];

	snprintf(customer, sizeof customer, "c-%07u", i);
	put_text(builder, "customer", customer);
	put_number(builder, "placed_at", 1700000000001 + i * 100);
	put_text(builder, "status", states[i % 4]);
	put_number(builder, "total", 10000 + i * 7 % 90000);
	put_text(builder, "address", "017 Long Harbour Road, Building 03, 24103 Kiel, Germany");
	put_text(builder, "note", "leave it with neighbour no. 027, ring twice and mind the cats");
}

static void put_more(struct builder *builder, unsigned i)
{
	char text[401];

	builder_name(builder, slice_of_text("delivery"));
	builder_open(builder, TYPE_M);
	put_text(builder, "carrier", "north");
	put_number(builder, "weight", i % 100);
	put_text(builder, "zip", "24103");
	builder_close(builder);
	builder_name(builder, slice_of_text("articles"));
	builder_open(builder, TYPE_L);
	for (unsigned n = 0; n < 4; n++) {
		builder_open(builder, TYPE_M);
		put_number(builder, "count", n + 1);
		put_text(builder, "sku", "ab-1234567");
		builder_close(builder);
	}
	builder_close(builder);
	memset(text, 'x', 400);
	text[400] = '\0';
	put_text(builder, "comment", text);
	put_number(builder, "version", i);
	put_number(builder, "rating", i % 5);
	builder_name(builder, slice_of_text("paid"));
	builder_bool(builder, i % 3 == 0);
}

static void make_items(void)
{
	struct builder builder = { 0 };
	struct slice bytes;

	for (unsigned i = 0; i < 2 * ITEMS; i++) {
		struct item *item = &items[i / ITEMS][i % ITEMS];

		builder_start(&builder);
		put_order(&builder, i % ITEMS);
		if (i >= ITEMS)
			put_more(&builder, i % ITEMS);
		if (builder_finish(&builder, &bytes) || bytes.len > sizeof item->bytes)
			die("items", "do not fit");
		memcpy(item->bytes, bytes.data, bytes.len);
		item->len = bytes.len;
	}
	builder_release(&builder);
}

static struct slice item_at(enum shape shape, uint64_t n)
{
	const struct item *item = &items[shape][n % ITEMS];

	return slice_of(item->bytes, item->len);
}

/* --- rows --- */

struct row {
	const char *name;
	unsigned aim_ns;
	enum shape shape;
	enum expression_kind kind;
	const char *text;                /* an expression, or WALK or READ */
	bool binds;                      /* looked up in the cache and bound each time */
};

/* Compared by address. */
static const char READ[] = "read", WALK[] = "walk";

/* The rows of READ are in the order of enum shape. */
static const struct row rows[] = {
	{ "read, 200 bytes", 0, SMALL, EXPRESSION_FILTER, READ, false },
	{ "read, 900 bytes", 0, LARGE, EXPRESSION_FILTER, READ, false },
	{ "walk, 200 bytes", 0, SMALL, EXPRESSION_FILTER, WALK, false },
	{ "walk, 900 bytes", 0, LARGE, EXPRESSION_FILTER, WALK, false },
	{ "two comparisons, 200 bytes", 150, SMALL, EXPRESSION_FILTER,
		"#status = :status AND #total > :total", false },
	{ "two comparisons, 900 bytes", 150, LARGE, EXPRESSION_FILTER,
		"#status = :status AND #total > :total", false },
	{ "nested path", 300, LARGE, EXPRESSION_FILTER,
		"#status = :status AND delivery.zip = :zip AND delivery.weight < :weight", false },
	{ "list index, contains", 300, LARGE, EXPRESSION_FILTER,
		"articles[2].sku = :sku AND contains(note, :part)", false },
	{ "projection of two attributes", 0, LARGE, EXPRESSION_PROJECTION, "customer, #total",
		false },
	{ "projection of nested ones", 0, LARGE, EXPRESSION_PROJECTION,
		"delivery.zip, articles[0].sku, #total", false },
	{ "update, 200 bytes", 0, SMALL, EXPRESSION_UPDATE,
		"SET #status = :status, #total = #total + :total", false },
	{ "update of a nested path, 900 bytes", 0, LARGE, EXPRESSION_UPDATE,
		"SET delivery.zip = :zip ADD version :total", false },
	{ "look up, bind and test a condition", 0, SMALL, EXPRESSION_CONDITION,
		"#status = :status AND #total > :total", true },
	{ "look up, bind and apply an update", 0, SMALL, EXPRESSION_UPDATE,
		"SET #status = :status, #total = #total + :total", true },
};

#define ROWS (sizeof rows / sizeof *rows)

static struct parameter_name names[2];
static struct parameter_value values[6];

/* Selects the parameters that the text uses. */
static struct parameters parameters_of(const char *text)
{
	static const char *const all_names[] = { "#status", "#total" };
	static const struct { const char *name, *text; } all_values[] = {
		{ ":status", "shipped" }, { ":zip", "24103" }, { ":sku", "ab-1234567" },
		{ ":part", "ring twice" }, { ":total", NULL }, { ":weight", NULL } };
	static struct number number;
	struct parameters all = { .name_count = 0 };

	number_from_integer(&number, 50);
	for (unsigned i = 0; i < 2; i++)
		if (strstr(text, all_names[i]))
			names[all.name_count++] = (struct parameter_name){
				slice_of_text(all_names[i]), slice_of_text(all_names[i] + 1) };
	for (unsigned i = 0; i < 6; i++)
		if (strstr(text, all_values[i].name))
			values[all.value_count++] = (struct parameter_value){
				slice_of_text(all_values[i].name), all_values[i].text ?
				(struct value){ TYPE_S, 0, slice_of_text(all_values[i].text) } :
				(struct value){ TYPE_N, 0, number_slice(&number) } };
	all.names = all.name_count ? names : NULL;
	all.values = all.value_count ? values : NULL;
	return all;
}

static void bind(struct binding *binding, const struct row *row,
	const struct parameters *parameters)
{
	struct expression *expression;
	struct failure failure;

	if (request_start(&request, parameters, true, NULL, &failure) ||
			cache_get(&cache, row->kind, slice_of_text(row->text), &expression,
			&failure))
		die(row->name, failure.message);
	if (binding_bind(binding, &request, expression, &failure) ||
			request_finish(&request, &failure))
		die(row->name, failure.message);
	expression_release(expression);
}

static void walk(struct slice item)
{
	struct map_walk attributes;
	struct slice name;
	struct value value;

	map_start(&attributes, item);
	while (map_next(&attributes, &name, &value) == 0)
		sum += value.bytes.len;
}

static int evaluate(struct binding *binding, struct slice item)
{
	struct failure failure;
	struct slice new;
	bool holds = false;
	int err;

	switch (binding->expression->kind) {
	case EXPRESSION_UPDATE:
		err = update_apply(&update, binding, item, item, &new, &failure);
		sum += new.len;
		return err;
	case EXPRESSION_PROJECTION:
		buffer_clear(&out);
		err = project(binding, item, &out);
		sum += out.len;
		return err;
	default:
		err = condition_holds(binding, item, &holds);
		sum += holds;
		return err;
	}
}

static void run(const struct row *row, uint64_t count)
{
	static struct binding binding;
	bool is_expression = row->text != READ && row->text != WALK;
	struct parameters parameters;

	if (is_expression) {
		parameters = parameters_of(row->text);
		bind(&binding, row, &parameters);
	}
	for (uint64_t i = 0; i < count; i++) {
		struct slice item = item_at(row->shape, i);

		sum += checksum(0, item.data, item.len);
		if (row->binds)
			bind(&binding, row, &parameters);
		if (row->text == WALK)
			walk(item);
		else if (is_expression && evaluate(&binding, item))
			die(row->name, "failed");
	}
}

/* --- rounds --- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_rounds(uint64_t rounds, uint64_t count)
{
	static double ns[ROWS][ROUNDS_MAX];

	for (uint64_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < ROWS; i++) {
			uint64_t start = processor_ns();

			run(&rows[i], count);
			ns[i][round] = (double)(processor_ns() - start) / (double)count;
			if (rows[i].text != READ)
				ns[i][round] -= ns[rows[i].shape][round];
		}
	for (size_t i = 0; i < ROWS; i++) {
		qsort(ns[i], rounds, sizeof **ns, compare);
		printf("%s\t%u\t%.1f\n", rows[i].name, rows[i].aim_ns, ns[i][rounds / 2]);
	}
}

int main(int argc, char **argv)
{
	make_items();
	if (argc == 4 && is(argv[1], "count") && number_of(argv[3]) <= ROWS)
		run(&rows[number_of(argv[3]) - 1], number_of(argv[2]));
	else if (argc == 3 && number_of(argv[1]) <= ROUNDS_MAX)
		run_rounds(number_of(argv[1]), number_of(argv[2]));
	else
		die("usage", "expressions ROUNDS ITEMS | expressions count N ROW");
	return sum == 0;
}
