-- snapshot.lua - consumers that start with a snapshot: where a batch of items ends, the commits
-- that begin and end the copy (marks), and what follows after records have expired.
--
-- A consumer that is copying gets the items of its tables as records, and between them the changes
-- of the items that it has already got (csrc/api/feed_copy.h). Its state in the file is the
-- position and the key of the last item. The copy begins and ends with a commit without records, in
-- which the function on_snapshot is called.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local snapshots = {}

--- Number of copies that begin by themselves before one has ended.
local ROUNDS_MAX = 3

--- Numbers of the marks for core.consumer_advance.
local MARKS = { none = 0, begin = 1, ["end"] = 2 }

--- State of the copy of a worker's consumer.
---@class tidetable.Copy
---@field has_begun boolean
---@field items integer   number of items delivered
---@field rounds integer  copies begun since the last one that ended

--- Where a batch ends.
---@class tidetable.BatchEnd
---@field to integer       position after its last record
---@field limit integer    place up to which a limit of its size holds (snapshots.reached)
---@field items integer    number of its records that are items of a snapshot
---@field key string|nil   item key of the last of these; nil: none

--- Returns the place that a worker has reached: the number of items that its copy has delivered, or
--- its position. A limit of the size of batches ends at such a place.
---@param worker tidetable.Worker
---@return integer
function snapshots.reached(worker)
  return worker.copy and worker.copy.items or worker.position
end

--- Returns where a batch ends.
---@param worker tidetable.Worker
---@param records tidetable.Record[]  with the field `mark`: a batch without records
---@return tidetable.BatchEnd
function snapshots.end_of(worker, records)
  local count = #records
  local batch = { to = records.to, items = 0, limit = 0 }
  if count > 0 then
    batch.to = core.record_position(records[count])
  end
  batch.limit = batch.to
  if not worker.copy then
    return batch
  end
  batch.limit = worker.copy.items + math.max(count, 1)
  local last
  for _, record in ipairs(records) do
    local _, is_item = core.record_position(record)
    if is_item then
      batch.items, last = batch.items + 1, record
    end
  end
  batch.key = last and core.item_key(last, worker.database.core)
  return batch
end

--- Moves the position after a delivery, in the open transaction.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function snapshots.advance(worker, delivery)
  return core.consumer_advance(worker.database.core, worker.id, worker.epoch, worker.position,
    delivery.to, #delivery.all - #delivery.parked, delivery.version,
    MARKS[delivery.mark or "none"], worker.copy and worker.copy.items or 0, delivery.items,
    delivery.key)
end

--- Notes that a delivery was committed.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
function snapshots.note_commit(worker, delivery)
  if delivery.mark == "begin" then
    worker.copy.has_begun = true
  elseif delivery.mark == "end" then
    worker.copy = nil
    worker:close_reader()          -- the next one returns the records that follow
  elseif worker.copy then
    worker.copy.items = worker.copy.items + delivery.items
  end
end

-- Marks ----------------------------------------------------------------------

--- Returns the mark of the beginning as a batch, if it is due.
---@param worker tidetable.Worker
---@return tidetable.Record[]|nil
function snapshots.beginning(worker)
  if worker.copy and not worker.copy.has_begun then
    return { bytes = 0, depth = 0, mark = "begin", to = worker.position }
  end
end

--- Returns the mark of the end as a batch, if all items were read.
---@param worker tidetable.Worker
---@return tidetable.Record[]|nil
function snapshots.ending(worker)
  if worker.copy then
    return { bytes = 0, depth = 0, mark = "end", to = core.position(worker.reader.core) }
  end
end

--- Returns the handler of a delivery, which for a mark calls on_snapshot.
---@param worker tidetable.Worker
---@param handler tidetable.Handler
---@param delivery tidetable.Delivery
---@return tidetable.Handler
function snapshots.handler_of(worker, handler, delivery)
  if not delivery.mark then
    return handler
  end
  local on_snapshot = worker.consumer.on_snapshot
  return function(_, tx)
    if on_snapshot then
      return on_snapshot(delivery.mark, tx)
    end
  end
end

-- Records that have expired ----------------------------------------------------

--- Handles TRIMMED as the settings say. Returns true if the worker can read again; nil if it has
--- lost the consumer; nil, err, code on failure. A copy starts again, because changes of the items
--- that it has delivered are missing.
---@param worker tidetable.Worker
---@param err tidetable.error  the TRIMMED error
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function snapshots.skip_gap(worker, err)
  local answer, copy = worker.settings.on_trimmed, worker.copy
  if answer == "error" or copy and copy.rounds >= ROUNDS_MAX then
    return nil, err, "TRIMMED"
  end
  local ok, failure, code = wait.try(worker.database, core.consumer_skip_gap, worker.database.core,
    worker.consumer.name, worker.id, worker.epoch, answer == "snapshot")
  if not ok and code == "LEASE_LOST" then
    worker:lose()
    return nil
  elseif not ok then
    return nil, failure, code
  end
  return worker:reread()
end

return snapshots
