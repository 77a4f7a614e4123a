-- handler_limit_spec.lua - the time limit of handlers that compute, in both modes.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

local raises, refused = helper.raises, helper.refused

--- Number of iterations after which an endless loop ends, if the limit fails.
local MANY = 200000000

local function loop()
  for _ = 1, MANY do end
  error "not interrupted"
end

for _, mode in ipairs { "optimistic", "locked" } do
  describe("the limit of a handler in mode " .. mode, function()
    helper.setup(before_each, after_each)

    local db, orders, totals, clock, consumer

    before_each(function()
      clock = helper.clock()
      db, orders, totals = consumers.orders "totals"
      consumers.put(orders, 1)
      consumer = assert(db:consumer("c", {
        source = "orders", mode = mode, handler_limit = 30, max_attempts = 3, backoff = 0.001,
      }))
    end)

    --- Checks that the handler fails with TIMEOUT, stores nothing, and leaves nothing behind.
    local function times_out(handler)
      local before = consumer:describe().attempts
      local err = refused("BATCH_FAILED", consumer:step(function(records, tx)
        tx:table "totals":put { id = "from the handler" }
        return handler(records, tx)
      end))
      assert.equal("TIMEOUT", err.reason.code)
      if mode == "optimistic" then
        assert.equal("the handler took longer than handler_limit", err.reason.message)
      end
      assert.equal(before + 1, consumer:describe().attempts)
      assert.is_nil(totals:get { id = "from the handler" })
      assert.is_nil(debug.gethook())
      assert(totals:put { id = "written by the program" })
    end

    local function late() clock:advance(31) end

    it("ends a loop that calls nothing", function()
      times_out(function()
        late()
        loop()
      end)
      assert.equal(1, consumer:step(function() end))
    end)

    it("ends a loop in protected calls", function()
      times_out(function()
        late()
        for _ = 1, 100 do pcall(loop) end
        error "not interrupted"
      end)
    end)

    it("ends a loop while something is to be closed", function()
      times_out(function()
        local _ <close> = setmetatable({}, { __close = function() loop() end })
        late()
        loop()
      end)
    end)

    it("ends a loop in a coroutine, which may be older than the handler", function()
      local function body(tx)
        tx:table "totals":get { id = "1" }
        late()
        loop()
      end
      local older = coroutine.create(function() body(coroutine.yield()) end)
      assert(coroutine.resume(older))
      for _, thread in ipairs { older, coroutine.create(body) } do
        times_out(function(_, tx)
          raises("TIMEOUT", function()
            local ok, err = coroutine.resume(thread, tx)
            assert(not ok)
            error(err, 0)
          end)
          loop()
        end)
        assert.is_nil(debug.gethook(thread))
      end
    end)

    it("is a failed attempt, after which the run goes on", function()
      local runs = 0
      assert.is_true(consumer:run(function(_, tx)
        runs = runs + 1
        tx:table "totals":put { id = "runs", n = runs }
        if runs < 3 then
          late()
          loop()
        end
        consumer:stop()
      end))
      assert.equal(3, totals:get({ id = "runs" }).n)
      assert.equal(2, consumer:describe().failures)
    end)

    it("ends the run after max_attempts", function()
      local err = refused("BATCH_FAILED", consumer:run(function()
        late()
        loop()
      end))
      assert.equal("TIMEOUT", err.reason.code)
      assert.equal(3, consumer:describe().attempts)
    end)

    it("applies at the end of the handler", function()
      times_out(late)
      times_out(function()
        late()
        return true
      end)
    end)

    it("keeps the program's hook, which it does not replace", function()
      local function mine() end
      debug.sethook(mine, "", 1000)
      local ok, hook = pcall(consumer.step, consumer, function(_, tx)
        tx:table "totals":get { id = "1" }
        assert(mine == debug.gethook())
      end)
      local after = debug.gethook()
      debug.sethook()
      assert.is_true(ok, hook)
      assert.equal(1, hook)
      assert.equal(mine, after)
    end)
  end)
end

describe("the limit of a handler that yields", function()
  helper.setup(before_each, after_each)

  local db, totals, clock, consumer

  before_each(function()
    clock = helper.clock()
    local orders
    db, orders, totals = consumers.orders "totals"
    consumers.put(orders, 1)
    consumer = assert(db:consumer("c", { source = "orders", handler_limit = 30 }))
  end)

  --- Returns a coroutine in which the handler runs, and which has yielded in it.
  local function yielded(after)
    local thread = coroutine.create(function()
      return consumer:step(function(_, tx)
        tx:table "totals":put { id = "x" }
        coroutine.yield()
        after(tx)
      end)
    end)
    assert(coroutine.resume(thread))
    return thread
  end

  it("passes while it does not run, and counts when it is resumed", function()
    for name, after in pairs {
      loop = loop, ["end"] = function() end,
      read = function(tx)
        tx:table "totals"
        error "not reached"
      end,
    } do
      local thread = yielded(after)
      clock:advance(31)
      local ok, count, err = coroutine.resume(thread)
      assert.is_true(ok, name)
      refused("BATCH_FAILED", count, err, err.code)
      assert.equal("the handler took longer than handler_limit", err.reason.message)
      assert.is_nil(totals:get { id = "x" })
      assert.is_nil(debug.gethook(thread))
    end
    assert.equal(3, consumer:describe().attempts)
  end)

  it("does not interrupt others, although they were created in it", function()
    local created
    local thread = yielded(function()
      created = coroutine.create(function()
        coroutine.yield()
        for _ = 1, 100000 do assert(true) end
        return "done"
      end)
      assert(coroutine.resume(created))
      coroutine.yield()
      loop()
    end)
    assert(coroutine.resume(thread))
    clock:advance(31)
    assert.same({ true, "done" }, { coroutine.resume(created) })
    assert.is_table(db:list_tables())
    for _ = 1, 100000 do assert(true) end
    assert(totals:put { id = "by the program" })
    assert(coroutine.resume(thread))
    assert.is_nil(debug.gethook())
    assert.equal(1, consumer:step(function() end))
  end)

  it("ends with a coroutine that is dropped", function()
    local readers = db:info().readers
    do
      local thread = yielded(loop)
      assert.equal(readers + 1, db:info().readers)
      assert.equal("suspended", coroutine.status(thread))
    end
    collectgarbage()
    collectgarbage()
    assert.equal(readers, db:info().readers)
    assert.is_table(db:list_tables())
    for _ = 1, 100000 do assert(true) end
    assert.is_nil(debug.gethook())
    assert(totals:put { id = "by the program" })
  end)

  it("of an outer handler ends one of another database, too", function()
    local other = helper.memory()
    local others = assert(other:create_table {
      name = "others", partition_key = "id", stream = true,
    })
    assert(others:put { id = "1" })
    local inner = assert(other:consumer("c", { source = "others", handler_limit = 1000 }))
    local err = refused("BATCH_FAILED", consumer:step(function()
      inner:step(function()
        clock:advance(31)
        loop()
      end)
    end))
    assert.equal("TIMEOUT", err.reason.code)
    assert.is_nil(debug.gethook())
    assert(others:put { id = "2" })
    assert.is_false(inner:wait_for(nil, 0))
    assert.is_false(consumer:wait_for(nil, 0))
  end)
end)
