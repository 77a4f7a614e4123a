-- truncater.lua - truncates a table.
--
--   truncater.lua LOG DATABASE
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
log:write("open\n")
log:write(assert(db:table "items":truncate()), " removed\n")
