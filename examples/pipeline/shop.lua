-- shop.lua - creates the tables of the pipeline unless they exist, places orders, cancels some.
--
--   lua5.4 examples/pipeline/shop.lua shop.tide [NUMBER]
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open(arg[1]))
local images = { view_type = "NEW_AND_OLD_IMAGES" }
local orders = assert(db:ensure_table { name = "orders", partition_key = "id", stream = images })
local stock = assert(db:ensure_table { name = "stock", partition_key = "article" })
assert(db:ensure_table { name = "invoices", partition_key = "customer",
  sort_key = { "number", "N" }, stream = images })
assert(db:ensure_table { name = "counters", partition_key = "id" })

local prices = { cup = 450, pot = 2900, tray = 1250 }      -- cents
for article, available in pairs { cup = 40, pot = 1, tray = 40 } do
  stock:put({ article = article, available = available },
    { condition = "attribute_not_exists(article)" })
end

local customers, articles = { "ann", "bob", "eve" }, { "cup", "pot", "tray", "cup" }
local emails = { ann = "ann@example.org", bob = "bob@example.org", eve = "eve" }
local first = db:info().sequence_number

for i = 1, math.tointeger(arg[2]) or 12 do
  local customer, article = customers[i % 3 + 1], articles[i % 4 + 1]
  local order = { id = ("%06d"):format(first + i), customer = customer, email = emails[customer],
    article = article, count = i % 3 + 1, price = prices[article], status = "new" }
  assert(orders:put(order))
  if i % 6 == 0 then
    order.status = "cancelled"
    assert(orders:put(order))
  end
end
