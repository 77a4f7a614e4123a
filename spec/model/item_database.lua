-- item_database.lua - a plain model of tables: executes requests of item_requests.lua.
--
-- A failure is raised as { code, item, message, is_end }: the message is nil if the model does not
-- know it; is_end: the library's message only ends with it.
local attributes = require "spec.model.attributes"
local checks = require "spec.model.expression_checks"
local expressions = require "spec.model.expressions"

local database = {}
local text = attributes.text

database.definitions = {
  { name = "orders", partition_key = "p", sort_key = { "s", "N" } },
  { name = "notes", partition_key = { "n", "N" }, sort_key = "t" },
  { name = "single", partition_key = { "id", "B" } },
}

local function attribute_name(attribute)
  return type(attribute) == "table" and attribute[1] or attribute
end

--- Returns a model without items: tables by name, their names, the records of the stream.
function database.new()
  local model = { tables = {}, names = {}, records = {} }
  for i, definition in ipairs(database.definitions) do
    local partition = attribute_name(definition.partition_key)
    local sort = attribute_name(definition.sort_key)
    local t = { name = definition.name, partition = partition, sort = sort, items = {},
      keys = { [partition] = true } }
    if sort then t.keys[sort] = true end
    model.tables[t.name], model.names[i] = t, t.name
  end
  return model
end

--- Returns the key of an item.
function database.key_of(t, item)
  local key = { [t.partition] = item[2][t.partition] }
  if t.sort then key[t.sort] = item[2][t.sort] end
  return { "M", key }
end
local key_of = database.key_of

--- Returns the stored item with this key, nil if there is none.
function database.stored(t, key) return t.items[text(key_of(t, key))] end

--- Stores the new item of a key, nil to delete it. Adds the record if the item changes.
local function store(model, t, key, new)
  local at = text(key)
  local old = t.items[at]
  if text(old) == text(new) then return false end
  t.items[at] = new
  model.records[#model.records + 1] = { table_name = t.name, keys = text(key),
    event = not old and "INSERT" or not new and "REMOVE" or "MODIFY", old = text(old),
    new = text(new) }
  return true
end

--- Returns a function that restores the present state.
function database.savepoint(model)
  local saved, count = {}, #model.records
  for name, t in pairs(model.tables) do
    saved[name] = {}
    for at, item in pairs(t.items) do saved[name][at] = item end
  end
  return function()
    for name, t in pairs(model.tables) do t.items = saved[name] end
    for i = #model.records, count + 1, -1 do model.records[i] = nil end
  end
end

-- Checks -------------------------------------------------------------------------------------

local TOO_DEEP = "Nesting Levels have exceeded supported limits"
local TOO_BIG = "Item size has exceeded the maximum allowed size"
local UNUSED = "Value provided in %s unused in expressions: keys: {%s}"

local function invalid(message, is_end) error({ "VALIDATION", nil, message, is_end }, 0) end

local function prefixed(kind, message)
  return message and ("Invalid %sExpression: %s"):format(kind, message)
end

-- In the order of the library's checks.
local kinds = {
  { "update", "Update", checks.update },
  { "condition", "Condition", checks.condition },
  { "filter", "Filter", checks.condition },
  { "projection", "Projection", checks.projection },
}

local function check_syntax(request)
  local fault = request.fault
  -- A fault of the syntax outranks a misused function, or replaces the text.
  local is_first = fault and fault.kind == "Update" and (fault.is_syntax or fault.replaces)
  local update = request.update and not is_first and checks.update_syntax(request.update)
  if update then invalid(prefixed("Update", update)) end
  if fault and fault.is_syntax then invalid(prefixed(fault.kind, fault.message)) end
end

local function check_values(request)
  for _, list in ipairs { request.positions, request.values } do
    for _, value in pairs(list) do
      if attributes.levels(value) > expressions.LEVELS_MAX then invalid(TOO_DEEP, true) end
    end
  end
end

local ONLY = "%s can only be specified when using expressions"

local null_expressions = {
  put = "ConditionExpression is null", delete = "ConditionExpression is null",
  update = "UpdateExpression and ConditionExpression are null",
  query = "FilterExpression and KeyConditionExpression are null",
  scan = "FilterExpression is null",
}

--- Checks that a request with names or values has expressions that can use them.
local function check_given(request)
  local takes_values = false
  for part in pairs(request.texts) do takes_values = takes_values or part ~= "projection" end
  if next(request.names) and not next(request.texts) then
    invalid(ONLY:format "ExpressionAttributeNames")
  elseif next(request.values) and not takes_values then
    invalid(ONLY:format "ExpressionAttributeValues" .. ": "
      .. null_expressions[request.operation:gsub("_page$", "")])
  end
end

local function check_expressions(request)
  check_given(request)
  for _, kind in ipairs(kinds) do
    local tree, fault = request[kind[1]], request.fault
    local replaced = fault and fault.kind == kind[2] and fault.replaces
    local message = tree and not replaced and kind[3](tree)
    if message then invalid(prefixed(kind[2], message)) end
    if fault and fault.kind == kind[2] then invalid(prefixed(kind[2], fault.message)) end
  end
  if request.unused then
    invalid(UNUSED:format(request.unused:sub(1, 1) == "#" and "ExpressionAttributeNames"
      or "ExpressionAttributeValues", request.unused))
  end
