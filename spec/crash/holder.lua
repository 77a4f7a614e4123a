-- holder.lua - holds the write lock inside a transaction until a file appears.
--
--   holder.lua LOG DATABASE FILE
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2]))
local ok, err = db:transact(function(tx)
  tx:table("one"):put { p = "holder", id = 1, n = 1 }
  log:write("in\n")
  repeat
    local file = io.open(arg[3])
  until file and file:close()
  return true
end, { time_limit = 60 })
log:write(ok and "out\n" or "x " .. tostring(err) .. "\n")
