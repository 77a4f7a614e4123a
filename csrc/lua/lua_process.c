/* lua_process.c - child processes, pipes and signals for Lua, for programs with an event loop. */
#include <signal.h>
#include <unistd.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/descriptor.h"
#include "os/process.h"
#include "os/signal_pipe.h"

static const char DESCRIPTOR_TYPE[] = "tidetable.core.descriptor";
static const char PROCESS_TYPE[] = "tidetable.core.process";

#define WORDS_MAX 250
#define PIECE 65536
#define STANDARD_MAX 2           /* greatest number of a standard descriptor */

/* --- descriptors --- */

struct descriptor_handle {
	type_word type;
	int descriptor;              /* -1: closed */
};

/* Pushes a closed descriptor. */
static struct descriptor_handle *push_descriptor(lua_State *L)
{
	struct descriptor_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);

	handle->descriptor = -1;
	set_type(L, DESCRIPTOR_TYPE);
	return handle;
}

/* Returns the descriptor at index: a handle, or the number of a standard one. */
static int check_descriptor(lua_State *L, int index)
{
	struct descriptor_handle *handle;

	if (lua_isinteger(L, index))
		return (int)check_choice(L, index, 0, STANDARD_MAX);
	handle = check_type(L, index, DESCRIPTOR_TYPE);
	if (handle->descriptor < 0)
		raise_error(L, ERR_CLOSED);
	return handle->descriptor;
}

static int push_ends(lua_State *L, int (*open)(int ends[2], struct failure *failure))
{
	struct descriptor_handle *first = push_descriptor(L), *second = push_descriptor(L);
	struct failure failure;
	int ends[2];

	if (open(ends, &failure))
		return return_failure(L, &failure);
	first->descriptor = ends[0];
	second->descriptor = ends[1];
	return 2;
}

/* pipe() -> end to read, end to write; or nil, err, code */
static int open_pipe(lua_State *L)
{
	return push_ends(L, descriptor_pipe);
}

/* socket_pair() -> two connected ends; or nil, err, code */
static int open_socket_pair(lua_State *L)
{
	return push_ends(L, descriptor_socket_pair);
}

/* inherited_descriptor(number) -> descriptor that the process was started with, from 3 on; it is
 * closed in programs that are executed */
static int inherited_descriptor(lua_State *L)
{
	int number = (int)check_choice(L, 1, STANDARD_MAX + 1, PROCESS_DESCRIPTORS_MAX - 1);

	descriptor_keep(number);
	push_descriptor(L)->descriptor = number;
	return 1;
}

/* descriptor_unblock(descriptor) */
static int unblock(lua_State *L)
{
	descriptor_unblock(check_descriptor(L, 1));
	return 0;
}

/* descriptor_number(descriptor) -> its number, for an event loop */
static int descriptor_number(lua_State *L)
{
	lua_pushinteger(L, check_descriptor(L, 1));
	return 1;
}

/* descriptor_read(descriptor) -> the available bytes, at most 64 KiB; "" at the end; false if there
 * are none now; or nil, err, code */
static int read_descriptor(lua_State *L)
{
	int descriptor = check_descriptor(L, 1);
	struct failure failure;
	luaL_Buffer buffer;
	size_t len;
	int got = descriptor_read(descriptor, luaL_buffinitsize(L, &buffer, PIECE), PIECE, &len,
		&failure);

	if (got < 0)
		return return_failure(L, &failure);
	luaL_pushresultsize(&buffer, len);
	if (got == END)
		lua_pushboolean(L, 0);
	return 1;
}

/* descriptor_write(descriptor, text[, number of bytes that were written before]) -> number of bytes
 * written before and now; or nil, err, code */
static int write_descriptor(lua_State *L)
{
	int descriptor = check_descriptor(L, 1);
	struct slice text = check_slice(L, 2);
	size_t before = (size_t)(lua_isnoneornil(L, 3) ? 0 :
		check_choice(L, 3, 0, (lua_Integer)text.len));
	struct failure failure;
	size_t written;

	if (descriptor_write(descriptor, text.data + before, text.len - before, &written,
			&failure) < 0)
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)(before + written));
	return 1;
}

/* descriptor_close(descriptor); also __gc and __close. May be called again. */
static int close_descriptor(lua_State *L)
{
	struct descriptor_handle *handle = check_type(L, 1, DESCRIPTOR_TYPE);

	descriptor_close(handle->descriptor);
	handle->descriptor = -1;
	return 0;
}

