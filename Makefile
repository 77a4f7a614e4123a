# Makefile - builds, tests and installs tidetable (GNU make). "make help" lists what it can do.
#
# Settings first, rules below the line. Any setting can be given on the command line; CFLAGS and
# LDFLAGS are yours: they come after ours and replace nothing.

# Where it goes
PREFIX      = /usr/local
DESTDIR     =
LUA_VERSION = 5.4
INST_LUADIR = $(PREFIX)/share/lua/$(LUA_VERSION)
INST_LIBDIR = $(PREFIX)/lib/lua/$(LUA_VERSION)
INST_BINDIR = $(PREFIX)/bin
INST_MANDIR = $(PREFIX)/share/man
INST_COMPLETIONS = $(PREFIX)/share/bash-completion/completions# empty: none
# Where the installed command looks for its modules; empty: where Lua does.
COMMAND_LUADIR = $(INST_LUADIR)
COMMAND_LIBDIR = $(INST_LIBDIR)

# What it is built with
CFLAGS  ?=
LDFLAGS ?=
LIBFLAG  = -shared
WERROR   = -Werror
ifndef LUA_INCDIR
LUA_INCDIR := $(or $(patsubst -I%,%,$(firstword $(shell \
	pkg-config --cflags-only-I lua$(LUA_VERSION) 2>/dev/null))),/usr/include/lua$(LUA_VERSION))
endif
LMDB_INCDIR =
LMDB_LIBDIR =

# What it is run and tested with. Debian's `lua`, `busted` and `luarocks` turn into Lua 5.1 as soon
# as luarocks or luacheck is installed: so they are never called by these names alone.
LUA      = lua$(LUA_VERSION)
BUSTED   = $(LUA) /usr/bin/busted
LUACHECK = luacheck
LUAROCKS = luarocks --lua-version $(LUA_VERSION)
REPO     = .# the repository that `make demo` reads
LIMIT    = 600# seconds that one program or folder of specs may take

# Debian's packages, by what needs them
NEED_build = gcc libc6-dev lua5.4 liblua5.4-dev liblmdb-dev
NEED_tools = lua-argparse
NEED_test  = $(NEED_build) $(NEED_tools) lua-busted lua-dkjson lua-cqueues lua-luv lua-copas
NEED_lint  = $(NEED_test) lua-check clang luarocks
NEED_peers = $(NEED_test) libsqlite3-dev librocksdb-dev redis-server libhiredis-dev \
	lua-sql-sqlite3 lua-cjson
NEED_valgrind = $(NEED_test) valgrind
NEED_arm64 = $(NEED_test) gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
NEED_musl  = $(NEED_test) musl-tools
NEED_all   = $(NEED_lint) $(NEED_peers) libclang-rt-dev valgrind

# Where a build lives, and how: release, clang (the second opinion), asan, cover, memcheck, fuzz.
# Coverage is counted without the optimizer, which makes and removes branches, and without asserts,
# whose one side no test can take, and without Lua's hints to the compiler, which count as branches;
# its warnings are those of the other builds, and false without data flow. For memcheck nothing is
# fortified: it takes glibc's __memmove_chk for __memcpy_chk, and says that the two overlap.
BUILD   ?= build
VARIANT  = release
FLAGS_release = -O3 -fno-plt -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_clang   = $(FLAGS_release)
FLAGS_asan    = -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_cover   = -O0 --coverage -fprofile-update=atomic -DNDEBUG -DLUA_NOBUILTIN -w
FLAGS_memcheck = -O1 -U_FORTIFY_SOURCE
FLAGS_fuzz    = $(FLAGS_asan) -fsanitize=fuzzer-no-link
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes

# -------------------------------------------------------------------------------------------------

ifneq ($(shell uname -s),Linux)
$(error tidetable builds on Linux only for now: other systems need their doors in csrc/os first)
endif
ifneq ($(filter clang fuzz,$(VARIANT)),)
CC = clang
endif

OUT := $(BUILD)$(filter-out /release,/$(VARIANT))
OBJ := $(BUILD)/obj/$(VARIANT)
SO   = $(OUT)/tidetable/core.so
MAKEFLAGS += --no-print-directory
Q    = $(if $(V),,@)# V=1 shows the commands

