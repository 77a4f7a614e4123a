-- channel.lua - one end of a pipe or socket in an event loop of cqueues.

local core = require "tidetable.core"
local cqueues = require "cqueues"

local channels = {}

---@class tidetable.run.Channel
---@field descriptor userdata|false  false: closed
---@field number integer
local Channel = {}
Channel.__index = Channel

--- Takes over a descriptor, and makes it non-blocking.
---@param descriptor userdata
---@return tidetable.run.Channel
function channels.new(descriptor)
  core.descriptor_unblock(descriptor)
  return setmetatable({ descriptor = descriptor, number = core.descriptor_number(descriptor) },
    Channel)
end

--- Waits until the descriptor is ready for "r" or "w", at most `seconds`.
function Channel:wait(events, seconds)
  if seconds then
    cqueues.poll({ pollfd = self.number, events = events }, math.max(seconds, 0))
  else
    cqueues.poll { pollfd = self.number, events = events }
  end
end

--- Returns the available bytes without waiting; "" at the end and after close; nil if there are
--- none.
---@return string|nil
function Channel:try_read()
  if not self.descriptor then
    return ""
  end
  local bytes = core.descriptor_read(self.descriptor)
  if bytes == false then
    return nil
  end
  return bytes or ""             -- an error ends the connection
end

--- Waits for bytes and returns them; "" at the end and after close; nil after the deadline.
---@param deadline number|nil  time of core.elapsed
---@return string|nil
function Channel:read(deadline)
  while true do
    local bytes = self:try_read()
    local left = deadline and deadline - core.elapsed()
    if bytes or left and left <= 0 then
      return bytes
    end
    self:wait("r", left)
  end
end

--- Writes without waiting. Returns the number of bytes written before (`from`) and now; nil if the
--- other end is closed.
---@param text string
---@param from integer
---@return integer|nil
function Channel:try_write(text, from)
  return self.descriptor and core.descriptor_write(self.descriptor, text, from) or nil
end

--- Writes all bytes. Returns true; false after the deadline; nil if the other end is closed.
---@param text string
---@param deadline number|nil
---@return boolean|nil
function Channel:write(text, deadline)
  local written = 0
  while true do
    local count = self:try_write(text, written)
    if not count then
      return nil
    elseif count == #text then
      return true
    end
    local left = deadline and deadline - core.elapsed()
    if left and left <= 0 then
      return false
    elseif count == written then
      self:wait("w", left)
    end
    written = count
  end
end

--- Closes the descriptor. Coroutines that wait for it continue. May be called again.
function Channel:close()
  if self.descriptor then
    cqueues.cancel(self.number)
    core.descriptor_close(self.descriptor)
    self.descriptor = false
  end
end

return channels
