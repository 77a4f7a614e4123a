-- item_runs.lua - runs requests on the library and on the model, and compares everything.
--
-- A program is a list of requests and of transactions { transaction = mode, ending, requests... }.
-- `random` makes one while it runs, `replay` repeats one. An error is text, or a difference:
-- { difference = text }.
local attributes = require "spec.model.attributes"
local database = require "spec.model.item_database"
local helper = require "spec.tidetable.helper"
local requests = require "spec.model.item_requests"

local runs = {}

local CREATED = #database.definitions   -- the creations of the tables have sequence numbers too

local random = math.random
local text, from_lua = attributes.text, attributes.from_lua

local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

--- Returns a run with an empty database. alter: nil, or a function that may change what the model
--- expects: it gets the request, the result and the failure. The field `observe` is a function that
--- gets each request, the library's results and its error.
function runs.new(alter)
  local run = { db = helper.memory(), model = database.new(), outside = {}, count = 0,
    compared = 0, program = {}, alter = alter or function() end, observe = function() end }
  run.handles = run.outside
  for _, definition in ipairs(database.definitions) do
    definition.stream = true
    run.outside[definition.name] = assert(run.db:create_table(definition))
  end
  return run
end

-- Comparing one request ----------------------------------------------------------------------

local function differ(...) error({ difference = (...):format(select(2, ...)) }, 0) end

local function same(expected, actual, what)
  if expected ~= actual then
    differ("%s: expected %s, got %s", what, tostring(expected), tostring(actual))
  end
end

--- Returns the results of a call; or nil and its error. raises: whether failures are raised.
local function call(raises, method, self, ...)
  local results = table.pack(pcall(method, self, ...))
  local err = results[2]
  if not results[1] then
    if type(err) ~= "table" then error(err, 0) end
    if not raises then differ("a failure was raised: %s", tostring(err)) end
    return nil, err
  elseif results[2] == nil and results[4] ~= nil then
    if raises then differ("a failure was returned: %s", tostring(results[3])) end
    same(results[3].code, results[4], "third result")
    return nil, results[3]
  end
  return table.move(results, 2, results.n, 1, { n = results.n - 1 })
end

--- Number of bytes that a message keeps; the middle of a longer one is replaced by "...".
local MESSAGE_MAX = 255

