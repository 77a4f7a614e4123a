-- annotation.lua - the annotation of a transaction: context and origin, which are options of
-- writes.

local core = require "tidetable.core"
local options = require "tidetable.options"

local annotations = {}

--- Maximum length of an origin, as in csrc/codec/annotation.h.
annotations.ORIGIN_MAX = 64

--- Checks an origin, for options.check.
---@param value any
---@return string|nil
function annotations.origin(value)
  if type(value) ~= "string" or #value < 1 or #value > annotations.ORIGIN_MAX
      or value:find "[^ -~]" then
    return "a string of 1 to 64 printable ASCII characters"
  end
end

---@class tidetable.AnnotationOptions
---@field context table<string, any>|nil  `context` of the records, such as the user and the reason;
---                                  at most 4,096 bytes
---@field origin string|nil          `origin` of the records, such as the program's name

--- Adds the options of an annotation to a table of known options (options.check), and returns it.
---@param known table<string, string|string[]|fun(value: any): string|nil>
---@return table<string, string|string[]|fun(value: any): string|nil>
function annotations.with_options(known)
  known.context, known.origin = "table", annotations.origin
  return known
end

--- Raises an error if the options of a write in a transaction contain an annotation.
---@param given any
---@param subject string  begins the message
function annotations.refuse(given, subject)
  if type(given) == "table" and (given.context ~= nil or given.origin ~= nil) then
    options.misuse(("%s: option %q is not available in a transaction: give it to db:transact")
      :format(subject, given.context ~= nil and "context" or "origin"))
  end
end

--- Returns the encoded annotation of checked options; "" if they contain none. Returns VALIDATION
--- if the context can't be stored or is too large.
---@param database { core: userdata }
---@param given tidetable.AnnotationOptions
---@param depth integer|nil  default 0
---@return string|nil bytes, tidetable.error|nil err, tidetable.code|nil code
function annotations.encode(database, given, depth)
  if given.context == nil and given.origin == nil and not depth then
    return ""
  end
  return core.annotation(database.core, given.context, given.origin, depth or 0)
end

return annotations
