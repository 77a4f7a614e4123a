-- mirror.lua - a mirror of a table in another form: it starts with all items, follows their
-- changes, and repairs itself after records have expired that it had not seen.
--
--   lua5.4 examples/mirror.lua shop.tide
--
-- The mirror has the orders by customer. It is in the same file, so its rows and the position of
-- the consumer are one commit: a kill at any time loses nothing and repeats nothing.
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open(arg[1] or ":memory:"))
local orders = assert(db:ensure_table { name = "orders", partition_key = "id",
  stream = { retention = { count = 2 } } })      -- so short that this example loses records
local mirror = assert(db:ensure_table { name = "by_customer", partition_key = "customer",
  sort_key = "id" })

for i, customer in ipairs { "ann", "bob", "ann" } do
  assert(orders:put { id = tostring(i), customer = customer, total = 10 * i })
end

local consumer <close> = assert(db:consumer("by_customer", {
  source = "orders", from = "SNAPSHOT", on_trimmed = "snapshot",
  on_snapshot = function(event, tx)
    print("snapshot: " .. event)
    for row in event == "begin" and mirror:scan() or function() end do
      tx:table "by_customer":delete { customer = row.customer, id = row.id }
    end
  end,
}))

local function handle(records, tx)
  local rows = tx:table "by_customer"
  for _, record in ipairs(records) do
    local old, new = record.old_image, record.new_image
    if old then
      rows:delete { customer = old.customer, id = old.id }
    end
    if new then
      rows:put(new)
    end
  end
end

local function show()
  while assert(consumer:step(handle)) > 0 do end
  for row in mirror:scan() do
    print(row.customer, row.id, row.total)
  end
end

show()
assert(orders:update({ id = "2" }, "SET customer = ?", { "eve" }))
show()
for i = 4, 6 do
  assert(orders:put { id = tostring(i), customer = "bob", total = 10 * i })
end
show()

-- It prints
--
--   snapshot: begin
--   snapshot: end
--   ann  1  10
--   ann  3  30
--   bob  2  20
--   ann  1  10
--   ann  3  30
--   eve  2  20
--   snapshot: begin
--   snapshot: end
--   ann  1  10
--   ann  3  30
--   bob  4  40
--   bob  5  50
--   bob  6  60
--   eve  2  20
