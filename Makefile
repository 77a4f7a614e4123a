# Makefile - builds, tests and installs tidetable (GNU make). "make help" lists the targets.
#
# Settings come first, rules below the line; every setting can be given on the command line.
# CFLAGS and LDFLAGS are the user's and are added after ours. The rules of the tests are
# in spec/*.mk, those of the benches in bench/bench.mk.

# Installation directories; absolute paths.
PREFIX      = /usr/local
DESTDIR     =
LUA_VERSION = 5.4
INST_LUADIR = $(PREFIX)/share/lua/$(LUA_VERSION)
INST_LIBDIR = $(PREFIX)/lib/lua/$(LUA_VERSION)
INST_BINDIR = $(PREFIX)/bin
INST_MANDIR = $(PREFIX)/share/man
INST_COMPLETIONS = $(PREFIX)/share/bash-completion/completions# empty: not installed
# Module directories of the installed command; empty: Lua's own paths.
COMMAND_LUADIR = $(INST_LUADIR)
COMMAND_LIBDIR = $(INST_LIBDIR)

# Compiler, flags and libraries.
CFLAGS  ?=
LDFLAGS ?=
LIBFLAG  = -shared
WERROR   = -Werror
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes
ifndef LUA_INCDIR
LUA_INCDIR := $(or $(patsubst -I%,%,$(firstword $(shell \
	pkg-config --cflags-only-I lua$(LUA_VERSION) 2>/dev/null))),/usr/include/lua$(LUA_VERSION))
endif
LMDB_INCDIR =
LMDB_LIBDIR =

# Programs. On Debian the commands `lua`, `busted` and `luarocks` run Lua 5.1 as soon as luarocks
# or luacheck is installed, so the version is always given.
LUA      = lua$(LUA_VERSION)
BUSTED   = $(LUA) /usr/bin/busted
LUACHECK = luacheck
LUAROCKS = luarocks --lua-version $(LUA_VERSION)
REPO     = .# the repository that `make demo` replays
LIMIT    = 600# seconds after which a test program or a folder of specs is stopped

# Build directory and variant: release, clang (a second compiler's warnings), asan, cover,
# memcheck, fuzz. cover is built without optimization, asserts and Lua's branch hints, which all
# change the number of branches. memcheck is built without _FORTIFY_SOURCE: it mistakes glibc's
# __memmove_chk for __memcpy_chk and reports overlapping arguments.
BUILD   ?= build
VARIANT  = release
FLAGS_release = -O3 -fno-plt -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_clang   = $(FLAGS_release)
FLAGS_asan    = -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_cover   = -O0 --coverage -fprofile-update=atomic -DNDEBUG -DLUA_NOBUILTIN -w
FLAGS_memcheck = -O1 -U_FORTIFY_SOURCE
FLAGS_fuzz    = $(FLAGS_asan) -fsanitize=fuzzer-no-link

# ROOMS="base codec" builds a test from these folders of csrc/ alone.
ROOMS    = base codec expr sys stream table .

# -------------------------------------------------------------------------------------------------

ifneq ($(shell uname -s),Linux)
$(error tidetable builds on Linux only)
endif

ifneq ($(filter clang fuzz,$(VARIANT)),)
CC = clang
endif
OUT := $(BUILD)$(filter-out /release,/$(VARIANT))
OBJ := $(BUILD)/obj/$(VARIANT)
SO   = $(OUT)/tidetable/core.so
COMMAND = $(OUT)/bin/tidetable
MAKEFLAGS += --no-print-directory
Q    = $(if $(V),,@)# V=1 shows the commands

COMPILE = $(CC) -std=c11 -g -fPIC -fvisibility=hidden -D_GNU_SOURCE $(WARNINGS) $(WERROR) \
	$(FLAGS_$(VARIANT)) -Icsrc $(addprefix -I,$(LMDB_INCDIR)) $(CFLAGS)
