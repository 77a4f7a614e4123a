-- iterations.lua - queries that are left early, and queries in optimistic transactions.
--
-- The first item of a query without a limit beside the same with a limit of 1; a whole query of few
-- items; a query of one large item; and optimistic transactions of 5,000 and 40,000 writes with
-- queries in between, in processor time of an item. The cost of an item may grow like log n.
--
--     ROUNDS=9 ITEMS=1000000 lua5.4 bench/iterations.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local tidetable = require "tidetable"

local report = bench.report

local repeats = bench.scaled(20000, 10)
local few, many = bench.scaled(5000, 50), bench.scaled(40000, 400)
-- What n log n allows for an item, and half as much again for the caches.
local growth = math.log(many) / math.log(few) * 1.5

local function open()
  local db = assert(tidetable.open ":memory:")
  return db, assert(db:create_table {
    name = "items", partition_key = "p", sort_key = { "s", "N" },
  })
end

--- Returns the processor time of an operation in ns; `fn` executes `count` of them.
local function cpu_time(count, fn)
  collectgarbage()
  local start = os.clock()
  fn(count)
  return (os.clock() - start) * 1e9 / count
end

--------------------------------------------------------------------------------
-- Iterations
--------------------------------------------------------------------------------

local function repeated(fn)
  return function()
    return cpu_time(repeats, function(count)
      for _ = 1, count do fn() end
    end)
  end
end

local function all_of(made, partition)
  return repeated(function()
    for _ in made:query(partition) do end
  end)
end

local function iterations(made)
  return {
    { name = "first", run = repeated(function() return made:query "many"() end) },
    { name = "one", run = repeated(function() return made:query("many", { limit = 1 })() end) },
    { name = "scan", run = repeated(function() return made:scan()() end) },
    { name = "twenty", run = all_of(made, "twenty") },
    { name = "large", run = all_of(made, "z-large") },
  }
end

local function fill(made)
  local note = ("x"):rep(200)
  for s = 1, 3000 do assert(made:put { p = "many", s = s, note = note }) end
  for s = 1, 20 do assert(made:put { p = "twenty", s = s, note = note }) end
  assert(made:put { p = "z-large", s = 1, note = ("x"):rep(390000) })
end

--------------------------------------------------------------------------------
-- Optimistic transactions
--------------------------------------------------------------------------------

local orders = {
  ascending = function(i) return i end,
  descending = function(i) return -i end,
  random = function(i) return i * 7919 % 1000003 end,     -- a prime number
}

--- Runs fn(table, n) in an optimistic transaction that is not committed. Returns ns an item.
local function optimistic(n, fn)
  local db <close> = open()
  return cpu_time(n, function()
    db:transact(function(tx)
      fn(tx:table "items", n)
      tx:cancel()
    end, { mode = "optimistic", time_limit = math.huge })
  end)
end

local function put_and_query(order, every)
  return function(made, n)
    for i = 1, n do
      local s = order(i)
      made:put { p = "x", s = s }
      if i % every == 0 then made:query("x", { sort = { ">=", s }, limit = 1 })() end
    end
  end
end

local mixes = {}
for _, name in ipairs { "ascending", "descending", "random" } do
  for _, every in ipairs { 1, 20, 1000 } do
    mixes[#mixes + 1] = {
      title = ("puts, %s, a query after %s"):format(name, every == 1 and "each" or every),
      fn = put_and_query(orders[name], every), series = bench.series(),
    }
  end
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

print(("iterations: %d queries, transactions of %d and %d puts, %d rounds"):format(repeats, few,
  many, bench.rounds))
print(bench.machine())
print("load average: " .. bench.load_average())

local reads = bench.series()
do
  local _db <close>, made = open()
  fill(made)
  for round = 1, bench.rounds do
    reads:add(bench.interleave(round, iterations(made)))
  end
end
for _ = 1, bench.rounds do
  for _, mix in ipairs(mixes) do
    mix.series:add { few = optimistic(few, mix.fn), many = optimistic(many, mix.fn) }
  end
end

local function over_one(name)
  return reads:each(function(round) return round[name] / round.one end)
end

report.section "Queries, processor time; judged: over the same with limit = 1"
report.row { what = "first item, limit = 1", unit = "us", ours = reads:each "one" }
report.row {
  what = "first item, without a limit", unit = "us", ours = reads:each "first",
  judged = over_one "first", target = 2,
}
report.row {
  what = "first item of a scan", unit = "us", ours = reads:each "scan",
  judged = over_one "scan", target = 2,
}
report.row { what = "all of 20 items", unit = "us", ours = reads:each "twenty" }
report.row { what = "one item of 390 KB", unit = "us", ours = reads:each "large" }
report.section(("Optimistic transactions of %d puts, us a put; judged: over %d puts"):format(many,
  few))
for _, mix in ipairs(mixes) do
  report.row {
    what = mix.title, unit = "us", ours = mix.series:each "many",
    judged = mix.series:each(function(round) return round.many / round.few end),
    target = growth,
  }
end
report.print()
