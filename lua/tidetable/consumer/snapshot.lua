-- snapshot.lua - consumers that start with a snapshot: the end of a batch of items, the first and
-- last commits of the copy (marks), and gaps.
--
-- A copying consumer gets the items of its tables as records, interleaved with changes of the items
-- that were already delivered (csrc/api/feed_copy.h). The file contains the position and the key of
-- the last item. The first and the last commit of a copy have no records; on_snapshot is called in
-- them.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local snapshots = {}

--- Maximum number of copies that are started automatically without one that is completed.
local ROUNDS_MAX = 3

--- Marks as arguments of core.consumer_advance.
local MARKS = { none = 0, begin = 1, ["end"] = 2 }

--- State of the copy of a worker's consumer.
---@class tidetable.Copy
---@field has_begun boolean  the first commit was made
---@field items integer   number of items delivered
---@field rounds integer  number of copies started since the last completed one

--- The end of a batch.
---@class tidetable.BatchEnd
---@field to integer       position after its last record
---@field limit integer    place (snapshots.reached) up to which a limit of the batch size applies
---@field items integer    number of records that are items of a snapshot
---@field key string|nil   item key up to which items were delivered or ignored; nil: unchanged

--- Returns the place of a worker: during a copy the number of delivered items, otherwise the
--- position. A temporary limit of the batch size ends at such a place.
---@param worker tidetable.Worker
---@return integer
function snapshots.reached(worker)
  return worker.copy and worker.copy.items or worker.position
end

--- Returns the end of a batch.
---@param worker tidetable.Worker
---@param records tidetable.Record[]  empty for a mark
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
  if rawequal(last, records[count]) then
    batch.key = last and core.item_key(last, worker.database.core)
  else
    batch.key = worker.passed_keys[records[count]]
  end
  return batch
end

--- Moves the position after a delivery, in the open transaction.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function snapshots.advance(worker, delivery)
  return core.consumer_advance(worker.database.core, worker.id, worker.epoch, worker.first,
    worker.position, delivery.to, #delivery.all - #delivery.parked, delivery.version,
    MARKS[delivery.mark or "none"], worker.copy and worker.copy.items or 0, delivery.items,
    delivery.key)
end

--- Updates the worker after the commit of a delivery.
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

--- Returns the mark of the start as a batch; nil if it is not due.
---@param worker tidetable.Worker
---@return tidetable.Record[]|nil
function snapshots.beginning(worker)
  if worker.copy and not worker.copy.has_begun then
    return { bytes = 0, depth = 0, mark = "begin", to = worker.position }
  end
end

--- Returns the mark of the end as a batch. The caller has read all items. Returns nil if the worker
--- is not copying.
---@param worker tidetable.Worker
---@return tidetable.Record[]|nil
function snapshots.ending(worker)
  if worker.copy then
    return { bytes = 0, depth = 0, mark = "end", to = core.position(worker.reader.core) }
  end
end

--- Returns the handler of a delivery. For a mark it calls on_snapshot.
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

--- Handles TRIMMED according to the setting on_trimmed. Returns true if the worker can read again;
--- nil if it no longer owns its range; nil, err, code on failure. A copy starts from scratch,
--- because changes of delivered items are missing.
---@param worker tidetable.Worker
---@param err tidetable.error  the TRIMMED error
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function snapshots.skip_gap(worker, err)
  local answer, copy = worker.settings.on_trimmed, worker.copy
  if answer == "error" or copy and copy.rounds >= ROUNDS_MAX then
    return nil, err, "TRIMMED"
  end
  local ok, failure, code = wait.try(worker.database, core.consumer_skip_gap, worker.database.core,
    worker.consumer.name, worker.id, worker.epoch, worker.first, answer == "snapshot")
  if not ok and code == "LEASE_LOST" then
    worker:lose()
    return nil
  elseif not ok then
    return nil, failure, code
  end
  return worker:reread()
end

return snapshots
