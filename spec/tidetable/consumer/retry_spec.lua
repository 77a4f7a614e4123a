-- retry_spec.lua - batches of consumers that failed.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

local add = consumers.add

consumers.for_each_mode(describe, before_each, after_each, "a handler", function(t)
  it("that always fails ends the run after max_attempts, with the cause", function()
    local consumer, cause = t:open { max_attempts = 3 }, { "any value" }
    local err = helper.refused("BATCH_FAILED", consumer:run(function() error(cause) end))
    assert.equal(cause, err.reason)
    assert.is_truthy(err.message:find("records 3 to 12", 1, true), err.message)
    assert.equal(3, consumer:describe().attempts)
    -- The attempts survive the worker.
    helper.refused("BATCH_FAILED", t:open { max_attempts = 3 }:step(error))
    assert.equal(4, consumer:describe().attempts)
    assert.equal(0, consumer:describe().position)
  end)

  it("that already has too many attempts for new settings is given up", function()
    local consumer = t:open { batch_size = 1 }
    for _ = 1, 12 do helper.refused("BATCH_FAILED", consumer:step(error)) end
    consumer:close()
    consumer = t:open { batch_size = 1, on_failure = "park", update = true }
    assert.equal(1, consumer:step(error))
    local copies = helper.collect(consumer:parked())
    assert.same({ 12, "12 attempts failed in earlier runs" }, { copies[1].attempts,
      copies[1].error })
  end)

  it("that fails on one record handles those before it, and then that one alone", function()
    local consumer, sizes = t:open { bisect = true, max_attempts = 2 }, {}
    local err = helper.refused("BATCH_FAILED", consumer:run(function(records, tx)
      sizes[#sizes + 1] = #records
      add(records, tx)
      for _, record in ipairs(records) do
        if record.keys.id == "8" then error "poison" end
      end
    end))
    assert.is_truthy(err.message:find("records 10 to 10", 1, true), err.message)
    assert.equal(28, t.totals:get({ id = "all" }).amount)
    assert.same({ 9, 2, 2 }, { consumer:describe().position, consumer:describe().attempts,
      consumer:describe().failures })
    assert.same({ 10, 5, 5, 2, 3, 1, 1 }, sizes)
  end)

  it("that names the records that failed commits those before the first", function()
    local consumer, sizes, failing = t:open(), {}, true
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
    assert.equal(55, t.totals:get({ id = "all" }).amount)
    assert.same({ 10, 1 }, { consumer:describe().records, consumer:describe().failures })
  end)

  it("that names a record that is not in the batch fails the whole batch", function()
    local consumer, response = t:open { max_attempts = 1 }, { batch_item_failures = { 10, 99 } }
    local err = helper.refused("BATCH_FAILED", consumer:run(function(records, tx)
      add(records, tx)
      return response
    end))
    assert.equal(response, err.reason)
    assert.is_truthy(err.message:find("no sequence number of the batch", 1, true), err.message)
    assert.is_nil(t.totals:get { id = "all" })
  end)

  it("that writes too much for a transaction gets smaller batches", function()
    local consumer, sizes = t:open(), {}
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
    assert.equal(text, t.totals:get({ id = "10.8" }).text)
  end)

  -- In locked mode another handle can't write while the handler runs.
  if t.mode == "optimistic" then
    local function put_elsewhere(item)
      local other = helper.open()
      assert(other:table "totals":put(item))
      other:close()
    end

    it("whose updates can't be applied at the commit has failed, and stores nothing", function()
      local consumer = t:open { max_attempts = 1 }
      local err = helper.refused("BATCH_FAILED", consumer:run(function(records, tx)
        tx:table "totals":put { id = "seen" }
        add(records, tx)
        put_elsewhere { id = "all", amount = "a text" }
      end))
      assert.same({ "VALIDATION", "totals", "all" },
        { err.reason.code, err.reason.table, err.reason.key.id })
      assert.is_nil(t.totals:get { id = "seen" })
      assert.same({ 0, 1 }, { consumer:describe().position, consumer:describe().failures })
      assert(t.totals:delete { id = "all" })
      assert.equal(10, consumer:step(add))
      assert.equal(55, t.totals:get({ id = "all" }).amount)
    end)

    it("whose updates are too much at the commit gets smaller batches", function()
      local consumer, sizes, text = t:open(), {}, ("x"):rep(350000)
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
      assert.equal(text, t.totals:get({ id = "10.8" }).t)
    end)
  end
end)

describe("the wait before another attempt", function()
  helper.setup(before_each, after_each)

  it("is doubled up to a minute, and differs at random by at most a quarter", function()
    local clock = helper.clock(1e9)
    local db = helper.memory()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(orders:put { id = "1" })
    local consumer = assert(db:consumer("c", { source = "orders", backoff = 1,
      max_attempts = 40 }))
    local last, waits = nil, {}
    helper.refused("BATCH_FAILED", consumer:run(function()
      local now = clock:elapsed()
      waits[#waits + 1], last = last and now - last, now
      error "no"
    end))
    assert.equal(39, #waits)
    local longest, shortest = 0, math.huge
    for i, wait in ipairs(waits) do
      local middle = math.min(2 ^ (i - 1), 60)
      assert.is_true(wait >= 0.75 * middle - 1e-3 and wait <= 1.25 * middle + 1e-3,
        ("wait %d: %g s"):format(i, wait))
      if middle == 60 then
        longest, shortest = math.max(longest, wait), math.min(shortest, wait)
      end
    end
    -- 33 waits at the limit: that all are within 3 s of each other has a probability of 1e-30.
    assert.is_true(longest - shortest > 3, longest - shortest)
  end)
end)
