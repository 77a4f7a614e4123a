-- viewer.lua - maintains a view of spec/tidetable/views.lua until it is killed or ends.
--
--   viewer.lua LOG DATABASE KIND VERSION
local child = require "spec.crash.child"
local tidetable = require "tidetable"
local views = require "spec.tidetable.views"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
local definition = views.kinds[arg[3]].define(math.tointeger(tonumber(arg[4])), { batch_size = 7 })
local view, open_err = db:view(definition)
local ok, err
if view then
  ok, err = pcall(function() return assert(view:run()) end)
end
log:write(arg[3], " ", tostring(ok), " ", tostring(err or open_err), "\n")
