-- status.lua - the states of all consumers, computed from the file on request (db:processors).

local statuses = {}

---@alias tidetable.ProcessorState "running"|"retrying"|"waiting"|"copying"|"paused"|"ended"|
---       "no worker"

--- The state of a consumer. Fields that are unknown are nil, never 0.
---@class tidetable.Processor
---@field name string
---@field source string|string[]
---@field state tidetable.ProcessorState
---@field since number|nil         time since which it is in this state; seconds since 1970
---@field reason string|nil        why it waits (code of an error), or has ended
---@field last_error tidetable.ConsumerEnd|nil  error that ended its last run
---@field lag_records integer|nil  waiting records
---@field lag_bytes integer|nil
---@field lag_seconds number|nil   age of the oldest waiting record
---@field held_bytes integer|nil   size of records that are kept only by its hold
---@field parked integer
---@field failures integer         number of failed attempts
---@field records integer          number of handled records
---@field position integer
---@field workers tidetable.ConsumerWorker[]
---@field settings tidetable.ConsumerSettings
---@field warning string|nil

--- Returns the code of the error for which a worker waits, and for how long in seconds.
local function trouble_of(workers)
  for _, worker in ipairs(workers) do
    if worker.waits_for then
      return worker.waits_for
    end
  end
end

--- Returns the state and its reason.
local function state_of(about, workers)
  local trouble = trouble_of(workers)
  if about.is_paused then
    return "paused"
  elseif about.ended then
    return "ended", ("%s: %s"):format(about.ended.code, about.ended.message)
  elseif trouble then
    return "waiting", trouble
  elseif not about.is_running then
    return "no worker"
  elseif about.is_copying then
    return "copying"
  elseif about.attempts > 0 then
    return "retrying"
  end
  return "running"
end

--- Returns the state of a consumer. Returns NOT_FOUND if it was deleted.
---@param consumer tidetable.Consumer
---@return tidetable.Processor|nil, tidetable.error|nil err, tidetable.code|nil code
function statuses.of(consumer)
  local about, err, code = consumer:describe()
  local workers
  if about then
    workers, err, code = consumer:workers()
  end
  if not workers then
    return nil, err, code
  end
  local state, reason = state_of(about, workers)
  local lag = about.lag
  return {
    name = about.name, source = about.source, state = state, reason = reason,
    since = state == "ended" and about.ended.at or nil, last_error = about.ended,
    lag_records = lag.records, lag_bytes = lag.bytes, lag_seconds = lag.seconds,
    held_bytes = lag.held_bytes, parked = about.parked, failures = about.failures,
    records = about.records, position = about.position, workers = workers,
    settings = about.settings, warning = about.warning,
  }
end

--- Returns the states of all consumers, in byte order of their names. A consumer that is deleted
--- during the call is left out.
---@param database tidetable.Database
---@return tidetable.Processor[]|nil, tidetable.error|nil err, tidetable.code|nil code
function statuses.all(database)
  local names, err, code = database:list_consumers()
  if not names then
    return nil, err, code
  end
  local found = {}
  for _, name in ipairs(names) do
    local consumer, status
    consumer, err, code = database:consumer(name)
    if consumer then
      status, err, code = statuses.of(consumer)
    end
    if not status and code ~= "NOT_FOUND" then
      return nil, err, code
    end
    found[#found + 1] = status
  end
  return found
end

return statuses
