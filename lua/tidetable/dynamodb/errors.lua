-- errors.lua - error objects for JSON that is malformed or cannot be converted to an item.
--
-- The objects are of the core's error class: same metatable, same fields.

local members = require "tidetable.members"
local types = require "tidetable.types"

local errors = {}

--- Returns an error object of the core's class with code VALIDATION. Only the core can create such
--- objects, so the object is taken from a call of the core that fails.
local function core_error()
  local _, err = types.number ""
  err.where = nil -- the message contains the position in the JSON, not a line of the program
  return err
end

--- Returns an error object with code VALIDATION.
---@param exception string  DynamoDB's name for it
---@param message string
---@param more table<string, any>|nil  further fields
---@return tidetable.error
function errors.validation(exception, message, more)
  local err = core_error()
  err.exception, err.message = exception, message
  for name, value in pairs(more or {}) do
    err[name] = value
  end
  return err
end

return members.guard_module(errors, "errors")
