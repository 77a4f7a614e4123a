# memcheck.mk - unit tests, specs and the model under valgrind's memcheck.
#
# Leaks are detected by asan and not here, because after fork a child deliberately does not free
# what it inherited. A child that was killed has no exit status to report an error with, so the log
# is searched for messages.

MEMCHECK_SPECS = backup bad_input database optimistic optimistic_conflicts options table \
	table_query transaction types types_number wait
MEMCHECK_STREAM = position reader retention stream
MEMCHECK_UNITS := $(UNITS:%=memcheck_%)
MEMCHECK_FILES := $(MEMCHECK_SPECS:%=memcheck_%_spec) $(MEMCHECK_STREAM:%=memcheck_stream_%_spec)
MEMCHECK_FOLDERS = memcheck_loop memcheck_model

define memcheck
$(call run,$@,env RUNS=$(or $(RUNS),300) EVERY=$(or $(EVERY),5) STEPS=$(or $(STEPS),300) \
	valgrind -q --error-exitcode=99 --leak-check=no $(1))
@! grep '^==' $(OUT)/log/$@
endef

valgrind: setup-valgrind ## unit tests, and specs that load the core, under memcheck
	+@$(MAKE) $(JOBS) VARIANT=memcheck memcheck

memcheck: LIMIT = 1200
memcheck: WERROR = -Werror
memcheck: $(MEMCHECK_FILES) $(MEMCHECK_FOLDERS) $(MEMCHECK_UNITS)

$(MEMCHECK_UNITS): memcheck_%: $(OUT)/unit/%
	$(call memcheck,$<)

$(MEMCHECK_SPECS:%=memcheck_%_spec): memcheck_%_spec: spec/tidetable/%_spec.lua $(SO)
$(MEMCHECK_STREAM:%=memcheck_stream_%_spec): memcheck_stream_%_spec: \
		spec/tidetable/stream/%_spec.lua $(SO)
memcheck_loop: spec/tidetable/loop $(SO)
memcheck_model: spec/model $(SO)
$(MEMCHECK_FILES) $(MEMCHECK_FOLDERS):
	$(call memcheck,$(BUSTED) --helper=spec/valgrind.lua $<)

.PHONY: valgrind memcheck $(MEMCHECK_UNITS) $(MEMCHECK_FILES) $(MEMCHECK_FOLDERS)
