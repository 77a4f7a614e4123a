-- unit.lua - counts the units of a batch: records or, with by = "transaction", transactions.
--
-- A batch consists of whole units. Its maximum size, the division of a failed batch, and the
-- smaller batches after a worker has died in its handler are measured in units. During a snapshot
-- the units are records.

local units = {}

--- Returns true if the worker delivers whole transactions.
---@param worker tidetable.Worker
---@return boolean
function units.are_transactions(worker)
  return worker.settings.by == "transaction" and not worker.copy
end

--- Returns the number of units.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@return integer
function units.count(worker, records)
  if not units.are_transactions(worker) then
    return #records
  end
  local count, id = 0, nil
  for _, record in ipairs(records) do
    if record.transaction_id ~= id then
      count, id = count + 1, record.transaction_id
    end
  end
  return count
end

--- Returns the number of records of the first `count` units.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@param count integer  at most the number of units
---@return integer
function units.records_of(worker, records, count)
  if not units.are_transactions(worker) then
    return count
  end
  local id
  for i, record in ipairs(records) do
    if record.transaction_id ~= id then
      if count == 0 then
        return i - 1
      end
      count, id = count - 1, record.transaction_id
    end
  end
  return #records
end

--- Returns the number of records before the unit that contains the record with this index.
---@param worker tidetable.Worker
---@param records tidetable.Record[]
---@param index integer
---@return integer
function units.before(worker, records, index)
  local first = index
  if units.are_transactions(worker) then
    while first > 1 and records[first - 1].transaction_id == records[index].transaction_id do
      first = first - 1
    end
  end
  return first - 1
end

return units
