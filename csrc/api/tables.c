/* tables.c - the functions of tide.h that find, describe, create, change and delete tables. */
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

const struct table *tide_find(struct tide *tide, struct tide_table *table,
	struct failure *failure)
{
	const struct catalog *catalog = &tide->catalog;

	if (table->version != catalog->version || catalog->version == 0) {
		size_t at = catalog_position(catalog, slice_of(table->name, table->len));

		if (at == catalog->count) {
			fail_as(failure, ERR_NOT_FOUND,
				"Requested resource not found: Table: %s not found", table->name);
			return NULL;
		}
		table->version = catalog->version;
		table->at = at;
	}
	return catalog->tables[table->at];
}

int tide_describe_table(struct tide *tide, struct tide_table *table,
	const struct table_row **row, struct failure *failure)
{
	struct read_view snapshot;
	const struct table *found;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	found = tide_find(tide, table, failure);
	if (found)
		*row = &found->row;
	return tide_read_end(tide, &snapshot, found ? 0 : ERR_NOT_FOUND, failure);
}

int tide_table_names(struct tide *tide, struct buffer *names, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(names);
	for (size_t i = 0; i < tide->catalog.count; i++)
		buffer_put_counted(names, slice_of_text(tide->catalog.tables[i]->row.name));
	err = tide_read_end(tide, &snapshot, 0, failure);
	if (err)
		return err;
	return buffer_error(names) ? fail(failure, buffer_error(names)) : 0;
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
