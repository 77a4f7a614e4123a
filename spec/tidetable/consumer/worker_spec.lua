-- worker_spec.lua - workers of consumers: ownership, waiting and takeover.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local core = require "tidetable.core"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe("a worker", function()
  helper.setup(before_each, after_each)

  local db, orders, consumer

  before_each(function()
    db, orders = consumers.orders "totals"
    consumer = assert(db:consumer("c", { source = "orders", lease = 1 }))
  end)

  it("that waits is bound to the consumer that it has opened, not to its name", function()
    assert(orders:put { id = "1" })
    assert(consumer:pause())
    local again = assert(db:consumer "c")
    assert(again:delete())
    assert(db:consumer("c", { source = "orders" }))
    helper.refused("CONSUMER_GONE", consumer:step(error))
    helper.refused("CONSUMER_GONE", consumer:run(error))
  end)

  it("reports records of a stream that expired and was removed before they were handled", function()
    local clock = helper.clock(1e9)
    db = helper.memory()
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local brief = assert(db:create_table { name = "brief", partition_key = "id",
      stream = { retention = 60 } })
    assert(brief:put { id = "1" })
    assert(orders:put { id = "1" })
    consumer = assert(db:consumer("c", { source = "*" }))
    assert(brief:disable_stream())
    clock:advance(60)
    assert(db:sweep())
    local err = helper.refused("TRIMMED", consumer:step(error))
    assert.same({ 1, 3 }, { err.first, err.last })
  end)

  it("is released when the program drops it", function()
    for _ = 1, 600 do
      assert.equal(0, assert(db:consumer "c"):step(error))
      collectgarbage()
    end
  end)

  it("does not end because the database is busy", function()
    assert(orders:put { id = "1" })
    local busy = helper.open { busy_timeout = 0 }
    local waiting = assert(busy:consumer "c")
    local child = helper.child [[
      db:transact(function()
        pause()
      end)
    ]]
    child:paused()
    helper.refused("BUSY", waiting:step(error))
    child:go()
    child:close()
    assert.is_true(waiting:run(function() waiting:stop() end))
  end)

  it("finds that its table was made anew under the same name", function()
    assert(db:delete_table "orders")
    assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    helper.refused("SOURCE_GONE", consumer:run(error))
  end)

  it("may stop before a step, and ends a loop over batches by close", function()
    consumers.put(orders, 3)
    consumer:stop()
    assert.equal(0, consumer:step(error))
    local iterate = consumer:batches()
    assert.equal(3, #iterate())
    consumer:close()
    helper.misuse("the iteration has ended", iterate)
    assert.equal(3, consumer:step(function() end))
  end)

  it("keeps its consumer while the program handles a batch of a loop", function()
    assert(orders:put { id = "1" })
    local other = assert(db:consumer "c")
    for batch in consumer:batches() do
      os.execute "sleep 1.3"
      assert.equal(0, other:step(error))
      assert(batch:commit())
      consumer:stop()
    end
  end)

  it("is paused, and has other settings, from its next batch on", function()
    consumers.put(orders, 9)
    local given, sizes = { source = "orders", lease = 1, batch_size = 4, update = true }, {}
    local function handler(records)
      sizes[#sizes + 1] = #records
      if #sizes == 1 then
        given.batch_size = 1
        assert(helper.open():consumer("c", given))
      elseif #sizes == 3 then
        assert(helper.open():consumer "c":pause())
      end
    end
    assert(db:consumer("c", given))
    for _ = 1, 9 do assert(consumer:step(handler)) end
    assert.same({ 4, 1, 1 }, sizes)
  end)

  it("beats while it waits in an event loop, where nothing else ends the wait", function()
    local longest, waiting = 0, nil
    local loop_db = helper.open({ wait = function(_, seconds)
      longest = math.max(longest, seconds or math.huge)
      waiting:stop()
    end })
    waiting = assert(loop_db:consumer("patient", { source = "orders" }))
    assert.is_true(waiting:run(error))
    assert.is_true(longest > 0 and longest <= 1)
  end)

  it("raises CLOSED if its handler closes the database", function()
    assert(orders:put { id = "1" })
    local brief = helper.open()
    local closing = assert(brief:consumer "c")
    helper.raises("CLOSED", closing.run, closing, function() brief:close() end)
    assert.equal(0, consumer:describe().failures)
    assert.equal(1, consumer:step(function() end))
  end)

  it("is the only one of its consumer until it leaves", function()
    assert(orders:put { id = "1" })
    local other = assert(db:consumer "c")
    assert.equal(1, consumer:step(function() end))
    assert(orders:put { id = "2" })
    assert.equal(0, other:step(error))
    consumer:close()
    assert.equal(1, other:step(function() end))
    other:close()
  end)

  it("stops before it has begun, in its handler, and not twice", function()
    consumer:stop()
    assert.is_true(consumer:run(error))
    assert(orders:put { id = "1" })
    local runs = 0
    assert.is_true(consumer:run(function()
      runs = runs + 1
      consumer:stop()
    end))
    assert.equal(1, runs)
  end)

  it("refuses a second run of the same object", function()
    assert(orders:put { id = "1" })
    consumer:run(function()
      helper.misuse("already running", consumer.run, consumer, error)
      helper.misuse("already running", consumer.step, consumer, error)
      helper.misuse("already running", consumer.batches, consumer)
      helper.misuse("is running; call stop", consumer.close, consumer)
      consumer:stop()
    end)
    helper.misuse("expected a function", consumer.run, consumer)
    helper.misuse("expected a function", consumer.step, consumer, 1)
    helper.misuse("call it with a colon", consumer.stop)
  end)

  it("is one of at most 256 of a database", function()
    local others = {}
    for i = 1, 256 do
      others[i] = assert(db:consumer "c")
      assert.equal(0, others[i]:step(error))
    end
    helper.refused("LIMIT", consumer:step(error))
    helper.refused("LIMIT", consumer:run(error))
    others[256]:close()
    assert.equal(0, consumer:step(error))
  end)

  it("commits nothing while it is caught up", function()
    assert(orders:put { id = "1" })
    assert.equal(1, consumer:step(function() end))
    local before = core.last_commit(db.core)
    for _ = 1, 5 do assert.equal(0, consumer:step(error)) end
    assert.equal(before, core.last_commit(db.core))
  end)

  local function totals_of(child)
    child:close()
    local item = assert(db:table "totals"):get { id = "all" }
    return item and item.n
  end

  local worker = [[
    local consumer = assert(db:consumer "c")
    print "running"
    consumer:run(function(records, tx)
      tx:table "totals":update({ id = "all" }, "ADD n ?", { #records })
      if records[#records].keys.id == "last" then consumer:stop() end
    end)
  ]]

  it("ends at Ctrl-C in its handler, which is no failed attempt", function()
    assert(orders:put { id = "1" })
    local child = helper.child [[
      local consumer = assert(db:consumer "c")
      local ok, err = pcall(consumer.run, consumer, function()
        print "in the handler"
        while true do end
      end)
      print(ok, err)
    ]]
    assert.equal("in the handler", child:line())
    os.execute("kill -INT " .. child.pid)
    assert.is_truthy(child:close():find "^false.*interrupted!")
    local about = consumer:describe()
    assert.same({ 2, 0, 0, false },
      { about.position, about.attempts, about.failures, about.has_owner })
  end)

  it("takes over from one whose process was killed", function()
    local first = helper.child(worker)
    assert.equal("running", first:line())
    assert(orders:put { id = "1" })
    while consumer:describe().position < 1 do end
    local second = helper.child(worker)
    assert.equal("running", second:line())
    first:kill()
    assert(orders:put { id = "last" })
    assert.equal(2, totals_of(second))
    assert.same({}, assert(db:check()).problems)
  end)

  it("takes over from one that is stopped, which then commits nothing", function()
    local first = helper.child(worker)
    assert.equal("running", first:line())
    local put = assert(orders:put { id = "1" })
    while consumer:describe().position < put do end
    os.execute("kill -STOP " .. first.pid)
    local second = helper.child(worker)
    assert(orders:put { id = "last" })
    assert.equal("running", second:line())
    assert.equal(2, totals_of(second))
    assert.equal(1, consumer:describe().takeovers)
    os.execute("kill -CONT " .. first.pid)
    assert(orders:put { id = "last", n = 2 })
    assert.equal(3, totals_of(first))
  end)

  -- The writers wait, and so does the other worker, because nobody may take the lock of a process
  -- that can continue.
  for _, signal in ipairs { "CONT", "KILL" } do
    it("waits for one that is stopped with the write lock: " .. signal, function()
      assert(consumer:pause())
      assert(db:consumer("c", { source = "orders", lease = 1, mode = "locked", shards = 1,
        update = true }))
      assert(consumer:resume())
      local first = helper.child [[
        local consumer = assert(db:consumer "c")
        consumer:run(function(records, tx)
          tx:table "totals":update({ id = "all" }, "ADD n ?", { #records })
          if records[1].keys.id == "1" then
            print "locked"
            io.read()
          end
          if records[#records].keys.id == "last" then consumer:stop() end
        end)
        print(db:table "totals":get({ id = "all" }).n)
      ]]
      assert(orders:put { id = "1" })
      assert.equal("locked", first:line())
      os.execute("kill -STOP " .. first.pid)
      local impatient = helper.open { busy_timeout = 0.05 }
      local err = helper.refused("BUSY", impatient:table "orders":put { id = "2" })
      assert.equal(first.pid, err.pid)
      local second = helper.child(worker)
      assert.equal("running", second:line())
      os.execute(("kill -%s %d"):format(signal, first.pid))
      if signal == "CONT" then first:go() end
      assert(orders:put { id = "2" })
      assert(orders:put { id = "last" })
      local sum = signal == "CONT" and first:line() or totals_of(second)
      assert.equal(3, math.tointeger(tonumber(sum)))
      assert.equal(3, consumer:describe().records)
      assert.same({}, assert(db:check()).problems)
      first:kill()
      second:kill()
    end)
  end

  it("keeps its consumer while the wall clock jumps", function()
    local clock = tidetable.manual_clock(1e9)
    local jumping = assert(tidetable.open(":memory:", { clock = clock }))
    local items = assert(jumping:create_table {
      name = "items", partition_key = "id", stream = true,
    })
    local reader = assert(jumping:consumer("c", { source = "items", window = 5, lease = 1 }))
    for i, jump in ipairs { 0, 3600 * 24 * 365, -3600 * 24 * 700, 0 } do
      clock:set(clock:now() + jump)
      assert(items:put { id = tostring(i) })
      assert.equal(0, reader:step(error))
      clock:set(clock:now() + 5)
      assert.equal(1, reader:step(function(records)
        assert.equal(tostring(i), records[1].keys.id)
      end))
    end
    assert.equal(4, reader:describe().records)
    jumping:close()
  end)

  -- Writers and workers are killed at random; the counters are the number of changes at the end.
  it("counts every change once while workers are killed", function()
    math.randomseed(SEED)
    local written, workers = 0, {}
    local counting = [[
      local consumer = assert(db:consumer "c")
      consumer:run(function(records, tx)
        for _, record in ipairs(records) do
          tx:table "totals":update({ id = record.keys.id }, "ADD n ?", { 1 })
        end
      end)
    ]]
    for _ = 1, 20 do
      workers[#workers + 1] = helper.child(counting)
      for _ = 1, math.random(40) do
        written = written + 1
        assert(orders:put { id = tostring(math.random(5)), n = written })
      end
      if #workers == 3 then table.remove(workers, math.random(3)):kill() end
    end
    for _, each in ipairs(workers) do each:kill() end
    while assert(consumer:step(function(records, tx)
      for _, record in ipairs(records) do
        tx:table "totals":update({ id = record.keys.id }, "ADD n ?", { 1 })
      end
    end)) > 0 do end
    local sum = 0
    for item in db:table "totals":scan() do sum = sum + item.n end
    assert.equal(written, sum, "SEED=" .. SEED)
    assert.equal(written, consumer:describe().records, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
  end)
end)
