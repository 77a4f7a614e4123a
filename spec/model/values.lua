-- values.lua - random values for the model, with their expected results.
--
-- A value of the model is { lua, text, bytes, size }: the argument for the library; a text, equal
-- for equal values only; its length in the encoding of doc/format.md; its size by DynamoDB's
-- rules. All four are computed here, without the library. `freeze` returns the text of a value
-- that the library returned.
local tidetable = require "tidetable"

local values = {}
local random = math.random

-- Numbers: a sign, digits without zeros at either end, and the exponent of the first digit --

--- Parses a decimal: { negative, digits, exponent }; zero has no digits.
local function parse(text)
  local sign, whole, fraction, exponent =
    text:match("^([+-]?)(%d*)%.?(%d*)[eE]?([+-]?%d*)$")
  assert(sign, "invalid number: " .. text)
  local digits = whole .. fraction
  local leading = #digits:match("^0*")
  local first = #whole - 1 - leading + (math.tointeger(tonumber(exponent)) or 0)
  digits = digits:sub(leading + 1):gsub("0+$", "")
  if digits == "" then
    return { negative = false, digits = "", exponent = 0 }
  end
  return { negative = sign == "-", digits = digits, exponent = first }
end

local function shortest(float)
  for precision = 1, 17 do
    local text = ("%." .. precision .. "g"):format(float)
    if tonumber(text) == float then
      return text
    end
  end
end

local function number_text(n)
  return ("N%s%sE%d"):format(n.negative and "-" or "", n.digits, n.exponent)
end

