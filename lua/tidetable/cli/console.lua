-- console.lua - standard output and standard error of the command, and how a command fails.
--
-- Results are written to standard output, messages to standard error. Lines on a
-- terminal are colored and cut at the edge of the window; lines in a pipe or file
-- are plain text. A write error ends the command with a message. If the reader of
-- a pipe has closed it, the command ends without a message.
--
-- The caller passes text from a database through display.safe before it writes the
-- text to a terminal.

local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local json_text = require "tidetable.dynamodb.json_text"
local types = require "tidetable.types"

---@class tidetable.cli.Console
---@field is_terminal boolean   standard output is a terminal
---@field can_move boolean      standard output is a terminal with a movable cursor
---@field has_color boolean     standard output is colored
---@field shows_progress boolean  standard error is a terminal with a movable cursor
---@field colors_errors boolean   standard error is colored
---@field is_unicode boolean    the locale is UTF-8
local Console = {}
Console.__index = Console

local console = {}

local INPUT, OUTPUT, ERRORS = 0, 1, 2
local EPIPE = 32

--- Raised when the reader of standard output has closed it. main.lua ends without a message.
console.OUTPUT_CLOSED = setmetatable({}, { __tostring = function()
  return "standard output is closed"
end })

local STYLES = {
  bold = "1", dim = "2", red = "31", green = "32", yellow = "33", blue = "34", magenta = "35",
  cyan = "36", inverse = "7",
}

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

--- Returns true if the option --color, or else the terminal and the environment, ask for colors.
local function wants_color(when, is_terminal)
  if when == "auto" then
    return is_terminal and not variable "NO_COLOR" and variable "TERM" ~= "dumb"
  end
  return when == "always"
end

local function is_unicode()
  local locale = variable "LC_ALL" or variable "LC_CTYPE" or variable "LANG" or ""
  return locale:lower():find "utf%-?8" ~= nil
end

--- Creates the console of a command.
---@param color "auto"|"always"|"never"|nil  value of --color; default "auto"
---@return tidetable.cli.Console
function console.new(color)
  local is_terminal = core.terminal_size(OUTPUT) ~= nil
  local errors_terminal = core.terminal_size(ERRORS) ~= nil
  display.use_ascii(not is_unicode())
  return setmetatable({
    is_terminal = is_terminal,
    can_move = is_terminal and variable "TERM" ~= "dumb",
    has_color = wants_color(color or "auto", is_terminal),
    shows_progress = errors_terminal and variable "TERM" ~= "dumb",
    colors_errors = wants_color(color or "auto", errors_terminal),
    is_unicode = is_unicode(),
  }, Console)
end

--- Returns the size of the window; math.maxinteger where it is unknown or the output is not a
--- terminal. The variables COLUMNS and LINES take precedence over the terminal.
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
      error(console.OUTPUT_CLOSED, 0)
    end
    console.fail("standard output: " .. message)
  end
end

--- Writes strings to standard output, unchanged.
---@param ... string
function Console.write(_, ...)
  check_written(io.stdout:write(...))
end

--- Writes a line; on a terminal it is cut at the edge of the window.
---@param line string  may contain colors
function Console:line(line)
  check_written(io.stdout:write(self:cut(line), "\n"))
end

--- Writes lines as `line` does.
---@param lines string[]
function Console:lines(lines)
  for _, line in ipairs(lines) do
    self:line(line)
  end
end

