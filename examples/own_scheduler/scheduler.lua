-- scheduler.lua - runs coroutines in turn, and sleeps while none can continue.
--
-- A coroutine yields the time until which it waits, and the wakeup it waits for, if any. When no
-- coroutine can continue, the thread sleeps on the wakeup that is due first. One wakeup is
-- sufficient, because every wakeup becomes readable with every commit, and a wakeup that waits for
-- the write lock is due within 50 ms, so it is due first.
local system = require "system" -- luasystem, for the monotonic clock
local yielding = require "tidetable.wait".yielding

local scheduler = {}

local threads = {}

function scheduler.start(f)
  threads[#threads + 1] = { coroutine = coroutine.create(f), due = 0 }
end

function scheduler.sleep(seconds)
  coroutine.yield(system.monotime() + seconds)
end

--- Function for the option `wait`: suspends the coroutine until the wakeup is readable or the time
--- has passed.
scheduler.wait = yielding(function(wakeup, seconds)
  coroutine.yield(system.monotime() + seconds, wakeup)
end)

-- Returns true if the coroutine can continue, which is also the case if its wakeup was closed, so
-- that it gets CLOSED.
local function is_ready(thread)
  if thread.due <= system.monotime() then return true end
  if not thread.wakeup then return false end
  local ok, rings = pcall(thread.wakeup.wait, thread.wakeup, 0)
  return not ok or rings
end

local function resume(thread)
  local ok, due, wakeup = coroutine.resume(thread.coroutine)
  if not ok then error(debug.traceback(thread.coroutine, tostring(due)), 0) end
  thread.due, thread.wakeup = due, wakeup
end

-- Resumes each coroutine that is ready once. Returns true if one was ready.
local function turn()
  local all, any = threads, false
  threads = {}
  for _, thread in ipairs(all) do
    if is_ready(thread) then
      resume(thread)
      any = true
    end
    if coroutine.status(thread.coroutine) ~= "dead" then threads[#threads + 1] = thread end
  end
  return any
end

local function idle()
  local due, first = math.huge, nil
  for _, thread in ipairs(threads) do
    due = math.min(due, thread.due)
    if thread.wakeup and (not first or thread.due < first.due) then first = thread end
  end
  local seconds = math.max(due - system.monotime(), 0)
  if first then first.wakeup:wait(seconds) else system.sleep(seconds) end
end

--- Runs until all coroutines have ended.
function scheduler.run()
  while #threads > 0 do
    if not turn() then idle() end
  end
end

return scheduler
