-- counter.lua - counts up an item, a commit each time, and says so after each.
--
--   counter.lua LOG DATABASE DURABILITY
--
-- The log's lines: "a 7" when the item's n is 7 and that is acknowledged.
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = arg[3], busy_timeout = 60 }))
local counters = assert(db:table "counters")
local n = assert(counters:get { id = "c" }).n

while true do
  n = n + 1
  assert(counters:put { id = "c", n = n })
  log:write("a ", n, "\n")
end
