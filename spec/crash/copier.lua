-- copier.lua - copies or compacts a database once, and logs its start and end.
--
--   copier.lua LOG DATABASE TARGET KIND    "plain", "compact", or "in place"
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local path, target, kind = table.unpack(arg, 2)
local log = child.log(arg[1])

if kind == "in place" then
  log:write("begin\n")
  assert(tidetable.compact(path))
else
  local db = assert(tidetable.open(path, { durability = "none" }))
  log:write("begin\n")
  assert(db:backup(target, { compact = kind == "compact", overwrite = true }))
end
log:write("end\n")
