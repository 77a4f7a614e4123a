-- script.lua - a script that misuses the library at random, from one seed.
--
--   script.lua SEED STEPS        in an empty directory
--
-- It calls every function with random values: wrong selfs, closed and forged handles, iterators
-- outside their loops; in transactions, coroutines and finalizers, interrupted by hooks, with the
-- stack nearly full. Errors are expected. The test fails if a signal ends the process, if the
-- process hangs, if a read returns something that was never committed, if a transaction that raised
-- an error is stored, or if the file is damaged at the end.
local pool = require "spec.binding.pool" -- before the library's modules: it changes the core
local core = require "tidetable.core"
local tidetable = require "tidetable"

local seed, steps = math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2]))
math.randomseed(seed)

local random, keep, any = math.random, pool.keep, pool.any
local PATH = "data.tide"
local world = {}
local depth, secrets = 0, 0

local function fail(text)
  io.stderr:write(("seed %d: %s\n"):format(seed, text))
  os.exit(1, false)
end

--- Checks that no secret is read. Only transactions that are rolled back put items with a secret,
--- so a secret that is read was never committed.
local function check_seen(item)
  if type(item) == "table" and rawget(item, "secret") then
    fail("something was read that was never committed")
  end
  return item
end

local function open_database()
  return tidetable.open(PATH, { durability = "none", busy_timeout = 0, max_size = "64 MiB" })
end

--- Opens the database. This fails while a handle with other options, opened by a random call, has
--- not been collected.
local function open()
  local db = open_database()
  if not db then
    pool.values, world.db2 = {}, nil
    collectgarbage()
    db = open_database()
  end
  world.db = db
  if not db then
    return
  end
  world.items = db:table "items" or db:create_table { name = "items", partition_key = "id",
    sort_key = { "n", "N" }, stream = true }
  world.db2 = random(3) == 1 and open_database() or world.db2
  keep(db)
  keep(db.core)
  keep(world.items)
  keep(world.items and world.items.core)
  keep(world.db2)
end

--- Keeps an iterator of committed items, which any later step may continue.
local function keep_iterator(iterate, _, _, closing)
  keep(closing)
  world.outer = function() return check_seen(iterate()) end
  keep(world.outer)
  keep(iterate)
end

local step

local function call(f, ...)
  local results = table.pack(pcall(f, ...))
  for i = 1, math.min(results.n, 6) do
    keep(results[i])
  end
end

local function some_steps(most)
  depth = depth + 1
  if depth < 6 then
    for _ = 1, random(most) do
      step()
    end
  end
  depth = depth - 1
end

local acts = {}

