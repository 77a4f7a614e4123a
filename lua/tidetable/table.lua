-- table.lua - a table: put, get, delete, query, scan and load items; its stream.

local annotations = require "tidetable.annotation"
local core = require "tidetable.core"
local definitions = require "tidetable.definition"
local histories = require "tidetable.stream.history"
local item_operations = require "tidetable.item_operations"
local members = require "tidetable.members"
local options = require "tidetable.options"
local request = require "tidetable.request"
local stream = require "tidetable.stream.stream"
local wait = require "tidetable.wait"

local core_get = core.get
local check_many, check_table = item_operations.check_many, item_operations.check_table
local partition_and_options = item_operations.partition_and_options

local tables = {}

--- A handle of a table, found by its name at each call.
---@class tidetable.Table
---@field name string
---@field package core userdata  handle of the core
---@field package database tidetable.Database
local Table = {}
Table.__index = Table
Table.__name = "tidetable.table"
Table.transaction = false      -- set in the tables of transactions

function Table:__tostring()
  return "tidetable.table: " .. self.name
end

--- Raises the error of a call whose self or argument is wrong. Methods that are called often test
--- both inline, and call this only if the test fails.
local function check_call(self, value, subject, expected)
  if type(self) ~= "table" or not self.core then
    options.no_self(subject, "table")
  end
  check_table(value, subject, expected)
end

--- Stores an item, and replaces the item with the same key if there is one. Errors: VALIDATION,
--- CONDITION_FAILED, BUSY, NESTED, NOT_FOUND, READ_ONLY, FULL, DISK_FULL.
---@param item table<string, any>
---@param opts tidetable.WriteOptions|nil
---@return integer|nil sequence_number  of the change; 0: the item did not change
---@return table|tidetable.error|nil old_or_err, tidetable.code|nil code
function Table:put(item, opts)
  if type(item) ~= "table" or not self.core then
    check_call(self, item, "put", "an item")
  end
  if opts == nil then
    return wait.write(self.database, core.put, self.core, item, false)
  end
  request.check_write(opts, "put")
  if request.has_expressions(opts) then
    return request.write(self, request.PUT, item, nil, opts, "put")
  end
  return wait.write(self.database, core.put, self.core, item, opts.return_values == "ALL_OLD")
end

--- Changes attributes of the item with this key by an update expression. Creates the item if it
--- does not exist, unless the expression only removes attributes. Errors as for put.
---@param key table<string, any>  the key attributes and no others
---@param expression string|nil   nil: creates the item if it does not exist
---@param opts tidetable.UpdateOptions|nil
---@return integer|nil sequence_number  of the change; 0: the item did not change
---@return table|tidetable.error|nil item_or_err  what return_values asks for
---@return tidetable.code|nil code
function Table:update(key, expression, opts)
  check_table(key, "update", "a key")
  opts = request.check_update(expression, opts)
  return request.write(self, request.UPDATE, key, expression, opts, "update")
end

--- Deletes the item with this key, if there is one. Errors as for put.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.WriteOptions|nil
---@return integer|nil sequence_number  of the change; 0: there was no item
---@return table|tidetable.error|nil old_or_err, tidetable.code|nil code
function Table:delete(key, opts)
  check_table(key, "delete", "a key")
  opts = request.check_write(opts, "delete")
  if request.has_expressions(opts) then
    return request.write(self, request.DELETE, key, nil, opts, "delete")
  end
  return wait.write(self.database, core.delete, self.core, key, opts.return_values == "ALL_OLD")
end

---@class tidetable.GetOptions
---@field projection string|nil   projection expression; nil: all attributes
---@field names table<string, string>|nil  attribute names of its placeholders `#name`

--- Returns the item with this key; nil without an error if there is none.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.GetOptions|nil
---@return table<string, any>|nil item, tidetable.error|nil err, tidetable.code|nil code
function Table:get(key, opts)
  if type(key) ~= "table" or opts ~= nil or not self.core then
    check_call(self, key, "get", "a key")
    if next(options.check(opts, item_operations.get_options, "get")) then
      return core.get_projected(self.core, key, opts, false)
    end
  end
  return core_get(self.core, key)
