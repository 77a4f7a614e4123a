-- wait.lua - waiting, for commits, other writers and long work, in whatever loop runs.
--
-- In order: the user's own function; the cqueues controller that runs this
-- coroutine; else the thread sleeps. We yield only to a scheduler that we
-- recognise: a generator of the user's own must get records, not somebody
-- else's sentinels.

local core = require "tidetable.core"
local options = require "tidetable.options"

local misuse = options.misuse

local wait = {}

--- An object that event loops wait on. The descriptor becomes readable with
--- every commit in any process; it says "look again" and no more.
---@class tidetable.Wakeup
local Wakeup = {}
Wakeup.__index = Wakeup
Wakeup.__name = "tidetable.wakeup"

--- The classes of wakeups: this one and those of wait.kind.
local classes = { [Wakeup] = true }

local function check_self(self, name)
  if not classes[getmetatable(self)] then
    options.no_self(name, "wakeup")
  end
end

--- The descriptor.
---@return integer
function Wakeup:pollfd()
  check_self(self, "pollfd")
  return core.wakeup_pollfd(self.core)
end

--- What to wait for: readable.
---@return string
function Wakeup.events()
  return "r"
end

--- How long to wait at most, in seconds. A process that is killed between its commit and
--- its signal does not make the descriptor readable: so 1 second, and 10 ms while a commit
--- is written to the file and not yet visible.
---@return number
function Wakeup:timeout()
  return core.wakeup_timeout(self.core)
end

--- Makes the descriptor unreadable until the next commit. Call it, then look,
--- then wait: what happens in between is not missed.
function Wakeup:clear()
  check_self(self, "clear")
  core.wakeup_clear(self.core)
end

--- Sleeps in this thread until the descriptor is readable. Returns after `seconds` and
--- after timeout() at the latest.
---@param seconds number|nil  nil, math.huge: timeout()
---@return boolean ready
function Wakeup:wait(seconds)
  check_self(self, "wait")
  if seconds ~= nil then
    options.argument("wait", "seconds", options.seconds, seconds)
  end
  return core.wakeup_wait(self.core, math.min(seconds or 1, 1))
end

--- Has f called just before the descriptor is closed: no loop can go on with one
--- that is. Nil forgets it.
---@param f fun()|nil
function Wakeup:on_close(f)
  check_self(self, "on_close")
  if f ~= nil and type(f) ~= "function" then
    misuse("on_close: a function expected, got " .. type(f))
  elseif f and self.closing then
    misuse("on_close: somebody waits on this wakeup already; make one for each")
  end
  self.closing = f
end

--- Tells the loop that waits on the descriptor to let go of it.
local function cancel(wakeup)
  if wakeup.closed then
    return
  end
  local cqueues, closing = package.loaded.cqueues, wakeup.closing
  local ok, fd = pcall(wakeup.pollfd, wakeup)
  if cqueues and ok then
    cqueues.cancel(fd)
  end
  if closing then
    wakeup.closing = nil
    closing()
  end
end

--- Releases what the core holds for it.
function Wakeup:finish()
  core.finish(self.core)
end

--- Closes the descriptor; the loop that waits on it is told first. What that raises is
--- raised when it is closed.
function Wakeup:close()
  check_self(self, "close")
  local ok, err = pcall(cancel, self)
  self.closed = true
  if self.core then
    self:finish()
  end
  if not ok then
    error(err, 0)
  end
end

Wakeup.__close = Wakeup.close

--- Closes the descriptors that are kept for later. Returns true if there were any.
local function drop_spares(database)
  local spares = database.spare_wakeups or {}
  database.spare_wakeups = nil
  for _, spare in ipairs(spares) do
    spare:close()
  end
  return #spares > 0
end

---@param database table  a tidetable database
---@param unlocks boolean|nil  readable with the release of the write lock, not with commits
---@return tidetable.Wakeup|nil, tidetable.error|nil err, tidetable.code|nil code
function wait.wakeup(database, unlocks)
  local wakeup, err, code = core.wakeup(database.core, unlocks)
  if not wakeup and drop_spares(database) then
    wakeup, err, code = core.wakeup(database.core, unlocks)
  end
  if not wakeup then
    return nil, err, code
  end
  return wait.attach(database, setmetatable({ core = wakeup }, Wakeup))
end

--- Has a wakeup's loop told when the database is closed.
---@generic T
---@param database table
---@param wakeup T
---@return T
function wait.attach(database, wakeup)
  database.wakeups = database.wakeups or setmetatable({}, { __mode = "k" })
  database.wakeups[wakeup] = true
  return wakeup
end

--- A kind of wakeup for something else that has a descriptor: pollfd, clear and
--- wait have to be given.
---@param name string
---@return table class
function wait.kind(name)
  local Kind = { __name = name, __close = Wakeup.__close }
  Kind.__index = Kind
  classes[Kind] = true
  return setmetatable(Kind, { __index = Wakeup })
