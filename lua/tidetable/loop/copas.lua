-- copas.lua - the `wait` function for threads of copas.
--
--   local db = assert(tidetable.open("shop.tide", { wait = require "tidetable.loop.copas".wait }))
--
-- copas only waits for sockets. So a wait is an object with the methods of a LuaSocket socket, from
-- which copas receives one line: select(2) polls its descriptor, and `dirty` (LuaSocket's name for
-- "data is buffered") returns true after the deadline. This works with copas 1.1.7, which has no
-- timers, and with copas 4.

local copas = require "copas"
local core = require "tidetable.core"
local members = require "tidetable.members"
local socket = require "socket"
local wait = require "tidetable.wait"

local loop = {}

--- A wait, as a socket.
---@class tidetable.loop.copas.Wait
---@field wakeup tidetable.Wakeup|nil  nil: wait for the deadline only
---@field deadline number              by core.elapsed, in seconds
---@field asked boolean|nil            receive has been called
local Wait = {}
Wait.__index = Wait

--- Returns true after the deadline, or if the wakeup is closed: select fails on a descriptor that
--- is closed.
function Wait:is_over()
  return core.elapsed() >= self.deadline
    or self.wakeup and not pcall(self.wakeup.pollfd, self.wakeup)
end

--- Returns the descriptor; -1 if there is none. If the wait is over the number does not matter:
--- select does not poll a dirty socket.
function Wait:getfd()
  if self:is_over() then
    return 0
  end
  return self.wakeup and self.wakeup:pollfd() or -1
end

function Wait:dirty()
  return self:is_over()
end

--- Returns "timeout" at the first call, so that copas waits, and a line after the wait.
function Wait:receive()
  if self.asked then
    return ""
  end
  self.asked = true
  return nil, "timeout"
end

--- Does nothing: copas 1.1.7 closes the socket that a thread waited for last when the thread ends,
--- but the descriptor belongs to the wakeup.
function Wait.close()
end

local function receive(wakeup, seconds)
  local deadline = core.elapsed() + seconds
  copas.receive(setmetatable({ wakeup = wakeup, deadline = deadline }, Wait))
end

--- Waits for a wakeup: the value for the option `wait`. Outside a coroutine it blocks the thread
--- and the loop.
---@type fun(wakeup: tidetable.Wakeup, seconds: number|nil)
loop.wait = wait.yielding(function(wakeup, seconds)
  if wakeup:pollfd() >= socket._SETSIZE then
    error(("copas uses select, which supports descriptors below %d, got %d")
      :format(socket._SETSIZE, wakeup:pollfd()))
  end
  receive(wakeup, seconds)
end)

--- Suspends the calling thread, using copas's timers if it has them.
---@param seconds number
function loop.sleep(seconds)
  local pause = copas.pause or copas.sleep
  if pause then
    pause(seconds)
  else
    receive(nil, seconds)
  end
end

return members.guard_module(loop, "copas")
