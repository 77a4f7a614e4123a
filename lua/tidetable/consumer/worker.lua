-- worker.lua - a worker of a consumer: joins it, and handles its records batch by batch.
--
-- A worker owns its consumer from join to leave. The epoch of the consumer increases with each new
-- owner and each command that sets the position. The commit of a batch verifies the epoch and the
-- position in its transaction, so a worker that has lost the consumer stores nothing.

local attempts = require "tidetable.consumer.attempt"
local batch_reader = require "tidetable.consumer.batch_reader"
local core = require "tidetable.core"
local readers = require "tidetable.stream.reader"
local retries = require "tidetable.consumer.retry"
local settings = require "tidetable.consumer.settings"
local wait = require "tidetable.wait"

local workers = {}

--- Seconds between two tests whether the owner of the consumer is alive.
local STANDBY = 0.05
--- Seconds between two tests, while records are handled, whether the consumer is paused.
local VERIFY_EVERY = 0.05
--- Number of beats in a lease.
local BEATS = 3
--- Maximum number of seconds of one wait, after which the worker beats.
local WAIT_MAX = 1
--- Seconds after a failure of the library that is no attempt.
local TEMPORARY_PAUSE = 0.1
--- Seconds between two looks at a clock that replaces the process's.
local CLOCK_INTERVAL = 0.01

---@class tidetable.Worker
---@field consumer tidetable.Consumer
---@field database tidetable.Database
---@field number integer          its number in this opening of the database
---@field slot integer|nil        its slot in the shared page
---@field id integer              id of the consumer
---@field epoch integer|nil       nil: it does not own the consumer
---@field joined_epoch integer|nil  of its last joining, also after it has left
---@field position integer        position of the consumer
---@field settings tidetable.ConsumerSettings
---@field source string           name of the table; "": all tables
---@field reader tidetable.Reader|nil
---@field records tidetable.Record[]|nil  batch in hand
---@field gathered table|nil      records read for the next batch, while its window lasts
---@field attempts integer        failed attempts of the batch in hand
---@field largest integer         maximum number of records of a batch, because of failures; 0: none
---@field verified_at number      time of the last test of the consumer
---@field is_verified boolean     it was tested since the last call of next
---@field wakeup tidetable.Wakeup|nil  for waits that are not for records
local Worker = {}
Worker.__index = Worker

--- Creates a worker, which has not joined.
---@param consumer tidetable.Consumer
---@return tidetable.Worker
function workers.new(consumer)
  local database = consumer.database
  database.worker_count = database.worker_count + 1
  return setmetatable({
    consumer = consumer, id = consumer.id, database = database, number = database.worker_count,
    position = 0, attempts = 0, largest = 0, verified_at = 0,
    is_verified = false,
  }, Worker)
end

-- Waiting --------------------------------------------------------------------

--- Waits for at most `seconds`; a commit or `stop` ends it early. Returns true; nil, err, code if
--- no wakeup can be created.
function Worker:doze(seconds)
  local err, code
  if not self.wakeup then
    self.wakeup, err, code = wait.wakeup(self.database)
    if not self.wakeup then
      return nil, err, code
    end
  end
  self.wakeup:clear()
  if self.consumer.is_stopping then
    return true
  end
  local loop = wait.loop(self.consumer.wait or self.database.wait)
  if loop then
    loop(self.wakeup, seconds)
  else
    self.wakeup:wait(seconds)
  end
  return true
end

--- Waits until a time of the process's clock or `stop`, whatever is committed. If a test has
--- replaced the clock and nothing else in this thread can advance it, advances it.
function Worker:sleep_until(deadline)
  while not self.consumer.is_stopping and core.process_elapsed() < deadline do
    core.worker_beat(self.database.core, self.slot or 0)
    local left, ok, err, code = deadline - core.process_elapsed(), true, nil, nil
    if not core.is_clock_replaced() then
      ok, err, code = self:doze(math.min(left, WAIT_MAX, self.settings.lease / BEATS))
    elseif wait.loop(self.consumer.wait or self.database.wait) then
      ok, err, code = self:doze(CLOCK_INTERVAL)
    else
      core.pass_time(left)
    end
    if not ok then
      return nil, err, code
    end
  end
  return true
end

--- Ends the waits of this worker: their wakeups are closed.
function Worker:interrupt()
  for _, owner in ipairs { self, self.reader } do
    local wakeup = owner.wakeup
    if wakeup then
      owner.wakeup = nil
      wakeup:close()
    end
  end
end

-- Joining --------------------------------------------------------------------

--- Forgets everything that belongs to an epoch.
function Worker:lose()
  if self.reader then
    self.reader:close()
  end
  self.epoch, self.reader, self.records, self.gathered = nil, nil, nil, nil
  self.attempts, self.largest = 0, 0
end

local function gone(self)
  return core.consumer_failure("CONSUMER_GONE", ("consumer %s was deleted"):format(
    self.consumer.name))
end

--- Reads the consumer. Returns CONSUMER_GONE if it was deleted after this worker had found it.
function Worker:describe()
  local row, err, code = core.consumer_describe(self.database.core, self.consumer.name)
  if not row and code ~= "NOT_FOUND" then
    return nil, err, code
  elseif not row or row.id ~= self.id then
    return gone(self)
  end
  self.verified_at, self.is_verified = core.elapsed(), true
  self.settings, self.source = settings.complete(row.settings), row.settings.source
  return row
end

--- Returns true if the owner of the consumer is another worker that is alive.
function Worker:has_rival(row)
  if not row.opening or row.is_of_this_opening and row.worker == self.number then
    return false
  end
  return core.worker_is_alive(self.database.core, row.opening, row.worker, row.id,
    self.settings.lease, self.settings.handler_limit)
