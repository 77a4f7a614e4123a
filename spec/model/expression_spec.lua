-- expression_spec.lua - compares random requests with expressions with a plain model: items, codes
-- of errors, return values, pages and the records of the stream.
--
--   make model STEPS=100000 SEED=n; ten seeds: make oracle OPERATIONS=20000
--
-- Requests run outside a transaction and in locked and optimistic ones. A failure prints the seed
-- and the request, with the stored item.
local attributes = require "spec.model.attributes"
local expressions = require "spec.model.expressions"
local helper = require "spec.tidetable.helper"
local trees = require "spec.model.expression_trees"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

helper.setup(before_each, after_each)

local random = math.random
local text, to_lua, from_lua = attributes.text, attributes.to_lua, attributes.from_lua

local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

-- The model of a database --------------------------------------------------------------------

local definitions = {
  { name = "orders", partition_key = "p", sort_key = { "s", "N" } },
  { name = "notes", partition_key = { "n", "N" }, sort_key = "t" },
  { name = "single", partition_key = { "id", "B" } },
}

local pools = {
  p = { { "S", "x" }, { "S", "xy" } },
  s = { { "N", -1000 }, { "N", 250 }, { "N", 1000 }, { "N", 1500 }, { "N", 2000 }, { "N", 10000 } },
  n = { { "N", 0 }, { "N", -1500 } },
  t = { { "S", "a" }, { "S", "ab" }, { "S", "b" }, { "S", "é" } },
  id = { { "B", "x" }, { "B", "\0" }, { "B", "\255x" } },
}

local function attribute_name(attribute)
  return type(attribute) == "table" and attribute[1] or attribute
end

local function new_model()
  local model = { tables = {}, records = {} }
  for i, definition in ipairs(definitions) do
    local partition = attribute_name(definition.partition_key)
    local sort = attribute_name(definition.sort_key)
    local t = { name = definition.name, partition = partition, sort = sort, items = {},
      keys = { [partition] = true } }
    if sort then t.keys[sort] = true end
    model.tables[i] = t
  end
  return model
end

local function key_of(t, item)
  local key = { [t.partition] = item[2][t.partition] }
  if t.sort then key[t.sort] = item[2][t.sort] end
  return { "M", key }
end

local function random_key(t)
  local key = { [t.partition] = pick(pools[t.partition]) }
  if t.sort then key[t.sort] = pick(pools[t.sort]) end
  return { "M", key }
end

local function random_item(t)
  local item = random_key(t)
  for _ = 1, random(0, 5) do item[2][pick(attributes.names)] = attributes.random() end
  return item
end

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
local function savepoint(model)
  local saved, count = {}, #model.records
  for i, t in ipairs(model.tables) do
    saved[i] = {}
    for at, item in pairs(t.items) do saved[i][at] = item end
  end
  return function()
    for i, t in ipairs(model.tables) do t.items = saved[i] end
    for i = #model.records, count + 1, -1 do model.records[i] = nil end
  end
end

local function raise(code, item) error({ code, item }, 0) end