end

--- Checks what depends on the request alone.
local function check_request(request)
  check_syntax(request)
  check_values(request)
  check_expressions(request)
end

local function check_key_attributes(t, request)
  local message = request.filter and request.range
    and checks.keys_of_filter(request.filter, t.keys)
    or request.update and checks.keys_of_update(request.update, t.keys)
    or request.condition and checks.keys_of_condition(request.condition, t.keys)
    or request.filter and checks.keys_of_condition(request.filter, t.keys)
    or request.projection and checks.keys_of_projection(request.projection, t.keys)
  if message then invalid(message) end
end

local function check_item(item)
  for _, value in pairs(item[2]) do
    if value[1] == "FLOAT" then
      local n = math.abs(tonumber(value[2]))
      invalid(n == math.huge and "NaN and infinity are not supported"
        or expressions.range_message(n < 1 and "underflow" or "overflow"), true)
    end
  end
  if attributes.levels(item) - 1 > expressions.LEVELS_MAX then invalid(TOO_DEEP, true) end
  if expressions.is_too_big(item) then invalid(TOO_BIG) end
end

-- Writing ------------------------------------------------------------------------------------

-- Returns what the option return_values asks for.
local returned = {
  NONE = function() return nil end,
  ALL_OLD = function(_, old) return old end,
  ALL_NEW = function(_, _, new) return new end,
  UPDATED_OLD = function(request, old)
    local part = old and expressions.project(old, expressions.targets(request.update))
    return part and next(part[2]) and part or nil
  end,
}

function returned.UPDATED_NEW(request, _, new) return returned.UPDATED_OLD(request, new) end

--- Checks a write without regard to the table. Which of two errors of a put is reported depends on
--- the kind of transaction.
local function check_write(request)
  local is_valid, failure = pcall(check_request, request)
  if request.operation == "put" and not pcall(check_item, request.item) then
    if not is_valid then invalid(nil) end
    check_item(request.item)
  end
  if not is_valid then error(failure, 0) end
end

--- Executes a put, update or delete. Returns { changed = , item = }.
local function write(model, t, request)
  local key = key_of(t, request.item)
  local old, new = t.items[text(key)], nil
  check_write(request)
  check_key_attributes(t, request)
  if request.condition and not expressions.holds(request.condition, old) then
    error({ "CONDITION_FAILED", request.on_failure == "ALL_OLD" and old or nil,
      "The conditional request failed" }, 0)
  end
  if request.operation == "put" then
    new = request.item
  elseif request.operation == "update" then
    new = expressions.update(old, key, request.update)
  end
  local changed = store(model, t, key, new)
  return { changed = changed, item = returned[request.returns](request, old, new) }
end

-- Reading ------------------------------------------------------------------------------------

local function is_before(t, a, b)
  local p, q = a[2][t.partition], b[2][t.partition]
  if not t.sort or text(p) ~= text(q) then return attributes.less(p, q) end
  return attributes.less(a[2][t.sort], b[2][t.sort])
end

--- Returns the items that a query evaluates, in its order. range: conditions on the key, or nil.
local function evaluated(t, request)
  local items, start = {}, request.start_key
  for _, item in pairs(t.items) do
    local fits = true
    for _, test in ipairs(request.range or {}) do
      fits = fits and expressions.holds(test, item)
    end
    if fits and start then
      if request.descending then fits = is_before(t, item, start)
      else fits = is_before(t, start, item) end
    end
    if fits then items[#items + 1] = item end
  end
  table.sort(items, function(a, b)
    if request.descending then a, b = b, a end
    return is_before(t, a, b)
  end)
  return items
end

local function seen_item(request, item)
  return item and request.projection and expressions.project(item, request.projection) or item
end

--- Executes a query or scan. Returns { items = , scanned = , last = key or nil }.
local function read_many(t, request)
  check_request(request)
  check_key_attributes(t, request)
  local found, scanned = {}, 0
  local items = evaluated(t, request)
  local is_page = request.operation:find "_page$"
  for _, item in ipairs(items) do
    if request.limit == (is_page and scanned or #found) then break end
    scanned = scanned + 1
    if not request.filter or expressions.holds(request.filter, item) then
      found[#found + 1] = seen_item(request, item)
    end
  end
  local last = is_page and scanned < #items and key_of(t, items[scanned]) or nil
  return { items = found, scanned = scanned, last = last }
end

local function get(t, request)
  check_request(request)
  check_key_attributes(t, request)
  return { item = seen_item(request, t.items[text(request.item)]) }
end

--- Executes a request. Returns its result; or nil and its failure.
function database.execute(model, request)
  local t, operation = model.tables[request.table], request.operation
  local ok, result
  if operation == "get" then
    ok, result = pcall(get, t, request)
  elseif operation:find "^query" or operation:find "^scan" then
    ok, result = pcall(read_many, t, request)
  else
    ok, result = pcall(write, model, t, request)
  end
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result
end

return database
