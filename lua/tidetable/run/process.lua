-- process.lua - a child process of the supervisor: its messages, its output, and its end.

local channels = require "tidetable.run.channel"
local children = require "tidetable.run.child"
local core = require "tidetable.core"
local condition = require "cqueues.condition"
local frames = require "tidetable.run.frame"

local processes = {}

--- Maximum length of a line that a child prints. A longer one is divided.
local LINE_MAX = 16384
--- Seconds after the end of a child in which the rest of its output is read. A process that has
--- left the child's group may keep the pipe open.
local DRAIN = 0.5
--- Maximum number of seconds of one wait.
local WAIT_MAX = 60

---@class tidetable.run.Process
---@field core userdata
---@field pid integer
---@field control tidetable.run.Channel
---@field status integer|nil      exit status, after the end
---@field signal integer|nil      signal that ended it; 0: none
---@field readers integer         number of coroutines that read from it
---@field changed table           condition: signalled when it ends and with each message
---@field is_over boolean         it has ended, and everything was read
---@field ended_at number|nil
local Process = {}
Process.__index = Process

--- How a process is started.
---@class tidetable.run.ProcessPlan
---@field title string             shown by ps
---@field messages string          messages for the child, encoded
---@field on_message fun(name: string, fields: string[])
---@field on_line fun(stream: "stdout"|"stderr", line: string)

--- Calls on_line with each line that is read.
local function read_lines(process, channel, stream, on_line)
  local rest = ""
  while true do
    local bytes = channel:read()
    if bytes == "" then
      break
    end
    rest = rest .. bytes
    local from, at = 1, rest:find("\n", 1, true)
    while at do
      on_line(stream, rest:sub(from, at - 1))
      from, at = at + 1, rest:find("\n", at + 1, true)
    end
    rest = rest:sub(from)
    while #rest > LINE_MAX do
      on_line(stream, rest:sub(1, LINE_MAX))
      rest = rest:sub(LINE_MAX + 1)
    end
  end
  if rest ~= "" then
    on_line(stream, rest)
  end
  channel:close()
  process.readers = process.readers - 1
  process.changed:signal()
end

--- Calls on_message with each message that is read.
local function read_messages(process, on_message)
  local reader = frames.reader()
  while true do
    local bytes = process.control:read()
    if bytes == "" then
      break
    end
    reader:feed(bytes)
    local name, fields = reader:next()
    while name do
      on_message(name, fields)
      process.changed:signal()
      name, fields = reader:next()
    end
    if fields then
      break                      -- no messages: the child is damaged
    end
  end
  process.readers = process.readers - 1
  process.changed:signal()
end

--- Opens the pipes of a child. Returns the descriptors of the child and those of this process.
local function open_pipes()
  local theirs, ours = { false }, {}
  for i = 2, 3 do
    local output, input = core.pipe()
    if not output then
      return nil, input
    end
    theirs[i], ours[i] = input, output
  end
  local mine, other = core.socket_pair()
  if not mine then
    return nil, other
  end
  theirs[4], ours[4] = other, mine
  return theirs, ours
end

--- Starts a child process. Returns nil, err if that fails.
---@param loop table  of cqueues
---@param plan tidetable.run.ProcessPlan
---@return tidetable.run.Process|nil, tidetable.error|nil err
function processes.start(loop, plan)
  local theirs, ours = open_pipes()
  if not theirs then
    return nil, ours
  end
  local path, words = children.command(plan.title)
  local handle, pid = core.start_process(path, words, theirs, children.environment)
  for i = 2, 4 do
    core.descriptor_close(theirs[i])
  end
  if not handle then
    return nil, pid
  end
  local self = setmetatable({
    core = handle, pid = pid, control = channels.new(ours[4]), readers = 3,
    changed = condition.new(), is_over = false,
  }, Process)
  self.outputs = { channels.new(ours[2]), channels.new(ours[3]) }
  loop:wrap(read_lines, self, self.outputs[1], "stdout", plan.on_line)
  loop:wrap(read_lines, self, self.outputs[2], "stderr", plan.on_line)
  loop:wrap(read_messages, self, plan.on_message)
  loop:wrap(function() self.control:write(plan.messages) end)
  return self
end

--- Sends a message, without waiting.
---@param name string
function Process:send(name)
  self.control:try_write(frames.encode(name), 0)
end

--- Looks whether the process has ended, and reaps it with its group.
function Process:poll()
  if self.status then
    return
  end
  local status, signal = core.process_poll(self.core)
  if status ~= false then
    self.status, self.signal, self.ended_at = status, signal, core.elapsed()
    self.changed:signal()
  end
end

--- Kills the process and its group.
function Process:kill()
  if not self.status then
    core.process_signal(self.core, "SIGKILL", true)
  end
end

function Process:close()
  self.control:close()
  for _, output in ipairs(self.outputs) do
    output:close()
  end
  self.is_over = true
end

--- Waits until the process has ended and its output was read, at most `seconds`. Returns true if it
--- has.
---@param seconds number
---@return boolean
function Process:wait(seconds)
  local deadline = core.elapsed() + seconds
  while not self.is_over do
    local now = core.elapsed()
    if self.status and (self.readers == 0 or now - self.ended_at >= DRAIN) then
      self:close()
    elseif now >= deadline then
      return false
    else
      local pause = math.min(deadline - now, WAIT_MAX)
      if self.status then
        pause = math.min(pause, self.ended_at + DRAIN - now)
      end
      self.changed:wait(math.max(pause, 0.001))
    end
  end
  return true
end

--- Returns how the process has ended, for messages.
---@return string
function Process:end_text()
  if self.signal and self.signal > 0 then
    return ("was ended by signal %d"):format(self.signal)
  end
  return ("exited with status %d"):format(self.status or -1)
end

return processes
