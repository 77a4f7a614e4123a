-- kind.lua - views as processors of a runtime that runs definitions (the field `kind`).

local core = require "tidetable.core"
local definitions = require "tidetable.view.definition"
local views = require "tidetable.view.view"

---@class tidetable.ViewKind
---@field names table<string, true>  names in a definition that are no options of db:view; none
---@field options table<string, any>  the keys are the names in a definition
local kind = { names = {}, options = definitions.options }

--- Options of the runtime in a definition.
local COMMON = { "workers" }

--- Returns the definition without the options of the runtime.
local function own(definition)
  local copy = {}
  for name, value in pairs(definition) do
    copy[name] = value
  end
  for _, name in ipairs(COMMON) do
    copy[name] = nil
  end
  return copy
end

--- Validates a definition without the database.
---@param definition table
---@return true|nil ok, string|nil message
function kind.validate(definition)
  if definition.wait ~= nil then
    return nil, '"wait" is not allowed: the runtime has its own event loop'
  end
  local ok, message = views.validate(own(definition))
  if not ok then
    return nil, (message:gsub("^view: ", ""))
  end
  return true
end

--- Verifies a definition with the database, and changes nothing (views.verify).
---@param db tidetable.Database
---@param definition table
---@return "create"|"open"|"rebuild"|nil, tidetable.error|nil err, tidetable.code|nil code
function kind.check(db, definition)
  return views.verify(db, own(definition))
end

--- Returns true if a view is built (views.is_built).
kind.is_built = views.is_built

--- Compares the view with its source (views.check).
---@param db tidetable.Database
---@param definition table
---@return tidetable.ViewReport|nil, tidetable.error|nil err, tidetable.code|nil code
function kind.compare(db, definition)
  return views.check(db, own(definition))
end

--- Opens a view for a worker process. The result has the methods run, stop and close. The context's
--- `entering` is called before each batch and step, and its `report` after a failure.
---@param db tidetable.Database
---@param definition table
---@param context { entering: fun(records: table[]), report: fun(name: string, ...: any) }
---@return table|nil job, tidetable.error|nil err, tidetable.code|nil code
function kind.open(db, definition, context)
  local view, err, code = views.open(db, own(definition))
  if not view then
    return nil, err, code
  end
  view.on_work = context.entering
  local job = {}
  function job.run()
    local ok, failure, why = view:run()
    if not ok and why == "BATCH_FAILED" then
      local position = core.consumer_describe(db.core, view.name)
      context.report("failed", failure.message, position and position.position or 0, 0, 1)
    end
    return ok, failure, why
  end
  function job.stop() view:stop() end
  function job.close() end
  return job
end

return kind
