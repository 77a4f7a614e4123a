-- orders.lua - the measured table: orders of customers, 200 bytes each.
--
-- Item number i (from 0) belongs to customer i // n, so numbers and keys have the same order. There
-- are at most 1,000 customers, because their names stay in memory and the collector's work grows
-- with them. All items have the same size: an item is replaced by one with other values of the same
-- lengths.

local tidetable = require "tidetable"

local bench = require "bench"
local raw = require "raw"

local orders = {}

local name = "orders"
local orders_each = math.max(1, (bench.items + 999) // 1000)
local first_time, step = 1700000000001, 100
local item_bytes = 200
-- Before an item, its row has a checksum, a byte, and a sequence number of 1 to 8 bytes.
local least_before, most_before = 4 + 1 + 1, 4 + 1 + 8
local states = { "pending", "shipped", "settled", "refused" }

local customers, addresses, notes = {}, {}, {}

for i = 0, (bench.items - 1) // orders_each do
  customers[i] = ("c-%07d"):format(i)
end
for i = 1, 100 do
  addresses[i] = ("%03d Long Harbour Road, Building %02d, 24103 Kiel, Germany"):format(
    i * 7, i % 89)
  notes[i] = ("leave it with neighbour no. %03d, ring twice and mind the cats"):format(i * 9)
end

local random = math.random

local function item_of(customer, placed_at)
  return {
    customer = customer,
    placed_at = placed_at,
    status = states[random(4)],
    -- Two decimals that are never 00, so that all totals have the same length.
    total = (random(100, 999) * 100 + random(99)) / 100,
    address = addresses[random(100)],
    note = notes[random(100)],
  }
end

function orders.item(i)
  return item_of(customers[i // orders_each], first_time + i % orders_each * step)
end

function orders.random_item()
  return orders.item(random(0, bench.items - 1))
end

--- Returns the key of a random item.
function orders.random_key()
  local i = random(0, bench.items - 1)
  return {
    customer = customers[i // orders_each],
    placed_at = first_time + i % orders_each * step,
  }
end

--- Partitions that follow all others.
orders.new_partition = { "zulu-0001", "zulu-0002" }

--- Returns a function that creates the items of one partition in ascending order.
function orders.ascending(partition)
  local placed_at = first_time - step
  return function()
    placed_at = placed_at + step
    return item_of(partition, placed_at)
  end
end

--------------------------------------------------------------------------------
-- The database
--------------------------------------------------------------------------------

--- Opens a database. Returns it and its table.
function orders.open(path, durability)
  local db = assert(tidetable.open(path, { durability = durability }))
  return db, db:table(name)
end

--- Stores items in order, from one number up to another. A transaction contains at most a tenth of
--- them: its records expire together, and a retention of a tenth has to end between two.
local function load(orders_table, from, to)
  local i = from - 1
  assert(orders_table:load(function()
    i = i + 1
    return i < to and orders.item(i) or nil
  end, { batch = math.min(1000, (to - from) // 10) }))
end

--- Creates a table with all items, and a stream of both images with a record for each of the first
--- `changed` items.
function orders.make(path, changed)
  bench.remove(path)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  local made = assert(db:create_table {
    name = name,
    partition_key = "customer",
    sort_key = { "placed_at", "N" },
  })
  load(made, 0, bench.items)
  assert(made:enable_stream { view_type = "NEW_AND_OLD_IMAGES" })
  load(made, 0, changed)
end

--- Changes the items from number `from` up to `to`.
function orders.change(path, from, to)
  local db <close>, made = orders.open(path, "none")
  load(made, from, to)
  db:sync()
end

--- Reads enough items to have all pages of the database mapped into this process.
function orders.warm(made)
  for i = 0, bench.items - 1, 50 do
    assert(made:get { customer = customers[i // orders_each],
      placed_at = first_time + i % orders_each * step })
  end
end

-- Bytes by which rows may differ in length, because of the numbers in their headers. In raw LMDB
-- all rows have the same length.
local head_slack = { items = 2, log = 8 }

--- Raises an error unless raw LMDB has as many rows as ours, with keys and values of the same
--- lengths.
function orders.compare(ours, theirs, trees)
  local a, b = raw.sizes(ours), raw.sizes(theirs)
  for _, tree in ipairs(trees) do
    for _, what in ipairs { "rows", "key", "value" } do
      local slack = what == "value" and head_slack[tree] or 0
      if math.abs(a[tree][what] - b[tree][what]) > slack then
        error(("raw LMDB has other work: %s, %s: %d, and ours %d"):format(tree, what,
          b[tree][what], a[tree][what]), 0)
      end
    end
  end
  local before = a.items.value - item_bytes
  assert(before >= least_before and before <= most_before,
    "an item's row has " .. a.items.value .. " bytes, and should have that of " .. item_bytes)
  return a
end

return orders