/* send_datagram(path of a Unix socket, text) -> true; or nil, err, code */
static int send_datagram(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct slice text = check_slice(L, 2);
	struct failure failure;

	if (descriptor_send_datagram(path, text.data, text.len, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* --- processes --- */

struct process_handle {
	type_word type;
	struct process process;
};

/* Fills words with the strings of the table at index, which keeps them alive. */
static void check_words(lua_State *L, int index, const char *words[WORDS_MAX + 1])
{
	lua_Integer count;

	luaL_checktype(L, index, LUA_TTABLE);
	count = luaL_len(L, index);
	luaL_argcheck(L, count <= WORDS_MAX, index, "expected at most 250 words");
	for (lua_Integer i = 1; i <= count; i++) {
		luaL_argcheck(L, lua_rawgeti(L, index, i) == LUA_TSTRING, index,
			"expected strings");
		words[i - 1] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	words[count] = NULL;
}

/* Fills descriptors with those of the table at index; false: /dev/null. Returns their number. */
static uint32_t check_descriptors(lua_State *L, int index, int *descriptors)
{
	lua_Integer count;

	luaL_checktype(L, index, LUA_TTABLE);
	count = luaL_len(L, index);
	luaL_argcheck(L, count <= PROCESS_DESCRIPTORS_MAX, index, "too many descriptors");
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, index, i);
		descriptors[i - 1] = lua_toboolean(L, -1) ? check_descriptor(L, -1) : -1;
		lua_pop(L, 1);
	}
	return (uint32_t)count;
}

/* start_process(program, words, descriptors from 0 on, changes of the environment) -> process, its
 * pid; or nil, err, code */
static int start_process(lua_State *L)
{
	const char *words[WORDS_MAX + 1], *changes[WORDS_MAX + 1];
	int descriptors[PROCESS_DESCRIPTORS_MAX];
	struct process_plan plan = { .program = luaL_checkstring(L, 1), .words = words,
		.changes = changes, .descriptors = descriptors };
	struct process_handle *handle;
	struct failure failure;

	check_words(L, 2, words);
	luaL_argcheck(L, words[0], 2, "expected a word");
	plan.count = check_descriptors(L, 3, descriptors);
	check_words(L, 4, changes);
	handle = lua_newuserdatauv(L, sizeof *handle, 0);
	handle->process = (struct process){ 0 };
	set_type(L, PROCESS_TYPE);
	if (process_start(&handle->process, &plan, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)handle->process.pid);
	return 2;
}

static struct process_handle *check_process(lua_State *L)
{
	return check_type(L, 1, PROCESS_TYPE);
}

/* process_poll(process) -> false while it runs; then once: exit status, number of the signal that
 * ended it (0: none) */
static int poll_process(lua_State *L)
{
	struct process_handle *handle = check_process(L);
	struct process_end end;

	luaL_argcheck(L, handle->process.pid > 0, 1, "the process was reaped");
	if (process_poll(&handle->process, &end) == END) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushinteger(L, end.status);
	lua_pushinteger(L, end.signal);
	return 2;
}

static const char *const signal_names[] = {
	"SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGWINCH", "SIGKILL", NULL,
};
static const int signal_numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGWINCH, SIGKILL };

/* process_signal(process, name of the signal, true: to its process group) */
static int signal_process(lua_State *L)
{
	const struct process_handle *handle = check_process(L);
	int number = signal_numbers[luaL_checkoption(L, 2, NULL, signal_names)];

	process_signal(&handle->process, number, lua_toboolean(L, 3));
	return 0;
}

/* __gc: kills the process with its group. */
static int collect_process(lua_State *L)
{
	process_signal(&check_process(L)->process, SIGKILL, true);
	return 0;
}

/* process_id() -> id of this process */
static int id_of_process(lua_State *L)
{
	lua_pushinteger(L, getpid());
	return 1;
}

/* --- signals --- */

/* signal_pipe(name of a signal, ...) -> number of a descriptor from which read_signal reads them;
 * or nil, err, code */
static int open_signal_pipe(lua_State *L)
{
	int numbers[sizeof signal_numbers / sizeof *signal_numbers];
	int count = lua_gettop(L), descriptor;
	struct failure failure;

	luaL_argcheck(L, count < (int)(sizeof numbers / sizeof *numbers), count,
		"too many signals");
	for (int i = 0; i < count; i++)
		numbers[i] = signal_numbers[luaL_checkoption(L, i + 1, NULL, signal_names)];
	if (signal_pipe_open(numbers, (uint32_t)count, &descriptor, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, descriptor);
	return 1;
}

/* read_signal() -> name of the next signal; nil if there is none, or no signal pipe */
static int read_signal(lua_State *L)
{
	struct failure failure;
	uint8_t number;
	int descriptor;
	size_t len;

	if (signal_pipe_open(NULL, 0, &descriptor, &failure) ||
			descriptor_read(descriptor, &number, 1, &len, &failure) || len != 1)
		return 0;
	for (size_t i = 0; signal_names[i]; i++)
		if (signal_numbers[i] == number) {
			lua_pushstring(L, signal_names[i]);
			return 1;
		}
	return 0;
}

void open_processes(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "pipe", open_pipe },
		{ "socket_pair", open_socket_pair },
		{ "inherited_descriptor", inherited_descriptor },
		{ "descriptor_unblock", unblock },
		{ "descriptor_number", descriptor_number },
		{ "descriptor_read", read_descriptor },
		{ "descriptor_write", write_descriptor },
		{ "descriptor_close", close_descriptor },
		{ "send_datagram", send_datagram },
		{ "start_process", start_process },
		{ "process_poll", poll_process },
		{ "process_signal", signal_process },
		{ "process_id", id_of_process },
		{ "signal_pipe", open_signal_pipe },
		{ "read_signal", read_signal },
		{ NULL, NULL },
	};

	new_type(L, DESCRIPTOR_TYPE, close_descriptor, close_descriptor);
	new_type(L, PROCESS_TYPE, collect_process, NULL);
	lua_pop(L, 2);
	luaL_setfuncs(L, functions, 0);
}
