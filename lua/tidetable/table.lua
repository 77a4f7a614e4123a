-- table.lua - a table: items put, got, deleted, queried, loaded; its stream.

local core = require "tidetable.core"
local options = require "tidetable.options"
local stream = require "tidetable.stream.stream"
local wait = require "tidetable.wait"

local core_get = core.get
local misuse = options.misuse

local tables = {}

--- A handle on a table, by name.
---@class tidetable.Table
---@field name string
local Table = {}
Table.__index = Table
Table.__name = "tidetable.table"

function Table:__tostring()
  return "tidetable.table: " .. self.name
end

local write_options = { return_values = options.one_of { "NONE", "ALL_OLD" } }

local function wants_old(given, what)
  if given == nil then
    return false
  end
  return options.check(given, write_options, what).return_values == "ALL_OLD"
end

local function check_table(value, what, expected)
  if type(value) ~= "table" then
    misuse(("%s: %s (a table) expected, got %s"):format(what, expected, type(value)))
  end
end

--- What is wrong with a call of a method that is too short to look closely itself.
local function check_call(self, value, what, expected)
  if type(self) ~= "table" or not self.core then
    options.no_self(what, "table")
  end
  check_table(value, what, expected)
end

---@class tidetable.WriteOptions
---@field return_values "NONE"|"ALL_OLD"|nil  ALL_OLD: the item that was there is returned

--- Stores an item in place of whatever had its key.
---@param item table
---@param given tidetable.WriteOptions|nil
---@return boolean|nil ok, table|tidetable.error|nil old_or_err, tidetable.code|nil code
function Table:put(item, given)
  if type(item) ~= "table" or not self.core then
    check_call(self, item, "put", "an item")
  end
  return wait.write(self.database, core.put, self.core, item,
    given ~= nil and wants_old(given, "put"))
end

--- Deletes the item with this key, if there is one.
---@param key table  the key attributes and nothing else
---@param given tidetable.WriteOptions|nil
---@return boolean|nil ok, table|tidetable.error|nil old_or_err, tidetable.code|nil code
function Table:delete(key, given)
  check_table(key, "delete", "a key")
  return wait.write(self.database, core.delete, self.core, key, wants_old(given, "delete"))
end

local get_options = {}

--- The item with this key; nil without an error when there is none.
---@param key table  the key attributes and nothing else
---@param given {}|nil  there are no options
---@return table|nil item, tidetable.error|nil err, tidetable.code|nil code
function Table:get(key, given)
  if type(key) ~= "table" or given ~= nil or not self.core then
    check_call(self, key, "get", "a key")
    options.check(given, get_options, "get")
  end
  return core_get(self.core, key)
end

-- Reading many ---------------------------------------------------------------

local sort_arguments = {
  ["="] = 1, ["<"] = 1, ["<="] = 1, [">"] = 1, [">="] = 1, between = 2, begins_with = 1,
}

local function check_sort(sort)
  if type(sort) ~= "table" then
    return 'a table as { ">=", value }'
  end
  local arguments = sort_arguments[sort[1]]
  if not arguments then
    return "one of = < <= > >= between begins_with with its value"
  end
  if not options.is_tuple(sort, arguments + 1) then
    return ("%q with %d value(s)"):format(sort[1], arguments)
  end
end

local scan_options = {
  descending = "boolean", limit = options.integer_from(1), start_key = "table",
  snapshot = "boolean", snapshot_limit = options.seconds,
}
local query_options = { sort = check_sort }
local scan_page_options = {
  descending = "boolean", limit = options.integer_from(1), start_key = "table",
}
local page_options = { sort = check_sort }
for name, check in pairs(scan_options) do
  query_options[name] = check
end
for name, check in pairs(scan_page_options) do
  page_options[name] = check
end

--- The options of query and scan.
local function check_many(given, known, what)
  given = options.check(given, known, what)
  options.goes_with(given, "snapshot_limit", "snapshot", what)
  return given
end

--- A query of the last commit; of a transaction's table, of the transaction.
local function open_query(self, partition, given)
  local sort = given.sort or { "all" }
  return core.query(self.core, partition, sort[1], sort[2], sort[3], given.descending or false,
    given.start_key, given.limit, nil, self.transaction ~= nil)
end

--- The iterator of a generic for, with its closing value; failures raise.
local function iterate(self, partition, given)
  local query, err = open_query(self, partition, given)
  if not query then
    error(err, 0)
  end
  if given.snapshot then
    local pinned, why = wait.write(self.database, core.pin, query, given.snapshot_limit or 60)
    if not pinned then
      error(why, 0)
    end
  end
  return core.items(query), nil, nil, query
end

