-- parking_spec.lua - records that consumers give up, and the later ones of their keys.
local consumers = require "spec.tidetable.consumers"
local for_each_mode = require "spec.tidetable.parking"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

for_each_mode(describe, before_each, after_each, "parking", function(p)
  it("gives up only the record that fails, and queues the later ones of its key", function()
    p:put("a1", "b2", "a3", "c4", "a5")
    local consumer = p:open()
    p.failing.a3 = true
    assert.equal("a1 b2 c4", p:drain(consumer))
    assert.equal("a3 a5", p:parked(consumer))
    assert.same({ 2, 0, 0, 8 }, p.counts(consumer))
    p:put("a6", "b7")
    assert.equal("b7", p:drain(consumer))
    assert.equal("a3 a5 a6", p:parked(consumer))
    assert.equal(14, p.db:table "totals":get({ id = "all" }).amount)
    local about = consumer:describe()
    assert.same({ 4, 2 }, { about.records, about.failures })
    assert.is_true(about.parked_bytes > 0)
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("shows the number of the delivery", function()
    p:put("a1")
    local consumer, seen = p:open { max_attempts = 3 }, {}
    local function fail(records)
      seen[#seen + 1] = records[1].attempt
      error "no"
    end
    p:drain(consumer, fail)
    consumer:replay()
    p:drain(consumer, fail)
    consumer:replay()
    p:drain(consumer, function(records) seen[#seen + 1] = records[1].attempt end)
    assert.same({ 1, 2, 3, 4, 5 }, seen)
    local read = helper.first(p.orders:stream():records { from = "TRIM_HORIZON" })
    assert.is_nil(read.attempt)
  end)

  it("gives up whole batches without bisect, and halves them by default", function()
    p:put("a1", "b2", "c3", "d4")
    p.failing.b2 = true
    local sizes = {}
    assert.equal("a1 c3 d4", p:drain(p:open(), (p:handler(sizes))))
    assert.same({ 4, 2, 1, 3, 1, 1, 2 }, sizes)
    p.db:consumer "c":close()
    local consumer = assert(p.db:consumer("whole", { source = "orders", mode = p.mode, backoff = 0,
      on_failure = "park", max_attempts = 2, bisect = false }))
    sizes = {}
    assert.equal("", p:drain(consumer, (p:handler(sizes))))
    assert.same({ 4, 4 }, sizes)
    assert.equal("a1 b2 c3 d4", p:parked(consumer))
    for each in consumer:parked() do assert.equal("bad b2", each.error) end
  end)

  it("gives up by age, but not before the first attempt", function()
    local clock = tidetable.manual_clock(1e9)
    local timed = helper.memory { clock = clock }
    local source = assert(timed:create_table { name = "orders", partition_key = "id",
      stream = true })
    local consumer = assert(timed:consumer("c", { source = "orders", mode = p.mode, backoff = 0,
      on_failure = "park", max_age = 60 }))
    assert.is_nil(consumer:describe().settings.max_attempts)
    assert(source:put { id = "1" })
    clock:advance(3600)
    assert(source:put { id = "2" })
    local runs = { ["1"] = 0, ["2"] = 0 }
    local function fail(records)
      runs[records[1].keys.id] = runs[records[1].keys.id] + 1
      if #records == 1 then error "no" end
      error "no"
    end
    for _ = 1, 12 do consumer:step(fail) end
    -- The first is old: one attempt alone, after the batch of both.
    assert.equal(1, consumer:describe().parked)
    assert.is_true(runs["1"] >= 1 and runs["1"] <= 2 and runs["2"] > 5)
    clock:advance(61)
    consumer:step(fail)
    assert.equal(2, consumer:describe().parked)
  end)

  it("ends the run at the limits, or uses the table of dead letters", function()
    p:put("a1", "b2", "c3")
    p.failing.a1, p.failing.b2, p.failing.c3 = true, true, true
    local consumer = p:open { max_parked = 2 }
    local err = helper.refused("PARKED_FULL", consumer:run((p:handler())))
    assert.is_truthy(err.message:find("2 parked records", 1, true), err.message)
    assert.same({ 2, 0, 0, 5 }, p.counts(consumer))
    consumer = p:open { max_parked = 2, dead_letter = "dead", update = true }
    p:drain(consumer)
    assert.same({ 2, 0, 1, 6 }, p.counts(consumer))
    -- Records behind parked ones are subject to the limits, too.
    p:put("a4")
    p:drain(consumer)
    local about = consumer:describe()
    assert.same({ 2, 2 }, { about.parked, about.dead_letters })
    p:open { max_parked_bytes = 1, max_parked = 9, update = true }
    p:put("b5")
    consumer:close()
    helper.refused("PARKED_FULL", p:open { max_parked_bytes = 1, max_parked = 9 }:run(error))
  end)

  it("works for batches that the program takes", function()
    p:put("a1", "b2", "a3", "c4")
    local consumer, seen = p:open { batch_size = 2 }, {}
    for batch in consumer:batches() do
      assert(batch:commit(function(tx)
        for _, record in ipairs(batch) do
          seen[#seen + 1] = p.name_of(record)
          if p.name_of(record) == "a1" then tx:park(record) end
        end
      end))
      if seen[#seen] == "c4" then consumer:stop() end
    end
    assert.equal("a1 b2 c4", table.concat(seen, " "))
    assert.equal("a1 a3", p:parked(consumer))
    consumer:replay()
    p:put("c5")
    seen = {}
    for batch in consumer:batches() do
      for _, record in ipairs(batch) do seen[#seen + 1] = p.name_of(record) end
      assert(batch:commit())
      if seen[#seen] == "c5" then consumer:stop() end
    end
    assert.equal("a1 a3 c5", table.concat(seen, " "))
  end)

  it("passes a batch of queued records only", function()
    local consumer = p:open_with_a1_parked { batch_size = 1 }
    p:put("a2", "a3", "b4")
    for batch in consumer:batches() do
      assert.equal("b4", p.name_of(batch[1]))
      assert(batch:commit())
      consumer:stop()
    end
    assert.same({ 3, 0, 0, 7 }, p.counts(consumer))
  end)

  -- A command has to wait for a handler in mode "locked".
  local it_optimistic = p.mode == "optimistic" and it or function() end
  it_optimistic("runs a batch again whose keys a command has released meanwhile", function()
    local consumer = p:open_with_a1_parked()
    p:put("a2", "b3")
    local other = assert(helper.open():consumer "c")
    local seen, fails = {}, consumer:describe().failures
    assert.equal(2, consumer:step(function(records)
      local names = {}
      for i, record in ipairs(records) do names[i] = p.name_of(record) end
      seen[#seen + 1] = table.concat(names, " ")
      if #seen == 1 then
        -- Not in this coroutine, which is in a handler.
        assert.equal(1, coroutine.wrap(function() return other:discard() end)())
      end
    end))
    assert.same({ "b3", "a2 b3" }, seen)
    assert.same({ 0, 0, 0, 6 }, p.counts(consumer))
    assert.equal(fails, consumer:describe().failures)
  end)

  it("tells a batch of the program that its keys were released", function()
    local consumer = p:open_with_a1_parked()
    p:put("a2", "b3")
    local sizes = {}
    for batch in consumer:batches() do
      sizes[#sizes + 1] = #batch
      if #sizes == 1 then
        assert.equal(1, consumer:discard())
        helper.refused("LEASE_LOST", batch:commit())
      else
        assert(batch:commit())
        consumer:stop()
      end
    end
    assert.same({ 1, 2 }, sizes)
  end)
end)

describe("a record that kills its worker", function()
  helper.setup(before_each, after_each)

  it("is parked, and no other one", function()
    local db, orders = consumers.orders "totals"
    consumers.put(orders, 20)
    local consumer = assert(db:consumer("c", { source = "orders", on_failure = "park",
      max_attempts = 2, backoff = 0, lease = 1 }))
    local deadly = [[
      local consumer = assert(db:consumer "c")
      consumer:run(function(records, tx)
        for _, record in ipairs(records) do
          if record.keys.id == "13" then os.exit(9, false) end
          tx:table "totals":update({ id = "all" }, "ADD n ?", { 1 })
        end
        if records[#records].keys.id == "20" then consumer:stop() end
      end)
    ]]
    local deaths = 0
    while consumer:describe().position < 20 do
      deaths = deaths + 1
      assert.is_true(deaths < 12)
      helper.child(deadly):output()
    end
    local copies = helper.collect(consumer:parked())
    assert.equal(1, #copies)
    assert.equal("13", copies[1].record.keys.id)
    assert.same({ "the worker died in the handler", 2 }, { copies[1].error, copies[1].attempts })
    assert.equal(19, db:table "totals":get({ id = "all" }).n)
    -- 20, 10, 5, 2, 1: halved until it is alone, then two attempts.
    assert.is_true(deaths <= 9, deaths)
    -- Killed in a replay, it keeps its place.
    assert.equal(1, consumer:replay())
    helper.child(deadly):output()
    assert.equal(0, assert(db:consumer "c"):step(error))
    copies = helper.collect(consumer:parked())
    assert.same({ 3, false }, { copies[1].attempts, copies[1].is_to_be_replayed })
    assert.same({}, assert(db:check()).problems)
  end)

  it("is parked when it is older than max_age, without a limit of attempts", function()
    local db = helper.open()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    for i = 1, 3 do assert(orders:put { id = tostring(i) }) end
    local consumer = assert(db:consumer("c", { source = "orders", on_failure = "park",
      max_age = 0.001, backoff = 0, lease = 1 }))
    for _ = 1, 3 do
      helper.child [[
        local consumer = assert(db:consumer "c")
        consumer:run(function(records)
          for _, record in ipairs(records) do
            if record.keys.id == "2" then os.exit(9, false) end
          end
          if records[#records].keys.id == "3" then consumer:stop() end
        end)
      ]]:output()
    end
    -- The deaths with 3, 1 and 1 records: the third worker parked it.
    local copies = helper.collect(consumer:parked())
    assert.same({ 1, 1 }, { #copies, consumer:describe().failures })
    assert.same({ "2", "the worker died in the handler", 1 }, { copies[1].record.keys.id,
      copies[1].error, copies[1].attempts })
    assert.equal(4, consumer:describe().position)
    assert.same({}, assert(db:check()).problems)
  end)

  it("gets another attempt from the next worker if the last one ended outside its handler",
    function()
      local db = helper.open()
      local orders = assert(db:create_table { name = "orders", partition_key = "id",
        stream = true })
      assert(orders:put { id = "1" })
      local first = assert(db:consumer("c", { source = "orders", on_failure = "park",
        max_age = 3600, backoff = 0 }))
      helper.refused("BATCH_FAILED", first:step(error))
      assert(db:consumer("c", { source = "orders", on_failure = "park", max_age = 0, backoff = 0,
        update = true }))
      first:close()
      local second = assert(db:consumer "c")
      assert.equal(1, second:step(function() end))
      assert.same({ 0, 1 }, { second:describe().parked, second:describe().failures })
    end)

  it("is one whose handler outlasts its limit, too", function()
    local db, orders = consumers.orders "totals"
    consumers.put(orders, 4)
    local consumer = assert(db:consumer("c", { source = "orders", on_failure = "park",
      max_attempts = 1, lease = 1, handler_limit = 1 }))
    local child = helper.child [[
      local consumer = assert(db:consumer "c")
      local seen = 0
      consumer:run(function(records, tx)
        tx:table "totals":put { id = "late" }
        seen = seen + 1
        if seen > 1 then return consumer:stop() end
        print(#records)
        os.execute "sleep 1.5"
      end)
      print(seen)
    ]]
    assert.equal("4", child:line())
    local sizes, taken = {}, 0
    while taken == 0 do
      taken = assert(consumer:step(function(records) sizes[#sizes + 1] = #records end))
    end
    assert.same({ 2 }, sizes)
    assert.same({ 0, 0 }, { consumer:describe().failures, consumer:describe().parked })
    consumer:close()
    assert.equal("2\n", child:output())
    assert.equal(4, consumer:describe().records)
    assert.same({}, assert(db:check()).problems)
  end)

  it("limits the batches of a snapshot only until what it was given is passed", function()
    local db, orders = consumers.orders()
    for i = 1, 100 do assert(orders:put { id = tostring(i % 20) }) end
    local consumer = assert(db:consumer("c", { source = "orders", from = "SNAPSHOT",
      batch_size = 4, on_failure = "park", max_attempts = 1, bisect = false, backoff = 0 }))
    assert.equal(4, consumer:step(function() error("bad", 0) end))
    assert.equal(4, consumer:replay())
    consumer:close()
    helper.child [[ assert(db:consumer "c"):step(function() os.exit(0, false) end) ]]:close()
    local sizes = {}
    while assert(consumer:step(function(records) sizes[#sizes + 1] = #records end)) > 0 do end
    assert.same({ 2, 2, 4, 4, 4, 4 }, sizes)
  end)

  it("costs no attempt if the worker was outside its handler or has closed the file", function()
    local db, orders = consumers.orders()
    consumers.put(orders, 1)
    local consumer = assert(db:consumer("c", { source = "orders", on_failure = "park",
      max_attempts = 1, lease = 1 }))
    helper.child [[
      local consumer = assert(db:consumer "c")
      for _ in consumer:batches() do db:close() os.exit(0, false) end
    ]]:close()
    helper.child [[
      local consumer = assert(db:consumer "c")
      pcall(consumer.step, consumer, function() error "interrupted!" end)
      os.exit(0, false)
    ]]:close()
    assert(db:consumer("copier", { source = "orders", from = "SNAPSHOT" }))
    helper.child [[
      local copier = assert(db:consumer("copier", { source = "orders", from = "SNAPSHOT",
        on_snapshot = error }))
      assert(not pcall(copier:batches()))
      os.exit(0, false)
    ]]:close()
    local copier = assert(db:consumer "copier")
    assert.equal(1, copier:step(function() end))
    assert.equal(0, copier:describe().failures)
    local about = consumer:describe()
    assert.same({ 0, 0, 0 }, { about.attempts, about.failures, about.parked })
    assert.equal(1, consumer:step(function() end))
  end)
end)
