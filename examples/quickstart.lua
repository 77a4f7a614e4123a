-- quickstart.lua - a table, its items, and every change of them, in order.
--
--   lua5.4 examples/quickstart.lua [DATABASE]
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open(arg[1] or ":memory:"))

local orders = assert(db:ensure_table {
  name = "orders", partition_key = "customer", sort_key = { "placed_at", "N" },
  stream = { view_type = "NEW_AND_OLD_IMAGES", retention = "24h" },
})

assert(orders:put { customer = "ann", placed_at = 1, status = "open", total = 30 })
assert(orders:put { customer = "ann", placed_at = 2, status = "open", total = 12.5 })
assert(orders:put { customer = "bob", placed_at = 1, status = "open", total = 7 })

for order in orders:query("ann", { sort = { ">=", 2 } }) do
  print(order.customer, order.placed_at, order.total)
end

assert(orders:update({ customer = "ann", placed_at = 1 }, "SET #s = ?", {
  "paid", condition = "#s = ?", "open", names = { ["#s"] = "status" }, -- only an open order
}))

assert(db:transact(function(tx) -- all or nothing
  local mine = tx:table("orders")
  mine:delete { customer = "bob", placed_at = 1 }
  mine:put { customer = "bob", placed_at = 2, status = "open", total = 9 }
end))

for record in orders:stream():records { follow = true, timeout = 0.1 } do
  local before, after = record.old_image, record.new_image
  print(record.event_name, record.keys.customer, record.keys.placed_at,
    before and before.status or "-", after and after.status or "-")
end

-- The first line is the result of the query. The others are stream records: event, key, and an
-- attribute before and after. The last two are of one transaction. Then the loop waited a tenth
-- of a second for further changes, by this process or another.
--
--   ann     2       12.5
--   INSERT  ann     1       -       open
--   INSERT  ann     2       -       open
--   INSERT  bob     1       -       open
--   MODIFY  ann     1       open    paid
--   REMOVE  bob     1       open    -
--   INSERT  bob     2       -       open
