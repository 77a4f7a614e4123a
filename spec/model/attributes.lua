-- attributes.lua - attribute values with their types, for the model of expressions.
--
-- A value is { type, value }: the value of S and B is a string, of N a text of numbers.lua, of L an
-- array, of M a table by name, of a set an array without duplicates, sorted by text. FLOAT is a
-- number that DynamoDB refuses, as the text of a Lua float. Values are never changed, except that
-- `text` keeps its result as the third element.
local numbers = require "spec.model.numbers"
local tidetable = require "tidetable"

local attributes = {}
local random = math.random

local function pick(list) return list[random(#list)] end

--- Returns the value of a number or of its text.
function attributes.number(n) return { "N", assert(numbers.canonical(tostring(n))) } end

-- Texts --------------------------------------------------------------------------------------

local text_of

local function sorted_texts(members)
  local texts = {}
  for i, member in ipairs(members) do texts[i] = text_of(member) end
  table.sort(texts)
  return table.concat(texts, ",")
end

local function quoted(s) return #s < 1000 and ("%q"):format(s) or #s .. ":" .. s end

local texts = {
  S = quoted, B = quoted,
  N = function(n) return n end,
  FLOAT = function(n) return n end,
  BOOL = tostring,
  NULL = function() return "" end,
  L = function(members)
    local list = {}
    for i, member in ipairs(members) do list[i] = text_of(member) end
    return table.concat(list, ",")
  end,
  M = function(members)
    local list = {}
    for name, member in pairs(members) do
      list[#list + 1] = ("%q="):format(name) .. text_of(member)
    end
    table.sort(list)
    return table.concat(list, ",")
  end,
  SS = sorted_texts, NS = sorted_texts, BS = sorted_texts,
}

--- Returns a text that is the same for equal values only; "none" for nil.
function attributes.text(value)
  if not value then return "none" end
  local text = value[3]
  if not text then
    text = value[1] .. "(" .. texts[value[1]](value[2]) .. ")"
    value[3] = text
  end
  return text
end
text_of = attributes.text

--- Returns true if two values are equal; false if one is missing.
function attributes.equal(a, b)
  return a ~= nil and b ~= nil and text_of(a) == text_of(b)
end

--- Returns the set of the members, each once.
function attributes.set(kind, members)
  local seen, list = {}, {}
  for _, member in ipairs(members) do
    local text = text_of(member)
    if not seen[text] then
      seen[text], list[#list + 1] = true, member
    end
  end
  table.sort(list, function(a, b) return text_of(a) < text_of(b) end)
  return { kind, list }
end

local is_ordered = { S = true, N = true, B = true }

--- Returns a < b for S, N and B of one type; otherwise nil. The locale of the tests is C.
function attributes.less(a, b)
  if not (a and b and a[1] == b[1] and is_ordered[a[1]]) then return nil end
  if a[1] == "N" then return numbers.less(a[2], b[2]) end
  return a[2] < b[2]
end

--- Returns the number of levels of M and L in a value.
function attributes.levels(value)
  if value[1] ~= "M" and value[1] ~= "L" then return 0 end
  local deepest = 0
  for _, member in pairs(value[2]) do deepest = math.max(deepest, attributes.levels(member)) end
  return deepest + 1
end

local size_of

local function size_of_members(members)
  local size = 0
  for _, member in ipairs(members) do size = size + size_of(member) end
  return size
end

local function size_of_map(members)
  local size = 0
  for name, member in pairs(members) do size = size + #name + size_of(member) end
  return size
end

local function count_of(members)
  local count = 0
  for _ in pairs(members) do count = count + 1 end
  return count
end

local sizes = {
  S = function(s) return #s end,
  N = numbers.size,
  B = function(s) return #s end,
  BOOL = function() return 1 end,
  NULL = function() return 1 end,
  L = function(members) return 3 + #members + size_of_members(members) end,
  M = function(members) return 3 + count_of(members) + size_of_map(members) end,
  SS = size_of_members, NS = size_of_members, BS = size_of_members,
}

function size_of(value) return sizes[value[1]](value[2]) end

--- Returns the size of an item in bytes, as DynamoDB counts it.
function attributes.item_size(item) return size_of_map(item[2]) end

-- Lua values of the library ------------------------------------------------------------------

local function all_to_lua(members)
  local list = {}
  for key, member in pairs(members) do list[key] = attributes.to_lua(member) end
  return list
end

local function set_to_lua(members) return tidetable.set(all_to_lua(members)) end

local function integer_in(text)
  return not text:find(".", 1, true) and math.tointeger(tonumber(text)) or nil
end

--- Returns a Lua number if it is exact, often an exact number object. Depends on the text alone, so
--- that a program can be repeated.
local function number_to_lua(text)
  if #text > 15 or #text % 4 == 3 then return assert(tidetable.number(text)) end
  return integer_in(text) or tonumber(text)
end

local to_lua = {
  S = function(s) return s end,
  B = tidetable.binary,
  N = number_to_lua,
  FLOAT = tonumber,
  BOOL = function(b) return b end,
  NULL = function() return tidetable.null end,
  L = function(members) return tidetable.list(all_to_lua(members)) end,
  M = all_to_lua, SS = set_to_lua, NS = set_to_lua, BS = set_to_lua,
}

--- Returns the argument for the library.
function attributes.to_lua(value) return to_lua[value[1]](value[2]) end

local function all_from_lua(value)
  local list = {}
  for i, member in ipairs(value) do list[i] = attributes.from_lua(member) end
  return list
end

--- Returns the shortest text that is read as this float.
local function float_text(n)
  for digits = 15, 17 do
    local text = ("%%.%dg"):format(digits):format(n)
    if tonumber(text) == n then return text end
  end
end

local function number_from_lua(n)
  if math.type(n) == "integer" then return tostring(n) end
  local text = math.type(n) == "float" and float_text(n) or tostring(n)
  text = assert(numbers.canonical((text:gsub("e%+", "e"))))
  assert(not integer_in(text), "an integer that is no Lua integer")
  return text
end

local from_lua = {
  S = function(s) return s end,
  B = tostring,
  N = number_from_lua,
  BOOL = function(b) return b end,
  NULL = function() return nil end,
  L = all_from_lua,
  M = function(value)
    local members = {}
    for name, member in pairs(value) do members[name] = attributes.from_lua(member) end
    return members
  end,
}

--- Returns the model's value for a value that the library returned; nil for nil.
function attributes.from_lua(value)
  if value == nil then return nil end
  local kind = assert(tidetable.type(value), "no attribute value")
  if from_lua[kind] then return { kind, from_lua[kind](value) } end
  local set = attributes.set(kind, all_from_lua(value))
  assert(#set[2] == #value, "a set with duplicates")
  return set
end

--- Types whose values have a text as the third element.
attributes.is_kind = {}
for kind in pairs(texts) do attributes.is_kind[kind] = true end

-- Random values ------------------------------------------------------------------------------

local strings = { "", "x", "xy", "y", "é", "\u{1F30A}x", "S" }
local usual = { "0", "1", "2", "3", "-1", "1.5", "0.25", "-0.125", "10" }
local extreme = {
  ("9"):rep(38) .. ("0"):rep(88), "-" .. ("9"):rep(38) .. ("0"):rep(88),
  "1" .. ("0"):rep(125), ("9"):rep(38), "-" .. ("9"):rep(37) .. ".9", "1" .. ("0"):rep(38),
  "0." .. ("0"):rep(129) .. "1", "-0." .. ("0"):rep(129) .. "1" .. ("0"):rep(36) .. "1",
  "0." .. ("0"):rep(128) .. "99", "0." .. ("1"):rep(38),
}
local binaries = { "", "\0", "x", "x\255", "\255" }

--- Names of attributes of items and maps.
attributes.names = { "a", "b", "l1", "m1", "z.z", "größe", "name" }

local scalars = {
  S = function() return { "S", pick(strings) } end,
  N = function() return { "N", pick(random(25) == 1 and extreme or usual) } end,
  B = function() return { "B", pick(binaries) } end,
}

local function random_set(kind)
  return function()
    local members = {}
    for i = 1, random(3) do members[i] = scalars[kind:sub(1, 1)]() end
    return attributes.set(kind, members)
  end
end

local makers = {
  S = scalars.S, N = scalars.N, B = scalars.B,
  BOOL = function() return { "BOOL", random(2) == 1 } end,
  NULL = function() return { "NULL" } end,
  SS = random_set "SS", NS = random_set "NS", BS = random_set "BS",
  L = function(depth)
    local members = {}
    for i = 1, random(0, 4) do members[i] = attributes.random(nil, depth - 1) end
    return { "L", members }
  end,
  M = function(depth)
    local members = {}
    for _ = 1, random(0, 3) do
      members[pick(attributes.names)] = attributes.random(nil, depth - 1)
    end
    return { "M", members }
  end,
}

local scalar_kinds = { "S", "N", "N", "B", "BOOL", "NULL", "SS", "NS", "BS" }
local kinds = { "S", "N", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "L", "M", "M" }

--- Returns a random value, of the given type if one is given.
function attributes.random(kind, depth)
  depth = depth or 3
  return makers[kind or pick(depth > 0 and kinds or scalar_kinds)](depth)
end

return attributes
