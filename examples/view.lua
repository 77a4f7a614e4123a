-- view.lua - two views of a table of orders: what each customer has spent, and sales by minute.
--
--   lua5.4 examples/view.lua
--
-- The views are tables that the library keeps equal to functions of `orders`. A new version of a
-- function is merged into the same table.
local tidetable = require "tidetable"

local clock = tidetable.manual_clock(1767225600)     -- a service uses the system's clock
local db <close> = assert(tidetable.open(":memory:", { clock = clock }))

local orders = assert(db:create_table {
  name = "orders", partition_key = "customer", sort_key = { "number", "N" }, stream = true,
})

--- Returns the definition of the view `spent`. Version 2 leaves refunded orders out.
local function spent_by_customer(version)
  return {
    name = "spent", from = "orders", version = version,
    key = function(order)
      return (version == 1 or not order.refunded) and { customer = order.customer } or nil
    end,
    reduce = {
      initial = { total = 0, orders = 0 },
      add = function(group, order)
        group.total, group.orders = group.total + order.total, group.orders + 1
      end,
      remove = function(group, order)
        group.total, group.orders = group.total - order.total, group.orders - 1
      end,
    },
    table = { partition_key = "customer", stream = true },
  }
end

local sales_by_minute = {
  name = "sales", from = "orders",
  key = function() return { shop = "main" } end,
  window = { size = 60, grace = 10, stamp = function(order) return order.at end },
  reduce = {
    initial = { total = 0 },
    add = function(group, order) group.total = group.total + order.total end,
    remove = function(group, order) group.total = group.total - order.total end,
  },
  table = { partition_key = "shop", sort_key = { "window", "N" } },
}

local number = 0
local function order(customer, total, refunded)
  number = number + 1
  assert(orders:put { customer = customer, number = number, total = total, refunded = refunded,
    at = clock:now() })
end

--- Brings a view up to date. A service calls view:run() instead.
local function catch_up(view)
  while assert(view:step()) > 0 do end
end

local function show(what)
  local line = {}
  for row in db:table "spent":scan() do
    line[#line + 1] = ("%s %s (%d)"):format(row.customer, row.total, row.orders)
  end
  print(what, table.concat(line, ", "))
end

order("ann", 12.5)
order("bob", 7.25)
order("ann", 0.1, true)
local spent = assert(db:view(spent_by_customer(1)))
catch_up(spent)
show "built"

order("bob", 2.75)
assert(orders:delete { customer = "ann", number = 1 })
catch_up(spent)
show "followed"
print("checked", assert(spent:check()).is_equal)

-- Another version: the rows of ann disappear, those of bob are unchanged and have no record.
spent:close()
local before = db:last_change()
spent = assert(db:view(spent_by_customer(2)))
catch_up(spent)
show "version 2"
for record in assert(db:table "spent":stream()):records { after = before } do
  print("record", record.event_name .. " " .. record.keys.customer)
end

-- Windows: one of the minutes closes by an order of the next one, the other by the clock.
local sales = assert(db:view(sales_by_minute))
catch_up(sales)
local function show_sales(what)
  for row in db:table "sales":query("main") do
    print(what, row.window - 1767225600, row.total, row.closed and "closed" or "open")
  end
end
show_sales "now"
clock:advance(65)
order("eve", 3)
catch_up(sales)
show_sales "a minute later"
clock:advance(70)
catch_up(sales)
show_sales "and another one"

--   built           ann 12.6 (2), bob 7.25 (1)
--   followed        ann 0.1 (1), bob 10 (2)
--   checked         true
--   version 2       bob 10 (2)
--   record          REMOVE ann
--   now             0       10.1    open
--   a minute later  0       10.1    closed
--   a minute later  60      3       open
--   and another one 0       10.1    closed
--   and another one 60      3       closed