--- Calls f. Returns its result, or nil and its failure { code, item }.
local function attempt(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result
end

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

local function check_write(t, request)
  local is_valid = not request.is_unused
    and (not request.condition or expressions.condition_is_valid(request.condition, t.keys))
    and (not request.update or expressions.update_is_valid(request.update, t.keys))
  if not is_valid then raise "VALIDATION" end
end

--- Executes a put, update or delete. Returns { changed, item }.
local function write(model, t, request)
  check_write(t, request)
  local key = key_of(t, request.item)
  local old, new = t.items[text(key)], nil
  if request.condition and not expressions.holds(request.condition, old) then
    raise("CONDITION_FAILED", request.on_failure == "ALL_OLD" and old or nil)
  end
  if request.operation == "put" then
    new = request.item
  elseif request.operation == "update" then
    new = expressions.update(old, key, request.update)
  end
  return { store(model, t, key, new), returned[request.returns](request, old, new) }
end

-- Reading ------------------------------------------------------------------------------------

local function is_before(t, a, b)
  local p, q = a[2][t.partition][2], b[2][t.partition][2]
  if p ~= q or not t.sort then return p < q end
  return a[2][t.sort][2] < b[2][t.sort][2]
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

local function check_read(t, request)
  local filter, projection = request.filter, request.projection
  local is_valid = not request.is_unused
    and (not filter or expressions.condition_is_valid(filter, t.keys))
    and (not projection or expressions.projection_is_valid(projection, t.keys))
    and not (filter and request.range and expressions.names_key(filter, t.keys))
  if not is_valid then raise "VALIDATION" end
end

local function seen_item(request, item)
  return text(item and request.projection and expressions.project(item, request.projection) or item)
end

--- Executes a query or scan. Returns { texts of the items, scanned, text of the last key }.
local function read_many(t, request)
  check_read(t, request)
  local found, scanned = {}, 0
  local items = evaluated(t, request)
  for _, item in ipairs(items) do
    if request.limit == (request.is_page and scanned or #found) then break end
    scanned = scanned + 1
    if not request.filter or expressions.holds(request.filter, item) then
      found[#found + 1] = seen_item(request, item)
    end
  end
  local last = request.is_page and scanned < #items and text(key_of(t, items[scanned])) or "none"
  return { found, scanned, last }
end

local function get(t, request)
  check_read(t, request)
  return { seen_item(request, t.items[text(request.item)]) }
end

-- Calls of the library -----------------------------------------------------------------------

--- Returns the results of a call; or nil, { code, item } if it failed. raises: whether failures are
--- raised.
local function call(raises, method, self, ...)
  local results = table.pack(pcall(method, self, ...))
  local err = results[2]
  if not results[1] then
    if type(err) ~= "table" then error(err, 0) end
    assert(raises, "a failure was raised")
    return nil, { err.code, from_lua(err.item), err.message }
  elseif results[2] == nil and results[4] ~= nil then
    assert(not raises, "a failure was returned")
    assert(results[3].code == results[4])
    return nil, { results[4], from_lua(results[3].item), results[3].message }
  end
  return table.move(results, 2, results.n, 1, { n = results.n - 1 })
end

local function same(expected, actual, what)
  if expected ~= actual then
    error(("%s: expected %s, got %s"):format(what, tostring(expected), tostring(actual)), 0)
  end
end

--- Compares failures. Returns true if both calls succeeded.
local function same_failure(failure, actual)
  same(failure and failure[1], actual and actual[1],
    "code (" .. tostring(actual and actual[3]) .. ")")
  if failure then same(text(failure[2]), text(actual[2]), "item of the error") end
  return not failure
end

local function write_with(run, request)
  local given = request.options
  local arguments = { to_lua(request.item), given }
  if request.operation == "update" then table.insert(arguments, 2, request.text or false) end
  if arguments[2] == false then arguments[2] = nil end
  local count = request.operation == "update" and 3 or 2
  local handle = run.handles[request.table.name]
  return call(run.transaction, handle[request.operation], handle, table.unpack(arguments, 1, count))
end

local function compare_write(run, request)
  local model = run.model
  local expected, failure = attempt(write, model, request.table, request)
  local actual, err = write_with(run, request)
  if not same_failure(failure, err) then return end
  if run.transaction then
    same(true, actual[1], "first result in a transaction")
  else
    same(expected[1] and #model.records or 0, actual[1], "sequence number")
  end
  same(text(expected[2]), text(from_lua(actual[2])), request.returns)
end

local function texts_of(items)
  local list = {}
  for i, item in ipairs(items) do list[i] = text(from_lua(item)) end
  return table.concat(list, "\n")
end

--- Compares a page with what the model expects.
local function compare_page(request, expected, actual)
  if request.count then
    same(#expected[1], actual[1], "count")
  else
    same(table.concat(expected[1], "\n"), texts_of(actual[1]), "items of the page")
  end
  same(expected[3], text(from_lua(actual[2])), "last key")
  same(expected[2], actual[3], "scanned")
end

local function compare_many(run, request)
  local expected, failure = attempt(read_many, request.table, request)
  local handle = run.handles[request.table.name]
  local first, second = request.arguments[1], request.arguments[2]
  local raises = run.transaction or not request.is_page
  local actual, err = call(raises, handle[request.operation], handle, first, second)
  if not same_failure(failure, err) then return end
  if request.is_page then return compare_page(request, expected, actual) end
  if request.count then
    same(#expected[1], actual[1], "count")
    -- With a limit whole pages are evaluated, beyond the last item that is counted.
    return request.limit and actual[2] >= expected[2] or same(expected[2], actual[2], "scanned")
  end
  local items = {}
  for item in table.unpack(actual, 1, 4) do items[#items + 1] = item end
  same(table.concat(expected[1], "\n"), texts_of(items), "items")
end

local function compare_get(run, request)
  local expected, failure = attempt(get, request.table, request)
  local handle = run.handles[request.table.name]
  local actual, err = call(run.transaction, handle.get, handle, to_lua(request.item),
    request.options)
  if same_failure(failure, err) then
    same(expected[1], text(from_lua(actual[1])), "item")
  end
end

-- Random requests ----------------------------------------------------------------------------

--- Rarely adds a placeholder that no expression uses.
local function add_unused(request, options)
  if chance(1) then
    options.values = options.values or {}
    options.values[":unused"], request.is_unused = 1, true
  elseif chance(1) then
    options.names = options.names or {}
    options.names["#unused"], request.is_unused = "a", true
  end
end

--- Returns an item whose paths and values the expressions of a request use often.
local function pattern_for(t, key)
  local item = key and t.items[text(key)]
  return item and chance(90) and item or random_item(t)
end

local function random_write(t, operation)
  local request = { operation = operation, table = t, compare = compare_write,
    item = operation == "put" and random_item(t) or random_key(t) }
  local printer, options = trees.printer(), {}
  local pattern = pattern_for(t, key_of(t, request.item))
  if operation == "update" then
    request.update = chance(4) and {} or trees.update(pattern, t.keys)
    request.text = printer:update(request.update)
  end
  if chance(operation == "update" and 30 or 55) then
    request.condition = trees.condition(pattern, t.keys)
    options.condition = printer:condition(request.condition)
  end
  request.returns = pick(operation == "update"
    and { "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW" } or { "NONE", "ALL_OLD" })
  if request.returns ~= "NONE" or chance(30) then options.return_values = request.returns end
  request.on_failure = pick { "NONE", "ALL_OLD" }
  options.return_values_on_failure = request.on_failure
  printer:add_to(options)
  add_unused(request, options)
  request.options = options
  return request
end

local function random_get(t)
  local request = { operation = "get", table = t, item = random_key(t), compare = compare_get }
  if chance(70) then
    local printer, options = trees.printer(), {}
    request.projection = trees.projection(pattern_for(t, request.item), t.keys)
    options.projection = printer:projection(request.projection)
    options.names = next(printer.names) and printer.names or nil
    request.options = options
  end
  return request
end

local function path_of(name) return { kind = "path", path = { name } } end
local function value_of(name) return { kind = "value", value = pick(pools[name]) } end

local function sort_condition(t)
  local a, b = value_of(t.sort), value_of(t.sort)
  if chance(30) then
    if b.value[2] < a.value[2] then a, b = b, a end
    return { kind = "between", path_of(t.sort), a, b }
  elseif a.value[1] == "S" and chance(40) then
    return { kind = "call", name = "begins_with", path_of(t.sort), a }
  end
  return { kind = "compare", operator = pick { "=", "<", "<=", ">", ">=" }, path_of(t.sort), a }
end

--- Returns the form of a sort condition for the option `sort`.
local function sort_option(test)
  if test.kind == "between" then
    return { "between", to_lua(test[2].value), to_lua(test[3].value) }
  end
  return { test.operator or test.name, to_lua(test[2].value) }
end

local flipped = { ["="] = "=", ["<"] = ">", ["<="] = ">=", [">"] = "<", [">="] = "<=" }

--- Returns the text of the key condition, with conditions and operands in a random order.
local function key_condition_text(printer, range)
  local list = {}
  for i, test in ipairs(range) do
    list[i] = test
    if test.kind == "compare" and chance(30) then
      list[i] = { kind = "compare", operator = flipped[test.operator], test[2], test[1] }
    end
  end
  if #list == 2 and chance(40) then list[1], list[2] = list[2], list[1] end
  if #list == 1 then return printer:condition(list[1]) end
  list.kind = "and"
  return printer:condition(list)
end

--- Chooses the keys that the request reads; returns the first argument of the call.
local function choose_range(request, options, printer)
  local t = request.table
  if request.operation:find "^scan" then return options end
  local partition = value_of(t.partition)
  request.range = {
    { kind = "compare", operator = "=", path_of(t.partition), partition },
    t.sort and chance(50) and sort_condition(t) or nil,
  }
  if chance(50) then
    options.key_condition = key_condition_text(printer, request.range)
    return options
  end
  options.sort = request.range[2] and sort_option(request.range[2])
  return to_lua(partition.value)
end

--- Rarely chooses a start key, one that fulfils the conditions on the key.
local function choose_start(request, options)
  local start = random_key(request.table)
  for _, test in ipairs(request.range or {}) do
    if not expressions.holds(test, start) then return end
  end
  if chance(40) then
    request.start_key, options.start_key = start, to_lua(start)
  end
end

local function random_many(t, operation)
  local request = { operation = operation, table = t, compare = compare_many,
    is_page = operation:find "_page$" ~= nil }
  local printer, options = trees.printer(), {}
  local pattern = pattern_for(t, random_key(t))
  local first = choose_range(request, options, printer)
  if chance(65) then
    request.filter = trees.condition(pattern, t.keys)
    options.filter = printer:condition(request.filter)
  end
  if chance(40) then
    request.projection = trees.projection(pattern, t.keys)
    options.projection = printer:projection(request.projection)
  end
  request.count = chance(25) or nil
  request.limit = chance(40) and random(5) or nil
  request.descending = chance(30) or nil
  options.count, options.limit = request.count, request.limit
  options.descending = request.descending
  choose_start(request, options)
  printer:add_to(options)
  add_unused(request, options)
  request.options, request.arguments = options, first == options and { first } or { first, options }
  return request
end

local operations = { "put", "put", "put", "update", "update", "update", "update", "update",
  "update", "delete", "get", "query", "scan", "query_page", "scan_page" }

local function random_request(model)
  local t, operation = pick(model.tables), pick(operations)
  if operation == "get" then return random_get(t) end
  if operation:find "^query" or operation:find "^scan" then return random_many(t, operation) end
  return random_write(t, operation)
end

-- Runs ---------------------------------------------------------------------------------------

local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  if getmetatable(value) then return text(from_lua(value)) end
  local list = {}
  for key, each in next, value do list[#list + 1] = ("%s=%s"):format(key, shown(each)) end
  table.sort(list)
  return "{" .. table.concat(list, " ") .. "}"
end

local function described(request, before)
  return ("%s of %s%s\n  key or item: %s\n  update: %s\n  arguments: %s\n  stored: %s"):format(
    request.operation, request.table.name, request.in_transaction or "", text(request.item),
    tostring(request.text), shown(request.arguments or request.options), before)
end

--- Puts a small item in the place of one that has grown, so that no limit of items is reached.
local function limit_growth(run, request)
  if not request.item then return end
  local t = request.table
  local key = key_of(t, request.item)
  local item = t.items[text(key)]
  if item and (#text(item) > 1500 or attributes.depth(item) > 12
      or attributes.magnitude(item) > 1 << 40) then
    local put = { operation = "put", table = t, item = key, returns = "NONE", options = {} }
    compare_write(run, put)
  end
end

--- Adds the traceback to an error of Lua; differences have no position and need none.
local function traced(err)
  local is_error = type(err) ~= "string" or err:find "^[^\n]*%.lua:%d+:"
  return is_error and debug.traceback(tostring(err), 2) or err
end

local function step(run)
  local request = random_request(run.model)
  local stored = request.item and request.table.items[text(key_of(request.table, request.item))]
  request.in_transaction = run.transaction and (" in a transaction, " .. run.transaction)
  local before = text(stored)
  local ok, err = xpcall(request.compare, traced, run, request)
  if not ok then error(err .. "\n" .. described(request, before), 0) end
  limit_growth(run, request)
  run.count = run.count + 1
end

--- Compares the records since the last call.
local function compare_records(run)
  local number = run.compared
  for record in run.db:stream():records { after = number } do
    number = number + 1
    local expected = run.model.records[number] or {}
    same(number, record.sequence_number, "sequence number of the record")
    same(expected.table_name, record.table_name, "table of record " .. number)
    same(expected.event, record.event_name, "event of record " .. number)
    same(expected.keys, text(from_lua(record.keys)), "keys of record " .. number)
    same(expected.old, text(from_lua(record.old_image)), "old image of record " .. number)
    same(expected.new, text(from_lua(record.new_image)), "new image of record " .. number)
  end
  same(#run.model.records, number, "number of records")
  run.compared = number
end

local function compare_tables(run)
  for _, t in ipairs(run.model.tables) do
    run.handles = run.outside
    compare_many(run, { operation = "scan", table = t, arguments = {} })
  end
end

--- Runs requests in a transaction that is committed, cancelled or refused.
local function transact(run)
  local restore, mode = savepoint(run.model), pick { "locked", "optimistic" }
  local ending = pick { "commit", "commit", "commit", "cancel", "refuse" }
  local result, err, code = run.db:transact(function(tx)
    run.transaction, run.handles = mode, {}
    for _, t in ipairs(run.model.tables) do run.handles[t.name] = tx:table(t.name) end
    for _ = 1, random(8) do step(run) end
    if ending == "cancel" then tx:cancel "reason" end
    if ending == "refuse" then return nil, "reason" end
    return "done"
  end, { mode = mode })
  run.transaction, run.handles = nil, run.outside
  if ending ~= "commit" then restore() end
  if type(err) == "table" and code ~= "CANCELLED" then error(tostring(err), 0) end
  same(ending == "cancel" and "CANCELLED" or nil, code, "code of the transaction")
  if ending == "refuse" then same("reason", err, "result of the transaction") end
  if ending == "commit" then same("done", result, "result of the transaction") end
end

--- Runs this number of requests.
local function compare(run, count)
  while run.count < count do
    if chance(15) then transact(run) else step(run) end
    compare_records(run)
    if chance(2) then compare_tables(run) end
  end
  compare_tables(run)
  assert.is_true(run.db:check().ok)
end

describe("expressions and their model", function()
  it("agree on each of many requests", function()
    print(("expressions: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local run = { db = helper.memory(), model = new_model(), outside = {}, count = 0, compared = 0 }
    run.handles = run.outside
    for _, definition in ipairs(definitions) do
      definition.stream = true
      run.outside[definition.name] = assert(run.db:create_table(definition))
    end
    local ok, err = xpcall(compare, traced, run, STEPS)
    if not ok then error(("SEED=%d, request %d: %s"):format(SEED, run.count, err), 0) end
  end)
end)
