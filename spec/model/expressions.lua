-- expressions.lua - a plain and slow model of DynamoDB's expressions. Shares no code with the core.
--
-- Evaluates syntax trees (expression_trees.lua) on items, which are maps of attributes.lua. Raises
-- the failures that depend on an item as { "VALIDATION", nil, message }; expression_checks.lua
-- finds those that do not.
local attributes = require "spec.model.attributes"
local numbers = require "spec.model.numbers"

local expressions = {}

local equal, less = attributes.equal, attributes.less

--- Number of levels of M and L below an item.
expressions.LEVELS_MAX = 31
--- Size of an item in bytes.
expressions.ITEM_MAX = 400 * 1024

--- Raises a failure with this message.
local function fail(message) error({ "VALIDATION", nil, message }, 0) end
expressions.fail = fail

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
  return size and attributes.number(size)
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

-- Updates ------------------------------------------------------------------------------------

--- Returns true if an item is above the limit. A text is longer than the size of its value.
function expressions.is_too_big(item)
  return #attributes.text(item) > expressions.ITEM_MAX
    and attributes.item_size(item) > expressions.ITEM_MAX
end

local WRONG_TYPE = "An operand in the update expression has an incorrect data type"
local MISSING = "The provided expression refers to an attribute that does not exist in the item"
local INVALID_PATH =
  "The document path provided in the update expression is invalid for update"
local TOO_DEEP = "Nesting Levels have exceeded supported limits: Attributes in the item have"
  .. " nested levels beyond supported limit"
local TOO_BIG = "Item size to update has exceeded the maximum allowed size"
local OUT_OF_RANGE =
  "Number %s. Attempting to store a number with magnitude %s than supported range"

--- Returns the message about a number that is too great or too close to zero.
function expressions.range_message(reason)
  if reason == "underflow" then return OUT_OF_RANGE:format("underflow", "smaller") end
  return OUT_OF_RANGE:format("overflow", "larger")
end

local compute

--- Returns the values of both operands, which must have this type.
local function compute_two(tree, item, kind)
  local a, b = compute(tree[1], item), compute(tree[2], item)
  if a[1] ~= kind or b[1] ~= kind then fail(WRONG_TYPE) end
  return a[2], b[2]
end

local function checked(sum, reason)
  return { "N", sum or fail(expressions.range_message(reason)) }
end

local operations = {
  value = function(tree) return tree.value end,
  path = function(tree, item) return resolve(item, tree.path) or fail(MISSING) end,
  if_not_exists = function(tree, item)
    return resolve(item, tree[1].path) or compute(tree[2], item)
  end,
  list_append = function(tree, item)
    local a, b = compute_two(tree, item, "L")
    return { "L", table.move(b, 1, #b, #a + 1, table.move(a, 1, #a, 1, {})) }
  end,
  ["+"] = function(tree, item) return checked(numbers.add(compute_two(tree, item, "N"))) end,
  ["-"] = function(tree, item) return checked(numbers.subtract(compute_two(tree, item, "N"))) end,
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
    if old[1] ~= value[1] then fail(WRONG_TYPE) end
    return value[1] == "N" and checked(numbers.add(old[2], value[2])) or joined(old, value)
  end,
  DELETE = function(old, action)
    local value = action.value.value
    if not old then return nil end
    if old[1] ~= value[1] then fail(WRONG_TYPE) end
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
  for i = 1, #path - 1 do parent = member(parent, path[i]) or fail(INVALID_PATH) end
  local step = path[#path]
  if parent[1] ~= (type(step) == "string" and "M" or "L") then fail(INVALID_PATH) end
  if value and #path - 1 + attributes.levels(value) > expressions.LEVELS_MAX then fail(TOO_DEEP) end
  if type(step) == "string" then
    parent[2][step] = value
  else
    -- A removed element keeps its place until all indexes have been used.
    parent[2][step + 1] = value or parent[2][step + 1] and REMOVED
  end
end

local function is_before(a, b)
  for i = 1, math.min(#a.path, #b.path) do
    local x, y = a.path[i], b.path[i]
    if x ~= y then return x < y end
  end
  return false
end

--- Returns the actions in the order of the text: section by section.
function expressions.in_text_order(update)
  local list, written = {}, {}
  for _, first in ipairs(update) do
    for _, action in ipairs(written[first.section] and {} or update) do
      if action.section == first.section then list[#list + 1] = action end
    end
    written[first.section] = true
  end
  return list
end

--- Returns the new item, nil if none is created. Raises a failure.
--- old: nil if there is no item; key: the item of the key attributes alone.
function expressions.update(old, key, update)
  local results, creates = {}, #update == 0
  for _, action in ipairs(expressions.in_text_order(update)) do
    local writes = action.section == "SET" or action.section == "ADD"
    creates = creates or writes
    -- REMOVE and DELETE ignore an item that does not exist, whatever their paths.
    if old or writes then
      local value = sections[action.section](resolve(old, action.path), action, old)
      results[#results + 1] = { path = action.path, value = value }
    end
  end
  if not old and not creates then return nil end
  local new = copy(old or key)
  table.sort(results, is_before)
  for _, result in ipairs(results) do
    assign(new, result.path, result.value and copy(result.value))
  end
  new = close_gaps(new)
  if expressions.is_too_big(new) then fail(TOO_BIG) end
  return new
end

--- Returns the paths of an update's targets.
function expressions.targets(update)
  local paths = {}
  for i, action in ipairs(update) do paths[i] = action.path end
  return paths
end

return expressions
