-- deferred_update.lua - updates of an optimistic transaction that do not depend on what it read.
--
-- An update without condition and return values, such as "ADD count ?", is evaluated when it is
-- made, and again when the transaction is applied if the item has changed meanwhile. So it never
-- makes the transaction conflict.

local core = require "tidetable.core"
local request = require "tidetable.request"

local deferred_update = {}

--- An update that can be evaluated again.
---@class tidetable.DeferredUpdate
---@field key table         the key attributes
---@field expression string|nil
---@field given table       names and values of the expression
local Update = {}
Update.__index = Update

--- Types of values that the program cannot change after the call.
local constant = { string = true, number = true, boolean = true, userdata = true }

--- Returns a copy of a table of constants; nil if it has a value of another type.
local function copy_constants(given)
  local copy = {}
  for name, value in next, given do
    if not constant[type(value)] then
      return nil
    end
    copy[name] = value
  end
  return copy
end

--- Returns a copy of the options; nil if the update depends on the item that it finds, or if the
--- program could change a value before the update is evaluated again.
local function copy_options(opts)
  local copy = {}
  for name, value in next, opts do
    if name == "names" or name == "values" then
      value = copy_constants(value)
    elseif name == "condition" or name == "return_values_on_failure"
        or name == "return_values" and value ~= "NONE" or not constant[type(value)] then
      return nil
    end
    if value == nil then
      return nil
    end
    copy[name] = value
  end
  return copy
end

--- Returns the update if it can be deferred, otherwise nil.
---@param key table
---@param expression string|nil
---@param opts tidetable.UpdateOptions
---@return tidetable.DeferredUpdate|nil
function deferred_update.new(key, expression, opts)
  local given, own_key = copy_options(opts), copy_constants(key)
  if not given or not own_key then
    return nil
  end
  return setmetatable({ key = own_key, expression = expression, given = given }, Update)
end

--- Evaluates and applies the update in the open transaction. Raises its failures.
---@param handle userdata  the core's handle of the table
function Update:apply(handle)
  request.tx_write({ core = handle }, request.UPDATE, self.key, self.expression, self.given,
    "update")
end

--- Returns true if an item has another version than the transaction's snapshot; nil, err on
--- failure.
---@param handle userdata
---@param bytes string    the encoded key
---@param version any     in the snapshot
---@return boolean|nil moved, tidetable.error|nil err
function deferred_update.has_moved(handle, bytes, version)
  local current, err = core.version_of(handle, bytes)
  if not current then
    return nil, err
  end
  return current ~= version
end

return deferred_update
