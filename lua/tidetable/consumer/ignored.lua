-- ignored.lua - moves a consumer's position over records that it ignores: those that do not satisfy
-- its filter, and those with an ignored origin.
--
-- The commit of a batch moves the position over the records ignored before it. If no batch follows,
-- the worker moves the position in a separate commit. It notes a new position only while it has no
-- record that must be handled first, so the position never moves past such a record.

local attempts = require "tidetable.consumer.attempt"
local core = require "tidetable.core"
local wait = require "tidetable.wait"

local ignored = {}

--- Limits after which the position is moved: records ignored, and seconds since the first of them.
local RECORDS_MAX, SECONDS_MAX = 10000, 10
--- Seconds after a temporary failure until the position is stored again, if a caller of wait_for
--- waits for it.
local PAUSE = 1

--- The records ignored after the position.
---@class tidetable.IgnoredRecords
---@field position integer  the worker's position when they were noted
---@field items integer|nil  copy: number of items that had been delivered when they were noted
---@field to integer        position after them
---@field key string|nil    copy: item key of the last item ignored
---@field count integer
---@field since number      process time when the first one was noted
---@field failed_at number|nil  process time of the last temporary failure

--- Returns true if these records were noted since the last commit of the worker.
local function is_current(noted, worker)
  return noted and noted.position == worker.position
    and noted.items == (worker.copy and worker.copy.items)
end

--- Returns an empty note of the records ignored after the worker's position.
local function new_note(worker)
  return { position = worker.position, items = worker.copy and worker.copy.items, count = 0,
    since = core.process_elapsed() }
end

--- Returns the number of records that the worker's reader has ignored so far.
---@param worker tidetable.Worker
---@return integer
function ignored.count(worker)
  local _, _, filtered = core.feed_place(worker.reader.core)
  return worker.ignored_count + filtered
end

--- Notes the records that were ignored after the position. The worker must have no unhandled
--- record.
---@param worker tidetable.Worker
function ignored.note(worker)
  local noted, to, key, filtered = worker.ignored_records, core.feed_place(worker.reader.core)
  if to == worker.position and not worker.copy then
    return
  elseif not is_current(noted, worker) then
    noted = new_note(worker)
    worker.ignored_records = noted
  end
  noted.to, noted.key = to, key
  noted.count = worker.ignored_count + filtered - worker.ignored_before
end

--- Returns true if the noted records are after the position.
local function are_after(noted, worker)
  return is_current(noted, worker) and (noted.to > worker.position
    or noted.count > 0 and worker.copy ~= nil)
end

--- Returns the number of seconds until the position must be moved in a separate commit; nil if no
--- record was ignored after it. Returns 0 if a caller of wait_for waits for one of them.
---@param worker tidetable.Worker
---@return number|nil
function ignored.seconds(worker)
  local noted = worker.ignored_records
  if not are_after(noted, worker) then
    return nil
  elseif noted.count >= RECORDS_MAX then
    return 0
  end
  local at = noted.since + SECONDS_MAX
  if not worker.copy and core.worker_asked(worker.database.core, worker.slot) > worker.position then
    at = noted.failed_at and noted.failed_at + PAUSE or 0
  end
  return math.max(at - core.process_elapsed(), 0)
end

--- Moves the position over the records noted, in a commit.
---@param worker tidetable.Worker
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
local function move(worker)
  local noted = worker.ignored_records
  if worker.held then
    noted.to = math.min(noted.to, worker.held.position)
  end
  local ok, err, code = wait.try(worker.database, core.consumer_skip_ignored, worker.database.core,
    worker.id, worker.epoch, worker.first, worker.position, noted.to,
    worker.copy and worker.copy.items or 0, noted.key)
  if ok then
    worker.position, worker.ignored_records = noted.to, nil
    worker.ignored_before = worker.ignored_before + noted.count
  end
  return ok, err, code
end

--- Moves the position over the records ignored, if that is due. Returns true; false if the
--- consumer was lost; nil, err, code on failure. After a temporary failure returns true, and the
--- position is moved later.
---@param worker tidetable.Worker
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ignored.skip(worker)
  if ignored.seconds(worker) ~= 0 then
    return true
  end
  local ok, err, code = move(worker)
  if ok then
    worker:note_commit()
  elseif code == "LEASE_LOST" then
    worker:lose()
    return false
  elseif attempts.temporary[code] then
    local noted = worker.ignored_records
    worker.ignored_before = worker.ignored_before + noted.count
    noted.count, noted.since = 0, core.process_elapsed()
    noted.failed_at = noted.since
  else
    return nil, err, code
  end
  return true
end

--- Moves the position over the ignored records, even if that is not due yet. first: the first
--- record that the worker has read for the handler and not added to a batch; nil: none. Returns as
--- skip, but nil, err, code after a temporary failure.
---@param worker tidetable.Worker
---@param first tidetable.Record|nil
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ignored.flush(worker, first)
  if first and not worker.copy then
    worker.ignored_records = new_note(worker)
    worker.ignored_records.to = first.sequence_number - 1
  end
  if not are_after(worker.ignored_records, worker) then
    return true
  end
  local ok, err, code = move(worker)
  if code == "LEASE_LOST" then
    worker:lose()
    return false
  end
  return ok, err, code
end

--- Moves the position to a later one. The worker must have read all records up to it, and have no
--- unhandled record. Returns as skip.
---@param worker tidetable.Worker
---@param to integer
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ignored.reach(worker, to)
  worker.ignored_records = new_note(worker)
  worker.ignored_records.to, worker.ignored_records.since = to, -math.huge
  return ignored.skip(worker)
end

return ignored
