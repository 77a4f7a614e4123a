-- derived_table.lua - a table that is computed from another one and counts each change once.
--
--   lua5.4 examples/derived_table.lua
--
-- `spent` contains what each customer has spent, computed by a reader of the stream of `orders`.
-- The sequence number of the last record counted is an item in `checkpoints`. It is read and
-- written in the transaction that changes the sums, so each record is counted once, even if the
-- reader is stopped or two readers run.
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open ":memory:")

local orders = assert(db:create_table {
  name = "orders", partition_key = "customer", sort_key = { "number", "N" }, stream = true,
})
local spent = assert(db:create_table { name = "spent", partition_key = "customer" })
assert(db:create_table { name = "checkpoints", partition_key = "reader" })

--- Counts records of the stream in one transaction, at most `batch_size`. Returns their number.
---@param tx tidetable.Transaction
---@param stream tidetable.Stream
---@param batch_size integer
---@return integer
local function count_batch(tx, stream, batch_size)
  local sums, places = tx:table "spent", tx:table "checkpoints"
  local place = places:get { reader = "spent" } or { reader = "spent" }
  local count = 0
  for record in stream:records { after = place.after, limit = batch_size } do
    local sum = sums:get { customer = record.keys.customer }
      or { customer = record.keys.customer, total = 0 }
    local before = record.old_image and record.old_image.total or 0
    local after = record.new_image and record.new_image.total or 0
    sum.total = sum.total + after - before
    sums:put(sum)
    place.after = record.sequence_number
    count = count + 1
  end
  if count > 0 then
    places:put(place)
  end
  return count
end

--- Brings `spent` up to date, in batches. Returns the number of records counted.
---@param batch_size integer
---@param disturb? fun()  called before each commit
local function catch_up(batch_size, disturb)
  local stream, total = orders:stream(), 0
  repeat
    local count = assert(db:transact(function(tx)
      local counted = count_batch(tx, stream, batch_size)
      if disturb then disturb() end
      return counted
    end))
    total = total + count
  until count < batch_size
  return total
end

local function show(what)
  local line = {}
  for sum in spent:scan() do line[#line + 1] = sum.customer .. " " .. sum.total end
  print(what, table.concat(line, ", "))
end

for number = 1, 10 do
  assert(orders:put { customer = number % 2 == 0 and "ann" or "bob", number = number, total = 5 })
end
print(catch_up(4) .. " records")
show("new orders")

assert(orders:put { customer = "ann", number = 2, total = 50 }) -- it was 5
assert(orders:delete { customer = "bob", number = 1 })
assert(orders:put { customer = "eve", number = 11, total = 1 })

-- The reader fails after storing the first of these records, in the middle of the second.
local commits = 0
print(pcall(catch_up, 1, function()
  commits = commits + 1
  if commits == 2 then error("the lights went out", 0) end
end))
show("in the dark")

print(catch_up(4) .. " records")
show("and on")

-- The second run continues after the last record whose effect was stored: the 45 more of ann are
-- counted once.
--
--   10 records
--   new orders      ann 25, bob 25
--   false   the lights went out
--   in the dark     ann 70, bob 25
--   2 records
--   and on  ann 70, bob 20, eve 1
