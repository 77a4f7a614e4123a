-- response.lua - the partial response of a handler: which records of its batch failed.
--
--   return { batch_item_failures = { 17, 20 } }    sequence numbers; empty: no record failed

local options = require "tidetable.options"

local responses = {}

local FIELD = "batch_item_failures"

--- A response by which records of the batch, or the whole batch, failed.
---@class tidetable.PartialResponse
---@field index integer|nil   of the first record in the batch that failed; nil: the whole batch
---@field problem string|nil  why it is the whole batch
---@field response any       as the handler returned it
---@field is_death boolean|nil  the program that handled the batch has died
local Partial = {}

function Partial:__tostring()
  return self.problem or ("the handler failed from record %d of the batch on"):format(self.index)
end

local function whole(response, problem)
  return setmetatable({ problem = problem, response = response }, Partial)
end

--- Returns the response of a handler whose batch was handled by another program, which has died.
--- This counts like the death of a worker: the batch runs again at half its size, and only the
--- death with a single record is a failed attempt.
---@param problem string
---@return tidetable.PartialResponse
function responses.death(problem)
  return setmetatable({ problem = problem, response = problem, is_death = true }, Partial)
end

--- Returns true for the result of `partial` and of `death`.
---@param value any
---@return boolean
function responses.is_partial(value)
  return getmetatable(value) == Partial
end

--- Returns the name of a field that was probably meant to be batch_item_failures: in Lambda's
--- spelling, or with a typing error. It must not be taken for success.
local function misspelled(response)
  for name in next, response do
    local is_other = type(name) == "string" and name ~= FIELD
    if is_other and options.nearest(name, { [FIELD] = true }, 4) then
      return name
    end
  end
end

--- Returns the partial response in a handler's result; nil if no record failed.
---@param result any
---@param records tidetable.Record[]  the batch
---@return tidetable.PartialResponse|nil
function responses.partial(result, records)
  if type(result) ~= "table" then
    return nil
  elseif getmetatable(result) == Partial then
    return result
  end
  local failures, wrong = rawget(result, FIELD), misspelled(result)
  if wrong then
    return whole(result, ("unknown field %q in the result (did you mean %q?)"):format(wrong, FIELD))
  elseif failures == nil then
    return nil
  elseif type(failures) ~= "table" then
    return whole(result, FIELD .. ": expected a list of sequence numbers, got " .. type(failures))
  elseif next(failures) == nil then
    return nil
  end
  local places, first = {}, math.huge
  for i, record in ipairs(records) do
    places[record.sequence_number] = i
  end
  for _, number in next, failures do
    first = math.min(first, places[number] or 0)
  end
  if first == 0 then
    return whole(result, FIELD .. " contains a value that is no sequence number of the batch")
  end
  return setmetatable({ index = first, response = result }, Partial)
end

return responses
