-- delivery_history.lua - checks the history of a consumer: the records that were delivered to its
-- workers, committed, parked, given up or discarded, and its positions.
--
-- A record is settled after it was handled, stored as a dead letter, discarded, or skipped by a
-- command. A command that moves the position back reopens the records after it. A history is a list
-- of events in order. It is correct if each event satisfies these conditions:
--   - The records of a key are delivered and committed in order. None of them is settled or
--     ignored, and none is at or before the position, except a parked record that is replayed.
--   - All records up to the position are settled, parked or ignored, and no later record is. So
--     another worker can continue at the position without loss or repetition.
--   - Only a command decreases the position.

local histories = {}

---@class Event
---@field kind "begin"|"deliver"|"change"|"tick"|"seek"|"discard"|"observe"|"end"
---@field worker string|nil     begin, deliver: the worker; change: the worker that made it
---@field records integer[]|nil  sequence numbers of delivered or discarded records
---@field position integer|nil   observe, seek
---@field commits integer[][]|nil  observe: new committed batches, in order
---@field parked table<integer, boolean>|nil  observe: parked records; true if marked for replay
---@field queued table<integer, true>|nil  observe: records that are parked because of their key
---@field dead integer[]|nil     observe: new dead letters
---@field paused boolean|nil     observe
--
-- begin: the worker begins a call. tick: enough time has passed that each worker verifies in its
-- next call that it still owns the consumer. change: another worker may not know the new state.
-- Deliveries of a worker that may not know the state are not checked, because it cannot commit.

---@class Source
---@field sequence integer
---@field key string
---@field is_ignored boolean

local Checker = {}
Checker.__index = Checker

local function fail(...)
  error({ violation = string.format(...) }, 0)
end

