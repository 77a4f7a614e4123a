-- types.lua - DynamoDB's types that Lua lacks: null, exact numbers, binaries, lists, maps and sets.
--
-- Numbers and binaries are userdata of the core. Lists, maps and sets are tables with a metatable
-- of the core. The methods of sets are defined here.

local guard = require "tidetable.members".guard
local misuse = require "tidetable.options".misuse
local values = require "tidetable.core".values

local metatables = values.metatables

--- DynamoDB's NULL. Compare with `==`, because it is true in a Lua condition. It is the same value
--- as cjson.null.
---@class tidetable.null: lightuserdata

---@alias tidetable.rounding
---| "half_even"  # to the nearest; a tie to the even digit
---| "half_up"    # to the nearest; a tie away from zero
---| "half_down"  # to the nearest; a tie towards zero
---| "up"         # away from zero
---| "down"       # towards zero
---| "ceiling"    # towards +infinity
---| "floor"      # towards -infinity

---@alias tidetable.numeric number | tidetable.number

--- An immutable decimal number of up to 38 digits. Its operators accept Lua numbers too, except
--- `==`, which Lua calls only for two userdata. An operation whose exact result has more than 38
--- digits or is out of range raises VALIDATION.
---@class tidetable.number: userdata
---@field tointeger fun(self: tidetable.number): integer?   nil if it is not a 64-bit integer
---@field tofloat fun(self: tidetable.number): number?      nil if no float has this value
---@field tonumber fun(self: tidetable.number): number      an integer, or the nearest float
---@field compare fun(self: tidetable.number, other: tidetable.numeric): -1|0|1|nil  nil: NaN
---@field equals fun(self: tidetable.number, other: any): boolean  by value
---@field sign fun(self: tidetable.number): -1|0|1
---@field abs fun(self: tidetable.number): tidetable.number
---@field digits fun(self: tidetable.number): integer       significant digits, 1 to 38
---@field places fun(self: tidetable.number): integer       digits after the point, 0 to 167
---@field is_integer fun(self: tidetable.number): boolean
---@field round tidetable.number.round
---@field divide tidetable.number.divide
---@field format tidetable.number.format
---@operator add(tidetable.numeric): tidetable.number
---@operator sub(tidetable.numeric): tidetable.number
---@operator mul(tidetable.numeric): tidetable.number
---@operator idiv(tidetable.numeric): tidetable.number
---@operator mod(tidetable.numeric): tidetable.number
---@operator unm: tidetable.number
---@operator concat: string

--- Returns the number rounded to `places` digits after the point, -125 to 167, default 0; default
--- "half_even".
---@alias tidetable.number.round
---| fun(self, places?: integer, how?: tidetable.rounding): tidetable.number

--- Returns the quotient rounded to `places` digits after the point; default "half_even". Division
--- by zero raises VALIDATION.
---@alias tidetable.number.divide
---| fun(self, by: tidetable.numeric, places: integer, how?: tidetable.rounding): tidetable.number

--- Returns the number without exponent, with `places` digits after the point, 0 to 167; default
--- all.
---@alias tidetable.number.format
---| fun(self, places?: integer, how?: tidetable.rounding): string

--- A string of bytes. `tostring` returns a Lua string, `#` the number of bytes.
---@class tidetable.binary: userdata
---@field sub fun(self: tidetable.binary, first: integer, last?: integer): tidetable.binary
---@operator len: integer
---@operator concat: tidetable.binary

---@class tidetable.list: table
---@class tidetable.map: table

---@alias tidetable.member string | number | tidetable.number | tidetable.binary

--- Unique members of one type, stored in the array part of the table: `#` and `ipairs` work as with
--- an array. The order is undefined.
---@class tidetable.set: table
---@field [integer] tidetable.member
local set_methods = {}

local types = {
  null = values.null, ---@type tidetable.null
}

--- Returns the exact number of a decimal text or a Lua number. Returns VALIDATION if the value is
--- not a number, has more than 38 digits or is out of range.
---@type fun(from: string | number | tidetable.number): tidetable.number?, tidetable.error?, string?
types.number = values.number

--- Returns a binary with the bytes of a string.
---@type fun(from: string | tidetable.binary): tidetable.binary
types.binary = values.binary

local function set_kind(t, metatable, name)
  if type(t) ~= "table" then
    misuse(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(t)))
  end
  local current = getmetatable(t)
  if current ~= nil and current ~= metatables.list and current ~= metatables.map then
    misuse(("bad argument #1 to '%s' (the table already has a metatable)"):format(name))
  end
  return setmetatable(t, metatable)
end

--- Makes a table a list, which is needed only if the table is empty. Returns the same table.
---@param t table
---@return tidetable.list
function types.list(t)
  return set_kind(t, metatables.list, "list")
end

--- Makes a table a map, which is needed only if its keys are those of an array. Returns the same
--- table.
---@param t table
---@return tidetable.map
function types.map(t)
  return set_kind(t, metatables.map, "map")
end

--- Returns DynamoDB's name for a value's type: "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS"
--- or "BS"; nil if it cannot be stored. Of the contents of a table only the first key is tested.
---@type fun(value: any): string?
types.type = values.type

