-- progress_bar.lua - progress of a long command: amount done, rate and remaining time.
--
-- The bar is one line on standard error, and is written only if that is a terminal
-- with a movable cursor. It is removed at the end.

local core = require "tidetable.core"
local display = require "tidetable.cli.display"

local progress_bar = {}

local WIDTH = 20   -- columns of the bar
local PAUSE = 0.1  -- minimum number of seconds between two updates
local ERRORS = 2   -- file descriptor of standard error

---@class tidetable.cli.ProgressBar
---@field total integer|nil  nil: unknown
---@field began number       monotonic time of the start, in seconds
---@field shown number       monotonic time of the last update
local Progress = {}
Progress.__index = Progress

--- Creates a progress bar. It is removed from the terminal when it is closed.
---@param console tidetable.cli.Console
---@param label string      "importing"
---@param total integer|nil  amount at the end; nil: unknown
---@param unit (fun(n: number): string)|nil  formats an amount; default: display.count
---@return tidetable.cli.ProgressBar  `local bar <close> = progress_bar.new(...)`
function progress_bar.new(console, label, total, unit)
  local now = core.elapsed()
  return setmetatable({
    console = console, label = label, total = total, unit = unit or display.count,
    began = now, shown = now, is_silent = not console.shows_progress,
  }, Progress)
end

function Progress:bar(part)
  local full = math.floor(part * WIDTH + 0.5)
  local done, rest = ("="):rep(full), ("-"):rep(WIDTH - full)
  if self.console.colors_errors then
    return "\27[32m" .. done .. "\27[0m\27[2m" .. rest .. "\27[0m"
  end
  return done .. rest
end

function Progress:line(done, seconds)
  local rate = done / seconds
  local speed = ("%s/s"):format(self.unit(rate))
  if not self.total or self.total <= 0 then
    return ("%s %s  %s"):format(self.label, self.unit(done), speed)
  end
  local part = math.min(done / self.total, 1)
  local left = rate > 0 and display.duration(math.max(self.total - done, 0) / rate) or "?"
  return ("%s %s %3.0f%%  %s of %s  %s  %s left"):format(self.label, self:bar(part),
    math.floor(part * 100), self.unit(done), self.unit(self.total), speed, left)
end

--- Shows how much is done. Writes at most ten times per second.
---@param done integer
function Progress:show(done)
  if self.is_silent then
    return
  end
  local now = core.elapsed()
  if now - self.shown < PAUSE then
    return
  end
  self.shown = now
  local columns = core.terminal_size(ERRORS)
  local line = self:line(done, now - self.began)
  if columns and columns > 0 then
    line = display.cut(line, columns - 1, "")
  end
  io.stderr:write("\r", line, "\27[K")
  io.stderr:flush()
  self.is_there = true
end

--- Removes the bar until the next `show`, so that another line can be written.
function Progress:hide()
  if self.is_there then
    io.stderr:write("\r\27[K")
    self.is_there = false
  end
end

--- Removes the bar.
function Progress:close()
  self:hide()
  self.is_silent = true
end

Progress.__close = Progress.close

return progress_bar
