-- worker_spec.lua - workers of consumers: handlers, failures, ownership and takeover.
local helper = require "spec.tidetable.helper"
local core = require "tidetable.core"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

for _, mode in ipairs { "optimistic", "locked" } do
  describe("a handler in mode " .. mode, function()
    helper.setup(before_each, after_each)

    local db, orders, totals

    before_each(function()
      db = helper.open()
      orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
      totals = assert(db:create_table { name = "totals", partition_key = "id" })
      for i = 1, 10 do assert(orders:put { id = tostring(i), amount = i }) end
    end)

    local function open(opts)
      local given = { source = "orders", mode = mode, backoff = 0.001 }
      for name, value in pairs(opts or {}) do given[name] = value end
      return assert(db:consumer("c", given))
    end

    local function add(records, tx)
      for _, record in ipairs(records) do
        tx:table "totals":update({ id = "all" }, "ADD amount ?", { record.new_image.amount })
      end
    end

    it("commits its effects with the position", function()
      local consumer = open { batch_size = 4 }
      local count, batches = 0, 0
      assert.is_true(consumer:run(function(records, tx)
        add(records, tx)
        count, batches = count + #records, batches + 1
        if count == 10 then consumer:stop() end
      end))
      assert.equal(3, batches)
      assert.equal(55, totals:get({ id = "all" }).amount)
      local about = consumer:describe()
      assert.same({ 10, 10, 3, false },
        { about.position, about.records, about.batches, about.has_owner })
    end)

    it("that raises or refuses stores nothing, and its batch runs again", function()
      local consumer, runs = open(), 0
      assert.is_true(consumer:run(function(records, tx)
        add(records, tx)
        runs = runs + 1
        if runs == 1 then error "bad" end
        if runs == 2 then error(nil) end
        if runs == 3 then return nil, "refused" end
        if runs == 4 then return false, "refused" end
        if runs == 5 then tx:cancel "why" end
        consumer:stop()
      end))
      assert.equal(6, runs)
      assert.equal(55, totals:get({ id = "all" }).amount)
      local about = consumer:describe()
      assert.same({ 10, 0, 5 }, { about.position, about.attempts, about.failures })
    end)

    it("can't pass a failure off as one of the library", function()
      local strict = setmetatable({}, { __index = function() error "no such field" end })
      local silent = setmetatable({}, { __tostring = function() error "no text" end })
      for _, cause in ipairs { { code = "FULL" }, { code = "CONSUMER_GONE" }, strict, silent } do
        local consumer = assert(db:consumer("d", { source = "orders", mode = mode, backoff = 0,
          max_attempts = 2 }))
        local err = helper.refused("BATCH_FAILED", consumer:run(function() error(cause) end))
        assert.is_true(rawequal(cause, err.reason))
        err = helper.refused("BATCH_FAILED",
          consumer:run(function() return nil, "other", "LEASE_LOST" end))
        assert.equal("other", err.reason)
        assert.equal(3, consumer:describe().failures)
        assert(consumer:delete())
      end
    end)

    it("that always fails ends the run after max_attempts, with the cause", function()
      local consumer, cause = open { max_attempts = 3 }, { "any value" }
      local err = helper.refused("BATCH_FAILED", consumer:run(function() error(cause) end))
      assert.equal(cause, err.reason)
      assert.is_truthy(err.message:find("records 1 to 10", 1, true), err.message)
      assert.equal(3, consumer:describe().attempts)
      -- The attempts survive the worker.
      helper.refused("BATCH_FAILED", open { max_attempts = 3 }:step(error))
      assert.equal(4, consumer:describe().attempts)
      assert.equal(0, consumer:describe().position)
    end)

    it("that fails on one record handles those before it, and then that one alone", function()
      local consumer, sizes = open { bisect = true, max_attempts = 2 }, {}
      local err = helper.refused("BATCH_FAILED", consumer:run(function(records, tx)
        sizes[#sizes + 1] = #records
        add(records, tx)
        for _, record in ipairs(records) do
          if record.keys.id == "8" then error "poison" end
        end
      end))
      assert.is_truthy(err.message:find("records 8 to 8", 1, true), err.message)
      assert.equal(28, totals:get({ id = "all" }).amount)
      assert.same({ 7, 2, 2 }, { consumer:describe().position, consumer:describe().attempts,
        consumer:describe().failures })
      assert.same({ 10, 5, 5, 2, 3, 1, 1 }, sizes)
    end)

    it("that names the records that failed commits those before the first", function()
      local consumer, sizes, failing = open(), {}, true
      assert.is_true(consumer:run(function(records, tx)
        sizes[#sizes + 1] = #records
        add(records, tx)
        local failures = {}
        for _, record in ipairs(records) do
          local id = record.keys.id
          if failing and (id == "4" or id == "9") then
            table.insert(failures, 1, record.sequence_number)
          end
        end
        if records[1].keys.id == "4" then failing = false end
        if records[#records].keys.id == "10" and #failures == 0 then consumer:stop() end
        return { batch_item_failures = failures }
      end))
      -- All; 1 to 3 again; 4 to 10, an attempt; 4 to 10 again.
      assert.same({ 10, 3, 7, 7 }, sizes)
      assert.equal(55, totals:get({ id = "all" }).amount)
      assert.same({ 10, 1 }, { consumer:describe().records, consumer:describe().failures })
    end)

    it("that names a record that is not in the batch fails the whole batch", function()
      local consumer, response = open { max_attempts = 1 }, { batch_item_failures = { 10, 99 } }
      local err = helper.refused("BATCH_FAILED", consumer:run(function(records, tx)
        add(records, tx)
        return response
      end))
      assert.equal(response, err.reason)
      assert.is_truthy(err.message:find("no sequence number of the batch", 1, true), err.message)
      assert.is_nil(totals:get { id = "all" })
    end)

    it("that writes too much for a transaction gets smaller batches", function()
      local consumer, sizes = open(), {}
      local text = ("x"):rep(350000)
      assert.is_true(consumer:run(function(records, tx)
        sizes[#sizes + 1] = #records
        for _, record in ipairs(records) do
          for i = 1, 8 do
            tx:table "totals":put { id = record.keys.id .. "." .. i, text = text }
          end
        end
        if records[#records].keys.id == "10" and #records < 10 then consumer:stop() end
      end))
      assert.equal(10, sizes[1])
      assert.is_true(sizes[#sizes] < 10)
      assert.equal(0, consumer:describe().failures)
      assert.equal(text, totals:get({ id = "10.8" }).text)
    end)

    -- In locked mode another handle can't write while the handler runs.
    if mode == "optimistic" then
      local function put_elsewhere(item)
        local other = helper.open()
        assert(other:table "totals":put(item))
        other:close()
      end

      it("whose updates can't be applied at the commit has failed, and stores nothing", function()
        local consumer = open { max_attempts = 1 }
        local err = helper.refused("BATCH_FAILED", consumer:run(function(records, tx)
          tx:table "totals":put { id = "seen" }
          add(records, tx)
          put_elsewhere { id = "all", amount = "a text" }
        end))
        assert.same({ "VALIDATION", "totals", "all" },
          { err.reason.code, err.reason.table, err.reason.key.id })
        assert.is_nil(totals:get { id = "seen" })
        assert.same({ 0, 1 }, { consumer:describe().position, consumer:describe().failures })
        assert(totals:delete { id = "all" })
        assert.equal(10, consumer:step(add))
        assert.equal(55, totals:get({ id = "all" }).amount)
      end)

      it("whose updates are too much at the commit gets smaller batches", function()
        local consumer, sizes, text = open(), {}, ("x"):rep(350000)
        assert.is_true(consumer:run(function(records, tx)
          sizes[#sizes + 1] = #records
          for _, record in ipairs(records) do
            for i = 1, 8 do
              tx:table "totals":update({ id = record.keys.id .. "." .. i }, "SET t = ?", { text })
            end
          end
          put_elsewhere { id = "other", n = #sizes }
          if records[#records].keys.id == "10" and #records < 10 then consumer:stop() end
        end))
        assert.equal(10, sizes[1])
        assert.is_true(sizes[#sizes] < 10)
        assert.equal(0, consumer:describe().failures)
        assert.equal(text, totals:get({ id = "10.8" }).t)
      end)
    end

    it("can't write past its transaction, also in a coroutine that it resumes", function()
      local consumer = open { batch_size = 4 }
      local function refused()
        local key = { id = "x" }
        helper.raises("NESTED", totals.put, totals, key)
        helper.raises("NESTED", totals.update, totals, key)
        helper.raises("NESTED", totals.delete, totals, key)
        helper.raises("NESTED", totals.load, totals, { key })
        helper.raises("NESTED", db.transact, db, function() end)
        helper.raises("NESTED", consumer.seek, consumer, { from = "LATEST" })
        assert.is_nil(totals:get(key))
        assert.equal(0, #helper.collect(totals:scan { snapshot = true }))
      end
      assert.equal(4, consumer:step(function()
        refused()
        local ok, err = coroutine.resume(coroutine.create(refused))
        assert.is_true(ok, err)
      end))
      assert.is_nil(totals:get { id = "x" })
      assert(totals:put { id = "x" })
    end)

    it("may return values", function()
      local consumer = open()
      assert.equal(10, consumer:step(function() return 1, 2, 3 end))
      assert.equal(0, consumer:step(error))
    end)

    it("gets batches of at most batch_bytes, but at least one record", function()
      for i = 11, 14 do assert(orders:put { id = tostring(i), text = ("x"):rep(1000) }) end
      local consumer = open { after = 10, batch_bytes = 2500 }
      local sizes = {}
      while assert(consumer:step(function(records) sizes[#sizes + 1] = #records end)) > 0 do end
      assert.same({ 2, 2 }, sizes)
      consumer = assert(db:consumer("d", { source = "orders", after = 10, batch_bytes = 1 }))
      assert.equal(1, consumer:step(function() end))
    end)

    it("can't use its transaction after the batch", function()
      local consumer, kept = open(), nil
      assert.equal(10, consumer:step(function(_, tx) kept = tx end))
      helper.raises("CLOSED", kept.table, kept, "totals")
    end)

    -- In mode "locked" the command would wait for the handler.
    if mode == "optimistic" then
      it("does not see a batch whose position was set by a command during it", function()
        local consumer, runs = open { batch_size = 4 }, 0
        local other = assert(helper.open():consumer "c")
        consumer:run(function(records, tx)
          runs = runs + 1
          if runs == 1 then
            add(records, tx)
            assert(other:seek { at = 9 })
          else
            assert.equal("9", records[1].keys.id)
            add(records, tx)
            consumer:stop()
          end
        end)
        assert.equal(19, totals:get({ id = "all" }).amount)
      end)
    end

    it("ends with CONSUMER_GONE if the consumer is deleted", function()
      local consumer = open { batch_size = 1 }
      local other = assert(helper.open():consumer "c")
      if mode == "optimistic" then
        helper.refused("CONSUMER_GONE", consumer:run(function() assert(other:delete()) end))
        return
      end
      assert.equal(1, consumer:step(function() end))
      assert(other:delete())
      helper.refused("CONSUMER_GONE", consumer:run(function() end))
    end)
  end)
end

describe("a worker", function()
  helper.setup(before_each, after_each)

  local db, orders, consumer

  before_each(function()
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(db:create_table { name = "totals", partition_key = "id" })
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
    for i = 1, 3 do assert(orders:put { id = tostring(i) }) end
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

  it("holds a batch back for the window of its first record", function()
    assert(db:consumer("c", { source = "orders", lease = 1, window = 0.2, update = true }))
    assert(orders:put { id = "1" })
    assert.equal(0, consumer:step(error))
    local before = core.elapsed()
    consumer:run(function(records)
      assert.equal(1, #records)
      consumer:stop()
    end)
    assert.is_true(core.elapsed() - before >= 0.1)
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

  it("ends when its table is deleted, after the last record", function()
    assert(orders:put { id = "1" })
    assert(db:delete_table "orders")
    assert.equal(1, consumer:step(function(records) assert.equal("1", records[1].keys.id) end))
    helper.refused("SOURCE_GONE", consumer:run(error))
  end)

  it("ends when its stream is disabled, after the last record", function()
    assert(orders:put { id = "1" })
    assert(orders:disable_stream())
    assert.equal(1, consumer:step(function() end))
    helper.refused("STREAM_GAP", consumer:run(error))
    assert(orders:enable_stream())
    helper.refused("STREAM_GAP", consumer:run(error))
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
    assert.same({ 0, 0, 0, false },
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
    assert(orders:put { id = "1" })
    while consumer:describe().position < 1 do end
    os.execute("kill -STOP " .. first.pid)
    local second = helper.child(worker)
    assert(orders:put { id = "last" })
    assert.equal("running", second:line())
    assert.equal(2, totals_of(second))
    os.execute("kill -CONT " .. first.pid)
    assert(orders:put { id = "last", n = 2 })
    assert.equal(3, totals_of(first))
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
