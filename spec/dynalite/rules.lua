-- rules.lua - the differences from dynalite in which the library follows DynamoDB.
--
-- A rule gets a case { request, ours, theirs, what, items, key, our_item, their_item }: `what` is
-- the field that differs, `items` those of the table before the request. doc/differences.md
-- gives the reasons.
local attributes = require "spec.model.attributes"
local expressions = require "spec.model.expressions"

local rules = {}

local text = attributes.text

-- Trees --------------------------------------------------------------------------------------

local is_logic = { ["and"] = true, ["or"] = true, ["not"] = true }

--- Returns true if `test` holds for a test of the condition.
local function any_test(tree, test)
  if not tree then return false end
  if not is_logic[tree.kind] then return test(tree) end
  for _, each in ipairs(tree) do
    if any_test(each, test) then return true end
  end
  return false
end

local function value_of(tree, item)
  if tree.kind == "value" then return tree.value end
  if tree.kind == "size" then return value_of(tree.of, item) end
  return item and expressions.resolve(item, tree.path)
end

--- Returns true if an operand is missing, has no size or is empty or false.
local function is_hollow(tree, item)
  local value = value_of(tree, item)
  if not value or value[2] == "" or value[2] == false then return true end
  return tree.kind == "size" and (value[1] == "N" or value[1] == "BOOL" or value[1] == "NULL")
end

--- Returns true if an operand is a list or map.
local function is_nested(tree, item)
  local value = value_of(tree, item)
  return value ~= nil and tree.kind ~= "size" and (value[1] == "L" or value[1] == "M")
end

--- Returns true if `test` holds for an operand of the condition or filter and an item.
local function any_operand(case, test)
  local items = case.key and { case.items[text(case.key)] or false } or case.items
  for _, item in pairs(items) do
    local found = any_test(case.request.condition or case.request.filter, function(tree)
      for _, each in ipairs(tree) do
        if test(each, item) then return true end
      end
      return false
    end)
    if found then return true end
  end
  return false
end

local function only_removes(update)
  for _, action in ipairs(update) do
    if action.section ~= "REMOVE" and action.section ~= "DELETE" then return false end
  end
  return #update > 0
end

local function has_section(update, section)
  for _, action in ipairs(update or {}) do
    if action.section == section then return true end
  end
  return false
end

