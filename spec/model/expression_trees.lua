-- expression_trees.lua - random syntax trees of expressions.
--
-- Operands are { kind = "value", value }, { kind = "path", path }, { kind = "size", of } and the
-- functions and sums of updates. A condition is { kind, ... }; an update is a list of
-- { section, path, value }; a projection is a list of paths.
local attributes = require "spec.model.attributes"
local checks = require "spec.model.expression_checks"
local expressions = require "spec.model.expressions"

local trees = {}
local random = math.random

local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

-- Random trees -------------------------------------------------------------------------------

local function random_step()
  return chance(60) and pick(attributes.names) or random(0, 4)
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Returns a step to a member of the value, or a random one.
local function likely_step(value)
  if value and chance(90) then
    if value[1] == "M" and next(value[2]) then return pick(sorted_names(value[2])) end
    if value[1] == "L" and #value[2] > 0 then return random(0, #value[2] - 1) end
  end
  return random_step()
end

local function step_into(value, step)
  if not value then return nil end
  return value[1] == "M" and value[2][step] or
    value[1] == "L" and math.type(step) and value[2][step + 1] or nil
end

--- Returns a random path, which often leads to a value of the item, rarely to a key attribute.
function trees.path(item, keys)
  local path, value = {}, item
  repeat
    local step = likely_step(value)
    if #path == 0 and (math.type(step) or keys[step] and chance(85)) then
      step = pick(attributes.names)
    end
    path[#path + 1], value = step, step_into(value, step)
    local goes_on = value and (value[1] == "M" or value[1] == "L") and 55
      or keys[path[1]] and 25 or 6
  until #path == 6 or not chance(goes_on)
  return path
end

--- Returns the value at a path of the item, or a random one.
local function value_near(item, path)
  for _, step in ipairs(path) do item = step_into(item, step) end
  return item and chance(70) and item or attributes.random()
end

local function path_operand(item, keys) return { kind = "path", path = trees.path(item, keys) } end

--- Returns a list of operands, which can often be compared with each other.
local function operands(item, keys, count)
  local path = trees.path(item, keys)
  local list = { { kind = "path", path = path } }
  for i = 2, count do
    list[i] = { kind = "value", value = value_near(item, path) }
  end
  if chance(20) then list[random(#list)] = path_operand(item, keys) end
  if chance(15) then list[random(#list)] = { kind = "value", value = attributes.random() } end
  if count == 2 and chance(10) then list[1], list[2] = list[2], list[1] end
  return list
end

local function with_sizes(list, item, keys)
  for i = 1, #list do
    if chance(12) then
      local of = chance(90) and path_operand(item, keys)
        or { kind = "value", value = attributes.random() }
      list[i] = { kind = "size", of = of }
      local other = list[i % #list + 1]
      if other.kind == "value" and chance(80) then
        local size = attributes.number(random(0, 4))
        list[i % #list + 1] = { kind = "value", value = size }
      end
    end
  end
  return list
end

local function sorted_bounds(tree)
  local low, high = tree[2].value, tree[3].value
  if attributes.less(high, low) and chance(90) then
    tree[2], tree[3] = tree[3], tree[2]
  elseif low and high and low[1] ~= high[1] and chance(90) then
    tree[3] = tree[2]
  end
  return tree
end

local function call(name, list)
  list.kind, list.name = "call", name
  return list
end

local type_names = { "S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS" }

local leaves = {
  function(item, keys)
    local tree = with_sizes(operands(item, keys, 2), item, keys)
    tree.kind, tree.operator = "compare", pick { "=", "=", "<>", "<", "<=", ">", ">=" }
    return tree
  end,
  function(item, keys)
    local tree = with_sizes(operands(item, keys, 3), item, keys)
    tree.kind = "between"
    return sorted_bounds(tree)
  end,
  function(item, keys)
    local tree = with_sizes(operands(item, keys, random(2, 5)), item, keys)
    tree.kind = "in"
    return tree
  end,
  function(item, keys)
    local name = pick { "attribute_exists", "attribute_not_exists" }
    local of = chance(98) and path_operand(item, keys)
      or { kind = "value", value = attributes.random() }
    return call(name, { of })
  end,
  function(item, keys)
    local name = chance(97) and { "S", pick(type_names) } or attributes.random()
    return call("attribute_type", { path_operand(item, keys), { kind = "value", value = name } })
  end,
  function(item, keys)
    return call(pick { "begins_with", "contains", "contains" }, operands(item, keys, 2))
  end,
}

local function condition_is_valid(tree, keys)
  return not (checks.condition(tree) or checks.keys_of_condition(tree, keys))
end

local function random_leaf(item, keys)
  local tree
  repeat
    tree = pick { leaves[1], leaves[1], table.unpack(leaves) }(item, keys)
  until condition_is_valid(tree, keys) or chance(5)
  return tree
end

--- Returns a random condition. item: an item whose paths and values it uses often.
function trees.condition(item, keys, depth)
  depth = depth or 3
  if depth == 0 or chance(45) then return random_leaf(item, keys) end
  local kind = pick { "and", "or", "not" }
  local tree = { kind = kind }
  for i = 1, kind == "not" and 1 or random(2, 3) do
    tree[i] = trees.condition(item, keys, depth - 1)
  end
  return tree
end

local function operand_of_set(item, keys, depth, kind)
  local what = random(10)
  if what <= 4 or depth == 0 then
    local of = kind and chance(95) and attributes.random(kind) or attributes.random()
    return { kind = "value", value = of }
  elseif what <= 7 then
    return path_operand(item, keys)
  elseif what <= 9 then
    return { kind = "if_not_exists", path_operand(item, keys),
      operand_of_set(item, keys, depth - 1, kind) }
  end
  return { kind = "list_append", operand_of_set(item, keys, depth - 1, "L"),
    operand_of_set(item, keys, depth - 1, "L") }
end

local function value_of_set(item, keys)
  local what = random(10)
  if what <= 3 then
    return { kind = pick { "+", "-" }, operand_of_set(item, keys, 2, "N"),
      operand_of_set(item, keys, 2, "N") }
  elseif what == 4 then
    return { kind = "list_append", operand_of_set(item, keys, 2, "L"),
      operand_of_set(item, keys, 2, "L") }
  end
  return operand_of_set(item, keys, 2)
end

local function operand_of_section(section, item, path)
  local value = value_near(item, path)
  if section == "ADD" and value[1] ~= "N" and not value[1]:find("^.S$") and chance(97) then
    value = attributes.random(pick { "N", "SS", "NS", "BS" })
  elseif section == "DELETE" and not value[1]:find("^.S$") and chance(97) then
    value = attributes.random(pick { "SS", "NS", "BS" })
  end
  return { kind = "value", value = value }
end

local function random_action(item, keys)
  local action = { section = pick { "SET", "SET", "SET", "REMOVE", "ADD", "DELETE" },
    path = trees.path(item, keys) }
  if action.section == "SET" then
    action.value = value_of_set(item, keys)
  elseif action.section ~= "REMOVE" then
    action.value = operand_of_section(action.section, item, action.path)
  end
  return action
end

--- Appends random elements to a list, which most often stays valid.
local function fill(list, count, make, is_valid, item, keys)
  for _ = 1, count do
    list[#list + 1] = make(item, keys)
    if not is_valid(list, keys) and chance(92) then list[#list] = nil end
  end
  return list
end

--- Returns a random update of an item: a list of actions, which may be empty.
function trees.update(item, keys)
  local function is_valid(update)
    return not (checks.update_syntax(update) or checks.update(update)
        or checks.keys_of_update(update, keys))
      and (chance(25) or pcall(expressions.update, item, item, update))
  end
  return fill({}, chance(40) and 1 or random(2, 6), random_action, is_valid, item, keys)
end

--- Returns a random projection: a list of paths.
function trees.projection(item, keys)
  local function is_valid(list)
    return not (checks.projection(list) or checks.keys_of_projection(list, keys))
  end
  local paths = fill({}, random(5), trees.path, is_valid, item, keys)
  return paths[1] and paths or { trees.path(item, keys) }
end

return trees
