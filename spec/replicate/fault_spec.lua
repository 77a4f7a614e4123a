-- fault_spec.lua - calls of a replication while a commit fails, once each commit of a call.
--
-- The call returns the error, in the source or in the target. Called again it succeeds: then the
-- databases are equal, and no change is applied twice.
local helper = require "spec.tidetable.helper"
local replication = require "spec.replicate.replication"
local testing = require "tidetable.testing"

helper.setup(before_each, after_each)

local pair, fill, check_equal = replication.pair, replication.fill, replication.check_equal

--- What can fail: the point and the code.
local FAULTS = {
  { "before_commit", "DISK_FULL" }, { "before_commit", "STORE" }, { "before_commit", "NO_MEMORY" },
  { "before_commit", "UNKNOWN_OUTCOME" }, { "after_commit", "UNKNOWN_OUTCOME" },
}

local function with_hashed(source)
  local items = source:table "orders"
  for i = 1, 5 do assert(items:put { id = ("h"):rep(200) .. i, n = i }) end
end

local function change(source)
  fill(source:table "orders", 1, 8, "new")
  assert(source:transact(function(tx)
    for i = 1, 3 do tx:table("orders"):put { id = "t", n = i } end
    tx:table("files"):delete { id = "k1", n = 1 }
  end))
  replication.table(source, "later")
  fill(source:table "later", 1, 3)
end

local function setup()
  local source, target = pair()
  fill(replication.table(source), 1, 30)
  fill(replication.table(source, "files"), 1, 5)
  with_hashed(source)
  return source, target
end

local function close(...)
  for _, db in ipairs { ... } do db:close() end
  for _, name in ipairs { "source.tide", "target.tide" } do os.remove(helper.path(name)) end
end

--- Opens both databases again, as an unknown outcome requires.
local function reopen(source, target)
  source:close()
  target:close()
  return pair()
end

--- Calls catch_up, in small commits, while the n-th commit fails. Returns true if one failed.
local function catch_up(replica, point, n, code)
  local fault <close> = testing.fail_at(point, n, code)
  replica.batch = 300
  local ok, err, returned = replica:catch_up()
  assert(fault)
  if ok then return false end
  assert.equal(code, returned)
  assert.equal(code, err.code)
  assert.truthy(err.message ~= "")
  return true
end

--- Number of records of each table of a database.
local function record_counts(db)
  local counts = {}
  for _, name in ipairs(db:list_tables()) do counts[name] = #replication.records(db, name) end
  return counts
end

describe("a commit that fails", function()
  for _, fault in ipairs(FAULTS) do
    local point, code = fault[1], fault[2]
    local name = code .. " " .. point:gsub("_", " ")

    it("leaves a copy that continues: " .. name, function()
      local failed, n = 0, 0
      repeat
        n = n + 1
        local source, target = setup()
        local replica = assert(target:replicate(source))
        local has_failed = catch_up(replica, point, n, code)
        failed = failed + (has_failed and 1 or 0)
        -- It continues in a new replication, or in the same one.
        if has_failed and code == "UNKNOWN_OUTCOME" then
          replica:close()
          source, target = reopen(source, target)
          replica = assert(target:replicate(source))
        elseif n % 2 == 0 then
          replica:close()
          replica = assert(target:replicate(source))
        end
        assert(replica:catch_up())
        check_equal(source, target)
        assert.equal("FOLLOWING", replication.described(target).state)
        close(source, target)
      until not has_failed
      assert.is_true(failed >= 5)
    end)

    it("applies no transaction twice: " .. name, function()
      local failed, n = 0, 0
      repeat
        n = n + 1
        local source, target = setup()
        local replica = replication.start(target, source)
        local before, sent_before = record_counts(target), record_counts(source)
        change(source)
        local has_failed = catch_up(replica, point, n, code)
        failed = failed + (has_failed and 1 or 0)
        if has_failed and code == "UNKNOWN_OUTCOME" then
          replica:close()
          source, target = reopen(source, target)
          replica = assert(target:replicate(source))
        end
        assert(replica:catch_up())
        check_equal(source, target)
        local after, sent = record_counts(target), record_counts(source)
        for table_name, count in pairs(sent) do
          assert.equal(count - (sent_before[table_name] or 0),
            after[table_name] - (before[table_name] or 0))
        end
        close(source, target)
      until not has_failed
      assert.is_true(failed >= 3)
    end)

    it("promotes and forgets, or does not: " .. name, function()
      local source, target = setup()
      replication.start(target, source)
      local is_stored = point == "after_commit"
      local is_unknown, item = code == "UNKNOWN_OUTCOME", { id = "x", n = 1 }
      do
        local _fault <close> = testing.fail_at(point, 1, code)
        local ok, err, returned = target:promote()
        assert.is_nil(ok)
        assert.same({ code, code }, { err.code, returned })
      end
      if is_unknown then source, target = reopen(source, target) end
      local orders = target:table "orders"
      assert.equal(is_stored and "PROMOTED" or "FOLLOWING", replication.described(target).state)
      if is_stored then
        helper.refused("PROMOTED", target:promote())
      else
        helper.refused("REPLICATED", orders:put(item))
        assert(target:promote())
      end
      assert(orders:put(item))
      do
        local _fault <close> = testing.fail_at(point, 1, code)
        local ok, _, returned = target:forget_replica "replica"
        assert.same({ nil, code }, { ok, returned })
      end
      if is_unknown then target = select(2, reopen(source, target)) end
      assert.equal(is_stored and 0 or 1, #target:replicas())
      if not is_stored then assert(target:forget_replica "replica") end
      assert.is_true(target:check().ok)
    end)
  end
end)
