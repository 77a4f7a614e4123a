-- helper.lua - helpers of the specs: directories, other processes, checks of errors.
local assert = require "luassert"
local core = require "tidetable.core"
local lfs = require "lfs"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local helper = {}

local directory, directory_path, opened, children, clock

--- Gives each test of a describe block its own directory, and closes the databases, processes and
--- clocks that the test left open.
function helper.setup(before_each, after_each)
  before_each(function()
    opened, children, directory, clock = {}, {}, nil, nil
  end)
  after_each(function()
    for _, child in ipairs(children) do child:kill() end
    for i = #opened, 1, -1 do opened[i]:close() end
    if directory then core.remove_directory(directory) end
    if clock then clock:close() end
  end)
end

--- Returns a path in the test's directory.
function helper.path(name)
  if not directory then
    directory, directory_path = core.temporary_directory()
    assert(directory, directory_path)
  end
  return directory_path .. "/" .. (name or "test.tide")
end

--- Replaces the clock of the process until the end of the test. Returns the clock.
function helper.clock(start)
  clock = testing.clock(start)
  return clock
end

--- Opens a database in a file, without flushes. It is closed after the test.
function helper.open(options, path)
  local given = { durability = "none" }
  for name, value in pairs(options or {}) do given[name] = value end
  local db = assert(tidetable.open(path or helper.path(), given))
  opened[#opened + 1] = db
  return db
end

--- Creates a database in memory. It is closed after the test.
function helper.memory(options)
  local given = { memory = true }
  for name, value in pairs(options or {}) do given[name] = value end
  opened[#opened + 1] = testing.database(given)
  return opened[#opened]
end

-- Errors ---------------------------------------------------------------------

local function check_error(code, err)
  assert.equal("table", type(err))
  assert.equal(code, err.code)
  assert.equal("string", type(err.message))
  assert.equal("string", type(err.exception))
  assert.equal("boolean", type(err.retryable))
  assert.equal("none", err.outcome)
  assert.is_truthy(not err.where or err.where:find "%.lua:%d+$", err.where)
  local where = err.where and err.where .. ": " or ""
  assert.equal(where .. code .. ": " .. err.message, tostring(err))
  return err
end

--- Checks the results nil, err, code. Returns err.
function helper.refused(code, value, err, third, ...)
  assert.is_nil(value)
  assert.equal(code, third)
  assert.equal(0, select("#", ...))
  return check_error(code, err)
end

--- Checks that f raises an error object with this code. Returns it.
function helper.raises(code, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return check_error(code, err)
end

--- Checks that f raises a text that contains this one.
function helper.misuse(text, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "should raise: " .. text)
  assert.equal("string", type(err))
  assert.is_truthy(err:find(text, 1, true), err)
  return err
end

--- Checks also that the position in the message is a line of the calling spec.
function helper.blames(text, f, ...)
  local err = helper.misuse(text, f, ...)
  assert.is_truthy(err:find("_spec.lua:%d+: "), "blames somebody else: " .. err)
  return err
end

-- Reading --------------------------------------------------------------------

--- Returns the values of an iterator as an array.
function helper.collect(...)
  local all = {}
  for each in ... do all[#all + 1] = each end
  return all
end

--- Returns the first value of an iterator and leaves the loop.
function helper.first(...)
  for each in ... do return each end -- luacheck: ignore 512
end

--- Returns one field of each value of an iterator.
function helper.field(name, ...)
  local all = {}
  for each in ... do all[#all + 1] = each[name] end
  return all
end

--- Returns the sequence number of the n-th change after the creation of this number of tables in a
--- new database: each creation is a change of its own.
function helper.after_creation(tables, n)
  return tables + n
end

-- Other processes ------------------------------------------------------------

local Child = {}
Child.__index = Child

--- Returns the next line that the child has printed.
function Child:line()
  return self.process:line()
end

--- Waits until the child pauses.
function Child:paused()
  assert.equal("paused", self:line())
end

--- Lets the child continue.
function Child:go()
  self.process:send()
end

--- Waits for the end of the child. Returns what it has printed since.
function Child:output()
  self.result = self.process:wait()
  return self.result.output
end

--- Does the same; fails if the child failed. Does nothing if its output was read.
function Child:close()
  if not self.result then
    local rest = self:output()
    if self.result.status ~= 0 then
      error(("the child ended with %s: %s"):format(self.result.status
        and "status " .. self.result.status or "signal " .. self.result.signal, rest), 2)
    end
    return rest
  end
end

--- Kills the child. Does nothing if it has been closed.
function Child:kill()
  self.process:close()
end

local prelude = [[
local path = ...
local function pause()
  print "paused"
  io.read()
end
local tidetable = require "tidetable"
local db = assert(tidetable.open(path, { durability = "none" }))
]]

--- Puts the items first to last, each in its own transaction, one second apart.
function helper.put_each(items, moved, first, last)
  for i = first, last do
    assert(items:put { id = ("%04d"):format(i) })
    moved:advance(1)
  end
end

local function parent_of(pid)
  local file <close> = io.open("/proc/" .. pid .. "/stat")
  return file and tonumber((file:read("a") or ""):match "^.*%) %u (%d+)")
end

--- Waits until a process has a child. Returns its id as text; nil if the process has ended.
function helper.child_of(pid)
  while lfs.attributes("/proc/" .. pid .. "/exe") do
    for name in lfs.dir "/proc" do
      if name:find "^%d+$" and parent_of(name) == pid then return name end
    end
  end
end

-- A child of an instrumented build may run for minutes.
local CHILD_SECONDS = 600

--- Runs Lua code in a child process. `path` is the test's database, `tidetable` and `db` are
--- defined, its output is returned line by line; `pause()` sleeps until the test calls `go`.
--- `before`: a shell command that runs first, such as "ulimit -n 40".
function helper.child(code, before)
  local process = testing.child(prelude .. code, {
    helper.path(), seconds = CHILD_SECONDS, lua = os.getenv "LUA",
    command = before and { "sh", "-c", before .. '; exec "$@"', "sh" },
  })
  local child = setmetatable({ process = process, pid = process.pid }, Child)
  children[#children + 1] = child
  return child
end

return helper
