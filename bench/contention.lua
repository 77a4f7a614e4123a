-- contention.lua - how long a write waits while other processes write.
--
-- Processes that put single items in a loop, by themselves and next to processes that run
-- transactions of 256 puts in a loop, all on one database without flushes. With
-- AGAINST_TREE, the checkout of another version that has been built, both versions run in
-- every round, in alternating order. doc/bench.md describes each column.
--
--     ROUNDS=9 SECONDS=2 MEM=/dev/shm AGAINST_TREE=path lua5.4 bench/contention.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local now = require "cqueues".monotime

local PUTS_A_TRANSACTION = 256

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

function works.puts(_, made, i)
  assert(made:put { id = "p" .. i % 1000, n = i })
end

function works.transactions(db, _, i)
  assert(db:transact(function(tx)
    local made = tx:table "items"
    for k = 1, PUTS_A_TRANSACTION do made:put { id = "q" .. k, n = i } end
    return true
  end))
end

--- Runs from `start` to `stop`; prints the number of calls, the longest time and the median.
local function work(what, path, start, stop)
  local db <close> = assert(require "tidetable".open(path, {
    durability = "none", busy_timeout = 60,
  }))
  local made, times, count = assert(db:table "items"), {}, 0
  while now() < start do end
  local at = now()
  while at < stop do
    works[what](db, made, count)
    local done = now()
    count = count + 1
    times[count] = done - at
    at = done
  end
  table.sort(times)
  print(("%d %.9f %.9f"):format(count, times[count] or 0, times[count // 2 + 1] or 0))
end

if works[arg[1]] then
  return work(arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4]))
end

--------------------------------------------------------------------------------
-- A round
--------------------------------------------------------------------------------

local bench = require "bench"
local show = bench.show

local seconds = tonumber(os.getenv "SECONDS" or "2")
local is_small = bench.items < 1000000           -- as in `make test`
if is_small then seconds = math.min(seconds, 0.1) end
local sizes = is_small and { 2, 8 } or { 2, 8, 32 }

local LONGEST_START = 0.05                        -- seconds until a process has opened the database

--- Environment in which a program uses the version of a checkout.
local function uses(tree)
  return "env", ("LUA_PATH=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(tree, tree),
    ("LUA_CPATH=%s/build/?.so;;"):format(tree)
end

local function start(tree, ...)
  if tree then
    local env, lua_path, lua_cpath = uses(tree)
    return assert(io.popen(bench.command_line(env, lua_path, lua_cpath, arg[-1], arg[0], ...)))
  end
  return assert(io.popen(bench.command_line(arg[-1], arg[0], ...)))
end

local function make_database(tree, path)
  local line = [[
    local db <close> = assert(require "tidetable".open(%q, { durability = "none" }))
    assert(db:create_table { name = "items", partition_key = "id", stream = true })
  ]]
  if tree then
    local env, lua_path, lua_cpath = uses(tree)
    bench.run(env, lua_path, lua_cpath, arg[-1], "-e", line:format(path))
  else
    bench.run(arg[-1], "-e", line:format(path))
  end
end

--- Adds up the output of the processes of one kind and closes their pipes.
local function add_up(pipes)
  local sum = { rate = 0, longest = 0, median = 0 }
  for _, pipe in ipairs(pipes) do
    local count, longest, median = pipe:read("n", "n", "n")
    assert(pipe:close() and median, "a process failed")
    sum.rate = sum.rate + count / seconds
    sum.longest = math.max(sum.longest, longest)
    sum.median = sum.median + median / #pipes
  end
  return sum
end

--- Measures `putters` processes that put and `others` processes that run transactions.
local function contest(tree, path, putters, others)
  make_database(tree, path)
  local from = now() + LONGEST_START * (putters + others)
  local pipes = { puts = {}, transactions = {} }
  for i = 1, putters + others do
    local what = i <= putters and "puts" or "transactions"
    table.insert(pipes[what], start(tree, what, path, ("%.6f"):format(from),
      ("%.6f"):format(from + seconds)))
  end
  local puts, transactions = add_up(pipes.puts), add_up(pipes.transactions)
  bench.remove(path)
  return {
    longest = puts.longest, median = puts.median, puts = puts.rate,
    longest_transaction = transactions.longest, transactions = transactions.rate,
    work = puts.rate + transactions.rate * PUTS_A_TRANSACTION,
  }
end

--------------------------------------------------------------------------------
-- All rounds
--------------------------------------------------------------------------------

local versions = { { name = "this version" } }
local other = os.getenv "AGAINST_TREE"
if other and other ~= "" then
  versions[2] = { name = "the other one", tree = other }
end

local columns = {
  { "longest put, ms", "longest", 1e-3 },
  { "median put, us", "median", 1e-6 },
  { "puts a second", "puts", 1 },
  { "longest transaction, ms", "longest_transaction", 1e-3 },
  { "transactions a second", "transactions", 1 },
  { "all puts a second", "work", 1 },
}

local function print_rows(what, series)
  for _, version in ipairs(versions) do
    print(("%s, %s:"):format(what, version.name))
    for _, column in ipairs(columns) do
      local numbers = series[version.name]:each(column[2])
      if bench.median(numbers) > 0 then
        print(("  %-24s %s"):format(column[1], show(numbers, column[3])))
      end
    end
  end
  if versions[2] then
    local function ratio(name)
      local ratios, mine = {}, series[versions[1].name]:each(name)
      for i, theirs in ipairs(series[versions[2].name]:each(name)) do
        ratios[i] = mine[i] / theirs
      end
      return show(ratios, 1)
    end
    print(("  %-24s %s of the other one's"):format("all puts a second", ratio "work"))
  end
end

local function run(directory, what, putters, others)
  local series = {}
  for _, version in ipairs(versions) do series[version.name] = bench.series() end
  for round = 1, bench.rounds do
    local list = {}
    for i, version in ipairs(versions) do
      list[i] = { name = version.name, run = function()
        return contest(version.tree, directory .. "/contention.tide", putters, others)
      end }
    end
    for name, numbers in pairs(bench.interleave(round, list)) do series[name]:add(numbers) end
  end
  print_rows(what, series)
end

local directory <close> = bench.directory(bench.memory)
print(bench.machine())
print(("load average %s; %d rounds of %g s\n"):format(bench.load_average(), bench.rounds, seconds))
for _, size in ipairs(sizes) do
  run(directory.path, ("put against put, %d processes"):format(size), size, 0)
end
for _, size in ipairs(sizes) do
  run(directory.path, ("put against transactions, %d processes"):format(size), size // 2, size // 2)
end
