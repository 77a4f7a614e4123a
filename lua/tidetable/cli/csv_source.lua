-- csv_source.lua - reads CSV (RFC 4180) as items.
--
--   customer,placed_at,note       the header names the attributes
--   ann,1,                        an empty field: the item has no such attribute
--   ann,2,""                      an empty text
--   ann,3,"two lines, ""quoted""" a quoted field may contain delimiters and line ends
--
-- A column has the type that the table or --type declares, otherwise it is text. Types
-- are not guessed. A record that is invalid ends at the end of its line.

local console = require "tidetable.cli.console"
local item_argument = require "tidetable.cli.item_argument"
local line_reader = require "tidetable.cli.line_reader"
local types = require "tidetable.types"

local byte, find, sub = string.byte, string.find, string.sub

local csv_source = {}

---@class tidetable.cli.CsvOptions
---@field delimiter string|nil       one byte; default ","
---@field types table<string, string>  S, N or B by name of the column
---@field keys table<string, string>   types of the key attributes, by name
---@field has_nulls boolean|nil      an empty field is NULL

---@class tidetable.cli.CsvSource
---@field input tidetable.cli.LineReader
---@field number integer   number of the last record
---@field names string[]   of the columns
local Source = {}
Source.__index = Source

--- Field without quotes and without content.
local EMPTY = {}

-- Rows -----------------------------------------------------------------------

local Fault = {}

--- Returns the line, column and byte of a position in the row.
function Source:place_of(at)
  local before = utf8.len(self.row, 1, at - 1, true)
  return { line = self.input.number, column = (at > 1 and before or at - 1) + 1,
    byte = self.row_start + at }
end

local function fail(place, reason, ...)
  place.reason = reason:format(...)
  error(setmetatable(place, Fault), 0)
end

--- Reads the next line of the input as the row, or as the next part of a row that has a line end in
--- quotes. Returns nil at the end, TOO_LONG for a line that is too long.
function Source:read_line()
  self.row_start = self.input.offset
  local line = self.input:next()
  self.row = type(line) == "string" and line or ""
  self.row_end = #self.row + 1
  if byte(self.row, -1) == 10 then
    self.row_end = self.row_end - (byte(self.row, -2) == 13 and 2 or 1)
  end
  return line
end

--- Text of a quoted field. Parts are joined in groups, because each separate part needs more
--- memory.
local Text = {}
Text.__index = Text

--- Maximum number of parts that are not joined.
local PARTS = 4096

