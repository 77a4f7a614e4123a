-- shop.lua - the program whose changes the processors handle: it opens a shop, sells, and refunds.
--
--   lua5.4 examples/processors/shop.lua shop.tide
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open(arg[1]))
local both = { view_type = "NEW_AND_OLD_IMAGES" }
local orders = assert(db:ensure_table { name = "orders", partition_key = "id", stream = both })
for _, name in ipairs { "audit", "spent" } do
  assert(db:ensure_table { name = name, partition_key = "id" })
end

local customers, first = { "ann", "bob", "eve" }, db:info().sequence_number
for i = 1, 9 do
  local id = tostring(first + i)
  local customer = customers[i % #customers + 1]
  local order = { id = id, customer = customer, total = 10 * i, email = customer .. "@example.org" }
  assert(orders:put(order, { context = { user = "web" } }))
end

-- The context is stored once, and every record of the transaction has it.
assert(db:transact(function(tx)
  for i = 1, 2 do
    tx:table "orders":update({ id = tostring(first + i) }, "SET refunded = ?", { true })
  end
  return true
end, { context = { user = "ann", reason = "ticket 12" } }))
