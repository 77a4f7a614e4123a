-- json.lua - items as JSON, plain or in DynamoDB's typed form.
--
-- The core reads and writes both forms; this module checks the arguments.

local core = require "tidetable.core"
local members = require "tidetable.members"
local misuse = require "tidetable.options".misuse

local json = {}

--- "plain": {"n":5}; "dynamodb": {"n":{"N":"5"}}.
---@alias tidetable.json.form "dynamodb"|"plain"

local is_form = { plain = true, dynamodb = true }

local function check_arguments(value, expected, form, subject)
  if type(value) ~= expected then
    misuse(("%s: expected %s, got %s"):format(subject,
      expected == "table" and "an item (a table)" or "a string", type(value)))
  elseif form ~= nil and not is_form[form] then
    misuse(('%s: form must be "dynamodb" or "plain", got %s'):format(subject, tostring(form)))
  end
end

--- Returns an item as JSON on one line, with sorted names.
---@param item table<string, any>
---@param form tidetable.json.form|nil  default "plain"
---@return string|nil text, tidetable.error|nil err, tidetable.code|nil code
function json.encode(item, form)
  check_arguments(item, "table", form, "encode")
  return core.json_encode(item, form or "plain")
end

--- Parses an item from JSON. The error has the fields position, reason, and line and column or
--- path.
---@param text string
---@param form tidetable.json.form|nil  default "plain"
---@return table<string, any>|nil item, tidetable.error|nil err, tidetable.code|nil code
function json.decode(text, form)
  check_arguments(text, "string", form, "decode")
  local item, err, code = core.json_decode(text, form or "plain")
  if item == nil then
    return nil, err, code
  end
  return item
end

return members.guard_module(json, "json")
