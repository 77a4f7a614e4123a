-- worker.lua - a worker of a consumer: joins it, and handles its batches.
--
-- A worker owns a range of its consumer's shards from join to leave (range.lua). The epoch of a
-- range increases with each new owner and each command that sets the position. The commit of a
-- batch verifies the epoch and the position in its transaction, so a worker that has lost its range
-- stores nothing.

local attempts = require "tidetable.consumer.attempt"
local batch_reader = require "tidetable.consumer.batch_reader"
local core = require "tidetable.core"
local ignored = require "tidetable.consumer.ignored"
local parking = require "tidetable.consumer.parking"
local ranges = require "tidetable.consumer.range"
local readers = require "tidetable.stream.reader"
local retries = require "tidetable.consumer.retry"
local rows = require "tidetable.consumer.row"
local selections = require "tidetable.consumer.selection"
local settings = require "tidetable.consumer.settings"
local snapshots = require "tidetable.consumer.snapshot"
local units = require "tidetable.consumer.unit"
local wait = require "tidetable.wait"

local workers = {}

--- Seconds between two checks that the owner of the consumer is alive.
local STANDBY = 0.05
--- Maximum number of seconds between two reads of the consumer while records are handled.
local VERIFY_EVERY = 0.05
--- Number of beats in a lease.
local BEATS = 3
--- Maximum number of seconds of one wait. The worker beats after each wait.
local WAIT_MAX = 1
--- Seconds between two tries after a temporary failure of the library: the first pause, then
--- doubled up to the longest.
local TEMPORARY_PAUSE, TEMPORARY_PAUSE_MAX = 0.1, 2
--- Seconds between two reads of a clock that a test has replaced.
local CLOCK_INTERVAL = 0.01

--- Errors of reading that may be outdated, because a command may have set the position or marked
--- parked records. The consumer is read again before such an error is returned.
local may_be_outdated = { SOURCE_GONE = true, STREAM_GAP = true, TRIMMED = true }

---@class tidetable.Worker
---@field consumer tidetable.Consumer
---@field database tidetable.Database
---@field number integer          number of the worker in this database handle
---@field slot integer|nil        slot of the worker in the shared page
---@field id integer              id of the consumer
---@field shards integer          number of its shards
---@field first integer           range of shards that the worker handles, or handled last
---@field last integer
---@field epoch integer|nil       epoch of the range; nil: the worker owns none
---@field joined_epoch integer|nil  epoch of the last range; kept after leaving
---@field position integer        position of the range
---@field held tidetable.ShardRange|nil  second range of the worker, whose records wait until both
---                                have the same position
---@field settings tidetable.ConsumerSettings
---@field ignored_origins table<string, true>|nil  their records are not delivered
---@field ignored_records tidetable.IgnoredRecords|nil  records ignored after the position
---@field ignored_count integer   records with an ignored origin that the reader has returned
---@field ignored_before integer  ignored.count when the position was last known
---@field selection table       stored filter and projection; another table after each change
---@field streams integer[]     ids of the consumer's streams; empty: all
---@field reader tidetable.Reader|nil
---@field reader_selection table|nil  selection with which the reader was opened
---@field copy tidetable.Copy|nil  state of the copy, if the consumer is copying
---@field returns_at_marks boolean|nil  handle returns 0 after the first and last commit of a copy
---@field passed_keys table<tidetable.Record, string>  copy: item key up to which the items had been
---                                delivered or ignored when a change was read
---@field records tidetable.Record[]|nil  current batch
---@field delivery tidetable.Delivery|nil  delivery that is or will be handled
---@field gathered table|nil      records read for the next batch
---@field attempts integer        failed attempts of the current batch
---@field largest integer         maximum number of records of a batch after failures; 0: no limit
---@field limit_until integer     place (snapshots.reached) at which that limit ends
---@field failure_text string|nil  text of the last failed attempt of the current batch
---@field follows_death integer|nil  a former owner died in its handler with a batch of one record,
---                                which ends at this place (snapshots.reached); nil after that
---@field parked integer          number of parked records of the consumer
---@field replays integer         number of parked records that are marked for replay
---@field replay_limit integer|nil  maximum number of records in the next batch of replays
---@field parked_version integer
---@field parked_keys table<string|integer, true>|nil  keys that have parked records; nil: unknown
---@field verified_at number      time of the last read of the consumer; 0: must be read
---@field progress_seen integer   progress count at that time, plus the later commits of this worker
---@field live integer|nil       number of workers that were alive then; nil: unknown
---@field is_verified boolean     the consumer was read since the last call of next
---@field trouble tidetable.code|nil  temporary failure that prevents progress
---@field troubles integer       number of temporary failures since the last progress
---@field wakeup tidetable.Wakeup|nil  used for all waits except those of the reader
local Worker = {}
Worker.__index = Worker