--------------------------------------------------------------------------------
-- Sets
--------------------------------------------------------------------------------

local kinds = {
  S = { metatable = metatables.string_set, holds = "strings" },
  N = { metatable = metatables.number_set, holds = "numbers" },
  B = { metatable = metatables.binary_set, holds = "binaries" },
}

local kind_of_set = {}
for _, kind in pairs(kinds) do
  kind_of_set[kind.metatable] = kind
end

local function kind_of(value)
  return kinds[values.type(value)]
end

--- Returns a string that is equal for equal members only. For numbers of all three kinds it is the
--- decimal text.
local function identity(value, kind)
  if kind == kinds.S then
    return value
  end
  return tostring(kind == kinds.N and assert(values.number(value)) or value)
end

local function check_set(set, method)
  local kind = kind_of_set[getmetatable(set)]
  if not kind then
    misuse(("bad argument #1 to '%s' (set expected, got %s)"):format(method, type(set)))
  end
  return kind
end

--- Checks the arguments of a set's method. Returns the member's identity and the kind of the set.
local function check_member(set, value, method)
  local kind = check_set(set, method)
  if kind_of(value) ~= kind then
    misuse(("bad argument #2 to '%s' (this set holds %s)"):format(method, kind.holds))
  end
  return identity(value, kind), kind
end

local function index_of(set, wanted, kind)
  for i = 1, #set do
    if identity(set[i], kind) == wanted then
      return i
    end
  end
end

--- Returns a set of an array's members. Raises an error if there are none, if their types differ,
--- or if two are equal by value, as 1 and 1.0 are.
---@param members tidetable.member[]
---@return tidetable.set
function types.set(members)
  if type(members) ~= "table" then
    misuse(("bad argument #1 to 'set' (table expected, got %s)"):format(type(members)))
  end
  local kind = kind_of(members[1])
  if #members == 0 then
    misuse("bad argument #1 to 'set' (a set must not be empty)")
  elseif not kind then
    misuse("bad argument #1 to 'set' (a set holds strings, numbers or binaries)")
  end
  local set, seen = {}, {}
  for i = 1, #members do
    local value = members[i]
    if kind_of(value) ~= kind then
      misuse(("bad argument #1 to 'set' (members [1] and [%d] differ in type)"):format(i))
    end
    local id = identity(value, kind)
    if seen[id] then
      local text = "bad argument #1 to 'set' (members [%d] and [%d] are equal)"
      misuse(text:format(seen[id], i))
    end
    set[i], seen[id] = value, i
  end
  return setmetatable(set, kind.metatable)
end

--- Returns true if the value is a member.
---@param value tidetable.member
---@return boolean
function set_methods:has(value)
  local wanted, kind = check_member(self, value, "has")
  return index_of(self, wanted, kind) ~= nil
end

--- Adds a member. Returns false if the set contains it already.
---@param value tidetable.member
---@return boolean added
function set_methods:add(value)
  local wanted, kind = check_member(self, value, "add")
  if index_of(self, wanted, kind) then
    return false
  end
  self[#self + 1] = value
  return true
end

--- Removes a member. Returns false if the set does not contain it. The last member can be removed,
--- but an empty set cannot be stored.
---@param value tidetable.member
---@return boolean removed
function set_methods:remove(value)
  local wanted, kind = check_member(self, value, "remove")
  local at = index_of(self, wanted, kind)
  if not at then
    return false
  end
  self[at] = self[#self]
  self[#self] = nil
  return true
end

--- Returns a list of the members in ascending order.
---@return tidetable.list
function set_methods:values()
  check_set(self, "values")
  local copy = table.move(self, 1, #self, 1, {})
  table.sort(copy)
  return types.list(copy)
end

local function set_equal(a, b)
  local kind = kind_of_set[getmetatable(a)]
  if kind ~= kind_of_set[getmetatable(b)] or #a ~= #b then
    return false
  end
  local ids = {}
  for i = 1, #a do
    ids[identity(a[i], kind)] = true
  end
  for i = 1, #b do
    if not ids[identity(b[i], kind)] then
      return false
    end
  end
  return true
end

local function set_tostring(set)
  local texts = {}
  for i, value in ipairs(set_methods.values(set)) do
    local text = tostring(value)
    texts[i] = values.type(value) == "N" and text or ("%q"):format(text):gsub("\\\n", "\\n")
  end
  return "set{" .. table.concat(texts, ", ") .. "}"
end

guard(set_methods, "set")

for metatable in pairs(kind_of_set) do
  metatable.__index = set_methods
  metatable.__eq = set_equal
  metatable.__tostring = set_tostring
end

--- Returns the encoded value; raises if it cannot be stored.
local function encoded(value)
  local bytes, err = values.encode { value = value }
  if not bytes then
    misuse("equal: " .. err.message)
  end
  return bytes
end

--- Returns true if two items or attribute values are equal by DynamoDB's rules: of the same type,
--- numbers by value, sets in any order, maps and lists deeply. nil equals only nil.
---@param a any  raises if it cannot be stored
---@param b any
---@return boolean
function types.equal(a, b)
  return encoded(a) == encoded(b)
end

return types
