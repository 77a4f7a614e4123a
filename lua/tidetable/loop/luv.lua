-- luv.lua - waiting in coroutines of a libuv loop.
--
--   local db = assert(tidetable.open("shop.tide", { wait = require "tidetable.loop.luv".wait }))
--
-- libuv calls back; a coroutine that waits yields, and the callback resumes it.

local uv = require "luv"
local wait = require "tidetable.wait"

local loop = {}

--- Resumes a coroutine from a callback. What it raises is the callback's error:
--- luv says it, with where it happened.
local function resume(thread)
  local ok, err = coroutine.resume(thread)
  if not ok then
    local trace = debug.traceback(thread, tostring(err))
    coroutine.close(thread)
    error(trace, 0)
  end
end

--- What may end a wait. It is over when the coroutine goes on, for whatever
--- reason: then nothing of it must call back any more.
local Watch = {}
Watch.__index = Watch

local function watch()
  local thread = coroutine.running()
  return setmetatable({ wake = function() resume(thread) end }, Watch)
end

function Watch:timer(seconds)
  self.clock = assert(uv.new_timer())
  self.clock:start(math.ceil(math.max(seconds, 0) * 1000), 0, self.wake)
end

--- The poll must be gone before its descriptor is. The coroutine is resumed
--- when closing is done, not in the middle of it.
function Watch:poll(wakeup)
  wakeup:on_close(function()
    self.descriptor:close()
    self.clock:start(0, 0, self.wake)
  end)
  self.wakeup = wakeup
  self.descriptor = assert(uv.new_poll(wakeup:pollfd()))
  assert(self.descriptor:start("r", self.wake))
end

function Watch:__close()
  if self.wakeup then
    self.wakeup:on_close(nil)
  end
  for _, handle in pairs { self.clock, self.descriptor } do
    if not handle:is_closing() then
      handle:close()
    end
  end
end

--- For the option `wait`. Outside of a coroutine it blocks the thread, and the
--- loop with it.
loop.wait = wait.yielding(function(wakeup, seconds)
  local waiting <close> = watch()
  waiting:timer(seconds)
  waiting:poll(wakeup)
  coroutine.yield()
end)

--- Suspends this coroutine for so many seconds.
---@param seconds number
function loop.sleep(seconds)
  local waiting <close> = watch()
  waiting:timer(seconds)
  coroutine.yield()
end

return loop
