-- worker.lua - a worker of a consumer: joins it, reads batches, commits them with their effects.
--
-- A worker owns its consumer from join to leave. The epoch of the consumer increases with each new
-- owner and each command that sets the position. The commit of a batch verifies the epoch and the
-- position in its transaction, so a worker that has lost the consumer stores nothing.

local core = require "tidetable.core"
local optimistic = require "tidetable.optimistic"
local readers = require "tidetable.stream.reader"
local responses = require "tidetable.consumer.response"
local settings = require "tidetable.consumer.settings"
local transactions = require "tidetable.transaction"
local wait = require "tidetable.wait"

local workers = {}

--- Runs of a handler on a snapshot before it runs under the write lock.
local OPTIMISTIC_RUNS = 3
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
--- Maximum number of seconds between two attempts.
local BACKOFF_MAX = 60

--- Failures of the library that are no attempt of a handler: the batch waits until they are over.
local temporary = {
  FULL = true, DISK_FULL = true, BUSY = true, NO_MEMORY = true, READERS_FULL = true,
}

--- Failures after which the worker ends.
local final = {
  CONSUMER_GONE = true, SOURCE_GONE = true, STREAM_GAP = true, TRIMMED = true, CORRUPT = true,
  CLOSED = true, FORKED = true, UNKNOWN_OUTCOME = true, FILE_GONE = true, FILE_REPLACED = true,
  STORE = true, READ_ONLY = true,
}

---@class tidetable.Worker
---@field consumer tidetable.Consumer
---@field database tidetable.Database
---@field number integer          its number in this opening of the database
---@field slot integer|nil        its slot in the shared page
---@field id integer              id of the consumer
---@field epoch integer|nil       nil: it does not own the consumer
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

--- Turns the end of the stream into the error of a consumer.
local function ended(self, err, code)
  local name = self.consumer.name
  if code ~= "STREAM_ENDED" and code ~= "NOT_FOUND" then
    return nil, err, code
  end
  local _, _, missing = core.stream_of(self.database.core, self.source, "")
  if err.message:find("its table was deleted", 1, true)
      or code == "NOT_FOUND" and missing == "NOT_FOUND" then
    return core.consumer_failure("SOURCE_GONE", ("consumer %s: %s"):format(name, err.message))
  end
  return core.consumer_failure("STREAM_GAP", ("consumer %s: %s"):format(name, err.message))
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
  self.epoch, self.position = epoch, position
  self.attempts, self.largest = row.attempts, row.largest_batch
  self.reader, err, code = readers.of_consumer(self.database, row.stream ~= 0 and row.stream or nil,
    row.id, self.consumer.wait or nil)
  if not self.reader then
    self:leave()
    return ended(self, err, code)
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

-- Reading --------------------------------------------------------------------

--- Returns how many seconds the batch is held back for more records.
local function held_back(self, records)
  if #records == 0 or self.settings.window == 0 then
    return 0
  end
  return self.settings.window - (core.wall_clock(self.database.core) - records[1].created_at)
end

--- Adds the records that are there. Returns true if the batch is full; nil, err, code if a record
--- can't be read and the batch is empty.
function Worker:fill(records)
  local limits, reader = self.settings, self.reader
  local size = self.largest > 0 and math.min(self.largest, limits.batch_size) or limits.batch_size
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
function Worker:wait_for_records(records, deadline)
  local seconds = deadline - core.process_elapsed()
  if self.settings.lease / BEATS < WAIT_MAX then
    seconds = math.min(seconds, self.settings.lease / BEATS)
  end
  if #records > 0 then
    seconds = math.min(seconds, held_back(self, records))
  end
  -- Without a limit the reader waits for at most a second.
  local touched, err, code = self.reader:pause(seconds < math.huge and math.max(seconds, 0) or nil)
  if touched == nil then
    return nil, err, code
  end
  return self:verify()
end

