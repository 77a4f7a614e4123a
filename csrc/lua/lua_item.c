/* lua_item.c - reads the item or key that is given to a method of a table. */
#include "lua/lua_item.h"

#include "lua/lua_value.h"

/* Replaces the message for a list by one with the table's key attributes, if they can be read. */
static void name_keys(const struct table_handle *table, bool is_key, struct failure *failure)
{
	struct tide_table named = table->table;
	const struct key_attribute *partition, *sort;
	const struct table_row *row;
	struct failure ignored;

	if (tide_describe_table(table->database->tide, &named, &row, &ignored))
		return;
	partition = &row->schema.partition;
	sort = &row->schema.sort;
	fail_as(failure, ERR_VALIDATION,
		"%s: expected attributes by name, { %.*s = ...%s%.*s%s%s }, got a list",
		is_key ? "key" : "item", (int)partition->len, partition->name,
		sort->type ? ", " : "", sort->type ? (int)sort->len : 0, sort->name,
		sort->type ? " = ..." : "", is_key ? "" : ", ...");
}

int read_item_of(lua_State *L, int index, const struct table_handle *table, struct slice *item,
	bool is_key, struct failure *failure)
{
	int err = read_item(L, index, &table->database->builder, item, is_key ? "key" : "item",
		failure);

	if (err == ERR_VALIDATION && lua_istable(L, index) && is_list(L, index))
		name_keys(table, is_key, failure);
	return err;
}
