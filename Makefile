# Makefile - builds, tests and installs tidetable (GNU make). "make help" lists the targets.
#
# Settings come first, rules below the line; every setting can be given on the command line.
# CPPFLAGS, CFLAGS and LDFLAGS are the user's and are added after ours. The rules of the tests are
# in spec/*.mk, those of the benches in bench/bench.mk.

# Installation directories; absolute paths.
PREFIX      = /usr/local
DESTDIR     =
LUA_VERSION = 5.4
INST_LUADIR = $(PREFIX)/share/lua/$(LUA_VERSION)
INST_LIBDIR = $(PREFIX)/lib/lua/$(LUA_VERSION)
INST_BINDIR = $(PREFIX)/bin
INST_MANDIR = $(PREFIX)/share/man
INST_DOCDIR =# of README and license; empty: not installed
INST_COMPLETIONS = $(PREFIX)/share/bash-completion/completions# empty: not installed
# Module directories of the installed command; empty: Lua's own paths.
COMMAND_LUADIR = $(INST_LUADIR)
COMMAND_LIBDIR = $(INST_LIBDIR)

# Compiler, flags and libraries. The directories of headers come from pkg-config if it knows them.
CPPFLAGS ?=
CFLAGS   ?=
LDFLAGS  ?=
CFLAGS_FIRST =# flags that ours override
LIBFLAG  = -shared
WERROR   =# -Werror in everything that tests
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes
ifndef LUA_INCDIR
LUA_INCDIR := $(or $(patsubst -I%,%,$(firstword $(shell \
	pkg-config --cflags-only-I lua$(LUA_VERSION) 2>/dev/null || \
	pkg-config --cflags-only-I lua-$(LUA_VERSION) 2>/dev/null))),/usr/include/lua$(LUA_VERSION))
endif
ifndef LMDB_INCDIR
LMDB_INCDIR := $(patsubst -I%,%,$(shell pkg-config --cflags-only-I lmdb 2>/dev/null))
endif
ifndef LMDB_LIBDIR
LMDB_LIBDIR := $(patsubst -L%,%,$(shell pkg-config --libs-only-L lmdb 2>/dev/null))
endif

# Programs. On Debian the commands `lua`, `busted` and `luarocks` run Lua 5.1 as soon as luarocks
# or luacheck is installed, so the version is always given.
LUA      = lua$(LUA_VERSION)
BUSTED   = $(LUA) /usr/bin/busted
LUACHECK = luacheck
LUAROCKS = luarocks --lua-version $(LUA_VERSION)
REPO     = .# the repository that `make demo` replays
LIMIT    = 600# seconds after which a test program or a folder of specs is stopped

