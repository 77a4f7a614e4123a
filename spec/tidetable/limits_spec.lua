-- limits_spec.lua - time limits of snapshots and transactions, and the end of an iterator.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local raises, collect = helper.raises, helper.collect

local db, orders

before_each(function()
  db = helper.open()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  local items = {}
  for i = 1, 1200 do items[i] = { id = ("%04d"):format(i) } end
  assert(orders:load(items))
end)

--- A process that reports whether this process holds a snapshot. A test in this process would use
--- the handle, which would release the snapshot.
local function watcher()
  return helper.child [[
    while true do
      pause()
      print(db:info().oldest_reader_pid or "none")
    end
  ]]
end

local function own_pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

local function is_held(child)
  child:paused()
  child:go()
  return child:line() == tostring(own_pid())
end

local function let_pass(seconds)
  local deadline = core.elapsed() + seconds + 0.01
  while core.elapsed() < deadline do end
end

local LIMIT = 0.02

--- Functions that open a snapshot with the limit LIMIT. Each returns a function that must fail with
--- TIMEOUT after the limit. They read nothing, because reading could exceed the limit on a slow
--- machine.
local holders = {
  ["a scan"] = function()
    return (orders:scan { snapshot = true, snapshot_limit = LIMIT })
  end,
  ["an optimistic transaction"] = function()
    local run = coroutine.wrap(function()
      return db:transact(function(tx)
        coroutine.yield()
        tx:table "orders"
      end, { mode = "optimistic", time_limit = LIMIT })
    end)
    run()
    return run
  end,
}

--- Calls of a handle that do not use the snapshot.
local uses = {
  put = function(_, t) assert(t:put { id = "a", n = core.elapsed() }) end,
  get = function(_, t) assert(t:get { id = "0001" }) end,
  delete = function(_, t) assert(t:delete { id = "a" }) end,
  ["another query"] = function(_, t) assert(t:query "0001" ()) end,
  ["a page"] = function(_, t) assert(t:scan_page { limit = 1 }) end,
  describe = function(_, t) assert(t:describe()) end,
  info = function(d) assert(d:info()) end,
  stream = function(_, t) assert(t:stream():records { limit = 1 } ()) end,
  transact = function(d) assert(d:transact(function() return true end)) end,
  load = function(_, t) assert(t:load { { id = "b" } }) end,
  sweep = function(d) assert(d:sweep()) end,
  sync = function(d) assert(d:sync()) end,
  list_tables = function(d) assert(d:list_tables()) end,
}

describe("a time limit on a snapshot", function()
  for held, hold in pairs(holders) do
    for name, use in pairs(uses) do
      it("of " .. held .. " is applied by the next use of the handle: " .. name,
        function()
          local child = watcher()
          local late = hold()
          assert.is_true(is_held(child))
          let_pass(LIMIT)
          assert.is_true(is_held(child))     -- an idle handle does nothing
          use(db, orders)
          assert.is_false(is_held(child))
          raises("TIMEOUT", late)
        end)
    end
  end

  it("is tested by a call on another handle of the same file", function()
    local child, other = watcher(), helper.open()
    local late = holders["a scan"]()
    let_pass(LIMIT)
    assert(other:table "orders":get { id = "0001" })
    assert.is_false(is_held(child))
    raises("TIMEOUT", late)
    raises("TIMEOUT", late)
  end)

  it("releases only the snapshots that are late", function()
    local child = watcher()
    local long = orders:scan { snapshot = true, snapshot_limit = 3600 }
    assert(long())
    local late = holders["a scan"]()
    let_pass(LIMIT)
    for i = 1, 1200 do assert(orders:delete { id = ("%04d"):format(i) }) end
    assert.is_true(is_held(child))
    local count = 1
    for _ in long do count = count + 1 end
    assert.equal(1200, count)
    assert.is_false(is_held(child))
    raises("TIMEOUT", late)
  end)

  it("keeps the file small while other code writes on the same handle", function()
    local late = holders["a scan"]()
    let_pass(LIMIT)
    local before = db:info().file_bytes
    for i = 1, 3000 do assert(orders:put { id = "0001", text = ("x"):rep(500), n = i }) end
    local grown = db:info().file_bytes - before
    assert.is_true(grown < 8 << 20, grown)  -- the records; with a snapshot about 40 MB
    raises("TIMEOUT", late)
  end)
end)

