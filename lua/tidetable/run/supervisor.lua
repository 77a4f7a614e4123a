-- supervisor.lua - the supervisor of `tidetable run`: loads the script, starts, watches and stops
-- the workers.
--
-- All of it runs in one event loop. The supervisor executes no code of the script: a loader process
-- loads it, and each worker process runs one definition.

local condition = require "cqueues.condition"
local core = require "tidetable.core"
local cqueues = require "cqueues"
local exit_status = require "tidetable.cli.exit_status"
local frames = require "tidetable.run.frame"
local notices = require "tidetable.run.notice"
local processes = require "tidetable.run.process"
local slots = require "tidetable.run.slot"
local statuses = require "tidetable.consumer.status"

local supervisors = {}

--- Seconds after which a loader is killed.
local LOAD_TIMEOUT = 30
--- Seconds beyond handler_limit, or beyond two leases outside a handler, after which an
--- unresponsive worker is killed.
local STILL_GRACE = 5

--- A processor of the script.
---@class tidetable.run.Processor
---@field name string
---@field kind string
---@field worker_count integer
---@field action string           what the loader has found: "create", "open", "update"
---@field slots tidetable.run.Slot[]
---@field is_draining boolean     it is no longer in the script
---@field ending { code: string, message: string }|nil  error that has ended it
---@field last_error { message: string, at: number }|nil
---@field failures integer        failed attempts that workers have reported
---@field about tidetable.Processor|nil  last description

--- The options of the command.
---@class tidetable.run.Given
---@field database string
---@field script string|nil       path of the script
---@field text string|nil         its text, if it has no file
---@field workers integer
---@field once boolean
---@field stop_timeout number
---@field crash_limit integer
---@field region string
---@field durability string|nil
---@field max_size integer|nil
---@field busy_timeout number|nil

---@class tidetable.run.Supervisor
---@field given tidetable.run.Given
---@field db tidetable.Database
---@field log tidetable.run.Log
---@field loop table               of cqueues
---@field script { generation: integer, messages: string }  accepted script, encoded
---@field processors tidetable.run.Processor[]  in the order of the script
---@field changed table            condition: a worker has stopped, or the runtime shall stop
---@field failure { status: integer, message: string }|nil  why the runtime ends
---@field is_stopping boolean
---@field is_ready boolean
---@field accepted table         what the loader has found
---@field draining tidetable.run.Slot[]  workers of processors that are no longer in the script
---@field loaders table<tidetable.run.Process, true>  running ones
---@field was_interrupted boolean|nil  a signal to stop has arrived
---@field is_over boolean|nil
---@field status integer|nil     exit status without a failure; default 0
---@field reload_error string|nil  why the last reload was rejected
---@field on_tick (fun())[]       called once a second
---@field notices tidetable.run.Notices
local Supervisor = {}
Supervisor.__index = Supervisor

---@param given tidetable.run.Given
---@param db tidetable.Database
---@param log tidetable.run.Log
---@return tidetable.run.Supervisor
function supervisors.new(given, db, log)
  return setmetatable({
    given = given, db = db, log = log, loop = cqueues.new(),
    script = { generation = 0, messages = "" }, processors = {}, changed = condition.new(),
    is_stopping = false, is_ready = false, on_tick = {}, notices = notices.new(),
    loaders = {}, draining = {},
  }, Supervisor)
end

-- Loading ---------------------------------------------------------------------

