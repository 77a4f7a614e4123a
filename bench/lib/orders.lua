-- orders.lua - the table that is measured: orders of customers, 200 bytes each.
--
-- There are up to 1,000 customers; item number i (from 0) is one of customer i // n,
-- so items in order of their numbers are in order of their keys. (No more customers:
-- their names are kept, and the collector's work grows with what is kept.) All items
-- have the same size: whatever is put in place of another is another value and not
-- another length.

local tidetable = require "tidetable"

local bench = require "bench"
local raw = require "raw"

local orders = {}

local name = "orders"
local orders_each = math.max(1, (bench.items + 999) // 1000)
local first_time, step = 1700000000001, 100
local item_bytes = 200
-- Before it in its row: a checksum and a byte, and a sequence number of 1 to 8 bytes.
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
    -- Two digits behind the point that are never 00, so that all have one length.
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

--- The key of a random item.
function orders.random_key()
  local i = random(0, bench.items - 1)
  return {
    customer = customers[i // orders_each],
    placed_at = first_time + i % orders_each * step,
  }
end

--- Partitions behind all others.
orders.new_partition = { "zulu-0001", "zulu-0002" }

--- Items of one partition, ascending: each call makes the next one.
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

--- Opens a database; returns it, and its table.
function orders.open(path, durability)
  local db = assert(tidetable.open(path, { durability = durability }))
  return db, db:table(name)
end

--- Puts items in order, from one number up to another; in transactions that a
--- retention of a tenth of them can end between, for a transaction goes whole.
local function load(orders_table, from, to)
  local i = from - 1
  assert(orders_table:load(function()
    i = i + 1
    return i < to and orders.item(i) or nil
  end, { batch = math.min(1000, (to - from) // 10) }))
end

--- A table of all items, and a stream of both images that has a record for each of
--- the first `changed` items.
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

--- More changes, up to the item `to`.
function orders.change(path, from, to)
  local db <close>, made = orders.open(path, "none")
  load(made, from, to)
  db:sync()
end

--- Reads so much of a database that all of it is in this process's map.
function orders.warm(made)
  for i = 0, bench.items - 1, 50 do
    assert(made:get { customer = customers[i // orders_each],
      placed_at = first_time + i % orders_each * step })
  end
end

-- How much a row's length, by the numbers in its head, may differ from another's;
-- raw LMDB gives all of them the length of one.
local head_slack = { items = 2, log = 8 }

--- Raises unless raw LMDB does the same work: as many rows with keys and values of
--- the same length as ours.
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
