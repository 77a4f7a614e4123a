-- attempt.lua - one run of a handler on a batch: its transaction, and the kind of its failure.

local annotations = require "tidetable.annotation"
local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local handlers = require "tidetable.consumer.handler"
local optimistic = require "tidetable.optimistic"
local parking = require "tidetable.consumer.parking"
local responses = require "tidetable.consumer.response"
local settings = require "tidetable.consumer.settings"
local snapshots = require "tidetable.consumer.snapshot"
local transactions = require "tidetable.transaction"

local attempts = {}

--- Temporary failures of the library. They do not count as attempts; the batch is tried again.
---@type table<string, true>
attempts.temporary = {
  FULL = true, DISK_FULL = true, BUSY = true, NO_MEMORY = true, READERS_FULL = true, STORE = true,
}

--- Failures that stop the worker.
---@type table<string, true>
attempts.final = {
  CONSUMER_GONE = true, SOURCE_GONE = true, STREAM_GAP = true, TRIMMED = true, CORRUPT = true,
  CLOSED = true, FORKED = true, UNKNOWN_OUTCOME = true, FILE_GONE = true, FILE_REPLACED = true,
  READ_ONLY = true,
}

--- Maximum number of runs of a handler on a snapshot. The next run holds the write lock.
local OPTIMISTIC_RUNS = 3

--- End of Lua's error for a yield under the write lock.
local YIELD_REFUSED = "attempt to yield across a C-call boundary"

--- Returns true unless the first result is nil or false and there is a second one.
local function succeeded(first, second)
  return first or second == nil
end

--- Wraps a function that runs under the write lock: calls `advance` after it, in its transaction.
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

--- Returns a function that calls fn as a handler, so that plain writes raise NESTED (wait.lua), and
--- a function that cleans up. The caller must call the second one after an error, outside the
--- handler: inside, the time limit would interrupt it.
local function as_handler(worker, delivery, fn)
  local leave
  local function finish(...)
    if leave then
      leave()
      leave = nil
    end
    return ...
  end
  return function(tx)
    worker:mark_handling(delivery)               -- each run has the whole limit
    deliveries.reset(delivery)
    delivery.has_run = true
    tx.delivery = delivery
    leave = leave or handlers.enter(worker.database, worker.id)
    return finish(fn(tx))
  end, finish
end

--- Returns the annotation of the handler's writes: the consumer's origin, and the greatest depth of
--- the batch plus 1.
local function annotation_of(worker, delivery)
  local origin = settings.origin(worker.settings, worker.consumer.name)
  return annotations.encode(worker.database, { origin = origin }, delivery.depth + 1)
end

--- Updates the worker after the commit of a delivery.
local function committed(worker, delivery)
  worker:note_commit()
  if not delivery.places then
    worker.position, worker.records, worker.attempts = delivery.to, nil, 0
    worker.failure_text = nil
    snapshots.note_commit(worker, delivery)
    if snapshots.reached(worker) >= (worker.follows_death or 0) then
      worker.follows_death = nil
    end
  else
    worker.replay_limit = nil
  end
  if snapshots.reached(worker) >= worker.limit_until then
    worker.largest = 0
  end
  worker.delivery = nil
  worker:note_trouble(nil)
  parking.committed(worker, delivery)
end

--- Runs fn(tx) under the write lock, after optimistic runs of which the last one ended with a
--- conflict. Returns the results as an array. If fn yields, which is an error under the lock,
--- returns the results of the conflict.
local function run_after_conflict(database, fn, limit, annotation, conflict)
  local results = table.pack(pcall(transactions.transact, database, fn, limit, annotation))
  local err = results[2]
  if results[1] then
    return table.pack(table.unpack(results, 2, results.n))
  elseif type(err) == "string" and err:find(YIELD_REFUSED, 1, true) then
    return conflict
  end
  error(err, 0)
end

