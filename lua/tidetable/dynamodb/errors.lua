-- errors.lua - error objects of what speaks DynamoDB's JSON: like the core's own.

local errors = {}

local Error = { __name = "tidetable.error", __metatable = "tidetable.error" }

function Error.__tostring(err)
  return err.code .. ": " .. err.message
end

function Error.__concat(a, b)
  return tostring(a) .. tostring(b)
end

--- An error about what a text or a value says: code VALIDATION.
---@param exception string  DynamoDB's name for it
---@param message string
---@param more table<string, any>|nil  further fields
---@return tidetable.error
function errors.validation(exception, message, more)
  local err = {
    code = "VALIDATION", message = message, exception = exception, outcome = "none",
    retryable = false,
  }
  for name, value in pairs(more or {}) do
    err[name] = value
  end
  return setmetatable(err, Error)
end

return errors
