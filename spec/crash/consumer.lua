-- consumer.lua - a worker of the consumer "totals": counts the changes of each item.
--
--   consumer.lua LOG DATABASE
--
-- The row of an item in `totals` has the number of its changes and the number of the last one, so a
-- change that is handled twice, left out or handled too early is found at once.
local child = require "spec.crash.child"
local counting = require "spec.crash.counting"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
log:write("open\n")
local ok, err = pcall(function()
  return assert(assert(db:consumer "totals"):run(counting.handle))
end)
log:write(tostring(ok), " ", tostring(err), "\n")
