-- handler.lua - which handlers of consumers are running, for each coroutine.

local handlers = {}

--- A call of a consumer's handler.
---@class tidetable.HandlerCall
---@field database tidetable.Database
---@field consumer_id integer

--- The running calls in each coroutine, innermost last. Frequent callers test first whether this
--- table is empty.
---@type table<thread, tidetable.HandlerCall[]>
handlers.running = setmetatable({}, { __mode = "k" })

local running = handlers.running

--- Registers that this coroutine calls a handler. Returns a function that removes this call, and
--- any nested calls that were not removed because a time limit interrupted them.
---@param database tidetable.Database
---@param consumer_id integer
---@return fun()
function handlers.enter(database, consumer_id)
  local thread = coroutine.running()
  local calls = running[thread] or {}
  running[thread] = calls
  local outer = #calls
  calls[outer + 1] = { database = database, consumer_id = consumer_id }
  return function()
    for i = #calls, outer + 1, -1 do
      calls[i] = nil
    end
    if outer == 0 then
      running[thread] = nil
    end
  end
end

--- Returns true if this coroutine, or one that has resumed it, is in a handler that `matches`
--- accepts.
local function is_running(matches, ...)
  for thread, calls in next, running do
    local status = coroutine.status(thread)
    if status == "running" or status == "normal" then
      for _, call in ipairs(calls) do
        if matches(call, ...) then
          return true
        end
      end
    end
  end
  return false
end

local function is_of_database(call, database)
  return call.database == database
end

--- Returns true if this coroutine, or one that has resumed it, is in a handler that was called
--- through this database handle.
---@param database tidetable.WaitContext
---@return boolean
function handlers.is_running(database)
  return is_running(is_of_database, database)
end

local function is_of_consumer(call, database, consumer_id)
  local is_same_file = call.database == database
    or database.path ~= ":memory:" and call.database.path == database.path
  return is_same_file and call.consumer_id == consumer_id
end

--- Returns true if this coroutine, or one that has resumed it, is in a handler of the consumer,
--- also if it was called through another handle of the same file.
---@param consumer tidetable.Consumer
---@return boolean
function handlers.is_in_handler_of(consumer)
  return is_running(is_of_consumer, consumer.database, consumer.id)
end

return handlers
