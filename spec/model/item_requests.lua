-- item_requests.lua - random requests with expressions, as plain tables.
--
--   { operation, table, item, update, condition, filter, projection, range, start_key, limit,
--     count, descending, returns, on_failure, unused, fault }
--
-- Items, keys and values are those of attributes.lua, expressions those of expression_trees.lua.
-- `item` is the key, except in a put. `range` lists the tests of the key condition. `print` adds
-- the texts, names, values and the array part. Contains no functions, so it can be saved.
local attributes = require "spec.model.attributes"
local database = require "spec.model.item_database"
local expressions = require "spec.model.expressions"
local faults = require "spec.model.expression_faults"
local new_printer = require "spec.model.expression_texts"
local trees = require "spec.model.expression_trees"

local requests = {}

local random = math.random
local to_lua = attributes.to_lua

local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

-- Items --------------------------------------------------------------------------------------

local function numbers(...)
  local list = {}
  for i, n in ipairs { ... } do list[i] = attributes.number(n) end
  return list
end

local pools = {
  p = { { "S", "x" }, { "S", "xy" } },
  s = numbers("-1", "0.25", "1", "1.5", "2", "10"),
  n = numbers("0", "-1.5"),
  t = { { "S", "a" }, { "S", "ab" }, { "S", "b" }, { "S", "é" } },
  id = { { "B", "x" }, { "B", "\0" }, { "B", "\255x" } },
}

local function random_key(t)
  local key = { [t.partition] = pick(pools[t.partition]) }
  if t.sort then key[t.sort] = pick(pools[t.sort]) end
  return { "M", key }
end

--- Returns a value with this number of levels of M and L around a scalar or set.
local function nested(levels)
  local value = attributes.random(nil, 0)
  for _ = 1, levels do
    value = random(2) == 1 and { "L", { value } } or { "M", { a = value } }
  end
  return value
end

local function near_levels() return nested(expressions.LEVELS_MAX + random(-2, 2)) end

--- Returns a string that gives the item this attribute with a size near the limit.
local function padding(item, name)
  local size = expressions.ITEM_MAX - attributes.item_size(item) - #name + random(-2, 2)
  return { "S", ("x"):rep(math.max(size, 0)) }
end

-- Each adds an attribute that is near a limit, or beyond it.
local extremes = {
  function(item) item[2].deep = near_levels() end,
  function(item) item[2].float = { "FLOAT", pick { "1e300", "-1e126", "1e-200", "1e999" } } end,
  function(item) item[2].padding = padding(item, "padding") end,
}

local function random_item(t, is_plain)
  local item = random_key(t)
  for _ = 1, random(0, 5) do item[2][pick(attributes.names)] = attributes.random() end
  if not is_plain and chance(2) then pick(extremes)(item) end
  return item
end

-- Writes -------------------------------------------------------------------------------------

--- Returns an item whose paths and values the expressions of a request use often.
local function pattern_for(t, key)
  local item = key and database.stored(t, key)
  return item and chance(90) and item or random_item(t, true)
end

--- Adds an action whose result is near a limit.
local function add_extreme(t, request)
  local old = database.stored(t, request.item)
  local ok, new = pcall(expressions.update, old, request.item, request.update)
  local value = (not ok or not new or chance(50)) and near_levels() or padding(new, "padding")
  table.insert(request.update, { section = "SET", path = { "padding" },
    value = { kind = "value", value = value } })
end

local returns_of = {
  update = { "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW" },
  put = { "NONE", "ALL_OLD" }, delete = { "NONE", "ALL_OLD" },
}

