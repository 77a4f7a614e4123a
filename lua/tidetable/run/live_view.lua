-- live_view.lua - the display of `tidetable run` on a terminal: the processors, and the last lines
-- of the log.

local core = require "tidetable.core"
local display = require "tidetable.cli.display"

local views = {}

local OUTPUT = 1
local TITLES = { "PROCESSOR", "STATE", "FOR", "WORKERS", "PER SECOND", "WAITING", "OLDEST",
  "RETRIES", "PARKED" }
local FIRST_AT_THE_RIGHT = 3

--- Names are not cut below this width, in columns.
local NAME_MIN = 8

local STYLES = {
  running = "green", retrying = "yellow", waiting = "yellow", copying = "cyan", paused = "yellow",
  ended = "red", ["no worker"] = "dim", starting = "dim", restarting = "yellow",
}

---@class tidetable.run.LiveView
---@field out tidetable.cli.Console
---@field supervisor tidetable.run.Supervisor
---@field began number
---@field unwritten string       rest of a picture that the terminal has not accepted yet
---@field has_drawn boolean
---@field last table<string, integer>  number of handled records by processor, one second ago
---@field last_at number|nil
---@field states table<string, { state: string, since: number|nil }>  by processor; since: process
---       time at which the view has seen the change to this state; nil: unknown
local View = {}
View.__index = View

---@param out tidetable.cli.Console
---@param supervisor tidetable.run.Supervisor
---@return tidetable.run.LiveView
function views.new(out, supervisor)
  return setmetatable({ out = out, supervisor = supervisor, began = core.elapsed(),
    unwritten = "", has_drawn = false, last = {}, states = {} }, View)
end

--- Returns the state of a processor as text, and the number of its workers that run.
local function state_of(processor)
  local running, starting, pausing = 0, false, false
  for _, slot in ipairs(processor.slots) do
    running = running + (slot.state == "running" and 1 or 0)
    starting = starting or slot.state == "starting"
    pausing = pausing or slot.state == "pausing"
  end
  local state = processor.about and processor.about.state or "starting"
  if processor.ending then
    state = "ended"
  elseif state == "no worker" and pausing then
    state = "restarting"
  elseif state == "no worker" and starting then
    state = "starting"
  end
  return state, running
end

--- Notes the changes of states. The first state that the view sees of a processor has an unknown
--- age, because it may be older than this command, unless the command is starting the processor.
local function note_states(self)
  local now = core.process_elapsed()
  for _, processor in ipairs(self.supervisor.processors) do
    local state, noted = state_of(processor), self.states[processor.name]
    if not noted or noted.state ~= state then
      self.states[processor.name] = { state = state,
        since = (noted or state == "starting") and now or nil }
    end
  end
end

--- Returns for how many seconds a processor has been in its state; nil if that is unknown.
local function age_of(self, processor)
  local noted, about = self.states[processor.name], processor.about
  local ended_at = noted.state == "ended"
    and (processor.ending and processor.ending.at or about and about.since)
  if ended_at then
    return math.max(core.time() - ended_at, 0)
  end
  return noted.since and core.process_elapsed() - noted.since
end

--- Returns a duration in its greatest unit, because the table has to fit in 80 columns.
local function short_duration(seconds)
  return seconds < 1 and "0s" or display.duration(math.floor(seconds)):match "^%S+"
end

local function last_error(processor)
  local about = processor.about
  local failure = processor.ending or about and about.last_error or processor.last_error
  if about and about.state == "waiting" then
    return "waits, because of " .. about.reason
  end
  return failure and failure.message
end

--- Returns the columns of a processor. age: seconds in its state; rate: handled records per second;
--- nil: unknown.
local function row_of(out, processor, age, rate)
  local state, running = state_of(processor)
  local about = processor.about
  local function shown(value, format)
    return value and format(value) or "-"
  end
  return {
    out:paint("bold", display.safe(processor.name)), out:paint(STYLES[state] or "", state),
    shown(age, short_duration),
    ("%d/%d"):format(running, processor.worker_count),
    shown(rate, function(n) return display.count(math.floor(n + 0.5)) end),
    shown(about and about.lag_records, display.count),
    about and about.lag_records and about.lag_records > 0
      and shown(about.lag_seconds, display.duration) or "-",
    shown(about and about.failures, display.count),
    out:paint(about and about.parked > 0 and "yellow" or "",
      shown(about and about.parked, display.count)),
  }
