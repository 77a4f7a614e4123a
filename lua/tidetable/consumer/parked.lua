-- parked.lua - commands on the parked records of a consumer: list, replay, discard.

local core = require "tidetable.core"
local options = require "tidetable.options"
local wait = require "tidetable.wait"

local parked = {}

--- Maximum number of records, or of transactions, that one call of the core returns.
local PAGE = 100

local known = { table = "string", key = "table", limit = options.integer_from(0) }

--- Selects parked records; with by = "transaction" the transactions that have one of them.
---@class tidetable.ParkedOptions
---@field table string|nil            name of the table of the records; nil: all tables
---@field key table<string, any>|nil  partition key of the records, { name = value }; nil: all keys
---@field limit integer|nil           maximum number of records; with by = "transaction", of
---                                   transactions

---@class tidetable.ParkedRecord
---@field record tidetable.Record     as in its first delivery
---@field error string|nil            text of its last failure; nil: parked because of an earlier
---                                   record of its key, or transaction that has one of its keys
---@field transaction_id integer|nil  of the transaction with which it is parked; a record of a
---                                   snapshot has its sequence number; nil: parked by its key
---@field attempts integer            number of failed attempts
---@field parked_at number
---@field is_to_be_replayed boolean   true: marked for replay

--- Returns an iterator over the parked records.
---@param consumer tidetable.Consumer
---@param opts tidetable.ParkedOptions|nil
---@return fun(): tidetable.ParkedRecord|nil
function parked.iterate(consumer, opts)
  opts = options.check(opts, known, "parked")
  local left, place, copies, at, is_last = opts.limit or math.huge, nil, {}, 0, false
  local transaction
  return function()
    if at == #copies and left == 0 then
      return nil
    elseif at == #copies and not is_last then
      local err
      copies, err = core.parked_page(consumer.database.core, consumer.name, opts.table, opts.key,
        math.tointeger(math.min(left, PAGE)), place)
      if not copies then
        copies, is_last = {}, true
        error(err, 0)
      end
      place, at = err, 0
      is_last = place == nil
    end
    local copy = copies[at + 1]
    if copy then
      if not copy.transaction_id or copy.transaction_id ~= transaction then
        left, transaction = left - 1, copy.transaction_id
      end
      at, copy.place = at + 1, nil
    end
    return copy
  end
end

--- Marks or removes parked records or transactions, in steps of at most 1,000, each in a separate
--- transaction. Returns their number.
---@param consumer tidetable.Consumer
---@param subject "replay"|"discard"
---@param opts tidetable.ParkedOptions|nil
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function parked.change(consumer, subject, opts)
  opts = options.check(opts, known, subject)
  local database, count, place = consumer.database, 0, nil
  repeat
    local code
    count, place, code = wait.try(database, core.change_parked, database.core, consumer.name,
      subject == "discard", opts.table, opts.key, opts.limit or math.maxinteger, place, count)
    if not count then
      return nil, place, code
    end
  until not place
  return count
end

--- Repeats a command that returns false while parked records are left to remove.
---@param consumer tidetable.Consumer
---@param f fun(...): boolean|nil, tidetable.error|nil, tidetable.code|nil
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function parked.finish(consumer, f, ...)
  local done, err, code
  repeat
    done, err, code = wait.try(consumer.database, f, consumer.database.core, consumer.name, ...)
  until done ~= false
  return done, err, code
end

return parked