end

-- Reading many ---------------------------------------------------------------

--- Opens a query that reads the last commit or, for a table in a transaction, the transaction.
---@param partition any  nil: scan
local function open_query(self, partition, opts, subject)
  local sort = opts.sort or { "all" }
  return request.results(subject, core.query(self.core, partition, sort[1], sort[2], sort[3],
    opts.descending or false, opts.start_key, opts.limit, nil, self.transaction ~= false,
    request.reads(opts), opts.segment, opts.total_segments))
end

--- Returns the four values of a generic for over the items of a query; with the option count the
--- number of items, and of those evaluated. Raises failures.
local function iterator_of_query(self, partition, opts, subject)
  local query, err = open_query(self, partition, opts, subject)
  if not query then
    error(err, 0)
  end
  if opts.snapshot then
    local pinned, pin_err = wait.read(self.database, core.pin, query, opts.snapshot_limit or 60)
    if not pinned then
      error(pin_err, 0)
    end
  end
  if opts.count then
    local count, more_or_err, scanned = core.count(query, true)
    core.finish(query)
    if not count then
      error(more_or_err, 0)
    end
    return count, scanned
  end
  return core.items(query), nil, nil, query
end

---@class tidetable.ReadOptions : tidetable.Parameters
---@field filter string|nil        items that do not satisfy the condition are left out
---@field projection string|nil    projection expression; nil: all attributes
---@field count boolean|nil        true: return the number of items instead of the items
---@field descending boolean|nil  true: in descending key order; default false
---@field limit integer|nil        maximum number of items; of a page: of items evaluated
---@field start_key table|nil      start after this key: the last_key of the previous page

---@class tidetable.SnapshotOptions
---@field snapshot boolean|nil     true: read the whole iteration from one snapshot; default false
---@field snapshot_limit number|nil  with snapshot: seconds before TIMEOUT is raised; default 60

---@class tidetable.ScanPageOptions : tidetable.ReadOptions
---@field segment integer|nil   only the items of this segment, from 0; requires total_segments
---@field total_segments integer|nil  number of segments, 1 to 1,000,000; requires segment

---@class tidetable.ScanOptions : tidetable.ScanPageOptions, tidetable.SnapshotOptions

---@class tidetable.QueryPageOptions : tidetable.ReadOptions
---@field sort table|nil  { operator, value }: "=", "<", "<=", ">", ">=", "begins_with";
---                       or { "between", low, high }
---@field key_condition string|nil  with it, the options are the first argument, without sort

---@class tidetable.QueryOptions : tidetable.QueryPageOptions, tidetable.SnapshotOptions

--- Returns an iterator over the items of one partition, in the order of the sort key. The iterator
--- raises its errors.
---@param partition any  value of the partition key; or the options, with a key condition
---@param opts tidetable.QueryOptions|nil
---@return fun(): table<string, any>|nil
function Table:query(partition, opts)
  partition, opts =
    partition_and_options(partition, opts, item_operations.query_options, "query")
  return iterator_of_query(self, partition, opts, "query")
end

--- Returns an iterator over all items, in key order. The iterator raises its errors.
---@param opts tidetable.ScanOptions|nil
---@return fun(): table<string, any>|nil
function Table:scan(opts)
  opts = check_many(opts, item_operations.scan_options, "scan")
  return iterator_of_query(self, nil, opts, "scan")
end

--- Returns the key attributes of an item.
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

