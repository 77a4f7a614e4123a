/* evaluator_tidetable.c - expressions of this library, called from C through csrc/tide.h.
 *
 * Works like a binding for another language: each request gives its texts, names and values
 * again; the texts come from the cache of the handle.
 */
#include <stdio.h>
#include <string.h>

#include "codec/builder.h"
#include "lib/evaluator.h"
#include "tide.h"

#define PAGE 1000
#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static struct tide *db;
static struct tide_table orders, large;
static struct tide_expressions *expressions;
static struct builder builder;
static struct failure failure;

static const char condition[] = "#total < :limit";
static const char sum[] = "SET #total = #total + :n";
static const char is_new[] = "attribute_not_exists(customer)";
static const char top[] = "#status = :text AND #total >= :least";
static const char nested[] = "delivery.carrier = :text AND delivery.weight >= :least";
static const char two[] = "#status, #total";

static void must(int err, const char *what)
{
	if (err)
		die(what, err == END ? "it is not there" : failure.message);
}

static void describe(void)
{
	printf("tidetable " TIDE_VERSION ", its core from C; %s\n", tide_engine());
	printf("durability by name; NEW_AND_OLD_IMAGES, checksums as always\n");
	printf("%s\n%s\n%s\n%s\n%s\n%s\n", condition, sum, is_new, top, nested, two);
}

/* --- opening --- */

static void make_table(struct tide_table *table)
{
	struct tide_table_spec spec = {
		.name = slice_of(table->name, table->len),
		.schema = { { TYPE_S, 8, "customer" }, { TYPE_N, 9, "placed_at" } },
	};

	must(tide_create_table(db, &spec, &failure), table->name);
}

static void capture(void)
{
	struct retention retention = { .age_ms = DAY_MS };
	const struct table_row *row;

	must(tide_describe_table(db, &orders, &row, &failure), "table");
	if (!row->stream)
		must(tide_enable_stream(db, slice_of_text("orders"), VIEW_NEW_AND_OLD_IMAGES,
			&retention, &failure), "stream");
}

static void open_db(const char *path, enum level level, enum use use)
{
	struct tide_options options = {
		.path = path_of(path, "data.tide"),
		.read_only = use == USE_READ,
		.create = use == USE_BARE,
		.durability = level == LEVEL_NONE ? DURABILITY_NONE : DURABILITY_FULL,
	};

	must(tide_open(&db, &options, &failure), path);
	must(tide_table_named(&orders, slice_of_text("orders"), &failure), path);
	must(tide_table_named(&large, slice_of_text("large"), &failure), path);
	must(tide_expressions_open(&expressions, db, &failure), path);
	if (use == USE_BARE) {
		make_table(&orders);
		make_table(&large);
	}
	if (use == USE_CAPTURED)
		capture();
}

static void close_db(void)
{
	tide_expressions_close(expressions);
	builder_release(&builder);
	tide_close(db);
}

/* --- items --- */

static void build_string(const char *name, const char *text)
{
	builder_name(&builder, slice_of_text(name));
	builder_string(&builder, slice_of_text(text));
}

static void build_integer(const char *name, int64_t n)
{
	struct number number;

	number_from_integer(&number, n);
	builder_name(&builder, slice_of_text(name));
	builder_number(&builder, number_slice(&number));
}

static struct slice double_of(struct number *number, double n)
{
	must(number_from_double(number, n), "number");
	return number_slice(number);
}

static void build_delivery(const struct shipment *shipment)
{
	builder_name(&builder, slice_of_text("delivery"));
	builder_open(&builder, TYPE_M);
	build_string("carrier", shipment->carrier);
	build_integer("weight", shipment->weight);
	build_string("zip", shipment->zip);
	builder_close(&builder);
}

/* Copies the built bytes. Returns their number. */
static size_t take_built(uint8_t *to, size_t max)
{
	struct slice built;

	must(builder_finish(&builder, &built), "item");
	if (built.len > max)
		die("item", "too long");
	memcpy(to, built.data, built.len);
	return built.len;
}

static void encode(struct shipment *shipment)
{
	const struct image *order = &shipment->order;
	struct number total;

	builder_start(&builder);
	build_string("customer", order->customer);
	build_integer("placed_at", order->placed_at);
	if (take_built(shipment->key, ORDER_KEY_MAX) != ORDER_KEY_MAX)
		die("key", "it has another length");
	builder_start(&builder);
	build_string("address", order->address);
	if (shipment->comment)
		build_string("comment", shipment->comment);
	build_string("customer", order->customer);
	build_delivery(shipment);
	build_string("note", order->note);
	build_integer("placed_at", order->placed_at);
	build_string("status", order->status);
	builder_name(&builder, slice_of_text("total"));
	builder_number(&builder, double_of(&total, order->total));
	shipment->item_len = take_built(shipment->item, SHIPMENT_MAX);
}

