-- answer.lua - the answer of a program to a batch: {} or {"batchItemFailures":[...]}, as a Lambda
-- function returns it.

local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local types = require "tidetable.types"

local answers = {}

local FIELD, IDENTIFIER = "batchItemFailures", "itemIdentifier"

--- Maximum number of bytes of a line in a message.
local QUOTED_MAX = 200

local list_type = getmetatable(types.list {})

--- Returns a text for a message, cut off after 200 bytes.
---@param line string
---@return string
function answers.quote(line)
  local text = ("%q"):format(line:sub(1, QUOTED_MAX)):gsub("\\\n", "\\n")
  return #line > QUOTED_MAX and text .. "..." or text
end

local function is_object(value)
  return type(value) == "table" and getmetatable(value) ~= list_type and value ~= types.null
end

--- Returns true if `name` is the only member of the object.
local function has_only(object, name)
  local first, second = next(object), nil
  if first then
    second = next(object, first)
  end
  return (first == nil or first == name) and second == nil
end

--- Returns the index of the first failed record; nil, problem.
local function first_failed(failures, places)
  local first = math.huge
  for _, failure in ipairs(failures) do
    if not is_object(failure) or not has_only(failure, IDENTIFIER) then
      return nil, ("expected an object with %s in %s"):format(IDENTIFIER, FIELD)
    end
    local place = places[failure[IDENTIFIER]]
    if not place then
      return nil, ("%s is no sequence number of the batch"):format(IDENTIFIER)
    end
    first = math.min(first, place)
  end
  return first
end

--- Reads an answer. Returns 0 for success; the index of the first record that failed; nil, problem
--- if it is not a valid answer.
---@param line string  without its line feed
---@param records tidetable.Record[]  the batch
---@return integer|nil index, string|nil problem
function answers.read(line, records)
  local value, err = json_text.decode(line)
  if value == nil then
    return nil, line:find "%S" and ("no JSON: " .. tostring(err)) or "an empty line"
  elseif not is_object(value) then
    return nil, "expected a JSON object"
  elseif not has_only(value, FIELD) then
    return nil, ("expected {} or an object with only %s"):format(FIELD)
  end
  local failures = value[FIELD]
  if failures == nil or failures == types.null then
    return 0
  elseif getmetatable(failures) ~= list_type then
    return nil, FIELD .. " must be an array"
  elseif #failures == 0 then
    return 0
  end
  local places = {}
  for i = #records, 1, -1 do
    places[json.wire_number(records[i].sequence_number)] = i
  end
  return first_failed(failures, places)
end

return answers
