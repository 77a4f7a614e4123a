-- slot.lua - one worker of a processor in the supervisor: starts its process again after it has
-- ended, with growing pauses.

local condition = require "cqueues.condition"
local core = require "tidetable.core"
local processes = require "tidetable.run.process"

local slots = {}

--- Seconds before a process is started again: the first pause, then doubled up to the longest. Only
--- progress resets them.
local PAUSE, PAUSE_MAX = 0.1, 10
--- Seconds without a waiting record after which a worker has made progress.
local IDLE = 60

---@alias tidetable.run.SlotState "starting"|"running"|"pausing"|"stopping"|"stopped"

--- One worker of a processor.
---@class tidetable.run.Slot
---@field runtime tidetable.run.Supervisor
---@field processor tidetable.run.Processor
---@field number integer        from 1
---@field state tidetable.run.SlotState
---@field process tidetable.run.Process|nil
---@field generation integer    of the script that the process runs
---@field crashes integer       ends without progress, one after the other
---@field restarts integer      all starts after the first one
---@field reached integer       greatest sequence number that a process has reported
---@field is_ready boolean      a process has opened its consumer
---@field ready_at number|nil   time at which the current process has
---@field wakeup table          condition: ends a pause
---@field ending { code: string, message: string }|nil  reported by the current process
---@field wants_stop boolean
local Slot = {}
Slot.__index = Slot

---@param runtime tidetable.run.Supervisor
---@param processor tidetable.run.Processor
---@param number integer
---@return tidetable.run.Slot
function slots.new(runtime, processor, number)
  return setmetatable({
    runtime = runtime, processor = processor, number = number, state = "starting",
    generation = 0, crashes = 0, restarts = -1, reached = 0, is_ready = false,
    wakeup = condition.new(), wants_stop = false,
  }, Slot)
end

--- Writes a line of the log about this worker.
function Slot:log(level, message, stream)
  self.runtime.log:write(level, { processor = self.processor.name, worker = self.number,
    pid = self.process and self.process.pid, stream = stream }, message)
end

local function note_progress(self, sequence)
  if sequence > self.reached then
    self.reached, self.crashes = sequence, 0
  end
end

local on_message = {}

function on_message:ready()
  self.is_ready, self.ready_at, self.state = true, core.elapsed(), "running"
  self.runtime:note_ready()
  self:follow_script()
end

function on_message:reached(fields)
  note_progress(self, math.tointeger(tonumber(fields[1])) or 0)
end

function on_message:failed(fields)
  self.processor.last_error = { message = fields[1]:match "^[^\n]*", at = core.time() }
  self.processor.failures = self.processor.failures + 1
  self:log("warning", ("attempt %s with records %s to %s failed: %s"):format(fields[4], fields[2],
    fields[3], fields[1]))
end

function on_message:warning(fields)
  self:log("warning", fields[1])
end

function on_message:ended(fields)
  self.ending = { code = fields[1], message = fields[2] }
end

function on_message:stopped()
  self.ending = { code = "STOPPED", message = "" }
end

--- Starts a process. Returns nil, err on failure.
local function start(self)
  local runtime = self.runtime
  self.generation, self.ending, self.ready_at = runtime.script.generation, nil, nil
  self.state, self.restarts = "starting", self.restarts + 1
  local process, err = processes.start(runtime.loop, {
    title = ("tidetable: worker %s/%d of %s"):format(self.processor.name, self.number,
      runtime.given.database),
    messages = runtime:work_messages(self.processor.name),
    on_message = function(name, fields)
      if on_message[name] then
        on_message[name](self, fields)
      end
    end,
    on_line = function(stream, line) self:log("info", line, stream) end,
  })
  self.process = process
  return process, err
end

--- Asks the process to stop after its batch. The stop is noted first: if the process has to be
--- killed later, its batch costs no attempt.
function Slot:stop_process()
  if self.process and not self.process.status then
    self.runtime:note_stop(self.process.pid)
    if self.state ~= "stopping" then
      self.state, self.stop_deadline = "stopping",
        core.elapsed() + self.runtime.given.stop_timeout
      self.process:send "stop"
    end
  end
  self.wakeup:signal()
end

--- Lets the process stop after its batch if it runs an older script. The next one runs the new one.
function Slot:follow_script()
  if self.generation ~= self.runtime.script.generation and self.state ~= "starting" then
    self:stop_process()
  end