end

--- Before a database is closed, and its wakeups with it: all of their loops are told,
--- whatever one of them raises.
---@param database table
---@return boolean ok, any err  the first that was raised
function wait.cancel(database)
  local ok, first = true, nil
  for wakeup in pairs(database.wakeups or {}) do
    local told, err = pcall(cancel, wakeup)
    if ok and not told then
      ok, first = false, err
    end
  end
  return ok, first
end

--- A way to wait of one that yields: it is told how many seconds at most, and where no
--- coroutine can yield the thread sleeps, and the loop with it.
---@param yield fun(wakeup: tidetable.Wakeup, seconds: number)
---@return fun(wakeup: tidetable.Wakeup, seconds: number|nil)
function wait.yielding(yield)
  return function(wakeup, seconds)
    if coroutine.isyieldable() then
      yield(wakeup, math.min(seconds or math.huge, wakeup:timeout()))
    else
      wakeup:wait(seconds)
    end
  end
end

--- cqueues, when its controller runs this very coroutine, and that can yield here.
local function running_cqueues()
  local cqueues = package.loaded.cqueues
  if cqueues and coroutine.isyieldable() then
    local controller, direct = cqueues.running()
    if controller and direct then
      return cqueues
    end
  end
end

--- The loop's way to wait on a wakeup, or nil: then the thread may sleep.
---@param own fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil
---@return fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil
function wait.loop(own)
  if own then
    return own
  end
  local cqueues = running_cqueues()
  if cqueues then
    return function(wakeup, seconds)
      if seconds then
        cqueues.poll(wakeup, seconds)
      else
        cqueues.poll(wakeup)
      end
    end
  end
end

--- How often to look at work that goes on beside us, in seconds.
local LOOK_EVERY = 0.1

--- What event loops wait on while the core works beside us, on a thread or in a child
--- process: readable when there is something to look at. Closing it ends the work, if need be.
---@class tidetable.WorkWakeup: tidetable.Wakeup
local Work = wait.kind("tidetable.work")

function Work:pollfd()
  return self.calls.pollfd(self.core)
end

function Work.timeout()
  return LOOK_EVERY
end

--- Nothing: looking takes what there is.
function Work.clear()
end

function Work:wait(seconds)
  return self.calls.wait(self.core, math.min(seconds or LOOK_EVERY, LOOK_EVERY))
end

---@class tidetable.WorkCalls
---@field result fun(work: userdata): any  false while it goes on; or nil, err, code
---@field wait fun(work: userdata, seconds: number): boolean
---@field pollfd fun(work: userdata): integer

