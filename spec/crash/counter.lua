-- counter.lua - increments an item, one commit at a time, and logs each.
--
--   counter.lua LOG DATABASE DURABILITY
--
-- Log: "a 7" when the commit with n = 7 was acknowledged.
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
