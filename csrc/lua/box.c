/* box.c - bytes of the core in memory of Lua's own. */
#include "lua/box.h"

#include "lua/handle.h"

static const char BOX_TYPE[] = "tidetable.core.box";

struct box *new_box(lua_State *L)
{
	struct box *box = lua_newuserdatauv(L, sizeof *box, 0);

	*box = (struct box){ 0 };
	set_type(L, BOX_TYPE);
	return box;
}

struct box *take_box(lua_State *L, int owner, int n, struct box **kept)
{
	if (*kept && !(*kept)->taken) {
		lua_getiuservalue(L, owner, n);
	} else {
		struct box *box = new_box(L);

		lua_pushvalue(L, -1);
		lua_setiuservalue(L, owner, n);
		*kept = box;
	}
	(*kept)->taken = true;
	return *kept;
}

static int release_box(lua_State *L)
{
	struct box *box = check_type(L, 1, BOX_TYPE);

	buffer_release(&box->bytes);
	return 0;
}

void open_boxes(lua_State *L)
{
	new_type(L, BOX_TYPE, release_box, NULL);
	lua_pop(L, 1);
}
