-- retry.lua - handling of failed attempts: division of the batch, backoff, giving up.

local attempts = require "tidetable.consumer.attempt"
local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local responses = require "tidetable.consumer.response"
local units = require "tidetable.consumer.unit"
local wait = require "tidetable.wait"

local retries = {}

--- Maximum backoff in seconds, before the random change.
local BACKOFF_MAX = 60

--- Counts a failed attempt in the file. Returns the number of failed attempts; 0 if the consumer
--- was lost.
local function count_failure(worker, delivery, failure)
  local count = worker.attempts + 1
  -- A worker that takes over reads the same batch.
  local ok, err, code = wait.try(worker.database, core.consumer_fail, worker.database.core,
    worker.id, worker.epoch, worker.first, worker.position, delivery.limit, #delivery.all,
    delivery.version, units.count(delivery.all, delivery.ids)
      + units.count_read(worker, delivery.queued))
  if not ok and code == "LEASE_LOST" then
    worker:lose()
    return 0
  elseif not ok and not attempts.temporary[code] then
    return nil, err, code
  end
  worker.attempts, worker.failure_text = count, deliveries.text_of(failure)
  return count
end

--- Returns the name of a delivery for messages.
local function subject_of(delivery)
  local records = delivery.all
  if delivery.mark then
    return ("on_snapshot(%q)"):format(delivery.mark)
  end
  return ("records %d to %d"):format(records[1].sequence_number, records[#records].sequence_number)
end

local function batch_failed(worker, delivery, failure)
  local _, err = core.consumer_failure("BATCH_FAILED", ("consumer %s: %s: %s"):format(
    worker.consumer.name, subject_of(delivery), deliveries.text_of(failure)))
  err.reason = responses.is_partial(failure) and failure.response or failure
  return nil, err, "BATCH_FAILED"
end

--- Ends the current batch after the first `count` records of the delivery. The next batch starts
--- with the other records.
local function divide(worker, delivery, count)
  local first, rest = { bytes = 0, depth = 0 }, { bytes = 0, depth = 0 }
  local boundary, part = delivery.all[count + 1], first
  local function add(record)
    part[#part + 1], part.bytes = record, part.bytes + record.size_bytes
    part.depth = math.max(part.depth, record.depth)
  end
  for _, record in ipairs(worker.records) do
    part = rawequal(record, boundary) and rest or part
    add(record)
  end
  for _, record in ipairs(worker.gathered or {}) do
    add(record)
  end
  worker.records, worker.gathered, worker.delivery = first, rest, nil
end

--- Divides a failed batch: before the first failed record that the handler named; in halves if the
--- batch was too big for a transaction, if the program that handled it has died, if the setting
--- `bisect` is true, or in a replay. Returns true if it was divided; the run then does not count as
--- a failed attempt.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@param failure any
---@param code tidetable.code|nil  of the failure, if the library made it
---@return boolean
function retries.was_divided(worker, delivery, failure, code)
  local partial = responses.is_partial(failure) and failure or {}
  local index = partial.index
  local count = index and units.before(delivery.all, delivery.ids, index) or 0
  if count == 0 and (code == "TOO_BIG" or partial.is_death or worker.settings.bisect
      or delivery.places) then
    count = units.count(delivery.all, delivery.ids) // 2
  end
  if count == 0 then
    return false
  end
  if delivery.places then
    worker.replay_limit, worker.delivery = count, nil
  else
    divide(worker, delivery, units.records_of(delivery.all, delivery.ids, count))
  end
  return true
end

-- Giving up ------------------------------------------------------------------

--- Returns true if the delivery is not attempted again.
local function is_spent(worker, delivery, count)
  local limits, oldest = worker.settings, delivery.all[1]
  return count >= (limits.max_attempts or math.huge) or count > 0 and oldest
    and core.wall_clock(worker.database.core) - oldest.created_at >= (limits.max_age or math.huge)
end

--- Returns true if the delivery must be given up without another attempt, because a worker died in
--- the last attempt, or died after that attempt before it had given up the records.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@return boolean
function retries.is_used_up(worker, delivery)
  return worker.settings.on_failure ~= "stop" and not delivery.places and not delivery.mark
    and (units.count(delivery.all, delivery.ids) == 1 or not worker.settings.bisect)
    and (worker.attempts >= (worker.settings.max_attempts or math.huge)
      or worker.follows_death == delivery.limit
        and is_spent(worker, delivery, math.max(worker.attempts, 1)))
end

--- Returns the text of the last failed attempt.
local function last_failure(worker, delivery)
  if worker.failure_text then
    return worker.failure_text
  elseif worker.follows_death == delivery.limit then
    return "the worker died in the handler"
  end
  return ("%d attempts failed in earlier runs"):format(worker.attempts)
end

--- Parks the records of the delivery, or puts them into the dead letter table. Returns the number
--- of records given up; nil, err, code if they can't be stored.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@param seconds number
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function retries.give_up(worker, delivery, seconds)
  local text = last_failure(worker, delivery)
  deliveries.reset(delivery)
  for i, record in ipairs(delivery.all) do
    delivery.parked[i] = { record = record, reason = text, attempts = worker.attempts }
  end
  local passed, err, code = worker:pass(delivery, seconds, true)
  if passed == nil then
    return nil, err, code
  end
  return passed and #delivery.all or 0
end

--- Counts the failed attempt of a replayed record or transaction, which stays parked. Returns 0;
--- BATCH_FAILED if it must not wait.
local function keep_parked(worker, delivery, failure, may_wait)
  local database = worker.database.core
  local ok, err, code = attempts.transact(worker, function()
    local verified, wrong, why = core.parked_verify(database, worker.id, worker.epoch,
      worker.first, delivery.version)
    if not verified then
      return nil, wrong, why
    end
    return core.parked_failed(database, worker.id, delivery.places[1],
      deliveries.text_of(failure))
  end)
  worker:lose_delivery()
  if code == "LEASE_LOST" then
    worker:lose()
    return 0
  elseif not ok and code ~= "PARKED_CHANGED" and not attempts.temporary[code] then
    return nil, err, code
  elseif not may_wait then
    return batch_failed(worker, delivery, failure)
  elseif attempts.temporary[code] then
    return worker:wait_out(code)
  end
  return 0
end

--- Waits for the backoff before the next attempt. Returns 0, the number of records handled.
---@param worker tidetable.Worker
---@param count integer  number of failed attempts
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function retries.back_off(worker, count)
  local seconds = math.min(worker.settings.backoff * 2 ^ math.min(count - 1, 20), BACKOFF_MAX)
  seconds = seconds * (0.75 + math.random() / 2)
  local ok, err, code = worker:sleep_until(core.process_elapsed() + seconds)
  return ok and 0, err, code
end

--- Counts a failed attempt and waits for the backoff. Returns 0, the number of records handled.
--- After the last attempt returns the number of records given up, or BATCH_FAILED if on_failure is
--- "stop". Returns BATCH_FAILED if it must not wait.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@param failure any  what the handler raised or returned
---@param seconds number  0: must not wait
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function retries.after_attempt(worker, delivery, failure, seconds)
  if delivery.places then
    return keep_parked(worker, delivery, failure, seconds > 0)
  end
  local count, err, code = count_failure(worker, delivery, failure)
  if not count then
    return nil, err, code
  elseif count == 0 then
    return 0
  end
  local spent = is_spent(worker, delivery, count)
  if spent and worker.settings.on_failure ~= "stop" and not delivery.mark then
    return retries.give_up(worker, delivery, seconds)
  elseif spent or seconds == 0 then
    return batch_failed(worker, delivery, failure)
  end
  worker.delivery = nil          -- records marked for replay are delivered first
  return retries.back_off(worker, count)
end

return retries
