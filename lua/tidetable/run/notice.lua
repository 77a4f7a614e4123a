-- notice.lua - reports the state of the runtime to the service manager (systemd's sd_notify).

local core = require "tidetable.core"

local notices = {}

---@class tidetable.run.Notices
---@field path string|nil        socket of the service manager; nil: there is none
---@field interval number|nil    seconds between two pings of the watchdog; nil: none
local Notices = {}
Notices.__index = Notices

--- Returns the pid of this process as text.
local function own_pid()
  local file = io.open "/proc/self/stat"
  local text = file and file:read "a" or ""
  if file then
    file:close()
  end
  return text:match "^%d+"
end

--- Reads the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
---@param variable fun(name: string): string|nil  default: os.getenv
---@return tidetable.run.Notices
function notices.new(variable)
  variable = variable or os.getenv
  local path, pid = variable "NOTIFY_SOCKET", variable "WATCHDOG_PID"
  local usec = tonumber(variable "WATCHDOG_USEC" or "")
  local is_ours = not pid or pid == own_pid()
  return setmetatable({ path = path ~= "" and path or nil,
    interval = path and usec and usec > 0 and is_ours and usec / 2e6 or nil }, Notices)
end

--- Sends lines NAME=VALUE. A failure is ignored: the service manager may have ended.
function Notices:send(text)
  if self.path then
    core.send_datagram(self.path, text)
  end
end

---@param status string  shown by `systemctl status`
function Notices:ready(status)
  self:send("READY=1\nSTATUS=" .. status .. (self.interval and "\nWATCHDOG=1" or ""))
end

function Notices:reloading()
  self:send(("RELOADING=1\nMONOTONIC_USEC=%d"):format(math.floor(core.elapsed() * 1e6)))
end

function Notices:stopping()
  self:send "STOPPING=1\nSTATUS=stopping"
end

function Notices:ping()
  if self.interval then
    self:send "WATCHDOG=1"
  end
end

return notices