--- Creates a worker. It does not join.
---@param consumer tidetable.Consumer
---@return tidetable.Worker
function workers.new(consumer)
  local database = consumer.database
  database.worker_count = database.worker_count + 1
  return setmetatable({
    consumer = consumer, id = consumer.id, database = database, number = database.worker_count,
    shards = 1, first = 0, last = 0, position = 0, attempts = 0,
    largest = 0, limit_until = 0, verified_at = 0,
    troubles = 0, parked = 0, replays = 0, parked_version = 0, is_verified = false,
    progress_seen = 0,
    selection = {}, ignored_count = 0, ignored_before = 0,
    passed_keys = setmetatable({}, { __mode = "k" }),
  }, Worker)
end

-- Waiting --------------------------------------------------------------------

--- Waits for a commit or `stop`, at most `seconds`. Returns true; nil, err, code if no wakeup can
--- be created.
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

--- Sleeps until a process time or `stop`. If a test has replaced the clock and nothing else in this
--- thread can advance it, advances it.
function Worker:sleep_until(deadline)
  while not self.consumer.is_stopping and core.process_elapsed() < deadline do
    core.worker_beat(self.database.core, self.slot or 0)
    local left, ok, err, code = deadline - core.process_elapsed(), true, nil, nil
    if not core.is_clock_replaced() then
      ok, err, code = self:doze(math.min(left, WAIT_MAX, self:beat_interval()))
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

--- Notes the temporary failure that prevents progress, for consumer:workers(); nil: none.
---@param code tidetable.code|nil
function Worker:note_trouble(code)
  if code ~= self.trouble then
    self.trouble = code
    core.worker_waits(self.database.core, self.slot or 0, code)
  end
  self.troubles = code and self.troubles + 1 or 0
end

--- Sleeps after a temporary failure of the library: longer after each one until a batch is
--- committed. Returns as sleep_until.
---@param code tidetable.code
function Worker:sleep_after_failure(code)
  self.trouble = nil             -- the handler's start has removed the note
  self:note_trouble(code)
  local seconds = math.min(TEMPORARY_PAUSE * 2 ^ math.min(self.troubles - 1, 10),
    TEMPORARY_PAUSE_MAX)
  return self:sleep_until(core.process_elapsed() + seconds)
end

--- Sleeps after a temporary failure in an attempt. Returns 0, the number of records handled.
---@param code tidetable.code
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Worker:wait_out(code)
  local ok, err, why = self:sleep_after_failure(code)
  return ok and 0, err, why
end

--- Returns the maximum number of seconds between two beats.
function Worker:beat_interval()
  return self.settings.lease / BEATS
end

--- Interrupts the waits of this worker by closing their wakeups.
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

--- Closes the reader. The next reader continues at the position in the file.
function Worker:close_reader()
  if self.reader then
    self.reader:close()
  end
  self.reader = nil
end

--- Opens the reader, if it is not open.
function Worker:open_reader()
  if self.reader then
    return true
  end
  local err, code
  self.reader, err, code = readers.of_consumer(self.database, self.streams, self,
    self.consumer.wait or nil, self.settings)
  if not self.reader then
    return nil, err, code
  end
  self.copy, self.reader_selection = core.feed_copy(self.reader.core), self.selection
  self.ignored_count, self.ignored_before, self.ignored_records = 0, 0, nil
  return true
