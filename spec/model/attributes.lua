-- attributes.lua - attribute values with their types, for the model of expressions.
--
-- An attribute value is { type, value }. For S and B, value is a string; for N, an integer number
-- of thousandths; for L, an array; for M, a table indexed by name; for a set, an array without
-- duplicates, sorted by text. Values are never changed.
local tidetable = require "tidetable"

local attributes = {}
local random = math.random

local function pick(list) return list[random(#list)] end

--- Number of thousandths in 1.
attributes.ONE = 1000
local ONE = attributes.ONE

function attributes.number(thousandths) return { "N", thousandths } end

-- Texts --------------------------------------------------------------------------------------

local text_of

local function sorted_texts(members)
  local texts = {}
  for i, member in ipairs(members) do texts[i] = text_of(member) end
  table.sort(texts)
  return table.concat(texts, ",")
end

local texts = {
  S = function(s) return ("%q"):format(s) end,
  B = function(s) return ("%q"):format(s) end,
  N = function(n) return tostring(n) end,
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
  return value and ("%s(%s)"):format(value[1], texts[value[1]](value[2])) or "none"
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

--- Returns the depth of a value: 1 for a scalar or set.
function attributes.depth(value)
  local deepest = 0
  if value[1] == "M" or value[1] == "L" then
    for _, member in pairs(value[2]) do deepest = math.max(deepest, attributes.depth(member)) end
  end
  return deepest + 1
end

--- Returns the greatest magnitude of the numbers in a value.
function attributes.magnitude(value)
  if value[1] == "N" then return math.abs(value[2]) end
  local greatest = 0
  if type(value[2]) == "table" then
    for _, member in pairs(value[2]) do
      greatest = math.max(greatest, attributes.magnitude(member))
    end
  end
  return greatest
end

-- Lua values of the library ------------------------------------------------------------------

local function all_to_lua(members)
  local list = {}
  for key, member in pairs(members) do list[key] = attributes.to_lua(member) end
  return list
end

local function set_to_lua(members) return tidetable.set(all_to_lua(members)) end

local to_lua = {
  S = function(s) return s end,
  B = tidetable.binary,
  N = function(n)
    if random(10) == 1 then return assert(tidetable.number(("%.4f"):format(n / ONE))) end
    return n % ONE == 0 and n // ONE or n / ONE
  end,
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

local from_lua = {
  S = function(s) return s end,
  B = tostring,
  N = function(n)
    local thousandths = math.floor(n * ONE + 0.5)
    assert(thousandths / ONE == n, "a number that is not exact")
    assert(math.type(n) == (thousandths % ONE == 0 and "integer" or "float"))
    return thousandths
  end,
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

-- Random values ------------------------------------------------------------------------------

local strings = { "", "x", "xy", "y", "é", "\u{1F30A}x", "S" }
local numbers = { 0, 1000, 2000, 3000, -1000, 1500, 250, -125, 10000 }
local binaries = { "", "\0", "x", "x\255", "\255" }

--- Names of attributes of items and maps.
attributes.names = { "a", "b", "l1", "m1", "z.z", "größe", "name" }

local scalars = {
  S = function() return { "S", pick(strings) } end,
  N = function() return { "N", pick(numbers) } end,
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
