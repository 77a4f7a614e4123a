-- json_text.lua - strict JSON parser and writer (RFC 8259) that keeps every digit of a number.
--
-- The JSON libraries for Lua lose data that a database must keep: they convert numbers
-- to doubles, drop all but the last member of a name, and accept invalid text (dkjson:
-- comments, "1.2.3"). This module returns tidetable's values: numbers are exact, an
-- array is a list, `null` is tidetable.null. The parser uses recursive descent.

local errors = require "tidetable.dynamodb.errors"
local members = require "tidetable.members"
local misuse = require "tidetable.options".misuse
local types = require "tidetable.types"

local byte, find, sub = string.byte, string.find, string.sub

local json_text = {}

--- Maximum number of nested levels. An item has at most 32; in DynamoDB's JSON each of them is
--- inside an object with the name of its type, and a request contains the item.
local DEPTH_MAX = 100

-- Parser ---------------------------------------------------------------------

local Fault = {} -- metatable of the errors that `fail` raises

local function fail(at, reason, ...)
  error(setmetatable({ at = at, reason = reason:format(...) }, Fault), 0)
end

--- Returns the position of the next byte that is not whitespace; #s + 1 if there is none.
local function skip(s, at)
  local b = byte(s, at)
  if b and b > 32 then
    return at
  end
  return find(s, "[^ \t\r\n]", at) or #s + 1
end