end

--- Discards the records read and the count of attempts.
function Worker:forget_batch()
  self.records, self.gathered, self.delivery, self.ignored_records = nil, nil, nil, nil
  self.attempts, self.largest, self.limit_until = 0, 0, 0
  self.failure_text, self.replay_limit, self.follows_death = nil, nil, nil
end

--- Discards the state of a range that the worker no longer owns. If it has a second range, gives
--- that up.
function Worker:lose()
  local held = self.held
  self:close_reader()
  self:forget_batch()
  self.epoch, self.copy, self.parked_keys, self.held = nil, nil, nil, nil
  if held then
    self:give_up(held)
  end
end

--- Discards the delivery and the set of parked keys, because parked records have changed.
function Worker:lose_delivery()
  self.delivery, self.parked_keys, self.verified_at = nil, nil, 0
end

--- Continues at the position in the file, after this worker has set it. Returns true; nil if the
--- consumer was lost; nil, err, code on failure.
function Worker:reread()
  local row, err, code = self:describe()
  if not row then
    return nil, err, code
  end
  local range = ranges.find(row, self.first)
  if not range or range.epoch ~= self.epoch then
    self:lose()
    return nil
  end
  return ranges.adopt(self, range)
end

--- Reads the consumer from the file (rows.read), and takes over its settings.
function Worker:describe()
  local seen = core.progress_count(self.database.core)
  local row, err, code = rows.read(self.consumer)
  if not row then
    return nil, err, code
  end
  self.verified_at, self.is_verified, self.progress_seen = core.elapsed(), true, seen
  self.settings, self.streams = settings.complete(row.settings), row.streams
  self.shards = row.shards
  self.ignored_origins = settings.ignored_origins(self.settings, self.consumer.name)
  self.selection = selections.changed(self.selection, row.settings)
  parking.note(self, row)
  return row
end

--- Returns true if another worker that is alive owns the range. Otherwise returns false, and the
--- number of records and the limit of the batch in whose handler the last owner died; 0, 0 if the
--- owner did not die in a handler.
---@param range tidetable.ShardRange
function Worker:has_rival(range)
  if not range.opening or range.is_of_this_opening and range.worker == self.number then
    return false, 0, 0
  end
  return core.worker_is_alive(self.database.core, range.opening, range.worker, self.id,
    self.settings.lease, self.settings.handler_limit)
end

--- Allocates a slot in the shared page, by which other workers detect that this one is alive.
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

--- Becomes the owner of a range. Returns false if the consumer is paused or the owners of all
--- ranges are alive; nil, err, code on failure.
function Worker:join()
  local row, err, code = self:describe()
  if not row then
    return nil, err, code
  elseif row.is_paused then
    return false
  end
  local ok
  ok, err, code = self:take_slot(row.id)
  if not ok then
    return nil, err, code
  end
  core.worker_beat(self.database.core, self.slot)
  local range, records, last = ranges.find_free(self, row)
  if not range then
    return false
  end
  local joined
  joined, err, code = wait.try(self.database, core.consumer_join, self.database.core, row.id,
    range.epoch, range.first, self.number, records, last)
  if not joined then
    if code == "LEASE_LOST" then
      return false
    end
    return nil, err, code
  end
  local verified_at = self.verified_at
  ok, err, code = ranges.adopt(self, joined)
  if not ok then
    self:leave()
    return nil, err, code
  end
  self.follows_death, self.verified_at = records == 1 and last or nil, verified_at
  return true
end

--- Checks that this worker still owns its range, and changes the range if that is due and the
--- worker has no batch. If the range is lost or the consumer is paused, gives it up and returns
--- false; nil, err, code on failure.
function Worker:verify()
  local row, err, code = self:describe()
  if not row then
    return nil, err, code
  end
  local range = ranges.find(row, self.first)
  if range and range.epoch == self.epoch and not row.is_paused then
    core.worker_beat(self.database.core, self.slot)
    ranges.give_up_unknown(self, row)
    return ranges.balance(self, row)
  elseif range and range.epoch == self.epoch then
    self:leave()
  end
  self:lose()
  return false