--- Reads a batch. Returns nil if there is none until the deadline, or the consumer was lost; nil,
--- err, code on failure.
function Worker:read(deadline)
  local records = self.gathered or { bytes = 0 }
  self.gathered = records
  while true do
    local full, err, code = self:fill(records)
    if full == nil then
      return ended(self, err, code)
    elseif full or #records > 0 and held_back(self, records) <= 0 then
      self.gathered = nil
      return records
    end
    if #records == 0 then
      local continues
      continues, err, code = core.check_end(self.reader.core, true)
      if not continues then
        return ended(self, err, code)
      end
    end
    if core.process_elapsed() >= deadline or self.consumer.is_stopping then
      return nil
    end
    local owns
    owns, err, code = self:wait_for_records(records, deadline)
    if not owns then
      return nil, err, code
    end
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
      self.records, err, code = self:read(deadline)
    end
    local is_over = core.process_elapsed() >= deadline
    if err and (is_over or not temporary[code]) then
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

-- Handling -------------------------------------------------------------------

--- Returns true unless the first result is nil or false and there is a second.
local function succeeded(first, second)
  return first or second == nil
end

--- Adds the check of the epoch and the new position to a function that runs under the write lock.
local function locked(fn, advance)
  return function(tx)
    local results = table.pack(fn(tx))
    if not succeeded(results[1], results[2]) then
      return table.unpack(results, 1, results.n)
    end
    local ok, err, code = advance()
    if not ok then
      return nil, err, code
    end
    return table.unpack(results, 1, results.n)
  end
end

--- Counts the handlers that a coroutine is in.
local function count_handlers(database, thread, change)
  local handlers = database.handlers or setmetatable({}, { __mode = "k" })
  database.handlers = handlers
  local count = (handlers[thread] or 0) + change
  handlers[thread] = count > 0 and count or nil
end

--- Returns a function that calls fn. While it runs, plain writes raise NESTED (wait.lua).
local function as_handler(database, slot, fn)
  return function(tx)
    local thread = coroutine.running()
    core.worker_handles(database.core, slot, true)    -- each run has the whole limit
    count_handlers(database, thread, 1)
    local _ <close> = setmetatable({}, { __close = function()
      count_handlers(database, thread, -1)
    end })
    return fn(tx)
  end
end

