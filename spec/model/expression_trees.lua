-- expression_trees.lua - random syntax trees of expressions, and their texts.
--
-- Operands are { kind = "value", value }, { kind = "path", path }, { kind = "size", of } and the
-- functions and sums of updates. A condition is { kind, ... }; an update is a list of
-- { section, path, value }; a projection is a list of paths.
local attributes = require "spec.model.attributes"
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
        local size = attributes.number(random(0, 4) * attributes.ONE)
        list[i % #list + 1] = { kind = "value", value = size }
      end
    end
  end
  return list
end

local function sorted_bounds(tree)
  local low, high = tree[2].value, tree[3].value
  if low and high and low[1] == high[1] and type(low[2]) ~= "table" and low[2] ~= nil
      and type(low[2]) ~= "boolean" and high[2] < low[2] and chance(90) then
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

local function random_leaf(item, keys)
  local tree
  repeat
    tree = pick { leaves[1], leaves[1], table.unpack(leaves) }(item, keys)
  until expressions.condition_is_valid(tree, keys) or chance(5)
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
    return expressions.update_is_valid(update, keys)
      and (chance(25) or pcall(expressions.update, item, item, update))
  end
  return fill({}, chance(40) and 1 or random(2, 6), random_action, is_valid, item, keys)
end

--- Returns a random projection: a list of paths.
function trees.projection(item, keys)
  local paths = fill({}, random(5), trees.path, expressions.projection_is_valid, item, keys)
  return paths[1] and paths or { trees.path(item, keys) }
end

-- Texts --------------------------------------------------------------------------------------

local needs_placeholder = { ["z.z"] = true, ["größe"] = true, name = true }

--- Texts of the expressions of one request, and its names, values and array part.
local Printer = {}
Printer.__index = Printer

function trees.printer()
  return setmetatable({ positions = {}, names = {}, values = {}, used = {}, count = 0 }, Printer)
end

function Printer:placeholder(mark, what, list, content)
  local known = self.used[what]
  if known and chance(80) then return known end
  self.count = self.count + 1
  local name = mark .. pick { "x", "Y_", "0" } .. self.count
  self.used[what], list[name] = name, content
  return name
end

function Printer:name(name)
  if not needs_placeholder[name] and chance(75) then return name end
  return self:placeholder("#", "#" .. name, self.names, name)
end

function Printer:value(value)
  if chance(50) then
    self.positions[#self.positions + 1] = attributes.to_lua(value)
    return "?"
  end
  return self:placeholder(":", ":" .. attributes.text(value), self.values,
    attributes.to_lua(value))
end

function Printer:path(path)
  local text = self:name(path[1])
  for i = 2, #path do
    local step = path[i]
    text = text .. (math.type(step) and ("[%d]"):format(step) or "." .. self:name(step))
  end
  return text
end

local function blank() return pick { " ", " ", "  ", "\n", "\t" } end
local function keyword(word) return chance(70) and word or word:lower() end

--- Joins words with random blanks.
local function spaced(...)
  return table.concat({ ... }, blank())
end

function Printer:operand(tree, is_argument)
  local text
  if tree.kind == "value" then
    text = self:value(tree.value)
  elseif tree.kind == "path" then
    text = self:path(tree.path)
  elseif tree.kind == "size" then
    text = ("size(%s)"):format(self:operand(tree.of, true))
  else
    local a = self:operand(tree[1], true)
    text = ("%s(%s%s,%s)"):format(tree.kind, a, pick { "", " " }, self:operand(tree[2], true))
  end
  return not is_argument and chance(8) and "(" .. text .. ")" or text
end

function Printer:operands(tree, first, is_argument)
  local list = {}
  for i = first, #tree do list[#list + 1] = self:operand(tree[i], is_argument) end
  return table.concat(list, pick { ",", ", " })
end

local printers = {}

local function joining(word)
  return function(printer, tree)
    local list = {}
    for i, each in ipairs(tree) do
      -- An OR in an AND needs parentheses.
      list[i] = printer:condition(each, word == "AND" and each.kind == "or")
    end
    return table.concat(list, blank() .. keyword(word) .. blank())
  end
end

printers["and"], printers["or"] = joining "AND", joining "OR"

printers["not"] = function(printer, tree)
  local inner = tree[1].kind
  return spaced(keyword "NOT", printer:condition(tree[1], inner == "and" or inner == "or"))
end

function printers.compare(printer, tree)
  local a = printer:operand(tree[1])
  local gap = pick { "", " " }
  return a .. gap .. tree.operator .. gap .. printer:operand(tree[2])
end

function printers.between(printer, tree)
  local a, b = printer:operand(tree[1]), printer:operand(tree[2])
  return spaced(a, keyword "BETWEEN", b, keyword "AND", printer:operand(tree[3]))
end

printers["in"] = function(printer, tree)
  local a = printer:operand(tree[1])
  return spaced(a, keyword "IN", "(" .. printer:operands(tree, 2) .. ")")
end

function printers.call(printer, tree)
  return ("%s(%s)"):format(tree.name, printer:operands(tree, 1, true))
end

--- Returns the text of a condition.
function Printer:condition(tree, in_parentheses)
  local text = printers[tree.kind](self, tree)
  if in_parentheses or chance(8) then return "(" .. text .. ")" end
  return text
end

--- Returns the text of a projection.
function Printer:projection(paths)
  local list = {}
  for i, path in ipairs(paths) do list[i] = self:path(path) end
  return table.concat(list, pick { ",", ", " })
end

function Printer:set_value(tree)
  if tree.kind ~= "+" and tree.kind ~= "-" then return self:operand(tree) end
  local text = spaced(self:operand(tree[1]), tree.kind, self:operand(tree[2]))
  return chance(10) and "(" .. text .. ")" or text
end

function Printer:action(action)
  local path = self:path(action.path)
  if action.section == "REMOVE" then return path end
  if action.section == "SET" then return spaced(path, "=", self:set_value(action.value)) end
  return spaced(path, self:value(action.value.value))
end

--- Returns the text of an update; nil if it has no actions.
function Printer:update(update)
  local written, list = {}, {}
  for _, first in ipairs(update) do
    if not written[first.section] then
      written[first.section] = true
      local actions = {}
      for _, action in ipairs(update) do
        if action.section == first.section then actions[#actions + 1] = self:action(action) end
      end
      list[#list + 1] = spaced(keyword(first.section), table.concat(actions, ", "))
    end
  end
  return list[1] and table.concat(list, blank())
end

--- Adds the names, the values and the array part to the options of a request.
function Printer:add_to(given)
  given.names = next(self.names) and self.names or nil
  given.values = next(self.values) and self.values or nil
  table.move(self.positions, 1, #self.positions, 1, given)
  if #self.positions > 0 and chance(30) then given.n = #self.positions end
  return given
end

return trees