end

--- Gives up a range. Ignores a failure: another worker can join after the lease has expired.
function Worker:give_up(range)
  pcall(wait.try, self.database, core.consumer_leave, self.database.core, self.id, range.epoch,
    range.first)
end

--- Gives up all ranges of this worker.
function Worker:leave()
  if self.epoch and self.reader then
    pcall(ignored.flush, self)   -- otherwise workers that run briefly would never move the position
  end
  if self.epoch then
    self:give_up(self)
  end
  self:lose()
end

--- Gives up all ranges and the slot in the shared page.
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

--- Releases the slot of a worker that is no longer referenced.
function Worker:__gc()
  if self.slot and not core.is_closed(self.database.core) then
    core.worker_leave(self.database.core, self.slot)
  end
end

--- Publishes in the shared page which delivery is being handled; nil: none.
function Worker:mark_handling(delivery)
  if self.slot and not core.is_closed(self.database.core) then
    core.worker_handles(self.database.core, self.slot,
      delivery and math.max(units.count(delivery.all, delivery.ids), 1) or 0,
      delivery and delivery.limit or 0)
  end
end

--- Counts a commit of this worker. So if no other commit has changed a consumer since the last
--- read, the consumer need not be read again.
function Worker:note_commit()
  local next_count = self.progress_seen + 1 & 0xffffffff
  if core.progress_count(self.database.core) == next_count then
    self.progress_seen = next_count
  end
end

--- Returns true if the consumer was read recently and no other commit has changed a consumer since
--- then. Therefore a pause and changed settings apply from the next batch.
function Worker:was_verified()
  return core.elapsed() - self.verified_at < VERIFY_EVERY
    and core.progress_count(self.database.core) == self.progress_seen
end

--- Returns true if no other commit has changed a consumer since this one was read, and the number
--- of living workers is the same. Takes a fifth of the time of reading the consumer. An idle worker
--- still reads the consumer once a second.
function Worker:has_same_peers()
  local database = self.database.core
  return core.elapsed() - self.verified_at < WAIT_MAX
    and core.progress_count(database) == self.progress_seen
    and core.live_workers(database, self.id, self.settings.lease, self.settings.handler_limit)
      == self.live
end

--- Makes this worker the owner, or verifies that it is. Returns false if it can't be the owner now;
--- nil, err, code on failure.
function Worker:own()
  if self.epoch and self:was_verified() then
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

--- Sets self.delivery to the next delivery: records marked for replay, the current batch, or the
--- next batch. It is nil if there is none before the deadline. Returns err, code on failure.
function Worker:deliver(deadline)
  local err, code
  if self.delivery and self.delivery.version ~= self.parked_version then
    self.delivery = nil
  end
  if not self.delivery and self.replays > 0 then
    self.delivery, err, code = parking.next_replays(self)
  end
  if self.delivery or err then
    return err, code
  elseif not self.records then
    self.records, err, code = batch_reader.read(self, deadline)
  end
  if self.records then
    self.delivery, err, code = parking.divide(self, self.records)
  end
  return err, code
end