end

--- Returns the records that each processor has handled in a second since the last call.
local function rates_of(self)
  local now, rates = core.elapsed(), {}
  for _, processor in ipairs(self.supervisor.processors) do
    local count = processor.about and processor.about.records
    local before = self.last[processor.name]
    if count and before and now > self.last_at then
      rates[processor.name] = math.max(count - before, 0) / (now - self.last_at)
    end
    self.last[processor.name] = count
  end
  self.last_at = now
  return rates
end

--- Returns the line above the table.
local function header_of(self)
  local supervisor, out = self.supervisor, self.out
  local state, style = "starting", "dim"
  if supervisor.failure then
    state, style = "failed", "red"
  elseif supervisor.is_stopping then
    state, style = "stopping", "yellow"
  elseif supervisor.is_ready then
    state, style = "ready", "green"
  end
  return ("%s  %s  %s  up %s"):format(out:paint("bold", display.safe(supervisor.given.database)),
    display.safe(supervisor.given.script), out:paint(style, state),
    display.duration(core.elapsed() - self.began))
end

--- Adds a line for the last error of each processor, and one for a rejected reload.
local function add_errors(self, lines)
  local supervisor, out = self.supervisor, self.out
  if supervisor.reload_error then
    lines[#lines + 1] = out:paint("red", "reload rejected: "
      .. display.safe(supervisor.reload_error:match "^[^\n]*"))
  end
  for _, processor in ipairs(supervisor.processors) do
    local text = last_error(processor)
    if text then
      lines[#lines + 1] = out:paint(processor.ending and "red" or "yellow",
        ("%s: %s"):format(display.safe(processor.name), display.safe(text)))
    end
  end
end

--- Returns the rows as lines. If they are wider than the window, the longest names are cut, because
--- the columns at the right would be cut otherwise.
local function fit(out, rows, at_the_right)
  local lines = display.grid(rows, at_the_right)
  local window, widest, name_width = out:size(), 0, 0
  for i, line in ipairs(lines) do
    widest = math.max(widest, display.columns(line))
    name_width = math.max(name_width, display.columns(rows[i][1]))
  end
  if widest <= window then
    return lines
  end
  local room = math.max(name_width - (widest - window), NAME_MIN)
  for _, row in ipairs(rows) do
    row[1] = display.cut(row[1], room, out:ellipsis())
  end
  return display.grid(rows, at_the_right)
end

--- Returns the lines of the display.
---@param height integer  maximum number of lines
---@return string[]
function View:lines(height)
  local out, supervisor = self.out, self.supervisor
  local rates, rows, at_the_right = rates_of(self), { {} }, {}
  note_states(self)
  for i, title in ipairs(TITLES) do
    rows[1][i] = out:paint("dim", title)
    at_the_right[i] = i >= FIRST_AT_THE_RIGHT
  end
  for _, processor in ipairs(supervisor.processors) do
    rows[#rows + 1] = row_of(out, processor, age_of(self, processor), rates[processor.name])
  end
  local lines = { header_of(self), "" }
  table.move(fit(out, rows, at_the_right), 1, #rows, 3, lines)
  add_errors(self, lines)
  local kept = supervisor.log.kept
  local room = height - #lines - 1
  if supervisor.log.is_silent and room > 0 and #kept > 0 then
    lines[#lines + 1] = ""
    for i = math.max(#kept - room + 1, 1), #kept do
      lines[#lines + 1] = display.safe(kept[i])
    end
  end
  return lines
end

--- Writes the display, unless the terminal has not accepted the last one. Never waits. Before the
--- script is loaded there is nothing to show, and an error in it should not follow an empty table.
function View:draw()
  if #self.supervisor.processors == 0 and not self.has_drawn then
    return
  end
  note_states(self)
  if self.unwritten == "" then
    local _, rows = self.out:size()
    local catcher = setmetatable({ write = function(_, text) self.unwritten = text end },
      { __index = self.out })
    self.out.redraw(catcher, self:lines(rows - 1), not self.has_drawn)
    self.has_drawn = true
  end
  local written = 0
  repeat
    local before = written
    written = core.descriptor_write(OUTPUT, self.unwritten, before) or #self.unwritten
  until written == before or written == #self.unwritten
  self.unwritten = self.unwritten:sub(written + 1)
end

return views
