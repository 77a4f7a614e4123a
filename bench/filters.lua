-- filters.lua - the speed of filters of records, and of the history of one item.
--
-- A stream has records of items of 200 bytes with both images. One record in 1,000 passes: by
-- its event name, or by one comparison of a top-level attribute of the new image. The histories are
-- those of an item with ten records, of which the first and the last are the ends of the stream.
-- Processor time is measured.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm lua5.4 bench/filters.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local tidetable = require "tidetable"

local every = 1000                               -- one record in so many passes
local records = bench.items // every * every
local long = bench.scaled(100000, 1000)          -- records of the stream with histories
local of_item = 10                               -- records of the item

local report = bench.report

local function put(tx, name, item)
  tx:table(name):put(item)
end

--- Calls fn(tx, i) for i from 1 to count, in transactions of 1,000 calls.
local function in_transactions(db, count, fn)
  for first = 1, count, 1000 do
    assert(db:transact(function(tx)
      for i = first, math.min(first + 999, count) do fn(tx, i) end
      return true
    end))
  end
end

--- Fills the stream of `orders`: MODIFY records, one INSERT in `every`, whose item has total 0.
local function fill_orders(db)
  local pad = ("x"):rep(150)
  assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  in_transactions(db, records, function(tx, i)
    local group = (i - 1) // every
    put(tx, "orders", { id = ("order %08d"):format(group), total = i % every,
      customer = "customer " .. i % 100, notes = pad })
  end)
end

--- Fills the stream of `events`: the records of one item are spread over the stream.
local function fill_events(db)
  local pad = ("x"):rep(150)
  assert(db:create_table { name = "events", partition_key = "id", stream = true })
  in_transactions(db, long, function(tx, i)
    local is_chosen = i == 1 or i % (long // (of_item - 1)) == 0
    put(tx, "events", { id = is_chosen and "chosen" or "event " .. i % 5000, n = i, notes = pad })
  end)
end

local function count_of(...)
  local count = 0
  for _ in ... do count = count + 1 end
  return count
end

--- Returns the processor time of a call in ns, divided by `count`.
local function time(count, fn)
  collectgarbage()
  collectgarbage()
  local start = os.clock()
  fn()
  return (os.clock() - start) * 1e9 / count
end

local function filtered(stream, opts)
  return time(records, function()
    assert(count_of(stream:records(opts)) == records // every, "one record in 1,000 should pass")
  end)
end

local function history(table_, opts, wanted)
  return time(1, function()
    assert(count_of(table_:history({ id = "chosen" }, opts)) == wanted, "the item's records")
  end)
end

local function run(db, round)
  local orders, events = assert(db:table "orders":stream()), db:table "events"
  return bench.interleave(round, {
    { name = "all", run = function()
      return time(records, function() assert(count_of(orders:records()) == records) end)
    end },
    { name = "event", run = function()
      return filtered(orders, { filter = "event_name = ?", "INSERT" })
    end },
    { name = "attribute", run = function()
      return filtered(orders, { filter = "new_image.total = ?", 0 })
    end },
    { name = "oldest", run = function() return history(events, nil, of_item) end },
    { name = "newest", run = function()
      return history(events, { descending = true }, of_item)
    end },
    { name = "first", run = function() return history(events, { limit = 1 }, 1) end },
    { name = "last", run = function()
      return history(events, { limit = 1, descending = true }, 1)
    end },
  })
end

local directory <close> = bench.directory(bench.memory)
local db <close> = assert(tidetable.open(directory.path .. "/filters.tide",
  { durability = "none" }))
fill_orders(db)
fill_events(db)

local series = bench.series()
for round = 1, bench.rounds do series:add(run(db, round)) end

local function speed_row(what, name, target)
  report.row {
    what = what, unit = "ns", ours = series:each(name),
    judged = series:each(name), as = "ns", target = target,
  }
end

print(bench.machine())
print(("load average %s; %d rounds, %d records, processor time\n"):format(bench.load_average(),
  bench.rounds, records))
report.section "One record in 1,000 passes, ns for each record of the stream"
report.row { what = "without a filter, records untouched", unit = "ns",
  ours = series:each "all" }
speed_row("event_name = ?", "event", 250)
speed_row("new_image.total = ?", "attribute", 400)
report.section(("History of an item with %d of %d records, us"):format(of_item, long))
report.row { what = "all, oldest first", unit = "us", ours = series:each "oldest" }
report.row { what = "all, newest first", unit = "us", ours = series:each "newest" }
report.row { what = "the oldest one", unit = "us", ours = series:each "first" }
report.row { what = "the newest one", unit = "us", ours = series:each "last" }
report.print()