--- Returns the current or the next delivery; nil after `seconds` or `stop`; nil, err, code on
--- failure.
---@param seconds number  maximum time to wait
---@return tidetable.Delivery|nil, tidetable.error|nil err, tidetable.code|nil code
function Worker:next(seconds)
  local deadline = core.process_elapsed() + seconds
  local epoch
  self.is_verified = false
  while not self.consumer.is_stopping do
    local owns, err, code = self:own()
    if owns then
      err, code = self:deliver(deadline)
    end
    local is_over = core.process_elapsed() >= deadline
    if may_be_outdated[code] and (not self.is_verified or self.replays > 0) then
      self.verified_at = 0
    elseif self:has_recovered(code) then
      if is_over then
        return nil               -- the range was lost before its records were read
      end
    elseif err and (is_over or not attempts.temporary[code]) then
      return nil, err, code
    elseif err then
      owns, err, code = self:sleep_after_failure(code)
      if not owns then
        return nil, err, code
      end
    elseif self.delivery then
      return self.delivery
    elseif owns and not self.epoch then
      self.verified_at = 0       -- the consumer was lost while reading; tries to join again
    elseif core.process_elapsed() >= deadline then
      if not owns or self.is_verified and self.verified_at > 0 and self.epoch == epoch then
        return nil
      end
      epoch = self.epoch         -- another range may have records
      if not self.is_verified then
        self.verified_at = 0     -- a command may have set the position
      end
    elseif not owns then
      core.worker_beat(self.database.core, self.slot or 0)
      owns, err, code = self:doze(math.min(STANDBY, deadline - core.process_elapsed()))
      if not owns then
        return nil, err, code
      end
    end
  end
end

--- Calls the handler with the next batch. Returns the number of records handled; nil, err, code on
--- failure. If `seconds` is 0, a failed attempt is a failure.
---@param handler tidetable.Handler
---@param seconds number  maximum time to wait for a batch
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Worker:handle(handler, seconds)
  local delivery, err, code = self:next(seconds)
  if not delivery then
    if err then
      return nil, err, code
    end
    return 0
  elseif #delivery.all == 0 and not delivery.mark then
    local passed
    passed, err, code = self:pass(delivery, seconds)
    if passed == nil then
      return nil, err, code
    end
    return self:handle(handler, seconds)
  elseif retries.is_used_up(self, delivery) then
    return retries.give_up(self, delivery, seconds)
  end
  return self:attempt(handler, delivery, seconds)
end

--- Runs the handler once. Returns as handle.
function Worker:attempt(handler, delivery, seconds)
  local count = #delivery.all
  parking.count_attempts(self, delivery)
  local ok, failure, code = attempts.run(self, snapshots.handler_of(self, handler, delivery),
    delivery)
  if ok and delivery.mark and not self.returns_at_marks then
    return self:handle(handler, seconds)
  elseif ok then
    return count
  elseif self:has_recovered(code) then
    if code == "LEASE_LOST" then
      return 0
    end
    return self:handle(handler, seconds)
  elseif attempts.final[code] or delivery.is_broken and not attempts.temporary[code]
      or seconds == 0 and attempts.temporary[code] then
    return nil, failure, code
  elseif attempts.temporary[code] then
    return self:wait_out(code)
  elseif retries.was_divided(self, delivery, failure, code) then
    return self:handle(handler, seconds)
  end
  return retries.after_attempt(self, delivery, failure, seconds)
end

--- Returns true if the code means that the delivery is outdated and must be read again. Discards
--- the outdated state.
function Worker:has_recovered(code)
  if code == "LEASE_LOST" then
    self:lose()
  elseif code == "PARKED_CHANGED" then
    self:lose_delivery()
  end
  return code == "LEASE_LOST" or code == "PARKED_CHANGED"
end

--- Commits a delivery without a handler (attempts.pass). Returns as after_commit.
---@param delivery tidetable.Delivery
---@param seconds number
---@param gives_up boolean|nil
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Worker:pass(delivery, seconds, gives_up)
  return self:after_commit(seconds, attempts.pass(self, delivery, gives_up))
end

--- Handles the result of a commit that is not an attempt. Returns true if it succeeded; false if
--- the delivery must be read again or, if `seconds` allows a wait, committed again; nil, err, code
--- on failure.
---@param seconds number
---@param ok any
---@param err any
---@param code tidetable.code|nil
---@return boolean|nil, any err, tidetable.code|nil code
function Worker:after_commit(seconds, ok, err, code)
  if ok then
    return true
  elseif self:has_recovered(code) then
    return false
  elseif seconds > 0 and attempts.temporary[code] then
    ok, err, code = self:sleep_after_failure(code)
    if ok then
      return false
    end
  end
  return nil, err, code
end

return workers
