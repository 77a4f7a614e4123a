-- retry.lua - what follows a failed attempt: another division of the batch, a wait, or the end.

local attempts = require "tidetable.consumer.attempt"
local core = require "tidetable.core"
local responses = require "tidetable.consumer.response"
local snapshots = require "tidetable.consumer.snapshot"
local wait = require "tidetable.wait"

local retries = {}

--- Maximum number of seconds between two attempts.
local BACKOFF_MAX = 60

--- Counts a failed attempt in the file. Returns the number of attempts; 0 if the consumer was lost.
local function count_failure(worker, records)
  local count = worker.attempts + 1
  local ok, err, code = wait.try(worker.database, core.consumer_fail, worker.database.core,
    worker.id, worker.epoch, worker.position, snapshots.end_of(worker, records).to, #records, 0)
  if not ok and code == "LEASE_LOST" then
    worker:lose()
    return 0
  elseif not ok and not attempts.temporary[code] then
    return nil, err, code
  end
  worker.attempts = count
  return count
end

--- Returns the text of anything that a handler can raise.
local function text_of(failure)
  local ok, text = pcall(tostring, failure)
  return ok and text or ("a %s without text"):format(type(failure))
end

--- Names a batch.
local function subject_of(records)
  if records.mark then
    return ("on_snapshot(%q)"):format(records.mark)
  end
  return ("records %d to %d"):format(records[1].sequence_number, records[#records].sequence_number)
end

local function batch_failed(worker, records, failure)
  local _, err = core.consumer_failure("BATCH_FAILED", ("consumer %s: %s: %s"):format(
    worker.consumer.name, subject_of(records), text_of(failure)))
  err.reason = responses.is_partial(failure) and failure.response or failure
  return nil, err, "BATCH_FAILED"
end

--- Makes the first records of the batch in hand the batch, and the others those that follow.
local function divide(worker, records, count)
  local first, rest = { bytes = 0, depth = 0 }, { bytes = 0, depth = 0 }
  local function add(part, record)
    part[#part + 1], part.bytes = record, part.bytes + record.size_bytes
    part.depth = math.max(part.depth, record.depth)
  end
  for i, record in ipairs(records) do
    add(i <= count and first or rest, record)
  end
  for _, record in ipairs(worker.gathered or {}) do
    add(rest, record)
  end
  worker.records, worker.gathered = first, rest
end

--- Divides a batch that failed, if that is no failed attempt: before the first record that the
--- handler named; in halves if the batch was too big for a transaction, or the settings say so.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@param failure any
---@param code tidetable.code|nil  of the failure, if the library made it
---@return boolean
function retries.was_divided(worker, records, failure, code)
  local index = responses.is_partial(failure) and failure.index or nil
  if index and index > 1 then
    divide(worker, records, index - 1)
  elseif #records > 1 and (code == "TOO_BIG" or worker.settings.bisect) then
    divide(worker, records, #records // 2)
  else
    return false
  end
  return true
end

--- Waits before the next attempt. Returns 0, the number of records handled.
---@param worker tidetable.Worker
---@param count integer  number of failed attempts
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function retries.back_off(worker, count)
  local seconds = worker.settings.backoff * 2 ^ math.min(count - 1, 20)
  seconds = math.min(seconds, BACKOFF_MAX) * (0.75 + math.random() / 2)
  local ok, err, code = worker:sleep_until(core.process_elapsed() + seconds)
  return ok and 0, err, code
end

--- Counts a failed attempt and waits before the next one. Returns 0, the number of records handled;
--- BATCH_FAILED after the last attempt, or if it must not wait.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@param failure any  what the handler raised or returned
---@param may_wait boolean
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function retries.after_attempt(worker, records, failure, may_wait)
  local count, err, code = count_failure(worker, records)
  if not count then
    return nil, err, code
  elseif count == 0 then
    return 0
  elseif not may_wait or count >= (worker.settings.max_attempts or math.huge) then
    return batch_failed(worker, records, failure)
  end
  return retries.back_off(worker, count)
end

return retries
