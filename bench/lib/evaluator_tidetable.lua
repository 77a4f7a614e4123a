-- evaluator_tidetable.lua - expressions of this library, called from Lua.
--
-- The counterpart of bench/evaluator_tidetable.c, on the same file, with the same command line
-- (bench/lib/evaluator.h). It has no make, put and compare.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local tidetable = require "tidetable"

local bench = require "bench"
local orders = require "orders"

-- Keys and items are created before they are used, so few at a time that they stay in the
-- processor's cache.
local items_at_a_time = 100

local commands = {}

local function open(path, level)
  local options = level and { durability = level } or { read_only = true }
  return assert(tidetable.open(path .. "/data.tide", options))
end

--- Calls `write` for `count` random values of `create`. Prints the nanoseconds of a call.
local function measure(create, write, items, batch, count, seed)
  assert(tonumber(items) == bench.items, "ITEMS should be what the driver says")
  assert(tonumber(batch) == 1, "BATCH should be 1")
  math.randomseed(tonumber(seed))
  local passed, done = 0, 0
  while done < tonumber(count) do
    local values = {}
    for i = 1, math.min(items_at_a_time, count - done) do values[i] = create() end
    local start = bench.now()
    for i = 1, #values do write(values[i]) end
    passed, done = passed + (bench.now() - start), done + #values
  end
  print(passed * 1e9 / done)
end

local names = { ["#status"] = "status", ["#total"] = "total" }
local only_total = { ["#total"] = "total" }

local filters = {
  top = {
    filter = "#status = :text AND #total >= :least", names = names,
    values = { [":text"] = "shipped", [":least"] = 996.4 },
  },
  nested = {
    filter = "delivery.carrier = :text AND delivery.weight >= :least",
    values = { [":text"] = "north", [":least"] = 996 },
  },
}

local function count_items(of, options)
  local count = 0
  for _ in of:scan(options) do count = count + 1 end
  return count
end

function commands.update(path, items, level, ...)
  local db <close> = open(path, level)
  local of = db:table "orders"
  count_items(of, filters.top)           -- all items are in memory
  measure(orders.random_key, function(key)
    assert(of:update(key, "SET #total = #total + :n", {
      condition = "#total < :limit", names = only_total,
      values = { [":n"] = 5, [":limit"] = 1000000 },
    }))
  end, items, ...)
end

function commands.insert(path, items, level, ...)
  local db <close> = open(path, level)
  local of = db:table "orders"
  count_items(of, filters.top)
  measure(orders.random_item, function(item)
    local done, _, code = of:put(item, { condition = "attribute_not_exists(customer)" })
    assert(not done and code == "CONDITION_FAILED", "the item should be there")
  end, items, ...)
end

--- Prints the time of a whole scan, and its items.
local function scan(path, name, options)
  local db <close> = open(path)
  local of = db:table(name)
  count_items(of, options)
  local count
  local passed = bench.time(1, function() count = count_items(of, options) end)
  print(passed, count)
end

function commands.filter(path, what)
  scan(path, "orders", filters[what])
end

function commands.project(path)
  scan(path, "large", { projection = "#status, #total", names = names })
end

function commands.describe()
  print "tidetable, from Lua; durability by name; NEW_AND_OLD_IMAGES, checksums as always"
end

local command = commands[arg[1]] or error("usage: see the head of bench/lib/evaluator.h", 0)
command(table.unpack(arg, 2))
