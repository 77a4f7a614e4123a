# fuzz.mk - builds the fuzzers with libFuzzer, which observes coverage, and for the tests with a
# driver.
#
# The driver runs random bytes and mutated seeds. Inputs that once failed are in
# spec/fuzz/corpus/NAME.

fuzz: setup-fuzz $(FUZZ:%=$(OUT)/fuzz/%) ## fuzz the decoders and expressions (RUNS=n)
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

.PHONY: fuzz fuzz-small $(FUZZ)