# Build directory and variant: release, clang (a second compiler's warnings), asan, cover, memcheck,
# fuzz. cover is built without optimization, asserts and Lua's branch hints, which all change the
# number of branches. memcheck is built without _FORTIFY_SOURCE, because valgrind mistakes glibc's
# __memmove_chk for __memcpy_chk and reports overlapping arguments. asan uses static TLS, because
# the leak sanitizer crashes at exit if a dynamic TLS block starts 16 bytes into a page.
BUILD   ?= build
VARIANT  = release
FORTIFY  = -U_FORTIFY_SOURCE $(if $(filter -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2)
FLAGS_release = -O3 -fno-plt $(FORTIFY) -fstack-protector-strong
FLAGS_clang   = $(FLAGS_release)
FLAGS_asan    = -O1 -fno-omit-frame-pointer -ftls-model=initial-exec -fno-sanitize-recover=all \
	-fsanitize=address,undefined
FLAGS_cover   = -O0 --coverage -fprofile-update=atomic -DNDEBUG -DLUA_NOBUILTIN -w
FLAGS_memcheck = -O1 -U_FORTIFY_SOURCE
FLAGS_fuzz    = $(FLAGS_asan) -fsanitize=fuzzer-no-link

# ROOMS="base codec" builds a test from these folders of csrc/ alone.
ROOMS    = base codec expr os lmdb_file lmdb stream table check api

# -------------------------------------------------------------------------------------------------

include tools/checks.mk

ifneq ($(filter clang fuzz,$(VARIANT)),)
CC = clang
endif
OUT := $(BUILD)$(filter-out /release,/$(VARIANT))
OBJ := $(BUILD)/obj/$(VARIANT)
SO   = $(OUT)/tidetable/core.so
COMMAND = $(OUT)/bin/tidetable
MAKEFLAGS += --no-print-directory
Q    = $(if $(V),,@)# V=1 shows the commands

SETTINGS = $(CC) $(CFLAGS_FIRST) -std=c11 -g -fPIC -fvisibility=hidden -D_GNU_SOURCE $(WARNINGS) \
	$(FLAGS_$(VARIANT)) -Icsrc $(addprefix -I,$(LMDB_INCDIR)) $(CPPFLAGS) $(CFLAGS)
# Binaries contain source file names relative to the checkout, so that equal sources give equal
# binaries in any directory.
RELATIVE = $(if $(filter release clang,$(VARIANT)),$(call quote,-ffile-prefix-map=$(CURDIR)=.))
COMPILE = $(SETTINGS) $(WERROR) $(RELATIVE)
LINK    = $(CC) $(FLAGS_$(VARIANT)) -Wl,-z,relro,-z,now $(addprefix -L,$(LMDB_LIBDIR)) $(LDFLAGS)
LIBS    = -llmdb -pthread
STAY    = -Wl,-z,nodelete# the module stays mapped when Lua closes: a thread may still run in it
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
	@git -C $(call quote,$(REPO)) rev-parse -q --git-dir >/dev/null 2>&1 || \
		{ echo "demo: not a git repository, or git is missing: $(REPO); type:" >&2; \
		echo "  make demo REPO=path/of/a/repository" >&2; exit 1; }
	@$(MAKE) $(JOBS) all
	@$(LUA) examples/git_history.lua $(call quote,$(REPO))

demo-pipeline: setup-tools ## run the processors of examples/pipeline
	@$(MAKE) $(JOBS) all
	@PATH=$(call quote,$(abspath $(OUT))/bin):$$PATH sh examples/pipeline/demo.sh

lint: setup-lint ## all warnings of gcc and clang, luacheck, tidy, the rock
	+@$(call build,release)
	+@$(call build,clang)
	@$(LUACHECK) --no-color --quiet .
	@$(MAKE) tidy rock

# The library and the command are two rocks and two targets.
TOOLS   := $(shell find lua/tidetable/cli lua/tidetable/dynamodb lua/tidetable/run \
	-name '*.lua' 2>/dev/null)
LIBRARY := $(filter-out $(TOOLS),$(shell find lua -name '*.lua'))
into = $(call quote,$(DESTDIR)$(1))
install_lua = for module in $(patsubst lua/%,%,$(1)); do \
	install -D -m 644 lua/$$module $(call into,$(INST_LUADIR))/$$module || exit 1; done
install_docs = $(if $(INST_DOCDIR),for page in README.md LICENSE; do \
	install -D -m 644 $$page $(call into,$(INST_DOCDIR))/$$page || exit 1; done)
# Installs standard input as the file tidetable of a directory.
install_input = { install -d $(call into,$(2)) && cd $(call into,$(2)) && rm -f tidetable && \
	cat >tidetable && chmod $(1) tidetable; }
# Old modules are removed, because a module of an older version could hide a module of this version.
remove_lua = for folder in $(1); do test ! -d $(call into,$(INST_LUADIR))/$$folder || \
	find $(call into,$(INST_LUADIR))/$$folder $(2) -name '*.lua' -delete; done
# If root builds in another user's checkout, the files get that user as owner, who could not build
# again otherwise.
built = @$(MAKE) $(1); status=$$?; \
	test $$(id -u) != 0 || test ! -d $(BUILD) || \
		chown -R "$$(stat -c %u:%g Makefile)" $(BUILD); \
	exit $$status

install: ## install the library under PREFIX (DESTDIR, INST_LUADIR, INST_LIBDIR)
	$(call built,$(SO))
	@install -D -m 755 $(SO) $(call into,$(INST_LIBDIR)/tidetable/core.so)
	@$(call remove_lua,tidetable,-not -path '*/tidetable/cli/*' \
		-not -path '*/dynamodb/*' -not -path '*/tidetable/run/*')
	@$(call install_lua,$(LIBRARY))
	@$(install_docs)
	@echo installed in $(call into,$(INST_LUADIR)) and $(call into,$(INST_LIBDIR))

# The completion is printed by the command, which has to run for it.
install-tools: ## install the command too (INST_BINDIR; it needs argparse and cqueues)
ifneq ($(INST_COMPLETIONS),)
	@$(LUA) -e 'require "argparse"' 2>/dev/null || \
		{ echo "install-tools: $(LUA) has no module argparse; type: make setup-tools" >&2; \
		exit 1; }
	$(call built,all)
endif
	@$(call remove_lua,tidetable/cli tidetable/dynamodb tidetable/run)
	@$(call install_lua,$(TOOLS))
	@$(call launcher,$(COMMAND_LUADIR),$(COMMAND_LIBDIR)) | \
		$(call install_input,755,$(INST_BINDIR))
	@install -D -m 644 doc/tidetable.1 $(call into,$(INST_MANDIR)/man1/tidetable.1)
ifneq ($(INST_COMPLETIONS),)
	@completion=$$($(LUA) $(COMMAND) completion bash) && echo "$$completion" | \
		$(call install_input,644,$(INST_COMPLETIONS))
endif
	@echo installed in $(call into,$(INST_BINDIR))

uninstall: ## remove what both installed (with the same settings)
	@$(call remove_lua,tidetable)
	@rm -f $(call into,$(INST_LIBDIR)/tidetable/core.so) $(call into,$(INST_BINDIR)/tidetable) \
		$(call into,$(INST_MANDIR)/man1/tidetable.1) \
		$(if $(INST_COMPLETIONS),$(call into,$(INST_COMPLETIONS)/tidetable)) \
		$(if $(INST_DOCDIR),$(call into,$(INST_DOCDIR)/README.md) \
			$(call into,$(INST_DOCDIR)/LICENSE))
	@for folder in $(call into,$(INST_LUADIR)) $(call into,$(INST_LIBDIR)); do \
		folder="$$folder/tidetable"; test ! -d "$$folder" || \
			find "$$folder" -depth -type d -empty -delete; done
	@echo removed from $(call into,$(INST_LUADIR)), $(call into,$(INST_LIBDIR)) \
		and $(call into,$(INST_BINDIR))

setup: setup-all ## install the packages that any target needs
setup-build setup-tools setup-test setup-lint setup-fuzz setup-peers setup-valgrind setup-arm64 \
		setup-musl setup-all: setup-%:
	@sh tools/setup.sh $*

clean: ## remove everything that was built
	rm -rf $(BUILD)

docs: setup-test $(SO) ## rewrite the generated parts of the pages
	@$(LUA) spec/generate_docs.lua

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(filter Makefile %.mk,$(MAKEFILE_LIST)) | \
		expand -t 17

# Objects depend on the settings that they were compiled with, except on -Werror, which changes no
# object. The compiler and the headers are looked for when the settings are new.
$(OBJ)/flags: settings = $(call quote,$(SETTINGS) / $(LINK) / $(LIBFLAG) / $(LUA_INCDIR))
$(OBJ)/flags: FORCE
	@mkdir -p $(@D); test "$$(cat $@ 2>/dev/null)" = $(settings) || \
		{ sh tools/probe.sh $(COMPILE) -I$(LUA_INCDIR) && printf '%s\n' $(settings) >$@; }

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

$(COMMAND): FORCE
	@mkdir -p $(@D); $(call launcher,$(CURDIR)/lua,$(abspath $(OUT))) | cmp -s - $@ || \
		{ $(call launcher,$(CURDIR)/lua,$(abspath $(OUT))) >$@ && chmod +x $@; }

include spec/programs.mk spec/tests.mk spec/memcheck.mk spec/fuzz.mk bench/bench.mk \
	rockspec/rock.mk

# All programs of a variant.
everything: $(SO) $(COMMAND) $(TEST_PROGRAMS) $(BENCH)
everything: WERROR = -Werror

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

FORCE:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all demo demo-pipeline lint install install-tools uninstall setup clean help everything \
	FORCE