--- Describes the text at a position, for a message.
local function text_at(s, at)
  local letter = s:match("^" .. utf8.charpattern, at)
  if letter == "" or letter == nil then
    return "the end"
  end
  local word = s:match("^[%w_]+", at)
  return word and ('"%s"'):format(#word > 20 and word:sub(1, 20) .. "..." or word)
    or letter:find("%c") and ("a control character (%d)"):format(letter:byte())
    or "'" .. letter .. "'"
end

local escapes = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

--- Reads the escape \uXXXX at `at`, or a surrogate pair. Returns the character and the position
--- after it.
local function read_unicode(s, at)
  local high = s:match("^%x%x%x%x", at + 2)
  if not high then
    fail(at, "invalid escape: expected four hexadecimal digits after \\u")
  end
  local code, after = tonumber(high, 16), at + 6
  if code < 0xd800 or code > 0xdfff then
    return utf8.char(code), after
  end
  local low = s:match("^\\u(%x%x%x%x)", after)
  low = low and tonumber(low, 16)
  if code > 0xdbff or not low or low < 0xdc00 or low > 0xdfff then
    fail(at, "\\u%s: unpaired surrogate", high)
  end
  return utf8.char(0x10000 + (code - 0xd800 << 10) + (low - 0xdc00)), after + 6
end

--- Reads the rest of a string from `at`, the position of its first backslash.
local function read_escaped(s, first, at)
  local pieces = { sub(s, first, at - 1) }
  while byte(s, at) == 92 do
    local plain = escapes[sub(s, at + 1, at + 1)]
    if plain then
      pieces[#pieces + 1], at = plain, at + 2
    elseif byte(s, at + 1) == 117 then
      pieces[#pieces + 1], at = read_unicode(s, at)
    else
      fail(at, "invalid escape: \\ and %s", text_at(s, at + 1))
    end
    local stop = find(s, '["\\\0-\31]', at)
    if not stop then
      return nil, at
    end
    pieces[#pieces + 1], at = sub(s, at, stop - 1), stop
  end
  return table.concat(pieces), at
end

--- Reads the string that starts at `at`. Returns it and the position after it.
local function read_string(s, at)
  local stop, value = find(s, '["\\\0-\31]', at + 1), nil
  if stop and byte(s, stop) == 34 then
    return sub(s, at + 1, stop - 1), stop + 1
  elseif stop then
    value, stop = read_escaped(s, at + 1, stop)
  end
  if not value then
    fail(at, "unterminated string")
  elseif byte(s, stop) ~= 34 then
    fail(stop, "%s in a string must be escaped", text_at(s, stop))
  end
  return value, stop + 1
end

--- Converts a decimal text to the value that the core returns for this number: an integer, or a
--- float if that is exact, else a tidetable.number. Returns nil, err, code for any other text.
---@param digits string
---@return number|tidetable.number|nil, tidetable.error|nil, string|nil
function json_text.number(digits)
  if #digits < 19 and find(digits, "^-?%d+$") then
    return math.tointeger(tonumber(digits))
  end
  local number, err, code = types.number(digits)
  if not number then
    return nil, err, code
  end
  local plain = number:tonumber()
  return types.number(plain) == number and plain or number
end

local function read_number(s, at)
  local _, stop = find(s, "^-?%d+", at)
  if not stop or find(s, "^-?0%d", at) then
    fail(at, "invalid number")
  end
  local next_byte = byte(s, stop + 1)
  if next_byte == 46 then
    _, stop = find(s, "^%.%d+", stop + 1)
    if not stop then
      fail(at, "invalid number: expected a digit after the point")
    end
    next_byte = byte(s, stop + 1)
  end
  if next_byte == 101 or next_byte == 69 then
    _, stop = find(s, "^[eE][+-]?%d+", stop + 1)
    if not stop then
      fail(at, "invalid number: expected a digit after the e")
    end
  end
  local value, err = json_text.number(sub(s, at, stop))
  if value == nil then
    fail(at, "%s", err.message)
  end
  return value, stop + 1
end

local words = { [116] = { "true", true }, [102] = { "false", false },
  [110] = { "null", types.null } }

local function read_word(s, at)
  local word = words[byte(s, at)]
  if not word or not find(s, "^" .. word[1] .. "%f[^%w_]", at) then
    fail(at, "expected a value, got %s", text_at(s, at))
  end
  return word[2], at + #word[1]
end

local read_value

--- Appends the value at `at` to a list. Returns the position after it.
local function read_element(s, at, list, depth)
  list[#list + 1], at = read_value(s, at, depth)
  return skip(s, at)
end

--- Reads the name and the value at `at` into an object. Returns the position after them.
local function read_entry(s, at, object, depth)
  if byte(s, at) ~= 34 then
    fail(at, "expected a name in double quotes, got %s", text_at(s, at))
  end
  local name, after = read_string(s, at)
  if object[name] ~= nil then
    fail(at, "duplicate name %q", name)
  end
  after = skip(s, after)
  if byte(s, after) ~= 58 then
    fail(after, "expected ':', got %s", text_at(s, after))
  end
  object[name], after = read_value(s, skip(s, after + 1), depth)
  return skip(s, after)
end

--- Reads the members between the bracket at `at` and `close`. Returns the position after `close`.
local function read_members(s, at, read_member, into, close, depth)
  at = skip(s, at + 1)
  if byte(s, at) == close then
    return at + 1
  end
  while true do
    at = read_member(s, at, into, depth)
    local b = byte(s, at)
    if b == close then
      return at + 1
    elseif b ~= 44 then
      fail(at, "expected ',' or '%s', got %s", string.char(close), text_at(s, at))
    end
    at = skip(s, at + 1)
  end
end

local function read_array(s, at, depth)
  local list = types.list {}
  return list, read_members(s, at, read_element, list, 93, depth)
end

local function read_object(s, at, depth)
  local object = {}
  at = read_members(s, at, read_entry, object, 125, depth)
  return next(object) == nil and types.map(object) or object, at
end

local readers = { [34] = read_string, [45] = read_number, [91] = read_array, [123] = read_object }
for digit = 48, 57 do
  readers[digit] = read_number
end

function read_value(s, at, depth)
  if depth == DEPTH_MAX then
    fail(at, "more than %d nested levels", DEPTH_MAX)
  end
  return (readers[byte(s, at)] or read_word)(s, at, depth + 1)
end

--- Returns the line and the column, in characters, of a byte. The text before it must be UTF-8.
local function place(s, at)
  local line, first = 1, 1
  for newline in s:gmatch("()\n") do
    if newline >= at then
      break
    end
    line, first = line + 1, newline + 1
  end
  local last = math.min(at, #s + 1) - 1
  return line, last < first and 1 or utf8.len(s, first, last, true) + 1
end

local function decode_failure(s, fault)
  local line, column = place(s, fault.at)
  return errors.validation("SerializationException",
    ("line %d, column %d: %s"):format(line, column, fault.reason),
    { line = line, column = column, reason = fault.reason })
end

local function read_all(s, at)
  if not at then
    local whole, bad = utf8.len(s)
    if not whole then
      fail(bad, "invalid UTF-8")
    end
  end
  local value
  value, at = read_value(s, skip(s, at or 1), 0)
  return value, skip(s, at)
end

--- Parses the value at byte `at` of a text of several values. Returns it and the position of the
--- next value, #s + 1 if there is none.
---@param s string
---@param at integer|nil  nil: the first value; then the whole text is checked to be UTF-8
---@return any value, integer|table next_or_err, tidetable.code|nil code
function json_text.decode_at(s, at)
  if type(s) ~= "string" then
    misuse("decode: expected a string, got " .. type(s))
  end
  local ok, value, next_at = pcall(read_all, s, at)
  if ok then
    return value, next_at
  elseif getmetatable(value) ~= Fault then
    error(value, 0)
  end
  return nil, decode_failure(s, value), "VALIDATION"
end

--- Parses a text that is one value. The value may be false, so test err. The error has the fields
--- `line`, `column` (in characters) and `reason`.
---@param s string
---@return any value, tidetable.error|nil err, tidetable.code|nil code
function json_text.decode(s)
  local value, next_at, code = json_text.decode_at(s)
  if value == nil then
    return nil, next_at, code
  elseif next_at <= #s then
    local fault = { at = next_at, reason = "expected the end, got " .. text_at(s, next_at) }
    return nil, decode_failure(s, fault), "VALIDATION"
  end
  return value
end

-- Writer ---------------------------------------------------------------------

--- Escapes. In addition to the characters that JSON requires: DEL and the control characters
--- outside ASCII, which terminals interpret, and characters that are invisible or change the
--- writing direction.
local escaped = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t", ["\127"] = "\\u007f" }
for code = 0, 31 do
  escaped[string.char(code)] = escaped[string.char(code)] or ("\\u%04x"):format(code)
end
for _, range in ipairs { { 0x80, 0x9f }, { 0x61c, 0x61c }, { 0x200b, 0x200f },
  { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff } } do
  for code = range[1], range[2] do
    escaped[utf8.char(code)] = ("\\u%04x"):format(code)
  end
end

--- Returns true for control characters and for characters that are invisible or change the writing
--- direction.
---@param char string
---@return boolean
function json_text.is_treacherous(char)
  return escaped[char] ~= nil and char ~= '"' and char ~= "\\"
end

--- Returns a string as JSON, with its quotes.
---@param s string  UTF-8
---@return string
function json_text.quote(s)
  if find(s, '[%c"\\\194\216\226\239]') then
    s = s:gsub('[%c"\\]', escaped):gsub("[\194\216\226\239][\128-\191]+", escaped)
  end
  return '"' .. s .. '"'
end

--- Returns the names of an object: those in `first` in that order, then the others, sorted.
local function names_in_order(object, first)
  local names, head = {}, 0
  for _, name in ipairs(first) do
    if object[name] ~= nil then
      head = head + 1
      names[head] = name
    end
  end
  local others = {}
  for name in next, object do
    if not first[name] then
      others[#others + 1] = name
    end
  end
  table.sort(others)
  return table.move(others, 1, #others, head + 1, names)
end

local write

local function write_list(out, list, first)
  out[#out + 1] = "["
  for i = 1, #list do
    if i > 1 then
      out[#out + 1] = ","
    end
    write(out, list[i], first)
  end
  out[#out + 1] = "]"
end

local function write_map(out, map, first)
  local only = next(map)
  if only ~= nil and next(map, only) == nil then -- usually an object that names a type
    out[#out + 1] = "{" .. json_text.quote(only) .. ":"
    write(out, map[only], first)
    out[#out + 1] = "}"
    return
  end
  out[#out + 1] = "{"
  for i, name in ipairs(names_in_order(map, first)) do
    out[#out + 1] = (i > 1 and "," or "") .. json_text.quote(name) .. ":"
    write(out, map[name], first)
  end
  out[#out + 1] = "}"
end

local writers = {
  S = function(out, s) out[#out + 1] = json_text.quote(s) end,
  N = function(out, n)
    out[#out + 1] = math.type(n) == "integer" and tostring(n) or tostring(types.number(n))
  end,
  BOOL = function(out, value) out[#out + 1] = tostring(value) end,
  NULL = function(out) out[#out + 1] = "null" end,
  L = write_list,
  M = write_map,
}

function write(out, value, first)
  local writer = writers[types.type(value)]
  if not writer then
    misuse(("encode: a %s cannot be encoded as JSON"):format(types.type(value) or type(value)))
  end
  writer(out, value, first)
end

--- Returns the argument `first` of `encode`: names in an order.
---@param names string[]
---@return table
function json_text.order(names)
  local order = {}
  for _, name in ipairs(names) do
    if not order[name] then
      order[#order + 1], order[name] = name, true
    end
  end
  return order
end

local no_order = json_text.order {}

--- Returns a value as JSON on one line, with sorted names. Raises for a value that JSON cannot
--- represent: a set, a binary, or a value that no item can have.
---@param value any
---@param first table|nil  from json_text.order: names that come first in every object
---@return string
function json_text.encode(value, first)
  local out = {}
  write(out, value, first or no_order)
  return table.concat(out)
end

return members.guard_module(json_text, "json_text")
