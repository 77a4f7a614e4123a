-- transaction.lua - transactions of mode "locked", which hold the write lock, and their tables.

local annotations = require "tidetable.annotation"
local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local item_operations = require "tidetable.item_operations"
local members = require "tidetable.members"
local options = require "tidetable.options"
local request = require "tidetable.request"
local tables = require "tidetable.table"
local wait = require "tidetable.wait"

local check_table, or_raise = item_operations.check_table, item_operations.or_raise
local shared = tables.shared
local check_call = shared.check_call

local transactions = {}

--- A table in a transaction, with the operations of a table on items. They raise their errors, and
--- CLOSED after the end of the transaction.
---@class tidetable.TransactionTable
---@field name string
---@field query fun(self, partition: any, opts?: tidetable.QueryOptions): fun(): table|nil
---@field scan fun(self, opts?: tidetable.ScanOptions): fun(): table|nil
---@field query_page tidetable.TransactionTable.query_page
---@field scan_page fun(self, opts?: tidetable.ScanPageOptions): table[], table|nil
local TransactionTable = { __name = "tidetable.transaction_table" }
TransactionTable.__index = TransactionTable

local function check_not_ended(self)
  if self.transaction.ended then
    core.raise_ended()
  end
end

---@alias tidetable.TransactionTable.query_page
---| fun(self, partition: any, opts?: tidetable.QueryPageOptions): table[], table|nil

local tx_put = core.tx_put

--- Stores an item. The tests are inline, because this is the most frequent call, and each function
--- that it calls adds a tenth to its time.
---@param item table<string, any>
---@param opts tidetable.WriteOptions|nil
---@return true ok, table|nil old
function TransactionTable:put(item, opts)
  local transaction = self and self.transaction
  if not transaction or transaction.ended or type(item) ~= "table" then
    check_call(self, item, "put", "an item")
    check_not_ended(self)
  end
  if opts == nil then
    return tx_put(self.core, item, false)
  end
  request.check_tx_write(opts, "put")
  if request.has_expressions(opts) then
    return request.tx_write(self, request.PUT, item, nil, opts, "put")
  end
  return tx_put(self.core, item, opts.return_values == "ALL_OLD")
end

local tx_update = core.tx_update

--- Changes attributes of the item with this key by an update expression. The core checks the
--- arguments of an update whose options are only the values of its `?`, which is the most frequent
--- one. All others, and wrong arguments, take the general way.
---@param key table<string, any>  the key attributes and no others
---@param expression string|nil
---@param opts tidetable.UpdateOptions|nil
---@return true ok, table|nil item
function TransactionTable:update(key, expression, opts)
  if getmetatable(self) ~= TransactionTable then
    options.no_self("update", "table")
  end
  check_not_ended(self)
  if tx_update(self.core, key, expression, opts) then
    return true
  end
  check_table(key, "update", "a key")
  opts = request.check_tx_update(expression, opts)
  return request.tx_write(self, request.UPDATE, key, expression, opts, "update")
end

--- Deletes the item with this key.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.WriteOptions|nil
---@return true ok, table|nil old
function TransactionTable:delete(key, opts)
  check_not_ended(self)
  check_table(key, "delete", "a key")
  opts = request.check_tx_write(opts, "delete")
  if request.has_expressions(opts) then
    return request.tx_write(self, request.DELETE, key, nil, opts, "delete")
  end
  return core.tx_delete(self.core, key, opts.return_values == "ALL_OLD")
end

--- Returns the item with this key, as the transaction sees it; nil if there is none.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.GetOptions|nil
---@return table<string, any>|nil item
function TransactionTable:get(key, opts)
  check_not_ended(self)
  if type(key) ~= "table" or opts ~= nil then
    check_call(self, key, "get", "a key")
    if next(options.check(opts, item_operations.get_options, "get")) then
      return or_raise(core.get_projected(self.core, key, opts, true))
    end
  end
  return core.tx_get(self.core, key)
end

for _, name in ipairs { "query", "scan", "query_page", "scan_page" } do
  local method = shared[name]
  TransactionTable[name] = function(self, ...)
    check_not_ended(self)
    return or_raise(method(self, ...))
  end
