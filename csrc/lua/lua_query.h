/* lua_query.h - the handle of a query, for the files that read its items. */
#ifndef LUA_QUERY_H
#define LUA_QUERY_H

#include "lua/lua_expression.h"
#include "lua/lua_handle.h"

/* Maximum number of items of a page. */
#define LARGEST_PAGE 1000

struct query_handle {
	struct child child;
	struct tide_query *query;
	struct tide_expressions *expressions;        /* NULL after the query was started */
	struct snapshot_handle *held;        /* snapshot to read from, user value 2; NULL: none */
	uint64_t refreshes;          /* number of refreshes of `held` when the query began to read
	                              * from its snapshot */
	bool pinned;                 /* reads its own snapshot */
	bool rewound;                /* no longer reads from `held` */
	uint64_t left;               /* items left until the limit; with `held`: maximum number
	                              * of items of a page */
	uint32_t page;               /* maximum number of items of an iteration's next page */
	uint64_t deadline_ms;        /* time limit of the pinned snapshot; 0: none */
	uint64_t inside;             /* number of the transaction that it reads; 0: none */
};

/* An item whose bytes are in a userdata on the stack. */
struct owned_item {
	struct slice item;
	uint64_t version;
	struct lua_buffer *buffer;   /* has the page's memory; NULL: the userdata is a copy */
};

/* Moves the page's next item into a userdata, which it pushes. Returns false at the end of the
 * page. A finalizer may advance or close the query whenever Lua allocates. */
bool query_own_next(lua_State *L, struct query_handle *handle, struct owned_item *owned);

/* Pushes the item, as a table or encoded, and releases memory taken from the page, which the
 * collector does not see. */
void query_push_owned(lua_State *L, const struct owned_item *owned, bool encoded);

/* check_reads_snapshot, for the query at 1, raises an error if it no longer reads from its
 * snapshot, check_inside if the transaction that the query reads has ended. */
void check_reads_snapshot(lua_State *L, const struct query_handle *handle);
void check_inside(lua_State *L, struct query_handle *handle,
	const struct database *database);

/* Reads the next page of an iteration, of at most `most` items. The first pages are small, for
 * callers that end the iteration after a few items, unless a limit says how many items are
 * needed. */
int query_fill_more(lua_State *L, struct query_handle *handle, struct database *database,
	uint64_t most, struct failure *failure);

/* Returns the greatest number of items that the next page of an iteration may read. */
uint64_t query_wanted(const struct query_handle *handle);

/* next_json(query, ...) for Lua; see its definition. */
int next_json(lua_State *L);

/* Adds the functions for queries with a snapshot to the table on top of the stack. */
void open_snapshot_queries(lua_State *L);

#endif
