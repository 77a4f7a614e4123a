-- batch_reader.lua - reads the batches of a worker from its stream.

local core = require "tidetable.core"

local batch_reader = {}

--- Number of beats in a lease.
local BEATS = 3
--- Maximum number of seconds of one wait, after which the worker beats.
local WAIT_MAX = 1

--- Turns the end of the stream into the error of a consumer.
---@param worker tidetable.Worker
---@param err tidetable.error
---@param code tidetable.code
---@return nil, tidetable.error err, tidetable.code code
function batch_reader.ended(worker, err, code)
  local name = worker.consumer.name
  if code ~= "STREAM_ENDED" and code ~= "NOT_FOUND" then
    return nil, err, code
  end
  local _, _, missing = core.stream_of(worker.database.core, worker.source, "")
  if err.message:find("its table was deleted", 1, true)
      or code == "NOT_FOUND" and missing == "NOT_FOUND" then
    return core.consumer_failure("SOURCE_GONE", ("consumer %s: %s"):format(name, err.message))
  end
  return core.consumer_failure("STREAM_GAP", ("consumer %s: %s"):format(name, err.message))
end

--- Returns how many seconds the batch is held back for more records.
local function held_back(worker, records)
  if #records == 0 or worker.settings.window == 0 then
    return 0
  end
  return worker.settings.window - (core.wall_clock(worker.database.core) - records[1].created_at)
end

--- Adds the records that are there. Returns true if the batch is full; nil, err, code if a record
--- can't be read and the batch is empty.
local function fill(worker, records)
  local limits, reader = worker.settings, worker.reader
  local size = limits.batch_size
  if worker.largest > 0 then
    size = math.min(size, worker.largest)
  end
  while #records < size do
    local record, err, code = reader:take_pending(), nil, nil
    if not record then
      record, err, code = reader:try(false)
    end
    if err then
      if #records > 0 then
        return true          -- the next batch gets the error
      end
      return nil, err, code
    elseif not record then
      return false
    end
    local bytes = records.bytes + record.size_bytes
    if #records > 0 and bytes > limits.batch_bytes then
      reader.pending = record
      return true
    end
    records[#records + 1], records.bytes = record, bytes
  end
  return true
end

--- Waits for records, at most until the deadline. Returns false if the consumer was lost.
local function wait_for_records(worker, records, deadline)
  local seconds = deadline - core.process_elapsed()
  if worker.settings.lease / BEATS < WAIT_MAX then
    seconds = math.min(seconds, worker.settings.lease / BEATS)
  end
  if #records > 0 then
    seconds = math.min(seconds, held_back(worker, records))
  end
  -- Without a limit the reader waits for at most a second.
  local limit = seconds < math.huge and math.max(seconds, 0) or nil
  local touched, err, code = worker.reader:pause(limit)
  if touched == nil then
    return nil, err, code
  end
  return worker:verify()
end

--- Reads a batch. Returns nil if there is none until the deadline, or the consumer was lost; nil,
--- err, code on failure.
---@param worker tidetable.Worker
---@param deadline number  time of the process's clock
---@return tidetable.Record[]|nil records, tidetable.error|nil err, tidetable.code|nil code
function batch_reader.read(worker, deadline)
  local records = worker.gathered or { bytes = 0 }
  worker.gathered = records
  while true do
    local full, err, code = fill(worker, records)
    if full == nil then
      return batch_reader.ended(worker, err, code)
    elseif full or #records > 0 and held_back(worker, records) <= 0 then
      worker.gathered = nil
      return records
    end
    if #records == 0 then
      local continues
      continues, err, code = core.check_end(worker.reader.core, true)
      if not continues then
        return batch_reader.ended(worker, err, code)
      end
    end
    if core.process_elapsed() >= deadline or worker.consumer.is_stopping then
      return nil
    end
    local owns
    owns, err, code = wait_for_records(worker, records, deadline)
    if not owns then
      return nil, err, code
    elseif worker.replays > 0 then
      return nil             -- they are delivered first
    end
  end
end

return batch_reader