--- Has the core work, and waits for it; what it came to. A signal only has somebody look: what
--- the program does about it (Lua's Ctrl-C raises) it does between two looks.
---@param database table  what `wait` it has
---@param calls tidetable.WorkCalls
---@param look fun(work: userdata)|nil  called at each look
---@param start fun(...): userdata|nil, tidetable.error|nil, tidetable.code|nil
---@param ... any
---@return any result, tidetable.error|nil err, tidetable.code|nil code
function wait.work(database, calls, look, start, ...)
  -- Before it starts: once it has, nothing may fail until it can be ended.
  local wakeup <close> = wait.attach(database, setmetatable({ core = false, calls = calls }, Work))
  local work, result, err, code
  work, err, code = start(...)
  if not work then
    return nil, err, code
  end
  wakeup.core = work
  while true do
    result, err, code = calls.result(work)
    if result ~= false then
      return result, err, code
    end
    if look then
      look(work)
    end
    local loop = wait.loop(database.wait)
    if loop then
      loop(wakeup, LOOK_EVERY)
    else
      wakeup:wait(LOOK_EVERY)
    end
  end
end

--- What an event loop waits on between two attempts to open a database.
---@class tidetable.PauseWakeup: tidetable.Wakeup
local Pause = wait.kind("tidetable.pause")

function Pause:pollfd()
  return core.timer_pollfd(self.core)
end

function Pause:timeout()
  return self.seconds
end

function Pause.clear()
end

function Pause:wait()
  return core.timer_sleep(self.core)
end

function Pause:finish()
  core.timer_end(self.core)
end

--- Waits `seconds`: in the loop that runs, or asleep until a signal arrives.
---@param own fun(wakeup: tidetable.Wakeup, seconds: number)|nil
---@param seconds number
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
local function pause(own, seconds)
  local timer, err, code = core.timer(seconds)
  if not timer then
    return nil, err, code
  end
  local wakeup <close> = setmetatable({ core = timer, seconds = seconds }, Pause)
  local loop = wait.loop(own)
  if loop then
    loop(wakeup, seconds)
  else
    wakeup:wait()
  end
  return true
end

-- Seconds between two attempts to open: doubled each time, up to the second.
local FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.02

--- Opens the core's handle. While another process opens or compacts the database,
--- pauses and tries again, for `busy_timeout` seconds altogether; nothing is locked
--- in between.
---@param own fun(wakeup: tidetable.Wakeup, seconds: number)|nil  the option `wait`
---@param busy_timeout number
---@param ... any  core.open's arguments
---@return userdata|nil, tidetable.error|nil err, tidetable.code|nil code
function wait.open(own, busy_timeout, ...)
  local deadline = core.elapsed() + busy_timeout
  local seconds = FIRST_PAUSE
  while true do
    local handle, err, code, momentary = core.open(...)
    local left = deadline - core.elapsed()
    if handle or not momentary or left <= 0 then
      return handle, err, code
    end
    local paused, why, kind = pause(own, math.min(seconds, left))
    if not paused then
      return nil, why, kind
    end
    seconds = math.min(2 * seconds, LONGEST_PAUSE)
  end
end

-- The write lock -------------------------------------------------------------

--- Closing a descriptor of inotify takes up to 30 ms in the kernel, which waits until no
--- processor uses the watch any more. So a handle keeps this many that it does not use.
local SPARE_WAKEUPS = 8

--- A wakeup for the release of the lock, for as long as the variable is in scope.
local Lease = {}

local function lease_wakeup(database)
  local spare = table.remove(database.spare_wakeups or {})
  if spare then
    return setmetatable({ database = database, wakeup = spare }, Lease)
  end
  local wakeup, err, code = wait.wakeup(database, true)
  if not wakeup then
    return nil, err, code
  end
  return setmetatable({ database = database, wakeup = wakeup }, Lease)
end

function Lease:__close()
  local spares = self.database.spare_wakeups or {}
  self.database.spare_wakeups = spares
  if self.wakeup.closed or core.is_closed(self.database.core) or #spares >= SPARE_WAKEUPS then
    self.wakeup:close()
  else
    self.wakeup:on_close(nil)
    spares[#spares + 1] = self.wakeup
  end
end

--- Sleeps in this thread until the lock may be free.
local function sleep(waiter, seconds)
  core.waiter_sleep(waiter, seconds)
end

--- A way to sleep in a loop: cleared, looked at, waited for, so that no release is missed.
local function sleep_in(loop, wakeup)
  return function(waiter, seconds)
    wakeup:clear()
    local most = core.waiter_arm(waiter)
    if most > 0 then
      loop(wakeup, math.min(seconds, most))
    end
  end
end

local try_again

--- Takes what f returned; waits and calls it again as long as that is BUSY.
local function settle(queued, ...)
  local ok, _, code = ...
  if code == "BUSY" and ok == nil then
    local left = queued.deadline - core.elapsed()
    if left > 0 then
      return try_again(queued, left)
    end
  end
  return ...
end

function try_again(queued, left)
  queued.sleep(queued.waiter, left)
  core.waiter_use(queued.waiter)
  return settle(queued, queued.f(table.unpack(queued.arguments, 1, queued.arguments.n)))
end

--- Waits in the queue of writers, and calls f again until it is not BUSY any more or the
--- time has passed. f never waits.
local function queue(database, deadline, f, arguments)
  local loop = wait.loop(database.wait)
  local waiter <close>, err, code = core.waiter(database.core, loop ~= nil)
  if not waiter then
    return nil, err, code
  end
  local queued = {
    waiter = waiter, sleep = sleep, deadline = deadline, f = f, arguments = arguments,
  }
  if not loop then
    return try_again(queued, deadline - core.elapsed())
  end
  local lease <close>, why, why_code = lease_wakeup(database)
  if not lease then
    return nil, why, why_code
  end
  queued.sleep = sleep_in(loop, lease.wakeup)
  return try_again(queued, deadline - core.elapsed())
end

local function is_busy(database, ok, _, code)
  return code == "BUSY" and ok == nil and database.busy_timeout > 0
end

local function finish(database, f, arguments, ...)
  if is_busy(database, ...) then
    return queue(database, core.elapsed() + database.busy_timeout, f, arguments)
  end
  return ...
end

--- Calls f(...), which never waits. While it answers BUSY, waits for the write lock and
--- calls it again, for busy_timeout seconds in all.
---@param database table
---@param f fun(...): any, tidetable.error|nil, tidetable.code|nil
---@param ... any
---@return any ...  what f returns
function wait.try(database, f, ...)
  return finish(database, f, table.pack(...), f(...))
end

--- The same for the commonest shape: makes no table for the arguments unless it has to
--- wait.
function wait.write(database, f, a, b, c)
  local ok, err, code = f(a, b, c)
  if is_busy(database, ok, err, code) then
    return finish(database, f, table.pack(a, b, c), ok, err, code)
  end
  return ok, err, code
end

return wait