local function random_write(t, operation, key)
  local request = { operation = operation, table = t.name, item = key or random_key(t) }
  local pattern = pattern_for(t, request.item)
  if operation == "put" then
    request.item = random_item(t)
    for name, value in pairs(key and key[2] or {}) do request.item[2][name] = value end
  elseif operation == "update" then
    request.update = chance(4) and {} or trees.update(pattern, t.keys)
    if chance(1) then add_extreme(t, request) end
  end
  if chance(operation == "update" and 30 or 55) then
    request.condition = trees.condition(pattern, t.keys)
  end
  request.returns, request.on_failure = pick(returns_of[operation]), pick { "NONE", "ALL_OLD" }
  return request
end

-- Reads --------------------------------------------------------------------------------------

local function random_get(t, key)
  local request = { operation = "get", table = t.name, item = key or random_key(t) }
  if chance(70) then
    request.projection = trees.projection(pattern_for(t, request.item), t.keys)
  end
  return request
end

local function path_of(name) return { kind = "path", path = { name } } end
local function value_of(name) return { kind = "value", value = pick(pools[name]) } end

local function sort_condition(t)
  local a, b = value_of(t.sort), value_of(t.sort)
  if chance(30) then
    if attributes.less(b.value, a.value) then a, b = b, a end
    return { kind = "between", path_of(t.sort), a, b }
  elseif a.value[1] == "S" and chance(40) then
    return { kind = "call", name = "begins_with", path_of(t.sort), a }
  end
  return { kind = "compare", operator = pick { "=", "<", "<=", ">", ">=" }, path_of(t.sort), a }
end

local function random_range(t)
  local partition = { kind = "compare", operator = "=", path_of(t.partition),
    value_of(t.partition) }
  return { partition, t.sort and chance(50) and sort_condition(t) or nil }
end

--- Returns a start key that fulfils the conditions on the key, or nil.
local function random_start(t, range)
  local start = random_key(t)
  for _, test in ipairs(range or {}) do
    if not expressions.holds(test, start) then return nil end
  end
  return start
end

local function random_many(t, operation)
  local request = { operation = operation, table = t.name }
  local pattern = pattern_for(t, random_key(t))
  if operation:find "^query" then
    request.range = random_range(t)
    request.has_key_condition = chance(50)
  end
  if chance(65) then request.filter = trees.condition(pattern, t.keys) end
  if chance(40) then request.projection = trees.projection(pattern, t.keys) end
  request.count = chance(25) or nil
  request.limit = chance(40) and random(5) or nil
  request.descending = chance(30) or nil
  request.start_key = chance(40) and random_start(t, request.range) or nil
  return request
end

-- Any request --------------------------------------------------------------------------------