--- Overwrites the previous lines on a terminal whose cursor can move, in one write to avoid
--- flicker. Lines below the edge of the window are left out.
---@param lines string[]
---@param is_first boolean
function Console:redraw(lines, is_first)
  local _, rows = self:size()
  local parts = { is_first and "\27[2J" or "", "\27[H" }
  for i = 1, math.min(#lines, rows - 1) do
    parts[#parts + 1] = self:cut(lines[i]) .. "\27[K\n"
  end
  parts[#parts + 1] = "\27[J"
  self:write(table.concat(parts))
end

--- Returns a line cut at the edge of the window; unchanged if the output is not a terminal.
---@param line string
---@return string
function Console:cut(line)
  if not self.is_terminal then
    return line
  end
  return display.cut(line, (self:size()), self:ellipsis())
end

--- Returns a copy that json_text.encode accepts. An empty table becomes an array, since no object
--- in the output is ever empty. Strings that are not UTF-8, such as paths, are escaped.
local function to_tree(value)
  if type(value) == "string" then
    return utf8.len(value) and value or display.safe(value)
  elseif type(value) ~= "table" then
    return value
  elseif next(value) == nil then
    return types.list {}
  end
  local copy = {}
  for name, each in next, value do
    copy[name] = to_tree(each)
  end
  return copy
end

--- Writes a value as JSON on a line.
---@param value any        tables, strings and numbers, such as the library's descriptions
---@param order string[]|nil  names that come first, in this order
function Console.json(_, value, order)
  check_written(io.stdout:write(json_text.encode(to_tree(value),
    json_text.order(order or {})), "\n"))
end

--- Flushes standard output. Must be called before waiting.
function Console.flush()
  check_written(io.stdout:flush())
end

--- Ends the command if the reader of standard output has closed it. Must be called regularly while
--- waiting.
function Console.check_reader()
  if core.terminal_wait(OUTPUT, 0) then
    error(console.OUTPUT_CLOSED, 0)
  end
end

--- Sleeps. Ends the command if the reader of standard output closes it during this time.
---@param seconds number
function Console.pause(seconds)
  local ends = core.elapsed() + seconds
  while core.elapsed() < ends do
    if core.terminal_wait(OUTPUT, math.min(ends - core.elapsed() + 0.001, 1)) then
      error(console.OUTPUT_CLOSED, 0)
    end
  end
end

--- Flushes standard output and writes a line to standard error.
---@param line string
function Console.note(line)
  Console.flush()
  io.stderr:write(line, "\n")
end

--- Asks a question on the terminal. Returns true if the answer is y or yes; nil if standard input
--- or standard output is not a terminal.
---@param question string
---@return boolean|nil
function Console:ask(question)
  if not self.is_terminal or core.terminal_size(INPUT) == nil then
    return nil
  end
  self:write(display.safe(question), " [y/N] ")
  Console.flush()
  local answer = (io.stdin:read "l" or ""):lower()
  return answer == "y" or answer == "yes"
end

-- Style ----------------------------------------------------------------------

--- Adds the escape sequences of a style to a text. Returns the text unchanged if the output is not
--- colored.
---@param style string  words of STYLES, separated by blanks; "" for no style
---@param shown string
---@return string
function Console:paint(style, shown)
  if not self.has_color or style == "" or shown == "" then
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
---@field hint string|nil   what the user can do
---@field is_usage boolean|nil  the command line is invalid: status 2
---@field status integer|nil    default 1
---@field parser table|nil  argparse's; its usage is shown
local Failure = { __name = "tidetable.cli.failure" }

function Failure:__tostring()
  return self.message
end

--- Ends the command with a message.
---@param message string
---@param hint string|nil  what the user can do
---@param status integer|nil  default 1
function console.fail(message, hint, status)
  error(setmetatable({ message = message, hint = hint, status = status }, Failure), 0)
end

--- Ends the command with a message about the command line, and status 2.
---@param message string
---@param hint string|nil
---@param parser table|nil
function console.misused(message, hint, parser)
  error(setmetatable({ message = message, hint = hint, is_usage = true, parser = parser },
    Failure), 0)
end

--- Returns true if err was raised by fail or misused.
---@param err any
---@return boolean
function console.is_failure(err)
  return getmetatable(err) == Failure
end

--- Writes an error message to standard error.
---@param name string  of the command
---@param message string
---@param hint string|nil
---@param trace string|nil  traceback of a bug
function Console:complain(name, message, hint, trace)
  io.stdout:flush()
  local red, bold, off = "", "", ""
  if self.colors_errors then
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
