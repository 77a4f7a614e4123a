-- lua_memory_spec.lua - makes each memory request of Lua fail, in every public call.
--
--   make fault EVERY=1 SEED=n
--
-- A call is repeated while its first, second, ... request fails (once; then it and all later ones),
-- until it succeeds. After each failed call the error must be "not enough memory", nothing must
-- have changed, the write lock must be free, and no reader slot may be left. With EVERY=50 only
-- every 50th request fails, starting at a random one.
local failalloc = require "fault.failalloc"
local json = require "tidetable.dynamodb.json"
local optimistic = require "tidetable.optimistic"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local EVERY = math.tointeger(tonumber(os.getenv("EVERY"))) or 1
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local LUA = os.getenv("LUA") or "lua5.4"

--- Returns the number of this process's descriptors of databases and wakeups.
local function open_files(path)
  collectgarbage()
  local pipe = assert(io.popen("ls -l /proc/$PPID/fd | grep -c -e " .. path .. " -e anon_inode"))
  local count = pipe:read("n")
  pipe:close()
  return count
end

-- Calls under test. Each call gets an open database with the tables `one` and `two`.

local calls = {}

local function call(name, run)
  calls[#calls + 1] = { name = name, run = run }
end

local item = { id = 7, n = 1, tags = tidetable.set { "x", "y" }, list = { 1, { "two" } },
  exact = assert(tidetable.number "0.1234567890123456789"), bytes = tidetable.binary "\0\1" }

call("open", function(world)
  world.opened[#world.opened + 1] = assert(tidetable.open(world.path .. ".open"))
end)
call("open, a second time", function(world)
  assert(tidetable.open(world.path, { durability = "none" })):close()
end)
call("open, in memory", function()
  assert(tidetable.open ":memory:"):close()
end)
call("open, read-only", function(world)
  assert(tidetable.open(world.still, { read_only = true })):close()
end)
call("open, refused", function(world)
  local db, err = tidetable.open(world.path, { max_size = "1 GiB", durability = "none" })
  assert(not db, "opened")
  error(err, 0)
end)
call("manual_clock", function() assert(tidetable.manual_clock(1)) end)
call("create_table", function(world)
  assert(world.db:create_table { name = "new", partition_key = { "id", "N" }, stream = true })
end)
call("delete_table", function(world) assert(world.db:delete_table "old") end)
call("table", function(world) assert(world.db:table "one") end)
call("list_tables", function(world) assert(#world.db:list_tables() > 0) end)
call("list_streams", function(world) assert(#world.db:list_streams() > 0) end)
call("info", function(world) assert(world.db:info()) end)
call("sync", function(world) assert(world.db:sync()) end)
call("check", function(world) assert(world.db:check().ok) end)
call("check, of a file", function(world) assert(tidetable.check(world.still).ok) end)
call("check, of none", function(world)
  local report, err = tidetable.check(world.path .. ".none")
  assert(not report, "checked")
  error(err, 0)
end)
call("backup", function(world)
  local facts = assert(world.db:backup(world.path .. ".copy", { overwrite = true, compact = true,
    progress = function(phase, done, total) assert(phase and done <= total) end }))
  assert(facts.items >= 21 and #facts.incarnation == 32)
end)
call("backup, refused", function(world)
  local facts, err = world.db:backup(world.still)
  assert(not facts, "copied")
  error(err, 0)
end)
call("compact", function(world)
  assert(tidetable.compact(world.still).bytes > 0)
end)
call("sweep", function(world) assert(world.db:sweep()) end)
call("wakeup", function(world)
  local wakeup <close> = assert(world.db:wakeup())
  wakeup:clear()
  assert(wakeup:pollfd() >= 0 and wakeup.events() == "r" and wakeup:timeout() > 0)
  wakeup:wait(0)
end)
call("put", function(world) assert(world.one:put(item)) end)
call("put, ALL_OLD", function(world)
  local _, old = assert(world.one:put({ id = 1, n = 2 }, { return_values = "ALL_OLD" }))
  assert(old.n == 1)
end)
call("put, with a context", function(world)
  assert(world.one:put(item, { context = { by = "ann", why = { 1, 2 } }, origin = "test" }))
end)
call("put, refused context", function(world)
  local ok, err = world.one:put(item, { context = { text = ("x"):rep(5000) } })
  assert(not ok, "put")
  error(err, 0)
end)
call("put, nothing new", function(world) assert(world.one:put { id = 2, n = 1 }) end)
call("put, a big one", function(world)
  assert(world.one:put { id = 1, big = ("b"):rep(300000) })
end)
call("put, refused", function(world)
  local ok, err = world.one:put { id = 1, a = { b = { print } } }
  assert(not ok, "stored")
  error(err, 0)
end)
call("delete", function(world) assert(world.one:delete { id = 3 }) end)
call("delete, ALL_OLD", function(world)
  local _, old = assert(world.one:delete({ id = 4 }, { return_values = "ALL_OLD" }))
  assert(old.n == 1)
end)
call("get", function(world) assert(world.one:get { id = 1 }) end)
call("get, a big one", function(world) assert(world.two:get { p = "a", s = 10 }) end)
call("get, none", function(world) assert(world.one:get { id = 999 } == nil) end)

local function count(...)
  local n = 0
  for each in ... do
    n = n + (each and 1)
  end
  return n
end

call("truncate", function(world) assert(world.one:truncate() > 0) end)
call("scan, a segment", function(world)
  local n = 0
  for segment = 0, 1 do n = n + count(world.two:scan { segment = segment, total_segments = 2 }) end
  assert(n == count(world.two:scan()))
end)
call("query", function(world)
  assert(count(world.two:query("a", { sort = { "between", 2, 5 }, descending = true,
    start_key = { p = "a", s = 5 } })) == 3)
end)
call("query, a snapshot", function(world)
  assert(count(world.two:query("a", { snapshot = true })) == 10)
end)
call("query, left early", function(world)
  local first, state, value, closing = world.two:query("a", { snapshot = true })
  local query <close> = closing
  assert(query and first(state, value))
end)
call("scan", function(world) assert(count(world.two:scan()) == 10) end)
call("query_page", function(world)
  local items, key = assert(world.two:query_page("a", { limit = 3 }))
  assert(#items == 3 and key.s == 3)
end)
call("scan_page", function(world)
  local items, key = assert(world.two:scan_page { limit = 4, descending = true })
  assert(#items == 4 and key.s == 7)
end)
call("load", function(world)
  assert(world.one:load { { id = 20 }, { id = 21, n = { 1, 2 } }, { id = 22 } } == 3)
end)
call("load, from a function", function(world)
  local n = 0
  assert(world.one:load(function()
    n = n + 1
    return n <= 3 and { id = 30 + n } or nil
  end) == 3)
end)
call("transact", function(world)
  local n = world.db:transact(function(tx)
    local one, two = tx:table "one", tx:table "two"
    local old = one:get { id = 1 }
    one:put { id = 1, n = 5, old = old }
    local _, gone = two:delete({ p = "a", s = 1 }, { return_values = "ALL_OLD" })
    two:put({ p = "a", s = 2, gone = gone }, { return_values = "ALL_OLD" })
    one:load { { id = 40 }, { id = 41 } }
    return count(two:query("a")) + count(one:scan()) + #two:query_page("a") + #one:scan_page()
  end)
  assert(n > 0)
end)
for _, mode in ipairs { "locked", "optimistic" } do
  call("transact, with a context, " .. mode, function(world)
    assert(world.db:transact(function(tx)
      tx:table("one"):put { id = 60 }
      tx:table("one"):put { id = 61 }
    end, { mode = mode, context = { by = "ann" }, origin = "test" }))
  end)
end
call("load, with a context", function(world)
  assert(world.one:load({ { id = 62 }, { id = 63 } }, { context = { by = "ann" } }))
end)
call("records, with a context", function(world)
  local contexts = 0
  for record in world.one:stream():records() do
    assert(record.depth == 0 and record.origin == nil)
    contexts = contexts + (record.context and 1 or 0)
  end
  assert(contexts >= 2)
end)
call("transact, rolled back", function(world)
  world.db:transact(function(tx)
    tx:table("one"):put { id = 1, n = 6 }
    error("not enough memory, raised by the test")
  end)
end)
call("transact, optimistic", function(world)
  local n = world.db:transact(function(tx)
    local one, two = tx:table "one", tx:table "two"
    local old = one:get { id = 1 }
    one:put({ id = 1, n = 8, old = old }, { return_values = "ALL_OLD" })
    two:delete { p = "a", s = 1 }
    one:load { { id = 50 }, { id = 51 } }
    one:update({ id = 1 }, "ADD n ?", { 1 })
    one:update({ id = 52 }, "SET #n = :n", { names = { ["#n"] = "n" }, values = { [":n"] = 1 } })
    one:update({ id = 52 }, "REMOVE n")
    return count(two:query("a")) + count(one:scan()) + #two:query_page("a") + #one:scan_page()
  end, { mode = "optimistic" })
  assert(n > 0)
end)
call("transact, as a handler", function(world)
  local clock <close> = testing.clock()
  local _, n = assert(optimistic.transact(world.db, function(tx)
    local one, two = tx:table "one", tx:table "two"
    local next_item, rows = two:query "a"
    local read = next_item(rows) and 1
    one:get { id = 1 }
    one:update({ id = 53 }, "ADD n ?", { 1 })
    assert(world.mark:put { p = "mark", n = -1 })
    clock:advance(1.2)
    for _ in next_item, rows do read = read + 1 end
    clock:advance(1.2)
    return read + count(one:scan())
  end, 1, 600, function() return true end))
  assert(n > 0)
end)
call("transact, optimistic, rolled back", function(world)
  world.db:transact(function(tx)
    tx:table("one"):put { id = 1, n = 9 }
    error("not enough memory, raised by the test")
  end, { mode = "optimistic" })
end)
call("enable_stream", function(world) assert(world.bare:enable_stream()) end)
call("disable_stream", function(world) assert(world.two:disable_stream()) end)
call("set_retention", function(world)
  assert(assert(world.one:stream()):set_retention { age = "1h", count = 1000 })
end)
call("describe", function(world) assert(world.one:describe()) end)
call("stream, describe", function(world) assert(assert(world.one:stream()):describe()) end)
call("records", function(world)
  for record in world.one:stream():records() do
    assert(record.sequence_number and record.event_name and record.keys and record.table_name and
      record.stream_label and record.view_type and record.size_bytes and record.partition_hash and
      record.transaction_id and record.created_at)
    assert(record.new_image or record.old_image)
    assert(tostring(record) ~= "")
    for name in pairs(record) do
      assert(name)
    end
  end
end)
call("records, projected", function(world)
  local n = 0
  for record in world.one:stream():records { projection = "n, #l[1], #i", filter = "keys.#i > ?", 0,
      names = { ["#i"] = "id", ["#l"] = "list" } } do
    assert(record.new_image and not record.new_image.tags)
    n = n + #record:changes()
    assert(#json.encode_record(record, "plain") > 0)
  end
  assert(n > 0)
end)
call("history", function(world)
  for _, descending in ipairs { true, false } do
    assert(count(world.one:history({ id = 3 }, { filter = "new_image.n = ?", 1,
      descending = descending })) > 0)
  end
end)
call("records of all, from a time", function(world)
  assert(count(world.db:stream():records { time = 0, limit = 5 }) == 5)
end)
call("records, ahead", function(world)
  world.one:stream():records { after = 1 << 50 }
end)
call("transactions", function(world) assert(count(world.db:stream():transactions()) > 0) end)
call("follow", function(world)
  assert(count(world.one:stream():records { from = "LATEST", follow = true, timeout = 0.001 }) == 0)
end)
call("next", function(world)
  local stream <close> = world.one:stream { from = "TRIM_HORIZON" }
  while assert(stream, "no stream"):next() do
    assert(stream.position)
  end
end)
call("close", function(world)
  local db = assert(tidetable.open(world.path, { durability = "none" }))
  local wakeup = assert(db:wakeup())
  local next_record, feed = db:stream():records()
  assert(next_record(feed) and wakeup:pollfd())
  db:close()
end)
call("values", function()
  local n = assert(tidetable.number "12.50000000000000000000001")
  assert(n > 1 and tostring(n) .. n and n:tonumber() and n == tidetable.number(n))
  assert((-(n + 1 - n * 2) // 3 % 7):equals(3) and n:divide(-3, 0):abs():equals(4))
  assert(n:round(2):tofloat() == 12.5 and n:format(2) == "12.50")
  local s = tidetable.set { tidetable.binary "a", tidetable.binary "b" }
  assert(s:has(tidetable.binary "a") and s:add(tidetable.binary "c") and #s:values() == 3)
  assert(tostring(s) and tidetable.list {} and tidetable.map {} and tidetable.type(s) == "BS")
  assert(tostring(tidetable.binary "ab" .. "c") == "abc" and #tidetable.binary("ab"):sub(1, 1) == 1)
end)

-- The world ---------------------------------------------------------------------------------------

local function remove(path)
  for _, suffix in ipairs { "", "-lock", "-wake" } do
    os.remove(path .. suffix)
  end
end

local function make_world(path)
  local db = assert(tidetable.open(path, { durability = "none" }))
  local world = { path = path, still = path .. ".still", db = db, opened = {},
    one = assert(db:create_table { name = "one", partition_key = { "id", "N" }, stream = true }),
    two = assert(db:create_table { name = "two", partition_key = "p", sort_key = { "s", "N" },
      stream = { view_type = "OLD_IMAGE" } }),
    bare = assert(db:create_table { name = "bare", partition_key = "p" }),
    old = assert(db:create_table { name = "old", partition_key = "p", stream = true }),
    other = assert(tidetable.open(path, { durability = "none", busy_timeout = 0 })),
  }
  assert(tidetable.open(world.still, { durability = "none" })):close()
  for i = 1, 10 do
    assert(world.one:put { id = i, n = 1 })
    assert(world.two:put { p = "a", s = i, big = i == 10 and ("b"):rep(10000) or nil })
  end
  assert(world.one:load({ { id = 11 }, { id = 12 } }, { context = { by = "ann" } }))
  assert(world.old:put { p = "x" })
  world.mark = assert(world.other:create_table { name = "zmark", partition_key = "p" })
  return world
end

local function shape(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for name, each in pairs(value) do
    parts[#parts + 1] = tostring(name) .. "=" .. shape(each)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Returns everything that a call could change, except this spec's own marker.
local function contents(world)
  local list = {}
  for _, name in ipairs(world.other:list_tables()) do
    local t = assert(world.other:table(name))
    if name ~= "zmark" then
      list[#list + 1] = name .. shape(t:describe())
      for each in t:scan() do
        list[#list + 1] = shape(each)
      end
    end
  end
  list[#list + 1] = shape(world.other:list_streams())
  list[#list + 1] = count(world.other:stream():records())
  return table.concat(list, "\n")
end

--- Checks that no reader slot is left once nothing refers to the objects of the call.
local function check_slots(world, readers, what)
  for _ = 1, 3 do
    collectgarbage()
    if world.other:info().readers <= readers then
      return
    end
  end
  error(what .. ": a reader slot is left")
end

--- Returns the first line that differs, nil if none does.
local function changed(before, after)
  local lines = {}
  for line in before:gmatch("[^\n]+") do
    lines[line] = (lines[line] or 0) + 1
  end
  for line in after:gmatch("[^\n]+") do
    if not lines[line] then
      return "there is " .. line:sub(1, 200)
    end
    lines[line] = lines[line] > 1 and lines[line] - 1 or nil
  end
  local gone = next(lines)
  return gone and "there is no " .. gone:sub(1, 200)
end

--- Checks that no lock is held, by writing with another handle.
local function check_free(world, n)
  local ok, err = world.mark:put { p = "mark", n = n }
  assert(ok, "the write lock is held: " .. tostring(err))
end

local function is_memory_error(err)
  if type(err) == "table" then
    return err.code == "NO_MEMORY"
  end
  return tostring(err):find("not enough memory", 1, true) ~= nil
end

local expected_errors = {
  ["open, refused"] = "OPTIONS", ["check, of none"] = "NO_FILE", ["put, refused"] = "VALIDATION",
  ["put, refused context"] = "VALIDATION",
  ["backup, refused"] = "IN_USE", ["records, ahead"] = "AHEAD",
  ["transact, rolled back"] = "raised", ["transact, optimistic, rolled back"] = "raised",
}

local function is_expected(name, err)
  local expected = expected_errors[name]
  return expected ~= nil and (type(err) == "table" and err.code == expected or
    tostring(err):find("raised by the test", 1, true) ~= nil)
end

--- Runs the call while one request fails. Returns whether it made that request.
local function attempt(world, each, n, on)
  local before, readers = contents(world), world.other:info().readers
  local failed, _, ok, err = failalloc.run(n, on, each.run, world)
  if not failed then
    if not ok and not is_expected(each.name, err) then
      error(("%s: %s"):format(each.name, tostring(err)))
    end
    return false
  end
  local what = ("%s, request %d%s"):format(each.name, n, on and " and all later ones" or "")
  check_free(world, n)
  if not ok then
    if not is_memory_error(err) and not is_expected(each.name, err) then
      error(("%s: the error is %s"):format(what, tostring(err)))
    end
    local difference = changed(before, contents(world))
    if difference then
      error(("%s: an error was raised, and something has changed: %s"):format(what, difference))
    end
  end
  check_slots(world, readers, what)
  return true
end

describe("a failed memory request of Lua in", function()
  local path, world

  setup(function()
    print(("fault: SEED=%d EVERY=%d"):format(SEED, EVERY))
    math.randomseed(SEED)
  end)

  before_each(function()
    path = os.tmpname()
    os.remove(path)
    world = make_world(path)
  end)

  after_each(function()
    world.db:close()
    world.other:close()
    for _, db in ipairs(world.opened) do
      db:close()
    end
    remove(path)
    remove(path .. ".open")
    remove(path .. ".still")
    remove(path .. ".copy")
    local left = assert(io.popen("ls " .. path .. "* 2>/dev/null"))
    assert.is_nil(left:read("l"))
    left:close()
  end)

  for _, each in ipairs(calls) do
    it(each.name, function()
      local files = open_files(path)
      for _, on in ipairs { false, true } do
        local n = math.random(EVERY)
        while attempt(world, each, n, on) do
          n = n + EVERY
        end
        world.db:close()
        world.other:close()
        for i = #world.opened, 1, -1 do
          world.opened[i]:close()
          world.opened[i] = nil
        end
        remove(path)
        remove(path .. ".open")
        remove(path .. ".still")
        remove(path .. ".copy")
        world = make_world(path)
      end
      assert.same({}, world.other:check().problems)
      assert.equal(files, open_files(path))
    end)
  end

  it("many calls, and another process can write", function()
    for _, each in ipairs(calls) do
      if each.name ~= "open" and each.name ~= "close" then
        attempt(world, each, math.random(20), true)
      end
    end
    local program = [[
      local db = assert(require "tidetable".open(arg[1], { busy_timeout = 0 }))
      assert(assert(db:table "zmark"):put { p = "from another process" })
      assert(db:check().ok)
    ]]
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(program)
    file:close()
    local ok = os.execute(("%s %s %s"):format(LUA, name, path))
    os.remove(name)
    assert.is_true(ok)
  end)
end)
