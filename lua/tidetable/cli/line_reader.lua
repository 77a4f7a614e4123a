-- line_reader.lua - reads a file of any size, in pieces or line by line.
--
-- A file is read in pieces of 64 KiB; a pipe or a terminal is read as data arrives.
-- A line longer than any item is dropped, so that a file without line ends cannot
-- exhaust memory.

local console = require "tidetable.cli.console"
local core = require "tidetable.core"

local line_reader = {}

--- Number of bytes that are read at once.
line_reader.PIECE = 65536

--- Seconds without data after which a pipe is idle.
local IDLE = 0.2

--- Maximum length of a line in bytes: more than the longest item, which is 400 KB of numbers that
--- have 125 zeros each.
line_reader.MAX = 64 * 1024 * 1024

--- Returned in place of a longer line.
line_reader.TOO_LONG = setmetatable({}, { __tostring = function()
  return "line of more than 64 MiB"
end })

--- Byte order mark that some editors write at the beginning of a file. It is skipped.
line_reader.MARK = "\u{feff}"

---@class tidetable.cli.LineReader
---@field name string         for messages
---@field number integer      number of the last line
---@field offset integer      number of bytes up to the end of the last line
---@field size integer|nil    size of the file in bytes; nil: a pipe
---@field idle fun()|nil      called when a pipe has no data, before waiting for it
local Lines = {}
Lines.__index = Lines

--- Returns the number of bytes from the position to the end of the file; nil for a pipe, or if
--- there are none.
local function unread_bytes(file)
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
    size = unread_bytes(file), piece = "", at = 1, is_input = is_input,
    is_live = is_input and file:seek "cur" == nil,
  }, Lines)
end

--- Reads the data that has arrived at standard input, and waits if there is none. Returns "" at the
--- end. Calls source.idle once before it waits without limit.
local function read_live(source)
  local wait = source.idle and IDLE or nil
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

--- Reads the next piece; nil at the end. Must not be mixed with `next`. A read error ends the
--- command.
---@return string|nil
function Lines:read()
  if self.first then
    local first = self.first
    self.first = nil
    return first
  end
  local piece, problem
  if self.is_live then
    piece, problem = read_live(self)
  else
    piece, problem = self.file:read(line_reader.PIECE)
  end
  if problem then
    console.fail(("%s: %s"):format(self.name, problem))
  end
  return piece ~= "" and piece or nil
end

--- Returns the first piece, and keeps it for `read`; nil for an empty file.
---@param is_enough fun(piece: string): boolean  false: more is read, unless the file has no more
---@return string|nil
function Lines:peek(is_enough)
  local piece = self:read()
  while piece and not is_enough(piece) do
    local more = self:read()
    if not more then
      break
    end
    piece = piece .. more
  end
  self.first = piece
  return piece
end

--- Reads the next piece for `next`. Returns false at the end.
function Lines:read_piece()
  local piece = self:read()
  self.piece, self.at = piece or "", 1
  return piece ~= nil
end

--- Returns the rest of the piece, or the text through the next line end and true.
function Lines:take_part_of_line()
  local stop = self.piece:find("\n", self.at, true)
  local part = self.piece:sub(self.at, stop)
  self.at = self.at + #part
  self.offset = self.offset + #part
  return part, stop ~= nil
end

--- Returns the next line with its end; nil at the end of the file; TOO_LONG for a line that is too
--- long.
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
    parts[#parts + 1], ended = self:take_part_of_line()
    size = size + #parts[#parts]
    if size > line_reader.MAX then
      parts = {}
    end
  end
  self.number = self.number + 1
  if size > line_reader.MAX then
    return line_reader.TOO_LONG
  end
  return table.concat(parts)
end

function Lines:close()
  if not self.is_input then
    self.file:close()
  end
end

Lines.__close = Lines.close

return line_reader
