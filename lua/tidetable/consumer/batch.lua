-- batch.lua - batches that a program takes itself: `for batch in consumer:batches() do`.

local attempts = require "tidetable.consumer.attempt"
local endings = require "tidetable.consumer.ending"
local members = require "tidetable.members"
local options = require "tidetable.options"

local misuse = options.misuse

local batches = {}

--- Records that were delivered and are not committed yet. An array of records.
---@class tidetable.Batch
---@field package worker tidetable.Worker
local Batch = {}
Batch.__index = Batch
Batch.__name = "tidetable.batch"

--- A worker that has lost its consumer joins again when the next batch is asked for.
local function finish(worker, ok, err, code, ...)
  worker:mark_handling(ok ~= true)
  if ok == nil and code == "LEASE_LOST" then
    worker:lose()
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
  elseif self.worker.records ~= self then
    misuse("commit: this batch was committed or lost, or another one was asked for")
  end
  return finish(self.worker, attempts.commit(self.worker, self, fn or function() end))
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

--- Returns an iterator over the batches of a worker. A batch that was not committed is delivered
--- again. After a `break` that does not close the worker, the consumer's next call takes it over.
---@param worker tidetable.Worker
---@param check fun()  raises an error if another iteration has begun
---@return fun(): tidetable.Batch|nil
function batches.iterate(worker, check)
  local function iterate()
    check()
    worker:mark_handling(false)
    local records, err, code = worker:next(math.huge)
    if not records then
      if err then
        endings.note(worker, err, code)
      end
      worker:close()
      if err then
        error(err, 0)
      end
      return nil
    end
    records.worker = worker
    worker:mark_handling(true)
    return setmetatable(records, Batch)
  end
  if closes_loops then
    return iterate, nil, nil, worker
  end
  return iterate
end

return batches
