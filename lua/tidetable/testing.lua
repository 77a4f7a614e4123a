-- testing.lua - the module tidetable.testing: temporary databases, a clock that the test moves,
-- child processes, commits that fail or kill the process, and assertions.
--
-- The functions raise all failures, because a test cannot continue after one.

local children = require "tidetable.testing.child"
local clocks = require "tidetable.testing.clock"
local core = require "tidetable.core"
local databases = require "tidetable.testing.database"
local members = require "tidetable.members"
local options = require "tidetable.options"
local wait = require "tidetable.wait"

local misuse = options.misuse

local testing = {
  clock = clocks.new,
  database = databases.new,
  handle = databases.handle,
  reopen = databases.reopen,
  child = children.start,
}

-- Commits that fail ----------------------------------------------------------

local check_number = options.integer_from(1, 1000000000)
local check_crash = options.one_of { "before_commit", "after_write", "after_commit" }
local check_fail = options.one_of { "before_commit", "after_commit" }
local check_code = options.one_of { "DISK_FULL", "NO_MEMORY", "STORE", "UNKNOWN_OUTCOME" }

--- Makes the n-th commit from now on, of any database, kill this process with SIGKILL. Only in a
--- process of testing.child.
---@param point "before_commit"|"after_write"|"after_commit"
---@param n integer|nil  default 1
function testing.crash_at(point, n)
  options.argument("crash_at", "point", check_crash, point)
  options.argument("crash_at", "n", check_number, n or 1)
  if not children.is_child then
    misuse "crash_at: it would kill the test itself; call it in a process of testing.child"
  end
  local ok, err = core.set_fault(point, n or 1)
  if not ok then
    error(err, 0)
  end
end

--- A fault that fail_at has set.
---@class tidetable.testing.Fault
local Fault = {}
Fault.__index = Fault
Fault.__name = "tidetable.testing.fault"

--- The fault that was set last; there is one in a process.
local last_fault

--- Removes the fault, if it has not happened and no later one was set. Calling it twice is allowed.
function Fault:close()
  if last_fault == self then
    core.clear_fault()
    last_fault = nil
  end
end

Fault.__close = Fault.close

options.methods(Fault, "fault")
members.guard(Fault, "fault")

--- Makes the n-th commit from now on, of any database, fail with this code, once.
---@param point "before_commit"|"after_commit"  after_commit: only with UNKNOWN_OUTCOME
---@param n integer
---@param code "DISK_FULL"|"NO_MEMORY"|"STORE"|"UNKNOWN_OUTCOME"
---@return tidetable.testing.Fault
function testing.fail_at(point, n, code)
  options.argument("fail_at", "point", check_fail, point)
  options.argument("fail_at", "n", check_number, n)
  options.argument("fail_at", "code", check_code, code)
  if point == "after_commit" and code ~= "UNKNOWN_OUTCOME" then
    misuse 'fail_at: after_commit requires the code "UNKNOWN_OUTCOME": the changes are stored'
  end
  last_fault = setmetatable({}, Fault)
  core.set_fault(point, n, code)
  return last_fault
end

-- Assertions -----------------------------------------------------------------

local stream_names = { ["tidetable.table"] = true, ["tidetable.stream"] = true }

local function name_of(value)
  local metatable = type(value) == "table" and getmetatable(value)
  return type(metatable) == "table" and metatable.__name or type(value)
end

--- Returns all records that are in a stream, or that its filter selects, as plain tables.
---@param stream tidetable.Stream|tidetable.Table  a table: its newest stream
---@param fields string[]|nil  fields to return; default: all
---@return table<string, any>[]
function testing.records(stream, fields)
  if not stream_names[name_of(stream)] then
    misuse("records: expected a stream or a table, got " .. name_of(stream))
  elseif name_of(stream) == "tidetable.table" then
    local newest, err = stream:stream()
    if not newest then
      error(err, 0)
    end
    stream = newest
  end
  local list = {}
  for record in stream:records { from = "TRIM_HORIZON" } do
    local plain = {}
    if fields then
      for _, name in ipairs(fields) do
        plain[name] = record[name]
      end
    else
      for name, value in pairs(record) do
        plain[name] = value
      end
    end
    list[#list + 1] = plain
  end
  return list
end

--- Returns a key attribute's value as an index: equal numbers or binaries may be two objects.
local function index_of(value)
  return type(value) == "userdata" and tostring(value) or value
end

--- Returns all items of a table: by partition key, and with a sort key by partition key and sort
--- key.
---@param source tidetable.Table
---@return table<string|number, table>
function testing.items(source)
  if name_of(source) ~= "tidetable.table" then
    misuse("items: expected a table, got " .. name_of(source))
  end
  local definition, err = source:describe()
  if not definition then
    error(err, 0)
  end
  local partition, sort = definition.partition_key[1], (definition.sort_key or {})[1]
  local items = {}
  for item in source:scan() do
    local first = index_of(item[partition])
    if sort then
      items[first] = items[first] or {}
      items[first][index_of(item[sort])] = item
    else
      items[first] = item
    end
  end
  return items
end

local DEFAULT_SECONDS = 5
local PAUSE_SECONDS = 0.01

--- Calls a function until it returns a true value. Between two calls other coroutines of cqueues
--- run; a plain script sleeps. Errors of the function count as false until the time is over.
---@param f fun(): any
---@param seconds number|nil  by the machine's clock; default 5
---@return any value  what f returned
function testing.eventually(f, seconds)
  if type(f) ~= "function" then
    misuse("eventually: expected a function, got " .. type(f))
  end
  options.argument("eventually", "seconds", options.seconds, seconds or DEFAULT_SECONDS)
  local deadline = core.elapsed() + (seconds or DEFAULT_SECONDS)
  while true do
    local ok, value = pcall(f)
    if ok and value then
      return value
    elseif core.elapsed() >= deadline then
      error(ok and ("eventually: not true within %g s"):format(seconds or DEFAULT_SECONDS)
        or value, ok and 2 or 0)
    end
    wait.pause(nil, PAUSE_SECONDS)
  end
end

return members.guard_module(testing, "testing")
