-- finalizer_spec.lua - finalizers that use the library, or close it, during its own calls.
--
-- The collector runs at nearly every allocation, and so does the finalizer of an object that
-- recreates itself. The finalizer reads, writes, continues an iterator or closes a handle that a
-- call further down the stack is using. This call must return its usual result, CLOSED or NESTED.
-- It must not crash (make asan) and must release its locks.
local core = require "tidetable.core"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local ROUNDS = math.max(3, 40 // (math.tointeger(tonumber(os.getenv("EVERY"))) or 1))

local busy, in_finalizer, calls, wrong

--- Creates an object whose finalizer calls in_finalizer, unless that is running, and creates the
--- next one.
local function create_finalizer()
  setmetatable({}, { __gc = function()
    if not in_finalizer then
      return
    end
    if not busy then
      busy = true
      calls = calls + 1
      pcall(in_finalizer)
      busy = false
    end
    create_finalizer()
  end })
end

-- The mode determines how much is allocated before the next collection.
local modes = {
  incremental = function()
    collectgarbage("incremental", 1, 1000, 1)
    collectgarbage()
  end,
  generational = function()
    collectgarbage("generational", 1, 100)
    collectgarbage()
  end,
}

local function restore_collector()
  in_finalizer = nil
  collectgarbage("incremental", 200, 100, 13)
  collectgarbage()
end

-- Calls under test, with their expected results.

local function count(...)
  local n = 0
  for each in ... do
    n = n + (each and 1)
  end
  return n
end

local function expect(expected, actual)
  if expected ~= actual then
    error(("expected %s, got %s"):format(expected, actual))
  end
end

local operations = {
  get = function(world)
    for i = 1, 5 do
      expect(i, assert(world.one:get { id = i, part = "a" }).n)
    end
  end,
  put = function(world)
    local _, old = assert(world.one:put({ id = 1, part = "a", n = 1, list = { { {} }, "x" } },
      { return_values = "ALL_OLD" }))
    expect(1, old.n)
  end,
  delete = function(world)
    assert(world.one:put { id = 99, part = "a", n = 99 })
    local _, old = assert(world.one:delete({ id = 99, part = "a" }, { return_values = "ALL_OLD" }))
    expect(99, old and old.n or 99)
  end,
  query = function(world)
    local n = 0
    world.iterate, world.query = world.one:query(2)
    for item in world.iterate, world.query do
      n = n + 1
      expect(2, item.id)
    end
    expect(true, n <= 20)
  end,
  snapshot = function(world)
    expect(20, count(world.one:query(2, { snapshot = true })))
  end,
  page = function(world)
    local items, key = assert(world.one:query_page(2, { limit = 7 }))
    expect(7, #items)
    expect(true, key ~= nil)
  end,
  load = function(world)
    local items = {}
    for i = 1, 10 do
      items[i] = { id = 3, part = "p" .. i, n = i }
    end
    expect(10, assert(world.one:load(items)))
  end,
  transact = function(world)
    world.transacts = true   -- core.tx_put may succeed then
    expect("done", assert(world.db:transact(function(tx)
      local one = tx:table "one"
      one:put({ id = 5, part = "a", n = 5 }, { return_values = "ALL_OLD" })
      one:delete { id = 5, part = "zz" }
      expect(20, count(one:query(2)))
      return "done"
    end)))
    world.transacts = false
  end,
  records = function(world)
    local last = 0
    -- The number of steps is limited, because with a finalizer that writes the loop would never
    -- end.
    world.next_record, world.feed = world.db:stream():records { limit = 60 }
    for record in world.next_record, world.feed do
      expect(true, record.sequence_number > last)
      last = record.sequence_number
      expect("table", type(record.keys))
      expect(true, record.new_image ~= nil or record.old_image ~= nil)
    end
  end,
  projected = function(world)
    world.next_record, world.feed = world.db:stream():records { projection = "n, part", limit = 60 }
    for record in world.next_record, world.feed do
      local image = record.new_image or record.old_image
      expect(nil, image.id)
      expect("string", type(image.part))
      for _, change in ipairs(record:changes()) do
        expect(change.steps[1], change.path)
      end
    end
  end,
  next = function(world)
    world.stream = world.one:stream { from = "TRIM_HORIZON" }
    for _ = 1, 60 do
      if not world.stream:next() then
        break
      end
      expect(true, world.stream.position > 0)
    end
  end,
  describe = function(world)
    expect("one", assert(world.one:describe()).name)
    expect("one", assert(world.db:list_streams())[1].table_name)
    expect(true, assert(world.db:info()).readers >= 0)
    expect(true, #assert(world.db:list_tables()) > 0)
  end,
  check = function(world)
    expect(true, assert(world.db:check()).ok)
  end,
}

-- Actions of the finalizers during a call.

local actions = {
  reads = function(world)
    expect(7, assert(world.one:get { id = 7, part = "a" }).n)
  end,
  writes = function(world)
    assert(world.one:put { id = 7, part = "a", n = 7, at = calls })
  end,
  deletes = function(world)
    world.one:delete { id = 7, part = "b" }
  end,
  transacts = function(world)
    world.db:transact(function(tx)
      tx:table("one"):put { id = 7, part = "a", n = 7, at = -calls }
    end)
  end,
  scans = function(world) count(world.one:scan { limit = 50 }) end,
  checks = function(world) world.db:check() end,
  describes = function(world)
    world.one:describe()
    world.db:list_streams()
  end,
  ["continues the iterator"] = function(world)
    if world.query then
      world.iterate(world.query)
    end
    if world.feed then
      world.next_record(world.feed)
    end
    if world.stream then
      world.stream:next()
    end
  end,
  ["continues an ended transaction"] = function(world)
    local iterates, put_there = pcall(world.ended), pcall(core.tx_put, world.one.core,
      { id = 8, part = "never" }, false)
    if (iterates or put_there) and not world.transacts then
      wrong = "an ended transaction changed another one"
    end
  end,
  ["closes the iterator"] = function(world)
    if calls % 5 == 0 then
      for _, each in ipairs { world.query or false, world.feed or false } do
        if each then
          debug.getmetatable(each).__close(each)
        end
      end
      if world.stream then
        world.stream:close()
      end
    end
  end,
  ["closes the handle"] = function(world)
    if calls % 7 == 3 then
      world.db:close()
    end
  end,
  ["creates and deletes a table"] = function(world)
    world.db:create_table { name = "temporary", partition_key = "p" }
    world.db:delete_table "temporary"
  end,
}

local function open_world(path)
  local db = assert(tidetable.open(path, { durability = "none", busy_timeout = 0 }))
  local ended = db:transact(function(tx) return (tx:table("one"):scan()) end)
  return { db = db, one = assert(db:table "one"), ended = ended }
end

local function is_allowed(err)
  local code = type(err) == "table" and err.code
  return code == "CLOSED" or code == "NESTED" or code == "NOT_FOUND" or
    tostring(err):find("is closed", 1, true) ~= nil
end

-- Iterators that a finalizer continues or closes return fewer items.
local shortens = { ["continues the iterator"] = true, ["closes the iterator"] = true }

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

describe("a finalizer that", function()
  local path

  setup(function()
    print(("finalizers: SEED=%d ROUNDS=%d"):format(SEED, ROUNDS))
    math.randomseed(SEED)
    path = os.tmpname()
    os.remove(path)
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    local one = assert(db:create_table { name = "one", partition_key = { "id", "N" },
      sort_key = "part", stream = true })
    for i = 1, 10 do
      assert(one:put { id = i, part = "a", n = i })
    end
    for i = 2, 20 do
      assert(one:put { id = 2, part = ("b%02d"):format(i), n = i })
    end
  end)

  teardown(function()
    for _, suffix in ipairs { "", "-lock", "-wake" } do
      os.remove(path .. suffix)
    end
  end)

  local function run(name, action, mode)
    local world = open_world(path)
    calls, busy = 0, false
    in_finalizer = function() action(world) end
    mode()
    create_finalizer()
    for round = 1, ROUNDS do
      local ok, err = pcall(operations[name], world)
      if not ok and not is_allowed(err) then
        restore_collector()
        error(("%s, round %d: %s"):format(name, round, tostring(err)))
      end
      if tostring(world.db):find("closed", 1, true) then
        local mine = in_finalizer
        in_finalizer = nil
        world.db:close()
        local fresh = open_world(path)
        world.db, world.one = fresh.db, fresh.one
        world.query, world.feed, world.stream = nil, nil, nil
        in_finalizer = mine
        create_finalizer()
      end
    end
    restore_collector()
    world.db:close()
    expect(nil, wrong)
    local db <close> = assert(tidetable.open(path, { durability = "none", busy_timeout = 0 }))
    assert(db:table("one"):put { id = 7, part = "a", n = 7 })
    if db:table "temporary" then
      assert(db:delete_table "temporary")
    end
    return calls
  end

  for _, action in ipairs(sorted(actions)) do
    for _, mode in ipairs(sorted(modes)) do
      it(("%s (%s)"):format(action, mode), function()
        local total = 0
        for _, name in ipairs(sorted(operations)) do
          if not (shortens[action] and (name == "get" or name == "put")) then
            total = total + run(name, actions[action], modes[mode])
          end
        end
        assert.is_true(total > 0 or mode ~= "incremental", "no finalizer ever ran")
        local db <close> = assert(tidetable.open(path, { durability = "none" }))
        assert.same({}, db:check().problems)
      end)
    end
  end
end)
