-- luv.lua - the `wait` function for coroutines of a libuv loop.
--
--   local db = assert(tidetable.open("shop.tide", { wait = require "tidetable.loop.luv".wait }))
--
-- A coroutine that waits yields, and a callback of libuv resumes it.

local members = require "tidetable.members"
local uv = require "luv"
local wait = require "tidetable.wait"

local loop = {}

--- Resumes a coroutine from a callback. An error of the coroutine is raised from the callback with
--- the coroutine's traceback, and luv prints it.
local function resume(thread)
  local ok, err = coroutine.resume(thread)
  if not ok then
    local trace = debug.traceback(thread, tostring(err))
    coroutine.close(thread)
    error(trace, 0)
  end
end

--- The timer and the poll that may end a wait. Closed when the coroutine resumes for any reason, so
--- that no callback runs after that.
---@class tidetable.loop.luv.Watch
---@field wake fun()  resumes the coroutine
local Watch = {}
Watch.__index = Watch

local function watch()
  local thread = coroutine.running()
  return setmetatable({ wake = function() resume(thread) end }, Watch)
end

--- Closes a handle. The program may have closed it already, with all handles of the loop.
local function close(handle)
  if not handle:is_closing() then
    handle:close()
  end
end

--- Starts a timer. libuv counts its time from the loop's current time, which the loop reads before
--- it calls callbacks. It is read again here, because the callback may have run for long.
function Watch:timer(seconds)
  uv.update_time()
  self.timer_handle = assert(uv.new_timer())
  self.timer_handle:start(math.ceil(math.max(seconds, 0) * 1000), 0, self.wake)
end

--- Polls the wakeup's descriptor. The poll must be closed before the descriptor. If the wakeup is
--- closed, the timer resumes the coroutine after the call that closes it has returned.
function Watch:poll(wakeup)
  wakeup:on_close(function()
    close(self.poll_handle)
    if not self.timer_handle:is_closing() then
      self.timer_handle:start(0, 0, self.wake)
    end
  end)
  self.wakeup = wakeup
  self.poll_handle = assert(uv.new_poll(wakeup:pollfd()))
  assert(self.poll_handle:start("r", self.wake))
end

function Watch:__close()
  if self.wakeup then
    self.wakeup:on_close(nil)
  end
  for _, handle in pairs { self.timer_handle, self.poll_handle } do
    close(handle)
  end
end

--- Waits for a wakeup: the value for the option `wait`. Outside a coroutine it blocks the thread
--- and the loop.
---@type fun(wakeup: tidetable.Wakeup, seconds: number|nil)
loop.wait = wait.yielding(function(wakeup, seconds)
  local waiting <close> = watch()
  waiting:timer(seconds)
  waiting:poll(wakeup)
  coroutine.yield()
end)

--- Suspends the calling coroutine.
---@param seconds number
function loop.sleep(seconds)
  local waiting <close> = watch()
  waiting:timer(seconds)
  coroutine.yield()
end

return members.guard_module(loop, "luv")
