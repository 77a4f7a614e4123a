-- delivery.lua - the records that a handler gets in one call, and tx:park.
--
-- A batch from the streams is delivered without the records whose key has parked records. The
-- commit of the batch parks these records, too. Parked records that are marked for replay are
-- delivered in their own batches. With by = "transaction" this applies to whole transactions: a
-- transaction waits if one of its keys has parked records.

local core = require "tidetable.core"
local options = require "tidetable.options"

local misuse = options.misuse

local deliveries = {}

--- Maximum length in bytes of an error text in the file.
local TEXT_MAX = 1024

--- Minimum depth of deep records. Batches do not mix deep and shallow records: the depth of a
--- handler's writes is the greatest depth of its batch plus 1, so the writes for shallow records
--- would become deep.
deliveries.DEEP = 8

---@class tidetable.Delivery
---@field database tidetable.Database
---@field records tidetable.Record[]  array that the handler gets; tx:park removes records from it
---@field all tidetable.Record[]      initial contents of `records`
---@field queued tidetable.Record[]   records of the streams that are parked because of their key
---@field mark "begin"|"end"|nil     first or last commit of a snapshot, which has no records
---@field to integer                  position after the batch
---@field limit integer               as in tidetable.BatchEnd
---@field items integer               as in tidetable.BatchEnd
---@field key string|nil              as in tidetable.BatchEnd
---@field depth integer               greatest depth of its records
---@field version integer             parked version when `queued` was determined
---@field places string[]|nil         replay: place of each parked record of `all`
---@field attempts integer[]|nil      replay: number of failed attempts of each record of `all`
---@field parked tidetable.ParkedInHandler[]  records that tx:park has parked in this run
---@field is_parked table<tidetable.Record, true>  the same records as a set
---@field changes integer             increase of the parked version by the commit
---@field added tidetable.Record[]    records that the commit has parked
---@field ids integer[]|nil          id of the transaction of each record of `all`, if its units
---                                  are transactions (unit.lua)
---@field has_run boolean|nil         true: the handler was called and may have changed the records
---@field is_given boolean|nil        true: the iterator of batches has returned the records
---@field is_broken boolean|nil       true: parked records or dead letters could not be stored

---@class tidetable.ParkedInHandler
---@field record tidetable.Record
---@field reason string               "": parked because of an earlier record of its key
---@field attempts integer

--- Creates a delivery.
---@param database tidetable.Database
---@param all tidetable.Record[]
---@param ending tidetable.BatchEnd
---@param version integer
---@param depth integer
---@param ids integer[]|nil
---@return tidetable.Delivery
function deliveries.new(database, all, ending, version, depth, ids)
  return {
    depth = depth, ids = ids, limit = ending.limit, items = ending.items, key = ending.key,
    database = database, records = table.move(all, 1, #all, 1, {}), all = all, queued = {},
    to = ending.to, version = version, parked = {}, is_parked = {}, changes = 0, added = {},
  }
end

--- Returns true if records of these depths may be in the same batch.
---@param a integer
---@param b integer
---@return boolean
function deliveries.may_share_batch(a, b)
  return (a >= deliveries.DEEP) == (b >= deliveries.DEEP)
end

--- Undoes the changes that a handler made to the array and to the records.
---@param delivery tidetable.Delivery
function deliveries.restore(delivery)
  local records, all = delivery.records, delivery.all
  for i in pairs(records) do
    if math.type(i) then
      records[i] = nil
    end
  end
  table.move(all, 1, #all, 1, records)
  for _, record in ipairs(all) do
    core.set_attempt(record, record.attempt or 0)
  end
end

--- Prepares the delivery for a run of the handler: undoes the changes of an earlier run.
---@param delivery tidetable.Delivery
function deliveries.reset(delivery)
  if delivery.has_run or #delivery.parked > 0 then
    deliveries.restore(delivery)
    delivery.parked, delivery.is_parked = {}, {}
  end
  delivery.changes, delivery.added, delivery.is_broken = 0, {}, nil
end

--- Returns a failure of a handler, which can be any value, as UTF-8 text of at most TEXT_MAX bytes.
---@param failure any
---@return string
function deliveries.text_of(failure)
  local ok, text = pcall(tostring, failure)
  if not ok then
    return ("a %s without text"):format(type(failure))
  elseif text == "" then
    return "an empty text"       -- "" means: parked because of an earlier record of the key
  end
  text = text:sub(1, TEXT_MAX)
  if not utf8.len(text) then
    text = text:gsub("[\xc2-\xf4][\x80-\xbf]*$", "")   -- a truncated character
  end
  return utf8.len(text) and text or (text:gsub("[\x80-\xff]", "?"))
end

--- Returns the index of a record in an array; nil if it is not there.
local function find(records, record)
  for i, each in ipairs(records) do
    if rawequal(each, record) then
      return i
    end
  end
end

local function add(delivery, record, reason, attempts)
  delivery.parked[#delivery.parked + 1] = { record = record, reason = reason, attempts = attempts }
  delivery.is_parked[record] = true
end

--- Parks the later records of its key that are in the handler's array. Returns them as a set.
local function park_later(delivery, record, index)
  local records, database, parked = delivery.records, delivery.database.core, {}
  local item = core.record_item(record, database)
  for i = index + 1, #records do
    local each = records[i]
    if not delivery.is_parked[each] and core.record_item(each, database) == item then
      add(delivery, each, "", each.attempt - 1)
      parked[each] = true
    end
  end
  return parked
end

--- Parks the transaction of a record, and the later ones that must be delivered after it: those
--- that have one of its keys, or one of the keys of such a transaction. Returns their records as a
--- set.
local function park_transactions(delivery, record, reason)
  local all, ids, database = delivery.all, delivery.ids, delivery.database.core
  local index, keys, parked = find(all, record), {}, {}
  local first = index
  while ids[first - 1] == ids[index] do
    first = first - 1
  end
  while first <= #all do
    local last, waits = first, ids[first] == ids[index]
    repeat
      waits = waits or keys[core.record_item(all[last], database)]
      last = last + 1
    until ids[last] ~= ids[first]
    for i = first, waits and not delivery.is_parked[all[first]] and last - 1 or 0 do
      local each, is_given = all[i], ids[i] == ids[index]
      add(delivery, each, is_given and reason or "", each.attempt - (is_given and 0 or 1))
      keys[core.record_item(each, database)], parked[each] = true, true
    end
    first = last
  end
  return parked
end

--- Parks a record of the batch, and the later records of its key, in the handler's transaction;
--- with by = "transaction" the transaction of the record, and the later ones that must follow it.
--- Removes those that follow the record from the handler's array. Calling it twice is allowed.
---@param tx tidetable.Transaction
---@param record tidetable.Record
---@param reason any  stored as text
function deliveries.park(tx, record, reason)
  local delivery = tx.delivery
  if not delivery then
    misuse "park: this transaction is not that of a handler of a consumer"
  elseif delivery.is_parked[record] then
    return
  end
  local index = find(delivery.records, record)
  if not index or not find(delivery.all, record) then
    misuse "park: expected a record of the handler's batch"
  end
  local text = reason == nil and "parked by the handler" or deliveries.text_of(reason)
  local parked
  if delivery.ids then
    parked = park_transactions(delivery, record, text)
  else
    add(delivery, record, text, record.attempt)
    parked = park_later(delivery, record, index)
  end
  local records, kept = delivery.records, index
  for i = index + 1, #records do
    local each = records[i]
    if not parked[each] then
      kept = kept + 1
      records[kept] = each
    end
  end
  for i = #records, kept + 1, -1 do
    records[i] = nil
  end
end

return deliveries
