-- wait.lua - waits for commits, for the write lock and for long tasks, in the program's event loop.
--
-- If the program gives a `wait` function, that function waits. Otherwise, if a cqueues controller
-- runs this coroutine, the coroutine yields to it. Otherwise the thread sleeps. The library yields
-- only to a scheduler that it knows, because a coroutine may be a generator of the program, whose
-- caller would get the yielded value.

local core = require "tidetable.core"
local handlers = require "tidetable.consumer.handler"
local members = require "tidetable.members"
local options = require "tidetable.options"

local misuse = options.misuse

local wait = {}

--- Fields of a database that this module uses. It sets wakeups and spare_wakeups.
---@class tidetable.WaitContext
---@field core userdata|nil            handle of the core
---@field wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil  the option `wait`
---@field busy_timeout number|nil      seconds to wait for the write lock
---@field wakeups table<tidetable.Wakeup, true>|nil  open wakeups, weak keys
---@field spare_wakeups tidetable.Wakeup[]|nil  open wakeups for the write lock that are not in use

--- An object that event loops wait on. Its descriptor becomes readable with every commit in any
--- process, and may become readable without one.
---@class tidetable.Wakeup
local Wakeup = {}
Wakeup.__index = Wakeup
Wakeup.__name = "tidetable.wakeup"
Wakeup.core, Wakeup.closing, Wakeup.closed = false, false, false

--- The classes of wakeups: Wakeup and the classes returned by wait.kind.
local classes = { [Wakeup] = true }

local function check_self(self, name)
  if not classes[getmetatable(self)] then
    options.no_self(name, "wakeup")
  end
end

--- Returns the file descriptor. Raises an error if the wakeup is closed.
---@return integer
function Wakeup:pollfd()
  check_self(self, "pollfd")
  return core.wakeup_pollfd(self.core)
end

--- Returns what to wait for: "r", readable.
---@return "r"
function Wakeup.events()
  return "r"
end

--- Returns the maximum time to wait: 1 second, or 10 ms while a commit is in the file and not yet
--- visible. A writer that is killed between its commit and its notification does not make the
--- descriptor readable.
---@return number seconds
function Wakeup:timeout()
  return core.wakeup_timeout(self.core)
end

--- Makes the descriptor unreadable until the next commit. To miss no commit, call clear, then read,
--- then wait.
function Wakeup:clear()
  check_self(self, "clear")
  core.wakeup_clear(self.core)
end

--- Sleeps in this thread until the descriptor is readable, for at most `seconds` and at most
--- timeout().
---@param seconds number|nil  nil, math.huge: timeout()
---@return boolean ready  true if the descriptor is readable
function Wakeup:wait(seconds)
  check_self(self, "wait")
  if seconds ~= nil then
    options.argument("wait", "seconds", options.seconds, seconds)
  end
  return core.wakeup_wait(self.core, math.min(seconds or 1, 1))
end

--- Sets the function that is called just before the descriptor is closed, so that an event loop can
--- remove it. Raises an error if one is set already.
---@param f fun()|nil  nil: removes the function
function Wakeup:on_close(f)
  check_self(self, "on_close")
  if f ~= nil and type(f) ~= "function" then
    misuse("on_close: expected a function, got " .. type(f))
  elseif f and self.closing then
    misuse("on_close: this wakeup already has a function; use one wakeup for each coroutine")
  end
  self.closing = f
end

--- Removes the descriptor from the event loop that waits on it.
local function remove_from_loop(wakeup)
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

--- Releases the core's object.
function Wakeup:finish()
  core.finish(self.core)
end

--- Calls the function of on_close and closes the descriptor. An error of the function is raised
--- after the descriptor is closed. Calling it twice is allowed.
function Wakeup:close()
  check_self(self, "close")
  local ok, err = pcall(remove_from_loop, self)
  self.closed = true
  if self.core then
    self:finish()
  end
  if not ok then
    error(err, 0)
  end
