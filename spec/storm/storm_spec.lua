-- storm_spec.lua - many processes open and close one database, and write to it.
--
--   make storm OPENS=3000 SEED=n
--
-- LMDB 0.9.26 to 0.9.31 destroy the lock file's mutexes when the last process closes. The OPENING
-- lock on the shared page serializes our processes; csrc/lmdb_file/lock_file.c prevents LMDB from
-- destroying them.
local helper = require "spec.tidetable.helper"
local system = require "system"
local tidetable = require "tidetable"

local OPENS = math.tointeger(tonumber(os.getenv("OPENS"))) or 60
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local PROCESSES = 8
local LUA = os.getenv("LUA") or "lua5.4"

helper.setup(before_each, after_each)

--- Starts a process that prints its process id first.
local function start(path, number, durability)
  return assert(io.popen(("echo $$; exec %s spec/storm/opener.lua '%s' p%d %d %d %s 2>&1"):format(
    LUA, path, number, OPENS, SEED + number, durability or "")))
end

local function make(path)
  local made <close> = assert(tidetable.open(path, { max_size = "1 GiB", durability = "none" }))
  assert(made:create_table { name = "items", partition_key = "id", sort_key = { "n", "N" },
    stream = { retention = { count = 500 } } })
end

--- Starts all of them, and kills them before they have finished.
local function start_and_kill(path)
  local pipes, pids = {}, {}
  for i = 1, PROCESSES do
    pipes[i] = start(path, i, "full")
    pids[i] = ("%d"):format(pipes[i]:read("n"))
  end
  system.sleep(0.05 + math.random() * 0.1)
  os.execute("kill -KILL " .. table.concat(pids, " "))
  for _, pipe in ipairs(pipes) do
    pipe:close()
  end
end

--- Starts a process that has the database open until the returned variable is closed.
local function hold(path)
  local pipe = assert(io.popen(([[echo $$; exec %s -e 'local db = assert(require "tidetable".open(]]
    .. [["%s")) print "open" io.flush() require "system".sleep(3600)']]):format(LUA, path)))
  local pid = ("%d"):format(pipe:read("n"))
  assert(pipe:read("l", "l") and pipe)
  return setmetatable({}, { __close = function()
    os.execute("kill -KILL " .. pid)
    pipe:close()
  end })
end

--- Returns the items and the last sequence number, read with a new handle.
local function state(path, options)
  local db <close> = assert(tidetable.open(path, options))
  local count, sum = 0, 0
  for item in db:table("items"):scan() do
    count, sum = count + 1, sum + #item.text
  end
  return ("%d items, %d bytes, %d"):format(count, sum, db:info().sequence_number)
end

describe("a database that is opened and closed repeatedly", function()
  it("loses nothing, can always be opened, and leaves no descriptor open", function()
    print(("storm: SEED=%d, %d processes x %d opens"):format(SEED, PROCESSES, OPENS))
    local path = helper.path()
    make(path)
    local pipes, stored = {}, 0
    for i = 1, PROCESSES do
      pipes[i] = start(path, i)
    end
    for i, pipe in ipairs(pipes) do
      pipe:read("l")
      local output = pipe:read("a")
      local ok = pipe:close()
      local count, before, after = output:match("^(%d+)\t(%d+)\t(%d+)\n$")
      assert.is_truthy(ok and count, ("process %d: %s"):format(i, output))
      assert.equal(before, after, "descriptors")
      stored = stored + tonumber(count)
    end

    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    assert.same({}, assert(db:check()).problems)
    local count = 0
    for _ in db:table("items"):scan() do
      count = count + 1
    end
    assert.equal(stored, count)
    assert.is_true(db:info().readers <= 2)
    print(("storm: %d opens, %d items stored and found"):format(PROCESSES * OPENS, stored))
  end)

  -- After the kill either the first process to open it is alone, or another process has had it
  -- open. No process writes until all have read.
  it("has the same contents for all processes after its writers were killed", function()
    local rounds = math.max(4, OPENS // 30)
    print(("storm: SEED=%d, %d times %d processes killed"):format(SEED, rounds, PROCESSES))
    math.randomseed(SEED)
    local path = helper.path()
    make(path)
    for round = 1, rounds do
      local _ <close> = round % 2 == 0 and hold(path) or nil
      start_and_kill(path)
      system.sleep(0.011)
      local first = state(path, { read_only = round % 4 < 2 })
      assert.equal(first, state(path, { read_only = round % 4 >= 2 }))
      assert.same({}, assert(tidetable.check(path)).problems)
      local db <close> = assert(tidetable.open(path, { durability = "none" }))
      assert(db:transact(function(tx)
        tx:table("items"):put { id = "other", n = round, text = "" }
        tx:table("items"):delete { id = "other", n = round }
      end))
      db:close()
      assert.equal(first:match("^(.* bytes)"), state(path):match("^(.* bytes)"),
        "after a change by another process")
    end
  end)
end)
