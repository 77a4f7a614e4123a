-- unit.lua - counts the units of a batch: records or, with by = "transaction", transactions.
--
-- A batch consists of whole units. Its maximum size, the division of a failed batch, and the
-- smaller batches after a worker has died in its handler are measured in units. A unit is parked as
-- a whole. During a snapshot the units are records.
--
-- The functions that count get the records and `ids`, an array with the id of each record's
-- transaction. Records of the same transaction are adjacent. nil: the units are the records.

local units = {}

--- Returns true if the worker delivers whole transactions.
---@param worker tidetable.Worker
---@return boolean
function units.are_transactions(worker)
  return worker.settings.by == "transaction" and not worker.copy
end

--- Returns the ids of the transactions of records that a worker has read from the streams; nil if
--- it delivers records.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@return integer[]|nil
function units.ids(worker, records)
  if not units.are_transactions(worker) then
    return nil
  end
  local ids = {}
  for i, record in ipairs(records) do
    ids[i] = record.transaction_id
  end
  return ids
end

--- Returns the id of the transaction with which a record from the streams is parked; 0: it is
--- parked because of its key. A record of a snapshot is parked alone.
---@param worker tidetable.Worker
---@param record tidetable.Record
---@return integer
function units.parked_with(worker, record)
  if worker.settings.by ~= "transaction" then
    return 0
  end
  return worker.copy and record.sequence_number or record.transaction_id
end

--- Returns the number of units of records that a worker has read from the streams.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@return integer
function units.count_read(worker, records)
  return units.count(records, units.ids(worker, records))
end

--- Returns the number of units.
---@param records tidetable.Record[]
---@param ids integer[]|nil
---@return integer
function units.count(records, ids)
  return units.before(records, ids, #records + 1)
end

--- Returns the number of units that begin before the record with this index, without its own unit.
---@param records tidetable.Record[]
---@param ids integer[]|nil
---@param index integer
---@return integer
function units.before(records, ids, index)
  if not ids then
    return index - 1
  end
  local count = 0
  for i = 1, math.min(index, #records) do
    if ids[i] ~= ids[i - 1] then
      count = count + 1
    end
  end
  return index <= #records and count - 1 or count
end

--- Returns the number of records of the first `count` units.
---@param records tidetable.Record[]
---@param ids integer[]|nil
---@param count integer  at most the number of units
---@return integer
function units.records_of(records, ids, count)
  if not ids then
    return count
  end
  for i = 1, #records do
    if ids[i] ~= ids[i - 1] then
      if count == 0 then
        return i - 1
      end
      count = count - 1
    end
  end
  return #records
end

return units
