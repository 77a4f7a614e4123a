-- child.lua - the main function of the child processes of `tidetable run`.
--
-- A child receives messages (frame.lua) on descriptor 3, and sends its reports there:
--
--     to the child      script, module..., load, work or compare; stop
--     from the child    see loader.lua, worker.lua and view_check.lua

local channels = require "tidetable.run.channel"
local core = require "tidetable.core"
local cqueues = require "cqueues"
local frames = require "tidetable.run.frame"

local children = {}

local CONTROL = 3

--- Code of a child. The module paths are those of the supervisor.
local CODE = [[package.path = %q package.cpath = %q require("tidetable.run.child").main()]]

--- Variables that a child does not get: they address the supervisor.
children.environment = { "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC" }

--- Returns the arguments of core.start_process without the descriptors: the path of Lua, and the
--- words.
---@param title string  shown by ps
---@return string path, string[] words
function children.command(title)
  local path = core.program_path() or error("the path of the Lua program is unknown", 0)
  return path, { title, "-e", CODE:format(package.path, package.cpath) }
end

--- The connection to the supervisor.
---@class tidetable.run.Control
---@field channel tidetable.run.Channel
---@field reader tidetable.run.FrameReader
---@field unsent string
---@field is_over boolean  the supervisor has ended
---@field pid integer      of the process that has this connection
local Control = {}
Control.__index = Control

--- Ends this process if a handler has forked it: the connection, the event loop and the signal pipe
--- belong to its parent.
function Control:end_forked()
  if core.process_id() ~= self.pid then
    io.stderr:write("a process forked by a handler must not return from it, raise an error or use"
      .. " the event loop; it is ended\n")
    os.exit(1)
  end
end

--- Maximum number of bytes that wait to be sent. Later reports are dropped.
local UNSENT_MAX = 1024 * 1024

--- Sends without waiting what can be sent.
function Control:flush()
  if self.unsent ~= "" then
    local count = self.channel:try_write(self.unsent, 0)
    self.is_over = self.is_over or not count
    self.unsent = count and self.unsent:sub(count + 1) or ""
  end
end

--- Sends a message, without waiting. It is dropped if too many bytes wait.
---@param name string
---@param ... string|number
function Control:report(name, ...)
  self:end_forked()
  if #self.unsent < UNSENT_MAX then
    self.unsent = self.unsent .. frames.encode(name, ...)
  end
  self:flush()
end

--- Sends messages that must not be dropped, and waits until all are sent.
---@param name string
---@param ... string|number
function Control:send(name, ...)
  self:end_forked()
  self.unsent = self.unsent .. frames.encode(name, ...)
  self.is_over = not self.channel:write(self.unsent)
  self.unsent = ""
end

--- Returns the next message without waiting; nil if there is none.
---@return string|nil name, string[]|nil fields
function Control:try_next()
  self:end_forked()
  local name, fields = self.reader:next()
  while not name and not self.is_over do
    local bytes = self.channel:try_read()
    if not bytes then
      return nil
    end
    self.is_over = bytes == ""
    self.reader:feed(bytes)
    name, fields = self.reader:next()
  end
  return name, fields
end

--- Waits for the next message and returns it; nil if the supervisor has ended.
---@return string|nil name, string[]|nil fields
function Control:next()
  local name, fields = self:try_next()
  while not name and not self.is_over do
    self.channel:wait "r"
    name, fields = self:try_next()
  end
  return name, fields
end

--- Receives the script and the work. Returns them; nil if the supervisor has ended.
local function receive(control)
  local script
  while true do
    local name, fields = control:next()
    if name == "script" then
      script = { path = fields[1], text = fields[2], modules = {}, is_complete = true }
    elseif name == "file" then
      script = fields[1]
    elseif name == "module" then
      script.modules[fields[1]] = { path = fields[2], text = fields[3] }
    else
      return name, fields, script
    end
  end
end

--- Options of the database, as words of a message: NAME, VALUE, NAME, VALUE, ...
local function options_of(fields, from)
  local opts = {}
  for i = from, #fields, 2 do
    opts[fields[i]] = fields[i + 1]
  end
  return opts
end

--- Ends the process without closing the database: a handler that calls os.exit is a worker that
--- dies in its handler.
local exit = os.exit
local function exit_at_once(status)
  io.stdout:flush()
  exit(status)
end

--- Runs a loop of cqueues until it is empty or `is_done` returns true. Raises its errors.
local function run(loop, is_done)
  while not loop:empty() and not is_done() do
    local ok, err, _, thread = loop:step()
    if not ok then
      error(thread and debug.traceback(thread, tostring(err)) or tostring(err), 0)
    end
  end
end

--- Main function of a child. Never returns.
function children.main()
  io.stdout:setvbuf "line"
  os.exit = exit_at_once -- luacheck: ignore 122
  local control = setmetatable({
    channel = channels.new(core.inherited_descriptor(CONTROL)), reader = frames.reader(),
    unsent = "", is_over = false, pid = core.process_id(),
  }, Control)
  local loop, status = cqueues.new(), nil
  loop:wrap(function()
    local name, fields, script = receive(control)
    local roles = { load = "tidetable.run.loader", work = "tidetable.run.worker",
      compare = "tidetable.run.view_check" }
    if not roles[name] then
      status = 1
      return
    end
    status = require(roles[name]).run(control, loop, script, options_of(fields, 1))
  end)
  run(loop, function() return status end)
  exit_at_once(status)
end

return children