local function are_nested(a, b)
  for i = 1, math.min(#a, #b) do
    if a[i] ~= b[i] then return false end
  end
  return true
end

local function any_path(tree, test)
  if tree.path and not tree.section and test(tree.path) then return true end
  for _, each in ipairs(tree) do
    if any_path(each, test) then return true end
  end
  return false
end

--- Returns true if an operand of SET is or contains the target of another action.
local function reads_target(update)
  for _, action in ipairs(update or {}) do
    for _, other in ipairs(action.section == "SET" and update or {}) do
      if other ~= action and any_path(action.value, function(path)
        return are_nested(path, other.path)
      end) then return true end
    end
  end
  return false
end

-- Rules --------------------------------------------------------------------------------------

local function find(message, pattern) return message ~= nil and message:find(pattern) ~= nil end

--- Pairs of patterns: the library's message and dynalite's, which ranks two errors of a request in
--- another order or misses the first.
local ranks = {
  { "^Invalid FilterExpression: ", "^Filter Expression can only contain" },
  { "^Invalid %a+Expression: ", "^Key attributes must be scalars" },
  { "operator or function: BETWEEN, operand type", "The BETWEEN operator requires" },
  { "^Key attributes must be scalars", "Cannot update attribute" },
  { "^Invalid UpdateExpression: Two document paths overlap", "Two document paths conflict" },
  { "nesting levels: 33$", "" }, { "^Invalid %a+Expression: List index", "" },
  { "function: list_append$", "" },
  { "^The provided expression refers", "^An operand in the update expression" },
  { "^The provided expression refers", "^The document path provided" },
  { "^An operand in the update expression", "^The document path provided" },
  { "^An operand in the update expression", "^The provided expression refers" },
  { "^Number %a+flow", "^The document path provided" },
  { "^Filter Expression can only contain", "^Filter Expression can only contain" },
  { "^Filter Expression can only contain", "^Key attributes must be scalars" },
  { "Nesting Levels have exceeded", "" },
  { "redundant parentheses", "Syntax error" },
}

local list = {}
local function rule(name, test) list[#list + 1] = { name = name, test = test } end

rule("dynalite throws or does not answer", function(case)
  return case.theirs.exception == "none: dynalite has thrown"
end)

rule("empty Attributes", function(case)
  return case.what == "item" and not case.ours.item and find(case.request.returns, "^UPDATED_")
    and text(case.theirs.item) == "M()"
end)

rule("removals from an item that does not exist", function(case)
  local update = case.request.update
  if not update or case.items[text(case.key)] or case.ours.exception then return false end
  return only_removes(update) and not case.our_item
    or (has_section(update, "REMOVE") or has_section(update, "DELETE"))
      and find(case.theirs.message, "^The document path provided")
end)

local function has_index(path)
  for _, step in ipairs(path) do
    if math.type(step) then return true end
  end
  return false
end

rule("indexes beside a removed element", function(case)
  local count, removes = 0, false
  for _, action in ipairs(case.request.update or {}) do
    removes = removes or action.section == "REMOVE" and math.type(action.path[#action.path]) ~= nil
    if has_index(action.path) then count = count + 1 end
  end
  return removes and count > 1 and (case.what == "item" or case.what == "stored")
end)

rule("LastEvaluatedKey at an exact limit", function(case)
  return case.what == "last" and not case.ours.last and case.request.limit == case.ours.scanned
end)

rule("texts of syntax errors", function(case)
  return case.what == "message" and find(case.ours.message, "Syntax error; token: ")
    and find(case.theirs.message, "Syntax error; Expected ")
end)

rule("functions of another kind of expression are unknown", function(case)
  return find(case.ours.message, "^Invalid %a+Expression: The function is not allowed in an? ")
    and find(case.theirs.message, "Invalid function name; function: ")
end)

rule("no typeSet", function(case)
  return case.ours.message ~= nil
    and case.ours.message:gsub(", typeSet: ALLOWED_FOR_%u+_OPERAND$", "") == case.theirs.message
end)

rule("rank of two errors", function(case)
  if case.what ~= "message" then return false end
  local ours = case.ours.message:match "^Invalid (%a+Expression): "
  local theirs = case.theirs.message:match "^Invalid (%a+Expression): "
  if ours and theirs and ours ~= theirs then return true end
  for _, pair in ipairs(ranks) do
    if find(case.ours.message, pair[1]) and find(case.theirs.message, pair[2]) then return true end
  end
  return false
end)

rule("literals without an order are compared", function(case)
  local operator = (case.ours.message or ""):match "operator or function: (%S+), operand type: %u+$"
  return case.ours.message ~= nil and (operator == "<" or operator == "<=" or operator == ">"
    or operator == ">=" or operator == "BETWEEN")
end)

rule("no limit of operators, operands, indexes, steps and nested list_append", function(case)
  return case.what == "exception" and (find(case.ours.message, "too many opera[nt][do][sr]")
    or find(case.ours.message, "Expression size has exceeded")
    or find(case.ours.message, "nesting levels: 33$")
    or find(case.ours.message, "List index is not within")
    or find(case.ours.message, "used this way in an expression; function: list_append$"))
end)

--- dynalite counts the characters of attribute names, not their bytes. An item that it stores, or
--- that only a condition keeps from being stored, is then too large by a few bytes.
rule("sizes of names", function(case)
  local item = case.their_item
  if case.theirs.exception == "ConditionalCheckFailedException" then
    item = case.request.item
  elseif case.theirs.exception then
    return false
  end
  return case.what == "exception" and find(case.ours.message, "^Item size .*has exceeded")
    and item ~= nil and attributes.item_size(item) - expressions.ITEM_MAX < 64
end)

rule("the place in front of a message about a value", function(case)
  return case.what == "message" and find(case.theirs.message, "^Nesting Levels have exceeded")
    and case.ours.message:sub(-#case.theirs.message) == case.theirs.message
end)

rule("levels of nesting", function(case)
  return case.what == "exception" and find(case.ours.message, "Nesting Levels have exceeded")
end)

rule("results with more than 38 digits", function(case)
  return case.what == "exception" and not case.theirs.exception
    and find(case.ours.message, "^Number %a+flow")
end)

--- Returns true if the outcome of a condition or filter differs.
local function is_outcome(case) return case.what ~= "message" and case.what ~= "stored" end

rule("missing and empty operands", function(case)
  return is_outcome(case) and any_operand(case, is_hollow)
end)

rule("equality of lists and maps", function(case)
  return is_outcome(case) and any_operand(case, is_nested)
end)

rule("key attributes of an item that does not exist", function(case)
  local update = case.request.update
  if not update or case.items[text(case.key)] then return false end
  for _, action in ipairs(update) do
    if action.section == "SET" and any_path(action.value, function(path)
      return case.key[2][path[1]] ~= nil
    end) then return true end
  end
  return false
end)

rule("operands of SET that other actions write", function(case)
  return reads_target(case.request.update)
end)

rule("errors of an update before its condition", function(case)
  return case.ours.exception == "ConditionalCheckFailedException"
    and (find(case.theirs.message, "^An operand in the update expression")
      or find(case.theirs.message, "^The provided expression refers")
      or find(case.theirs.message, "^The document path provided"))
end)

rule("empty sets in lists", function(case)
  return has_section(case.request.update, "DELETE")
    and (find(text(case.theirs.item), "refused: .* empty")
      or find(text(case.their_item), "refused: .* empty"))
end)

--- Returns the names of all rules.
function rules.names()
  local names = {}
  for i, each in ipairs(list) do names[i] = each.name end
  return names
end

--- Returns the name of the first rule that allows a difference, nil if none does.
function rules.find(case)
  for _, each in ipairs(list) do
    if each.test(case) then return each.name end
  end
end

return rules
