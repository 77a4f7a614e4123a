-- display.lua - words, numbers and values as people read them.
--
-- What comes out of a database may hold anything: a text that is shown has no
-- control character in it, whatever it was, so nothing in an item can move the
-- cursor, turn the reading direction or pass for another line.

local core = require "tidetable.core"
local json_text = require "tidetable.dynamodb.json_text"
local types = require "tidetable.types"

local display = {}

-- Escaping -------------------------------------------------------------------

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\27"] = "\\e" }

local function escape_byte(byte)
  return ESCAPES[byte] or ("\\x%02X"):format(byte:byte())
end

local function is_shown(char)
  return core.terminal_char_columns(utf8.codepoint(char)) >= 0
    and not json_text.is_treacherous(char)
end

local ascii_only = false

-- How many characters' looks are remembered: more than a text in any language has.
local REMEMBERED = 20000

--- What each character above ASCII is shown as; found once, for texts are long.
local looks, remembered = {}, 0

local function forget_looks()
  for char in next, looks do
    looks[char] = nil
  end
  remembered = 0
end

setmetatable(looks, { __index = function(_, char)
  if remembered == REMEMBERED then
    forget_looks()
  end
  looks[char] = (ascii_only or not is_shown(char))
    and ("\\u{%X}"):format(utf8.codepoint(char)) or char
  remembered = remembered + 1
  return looks[char]
end })

--- Whether all that is not ASCII is to be escaped too: where the locale is not of
--- UTF-8, a terminal may take some of its bytes for controls.
---@param whether boolean
function display.use_ascii(whether)
  ascii_only = whether
  forget_looks()
end

