-- clock.lua - a clock that replaces the system's clock in this process, until it is closed.

local core = require "tidetable.core"
local members = require "tidetable.members"
local options = require "tidetable.options"

local misuse = options.misuse

local clocks = {}

--- A clock that stands still unless the test moves it or a call of the library waits.
---@class tidetable.testing.Clock
---@field package core userdata|false  manual clock of the core; false: closed
---@field package began number  elapsed time of the core's clock when this clock was created
local Clock = {}
Clock.__index = Clock
Clock.__name = "tidetable.testing.clock"

local function check_duration(value)
  return options.time(value) and "a number of seconds from 0"
end

local function core_of(self)
  if not self.core then
    misuse "clock: it is closed"
  end
  return self.core
end

--- Returns the wall clock's time, in seconds since 1970.
---@return number
function Clock:now()
  return core_of(self):now()
end

--- Returns the seconds that have passed by the monotonic clock since the clock was created.
---@return number
function Clock:elapsed()
  return core.clock_elapsed(core_of(self)) - self.began
end

--- Lets time pass: the wall clock and the monotonic clock advance.
---@param seconds number
function Clock:advance(seconds)
  options.argument("advance", "seconds", check_duration, seconds)
  core_of(self):advance(seconds)
end

--- Sets the wall clock, forward or back, as an administrator would. No time passes.
---@param time number  seconds since 1970
function Clock:set(time)
  options.argument("set", "time", options.time, time)
  core_of(self):set(time)
end

--- Removes the clock: the process has the time of the clock that it replaced. Calling it twice is
--- allowed.
function Clock:close()
  if self.core then
    core.close_clock(self.core)
    self.core = false
  end
end

Clock.__close = Clock.close

options.methods(Clock, "clock")
members.guard(Clock, "clock")

--- Replaces the clock of this process.
---@param start number|nil  seconds since 1970; default: the present time
---@return tidetable.testing.Clock
function clocks.new(start)
  if start ~= nil then
    options.argument("clock", "start", options.time, start)
  end
  local clock = core.replace_clock(start or core.time())
  return setmetatable({ core = clock, began = core.clock_elapsed(clock) }, Clock)
end

return clocks
