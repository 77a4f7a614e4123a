-- table.lua - a table: items put, got, deleted, queried, loaded; its stream.

local core = require "tidetable.core"
local item_operations = require "tidetable.item_operations"
local options = require "tidetable.options"
local stream = require "tidetable.stream.stream"
local wait = require "tidetable.wait"

local core_get = core.get
local check_many, check_partition = item_operations.check_many, item_operations.check_partition
local check_table, wants_old = item_operations.check_table, item_operations.wants_old

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

--- The item with this key; nil without an error when there is none.
---@param key table  the key attributes and nothing else
---@param given {}|nil  there are no options
---@return table|nil item, tidetable.error|nil err, tidetable.code|nil code
function Table:get(key, given)
  if type(key) ~= "table" or given ~= nil or not self.core then
    check_call(self, key, "get", "a key")
    options.check(given, item_operations.get_options, "get")
  end
  return core_get(self.core, key)
end

-- Reading many ---------------------------------------------------------------

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
  return iterate(self, partition, check_many(given, item_operations.query_options, "query"))
end

--- Iterates over the whole table in key order. Failures raise.
---@param given tidetable.ScanOptions|nil
---@return fun(): table|nil
function Table:scan(given)
  return iterate(self, nil, check_many(given, item_operations.scan_options, "scan"))
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
  given = options.check(given, item_operations.page_options, "query_page")
  return read_page(self, partition, given)
end

--- One page of a scan.
---@param given tidetable.ScanPageOptions|nil
---@return table[]|nil items, table|tidetable.error|nil last_key_or_err, tidetable.code|nil code
function Table:scan_page(given)
  return read_page(self, nil, options.check(given, item_operations.scan_page_options, "scan_page"))
end

-- Loading --------------------------------------------------------------------

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

--- Loads by batches, which put_some(batch, most) stores.
local function load_batches(put_some, items, size)
  local batch <close> = core.batch()
  return item_operations.load_items({
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
  local size = options.check(given, item_operations.load_options, "load").batch or 1000
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

--- The functions that a transaction's table has too.
tables.shared = {
  check_call = check_call, load_batches = load_batches,
  query = Table.query, scan = Table.scan, query_page = Table.query_page,
  scan_page = Table.scan_page,
}

options.methods(Table, "table", { get = true, put = true })

--- A handle; the table may or may not exist.
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function tables.handle(database, name)
  local handle, err, code = core.table(database.core, name)
  if not handle then
    return nil, err, code
  end
  return setmetatable({ core = handle, name = name, database = database }, Table)
end

return tables
