-- totals.lua - what each customer has spent, from the changes of the orders, each counted once.
--
--   lua5.4 examples/processors/totals.lua shop.tide
local db <close> = assert(require "tidetable".open(arg[1]))

local function total(order)
  return order and not order.refunded and order.total or 0
end

assert(assert(db:consumer("totals", { source = "orders" })):run(function(records, tx)
  for _, record in ipairs(records) do
    local old, new = record.old_image, record.new_image
    tx:table "spent":update({ id = (new or old).customer }, "ADD amount ?",
      { total(new) - total(old) })
  end
end))
