/* lua_module.c - luaopen_tidetable_core, the only symbol that the library exports.
 *
 * The module tidetable.core is for lua/tidetable/, not for users: its functions take
 * positional arguments instead of options and never wait for other writers.
 */
#include <lauxlib.h>

#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_json.h"
#include "lua/lua_member.h"
#include "lua/lua_value.h"

#define VISIBLE __attribute__((visibility("default")))

VISIBLE int luaopen_tidetable_core(lua_State *L);

VISIBLE int luaopen_tidetable_core(lua_State *L)
{
	luaL_checkversion(L);
	open_types(L);
	lua_newtable(L);
	open_failures(L);
	open_databases(L);
	open_tables(L);
	open_streams(L);
	open_items(L);
	open_batches(L);
	open_transactions(L);
	open_annotations(L);
	open_queries(L);
	open_snapshots(L);
	open_updates(L);
	open_feeds(L);
	open_wakeups(L);
	open_waiters(L);
	open_members(L);
	open_records(L);
	open_backups(L);
	open_clocks(L);
	open_terminals(L);
	open_inputs(L);
	open_outputs(L);
	open_signals(L);
	open_processes(L);
	open_checks(L);
	open_timers(L);
	open_truncations(L);
	open_comparisons(L);
	open_replicas(L);
	open_testing(L);
	open_consumers(L);
	open_parked(L);
	open_json(L);
	open_values(L);
	lua_setfield(L, -2, "values");
	lua_pushliteral(L, TIDE_VERSION);
	lua_setfield(L, -2, "version");
	lua_pushstring(L, tide_engine());
	lua_setfield(L, -2, "engine");
	return 1;
}