/* --- requests --- */

static void parse(enum expression_kind kind, const char *text)
{
	must(tide_expressions_parse(expressions, kind, slice_of_text(text), &failure), text);
}

static void give_name(const char *placeholder)
{
	must(tide_expressions_add_name(expressions, slice_of_text(placeholder),
		slice_of_text(placeholder + 1)), placeholder);
}

static void give_value(const char *placeholder, enum type type, struct slice bytes)
{
	struct value value = { type, 0, bytes };

	must(tide_expressions_add_value(expressions, slice_of_text(placeholder), &value),
		placeholder);
}

static void give_number(const char *placeholder, double n)
{
	struct number number;

	give_value(placeholder, TYPE_N, double_of(&number, n));
}

static void bind(void)
{
	must(tide_expressions_bind(expressions, "", &failure), "expressions");
}

/* --- writing --- */

static void begin(uint64_t operations)
{
	(void)operations;
	must(tide_begin(db, &failure), "begin");
}

static void commit(void)
{
	must(tide_commit(db, &failure), "commit");
}

static void put(const struct shipment *shipment)
{
	struct tide_change change;

	must(tide_put(db, shipment->comment ? &large : &orders,
		slice_of(shipment->item, shipment->item_len), &change, &failure), "put");
}

static bool update(const struct shipment *shipment)
{
	struct tide_change change;
	int err;

	tide_expressions_clear(expressions);
	give_name("#total");
	give_number(":n", 5);
	give_number(":limit", TOTAL_LIMIT);
	parse(EXPRESSION_UPDATE, sum);
	parse(EXPRESSION_CONDITION, condition);
	bind();
	err = tide_write(db, &orders, TIDE_UPDATE, slice_of(shipment->key, ORDER_KEY_MAX),
		expressions, &change, &failure);
	if (err != ERR_CONDITION_FAILED)
		must(err, "update");
	return !err && change.sequence > 0;
}

static bool insert(const struct shipment *shipment)
{
	struct tide_change change;
	int err;

	tide_expressions_clear(expressions);
	parse(EXPRESSION_CONDITION, is_new);
	bind();
	begin(1);
	err = tide_write(db, &orders, TIDE_PUT, slice_of(shipment->item, shipment->item_len),
		expressions, &change, &failure);
	if (err == ERR_CONDITION_FAILED) {
		tide_abort(db);
		return false;
	}
	must(err, "insert");
	commit();
	return true;
}

static void flush(void)
{
	must(tide_sync(db, &failure), "flush");
}

/* --- reading --- */

/* Reads a whole table with new expressions, which then belong to the query. */
static uint64_t scan(struct tide_table *table)
{
	struct tide_query_spec spec = { .expressions = expressions };
	struct tide_query *query;
	uint64_t items = 0, sequence;
	struct slice item;

	bind();
	must(tide_query_start(&query, db, table, &spec, &failure), "scan");
	do {
		must(tide_query_fill(query, db, PAGE, &failure), "scan");
		while (tide_query_next(query, &sequence, &item) == 0) {
			touch(item.data, item.len);
			items++;
		}
	} while (tide_query_more(query));
	tide_query_finish(query);
	must(tide_expressions_open(&expressions, db, &failure), "expressions");
	return items;
}

static uint64_t filter(enum filter what)
{
	bool is_top = what == FILTER_TOP;

	tide_expressions_clear(expressions);
	parse(EXPRESSION_FILTER, is_top ? top : nested);
	if (is_top) {
		give_name("#status");
		give_name("#total");
	}
	give_value(":text", TYPE_S, slice_of_text(is_top ? WANTED_STATUS : WANTED_CARRIER));
	give_number(":least", is_top ? LEAST_TOTAL : LEAST_WEIGHT);
	return scan(&orders);
}

static uint64_t read_two(void)
{
	tide_expressions_clear(expressions);
	parse(EXPRESSION_PROJECTION, two);
	give_name("#status");
	give_name("#total");
	return scan(&large);
}

static const struct evaluator tidetable = {
	.name = "tidetable",
	.describe = describe,
	.open = open_db,
	.close = close_db,
	.encode = encode,
	.begin = begin,
	.commit = commit,
	.put = put,
	.update = update,
	.insert = insert,
	.filter = filter,
	.project = read_two,
	.flush = flush,
};

int main(int count, char **arg)
{
	return evaluator_main(&tidetable, count, arg);
}