--- A string that is not only printable ASCII: what of it is UTF-8, and the bytes between.
local function escape_wide(s)
  local parts, at = {}, 1
  while at <= #s do
    local _, bad = utf8.len(s, at)
    local last = bad and bad - 1 or #s
    parts[#parts + 1] = s:sub(at, last):gsub("%c", escape_byte)
      :gsub("[\xc2-\xf4][\x80-\xbf]+", looks)
    parts[#parts + 1] = bad and escape_byte(s:sub(bad, bad))
    at = last + 2
  end
  return table.concat(parts)
end

--- A string with everything escaped that is not to be shown as it is.
---@param s string  any bytes
---@return string   UTF-8 that prints on one line
function display.safe(s)
  if not s:find "[^ -~]" then
    return s
  end
  return escape_wide(s)
end

--- A word as a shell takes it: in quotes where it would be taken for more.
---@param word string
---@return string
function display.word(word)
  if word:find "^[%w_./:@%%+,-]+$" then
    return word
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Width ----------------------------------------------------------------------

--- The end of what begins at `at`: a colour or a character; and its columns.
local function step(s, at)
  local byte = s:byte(at)
  if byte == 27 then
    return select(2, s:find("^\27%[[%d;]*m", at)), 0
  elseif byte < 0x80 then
    return at, 1
  end
  local last = utf8.offset(s, 2, at) - 1
  return last, math.max(core.terminal_char_columns(utf8.codepoint(s, at)), 0)
end

--- Columns that a text takes; colours take none.
---@param s string  what `safe` made, with colours or without
---@param most integer|nil  counts no further than to one that is above it
---@return integer
function display.columns(s, most)
  if not s:find "[^ -~]" then
    return #s
  end
  local columns, at = 0, 1
  while at <= #s and columns <= (most or math.huge) do
    local last, wide = step(s, at)
    columns, at = columns + wide, last + 1
  end
  return columns
end

--- A text of at most so many columns; what does not fit gives way to an
--- ellipsis. Colours end with the text.
---@param s string
---@param columns integer
---@param ellipsis string|nil  default "…"
---@return string
function display.cut(s, columns, ellipsis)
  if display.columns(s, columns) <= columns then
    return s
  end
  ellipsis = ellipsis or "…"
  local room = columns - display.columns(ellipsis)
  if room < 0 then
    return ("."):rep(columns)
  end
  local used, at, coloured = 0, 1, false
  while true do
    local last, wide = step(s, at)
    if used + wide > room then
      break
    end
    coloured = coloured or s:byte(at) == 27
    used, at = used + wide, last + 1
  end
  return s:sub(1, at - 1) .. ellipsis .. (coloured and "\27[0m" or "")
end

--- A text without the blanks at its end.
---@param s string
---@return string
function display.trimmed(s)
  return s:match "^.*[^ ]" or "" -- not by " +$", which looks at each blank for each blank
end

--- Filled up with blanks to so many columns; before the text when `right`.
---@param s string
---@param columns integer
---@param right boolean|nil
---@return string
function display.pad(s, columns, right)
  local blanks = (" "):rep(columns - display.columns(s))
  return right and blanks .. s or s .. blanks
end

--- Lines of cells in columns, two blanks between them. A column of which all
--- cells are empty takes no place.
---@param rows string[][]
---@param right table<integer, boolean>|nil  columns that stand at the right
---@return string[] lines
function display.grid(rows, right)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, display.columns(cell))
    end
  end
  local lines = {}
  for number, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      if widths[i] > 0 then
        cells[#cells + 1] = display.pad(cell, widths[i], right and right[i])
      end
    end
    lines[number] = display.trimmed(table.concat(cells, "  "))
  end
  return lines
end

-- Numbers --------------------------------------------------------------------

--- 1234567 as "1,234,567".
---@param number number
---@return string
function display.count(number)
  local rest
  local shown = ("%.0f"):format(number)
  repeat
    shown, rest = shown:gsub("^(-?%d+)(%d%d%d)", "%1,%2")
  until rest == 0
  return shown
end

--- How many of something: "1 record", "1,234 records".
---@param number integer
---@param noun string
---@return string
function display.counted(number, noun)
  return display.count(number) .. " " .. noun .. (number == 1 and "" or "s")
end

local SIZES = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" }

--- Bytes with the unit that fits: "512 B", "1.5 MiB".
---@param bytes integer
---@return string
function display.bytes(bytes)
  local size, unit = bytes, 1
  while size >= 1024 and unit < #SIZES do
    size, unit = size / 1024, unit + 1
  end
  -- What rounds to 1,024 of a unit is one of the next.
  if unit > 1 and unit < #SIZES and size >= 1023.95 then
    size, unit = size / 1024, unit + 1
  end
  local shown = unit == 1 and ("%d"):format(size) or ("%.1f"):format(size):gsub("%.0$", "")
  return shown .. " " .. SIZES[unit]
end

--- Seconds with the two units that say enough: "45s", "3m 20s", "1d 2h".
---@param seconds number
---@return string
function display.duration(seconds)
  if seconds > 0 and seconds < 1 then
    return ("%.0fms"):format(math.max(seconds * 1000, 1))
  end
  local left, parts = math.floor(seconds + 0.5), {}
  for _, unit in ipairs { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } } do
    local n = left // unit[1]
    if n > 0 then
      parts[#parts + 1] = n .. unit[2]
    elseif #parts > 0 then
      break
    end
    left = left % unit[1]
    if #parts == 2 then
      break
    end
  end
  return #parts > 0 and table.concat(parts, " ") or "0s"
end

--- How long ago a time was, in whole seconds, which is what the clock here has; nil: it
--- is still to come.
---@param seconds number  since 1970
---@param now integer|nil  default: the machine's clock
---@return string|nil
function display.ago(seconds, now)
  local ago = (now or os.time()) - math.floor(seconds)
  return ago >= 0 and display.duration(ago) or nil
end

--- A time as the local clock shows it.
---@param seconds number  since 1970
---@return string  "2026-01-31 12:00:00"
function display.time(seconds)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) --[[@as string]]
end

-- Values ---------------------------------------------------------------------

local value

local function hex(bytes)
  local shown = bytes:sub(1, 16):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)
  return ("<%s%s>"):format(shown, #bytes > 16 and (" and %d more"):format(#bytes - 16) or "")
end

local function quoted(s)
  return '"' .. display.safe((s:gsub('[\\"]', "\\%0"))) .. '"'
end

--- A name, with quotes only where it would be taken for something else.
local function name(s)
  return s:find "^[%a_][%w_.-]*$" and s or quoted(s)
end

local function sorted_names(map)
  local names = {}
  for key in pairs(map) do
    names[#names + 1] = key
  end
  table.sort(names)
  return names
end

local function join(open, parts, close)
  return open .. table.concat(parts, ", ") .. close
end

local SHOWN = {
  S = quoted,
  N = tostring,
  BOOL = tostring,
  B = function(v)
    return hex(tostring(v))
  end,
  NULL = function()
    return "null"
  end,
  M = function(v)
    return "{" .. display.attributes(v) .. "}"
  end,
  L = function(v)
    local parts = {}
    for i, each in ipairs(v) do
      parts[i] = value(each)
    end
    return join("[", parts, "]")
  end,
}

local function shown_set(v)
  local parts = {}
  for i, each in ipairs(v:values()) do
    parts[i] = value(each)
  end
  return join("{", parts, "}")
end

--- A value of any of the ten types, on one line: "text", 12.5, <00ff>, [1, 2],
--- {name: "map"}, {"a", "set"}, true, null.
---@param v any
---@return string
function value(v)
  return (SHOWN[types.type(v)] or shown_set)(v)
end

display.value = value

-- Bytes whose columns are more than any cell has, mostly; what an escape takes.
local BEGINNING, MARGIN = 1000, 8

--- A value of at most so many columns. Of a long text only the beginning is
--- looked at, unless that has nearly no columns.
---@param v any
---@param columns integer
---@param ellipsis string|nil
---@return string
function display.short(v, columns, ellipsis)
  if type(v) == "string" and #v > BEGINNING then
    local shown = value(v:sub(1, BEGINNING))
    if display.columns(shown) - MARGIN > columns then
      return display.cut(shown, columns, ellipsis)
    end
  end
  return display.cut(value(v), columns, ellipsis)
end

--- Name and value of each attribute, in order of their names.
---@param item table<string, any>
---@param but table<string, any>|nil  names to leave out
---@param columns integer|nil  what does not fit into so many may be missing
---@return string  `a: 1, b: "x"`
function display.attributes(item, but, columns)
  local parts, used = {}, 0
  for _, key in ipairs(sorted_names(item)) do
    if columns and used > columns then
      break
    elseif not but or but[key] == nil then
      local part = name(key) .. ": "
        .. (columns and display.short(item[key], columns) or value(item[key]))
      used = used + (columns and display.columns(part, columns) or 0)
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, ", ")
end

--- A key as people say it: the values, the partition key first.
---@param keys table<string, any>
---@param partition string  its attribute's name
---@param sort string|nil
---@return string
function display.key(keys, partition, sort)
  local function plain(v)
    -- Quotes only where it would be taken for a number, or end too early.
    local is_plain = type(v) == "string" and v:find "^[%w_./:@+\128-\255-]+$"
      and not tonumber(v) and display.safe(v) == v
    return is_plain and v or value(v)
  end
  local shown = plain(keys[partition])
  if sort and keys[sort] ~= nil then
    shown = shown .. " " .. plain(keys[sort])
  end
  return shown
end

display.name = name
display.sorted_names = sorted_names

return display
