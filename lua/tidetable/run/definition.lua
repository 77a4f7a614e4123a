-- definition.lua - checks what a script returns: one definition of a processor, or an array.

local kinds = require "tidetable.run.kind"
local options = require "tidetable.options"

local definitions = {}

--- Greatest number of worker processes of a processor: the database's maximum of workers.
local WORKERS_MAX = 256

--- Returns the definitions as an array; nil, message if the value is no definition and no array.
local function as_array(value)
  if type(value) ~= "table" then
    return nil, ("the script returned %s: expected a definition or an array of definitions")
      :format(value == nil and "nothing" or "a " .. type(value))
  elseif value.name ~= nil or next(value) ~= nil and #value == 0 then
    return { value }
  elseif #value == 0 then
    return nil, "the script returned no definition"
  end
  for i in pairs(value) do
    if math.type(i) ~= "integer" or i < 1 or i > #value then
      return nil, ("the script returned an array with the name %q"):format(tostring(i))
    end
  end
  return value
end

--- Returns the message of an error of misuse without its position and function.
local function plain(message)
  return (tostring(message):gsub("^[^\n]-:%d+: ", ""):gsub("^check_consumer: ", "")
    :gsub("^consumer: ", ""))
end

--- Names that are no options of db:consumer, for messages.
local OWN = { handler = true, exec = true, workers = true, kind = true, answer_fd = true }

--- Completes a message about an unknown option: it may be a name of a definition.
local function with_hint(message)
  local name = message:match '^unknown option "([^"]*)"'
  local near = name and options.nearest(name, OWN)
  return near and ('unknown option "%s" (did you mean "%s"?)'):format(name, near) or message
end

--- Returns the message about a definition without a name: that of an unknown option, which may be
--- a misspelled "name", if there is one.
local function without_name(definition)
  local kind, message = kinds.of(definition)
  if not kind then
    return message
  end
  local known, unknown = { name = true }, {}
  for _, names in ipairs { OWN, kind.options } do
    for name in pairs(names) do
      known[name] = true
    end
  end
  for name in pairs(definition) do
    if type(name) == "string" and not known[name] then
      unknown[#unknown + 1] = name
    end
  end
  table.sort(unknown)
  for _, name in ipairs(unknown) do
    if options.nearest(name, known) == "name" then
      return ('unknown option %q (did you mean "name"?)'):format(name)
    end
  end
  if unknown[1] then
    local near = options.nearest(unknown[1], known)
    return ("unknown option %q%s"):format(unknown[1],
      near and (" (did you mean %q?)"):format(near) or "")
  end
  return '"name" must be a string, got nil'
end

local function check_one(definition)
  if type(definition) ~= "table" then
    return nil, "expected a table, got " .. type(definition)
  elseif definition.name == nil then
    return nil, without_name(definition)
  elseif type(definition.name) ~= "string" then
    return nil, '"name" must be a string, got ' .. type(definition.name)
  end
  local workers = definition.workers
  if workers ~= nil and (math.type(workers) ~= "integer" or workers < 1 or workers > WORKERS_MAX)
  then
    return nil, ('"workers" must be an integer from 1 to %d'):format(WORKERS_MAX)
  end
  local kind, message = kinds.of(definition)
  if not kind then
    return nil, message
  end
  return kind.validate(definition)
end

--- Checks what a script has returned, without the database.
---@param value any
---@return table[]|nil definitions, string|nil message
function definitions.check(value)
  local list, message = as_array(value)
  if not list then
    return nil, message
  end
  local seen = {}
  for i, definition in ipairs(list) do
    local ok
    ok, message = check_one(definition)
    local name = type(definition) == "table" and type(definition.name) == "string"
      and ("processor %s"):format(definition.name) or ("definition %d"):format(i)
    if ok and seen[definition.name] then
      ok, message = nil, "defined twice"
    end
    if not ok then
      return nil, ("%s: %s"):format(name, message)
    end
    seen[definition.name] = true
  end
  return list
end

--- Verifies a definition with the database. Returns "create", "open" or "update"; nil, message,
--- code: the code of the library's error, nil for a mistake in the definition.
---@param db tidetable.Database
---@param definition table
---@return string|nil action, string|nil message, tidetable.code|nil code
function definitions.verify(db, definition)
  local kind = assert(kinds.of(definition))
  local ok, action, err, code = pcall(kind.check, db, definition)
  if ok and action then
    return action
  end
  local message = ok and (type(err) == "table" and err.message or tostring(err))
    or with_hint(plain(action))
  return nil, ("processor %s: %s"):format(definition.name, message), code
end

return definitions