local function is_message(actual, expected, is_end)
  if is_end then return actual:sub(-#expected) == expected end
  if #expected <= MESSAGE_MAX then return actual == expected end
  local from, to = actual:find("...", 1, true)
  return from ~= nil and actual:sub(1, from - 1) == expected:sub(1, from - 1)
    and actual:sub(to + 1) == expected:sub(to - #actual)
end

--- Compares failures. Returns true if both calls succeeded.
local function same_failure(failure, err)
  same(failure and failure[1], err and err.code, ("code (%s)"):format(tostring(err)))
  if not failure then return true end
  same(text(failure[2]), text(from_lua(err.item)), "item of the error")
  if failure[3] and not is_message(err.message, failure[3], failure[4]) then
    same(failure[3], err.message, "message")
  end
  return false
end

local function compare_write(run, request, result, actual)
  if run.transaction then
    same(true, actual[1], "first result in a transaction")
  else
    same(result.changed and CREATED + #run.model.records or 0, actual[1], "sequence number")
  end
  same(text(result.item), text(from_lua(actual[2])), request.returns)
end

local function texts_of(items, convert)
  local list = {}
  for i, item in ipairs(items) do list[i] = text(convert and convert(item) or item) end
  return table.concat(list, "\n")
end

local function compare_page(_, request, result, actual)
  if request.count then
    same(#result.items, actual[1], "count")
  else
    same(texts_of(result.items), texts_of(actual[1], from_lua), "items of the page")
  end
  same(text(result.last), text(from_lua(actual[2])), "last key")
  same(result.scanned, actual[3], "scanned")
end

local function compare_iterator(_, request, result, actual)
  if request.count then
    same(#result.items, actual[1], "count")
    -- With a limit whole pages are evaluated, beyond the last item that is counted.
    if not (request.limit and actual[2] >= result.scanned) then
      same(result.scanned, actual[2], "scanned")
    end
    return
  end
  local items = {}
  for item in table.unpack(actual, 1, 4) do items[#items + 1] = item end
  same(texts_of(result.items), texts_of(items, from_lua), "items")
end

local function compare_get(_, _, result, actual)
  same(text(result.item), text(from_lua(actual[1])), "item")
end

local comparisons = {
  put = compare_write, update = compare_write, delete = compare_write, get = compare_get,
  query = compare_iterator, scan = compare_iterator, query_page = compare_page,
  scan_page = compare_page,
}

local function compare_request(run, request)
  local result, failure = database.execute(run.model, request)
  local handle = run.handles[request.table]
  local iterates = request.operation == "query" or request.operation == "scan"
  local actual, err = call(run.transaction or iterates, handle[request.operation], handle,
    requests.arguments(request))
  run.alter(request, result, failure)
  if same_failure(failure, err) then
    comparisons[request.operation](run, request, result, actual)
  end
  run.observe(request, actual, err)
end

-- Descriptions -------------------------------------------------------------------------------

--- Length of a text in a description; a longer one is cut.
local SHOWN_MAX = 600

local function cut(shown)
  return #shown > SHOWN_MAX and shown:sub(1, SHOWN_MAX) .. " ..." or shown
end

local function shown_list(list, show)
  local shown = {}
  for key, each in pairs(list) do shown[#shown + 1] = ("%s=%s"):format(key, show(each)) end
  table.sort(shown)
  return "{" .. cut(table.concat(shown, " ")) .. "}"
end

--- Returns a text about a request for a message.
function runs.described(request)
  local lines = { ("%s of %s"):format(request.operation, request.table) }
  local function add(what, shown) lines[#lines + 1] = ("    %s: %s"):format(what, shown) end
  if request.item then add("item or key", cut(text(request.item))) end
  for _, part in ipairs { "update", "condition", "key_condition", "filter", "projection" } do
    if request.texts[part] then add(part, cut(request.texts[part])) end
  end
  for i, test in ipairs(not request.has_key_condition and request.range or {}) do
    add("test " .. i, ("%s %s"):format(test.operator or test.name or test.kind,
      text(test[2].value)))
  end
  for _, list in ipairs { "names", "values", "positions" } do
    if next(request[list]) then
      add(list, shown_list(request[list], list == "names" and tostring or text))
    end
  end
  for _, option in ipairs { "returns", "on_failure", "limit", "count", "descending" } do
    if request[option] then add(option, tostring(request[option])) end
  end
  if request.start_key then add("start_key", text(request.start_key)) end
  return table.concat(lines, "\n")
end

-- Steps --------------------------------------------------------------------------------------

--- Adds the traceback to an error of Lua; a difference needs none.
local function traced(err)
  return type(err) == "table" and err or debug.traceback(tostring(err), 2)
end

local function step(run, request)
  local t = run.model.tables[request.table]
  local before = request.item and text(database.stored(t, request.item))
  local ok, err = xpcall(compare_request, traced, run, request)
  if not ok then
    local what = ("\n%s%s\n    stored: %s"):format(run.transaction
      and "in a transaction, " .. run.transaction .. ": " or "", runs.described(request),
      cut(before or "-"))
    if type(err) ~= "table" then error(err .. what, 0) end
    error({ difference = err.difference .. what }, 0)
  end
  run.count = run.count + 1
end

--- Compares the records since the last call.
local function compare_records(run)
  local number = run.compared
  for record in run.db:stream():records { after = CREATED + number } do
    number = number + 1
    local expected = run.model.records[number] or {}
    same(CREATED + number, record.sequence_number, "sequence number of the record")
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
  for _, name in ipairs(run.model.names) do
    local scan = requests.print({ operation = "scan", table = name }, "plain")
    local result = database.execute(run.model, scan)
    local items = {}
    for item in run.outside[name]:scan() do items[#items + 1] = item end
    same(texts_of(result.items), texts_of(items, from_lua), "items of " .. name)
  end
end

--- Executes a transaction, in which `inside` runs requests.
local function transact(run, entry, inside)
  local restore = database.savepoint(run.model)
  local ending = entry.ending
  local result, err, code = run.db:transact(function(tx)
    run.transaction, run.handles = entry.transaction, {}
    for _, name in ipairs(run.model.names) do run.handles[name] = tx:table(name) end
    inside()
    if ending == "cancel" then tx:cancel "reason" end
    if ending == "refuse" then return nil, "reason" end
    return "done"
  end, { mode = entry.transaction })
  run.transaction, run.handles = nil, run.outside
  if ending ~= "commit" then restore() end
  if type(err) == "table" and code ~= "CANCELLED" then
    differ("code of the transaction: %s", tostring(err))
  end
  same(ending == "cancel" and "CANCELLED" or nil, code, "code of the transaction")
  if ending == "refuse" then same("reason", err, "result of the transaction") end
  if ending == "commit" then same("done", result, "result of the transaction") end
end

-- Random runs --------------------------------------------------------------------------------

--- Returns the request that replaces an item which has grown by one that has only its key.
local function shrinking_put(run, request)
  local t = run.model.tables[request.table]
  local item = request.item and database.stored(t, request.item)
  if not item or #text(item) <= 1500 and attributes.levels(item) <= 12 then return nil end
  return requests.print({ operation = "put", table = t.name, item = database.key_of(t, item),
    returns = "NONE", on_failure = "NONE" }, "plain")
end

--- Runs a random request. An item that has grown is used a few times, then replaced, so that at
--- most one item is large.
local function random_step(run, list)
  local request = requests.random(run.model, run.style)
  repeat
    list[#list + 1] = request
    step(run, request)
    local put, t = shrinking_put(run, request), run.model.tables[request.table]
    request = put
    if put and chance(40) then
      request = requests.random(run.model, run.style, t.name, put.item)
    end
  until not request
end

local function random_transaction(run)
  local entry = { transaction = pick { "locked", "optimistic" },
    ending = pick { "commit", "commit", "commit", "cancel", "refuse" } }
  run.program[#run.program + 1] = entry
  transact(run, entry, function()
    for _ = 1, random(8) do random_step(run, entry) end
  end)
end

--- Runs at least this number of random requests, and adds them to run.program.
--- style: of the texts; transactions: the share in percent.
function runs.random(run, count, style, transactions)
  run.style = style
  while run.count < count do
    if chance(transactions) then random_transaction(run) else random_step(run, run.program) end
    compare_records(run)
    if chance(2) then compare_tables(run) end
  end
  compare_tables(run)
  if not run.db:check().ok then differ("the check of the database has findings") end
end

-- Repeated runs ------------------------------------------------------------------------------

--- Runs the requests of a program.
function runs.repeat_all(run, program)
  for _, entry in ipairs(program) do
    if entry.transaction then
      transact(run, entry, function()
        for _, request in ipairs(entry) do step(run, request) end
      end)
    else
      step(run, entry)
    end
    compare_records(run)
  end
  compare_tables(run)
end

--- Repeats a program. Returns nil, or the text of the difference or error.
function runs.replay(program, alter)
  local run = runs.new(alter)
  local difference = runs.attempt(runs.repeat_all, run, program)
  run.db:close()
  return difference
end

--- Runs f(run) and returns nil, or the text of the difference or error.
function runs.attempt(f, run, ...)
  local ok, err = xpcall(f, traced, run, ...)
  if ok then return nil end
  return type(err) == "table" and err.difference or err
end

return runs
