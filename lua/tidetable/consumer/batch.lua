-- batch.lua - iteration over batches: `for batch in consumer:batches() do`.

local attempts = require "tidetable.consumer.attempt"
local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local endings = require "tidetable.consumer.ending"
local members = require "tidetable.members"
local options = require "tidetable.options"
local parking = require "tidetable.consumer.parking"
local snapshots = require "tidetable.consumer.snapshot"

local misuse = options.misuse

local batches = {}

--- Records that were delivered and are not committed yet. An array of records.
---@class tidetable.Batch
---@field package worker tidetable.Worker
local Batch = {}
Batch.__index = Batch
Batch.__name = "tidetable.batch"

--- Updates the worker after a call of commit, and returns the results of the call. A worker that
--- has lost its consumer joins again before it reads the next batch.
local function finish(worker, delivery, ok, err, code, ...)
  worker:mark_handling(ok ~= true and delivery or nil)
  if ok == nil and worker:has_recovered(code) and code == "PARKED_CHANGED" then
    return core.consumer_failure("LEASE_LOST", err.message)
  end
  return ok, err, code, ...
end

--- Commits the batch: runs fn(tx), and moves the position in the same transaction. Returns true and
--- the results of fn. Errors: LEASE_LOST (nothing was stored; the next batch continues at the
--- position in the file), CONFLICT, BUSY, and those of a transaction. An error in fn is raised, and
--- the batch can be committed again.
---@param fn (fun(tx: tidetable.Transaction): any)|nil  nil: only the position moves
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function Batch:commit(fn)
  if fn ~= nil and type(fn) ~= "function" then
    misuse("commit: expected a function, got " .. type(fn))
  elseif not self.worker.delivery or self.worker.delivery.records ~= self then
    misuse("commit: this batch was committed or lost, or the loop has read the next one")
  end
  local worker, delivery = self.worker, self.worker.delivery
  return finish(worker, delivery, attempts.commit(worker, delivery, fn or function() end))
end

options.methods(Batch, "batch")
members.guard(Batch, "batch")

--- Returns true if a `break` closes the fourth value of a loop whose variable is used by a closure.
--- In Lua up to 5.4.4 it does not: the value is closed later, when its place on the stack may
--- contain another value, and an error is raised.
local function has_sound_break()
  local closed = false
  local function iterate()
    return function() return true end, nil, nil,
      setmetatable({}, { __close = function() closed = true end })
  end
  return (pcall(function()
    for value in iterate() do
      local captured = function() return value end
      if captured then break end
    end
    if not closed then
      error "not closed"
    end
  end))
end

local closes_loops = has_sound_break()

--- Commits a mark: calls on_snapshot, whose error is raised. Returns as Worker:after_commit.
local function commit_mark(worker, delivery)
  local _ <close> = setmetatable({}, { __close = function() worker:mark_handling(nil) end })
  local call = snapshots.handler_of(worker, error, delivery)
  return worker:after_commit(math.huge, attempts.commit(worker, delivery, function(tx)
    return call(delivery.records, tx)
  end))
end

--- Returns the next delivery that has records for the program; nil, err, code on failure. Commits
--- deliveries before it that have only queued records or a mark.
local function next_delivery(worker)
  while true do
    local delivery, err, code = worker:next(math.huge)
    if not delivery or #delivery.all > 0 then
      return delivery, err, code
    end
    local passed
    if delivery.mark then
      passed, err, code = commit_mark(worker, delivery)
    else
      passed, err, code = worker:pass(delivery, math.huge)
    end
    if passed == nil then
      return nil, err, code
    end
  end
end

--- Returns an iterator over the batches of a worker. A batch that was not committed is delivered
--- again. After a `break` that does not close the worker, the consumer's next call uses the worker.
---@param worker tidetable.Worker
---@param check fun()  raises an error if another iteration has started
---@return fun(): tidetable.Batch|nil
function batches.iterate(worker, check)
  local function iterate()
    check()
    worker:mark_handling(nil)
    local delivery, err, code = next_delivery(worker)
    if not delivery then
      if err then
        endings.note(worker, err, code)
      end
      worker:close()
      if err then
        error(err, 0)
      end
      return nil
    end
    parking.count_attempts(worker, delivery)
    deliveries.reset(delivery)
    if delivery.is_given then
      deliveries.restore(delivery)
    end
    delivery.is_given = true
    delivery.records.worker = worker
    worker:mark_handling(delivery)
    return setmetatable(delivery.records, Batch)
  end
  if closes_loops then
    return iterate, nil, nil, worker
  end
  return iterate
end

return batches
