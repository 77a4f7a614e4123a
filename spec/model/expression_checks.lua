-- expression_checks.lua - the checks of expressions that need no item, for the model.
--
-- Each function returns the message of the first error, nil if there is none. Errors are ranked as
-- in doc/expressions.md: syntax, test by test or action by action, key attributes.
local attributes = require "spec.model.attributes"
local base64 = require "tidetable.dynamodb.base64"
local expressions = require "spec.model.expressions"

local checks = {}

--- Returns the first true result of `test` for an element of the list.
local function first(list, test)
  for i, each in ipairs(list) do
    local found = test(each, i)
    if found then return found end
  end
end

-- Paths --------------------------------------------------------------------------------------

local function shown_path(path)
  local steps = {}
  for i, step in ipairs(path) do
    steps[i] = math.type(step) and ("[%d]"):format(step) or step
  end
  return "[" .. table.concat(steps, ", ") .. "]"
end

--- Returns "overlap" if one path is a prefix of the other, "conflict" if their kinds of step differ
--- at one place.
local function clash_of(a, b)
  for i = 1, math.min(#a, #b) do
    if type(a[i]) ~= type(b[i]) then return "conflict" end
    if a[i] ~= b[i] then return nil end
  end
  return "overlap"
end

local CLASH = "Two document paths %s with each other; must remove or rewrite one of these paths;"
  .. " path one: %s, path two: %s"

--- Finds the first two paths that clash: any overlap precedes any conflict.
local function check_clashes(paths)
  return first({ "overlap", "conflict" }, function(clash)
    return first(paths, function(b, j)
      return first(table.move(paths, 1, j - 1, 1, {}), function(a)
        return clash_of(a, b) == clash and CLASH:format(clash, shown_path(a), shown_path(b))
      end)
    end)
  end)
end

local function same_path(a, b) return #a == #b and clash_of(a, b) == "overlap" end

local function add_paths(tree, paths)
  if tree.path then paths[#paths + 1] = tree.path end
  if tree.of then add_paths(tree.of, paths) end
  if tree.value and tree.value.kind then add_paths(tree.value, paths) end
  for _, each in ipairs(tree) do add_paths(each, paths) end
  return paths
end

local SCALARS = "Key attributes must be scalars; list random access '[]' and map lookup '.' are"
  .. " not allowed: Key: "

local function check_scalars(paths, keys)
  return first(paths, function(path) return #path > 1 and keys[path[1]] and SCALARS .. path[1] end)
end

-- Tests of conditions ------------------------------------------------------------------------

local all = { "S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS" }

local function set_of(...)
  local set = {}
  for _, kind in ipairs { ... } do set[kind] = true end
  return set
end

local has_size = set_of("S", "B", "L", "M", "SS", "NS", "BS")
local is_ordered, has_beginning, types = set_of("S", "N", "B"), set_of("S", "B"),
  set_of(table.unpack(all))

--- Returns the type of an operand if it is known without an item.
local function static_type(tree)
  return tree.kind == "value" and tree.value[1] or tree.kind == "size" and "N" or nil
end

local WRONG_TYPE = "Incorrect operand type for operator or function; operator or function: %s,"
  .. " operand type: %s"

local function check_types(operator, operands, fits)
  return first(operands, function(tree)
    local kind = static_type(tree)
    return kind and not fits[kind] and WRONG_TYPE:format(operator, kind)
  end)
end

local function check_sizes(operands)
  return first(operands, function(tree)
    return tree.kind == "size" and check_types("size", { tree.of }, has_size)
  end)
end

local function check_distinct(operator, tree)
  local a, b = tree[1], tree[2]
  return a.kind == "path" and b.kind == "path" and same_path(a.path, b.path)
    and ("The first operand must be distinct from the remaining operands for this operator or"
      .. " function; operator: %s, first operand: %s"):format(operator, shown_path(a.path)) or nil
end

local BOUNDS = "The BETWEEN operator requires %s; lower bound operand: AttributeValue: {%s:%s},"
  .. " upper bound operand: AttributeValue: {%s:%s}"

local function check_bounds(low, high)
  if low.kind ~= "value" or high.kind ~= "value" then return nil end
  local what = low.value[1] ~= high.value[1] and "same data type for lower and upper bounds"
    or attributes.less(high.value, low.value)
      and "upper bound to be greater than or equal to lower bound"
  local function shown(value)
    local text = (value[1] == "B" and base64.encode(value[2]) or value[2]):gsub("\0", "?")
    return text
  end
  return what and BOUNDS:format(what, low.value[1], shown(low.value), high.value[1],
    shown(high.value))
end

local function check_path(name, tree)
  return tree[1].kind ~= "path"
    and "Operator or function requires a document path; operator or function: " .. name or nil
end

local check_call = {
  attribute_exists = function(tree) return check_path("attribute_exists", tree) end,
  attribute_not_exists = function(tree) return check_path("attribute_not_exists", tree) end,
  attribute_type = function(tree)
    local name = tree[2].value
    if name[1] ~= "S" then return WRONG_TYPE:format("attribute_type", name[1]) end
    return not types[name[2]] and ("Invalid attribute type name found; type: %s, valid types:"
      .. " {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"):format(name[2]) or nil
  end,
  begins_with = function(tree)
    return check_distinct("begins_with", tree) or check_types("begins_with", tree, has_beginning)
  end,
  contains = function(tree) return check_distinct("contains", tree) end,
}

local function check_test(tree)
  if tree.kind == "compare" then
    local is_equality = tree.operator == "=" or tree.operator == "<>"
    return check_distinct(tree.operator, tree) or check_sizes(tree)
      or not is_equality and check_types(tree.operator, tree, is_ordered) or nil
  elseif tree.kind == "between" then
    return check_sizes(tree) or check_types("BETWEEN", tree, is_ordered)
      or check_bounds(tree[2], tree[3])
  elseif tree.kind == "in" then
    return check_sizes(tree)
  end
  return check_call[tree.name](tree)
end

local is_logic = { ["and"] = true, ["or"] = true, ["not"] = true }

--- Checks a condition without regard to the table.
function checks.condition(tree)
  if is_logic[tree.kind] then return first(tree, checks.condition) end
  return check_test(tree)
end

--- Checks a condition against the set of names of key attributes.
function checks.keys_of_condition(tree, keys) return check_scalars(add_paths(tree, {}), keys) end

--- Checks the filter of a query, which must not name a key attribute.
function checks.keys_of_filter(tree, keys)
  return first(add_paths(tree, {}), function(path)
    return keys[path[1]] and "Filter Expression can only contain non-primary key attributes:"
      .. " Primary key attribute: " .. path[1]
  end)
end

-- Projections --------------------------------------------------------------------------------

--- Checks a projection without regard to the table.
checks.projection = check_clashes

--- Checks a projection against the key attributes.
checks.keys_of_projection = check_scalars

-- Updates ------------------------------------------------------------------------------------

local long_names = { S = "STRING", N = "NUMBER", B = "BINARY", NULL = "NULL", L = "LIST",
  M = "MAP", BOOL = "BOOLEAN" }
local is_operand = {
  ADD = set_of("N", "SS", "NS", "BS"), DELETE = set_of("SS", "NS", "BS"),
}

local function check_action(action)
  local fits = is_operand[action.section]
  local kind = fits and action.value.value[1]
  return kind and not fits[kind] and ("Incorrect operand type for operator or function; operator:"
    .. " %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND"):format(action.section,
      long_names[kind], action.section) or nil
end

local MISUSE = "The function is not allowed to be used this way in an expression; function: "

local function check_nesting(tree, in_append)
  local appends = tree.kind == "list_append"
  if appends and in_append then return MISUSE .. "list_append" end
  return first(tree, function(each) return check_nesting(each, in_append or appends) end)
end

local sums = { ["+"] = set_of "N", ["-"] = set_of "N", list_append = set_of "L" }

--- Checks the operands of functions and sums, inner ones first.
local function check_calls(tree)
  return first(tree, check_calls)
    or sums[tree.kind] and check_types(tree.kind, tree, sums[tree.kind]) or nil
end

local function check_set(action)
  return action.section == "SET" and check_calls(action.value) or nil
end

--- Checks the places of functions, which is part of the syntax.
function checks.update_syntax(update)
  return first(expressions.in_text_order(update), function(action)
    return action.section == "SET" and check_nesting(action.value, false)
  end)
end

--- Checks an update without regard to the table.
function checks.update(update)
  local actions = expressions.in_text_order(update)
  return check_clashes(expressions.targets(actions)) or first(actions, check_action)
    or first(actions, check_set)
end

--- Checks an update against the key attributes.
function checks.keys_of_update(update, keys)
  local actions = expressions.in_text_order(update)
  return check_scalars(add_paths(actions, {}), keys) or first(actions, function(action)
    return keys[action.path[1]] and ("One or more parameter values were invalid: Cannot update"
      .. " attribute %s. This attribute is part of the key"):format(action.path[1])
  end)
end

return checks
