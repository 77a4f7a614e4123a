-- mirror.lua - a worker of the consumer "mirror".
--
--   mirror.lua LOG DATABASE
local child = require "spec.crash.child"
local mirroring = require "spec.crash.mirroring"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
log:write("open\n")
local ok, err = pcall(function()
  local consumer = assert(db:consumer("mirror", { on_snapshot = mirroring.on_snapshot }))
  return assert(consumer:run(mirroring.handle))
end)
log:write(tostring(ok), " ", tostring(err), "\n")
