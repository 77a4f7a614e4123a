-- console.lua - whoever reads what the command writes: a terminal, a pipe, a file.
--
-- Results go to standard output, all else to standard error. Colours and
-- cutting to the window's width are for terminals; a pipe gets plain text. What
-- can't be written is an error, but a reader that has gone is a quiet end.

local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local json_text = require "tidetable.dynamodb.json_text"
local types = require "tidetable.types"

---@class tidetable.cli.Console
---@field is_terminal boolean   standard output is one
---@field can_move boolean      and its cursor can be moved
---@field has_colour boolean    it gets colours
---@field shows_progress boolean  standard error is a terminal whose cursor can be moved
---@field colours_errors boolean  standard error gets colours
---@field is_unicode boolean    the locale says that arrows and lines can be shown
local Console = {}
Console.__index = Console

local console = {}

local OUTPUT, ERRORS = 1, 2
local EPIPE = 32

--- Raised when the reader has gone: main.lua ends quietly.
console.ABANDONED = setmetatable({}, { __tostring = function()
  return "nobody reads any more"
end })

local STYLES = {
  bold = "1", dim = "2", red = "31", green = "32", yellow = "33", blue = "34", magenta = "35",
  cyan = "36", inverse = "7",
}

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

--- Colours, as the option says, or as terminal and environment suggest.
local function wants_colour(when, is_terminal)
  if when == "auto" then
    return is_terminal and not variable "NO_COLOR" and variable "TERM" ~= "dumb"
  end
  return when == "always"
end

local function is_unicode()
  local locale = variable "LC_ALL" or variable "LC_CTYPE" or variable "LANG" or ""
  return locale:lower():find "utf%-?8" ~= nil
end

---@param colour "auto"|"always"|"never"|nil
---@return tidetable.cli.Console
function console.new(colour)
  local is_terminal = core.terminal_size(OUTPUT) ~= nil
  local errors_are_shown = core.terminal_size(ERRORS) ~= nil
  display.use_ascii(not is_unicode())
  return setmetatable({
    is_terminal = is_terminal,
    can_move = is_terminal and variable "TERM" ~= "dumb",
    has_colour = wants_colour(colour or "auto", is_terminal),
    shows_progress = errors_are_shown and variable "TERM" ~= "dumb",
    colours_errors = wants_colour(colour or "auto", errors_are_shown),
    is_unicode = is_unicode(),
  }, Console)
end

--- Columns and rows of the window; what a terminal does not know, and for
--- pipes, no limit. COLUMNS and LINES, where they are set, decide.
---@return integer columns, integer rows
function Console:size()
  local columns, rows = 0, 0
  if self.is_terminal then
    columns, rows = core.terminal_size(OUTPUT)
    columns = math.tointeger(tonumber(variable "COLUMNS")) or columns
    rows = math.tointeger(tonumber(variable "LINES")) or rows
    columns, rows = columns or 0, rows or 0
  end
  return columns > 0 and columns or math.maxinteger, rows > 0 and rows or math.maxinteger
end

-- Writing --------------------------------------------------------------------

local function check_written(ok, message, errno)
  if not ok then
    if errno == EPIPE then
      error(console.ABANDONED, 0)
    end
    console.fail("standard output: " .. message)
  end
end

--- Writes to standard output, as it is.
---@param ... string
function Console.write(_, ...)
  check_written(io.stdout:write(...))
end

--- Writes a line; on a terminal cut at the window's width.
---@param line string  may hold colours
function Console:line(line)
  check_written(io.stdout:write(self:cut(line), "\n"))
end

--- Writes each of these lines.
---@param lines string[]
function Console:lines(lines)
  for _, line in ipairs(lines) do
    self:line(line)
  end
end

--- A line, cut at the window's width; as it is in a pipe.
---@param line string
---@return string
function Console:cut(line)
  if not self.is_terminal then
    return line
  end
  return display.cut(line, (self:size()), self:ellipsis())
end