--- Options of the database, as words of a message.
local function database_words(given)
  local words = { "database", given.database, "region", given.region }
  for _, name in ipairs { "durability", "max_size", "busy_timeout" } do
    if given[name] then
      words[#words + 1], words[#words + 2] = name, given[name]
    end
  end
  return words
end

--- Returns the messages for a worker.
---@param name string  of the definition
---@return string
function Supervisor:work_messages(name)
  return self.script.messages
    .. frames.encode("work", "name", name, table.unpack(database_words(self.given)))
end

--- Returns the messages for a child that gets the complete script: the accepted one or, for a
--- loader, that in the file.
---@param role "load"|"compare"
local function child_messages(self, role)
  local given, script = self.given, self.script.messages
  if role == "load" then
    script = given.text and frames.encode("script", given.script, given.text)
      or frames.encode("file", given.script)
  end
  return script .. frames.encode(role, table.unpack(database_words(given)))
end

--- Collects what a loader reports.
local function collector(log)
  local found = { messages = {}, definitions = {} }
  return found, function(name, fields)
    if name == "script" or name == "module" then
      found.messages[#found.messages + 1] = frames.encode(name, table.unpack(fields))
    elseif name == "definition" then
      table.insert(found.definitions, { name = fields[1], kind = fields[2],
        workers = math.tointeger(tonumber(fields[3])), action = fields[4] })
    elseif name == "rejected" then
      found.cause, found.message = fields[1], fields[2]
    elseif name == "loaded" then
      found.is_loaded = true
    elseif name == "warning" then
      log:write("warning", {}, fields[1])
    end
  end
end

--- Runs the script in a separate process, which is killed after `seconds`. Returns the process,
--- which has ended, and whether it ended in time; nil, err if it could not be started.
---@param role "load"|"compare"
---@param on_message fun(name: string, fields: string[])
---@param seconds number
---@return tidetable.run.Process|nil, boolean|tidetable.error
function Supervisor:run_child(role, on_message, seconds)
  local process, err = processes.start(self.loop, {
    title = "tidetable: loader of " .. self.given.script,
    messages = child_messages(self, role), on_message = on_message,
    on_line = function(stream, line)
      self.log:write("info", { processor = "loader", stream = stream }, line)
    end,
  })
  if not process then
    return nil, err
  end
  self.loaders[process] = true
  local is_timely = process:wait(seconds)
  if not is_timely then
    process:kill()
    process:wait(seconds)
  end
  self.loaders[process] = nil
  return process, is_timely
end

--- Loads and validates the script in a separate process. Returns its findings; nil, cause, message.
---@return table|nil found, "script"|"database"|"crashes"|nil cause, string|nil message
function Supervisor:load()
  local found, on_message = collector(self.log)
  local process, is_timely = self:run_child("load", on_message, LOAD_TIMEOUT)
  if not process then
    return nil, "database", is_timely.message
  end
  if found.is_loaded then
    return found
  elseif found.message then
    return nil, found.cause, found.message
  elseif not is_timely then
    return nil, "script", ("%s: the script did not return within %d s"):format(self.given.script,
      LOAD_TIMEOUT)
  end
  local cause = (process.signal or 0) > 0 and "crashes" or "script"
  return nil, cause, ("%s: the script ended its process, which %s"):format(self.given.script,
    process:end_text())
end

local function find_processor(list, name)
  for _, processor in ipairs(list) do
    if processor.name == name then
      return processor
    end
  end
end

--- Returns the number of processors as text.
local function number_of(processors)
  return ("%d processor%s"):format(#processors, #processors == 1 and "" or "s")
end

--- Returns the processors of a new script. Those that exist are kept, with another number of
--- workers if that has changed.
local function merge(self, found)
  local list = {}
  for i, definition in ipairs(found.definitions) do
    local processor = find_processor(self.processors, definition.name)
      or { name = definition.name, slots = {}, failures = 0 }
    processor.kind, processor.action = definition.kind, definition.action
    processor.worker_count = definition.workers or self.given.workers
    processor.is_draining = false
    list[i] = processor
  end
  return list
end

--- Accepts a script: all later starts use it.
local function accept(self, found)
  local before = self.processors
  self.processors = merge(self, found)
  self.script = { generation = self.script.generation + 1,
    messages = table.concat(found.messages) }
  self.reload_error, self.accepted = nil, found
  for _, processor in ipairs(before) do
    if not find_processor(self.processors, processor.name) then
      self:drain(processor)
    end
  end
  self:observe()
end

--- Stops the workers of a processor that is no longer in the script.
function Supervisor:drain(processor)
  processor.is_draining = true
  self.log:write("warning", { processor = processor.name },
    ("is no longer in the script, and stops; its consumer %s remains in the file with its position;"
    .. " to delete it: tidetable consumers %s %s delete"):format(processor.name,
      self.given.database, processor.name))
  for _, slot in ipairs(processor.slots) do
    table.insert(self.draining, slot)
    slot:stop()
  end
end

--- Starts the missing workers of a processor, and stops the surplus ones.
function Supervisor:start_processor(processor)
  processor.ending = nil
  for i = #processor.slots, 1, -1 do
    if processor.slots[i].state == "stopped" then
      table.remove(processor.slots, i)
    end
  end
  local taken = {}
  for _, slot in ipairs(processor.slots) do
    taken[slot.number] = true
    if slot.number > processor.worker_count then
      slot:stop()
    end
  end
  for number = 1, processor.worker_count do
    if not taken[number] then
      local slot = slots.new(self, processor, number)
      slot.is_ready = self.is_ready and processor.was_ready or false
      table.insert(processor.slots, slot)
      self.loop:wrap(slot.run, slot)
    end
  end
end

--- Loads the script again. If it is rejected, the old one stays.
function Supervisor:reload()
  if self.given.text then
    self.log:write("warning", {}, "SIGHUP: there is no script to load again")
    return
  end
  self.notices:reloading()
  local found, _, message = self:load()
  if self.is_stopping then
    return
  end
  if self.is_ready then
    self.notices:ready(number_of(self.processors))
  end
  if not found then
    self.reload_error = message
    self.log:write("error", {}, "the script is not loaded again, and the old one stays: "
      .. message)
    return
  end
  accept(self, found)
  self.log:write("info", {}, ("loaded %s again: %s"):format(self.given.script,
    number_of(self.processors)))
  for _, processor in ipairs(self.processors) do
    self:start_processor(processor)
    for _, slot in ipairs(processor.slots) do
      slot:follow_script()
    end
  end
end

-- What workers report ---------------------------------------------------------

--- Notes in the shared page that the workers of a process are being stopped.
---@param pid integer
function Supervisor:note_stop(pid)
  core.note_stop(self.db.core, pid)
end

--- Called when a worker is ready. The runtime is ready when all are.
function Supervisor:note_ready()
  local all = true
  for _, processor in ipairs(self.processors) do
    local ready = #processor.slots > 0
    for _, slot in ipairs(processor.slots) do
      ready = ready and slot.is_ready
    end
    processor.was_ready = processor.was_ready or ready
    all = all and processor.was_ready
  end
  if all and not self.is_ready then
    self.is_ready = true
    self.log:write("info", {}, ("ready: %s of %s"):format(number_of(self.processors),
      self.given.script))
    self.notices:ready(number_of(self.processors))
  end
  self.changed:signal()
end

--- Exit statuses of the causes.
local STATUSES = {
  script = exit_status.MISUSED, database = exit_status.RUN_DATABASE,
  consumer = exit_status.FAILED, crashes = exit_status.RUN_CRASHES,
}

--- Ends the runtime with a failure. The first one determines the status.
---@param cause "script"|"database"|"consumer"|"crashes"
---@param message string
function Supervisor:fail(cause, message)
  self.log:write("error", {}, message)
  if not self.failure then
    self.failure = { status = STATUSES[cause], message = message }
  end
  self:stop()
end

--- Called when a worker has ended with an error of its consumer. The other processors continue; the
--- runtime ends when none is left.
---@param processor tidetable.run.Processor
---@param ending { code: string, message: string }
function Supervisor:processor_ended(processor, ending)
  if not processor.ending then
    processor.ending = { code = ending.code, message = ending.message, at = core.time() }
    self.log:write("error", { processor = processor.name }, ("ended: %s: %s"):format(ending.code,
      ending.message))
  end
  for _, slot in ipairs(processor.slots) do
    slot:stop()
  end
  local is_left = false
  for _, each in ipairs(self.processors) do
    is_left = is_left or not each.ending
  end
  if not is_left or self.given.once then
    self.failure = self.failure or { status = exit_status.FAILED, message = ending.message }
    self:stop()
  end
end

-- Stopping --------------------------------------------------------------------

--- Returns all slots, also those of processors that are being drained.
function Supervisor:all_slots()
  local all = {}
  for _, processor in ipairs(self.processors) do
    for _, slot in ipairs(processor.slots) do
      all[#all + 1] = slot
    end
  end
  for _, slot in ipairs(self.draining) do
    all[#all + 1] = slot
  end
  return all
end

--- Stops all workers after their batches.
function Supervisor:stop()
  if not self.is_stopping then
    self.is_stopping = true
    self.notices:stopping()
  end
  for _, slot in ipairs(self:all_slots()) do
    slot:stop()
  end
  for process in pairs(self.loaders) do
    process:kill()
  end
  self.changed:signal()
end

--- Kills all processes at once.
function Supervisor:kill_all()
  self:stop()
  for _, slot in ipairs(self:all_slots()) do
    slot:kill()
  end
end

-- Events ----------------------------------------------------------------------

local on_signal = {}

--- A process of this supervisor has ended.
function on_signal.SIGCHLD(self)
  for _, slot in ipairs(self:all_slots()) do
    if slot.process then
      slot.process:poll()
    end
  end
  for process in pairs(self.loaders) do
    process:poll()
  end
end

function on_signal.SIGTERM(self, name)
  if self.was_interrupted then
    self.failure = { status = exit_status.INTERRUPTED, message = "stopped by a second signal" }
    self.log:write("warning", {}, name .. ": a second signal; all workers are killed")
    self:kill_all()
    return
  end
  self.was_interrupted = true
  self.log:write("info", {}, name .. ": stopping")
  self:stop()
end

on_signal.SIGINT = on_signal.SIGTERM

function on_signal.SIGHUP(self)
  if not self.is_stopping then
    self.log:write("info", {}, "SIGHUP: loading the script again")
    self.loop:wrap(self.reload, self)
  end
end

function on_signal.SIGWINCH()
end

local function watch_signals(self)
  local number = assert(core.signal_pipe("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGWINCH"))
  while not self.is_over do
    cqueues.poll({ pollfd = number, events = "r" }, 1)
    local name = core.read_signal()
    while name do
      on_signal[name](self, name)
      name = core.read_signal()
    end
  end
end

--- Compares the path with the open file.
local function check_file(self)
  local ok, err = core.check_name(self.db.core)
  if not ok and not self.is_stopping then
    self:fail("database", err.message)
  end
end

--- Kills unresponsive workers: those in a handler that the library could not interrupt at its
--- limit, and those without a heartbeat for more than two leases.
local function kill_still(processor)
  local about = processor.about
  local by_pid = {}
  for _, worker in ipairs(about and about.workers or {}) do
    by_pid[worker.pid or 0] = worker
  end
  for _, slot in ipairs(processor.slots) do
    local worker = slot.process and not slot.process.status and by_pid[slot.process.pid]
    local limit = worker and (worker.in_handler and about.settings.handler_limit
      or 2 * about.settings.lease) + STILL_GRACE
    if worker and worker.seconds and worker.seconds > limit and not slot.killed_still then
      slot.killed_still, slot.killed_at = slot.process, core.elapsed()
      slot:log("error", (worker.in_handler
        and "its handler runs for %.0f s and can't be interrupted; the worker is killed"
        or "no heartbeat for %.0f s; the worker is killed"):format(worker.seconds))
      slot:kill()
    elseif slot.killed_still ~= slot.process then
      slot.killed_still = nil
    end
  end
end

--- Describes a processor from the file. about is nil if its consumer does not exist yet.
local function describe(self, processor)
  local consumer = self.db:consumer(processor.name)
  processor.about = consumer and statuses.of(consumer) or nil
end

--- Describes the processors and shows them, before the first tick that finds them: the view then
--- knows the states of new ones before their workers start.
function Supervisor:observe()
  for _, processor in ipairs(self.processors) do
    describe(self, processor)
  end
  for _, f in ipairs(self.on_tick) do
    f()
  end
end

--- Starts a processor again that had ended, after a command has set its position.
local function revive(self, processor)
  local about = processor.about
  if processor.ending and about and not about.last_error and not self.is_stopping
      and processor.ending.code ~= "CONSUMER_GONE" and core.time() - processor.ending.at > 1 then
    for _, slot in ipairs(processor.slots) do
      if slot.state ~= "stopped" then
        return
      end
    end
    self.log:write("info", { processor = processor.name }, "is started again")
    self:start_processor(processor)
  end
end

--- Logs a temporary failure for which a worker waits, and its end.
local function note_trouble(self, processor)
  local trouble
  for _, worker in ipairs(processor.about and processor.about.workers or {}) do
    trouble = trouble or worker.waits_for
  end
  if trouble ~= processor.trouble then
    processor.trouble = trouble
    self.log:write(trouble and "warning" or "info", { processor = processor.name },
      trouble and ("waits, because of %s; no attempt is counted"):format(trouble)
      or "continues")
  end
end

local function tick(self)
  check_file(self)
  for _, processor in ipairs(self.processors) do
    describe(self, processor)
    note_trouble(self, processor)
    kill_still(processor)
    revive(self, processor)
    local waiting = processor.about and processor.about.lag_records
    for _, slot in ipairs(processor.slots) do
      slot:tick(waiting ~= 0)
    end
  end
  for _, f in ipairs(self.on_tick) do
    f()
  end
end

--- Runs the periodic checks once a second, and writes log lines that could not be written before.
local function run_ticks(self)
  local next_tick = core.elapsed()
  while not self.is_over do
    if core.elapsed() >= next_tick then
      tick(self)
      next_tick = core.elapsed() + 1
    end
    self.log:flush()
    cqueues.sleep(self.log.waiting ~= "" and 0.05 or math.max(next_tick - core.elapsed(), 0.01))
  end
end

--- Seconds after which a killed worker that has not ended stops the pings.
local UNKILLED = 10

--- Returns true if a killed worker has not ended within UNKILLED seconds.
local function is_still(self)
  for _, slot in ipairs(self:all_slots()) do
    local process = slot.process
    if process and slot.killed_still == process and not process.status
        and core.elapsed() - slot.killed_at > UNKILLED then
      return true
    end
  end
  return false
end

--- Pings the watchdog of the service manager while this loop and those of the workers run.
local function run_pings(self)
  while self.notices.interval and not self.is_over do
    if not is_still(self) then
      self.notices:ping()
    end
    cqueues.sleep(self.notices.interval)
  end
end

--- Waits until all workers have stopped.
local function await_stop(self)
  while true do
    local is_running = false
    for _, slot in ipairs(self:all_slots()) do
      is_running = is_running or slot.state ~= "stopped"
    end
    if self.is_stopping and not is_running then
      return
    end
    self.changed:wait(1)
  end
end

--- Runs the script until the end. `work` decides what runs when: it is called after the script was
--- loaded.
local function run(self, work)
  local found, cause, message = self:load()
  if not found and not self.is_stopping then
    self:fail(cause, message)
  elseif found and not self.is_stopping then
    accept(self, found)
    work(self)
  end
  await_stop(self)
  self.is_over = true
end

--- Starts all processors, and runs until a signal or a failure.
local function serve(self)
  for _, processor in ipairs(self.processors) do
    if not self.is_stopping then
      self:start_processor(processor)
    end
  end
end

--- Runs the supervisor. Returns the exit status.
---@param work fun(self: tidetable.run.Supervisor)|nil  default: all processors run until a signal
---@return integer status
function Supervisor:run(work)
  local is_done = false
  self.loop:wrap(watch_signals, self)
  self.loop:wrap(run_ticks, self)
  self.loop:wrap(run_pings, self)
  self.loop:wrap(function()
    run(self, work or serve)
    is_done = true
  end)
  while not is_done do
    local ok, err, _, thread = self.loop:step()
    if not ok then
      self:kill_all()
      error(thread and debug.traceback(thread, tostring(err)) or tostring(err), 0)
    end
  end
  self.log:finish()
  return self.failure and self.failure.status or self.status or exit_status.SUCCESS
end

return supervisors
