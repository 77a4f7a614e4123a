-- expression_faults.lua - invalid expressions whose error is known.
--
-- A fault is { kind, before, after, message, replaces, is_syntax }. It surrounds the text of a
-- valid expression, or replaces it. is_syntax: the error is found before placeholders are looked
-- up.
local faults = {}

local function long_path() return "a" .. (".a"):rep(32) end
local function list_of(count) return ("b, "):rep(count - 1) .. "b" end

local LEVELS = "The document path has too many nesting levels; nesting levels: 33"
local INDEX = "List index is not within the allowable range; index: [4294967295]"
local RESERVED = "Attribute name is a reserved keyword; reserved keyword: status"
local UNKNOWN = "Invalid function name; function: f"
local NAME = "An expression attribute name used in the document path is not defined; attribute"
  .. " name: #undefined"
local VALUE = "An expression attribute value used in expression is not defined; attribute value:"
  .. " :undefined"

local function syntax(token, near)
  return ('Syntax error; token: "%s", near: "%s"'):format(token, near)
end

local function misuse(name)
  return "The function is not allowed to be used this way in an expression; function: " .. name
end

local function operands(name, count)
  return ("Incorrect number of operands for operator or function; operator or function: %s, number"
    .. " of operands: %d"):format(name, count)
end

-- Text before and after, and the message.
local condition = {
  syntax = {
    { "", " AND AND attribute_exists(a)", syntax("AND", "AND AND attribute_exists") },
    { "", " AND a =", syntax("<EOF>", "=") },
    { "((", "))", "The expression has redundant parentheses;" },
    { "", " AND status = a", RESERVED },
    { "", " AND f(a)", UNKNOWN },
    { "", " AND list_append(a, b)",
      "The function is not allowed in a condition expression; function: list_append" },
    { "", " AND attribute_exists(a) = b", misuse "attribute_exists" },
    { "", " AND attribute_exists(" .. long_path() .. ")", LEVELS },
    { "", " AND attribute_exists(a[4294967295])", INDEX },
  },
  replacing = {
    { "", "The expression can not be empty;" },
    { "a = b" .. (" OR a = b"):rep(150),
      "The expression contains too many operators; operator count: 301" },
    { "a = b" .. (" "):rep(4092),
      "Expression size has exceeded the maximum allowed size; expression size: 4097" },
    { "a = = b", syntax("=", "= = b") },
    { "a = b c", syntax("c", "b c") },
  },
  binding = {
    { "", " AND a = :undefined", VALUE },
    { "", " AND #undefined = a", NAME },
    { "", " AND contains(a)", operands("contains", 1) },
    { "", " AND a IN (" .. list_of(101) .. ")",
      "The IN operator is provided with too many operands; number of operands: 101" },
  },
}

local update = {
  syntax = {
    { "", " SET SET a", syntax("SET", "SET SET a") },
  },
  replacing = {
    { "", "The expression can not be empty;" },
    { "SET", syntax("<EOF>", "SET") },
    { "SET a = a + b + l1", syntax("+", "b + l1") },
    { "SET a = b SET b = a",
      'The "SET" section can only be used once in an update expression;' },
    { "SET status = a", RESERVED },
    { "SET a = f(a)", UNKNOWN },
    { "SET a = contains(a, b)",
      "The function is not allowed in an update expression; function: contains" },
    { "REMOVE " .. long_path(), LEVELS },
    { "REMOVE a[4294967295]", INDEX },
  },
  binding = {},
  replacing_binding = {
    { "SET a = :undefined", VALUE },
    { "SET #undefined = a", NAME },
    { "SET a = if_not_exists(a)", operands("if_not_exists", 1) },
  },
}

local projection = {
  syntax = {
    { "", ", ,", syntax(",", ", ,") },
    { "", ", status", RESERVED },
    { "", ", " .. long_path(), LEVELS },
    { "", ", a[4294967295]", INDEX },
  },
  replacing = { { "", "The expression can not be empty;" } },
  binding = {},
  replacing_binding = { { "a, #undefined", NAME } },
}

local function all_of(kind, tables)
  local list = {}
  local function add(before, after, message, replaces, is_syntax)
    list[#list + 1] = { kind = kind, before = before, after = after, message = message,
      replaces = replaces, is_syntax = is_syntax }
  end
  for _, each in ipairs(tables.syntax) do add(each[1], each[2], each[3], false, true) end
  for _, each in ipairs(tables.binding) do add(each[1], each[2], each[3], false, false) end
  for _, each in ipairs(tables.replacing) do add(each[1], "", each[2], true, true) end
  for _, each in ipairs(tables.replacing_binding or {}) do
    add(each[1], "", each[2], true, false)
  end
  return list
end

local by_part = {
  update = all_of("Update", update), condition = all_of("Condition", condition),
  filter = all_of("Filter", condition), projection = all_of("Projection", projection),
}

--- Returns a random fault for the part of a request.
function faults.random(part)
  local list = by_part[part]
  return list[math.random(#list)]
end

--- Returns the text with the fault.
function faults.apply(fault, text)
  return fault.replaces and fault.before or fault.before .. text .. fault.after
end

return faults
