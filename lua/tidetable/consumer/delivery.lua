-- delivery.lua - what a worker gives to its handler in one call, and tx:park.
--
-- A batch of records from the streams is delivered without those whose key has parked records.
-- These are parked, too, in the commit of the batch. Marked parked records are delivered in batches
-- of their own.

local core = require "tidetable.core"
local options = require "tidetable.options"

local misuse = options.misuse

local deliveries = {}

--- Maximum length of an error text in the file.
local TEXT_MAX = 1024

--- Depth from which on records are in batches of their own. What a handler writes is one deeper
--- than the deepest record of its batch, so shallow records in the batch would be deepened.
local DEEP = 8

---@class tidetable.Delivery
---@field database tidetable.Database
---@field records tidetable.Record[]  array that the handler gets; tx:park removes records from it
---@field all tidetable.Record[]      its contents before
---@field queued tidetable.Record[]   records of the streams that are parked because of their key
---@field mark "begin"|"end"|nil     of a snapshot: the delivery has no records
---@field to integer                  position after the batch
---@field limit integer               place up to which a limit of its size holds
---@field items integer               number of its records that are items of a snapshot
---@field key string|nil              item key of the last of these
---@field depth integer               greatest depth of its records
---@field version integer             parked version that the division is based on
---@field places string[]|nil         of parked records: the place of each of `all`
---@field attempts integer[]|nil      of parked records: failed attempts of each of `all`
---@field parked tidetable.ParkedInHandler[]  what tx:park has parked in this run
---@field is_parked table<tidetable.Record, true>
---@field changes integer             changes of the parked version by its commit
---@field added tidetable.Record[]    records that its commit has parked
---@field has_run boolean|nil         a handler has got the records, and can have changed them
---@field is_given boolean|nil        the program has got the records as a batch
---@field is_broken boolean|nil       parked records or dead letters could not be stored

---@class tidetable.ParkedInHandler
---@field record tidetable.Record
---@field reason string               "": it follows a parked one
---@field attempts integer

--- Creates a delivery.
---@param database tidetable.Database
---@param all tidetable.Record[]
---@param ending tidetable.BatchEnd
---@param version integer
---@param depth integer
---@return tidetable.Delivery
function deliveries.new(database, all, ending, version, depth)
  return {
    depth = depth, limit = ending.limit, items = ending.items, key = ending.key,
    database = database, records = table.move(all, 1, #all, 1, {}), all = all, queued = {},
    to = ending.to, version = version, parked = {}, is_parked = {}, changes = 0, added = {},
  }
end

--- Returns true if records of these depths may be in one batch.
---@param a integer
---@param b integer
---@return boolean
function deliveries.may_share_batch(a, b)
  return (a >= DEEP) == (b >= DEEP)
end

--- Makes the array and the records what they were before a handler got them.
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

--- Undoes what an earlier run of the handler did to the delivery, by tx:park or by itself.
---@param delivery tidetable.Delivery
function deliveries.reset(delivery)
  if delivery.has_run or #delivery.parked > 0 then
    deliveries.restore(delivery)
    delivery.parked, delivery.is_parked = {}, {}
  end
  delivery.changes, delivery.added, delivery.is_broken = 0, {}, nil
end

--- Returns a text of at most TEXT_MAX bytes for anything that a handler can raise. It is UTF-8.
---@param failure any
---@return string
function deliveries.text_of(failure)
  local ok, text = pcall(tostring, failure)
  if not ok then
    return ("a %s without text"):format(type(failure))
  elseif text == "" then
    return "an empty text"       -- "" is that of a record parked because of its key
  end
  text = text:sub(1, TEXT_MAX)
  if not utf8.len(text) then
    text = text:gsub("[\xc2-\xf4][\x80-\xbf]*$", "")   -- a character that was cut
  end
  return utf8.len(text) and text or (text:gsub("[\x80-\xff]", "?"))
end

--- Returns the place of a record in the array that the handler has; nil if it is not there.
local function find(delivery, record)
  for i, each in ipairs(delivery.records) do
    if rawequal(each, record) then
      return i
    end
  end
end

local function add(delivery, record, reason, attempts)
  delivery.parked[#delivery.parked + 1] = { record = record, reason = reason, attempts = attempts }
  delivery.is_parked[record] = true
end

--- Parks a record of the batch in the handler's transaction, and the later ones of its key, which
--- are removed from the array. Parking it twice is allowed.
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
  local index = find(delivery, record)
  if not index then
    misuse "park: expected a record of the handler's batch"
  end
  local records, database = delivery.records, delivery.database.core
  local item, kept = core.record_item(record, database), index
  add(delivery, record, reason == nil and "parked by the handler" or deliveries.text_of(reason),
    record.attempt)
  for i = index + 1, #records do
    local each = records[i]
    if delivery.is_parked[each] or core.record_item(each, database) ~= item then
      kept = kept + 1
      records[kept] = each
    else
      add(delivery, each, "", each.attempt - 1)
    end
  end
  for i = #records, kept + 1, -1 do
    records[i] = nil
  end
end

return deliveries