function Text:add(part)
  self.size = self.size + #part
  self.parts[#self.parts + 1] = part
  if #self.parts == PARTS then
    self[#self + 1], self.parts = table.concat(self.parts), {}
  end
end

function Text:get()
  return table.concat(self) .. table.concat(self.parts)
end

--- Raises the fault of a quote that has no end, or whose text is too long. After that the input
--- cannot be divided into rows.
local function fail_quote(opened, line)
  opened.reason = line and "quoted field of more than 64 MiB" or "unterminated quote"
  opened.is_end = true
  error(setmetatable(opened, Fault), 0)
end

--- Reads the rest of a quoted field, whose text begins at `at`. Returns the text and the position
--- after the closing quote.
function Source:read_quoted(at)
  local opened = self:place_of(at - 1)
  local text = setmetatable({ size = 0, parts = {} }, Text)
  while true do
    local quote = find(self.row, '"', at, true)
    text:add(sub(self.row, at, (quote or 0) - 1))
    if text.size > line_reader.MAX then
      fail_quote(opened, true)
    elseif quote and byte(self.row, quote + 1) == 34 then
      text:add '"'
      at = quote + 2
    elseif quote then
      return text:get(), quote + 1
    else
      local line = self:read_line()
      if type(line) ~= "string" then
        fail_quote(opened, line)
      end
      at = 1
    end
  end
end

--- Reads the field at `at`. Returns the field and the position after it.
function Source:read_field(at)
  local delimiter = self.delimiter
  if sub(self.row, at, at) == '"' then
    local text, after = self:read_quoted(at + 1)
    if after ~= self.row_end and sub(self.row, after, after) ~= delimiter then
      fail(self:place_of(after), "text after the closing quote")
    end
    return text, after
  end
  local stop = find(self.row, delimiter, at, true) or self.row_end
  local text = sub(self.row, at, stop - 1)
  local quote = find(text, '"', 1, true)
  if quote then
    fail(self:place_of(at + quote - 1), "quote in a field without quotes")
  end
  return text == "" and EMPTY or text, stop
end

--- Reads the fields of the row that begins with the current line.
function Source:read_fields()
  local fields, at = {}, 1
  while true do
    fields[#fields + 1], at = self:read_field(at)
    if at >= self.row_end then
      return fields
    end
    at = at + 1
  end
end

--- Calls f(self). Returns its result, or nil and the fault.
local function protected(self, f)
  local ok, result = pcall(f, self)
  if ok then
    return result
  elseif getmetatable(result) ~= Fault then
    error(result, 0)
  end
  return nil, result
end

-- Header ---------------------------------------------------------------------

--- Ends the command because the header is invalid.
local function fail_header(self, message, hint)
  console.fail(("%s:%d: %s"):format(self.input.name, self.input.number, message), hint)
end

local function check_names(self, names)
  local seen = {}
  for i, name in ipairs(names) do
    if name == EMPTY or name == "" then
      fail_header(self, ("column %d has no name"):format(i))
    elseif not utf8.len(name) then
      fail_header(self, ("column %d: invalid UTF-8"):format(i),
        "use iconv -t UTF-8 to convert the file")
    elseif seen[name] then
      fail_header(self, ("duplicate column %s"):format(name))
    end
    seen[name] = true
  end
  for name in pairs(self.given.keys) do
    if not seen[name] then
      fail_header(self, ("missing column %s, a key attribute"):format(name))
    end
  end
  for name in pairs(self.given.types) do
    if not seen[name] then
      console.misused(("--type: no column %s"):format(name))
    end
  end
end

--- Reads the header: the first line.
function Source:read_header()
  if type(self:read_line()) ~= "string" then
    console.fail(self.input.name .. ": no header", "the first line names the attributes")
  elseif sub(self.row, 1, #line_reader.MARK) == line_reader.MARK then
    self.row, self.row_start = sub(self.row, #line_reader.MARK + 1), #line_reader.MARK
    self.row_end = self.row_end - #line_reader.MARK
  end
  local names, fault = protected(self, self.read_fields)
  if not names then
    console.fail(("%s:%d:%d: %s"):format(self.input.name, fault.line, fault.column,
      fault.reason))
  end
  local other = #names == 1 and names[1] ~= EMPTY and not self.given.delimiter
    and names[1]:match "[;\t]"
  if other then
    fail_header(self, ("one column, whose name contains %s"):format(
      other == "\t" and "a tab" or "'" .. other .. "'"), ("use --delimiter '%s'"):format(
      other == "\t" and "\\t" or other))
  end
  check_names(self, names)
  self.names = names
  return true
end

-- Items ----------------------------------------------------------------------

--- Returns the value of a field; nil if it is absent; nil and a message if it is invalid.
function Source:parse_value(name, field)
  if field == EMPTY then
    if self.given.keys[name] then
      return nil, "a key attribute may not be empty"
    end
    return self.given.has_nulls and types.null or nil
  end
  local kind = self.given.keys[name] or self.given.types[name] or "S"
  if kind == "S" and not utf8.len(field) then
    return nil, "invalid UTF-8"
  end
  local value, problem = item_argument.parse(kind, field)
  return value, value == nil and problem or nil
end

--- Returns the item of the row. Raises a table that describes the fault if the row is invalid.
function Source:read_item()
  local place = self:place_of(1)
  place.column = nil
  local fields = self:read_fields()
  if #fields ~= #self.names then
    fail(place, "%d fields, but the header has %d", #fields, #self.names)
  end
  local item = {}
  for i, name in ipairs(self.names) do
    local value, problem = self:parse_value(name, fields[i])
    if problem then
      fail(place, "%s: %s", name, problem)
    end
    item[name] = value
  end
  return item
end

--- Returns the next record, with `item` or `fault`; nil at the end. Blank lines are skipped.
---@return tidetable.cli.Record|nil
function Source:next()
  if not self.names then
    self:read_header()
  end
  local line
  repeat
    line = self:read_line()
  until line == nil or line == line_reader.TOO_LONG or not find(line, "^\r?\n?$")
  if line == nil then
    return nil
  end
  self.number = self.number + 1
  local record = { number = self.number, line = self.input.number, byte = self.row_start + 1,
    text = line }
  if line == line_reader.TOO_LONG then
    record.text, record.fault = nil, { reason = tostring(line), line = record.line,
      byte = record.byte }
  else
    record.item, record.fault = protected(self, self.read_item)
    record.is_end = record.fault and record.fault.is_end
  end
  return record
end

--- Number of bytes before the position.
---@return integer
function Source:offset()
  return self.input.offset
end

--- Creates a source of the items of a CSV file.
---@param input tidetable.cli.LineReader
---@param given tidetable.cli.CsvOptions
---@return tidetable.cli.CsvSource
function csv_source.new(input, given)
  return setmetatable({
    input = input, given = given, delimiter = given.delimiter or ",", number = 0,
  }, Source)
end

return csv_source
