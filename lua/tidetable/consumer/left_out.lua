-- left_out.lua - records that a consumer leaves out: its position moves over them.
--
-- A batch moves the position over the records that were left out before it. If no batch follows,
-- the worker moves it with a commit of its own, but only while it has read no record that is
-- to be handled: the position never passes such a record.

local attempts = require "tidetable.consumer.attempt"
local core = require "tidetable.core"
local wait = require "tidetable.wait"

local left_out = {}

--- Maximum number of records left out before a commit, and maximum age of the first of them.
local RECORDS_MAX, SECONDS_MAX = 10000, 10

--- Records that were left out after the position.
---@class tidetable.LeftOut
---@field to integer      sequence number of the last of them
---@field count integer
---@field since number    time of the process's clock at which the first was read

--- Notes that a record was left out.
---@param worker tidetable.Worker
---@param record tidetable.Record
function left_out.note(worker, record)
  local noted = worker.left_out
  if not noted or noted.to <= worker.position then
    noted = { count = 0, since = core.process_elapsed() }
    worker.left_out = noted
  end
  noted.to, noted.count = record.sequence_number, noted.count + 1
end

--- Returns the number of seconds until the position must be moved by a commit of its own; nil if no
--- record was left out after it.
---@param worker tidetable.Worker
---@return number|nil
function left_out.seconds(worker)
  local noted = worker.left_out
  if not noted or noted.to <= worker.position then
    return nil
  elseif noted.count >= RECORDS_MAX then
    return 0
  end
  return math.max(noted.since + SECONDS_MAX - core.process_elapsed(), 0)
end

--- Moves the position over the records left out, if it is time. The worker must not have read a
--- record that is to be handled. Returns true; false if the consumer was lost; nil, err, code on
--- failure. A temporary failure is none: the position is moved later.
---@param worker tidetable.Worker
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function left_out.pass(worker)
  if left_out.seconds(worker) ~= 0 then
    return true
  end
  local noted = worker.left_out
  local ok, err, code = wait.try(worker.database, core.consumer_pass, worker.database.core,
    worker.id, worker.epoch, worker.position, noted.to)
  if ok then
    worker.position, worker.left_out = noted.to, nil
  elseif code == "LEASE_LOST" then
    worker:lose()
    return false
  elseif attempts.temporary[code] then
    noted.count, noted.since = 0, core.process_elapsed()
  else
    return nil, err, code
  end
  return true
end

return left_out
