-- helper.lua - helpers of the specs: directories, other processes, checks of errors.
local assert = require "luassert"
local lfs = require "lfs"
local tidetable = require "tidetable"

local helper = {}

local directory, opened, children

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Gives each test of a describe block its own directory, and closes the databases and processes
--- that the test left open.
function helper.setup(before_each, after_each)
  before_each(function()
    opened, children, directory = {}, {}, nil
  end)
  after_each(function()
    for _, child in ipairs(children) do child:kill() end
    for i = #opened, 1, -1 do opened[i]:close() end
    if directory then
      for name in lfs.dir(directory) do os.remove(directory .. "/" .. name) end
      os.remove(directory)
    end
  end)
end

--- Returns a path in the test's directory.
function helper.path(name)
  if not directory then
    directory = os.tmpname()
    os.remove(directory)
    assert(lfs.mkdir(directory))
  end
  return directory .. "/" .. (name or "test.tide")
end

--- Opens a database in a file, without flushes. It is closed after the test.
function helper.open(options, path)
  local given = { durability = "none" }
  for name, value in pairs(options or {}) do given[name] = value end
  local db = assert(tidetable.open(path or helper.path(), given))
  opened[#opened + 1] = db
  return db
end

--- Opens a database in memory.
function helper.memory(options)
  return helper.open(options, ":memory:")
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

-- Other processes ------------------------------------------------------------

local Child = {}
Child.__index = Child

--- Returns the next line that the child has printed.
function Child:line()
  return self.pipe:read("l")
end

--- Waits until the child pauses. The gate is opened for reading and writing, so that `go` does not
--- block if the child has ended.
function Child:paused()
  assert.equal("paused", self:line())
  self.gate = self.gate or assert(io.open(self.gate_path, "r+"))
end

--- Lets the child continue.
function Child:go()
  self.gate:write "\n"
  self.gate:flush()
end

-- The results of the pipe's close.
local function leave(child)
  local pipe = child.pipe
  if child.gate then child.gate:close() end
  child.pipe, child.gate = nil, nil
  return pipe:close()
end

--- Waits for the end of the child. Returns what it has printed since. Fails if the child failed.
function Child:close()
  if self.pipe then
    local rest = self.pipe:read("a")
    local ok, why, status = leave(self)
    if not ok then
      error(("the child ended with %s %d: %s"):format(why, status, rest), 2)
    end
    return rest
  end
end

--- Kills the child. Does nothing if it has been closed.
function Child:kill()
  if self.pipe then
    os.execute("kill -9 " .. self.pid .. " 2>/dev/null")
    leave(self)
  end
end

local prelude = [[
io.stdout:setvbuf "line"
local path = %q
local function pause()
  print "paused"
  io.open(%q):read()
end
local tidetable = require "tidetable"
local db = assert(tidetable.open(path, { durability = "none" }))
]]

--- Puts the items first to last, each in its own transaction, one second apart.
function helper.put_each(items, clock, first, last)
  for i = first, last do
    assert(items:put { id = ("%04d"):format(i) })
    clock:advance(1)
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

--- Runs Lua code in a child process. `path` is the test's database, `tidetable` and `db` are
--- defined, its output is returned line by line; `pause()` sleeps until the test calls `go`.
--- `before`: a shell command that runs first, such as "ulimit -n 40".
function helper.child(code, before)
  local script = helper.path(("child%d.lua"):format(#children + 1))
  local gate = script .. ".gate"
  local file = assert(io.open(script, "w"))
  file:write(prelude:format(helper.path(), gate), code, "\n")
  assert(file:close())
  local command = ("mkfifo %s; echo $$; %s; exec env LUA_PATH=%s LUA_CPATH=%s %s %s 2>&1"):format(
    quote(gate), before or ":", quote(package.path), quote(package.cpath),
    os.getenv("LUA") or "lua5.4", quote(script))
  local child = setmetatable({ pipe = assert(io.popen(command)), gate_path = gate }, Child)
  child.pid = math.tointeger(child:line())
  children[#children + 1] = child
  return child
end

return helper