COMPILE = $(CC) -std=c11 -g -fPIC -fvisibility=hidden -D_GNU_SOURCE $(WARNINGS) $(WERROR) \
	$(FLAGS_$(VARIANT)) -Icsrc $(addprefix -I,$(LMDB_INCDIR)) $(CFLAGS)
LINK    = $(CC) $(FLAGS_$(VARIANT)) -Wl,-z,relro,-z,now $(addprefix -L,$(LMDB_LIBDIR)) $(LDFLAGS)
LIBS    = -llmdb -pthread
STAY    = -Wl,-z,nodelete# in memory when Lua closes: a thread may still be in it
comma   = ,
quote   = '$(subst ','\'',$(1))'

# ROOMS="base codec" builds a test with these rooms alone, while another room is being rebuilt.
ROOMS    = base codec expr os lmdb_file lmdb stream table check api
objects  = $(patsubst %.c,$(OBJ)/%.o,$(subst /./,/,$(wildcard $(1))))
programs = $(patsubst $(1)/%.c,$(2)%,$(wildcard $(1)/$(3)*.c))
CORE  := $(call objects,$(ROOMS:%=csrc/%/*.c))
FACE  := $(call objects,csrc/lua/*.c)
UNITS := $(call programs,spec/unit,,test_) $(call programs,spec/unit,,fault_)
FUZZ  := $(call programs,spec/fuzz,,fuzz_)
# A peer in the bench is built where its header is.
PEER_tidetable = lmdb.h -llmdb -pthread
PEER_lmdb      = lmdb.h -llmdb
PEER_sqlite    = sqlite3.h -lsqlite3
PEER_rocksdb   = rocksdb/c.h -lrocksdb
PEER_redis     = hiredis/hiredis.h -lhiredis
INCLUDES       = $(LMDB_INCDIR) /usr/include /usr/local/include
PEERS_HERE := $(foreach peer,tidetable lmdb sqlite rocksdb redis,$(if \
	$(wildcard $(INCLUDES:%=%/$(firstword $(PEER_$(peer))))),$(OUT)/bench/peer_$(peer)))
BENCH := $(OUT)/bench/raw $(OUT)/bench/shares $(OUT)/bench/expressions $(PEERS_HERE)
FAULT := $(patsubst spec/fault/%.c,$(OUT)/fault/%.so,$(wildcard spec/fault/*.c))
FAULT := $(FAULT:%/failstore.so=%/failing.so)
BREAKING := powercut syscalls damage
COMMAND = $(OUT)/bin/tidetable
EVERYTHING = $(SO) $(COMMAND) $(UNITS:%=$(OUT)/unit/%) $(FUZZ:%=$(OUT)/fuzz/%) $(BENCH) $(FAULT) \
	$(BREAKING:%=$(OUT)/breaking/%)

# Lua finds our modules, and the core of this variant, from any directory and in child processes.
unexport LUA_PATH_5_4 LUA_CPATH_5_4
export LUA_PATH  := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(or $(LUA_PATH),;)
export LUA_CPATH := $(abspath $(OUT))/?.so;$(or $(LUA_CPATH),;)
export TIDETABLE_BUILD := $(abspath $(OUT))
export LUA

# $(call run,name,command): one line when it goes well, everything it said when it does not.
define run
@mkdir -p $(OUT)/log
@if timeout $(LIMIT) $(2) >$(OUT)/log/$(1) 2>&1; then echo "ok $(1)"; \
	else echo "not ok $(1), status $$?:"; cat $(OUT)/log/$(1); exit 1; fi
endef

# $(call busted,specs). The sanitizers must be in the process before Lua is. They look for leaks
# here too: Lua, busted, cqueues and git have none. A spec that does not end is named.
busted = $(if $(strip $(1)),$(WRAP_$(VARIANT)) timeout --foreground $(LIMIT) $(BUSTED) $(1) || { \
	status=$$?; test $$status -ne 124 || { printf '\nnot ok (no end after $(LIMIT) s): '; \
	cat $(OUT)/running; }; exit $$status; })
model crash fault damage storm binding soak versions: LIMIT = 0
MEMORY := $(firstword $(wildcard /dev/shm) /tmp)
WRAP_asan = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) \
	$$($(CC) -print-file-name=libubsan.so)"

# Each target that people type first sees that its packages are there; the long builds use all
# processors, unless -j said otherwise.
JOBS  = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
build = $(MAKE) $(JOBS) VARIANT=$(1) everything

all: $(SO) $(COMMAND) ## build build/tidetable/core.so and build/bin/tidetable (the default)

everything: $(EVERYTHING)

programs: $(SO) $(UNITS:%=$(OUT)/unit/%)

demo: setup-build ## follow the history of a git repository (REPO=path)
	@$(MAKE) $(JOBS) all
	@$(LUA) examples/git_history.lua $(REPO)

test: setup-test ## unit tests, specs, tidy, and slices of the long tests
	+@$(call build,release)
	@$(MAKE) symbols tidy suite bench-small

asan: setup-test ## the same under the address and undefined sanitizers
	+@$(call build,asan)
	@$(MAKE) VARIANT=asan suite

cover: setup-test ## the same, and which lines and branches of the core ran
	+@$(call build,cover)
	@find $(BUILD)/obj/cover -name '*.gcda' -delete
	@$(MAKE) VARIANT=cover suite
	@$(LUA) spec/coverage.lua $(BUILD)/obj/cover doc/testing.md

# Leaks are for asan, which can tell a child that forgets what it inherited. What a child did that
# was killed, its status does not say; but the log does.
MEMCHECK_SPECS = backup bad_input database optimistic optimistic_conflicts options stream \
	stream_retention table table_query transact types types_number wait
MEMCHECK_UNITS := $(UNITS:%=memcheck_%)
MEMCHECK_FILES := $(MEMCHECK_SPECS:%=memcheck_%_spec)
MEMCHECK_FOLDERS = memcheck_loop memcheck_model

define memcheck
$(call run,$@,env RUNS=$(or $(RUNS),300) EVERY=$(or $(EVERY),5) STEPS=$(or $(STEPS),300) \
	valgrind -q --error-exitcode=99 --leak-check=no $(1))
@! grep '^==' $(OUT)/log/$@
endef

valgrind: setup-valgrind ## unit tests and what runs the core in the specs, under memcheck
	+@$(MAKE) $(JOBS) VARIANT=memcheck memcheck

memcheck: LIMIT = 1200
memcheck: $(MEMCHECK_FILES) $(MEMCHECK_FOLDERS) $(MEMCHECK_UNITS)

$(MEMCHECK_UNITS): memcheck_%: $(OUT)/unit/%
	$(call memcheck,$<)

$(MEMCHECK_FILES): memcheck_%_spec: spec/tidetable/%_spec.lua $(SO)
memcheck_loop: spec/tidetable/loop $(SO)
memcheck_model: spec/model $(SO)
$(MEMCHECK_FILES) $(MEMCHECK_FOLDERS):
	$(call memcheck,$(BUSTED) --helper=spec/valgrind.lua $<)

mutate: setup-test ## the commit path with each line broken: some test must fail
	@$(LUA) spec/mutate.lua $(abspath $(BUILD))/mutate doc/testing.md

lint: setup-lint ## all warnings of gcc and clang, luacheck, tidy, the rock
	+@$(call build,release)
	+@$(call build,clang)
	@$(LUACHECK) --no-color --quiet .
	@$(MAKE) tidy rock

SPECS = spec/tidetable spec/operations spec/versions spec/documentation spec/examples_spec.lua

suite: unit fuzz-small spec slices

unit: setup-test $(UNITS) ## the unit tests; one alone: make test_key

$(UNITS): %: $(OUT)/unit/%
	$(call run,$@,$<)

spec: setup-test $(SO) $(COMMAND) ## the specs; some: make spec SPEC=spec/tidetable/table_spec.lua
	@$(call busted,$(or $(SPEC),$(wildcard $(SPECS))))

tidy: setup-test ## the architecture, as a test
	@$(call busted,spec/tidy_spec.lua)

measure: setup-test ## how long files and functions are, and the like (doc/architecture.md)
	@$(LUA) spec/measure.lua

model: setup-test $(SO) ## random steps against a plain model (STEPS=100000 SEED=n)
	@STEPS=$(or $(STEPS),100000) $(call busted,$(wildcard spec/model))

crash: setup-test $(SO) $(FAULT) ## writers killed at any point (CYCLES=1000 SEED=n)
	@CYCLES=$(or $(CYCLES),1000) $(call busted,$(wildcard spec/crash))

fault: setup-test $(SO) $(FAULT) $(filter fault_%,$(UNITS)) ## each allocation refused (EVERY=1)
	@EVERY=$(or $(EVERY),1) $(call busted,$(wildcard spec/fault))

powercut: setup-test $(OUT)/breaking/powercut ## the power goes at any moment (STATES=100000 SEED=n)
	@STATES=$(or $(STATES),100000) $(OUT)/breaking/$@

syscalls: setup-test $(OUT)/breaking/syscalls ## each call to the system fails (EVERY=1 SEED=n)
	@EVERY=$(or $(EVERY),1) $(OUT)/breaking/$@

damage: setup-test $(OUT)/breaking/damage ## files broken on purpose (TRIALS=100000 SEED=n)
	@TMPDIR=$(MEMORY) TRIALS=$(or $(TRIALS),100000) $(OUT)/breaking/$@

storm: setup-test $(SO) ## 8 processes that open and close one database (OPENS=3000 SEED=n)
	@OPENS=$(or $(OPENS),3000) $(call busted,spec/storm)

binding: setup-test $(SO) ## random scripts that misuse every function (SEEDS=1000 SEED=n)
	@SEEDS=$(or $(SEEDS),1000) $(call busted,spec/binding)

soak: setup-test $(SO) ## a long life: nothing grows (RECORDS=10000000 SEED=n)
	@RECORDS=$(or $(RECORDS),10000000) $(call busted,spec/soak)

SUITES = bookworm trixie forky
versions: setup-test ## with each LMDB 0.9 of other suites (SUITES="bookworm trixie forky")
	+@$(call build,release)
	@SUITES="$(SUITES)" bash spec/versions/versions.sh

# Without the packages both say so, and go well.
arm64: ## build for arm64, and run the unit tests under qemu
musl: ## build with musl, and run the unit tests
arm64 musl:
	@if $(MAKE) setup-$@; then bash spec/versions/machines.sh $@; \
		else echo "$@: skipped: its packages can't be installed"; fi

slices: setup-test $(SO) $(FAULT) $(BREAKING:%=$(OUT)/breaking/%)
	$(call run,powercut,env STATES=$(or $(STATES),2000) $(OUT)/breaking/powercut)
	$(call run,syscalls,env EVERY=$(or $(EVERY),100) $(OUT)/breaking/syscalls)
	@STEPS=$(or $(STEPS),3000) $(call busted,$(wildcard spec/model))
	@CYCLES=$(or $(CYCLES),20) $(call busted,$(wildcard spec/crash))
	@EVERY=$(or $(EVERY),50) $(call busted,$(wildcard spec/fault))
	@OPENS=$(or $(OPENS),40) $(call busted,spec/storm)
	@SEEDS=$(or $(SEEDS),20) $(call busted,spec/binding)
	@RECORDS=$(or $(RECORDS),20000) $(call busted,spec/soak)
	$(call run,damage,env TMPDIR=$(MEMORY) TRIALS=$(or $(TRIALS),1000) $(OUT)/breaking/damage)

# With clang a fuzzer is led by coverage; without, and in the tests, a driver feeds it noise and
# seeds with changes. What once broke something lies in spec/fuzz/corpus/NAME.
fuzz: setup-fuzz $(FUZZ:%=$(OUT)/fuzz/%) ## feed noise to the decoders (RUNS=n)
	@$(MAKE) $(JOBS) VARIANT=fuzz $(FUZZ:%=$(BUILD)/fuzz/fuzz/%)
	@for name in $(FUZZ); do echo "== $$name"; seeds=$(BUILD)/fuzz/seeds/$$name; \
		mkdir -p $(BUILD)/fuzz/corpus/$$name $$seeds && \
		$(OUT)/fuzz/$$name --seeds $$seeds && \
		$(BUILD)/fuzz/fuzz/$$name -runs=$(or $(RUNS),1000000) \
			-print_final_stats=1 -timeout=20 -max_len=8192 \
			-artifact_prefix=$(BUILD)/fuzz/$$name- $(BUILD)/fuzz/corpus/$$name $$seeds \
			$$(find spec/fuzz/corpus/$$name -maxdepth 0 2>/dev/null) || exit 1; done

fuzz-small: $(FUZZ)

$(FUZZ): %: $(OUT)/fuzz/%
	$(call run,$@,$< $(wildcard spec/fuzz/corpus/$@/*))

bench: setup-test ## each bench/*.lua at full length (AGAINST=ref: first as it was there)
	+@$(call build,release)
ifdef AGAINST
	@rm -rf $(BUILD)/against && git worktree prune
	@git worktree add -q --detach $(BUILD)/against $(AGAINST)
	@$(MAKE) -C $(BUILD)/against bench AGAINST= BUILD=build
endif
	@for program in $(filter-out bench/peers.lua,$(wildcard bench/*.lua)); do \
		AGAINST_TREE=$(if $(AGAINST),$(abspath $(BUILD)/against)) $(LUA) $$program || \
		exit 1; done
ifdef AGAINST
	@git worktree remove --force $(BUILD)/against
endif

# A peer whose package can't be had is left out, and said to be.
bench-peers: ## beside SQLite, RocksDB, Redis (PEERS="sqlite": alone; WRITE=1: into doc/bench)
	@$(MAKE) setup-peers || echo "bench-peers: without what is missing"
	+@$(call build,release)
	@$(LUA) bench/peers.lua

BENCH_SMALL := $(patsubst bench/%.lua,bench_%,$(wildcard bench/*.lua))
bench-small: $(BENCH_SMALL)

$(BENCH_SMALL): bench_%: bench/%.lua $(SO) $(BENCH)
	$(call run,$@,env ROUNDS=1 ITEMS=1000 PEERS=sqlite WRITE= $(LUA) $<)

symbols: $(SO)
	@found=$$(nm -D --defined-only $< | awk '{ print $$3 }'); \
	if test "$$found" = luaopen_tidetable_core; then echo "ok symbols"; \
		else echo "not ok symbols, luaopen_tidetable_core alone:" $$found; exit 1; fi

# The second needs argparse, which is here, but is Debian's and no rock.
ROCKS = rockspec/tidetable-scm-1.rockspec rockspec/tidetable-tools-scm-1.rockspec

rock: setup-lint ## build and install the rocks into an empty tree, offline, and use them
	@rm -rf $(BUILD)/tree
	@for rock in $(ROCKS); do $(LUAROCKS) lint $$rock || exit 1; done
	$(call run,rock,$(LUAROCKS) make --tree $(BUILD)/tree $(firstword $(ROCKS)))
	@cd / && tree=$(abspath $(BUILD)/tree) && share=$$tree/share/lua/$(LUA_VERSION) && \
		LUA_PATH="$$share/?.lua;$$share/?/init.lua" \
		LUA_CPATH="$$tree/lib/lua/$(LUA_VERSION)/?.so" $(LUA) -e 'require "tidetable"'
	@echo 'rocks_provided = { argparse = "0.7.1-1" }' >$(BUILD)/provided.lua
	$(call run,rock-tools,env LUAROCKS_CONFIG=$(BUILD)/provided.lua \
		$(LUAROCKS) make --tree $(BUILD)/tree $(lastword $(ROCKS)))
	@cd / && env -u LUA_PATH -u LUA_CPATH $(abspath $(BUILD)/tree)/bin/tidetable --version

# What the library is, and what the command brings: two rocks.
TOOLS   := $(shell find lua/tidetable/cli lua/tidetable/dynamodb -name '*.lua' 2>/dev/null)
LIBRARY := $(filter-out $(TOOLS),$(shell find lua -name '*.lua'))
install_lua = for module in $(patsubst lua/%,%,$(1)); do \
	install -D -m 644 lua/$$module "$(DESTDIR)$(INST_LUADIR)/$$module" || exit 1; done

install: $(SO) ## install the library under PREFIX (DESTDIR, INST_LUADIR, INST_LIBDIR)
	@install -D -m 755 $(SO) "$(DESTDIR)$(INST_LIBDIR)/tidetable/core.so"
	@$(call install_lua,$(LIBRARY))
	@echo "installed in $(DESTDIR)$(INST_LUADIR) and $(DESTDIR)$(INST_LIBDIR)"

# The command itself says what a shell completes; it runs only where all it needs is there.
ifneq ($(INST_COMPLETIONS),)
install-tools: $(SO) $(COMMAND)
endif

install-tools: | $(OUT) ## install the command too (INST_BINDIR; it needs argparse)
	@$(call install_lua,$(TOOLS))
	$(file >$(OUT)/launcher,$(call launcher,$(COMMAND_LUADIR),$(COMMAND_LIBDIR)))
	@install -D -m 755 $(OUT)/launcher "$(DESTDIR)$(INST_BINDIR)/tidetable"
	@install -D -m 644 doc/tidetable.1 "$(DESTDIR)$(INST_MANDIR)/man1/tidetable.1"
ifneq ($(INST_COMPLETIONS),)
	@$(LUA) $(COMMAND) completion bash >$(OUT)/completion
	@install -D -m 644 $(OUT)/completion "$(DESTDIR)$(INST_COMPLETIONS)/tidetable"
endif
	@echo "installed in $(DESTDIR)$(INST_BINDIR)"

setup: setup-all ## install all that any target needs

# Says what it is about to install, installs it, and does nothing when nothing is missing.
setup-build setup-test setup-lint setup-fuzz setup-peers setup-valgrind setup-arm64 setup-musl \
		setup-all: setup-%:
	@command -v dpkg-query >/dev/null || \
		{ echo "setup: no Debian here, so look for the like of: $(NEED_$*)"; exit 0; }; \
	missing=; for package in $(NEED_$*); do \
		dpkg-query -W -f '$${db:Status-Status} ' $$package 2>/dev/null | \
			grep -q '^installed' || missing="$$missing $$package"; done; \
	test -n "$$missing" || exit 0; \
	echo "setup: installing$$missing"; \
	if test $$(id -u) = 0; then as=; elif command -v sudo >/dev/null; then as=sudo; \
		else echo "setup: this needs root, or sudo"; exit 1; fi; \
	get="$$as env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"; \
	$$get update && $$get install -y --no-install-recommends $$missing >/dev/null

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

# Objects of one variant do not serve another, and a change of flags rebuilds what it concerns.
$(OBJ)/flags: FORCE
	@mkdir -p $(@D)
	@echo $(call quote,$(COMPILE) / $(LINK)) | cmp -s - $@ || \
		echo $(call quote,$(COMPILE) / $(LINK)) >$@

$(OBJ)/csrc/lua/%.o: ROOM = -I$(LUA_INCDIR)
$(OBJ)/spec/%.o: ROOM = -Ispec
$(OBJ)/bench/%.o: ROOM = -Ibench
$(OBJ)/spec/fault/%.o: ROOM = -I$(LUA_INCDIR) -Ispec

$(OBJ)/%.o: %.c $(OBJ)/flags
	@mkdir -p $(@D); echo "  cc $<"
	$(Q)$(COMPILE) $(ROOM) -MMD -MP -c -o $@ $<

define link
@mkdir -p $(@D)
$(Q)$(LINK) $(1) -o $@ $^ $(LIBS)
endef

$(SO): $(CORE) $(FACE)
	@echo "  ld $@"
	$(call link,$(LIBFLAG) $(STAY))

# The command: it finds its modules wherever they went, and asks nobody's LUA_PATH.
# $(call launcher,where Lua's modules are,where C's are)
define launcher
#!/usr/bin/env $(LUA)
-- tidetable - looks at databases of tidetable, and keeps them in order.
local lua, lib = "$(1)", "$(2)"
if lua ~= "" then
  package.path = lua .. "/?.lua;" .. lua .. "/?/init.lua;" .. package.path
  package.cpath = lib .. "/?.so;" .. package.cpath
end
local ok, result = pcall(function()
  return require("tidetable.cli.main").run(arg)
end)
if ok then
  os.exit(result, true)
elseif tostring(result):find "interrupted!$$" then
  os.exit(130, true)
end
io.stderr:write("tidetable: ", tostring(result):match "^[^\n]*", "\n",
  "  the command needs the Lua modules tidetable and argparse (Debian: lua-argparse)\n")
os.exit(1)
endef

$(OUT) $(OUT)/bin:
	@mkdir -p $@

$(COMMAND): Makefile | $(OUT)/bin
	$(file >$@,$(call launcher,$(CURDIR)/lua,$(abspath $(OUT))))
	@chmod +x $@

$(OUT)/unit/%: $(OBJ)/spec/unit/%.o $(CORE)
	$(call link,$(EXPORT) $(WRAPPED:%=-Wl,--wrap=%))

# Calls of the store that this test lets fail.
STORE_CALLS = txn_get txn_put txn_put_reserve txn_insert_reserve txn_append_reserve txn_delete txn_count \
	txn_cursor cursor_open cursor_move cursor_delete reader_open reader_renew writer_begin \
	writer_commit writer_check_space store_usage store_clear_stale
$(OUT)/unit/fault_tide_store: WRAPPED = $(STORE_CALLS)
$(OUT)/unit/test_lock_mutexes: WRAPPED = mdb_env_close

# Libc's functions are found in the program first, by LMDB too.
CALLS := $(call objects,spec/calls/*.c)
WATCHING = $(OUT)/unit/fault_backup $(OUT)/unit/test_recovery
$(WATCHING): $(CALLS)
$(WATCHING): EXPORT = -rdynamic
$(BREAKING:%=$(OUT)/breaking/%): $(CALLS) $(CORE)
	$(call link,-rdynamic)
$(OUT)/breaking/powercut: $(call objects,spec/powercut/*.c)
$(OUT)/breaking/syscalls: $(call objects,spec/syscalls/*.c)
$(OUT)/breaking/damage: $(call objects,spec/damage/*.c)

$(OUT)/fault/%.so: $(OBJ)/spec/fault/%.o
	$(call link,$(LIBFLAG))

# A core whose store can be told to fail.
$(OUT)/fault/failing.so: $(OBJ)/spec/fault/failstore.o $(CORE) $(FACE)
	$(call link,$(LIBFLAG) $(STAY) $(STORE_CALLS:%=-Wl$(comma)--wrap=%))

DRIVER := $(if $(filter fuzz,$(VARIANT)),,$(OBJ)/spec/fuzz/driver.o)
$(OUT)/fuzz/%: $(OBJ)/spec/fuzz/%.o $(DRIVER) $(CORE)
	$(call link,$(if $(DRIVER),,-fsanitize=fuzzer))

# By name: of two patterns that fit make takes the one whose objects are there.
$(OUT)/bench/peer_tidetable: $(CORE)
$(PEERS_HERE): LIBS = $(wordlist 2,9,$(PEER_$(@F:peer_%=%)))
$(PEERS_HERE): $(OUT)/bench/%: $(OBJ)/bench/%.o $(call objects,bench/lib/*.c)
	$(call link)

$(OUT)/bench/raw $(OUT)/bench/shares $(OUT)/bench/expressions: $(OUT)/bench/%: \
		$(OBJ)/bench/%.o $(OBJ)/bench/lib/program.o $(CORE)
	$(call link)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

FORCE:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all everything demo test asan cover valgrind memcheck mutate lint suite unit spec tidy \
	measure model crash fault slices versions arm64 musl programs damage storm binding soak \
	powercut syscalls fuzz fuzz-small bench bench-peers bench-small \
	symbols rock install install-tools setup clean help FORCE
.PHONY: $(UNITS) $(FUZZ) $(BENCH_SMALL) $(MEMCHECK_UNITS) $(MEMCHECK_FILES) $(MEMCHECK_FOLDERS)
