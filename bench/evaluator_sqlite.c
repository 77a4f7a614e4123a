/* evaluator_sqlite.c - SQLite, with typed columns or with JSON documents.
 *
 *     evaluator_sqlite columns|json COMMAND...
 *
 * Chosen in favour of SQLite: no index besides the key, so that an update changes one row; the
 * documents are a text that JSON1 reads, with the key in columns; small items are stored in the
 * tree of the key, large ones are not, because there they would need overflow pages.
 */
#include <stdio.h>

#include "lib/evaluator.h"
#include "lib/sqlite.h"

#define KEY "customer TEXT NOT NULL, placed_at INTEGER NOT NULL, "
#define PRIMARY ", PRIMARY KEY (customer, placed_at))"
#define COLUMNS "status TEXT, total REAL, address TEXT, note TEXT, carrier TEXT, " \
	"weight INTEGER, zip TEXT"
#define IMAGES_OF(row) row ".status, " row ".total, " row ".address, " row ".note, " \
	row ".carrier, " row ".weight, " row ".zip"
#define FIND " WHERE customer = ?1 AND placed_at = ?2"
#define ADDED "json_set(item, '$.total', json_extract(item, '$.total') + ?3)"

enum statement {
	BEGIN, COMMIT, PUT, PUT_LARGE, UPDATE, INSERT, FILTER, FILTER_INNER, PROJECT, STATEMENTS,
};

struct form {
	const char *name;
	const char *schema;
	const char *trigger;
	const char *statements[STATEMENTS];
};

static const struct form forms[] = { {
	.name = "columns",
	.schema = (
		"CREATE TABLE IF NOT EXISTS orders (" KEY COLUMNS PRIMARY " WITHOUT ROWID;"
		"CREATE TABLE IF NOT EXISTS large (" KEY COLUMNS ", comment TEXT" PRIMARY ";"
		"CREATE TABLE IF NOT EXISTS changes (sequence INTEGER PRIMARY KEY, " KEY
		"a, b, c, d, e, f, g, h, i, j, k, l, m, n);"),
	.trigger = (
		"CREATE TRIGGER IF NOT EXISTS updated AFTER UPDATE ON orders BEGIN "
		"INSERT INTO changes VALUES (NULL, new.customer, new.placed_at, "
		IMAGES_OF("old") ", " IMAGES_OF("new") "); END;"),
	.statements = {
		[PUT] = "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
			"ON CONFLICT (customer, placed_at) DO UPDATE SET status = ?3, total = ?4, "
			"address = ?5, note = ?6, carrier = ?7, weight = ?8, zip = ?9",
		[PUT_LARGE] = "INSERT INTO large VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
		[UPDATE] = "UPDATE orders SET total = total + ?3" FIND " AND total < ?4",
		[INSERT] = "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
			"ON CONFLICT DO NOTHING",
		[FILTER] = "SELECT * FROM orders WHERE status = ?1 AND total >= ?2",
		[FILTER_INNER] = "SELECT * FROM orders WHERE carrier = ?1 AND weight >= ?2",
		[PROJECT] = "SELECT status, total FROM large",
	},
}, {
	.name = "json",
	.schema = (
		"CREATE TABLE IF NOT EXISTS orders (" KEY "item TEXT" PRIMARY " WITHOUT ROWID;"
		"CREATE TABLE IF NOT EXISTS large (" KEY "item TEXT" PRIMARY ";"
		"CREATE TABLE IF NOT EXISTS changes (sequence INTEGER PRIMARY KEY, " KEY
		"old TEXT, new TEXT);"),
	.trigger = (
		"CREATE TRIGGER IF NOT EXISTS updated AFTER UPDATE ON orders BEGIN "
		"INSERT INTO changes VALUES (NULL, new.customer, new.placed_at, "
		"old.item, new.item); END;"),
	.statements = {
		[PUT] = "INSERT INTO orders VALUES (?1, ?2, ?3) "
			"ON CONFLICT (customer, placed_at) DO UPDATE SET item = ?3",
		[PUT_LARGE] = "INSERT INTO large VALUES (?1, ?2, ?3)",
		[UPDATE] = "UPDATE orders SET item = " ADDED FIND
			" AND json_extract(item, '$.total') < ?4",
		[INSERT] = "INSERT INTO orders VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
		[FILTER] = "SELECT item FROM orders WHERE json_extract(item, '$.status') = ?1 "
			"AND json_extract(item, '$.total') >= ?2",
		[FILTER_INNER] = "SELECT item FROM orders WHERE "
			"json_extract(item, '$.delivery.carrier') = ?1 "
			"AND json_extract(item, '$.delivery.weight') >= ?2",
		[PROJECT] = "SELECT json_extract(item, '$.status'), json_extract(item, '$.total') "
			"FROM large",
	},
} };

static const struct form *form;
static sqlite3 *db;
static sqlite3_stmt *prepared[STATEMENTS];
static bool is_batch;

static const char *sql_of(enum statement which)
{
	return which == BEGIN ? "BEGIN IMMEDIATE" : which == COMMIT ? "COMMIT" :
		form->statements[which];
}

static void describe(void)
{
	printf("SQLite %s\n%s\n%s\n%s\n", sqlite3_libversion(), SQLITE_SETTINGS, form->schema,
		form->trigger);
	printf("full: %s; none: %s\n", sqlite_synchronous(LEVEL_FULL),
		sqlite_synchronous(LEVEL_NONE));
	for (int i = 0; i < STATEMENTS; i++)
		printf("%s\n", sql_of((enum statement)i));
}

