-- tables.lua - what tables cost: creating one, writing, following and opening next to many others.
--
-- A database without flushes has 1, 100 or 5,000 tables with streams, and the same number of items
-- in all. With AGAINST_TREE, the checkout of another version that has been built, both versions run
-- in every round, in alternating order. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm AGAINST_TREE=path lua5.4 bench/tables.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local now = os.clock                             -- the processor time of this process

local USED = 10                                  -- tables that a process uses
local CREATED = 200                              -- tables whose creation is measured
local SLICES = 10                                -- of the calls that are measured

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

local function open(path)
  return assert(require "tidetable".open(path, { durability = "none" }))
end

local function name_of(i) return ("t%06d"):format(i) end

--- Returns the microseconds that a call takes: the median of some slices of `count` calls.
local function time(count, f)
  local times, slice = {}, count // SLICES
  collectgarbage()
  for n = 1, SLICES do
    local from = now()
    for i = 1, slice do f((n - 1) * slice + i) end
    times[n] = (now() - from) * 1e6 / slice
  end
  return (require "bench".median(times))
end

local function create(db, name)
  return assert(db:create_table { name = name, partition_key = "id", stream = true })
end

local function item(i) return { id = ("k%07d"):format(i), text = ("x"):rep(100), n = i } end

--- Creates the tables and items. Puts the same number of items into each table, one after the
--- other, so that the records of the tables alternate.
local function fill(db, tables, items)
  local list = {}
  for i = 1, tables do list[i] = create(db, name_of(i)) end
  for i = 1, items, 500 do
    db:transact(function(tx)
      for k = i, math.min(i + 499, items) do
        tx:table(list[(k - 1) % tables + 1].name):put(item((k - 1) // tables))
      end
    end)
  end
end

--- Returns the time of a put and of reading its record.
local function follow(stream, one, count)
  stream:next(0)
  return time(count, function(i)
    assert(one:put { id = "followed", n = i })
    assert(stream:next(0).new_image.n == i)
  end)
end

local function read_all(db)
  local count, from = 0, now()
  for _ in db:stream():records {} do count = count + 1 end
  return (now() - from) * 1e6 / count
end

--- Fills a database and prints the time of each row.
function works.measure(path, tables, items, count)
  tables, items, count = tonumber(tables), tonumber(items), tonumber(count)
  local db = open(path)
  fill(db, tables, items)
  local numbers = { read_all = read_all(db) }
  db:close()

  local from = now()
  db = open(path)
  numbers.open = (now() - from) * 1e6
  local one = db:table(name_of(tables))
  from = now()
  assert(one:put { id = "first" })
  numbers.first = (now() - from) * 1e6

  local function put(i) assert(one:put { id = "one", n = i }) end
  time(count, put)                               -- uses the pages that `fill` has left free
  numbers.put = time(count, put)
  numbers.follow_all = follow(db:stream { from = "LATEST" }, one, count)
  numbers.follow_one = follow(one:stream { from = "LATEST" }, one, count)
  numbers.create = time(CREATED, function(i) create(db, ("n%06d"):format(i * 7919 % 1000000)) end)
  local list = {}
  for i = 1, tables do list[i] = db:table(name_of(i)) end
  local each = items // tables
  numbers.spread = time(count, function(i)
    assert(list[i * 7919 % tables + 1]:put { id = ("k%07d"):format(i * 104729 % each), n = i })
  end)
  db:close()
  for name, number in pairs(numbers) do print(name, ("%.3f"):format(number)) end
end

--- Prints the growth of a process that opens the database and uses ten tables, in KB: private
--- memory, without mapped pages of the file.
function works.memory(path, tables)
  local memory = require "memory"
  require "tidetable"
  collectgarbage()
  local before = memory.anonymous_kb()
  local db <close> = open(path)
  for i = 1, math.min(USED, tonumber(tables)) do
    local one = db:table(name_of(i))
    assert(one:put { id = "used" })
    assert(one:get { id = "used" })
  end
  print("memory", memory.anonymous_kb() - before)
end

if works[arg[1]] then
  return works[arg[1]](table.unpack(arg, 2))
end

--------------------------------------------------------------------------------
-- Rounds
--------------------------------------------------------------------------------

local bench = require "bench"

local is_small = bench.items < 1000000           -- as in `make test`
local sizes = is_small and { 1, 20 } or { 1, 100, 5000 }
local items, count = bench.scaled(100000, 200), bench.scaled(20000, 50)

local rows = {
  { "create a table, us", "create" },
  { "open, us", "open" },
  { "the first put, us", "first" },
  { "put into one of them, us", "put" },
  { "put into all of them in turn, us", "spread" },
  { "put and follow db:stream(), us", "follow_all" },
  { "put and follow table:stream(), us", "follow_one" },
  { "read all records, us each", "read_all" },
  { "memory of ten tables, KB", "memory" },
}

--- Runs a part with the version of a checkout. Adds the numbers that it prints.
local function run(tree, numbers, ...)
  local said
  if tree then
    said = bench.run("env", ("LUA_PATH=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(tree, tree),
      ("LUA_CPATH=%s/build/?.so;;"):format(tree), arg[-1], arg[0], ...)
  else
    said = bench.run(arg[-1], arg[0], ...)
  end
  for name, number in said:gmatch "(%S+)%s+(%S+)" do numbers[name] = assert(tonumber(number)) end
end

local function measure(tree, path, tables)
  local numbers = {}
  bench.remove(path)
  run(tree, numbers, "measure", path, tables, items, count)
  run(tree, numbers, "memory", path, tables)
  bench.remove(path)
  return numbers
end

local versions = { { name = "this version" } }
local other = os.getenv "AGAINST_TREE"
if other and other ~= "" then
  versions[2] = { name = "the other one", tree = other }
end

local directory <close> = bench.directory(bench.memory)
print(bench.machine())
print(("load average %s; %d rounds, %d items in all\n"):format(bench.load_average(), bench.rounds,
  items))

local all = {}
for _, version in ipairs(versions) do
  all[version.name] = {}
  for _, size in ipairs(sizes) do all[version.name][size] = bench.series() end
end
for round = 1, bench.rounds do
  for _, size in ipairs(sizes) do
    local list = {}
    for i, version in ipairs(versions) do
      list[i] = { name = version.name, run = function()
        return measure(version.tree, directory.path .. "/tables.tide", size)
      end }
    end
    for name, numbers in pairs(bench.interleave(round, list)) do all[name][size]:add(numbers) end
  end
end

for _, version in ipairs(versions) do
  print(("%s, %s tables:"):format(version.name, table.concat(sizes, ", ")))
  for _, row in ipairs(rows) do
    local columns, first = {}, nil
    for i, size in ipairs(sizes) do
      local median = bench.median(all[version.name][size]:each(row[2]))
      first = first or median
      columns[i] = i == 1 and ("%9.2f"):format(median)
        or ("%9.2f (%.2fx)"):format(median, median / first)
    end
    print(("  %-34s %s"):format(row[1], table.concat(columns, "  ")))
  end
end