end

Wakeup.__close = Wakeup.close

members.guard(Wakeup, "wakeup")

--- Closes the wakeups that are kept for later use. Returns true if there were any.
local function drop_spares(database)
  local spares = database.spare_wakeups or {}
  database.spare_wakeups = nil
  for _, spare in ipairs(spares) do
    spare:close()
  end
  return #spares > 0
end

--- Returns a new wakeup.
---@param database tidetable.WaitContext
---@param unlocks boolean|nil  true: readable when the write lock is released, not with commits
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

--- Registers a wakeup, so that wait.cancel calls its on_close function when the database is closed.
---@generic T
---@param database tidetable.WaitContext
---@param wakeup T
---@return T
function wait.attach(database, wakeup)
  database.wakeups = database.wakeups or setmetatable({}, { __mode = "k" })
  database.wakeups[wakeup] = true
  return wakeup
end

--- Returns a class of wakeups for another kind of descriptor. The caller defines pollfd, clear and
--- wait.
---@param name string  the metatable's __name
---@return table class
function wait.kind(name)
  local Kind = { __name = name, __close = Wakeup.__close }
  Kind.__index = Kind
  classes[Kind] = true
  return setmetatable(Kind, { __index = Wakeup })
end

--- Removes all wakeups of a database from their event loops, before the database is closed.
--- Continues after an error.
---@param database tidetable.WaitContext
---@return boolean ok, any err  the first error
function wait.cancel(database)
  local ok, first = true, nil
  for wakeup in pairs(database.wakeups or {}) do
    local cancelled, err = pcall(remove_from_loop, wakeup)
    if ok and not cancelled then
      ok, first = false, err
    end
  end
  return ok, first
end

--- Returns a `wait` function that calls a function that yields to an event loop. If the running
--- coroutine cannot yield, the thread sleeps, which blocks the event loop.
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

--- Returns the module cqueues if its controller runs this coroutine directly and it can yield.
local function running_cqueues()
  local cqueues = package.loaded.cqueues
  if cqueues and coroutine.isyieldable() then
    local controller, direct = cqueues.running()
    if controller and direct then
      return cqueues
    end
  end
end

--- Returns the function that waits on a wakeup in the event loop; nil if the thread may sleep.
---@param wait_option fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil
---@return fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil
function wait.loop(wait_option)
  if wait_option then
    return wait_option
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

--- Seconds between two polls of a task.
local POLL_INTERVAL = 0.1

--- The wakeup of a task that the core runs in a thread or in a child process. Readable when the
--- task has progressed or ended. Closing it cancels a task that is running.
---@class tidetable.WorkWakeup: tidetable.Wakeup
local Work = wait.kind("tidetable.work")

function Work:pollfd()
  return self.calls.pollfd(self.core)
end

function Work.timeout()
  return POLL_INTERVAL
end

--- Does nothing, because polling the task clears the descriptor.
function Work.clear()
end

function Work:wait(seconds)
  return self.calls.wait(self.core, math.min(seconds or POLL_INTERVAL, POLL_INTERVAL))
end

--- The core's functions for one kind of task.
---@class tidetable.WorkCalls
---@field result fun(work: userdata): any  false while the task runs; or nil, err, code
---@field wait fun(work: userdata, seconds: number): boolean
---@field pollfd fun(work: userdata): integer

