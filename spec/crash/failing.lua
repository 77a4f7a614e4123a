-- failing.lua - a worker of a consumer whose handler fails for some changes.
--
--   failing.lua LOG DATABASE CONSUMER
--
-- CONSUMER is "parks", "buries" or "bundles". failing_changes.lua contains their handlers.
local changes = require "spec.crash.failing_changes"
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
log:write("open\n")
local ok, err = pcall(function()
  return assert(assert(db:consumer(arg[3])):run(changes[arg[3]]))
end)
log:write(arg[3], " ", tostring(ok), " ", tostring(err), "\n")
