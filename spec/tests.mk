# tests.mk - the targets that test; doc/testing.md describes each.

COMMAND_SPECS = spec/tidetable/cli spec/documentation spec/examples_spec.lua \
	spec/pipeline_spec.lua spec/processors_spec.lua spec/webhook_spec.lua
LIBRARY_SPECS = $(filter-out $(COMMAND_SPECS),$(wildcard spec/tidetable/*_spec.lua) \
	$(patsubst %/.,%,$(wildcard spec/tidetable/*/.))) $(wildcard spec/versions spec/replicate) \
	$(if $(filter release,$(VARIANT)),spec/install_spec.lua)

# $(call run,name,command): prints one line on success, the command's output on failure.
define run
@mkdir -p $(OUT)/log
@if timeout $(LIMIT) $(2) >$(OUT)/log/$(1) 2>&1; then echo "ok $(1)"; \
	else echo "not ok $(1), status $$?:"; cat $(OUT)/log/$(1); exit 1; fi
endef

# $(call busted,specs): runs them; names the running spec if the time limit is reached. The
# sanitizers have to be loaded before Lua. They report leaks here too: Lua, busted, cqueues and git
# have none.
busted = $(if $(strip $(1)),RUNNING=$(OUT)/running-$@ $(WRAP_$(VARIANT)) \
	timeout --foreground $(LIMIT) $(BUSTED) $(1) || { \
	status=$$?; test $$status -ne 124 || { printf '\nnot ok (timeout after $(LIMIT) s): '; \
	cat $(OUT)/running-$@; }; exit $$status; })
spec spec-commands spec-library: LIMIT = 1500
model oracle oracle-dynalite crash fault damage storm binding soak versions: LIMIT = 0
MEMORY := $(firstword $(wildcard /dev/shm) /tmp)
WRAP_asan = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) \
	$$($(CC) -print-file-name=libubsan.so)"
unit spec spec-commands spec-library parts slices programs symbols: WERROR = -Werror
model oracle oracle-dynalite crash fault powercut syscalls damage storm: WERROR = -Werror
binding soak $(UNITS) $(FUZZ): WERROR = -Werror

test: setup-test ## unit tests, specs, tidy, and slices of the long tests
	+@$(call build,release)
	@$(MAKE) symbols tidy suite bench-small

asan: setup-test ## the same under the address and undefined sanitizers
	+@$(call build,asan)
	@$(MAKE) VARIANT=asan suite

cover: setup-test ## the same, with the coverage of lines and branches
	+@$(call build,cover)
	@find $(BUILD)/obj/cover -name '*.gcda' -delete
	@$(MAKE) VARIANT=cover suite
	@$(LUA) spec/coverage.lua $(BUILD)/obj/cover spec/coverage.txt

mutate: setup-test ## mutation testing of the commit path
	@$(LUA) spec/mutate.lua $(abspath $(BUILD))/mutate spec/mutants.txt

# The parts of a suite run beside each other on all processors; each prints when it ends.
suite:
	+@$(MAKE) $(JOBS) --output-sync=target parts

parts: unit fuzz-small spec-commands spec-library slices

programs: $(SO) $(UNITS:%=$(OUT)/unit/%)

unit: setup-test $(UNITS) ## the unit tests; one alone: make test_key

$(UNITS): %: $(OUT)/unit/%
	$(call run,$@,$<)

spec: setup-test $(SO) $(COMMAND) ## the specs; some: make spec SPEC=spec/tidetable/table_spec.lua
	@$(call busted,$(or $(SPEC),$(COMMAND_SPECS) $(LIBRARY_SPECS)))

spec-commands: setup-test $(SO) $(COMMAND)
	@$(call busted,$(COMMAND_SPECS))

spec-library: setup-test $(SO) $(COMMAND)
	@$(call busted,$(LIBRARY_SPECS))

tidy: setup-test ## the rules of the architecture and of the layout
	@$(call busted,spec/tidy_spec.lua spec/exceptions_spec.lua)

symbols: $(SO)
	@found=$$(nm -D --defined-only $< | awk '{ print $$3 }'); \
	if test "$$found" = luaopen_tidetable_core; then echo "ok symbols"; \
		else echo "not ok symbols, luaopen_tidetable_core alone:" $$found; exit 1; fi

measure: setup-test ## statistics of the sources (doc/architecture.md)
	@$(LUA) spec/measure.lua

