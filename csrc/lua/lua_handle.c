/* lua_handle.c - handles: types of userdata, and the children of databases. */
#include "lua/lua_handle.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <lauxlib.h>

#include "lua/lua_failure.h"

const char TABLE_TYPE[] = "tidetable.core.table";
const char QUERY_TYPE[] = "tidetable.core.query";
const char FEED_TYPE[] = "tidetable.core.feed";
const char WAKEUP_TYPE[] = "tidetable.core.wakeup";
const char WAITER_TYPE[] = "tidetable.core.waiter";
const char SNAPSHOT_TYPE[] = "tidetable.core.snapshot";
const char BACKUP_TYPE[] = "tidetable.core.backup";
const char CHECKUP_TYPE[] = "tidetable.core.checkup";
const char TIMER_TYPE[] = "tidetable.core.timer";
const char TRUNCATION_TYPE[] = "tidetable.core.truncation";
const char CLOCK_TYPE[] = "tidetable.core.clock";
const char SENDER_TYPE[] = "tidetable.core.sender";

/* The collector runs according to the memory of a database's children. The first CHARGED_FROM bytes
 * do not count, because loops close their iterators. For each further CHARGE_BYTES the collector
 * runs one step. From COLLECTED_FROM bytes on it may run a full collection. */
#define CHARGED_FROM ((size_t)8 << 20)
#define CHARGE_BYTES ((size_t)256 << 10)
#define COLLECTED_FROM ((size_t)256 << 20)

/* Types that finish_child accepts. */
static const char *const child_types[] = {
	QUERY_TYPE, FEED_TYPE, WAKEUP_TYPE, WAITER_TYPE, SNAPSHOT_TYPE, BACKUP_TYPE,
	CHECKUP_TYPE, SENDER_TYPE,
};

/* --- types --- */

atomic_uintptr_t type_secret;

/* If two threads load the library at the same time, both use the number that was written first. */
void open_types(lua_State *L)
{
	uintptr_t drawn, none = 0;

	if (atomic_load(&type_secret))
		return;
	if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
		luaL_error(L, "can't get random numbers from the system");
	atomic_compare_exchange_strong(&type_secret, &none, drawn | 1);
}

/* Returns true if the userdata at index begins with the word of the type. A light userdata has
 * length 0. */
static inline bool has_type(lua_State *L, int index, const type_word *word, const char *type)
{
	return word && lua_rawlen(L, index) >= sizeof *word && *word == word_of(type);
}

void *test_type(lua_State *L, int index, const char *type)
{
	type_word *word = lua_touserdata(L, index);

	return has_type(L, index, word, type) ? word : NULL;
}

void *check_type(lua_State *L, int index, const char *type)
{
	type_word *word = lua_touserdata(L, index);

	if (!has_type(L, index, word, type))
		luaL_typeerror(L, index, type);
	return word;
}

void set_type(lua_State *L, const char *type)
{
	*(type_word *)lua_touserdata(L, -1) = word_of(type);
	lua_rawgetp(L, LUA_REGISTRYINDEX, type);
	lua_setmetatable(L, -2);
}

static void set_function(lua_State *L, const char *name, lua_CFunction function)
{
	if (!function)
		return;
	lua_pushcfunction(L, function);
	lua_setfield(L, -2, name);
}

void new_type(lua_State *L, const char *type, lua_CFunction collect, lua_CFunction close)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, type) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_createtable(L, 0, 4);
	lua_pushstring(L, type);
	lua_setfield(L, -2, "__name");
	lua_pushliteral(L, "tidetable");
	lua_setfield(L, -2, "__metatable");
	set_function(L, "__gc", collect);
	set_function(L, "__close", close);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, type);
}

/* --- errors --- */

void check_usable(lua_State *L, const struct database *database)
{
	struct failure failure;

	if (!database->tide)
		raise_error(L, ERR_CLOSED);
	if (tide_ready(database->tide, &failure))
		raise_failure(L, &failure);
	if (database->running->innermost || database->running->handlers)
		watch_coroutine(L, database->running);
}

struct database *check_database(lua_State *L, int index)
{
	struct database *database = check_type(L, index, DATABASE_TYPE);

	check_usable(L, database);
	return database;
}

struct table_handle *check_table(lua_State *L, int index, struct database **database)
{
	struct table_handle *table = check_type(L, index, TABLE_TYPE);

