-- call.lua - calls the functions of a view's definition.

local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local json = require "tidetable.json"
local types = require "tidetable.types"

local calls = {}

--- Greatest integer that `add` and `remove` get as an integer. The sum of two such integers does
--- not overflow.
local INTEGER_MAX = 1 << 53

local metatables = core.values.metatables
local is_set = {
  [metatables.string_set] = true, [metatables.number_set] = true, [metatables.binary_set] = true,
}

--- Returns a number whose sums are exact.
local function exact_number(value)
  if math.type(value) == "float" or value > INTEGER_MAX or value < -INTEGER_MAX then
    return assert(types.number(value))
  end
  return value
end

--- Returns a deep copy in which floats and great integers are numbers of tidetable, so that sums
--- are exact. Sets are not copied.
---@param value any
---@return any
function calls.exact(value)
  if type(value) == "number" then
    return exact_number(value)
  elseif type(value) ~= "table" or is_set[getmetatable(value)] then
    return value
  end
  local copy = {}
  for name, each in next, value do
    copy[name] = calls.exact(each)
  end
  return setmetatable(copy, getmetatable(value))
end

--- Makes the attributes of a group exact again after a call that has changed them, also those in
--- nested maps. Lists are left out: a list of all items would be read again for each item.
---@param group table
---@param seen table<table, true>|nil  maps that were read: a result may contain itself
local function keep_exact(group, seen)
  for name, value in next, group do
    if type(value) == "number" then
      group[name] = value == value and math.abs(value) < math.huge and exact_number(value) or value
    elseif type(value) == "table" and rawget(value, 1) == nil
        and not is_set[getmetatable(value)] then
      seen = seen or { [group] = true }
      if not seen[value] then
        seen[value] = true
        keep_exact(value, seen)
      end
    end
  end
  return group
end

--- Returns the text of a key or an item for messages.
---@param key table
---@return string
function calls.text_of(key)
  local ok, text = pcall(json.encode, key)
  return ok and text or "?"
end

--- Metatable of the library's errors.
local error_type = getmetatable(select(2, core.consumer_failure("BATCH_FAILED", "")))

--- Raises the failure of a function of the definition, with its name and the item. Errors of the
--- library, such as TIMEOUT, are raised unchanged.
local function raise(what, keys, err)
  if type(err) == "table" and getmetatable(err) == error_type then
    error(err, 0)
  end
  error(("%s failed for the item %s: %s"):format(what, calls.text_of(keys),
    deliveries.text_of(err)), 0)
end

--- Calls a function of the definition for an item of the source.
---@param what string   name of the function in messages
---@param keys table    key of the item
---@param f function
---@return any result   its first result
function calls.call(what, keys, f, ...)
  local ok, result = pcall(f, ...)
  if not ok then
    raise(what, keys, result)
  end
  return result
end

--- Raises an error about what a function of the definition has returned.
---@param what string
---@param keys table
---@param text string
function calls.refuse(what, keys, text)
  raise(what, keys, text)
end

--- Returns the attributes of a group without items.
---@param view tidetable.CompleteView
---@param keys table  key of the item that is added
---@return table
function calls.initial(view, keys)
  local initial = view.reduce.initial
  if type(initial) == "function" then
    initial = calls.call("reduce.initial", keys, initial)
    if type(initial) ~= "table" then
      calls.refuse("reduce.initial", keys, "expected a table, got " .. type(initial))
    end
  end
  return calls.exact(initial or {})
end

--- Adds an item to a group, or removes it. Returns the group's attributes.
---@param view tidetable.CompleteView
---@param name "add"|"remove"
---@param keys table    key of the item
---@param group table   attributes of the group; may be changed
---@param item table    exact (calls.exact)
---@return table group
function calls.change(view, name, keys, group, item)
  local what = "reduce." .. name
  local result = calls.call(what, keys, view.reduce[name], group, item)
  if result == nil then
    result = group
  elseif type(result) ~= "table" then
    calls.refuse(what, keys, "expected the attributes of the group or nothing, got "
      .. type(result))
  end
  return keep_exact(result)
end

return calls
