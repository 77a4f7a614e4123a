-- display.lua - formats names, numbers and values for a terminal.
--
-- A database can contain any bytes. Control characters and characters that are
-- invisible or change the writing direction are escaped, so that an item cannot
-- move the cursor or imitate other output.

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

-- Maximum number of cached characters: more than a text in any language uses.
local CACHE_MAX = 20000

--- Cache of the displayed form of each character outside ASCII.
local forms, cached = {}, 0

local function clear_forms()
  for char in next, forms do
    forms[char] = nil
  end
  cached = 0
end

setmetatable(forms, { __index = function(_, char)
  if cached == CACHE_MAX then
    clear_forms()
  end
  forms[char] = (ascii_only or not is_shown(char))
    and ("\\u{%X}"):format(utf8.codepoint(char)) or char
  cached = cached + 1
  return forms[char]
end })

--- Selects whether all characters outside ASCII are escaped as well. This is needed unless the
--- locale is UTF-8: the terminal may interpret some of their bytes as control characters.
---@param whether boolean
function display.use_ascii(whether)
  ascii_only = whether
  clear_forms()
end

--- Returns a string with characters other than printable ASCII escaped.
local function escape_characters(s)
  local parts, at = {}, 1
  while at <= #s do
    local _, bad = utf8.len(s, at)
    local last = bad and bad - 1 or #s
    parts[#parts + 1] = s:sub(at, last):gsub("%c", escape_byte)
      :gsub("[\xc2-\xf4][\x80-\xbf]+", forms)
    parts[#parts + 1] = bad and escape_byte(s:sub(bad, bad))
    at = last + 2
  end
  return table.concat(parts)
end

--- Returns a string with control characters, invalid UTF-8, and invisible or direction-changing
--- characters escaped: \n, \x00, \u{202E}.
---@param s string  any bytes
---@return string   UTF-8 on one line
function display.safe(s)
  if not s:find "[^ -~]" then
    return s
  end
  return escape_characters(s)
end

--- Returns a word, quoted for the shell if necessary.
---@param word string
---@return string
function display.word(word)
  if word:find "^[%w_./:@%%+,-]+$" then
    return word
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Width ----------------------------------------------------------------------

--- Returns the last byte of the character or the color that starts at `at`, and its width.
local function next_character(s, at)
  local byte = s:byte(at)
  if byte == 27 then
    return select(2, s:find("^\27%[[%d;]*m", at)), 0
  elseif byte < 0x80 then
    return at, 1
  end
  local last = utf8.offset(s, 2, at) - 1
  return last, math.max(core.terminal_char_columns(utf8.codepoint(s, at)), 0)
end

--- Returns the width of a text in columns. Colors have no width, and wide characters have two.
---@param s string  result of `safe`, with or without colors
---@param most integer|nil  stop counting as soon as the width is greater
---@return integer
function display.columns(s, most)
  if not s:find "[^ -~]" then
    return #s
  end
  local columns, at = 0, 1
  while at <= #s and columns <= (most or math.huge) do
    local last, wide = next_character(s, at)
    columns, at = columns + wide, last + 1
  end
  return columns
end

--- Returns a text cut to a width, with an ellipsis if something was cut. Colors are closed.
---@param s string
---@param columns integer
---@param ellipsis string|nil  default "…"
---@return string
function display.cut(s, columns, ellipsis)
  if display.columns(s, columns) <= columns then
    return s
  end
  ellipsis = ellipsis or "…"
  local columns_left = columns - display.columns(ellipsis)
  if columns_left < 0 then
    return ("."):rep(columns)
  end
  local used, at, coloured = 0, 1, false
  while true do
    local last, wide = next_character(s, at)
    if used + wide > columns_left then
      break
    end
    coloured = coloured or s:byte(at) == 27
    used, at = used + wide, last + 1
  end
  return s:sub(1, at - 1) .. ellipsis .. (coloured and "\27[0m" or "")
end

--- Returns a text without trailing blanks.
---@param s string
---@return string
function display.trimmed(s)
  return s:match "^.*[^ ]" or "" -- the pattern " +$" would be quadratic in the number of blanks
end

--- Pads a text with blanks to a width; on the left if `right` is true.
---@param s string
---@param columns integer
---@param right boolean|nil
---@return string
function display.pad(s, columns, right)
  local blanks = (" "):rep(columns - display.columns(s))
  return right and blanks .. s or s .. blanks
end

--- Formats rows of cells as lines of aligned columns, two blanks between them. A column without
--- content is left out.
---@param rows string[][]
---@param right table<integer, boolean>|nil  columns that are aligned to the right
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

--- Formats a number: 1234567 as "1,234,567".
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

--- Formats a number with a noun: "1 record", "1,234 records".
---@param number integer
---@param noun string
---@return string
function display.counted(number, noun)
  return display.count(number) .. " " .. noun .. (number == 1 and "" or "s")
end

local SIZES = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" }

--- Formats a number of bytes: "512 B", "1.5 MiB".
---@param bytes integer
---@return string
function display.bytes(bytes)
  local size, unit = bytes, 1
  while size >= 1024 and unit < #SIZES do
    size, unit = size / 1024, unit + 1
  end
  -- 1023.95 and more would be rounded to 1,024 of this unit.
  if unit > 1 and unit < #SIZES and size >= 1023.95 then
    size, unit = size / 1024, unit + 1
  end
  local shown = unit == 1 and ("%d"):format(size) or ("%.1f"):format(size):gsub("%.0$", "")
  return shown .. " " .. SIZES[unit]
end

--- Formats a duration with at most two units: "45s", "3m 20s", "1d 2h".
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

--- Formats the age of a time, in whole seconds, the resolution of os.time; nil for a time in the
--- future.
---@param seconds number  since 1970
---@param now integer|nil  default: the system clock
---@return string|nil
function display.ago(seconds, now)
  local ago = (now or os.time()) - math.floor(seconds)
  return ago >= 0 and display.duration(ago) or nil
end

--- Formats a time as local date and time.
---@param seconds number  since 1970
---@return string  "2026-01-31 12:00:00"
function display.time(seconds)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) --[[@as string]]
end

-- Values ---------------------------------------------------------------------

local value

local function hex_text(bytes)
  local shown = bytes:sub(1, 16):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)
  return ("<%s%s>"):format(shown, #bytes > 16 and (" and %d more"):format(#bytes - 16) or "")
end

local function quoted(s)
  return '"' .. display.safe((s:gsub('[\\"]', "\\%0"))) .. '"'
end

--- Formats a name, in quotes if it would be ambiguous without quotes.
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

local function join_parts(open, parts, close)
  return open .. table.concat(parts, ", ") .. close
end

local FORMATTERS = {
  S = quoted,
  N = tostring,
  BOOL = tostring,
  B = function(v)
    return hex_text(tostring(v))
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
    return join_parts("[", parts, "]")
  end,
}

local function shown_set(v)
  local parts = {}
  for i, each in ipairs(v:values()) do
    parts[i] = value(each)
  end
  return join_parts("{", parts, "}")
end

--- Formats a value of any of the ten types on one line: "text", 12.5, <00ff>, [1, 2],
--- {name: "map"}, {"a", "set"}, true, null.
---@param v any
---@return string
function value(v)
  return (FORMATTERS[types.type(v)] or shown_set)(v)
end

display.value = value

-- Number of bytes that usually fill a cell, and maximum width of an escape at their end.
local BEGINNING_BYTES, ESCAPE_COLUMNS = 1000, 8

--- Formats a value, cut to a width. Only the beginning of a long text is formatted, unless it has
--- almost no width.
---@param v any
---@param columns integer
---@param ellipsis string|nil
---@return string
function display.short(v, columns, ellipsis)
  if type(v) == "string" and #v > BEGINNING_BYTES then
    local shown = value(v:sub(1, BEGINNING_BYTES))
    if display.columns(shown) - ESCAPE_COLUMNS > columns then
      return display.cut(shown, columns, ellipsis)
    end
  end
  return display.cut(value(v), columns, ellipsis)
end

--- Formats the attributes of an item in the order of their names.
---@param item table<string, any>
---@param except table<string, any>|nil  names to leave out
---@param columns integer|nil  width after which attributes may be left out
---@return string  `a: 1, b: "x"`
function display.attributes(item, except, columns)
  local parts, used = {}, 0
  for _, key in ipairs(sorted_names(item)) do
    if columns and used > columns then
      break
    elseif not except or except[key] == nil then
      local part = name(key) .. ": "
        .. (columns and display.short(item[key], columns) or value(item[key]))
      used = used + (columns and display.columns(part, columns) or 0)
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, ", ")
end

--- Formats the values of a key, the partition key first.
---@param keys table<string, any>
---@param partition string  name of the partition key
---@param sort string|nil   name of the sort key
---@return string
function display.key(keys, partition, sort)
  local function plain(v)
    -- In quotes if it would look like a number or contains blanks.
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
