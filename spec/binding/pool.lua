-- pool.lua - the values that a random script uses: Lua's, the library's, and forged ones.
local core = require "tidetable.core"

--- Functions that wait, and the index of their timeout argument, which is set to 0 here. They are
--- replaced before the library's modules read them.
for name, at in pairs { wait_writer = 2, wait_feed = 2, wakeup_wait = 2, backup_wait = 2,
  check_wait = 2, read_input = 2, terminal_wait = 2, backup = 5, check_file = 2,
  progress_wait = 3 } do
  local f = core[name]
  core[name] = function(...)
    local given = table.pack(...)
    if tonumber(given[at]) or given[at] == nil and name == "read_input" then
      given[at] = 0
    end
    return f(table.unpack(given, 1, math.max(given.n, at)))
  end
end

-- Functions that change the output and the signals of the process are for the command only.
for _, name in ipairs { "redirect_output", "publish_output", "catch_signals", "hold_signals" } do
  core[name] = nil
end

local tidetable = require "tidetable"

-- A consumer's wait_for would wait for ever: the records are handled by the script itself.
local waits = require "tidetable.consumer.wait_for"
local wait_for = waits.wait_for
function waits.wait_for(consumer, sequence, seconds)
  return wait_for(consumer, sequence, (seconds == nil or tonumber(seconds)) and 0 or seconds)
end

local pool = { values = {}, functions = {} }

local random = math.random

--- Number of kept values above which values are dropped at random, so that finalizers run and
--- handles are collected.
local LARGEST = 300

