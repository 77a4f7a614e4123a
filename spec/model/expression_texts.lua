-- expression_texts.lua - prints syntax trees as the texts of expressions.
--
-- A printer collects the names and values of one request. Texts of a random printer differ in
-- blanks, parentheses, case, placeholders and `?`; those of a plain one do not.
local attributes = require "spec.model.attributes"
local expressions = require "spec.model.expressions"

local needs_placeholder = { ["z.z"] = true, ["größe"] = true, name = true }

local random = math.random

local Printer = {}
Printer.__index = Printer

--- Returns a random or a plain printer.
local function new(is_random)
  return setmetatable({ is_random = is_random, positions = {}, names = {}, values = {}, used = {},
    count = 0 }, Printer)
end

function Printer:pick(list) return list[self.is_random and random(#list) or 1] end
function Printer:chance(percent) return self.is_random and random(100) <= percent end

function Printer:placeholder(mark, what, list, content)
  local known = self.used[what]
  if known and not self:chance(20) then return known end
  self.count = self.count + 1
  local name = mark .. self:pick { "x", "Y_", "0" } .. self.count
  self.used[what], list[name] = name, content
  return name
end

function Printer:name(name)
  if not needs_placeholder[name] and not self:chance(25) then return name end
  return self:placeholder("#", "#" .. name, self.names, name)
end

function Printer:value(value)
  if self:chance(50) then
    self.positions[#self.positions + 1] = value
    return "?"
  end
  return self:placeholder(":", ":" .. attributes.text(value), self.values, value)
end

function Printer:path(path)
  local text = self:name(path[1])
  for i = 2, #path do
    local step = path[i]
    text = text .. (math.type(step) and ("[%d]"):format(step) or "." .. self:name(step))
  end
  return text
end

function Printer:blank() return self:pick { " ", " ", "  ", "\n", "\t" } end
function Printer:keyword(word) return self:chance(30) and word:lower() or word end

--- Joins words with random blanks.
function Printer:spaced(...) return table.concat({ ... }, self:blank()) end

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
    text = ("%s(%s%s,%s)"):format(tree.kind, a, self:pick { "", " " }, self:operand(tree[2], true))
  end
  return not is_argument and self:chance(8) and "(" .. text .. ")" or text
end

function Printer:operands(tree, first, is_argument)
  local list = {}
  for i = first, #tree do list[#list + 1] = self:operand(tree[i], is_argument) end
  return table.concat(list, self:pick { ", ", "," })
end

local printers = {}

local function joining(word)
  return function(printer, tree)
    local list = {}
    for i, each in ipairs(tree) do
      -- An OR in an AND needs parentheses.
      list[i] = printer:condition(each, word == "AND" and each.kind == "or")
    end
    return table.concat(list, printer:blank() .. printer:keyword(word) .. printer:blank())
  end
end

printers["and"], printers["or"] = joining "AND", joining "OR"

printers["not"] = function(printer, tree)
  local inner = tree[1].kind
  local is_joined = inner == "and" or inner == "or" or inner == "not" and not printer.is_random
  return printer:spaced(printer:keyword "NOT", printer:condition(tree[1], is_joined))
end

function printers.compare(printer, tree)
  local a = printer:operand(tree[1])
  local gap = printer:pick { " ", "" }
  return a .. gap .. tree.operator .. gap .. printer:operand(tree[2])
end

function printers.between(printer, tree)
  local a, b = printer:operand(tree[1]), printer:operand(tree[2])
  return printer:spaced(a, printer:keyword "BETWEEN", b, printer:keyword "AND",
    printer:operand(tree[3]))
end

printers["in"] = function(printer, tree)
  local a = printer:operand(tree[1])
  return printer:spaced(a, printer:keyword "IN", "(" .. printer:operands(tree, 2) .. ")")
end

function printers.call(printer, tree)
  return ("%s(%s)"):format(tree.name, printer:operands(tree, 1, true))
end

--- Returns the text of a condition.
function Printer:condition(tree, in_parentheses)
  local text = printers[tree.kind](self, tree)
  if in_parentheses or self:chance(8) then return "(" .. text .. ")" end
  return text
end

--- Returns the text of a projection.
function Printer:projection(paths)
  local list = {}
  for i, path in ipairs(paths) do list[i] = self:path(path) end
  return table.concat(list, self:pick { ", ", "," })
end

function Printer:set_value(tree)
  if tree.kind ~= "+" and tree.kind ~= "-" then return self:operand(tree) end
  local text = self:spaced(self:operand(tree[1]), tree.kind, self:operand(tree[2]))
  return self:chance(10) and "(" .. text .. ")" or text
end

function Printer:action(action)
  local path = self:path(action.path)
  if action.section == "REMOVE" then return path end
  if action.section == "SET" then return self:spaced(path, "=", self:set_value(action.value)) end
  return self:spaced(path, self:value(action.value.value))
end

--- Returns the text of an update; nil if it has no actions.
function Printer:update(update)
  local list, section = {}, nil
  for _, action in ipairs(expressions.in_text_order(update)) do
    local text = self:action(action)
    if action.section == section then
      list[#list] = list[#list] .. ", " .. text
    else
      section = action.section
      list[#list + 1] = self:spaced(self:keyword(section), text)
    end
  end
  return list[1] and table.concat(list, self:blank())
end

return new
