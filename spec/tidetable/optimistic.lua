-- optimistic.lua - helpers of the specs of optimistic transactions: tables and conflicting writes.
local assert = require "luassert"
local helper = require "spec.tidetable.helper"

local optimistic = {}

--- Calls db:transact in optimistic mode.
function optimistic.transact(db, fn, options)
  local given = { mode = "optimistic" }
  for name, value in pairs(options or {}) do given[name] = value end
  return db:transact(fn, given)
end

--- Creates two tables with a stream: `accounts` by id, `orders` by customer and n.
function optimistic.shop(db)
  local accounts = assert(db:create_table {
    name = "accounts", partition_key = "id", stream = true,
  })
  local orders = assert(db:create_table {
    name = "orders", partition_key = "customer", sort_key = { "n", "N" }, stream = true,
  })
  return accounts, orders
end

--- Opens a database in memory with both tables.
function optimistic.open_shop()
  local db = helper.memory()
  return db, optimistic.shop(db)
end

--- Puts a customer's orders 1 to count.
function optimistic.fill(orders, customer, count)
  for n = 1, count do assert(orders:put { customer = customer, n = n, v = n }) end
end

--- Returns how often a transaction ran, and its result: "done" on success. `between` is called
--- in the middle of each run up to `until_run` (1).
function optimistic.disturbed(db, before, between, after, options, until_run)
  local runs = 0
  local ok, err, code = optimistic.transact(db, function(tx)
    runs = runs + 1
    before(tx)
    if runs <= (until_run or 1) then between() end
    after(tx)
    return "done"
  end, options)
  return runs, ok, err, code
end

return optimistic
