-- audit.lua - who changed which order, and why: one item for each change.
--
--   lua5.4 examples/processors/audit.lua shop.tide
local db <close> = assert(require "tidetable".open(arg[1]))

assert(assert(db:consumer("audit", { source = "orders" })):run(function(records, tx)
  for _, record in ipairs(records) do
    tx:table "audit":put { id = record.id, order = record.keys.id, event = record.event_name,
      by = record.context, at = record.created_at }
  end
end))
