-- replicator.lua - replicates one database into another until it is killed.
--
--   replicator.lua LOG SOURCE TARGET
--
-- The batches are small, so that it is killed between and in commits.
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local source = assert(tidetable.open(arg[2], { durability = "none" }))
local target = assert(tidetable.open(arg[3], { durability = "none" }))
local replication = assert(target:replicate(source, { skip = true }))
replication.batch = 2000
while true do
  local applied, err, code = replication:step(1)
  if applied == nil and code ~= "BUSY" and code ~= "REPLICA_MOVED" then
    log:write(tostring(err), "\n")
    error(err)
  end
end
