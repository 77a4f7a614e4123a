-- worker.lua - a worker process: runs one definition of a script until it is stopped.
--
-- Reports:
--
--     ready
--     reached     sequence number of the first record of a batch: the batches before it are done
--     failed      text, first and last sequence number, attempt: a failed attempt
--     warning     text
--     ended       code or "", message: the run has ended with an error; "" before the consumer is
--                 open: of the script
--     stopped

local core = require "tidetable.core"
local cqueues = require "cqueues"
local definitions = require "tidetable.run.definition"
local kinds = require "tidetable.run.kind"
local loaders = require "tidetable.run.loader"
local scripts = require "tidetable.run.script"
local tidetable = require "tidetable"

local workers = {}

--- Seconds between two reports of progress, except the first ones: a worker that dies soon has then
--- reported that it has handled a batch.
local PROGRESS_INTERVAL, FIRST_REPORTS = 1, 3
--- Seconds between two checks for messages and signals while batches follow each other.
local LISTEN_INTERVAL = 0.01

--- A worker process.
---@class tidetable.run.Worker
---@field control tidetable.run.Control
---@field job tidetable.run.Job|nil
---@field is_stopping boolean
---@field reached integer     greatest sequence number of the first record of a batch
---@field reported integer    as reported
---@field reported_at number
---@field listened_at number
---@field reports integer     number of reports
local Worker = {}
Worker.__index = Worker

--- Stops after the current batch.
function Worker:stop()
  self.is_stopping = true
  if self.job then
    self.job:stop()
  end
end

--- Handles the messages of the supervisor and signals that have arrived, without waiting.
function Worker:listen()
  local name = self.control:try_next()
  if name == "stop" or self.control.is_over then
    self:stop()
  end
  if core.read_signal() then
    self:stop()
  end
  self.control:flush()
end

--- Called before each call of the handler.
function Worker:entering(records)
  local now = core.elapsed()
  if now - self.listened_at >= LISTEN_INTERVAL then
    self.listened_at = now
    self:listen()
  end
  local first = records[1]
  if first and first.sequence_number > self.reached then
    self.reached = first.sequence_number
  end
  if self.reached > self.reported and (self.reports < FIRST_REPORTS
      or now - self.reported_at >= PROGRESS_INTERVAL) then
    self.reported, self.reported_at, self.reports = self.reached, now, self.reports + 1
    self.control:report("reached", self.reached)
  end
end

--- Returns the definition with this name; nil, message.
local function find(script, name, warn)
  local result, message = scripts.run(script, warn)
  local list
  if not message then
    list, message = definitions.check(result)
  end
  for _, definition in ipairs(list or {}) do
    if definition.name == name then
      return definition
    end
  end
  return nil, message or ("the script has no definition %q"):format(name)
end

--- Opens the job. Returns nil, code, message on failure.
function Worker:open(script, given)
  local definition, message = find(script, given.name, function(text)
    self.control:report("warning", text)
  end)
  if not definition then
    return nil, "", message
  end
  local err, code
  self.db, err, code = tidetable.open(given.database, loaders.open_options(given))
  if not self.db then
    return nil, code, err.message
  end
  local context = {
    report = function(...) self.control:report(...) end,
    entering = function(records) self:entering(records) end,
    returned = function() self.control:end_forked() end,
    directory = script.path:match "^(.*)/[^/]*$" or ".", region = given.region,
  }
  local job
  job, err, code = assert(kinds.of(definition)).open(self.db, definition, context)
  if not job then
    return nil, code, err.message
  end
  self.job = job
  if self.is_stopping then
    job:stop()
  end
  return true
end

--- Waits for messages of the supervisor and signals while the job waits.
function Worker:watch(loop)
  local signals = assert(core.signal_pipe("SIGTERM", "SIGINT", "SIGHUP"))
  loop:wrap(function()
    while not self.is_done do
      cqueues.poll({ pollfd = self.control.channel.number, events = "r" },
        { pollfd = signals, events = "r" }, 1)
      self:listen()
    end
  end)
end

function Worker:end_with(code, message)
  self.control:send("ended", code, message)
  return 1
end

--- Runs a definition. Returns the exit status.
---@param control tidetable.run.Control
---@param loop table  of cqueues
---@param script tidetable.run.Script
---@param given table<string, string>  name, database and its options, region
---@return integer status
function workers.run(control, loop, script, given)
  local self = setmetatable({ control = control, is_stopping = false, is_done = false,
    reached = 0, reported = 0, reported_at = 0, reports = 0,
    listened_at = 0 }, Worker)
  self:watch(loop)
  local opened, code, message = self:open(script, given)
  if not opened then
    return self:end_with(code, message)
  end
  control:report("ready")
  local ok, err
  ok, err, code = self.job:run()
  self.is_done = true
  self.job:close()
  if not ok then
    return self:end_with(code, err.message)
  end
  self.db:close()
  control:send("stopped")
  return 0
end

return workers
