# rock.mk - builds, installs and runs both rocks in an empty tree, without a network.

ROCKS = rockspec/tidetable-scm-1.rockspec rockspec/tidetable-tools-scm-1.rockspec

# The second rock depends on argparse and cqueues, which Debian installs outside of LuaRocks.
rock: setup-lint ## build and install the rocks into an empty tree, offline, and use them
	@rm -rf $(BUILD)/tree
	@for rock in $(ROCKS); do $(LUAROCKS) lint $$rock || exit 1; done
	$(call run,rock,$(LUAROCKS) make --tree $(BUILD)/tree $(firstword $(ROCKS)))
	@cd / && tree=$(call quote,$(abspath $(BUILD)/tree)) && \
		share=$$tree/share/lua/$(LUA_VERSION) && \
		LUA_PATH="$$share/?.lua;$$share/?/init.lua" \
		LUA_CPATH="$$tree/lib/lua/$(LUA_VERSION)/?.so" $(LUA) -e 'require "tidetable"'
	@echo 'rocks_provided = { argparse = "0.7.1-1", cqueues = "20200726-1" }' \
		>$(BUILD)/provided.lua
	$(call run,rock-tools,env LUAROCKS_CONFIG=$(BUILD)/provided.lua \
		$(LUAROCKS) make --tree $(BUILD)/tree $(lastword $(ROCKS)))
	@cd / && env -u LUA_PATH -u LUA_CPATH $(call quote,$(abspath $(BUILD)/tree)/bin/tidetable) \
		--version
	@cd $(BUILD)/tree/lib/luarocks/rocks-$(LUA_VERSION) && for rock in */; do \
		test -f $${rock}scm-1/doc/LICENSE && test -f $${rock}scm-1/doc/README.md && \
		test "$$(find $$rock -name tidetable.1 | wc -l)" = 1 || \
		{ echo "not ok rock: license, README, one manual page: $$rock"; exit 1; }; done

.PHONY: rock
