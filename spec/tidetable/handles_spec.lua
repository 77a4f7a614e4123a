-- handles_spec.lua - functions with a wrong handle as argument; handles that are dropped.
--
-- No value that a script can create may crash the process. A wrong self is an argument error. The
-- resources of dropped handles are released, although Lua's collector does not know their size.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local raises, misuse = helper.raises, helper.misuse

--- Returns a database with a table, and one userdata of each kind that a script can reach.
local function handles()
  local db = helper.open()
  local items = assert(db:create_table { name = "items", partition_key = "id",
    sort_key = { "n", "N" }, stream = true })
  assert(items:put { id = "a", n = 1 })
  local _, _, _, query = items:scan()
  local _, _, _, feed = items:stream():records()
  return db, items, {
    database = db.core, table = items.core, query = query, feed = feed,
    wakeup = assert(db:wakeup()).core, snapshot = core.snapshot(db.core, 60), batch = core.batch(),
    record = items:stream():next(), clock = tidetable.manual_clock(1),
    check = core.check_file(db.path),
    number = tidetable.number "1.5", binary = tidetable.binary(("\0"):rep(4096)),
    short = tidetable.binary "", null = tidetable.null, file = io.stdout, closed = io.tmpfile(),
    text = "items", table_of = {}, integer = 1,
  }
end

--- Functions that would wait, read from a descriptor if called with a number, or change the output
--- or the signals of this process.
local waits = { wait_writer = true, wakeup_wait = true, wait_feed = true, read_input = true,
  terminal_wait = true, library = true, unknown_field = true, check_file = true,
  unknown_method = true, redirect_output = true, publish_output = true, catch_signals = true }

describe("a function of the core", function()
  it("checks each argument against values of every type", function()
    local _, _, all = handles()
    all.closed:close()
    local functions, calls = {}, 0
    for name, f in pairs(core) do
      functions[name] = type(f) == "function" and not waits[name] and f or nil
    end
    for name, f in pairs(core.values) do
      functions[name] = type(f) == "function" and f or nil
    end
    functions.next_field = pairs(all.record)
    functions.next_item = core.items(all.query)
    for _, f in pairs(functions) do
      for _, first in pairs(all) do
        if first ~= all.database then
          pcall(f, first)
          for _, second in pairs(all) do
            pcall(f, first, second)
            pcall(f, first, second, first, second, 0, 1, 2, second, first)
            calls = calls + 1
          end
        end
      end
      pcall(f)
    end
    assert.is_true(calls > 10000)
  end)

  it("refuses integers out of range", function()
    local db = helper.memory()
    for _, wrong in ipairs { -1, 3, 5, 1 << 32, math.mininteger, math.maxinteger } do
      misuse("out of range", core.open, nil, false, true, wrong, 0)
      misuse("out of range", core.feed, db.core, 0, (wrong == 3 or wrong == 5) and 7 or wrong, 0)
    end
  end)

  it("refuses a query that is pinned twice, and a snapshot of another database", function()
    local db, items, all = handles()
    local other = helper.memory()
    local query = assert(core.query(items.core, nil, "all"))
    assert.equal(query, core.pin(query, 1))
    misuse("expected a query without a snapshot", core.pin, query, 1)
    local foreign = core.snapshot(other.core, 60)
    misuse("expected a snapshot of the table's database", core.query, items.core, nil, "all", nil,
      nil, false, nil, 1, foreign)
    misuse("expected a table of the snapshot's database", core.get_at, foreign, items.core, "")
    misuse("expected the bytes of an item", core.get_at, all.snapshot, items.core, "\5")
    db:transact(function()
      misuse("expected the bytes of an item", core.apply, items.core, "\5", false)
      misuse("expected the bytes of an item", core.version_of, items.core, ("x"):rep(1 << 20))
    end)
    query = assert(core.query(items.core, nil, "all", nil, nil, false, nil, 1, all.snapshot))
    core.rewind(query)
    misuse("not rewound", core.next_versioned, query, true)
    misuse("function expected", core.transact, db.core, 1)
  end)
end)

describe("deferred updates", function()
  it("refuse wrong handles, and what defer_update has not made", function()
    local db, items, all = handles()
    local other = helper.memory()
    local key = { id = "x", n = 1 }
    local function defer(snapshot, last, ...)
      return core.defer_update(snapshot, items.core, key, "ADD m ?", { 1 }, last, ...)
    end
    misuse("expected a table of the snapshot's database", defer, core.snapshot(other.core, 60), {})
    misuse("table expected", defer, all.snapshot, nil)
    local sortable, write = defer(all.snapshot, {})
    assert.is_string(sortable)
    assert.equal(0, write.version)
    misuse("expected the bytes of an item", defer, all.snapshot, { [sortable] = { bytes = "\5" } })
    misuse("string expected", defer, all.snapshot, { [sortable] = {} })
    assert.is_nil((select(2, defer(all.snapshot, { [sortable] = { absent = true } })).version))
    helper.raises("CLOSED", core.apply_update, items.core, write)
    db:transact(function()
      misuse("table expected", core.apply_update, items.core, "write")
      misuse("string expected", core.apply_update, items.core, {})
      misuse("expected the bytes of an item", core.apply_update, items.core, { key = "\5" })
      misuse("expected an update", core.apply_update, items.core,
        { key = write.key, expression = "ADD m ?" })
      assert.is_true(core.apply_update(items.core, write))
    end)
    assert.equal(1, items:get(key).m)
    core.finish(all.snapshot)
    helper.raises("CLOSED", defer, all.snapshot, {})
  end)
end)

