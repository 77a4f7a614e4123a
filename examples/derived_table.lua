-- derived_table.lua - a table that is computed from another one, and never counts a change twice.
--
--   lua5.4 examples/derived_table.lua
--
-- `spent` is what each customer has spent, kept by a reader of the stream of `orders`. How far the
-- reader has come is an item too, in `checkpoints`: it is stored in the same transaction as the
-- sums, so both are there or neither is, whenever the reader is stopped.
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open ":memory:")

local orders = assert(db:create_table {
  name = "orders", partition_key = "customer", sort_key = { "number", "N" }, stream = true,
})
local spent = assert(db:create_table { name = "spent", partition_key = "customer" })
local checkpoints = assert(db:create_table { name = "checkpoints", partition_key = "reader" })

--- Brings `spent` up to date, in batches; returns how many records that took.
---@param batch_size integer
---@param disturb? fun()  called before each commit
local function catch_up(batch_size, disturb)
  local place = checkpoints:get { reader = "spent" } or { reader = "spent" }
  local stream, count = orders:stream(), 0
  repeat
    local batch = {}
    for record in stream:records { after = place.after, limit = batch_size } do
      batch[#batch + 1] = record
    end
    if #batch > 0 then
      assert(db:transact(function(tx)
        local sums = tx:table("spent")
        for _, record in ipairs(batch) do
          local sum = sums:get { customer = record.keys.customer }
            or { customer = record.keys.customer, total = 0 }
          local before = record.old_image and record.old_image.total or 0
          local after = record.new_image and record.new_image.total or 0
          sum.total = sum.total + after - before
          sums:put(sum)
        end
        place.after = batch[#batch].sequence_number
        tx:table("checkpoints"):put(place)
        if disturb then disturb() end
        return true
      end))
      count = count + #batch
    end
  until #batch < batch_size
  return count
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

assert(orders:put { customer = "ann", number = 2, total = 50 }) -- it had been 5
assert(orders:delete { customer = "bob", number = 1 })
assert(orders:put { customer = "eve", number = 11, total = 1 })

-- The reader breaks down with the first of these records stored, in the middle of the second.
local commits = 0
print(pcall(catch_up, 1, function()
  commits = commits + 1
  if commits == 2 then error("the lights went out", 0) end
end))
show("in the dark")

print(catch_up(4) .. " records")
show("and on")

-- The second reader goes on behind the last record whose effect was stored: ann's 45 more are
-- there once.
--
--   10 records
--   new orders      ann 25, bob 25
--   false   the lights went out
--   in the dark     ann 70, bob 25
--   2 records
--   and on  ann 70, bob 20, eve 1
