/* forking.c - a Lua module that calls a function in a child process created by fork, and fork
 * itself.
 *
 *     status, text = forking.call(fn)
 *     pid = forking.fork([session])
 *     forking.sleep()
 *
 * text: the result or error of fn. status: 0; 1 if it raised an error; 128 + n if signal n
 * killed the child. The child exits without closing its Lua state.
 *
 * fork returns 0 in the child, as in C. With session the child leaves the process group.
 * sleep never returns: the process sleeps until it is killed.
 */
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

_Noreturn static void be_child(lua_State *L, int fd)
{
	int status = lua_pcall(L, 0, 1, 0);
	size_t len;
	const char *text = luaL_tolstring(L, -1, &len);

	while (len) {
		ssize_t put = write(fd, text, len);

		if (put <= 0)
			_exit(2);
		text += put;
		len -= (size_t)put;
	}
	_exit(status != LUA_OK);
}

static void read_all(lua_State *L, int fd)
{
	luaL_Buffer text;
	ssize_t got;

	luaL_buffinit(L, &text);
	do {
		got = read(fd, luaL_prepbuffer(&text), LUAL_BUFFERSIZE);
		luaL_addsize(&text, got > 0 ? (size_t)got : 0);
	} while (got > 0);
	luaL_pushresult(&text);
}

static int call(lua_State *L)
{
	int ends[2], status;
	pid_t child;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	if (pipe(ends))
		return luaL_error(L, "cannot create a pipe");
	child = fork();
	if (child == 0) {
		close(ends[0]);
		be_child(L, ends[1]);
	}
	close(ends[1]);
	read_all(L, ends[0]);
	close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return luaL_error(L, "cannot create a child process");
	lua_pushinteger(L, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	lua_insert(L, -2);
	return 2;
}

static int fork_here(lua_State *L)
{
	pid_t child = fork();

	if (child < 0)
		return luaL_error(L, "cannot create a child process");
	if (child == 0 && lua_toboolean(L, 1))
		setsid();
	lua_pushinteger(L, child);
	return 1;
}

static int sleep_here(lua_State *L)
{
	(void)L;
	while (pause() < 0)
		;
	return 0;
}

__attribute__((visibility("default"))) int luaopen_fault_forking(lua_State *L);

int luaopen_fault_forking(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "call", call },
		{ "fork", fork_here },
		{ "sleep", sleep_here },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
