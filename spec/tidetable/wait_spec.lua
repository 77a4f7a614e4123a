-- wait_spec.lua - wakeups (doc/modules/wait.md) and waiting (doc/modules/stream.md).
local cqueues = require "cqueues"

local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local raises = helper.raises
local elapsed = require "tidetable.core".elapsed

local db, orders

before_each(function()
  db = helper.open()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

-- Returns true if the descriptor is readable now.
local function is_ready(wakeup)
  return cqueues.poll({ pollfd = wakeup:pollfd(), events = "r" }, 0) ~= 0
end

-- Runs the functions as coroutines of one controller, to the end.
local function loop(...)
  local controller = cqueues.new()
  for _, f in ipairs { ... } do controller:wrap(f) end
  assert(controller:loop(30))
  assert.is_true(controller:empty(), "the loop did not end in 30 seconds")
end

describe("a wakeup", function()
  it("has the methods that event loops call", function()
    local wakeup <close> = assert(db:wakeup())
    assert.equal("integer", math.type(wakeup:pollfd()))
    assert.equal("r", wakeup:events())
    assert.equal(1, wakeup:timeout())
    assert.is_truthy(tostring(wakeup):find("^tidetable.wakeup: "))
    local other <close> = assert(orders:stream():wakeup())
    assert.are_not.equal(wakeup:pollfd(), other:pollfd())
  end)

  it("becomes readable with a commit, until it is cleared", function()
    local wakeup <close> = assert(db:wakeup())
    wakeup:clear()
    assert.is_false(is_ready(wakeup))
    assert(orders:put { id = "a" })
    assert.is_true(is_ready(wakeup))
    assert.is_true(is_ready(wakeup))
    wakeup:clear()
    assert.is_false(is_ready(wakeup))
    db:transact(function(tx)
      tx:table "orders":put { id = "b" }
      assert.is_false(is_ready(wakeup))
    end)
    assert.is_true(is_ready(wakeup))
  end)

  it("becomes readable with commits of other handles and processes", function()
    local wakeup <close> = assert(db:wakeup())
    local other = helper.open()
    wakeup:clear()
    assert(other:table "orders":put { id = "a" })
    assert.is_true(is_ready(wakeup))
    wakeup:clear()
    local child = helper.child [[ db:table "orders":put { id = "b" }; print "done" ]]
    assert.equal("done", child:line())
    assert.is_true(is_ready(wakeup))
  end)

  it("becomes readable for all waiters", function()
    local wakeups = {}
    for i = 1, 5 do
      wakeups[i] = assert(db:wakeup())
      wakeups[i]:clear()
    end
    assert(orders:put { id = "a" })
    for i = 1, 5 do
      assert.is_true(is_ready(wakeups[i]))
      wakeups[i]:close()
    end
  end)

  it("wait sleeps until a commit, or for the given seconds", function()
    local wakeup <close> = assert(db:wakeup())
    local before = elapsed()
    wakeup:wait(0.1)
    assert.is_true(elapsed() - before > 0.098)
    before = elapsed()
    for _ = 1, 20 do wakeup:wait(0) end
    assert.is_true(elapsed() - before < 10)      -- not a second for each
    before = elapsed()
    wakeup:wait()
    assert.is_true(elapsed() - before < 30)
  end)

  -- Regression: it slept until the next commit, and missed the one after clear.
  it("wait returns true after a commit since clear, as often as it is called", function()
    local wakeup <close> = assert(db:wakeup())
    wakeup:clear()
    assert.is_false(wakeup:wait(0))
    assert(orders:put { id = "a" })
    assert.is_true(wakeup:wait(0))
    assert.is_true(wakeup:wait())
    wakeup:clear()
    assert.is_false(wakeup:wait(0.01))
    assert.is_false(wakeup:wait(0.0))
    for _, wrong in ipairs { "soon", -1, 0 / 0, -math.huge } do
      helper.blames("wait: seconds must be a number of seconds from 0, got ", function()
        wakeup:wait(wrong)
      end)
    end
    assert(orders:put { id = "b" })
    assert.is_true(wakeup:wait(math.huge))
  end)

  it("can be closed twice, and then raises CLOSED", function()
    local wakeup = assert(db:wakeup())
    wakeup:close()
    wakeup:close()
    for _, name in ipairs { "pollfd", "clear" } do raises("CLOSED", wakeup[name], wakeup) end
    raises("CLOSED", wakeup.wait, wakeup, 0)
  end)

  -- Regression: any value was accepted; calling it failed, and wakeup and database stayed open.
  it("on_close accepts a function or nil", function()
    local wakeup <close> = assert(db:wakeup())
    helper.blames("on_close: expected a function, got string", function()
      wakeup:on_close "soon"
    end)
    helper.blames("on_close: expected a function, got boolean", function()
      wakeup:on_close(false)
    end)
    wakeup:on_close(nil)
  end)

  -- Regression: the wakeup, the others and the database stayed open.
  it("is closed even if on_close raises an error, and so is the database", function()
    local one = assert(db:wakeup())
    one:on_close(function() error("mine", 0) end)
    assert.are.same({ false, "mine" }, { pcall(one.close, one) })
    raises("CLOSED", one.pollfd, one)
    local calls, all = 0, {}
    for i = 1, 3 do
      all[i] = assert(db:wakeup())
      all[i]:on_close(function()
        calls = calls + 1
        error("mine", 0)
      end)
    end
    assert.are.same({ false, "mine" }, { pcall(db.close, db) })
    assert.equal(3, calls)
    raises("CLOSED", db.info, db)
    for i = 1, 3 do raises("CLOSED", all[i].pollfd, all[i]) end
    db:close()
  end)

  it("can be used as the page shows", function()
    local stream, last, seen = assert(orders:stream()), 0, 0
    local wakeup <close> = assert(db:wakeup())
    local child = helper.child [[
      for i = 1, 50 do db:table "orders":put { id = tostring(i) } end
    ]]
    while seen < 50 do
      wakeup:clear()
      for record in stream:records { after = last } do
        last, seen = record.sequence_number, seen + 1
      end
      if seen < 50 then
        cqueues.poll({ pollfd = wakeup:pollfd(), events = "r" }, wakeup:timeout())
      end
    end
    assert.equal(50, seen)
    child:close()
  end)

  it("wakes a cqueues coroutine that polls it", function()
    local woken
    loop(function()
      local wakeup <close> = assert(db:wakeup())
      wakeup:clear()
      woken = cqueues.poll(wakeup, 20) == wakeup
    end, function()
      cqueues.sleep(0.02)
      assert(orders:put { id = "a" })
    end)
    assert.is_true(woken)
  end)

  it("cancels the poll of a cqueues loop when it is closed", function()
    local before = elapsed()
    local wakeup = assert(db:wakeup())
    loop(function()
      cqueues.poll({ pollfd = wakeup:pollfd(), events = "r" }, 20)
    end, function()
      cqueues.sleep(0.01)
      wakeup:close()
    end)
    assert.is_true(elapsed() - before < 10)
  end)
end)

-- Regression: they woke every reader and the process itself. A worker that called `transact` and
-- waited on a wakeup never slept.
describe("a transaction that changes nothing", function()
  local function changes_nothing(name, f)
    it("wakes no reader: " .. name, function()
      assert(orders:put { id = "there" })
      local wakeup <close> = assert(db:wakeup())
      local of_stream <close> = assert(orders:stream():wakeup())
      wakeup:clear()
      of_stream:clear()
      f()
      assert.is_false(wakeup:wait(0))
      assert.is_false(of_stream:wait(0))
      assert(orders:put { id = "new" })
      assert.is_true(wakeup:wait(0))
      assert.is_true(of_stream:wait(0))
    end)
  end

  local function reads(tx)
    tx:table "orders":get { id = "there" }
  end

  changes_nothing("a get", function() orders:get { id = "there" } end)
  changes_nothing("one that reads", function() assert(db:transact(reads)) end)
  changes_nothing("an optimistic one that reads", function()
    assert(db:transact(reads, { mode = "optimistic" }))
  end)
  changes_nothing("one that is aborted", function()
    assert.is_false(pcall(db.transact, db, function(tx)
      tx:table "orders":put { id = "x" }
      error "mine"
    end))
  end)
  changes_nothing("an equal put", function() assert(orders:put { id = "there" }) end)
  changes_nothing("a delete of nothing", function() assert(orders:delete { id = "x" }) end)
  changes_nothing("a trim of nothing", function() assert(db:sweep()) end)
  changes_nothing("a refused put", function()
    helper.refused("VALIDATION", orders:put { id = 1 })
  end)
end)

-- Each check of the stream, which begins a read transaction and may find nothing, is a call of
-- try_record.
describe("waiting on a stream", function()
  local core = require "tidetable.core"
  local try_record, looks, other = core.try_record, 0, nil

  after_each(function() core.try_record = try_record end)

  before_each(function()
    looks = 0
    function core.try_record(...)
      looks = looks + 1
      return try_record(...)
    end
    other = assert(db:create_table { name = "other", partition_key = "id", stream = true })
  end)

  local PUTS = 1000

  -- A child commits to another table, then to this one; checks are counted in between.
  local function while_others_commit(read)
    local child = helper.child(([[
      pause()
      for i = 1, %d do assert(db:table "other":put { id = "a", n = i }) end
      assert(db:table "orders":put { id = "last" })
    ]]):format(PUTS))
    child:paused()
    local before = elapsed()
    child:go()
    assert.equal("last", read().keys.id)
    local seconds = elapsed() - before
    assert.is_true(looks <= 3 + seconds, looks .. " looks")
    child:close()
  end

  it("a thread does not check after commits to other tables", function()
    local stream = assert(orders:stream { from = "LATEST" })
    while_others_commit(function() return stream:next(60) end)
  end)

  it("a coroutine in an event loop does not either", function()
    local stream = assert(orders:stream { from = "LATEST" })
    while_others_commit(function()
      local record
      loop(function() record = stream:next(60) end)
      return record
    end)
  end)

  it("ends after the timeout, without a check, if only other tables change", function()
    local stream = assert(orders:stream { from = "LATEST", wait = function()
      assert(other:put { id = tostring(looks) })
    end })
    assert.is_nil(stream:next(0))
    looks = 0
    assert.is_nil(stream:next(0.05))
    assert.equal(1, looks)
  end)

  it("of all tables returns for each of them", function()
    local stream = assert(db:stream { from = "LATEST", wait = function()
      assert(other:put { id = "a" })
    end })
    assert.equal("a", stream:next(30).keys.id)
    assert.equal(2, looks)
  end)

  -- A writer that is killed between its commit and the notification wakes no reader.
  it("checks once a second if there were commits", function()
    local stream = assert(orders:stream { from = "LATEST", wait = function()
      assert(other:put { id = tostring(elapsed()) })
    end })
    looks = 0
    local before = elapsed()
    assert.is_nil(stream:next(2.5))
    assert.is_true(looks >= 2, looks .. " looks")
    assert.is_true(looks <= 2 + elapsed() - before, looks .. " looks")
  end)

  it("ends for a change of the tables, too", function()
    local done = false
    local stream = assert(orders:stream { from = "LATEST", wait = function()
      done = done or assert(other:disable_stream())
    end })
    stream:next(0.2)
    assert.equal(2, looks)
  end)
end)

describe("in a coroutine of a cqueues loop", function()
  it("a follower yields while others run, and a writer there wakes it", function()
    local seen, ticks, done = {}, 0, false
    loop(function()
      for record in orders:stream():records { follow = true, limit = 3 } do
        seen[#seen + 1] = record.keys.id
      end
      done = true
    end, function()
      while not done do
        ticks = ticks + 1
        cqueues.sleep(0.001)
      end
    end, function()
      for i = 1, 3 do
        cqueues.sleep(0.02)
        assert(orders:put { id = tostring(i) })
      end
    end)
    assert.are.same({ "1", "2", "3" }, seen)
    assert.is_true(ticks >= 3, ticks .. " ticks")
  end)

  it("another process wakes it at once", function()
    local child = helper.child [[
      pause()
      db:table "orders":put { id = "theirs" }
    ]]
    child:paused()
    local id, ticks = nil, 0
    loop(function()
      id = assert(orders:stream { from = "LATEST" }):next(20).keys.id
    end, function()
      cqueues.sleep(0.02)
      child:go()
      while not id do
        ticks = ticks + 1
        cqueues.sleep(0.001)
      end
    end)
    assert.equal("theirs", id)
    child:close()
  end)

  it("many followers are woken, each at its own position", function()
    local counts, followers = {}, {}
    for i = 1, 10 do
      followers[i] = function()
        counts[i] = 0
        for _ in db:stream():records { follow = true, limit = 20 } do counts[i] = counts[i] + 1 end
      end
    end
    followers[11] = function()
      for i = 1, 20 do
        assert(orders:put { id = tostring(i) })
        cqueues.sleep(0)
      end
    end
    loop(table.unpack(followers))
    for i = 1, 10 do assert.equal(20, counts[i]) end
  end)

  it("where no coroutine can yield, the thread sleeps", function()
    local record = true
    loop(function()
      (" "):gsub(".", function()
        record = assert(orders:stream()):next(0.01)
        assert(tidetable.check(db.path))
      end)
    end)
    assert.is_nil(record)
  end)

  it("timeouts hold", function()
    local before, record = elapsed(), nil
    loop(function()
      record = assert(orders:stream()):next(0.1)
      for _ in orders:stream():records { follow = true, timeout = 0.1 } do error "none" end
    end)
    assert.is_nil(record)
    assert.is_true(elapsed() - before > 0.198)
    assert.is_true(elapsed() - before < 30)
  end)

  it("waiting for another writer yields too", function()
    local child = helper.child [[
      db:transact(function(tx)
        pause()
        tx:table "orders":put { id = "theirs" }
      end, { time_limit = 60 })
    ]]
    child:paused()
    local ticks, stored = 0, false
    loop(function()
      stored = orders:put { id = "mine" }
    end, function()
      while not stored do
        ticks = ticks + 1
        if ticks == 50 then child:go() end
        cqueues.sleep(0.001)
      end
    end)
    assert.equal(3, stored)
    assert.is_true(ticks >= 50)
    assert.is_not_nil(orders:get { id = "theirs" })
    child:close()
  end)

  it("and returns BUSY after busy_timeout", function()
    local child = helper.child [[
      db:transact(pause, { time_limit = 60 })
    ]]
    child:paused()
    local impatient = helper.open { busy_timeout = 0.1 }
    local ticks, answered = 0, nil
    loop(function()
      local _, err = impatient:table("orders"):put { id = "x" }
      answered = err
    end, function()
      while not answered do
        ticks = ticks + 1
        cqueues.sleep(0.001)
      end
    end)
    assert.equal("BUSY", answered.code)
    assert.equal(child.pid, answered.pid)
    assert.is_true(ticks >= 2)
    child:go()
    child:close()
  end)

  it("a generator of the program returns records only", function()
    local seen = {}
    loop(function()
      local generate = coroutine.wrap(function()
        for record in orders:stream():records { follow = true, limit = 3, timeout = 5 } do
          coroutine.yield(record)
        end
      end)
      assert(orders:put { id = "1" })
      seen[1] = generate()
      assert(orders:put { id = "2" })
      seen[2] = generate()
      assert(orders:put { id = "3" })
      seen[3] = generate()
    end)
    for i = 1, 3 do
      assert.equal(("INSERT %d orders"):format(i + 1), tostring(seen[i]))
      assert.equal(tostring(i), seen[i].keys.id)
    end
  end)

  it("a generator of the program without records sleeps, and does not yield", function()
    local given
    loop(function()
      local generate = coroutine.wrap(function()
        for record in orders:stream():records { follow = true, timeout = 0.05 } do
          coroutine.yield(record)
        end
        return "the end"
      end)
      assert(orders:put { id = "1" })
      given = { generate().keys.id, generate() }
    end)
    assert.same({ "1", "the end" }, given)
  end)

  it("closing the database ends a follower with CLOSED", function()
    local err
    loop(function()
      local ok
      ok, err = pcall(function()
        for _ in orders:stream():records { follow = true } do error "none" end
      end)
      assert.is_false(ok)
    end, function()
      cqueues.sleep(0.02)
      db:close()
    end)
    assert.equal("CLOSED", err.code)
  end)
end)

describe("outside an event loop", function()
  -- A sleep that misses the commit ends too, but after a second. Without a filter the check and the
  -- sleep are one call of the core.
  it("a commit between the check and the sleep ends the sleep", function()
    local core = require "tidetable.core"
    local sleep, slept = core.wait_feed, 0
    finally(function() core.wait_feed = sleep end)
    function core.wait_feed(...)
      slept = slept + 1
      assert(orders:put { id = tostring(slept) })
      return sleep(...)
    end
    local stream = assert(orders:stream { filter = "event_name = ?", "INSERT" })
    local before = elapsed()
    for i = 1, 20 do assert.equal(tostring(i), stream:next(30).keys.id) end
    assert.equal(20, slept)
    assert.is_true(elapsed() - before < 10)
  end)

  it("commits of another process end the sleeps", function()
    local stream, before = assert(orders:stream()), elapsed()
    local child = helper.child [[
      for i = 1, 100 do
        assert(db:table "orders":put { id = tostring(i) })
        for _ = 1, i % 7 * 3000 do local _ = i end
      end
    ]]
    for i = 1, 100 do assert.equal(tostring(i), stream:next(30).keys.id) end
    assert.is_true(elapsed() - before < 50)
    child:close()
  end)

  it("a coroutine of an unknown scheduler never yields to it", function()
    local co = coroutine.wrap(function()
      local count = 0
      for _ in orders:stream():records { follow = true, timeout = 0.05 } do count = count + 1 end
      return "end", count
    end)
    assert(orders:put { id = "a" })
    local what, count = co()
    assert.equal("end", what)
    assert.equal(1, count)
  end)
end)

describe("yielding", function()
  it("yields where a coroutine can, for at most the given seconds, and sleeps elsewhere", function()
    local wait, yielded = require "tidetable.wait".yielding(function(_, seconds)
      coroutine.yield(seconds)
    end), {}
    local wakeup <close> = assert(db:wakeup())
    for _, seconds in ipairs { 0.25, 100, false } do
      yielded[#yielded + 1] = coroutine.wrap(wait)(wakeup, seconds or nil)
    end
    assert.are.same({ 0.25, 1, 1 }, yielded)
    local before = elapsed()
    wait(wakeup, 0.05)
    assert.is_true(elapsed() - before > 0.048)
  end)
end)

describe("a wait function", function()
  it("is called when there is nothing to read, with the wakeup and the seconds left", function()
    local calls, ids, puts = {}, {}, 0
    local function wait(wakeup, seconds)
      calls[#calls + 1] = seconds or "no limit"
      assert.equal("integer", math.type(wakeup:pollfd()))
      assert.equal("r", wakeup:events())
      puts = puts + 1
      assert(orders:put { id = tostring(puts) })
    end
    for record in orders:stream():records { follow = true, limit = 2, wait = wait } do
      ids[#ids + 1] = record.keys.id
    end
    assert.are.same({ "1", "2" }, ids)
    assert.are.same({ "no limit", "no limit" }, calls)
    calls = {}
    assert.equal("3", assert(orders:stream { from = "LATEST", wait = wait }):next(90).keys.id)
    assert.equal(1, #calls)
    assert.is_true(calls[1] > 30 and calls[1] < 90.001) -- (t + 90) - t is rounded
  end)

  it("of a call precedes the stream's, and that the database's", function()
    local called = {}
    local function wait(name)
      return function() called[#called + 1] = name end
    end
    local other = helper.open { wait = wait "open's" }
    local stream = assert(assert(other:table "orders"):stream { wait = wait "the stream's" })
    local function follow(own)
      called = {}
      helper.collect(stream:records { follow = true, timeout = 0.01, wait = own })
      return called[1]
    end
    assert.equal("the call's", follow(wait "the call's"))
    assert.equal("the stream's", follow())
    assert.equal("the stream's", (function()
      called = {}
      stream:next(0.01)
      return called[1]
    end)())
  end)

  it("gets a wakeup that is not readable for commits already read", function()
    local ready = {}
    local stream = assert(orders:stream { wait = function(wakeup)
      ready[#ready + 1] = is_ready(wakeup)
      assert(orders:put { id = tostring(#ready) })
    end })
    for i = 1, 5 do assert.equal(tostring(i), stream:next(30).keys.id) end
    assert.same({ false, false, false, false, false }, ready)
  end)

  -- A commit between the last check and clear does not make the wakeup readable.
  it("is not called if a commit came before the wakeup was cleared", function()
    local class = getmetatable(assert(db:wakeup()))
    local clear, cleared = class.clear, 0
    finally(function() class.clear = clear end)
    function class:clear()
      cleared = cleared + 1
      assert(orders:put { id = tostring(cleared) })
      clear(self)
    end
    for i = 1, 5 do
      local stream = assert(orders:stream { from = "LATEST",
        wait = function() error "there was something" end })
      assert.equal(tostring(i), stream:next(30).keys.id)
    end
    assert.equal(5, cleared)
  end)

  it("may return early, many times", function()
    local calls = 0
    local record = assert(orders:stream { wait = function()
      calls = calls + 1
      if calls == 10 then assert(orders:put { id = "a" }) end
    end }):next(30)
    assert.equal("a", record.keys.id)
    assert.equal(10, calls)
  end)

  it("may yield to the program's scheduler", function()
    local co = coroutine.wrap(function()
      local stream = assert(orders:stream { wait = function() coroutine.yield "waiting" end })
      return stream:next(30).keys.id
    end)
    assert.equal("waiting", co())
    assert.equal("waiting", co())
    assert(orders:put { id = "a" })
    assert.equal("a", co())
  end)

  it("of open serves all streams and waits for writers; that of a call precedes it", function()
    local opened, own = 0, 0
    local other = helper.open { busy_timeout = 0.2, wait = function(_, seconds)
      opened = opened + 1
      assert.is_true(seconds == nil or seconds <= 0.2)
    end }
    local theirs = assert(other:table "orders")
    local stream = assert(theirs:stream())
    assert.is_nil(stream:next(0.01))
    assert.is_true(opened > 0)
    opened = 0
    assert.are.same({}, helper.collect(stream:records { follow = true, timeout = 0.01,
      wait = function() own = own + 1 end }))
    assert.equal(0, opened)
    assert.is_true(own > 0)
    db:transact(function()
      helper.refused("BUSY", theirs:put { id = "a" })
    end)
    assert.is_true(opened > 0)
  end)

  it("that raises an error ends the loop with it, and closes the iterator", function()
    local ok, err = pcall(function()
      for _ in orders:stream():records { follow = true, wait = function() error "mine" end } do
        error "none"
      end
    end)
    assert.is_false(ok)
    assert.is_truthy(err:find("mine", 1, true))
  end)
end)

-- Regression: it raised an error, although a wait that needs a descriptor may fail.
describe("without a descriptor for the wakeup", function()
  local NONE_LEFT = [[
    local other = assert(tidetable.open(path, { busy_timeout = 0.2, durability = "none",
      wait = function() end }))
    local orders = assert(other:table "orders")
    local stream, files = assert(orders:stream { from = "LATEST" }), {}
    repeat
      local file = io.open "/dev/null"
      files[#files + 1] = file
    until not file
  ]]

  local function says(code)
    return helper.child(NONE_LEFT .. code, "ulimit -n 64"):close()
  end

  it("a put that has to wait for a writer returns the error", function()
    assert.equal("true\tnil\tSTORE\t24\n", says [[
      db:transact(function()
        local ok, done, err, code = pcall(orders.put, orders, { id = "a" })
        print(ok, done, code, err.errno)
      end)
    ]])
  end)

  it("a stream's next and next_transaction return it, and its iterators raise it", function()
    assert.equal(("true\tnil\tSTORE\t24\n"):rep(2) .. "false\tSTORE\n", says [[
      for _, name in ipairs { "next", "next_transaction" } do
        local ok, done, err, code = pcall(stream[name], stream, 0.1)
        print(ok, done, code, err.errno)
      end
      local ok, err = pcall(stream:records { follow = true, from = "LATEST" })
      print(ok, err.code)
    ]])
  end)
end)