end

--- Takes a slot in the shared page, which shows others that this worker is alive.
function Worker:take_slot(id)
  if self.slot then
    return true
  end
  local slot, err, code = core.worker_join(self.database.core, self.number, id)
  if not slot then
    return nil, err, code
  end
  self.slot = slot
  return true
end

--- Becomes the owner. Returns false if the consumer is paused, or has an owner that is alive; nil,
--- err, code on failure.
function Worker:join()
  local row, err, code = self:describe()
  if not row then
    return nil, err, code
  elseif row.is_paused or self:has_rival(row) then
    return false
  end
  local ok
  ok, err, code = self:take_slot(row.id)
  if not ok then
    return nil, err, code
  end
  local epoch, position
  epoch, position, code = wait.try(self.database, core.consumer_join, self.database.core, row.id,
    row.epoch, self.number)
  if not epoch then
    if code == "LEASE_LOST" then
      return false
    end
    return nil, position, code
  end
  self.epoch, self.joined_epoch, self.position = epoch, epoch, position
  self.attempts, self.largest = row.attempts, row.largest_batch
  self.reader, err, code = readers.of_consumer(self.database, row.streams[1],
    row.id, self.consumer.wait or nil)
  if not self.reader then
    self:leave()
    return batch_reader.ended(self, err, code)
  end
  return true
end

--- Tests whether this worker still owns the consumer. Returns false, and has lost it, if not, or if
--- it is paused; nil, err, code on failure.
function Worker:verify()
  local row, err, code = self:describe()
  if not row then
    return nil, err, code
  elseif row.epoch == self.epoch and not row.is_paused then
    core.worker_beat(self.database.core, self.slot)
    return true
  end
  if row.epoch == self.epoch then
    self:leave()
  end
  self:lose()
  return false
end

--- Lets another worker join, if this one is the owner. A failure is ignored: the other one then
--- joins after the lease.
function Worker:leave()
  if self.epoch then
    pcall(wait.try, self.database, core.consumer_leave, self.database.core, self.id, self.epoch)
  end
  self:lose()
end

--- Leaves the consumer for good.
function Worker:close()
  self:leave()
  if self.slot and not core.is_closed(self.database.core) then
    core.worker_leave(self.database.core, self.slot)
  end
  self.slot = nil
  if self.wakeup then
    self.wakeup:close()
    self.wakeup = nil
  end
  if self.consumer.worker == self then
    self.consumer.worker, self.consumer.is_stopping = false, false
  end
end

Worker.__close = Worker.close

--- A worker that was dropped gives its slot back.
function Worker:__gc()
  if self.slot and not core.is_closed(self.database.core) then
    core.worker_leave(self.database.core, self.slot)
  end
end

--- Notes that the program handles a batch, or that it has ended to.
function Worker:mark_handling(is_handling)
  if self.slot and not core.is_closed(self.database.core) then
    core.worker_handles(self.database.core, self.slot, is_handling)
  end
end

--- Makes this worker the owner, or verifies that it is. Returns false if it is not.
function Worker:own()
  if self.epoch and core.elapsed() - self.verified_at < VERIFY_EVERY then
    return true
  end
  local owns, err, code = false, nil, nil
  if self.epoch then
    owns, err, code = self:verify()
  end
  if owns == false then
    owns, err, code = self:join()
  end
  return owns, err, code
end

--- Returns the next batch, or the one in hand; nil if there is none in time or after `stop`; nil,
--- err, code on failure.
---@param seconds number  maximum time to wait
---@return tidetable.Record[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Worker:next(seconds)
  local deadline = core.process_elapsed() + seconds
  self.is_verified = false
  while not self.consumer.is_stopping do
    local owns, err, code = self:own()
    if owns and not self.records then
      self.records, err, code = batch_reader.read(self, deadline)
    end
    local is_over = core.process_elapsed() >= deadline
    if err and (is_over or not attempts.temporary[code]) then
      return nil, err, code
    elseif err then
      owns, err, code = self:sleep_until(core.process_elapsed() + TEMPORARY_PAUSE)
      if not owns then
        return nil, err, code
      end
    elseif self.records then
      return self.records
    elseif core.process_elapsed() >= deadline then
      if not owns or self.is_verified then
        return nil
      end
      self.verified_at = 0       -- a command may have set the position
    elseif not owns then
      owns, err, code = self:doze(math.min(STANDBY, deadline - core.process_elapsed()))
      if not owns then
        return nil, err, code
      end
    end
  end
end

--- Gives a batch to the handler. Returns the number of records that were handled, 0 if none; nil,
--- err, code on failure. With a time limit of 0 a failed attempt is a failure.
---@param handler tidetable.Handler
---@param seconds number  maximum time to wait for a batch
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Worker:handle(handler, seconds)
  local records, err, code = self:next(seconds)
  if not records then
    if err then
      return nil, err, code
    end
    return 0
  end
  local count = #records
  local ok, failure, failure_code = attempts.run(self, handler, records)
  if ok then
    return count
  elseif failure_code == "LEASE_LOST" then
    self:lose()
    return 0
  elseif attempts.final[failure_code]
      or seconds == 0 and attempts.temporary[failure_code] then
    return nil, failure, failure_code
  elseif attempts.temporary[failure_code] then
    return retries.back_off(self, 1)
  elseif retries.was_divided(self, records, failure, failure_code) then
    return self:handle(handler, seconds)
  end
  return retries.after_attempt(self, records, failure, seconds > 0)
end

return workers