--- Runs fn(tx), and moves the position in the same transaction. If fn returns nil or false and a
--- second value, nothing is stored, and these are the results.
---@param records tidetable.Record[]
---@param fn fun(tx: tidetable.Transaction): any
---@return true|nil ok, any ...  results of fn; or err, code
function Worker:commit(records, fn)
  local database, limit = self.database, self.settings.handler_limit
  local from, to = self.position, records[#records].sequence_number
  fn = as_handler(database, self.slot, fn)
  local function advance()
    return core.consumer_advance(database.core, self.id, self.epoch, from, to, #records)
  end
  local results
  if self.settings.mode == "optimistic" then
    results = table.pack(optimistic.transact(database, fn, OPTIMISTIC_RUNS, limit, advance))
  end
  if not results or results[1] == nil and results[3] == "CONFLICT" then
    results = table.pack(transactions.transact(database, locked(fn, advance), limit))
  end
  if results[1] and not succeeded(results[2], results[3]) then
    return table.unpack(results, 2, math.max(results.n, 4))      -- nothing was stored
  elseif results[1] then
    self.position, self.records, self.attempts, self.largest = to, nil, 0, 0
  end
  return table.unpack(results, 1, results.n)
end

--- Counts a failed attempt in the file. Returns the number of attempts.
function Worker:count_failure(records)
  local attempts = self.attempts + 1
  local ok, err, code = wait.try(self.database, core.consumer_fail, self.database.core, self.id,
    self.epoch, self.position, records[#records].sequence_number, #records, 0)
  if not ok and code == "LEASE_LOST" then
    self:lose()
    return 0
  elseif not ok and not temporary[code] then
    return nil, err, code
  end
  self.attempts = attempts
  return attempts
end

--- Returns the text of anything that a handler can raise.
local function text_of(failure)
  local ok, text = pcall(tostring, failure)
  return ok and text or ("a %s without text"):format(type(failure))
end

local function batch_failed(self, records, failure)
  local _, err = core.consumer_failure("BATCH_FAILED", ("consumer %s: records %d to %d: %s"):format(
    self.consumer.name, records[1].sequence_number, records[#records].sequence_number,
    text_of(failure)))
  err.reason = responses.is_partial(failure) and failure.response or failure
  return nil, err, "BATCH_FAILED"
end

--- The metatable of errors of the library.
local error_type = getmetatable(select(2, core.consumer_failure("BATCH_FAILED", "")))

--- Returns the code of a failure that the handler raised or returned, if the library made it and it
--- is TOO_BIG or a temporary failure. Otherwise returns nil: the attempt has failed.
local function handler_code(failure)
  if type(failure) == "table" and getmetatable(failure) == error_type then
    local code = rawget(failure, "code")
    return (temporary[code] or code == "TOO_BIG") and code or nil
  end
end

--- Returns true for the error by which the Lua command ends a program at Ctrl-C.
local function is_interrupt(failure)
  return type(failure) == "string" and failure:find("interrupted!$") ~= nil
end

--- Returns the handler with a partial response turned into a refusal. Notes in `outcome` whether it
--- raised or refused, since failures of the commit are others.
local function watched(handler, records, outcome)
  local function finish(result, second, ...)
    local partial = responses.partial(result, records)
    if partial then
      result, second = nil, partial
    end
    outcome.is_refused = not succeeded(result, second)
    return result, second, ...
  end
  return function(tx)
    outcome.is_running, outcome.is_refused = true, false
    local results = table.pack(finish(handler(records, tx)))
    outcome.is_running = false
    return table.unpack(results, 1, results.n)
  end
end

--- Makes the first records of the batch in hand the batch, and the others those that follow.
function Worker:divide(records, count)
  local first, rest = { bytes = 0 }, { bytes = 0 }
  for i, record in ipairs(records) do
    local part = i <= count and first or rest
    part[#part + 1], part.bytes = record, part.bytes + record.size_bytes
  end
  for _, record in ipairs(self.gathered or {}) do
    rest[#rest + 1], rest.bytes = record, rest.bytes + record.size_bytes
  end
  self.records, self.gathered = first, rest
end

--- Divides a batch that failed, if that is no failed attempt: before the first record that the
--- handler named; in halves if the batch was too big for a transaction, or the settings say so.
local function was_divided(self, records, failure, code)
  local index = responses.is_partial(failure) and failure.index or nil
  if index and index > 1 then
    self:divide(records, index - 1)
  elseif #records > 1 and (code == "TOO_BIG" or self.settings.bisect) then
    self:divide(records, #records // 2)
  else
    return false
  end
  return true
end

--- Runs the handler. Returns true; or false, the failure and its code. An interrupt is raised,
--- because it is no failed attempt.
function Worker:attempt(handler, records)
  local outcome = {}
  local ok, result, err, code = pcall(self.commit, self, records,
    watched(handler, records, outcome))
  self:mark_handling(false)
  if not ok and is_interrupt(result) then
    error(result, 0)
  elseif not ok and outcome.is_running then
    return false, result, handler_code(result)
  elseif not ok then
    return false, result, type(result) == "table" and rawget(result, "code") or nil
  elseif result ~= true then
    return false, err, outcome.is_refused and handler_code(err) or not outcome.is_refused and code
      or nil
  end
  return true
end

--- Waits before the next attempt. A failure of the library counts no attempt.
function Worker:back_off(attempts)
  local seconds = self.settings.backoff * 2 ^ math.min(attempts - 1, 20)
  seconds = math.min(seconds, BACKOFF_MAX) * (0.75 + math.random() / 2)
  local ok, err, code = self:sleep_until(core.process_elapsed() + seconds)
  return ok and 0, err, code
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
  local ok, failure, failure_code = self:attempt(handler, records)
  if ok then
    return count
  elseif failure_code == "LEASE_LOST" then
    self:lose()
    return 0
  elseif final[failure_code] then
    return nil, failure, failure_code
  elseif temporary[failure_code] then
    if seconds == 0 then
      return nil, failure, failure_code
    end
    return self:back_off(1)
  elseif was_divided(self, records, failure, failure_code) then
    return self:handle(handler, seconds)
  end
  local attempts
  attempts, err, code = self:count_failure(records)
  if not attempts then
    return nil, err, code
  elseif attempts == 0 then
    return 0
  elseif seconds == 0 or attempts >= (self.settings.max_attempts or math.huge) then
    return batch_failed(self, records, failure)
  end
  return self:back_off(attempts)
end

return workers