local function check_partition(partition, what)
  if partition == nil then
    misuse(what .. ": the partition key's value is missing")
  end
end

---@class tidetable.ScanPageOptions
---@field descending boolean|nil
---@field limit integer|nil        items at most
---@field start_key table|nil      go on behind this key

---@class tidetable.ScanOptions : tidetable.ScanPageOptions
---@field snapshot boolean|nil     one snapshot for the whole iteration
---@field snapshot_limit number|nil  seconds that it may be held, 60

---@class tidetable.QueryPageOptions : tidetable.ScanPageOptions
---@field sort table|nil           { "=", a }, { "between", a, b }, { "begins_with", a }, ...

---@class tidetable.QueryOptions : tidetable.ScanOptions, tidetable.QueryPageOptions

--- Iterates over one partition by sort key. Failures raise.
---@param partition any  the partition key's value
---@param given tidetable.QueryOptions|nil
---@return fun(): table|nil
function Table:query(partition, given)
  check_partition(partition, "query")
  return iterate(self, partition, check_many(given, query_options, "query"))
end

--- Iterates over the whole table in key order. Failures raise.
---@param given tidetable.ScanOptions|nil
---@return fun(): table|nil
function Table:scan(given)
  return iterate(self, nil, check_many(given, scan_options, "scan"))
end

--- The key attributes of an item.
local function key_of(self, item)
  local description, err, code = core.describe_table(self.core)
  if not description then
    return nil, err, code
  end
  local partition, sort = description.partition_key[1], description.sort_key
  local key = { [partition] = item[partition] }
  if sort then
    key[sort[1]] = item[sort[1]]
  end
  return key
end