local function put(list, value)
  if value ~= nil then
    list[#list < LARGEST and #list + 1 or random(#list)] = value
  end
end

--- Keeps a value for later use as an argument, or as a function to call. Skips paths to other
--- directories, which error messages contain, because they might be opened.
function pool.keep(value)
  if type(value) ~= "string" or not value:find("/", 1, true) then
    put(pool.values, value)
  end
  if type(value) == "function" then
    put(pool.functions, value)
  end
  return value
end

local words = { "id", "n", "items", "other", "name", "data.tide", "a", "", "=", "all", "between",
  "begins_with", "1h", "64 MiB", "LATEST", "r", "5", "\0", "\xff", ("x"):rep(300), ("1"):rep(5000),
  "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW", "KEYS_ONLY" }

-- Expressions for an item with text, tags and hits.
local expressions = {
  "SET #a = ?, hits = if_not_exists(hits, ?) + ?", "SET l[3] = ?, m.x = :v", "ADD hits ?",
  "SET l = list_append(if_not_exists(l, :v), :v)", "REMOVE #a, l[0], tags", "DELETE tags :v",
  "SET n = ?", "ADD hits ? SET", "attribute_exists(#a)", "attribute_not_exists(hits) OR hits < ?",
  "hits BETWEEN ? AND :v", "contains(tags, :v) AND size(#a) > ?", "#a IN (?, ?, :v)", "text = ",
  "id = ? AND n > ?", "id = ? AND n BETWEEN ? AND ?", "n = :v AND id = ?", "hits", "tags, #a",
  "l[0].a, l[2]", "((hits = ?))", "?",
}

local options = { "limit", "start_key", "descending", "sort", "snapshot", "snapshot_limit", "from",
  "at", "after", "time", "follow", "timeout", "wait", "mode", "attempts", "time_limit", "label",
  "name", "partition_key", "sort_key", "stream", "return_values", "batch", "read_only", "create",
  "condition", "filter", "projection", "key_condition", "names", "values", "count", "n", "alter",
  "return_values_on_failure" }

local plain = {
  function() return random(-3, 20) end,
  function() return math.tointeger(2 ^ random(0, 62)) * (random(2) == 1 and 1 or -1) end,
  function() return math.maxinteger - random(0, 1) end,
  function() return math.mininteger + random(0, 1) end,
  function() return ({ 0.5, -0.0, 1e300, math.huge, -math.huge, 0 / 0, 1e-320 })[random(7)] end,
  function() return random(2) == 1 end,
  function() return words[random(#words)] end,
  function() return { id = "a", n = random(20) } end,
  function() return { [words[random(#words)]] = pool.any(), pool.any() } end,
  function() return { [options[random(#options)]] = pool.any() } end,
  function() return { ">=", random(5) } end,
  function() return expressions[random(#expressions)] end,
  function() return pool.parameters { [options[random(#options)]] = pool.any() } end,
  function() return tidetable.binary(string.pack("J", random(0)):rep(random(0, 40))) end,
  function() return (tidetable.number(("%d.%d"):format(random(1000), random(1000)))) end,
  function() return tidetable.set { random(3), 4 } end,
  function() return tidetable.list {} end,
  function() return tidetable.map {} end,
  function() return tidetable.null end,
  function() return io.stdout end,
  function() return coroutine.create(print) end,
  function() return core.values.encode { id = "a", n = random(20), text = "t" } end,
}

--- Returns an expression, valid for some calls.
function pool.expression()
  return expressions[random(#expressions)]
end

--- Adds parameters of expressions to options, often as many as one of the expressions needs.
function pool.parameters(opts)
  if random(3) > 1 then
    opts.names = { [random(6) == 1 and "a" or "#a"] = random(8) == 1 and pool.any() or "text" }
  end
  if random(3) > 1 then
    opts.values = { [":v"] = pool.any() }
  end
  for i = 1, random(0, 4) do
    opts[i] = random(4) == 1 and pool.any() or random(2) == 1 and random(20) or "a"
  end
  opts.n = random(10) == 1 and pool.any() or opts.n
  return opts
end

--- Returns a plain Lua value, or nil.
function pool.plain()
  if random(12) == 1 then
    return nil
  end
  return plain[random(#plain)]()
end

--- Returns an object forged from two values: with the metatable of another class, or with a marker
--- that was read from a metatable.
local function forged()
  local one, metatable = pool.any(), getmetatable(pool.any())
  if type(metatable) ~= "table" then
    metatable = {}
    for key in pairs(getmetatable(tidetable.list {})) do
      metatable[key] = random(10)
    end
  end
  return setmetatable({ core = one, database = pool.any(), transaction = pool.any() }, metatable)
end

--- Returns any value: plain, kept or forged, or nil.
function pool.any()
  local kind = random(20)
  if kind <= 9 and #pool.values > 0 then
    return pool.values[random(#pool.values)]
  elseif kind == 10 and #pool.values > 0 then
    local ok, value = pcall(forged)
    return ok and value or nil
  end
  return pool.plain()
end

--- Returns a random number of arguments, up to a few more than any function takes.
function pool.arguments()
  local count = random(0, 7)
  local list = { n = count }
  for i = 1, count do
    list[i] = pool.any()
  end
  return list
end

--- Collects all functions that a script can reach: of the modules, their classes and the core.
function pool.fill(objects)
  local seen = {}
  local function take(t)
    if type(t) ~= "table" or seen[t] then
      return
    end
    seen[t] = true
    local names = {}
    for name, value in next, t do
      names[#names + 1] = type(value) == "function" and name or nil
    end
    table.sort(names)        -- a seed must determine the calls
    for _, name in ipairs(names) do
      pool.functions[#pool.functions + 1] = t[name]
    end
  end
  take(core)
  take(core.values)
  take(tidetable)
  for _, object in ipairs(objects) do
    take(getmetatable(object))
  end
  LARGEST = #pool.functions + 200
end

--- Forgets some values.
function pool.forget()
  for _ = 1, random(10) do
    if #pool.values > 0 then
      local at = random(#pool.values)
      pool.values[at] = pool.values[#pool.values]
      pool.values[#pool.values] = nil
    end
  end
end

return pool
