-- line_reader.lua - the lines of a file of any size, one at a time.
--
-- Read in pieces of 64 KiB, from a pipe or a terminal as they come. A line that is
-- longer than any item can be is not kept: what has no line ends, a wrong file
-- mostly, must not fill the memory.

local console = require "tidetable.cli.console"
local core = require "tidetable.core"

local line_reader = {}

local PIECE = 65536

--- Seconds after which an input that says nothing is idle.
local PATIENCE = 0.2

--- Longer than 400 KB of numbers, each written out with 125 zeros.
line_reader.MAX = 64 * 1024 * 1024

--- A line over that.
line_reader.TOO_LONG = setmetatable({}, { __tostring = function()
  return "a line of more than 64 MiB"
end })

--- The byte order mark: some editors begin a text with it. It is none of the text.
line_reader.MARK = "\u{feff}"

---@class tidetable.cli.LineReader
---@field name string         for messages
---@field number integer      of the line that was given last
---@field offset integer      bytes read, up to that line's end
---@field size integer|nil    bytes of a file; nil: nobody knows
---@field idle fun()|nil      called when an input says nothing, before it is waited for
local Lines = {}
Lines.__index = Lines

--- How many bytes are to come, if that can be told.
local function rest_of(file)
  local at = file:seek "cur"
  local last = at and file:seek "end"
  if not last or not file:seek("set", at) or last <= at then
    return nil
  end
  return last - at
end

--- Opens a file, or standard input.
---@param path string|nil  nil or "-": standard input
---@return tidetable.cli.LineReader
function line_reader.open(path)
  local is_input = path == nil or path == "-"
  local file = io.stdin
  if not is_input then
    local opened, problem = io.open(path, "rb")
    file = opened or console.fail(problem)
  end
  return setmetatable({
    file = file, name = is_input and "stdin" or path, number = 0, offset = 0,
    size = rest_of(file), piece = "", at = 1, is_input = is_input,
    is_live = is_input and file:seek "cur" == nil,
  }, Lines)
end

--- What there is of an input that may be slow; "" at its end.
local function read_live(source)
  local wait = source.idle and PATIENCE or nil
  while true do
    local piece, err, code = core.read_input(0, wait)
    if piece then
      return piece
    elseif code == "INTERRUPTED" then
      error(err, 0)
    elseif code ~= "TIMEOUT" then
      return nil, err.message
    elseif wait then
      source.idle()
    end
    wait = nil
  end
end

--- The next piece; false at the end.
function Lines:read_piece()
  local piece, problem
  if self.is_live then
    piece, problem = read_live(self)
  else
    piece, problem = self.file:read(PIECE)
  end
  if problem then
    console.fail(("%s: %s"):format(self.name, problem))
  end
  self.piece, self.at = piece or "", 1
  return self.piece ~= ""
end

--- What of a line is in this piece, and whether it ends there.
function Lines:part()
  local stop = self.piece:find("\n", self.at, true)
  local part = self.piece:sub(self.at, (stop or 0) - 1)
  self.at = stop and stop + 1 or #self.piece + 1
  self.offset = self.offset + #part + (stop and 1 or 0)
  return part, stop ~= nil
end

--- The next line without its end; nil when there is none. TOO_LONG stands for
--- one that is.
---@return string|table|nil
function Lines:next()
  local parts, size, ended = {}, 0, false
  while not ended do
    if self.at > #self.piece and not self:read_piece() then
      if size == 0 then
        return nil
      end
      break
    end
    parts[#parts + 1], ended = self:part()
    size = size + #parts[#parts] + (ended and 1 or 0)
    if size > line_reader.MAX then
      parts = {}
    end
  end
  self.number = self.number + 1
  if size > line_reader.MAX then
    return line_reader.TOO_LONG
  end
  local line = table.concat(parts):gsub("\r$", "")
  if self.number == 1 and line:sub(1, #line_reader.MARK) == line_reader.MARK then
    line = line:sub(#line_reader.MARK + 1)
  end
  return line
end

function Lines:close()
  if not self.is_input then
    self.file:close()
  end
end

Lines.__close = Lines.close

return line_reader