local function read_page(self, partition, given)
  local query, err, code = open_query(self, partition, given)
  if not query then
    return nil, err, code
  end
  local items, more, why = core.page(query)
  core.finish(query)
  if not items then
    return nil, more, why
  end
  if not more or #items == 0 then
    return items
  end
  local key
  key, err, code = key_of(self, items[#items])
  if not key then
    return nil, err, code
  end
  return items, key
end

--- One page of a query: up to 1,000 items or 1 MB.
---@param partition any
---@param given tidetable.QueryPageOptions|nil
---@return table[]|nil items, table|tidetable.error|nil last_key_or_err, tidetable.code|nil code
function Table:query_page(partition, given)
  check_partition(partition, "query_page")
  return read_page(self, partition, options.check(given, page_options, "query_page"))
end

--- One page of a scan.
---@param given tidetable.ScanPageOptions|nil
---@return table[]|nil items, table|tidetable.error|nil last_key_or_err, tidetable.code|nil code
function Table:scan_page(given)
  return read_page(self, nil, options.check(given, scan_page_options, "scan_page"))
end

-- Loading --------------------------------------------------------------------

local load_options = { batch = options.integer_from(1) }

--- Stores the `count` items of the batch in as few transactions as their bytes allow; how
--- many that are. What they replace may be bigger than they are: then by halves.
local function store_batch(put_some, batch, count)
  local stored, most = 0, count
  while stored < count do
    local n, err, code, put, refused = put_some(batch, most)
    if n then
      stored, most = stored + n, count - stored - n
    elseif code == "TOO_BIG" and most > 1 and put == 0 then
      most = most // 2
    else
      return stored + (put or 0), err, code, (refused or 0) > 0 and stored + refused or nil
    end
  end
  return stored
end

--- How many are stored, and which one, counted from the first of all, was refused.
local function failed(loaded, err, code, number)
  if type(err) == "table" then
    err.loaded = loaded
    if code == "VALIDATION" and number then
      err.item = number
      err.message = ("item %d: %s"):format(number, (err.message:gsub("^item: ", "")))
    end
  end
  return nil, err, code
end

--- A load takes items one by one (take(into, item) -> true when it has enough for a
--- transaction, false, or nil, err, code), and has them stored when there are `size` of
--- them, or enough (store(into, count) -> how many are; err, code, which one).
local function load_items(load, items)
  local array = type(items) == "table" and items
  if array and #array == 0 and next(array) ~= nil then
    misuse("load: items are an array; for one item there is put")
  elseif not array and type(items) ~= "function" then
    misuse("load: items are an array or a function, got " .. type(items))
  end
  local take, store, into, size = load.take, load.store, load.into, load.size
  local last = array and #array
  local taken, stored, more = 0, 0, true
  while more do
    local item, enough, err, code, n, refused
    if array then
      more = taken < last
      item = more and array[taken + 1]
    else
      item = items()
      more = item ~= nil
    end
    if more then
      enough, err, code = take(into, item)
      if enough == nil then
        return failed(stored, err, code, taken + 1)
      end
      taken = taken + 1
    end
    if taken > stored and (enough or not more or taken - stored == size) then
      n, err, code, refused = store(into, taken - stored)
      if err then
        return failed(stored + n, err, code, refused and stored + refused)
      end
      stored = taken
    end
  end
  return stored
end

--- Loads by batches, which put_some(batch, most) stores.
local function load_batches(put_some, items, size)
  local batch <close> = core.batch()
  return load_items({
    into = batch, size = size, take = core.pack,
    store = function(_, count)
      return store_batch(put_some, batch, count)
    end,
  }, items)
end

--- Puts many items, in transactions of `batch`. A function may give the same table each
--- time: it is read at once.
---@param items table[]|fun(): table|nil
---@param given { batch: integer|nil }|nil
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Table:load(items, given)
  local size = options.check(given, load_options, "load").batch or 1000
  return load_batches(function(batch, most)
    return wait.try(self.database, core.load, self.core, batch, most, false)
  end, items, size)
end

-- Streams and descriptions ---------------------------------------------------

--- The table's stream: the newest, or the one with this label.
---@param given tidetable.StreamOptions|nil
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:stream(given)
  return stream.of_table(self.database, self.name, given)
end

--- Begins a stream. VALIDATION when one is enabled.
---@param given tidetable.StreamSettings|nil
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:enable_stream(given)
  local view, age, bytes, count = stream.settings(given, "enable_stream")
  return wait.try(self.database, core.enable_stream, self.database.core, self.name, view, age,
    bytes, count)
end

--- Ends the stream; its records stay until they expire.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:disable_stream()
  return wait.try(self.database, core.disable_stream, self.database.core, self.name)
end

--- What the table is.
---@return tidetable.TableDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:describe()
  local description, err, code = core.describe_table(self.core)
  if not description then
    return nil, err, code
  end
  if description.newest_stream_id then
    local newest
    newest, err, code = stream.describe(self.database, description.newest_stream_id)
    if newest == nil then
      return nil, err, code
    end
    description.newest_stream_label = newest and newest.label or nil
    description.stream = description.stream_id and newest or nil
  end
  description.stream_id, description.newest_stream_id = nil, nil
  return description
end

--- Raises unless it is the name of something.
---@param name any
---@param what string
function tables.check_name(name, what)
  if type(name) ~= "string" then
    misuse(("%s: a name expected, got %s"):format(what, type(name)))
  end
end

--- A handle; the table may or may not exist.
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function tables.handle(database, name)
  local handle, err, code = core.table(database.core, name)
  if not handle then
    return nil, err, code
  end
  return setmetatable({ core = handle, name = name, database = database }, Table)
end

-- Inside a transaction -------------------------------------------------------

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

--- The values, or the failure raised.
local function raising(value, err, ...)
  if value == nil and err ~= nil then
    error(err, 0)
  end
  return value, err, ...
end

---@param key table
---@return table|nil item
function TransactionTable:get(key, given)
  check_alive(self)
  if type(key) ~= "table" or given ~= nil then
    check_call(self, key, "get", "a key")
    options.check(given, get_options, "get")
  end
  return core.tx_get(self.core, key)
end

for _, name in ipairs { "query", "scan", "query_page", "scan_page" } do
  local method = Table[name]
  TransactionTable[name] = function(self, ...)
    check_alive(self)
    return raising(method(self, ...))
  end
end

---@param items table[]|fun(): table|nil
---@param given { batch: integer|nil }|nil
---@return integer count
function TransactionTable:load(items, given)
  check_alive(self)
  local size = options.check(given, load_options, "load").batch or 1000
  return raising(load_batches(function(batch, most)
    check_alive(self)    -- still: whoever gives the items may have yielded
    return core.load(self.core, batch, most, true)
  end, items, size))
end

-- Behind the transaction's, which are made of the same functions.
options.methods(Table, "table", { get = true, put = true })
options.methods(TransactionTable, "table", { put = true })

--- What optimistic.lua does alike.
tables.shared = {
  wants_old = wants_old, check_table = check_table, check_partition = check_partition,
  check_many = check_many, raising = raising,
  query_options = query_options, scan_options = scan_options,
  page_options = page_options, scan_page_options = scan_page_options,
  get_options = get_options, load_options = load_options, load_items = load_items,
}

--- The table as the transaction sees it. Raises NOT_FOUND.
function tables.inside(transaction, name)
  tables.check_name(name, "table")
  local handle = raising(tables.handle(transaction.database, name))
  raising(core.describe_table(handle.core))
  handle.transaction = transaction
  return setmetatable(handle, TransactionTable)
end

return tables
