-- expressions.lua - a plain and slow model of DynamoDB's expressions. Shares no code with the core.
--
-- Evaluates syntax trees (expression_trees.lua) on items, which are maps of attributes.lua. Raises
-- the failures that depend on an item as { "VALIDATION" }. The functions `*_is_valid` find those
-- that do not.
local attributes = require "spec.model.attributes"

local expressions = {}

local equal, ONE = attributes.equal, attributes.ONE

local function fail() error({ "VALIDATION" }, 0) end

local function contains_any(list, test)
  for _, each in ipairs(list) do
    if test(each) then return true end
  end
  return false
end

-- Paths --------------------------------------------------------------------------------------

-- A path is an array of steps: a string for a name, an integer for a list index from 0.

--- Returns the member of a value at one step, or nil.
local function member(value, step)
  if not value then return nil end
  if type(step) == "string" then return value[1] == "M" and value[2][step] or nil end
  return value[1] == "L" and value[2][step + 1] or nil
end

--- Returns the value at a path, or nil.
function expressions.resolve(item, path)
  for _, step in ipairs(path) do item = member(item, step) end
  return item
end
local resolve = expressions.resolve

--- Returns true if one path is a prefix of the other, or their kinds of step differ at one place.
local function paths_collide(a, b)
  for i = 1, math.min(#a, #b) do
    if type(a[i]) ~= type(b[i]) then return true end
    if a[i] ~= b[i] then return false end
  end
  return true
end

local function any_collide(paths)
  for i = 1, #paths do
    for j = i + 1, #paths do
      if paths_collide(paths[i], paths[j]) then return true end
    end
  end
  return false
end

local function same_path(a, b)
  return #a == #b and table.concat(a, "\0") == table.concat(b, "\0") and paths_collide(a, b)
end

--- Returns true if none of the paths leads into a key attribute.
local function keys_are_scalars(paths, keys)
  return not contains_any(paths, function(path) return #path > 1 and keys[path[1]] end)
end

-- Conditions ---------------------------------------------------------------------------------

local function utf16_units(text)
  local units = 0
  for _, code in utf8.codes(text) do units = units + (code > 0xffff and 2 or 1) end
  return units
end

local function size_of(value)
  local kind = value and value[1]
  if kind == "S" then return utf16_units(value[2]) end
  if kind == "M" then
    local count = 0
    for _ in pairs(value[2]) do count = count + 1 end
    return count
  end
  if kind == "B" or kind == "L" or kind == "SS" or kind == "NS" or kind == "BS" then
    return #value[2]
  end
end

local function operand(tree, item)
  if tree.kind == "value" then return tree.value end
  if tree.kind == "path" then return resolve(item, tree.path) end
  local size = size_of(operand(tree.of, item))
  return size and attributes.number(size * ONE)
end

local is_ordered = { S = true, N = true, B = true }

--- Returns a < b for S, N and B of one type; otherwise nil. The locale of the tests is C.
local function less(a, b)
  if a and b and a[1] == b[1] and is_ordered[a[1]] then return a[2] < b[2] end
end

local comparators = {
  ["="] = function(a, b) return equal(a, b) end,
  ["<>"] = function(a, b) return not equal(a, b) end,
  ["<"] = function(a, b) return less(a, b) == true end,
  [">"] = function(a, b) return less(b, a) == true end,
  ["<="] = function(a, b) return less(b, a) == false end,
  [">="] = function(a, b) return less(a, b) == false end,
}

local member_type = { SS = "S", NS = "N", BS = "B" }

local calls = {
  attribute_exists = function(a) return a ~= nil end,
  attribute_not_exists = function(a) return a == nil end,
  attribute_type = function(a, b) return a ~= nil and a[1] == b[2] end,
  begins_with = function(a, b)
    return a ~= nil and b ~= nil and a[1] == b[1] and (a[1] == "S" or a[1] == "B")
      and a[2]:sub(1, #b[2]) == b[2]
  end,
  contains = function(a, b)
    if not a or not b then return false end
    if a[1] == "S" or a[1] == "B" then return a[1] == b[1] and a[2]:find(b[2], 1, true) ~= nil end
    if a[1] ~= "L" and member_type[a[1]] ~= b[1] then return false end
    return contains_any(a[2], function(each) return equal(each, b) end)
  end,
}

local tests = {
  ["or"] = function(tree, item)
    return contains_any(tree, function(each) return expressions.holds(each, item) end)
  end,
  ["and"] = function(tree, item)
    return not contains_any(tree, function(each) return not expressions.holds(each, item) end)
  end,
  ["not"] = function(tree, item) return not expressions.holds(tree[1], item) end,
  compare = function(tree, item)
    return comparators[tree.operator](operand(tree[1], item), operand(tree[2], item))
  end,
  between = function(tree, item)
    local value = operand(tree[1], item)
    return comparators[">="](value, operand(tree[2], item))
      and comparators["<="](value, operand(tree[3], item))
  end,
  ["in"] = function(tree, item)
    local value = operand(tree[1], item)
    for i = 2, #tree do
      if equal(value, operand(tree[i], item)) then return true end
    end
    return false
  end,
  call = function(tree, item)
    return calls[tree.name](operand(tree[1], item), tree[2] and operand(tree[2], item))
  end,
}

--- Returns true if the item satisfies the condition. item: nil if there is none.
function expressions.holds(condition, item) return tests[condition.kind](condition, item) end

-- Static checks of conditions ----------------------------------------------------------------

local has_size = { S = true, B = true, L = true, M = true, SS = true, NS = true, BS = true }
local has_beginning = { S = true, B = true }
local types = {
  S = true, N = true, B = true, BOOL = true, NULL = true, L = true, M = true, SS = true,
  NS = true, BS = true,
}

--- Returns true if each operand's type is unknown or one of these.
local function types_fit(operands, fits)
  return not contains_any(operands, function(tree)
    local kind = tree.kind == "value" and tree.value[1] or tree.kind == "size" and "N"
    return kind and not fits[kind]
  end)
end

local function sizes_fit(operands)
  return not contains_any(operands, function(tree)
    return tree.kind == "size" and not types_fit({ tree.of }, has_size)
  end)
end

local function are_distinct(a, b)
  return not (a.kind == "path" and b.kind == "path" and same_path(a.path, b.path))
end

local function bounds_fit(low, high)
  if low.kind ~= "value" or high.kind ~= "value" then return true end
  return less(high.value, low.value) == false
end

local static_calls = {
  attribute_exists = function(tree) return tree[1].kind == "path" end,
  attribute_not_exists = function(tree) return tree[1].kind == "path" end,
  attribute_type = function(tree)
    local name = tree[2].value
    return name ~= nil and name[1] == "S" and types[name[2]] == true
  end,
  begins_with = function(tree)
    return are_distinct(tree[1], tree[2]) and types_fit(tree, has_beginning)
  end,
  contains = function(tree) return are_distinct(tree[1], tree[2]) end,
}

local function test_is_valid(tree)
  if not sizes_fit(tree) then return false end
  if tree.kind == "compare" then
    local is_equality = tree.operator == "=" or tree.operator == "<>"
    return are_distinct(tree[1], tree[2]) and (is_equality or types_fit(tree, is_ordered))
  elseif tree.kind == "between" then
    return types_fit(tree, is_ordered) and bounds_fit(tree[2], tree[3])
  end
  return tree.kind == "in" or static_calls[tree.name](tree)
end

local function add_paths(tree, paths)
  if tree.path then paths[#paths + 1] = tree.path end
  if tree.of then add_paths(tree.of, paths) end
  for _, each in ipairs(tree) do add_paths(each, paths) end
  return paths
end

--- Returns true if a condition has no error that can be found without an item.
--- keys: set of the names of key attributes.
function expressions.condition_is_valid(tree, keys)
  if tree.kind == "and" or tree.kind == "or" or tree.kind == "not" then
    return not contains_any(tree, function(each)
      return not expressions.condition_is_valid(each, keys)
    end)
  end
  return test_is_valid(tree) and keys_are_scalars(add_paths(tree, {}), keys)
end

--- Returns true if a condition names a key attribute.
function expressions.names_key(tree, keys)
  return contains_any(add_paths(tree, {}), function(path) return keys[path[1]] end)
end

-- Projections --------------------------------------------------------------------------------

--- Returns the rests of the paths by their steps at this depth, and the steps in order.
local function by_step(paths, depth)
  local groups, steps = {}, {}
  for _, path in ipairs(paths) do
    local step = path[depth]
    if not groups[step] then
      groups[step], steps[#steps + 1] = {}, step
    end
    table.insert(groups[step], path)
  end
  table.sort(steps)
  return groups, steps
end

--- Returns the part of a value to which the paths lead; nil if none exists.
local function part(value, paths, depth)
  if not value or not paths[1] then return nil end
  if #paths[1] < depth then return value end
  local groups, steps = by_step(paths, depth)
  local list, map
  for _, step in ipairs(steps) do
    local found = part(member(value, step), groups[step], depth + 1)
    if found and type(step) == "string" then
      map = map or {}
      map[step] = found
    elseif found then
      list = list or {}
      list[#list + 1] = found
    end
  end
  return list and { "L", list } or map and { "M", map }
end

--- Returns the projection of an item on paths; an empty map if no path exists.
function expressions.project(item, paths)
  return part(item, paths, 1) or { "M", {} }
end

--- Returns true if a projection has no error that can be found without an item.
function expressions.projection_is_valid(paths, keys)
  return not any_collide(paths) and keys_are_scalars(paths, keys)
end

-- Updates ------------------------------------------------------------------------------------

local function list_in(value)
  if value[1] ~= "L" then fail() end
  return value[2]
end

local function number_in(value)
  if value[1] ~= "N" then fail() end
  return value[2]
end

local compute

local operations = {
  value = function(tree) return tree.value end,
  path = function(tree, item) return resolve(item, tree.path) or fail() end,
  if_not_exists = function(tree, item)
    return resolve(item, tree[1].path) or compute(tree[2], item)
  end,
  list_append = function(tree, item)
    local list = {}
    for i = 1, 2 do
      for _, each in ipairs(list_in(compute(tree[i], item))) do list[#list + 1] = each end
    end
    return { "L", list }
  end,
  ["+"] = function(tree, item)
    return { "N", number_in(compute(tree[1], item)) + number_in(compute(tree[2], item)) }
  end,
  ["-"] = function(tree, item)
    return { "N", number_in(compute(tree[1], item)) - number_in(compute(tree[2], item)) }
  end,
}

--- Returns the value of an operand of SET.
function compute(tree, item) return operations[tree.kind](tree, item) end

local function joined(old, new)
  local members = table.move(old[2], 1, #old[2], 1, {})
  return attributes.set(old[1], table.move(new[2], 1, #new[2], #members + 1, members))
end

local function without(old, removed)
  local rest = {}
  for _, each in ipairs(old[2]) do
    if not contains_any(removed[2], function(other) return equal(each, other) end) then
      rest[#rest + 1] = each
    end
  end
  return #rest > 0 and attributes.set(old[1], rest) or nil
end

-- Each returns the new value of a target; nil removes it.
local sections = {
  SET = function(_, action, item) return compute(action.value, item) end,
  REMOVE = function() return nil end,
  ADD = function(old, action)
    local value = action.value.value
    if not old then return value end
    if old[1] ~= value[1] then fail() end
    return value[1] == "N" and { "N", old[2] + value[2] } or joined(old, value)
  end,
  DELETE = function(old, action)
    local value = action.value.value
    if not old then return nil end
    if old[1] ~= value[1] then fail() end
    return without(old, value)
  end,
}

local function copy(value)
  if value[1] ~= "M" and value[1] ~= "L" then return value end
  local members = {}
  for key, each in pairs(value[2]) do members[key] = copy(each) end
  return { value[1], members }
end

local REMOVED = {}

--- Removes the marked elements of all lists and closes the gaps, in a value that copy returned.
local function close_gaps(value)
  if value[1] ~= "M" and value[1] ~= "L" then return value end
  local indexes, members = {}, {}
  for key, each in pairs(value[2]) do
    if each ~= REMOVED then
      if value[1] == "M" then members[key] = close_gaps(each) else indexes[#indexes + 1] = key end
    end
  end
  table.sort(indexes)
  for i, index in ipairs(indexes) do members[i] = close_gaps(value[2][index]) end
  return { value[1], members }
end

--- Assigns a new value to a target in the copy `new` of the old item.
local function assign(new, path, value)
  local parent = new
  for i = 1, #path - 1 do parent = member(parent, path[i]) or fail() end
  local step = path[#path]
  if parent[1] ~= (type(step) == "string" and "M" or "L") then fail() end
  if type(step) == "string" then
    parent[2][step] = value
  else
    -- A removed element keeps its place until all indexes have been used.
    parent[2][step + 1] = value or parent[2][step + 1] and REMOVED
  end
end

--- Returns the new item, nil if none is created. Raises { "VALIDATION" }.
--- old: nil if there is no item; key: the item of the key attributes alone.
function expressions.update(old, key, update)
  local creates = contains_any(update, function(action)
    return action.section == "SET" or action.section == "ADD"
  end)
  if not old and #update > 0 and not creates then return nil end
  local new = copy(old or key)
  for _, action in ipairs(update) do
    -- REMOVE and DELETE ignore an item that does not exist, whatever their paths.
    if old or action.section == "SET" or action.section == "ADD" then
      local value = sections[action.section](resolve(old, action.path), action, old)
      assign(new, action.path, value and copy(value))
    end
  end
  return close_gaps(new)
end

--- Returns the paths of an update's targets.
function expressions.targets(update)
  local paths = {}
  for i, action in ipairs(update) do paths[i] = action.path end
  return paths
end

local is_list, is_number = { L = true }, { N = true }
local is_set = { SS = true, NS = true, BS = true }
local is_addable = { N = true, SS = true, NS = true, BS = true }

local function set_is_valid(tree, in_append)
  if tree.kind == "path" or tree.kind == "value" then return true end
  if tree.kind == "if_not_exists" then return set_is_valid(tree[2], in_append) end
  local appends = tree.kind == "list_append"
  if appends and in_append then return false end
  return types_fit(tree, appends and is_list or is_number)
    and set_is_valid(tree[1], in_append or appends)
    and set_is_valid(tree[2], in_append or appends)
end

local function action_is_valid(action)
  if action.section == "REMOVE" then return true end
  if action.section == "SET" then return set_is_valid(action.value, false) end
  return types_fit({ action.value }, action.section == "ADD" and is_addable or is_set)
end

--- Returns true if an update has no error that can be found without an item.
function expressions.update_is_valid(update, keys)
  local targets = expressions.targets(update)
  if any_collide(targets) then return false end
  if contains_any(targets, function(path) return keys[path[1]] end) then return false end
  return not contains_any(update, function(action)
    return not action_is_valid(action)
      or not keys_are_scalars(action.value and add_paths(action.value, {}) or {}, keys)
  end)
end

return expressions