function acts.any_call()
  local given = pool.arguments()
  call(pool.functions[random(#pool.functions)], table.unpack(given, 1, given.n))
end

acts.any_call_2, acts.any_call_3 = acts.any_call, acts.any_call

--- Calls a method of a valid object, with arguments that may be valid.
function acts.method()
  local object = any()
  local class = getmetatable(object)
  local methods = {}
  if type(class) == "table" then
    for name, method in next, class do
      if type(method) == "function" then
        methods[#methods + 1] = tostring(name)
      end
    end
    table.sort(methods)
  end
  if #methods > 0 then
    local given = pool.arguments()
    call(class[methods[random(#methods)]], random(4) > 1 and object or any(),
      table.unpack(given, 1, given.n))
  end
end

acts.method_2 = acts.method

function acts.put()
  world.items:put({ id = "a", n = random(40), text = ("t"):rep(random(0, 3000)),
    tags = tidetable.set { "x", "y" } }, random(2) == 1 and { return_values = "ALL_OLD" } or nil)
end

local return_values = { "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW" }

--- Returns options of a write with expressions.
local function write_options()
  return pool.parameters {
    condition = random(2) == 1 and pool.expression() or nil,
    return_values = return_values[random(random(2) == 1 and 2 or 5)],
    return_values_on_failure = random(2) == 1 and "ALL_OLD" or nil,
  }
end

--- Writes with expressions, most of which are refused, to a table in or outside a transaction.
local function write_conditionally(items)
  local key = { id = "a", n = random(40) }
  pcall(items.update, items, key, random(4) > 1 and pool.expression() or any(), write_options())
  pcall(items.delete, items, key, write_options())
  key.text, key.hits = "t", random(20)
  pcall(items.put, items, key, write_options())
  -- These are made.
  pcall(items.update, items, { id = "a", n = random(40) }, "ADD hits ? SET l = :l, m = :m", {
    1, condition = random(2) == 1 and "hits < :l OR attribute_not_exists(hits)" or nil,
    values = { [":l"] = tidetable.list { random(5), "x" }, [":m"] = { x = random(3) } },
    return_values = return_values[random(5)],
  })
end

function acts.write_conditionally() write_conditionally(world.items) end

--- Returns options of a read with expressions.
local function read_options(opts)
  opts.filter = random(2) == 1 and pool.expression() or random(2) == 1 and "hits > ?" or nil
  opts.projection = random(3) == 1 and "id, n, hits, l[0]" or nil
  opts.limit = random(3) == 1 and random(20) or nil
  opts.descending = random(2) == 1
  return pool.parameters(opts)
end

--- Reads with expressions. The iterators are kept.
local function read_selected(items)
  keep((items:query("a", { filter = "hits > ?", random(20), snapshot = random(4) == 1 or nil,
    projection = "hits, #t", names = { ["#t"] = "text" } })))
  for _, item in ipairs(items:query_page { key_condition = "id = ? AND n >= ?", "a", random(40),
    filter = "attribute_exists(text)", limit = random(30) } or {}) do
    check_seen(item)
  end
  pcall(items.query_page, items, "a", read_options {})
  pcall(items.scan_page, items, read_options { count = random(3) == 1 or nil })
  pcall(items.get, items, { id = "a", n = random(40) }, { projection = pool.expression() })
  local ok, iterate = pcall(items.scan, items, read_options { count = random(3) == 1 or nil })
  keep(ok and iterate or nil)
end

function acts.read_selected() read_selected(world.items) end

--- Opens a consumer that stops instead of waiting.
local function open_consumer()
  local consumer
  local selects = random(3) == 1
  consumer = world.db:consumer("worker", { source = "items", lease = 1, handler_limit = 1,
    filter = selects and "size_bytes > ? OR #i.n <> :n" or nil, selects and random(200) or nil,
    names = selects and { ["#i"] = "new_image" } or nil,
    values = selects and { [":n"] = any() } or nil,
    projection = random(4) == 1 and "n, id" or nil,
    backoff = 0, max_attempts = 2, on_failure = "park", batch_size = 5, update = true,
    mode = random(2) == 1 and "locked" or "optimistic",
    wait = function() consumer:stop() end,
    on_snapshot = function(event, tx) keep(event) keep(tx) end,
  })
  world.consumer = keep(consumer)
  return consumer
end

--- Handles a batch. Half of the runs fail after a put of a secret, which must be rolled back.
local function handle(records, tx)
  local fails = random(2) == 1
  keep(records)
  keep(records[1])
  keep(tx)
  if fails then
    tx:table "items":put { id = "a", n = random(40), secret = true }
  end
  some_steps(3)
  if random(4) == 1 then tx:park(records[random(#records)], any()) end
  if fails then
    error(any())
  end
end

function acts.consume()
  local consumer = random(3) > 1 and world.consumer or open_consumer()
  local how = random(6)
  if how <= 3 then
    consumer:step(random(5) > 1 and handle or any())
  elseif how == 4 then
    for batch in consumer:batches() do
      keep(batch)
      pcall(batch.commit, batch, function(tx) handle(batch, tx) end)
      consumer:stop()
    end
  elseif how == 5 then
    consumer[random(2) == 1 and "replay" or "discard"](consumer, { limit = random(5) })
    keep((consumer:parked()))
  else
    consumer:seek { from = random(2) == 1 and "SNAPSHOT" or "TRIM_HORIZON", discard = true }
  end
end

acts.consume_2 = acts.consume

function acts.ensure()
  keep(world.db:ensure_table { name = random(2) == 1 and "items" or "other",
    partition_key = random(5) > 1 and "id" or any(), sort_key = { "n", "N" },
    stream = random(3) > 1 or any(), alter = random(2) == 1 })
  keep(world.items:definition())
  world.items:alter { stream = random(4) > 1 or any() }
end

function acts.read()
  check_seen(world.items:get { id = "a", n = random(40) })
  for _, item in ipairs(world.items:query_page("a", { limit = random(40) }) or {}) do
    check_seen(item)
  end
  if random(2) == 1 then
    keep_iterator(world.items:query("a", { descending = random(2) == 1,
      snapshot = random(4) == 1 or nil }))
  else
    keep_iterator(world.items:scan { limit = random(60) })
  end
end

function acts.go_on()
  for _ = 1, random(5) do
    world.outer()
  end
end

acts.go_on_2 = acts.go_on

function acts.read_stream()
  local opts = random(3) == 1 and { projection = random(2) == 1 and "n, tags, l[0]" or
    pool.expression() } or nil
  local stream = keep(assert(random(2) == 1 and world.items:stream(opts) or world.db:stream(opts)))
  local iterate, _, _, feed = stream:records { limit = random(50) }
  keep(iterate)
  keep(feed)
  for record in iterate do
    keep(record)
    call(keep(record.changes), random(4) > 1 and record or any())
    if rawequal(record.new_image, nil) or not check_seen(record.new_image) or random(5) == 1 then
      break
    end
  end
  keep(stream:next())
  keep(stream:next_transaction())
end

function acts.read_history()
  local ok, iterate, _, _, feed = pcall(world.items.history, world.items,
    { id = "a", n = random(40) }, { descending = random(2) == 1, limit = random(20),
      filter = random(2) == 1 and "attribute_exists(new_image)" or nil,
      projection = random(3) == 1 and "id, hits, l[0]" or nil })
  keep(ok and iterate or nil)
  keep(feed)
  for _ = 1, ok and random(3) or 0 do
    keep(iterate())
  end
end

function acts.make()
  keep(world.db:wakeup())
  keep(world.db:table "items")
  keep(core.table(world.db.core, "items"))
  keep(core.query(world.items.core, nil, "all"))
  keep(core.feed(world.db.core, 0, 0, 0, random(2) == 1 and 5 or nil))
  keep(core.feed(world.db.core, 0, 0, 0, nil, nil, { projection = "text", any() }))
  keep(core.wakeup(world.db.core))
  keep(core.snapshot(world.db.core, 10))
  keep(core.batch())
  keep(tidetable.manual_clock(random(1000)))
  keep(core.check(world.db.core))
  keep(core.check_file(PATH))
  keep(core.backup(world.db.core, "copy.tide", false, true, 0))
end

function acts.close()
  local value = random(3) > 1 and any() or world.db
  local given = { any(), any() }
  pcall(function()
    local _closed <close> = value
    some_steps(3)
  end)
  pcall(function()
    for _ in world.outer or print, given[1], given[2], value do
      if random(3) == 1 then
        break
      end
    end
  end)
end

function acts.loop()
  local count = 0
  local iterate = random(3) > 1 and pool.functions[random(#pool.functions)] or any()
  for _ in iterate, any(), any(), random(3) == 1 and any() or nil do
    count = count + 1
    if count > 20 then
      break
    end
  end
end

--- Runs a transaction that puts secrets and is rolled back; checks that it stored nothing.
local function transact(mode)
  local doomed, mark = random(2) == 1, "mark" .. random(1 << 40)
  local count = random(30) == 1 and random(400000) or random(0, 3)
  local hooked = world.hooked
  local ok, done = pcall(world.db.transact, world.db, function(tx)
    local items = tx:table "items"
    keep(tx)
    keep(items)
    if doomed then
      secrets = secrets + 1
      for _ = 1, random(5) do
        items:put { id = "a", n = random(40), secret = true }
      end
    else
      items:put { id = mark, n = 1 }
    end
    keep((items:query "a"))
    keep((items:scan { snapshot = true }))
    write_conditionally(items)
    some_steps(6)
    if random(4) == 1 then
      pcall(tx.cancel, tx, any())
    elseif random(4) == 1 and not doomed then
      return false, "refused"
    end
    if doomed then
      error(any(), 0)
    end
    return "committed", table.unpack({}, 1, count)
  end, { mode = mode, time_limit = random(10) == 1 and 0 or 2, attempts = mode == "optimistic" and 2
    or nil })
  local again <close> = open_database()
  local items = again and again:table "items"
  local stored = items and items:get { id = mark, n = 1 }
  if stored and not (ok and done == "committed") and not hooked then
    fail("a transaction that raised is stored")
  end
end

function acts.transact() transact("locked") end
acts.transact_2 = acts.transact
function acts.optimistic() transact("optimistic") end

function acts.coroutine()
  local co = coroutine.create(function(...)
    some_steps(4)
    coroutine.yield(...)
    some_steps(4)
    return ...
  end)
  keep(co)
  coroutine.resume(co, any())
end

function acts.resume()
  for _, value in ipairs(pool.values) do
    if type(value) == "thread" and random(3) == 1 then
      if random(4) == 1 then
        pcall(coroutine.close, value)
      else
        pcall(coroutine.resume, value, any())
      end
    end
  end
end

function acts.finalizer()
  setmetatable({}, { __gc = function() some_steps(3) end })
end

local modes = {
  function() collectgarbage() end,
  function() collectgarbage "step" end,
  function() collectgarbage("generational", 20, 100) end,
  function() collectgarbage("incremental", random(1, 200), random(1, 1000), random(1, 13)) end,
}

function acts.collect() modes[random(#modes)]() end

--- Interrupts later steps, as Ctrl-C does.
function acts.hook()
  world.hooked = true
  debug.sethook(function()
    debug.sethook()
    error("interrupted!", 0)
  end, "", random(2000))
  pcall(some_steps, 4)
  debug.sethook()
  world.hooked = depth > 0 and world.hooked or false
end

local function deeper(levels)
  if levels == 0 then
    return some_steps(2)
  end
  return (deeper(levels - 1))
end

function acts.recursion()
  pcall(deeper, random(3) == 1 and random(150, 199990) or random(1000))
end

local operators = {
  function(a, b) return a + b end,
  function(a, b) return a % b end,
  function(a, b) return a // b end,
  function(a, b) return a .. b end,
  function(a, b) return a < b end,
  function(a, b) return a <= b end,
  function(a, b) return a == b end,
  function(a) return -a end,
  function(a) return #a end,
  function(a) return tostring(a) end,
  function(a, b) return a[b] end,
  function(a) return keep(pairs(a)) end,
  function(a, b) return a:has(b), a:add(b), a:remove(b) end,
  function(a, b) return a:compare(b), a:round(2), a:format(b) end,
}

function acts.operator()
  keep(operators[random(#operators)](any(), any()))
end

--- Changes fields of objects, and of the metatables that a script can reach.
function acts.tamper()
  local object = any()
  if type(object) == "table" and object ~= world.db and object ~= world.items then
    local names = { "core", "database", "transaction", "wakeup", "reader", "ended", "closed" }
    object[names[random(#names)]] = any()
  end
end

function acts.forget()
  pool.forget()
end

function acts.close_all()
  if random(4) == 1 and depth == 0 then
    world.db:close()
    open()
  end
end

local names = {}
for name in pairs(acts) do
  names[#names + 1] = name
end
table.sort(names)

function step()
  if depth == 0 and (not world.db or core.is_closed(world.db.core)) then
    pcall(open)            -- a finalizer may close it immediately
  end
  local before = depth     -- an error or a yield may leave it changed
  pcall(acts[names[random(#names)]])
  depth = before
end

open()
pool.fill { world.db, world.items, world.db:wakeup(), world.items:stream(),
  select(4, world.items:stream():records { follow = true, timeout = 0 }),
  tidetable.set { 1 }, tidetable.list {}, open_consumer() }
for _ = 1, steps do
  step()
end
debug.sethook()
pool.values, pool.functions, world.outer = {}, {}, nil
collectgarbage("incremental")
collectgarbage()
if world.db then world.db:close() end

local db <close> = assert(tidetable.open(PATH, { durability = "none", max_size = "64 MiB" }))
local report = assert(db:check())
if not report.ok then
  fail("the file is damaged: " .. report.problems[1])
end
local items = assert(db:table "items" or db:create_table { name = "items", partition_key = "id",
  sort_key = { "n", "N" } })
for item in items:scan() do
  check_seen(item)
end
print(("seed %d: %d steps, %d transactions rolled back"):format(seed, steps, secrets))
