-- status_spec.lua - db:processors: the states of consumers, computed from the file.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

describe("db:processors", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db, orders = consumers.orders()
  end)

  local function status() return db:processors()[1] end

  it("shows each consumer, and is empty without one", function()
    assert.same({}, db:processors())
    consumers.put(orders, 3)
    local consumer = consumers.open(db, "b")
    consumers.open(db, "a", { from = "LATEST" })
    local found = db:processors()
    assert.same({ "a", "b" }, { found[1].name, found[2].name })
    assert.same({ 0, 3 }, { found[1].lag_records, found[2].lag_records })
    assert.equal(3, consumer:step(function() end))
    assert.equal(0, db:processors()[2].lag_records)
    assert.equal(3, db:processors()[2].records)
  end)

  it("shows the states", function()
    consumers.put(orders, 1)
    local consumer = consumers.open(db, "c", { max_attempts = 1 })
    assert.same({ "no worker", nil }, { status().state, status().since })
    assert(consumer:pause())
    assert.equal("paused", status().state)
    assert(consumer:resume())
    helper.refused("BATCH_FAILED", consumer:run(function() error "bad" end))
    local one = status()
    assert.equal("ended", one.state)
    assert.equal("BATCH_FAILED", one.last_error.code)
    assert.is_truthy(one.reason:find "^BATCH_FAILED: ")
    assert.is_true(math.abs(one.since - os.time()) < 60)
    local seen
    assert(consumer:run(function() seen = status() consumer:stop() end))
    assert.equal("retrying", seen.state)
    assert.equal(1, orders:put { id = "2" } and 1)
    assert(consumer:run(function() seen = status() consumer:stop() end))
    assert.equal("running", seen.state)
    assert.equal(1, #seen.workers)
  end)

  it("shows the error for which a worker waits, and counts no attempt", function()
    consumers.put(orders, 1)
    for _, code in ipairs { "FULL", "DISK_FULL", "BUSY", "STORE", "NO_MEMORY", "READERS_FULL" } do
      local consumer = consumers.open(db, code:lower(), { max_attempts = 1 })
      local calls = 0
      assert(consumer:run(function()
        calls = calls + 1
        if calls == 1 then
          error((select(2, core.consumer_failure(code, "later"))))
        end
        consumer:stop()
      end))
      local about = consumer:describe()
      assert.same({ 2, 0, 0 }, { calls, about.failures, about.parked })
    end
  end)

  it("shows waits_for while a worker waits", function()
    consumers.put(orders, 1)
    local child = helper.child [[
      local consumer = assert(db:consumer("c", { source = "orders" }))
      local core = require "tidetable.core"
      local calls = 0
      consumer:run(function()
        calls = calls + 1
        if calls == 3 then consumer:stop() return end
        print "called"
        error((select(2, core.consumer_failure("STORE", "later"))))
      end)
    ]]
    assert.equal("called", child:line())
    local deadline = core.elapsed() + 10
    while not (status() and status().state == "waiting") do
      assert.is_true(core.elapsed() < deadline)
    end
    assert.equal("STORE", status().reason)
    assert.equal("STORE", status().workers[1].waits_for)
    child:output()
    assert.equal("no worker", status().state)
  end)
end)
