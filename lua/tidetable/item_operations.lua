-- item_operations.lua - what the operations on items share: options, argument checks, loading.

local options = require "tidetable.options"

local misuse = options.misuse

local item_operations = {}

local write_options = { return_values = options.one_of { "NONE", "ALL_OLD" } }

function item_operations.wants_old(given, what)
  if given == nil then
    return false
  end
  return options.check(given, write_options, what).return_values == "ALL_OLD"
end

function item_operations.check_table(value, what, expected)
  if type(value) ~= "table" then
    misuse(("%s: %s (a table) expected, got %s"):format(what, expected, type(value)))
  end
end

--- Raises unless it is the name of something.
---@param name any
---@param what string
function item_operations.check_name(name, what)
  if type(name) ~= "string" then
    misuse(("%s: a name expected, got %s"):format(what, type(name)))
  end
end

function item_operations.check_partition(partition, what)
  if partition == nil then
    misuse(what .. ": the partition key's value is missing")
  end
end

item_operations.get_options = {}

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

item_operations.scan_options = {
  descending = "boolean", limit = options.integer_from(1), start_key = "table",
  snapshot = "boolean", snapshot_limit = options.seconds,
}
item_operations.query_options = { sort = check_sort }
item_operations.scan_page_options = {
  descending = "boolean", limit = options.integer_from(1), start_key = "table",
}
item_operations.page_options = { sort = check_sort }
for name, check in pairs(item_operations.scan_options) do
  item_operations.query_options[name] = check
end
for name, check in pairs(item_operations.scan_page_options) do
  item_operations.page_options[name] = check
end

--- The options of query and scan.
function item_operations.check_many(given, known, what)
  given = options.check(given, known, what)
  options.goes_with(given, "snapshot_limit", "snapshot", what)
  return given
end

item_operations.load_options = { batch = options.integer_from(1) }

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
function item_operations.load_items(load, items)
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

--- The values, or the failure raised.
function item_operations.or_raise(value, err, ...)
  if value == nil and err ~= nil then
    error(err, 0)
  end
  return value, err, ...
end

return item_operations
