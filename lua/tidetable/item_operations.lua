-- item_operations.lua - options, argument checks and batch loading of the operations on items.
--
-- Shared by tables, tables in a locked transaction and tables in an optimistic transaction.

local annotations = require "tidetable.annotation"
local options = require "tidetable.options"
local request = require "tidetable.request"

local misuse = options.misuse

local item_operations = {}

--- Raises an error if the value is not a table.
---@param value any
---@param subject string      name of the called function
---@param expected string  what the value should be: "an item", "a key"
function item_operations.check_table(value, subject, expected)
  if type(value) ~= "table" then
    misuse(("%s: expected %s (a table), got %s"):format(subject, expected, type(value)))
  end
end

--- Raises an error if the value is not a string.
---@param name any
---@param subject string  name of the called function
function item_operations.check_name(name, subject)
  if type(name) ~= "string" then
    misuse(("%s: expected a name, got %s"):format(subject, type(name)))
  end
end

--- Raises an error if the partition key's value is nil.
---@param partition any
---@param subject string  name of the called function
function item_operations.check_partition(partition, subject)
  if partition == nil then
    misuse(subject .. ": the partition key's value is missing")
  end
end

item_operations.get_options = { projection = "string", names = "table" }

-- Number of values that each operator of the option `sort` takes.
local sort_arguments = {
  ["="] = 1, ["<"] = 1, ["<="] = 1, [">"] = 1, [">="] = 1, between = 2, begins_with = 1,
}

local function check_sort(sort)
  if type(sort) ~= "table" then
    return 'a table such as { ">=", value }'
  end
  local arguments = sort_arguments[sort[1]]
  if not arguments then
    return "an operator (= < <= > >= between begins_with) and its value"
  end
  if not options.is_tuple(sort, arguments + 1) then
    return ("%q with %d value(s)"):format(sort[1], arguments)
  end
end

local page_options = {
  descending = "boolean", limit = options.integer_from(1), start_key = "table",
}
for name, check in pairs(request.read_options) do
  page_options[name] = check
end

--- Returns one table of known options with the entries of all arguments.
local function merged_options(...)
  local all = {}
  for _, known in ipairs { ... } do
    for name, check in pairs(known) do
      all[name] = check
    end
  end
  return all
end

--- Maximum number of segments of a scan.
local SEGMENTS_MAX = 1000000

local segment_options = {
  segment = options.integer_from(0), total_segments = options.integer_from(1, SEGMENTS_MAX),
}
local snapshot_options = { snapshot = "boolean", snapshot_limit = options.seconds }
local sort_options = { sort = check_sort }

item_operations.page_options = merged_options(page_options, sort_options)
item_operations.query_options = merged_options(page_options, sort_options, snapshot_options)
item_operations.scan_page_options = merged_options(page_options, segment_options)
item_operations.scan_options = merged_options(page_options, segment_options, snapshot_options)

--- Checks the options of query or scan, or of their pages, and returns them.
---@param opts tidetable.QueryOptions|tidetable.ScanOptions|nil
---@param known table  query_options, scan_options, page_options or scan_page_options
---@param subject string  name of the called function, for messages
---@return tidetable.QueryOptions|tidetable.ScanOptions
function item_operations.check_many(opts, known, subject)
  opts = request.check(opts, known, subject)
  options.requires(opts, "snapshot_limit", "snapshot", subject)
  options.requires(opts, "segment", "total_segments", subject)
  options.requires(opts, "total_segments", "segment", subject)
  if opts.segment and opts.segment >= opts.total_segments then
    misuse(('%s: option "segment" must be less than option "total_segments": %d is not less than '
      .. '%d'):format(subject, opts.segment, opts.total_segments))
  end
  return opts
end

--- Returns partition and options of a query. With a key condition both are in one table, which is
--- the first argument of the call.
---@return any partition  nil: the options have a key condition
---@return tidetable.QueryOptions
function item_operations.partition_and_options(partition, opts, known, subject)
  item_operations.check_partition(partition, subject)
  if type(partition) == "table" and not getmetatable(partition) and opts == nil
      and partition.key_condition ~= nil then
    return nil, item_operations.check_many(partition, request.with_key_condition(known), subject)
  end
  return partition, item_operations.check_many(opts, known, subject)
end

item_operations.load_options = annotations.with_options { batch = options.integer_from(1) }

--- Returns nil, err, code for a load that failed. Sets the error's field loaded and, if an item was
--- refused, its field item.
---@param loaded integer       number of stored items
---@param number integer|nil   number of the refused item, from 1
local function load_failure(loaded, err, code, number)
  if type(err) == "table" then
    err.loaded = loaded
    if code == "VALIDATION" and number then
      err.item = number
      err.message = ("item %d: %s"):format(number, (err.message:gsub("^item: ", "")))
    end
  end
  return nil, err, code
end

--- How load_items stores items.
---@class tidetable.Load
---@field into any      passed to take and store
---@field size integer  maximum number of items in a batch
---@field take fun(into: any, item: any): boolean|nil, tidetable.error|nil, tidetable.code|nil
---       adds an item to the batch; true: the batch is full
---@field store fun(into: any, count: integer): integer, tidetable.error?, tidetable.code?, integer?
---       stores the batch; returns the number of stored items; on failure also err, code and the
---       number of the refused item in the batch

--- Adds items to a batch one by one, and stores the batch whenever it has `size` items, is full, or
--- the items end.
---@param load tidetable.Load
---@param items table[]|fun(): table|nil
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function item_operations.load_items(load, items)
  local array = type(items) == "table" and items
  if array and #array == 0 and next(array) ~= nil then
    misuse("load: items must be an array or a function, got one item: use put")
  elseif not array and type(items) ~= "function" then
    misuse("load: items must be an array or a function, got " .. type(items))
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
        return load_failure(stored, err, code, taken + 1)
      end
      taken = taken + 1
    end
    if taken > stored and (enough or not more or taken - stored == size) then
      n, err, code, refused = store(into, taken - stored)
      if err then
        return load_failure(stored + n, err, code, refused and stored + refused)
      end
      stored = taken
    end
  end
  return stored
end

--- Returns its arguments; raises err if value is nil and err is not.
function item_operations.or_raise(value, err, ...)
  if value == nil and err ~= nil then
    error(err, 0)
  end
  return value, err, ...
end

return item_operations
