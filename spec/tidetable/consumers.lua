-- consumers.lua - the tables, the consumers and a handler of the specs of consumers.
local assert = require "luassert"
local helper = require "spec.tidetable.helper"

local consumers = {}

--- Opens a database with the tables `orders`, which has ten items with an amount, and `totals`.
function consumers.totals()
  local db = helper.open()
  local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  local totals = assert(db:create_table { name = "totals", partition_key = "id" })
  for i = 1, 10 do assert(orders:put { id = tostring(i), amount = i }) end
  return db, totals
end

--- Opens a database with two tables that have streams, `orders` and `other`.
function consumers.two_tables()
  local db = helper.open()
  return db,
    assert(db:create_table { name = "orders", partition_key = "id", stream = true }),
    assert(db:create_table { name = "other", partition_key = "id", stream = true })
end

--- Opens a consumer of `orders` that soon runs failed batches again.
function consumers.open(db, name, opts)
  local given = { source = "orders", backoff = 0.001 }
  for option, value in pairs(opts or {}) do given[option] = value end
  return assert(db:consumer(name, given))
end

--- A handler that adds the amounts of the records to an item of `totals`.
function consumers.add(records, tx)
  for _, record in ipairs(records) do
    tx:table "totals":update({ id = "all" }, "ADD amount ?", { record.new_image.amount })
  end
end

return consumers
