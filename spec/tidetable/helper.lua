-- helper.lua - what the specs of the modules share: directories, other processes, refusals.
local assert = require "luassert"
local lfs = require "lfs"
local tidetable = require "tidetable"

local helper = {}

local directory, opened, children

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- To be called inside a describe: each test gets a directory of its own, and what it left open
--- is closed behind it.
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

--- A path in the test's directory.
function helper.path(name)
  if not directory then
    directory = os.tmpname()
    os.remove(directory)
    assert(lfs.mkdir(directory))
  end
  return directory .. "/" .. (name or "test.tide")
end

--- Opens a database on a file, without flushes; closed behind the test.
function helper.open(options, path)
  local given = { durability = "none" }
  for name, value in pairs(options or {}) do given[name] = value end
  local db = assert(tidetable.open(path or helper.path(), given))
  opened[#opened + 1] = db
  return db
end

--- One in memory.
function helper.memory(options)
  return helper.open(options, ":memory:")
end

-- Refusals -------------------------------------------------------------------

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

--- Checks `nil, err, code`; gives err.
function helper.refused(code, value, err, third, ...)
  assert.is_nil(value)
  assert.equal(code, third)
  assert.equal(0, select("#", ...))
  return check_error(code, err)
end

--- Checks that f raises an error object; gives it.
function helper.raises(code, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return check_error(code, err)
end

--- Checks that f raises a text that has this in it, blaming this file's line.
function helper.misuse(text, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "should raise: " .. text)
  assert.equal("string", type(err))
  assert.is_truthy(err:find(text, 1, true), err)
  return err
end

--- The same, and the message must blame the spec that called.
function helper.blames(text, f, ...)
  local err = helper.misuse(text, f, ...)
  assert.is_truthy(err:find("_spec.lua:%d+: "), "blames somebody else: " .. err)
  return err
end

-- Reading --------------------------------------------------------------------

--- What an iterator gives, as an array.
function helper.collect(...)
  local all = {}
  for each in ... do all[#all + 1] = each end
  return all
end

--- What it gives first; then the loop is left.
function helper.first(...)
  for each in ... do return each end -- luacheck: ignore 512
end

--- The same as collect, one field of each.
function helper.field(name, ...)
  local all = {}
  for each in ... do all[#all + 1] = each[name] end
  return all
end

-- Other processes ------------------------------------------------------------

local Child = {}
Child.__index = Child

--- The next line that the child has printed.
function Child:line()
  return self.pipe:read("l")
end

--- Waits until it pauses. (Its gate is open for both, so that `go` waits for nobody who has died.)
function Child:paused()
  assert.equal("paused", self:line())
  self.gate = self.gate or assert(io.open(self.gate_path, "r+"))
end

--- Lets it go on.
function Child:go()
  self.gate:write "\n"
  self.gate:flush()
end

-- What the pipe's close says of its end.
local function leave(child)
  local pipe = child.pipe
  if child.gate then child.gate:close() end
  child.pipe, child.gate = nil, nil
  return pipe:close()
end

--- Waits for its end; what else it printed. Fails unless it went well.
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

--- Kills it, wherever it is; nothing when it has been closed.
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

--- Puts items first .. last, one transaction each, a second apart.
function helper.put_apart(items, clock, first, last)
  for i = first, last do
    assert(items:put { id = ("%04d"):format(i) })
    clock:advance(1)
  end
end

local function parent_of(pid)
  local file <close> = io.open("/proc/" .. pid .. "/stat")
  return file and tonumber((file:read("a") or ""):match "^.*%) %u (%d+)")
end

--- Waits until a process has a child: its id, as text. Nil when the process has ended.
function helper.child_of(pid)
  while lfs.attributes("/proc/" .. pid .. "/exe") do
    for name in lfs.dir "/proc" do
      if name:find "^%d+$" and parent_of(name) == pid then return name end
    end
  end
end

--- Runs Lua code in a process of its own: `path` is the test's database, `tidetable` and `db` are
--- there, what it prints comes back by lines; in `pause()` it sleeps until the test says `go`.
--- `before`: shell that runs first, as "ulimit -n 40".
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
