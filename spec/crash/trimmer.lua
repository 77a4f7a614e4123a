-- trimmer.lua - trims in an endless loop.
--
--   trimmer.lua LOG DATABASE
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
while true do
  local count, err = db:sweep()
  if not count then
    log:write("x ", tostring(err), "\n")
  end
end