--- Returns the number without an exponent, if it is an integer.
local function plain_integer(n)
  if n.digits == "" then
    return "0"
  elseif n.exponent < #n.digits - 1 or n.exponent > 20 then
    return nil
  end
  return (n.negative and "-" or "") .. n.digits .. ("0"):rep(n.exponent + 1 - #n.digits)
end

--- Returns the Lua value that the library must return, or nil for an exact number.
local function lua_number(n)
  local plain = plain_integer(n)
  local integer = plain and math.tointeger(tonumber(plain))
  if integer and tostring(integer) == plain then
    return integer
  end
  local text = ("%s%sE%d"):format(n.negative and "-" or "", n.digits, n.exponent - #n.digits + 1)
  local float = tonumber(text) + 0.0
  if float == float and math.abs(float) ~= math.huge and
      number_text(parse(shortest(float))) == number_text(n) then
    return float
  end
end

local function encoded_number(n)
  local count, first = #n.digits, n.exponent + 1
  if count == 0 then
    return 1
  end
  local odd = first % 2
  return ((first + odd) // 2 < -62 and 2 or 1) + (count + odd + 1) // 2
end

local function counted_number(n)
  local count = #n.digits
  if count == 0 then
    return 1
  end
  local even = count % 2 == 0 and n.exponent % 2 == 0
  return 1 + (count + 1) // 2 + (even and 1 or 0) + (n.negative and 1 or 0)
end

local function digits(count)
  local list = {}
  for i = 1, count do
    list[i] = random(0, 9)
  end
  return table.concat(list)
end

--- Returns one of the many ways to write a number.
local function spelled(n)
  local sign = n.negative and "-" or random(2) == 1 and "+" or ""
  local cut = random(0, #n.digits)
  return ("%s%s%s.%sE%d"):format(sign, ("0"):rep(random(0, 2)), n.digits:sub(1, cut),
    n.digits:sub(cut + 1) .. "0", n.exponent + 1 - cut)
end

local makers = {
  function() return parse(tostring(random(-20, 20))) end,
  function() return parse(tostring(random(0))) end,
  function() return parse(tostring(random(-1000000, 1000000))) end,
  function() return parse(shortest((random() - 0.5) * 10.0 ^ random(-120, 120))) end,
  function() return parse(("%d.%02d"):format(random(0, 9999), random(0, 99))) end,
  function()
    return parse(("%s%sE%d"):format(random(2) == 1 and "-" or "",
      random(1, 9) .. digits(random(0, 37)), random(-130, 88)))
  end,
  function() return parse("-9223372036854775808") end,
  function() return parse("1E-130") end,
  function() return parse(("9"):rep(38) .. "E88") end,
}

local function number_value(n)
  local lua = lua_number(n)
  if lua == nil or random(4) == 1 then
    lua = assert(tidetable.number(n.digits == "" and "0.0" or spelled(n)))
  elseif math.type(lua) == "integer" and random(8) == 1 and math.abs(lua) < 2 ^ 53 then
    lua = lua + 0.0
  end
  return { lua = lua, text = number_text(n), bytes = 1 + encoded_number(n),
    size = counted_number(n), number = n }
end

--- Returns a random number value.
function values.number()
  return number_value(makers[random(#makers)]())
end

function values.compare_numbers(a, b)
  local function side(n)
    return n.digits == "" and 0 or n.negative and -1 or 1
  end
  if side(a) ~= side(b) then
    return side(a) < side(b) and -1 or 1
  elseif side(a) == 0 then
    return 0
  end
  local less = side(a) > 0 and -1 or 1
  if a.exponent ~= b.exponent then
    return a.exponent < b.exponent and less or -less
  elseif a.digits ~= b.digits then
    return a.digits < b.digits and less or -less
  end
  return 0
end

-- Strings and binaries --------------------------------------------------------------------

local function varint(n)
  local width = 1
  while n >= 128 do
    n, width = n // 128, width + 1
  end
  return width
end

function values.string(s)
  return { lua = s, text = "S" .. #s .. ":" .. s, bytes = 1 + varint(#s) + #s, size = #s,
    raw = s }
end

function values.binary(s)
  return { lua = tidetable.binary(s), text = "B" .. #s .. ":" .. s, bytes = 1 + varint(#s) + #s,
    size = #s, raw = s }
end

local letters = { "a", "b", "c", "z", "0", " ", "\0", "\127", "é", "ß", "漢", "\u{1F30A}" }

--- Returns a text of about this many letters.
function values.text(count)
  local list = {}
  for i = 1, count do
    list[i] = letters[random(#letters)]
  end
  return table.concat(list)
end

--- Returns this many bytes, often special ones.
function values.noise(count)
  local list = {}
  for i = 1, count do
    list[i] = string.char(random(3) == 1 and ({ 0, 1, 127, 255 })[random(4)] or random(0, 255))
  end
  return table.concat(list)
end

-- Tables ----------------------------------------------------------------------------------

local function frozen_map(entries)
  table.sort(entries, function(a, b) return a[1] < b[1] end)
  local texts = {}
  for i, entry in ipairs(entries) do
    texts[i] = #entry[1] .. ":" .. entry[1] .. "=" .. entry[2]
  end
  return "M{" .. table.concat(texts, ",") .. "}"
end

--- Returns a map of { name = value of the model }. body: its length without type and length.
function values.map(attributes)
  local lua, entries, count, body, size = {}, {}, 0, 0, 3
  for name, value in pairs(attributes) do
    lua[name] = value.lua
    entries[#entries + 1] = { name, value.text }
    count = count + 1
    body = body + varint(#name) + #name + value.bytes
    size = size + 1 + #name + value.size
  end
  body = body + varint(count)
  return { lua = lua, text = frozen_map(entries), bytes = 5 + body, size = size, body = body,
    item_size = size - 3 - count }
end

local function list(members)
  local lua, texts, bytes, size = {}, {}, 5 + varint(#members), 3
  for i, member in ipairs(members) do
    lua[i], texts[i] = member.lua, member.text
    bytes, size = bytes + member.bytes, size + 1 + member.size
  end
  return { lua = tidetable.list(lua), text = "L[" .. table.concat(texts, ",") .. "]",
    bytes = bytes, size = size }
end

local function set(kind, members)
  local seen, lua, texts, body, size = {}, {}, {}, 0, 0
  for _, member in ipairs(members) do
    if not seen[member.text] then
      seen[member.text] = true
      lua[#lua + 1], texts[#texts + 1] = member.lua, member.text
      body, size = body + member.bytes - 1, size + member.size
    end
  end
  table.sort(texts)
  return { lua = tidetable.set(lua), text = kind .. "{" .. table.concat(texts, ",") .. "}",
    bytes = 5 + varint(#lua) + body, size = size }
end

local any

local function some(count, make)
  local made = {}
  for i = 1, count do
    made[i] = make()
  end
  return made
end

local kinds = {
  function() return values.string(values.text(random(0, 12))) end,
  function() return values.string(values.text(random(0, 12))) end,
  values.number, values.number, values.number,
  function() return values.binary(values.noise(random(0, 12))) end,
  function() return { lua = true, text = "T", bytes = 1, size = 1 } end,
  function() return { lua = false, text = "F", bytes = 1, size = 1 } end,
  function() return { lua = tidetable.null, text = "0", bytes = 1, size = 1 } end,
  function()
    return set("SS", some(random(4), function() return values.string(values.text(random(3))) end))
  end,
  function() return set("NS", some(random(4), values.number)) end,
  function()
    return set("BS", some(random(4), function() return values.binary(values.noise(random(3))) end))
  end,
  function(depth)
    return list(some(random(0, 3), function() return any(depth - 1) end))
  end,
  function(depth)
    local attributes = {}
    for _ = 1, random(0, 3) do
      attributes[values.text(random(1, 3))] = any(depth - 1)
    end
    return values.map(attributes)
  end,
}

function any(depth)
  return kinds[random(depth > 0 and #kinds or #kinds - 2)](depth)
end

--- Returns a random value of any type.
function values.any()
  return any(random(12) == 1 and 8 or 2)
end

-- Results of the library ------------------------------------------------------------------

local function frozen_number(value, plain)
  local n = parse(plain)
  local expected = lua_number(n)
  local text = number_text(n)
  if math.type(expected) ~= math.type(value) then
    return text .. " as " .. (math.type(value) or "number object")
  end
  return text
end

local function frozen_members(value, kind)
  local texts = {}
  for i, member in ipairs(value) do
    texts[i] = values.freeze(member)
  end
  if kind == "L" then
    return "L[" .. table.concat(texts, ",") .. "]"
  end
  table.sort(texts)
  return kind .. "{" .. table.concat(texts, ",") .. "}"
end

local freezers = {
  S = function(value) return "S" .. #value .. ":" .. value end,
  B = function(value) return "B" .. #value .. ":" .. tostring(value) end,
  N = function(value)
    return frozen_number(value, math.type(value) == "float" and shortest(value) or tostring(value))
  end,
  BOOL = function(value) return value and "T" or "F" end,
  NULL = function(value) return value == tidetable.null and "0" or "another null" end,
  M = function(value)
    local entries = {}
    for name, member in pairs(value) do
      entries[#entries + 1] = { name, values.freeze(member) }
    end
    return frozen_map(entries)
  end,
}

--- Returns the text of a value that the library returned.
function values.freeze(value)
  local kind = tidetable.type(value)
  local freezer = freezers[kind]
  if freezer then
    return freezer(value)
  end
  return kind and frozen_members(value, kind) or "no value: " .. type(value)
end

return values
