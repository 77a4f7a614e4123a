-- batch_reader.lua - reads the batches of a worker from its stream.

local core = require "tidetable.core"
local sources = require "tidetable.consumer.source"

local batch_reader = {}

--- Number of beats in a lease.
local BEATS = 3
--- Maximum number of seconds of one wait, after which the worker beats.
local WAIT_MAX = 1

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
  local size, most_bytes = limits.batch_size, limits.batch_bytes
  if worker.largest > 0 then
    size = math.min(size, worker.largest)
  end
  local count, record, err, code = #records, nil, nil, nil
  if count < size then
    record = reader:take_pending()
  end
  while count < size do
    if not record then
      record, err, code = reader:try(false)
    end
    if err then
      if count > 0 then
        return true          -- the next batch gets the error
      end
      return nil, err, code
    elseif not record then
      return false
    end
    local bytes = records.bytes + record.size_bytes
    if count > 0 and bytes > most_bytes then
      reader.pending = record
      return true
    end
    count = count + 1
    records[count], records.bytes, record = record, bytes, nil
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
  elseif touched and worker:was_verified() then
    core.worker_beat(worker.database.core, worker.slot)
    return true
  end
  return worker:verify()
end

--- Checks a worker that has handled all records. Returns false if it has to join again.
local function check_end(worker)
  local continues, err, code = core.check_end(worker.reader.core, true)
  if continues or code ~= "STREAM_ENDED" then
    return continues, err, code
  end
  continues, err, code = sources.after_end(worker)
  if continues == false then
    worker:lose()
  end
  return continues, err, code
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
      return nil, err, code
    elseif full or #records > 0 and held_back(worker, records) <= 0 then
      worker.gathered = nil
      return records
    end
    if #records == 0 then
      local continues
      continues, err, code = check_end(worker)
      if not continues then
        return nil, err, code
      end
    end
    if core.process_elapsed() >= deadline or worker.consumer.is_stopping then
      return nil
    end
    local owns
    owns, err, code = wait_for_records(worker, records, deadline)
    if not owns then
      return nil, err, code
    end
  end
end

return batch_reader
