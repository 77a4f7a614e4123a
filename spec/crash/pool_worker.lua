-- pool_worker.lua - one of several workers of the consumer "totals", which share its shards.
--
--   pool_worker.lua LOG DATABASE SEED
--
-- It counts the changes of each item (counting.lua). At random times it stops, closes the database
-- and opens it again. Log, a line for each event:
--
--   open            the database is open, and a worker will join
--   owner 3f...     the worker has joined; the id of this opening of the database
--   closed          the database is closed
--   violation ...   the owner of a range got a change that is not the next one of its item
--   failed ...      the run has ended
local child = require "spec.crash.child"
local core = require "tidetable.core"
local counting = require "spec.crash.counting"
local system = require "system"
local tidetable = require "tidetable"

local BATCHES_MAX = 400                          -- until the database is closed
local HANDLER_MAX = 0.003                        -- seconds in the handler
local CLOSED_MAX = 0.3                           -- seconds

local file = child.log(arg[1])
math.randomseed(math.tointeger(arg[3]))

--- Writes a line in one call, so that a killed process leaves no part of a line.
local function log(text)
  file:write((text:gsub("\n", " ")) .. "\n")
end

--- Logs the opening with each range that the worker becomes the owner of.
local join = core.consumer_join
function core.consumer_join(...)
  local range, err, code = join(...)
  if range then
    log("owner " .. range.opening:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
  end
  return range, err, code
end

--- Returns true if the worker still owns its range. A worker that was stopped for longer than its
--- lease can see the effects of its successor; its commit is refused. An epoch only increases, so a
--- worker that owns its range now has owned it for the whole handler.
local function is_owner(db, worker)
  for _, range in ipairs(assert(core.consumer_describe(db.core, "totals")).ranges) do
    if range.first == worker.first then
      return range.epoch == worker.epoch
    end
  end
  return false
end

local function run()
  local db <close> = assert(tidetable.open(arg[2], { durability = "none", busy_timeout = 60 }))
  local consumer = assert(db:consumer "totals")
  local left = math.random(BATCHES_MAX)
  log "open"
  assert(consumer:run(function(records, tx)
    if math.random(2) == 1 then system.sleep(math.random() * HANDLER_MAX) end
    local ok, err = pcall(counting.handle, records, tx)
    if not ok then
      if tostring(err):find("change %d+ after %d+") and is_owner(db, consumer.worker) then
        log("violation " .. tostring(err))
      end
      error(err, 0)
    end
    if math.random(2) == 1 then system.sleep(math.random() * HANDLER_MAX) end
    left = left - 1
    if left <= 0 then consumer:stop() end
  end))
end

repeat
  local ok, err = pcall(run)
  log(ok and "closed" or "failed " .. tostring(err))
  system.sleep(math.random() * CLOSED_MAX)
until not ok
