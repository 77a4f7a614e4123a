-- cache.lua - removes from a cache outside the database what has changed: a file for each order.
--
--   lua5.4 examples/processors/cache.lua shop.tide /tmp/cache
--
-- A cache that starts empty needs no older changes: from = "LATEST". Removing twice does no harm,
-- so delivery at least once is enough.
local db <close> = assert(require "tidetable".open(arg[1]))

assert(assert(db:consumer("cache", { source = "orders", from = "LATEST" })):run(function(records)
  for _, record in ipairs(records) do
    os.remove(("%s/%s"):format(arg[2], record.keys.id))
  end
end))
