-- wait.lua - waiting, for commits, other writers and long work, in whatever loop runs.
--
-- In order: the user's own function; the cqueues controller that runs this
-- coroutine; else the thread sleeps. We yield only to a scheduler that we
-- recognise: a generator of the user's own must get records, not somebody
-- else's sentinels.

local core = require "tidetable.core"
local misuse = require "tidetable.options".misuse

local wait = {}

--- An object that event loops wait on. The descriptor becomes readable with
--- every commit in any process; it says "look again" and no more.
---@class tidetable.Wakeup
local Wakeup = {}
Wakeup.__index = Wakeup
Wakeup.__name = "tidetable.wakeup"

--- The descriptor.
---@return integer
function Wakeup:pollfd()
  return core.bell_pollfd(self.core)
end

--- What to wait for: readable.
---@return string
function Wakeup.events()
  return "r"
end

--- How long to wait at most, in seconds: a process that is killed between its
--- commit and its signal wakes nobody.
---@return number
function Wakeup.timeout()
  return 1
end

--- Makes the descriptor unreadable until the next commit. Call it, then look,
--- then wait: what happens in between is not missed.
function Wakeup:clear()
  core.bell_clear(self.core)
end

--- Sleeps in this thread until the descriptor is readable, or so many seconds.
---@param seconds number|nil
---@return boolean ready
function Wakeup:wait(seconds)
  if seconds ~= nil and type(seconds) ~= "number" then
    misuse("wait: a number of seconds expected, got " .. type(seconds))
  end
  return core.bell_wait(self.core, math.min(seconds or 1, 1))
end

--- Has f called just before the descriptor is closed: no loop can go on with one
--- that is. Nil forgets it.
---@param f fun()|nil
function Wakeup:on_close(f)
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

---@param database table  a tidetable database
---@return tidetable.Wakeup|nil, tidetable.error|nil err, tidetable.code|nil code
function wait.wakeup(database)
  local bell, err, code = core.bell(database.core)
  if not bell then
    return nil, err, code
  end
  return wait.attach(database, setmetatable({ core = bell }, Wakeup))
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
  return core.pause_pollfd(self.core)
end

function Pause:timeout()
  return self.seconds
end

function Pause.clear()
end

function Pause:wait()
  return core.pause_sleep(self.core)
end

function Pause:finish()
  core.pause_end(self.core)
end

--- Waits `seconds`: in the loop that runs, or asleep until a signal arrives.
---@param own fun(wakeup: tidetable.Wakeup, seconds: number)|nil
---@param seconds number
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
local function pause(own, seconds)
  local timer, err, code = core.pause(seconds)
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

--- A writer that was killed signals nobody: look again this often.
local LONGEST_WRITER_WAIT = 0.05

--- Waits once; nil, err, code when there is no wakeup to be had.
local function wait_for_writer(database, seconds)
  local loop = wait.loop(database.wait)
  if not loop then
    core.wait_writer(database.core, seconds)
    return true
  end
  local wakeup <close>, err, code = wait.wakeup(database)
  if not wakeup then
    return nil, err, code
  end
  loop(wakeup, math.min(seconds, LONGEST_WRITER_WAIT))
  return true
end

local function again(database, deadline, f, ...)
  local left = deadline - core.elapsed()
  if left <= 0 then
    return f(...)
  end
  local waited, err, code = wait_for_writer(database, left)
  if not waited then
    return nil, err, code
  end
  return wait.try(database, deadline, f, ...)
end

local function settle(database, deadline, f, arguments, ...)
  local ok, _, code = ...
  if code == "BUSY" and ok == nil and database.busy_timeout > 0 then
    deadline = deadline or core.elapsed() + database.busy_timeout
    if core.elapsed() < deadline then
      return again(database, deadline, f, table.unpack(arguments, 1, arguments.n))
    end
  end
  return ...
end

--- Calls f(...), which never waits; while it answers BUSY, waits for the writer
--- and calls again, for busy_timeout seconds altogether.
function wait.try(database, deadline, f, ...)
  return settle(database, deadline, f, table.pack(...), f(...))
end

--- The same for the commonest shape, without a table for the arguments unless
--- it has to wait.
function wait.write(database, f, a, b, c)
  local ok, err, code = f(a, b, c)
  if code == "BUSY" and ok == nil then
    return settle(database, nil, f, table.pack(a, b, c), ok, err, code)
  end
  return ok, err, code
end

return wait
