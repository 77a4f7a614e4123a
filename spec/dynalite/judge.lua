-- judge.lua - repeats a program on dynalite and compares its answers with the library's.
local attributes = require "spec.model.attributes"
local database = require "spec.model.item_database"
local requests = require "spec.model.item_requests"
local rules = require "spec.dynalite.rules"
local runs = require "spec.model.item_runs"
local wire = require "spec.dynalite.wire"

local judge = {}

local text, from_lua = attributes.text, attributes.from_lua

local function quoted(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- Sends lines to dynalite. Returns the lines of the answers.
local function ask(lines)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write(table.concat(lines, "\n"), "\n"))
  assert(file:close())
  local pipe = assert(io.popen(("%s spec/dynalite/judge.js %s <%s"):format(
    os.getenv "NODE" or "node", quoted(assert(os.getenv "DYNALITE", "DYNALITE is not set")), path)))
  local answers = {}
  for line in pipe:lines() do answers[#answers + 1] = line end
  local ok = pipe:close()
  os.remove(path)
  assert(ok and #answers == #lines - 1, "the judge has stopped")
  return answers
end

-- Answers of the library -----------------------------------------------------------------------

local function all_from_lua(items)
  local list = {}
  for i, item in ipairs(items) do list[i] = from_lua(item) end
  return list
end

--- Returns the library's results in the form of wire.answer.
local function answer_of(request, actual, err)
  if err then return { exception = err.exception, message = err.message } end
  if not request.operation:find "_page$" then
    return { item = from_lua(actual[request.returns and 2 or 1]) }
  end
  local counts = type(actual[1]) == "number"
  return { count = counts and actual[1] or #actual[1], scanned = actual[3],
    items = not counts and all_from_lua(actual[1]) or nil, last = from_lua(actual[2]) }
end

local function copy(list)
  local new = {}
  for key, each in pairs(list) do new[key] = each end
  return new
end

--- Returns a function to observe a run, and the list of what it saw: { request, ours, after, items,
--- key }, where `items` are those of the table before the request.
function judge.observer(model)
  local seen, before = {}, {}
  for name in pairs(model.tables) do before[name] = {} end
  return function(request, actual, err)
    local t = model.tables[request.table]
    seen[#seen + 1] = { request = request, ours = answer_of(request, actual, err),
      after = request.returns and database.stored(t, request.item), items = before[t.name],
      key = request.item and database.key_of(t, request.item) }
    if request.returns then before[t.name] = copy(t.items) end
  end, seen
end

-- Comparison -----------------------------------------------------------------------------------

--- Returns the texts of items; sorted for a scan, whose order differs.
local function shown_items(request, items)
  local list = {}
  for i, item in ipairs(items or {}) do list[i] = text(item) end
  if request.operation == "scan_page" then table.sort(list) end
  return table.concat(list, "\n")
end

local fields = {
  { "exception", function(_, x) return tostring(x) end },
  { "message", function(_, x) return tostring(x) end },
  { "item", function(_, x) return text(x) end },
  { "count", function(_, x) return tostring(x) end },
  { "scanned", function(_, x) return tostring(x) end },
  { "items", shown_items },
  { "last", function(_, x) return text(x) end },
}

--- Returns the name of the first field that differs, and its two texts.
local function difference_of(request, ours, theirs)
  for _, field in ipairs(fields) do
    local a, b = field[2](request, ours[field[1]]), field[2](request, theirs[field[1]])
    if a ~= b then return field[1], a, b end
  end
end

--- Returns the text of a difference that no rule allows, nil if there is none; then the rule's
--- name.
local function compare(seen, theirs, after)
  local request, ours = seen.request, seen.ours
  local what, a, b = difference_of(request, ours, theirs)
  if not what and request.returns and text(seen.after) ~= text(after) then
    what, a, b = "stored", text(seen.after), text(after)
  end
  if not what then return nil end
  local rule = rules.find { request = request, ours = ours, theirs = theirs, what = what,
    items = seen.items, key = seen.key, our_item = seen.after, their_item = after }
  if rule then return nil, rule end
  return ("%s: the library has\n  %s\ndynalite has\n  %s (%s)"):format(what, a, b,
    theirs.message or "no message")
end

--- Compares what was observed with dynalite. Returns nil, or the index and text of the first
--- difference; then the number of differences by rule.
function judge.compare(model, seen)
  local lines, used = { wire.tables() }, {}
  for i, each in ipairs(seen) do
    lines[i + 1] = wire.line(each.request, model.tables[each.request.table], each.after)
  end
  for i, line in ipairs(ask(lines)) do
    local difference, rule = compare(seen[i], wire.answer(line))
    if difference then return i, difference, used end
    if rule then used[rule] = (used[rule] or 0) + 1 end
  end
  return nil, nil, used
end

--- Repeats a program on the library and dynalite. Returns nil, or the text of the difference.
function judge.replay(program)
  local run = runs.new()
  local observe, seen = judge.observer(run.model)
  run.observe = observe
  local difference = runs.attempt(runs.repeat_all, run, program)
  run.db:close()
  if difference then return nil end
  local _, text_of_difference = judge.compare(run.model, seen)
  return text_of_difference
end

--- Returns the program that stores the items which a request found, and repeats the request.
function judge.reduced(seen, i)
  local model, request, program = database.new(), seen[i].request, {}
  for n = 1, i - 1 do database.execute(model, seen[n].request) end
  local items, names = model.tables[request.table].items, {}
  for at in pairs(items) do names[#names + 1] = at end
  table.sort(names)
  for _, at in ipairs(names) do
    program[#program + 1] = requests.print({ operation = "put", table = request.table,
      item = items[at], returns = "NONE", on_failure = "NONE" }, "plain")
  end
  program[#program + 1] = request
  return program
end

return judge
