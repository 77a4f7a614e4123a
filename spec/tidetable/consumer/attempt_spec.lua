-- attempt_spec.lua - handlers of consumers and their transactions.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

local add = consumers.add

consumers.for_each_mode(describe, before_each, after_each, "a handler", function(t)
  it("commits its effects with the position", function()
    local consumer = t:open { batch_size = 4 }
    local count, batches = 0, 0
    assert.is_true(consumer:run(function(records, tx)
      add(records, tx)
      count, batches = count + #records, batches + 1
      if count == 10 then consumer:stop() end
    end))
    assert.equal(3, batches)
    assert.equal(55, t.totals:get({ id = "all" }).amount)
    local about = consumer:describe()
    assert.same({ 12, 10, 3, false },
      { about.position, about.records, about.batches, about.has_owner })
  end)

  it("that raises or refuses stores nothing, and its batch runs again", function()
    local consumer, runs = t:open(), 0
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
    assert.equal(55, t.totals:get({ id = "all" }).amount)
    local about = consumer:describe()
    assert.same({ 12, 0, 5 }, { about.position, about.attempts, about.failures })
  end)

  it("gets its records unchanged in each run, even if an earlier run changed them", function()
    local consumer, runs = t:open { max_attempts = 3 }, 0
    local other = assert(helper.open():table "totals")
    assert.is_true(consumer:run(function(records, tx)
      runs = runs + 1
      tx:table "totals":get { id = "other" }
      while #records > 0 do
        local record = table.remove(records, 1)
        local image, keys = record.new_image, record.keys
        image.amount, image.extra, keys.more = image.amount * 2, runs, image
        assert.equal(2 * math.tointeger(tonumber(record.keys.id)), record.new_image.amount)
        tx:table "totals":update({ id = "all" }, "ADD amount ?", { image.amount })
      end
      records[12] = "more"
      if runs == 1 then error "bad" end
      if runs == 2 and t.mode == "optimistic" then
        -- Not in this coroutine, which is in a handler.
        coroutine.wrap(function() assert(other:put { id = "other" }) end)()
      end
      consumer:stop()
    end))
    assert.equal(t.mode == "optimistic" and 3 or 2, runs)
    assert.equal(110, t.totals:get({ id = "all" }).amount)
    assert.same({ 12, 10 }, { consumer:describe().position, consumer:describe().records })
  end)

  it("can't raise an error that counts as a failure of the library", function()
    local strict = setmetatable({}, { __index = function() error "no such field" end })
    local silent = setmetatable({}, { __tostring = function() error "no text" end })
    for _, cause in ipairs { { code = "FULL" }, { code = "CONSUMER_GONE" }, strict, silent } do
      local consumer = assert(t.db:consumer("d", { source = "orders", mode = t.mode, backoff = 0,
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

  it("can't write past its transaction, also in a coroutine that it resumes", function()
    local consumer = t:open { batch_size = 4 }
    local function refused()
      local key = { id = "x" }
      helper.raises("NESTED", t.totals.put, t.totals, key)
      helper.raises("NESTED", t.totals.update, t.totals, key)
      helper.raises("NESTED", t.totals.delete, t.totals, key)
      helper.raises("NESTED", t.totals.load, t.totals, { key })
      helper.raises("NESTED", t.db.transact, t.db, function() end)
      helper.raises("NESTED", consumer.seek, consumer, { from = "LATEST" })
      assert.is_nil(t.totals:get(key))
      assert.equal(0, #helper.collect(t.totals:scan { snapshot = true }))
    end
    assert.equal(4, consumer:step(function()
      refused()
      local ok, err = coroutine.resume(coroutine.create(refused))
      assert.is_true(ok, err)
    end))
    assert.is_nil(t.totals:get { id = "x" })
    assert(t.totals:put { id = "x" })
  end)

  it("may return values", function()
    local consumer = t:open()
    assert.equal(10, consumer:step(function() return 1, 2, 3 end))
    assert.equal(0, consumer:step(error))
  end)

  it("fails where it can't yield, and leaves no lock", function()
    local consumer = t:open()
    local function yield(_, tx)
      tx:table "totals":put { id = "all", amount = 1 }
      coroutine.yield()
    end
    local err = helper.refused("BATCH_FAILED", consumer:step(yield))
    assert.is_truthy(tostring(err.reason):find("yield from outside", 1, true))
    if t.mode == "locked" then
      coroutine.wrap(function()
        err = helper.refused("BATCH_FAILED", consumer:step(yield))
        assert.is_truthy(tostring(err.reason):find("yield across", 1, true))
      end)()
    end
    assert.is_nil(t.totals:get { id = "all" })
    assert(t.totals:put { id = "all", amount = 0 })
    assert.equal(10, consumer:step(add))
    assert.equal(55, t.totals:get({ id = "all" }).amount)
  end)

  it("can't use its transaction after the batch", function()
    local consumer, kept = t:open(), nil
    assert.equal(10, consumer:step(function(_, tx) kept = tx end))
    helper.raises("CLOSED", kept.table, kept, "totals")
  end)

  -- In mode "locked" the command would wait for the handler.
  if t.mode == "optimistic" then
    it("does not see a batch whose position was set by a command during it", function()
      local consumer, runs = t:open { batch_size = 4 }, 0
      local other = assert(helper.open():consumer "c")
      consumer:run(function(records, tx)
        runs = runs + 1
        if runs == 1 then
          add(records, tx)
          assert(other:seek { at = 11 })
        else
          assert.equal("9", records[1].keys.id)
          add(records, tx)
          consumer:stop()
        end
      end)
      assert.equal(19, t.totals:get({ id = "all" }).amount)
    end)
  end

  it("ends with CONSUMER_GONE if the consumer is deleted", function()
    local consumer = t:open { batch_size = 1 }
    local other = assert(helper.open():consumer "c")
    if t.mode == "optimistic" then
      helper.refused("CONSUMER_GONE", consumer:run(function() assert(other:delete()) end))
      return
    end
    assert.equal(1, consumer:step(function() end))
    assert(other:delete())
    helper.refused("CONSUMER_GONE", consumer:run(function() end))
  end)
end)

describe("a handler that yields", function()
  helper.setup(before_each, after_each)

  local db, totals

  before_each(function()
    db, totals = consumers.totals()
    assert(totals:put { id = "read", n = 0 })
  end)

  --- Resumes f until it ends, and changes after each yield what the handler has read. Returns the
  --- results of f and the number of yields.
  local function with_conflicts(f)
    local thread, yields = coroutine.create(f), 0
    local results = table.pack(coroutine.resume(thread))
    while coroutine.status(thread) == "suspended" do
      yields = yields + 1
      assert(totals:put { id = "read", n = yields })
      results = table.pack(coroutine.resume(thread))
    end
    assert.is_true(results[1], results[2])
    return yields, table.unpack(results, 2, results.n)
  end

  local function handle(_, tx)
    local read = tx:table "totals":get { id = "read" }
    coroutine.yield()
    tx:table "totals":put { id = "written", n = read.n }
  end

  it("fails as CONFLICT after three runs with conflicts, which are one attempt", function()
    local consumer = consumers.open(db, "c", { max_attempts = 2 })
    local yields, _, err, code = with_conflicts(function() return consumer:run(handle) end)
    assert.same({ 6, "BATCH_FAILED", "CONFLICT" }, { yields, code, err.reason.code })
    assert.equal(2, consumer:describe().failures)
    assert.is_nil(totals:get { id = "written" })
    assert(coroutine.wrap(function() return totals:put { id = "no lock" } end)())
  end)

  it("gives batch:commit the error CONFLICT", function()
    local consumer <close> = consumers.open(db, "c")
    local batch = consumer:batches()()
    local yields, ok, err, code = with_conflicts(function()
      return batch:commit(function(tx) return handle(batch, tx) end)
    end)
    assert.same({ 3, "CONFLICT", "CONFLICT" }, { yields, code, err.code })
    assert.is_nil(ok)
    assert.is_true((batch:commit()))
    assert.equal(12, consumer:describe().position)
  end)

  it("writes while nothing that it has read changes", function()
    local consumer, count = consumers.open(db, "c"), nil
    local thread = coroutine.create(function() count = consumer:step(handle) end)
    assert(coroutine.resume(thread))
    assert(totals:put { id = "other" })
    assert(coroutine.resume(thread))
    assert.same({ 10, "dead" }, { count, coroutine.status(thread) })
    assert.equal(0, totals:get({ id = "written" }).n)
  end)
end)
