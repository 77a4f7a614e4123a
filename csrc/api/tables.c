/* tables.c - the functions of tide.h that find, describe, count, create, change and
 * delete tables.
 */
#include <string.h>

#include "api/database.h"

/* --- finding and describing --- */

int tide_table_named(struct tide_table *table, struct slice name, struct failure *failure)
{
	memset(table, 0, sizeof *table);
	if (!is_table_name(name))
		return fail_as(failure, ERR_VALIDATION, "TableName must be at least 3 characters"
			" long and at most 255 characters long, of a-z, A-Z, 0-9, '_', '-'"
			" and '.'");
	table->len = (uint16_t)name.len;
	memcpy(table->name, name.data, name.len);
	return 0;
}

const struct table *tide_find_cached(const struct tide *tide, struct tide_table *table)
{
	const struct catalog *catalog = &tide->catalog;

	if (catalog->version == 0)
		return NULL;
	if (!table->found || table->generation != catalog->generation) {
		table->found = catalog_cached(catalog, slice_of(table->name, table->len));
		table->generation = catalog->generation;
	}
	return table->found;
}

int tide_find(struct tide *tide, struct txn *txn, struct tide_table *table,
	const struct table **found, struct failure *failure)
{
	int err;

	*found = tide_find_cached(tide, table);
	if (*found)
		return 0;
	err = catalog_find(&tide->catalog, txn, slice_of(table->name, table->len), found);
	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Table: %s not found", table->name);
	return err ? fail_about(failure, err, "the row of table %s", table->name) : 0;
}

int tide_describe_table(struct tide *tide, struct tide_table *table,
	const struct table_row **row, struct failure *failure)
{
	struct read_view snapshot;
	const struct table *found;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, table, &found, failure);
	if (!err)
		*row = &found->row;
	return tide_read_end(tide, &snapshot, err, failure);
}

static int put_name(void *context, struct slice name)
{
	buffer_put_counted(context, name);
	return buffer_error(context);
}

int tide_table_names(struct tide *tide, struct buffer *names, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(names);
	err = catalog_each_name(snapshot.txn, put_name, names);
	return tide_read_end(tide, &snapshot, err ? fail_about(failure, err,
		"a row of a table") : 0, failure);
}

/* --- item counts --- */

int tide_item_count(struct tide *tide, struct tide_table *table, uint64_t *items,
	uint64_t *counted_ms, struct failure *failure)
{
	struct item_count count = { 0 };
	struct read_view snapshot;
	const struct table *found;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = tide_find(tide, snapshot.txn, table, &found, failure);
	if (!err) {
		err = item_count_read(snapshot.txn, found->row.id, &count);
		if (err)
			fail_about(failure, err, "the item count of table %s", found->row.name);
	}
	*items = count.items;
	*counted_ms = count.counted_ms;
	return tide_read_end(tide, &snapshot, err, failure);
}

static int note_item_count(struct tide *tide, struct tide_table *table, uint32_t id,
	uint64_t items, struct failure *failure)
{
	struct item_count count = { items, tide->transaction.now_ms };
	struct txn *txn = tide->transaction.txn;
	const struct table *found;
	int err = tide_find(tide, txn, table, &found, failure);

	if (err)
		return err;
	if (found->row.id != id)
		return fail_with(failure, ERR_NOT_FOUND, "table %s", found->row.name);
	tide->transaction.changed = true;
	err = item_count_write(txn, id, &count);
	return err ? fail(failure, err) : 0;
}

int tide_note_item_count(struct tide *tide, struct tide_table *table, uint32_t id, uint64_t items,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, note_item_count(tide, table, id, items, failure),
		failure);
}

/* --- creating, changing and deleting --- */

int tide_create_table(struct tide *tide, const struct tide_table_spec *spec,
	struct failure *failure)
{
	struct table_spec define = {
		.name = spec->name, .schema = spec->schema, .view = spec->view,
		.ttl = spec->ttl, .retention = spec->retention,
	};
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, define_table(&tide->transaction, &define, failure),
		failure);
}

int tide_delete_table(struct tide *tide, struct slice name, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, define_delete(&tide->transaction, name, failure),
		failure);
}

int tide_set_ttl(struct tide *tide, struct slice name, struct slice attribute,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, define_ttl(&tide->transaction, name, attribute, failure),
		failure);
}
