-- kind.lua - the kinds of processors: what a definition contains, and how a worker runs it.
--
-- A kind checks a definition without the database (validate) and with it (check), and opens a job.
-- A job has the methods of a consumer's worker: run() handles records until stop() is called.

local exec = require "tidetable.run.exec"
local responses = require "tidetable.consumer.response"
local scripts = require "tidetable.run.script"
local settings = require "tidetable.consumer.settings"

local kinds = {}

---@class tidetable.run.Job
---@field run fun(self: tidetable.run.Job): true|nil, tidetable.error|nil, tidetable.code|nil
---@field stop fun(self: tidetable.run.Job)
---@field close fun(self: tidetable.run.Job)

--- What a job reports to.
---@class tidetable.run.Context
---@field report fun(name: string, ...: string|number)
---@field entering fun(records: tidetable.Record[])  called before each call of the handler
---@field returned fun()  called after each call of a Lua handler, also one that has failed
---@field directory string  of the script
---@field region string

---@class tidetable.run.Kind
---@field names table<string, true>  names in a definition that are not options of db:consumer
---@field options table<string, any>  the keys are the names of db:consumer, or of db:view
---@field validate fun(definition: table): true|nil, string|nil
---@field check fun(db: tidetable.Database, definition: table): string|nil, any, any
---@field open fun(db: tidetable.Database, definition: table, context: tidetable.run.Context):
---       tidetable.run.Job|nil, any, any
---@field compare nil|fun(db: tidetable.Database, definition: table): any, any, any
---@field is_built nil|fun(db: tidetable.Database, name: string): boolean|nil, any, any

--- Names that definitions of each kind can have.
local COMMON = { name = true, kind = true, workers = true }

--- Returns the options of db:consumer in a definition.
local function consumer_options(definition, kind)
  local opts = {}
  for name, value in pairs(definition) do
    if not COMMON[name] and not kind.names[name] then
      opts[name] = value
    end
  end
  return opts
end

--- Failures that do not count as attempts: the library runs the batch again.
local silent = {
  CONFLICT = true, FULL = true, DISK_FULL = true, BUSY = true, STORE = true, NO_MEMORY = true,
  READERS_FULL = true, TOO_BIG = true,
}

--- Reports a failed attempt.
local function report_failure(context, records, text)
  local first, last = records[1], records[#records]
  context.report("failed", text, first and first.sequence_number or 0,
    last and last.sequence_number or 0, first and first.attempt or 1)
end

--- Wraps a handler: reports its calls and its failures. The error is passed on unchanged.
local function watched(handler, context)
  local text
  local function on_error(err)
    local code = type(err) == "table" and rawget(err, "code")
    text = not silent[code] and scripts.trace(err) or nil
    return err
  end
  local function finish(records, ok, first, second, ...)
    context.returned()
    local partial = ok and responses.partial(first, records)
    if not ok then
      if text then
        report_failure(context, records, text)
      end
      error(first, 0)
    elseif not first and second ~= nil then
      report_failure(context, records, tostring(second))
    elseif partial then
      report_failure(context, records, tostring(partial))
    end
    return first, second, ...
  end
  return function(records, tx)
    context.entering(records)
    return finish(records, xpcall(handler, on_error, records, tx))
  end
end

--- Returns a job that runs a consumer with a handler.
local function consumer_job(db, definition, kind, handler, context, on_close)
  local consumer, err, code = db:consumer(definition.name, consumer_options(definition, kind))
  if not consumer then
    return nil, err, code
  end
  handler = watched(handler, context)
  return {
    run = function() return consumer:run(handler) end,
    stop = function() consumer:stop() end,
    close = function()
      if on_close then
        on_close()
      end
    end,
  }
end

--- Returns a function that verifies the options of db:consumer in a definition. Misuse raises.
local function checker_of(kind)
  return function(db, definition)
    return db:check_consumer(definition.name, consumer_options(definition, kind))
  end
end

local function check_consumer_names(definition)
  if definition.source == nil then
    return nil, '"source" is missing'
  elseif definition.wait ~= nil then
    return nil, '"wait" is not allowed: the runtime has its own event loop'
  end
  return true
end

--- A Lua function.
---@type tidetable.run.Kind
kinds.handler = { names = { handler = true }, options = settings.options }

function kinds.handler.validate(definition)
  if type(definition.handler) ~= "function" then
    return nil, definition.handler == nil and '"handler" is missing'
      or ('"handler" must be a function, got ' .. type(definition.handler))
  end
  return check_consumer_names(definition)
end

kinds.handler.check = checker_of(kinds.handler)

function kinds.handler.open(db, definition, context)
  return consumer_job(db, definition, kinds.handler, definition.handler, context)
end

--- A program that gets the records as JSON.
---@type tidetable.run.Kind
kinds.exec = { names = { exec = true, answer_fd = true }, options = settings.options }

function kinds.exec.validate(definition)
  local ok, message = exec.validate(definition)
  if not ok then
    return nil, message
  end
  return check_consumer_names(definition)
end

kinds.exec.check = checker_of(kinds.exec)

function kinds.exec.open(db, definition, context)
  local program = exec.new(db, definition, context)
  return consumer_job(db, definition, kinds.exec, program:handler(), context, function()
    program:close()
  end)
end

--- A table that the library derives from another one.
---@type tidetable.run.Kind
kinds.view = require "tidetable.view.kind"

--- Returns the kind of a definition; nil, message if it is unknown.
---@param definition table
---@return tidetable.run.Kind|nil, string  the kind and its name; nil, message
function kinds.of(definition)
  local name = definition.kind
  if name == nil then
    name = definition.exec ~= nil and "exec" or "handler"
  end
  local kind = type(name) == "string" and type(kinds[name]) == "table" and kinds[name]
  if not kind then
    return nil, ("unknown kind %q"):format(tostring(name))
  end
  return kind, name
end

return kinds
