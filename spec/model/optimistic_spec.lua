-- optimistic_spec.lua - compares optimistic transactions with plain tables. Transactions must see
-- their own writes and be serializable, also with a second process.
--
--   make model STEPS=100000 SEED=n
local helper = require "spec.tidetable.helper"
local optimistic = require "tidetable.optimistic"
local tidetable = require "tidetable"

local STEPS = math.min(math.tointeger(tonumber(os.getenv("STEPS"))) or 1000, 50000)
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

helper.setup(before_each, after_each)

local unpack = table.unpack

local function one_of(list) return list[math.random(#list)] end

local function chance(percent) return math.random(100) <= percent end

local fresh = 0
local function new_value()
  fresh = fresh + 1
  return fresh
end

--- Runs f with the seed; an error names the seed.
local function seeded(name, f)
  print(("%s: SEED=%d STEPS=%d"):format(name, SEED, STEPS))
  math.randomseed(SEED)
  local ok, err = xpcall(f, function(e) return debug.traceback(tostring(e), 2) end)
  if not ok then error(("SEED=%d: %s"):format(SEED, err), 0) end
end

-- A plain table --------------------------------------------------------------------

-- A plain table contains items { p, s, v }, indexed by their keys as text. All its sort keys have
-- one type.

local function text_of(value)
  return type(value) == "number" and ("%g"):format(value) or tostring(value)
end

local function name_of(item) return item.p .. "/" .. text_of(item.s) end

local function frozen(item)
  return item and name_of(item) .. "=" .. text_of(item.v) or "none"
end

--- Returns a Lua value that compares as the key does: a number for a numeric key, otherwise the
--- key's bytes as a string. Lua compares strings byte by byte here, because no locale is set.
local function rank(value) return type(value) == "number" and value or tostring(value) end

local function is_less(a, b)
  if a.p ~= b.p then return a.p < b.p end
  return rank(a.s) < rank(b.s)
end

local comparisons = {
  ["="] = function(s, a) return s == a end,
  ["<"] = function(s, a) return s < a end,
  ["<="] = function(s, a) return s <= a end,
  [">"] = function(s, a) return s > a end,
  [">="] = function(s, a) return s >= a end,
  between = function(s, a, b) return a <= s and s <= b end,
  begins_with = function(s, a) return s:sub(1, #a) == a end,
}

--- Returns the items that a query must return, in its order.
local function evaluate(items, partition, options)
  local found, sort, start = {}, options.sort, options.start_key
  for _, item in pairs(items) do
    local fits = not partition or item.p == partition
    if fits and sort then
      fits = comparisons[sort[1]](rank(item.s), rank(sort[2]), sort[3] and rank(sort[3]))
    end
    if fits and start then
      fits = options.descending and is_less(item, start) or
        not options.descending and is_less(start, item)
    end
    if fits then found[#found + 1] = item end
  end
  table.sort(found, function(a, b)
    if options.descending then a, b = b, a end
    return is_less(a, b)
  end)
  return found
end

local function cut(items, count)
  local list = {}
  for i = 1, math.min(#items, count or #items) do list[i] = frozen(items[i]) end
  return table.concat(list, " ")
end

--- Returns a random query: its partition (nil: a scan) and options.
local function random_query(partitions, sorts)
  local partition = chance(75) and one_of(partitions) or nil
  local options = { descending = chance(50), limit = chance(40) and math.random(6) or nil }
  if partition and chance(50) then
    local a, b = one_of(sorts), one_of(sorts)
    if type(a) ~= "number" and chance(30) then
      local prefix = tostring(a):sub(1, math.random(0, 2))
      if type(a) == "userdata" then prefix = tidetable.binary(prefix) end
      options.sort = { "begins_with", prefix }
    else
      local word = one_of { "=", "<", "<=", ">", ">=", "between" }
      if word == "between" and rank(b) < rank(a) then a, b = b, a end
      options.sort = { word, a, word == "between" and b or nil }
    end
  end
  if chance(25) then
    local start = { p = partition or one_of(partitions), s = one_of(sorts) }
    -- Its key must match the query's condition.
    local within = evaluate({ start }, partition, { sort = options.sort })
    options.start_key = within[1]
  end
  return partition, options
end

local function ask(inside, partition, options)
  if partition then return inside:query(partition, options) end
  return inside:scan(options)
end

local function ask_page(inside, partition, options)
  if partition then return inside:query_page(partition, options) end
  return inside:scan_page(options)
end

-- Own writes -------------------------------------------------------------------------

local sort_keys = {
  N = { -12.5, -1, 0, 1, 2, 3, 4.25, 5, 6, 7, 100, 1e20 },
  S = { "a", "ab", "abc", "ab\0", "b", "ba", "yyé", "z", "zz" },
  B = {},
}
for _, last in ipairs { "", "\0", "x" } do table.insert(sort_keys.S, ("w"):rep(700) .. last) end
for i, text in ipairs { "\0", "\0\0", "\0\xff", "a", "a\xff", "\xff", "\xff\xff", "\xff\0", "b" } do
  sort_keys.B[i] = tidetable.binary(text)
end

local function check_query(inside, items, partition, options)
  local expected = evaluate(items, partition, options)
  local actual = {}
  for item in ask(inside, partition, options) do actual[#actual + 1] = item end
  assert.equal(cut(expected, options.limit), cut(actual))
  local page, key = ask_page(inside, partition, options)
  assert.equal(cut(expected, options.limit), cut(page))
  local more = options.limit and #expected > options.limit
  assert.equal(more and name_of(expected[options.limit]) or "none", key and name_of(key) or "none")
end

--- Returns the item after an update that adds to its value.
local function added(item, key, amount)
  return { p = key.p, s = key.s, v = (item and item.v or 0) + amount }
end

local function write(inside, items, sorts)
  local key = { p = one_of { "a", "b" }, s = one_of(sorts) }
  local name = name_of(key)
  local _, old
  if chance(30) then
    local amount = math.random(1000)
    inside:update(key, "ADD v ?", { amount })
    items[name] = added(items[name], key, amount)
    if chance(50) then return end    -- the next read of the item may follow several updates
  elseif chance(60) then
    local item = { p = key.p, s = key.s, v = new_value() }
    _, old = inside:put(item, { return_values = "ALL_OLD" })
    assert.equal(frozen(items[name]), frozen(old))
    items[name] = item
  else
    _, old = inside:delete(key, { return_values = "ALL_OLD" })
    assert.equal(frozen(items[name]), frozen(old))
    items[name] = nil
  end
  assert.equal(frozen(items[name]), frozen(inside:get(key)))
end

local function own_writes(db, other, type_name)
  local sorts, items = sort_keys[type_name], {}
  local name = "own_" .. type_name
  local outside = assert(db:create_table {
    name = name, partition_key = "p", sort_key = { "s", type_name },
  })
  for _ = 1, STEPS // 60 do
    db:transact(function(tx)
      local inside = tx:table(name)
      for _ = 1, math.random(20) do
        for _ = 1, one_of { 0, 1, 3, 25 } do write(inside, items, sorts) end
        check_query(inside, items, random_query({ "a", "b" }, sorts))
      end
      -- After another commit the updates are evaluated again when the transaction is applied.
      if chance(50) then assert(other:put { id = new_value() }) end
    end, { mode = "optimistic" })
    check_query(outside, items, nil, {})
  end
end

-- Serializable ---------------------------------------------------------------------

local PARTITIONS, SORTS, TABLES = { "a", "b" }, { 1, 2, 3, 4, 5 }, { "left", "right" }

local operations = {}

--- A run is an array of the operations of one attempt, with their results.
local function note(run, entry) run[#run + 1] = entry end

function operations.get(inside, run)
  local key = { p = one_of(PARTITIONS), s = one_of(SORTS) }
  note(run, { "get", inside.name, key, frozen(inside:get(key)) })
end

function operations.put(inside, run)
  local item = { p = one_of(PARTITIONS), s = one_of(SORTS), v = new_value() }
  local wants = chance(30)
  local _, old = inside:put(item, { return_values = wants and "ALL_OLD" or "NONE" })
  note(run, { "put", inside.name, item, wants and frozen(old) })
end

function operations.update(inside, run)
  local key, amount = { p = one_of(PARTITIONS), s = one_of(SORTS) }, new_value()
  local wants = chance(20)
  local _, new = inside:update(key, "ADD v ?", {
    amount, return_values = wants and "ALL_NEW" or nil,
  })
  note(run, { "update", inside.name, key, amount, wants and frozen(new) })
end

function operations.delete(inside, run)
  local key = { p = one_of(PARTITIONS), s = one_of(SORTS) }
  local wants = chance(30)
  local _, old = inside:delete(key, { return_values = wants and "ALL_OLD" or "NONE" })
  note(run, { "delete", inside.name, key, wants and frozen(old) })
end

--- Runs an iteration that may end early, with other operations during it. Its entry precedes theirs
--- in the run.
function operations.query(inside, run)
  local partition, options = random_query(PARTITIONS, SORTS)
  local stop = chance(40) and math.random(4) or math.huge
  local seen = {}
  local entry = { "query", inside.name, { partition, options }, seen, false }
  note(run, entry)
  for item in ask(inside, partition, options) do
    seen[#seen + 1] = frozen(item)
    if #seen == stop then return end
    if chance(30) then
      operations[one_of(run.writes and { "put", "update", "delete", "get", "page" } or { "get" })](
        inside, run)
    end
    coroutine.yield()
  end
  entry[5] = true
end

function operations.page(inside, run)
  local partition, options = random_query(PARTITIONS, SORTS)
  local items, key = ask_page(inside, partition, options)
  local last = key and name_of(key) or "none"
  note(run, { "page", inside.name, { partition, options }, cut(items), last })
end

local names = { "get", "get", "put", "put", "update", "update", "delete", "query", "query", "page" }
local is_write = { put = true, update = true, delete = true }

--- Returns a transaction's function, which notes its operations in the last of `runs`.
local function program(runs, world, writes)
  local id = new_value()
  return function(tx)
    local run = { begun = world.commits, id = id, writes = writes }
    if #runs > 0 then runs[#runs].ended = world.commits end
    runs[#runs + 1] = run
    for _ = 1, math.random(6) do
      coroutine.yield()
      local name = one_of(names)
      if writes or not is_write[name] then
        operations[name](tx:table(one_of(TABLES)), run)
      end
    end
    coroutine.yield()
    if writes then tx:table("marks"):put { id = id } end
  end
end

--- Runs fn as db:transact does.
local function transact(db, fn)
  return db:transact(fn, { mode = "optimistic", attempts = math.random(3) })
end

--- Runs fn as a consumer's handler, whose snapshot is replaced while it runs.
local function run_as_handler(db, fn)
  return optimistic.transact(db, fn, math.random(3), 100000, function() return true end)
end

--- Runs transactions on its own handle until the test ends.
local function worker(world, db)
  while true do
    local kind = math.random(10)
    if kind == 1 then
      local item = { p = one_of(PARTITIONS), s = one_of(SORTS), v = new_value() }
      assert(assert(db:table(one_of(TABLES))):put(item))
      world.commits = world.commits + 1
    else
      local runs, writes = {}, kind > 3
      local ok, err, code = world.run(db, program(runs, world, writes))
      if #runs > 0 then runs[#runs].ended = world.commits end
      if writes and code == nil then
        world.commits = world.commits + 1
        world.committed[runs[#runs].id] = runs[#runs]
      elseif code ~= nil then
        assert.equal("CONFLICT", code)
        assert.is_nil(ok)
        assert.is_table(err)
        world.conflicts = world.conflicts + 1
      end
      table.move(runs, 1, #runs, #world.runs + 1, world.runs)
    end
    coroutine.yield()
  end
end

local function copy(state)
  local new = {}
  for name, items in pairs(state) do
    new[name] = {}
    for key, item in pairs(items) do new[name][key] = item end
  end
  return new
end

local replays = {}

function replays.get(items, key, result)
  assert.equal(frozen(items[name_of(key)]), result)
end

function replays.put(items, item, old)
  if old then assert.equal(frozen(items[name_of(item)]), old) end
  items[name_of(item)] = item
end

function replays.update(items, key, amount, new)
  local item = added(items[name_of(key)], key, amount)
  if new then assert.equal(frozen(item), new) end
  items[name_of(key)] = item
end

function replays.delete(items, key, old)
  if old then assert.equal(frozen(items[name_of(key)]), old) end
  items[name_of(key)] = nil
end

function replays.query(items, query, seen, ended)
  local expected = evaluate(items, query[1], query[2])
  local count = query[2].limit or #expected
  assert.equal(cut(expected, ended and count or #seen), table.concat(seen, " "))
end

function replays.page(items, query, seen, key)
  local expected, limit = evaluate(items, query[1], query[2]), query[2].limit
  assert.equal(cut(expected, limit), seen)
  local more = limit and #expected > limit
  assert.equal(more and name_of(expected[limit]) or "none", key)
end

--- Repeats the operations of a run on a plain state; the results must be equal.
local function replay(run, state)
  state = copy(state)
  for _, entry in ipairs(run) do replays[entry[1]](state[entry[2]], unpack(entry, 3, 5)) end
  return state
end

--- Returns the states after 0, 1, ... commits, computed from the stream, and each commit's marker.
local function history(db)
  local state = { left = {}, right = {} }
  local states, marks = { [0] = state }, {}
  for transaction in db:stream():transactions() do
    state = copy(state)
    for _, record in ipairs(transaction) do
      if record.table_name == "marks" then
        marks[#states + 1] = record.keys.id
      else
        state[record.table_name][name_of(record.keys)] = record.new_image
      end
    end
    states[#states + 1] = state
  end
  return states, marks
end

local function same_state(expected, actual)
  for _, name in ipairs(TABLES) do
    assert.equal(cut(evaluate(expected[name], nil, {})), cut(evaluate(actual[name], nil, {})))
  end
end

local function make_tables(db)
  for _, name in ipairs(TABLES) do
    assert(db:create_table {
      name = name, partition_key = "p", sort_key = { "s", "N" }, stream = true,
    })
  end
  assert(db:create_table { name = "marks", partition_key = { "id", "N" }, stream = true })
end

--- Runs workers for this number of steps, one of which is resumed at a time.
local function work(db, steps, run, clock)
  local world = { commits = 0, conflicts = 0, committed = {}, runs = {}, run = run }
  local workers = {}
  for i = 1, 4 do
    local handle = helper.open()
    workers[i] = coroutine.create(function() worker(world, handle) end)
  end
  for _ = 1, steps do
    local thread = one_of(workers)
    if clock and chance(20) then clock:advance(0.4) end
    local ok, err = coroutine.resume(thread)
    if not ok then error(debug.traceback(thread, tostring(err)), 0) end
  end
  for _, thread in ipairs(workers) do assert(coroutine.close(thread)) end
  assert.equal(1 + #workers, db:info().readers)
  return world
end

--------------------------------------------------------------------------------

describe("optimistic transactions", function()
  it("see their own writes among the snapshot's rows", function()
    seeded("own writes", function()
      local db = helper.memory()
      local other = assert(db:create_table { name = "other", partition_key = { "id", "N" } })
      for type_name in pairs(sort_keys) do own_writes(db, other, type_name) end
      assert.is_true(db:check().ok)
    end)
  end)

  it("are serializable in the order of their records", function()
    seeded("serializable", function()
      local db = helper.open()
      make_tables(db)
      local world = work(db, STEPS * 5, transact)
      local states, marks = history(db)
      assert.equal(world.commits, #states)
      for n = 1, #states do
        local run = world.committed[marks[n]]
        if run then same_state(states[n], replay(run, states[n - 1])) end
      end
      -- Every run, also one that was repeated, must have seen the state at its beginning.
      for _, run in ipairs(world.runs) do replay(run, states[run.begun]) end
      assert.is_true(world.conflicts > 0 and world.commits > world.conflicts // 10)
      assert.is_true(db:check().ok)
    end)
  end)

  it("are serializable if they continue on newer snapshots", function()
    seeded("newer snapshots", function()
      local clock = helper.clock()
      local db = helper.open()
      make_tables(db)
      local world = work(db, STEPS * 5, run_as_handler, clock)
      local states, marks = history(db)
      assert.equal(world.commits, #states)
      for n = 1, #states do
        local run = world.committed[marks[n]]
        if run then same_state(states[n], replay(run, states[n - 1])) end
      end
      -- Every run must have seen a single state, not older than its beginning.
      local newer = 0
      for _, run in ipairs(world.runs) do
        local ok, err = pcall(replay, run, states[run.begun])
        if not ok then newer = newer + 1 end
        for n = run.begun + 1, ok and run.begun or run.ended do
          ok = ok or pcall(replay, run, states[n])
        end
        assert.is_true(ok, tostring(err))
      end
      assert.is_true(newer > STEPS // 100, newer .. " runs continued on a newer snapshot")
      assert.is_true(world.conflicts > 0 and world.commits > world.conflicts // 10)
      assert.is_true(db:check().ok)
    end)
  end)

  local transfers = [[
    local function transfer(tx)
      local accounts = tx:table "accounts"
      local from, to = math.random(6), math.random(6)
      local a = accounts:get { id = from }
      local sum = 0
      for account in accounts:scan() do sum = sum + account.balance end
      assert(sum == 600, "a transaction saw the sum " .. sum)
      accounts:put { id = from, balance = a.balance - 1, moved = a.moved + 1 }
      local b = accounts:get { id = to }
      accounts:put { id = to, balance = b.balance + 1, moved = b.moved + 1 }
    end
    local options, done, lost = { mode = "optimistic", attempts = 3 }, 0, 0
    for _ = 1, count do
      local _, err, code = db:transact(transfer, options)
      assert(not code or code == "CONFLICT", err)
      if code then lost = lost + 1 else done = done + 1 end
    end
  ]]

  it("keep the sum of all accounts while a second process transfers", function()
    seeded("bank", function()
      local db = helper.open()
      local accounts = assert(db:create_table {
        name = "accounts", partition_key = { "id", "N" }, stream = true,
      })
      for id = 1, 6 do assert(accounts:put { id = id, balance = 100, moved = 0 }) end
      local count = math.max(STEPS // 10, 100)
      local child = helper.child(("local count = %d\nmath.randomseed(%d)\n%s\nprint(done, lost)")
        :format(count, SEED + 1, transfers))
      local run = assert(load("local db, count = ...\n" .. transfers .. "\nreturn done, lost"))
      local done, lost = run(db, count)
      local child_done, child_lost = child:line():match("^(%d+)%s+(%d+)$")
      child:close()
      local sum, moved = 0, 0
      for account in accounts:scan() do
        sum, moved = sum + account.balance, moved + account.moved
      end
      assert.equal(600, sum)
      assert.equal(2 * count, done + lost + child_done + child_lost)
      assert.equal(2 * (done + child_done), moved)
      assert.is_true(db:check().ok)
    end)
  end)
end)