end

--- Puts many items, all in this transaction.
---@param items table[]|fun(): table|nil  an array, or a function that returns nil at the end
---@param opts { batch: integer|nil }|nil  items that are stored at once; default 1000
---@return integer count
function TransactionTable:load(items, opts)
  check_not_ended(self)
  annotations.refuse(opts, "load")
  local size = options.check(opts, item_operations.load_options, "load").batch or 1000
  return or_raise(shared.load_batches(function(batch, max_items)
    check_not_ended(self)    -- checked again, because the function `items` may have yielded
    return core.load(self.core, batch, max_items, true)
  end, items, size))
end

options.methods(TransactionTable, "table", { put = true, update = true })
members.guard(TransactionTable, "table")

--- Returns a table as the transaction sees it. Raises NOT_FOUND.
local function open_table(transaction, name)
  local handle = or_raise(tables.handle(transaction.database, name))
  or_raise(core.describe_table(handle.core))
  handle.transaction = transaction
  return setmetatable(handle, TransactionTable)
end

--- The argument of the function that db:transact runs.
---@class tidetable.Transaction
---@field package database tidetable.Database
---@field package tables table<string, tidetable.TransactionTable>  tables in use, by name
---@field package ended boolean
---@field package cancelled tidetable.error|false
---@field package annotation string|false|nil  as annotations.encode returns it
---@field package delivery tidetable.Delivery|false  of the handler whose transaction it is
local Transaction = {}
Transaction.__index = Transaction
Transaction.__name = "tidetable.transaction"
Transaction.ended, Transaction.cancelled, Transaction.annotation = false, false, false
Transaction.delivery = false

--- Raises CLOSED if the transaction has ended.
function Transaction:check()
  if self.ended then
    core.raise_ended()
  end
end

--- Rolls back the transaction: db:transact returns nil, err, "CANCELLED", and err.reason is
--- `reason`. Raises err. The transaction is rolled back even if the function catches this error.
---@param reason any
function Transaction:cancel(reason)
  self:check()
  self.cancelled = core.cancel(self.database.core, reason)
  error(self.cancelled, 0)
end

--- Marks the transaction as ended. Raises the error of `cancel` again if the function caught it.
function Transaction:__close(err)
  self.ended = true
  if self.cancelled and err == nil then
    error(self.cancelled, 0)
  end
end

--- Returns a table as the transaction sees it. Raises NOT_FOUND.
---@param name string
---@return tidetable.TransactionTable
function Transaction:table(name)
  self:check()
  item_operations.check_name(name, "table")
  local handle = self.tables[name]
  if handle then
    core.ready(self.database.core) -- raises TIMEOUT after the time limit, as every call does
  else
    handle = open_table(self, name)
    self.tables[name] = handle
  end
  return handle
end

--- Parks a record of the batch, in the handler of a consumer: it is kept in the consumer, and the
--- later records of its key are parked, too. With by = "transaction" parks its whole transaction,
--- and the later ones that have one of its keys. Those after the record in the batch are removed
--- from the handler's array.
---@param record tidetable.Record
---@param reason any  stored as text
function Transaction:park(record, reason)
  self:check()
  deliveries.park(self, record, reason)
end

options.methods(Transaction, "tx")
members.guard(Transaction, "tx")

--- Runs fn and marks the transaction as ended before the commit, because closing a variable
--- allocates memory, and nothing may fail after the commit.
local function run_and_end(fn, tx)
  local transaction <close> = tx
  if tx.annotation then
    core.annotate(tx.database.core, tx.annotation)
  end
  return fn(transaction)
end

--- Runs fn(tx) under the write lock.
---@param database tidetable.Database
---@param fn fun(tx: tidetable.Transaction): ...
---@param limit number  seconds until TIMEOUT is raised
---@param annotation string|nil  as annotations.encode returns it
---@return true|nil ok, any ...  results of fn; or err, code
function transactions.transact(database, fn, limit, annotation)
  local transaction = setmetatable({
    database = database, tables = {}, annotation = annotation ~= "" and annotation,
  }, Transaction)
  return wait.try(database, core.transact, database.core, limit, run_and_end, fn, transaction)
end

return transactions