	*database = table->database;
	check_usable(L, *database);
	return table;
}

void check_open(lua_State *L, const struct child *child)
{
	if (!child->database)
		raise_error(L, ERR_CLOSED);
}

void *check_child(lua_State *L, int index, const char *type, struct database **database)
{
	struct child *child = check_type(L, index, type);

	check_open(L, child);
	check_usable(L, child->database);
	*database = child->database;
	return child;
}

void *new_child(lua_State *L, int index, size_t size, const char *type, int values,
	void (*finish)(struct child *child))
{
	struct child *child;

	index = lua_absindex(L, index);
	child = lua_newuserdatauv(L, size, values);
	memset(child, 0, size);
	child->finish = finish;
	set_type(L, type);
	lua_pushvalue(L, index);
	lua_setiuservalue(L, -2, 1);
	return child;
}

void adopt(struct child *child, struct database *database)
{
	child->database = database;
	child->previous = NULL;
	child->next = database->children;
	if (child->next)
		child->next->previous = child;
	database->children = child;
}

static void remove_from_children(struct child *child)
{
	if (child->previous)
		child->previous->next = child->next;
	else
		child->database->children = child->next;
	if (child->next)
		child->next->previous = child->previous;
}

static void set_held(struct child *child, size_t bytes)
{
	struct database *database = child->database;

	database->held = database->held - child->held + bytes;
	child->held = bytes;
	if (database->charged > database->held)
		database->charged = database->held;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Runs a full collection. The steps are not enough in generational mode, because there a step does
 * not visit objects that have survived two collections. The next full collection
 * runs when the children hold both at least four times as much memory as after this one, and at
 * least twice as much as Lua itself, so full collections are rare. */
static void collect_all(lua_State *L, struct database *database)
{
	lua_gc(L, LUA_GCCOLLECT);
	database->charged = larger(database->held, CHARGED_FROM);
	database->collect_at = larger(4 * database->held, COLLECTED_FROM);
	database->collect_at = larger(database->collect_at,
		2 * 1024 * (size_t)lua_gc(L, LUA_GCCOUNT));
}

void hold_memory(lua_State *L, struct child *child, size_t bytes)
{
	struct database *database = child->database;
	size_t known = larger(database->charged, CHARGED_FROM), more;

	set_held(child, bytes);
	if (database->held < known + CHARGE_BYTES || lua_gc(L, LUA_GCISRUNNING) != 1)
		return;
	more = database->held - known;
	database->charged = database->held;
	if (database->held > larger(database->collect_at, COLLECTED_FROM))
		collect_all(L, database);
	else
		lua_gc(L, LUA_GCSTEP, (int)(more / 1024));
}

bool collect_forgotten(lua_State *L, const struct failure *failure)
{
	bool runs_out = failure->err == ERR_READERS_FULL || (failure->err == ERR_STORE &&
		(failure->system == EMFILE || failure->system == ENFILE ||
		 failure->system == ENOSPC || failure->system == EAGAIN));

	if (runs_out)
		lua_gc(L, LUA_GCCOLLECT);
	return runs_out;
}

static void finish_object(struct child *child)
{
	if (child->database) {
		set_held(child, 0);
		remove_from_children(child);
	}
	child->finish(child);
	child->database = NULL;
}

void finish_children(struct database *database)
{
	while (database->children)
		finish_object(database->children);
}

/* Drops the function of the snapshot at 1, which refers to the transaction. Otherwise the
 * collector would keep the whole transaction until it has called the finalizer of the snapshot. */
static void drop_verification(lua_State *L)
{
	lua_pushnil(L);
	lua_setiuservalue(L, 1, 2);
}

int finish_child(lua_State *L)
{
	for (size_t i = 0; i < sizeof child_types / sizeof *child_types; i++) {
		struct child *child = test_type(L, 1, child_types[i]);

		if (child) {
			finish_object(child);
			if (child_types[i] == SNAPSHOT_TYPE)
				drop_verification(L);
			return 0;
		}
	}
	return luaL_typeerror(L, 1, "query, feed, wakeup, waiter, snapshot, backup or checkup");
}

/* --- hooks --- */

void run_hooks(lua_State *L)
{
	if (!lua_gethook(L))
		return;
	if (luaL_loadstring(L, "return"))
		lua_error(L);
	lua_call(L, 0, 0);
}
