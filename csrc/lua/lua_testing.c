/* lua_testing.c - temporary directories, child processes and faults, for tidetable.testing. */
#include <stdio.h>
#include <unistd.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/fault_point.h"
#include "os/program.h"
#include "os/temporary_directory.h"

static const char DIRECTORY_TYPE[] = "tidetable.core.directory";
static const char PROGRAM_TYPE[] = "tidetable.core.program";

#define WORDS_MAX 250

/* --- directories --- */

struct directory_handle {
	type_word type;
	struct temporary_directory directory;
};

/* temporary_directory() -> directory, its path; or nil, err, code */
static int temporary_directory(lua_State *L)
{
	struct directory_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
	struct failure failure;

	handle->directory.path[0] = '\0';
	set_type(L, DIRECTORY_TYPE);
	if (temporary_directory_create(&handle->directory, &failure))
		return return_failure(L, &failure);
	lua_pushstring(L, handle->directory.path);
	return 2;
}

/* remove_directory(directory): removes it with everything in it; also __gc. May be called again. */
static int remove_directory(lua_State *L)
{
	struct directory_handle *handle = check_type(L, 1, DIRECTORY_TYPE);

	temporary_directory_remove(&handle->directory);
	return 0;
}

/* --- child processes --- */

struct program_handle {
	type_word type;
	struct program program;
};

static struct program_handle *check_program(lua_State *L)
{
	return check_type(L, 1, PROGRAM_TYPE);
}

static int close_file(lua_State *L)
{
	luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

	return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* Pushes a closed file of Lua's io library. */
static luaL_Stream *push_file(lua_State *L)
{
	luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);

	stream->f = NULL;
	stream->closef = NULL;
	if (luaL_getmetatable(L, LUA_FILEHANDLE) != LUA_TTABLE)
		luaL_error(L, "Lua's io library is not loaded");
	lua_setmetatable(L, -2);
	return stream;
}

/* Opens the file, to read from the descriptor. Raises an error if memory runs out. */
static void open_file(lua_State *L, luaL_Stream *stream, int fd)
{
	stream->f = fdopen(fd, "r");
	if (!stream->f) {
		close(fd);
		luaL_error(L, "not enough memory");
	}
	stream->closef = close_file;
}

/* Fills words with the strings of the table at index, which keeps them alive. */
static void check_words(lua_State *L, int index, const char *words[WORDS_MAX + 1])
{
	lua_Integer count;

	luaL_checktype(L, index, LUA_TTABLE);
	count = luaL_len(L, index);
	luaL_argcheck(L, count >= 1 && count <= WORDS_MAX, index, "expected 1 to 250 words");
	for (lua_Integer i = 1; i <= count; i++) {
		luaL_argcheck(L, lua_rawgeti(L, index, i) == LUA_TSTRING, index,
			"expected strings");
		words[i - 1] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	words[count] = NULL;
}

/* start_program(words, seconds) -> program, its pid, file of its output; or nil, err, code */
static int start_program(lua_State *L)
{
	const char *words[WORDS_MAX + 1];
	uint32_t seconds = (uint32_t)check_choice(L, 2, 1, 1000000);
	struct program_handle *handle;
	luaL_Stream *output;
	struct failure failure;

	check_words(L, 1, words);
	handle = lua_newuserdatauv(L, sizeof *handle, 0);
	handle->program = (struct program){ .in = -1, .out = -1 };
	set_type(L, PROGRAM_TYPE);
	output = push_file(L);
	if (program_start(&handle->program, words, seconds, &failure))
		return return_failure(L, &failure);
	open_file(L, output, handle->program.out);
	lua_pushinteger(L, (lua_Integer)handle->program.pid);
	lua_insert(L, -2);
	return 3;
}

/* send_program(program, text) -> false if it has closed its input or has ended */
static int send_program(lua_State *L)
{
	const struct program_handle *handle = check_program(L);
	struct slice text = check_slice(L, 2);

	lua_pushboolean(L, program_send(&handle->program, text.data, text.len));
	return 1;
}

/* close_input(program) */
static int close_input(lua_State *L)
{
	program_close_input(&check_program(L)->program);
	return 0;
}

/* wait_program(program) -> exit status, number of the signal that ended it (0: none); once */
static int wait_program(lua_State *L)
{
	struct program_handle *handle = check_program(L);
	struct program_end end;

	luaL_argcheck(L, handle->program.pid > 0, 1, "the program has ended");
	program_wait(&handle->program, &end);
	lua_pushinteger(L, end.status);
	lua_pushinteger(L, end.signal);
	return 2;
}

/* kill_program(program) */
static int kill_program(lua_State *L)
{
	program_kill(&check_program(L)->program);
	return 0;
}

/* __gc: kills the program, so that no test leaves one. */
static int collect_program(lua_State *L)
{
	struct program_handle *handle = check_program(L);
	struct program_end end;

	program_close_input(&handle->program);
	if (handle->program.pid > 0 && handle->program.parent == getpid()) {
		program_kill(&handle->program);
		program_wait(&handle->program, &end);
	}
	return 0;
}

/* program_path() -> path of the program that runs this process, nil if unknown */
static int path_of_program(lua_State *L)
{
	char path[4096];

	if (program_path(path, sizeof path))
		lua_pushstring(L, path);
	else
		lua_pushnil(L);
	return 1;
}

/* --- faults --- */

static const char *const point_names[] = { "before_commit", "after_write", "after_commit", NULL };
static const enum fault_point points[] = {
	FAULT_BEFORE_COMMIT, FAULT_AFTER_WRITE, FAULT_AFTER_COMMIT,
};
static const char *const fault_names[] = {
	"NO_MEMORY", "STORE", "DISK_FULL", "UNKNOWN_OUTCOME", NULL,
};
static const int faults[] = { ERR_NO_MEMORY, ERR_STORE, ERR_DISK_FULL, ERR_UNKNOWN_OUTCOME };

/* set_fault(point, n[, code]) -> true; or nil, err, code. Without a code the process dies. */
static int set_fault(lua_State *L)
{
	enum fault_point point = points[luaL_checkoption(L, 1, NULL, point_names)];
	uint32_t n = (uint32_t)check_choice(L, 2, 1, UINT32_MAX);
	int err = lua_isnoneornil(L, 3) ? 0 : faults[luaL_checkoption(L, 3, NULL, fault_names)];
	struct failure failure;

	if (fault_set(point, n, err, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* clear_fault() */
static int clear_fault(lua_State *L)
{
	(void)L;
	fault_clear();
	return 0;
}

void open_testing(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "temporary_directory", temporary_directory },
		{ "remove_directory", remove_directory },
		{ "start_program", start_program },
		{ "send_program", send_program },
		{ "close_input", close_input },
		{ "wait_program", wait_program },
		{ "kill_program", kill_program },
		{ "program_path", path_of_program },
		{ "set_fault", set_fault },
		{ "clear_fault", clear_fault },
		{ NULL, NULL },
	};

	new_type(L, DIRECTORY_TYPE, remove_directory, NULL);
	new_type(L, PROGRAM_TYPE, collect_program, NULL);
	lua_pop(L, 2);
	luaL_setfuncs(L, functions, 0);
}