--- Starts a task and waits for its result. A signal only ends the current sleep; a handler of the
--- program (Lua's Ctrl-C raises an error) runs between two polls.
---@param database tidetable.WaitContext
---@param calls tidetable.WorkCalls
---@param on_poll fun(work: userdata)|nil  called after each poll of a running task
---@param start fun(...): userdata|nil, tidetable.error|nil, tidetable.code|nil  starts the task
---@param ... any  arguments of start
---@return any result, tidetable.error|nil err, tidetable.code|nil code
function wait.work(database, calls, on_poll, start, ...)
  -- The wakeup is allocated first, because nothing may fail between the start and the assignment
  -- of `core`.
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
    if on_poll then
      on_poll(work)
    end
    local loop = wait.loop(database.wait)
    if loop then
      loop(wakeup, POLL_INTERVAL)
    else
      wakeup:wait(POLL_INTERVAL)
    end
  end
end

--- The wakeup between two attempts to open a database: readable when its timer expires.
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

--- Sleeps in this thread once. If a test has replaced the process's clock and the wait has a limit,
--- advances the clock instead of sleeping, because nothing else in this thread can advance it.
---@generic T: userdata
---@param handle T
---@param is_touched fun(handle: T): boolean  a commit may have brought something new
---@param sleep fun(handle: T, seconds: number): any
---@param seconds number|nil   maximum time; at most one second is slept
---@param has_limit boolean    the caller's wait has a limit
---@return any  what is_touched or sleep returned
function wait.in_thread(handle, is_touched, sleep, seconds, has_limit)
  if has_limit and core.is_clock_replaced() then
    local touched = is_touched(handle)
    if not touched then
      core.pass_time(seconds)
    end
    return touched
  end
  return sleep(handle, math.min(seconds or 1, 1))
end

--- Waits in the event loop, or sleeps in this thread. A signal ends the sleep early.
---@param wait_option fun(wakeup: tidetable.Wakeup, seconds: number)|nil  the option `wait`
---@param seconds number
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function wait.pause(wait_option, seconds)
  local timer, err, code = core.timer(seconds)
  if not timer then
    return nil, err, code
  end
  local wakeup <close> = setmetatable({ core = timer, seconds = seconds }, Pause)
  local loop = wait.loop(wait_option)
  if loop then
    loop(wakeup, seconds)
  else
    wakeup:wait()
  end
  return true
end

-- Seconds between two attempts to open: the first pause, then doubled up to the longest.
local FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.02

--- Opens the core's handle. While another process opens or compacts the database, pauses and tries
--- again, for at most busy_timeout in total. No lock is held during a pause.
---@param wait_option fun(wakeup: tidetable.Wakeup, seconds: number)|nil  the option `wait`
---@param busy_timeout number  seconds
---@param ... any  arguments of core.open
---@return userdata|nil, tidetable.error|nil err, tidetable.code|nil code
function wait.open(wait_option, busy_timeout, ...)
  local deadline = core.elapsed() + busy_timeout
  local seconds = FIRST_PAUSE
  while true do
    local handle, err, code, is_temporary = core.open(...)
    local seconds_left = deadline - core.elapsed()
    if handle or not is_temporary or seconds_left <= 0 then
      return handle, err, code
    end
    local paused, pause_err, pause_code = wait.pause(wait_option, math.min(seconds, seconds_left))
    if not paused then
      return nil, pause_err, pause_code
    end
    seconds = math.min(2 * seconds, LONGEST_PAUSE)
  end
end

-- The write lock -------------------------------------------------------------

--- Maximum number of unused wakeups that a handle keeps. Closing an inotify descriptor takes up to
--- 30 ms, because the kernel waits until no processor uses the watch.
local SPARE_WAKEUPS = 8

--- A wakeup for the release of the write lock, in use by one call. When the lease is closed, the
--- wakeup is kept as a spare.
---@class tidetable.WakeupLease
---@field database tidetable.WaitContext
---@field wakeup tidetable.Wakeup
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

--- Sleeps in this thread until the write lock may be free, for at most `seconds`.
local function sleep_until_unlock(waiter, seconds)
  core.waiter_sleep(waiter, seconds)
end

--- Returns a function that waits in an event loop. It clears the wakeup before it tests the lock,
--- so that no release is missed.
local function sleeper_in_loop(loop, wakeup)
  return function(waiter, seconds)
    wakeup:clear()
    local max_seconds = core.waiter_arm(waiter)
    if max_seconds > 0 then
      loop(wakeup, math.min(seconds, max_seconds))
    end
  end
end

-- The next two functions call each other by tail calls. A loop would have to pack the results of f
-- in a table, but if f has committed, no allocation may fail after that.
local wait_and_retry

--- Returns the results of f. While they are BUSY and time is left, waits and calls f again.
local function retry_if_busy(queued, ...)
  local ok, _, code = ...
  if code == "BUSY" and ok == nil then
    local seconds_left = queued.deadline - core.elapsed()
    if seconds_left > 0 then
      return wait_and_retry(queued, seconds_left)
    end
  end
  return ...
end

--- Waits for the write lock, for at most `seconds_left`, and calls f again.
function wait_and_retry(queued, seconds_left)
  queued.sleep(queued.waiter, seconds_left)
  core.waiter_use(queued.waiter)
  return retry_if_busy(queued, queued.f(table.unpack(queued.arguments, 1, queued.arguments.n)))
end

--- Waits in the queue of writers and calls f again, until it returns something other than BUSY or
--- the deadline has passed. f does not wait.
local function wait_in_queue(database, deadline, f, arguments)
  local loop = wait.loop(database.wait)
  local waiter <close>, err, code = core.waiter(database.core, loop ~= nil)
  if not waiter then
    return nil, err, code
  end
  local queued = {
    waiter = waiter, sleep = sleep_until_unlock, deadline = deadline, f = f, arguments = arguments,
  }
  if not loop then
    return wait_and_retry(queued, deadline - core.elapsed())
  end
  local lease <close>, lease_err, lease_code = lease_wakeup(database)
  if not lease then
    return nil, lease_err, lease_code
  end
  queued.sleep = sleeper_in_loop(loop, lease.wakeup)
  return wait_and_retry(queued, deadline - core.elapsed())
end

local function is_busy(database, ok, _, code)
  return code == "BUSY" and ok == nil and database.busy_timeout > 0
end

local function wait_if_busy(database, f, arguments, ...)
  if is_busy(database, ...) then
    return wait_in_queue(database, core.elapsed() + database.busy_timeout, f, arguments)
  end
  return ...
end

--- Raises NESTED if this coroutine runs a handler of a consumer, directly or in a coroutine that it
--- has resumed: a write would not be part of the handler's transaction. Coroutines of the program
--- that run while the handler waits may write.
local function refuse_in_handler(database)
  if handlers.is_running(database) then
    core.consumer_failure("NESTED", "a handler of a consumer is running: write through its tx")
  end
end

--- Calls f(...). While it returns BUSY, waits for the write lock and calls it again, for at most
--- busy_timeout in total. f does not wait.
---@param database tidetable.WaitContext
---@param f fun(...): any, tidetable.error|nil, tidetable.code|nil
---@param ... any
---@return any ...  results of f
function wait.try(database, f, ...)
  if next(handlers.running) then
    refuse_in_handler(database)
  end
  return wait_if_busy(database, f, table.pack(...), f(...))
end

--- Calls f as wait.try does, with at most three arguments and results. Creates no table for the
--- arguments unless it has to wait.
---@param database tidetable.WaitContext
---@param f fun(a: any, b: any, c: any): any, tidetable.error|nil, tidetable.code|nil
---@return any ok, any err, any code  results of f
function wait.write(database, f, a, b, c)
  if next(handlers.running) then
    refuse_in_handler(database)
  end
  return wait.read(database, f, a, b, c)
end

--- Calls a function that does not write in the same way.
---@param database tidetable.WaitContext
---@param f fun(a: any, b: any, c: any): any, tidetable.error|nil, tidetable.code|nil
---@return any ok, any err, any code  results of f
function wait.read(database, f, a, b, c)
  local ok, err, code = f(a, b, c)
  if is_busy(database, ok, err, code) then
    return wait_if_busy(database, f, table.pack(a, b, c), ok, err, code)
  end
  return ok, err, code
end

return members.guard_module(wait, "wait")
