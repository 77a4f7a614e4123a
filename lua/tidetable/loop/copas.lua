-- copas.lua - waiting in threads of copas.
--
--   local db = assert(tidetable.open("shop.tide", { wait = require "tidetable.loop.copas".wait }))
--
-- copas waits for sockets and for nothing else. So a wait looks like a socket from which one line
-- is to be received: select(2) sees its descriptor, and it is `dirty`, which is LuaSocket's word
-- for "has something already", when its time is over. That serves copas 1.1.7, which has no
-- timers, as well as copas 4.

local copas = require "copas"
local core = require "tidetable.core"
local socket = require "socket"
local wait = require "tidetable.wait"

local loop = {}

--- What copas takes for a socket.
local Wait = {}
Wait.__index = Wait

--- Over when the time is, or the wakeup is closed: its descriptor is not ours
--- any more, and select fails on one that is nobody's.
function Wait:is_over()
  return core.elapsed() >= self.deadline
    or self.wakeup and not pcall(self.wakeup.pollfd, self.wakeup)
end

--- Minus one is no descriptor. Of one that is dirty any number does, for select is
--- not asked about it.
function Wait:getfd()
  if self:is_over() then
    return 0
  end
  return self.wakeup and self.wakeup:pollfd() or -1
end

function Wait:dirty()
  return self:is_over()
end

--- copas asks before it waits, and when it has.
function Wait:receive()
  if self.asked then
    return ""
  end
  self.asked = true
  return nil, "timeout"
end

--- copas 1.1.7 closes what a thread waited for last when the thread ends. The
--- descriptor is the wakeup's.
function Wait.close()
end

local function receive(wakeup, seconds)
  local deadline = core.elapsed() + seconds
  copas.receive(setmetatable({ wakeup = wakeup, deadline = deadline }, Wait))
end

--- For the option `wait`. Outside of a coroutine it blocks the thread, and the
--- loop with it.
loop.wait = wait.yielding(function(wakeup, seconds)
  if wakeup:pollfd() >= socket._SETSIZE then
    error(("copas waits by select, which takes descriptors below %d; this is %d")
      :format(socket._SETSIZE, wakeup:pollfd()))
  end
  receive(wakeup, seconds)
end)

--- Suspends this thread for so many seconds: by copas's own timers, if it has any.
---@param seconds number
function loop.sleep(seconds)
  local pause = copas.pause or copas.sleep
  if pause then
    pause(seconds)
  else
    receive(nil, seconds)
  end
end

return loop