--- Rarely makes one of the expressions invalid, or adds a placeholder that no expression uses.
local function add_fault(request)
  local parts = {}
  for _, part in ipairs { "update", "condition", "filter", "projection" } do
    local tree = request[part]
    if tree and (part ~= "update" or tree[1]) then parts[#parts + 1] = part end
  end
  if #parts > 0 and chance(3) then
    local part = pick(parts)
    request.fault = faults.random(part)
  elseif request.operation ~= "get" and chance(2) then
    request.unused = pick { "#unused", ":unused" }
  end
end

local operations = { "put", "put", "put", "update", "update", "update", "update", "update",
  "update", "delete", "get", "query", "scan", "query_page", "scan_page" }

-- Of a service: it has pages only.
local operations_of_service = { "put", "put", "put", "update", "update", "update", "update",
  "update", "update", "delete", "get", "query_page", "query_page", "scan_page" }

local with_key = { "update", "update", "update", "put", "get", "delete" }

--- Removes what a service does not have: numbers out of range, an order of scans.
local function make_portable(request)
  if request.item then request.item[2].float = nil end
  if request.operation == "scan_page" then
    request.limit, request.start_key, request.descending = nil, nil, nil
  end
end

--- Returns a random request. key: nil, or of a table, to which the request is then limited.
--- style: see `print`.
function requests.random(model, style, table_name, key)
  local t = model.tables[table_name or pick(model.names)]
  local all = style == "service" and operations_of_service or operations
  local operation = pick(key and with_key or all)
  local request
  if operation == "get" then
    request = random_get(t, key)
  elseif operation:find "^query" or operation:find "^scan" then
    request = random_many(t, operation)
  else
    request = random_write(t, operation, key)
  end
  add_fault(request)
  if style == "service" then make_portable(request) end
  return requests.print(request, style)
end

-- Texts --------------------------------------------------------------------------------------

local flipped = { ["="] = "=", ["<"] = ">", ["<="] = ">=", [">"] = "<", [">="] = "<=" }

--- Returns the text of the key condition, with conditions and operands in a random order.
local function key_condition_text(printer, range)
  local list = {}
  for i, test in ipairs(range) do
    list[i] = test
    if test.kind == "compare" and printer:chance(30) then
      list[i] = { kind = "compare", operator = flipped[test.operator], test[2], test[1] }
    end
  end
  if #list == 2 and printer:chance(40) then list[1], list[2] = list[2], list[1] end
  if #list == 1 then return printer:condition(list[1]) end
  list.kind = "and"
  return printer:condition(list)
end

local parts = {
  { "update", "update" }, { "condition", "condition" }, { "filter", "condition" },
  { "projection", "projection" },
}

--- Adds the texts of the expressions, their names, values and array part. style: "random" or
--- "plain"; "service": plain, with the key as a condition.
function requests.print(request, style)
  local faulty = request.fault and request[request.fault.kind:lower()]
  if not faulty or request.fault.kind == "Update" and not faulty[1] then request.fault = nil end
  local printer, texts, fault = new_printer(style == "random"), {}, request.fault
  if style == "service" and request.range then request.has_key_condition = true end
  if request.has_key_condition then
    texts.key_condition = key_condition_text(printer, request.range)
  end
  for _, part in ipairs(parts) do
    local name, tree = part[1], request[part[1]]
    local is_faulty = tree and fault and fault.kind:lower() == name
    if tree and not (is_faulty and fault.replaces) then
      texts[name] = printer[part[2]](printer, tree)
    end
    if is_faulty then texts[name] = faults.apply(fault, texts[name]) end
  end
  if request.unused == "#unused" then printer.names["#unused"] = "a" end
  if request.unused == ":unused" then printer.values[":unused"] = attributes.number(1) end
  request.texts, request.names = texts, printer.names
  request.values, request.positions = printer.values, printer.positions
  return request
end

-- Calls of the library -----------------------------------------------------------------------

local function all_to_lua(list)
  local values = {}
  for key, value in pairs(list) do values[key] = to_lua(value) end
  return values
end

--- Returns the options of the library's method.
local function options_of(request)
  local options = all_to_lua(request.positions)
  options.n = #request.positions > 0 and #request.positions or nil
  options.names = next(request.names) and request.names or nil
  options.values = next(request.values) and all_to_lua(request.values) or nil
  for _, name in ipairs { "condition", "key_condition", "filter", "projection" } do
    options[name] = request.texts[name]
  end
  options.return_values, options.return_values_on_failure = request.returns, request.on_failure
  options.count, options.limit = request.count, request.limit
  options.descending = request.descending
  options.start_key = request.start_key and to_lua(request.start_key)
  return options
end

--- Returns the form of a sort condition for the option `sort`.
local function sort_option(test)
  if test.kind == "between" then
    return { "between", to_lua(test[2].value), to_lua(test[3].value) }
  end
  return { test.operator or test.name, to_lua(test[2].value) }
end

--- Returns the arguments of the library's method of this operation.
function requests.arguments(request)
  local options = options_of(request)
  if request.operation == "update" then
    return to_lua(request.item), request.texts.update, options
  elseif request.item then
    return to_lua(request.item), options
  elseif not request.range or request.has_key_condition then
    return options
  end
  options.sort = request.range[2] and sort_option(request.range[2])
  return to_lua(request.range[1][2].value), options
end

return requests
