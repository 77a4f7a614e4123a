-- sales.lua - the changes that consumers handle, and the command line of consumers in Lua.
--
-- The counterpart of consumer.c, with the same values and the same commands (bench/lib/consumer.h).
-- An adapter implements:
--
--     describe()                       prints version, settings, statements
--     make(path, count)                records `count` changes, creates all counters with 0
--     open(path, level)                a handle with the methods below
--     handle:start(job)                creates a consumer before the first change
--     handle:consume(job, count)       handles `count` changes
--     handle:position()                returns the number of changes up to the stored position;
--                                      nil: none is stored
--     handle:sum()                     returns the sum of all stored counters
--     handle:close()

local bench = require "bench"

local sales = {}

sales.customers = 1000
sales.records_counter = "records"

local mix, mix_shift = 2654435761, 16
local least_total, totals = 100, 900
local first_time, step = 1700000000001, 101

local names = {}
for i = 0, sales.customers - 1 do names[i] = ("c-%07d"):format(i) end

local function total_of(number)
  return least_total + number % totals
end

--- Returns an iterator over the names of all counters.
function sales.counters()
  local i = -1
  return function()
    i = i + 1
    return names[i] or i == sales.customers and sales.records_counter or nil
  end
end

--- Returns the name of the customer of change `number`, from 0, and the total of the sale.
function sales.of(number)
  return names[(number * mix >> mix_shift) % sales.customers], total_of(number)
end

--- Returns the sale of change `number`, from 0.
function sales.make(number)
  local customer, total = sales.of(number)
  return {
    customer = customer, placed_at = first_time + number * step, status = "pending", total = total,
    address = ("%03d Long Harbour Road, Building %02d, 24103 Kiel, Germany"):format(
      number % 1000, number % 89),
    note = ("leave it with neighbour no. %03d, ring twice and mind the cats"):format(number % 900),
  }
end

--------------------------------------------------------------------------------
-- Counters in memory
--------------------------------------------------------------------------------

--- Returns an empty table of counters.
function sales.memory()
  local counters = {}
  for name in sales.counters() do counters[name] = 0 end
  return counters
end

local function sum_of(handle, job)
  if job.is_exact then
    return handle:sum()
  end
  local sum = 0
  for _, n in pairs(job.memory) do sum = sum + n end
  return sum
end

local function expected_sum(job, count)
  if not job.is_counters then
    return count
  end
  local sum = 0
  for i = 0, count - 1 do sum = sum + total_of(i) end
  return sum
end

--------------------------------------------------------------------------------
-- The command line
--------------------------------------------------------------------------------

local commands = {}

function commands.describe(adapter)
  adapter.describe()
end

function commands.make(adapter, path, count)
  adapter.make(path, tonumber(count))
end

--- `count` is a multiple of the batch size.
function commands.consume(adapter, path, level, batch, count, work, guarantee)
  count = math.tointeger(tonumber(count))
  local job = {
    batch = math.tointeger(tonumber(batch)), is_counters = work == "counters",
    is_exact = guarantee == "exactly", memory = sales.memory(),
  }
  local handle <close> = adapter.open(path, level)
  handle:start(job)
  local before = sum_of(handle, job)
  local each = bench.time(count, function() handle:consume(job, count) end)
  assert((handle:position() or count) == count, "the stored position should be the last change")
  assert(sum_of(handle, job) - before == expected_sum(job, count),
    "the counters should have the sum of the changes")
  print(each)
end

--- Runs the command of the command line.
function sales.main(adapter, command, ...)
  local run = commands[command] or error("unknown command: " .. tostring(command), 0)
  run(adapter, ...)
end

return sales
