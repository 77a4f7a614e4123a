# programs.mk - how the programs of the tests are linked.

programs = $(patsubst $(1)/%.c,$(2)%,$(wildcard $(1)/$(3)*.c))
UNITS := $(call programs,spec/unit,,test_) $(call programs,spec/unit,,fault_)
FUZZ  := $(call programs,spec/fuzz,,fuzz_)
FAULT := $(patsubst spec/fault/%.c,$(OUT)/fault/%.so,$(wildcard spec/fault/*.c))
FAULT := $(FAULT:%/failstore.so=%/failing.so)
BREAKING := powercut syscalls damage
TEST_PROGRAMS := $(UNITS:%=$(OUT)/unit/%) $(FUZZ:%=$(OUT)/fuzz/%) $(FAULT) \
	$(BREAKING:%=$(OUT)/breaking/%)
comma = ,

$(OBJ)/spec/%.o: ROOM = -Ispec
$(OBJ)/spec/fault/%.o: ROOM = -I$(LUA_INCDIR) -Ispec

$(OUT)/unit/%: $(OBJ)/spec/unit/%.o $(CORE)
	$(call link,$(EXPORT) $(WRAPPED:%=-Wl,--wrap=%))

# Calls of the store that a test makes fail.
STORE_CALLS = txn_get txn_put txn_put_reserve txn_insert_reserve txn_append_reserve txn_delete \
	txn_count txn_cursor cursor_open cursor_move cursor_delete reader_open reader_renew \
	writer_begin writer_commit writer_check_space store_usage store_clear_stale
$(OUT)/unit/fault_tide_store: WRAPPED = $(STORE_CALLS)
$(OUT)/unit/test_json_memory: WRAPPED = memory_realloc memory_grow memory_free
$(OUT)/unit/test_lock_mutexes: WRAPPED = mdb_env_close
$(OUT)/unit/test_catalog: WRAPPED = memory_alloc memory_alloc_zeroed memory_realloc memory_grow \
	memory_free

# The dynamic linker finds these replacements of libc's functions first, for LMDB too.
CALLS := $(call objects,spec/calls/*.c)
WATCHING = $(OUT)/unit/fault_backup $(OUT)/unit/test_compaction $(OUT)/unit/test_recovery
$(WATCHING): $(CALLS)
$(WATCHING): EXPORT = -rdynamic
$(BREAKING:%=$(OUT)/breaking/%): $(CALLS) $(CORE)
	$(call link,-rdynamic)
$(OUT)/breaking/powercut: $(call objects,spec/powercut/*.c)
$(OUT)/breaking/syscalls: $(call objects,spec/syscalls/*.c)
$(OUT)/breaking/damage: $(call objects,spec/damage/*.c)

$(OUT)/fault/%.so: $(OBJ)/spec/fault/%.o
	$(call link,$(LIBFLAG))

# A core whose store can be made to fail.
$(OUT)/fault/failing.so: $(OBJ)/spec/fault/failstore.o $(CORE) $(FACE)
	$(call link,$(LIBFLAG) $(STAY) $(STORE_CALLS:%=-Wl$(comma)--wrap=%))

# Without libFuzzer a driver generates the inputs.
DRIVER := $(if $(filter fuzz,$(VARIANT)),,$(OBJ)/spec/fuzz/driver.o)
$(OUT)/fuzz/%: $(OBJ)/spec/fuzz/%.o $(DRIVER) $(CORE)
	$(call link,$(if $(DRIVER),,-fsanitize=fuzzer))
