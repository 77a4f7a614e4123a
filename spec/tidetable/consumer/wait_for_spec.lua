-- wait_for_spec.lua - waiting until a consumer has processed a change.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"

describe("wait_for", function()
  helper.setup(before_each, after_each)

  local db, orders, consumer

  before_each(function()
    db, orders = consumers.orders()
    consumer = consumers.open(db, "c", { max_attempts = 1 })
  end)

  local function handle() assert(consumer:step(function() end)) end

  it("returns true when the consumer has handled the change, and false in time", function()
    assert.is_true(consumer:wait_for())              -- this handle has changed nothing
    local first = assert(orders:put { id = "1" })
    local second = assert(orders:put { id = "2" })
    assert.is_false(consumer:wait_for(first, 0))
    assert.is_false(consumer:wait_for(nil, 0.01))
    handle()
    assert.is_true(consumer:wait_for(first))
    assert.is_true(consumer:wait_for(second, 0))
    assert.is_true(consumer:wait_for())
    helper.refused("AHEAD", consumer:wait_for(second + 1))
    helper.misuse("sequence number", consumer.wait_for, consumer, -1)
    helper.misuse("seconds", consumer.wait_for, consumer, 1, -1)
  end)

  it("tells that the record is parked", function()
    local parker = assert(db:consumer("parker", { source = "orders", on_failure = "park" }))
    local first, second = assert(orders:put { id = "1" }), assert(orders:put { id = "2" })
    assert.equal(2, parker:step(function(records, tx) tx:park(records[1]) end))
    assert.equal(1, parker:describe().parked)
    assert.same({ true, "parked" }, { parker:wait_for(first) })
    assert.same({ true }, { parker:wait_for(second) })
    assert.equal(1, parker:discard())
    assert.same({ true }, { parker:wait_for(first) })
  end)

  it("counts a change outside the source as processed when all earlier ones are", function()
    local other = assert(db:create_table { name = "other", partition_key = "id", stream = true })
    local bare = assert(db:create_table { name = "bare", partition_key = "id" })
    assert(other:put { id = "1" })
    assert.is_true(consumer:wait_for(nil, 0))
    assert(bare:put { id = "1" })
    assert.is_true(consumer:wait_for(nil, 0))
    assert(orders:put { id = "1" })
    assert(bare:put { id = "2" })
    assert.is_false(consumer:wait_for(nil, 0))
    handle()
    assert.is_true(consumer:wait_for(nil, 0))
    local all = assert(db:consumer("all", { source = "*" }))
    assert.is_false(all:wait_for(nil, 0))
    consumers.drain(all)
    assert.is_true(all:wait_for(nil, 0))
    assert(bare:put { id = "3" })
    assert.is_true(all:wait_for(nil, 0))
  end)

  it("has processed no change until its snapshot ends", function()
    local first = assert(orders:put { id = "1" })
    assert(orders:put { id = "2" })
    local copier = assert(db:consumer("copier", { source = "orders", from = "SNAPSHOT",
      batch_size = 1 }))
    assert.is_true(copier:wait_for(0))
    for _ = 1, 2 do
      assert.is_false(copier:wait_for(first, 0))
      assert.is_false(copier:wait_for(nil, 0))
      assert.equal(1, copier:step(function() end))
    end
    assert.is_false(copier:wait_for(first, 0))       -- its end is a commit of its own
    assert.equal(0, copier:step(error))
    assert.is_true(copier:wait_for(nil, 0))
  end)

  it("returns an error at once for a consumer that can't process the change", function()
    assert(orders:put { id = "1" })
    assert(consumer:pause())
    helper.refused("CONSUMER_PAUSED", consumer:wait_for())
    assert.is_true(consumer:wait_for(0))
    assert(consumer:resume())
    helper.refused("BATCH_FAILED", consumer:run(function() error "bad" end))
    local err = helper.refused("BATCH_FAILED", consumer:wait_for())
    assert.truthy(err.message:find("its last run has ended", 1, true))
    handle()
    assert.is_true(consumer:wait_for())
    assert(orders:put { id = "2" })
    local again = assert(db:consumer "c")
    assert(again:delete())
    helper.refused("CONSUMER_GONE", consumer:wait_for())
    assert(db:consumer("c", { source = "orders" }))
    helper.refused("CONSUMER_GONE", consumer:wait_for())
  end)

  it("returns the error of a run that lost records", function()
    local clock = helper.clock(1e9)
    db = helper.memory()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { retention = 60 } })
    consumer = assert(db:consumer("c", { source = "orders" }))
    assert(orders:put { id = "1" })
    clock:advance(60)
    assert(db:sweep())
    assert.is_false(consumer:wait_for(nil, 0))
    helper.refused("TRIMMED", consumer:run(error))
    helper.refused("TRIMMED", consumer:wait_for())
    assert(consumer:seek { from = "TRIM_HORIZON" })
    assert.is_true(consumer:wait_for())
  end)

  it("raises an error in the consumer's own handler", function()
    local other = assert(db:consumer("other", { source = "orders" }))
    assert(orders:put { id = "1" })
    consumer:step(function()
      helper.misuse("own handler", consumer.wait_for, consumer, 1, 0)
      helper.misuse("own handler", function() assert(db:consumer "c"):wait_for(1, 0) end)
      local inner = coroutine.wrap(function() return consumer:wait_for(1, 0) end)
      helper.misuse("own handler", inner)
      assert.is_false(other:wait_for(1, 0))
    end)
    assert.is_true(consumer:wait_for(1, 0))
  end)

  it("has a deadline that no other commit extends", function()
    local clock = helper.clock(1e9)
    db = helper.memory()
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    consumer = assert(db:consumer("c", { source = "orders" }))
    assert(orders:put { id = "1" })
    local before = core.process_elapsed()
    assert.is_false(consumer:wait_for(nil, 90))
    assert.equal(90, core.process_elapsed() - before)
    assert.truthy(clock:now() >= 1e9 + 90)
  end)

  it("sleeps until another process has handled the change", function()
    local first = assert(orders:put { id = "1" })
    local child = helper.child [[
      local consumer = assert(db:consumer "c")
      pause()
      assert(consumer:step(function() end))
      print "done"
    ]]
    child:paused()
    child:go()
    assert.is_true(consumer:wait_for(first, 60))
    assert.equal("done", child:line())
  end)

  for _, own in ipairs { false, true } do
    it("waits in an event loop" .. (own and " of the program" or ""), function()
      local woken, calls, waits = false, 0, 0
      local loop = cqueues.new()
      if own then
        consumer = assert(db:consumer("c", { wait = function(wakeup, seconds)
          waits = waits + 1
          cqueues.poll(wakeup, seconds)
        end }))
      end
      local number = assert(orders:put { id = "1" })
      loop:wrap(function() woken = consumer:wait_for(number, 60) end)
      loop:wrap(function()
        local worker = assert(db:consumer "c")
        cqueues.sleep(0.02)
        for _ = 1, 3 do
          assert(orders:put { id = "1", n = calls })   -- no progress
          calls = calls + 1
          cqueues.sleep(0.001)
        end
        assert.is_false(woken)
        assert(worker:step(function() end))
      end)
      assert(loop:loop())
      assert.is_true(woken)
      if own then assert.truthy(waits >= 1 and waits <= 2) end
    end)
  end

  it("waits again after the progress of another consumer", function()
    local waits, processed, loop = 0, nil, cqueues.new()
    consumer = assert(db:consumer("c", { wait = function(wakeup, seconds)
      waits = waits + 1
      cqueues.poll(wakeup, seconds)
    end }))
    local number = assert(orders:put { id = "1" })
    local other = assert(db:consumer("other", { source = "orders" }))
    loop:wrap(function() processed = consumer:wait_for(number, 0.3) end)
    loop:wrap(function()
      cqueues.sleep(0.02)
      assert(other:step(function() end))
    end)
    assert(loop:loop())
    assert.is_false(processed)
    -- Before, and after each of the commits of `other`.
    assert.is_true(waits >= 2 and waits <= 4, waits)
  end)

  it("wakes no reader of a stream", function()
    local commits = assert(db:wakeup())
    assert(orders:put { id = "1" })
    commits:clear()
    local loop, processed = cqueues.new(), false
    loop:wrap(function() processed = consumer:wait_for(nil, 60) end)
    loop:wrap(function()
      cqueues.sleep(0.01)
      local batch = consumer:batches()()
      commits:clear()
      assert(batch:commit())
      assert.is_false(commits:wait(0))
      consumer:close()
    end)
    assert(loop:loop())
    assert.is_true(processed)
  end)
end)