end

--- Stops the worker; it is not started again.
function Slot:stop()
  self.wants_stop = true
  self:stop_process()
end

--- Kills the process at once. It must be noted before (stop_process) unless the death counts.
function Slot:kill()
  if self.process then
    self.process:kill()
  end
end

--- Called once a second: kills a process that does not stop in time.
---@param has_waiting boolean  there are records that wait for the processor
function Slot:tick(has_waiting)
  local now = core.elapsed()
  if self.state == "stopping" and now >= self.stop_deadline then
    self:log("warning", "did not stop in time, and is killed")
    self:kill()
  elseif self.state == "running" and not has_waiting and now - self.ready_at >= IDLE then
    self.crashes = 0
  end
end

--- Codes of errors after which no worker of this file can run.
local is_fatal = {
  FILE_GONE = true, FILE_REPLACED = true, NOT_DATABASE = true, NEWER_FORMAT = true,
  OLDER_FORMAT = true, FOREIGN_FORMAT = true, NO_FILE = true, PERMISSION = true, NAMESPACE = true,
  READ_ONLY = true,
}

--- Codes of errors that end by themselves, or whose cause a new process does not have.
local is_temporary = {
  BUSY = true, FULL = true, DISK_FULL = true, STORE = true, NO_MEMORY = true, READERS_FULL = true,
  UNKNOWN_OUTCOME = true, CLOSED = true,
}

--- Returns the cause of a failure before the worker was ready, or of one that is fatal.
local function cause_of(ending)
  if ending.code == "" then
    return "script"
  end
  return (is_fatal[ending.code] or is_temporary[ending.code]) and "database" or "consumer"
end

--- Decides what follows the end of the process. Returns "again" (at once), "pause" or "stop".
local function judge(self)
  local ending, runtime = self.ending, self.runtime
  local was_asked = self.wants_stop or self.state == "stopping"
  if ending and ending.code == "STOPPED" or was_asked and not ending then
    return self.wants_stop and "stop" or "again"
  elseif ending and (is_fatal[ending.code] or ending.code == "" or not self.is_ready) then
    runtime:fail(cause_of(ending), ("processor %s: %s"):format(self.processor.name,
      ending.message))
    return "stop"
  elseif ending and is_temporary[ending.code] then
    self:log("warning", ("%s: %s"):format(ending.code, ending.message))
    self.crashes = math.min(self.crashes + 1, runtime.given.crash_limit - 1)
    return "pause"
  elseif ending then
    runtime:processor_ended(self.processor, ending)
    return "stop"
  elseif not self.is_ready then
    runtime:fail(self.process.signal > 0 and "crashes" or "script",
      ("processor %s: the worker %s before it was ready"):format(self.processor.name,
        self.process:end_text()))
    return "stop"
  end
  self.crashes = self.crashes + 1
  if self.crashes >= runtime.given.crash_limit then
    runtime:fail("crashes", ("processor %s: worker %d ended %d times without progress; at last it"
      .. " %s"):format(self.processor.name, self.number, self.crashes, self.process:end_text()))
    return "stop"
  end
  return "pause"
end

--- Waits before the next start; ends early when the worker is stopped or the script is reloaded.
local function pause(self)
  local seconds = math.min(PAUSE * 2 ^ math.min(self.crashes - 1, 20), PAUSE_MAX)
  local deadline, generation = core.elapsed() + seconds, self.runtime.script.generation
  self:log("warning", ("the worker %s; it is started again in %.1f s"):format(
    self.process:end_text(), seconds))
  self.state = "pausing"
  while not self.wants_stop and generation == self.runtime.script.generation do
    local left = deadline - core.elapsed()
    if left <= 0 then
      break
    end
    self.wakeup:wait(left)
  end
end

--- Runs the worker, and starts it again after its end, until it is stopped.
function Slot:run()
  while not self.wants_stop do
    local process, err = start(self)
    if not process then
      self.runtime:fail("database", err.message)
      break
    end
    process:wait(math.huge)
    local next_step = judge(self)
    if next_step == "stop" then
      break
    elseif next_step == "pause" then
      pause(self)
    end
  end
  self.state = "stopped"
  self.runtime.changed:signal()
end

return slots
