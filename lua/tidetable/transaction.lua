-- transaction.lua - transactions under the write lock, and their tables.

local core = require "tidetable.core"
local item_operations = require "tidetable.item_operations"
local options = require "tidetable.options"
local tables = require "tidetable.table"
local wait = require "tidetable.wait"

local check_table, wants_old = item_operations.check_table, item_operations.wants_old
local or_raise = item_operations.or_raise
local shared = tables.shared
local check_call = shared.check_call

local transactions = {}

--- A table inside a transaction: the same operations on its items, whose failures raise.
---@class tidetable.TransactionTable
---@field name string
---@field query fun(self, partition: any, given?: tidetable.QueryOptions): fun(): table|nil
---@field scan fun(self, given?: tidetable.ScanOptions): fun(): table|nil
---@field query_page tidetable.TransactionTable.query_page
---@field scan_page fun(self, given?: tidetable.ScanPageOptions): table[], table|nil
local TransactionTable = { __name = "tidetable.transaction_table" }
TransactionTable.__index = TransactionTable

local function check_alive(self)
  if self.transaction.ended then
    core.raise_ended()
  end
end

---@alias tidetable.TransactionTable.query_page
---| fun(self, partition: any, given?: tidetable.QueryPageOptions): table[], table|nil

local tx_put = core.tx_put

-- The commonest call of all, in line: a function less is a tenth less.
---@param item table
---@param given tidetable.WriteOptions|nil
---@return true ok, table|nil old
function TransactionTable:put(item, given)
  local transaction = self and self.transaction
  if not transaction or transaction.ended or type(item) ~= "table" then
    check_call(self, item, "put", "an item")
    check_alive(self)
  end
  return tx_put(self.core, item, given ~= nil and wants_old(given, "put"))
end

---@param key table
---@param given tidetable.WriteOptions|nil
---@return true ok, table|nil old
function TransactionTable:delete(key, given)
  check_alive(self)
  check_table(key, "delete", "a key")
  return core.tx_delete(self.core, key, wants_old(given, "delete"))
end

---@param key table
---@return table|nil item
function TransactionTable:get(key, given)
  check_alive(self)
  if type(key) ~= "table" or given ~= nil then
    check_call(self, key, "get", "a key")
    options.check(given, item_operations.get_options, "get")
  end
  return core.tx_get(self.core, key)
end

for _, name in ipairs { "query", "scan", "query_page", "scan_page" } do
  local method = shared[name]
  TransactionTable[name] = function(self, ...)
    check_alive(self)
    return or_raise(method(self, ...))
  end
end

---@param items table[]|fun(): table|nil
---@param given { batch: integer|nil }|nil
---@return integer count
function TransactionTable:load(items, given)
  check_alive(self)
  local size = options.check(given, item_operations.load_options, "load").batch or 1000
  return or_raise(shared.load_batches(function(batch, most)
    check_alive(self)    -- still: whoever gives the items may have yielded
    return core.load(self.core, batch, most, true)
  end, items, size))
end

options.methods(TransactionTable, "table", { put = true })

--- The table as the transaction sees it. Raises NOT_FOUND.
local function open_table(transaction, name)
  local handle = or_raise(tables.handle(transaction.database, name))
  or_raise(core.describe_table(handle.core))
  handle.transaction = transaction
  return setmetatable(handle, TransactionTable)
end

--- What a transaction's function gets.
---@class tidetable.Transaction
local Transaction = {}
Transaction.__index = Transaction
Transaction.__name = "tidetable.transaction"

function Transaction:check()
  if self.ended then
    core.raise_ended()
  end
end

--- However the function ends, the transaction has ended.
function Transaction:__close()
  self.ended = true
end

--- A table, as the transaction sees it. Raises NOT_FOUND.
---@param name string
---@return tidetable.TransactionTable
function Transaction:table(name)
  self:check()
  item_operations.check_name(name, "table")
  local handle = self.tables[name]
  if handle then
    core.ready(self.database.core) -- looks at the time limit, as every call does
  else
    handle = open_table(self, name)
    self.tables[name] = handle
  end
  return handle
end

options.methods(Transaction, "tx")

--- Runs fn; the transaction ends before it is committed: closing asks Lua for
--- memory, and afterwards nothing may fail any more.
local function run(fn, given)
  local transaction <close> = given
  return fn(transaction)
end

--- Runs fn(tx) under the write lock.
---@param database tidetable.Database
---@param fn fun(tx: tidetable.Transaction): ...
---@param limit number  seconds
---@return true|nil ok, any ...  what fn returns; or err, code
function transactions.transact(database, fn, limit)
  local transaction = setmetatable({ database = database, tables = {} }, Transaction)
  return wait.try(database, core.transact, database.core, limit, run, fn, transaction)
end

return transactions
