# bench.mk - the benches: bench/*.lua measure, with programs in C.

# A peer is built if its header is installed: header, libraries.
PEER_tidetable = lmdb.h -llmdb -pthread
PEER_lmdb      = lmdb.h -llmdb
PEER_sqlite    = sqlite3.h -lsqlite3
PEER_rocksdb   = rocksdb/c.h -lrocksdb
PEER_redis     = hiredis/hiredis.h -lhiredis
INCLUDES       = $(LMDB_INCDIR) /usr/include /usr/local/include
PEERS_HERE := $(foreach peer,tidetable lmdb sqlite rocksdb redis,$(if \
	$(wildcard $(INCLUDES:%=%/$(firstword $(PEER_$(peer))))),$(OUT)/bench/peer_$(peer)))
# Of these peers the expressions are measured too.
EVALUATORS_HERE := $(patsubst $(OUT)/bench/peer_%,$(OUT)/bench/evaluator_%,$(filter \
	%_tidetable %_sqlite,$(PEERS_HERE)))
ALONE := $(OUT)/bench/raw $(OUT)/bench/shares $(OUT)/bench/expressions $(OUT)/bench/numbers
# Stores whose consumers are measured too.
CONSUMERS_HERE := $(patsubst $(OUT)/bench/peer_%,$(OUT)/bench/consumer_%,$(filter \
	%_sqlite %_redis,$(PEERS_HERE)))
BENCH := $(ALONE) $(PEERS_HERE) $(EVALUATORS_HERE) $(CONSUMERS_HERE)
# The objects of the evaluators, of the consumers and of the peers. Evaluators and consumers also
# use those of the peers, except peer.o, which contains a main function.
OF_EVALUATORS := $(OBJ)/bench/lib/evaluator.o $(OBJ)/bench/lib/shipment.o
OF_CONSUMERS := $(OBJ)/bench/lib/consumer.o
OF_PEERS := $(filter-out $(OF_EVALUATORS) $(OF_CONSUMERS),$(call objects,bench/lib/*.c))

$(OBJ)/bench/%.o: ROOM = -Ibench

# A static pattern: of two pattern rules make would choose the one whose objects exist.
$(OUT)/bench/peer_tidetable $(OUT)/bench/evaluator_tidetable: $(CORE)
$(PEERS_HERE) $(EVALUATORS_HERE) $(CONSUMERS_HERE): \
	LIBS = $(wordlist 2,9,$(PEER_$(lastword $(subst _, ,$(@F)))))
$(PEERS_HERE): $(OUT)/bench/%: $(OBJ)/bench/%.o $(OF_PEERS)
	$(call link)

$(EVALUATORS_HERE): $(OUT)/bench/%: $(OBJ)/bench/%.o $(OF_EVALUATORS) \
		$(filter-out %/peer.o,$(OF_PEERS))
	$(call link)

$(CONSUMERS_HERE): $(OUT)/bench/%: $(OBJ)/bench/%.o $(OF_CONSUMERS) \
		$(filter-out %/peer.o,$(OF_PEERS))
	$(call link)

$(ALONE): $(OUT)/bench/%: $(OBJ)/bench/%.o $(OBJ)/bench/lib/program.o $(CORE)
	$(call link)

# Programs with their own targets, which `make bench` does not run.
BENCH_APART := bench/peers.lua bench/consumers.lua

bench: setup-test ## each bench/*.lua at full length (AGAINST=ref: first as it was there)
	+@$(call build,release)
ifdef AGAINST
	@rm -rf $(BUILD)/against && git worktree prune
	@git worktree add -q --detach $(BUILD)/against $(AGAINST)
	@$(MAKE) -C $(BUILD)/against bench AGAINST= BUILD=build
endif
	@for program in $(filter-out $(BENCH_APART),$(wildcard bench/*.lua)); do \
		AGAINST_TREE=$(if $(AGAINST),$(abspath $(BUILD)/against)) $(LUA) $$program || \
		exit 1; done
ifdef AGAINST
	@git worktree remove --force $(BUILD)/against
endif

# Peers whose packages cannot be installed are left out, with a message.
bench-peers: ## beside SQLite, RocksDB, Redis (PEERS="sqlite": alone; WRITE=1: into doc/bench)
	@sh tools/setup.sh peers || echo "bench-peers: without what is missing"
	+@$(call build,release)
	@$(LUA) bench/peers.lua

bench-consumers: ## consumers, also of SQLite, Redis, LuaSQL (PEERS="sqlite", WRITE=1)
	@sh tools/setup.sh peers || echo "bench-consumers: without what is missing"
	+@$(call build,release)
	@$(LUA) bench/consumers.lua

BENCH_SMALL := $(patsubst bench/%.lua,bench_%,$(wildcard bench/*.lua))
bench-small: $(BENCH_SMALL)

$(BENCH_SMALL): bench_%: bench/%.lua $(SO) $(BENCH)
	$(call run,$@,env ROUNDS=1 ITEMS=1000 PEERS=sqlite WRITE= $(LUA) $<)

.PHONY: bench bench-peers bench-consumers bench-small $(BENCH_SMALL)
