-- replica.lua - keeps a standby database equal to another one, and promotes it.
--
--   lua5.4 examples/replica.lua
--
-- The replica continues where it was, is compared with the source, and takes over when it is
-- promoted. The databases are in memory; files work in the same way.
local tidetable = require "tidetable"

local shop <close> = assert(tidetable.open ":memory:")
local standby <close> = assert(tidetable.open ":memory:")

local orders = assert(shop:create_table { name = "orders", partition_key = "id", stream = true })
for i = 1, 1000 do
  assert(orders:put { id = ("order-%04d"):format(i), total = i })
end

--- Returns the number of differences.
local function differences()
  local count = 0
  for _ in shop:diff(standby) do count = count + 1 end
  return count
end

-- The first run copies the table.
do
  local replication <close> = assert(standby:replicate(shop))
  assert(replication:catch_up())
  print("copied", standby:replicas()[1].items, "differences", differences())
end

-- Changes are made while no replication runs.
assert(shop:transact(function(tx)
  tx:table("orders"):delete { id = "order-0001" }
  tx:table("orders"):put { id = "order-1001", total = 1001 }
end, { origin = "shop", context = { reason = "returned" } }))

-- The second run continues: one transaction of two changes, with its origin and context.
do
  local replication <close> = assert(standby:replicate(shop))
  print("behind", replication:lag().changes)
  assert(replication:catch_up())
end
for transaction in standby:table("orders"):stream():transactions { from = "TRIM_HORIZON" } do
  if transaction[1].origin then
    print("transaction", #transaction, transaction[1].origin, transaction[1].context.reason)
  end
end
print("differences", differences())

-- Others can't write to the replica before it is promoted.
local _, _, code = standby:table("orders"):put { id = "order-1002", total = 1 }
print("put", code)
assert(standby:promote())
assert(standby:table("orders"):put { id = "order-1002", total = 1 })
print(standby:replicas()[1].state)

-- The first run copies the items, the second one applies a transaction atomically.
--
--   copied 1000 differences 0
--   behind 2
--   transaction 2 shop returned
--   differences 0
--   put REPLICATED
--   PROMOTED