local function new_checker(sources)
  local checker = setmetatable({ sources = {}, order = {}, before = {}, status = {}, position = 0,
    marked = {}, is_paused = false, stale = {}, is_due = {}, is_fresh = {} }, Checker)
  local last = {}
  for _, record in ipairs(sources) do
    checker.sources[record.sequence] = record
    if not record.is_ignored then
      checker.order[#checker.order + 1] = record.sequence
      checker.before[record.sequence] = last[record.key]
      last[record.key] = record.sequence
    end
  end
  return checker
end

--- Checks that the previous record of the key is settled or precedes it in the same batch. By
--- induction, this is true of all earlier ones.
function Checker:check_previous(sequence, batch, what)
  local previous = self.before[sequence]
  if previous and not batch[previous]
      and (not self.status[previous] or self.status[previous] == "parked") then
    fail("%d is %s before %d of the same key", sequence, what, previous)
  end
end

--- Checks the records of a batch that is delivered or committed.
function Checker:check_batch(records, what)
  local batch = {}
  for _, sequence in ipairs(records) do
    local source, status = self.sources[sequence], self.status[sequence]
    if not source or source.is_ignored then
      fail("%d is %s, which is %s", sequence, what, source and "ignored" or "in no source")
    elseif batch[sequence] then
      fail("%d is %s twice in a batch", sequence, what)
    elseif status and (status ~= "parked" or not self.marked[sequence]) then
      fail("%d is %s, but it is %s", sequence, what, status)
    elseif not status and sequence <= self.position then
      fail("%d is %s after the position %d", sequence, what, self.position)
    end
    self:check_previous(sequence, batch, what)
    batch[sequence] = true
  end
end

local events = {}

function events.begin(self, event)
  local worker = event.worker
  self.is_fresh[worker] = not self.stale[worker] or self.is_due[worker] or false
  if self.is_fresh[worker] then
    self.stale[worker], self.is_due[worker] = nil, nil
  end
end

function events.tick(self)
  for worker in pairs(self.stale) do
    self.is_due[worker] = true
  end
end

--- Marks the state of all workers except this one as stale.
function events.change(self, event)
  for worker in pairs(self.is_fresh) do
    if worker ~= event.worker then
      self.stale[worker], self.is_due[worker], self.is_fresh[worker] = true, nil, false
    end
  end
end

function events.deliver(self, event)
  if not self.is_fresh[event.worker] then
    return
  elseif self.is_paused then
    fail("%d is delivered while the consumer is paused", event.records[1])
  elseif #event.records == 0 then
    fail("a batch without records is delivered")
  end
  self:check_batch(event.records, "delivered")
end

function events.seek(self, event)
  for _, sequence in ipairs(self.order) do
    if sequence > event.position then
      self.status[sequence] = nil
    elseif not self.status[sequence] then
      self.status[sequence] = "skipped"
    end
  end
  self.position = event.position
end

function events.discard(self, event)
  for _, sequence in ipairs(event.records) do
    if self.status[sequence] ~= "parked" then
      fail("%d is discarded, but it is not parked", sequence)
    end
    self.status[sequence] = "discarded"
  end
end

--- Returns true if an earlier record of the key is parked.
function Checker:is_behind_parked(sequence, parked)
  local previous = self.before[sequence]
  while previous and parked[previous] == nil do
    previous = self.before[previous]
  end
  return previous ~= nil
end

--- Updates the parked records. One that is no longer parked must have been handled or discarded.
function Checker:note_parked(parked, queued)
  for sequence in pairs(parked) do
    local status = self.status[sequence]
    if not self.sources[sequence] or self.sources[sequence].is_ignored then
      fail("%d is parked, but the consumer does not read it", sequence)
    elseif status and status ~= "parked" then
      fail("%d is parked, but it is %s", sequence, status)
    elseif not status and queued[sequence] and not self:is_behind_parked(sequence, parked) then
      fail("%d is parked because of its key, but no earlier record is parked", sequence)
    elseif not status then
      self.status[sequence] = "parked"
    end
  end
  for sequence, status in pairs(self.status) do
    if status == "parked" and parked[sequence] == nil then
      fail("%d is no longer parked, but not settled", sequence)
    end
  end
  self.marked = parked
end

--- Checks that another worker could continue at the position.
function Checker:check_position(position)
  if position < self.position then
    fail("the position decreased from %d to %d without a command", self.position, position)
  end
  for _, sequence in ipairs(self.order) do
    if sequence <= position and not self.status[sequence] then
      fail("%d is lost: the position is %d", sequence, position)
    elseif sequence > position and self.status[sequence] then
      fail("%d would be repeated: it is %s, and the position is %d", sequence,
        self.status[sequence], position)
    end
  end
  self.position = position
end

function events.observe(self, event)
  for _, commit in ipairs(event.commits) do
    self:check_batch(commit, "handled")
    for _, sequence in ipairs(commit) do
      self.status[sequence] = "handled"
    end
  end
  for _, sequence in ipairs(event.dead) do
    local status = self.status[sequence]
    if status then
      fail("%d is a dead letter, but it is %s", sequence, status)
    end
    self.status[sequence] = "dead"
  end
  self:note_parked(event.parked, event.queued)
  self:check_position(event.position)
  self.is_paused = event.paused
end

--- Checks that all records are settled.
events["end"] = function(self)
  for _, sequence in ipairs(self.order) do
    local status = self.status[sequence]
    if not status or status == "parked" then
      fail("%d is %s at the end", sequence, status or "not settled")
    end
  end
end

--- Checks a history.
---@param sources Source[]  all records of the consumer's sources, in order
---@param list Event[]
---@return string|nil violation  nil: the history is correct
---@return table<string, integer> counts  number of records by their final status
function histories.check(sources, list)
  local checker, counts = new_checker(sources), {}
  for i, event in ipairs(list) do
    local ok, err = pcall(events[event.kind], checker, event)
    if not ok then
      return type(err) == "table" and ("event %d, %s: %s"):format(i, event.kind, err.violation)
        or err, counts
    end
  end
  for _, sequence in ipairs(checker.order) do
    local status = checker.status[sequence] or "open"
    counts[status] = (counts[status] or 0) + 1
  end
  return nil, counts
end

return histories
