-- behaviour.lua - tests of waiting that hold in every event loop.
--
-- A loop is { name, run(functions), sleep(seconds), wait }. `run` runs the functions as coroutines
-- until all have ended, and fails if one raises an error. `wait` is nil if the library knows how to
-- wait in this loop; `poll` waits in the same way. `program` is code that defines `start`, `run`
-- and `wait` in another process, which prints `says` when it is interrupted.
local assert = require "luassert"
local lfs = require "lfs"
local helper = require "spec.tidetable.helper"
local core = require "tidetable.core"

local elapsed, put = core.elapsed, core.put

-- Another coroutine of the loop, which counts how often it runs.
local function ticker(loop, is_over)
  local ticks = { count = 0 }
  return ticks, function()
    while not is_over() do
      loop.sleep(0.002)
      ticks.count = ticks.count + 1
    end
  end
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

return function(loop, describe, it, before_each, after_each)
  describe("in " .. loop.name, function()
    helper.setup(before_each, after_each)
    after_each(function()
      collectgarbage "restart"
      core.put = put
    end)

    local db, orders

    before_each(function()
      db = helper.open { wait = loop.wait }
      orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    end)

    -- Runs f concurrently with another function, and returns the error it raised.
    local function raised_by(f, other)
      local err
      loop.run({ function()
        local ok
        ok, err = pcall(f)
        assert.is_false(ok)
      end, other })
      return err
    end

    it("many followers, a writer and a timer run concurrently", function()
      local seen, over = {}, 0
      local ticks, tick = ticker(loop, function() return over == 20 end)
      local functions = { tick, function()
        for i = 1, 10 do
          loop.sleep(0.005)
          assert(orders:put { id = tostring(i) })
        end
      end }
      for i = 1, 20 do
        seen[i] = {}
        functions[i + 2] = function()
          for record in orders:stream():records { follow = true, limit = 10 } do
            seen[i][#seen[i] + 1] = record.keys.id
          end
          over = over + 1
        end
      end
      loop.run(functions)
      for i = 1, 20 do
        assert.equal("1 2 3 4 5 6 7 8 9 10", table.concat(seen[i], " "))
      end
      assert.is_true(ticks.count >= 5, ticks.count .. " ticks")
    end)

    it("a follower that writes wakes another one", function()
      local copies = assert(db:create_table { name = "copies", partition_key = "id",
        stream = true })
      local ids = {}
      loop.run({ function()
        for record in copies:stream():records { follow = true, limit = 5 } do
          ids[#ids + 1] = record.keys.id
        end
      end, function()
        for record in orders:stream():records { follow = true, limit = 5 } do
          assert(copies:put { id = "copy of " .. record.keys.id })
        end
      end, function()
        for i = 1, 5 do assert(orders:put { id = tostring(i) }) end
      end })
      assert.same({ "copy of 1", "copy of 2", "copy of 3", "copy of 4", "copy of 5" }, ids)
    end)

    it("another process wakes it", function()
      local child = helper.child [[
        pause()
        for i = 1, 100 do assert(db:table "orders":put { id = tostring(i) }) end
      ]]
      child:paused()
      local count = 0
      local ticks, tick = ticker(loop, function() return count == 100 end)
      loop.run({ tick, function()
        for _ in orders:stream():records { follow = true, limit = 100 } do count = count + 1 end
      end, function()
        loop.sleep(0.02)
        child:go()
      end })
      assert.equal(100, count)
      assert.is_true(ticks.count > 0)
      child:close()
    end)

    it("a consumer and its handler wait beside other coroutines, and stop ends a wait", function()
      local consumer = assert(db:consumer("c", { source = orders }))
      local count = 0
      loop.run({ function()
        assert.is_true(consumer:run(function(records)
          count = count + #records
          loop.sleep(0.001)
        end))
      end, function()
        for i = 1, 10 do
          assert(orders:put { id = tostring(i) })
          loop.sleep(0.002)
        end
        while count < 10 do loop.sleep(0.002) end
        loop.sleep(0.01)
        consumer:stop()
      end })
      assert.equal(10, count)
      assert.is_false(consumer:describe().has_owner)
    end)

    it("a pause begins when it is asked for, after a callback that ran for long", function()
      local paused
      loop.run({ function()
        loop.sleep(0.001)
        local before = elapsed()
        while elapsed() < before + 0.05 do end
        local start = elapsed()
        loop.sleep(0.03)
        paused = elapsed() - start
      end })
      assert.is_true(paused >= 0.029, paused .. " s")
    end)

    it("timeouts hold", function()
      local before, record = elapsed(), nil
      loop.run({ function()
        record = assert(orders:stream()):next(0.05)
        for _ in orders:stream():records { follow = true, timeout = 0.05 } do error "none" end
      end })
      assert.is_nil(record)
      assert.is_true(elapsed() - before > 0.098)
    end)

    it("timeouts may be math.huge (no limit), integers and floats", function()
      local function follower(call)
        return function()
          local stream = assert(orders:stream { from = "LATEST" })
          assert.is_nil(stream:next(0))
          assert.is_nil(stream:next(0.0))
          assert.is_not_nil(call(stream))
        end
      end
      local stored = 0
      loop.run {
        follower(function(stream) return stream:next(math.huge) end),
        follower(function(stream) return stream:next_transaction(math.huge) end),
        follower(function(stream) return stream:next(30) end),
        follower(function(stream) return stream:next(30.0) end),
        follower(function(stream)
          return helper.first(stream:records { follow = true, timeout = math.huge })
        end),
        follower(function(stream)
          return helper.first(stream:transactions { follow = true, timeout = math.huge })
        end),
        function()
          loop.sleep(0.02)
          assert(orders:put { id = "a" })
          stored = stored + 1
        end,
      }
      assert.equal(1, stored)
    end)

    it("busy_timeout = math.huge waits until the writer has ended", function()
      local child = helper.child "db:transact(pause, { time_limit = math.huge })"
      child:paused()
      local patient = helper.open { busy_timeout = math.huge, wait = loop.wait }
      local stored
      loop.run { function()
        stored = patient:table "orders":put { id = "x" }
      end, function()
        loop.sleep(0.1)
        assert.is_nil(stored)
        child:go()
      end }
      assert.equal(2, stored)
      child:close()
    end)

    -- Regression: followers waited until the records had expired.
    it("the end of a stream ends its followers", function()
      local codes = {}
      local function follow(call)
        return function()
          local _, raised, returned = pcall(call, assert(orders:stream { from = "LATEST" }))
          codes[#codes + 1] = (returned or raised).code
        end
      end
      loop.run {
        follow(function(stream) return stream:next(math.huge) end),
        follow(function(stream) return stream:next_transaction(30) end),
        follow(function(stream) for _ in stream:records { follow = true } do error "none" end end),
        follow(function(stream)
          for _ in stream:transactions { follow = true, timeout = 30 } do error "none" end
        end),
        function()
          loop.sleep(0.02)
          assert(db:delete_table "orders")
        end,
      }
      assert.same({ "STREAM_ENDED", "STREAM_ENDED", "STREAM_ENDED", "STREAM_ENDED" }, codes)
    end)

    -- Regression: followers waited forever.
    it("the removal of the file ends followers", function()
      local codes = {}
      local function follow(call)
        return function()
          local _, raised, returned = pcall(call, assert(db:stream { from = "LATEST" }))
          codes[#codes + 1] = (returned or raised).code
        end
      end
      loop.run {
        follow(function(stream) return stream:next(math.huge) end),
        follow(function(stream) for _ in stream:records { follow = true } do error "none" end end),
        function()
          loop.sleep(0.02)
          assert(os.remove(helper.path()))
        end,
      }
      assert.same({ "FILE_GONE", "FILE_GONE" }, codes)
    end)

    -- A notification is a hint, so the reader checks the database again.
    it("a needless or early notification does no harm", function()
      local ids = {}
      loop.run({ function()
        for record in orders:stream():records { follow = true, limit = 3 } do
          ids[#ids + 1] = record.keys.id
        end
      end, function()
        local other = assert(db:create_table { name = "other", partition_key = "id" })
        for i = 1, 3 do
          for j = 1, 20 do assert(other:put { id = i .. "." .. j }) end
          loop.sleep(0.005)
          assert(orders:put { id = tostring(i) })
        end
      end })
      assert.same({ "1", "2", "3" }, ids)
    end)

    it("a lost notification delays a reader by the wakeup's timeout", function()
      local id, lost = nil, 0
      local function lose(wakeup, seconds)
        wakeup.timeout = function() return 0.02 end
        if lost == 0 then
          lost = lost + 1
          assert(orders:put { id = "a" })
          wakeup:clear()
        end
        loop.poll(wakeup, seconds)
      end
      loop.run({ function()
        id = assert(orders:stream { wait = lose }):next(30).keys.id
      end })
      assert.equal("a", id)
      assert.equal(1, lost)
    end)

    it("closing the database wakes all waiters, with CLOSED", function()
      local errors = {}
      local function follow()
        local _, err = pcall(function()
          for _ in orders:stream():records { follow = true } do error "none" end
        end)
        errors[#errors + 1] = err.code
      end
      local ticks, tick = ticker(loop, function() return #errors == 4 end)
      loop.run({ follow, follow, function()
        local _, err = pcall(assert(orders:stream()).next, assert(orders:stream()), 30)
        errors[#errors + 1] = err.code
      end, function()
        local _, err = pcall(function()
          for _ in db:stream():transactions { follow = true, timeout = 30 } do error "none" end
        end)
        errors[#errors + 1] = err.code
      end, tick, function()
        loop.sleep(0.02)
        db:close()
        -- A new descriptor may get the number of a closed one.
        local other <close> = assert(helper.memory():wakeup())
        loop.sleep(0.02)
        assert(other:pollfd())
      end })
      assert.same({ "CLOSED", "CLOSED", "CLOSED", "CLOSED" }, errors)
      assert.is_true(ticks.count > 0)
    end)

    it("closing the stream wakes its followers, and it can be read again", function()
      local stream = assert(orders:stream())
      local err = raised_by(function()
        for _ in stream:records { follow = true } do error "none" end
      end, function()
        loop.sleep(0.02)
        stream:close()
      end)
      assert.equal("CLOSED", err.code)
      err = raised_by(function()
        for _ in stream:transactions { follow = true } do error "none" end
      end, function()
        loop.sleep(0.02)
        stream:close()
      end)
      assert.equal("CLOSED", err.code)
      err = raised_by(function() stream:next(30) end, function()
        loop.sleep(0.02)
        stream:close()
      end)
      assert.equal("CLOSED", err.code)
      assert(orders:put { id = "a" })
      loop.run({ function() assert.equal("a", stream:next(10).keys.id) end })
    end)

    it("leaving a loop over a follower releases everything", function()
      collectgarbage()
      collectgarbage "stop" -- a collection would close what was left open
      local before, rounds = descriptors(), 0
      loop.run({ function()
        for _ = 1, 8 do
          local stream = assert(orders:stream { from = "LATEST" })
          assert(helper.first(stream:records { follow = true, from = "LATEST" }))
          assert(stream:next(10))
          stream:close()
          rounds = rounds + 1
        end
      end, function()
        local number = 0
        while rounds < 8 do
          number = number + 1
          assert(orders:put { id = tostring(number) })
          loop.sleep(0.001)
        end
      end })
      assert.equal(before, descriptors())
    end)

    it("Ctrl-C ends the loop", function()
      local child = helper.child(loop.program .. [[
        start(function()
          local stream = assert(db:table "orders":stream { wait = wait })
          assert(stream:next(0.01) == nil) -- the loop is running now
          print "in"
          for _ in stream:records { follow = true } do end
        end)
        local ok, err = pcall(run)
        print(ok, err)
        os.exit(true, true)
      ]])
      assert.equal("in", child:line())
      os.execute("kill -INT " .. child.pid)
      local said = child:close()
      assert.is_truthy(said:find(loop.says, 1, true), said)
      assert(orders:put { id = "a" })
    end)

    -- One descriptor is kept for the next wait.
    it("other coroutines run during a wait for another writer", function()
      collectgarbage()
      collectgarbage "stop"
      local before = descriptors()
      for i = 1, 3 do
        local child = helper.child [[
          db:transact(function(tx)
            pause()
            tx:table "orders":put { id = "theirs" }
          end, { time_limit = 60 })
        ]]
        child:paused()
        local stored = false
        local ticks, tick = ticker(loop, function() return stored end)
        loop.run({ tick, function()
          stored = orders:put { id = "mine", n = i }
        end, function()
          loop.sleep(0.05)
          child:go()
        end })
        assert.is_truthy(stored)
        assert.is_true(ticks.count > 0, ticks.count .. " ticks")
        assert.is_not_nil(orders:get { id = "theirs" })
        child:close()
        assert.equal(before + 1, descriptors())
      end
    end)

    -- Regression: the write came too late each time, because the other process had taken the lock
    -- again; some of 100 puts got BUSY hundreds of times. A writer with priority gets the lock when
    -- it is released.
    it("a write precedes a process that takes the lock repeatedly", function()
      local busy, most = 0, 0
      function core.put(...)
        local done, err, code = put(...)
        busy = code == "BUSY" and busy + 1 or 0
        most = math.max(most, busy)
        return done, err, code
      end
      local child = helper.child [[
        pause()
        while true do
          db:transact(function(tx)
            local made = tx:table "orders"
            for k = 1, 256 do made:put { id = "theirs" .. k, k = k } end
          end)
        end
      ]]
      child:paused()
      child:go()
      loop.run { function()
        for n = 1, 100 do
          assert(orders:put { id = "mine", n = n })
          loop.sleep(0.001)
        end
      end }
      child:kill()
      assert.is_true(most < 100, most .. " times BUSY")
    end)

    -- More coroutines wait than spare descriptors are kept; each gets the lock, and then the queue
    -- is empty.
    it("many coroutines that wait for another writer all succeed", function()
      local child = helper.child [[
        for i = 1, 200 do
          assert(db:transact(function(tx)
            for k = 1, 50 do tx:table "orders":put { id = "theirs", i = i, k = k } end
            return true
          end))
          if i == 1 then pause() end
        end
      ]]
      child:paused()
      collectgarbage()
      collectgarbage "stop"
      local before, functions, stored = descriptors(), {}, 0
      for i = 1, 12 do
        functions[i] = function()
          for n = 1, 10 do
            assert(orders:put { id = tostring(i), n = n })
            stored = stored + 1
            loop.sleep(0)
          end
        end
      end
      child:go()
      loop.run(functions)
      assert.equal(120, stored)
      child:close()
      assert.is_true(descriptors() <= before + 8)
    end)

    it("a wait for another writer returns BUSY after busy_timeout", function()
      local child = helper.child [[
        db:transact(pause, { time_limit = 60 })
      ]]
      child:paused()
      local impatient = helper.open { busy_timeout = 0.05, wait = loop.wait }
      local answered
      local _, tick = ticker(loop, function() return answered end)
      loop.run({ tick, function()
        local _, err = impatient:table "orders":put { id = "x" }
        answered = err
      end })
      assert.equal("BUSY", answered.code)
      assert.equal(child.pid, answered.pid)
      child:go()
      child:close()
    end)

    it("outside the loop the thread sleeps", function()
      assert.is_nil(assert(orders:stream()):next(0.01))
      assert(orders:put { id = "a" })
      assert.equal("a", assert(orders:stream()):next(10).keys.id)
    end)
  end)
end
