-- parallel_spec.lua - workers that share the shards of a consumer are killed, at random or in a
-- commit, stopped for random times, and close the database.
--
--   make crash CYCLES=2000 SEED=n
--
-- Every change is handled once, the changes of an item in order. No worker waits forever, and while
-- a worker lives, no shard is without a living owner for longer than the lease and a second.
local counting = require "spec.crash.counting"
local pools = require "spec.crash.pool"
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local WORKERS, SHARDS = 4, 16
local LEASE, HANDLER_LIMIT = 0.2, 1              -- seconds
local CYCLE_MAX = 0.1                            -- seconds between two signals
local SIGSTOP = 19

describe("killed and stopped workers of one consumer", function()
  local folder, path

  before_each(function()
    folder = processes.create_folder()
    path = folder .. "/parallel.tide"
  end)

  after_each(function() processes.clean_up(folder) end)

  --- Returns a random time, which is longer than the lease in three of ten cases.
  local function stop_time()
    local choice = math.random(10)
    if choice <= 7 then
      return math.random() * LEASE
    elseif choice <= 9 then
      return math.random() * 1
    end
    return math.random() * 3
  end

  local started = 0

  local function start()
    started = started + 1
    local environment = ""
    if started % 3 == 0 then
      environment = processes.in_commit(math.random(100))
    elseif started % 7 == 1 then
      environment = processes.in_commit(math.random(100), SIGSTOP)
    end
    return processes.start_with(environment, "pool_worker", ("%s/log-%d"):format(folder, started),
      path, SEED + started)
  end

  --- Calls a command until it does not return BUSY.
  local function command(pool, what, call)
    pool:wait_until(30, what, function()
      local ok, err, code = call()
      if not ok and code ~= "BUSY" then error(err) end
      return ok
    end)
  end

  --- Returns the number of changes of all items, each of which stores its own.
  local function count_changes(items)
    local sum = 0
    for item in items:scan() do sum = sum + item.n end
    return sum
  end

  it("handle every change once, in order, and take over soon", function()
    io.write("parallel: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local began = system.monotime()
    local db <close> = assert(tidetable.open(path, { durability = "none", busy_timeout = 0.02 }))
    local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    local totals = assert(db:create_table { name = "totals", partition_key = "id" })
    local consumer <close> = assert(db:consumer("totals", { source = "items", batch_size = 10,
      backoff = 0.01, shards = SHARDS, lease = LEASE, handler_limit = HANDLER_LIMIT }))
    local producer_log, last_file = folder .. "/producer", folder .. "/end"
    local producer = processes.start("pool_producer", producer_log, path, last_file, SEED)
    local pool = pools.new { db = db, name = "totals", lease = LEASE, count = WORKERS,
      handler_limit = HANDLER_LIMIT, start = start, stop_time = stop_time }
    local pauses = 0
    for cycle = 1, CYCLES do
      local choice = math.random(100)
      local row = pool:poll()
      if choice <= 45 then
        pool:kill(choice <= 5 and math.random(WORKERS) or 1)
      elseif choice <= 90 then
        pool:stop()
      else
        command(pool, "the pause", function() return consumer:pause() end)
        pool:sleep(math.random() * CYCLE_MAX)
        command(pool, "the end of the pause", function() return consumer:resume() end)
        pauses = pauses + 1
      end
      pool:sleep(math.random() * CYCLE_MAX)
      pool:wait_until(30, "records to be handled", function(now)
        return now.records > row.records
      end)
      if cycle % 20 == 0 then
        local count = count_changes(items)
        pool:wait_until(60, "all ranges", function(now) return now.records >= count end)
      end
    end
    assert(io.open(last_file, "w")):close()
    pool:wait_until(60, "the producer", function()
      local file <close> = io.open(producer_log)
      return file and file:read("a"):find("\n")
    end)
    processes.wait(producer)
    local sum = count_changes(items)
    pool:wait_until(60, "all changes to be handled", function(row) return row.records >= sum end)
    pool:kill_all()
    assert.equal(0, consumer:step(counting.handle))
    for item in items:scan() do
      assert.equal(item.n, assert(totals:get { id = item.id }).n, "SEED=" .. SEED)
    end
    local log <close> = assert(io.open(producer_log))
    assert.equal(("written %d\n"):format(sum), log:read("a"), "SEED=" .. SEED)
    assert.equal(sum, totals:get({ id = "all" }).n, "SEED=" .. SEED)
    assert.equal(sum, consumer:describe().records, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
    io.write(("parallel: %d killed and %d in a commit, %d stopped and %d in a commit, %d pauses,"
      .. " %d closings\n"):format(pool.killed, pool.killed_in_commit, pool.stopped,
      pool.stopped_in_commit, pauses, pool.closed))
    io.write(("parallel: %d takeovers, a shard had no owner for at most %.3f s, %d changes handled"
      .. " in %d batches, %.0f s\n"):format(pool.takeovers, pool.longest, sum,
      consumer:describe().batches, system.monotime() - began))
  end)
end)