--- The same value as JSON can have it: what is empty is an array, for no object here
--- is, and what is not UTF-8, a path for example, is escaped.
local function presentable(value)
  if type(value) == "string" then
    return utf8.len(value) and value or display.safe(value)
  elseif type(value) ~= "table" then
    return value
  elseif next(value) == nil then
    return types.list {}
  end
  local copy = {}
  for name, each in next, value do
    copy[name] = presentable(each)
  end
  return copy
end

--- Writes a value as JSON, in a line of its own.
---@param value any        what the library says of something: names, numbers, words
---@param order string[]|nil  names that come first, in this order
function Console.json(_, value, order)
  check_written(io.stdout:write(json_text.encode(presentable(value),
    json_text.order(order or {})), "\n"))
end

--- Writes what is still in memory. Whoever is about to wait calls it.
function Console.flush()
  check_written(io.stdout:flush())
end

--- Ends quietly when nobody can read standard output any more. Whoever waits
--- for long calls it now and then.
function Console.check_reader()
  if core.terminal_wait(OUTPUT, 0) then
    error(console.ABANDONED, 0)
  end
end

--- Does nothing for so many seconds; ends quietly when the reader goes
--- meanwhile.
---@param seconds number
function Console.pause(seconds)
  local ends = core.elapsed() + seconds
  while core.elapsed() < ends do
    if core.terminal_wait(OUTPUT, math.min(ends - core.elapsed() + 0.001, 1)) then
      error(console.ABANDONED, 0)
    end
  end
end

--- Writes a line to standard error, behind the results: what is not one.
---@param line string
function Console.note(line)
  Console.flush()
  io.stderr:write(line, "\n")
end

-- How it looks ---------------------------------------------------------------

--- A text in a style, where there are colours.
---@param style string  words of STYLES, joined by blanks; "" leaves it as it is
---@param shown string
---@return string
function Console:paint(style, shown)
  if not self.has_colour or style == "" or shown == "" then
    return shown
  end
  local codes = style:gsub("%S+", STYLES):gsub(" ", ";")
  return "\27[" .. codes .. "m" .. shown .. "\27[0m"
end

---@return string
function Console:ellipsis()
  return self.is_unicode and "…" or "..."
end

---@return string
function Console:arrow()
  return self.is_unicode and "→" or "->"
end

-- Failing --------------------------------------------------------------------

---@class tidetable.cli.Failure
---@field message string
---@field hint string|nil   what to do about it
---@field is_usage boolean|nil  the command line is wrong: status 2
---@field status integer|nil    default 1
---@field parser table|nil  of argparse: whose usage to show
local Failure = { __name = "tidetable.cli.failure" }

function Failure:__tostring()
  return self.message
end

--- Ends the command with a message.
---@param message string
---@param hint string|nil  a sentence on what to do
---@param status integer|nil  default 1
function console.fail(message, hint, status)
  error(setmetatable({ message = message, hint = hint, status = status }, Failure), 0)
end

--- Ends the command with a message on how it was called, and status 2.
---@param message string
---@param hint string|nil
---@param parser table|nil
function console.misused(message, hint, parser)
  error(setmetatable({ message = message, hint = hint, is_usage = true, parser = parser },
    Failure), 0)
end

--- Whether it is what fail or misused raise.
---@param err any
---@return boolean
function console.is_failure(err)
  return getmetatable(err) == Failure
end

--- Says on standard error what went wrong.
---@param name string  the command
---@param message string
---@param hint string|nil
---@param trace string|nil  lines that say where, of a mistake of ours
function Console:complain(name, message, hint, trace)
  io.stdout:flush()
  local red, bold, off = "", "", ""
  if self.colours_errors then
    red, bold, off = "\27[31m", "\27[1m", "\27[0m"
  end
  io.stderr:write(bold, name, ":", off, " ", red, display.safe(message), off, "\n")
  if hint then
    io.stderr:write("  ", display.safe(hint), "\n")
  end
  if trace then
    io.stderr:write((trace:gsub("\t", "  "):gsub("[^\n]+", display.safe)), "\n")
  end
end

return console
