-- delivery_spec.lua - tx:park.
local for_each_mode = require "spec.tidetable.parking"
local helper = require "spec.tidetable.helper"

for_each_mode(describe, before_each, after_each, "a handler", function(p)
  it("by tx:park is part of the handler's transaction", function()
    p:put("a1", "b2", "a3", "a4", "b5")
    local consumer, runs = p:open { on_failure = "stop", max_attempts = false or nil }, 0
    local function park(records, tx)
      runs = runs + 1
      local seen = {}
      for _, record in ipairs(records) do
        seen[#seen + 1] = p.name_of(record)
        if p.name_of(record) == "a1" then
          tx:park(record, "later")
          tx:park(record)
        end
      end
      assert.equal("a1 b2 b5", table.concat(seen, " "))
      tx:table "totals":put { id = "seen", names = seen }
      if runs == 1 then error "once" end
    end
    helper.refused("BATCH_FAILED", consumer:step(park))
    assert.same({ 0, 0, 0, 0 }, p.counts(consumer))
    assert.equal(5, consumer:step(park))
    assert.same({ 3, 0, 0, 8 }, p.counts(consumer))
    assert.equal(2, consumer:describe().records)
    local first = helper.first(consumer:parked { key = { id = "a" } })
    assert.same({ "later", 2 }, { first.error, first.attempts })
    assert.equal("a1 a3 a4", p:parked(consumer))
    -- In a replay it keeps the record.
    consumer:replay()
    local seen = {}
    consumer:step(function(records, tx)
      for _, record in ipairs(records) do
        seen[#seen + 1] = p.name_of(record)
        if p.name_of(record) == "a3" then tx:park(record, "again") end
      end
    end)
    assert.equal("a1 a3", table.concat(seen, " "))
    assert.equal("a3 a4", p:parked(consumer))
    first = helper.first(consumer:parked())
    assert.same({ "again", 2 }, { first.error, first.attempts })
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("by tx:park runs again in a repeated run", function()
    p:put("a1", "a2")
    local consumer, runs = p:open(), 0
    assert.equal(2, consumer:step(function(records, tx)
      runs = runs + 1
      assert.equal(2, #records)
      if p.mode == "optimistic" and runs == 1 then
        -- Another handle changes what this run has read.
        tx:table "totals":get { id = "all" }
        helper.open():table "totals":put { id = "all", amount = 1 }
      end
      tx:park(records[1])
      tx:table "totals":put { id = "done" }
      assert.equal(1, #records)
    end))
    assert.equal(p.mode == "optimistic" and 2 or 1, runs)
    assert.equal("a1 a2", p:parked(consumer))
  end)

  it("by tx:park needs a record of the handler's batch", function()
    p:put("a1", "b2")
    local consumer = p:open { batch_size = 1 }
    local first
    consumer:step(function(records) first = records[1] end)
    consumer:step(function(_, tx)
      helper.misuse("expected a record of the handler's batch", tx.park, tx, first)
      helper.misuse("expected a record of the handler's batch", tx.park, tx, {})
    end)
    p.db:transact(function(tx)
      helper.misuse("not that of a handler", tx.park, tx, first)
    end, { mode = p.mode })
  end)

  it("does not count towards the size of a transaction", function()
    local text = ("x"):rep(390000)
    for i = 1, 90 do assert(p.orders:put { id = "k" .. i, n = i, text = text }) end
    local function fill(records, tx)
      for i, record in ipairs(records) do
        if i <= 40 then tx:table "totals":put { id = tostring(i), text = text } end
        tx:park(record)
      end
    end
    local consumer = p:open { batch_bytes = 1 << 30, max_parked = 45, dead_letter = "dead" }
    assert.equal(90, consumer:step(fill))
    assert.same({ 45, 0, 45, 93 }, p.counts(consumer))
  end)
end)