LINK    = $(CC) $(FLAGS_$(VARIANT)) -Wl,-z,relro,-z,now $(addprefix -L,$(LMDB_LIBDIR)) $(LDFLAGS)
LIBS    = -llmdb -pthread
STAY    = -Wl,-z,nodelete# the module stays mapped when Lua closes: a thread may still run in it
quote   = '$(subst ','\'',$(1))'
objects = $(patsubst %.c,$(OBJ)/%.o,$(subst /./,/,$(wildcard $(1))))
CORE   := $(call objects,$(ROOMS:%=csrc/%/*.c))
FACE   := $(call objects,csrc/lua/*.c)

# Lua finds these modules, and the core of this variant, from any directory and in child processes.
unexport LUA_PATH_5_4 LUA_CPATH_5_4
export LUA_PATH  := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(or $(LUA_PATH),;)
export LUA_CPATH := $(abspath $(OUT))/?.so;$(or $(LUA_CPATH),;)
export TIDETABLE_BUILD := $(abspath $(OUT))
export LUA

# The long builds use all processors, unless -j is given.
JOBS  = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
build = $(MAKE) $(JOBS) VARIANT=$(1) everything

all: $(SO) $(COMMAND) ## build build/tidetable/core.so and build/bin/tidetable (the default)

demo: setup-build ## follow the history of a git repository (REPO=path)
	@$(MAKE) $(JOBS) all
	@$(LUA) examples/git_history.lua $(REPO)

lint: setup-lint ## all warnings of gcc and clang, luacheck, tidy, the rock
	+@$(call build,release)
	+@$(call build,clang)
	@$(LUACHECK) --no-color --quiet .
	@$(MAKE) tidy rock

# The library and the command are two rocks and two targets.
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
	@$(call launcher,$(COMMAND_LUADIR),$(COMMAND_LIBDIR)) >$(OUT)/launcher
	@install -D -m 755 $(OUT)/launcher "$(DESTDIR)$(INST_BINDIR)/tidetable"
	@install -D -m 644 doc/tidetable.1 "$(DESTDIR)$(INST_MANDIR)/man1/tidetable.1"
ifneq ($(INST_COMPLETIONS),)
	@$(LUA) $(COMMAND) completion bash >$(OUT)/completion
	@install -D -m 644 $(OUT)/completion "$(DESTDIR)$(INST_COMPLETIONS)/tidetable"
endif
	@echo "installed in $(DESTDIR)$(INST_BINDIR)"

setup: setup-all ## install the packages that any target needs
setup-build setup-test setup-lint setup-fuzz setup-peers setup-valgrind setup-arm64 \
		setup-musl setup-all: setup-%:
	@sh tools/setup.sh $*

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(filter Makefile %.mk,$(MAKEFILE_LIST)) | \
		expand -t 15

# Objects of one variant do not serve another, and a change of flags rebuilds what it concerns.
$(OBJ)/flags: FORCE
	@mkdir -p $(@D)
	@echo $(call quote,$(COMPILE) / $(LINK)) | cmp -s - $@ || \
		echo $(call quote,$(COMPILE) / $(LINK)) >$@

$(OBJ)/csrc/lua/%.o: ROOM = -I$(LUA_INCDIR)
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

# $(call launcher,directory of Lua modules,directory of C modules): prints the command.
replace  = -e $(call quote,s|@$(1)@|$(subst |,\|,$(subst &,\&,$(2)))|)
launcher = sed $(call replace,LUA,$(LUA)) $(call replace,LUADIR,$(1)) \
	$(call replace,LIBDIR,$(2)) lua/tidetable/cli/launcher.in

$(COMMAND): Makefile lua/tidetable/cli/launcher.in | $(OUT)/bin
	@$(call launcher,$(CURDIR)/lua,$(abspath $(OUT))) >$@
	@chmod +x $@

$(OUT) $(OUT)/bin:
	@mkdir -p $@

include spec/programs.mk spec/tests.mk spec/memcheck.mk spec/fuzz.mk bench/bench.mk \
	rockspec/rock.mk

# All programs of a variant.
everything: $(SO) $(COMMAND) $(TEST_PROGRAMS) $(BENCH)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

FORCE:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all demo lint install install-tools setup clean help everything FORCE
