-- ignored.lua - moves a consumer's position over records that it ignores.
--
-- The commit of a batch moves the position over the records ignored before it. If no batch
-- follows, the worker moves the position in a separate commit. It does so only while it has read no
-- record for the handler, so the position never skips such a record.

local attempts = require "tidetable.consumer.attempt"
local core = require "tidetable.core"
local wait = require "tidetable.wait"

local ignored = {}

--- Limits after which the position is moved: records ignored, and seconds since the first of them.
local RECORDS_MAX, SECONDS_MAX = 10000, 10

--- The records ignored after the position.
---@class tidetable.IgnoredRecords
---@field to integer      sequence number of the last of them
---@field count integer
---@field since number    process time when the first one was read

--- Registers an ignored record.
---@param worker tidetable.Worker
---@param record tidetable.Record
function ignored.note(worker, record)
  local noted = worker.ignored_records
  if not noted or noted.to <= worker.position then
    noted = { count = 0, since = core.process_elapsed() }
    worker.ignored_records = noted
  end
  noted.to, noted.count = record.sequence_number, noted.count + 1
end

--- Returns the number of seconds until the position must be moved in a separate commit; nil if no
--- record was ignored after it.
---@param worker tidetable.Worker
---@return number|nil
function ignored.seconds(worker)
  local noted = worker.ignored_records
  if not noted or noted.to <= worker.position then
    return nil
  elseif noted.count >= RECORDS_MAX then
    return 0
  end
  return math.max(noted.since + SECONDS_MAX - core.process_elapsed(), 0)
end

--- Moves the position over the records ignored, if that is due. The worker must not have read a
--- record for the handler. Returns true; false if the consumer was lost; nil, err, code on failure.
--- After a temporary failure returns true, and the position is moved later.
---@param worker tidetable.Worker
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ignored.skip(worker)
  if ignored.seconds(worker) ~= 0 then
    return true
  end
  local noted = worker.ignored_records
  local ok, err, code = wait.try(worker.database, core.consumer_skip_ignored, worker.database.core,
    worker.id, worker.epoch, worker.first, worker.position, noted.to)
  if ok then
    worker.position, worker.ignored_records = noted.to, nil
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

--- Moves the position to a later one, after all records up to that were read and none of them is in
--- hand. Returns as skip.
---@param worker tidetable.Worker
---@param to integer
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ignored.reach(worker, to)
  worker.ignored_records = { to = to, count = RECORDS_MAX, since = 0 }
  return ignored.skip(worker)
end

return ignored
