-- loader.lua - loads and validates a script in a separate process.
--
-- A script that exits, crashes or never returns ends only this process. Reports:
--
--     script      path, text
--     module      name, path, text
--     definition  name, kind, number of workers or "", what happens to the consumer (create, open,
--                 update)
--     loaded
--     warning     text
--     rejected    "script" or "database", message

local definitions = require "tidetable.run.definition"
local kinds = require "tidetable.run.kind"
local scripts = require "tidetable.run.script"
local tidetable = require "tidetable"

local loaders = {}

--- Codes of errors that are caused by the database or by the system, not by the script.
local is_of_database = {
  BUSY = true, FULL = true, DISK_FULL = true, STORE = true, NO_MEMORY = true, CORRUPT = true,
  READERS_FULL = true, FILE_GONE = true, FILE_REPLACED = true, CLOSED = true, READ_ONLY = true,
}

local function reject(control, cause, message)
  control:send("rejected", cause, message)
  return 1
end

--- Options of tidetable.open in the words of a message.
---@param given table<string, string>
---@return tidetable.OpenOptions
function loaders.open_options(given)
  return {
    create = false, durability = given.durability,
    max_size = math.tointeger(tonumber(given.max_size)),
    busy_timeout = tonumber(given.busy_timeout),
  }
end

--- Verifies the definitions with the database. Returns what happens to each consumer; nil, cause,
--- message.
local function verify(list, given)
  local db <close>, err = tidetable.open(given.database, loaders.open_options(given))
  if not db then
    return nil, "database", err.message
  end
  local actions = {}
  for i, definition in ipairs(list) do
    local action, message, code = definitions.verify(db, definition)
    if not action then
      return nil, code and is_of_database[code] and "database" or "script", message
    end
    actions[i] = action
  end
  return actions
end

--- Loads the script.
---@param control tidetable.run.Control
---@param script string|tidetable.run.Script  path, or the script
---@param given table<string, string>  database and its options
---@return integer status
function loaders.run(control, _, script, given)
  local message
  if type(script) == "string" then
    script, message = scripts.read(script)
    if not script then
      return reject(control, "script", message)
    end
  end
  local function warn(text)
    control:report("warning", text)
  end
  local result
  result, message = scripts.run(script, warn)
  if message then
    return reject(control, "script", message)
  end
  local list
  list, message = definitions.check(result)
  if not list then
    return reject(control, "script", ("%s: %s"):format(script.path, message))
  end
  local actions, cause
  actions, cause, message = verify(list, given)
  if not actions then
    return reject(control, cause,
      cause == "script" and ("%s: %s"):format(script.path, message) or message)
  end
  control:send("script", script.path, script.text)
  for name, module in pairs(script.modules) do
    control:send("module", name, module.path, module.text)
  end
  for i, definition in ipairs(list) do
    local _, kind = kinds.of(definition)
    control:send("definition", definition.name, kind, definition.workers or "", actions[i])
  end
  control:send("loaded")
  return 0
end

return loaders
