-- types.lua - values that Lua has no type of its own for, and the words for them.
--
-- Numbers and binaries are userdata of the core; lists, maps and sets are plain
-- tables that a metatable marks. Only sets have more to say than their mark, and
-- they say it here.

local misuse = require "tidetable.options".misuse
local values = require "tidetable.core".values

local metatables = values.metatables

--- DynamoDB's NULL. It is a value, so it counts as true in a condition; compare
--- with `==`. (The same value as cjson.null.)
---@class tidetable.null: lightuserdata

---@alias tidetable.rounding
---| "half_even"  # to the nearer one; in the middle to the even digit
---| "half_up"    # in the middle away from zero
---| "half_down"  # in the middle towards zero
---| "up"         # away from zero
---| "down"       # towards zero
---| "ceiling"    # towards +infinity
---| "floor"      # towards -infinity

---@alias tidetable.numeric number | tidetable.number

--- A number of up to 38 digits, exact; it never changes. Compares and computes with
--- numbers of either sort; `==` only with its own kind, as Lua has it. What can't be
--- computed exactly is raised: `VALIDATION`.
---@class tidetable.number: userdata
---@field tointeger fun(self: tidetable.number): integer?   nil unless it is an integer in 64 bits
---@field tofloat fun(self: tidetable.number): number?      nil unless nothing is lost
---@field tonumber fun(self: tidetable.number): number      the integer, or the nearest float
---@field compare fun(self: tidetable.number, other: tidetable.numeric): -1|0|1|nil  nil: NaN
---@field equals fun(self: tidetable.number, other: any): boolean  by value
---@field sign fun(self: tidetable.number): -1|0|1
---@field abs fun(self: tidetable.number): tidetable.number
---@field digits fun(self: tidetable.number): integer       significant ones, 1 to 38
---@field places fun(self: tidetable.number): integer       behind the point, 0 to 167
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

--- To so many places behind the point: -125 to 167, 0 unless told otherwise.
---@alias tidetable.number.round
---| fun(self, places?: integer, how?: tidetable.rounding): tidetable.number

--- The quotient, with so many places behind the point; by zero raises.
---@alias tidetable.number.divide
---| fun(self, by: tidetable.numeric, places: integer, how?: tidetable.rounding): tidetable.number

--- The plain decimal with just so many digits behind the point, 0 to 167; with as
--- many as there are when nothing is said.
---@alias tidetable.number.format
---| fun(self, places?: integer, how?: tidetable.rounding): string

--- Bytes. `tostring` gives them as a string, `#` counts them.
---@class tidetable.binary: userdata
---@field sub fun(self: tidetable.binary, first: integer, last?: integer): tidetable.binary
---@operator len: integer
---@operator concat: tidetable.binary

---@class tidetable.list: table
---@class tidetable.map: table

---@alias tidetable.member string | number | tidetable.number | tidetable.binary

--- Members of one type, each once. They are the array part of the table: `#` and
--- `ipairs` do what they do with an array, in no order that means anything.
---@class tidetable.set: table
---@field [integer] tidetable.member
local set_methods = {}

local types = {
  null = values.null, ---@type tidetable.null
}

--- An exact number of a decimal text or a Lua number; `VALIDATION`: no number, over 38
--- digits, out of range.
---@type fun(from: string | number | tidetable.number): tidetable.number?, tidetable.error?, string?
types.number = values.number

--- A string's bytes as a binary.
---@type fun(from: string | tidetable.binary): tidetable.binary
types.binary = values.binary

local function mark(t, metatable, name)
  if type(t) ~= "table" then
    misuse(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(t)))
  end
  local now = getmetatable(t)
  if now ~= nil and now ~= metatables.list and now ~= metatables.map then
    misuse(("bad argument #1 to '%s' (the table has a metatable of its own)"):format(name))
  end
  return setmetatable(t, metatable)
end

--- Marks a table as a list, also an empty one; returns the same table.
---@param t table
---@return tidetable.list
function types.list(t)
  return mark(t, metatables.list, "list")
end

--- Marks a table as a map, also one that would pass for a list; returns the same
--- table.
---@param t table
---@return tidetable.map
function types.map(t)
  return mark(t, metatables.map, "map")
end

--- DynamoDB's name for a Lua value's type: "S", "N", "B", "BOOL", "NULL", "M",
--- "L", "SS", "NS" or "BS"; nil if it can't be stored. What a table holds is not
--- looked at, but for its first key.
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

--- What two members share if and only if they are the same member: of a number
--- its plain decimal, whether it is an integer, a float or an exact number.
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

--- The identity of a value that is asked for, added or removed.
local function check_member(set, value, method)
  local kind = check_set(set, method)
  if kind_of(value) ~= kind then
    misuse(("bad argument #2 to '%s' (this set holds %s)"):format(method, kind.holds))
  end
  return identity(value, kind), kind
end

local function position(set, wanted, kind)
  for i = 1, #set do
    if identity(set[i], kind) == wanted then
      return i
    end
  end
end

--- Makes a set of an array's members, which decide what kind it is. Raises if
--- there are none, if they are of different types, or if one stands twice: by
--- value, so that 1 and 1.0 are twice the same.
---@param members tidetable.member[]
---@return tidetable.set
function types.set(members)
  if type(members) ~= "table" then
    misuse(("bad argument #1 to 'set' (table expected, got %s)"):format(type(members)))
  end
  local kind = kind_of(members[1])
  if #members == 0 then
    misuse("bad argument #1 to 'set' (a set may not be empty)")
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
      local text = "bad argument #1 to 'set' (members [%d] and [%d] are the same)"
      misuse(text:format(seen[id], i))
    end
    set[i], seen[id] = value, i
  end
  return setmetatable(set, kind.metatable)
end

--- Whether the value is a member.
---@param value tidetable.member
---@return boolean
function set_methods:has(value)
  local wanted, kind = check_member(self, value, "has")
  return position(self, wanted, kind) ~= nil
end

--- Adds a member; false if it was there.
---@param value tidetable.member
---@return boolean added
function set_methods:add(value)
  local wanted, kind = check_member(self, value, "add")
  if position(self, wanted, kind) then
    return false
  end
  self[#self + 1] = value
  return true
end

--- Removes a member; false if it wasn't there. The last member may go, but an
--- empty set can't be stored.
---@param value tidetable.member
---@return boolean removed
function set_methods:remove(value)
  local wanted, kind = check_member(self, value, "remove")
  local at = position(self, wanted, kind)
  if not at then
    return false
  end
  self[at] = self[#self]
  self[#self] = nil
  return true
end

--- The members in ascending order, as a list.
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

for metatable in pairs(kind_of_set) do
  metatable.__index = set_methods
  metatable.__eq = set_equal
  metatable.__tostring = set_tostring
end

return types