static void open_db(const char *path, enum level level, enum use use)
{
	db = sqlite_open(path, level);
	if (use == USE_BARE)
		sqlite_run(db, form->schema);
	if (use == USE_CAPTURED)
		sqlite_run(db, form->trigger);
	for (int i = 0; i < STATEMENTS; i++)
		prepared[i] = sqlite_prepare(db, sql_of((enum statement)i));
}

static void close_db(void)
{
	sqlite_close(db, prepared, STATEMENTS);
}

/* --- writing --- */

/* Formats the document, with the key as in our items. */
static void encode(struct shipment *shipment)
{
	const struct image *order = &shipment->order;
	int len = snprintf((char *)shipment->item, SHIPMENT_MAX,
		"{\"address\":\"%s\",%s%s%s\"customer\":\"%s\",\"delivery\":{\"carrier\":\"%s\","
		"\"weight\":%lld,\"zip\":\"%s\"},\"note\":\"%s\",\"placed_at\":%lld,"
		"\"status\":\"%s\",\"total\":%.2f}", order->address,
		shipment->comment ? "\"comment\":\"" : "",
		shipment->comment ? shipment->comment : "", shipment->comment ? "\"," : "",
		order->customer, shipment->carrier, (long long)shipment->weight, shipment->zip,
		order->note, (long long)order->placed_at, order->status, order->total);

	if (len >= SHIPMENT_MAX)
		die("item", "too long");
	shipment->item_len = (size_t)len;
}

/* Runs a statement without result. Returns the number of rows that it changed. */
static int step(enum statement which)
{
	sqlite_step(prepared[which]);
	return sqlite3_changes(db);
}

static void begin(uint64_t operations)
{
	is_batch = operations > 1;
	if (is_batch)
		step(BEGIN);
}

static void commit(void)
{
	if (is_batch)
		step(COMMIT);
}

static void bind_key(sqlite3_stmt *statement, const struct image *order)
{
	sqlite_bind_string(statement, 1, order->customer, sizeof order->customer - 1);
	sqlite_bind_integer(statement, 2, order->placed_at);
}

static void bind_item(sqlite3_stmt *statement, const struct shipment *shipment)
{
	const struct image *order = &shipment->order;

	bind_key(statement, order);
	if (form != &forms[0]) {
		sqlite_bind_string(statement, 3, shipment->item, shipment->item_len);
		return;
	}
	sqlite_bind_string(statement, 3, order->status, sizeof order->status - 1);
	sqlite_bind_number(statement, 4, order->total);
	sqlite_bind_string(statement, 5, order->address, sizeof order->address - 1);
	sqlite_bind_string(statement, 6, order->note, sizeof order->note - 1);
	sqlite_bind_string(statement, 7, shipment->carrier, sizeof shipment->carrier - 1);
	sqlite_bind_integer(statement, 8, shipment->weight);
	sqlite_bind_string(statement, 9, shipment->zip, sizeof shipment->zip - 1);
	if (shipment->comment)
		sqlite_bind_string(statement, 10, shipment->comment, COMMENT);
}

static void put(const struct shipment *shipment)
{
	enum statement which = shipment->comment ? PUT_LARGE : PUT;

	bind_item(prepared[which], shipment);
	step(which);
}

static bool update(const struct shipment *shipment)
{
	bind_key(prepared[UPDATE], &shipment->order);
	sqlite_bind_integer(prepared[UPDATE], 3, 5);
	sqlite_bind_integer(prepared[UPDATE], 4, TOTAL_LIMIT);
	return step(UPDATE) == 1;
}

static bool insert(const struct shipment *shipment)
{
	bind_item(prepared[INSERT], shipment);
	return step(INSERT) == 1;
}

static void flush(void)
{
	sqlite_flush(db);
}

/* --- reading --- */

/* Reads each column of a row in its own type, so that no number is formatted. */
static void read_row(sqlite3_stmt *statement)
{
	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		double number;

		if (sqlite3_column_type(statement, i) == SQLITE_TEXT) {
			const void *text = sqlite3_column_text(statement, i);

			touch(text, (size_t)sqlite3_column_bytes(statement, i));
		} else {
			number = sqlite3_column_double(statement, i);
			touch(&number, sizeof number);
		}
	}
}

static uint64_t read_rows(enum statement which)
{
	sqlite3_stmt *statement = prepared[which];
	uint64_t rows = 0;
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		read_row(statement);
		rows++;
	}
	sqlite_expect(statement, rc, SQLITE_DONE);
	sqlite_reset(statement);
	return rows;
}

static uint64_t filter(enum filter what)
{
	enum statement which = what == FILTER_TOP ? FILTER : FILTER_INNER;
	const char *text = what == FILTER_TOP ? WANTED_STATUS : WANTED_CARRIER;

	sqlite_bind_string(prepared[which], 1, text, strlen(text));
	sqlite_bind_number(prepared[which], 2, what == FILTER_TOP ? LEAST_TOTAL : LEAST_WEIGHT);
	return read_rows(which);
}

static uint64_t read_two(void)
{
	return read_rows(PROJECT);
}

static const struct evaluator sqlite = {
	.name = "sqlite",
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
	form = count > 1 && is(arg[1], "json") ? &forms[1] : &forms[0];
	return evaluator_main(&sqlite, count - 1, arg + 1);
}
