/* lua_batch.c - batches: encoded items that are stored many at a time (table:load).
 *
 * An item is encoded when it is added. The caller may therefore reuse its Lua table,
 * and the batch contains only bytes until it is large enough for a transaction.
 */
#include <lauxlib.h>

#include "lua/lua_annotation.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_value.h"

static const char BATCH_TYPE[] = "tidetable.core.batch";

/* Number of bytes at which a batch should be stored in a transaction. */
#define TRANSACTION_BYTES (4u << 20)

struct batch {
	type_word type;
	struct builder builder;
	struct buffer bytes;         /* for each item: length (u32), item bytes */
	size_t at;                   /* offset of the first item that is not stored yet */
};

/* batch() -> an empty batch */
static int new_batch(lua_State *L)
{
	struct batch *batch = lua_newuserdatauv(L, sizeof *batch, 0);

	*batch = (struct batch){ 0 };
	set_type(L, BATCH_TYPE);
	return 1;
}

static int release_batch(lua_State *L)
{
	struct batch *batch = check_type(L, 1, BATCH_TYPE);

	builder_release(&batch->builder);
	buffer_release(&batch->bytes);
	batch->at = 0;
	return 0;
}

static int add_item(struct batch *batch, struct slice item, struct failure *failure)
{
	struct buffer *bytes = &batch->bytes;
	uint8_t *buf;

	if (batch->at == bytes->len) {
		buffer_clear(bytes);
		batch->at = 0;
	}
	buf = buffer_reserve(bytes, 4 + item.len);
	if (!buf) {
		bytes->err = 0;          /* the items added before are still valid */
		return fail(failure, ERR_NO_MEMORY);
	}
	set_u32(buf, (uint32_t)item.len);
	slice_write(buf + 4, item);
	bytes->len += 4 + item.len;
	return 0;
}

/* pack(batch, item) -> true if the batch has enough bytes for a transaction; or nil, err, code */
static int pack_item(lua_State *L)
{
	struct batch *batch = check_type(L, 1, BATCH_TYPE);
	struct failure failure;
	struct slice item;
	int err;

	luaL_checkany(L, 2);
	err = read_item(L, 2, &batch->builder, &item, "item", &failure);
	if (!err)
		err = add_item(batch, item, &failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushboolean(L, batch->bytes.len - batch->at >= TRANSACTION_BYTES);
	return 1;
}

/* Stores the next items, at most `most`. Adds their number to *count and sets *stop to the offset
 * after the last of them. */
static int put_items(struct tide *tide, struct tide_table *table, const struct batch *batch,
	lua_Integer most, lua_Integer *count, size_t *stop, struct failure *failure)
{
	struct source source = source_of(buffer_slice(&batch->bytes));
	struct tide_change change;
	int err = 0;

	source_take(&source, batch->at);
	while (!err && *count < most && source_left(&source) > 0) {
		uint32_t len = source_u32(&source);

		err = tide_put(tide, table, source_take(&source, len), &change, failure);
		*count += !err;
	}
	*stop = batch->bytes.len - source_left(&source);
	return err;
}

/* Returns nil, err, code, the number of items that were stored in the open transaction before the
 * failure, and the number of the item that was refused (0: no item was refused). */
static int return_load_failure(lua_State *L, const struct failure *failure, lua_Integer stored,
	lua_Integer number)
{
	return_failure(L, failure);
	lua_pushinteger(L, stored);
	lua_pushinteger(L, number);
	return 5;
}

/* load(table, batch, most, inside, annotation | nil) -> number of items stored; or the results of
 * return_load_failure. Stores the batch's next items, at most `most`, in a new transaction, or in
 * the open transaction if inside is true. After a failure the next call begins with the same
 * items. */
static int load_batch(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct batch *batch = check_type(L, 2, BATCH_TYPE);
	lua_Integer most = luaL_checkinteger(L, 3), count = 0;
	bool inside = lua_toboolean(L, 4);
	struct slice annotation = check_annotation(L, 5);
	struct failure failure;
	lua_Integer refused = 0;
	size_t stop;
	int err;

	luaL_checkstack(L, 8, NULL);
	if (inside)
		check_deadline(L, database);
	else if (tide_begin(database->tide, &failure))
		return return_failure(L, &failure);
	err = annotation.len ? tide_annotate(database->tide, annotation, &failure) : 0;
	if (!err)
		err = put_items(database->tide, &table->table, batch, most, &count, &stop, &failure);
	if (err)
		refused = count + 1;
	if (!inside) {
		if (err)
			tide_abort(database->tide);
		else
			err = tide_commit(database->tide, &failure);
	}
	if (err)
		return return_load_failure(L, &failure, inside ? count : 0, refused);
	batch->at = stop;
	lua_pushinteger(L, count);
	return 1;
}

void open_batches(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "batch", new_batch },
		{ "pack", pack_item },
		{ "load", load_batch },
		{ NULL, NULL },
	};

	new_type(L, BATCH_TYPE, release_batch, release_batch);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
