-- consumer.lua - two programs that follow the orders: one adds up what each customer has spent, the
-- other prints. Both continue where they have ended, also after a kill.
--
--   lua5.4 examples/consumer.lua shop.tide
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open(arg[1] or ":memory:"))
local orders = assert(db:ensure_table { name = "orders", partition_key = "id", stream = true })
local spent = assert(db:ensure_table { name = "spent", partition_key = "customer" })

for i = 1, 6 do
  local number = db:last_change() + i
  local customer = i % 2 == 0 and "ann" or "bob"
  assert(orders:put { id = tostring(number), customer = customer, total = 10 * i })
end

-- Exactly once: the additions and the position of the consumer are one commit.
local totals <close> = assert(db:consumer("totals", { source = "orders", batch_size = 4 }))
local function add(records, tx)
  for _, record in ipairs(records) do
    local order = record.new_image
    tx:table "spent":update({ customer = order.customer }, "ADD amount ?", { order.total })
  end
end
while assert(totals:step(add)) > 0 do end

-- At least once: what is printed is printed again if the process is killed before the commit.
local log = assert(db:consumer("log", { source = "orders" }))
for batch in log:batches() do
  print(("%d new orders"):format(#batch))
  assert(batch:commit())
  log:stop()
end

for item in spent:scan() do
  print(item.customer, item.amount)
end

-- It prints
--
--   6 new orders
--   ann  120
--   bob  90
