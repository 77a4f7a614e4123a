-- scheduler.lua - coroutines that take turns, and sleep while none has anything to do.
--
-- A coroutine yields until when it waits, and for which wakeup if it waits for one. What waits
-- for a commit is asked whether it came; when no coroutine can continue, the thread sleeps on the
-- wakeup that is due first. Each is notified of every commit. One that waits for the write lock is
-- notified of its release too; it is due within 50 ms, so it is the first.
local system = require "system" -- luasystem, for the time
local yielding = require "tidetable.wait".yielding

local scheduler = {}

local threads = {}

function scheduler.start(f)
  threads[#threads + 1] = { coroutine = coroutine.create(f), due = 0 }
end

function scheduler.sleep(seconds)
  coroutine.yield(system.monotime() + seconds)
end

--- For the option `wait`.
scheduler.wait = yielding(function(wakeup, seconds)
  coroutine.yield(system.monotime() + seconds, wakeup)
end)

-- A wakeup that was closed raises: whoever waits for it must be told.
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

-- Each that is ready goes on once; whether there was any.
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

--- Until all have ended.
function scheduler.run()
  while #threads > 0 do
    if not turn() then idle() end
  end
end

return scheduler