model: setup-test $(SO) ## random steps against a plain model (STEPS=100000 SEED=n)
	@STEPS=$(or $(STEPS),100000) $(call busted,$(wildcard spec/model))

# $(call each_seed,spec,requests,seeds): runs it with several seeds, or a saved program.
each_seed = first=$(or $(SEED),$$(date +%s)); \
	for n in $$(seq 0 $$(($(if $(PROGRAM),1,$(or $(SEEDS),$(3))) - 1))); do \
		STEPS=$(or $(OPERATIONS),$(2)) SEED=$$((first + n)) $(call busted,$(1)); done

oracle: setup-test $(SO) ## random expressions against a model (OPERATIONS=20000 SEEDS=10 SEED=n)
	@$(call each_seed,spec/model/expression_spec.lua,20000,10)
	$(if $(PROGRAM),,@$(MAKE) oracle-dynalite OPERATIONS=2000 SEEDS=1)

DYNALITE = $(abspath $(BUILD))/dynalite
oracle-dynalite: setup-test $(SO) ## the same against dynalite (OPERATIONS=2000 SEEDS=5 SEED=n)
	@sh spec/dynalite/install.sh $(call quote,$(DYNALITE)) || exit 0; \
		export DYNALITE=$(call quote,$(DYNALITE)); \
		$(call each_seed,spec/dynalite/dynalite_spec.lua,2000,5)

# Kinesis needs npm too; install.sh prints why it is skipped.
NODE_MODULES = $(abspath $(BUILD))/node
test-node: setup-test $(SO) $(COMMAND) ## the examples in JavaScript, with Node and kinesalite
	@command -v "$${NODE:-node}" >/dev/null || \
		{ echo "test-node: skipped: there is no Node (package nodejs)"; exit 0; }; \
		sh spec/node/install.sh $(call quote,$(NODE_MODULES)) && \
			export NODE_MODULES=$(call quote,$(NODE_MODULES)); \
		$(call busted,$(or $(SPEC),$(wildcard spec/node)))

crash: setup-test $(SO) $(FAULT) ## processes killed at random times (CYCLES=1000 SEED=n)
	@CYCLES=$(or $(CYCLES),1000) $(call busted,$(wildcard spec/crash))

fault: setup-test $(SO) $(FAULT) $(filter fault_%,$(UNITS)) ## failing allocations (EVERY=1)
	@EVERY=$(or $(EVERY),1) $(call busted,$(wildcard spec/fault))

powercut: setup-test $(OUT)/breaking/powercut ## states after a power cut (STATES=100000 SEED=n)
	@STATES=$(or $(STATES),100000) $(OUT)/breaking/$@

syscalls: setup-test $(OUT)/breaking/syscalls ## each system call fails (EVERY=1 SEED=n)
	@EVERY=$(or $(EVERY),1) $(OUT)/breaking/$@

damage: setup-test $(OUT)/breaking/damage ## check of damaged files (TRIALS=100000 SEED=n)
	@TMPDIR=$(MEMORY) TRIALS=$(or $(TRIALS),100000) $(OUT)/breaking/$@

storm: setup-test $(SO) ## 8 processes that open and close one database (OPENS=3000 SEED=n)
	@OPENS=$(or $(OPENS),3000) $(call busted,spec/storm)

binding: setup-test $(SO) ## random scripts that misuse every function (SEEDS=1000 SEED=n)
	@SEEDS=$(or $(SEEDS),1000) $(call busted,spec/binding)

soak: setup-test $(SO) ## a long run: constant size and memory (RECORDS=10000000 SEED=n)
	@RECORDS=$(or $(RECORDS),10000000) $(call busted,spec/soak)

SUITES = bookworm trixie forky
versions: setup-test ## with each LMDB 0.9 of other suites (SUITES="bookworm trixie forky")
	+@$(call build,release)
	@SUITES="$(SUITES)" bash spec/versions/versions.sh

# Both succeed, with a message, if their packages cannot be installed.
arm64: ## build for arm64, and run the unit tests under qemu
musl: ## build with musl, and run the unit tests
arm64 musl:
	@sh tools/setup.sh $@ || { echo "$@: skipped: its packages can't be installed"; exit 0; }; \
		MAKE=make bash spec/versions/machines.sh $@

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

.PHONY: test asan cover mutate suite parts programs unit spec spec-commands spec-library tidy \
	symbols measure model oracle \
	oracle-dynalite test-node crash fault powercut syscalls damage storm binding soak versions \
	arm64 musl slices $(UNITS)