--- Runs fn(tx), and moves the position in the same transaction. If fn returns nil or false and a
--- second value, rolls back and returns these.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@param fn fun(tx: tidetable.Transaction): any
---@return true|nil ok, any ...  results of fn; or err, code
function attempts.commit(worker, delivery, fn)
  local database, limit = worker.database, worker.settings.handler_limit
  local annotation, err, err_code = annotation_of(worker, delivery)
  if not annotation then
    return nil, err, err_code
  end
  local finish
  fn, finish = as_handler(worker, delivery, fn)
  local _ <close> = setmetatable({}, { __close = finish })
  local function advance()
    return parking.commit(worker, delivery)
  end
  local results
  if worker.settings.mode == "optimistic" then
    results = table.pack(optimistic.transact(database, fn, OPTIMISTIC_RUNS, limit, advance,
      annotation))
    finish()
  end
  if not results then
    results = table.pack(transactions.transact(database, locked(fn, advance), limit, annotation))
  elseif results[1] == nil and results[3] == "CONFLICT" then
    results = run_after_conflict(database, locked(fn, advance), limit, annotation, results)
  end
  if results[1] and not succeeded(results[2], results[3]) then
    return table.unpack(results, 2, math.max(results.n, 4))      -- nothing was stored
  elseif results[1] then
    committed(worker, delivery)
  end
  return table.unpack(results, 1, results.n)
end

--- Calls fn() in a transaction. If fn returns nil, err, code, rolls back and returns these.
---@param worker tidetable.Worker
---@param fn fun(): true|nil, tidetable.error|nil, tidetable.code|nil
---@param annotation string|nil  of the writes of fn
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function attempts.transact(worker, fn, annotation)
  local ok, result, err, code = transactions.transact(worker.database, fn,
    worker.settings.handler_limit, annotation)
  if ok then
    return result, err, code
  end
  return nil, result, err
end

--- Commits a delivery without calling a handler: its records are parked or become dead letters.
--- Dead letters have the same annotation as the handler's writes.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@param gives_up boolean|nil  true: its records are given up; otherwise it only has queued records
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function attempts.pass(worker, delivery, gives_up)
  local annotation, ok, err, code
  annotation, err, code = annotation_of(worker, delivery)
  if not annotation then
    return nil, err, code
  end
  ok, err, code = attempts.transact(worker, function()
    return parking.commit(worker, delivery, gives_up)
  end, annotation)
  if ok then
    committed(worker, delivery)
  end
  return ok, err, code
end

--- Metatable of the library's errors.
local error_type = getmetatable(select(2, core.consumer_failure("BATCH_FAILED", "")))

--- Returns the code of a failure that the handler raised or returned, if it is an error of the
--- library with the code TOO_BIG or a temporary one. Returns nil otherwise: the attempt has failed.
local function handler_code(failure)
  if type(failure) == "table" and getmetatable(failure) == error_type then
    local code = rawget(failure, "code")
    return (attempts.temporary[code] or code == "TOO_BIG") and code or nil
  end
end

--- Wraps a handler: a partial response becomes a refusal (nil and a second value). Sets
--- outcome.is_running if the handler raises an error, outcome.is_refused if it refuses; failures of
--- the commit set neither.
local function watched(handler, delivery, outcome)
  local function finish(result, second, ...)
    local partial = responses.partial(result, delivery.all)
    if partial then
      result, second = nil, partial
    end
    outcome.is_refused = not succeeded(result, second)
    return result, second, ...
  end
  return function(tx)
    outcome.is_running, outcome.is_refused = true, false
    local results = table.pack(finish(handler(delivery.records, tx)))
    outcome.is_running = false
    return table.unpack(results, 1, results.n)
  end
end

--- Runs the handler. Returns true; or false, the failure and its code. Raises an interrupt, and
--- CLOSED if the handler has closed the database, because these are not failed attempts.
---@param worker tidetable.Worker
---@param handler tidetable.Handler
---@param delivery tidetable.Delivery
---@return boolean ok, any failure, tidetable.code|nil code
function attempts.run(worker, handler, delivery)
  local outcome = {}
  local ok, result, err, code = pcall(attempts.commit, worker, delivery,
    watched(handler, delivery, outcome))
  worker:mark_handling(nil)
  if not ok and (optimistic.is_interrupt(result) or core.is_closed(worker.database.core)) then
    error(result, 0)
  elseif not ok and outcome.is_running then
    return false, result, handler_code(result)
  elseif not ok then
    return false, result, type(result) == "table" and rawget(result, "code") or nil
  elseif result == true then
    return true
  elseif outcome.is_refused then
    return false, err, handler_code(err)
  end
  return false, err, code
end

return attempts
