-- parked_spec.lua - commands for parked records.
local core = require "tidetable.core"
local for_each_mode = require "spec.tidetable.parking"
local helper = require "spec.tidetable.helper"
local testing = require "tidetable.testing"

for_each_mode(describe, before_each, after_each, "parked records", function(p)
  it("keeps what the first delivery showed", function()
    p:put("a1")
    assert(p.orders:update({ id = "a", n = 1 }, "SET v = ?", { "new" }))
    local consumer, first = p:open { batch_size = 1 }, nil
    p:drain(consumer, function(records)
      if records[1].event_name == "MODIFY" then
        first = records[1]
        error "bad value"
      end
    end)
    assert(p.db:delete_table "orders")
    local copies = helper.collect(consumer:parked())
    assert.equal(1, #copies)
    local copy, record = copies[1], copies[1].record
    assert.is_truthy(copy.error:find("bad value", 1, true))
    assert.same({ 2, false }, { copy.attempts, copy.is_to_be_replayed })
    assert.is_true(math.abs(copy.parked_at - os.time()) < 60)
    local seen, again = {}, {}
    for name, value in pairs(first) do seen[name] = value end
    for name, value in pairs(record) do again[name] = value end
    seen.attempt = nil
    assert.same(seen, again)
    assert.equal(tostring(first), tostring(record))
    assert.same({ id = "a", n = 1, v = "new" }, record.new_image)
    -- It can be replayed although its table has gone.
    assert.equal(1, consumer:replay())
    local attempt
    assert.equal(1, consumer:step(function(records)
      attempt = records[1].attempt
      assert.equal("orders", records[1].table_name)
    end))
    assert.equal(3, attempt)
    helper.refused("SOURCE_GONE", consumer:step(error))
    consumer:close()
    assert.equal("", p:parked(consumer))
    helper.refused("SOURCE_GONE", consumer:run(error))
  end)

  it("delivers a key's records again in their order, before its live ones", function()
    p:put("a1", "a2", "b3", "b4", "c5")
    local consumer = p:open()
    p.failing.a1, p.failing.b3 = true, true
    assert.equal("c5", p:drain(consumer))
    assert.equal("a1 a2 b3 b4", p:parked(consumer))
    p.failing.a1 = nil
    assert.equal(1, consumer:replay { key = { id = "a" }, limit = 1 })
    assert.equal(1, consumer:replay { key = { id = "a" } })
    assert.equal("a1* a2* b3 b4", p:parked(consumer))
    p:put("a6", "c7")
    assert.equal("a1 a2 a6 c7", p:drain(consumer):gsub("c7 a6", "a6 c7"))
    assert.equal("b3 b4", p:parked(consumer))
    p:put("a8")
    assert.equal("a8", p:drain(consumer))
    assert.equal(2, consumer:describe().parked)
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("parks a live record behind marked ones of its key with their mark", function()
    p:put("a1", "b2")
    local consumer = p:open()
    p.failing.a1 = true
    p:drain(consumer)
    p.failing.a1 = nil
    assert.equal(1, consumer:replay())
    consumer:close()
    p:put("a3")
    -- The worker has the batch in hand before the command marks the record.
    local other, order = p:open(), {}
    assert.equal(1, other:step(function(records) order[#order + 1] = p.name_of(records[1]) end))
    p:put("a4")
    assert.equal("a3 a4", p:drain(other))
    assert.same({ "a1" }, order)
  end)

  it("keeps a record that fails again, and takes the marks from its key", function()
    p:put("a1", "a2", "b3")
    local consumer = p:open()
    p.failing.a1, p.failing.b3 = true, true
    p:drain(consumer)
    p.failing.b3 = nil
    assert.equal(3, consumer:replay())
    assert.equal(0, consumer:replay())
    assert.equal("b3", p:drain(consumer))
    assert.equal("a1 a2", p:parked(consumer))
    local attempts = {}
    for each in consumer:parked() do attempts[#attempts + 1] = each.attempts end
    assert.same({ 3, 0 }, attempts)
    assert.same({ 2, 0, 0, 6 }, p.counts(consumer))
  end)

  it("refuses to delete and to seek while records are parked", function()
    p:put("a1", "b2", "c3")
    p.failing.a1, p.failing.c3 = true, true
    local consumer = p:open()
    p:drain(consumer)
    local err = helper.refused("PARKED", consumer:delete())
    assert.is_truthy(err.message:find("2 parked records", 1, true), err.message)
    err = helper.refused("PARKED", consumer:seek { at = 5 })
    assert.is_truthy(err.message:find("1 parked records after", 1, true), err.message)
    assert.is_true(consumer:seek { at = 5, discard = true })
    assert.same({ 1, 0, 0, 4 }, p.counts(consumer))
    p.failing.c3 = nil
    assert.equal("b2 c3", p:drain(consumer))
    assert.is_true(consumer:seek { from = "LATEST" })
    assert.is_true(consumer:delete { discard = true })
    helper.refused("CONSUMER_GONE", consumer:step(error))
    helper.refused("NOT_FOUND", consumer:replay())
    helper.refused("NOT_FOUND", consumer:discard())
    helper.raises("NOT_FOUND", consumer:parked())
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("refuses a snapshot while records are parked, because its items contain them", function()
    p:put("a1", "b2")
    p.failing.a1 = true
    local consumer = p:open()
    p:drain(consumer)
    local err = helper.refused("PARKED", consumer:seek { from = "SNAPSHOT" })
    assert.is_truthy(err.message:find("1 parked records;", 1, true), err.message)
    p.failing.a1 = nil
    assert.is_true(consumer:seek { from = "SNAPSHOT", discard = true })
    assert.equal(2, #p:drain(consumer):gsub(" ", ""):gsub("%a", ""))
    assert.equal(0, consumer:describe().parked)
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("does not park an item behind the record of the same change", function()
    assert(p.orders:stream():set_retention({ count = 2 }, { bytes = 1 }))
    p:put("a1", "a2")
    p.failing.a1 = true
    local consumer = p:open { on_trimmed = "snapshot" }
    p:drain(consumer)
    assert.equal("a1 a2", p:parked(consumer))
    local bytes = consumer:describe().parked_bytes
    p:put("b3", "b4", "b5", "b6")
    p.failing.a1 = nil
    local order = {}
    for name in p:drain(consumer):gmatch "%S+" do order[#order + 1] = name end
    table.sort(order)
    assert.equal("b3 b4 b5 b6", table.concat(order, " "))
    assert.is_false(consumer:describe().is_copying)
    assert.same({ 2, bytes }, { consumer:describe().parked, consumer:describe().parked_bytes })
    for each in consumer:parked() do assert.is_nil(each.record.is_snapshot) end
    assert.same({}, assert(p.db:check()).problems)
    assert.equal(2, consumer:replay())
    assert.equal("a1 a2", p:drain(consumer))
    assert.same({ 0, 0 }, { consumer:describe().parked, consumer:describe().parked_bytes })
  end)

  it("delivers records again in batches of at most batch_bytes", function()
    p:put("a1", "b2", "c3")
    local consumer = p:open { batch_bytes = 1, max_attempts = 1 }
    p.failing.a1, p.failing.b2, p.failing.c3 = true, true, true
    p:drain(consumer)
    p.failing = {}
    assert.equal(3, consumer:replay())
    local sizes = {}
    p:drain(consumer, p:handler(sizes))
    assert.same({ 1, 1, 1 }, sizes)
  end)

  it("waits while the failure of a record that is delivered again can't be stored", function()
    local consumer = p:open_with_a1_parked { mode = "optimistic", max_attempts = 1 }
    assert.equal(1, consumer:replay())
    consumer:close()
    local impatient, began, child = helper.open { busy_timeout = 0 }, nil, nil
    local worker = assert(impatient:consumer "c")
    assert(worker:run(function()
      if not began then
        child = helper.child [[ db:transact(pause) ]]
        child:paused()
        began = core.process_elapsed()
      else
        worker:stop()
      end
      error("bad", 0)
    end))
    assert.is_true(core.process_elapsed() - began >= 0.09)
    child:go()
    child:close()
  end)

  it("are delivered again at once, also by a worker that has just handled others", function()
    local consumer = p:open_with_a1_parked()
    consumer:close()
    local child = helper.child [[
      local consumer = assert(db:consumer "c")
      print "running"
      consumer:run(function(records) print(records[1].keys.id) end)
    ]]
    assert.equal("running", child:line())
    p:put("b2")
    assert.equal("b", child:line())
    local began = core.process_elapsed()
    repeat until core.process_elapsed() - began > 0.01     -- the worker commits and waits
    assert.equal(1, consumer:replay())
    assert.equal("a", child:line())
    assert.is_true(core.process_elapsed() - began < 0.5)
    child:kill()
  end)

  it("may be changed by a command while one of them fails again", function()
    p:put("a1", "b2", "c3")
    p.failing.a1, p.failing.b2, p.failing.c3 = true, true, true
    local consumer = p:open { mode = "optimistic" }
    p:drain(consumer)
    assert.equal(1, consumer:replay { key = { id = "a" } })
    consumer:close()
    local other = helper.open()
    local command, runs = assert(other:consumer "c"), {}
    assert.is_true(consumer:run(function(records)
      local names = {}
      for i, record in ipairs(records) do names[i] = p.name_of(record) end
      table.sort(names)
      runs[#runs + 1] = table.concat(names, " ")
      if #runs == 1 then
        assert.equal(1, command:discard { key = { id = "c" } })
        assert.equal(1, command:replay { key = { id = "b" } })
        error "no"
      end
      consumer:stop()
    end))
    -- The failure of a1 was not stored, because the parked records were others.
    assert.same({ "a1", "a1 b2" }, runs)
    assert.same({ 0, 0, 0, 6 }, p.counts(consumer))
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("have a text, also if the handler gave an empty one", function()
    p:put("a1", "b2")
    local consumer, calls = p:open { max_attempts = 1, bisect = true }, 0
    local function handler(records, tx)
      calls = calls + 1
      for _, record in ipairs(records) do
        if record.keys.id == "a" then tx:park(record, "") else error("", 0) end
      end
    end
    p:drain(consumer, handler)
    for each in consumer:parked() do assert.equal("an empty text", each.error) end
    assert.equal(2, consumer:replay())
    p:drain(consumer, handler)
    assert.same({ 2, 0, 0, 5 }, p.counts(consumer))
    for each in consumer:parked() do
      assert.same({ "an empty text", 2 }, { each.error, each.attempts })
    end
  end)

  it("finds a key only in tables with this partition key, and names a table it does not read",
    function()
      local others = assert(p.db:create_table { name = "others", partition_key = "name",
        stream = true })
      local consumer = assert(p.db:consumer("two", { source = { "orders", "others" },
        mode = p.mode, backoff = 0, on_failure = "park", max_attempts = 1 }))
      p:put "a1"
      assert(others:put { name = "a", n = 2 })
      while assert(consumer:step(error)) > 0 do end
      assert.equal(2, consumer:describe().parked)
      assert.equal(1, #helper.collect(consumer:parked { key = { name = "a" } }))
      assert.equal(1, consumer:discard { key = { name = "a" } })
      assert.equal(1, consumer:replay { key = { id = "a" } })
      for _, name in ipairs { "discard", "replay" } do
        local err = helper.refused("VALIDATION", consumer[name](consumer, { table = "oders" }))
        assert.matches("does not read table oders", err.message, 1, true)
        helper.refused("VALIDATION", consumer[name](consumer, { table = "others",
          key = { id = "a" } }))
      end
      helper.raises("VALIDATION", consumer:parked { table = "oders" })
    end)

  it("finds records by key, table and number", function()
    local others = assert(p.db:create_table { name = "others", partition_key = "id",
      sort_key = { "n", "N" }, stream = true })
    local consumer = assert(p.db:consumer("all", { source = "*", mode = p.mode, backoff = 0,
      on_failure = "park", max_attempts = 1 }))
    p:put("a1", "b2", "a3")
    assert(others:put { id = "a", n = 4 })
    p.failing.a1, p.failing.b2, p.failing.a4 = true, true, true
    p:drain(consumer)
    assert.equal("a1 a3 a4 b2", p:parked(consumer))
    assert.equal("a1 a3 a4", p:parked(consumer, { key = { id = "a" } }))
    assert.equal("a1 a3", p:parked(consumer, { key = { id = "a" }, table = "orders" }))
    assert.equal("a4", p:parked(consumer, { table = "others" }))
    assert.equal("", p:parked(consumer, { table = "none" }))
    assert.equal("", p:parked(consumer, { key = { id = "z" } }))
    assert.equal("a1", p:parked(consumer, { key = { id = "a" }, table = "orders", limit = 1 }))
    assert.equal("", p:parked(consumer, { limit = 0 }))
    helper.raises("VALIDATION", consumer:parked { key = { id = "a", n = 1 } })
    helper.refused("VALIDATION", consumer:replay { key = {} })
    helper.refused("VALIDATION", consumer:discard { key = { id = true } })
    -- A key that none of the tables has.
    for _, wrong in ipairs { { id = 1 }, { idd = "a" }, { n = 4 } } do
      helper.raises("VALIDATION", consumer:parked { key = wrong })
      local err = helper.refused("VALIDATION", consumer:discard { key = wrong })
      assert.matches("is not the partition key", err.message, 1, true)
      helper.refused("VALIDATION", consumer:replay { key = wrong, table = "others" })
    end
    assert.equal(1, consumer:discard { table = "others", key = { id = "a" } })
    assert.equal(2, consumer:replay { table = "orders", limit = 2 })
    assert.equal(1, consumer:discard { limit = 1 })
    assert.equal(2, consumer:discard())
    assert.same({ 0, 0 }, { consumer:describe().parked, consumer:describe().replays })
  end)

  it("wakes the worker that waits, for a replay", function()
    local consumer = p:open_with_a1_parked()
    consumer:close()
    local child = helper.child [[
      local consumer = assert(db:consumer "c")
      print "running"
      local started = os.time()
      consumer:run(function(records)
        print(records[1].keys.id, records[1].attempt)
        consumer:stop()
      end)
    ]]
    assert.equal("running", child:line())
    assert.equal(1, consumer:replay())
    assert.equal("a\t3", child:line())
    child:close()
    assert.same({ 0, 0, 0, 4 }, p.counts(consumer))
  end)

  it("wakes it also at once after it has read the consumer", function()
    local consumer = p:open_with_a1_parked()
    consumer:close()
    local child = helper.child [[
      local consumer = assert(db:consumer "c")
      print "running"
      consumer:run(function(records)
        if records[1].attempt == 8 then return consumer:stop() end
        error "no"
      end)
    ]]
    assert.equal("running", child:line())
    local began
    for attempts = 3, 7 do
      assert.equal(1, consumer:replay())
      -- The worker finds no more records within the time in which it does not read the consumer.
      testing.eventually(function()
        return helper.first(consumer:parked()).attempts == attempts
      end)
      began = began or core.elapsed()
    end
    assert.equal(1, consumer:replay())
    child:close()
    local seconds = core.elapsed() - began
    assert.is_true(seconds < 2.5, seconds)
  end)
end)