--- Returns a page: its items (with the option count their number), the last key if there are more,
--- and the number of items evaluated.
local function read_page(self, partition, opts, subject)
  local query, err, code = open_query(self, partition, opts, subject)
  if not query then
    return nil, err, code
  end
  local items, more, scanned, key
  if opts.count then
    items, more, scanned, key = core.count(query, false)
  else
    items, more, scanned, key = core.page(query)
  end
  core.finish(query)
  if not items then
    return nil, more, scanned
  end
  local last = key or not opts.count and items[#items] or nil
  if more and last and (opts.count or not key) then
    key, err, code = key_of(self, last)
    if not key then
      return nil, err, code
    end
  end
  return items, key, scanned
end

--- Returns one page of a query: up to 1,000 items or 1 MB.
---@param partition any  value of the partition key; or the options, with a key condition
---@param opts tidetable.QueryPageOptions|nil
---@return table[]|integer|nil items  with the option count: their number
---@return table|tidetable.error|nil last_key_or_err  last_key: start_key of the next page; nil: end
---@return integer|tidetable.code|nil scanned_or_code  scanned: number of items evaluated
function Table:query_page(partition, opts)
  partition, opts =
    partition_and_options(partition, opts, item_operations.page_options, "query_page")
  return read_page(self, partition, opts, "query_page")
end

--- Returns one page of a scan: up to 1,000 items or 1 MB.
---@param opts tidetable.ScanPageOptions|nil
---@return table[]|integer|nil items  with the option count: their number
---@return table|tidetable.error|nil last_key_or_err  last_key: start_key of the next page; nil: end
---@return integer|tidetable.code|nil scanned_or_code  scanned: number of items evaluated
function Table:scan_page(opts)
  opts = item_operations.check_many(opts, item_operations.scan_page_options, "scan_page")
  return read_page(self, nil, opts, "scan_page")
end

-- Loading --------------------------------------------------------------------

--- Stores the `count` items of a batch in as few transactions as the limit on their size allows.
--- After TOO_BIG, which the replaced items may cause, tries half as many.
---@return integer stored, tidetable.error|nil err, tidetable.code|nil code, integer|nil refused
local function store_batch(put_some, batch, count)
  local stored, max_items = 0, count
  while stored < count do
    local n, err, code, put, refused = put_some(batch, max_items)
    if n then
      stored, max_items = stored + n, count - stored - n
    elseif code == "TOO_BIG" and max_items > 1 and put == 0 then
      max_items = max_items // 2
    else
      return stored + (put or 0), err, code, (refused or 0) > 0 and stored + refused or nil
    end
  end
  return stored
end

--- Loads items in batches.
---@param put_some fun(batch: userdata, max_items: integer): ...  stores items of a batch
---@param items table[]|fun(): table|nil
---@param size integer  maximum number of items in a batch
local function load_batches(put_some, items, size)
  local batch <close> = core.batch()
  return item_operations.load_items({
    into = batch, size = size, take = core.pack,
    store = function(_, count)
      return store_batch(put_some, batch, count)
    end,
  }, items)
end

---@class tidetable.LoadOptions : tidetable.AnnotationOptions
---@field batch integer|nil   maximum number of items of a transaction; default 1000

--- Puts many items, in transactions of up to `batch` items. A function may return the same table
--- each time, because the item is encoded before the next call. Errors as for put. The error's
--- field loaded is the number of stored items, and its field item the number of the refused item.
---@param items table[]|fun(): table|nil  an array, or a function that returns nil at the end
---@param opts tidetable.LoadOptions|nil
---@return integer|nil count  number of stored items
---@return tidetable.error|nil err, tidetable.code|nil code
function Table:load(items, opts)
  opts = options.check(opts, item_operations.load_options, "load")
  local annotation, err, code = annotations.encode(self.database, opts)
  if not annotation then
    return nil, err, code
  end
  return load_batches(function(batch, max_items)
    return wait.try(self.database, core.load, self.core, batch, max_items, false, annotation)
  end, items, opts.batch or 1000)
end

-- Removing all items --------------------------------------------------------

--- Returns a failure of a truncation, with the number of items that it removed before.
local function truncation_failure(removed, err, code)
  if type(err) == "table" then
    err.removed = removed
    if removed > 0 then
      err.message = ("%s; %d items were removed before"):format(err.message, removed)
    end
  end
  return nil, err, code
end

--- Removes all items that the table has at the call, in several transactions. Items that are put or
--- changed during the call stay. If the table has a stream, each removed item has a REMOVE record.
--- Errors: NOT_FOUND, BUSY, NESTED, READ_ONLY, FULL, DISK_FULL, CORRUPT. The items removed before
--- an error stay removed; the error's field removed is their number.
---@return integer|nil removed  number of items
---@return tidetable.error|nil err, tidetable.code|nil code
function Table:truncate()
  local progress, total = core.truncation(), 0
  while true do
    local removed, more, code = wait.write(self.database, core.truncate, self.core, progress)
    if not removed then
      return truncation_failure(total, more, code)
    end
    total = total + removed
    if not more then
      return total
    end
  end
end

--- Counts the items and stores the number and the time in the file, where describe finds them; a
--- database that is open read-only stores nothing. Reads the whole table, page by page.
---@return integer|nil items, tidetable.error|nil err, tidetable.code|nil code
function Table:count_items()
  local description, err, code = core.describe_table(self.core)
  if not description then
    return nil, err, code
  end
  local items
  items, err, code = self:scan { count = true }
  if not items then
    return nil, err, code
  end
  local stored
  stored, err, code = wait.write(self.database, core.note_item_count, self.core, description.id,
    items)
  if not stored and code ~= "READ_ONLY" then
    return nil, err, code
  end
  return items
end

-- Streams and descriptions ---------------------------------------------------

--- Returns the table's newest stream, or the stream with the label in the options. Returns
--- NOT_FOUND if there is none.
---@param opts tidetable.StreamOptions|nil
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:stream(opts)
  return stream.of_table(self.database, self.name, opts)
end

--- Returns an iterator over the records of the item with this key in the table's newest stream,
--- oldest first. The iterator raises its errors: NOT_FOUND, VALIDATION, CORRUPT, CLOSED, FILE_GONE,
--- FILE_REPLACED; oldest first also TRIMMED, whereas newest first an expired record ends it.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.HistoryOptions|nil
---@return fun(): tidetable.Record|nil
function Table:history(key, opts)
  check_table(key, "history", "a key")
  return histories.of_item(self.database, self.name, key, opts)
end

--- Enables a new stream. Returns VALIDATION if the table has an enabled stream.
---@param opts tidetable.StreamSettings|nil
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:enable_stream(opts)
  return wait.try(self.database, core.enable_stream, self.database.core, self.name,
    stream.settings(opts, "enable_stream"))
end

--- Disables the stream. Its records can be read until they expire. Returns VALIDATION if the table
--- has no enabled stream.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:disable_stream()
  return wait.try(self.database, core.disable_stream, self.database.core, self.name)
end

--- Describes the table and its enabled stream.
---@return tidetable.TableDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:describe()
  local description, err, code = core.describe_table(self.core)
  if not description then
    return nil, err, code
  end
  local items, counted_at, failed = core.item_count(self.core)
  if items == nil then
    return nil, counted_at, failed
  elseif items then
    description.items, description.items_counted_at = items, counted_at
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

--- Returns the definition of the table, in the form that create_table accepts.
---@return tidetable.TableSpec|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:definition()
  return definitions.of(self)
end

--- Changes the stream or time to live, as in create_table: false disables it, nil leaves it
--- unchanged. If the view type changes, the stream is disabled and a new one is enabled.
---@param opts { stream: boolean|tidetable.StreamSettings|nil, ttl: string|false|nil }
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Table:alter(opts)
  return definitions.alter(self, opts)
end

--- Functions for transaction.lua. The methods are stored here before options.methods wraps them,
--- because the wrapped methods refuse a table in a transaction as `self`.
tables.shared = {
  check_call = check_call, load_batches = load_batches,
  query = Table.query, scan = Table.scan, query_page = Table.query_page,
  scan_page = Table.scan_page,
}

options.methods(Table, "table", { get = true, put = true })
members.guard(Table, "table")

--- Returns a handle of a table. Does not test that the table exists.
---@param database tidetable.Database
---@param name string
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function tables.handle(database, name)
  local handle, err, code = core.table(database.core, name)
  if not handle then
    return nil, err, code
  end
  return setmetatable({ core = handle, name = name, database = database }, Table)
end

return tables