describe("a metatable that a script can read", function()
  it("allows no construction of invalid values", function()
    local forged = {}
    for key, value in pairs(getmetatable(tidetable.list {})) do forged[key] = value end
    for kind = 0, 12 do
      for key in pairs(forged) do
        local mark = type(key) == "userdata" and key or "mark"
        local fake = setmetatable({}, { [mark] = kind })
        assert.is_false((pcall(function() return tidetable.number(1) + fake end)))
        assert.is_false((pcall(function() return tidetable.binary "x" .. fake end)))
        assert.is_nil(tidetable.type(fake))
      end
    end
  end)
end)

describe("pairs(record)", function()
  it("returns a function that refuses everything except a table", function()
    local _, items = handles()
    local next_field = pairs(assert(items:stream():next()))
    misuse("table expected", next_field)
    misuse("table expected", next_field, io.stdout)
    misuse("table expected", next_field, items.core, "id")
  end)
end)

describe("close", function()
  it("of a wakeup or a reader refuses another object", function()
    local db, items = handles()
    local wakeup <close> = assert(db:wakeup())
    helper.blames("close: call it with a colon: wakeup:close(...)", function()
      wakeup.close(db)
    end)
    misuse("wakeup:clear(...)", wakeup.clear, { core = db.core })
    local _, _, _, reader = items:stream():records { follow = true }
    misuse("reader:close(...)", reader.close, { core = items.core })
    reader:close()
    for _, other in ipairs { db.core, items.core, tidetable.null, io.stdout } do
      misuse("query, feed, wakeup, waiter, snapshot, backup or checkup expected",
        core.finish, other)
    end
    assert.is_truthy(items:put { id = "b", n = 1 })
  end)

  it("of the core's handle in a transaction returns NESTED for every way to call it", function()
    local db, items = handles()
    db:transact(function(tx)
      raises("NESTED", function() local _core <close> = db.core end)
      raises("NESTED", function()
        for _ in pairs {}, {}, nil, db.core do error "not reached" end
      end)
      local co = coroutine.create(function()
        local _core <close> = db.core
        coroutine.yield()
      end)
      coroutine.resume(co)
      local closed, err = coroutine.close(co)
      assert.is_false(closed)
      assert.equal("NESTED", err.code)
      tx:table "items":put { id = "b", n = 1 }
    end)
    assert.is_not_nil(items:get { id = "b", n = 1 })
    do local _core <close> = db.core end
    raises("CLOSED", items.get, items, { id = "b", n = 1 })
  end)

  it("by the collector during a transaction does not affect the transaction", function()
    local db, items = handles()
    for _ = 1, 20 do
      tidetable.open(db.path, { durability = "none" })
    end
    db:transact(function(tx)
      collectgarbage()
      tx:table "items":put { id = "b", n = 1 }
      collectgarbage()
    end)
    assert.is_not_nil(items:get { id = "b", n = 1 })
  end)
end)

-- Dropped handles ------------------------------------------------------------

--- Returns the memory of this process in bytes; nil under the sanitizers, which keep freed memory.
local function resident()
  if not (os.getenv("TIDETABLE_BUILD") or ""):find "asan" then
    local file <close> = assert(io.open "/proc/self/status")
    return tonumber(file:read("a"):match "VmRSS:%s+(%d+) kB") * 1024
  end
end

describe("iterators that are dropped", function()
  for _, mode in ipairs { "incremental", "generational" } do
    -- Each would keep a page of 300 KB: 600 MB in total.
    it("hold little memory (" .. mode .. ")", function()
      finally(function() collectgarbage("incremental") end)
      local db = helper.memory()
      local items = assert(db:create_table { name = "items", partition_key = "id",
        sort_key = { "n", "N" }, stream = true })
      for i = 1, 1000 do items:put { id = "a", n = i, note = ("x"):rep(300) } end
      collectgarbage()
      collectgarbage(mode)
      local before, most = resident(), 0
      for i = 1, 2000 do
        items:scan()()
        if i % 100 == 0 then most = math.max(most, core.held(db.core)) end
      end
      for _ = 1, 200 do
        local next_record = items:stream():records()
        for _ = 1, 100 do next_record() end
        most = math.max(most, core.held(db.core))
      end
      assert.is_true(most < 300e6, most)
      assert.is_true(not before or resident() - before < 400e6, resident())
      collectgarbage()
      assert.equal(0, core.held(db.core))
    end)
  end

  it("hold nothing after the end of their loop", function()
    local db, items = handles()
    collectgarbage()
    local before = core.held(db.core)
    for _ in items:scan() do
      assert.is_true(core.held(db.core) > before)
    end
    assert.equal(before, core.held(db.core))
  end)
end)

describe("memory and resources of dropped handles", function()
  it("are collected before STORE is raised: descriptors of wakeups and databases", function()
    helper.open()
    local child = helper.child([[
      collectgarbage "stop"
      for _ = 1, 200 do assert(db:wakeup()) end
      for _ = 1, 200 do assert(tidetable.open ":memory:") end
      local kept = {}
      repeat
        local wakeup, err, code = db:wakeup()
        kept[#kept + 1] = wakeup
      until not wakeup
      print(#kept > 5, select(3, db:wakeup()))
    ]], "ulimit -n 60")
    assert.equal("true\tSTORE", child:line())
    child:close()
  end)

  it("are collected before READERS_FULL is raised: reader slots of iterators", function()
    local db, items = handles()
    finally(function() collectgarbage "restart" end)
    collectgarbage "stop"
    for _ = 1, 2 * db:info().readers_max do
      assert.is_not_nil(items:scan { snapshot = true }())
    end
    for _ = 1, db:info().readers_max do
      assert(core.snapshot(db.core, 60))
    end
  end)
end)