describe("an iterator over a snapshot", function()
  it("takes its snapshot as soon as another process frees a reader slot", function()
    local pin, tries = core.pin, 0
    core.pin = function(...)
      tries = tries + 1
      if tries < 3 then
        return nil, { code = "BUSY" }, "BUSY"
      end
      return pin(...)
    end
    local ok, iterator = pcall(orders.scan, orders, { snapshot = true })
    core.pin = pin
    assert.is_true(ok)
    assert.equal(3, tries)
    assert.equal("0001", iterator().id)
  end)

  it("releases it with the nil that ends the iteration", function()
    local child = watcher()
    for _, given in ipairs { {}, { limit = 5 }, { limit = 1100 }, { limit = 5000 },
        { descending = true }, { start_key = { id = "1190" } }, { start_key = { id = "9" } } } do
      given.snapshot = true
      local next_item = orders:scan(given)
      for _ in next_item do end
      assert.is_false(is_held(child))
      assert(orders:put { id = "99", n = core.elapsed() })
      assert.is_nil(next_item())
      assert(orders:delete { id = "99" })
    end
    local next_item = orders:query("0007", { snapshot = true })
    assert.equal("0007", next_item().id)
    assert.is_nil(next_item())
    assert.is_false(is_held(child))
  end)

  it("ends without TIMEOUT if the limit passes after the last page was read", function()
    local limit, ok, next_item = LIMIT
    repeat
      limit = limit * 2
      next_item = orders:query("0007", { snapshot = true, snapshot_limit = limit })
      ok = pcall(next_item)
    until ok
    let_pass(limit)
    assert.is_nil(next_item())
  end)

  it("inside a transaction reads from the transaction", function()
    db:transact(function(tx)
      local items = tx:table "orders"
      local count = 0
      for item in items:scan { snapshot = true } do
        count = count + 1
        items:delete(item)
      end
      assert.equal(1200, count)
      assert.is_nil(items:scan { snapshot = true } ())
    end)
  end)

  it("that has ended holds no snapshot while the map grows", function()
    local small = helper.open({ max_size = "8 MiB" }, helper.path "small.tide")
    local items = assert(small:create_table { name = "items", partition_key = "id" })
    assert(items:put { id = "a" })
    local next_item = items:scan { snapshot = true }
    for _ in next_item do end
    helper.child(([[
      db = assert(tidetable.open(%q, { durability = "none", max_size = "1 GiB" }))
      local items = assert(db:table "items")
      for i = 1, 400 do assert(items:put { id = "n" .. i, text = ("x"):rep(300000) }) end
    ]]):format(helper.path "small.tide")):close()
    assert.equal("a", items:get({ id = "a" }).id)
    assert.equal(401, #collect(items:scan()))
    assert.is_nil(next_item())
  end)
end)

describe("the time limit of a locked transaction", function()
  local TOO_LONG = 20 -- seconds; only reached if the limit fails

  local function loop()
    local stop = os.clock() + TOO_LONG
    while os.clock() < stop do end
    return "not interrupted"
  end

  local function transact(f, limit)
    return raises("TIMEOUT", db.transact, db, f, { time_limit = limit })
  end

  --- Calls that a coroutine makes before its endless loop, by name.
  local calls = {
    ["a method of the transaction's table"] = function(t) t:get { id = "0001" } end,
    ["the transaction"] = function(_, tx) tx:table "orders" end,
    ["the database"] = function() db:list_tables() end,
    ["another database"] = function(_, _, other) other:list_tables() end,
    ["an iterator"] = function(t) t:scan()() end,
    ["the clock of limits"] = function() core.elapsed() end,
  }
  for name, call in pairs(calls) do
    it("applies in an older coroutine, from its first call on: " .. name, function()
      local other = helper.memory()
      local thread = coroutine.create(function()
        local t, tx = coroutine.yield()
        call(t, tx, other)
        return loop()
      end)
      assert(coroutine.resume(thread))
      local limit, ok, err = LIMIT
      repeat -- until it gets this far within the limit
        limit = limit * 2
        transact(function(tx)
          ok, err = coroutine.resume(thread, tx:table "orders", tx)
          loop()
        end, limit)
      until ok ~= nil
      assert.is_false(ok)
      assert.equal("TIMEOUT", err.code)
      assert.is_nil(debug.gethook(thread))
      assert.is_nil(debug.gethook())
      assert(orders:put { id = "on it goes" })
    end)
  end

  it("leaves no hook in coroutines that outlive it, and keeps the program's hook", function()
    local function mine() end
    local function work()
      while true do coroutine.yield(orders:get { id = "0001" }) end
    end
    local older, hooked = coroutine.create(work), coroutine.create(work)
    local created
    debug.sethook(hooked, mine, "", 1000)
    assert(coroutine.resume(older))
    assert(db:transact(function(tx)
      assert(tx:table "orders":put { id = "x" })
      created = coroutine.create(function()
        coroutine.yield()
        for _ = 1, 100000 do assert(true) end
        return debug.gethook() == nil
      end)
      for _, thread in ipairs { older, hooked, created } do assert(coroutine.resume(thread)) end
      assert.is_not_nil(debug.gethook(older))
      assert.equal(mine, (debug.gethook(hooked)))
      return true
    end))
    assert.is_nil(debug.gethook(older))
    assert.equal(mine, (debug.gethook(hooked)))
    -- A coroutine created inside has inherited the hook, and loses it at its next call.
    assert.same({ true, true }, { coroutine.resume(created) })
  end)

  it("does not prevent the collection of coroutines", function()
    local seen = setmetatable({}, { __mode = "k" })
    assert(db:transact(function(tx)
      tx:table "orders":put { id = "y" }
      return true
    end))
    do
      local thread = coroutine.create(function()
        coroutine.yield()
        orders:get { id = "0001" }
      end)
      coroutine.resume(thread)
      seen[thread] = true
      assert(db:transact(function() return coroutine.resume(thread) end))
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(seen))
  end)

  it("of an outer transaction ends an inner one of another database", function()
    local other = helper.memory()
    local limit, begun, finished = LIMIT
    repeat
      limit = limit * 2
      transact(function()
        other:transact(function()
          begun = true
          loop()
          finished = true
        end, { time_limit = TOO_LONG })
      end, limit)
    until begun
    assert.is_nil(finished)
    assert(other:transact(function() return true end))
    assert.is_nil(debug.gethook())
  end)
end)
