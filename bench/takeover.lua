-- takeover.lua - how soon another worker continues after one was killed; what idle workers cost.
--
-- Worker processes share a consumer with the default settings, on a database without flushes. The
-- owner of a random range of shards is killed (SIGKILL). Measured is the time from the kill until
-- another worker has committed a batch of this range. Then the processor time of workers is
-- measured while nobody writes. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm lua5.4 bench/takeover.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local core = require "tidetable.core"
local cqueues = require "cqueues"
local tidetable = require "tidetable"

local now, sleep = cqueues.monotime, cqueues.sleep

local KEYS = 200
local BETWEEN_PUTS = 0.001                       -- seconds
local POLL = 0.0002                              -- seconds
local PATIENCE = 30                              -- seconds after which the bench fails

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

local function open(path)
  return assert(tidetable.open(path, { durability = "none", busy_timeout = 60 }))
end

--- Handles records until the process is killed: counts those of each key.
function works.worker(path)
  local db <close> = open(path)
  assert(assert(db:consumer "totals"):run(function(records, tx)
    for _, record in ipairs(records) do
      tx:table "totals":update({ id = record.keys.id }, "ADD n ?", { 1 })
    end
  end))
end

--- Puts items until the process is killed.
function works.writer(path)
  local db <close> = open(path)
  local items, n = assert(db:table "items"), 0
  while true do
    n = n + 1
    assert(items:put { id = "k" .. n % KEYS, n = n })
    sleep(BETWEEN_PUTS)
  end
end

if works[arg[1]] then
  local stat <close> = assert(io.open "/proc/self/stat")
  print(stat:read "n")
  io.stdout:flush()
  return works[arg[1]](arg[2])
end

--------------------------------------------------------------------------------
-- Workers and their ranges
--------------------------------------------------------------------------------

local bench = require "bench"

local LEASE, HANDLER_LIMIT = 10, 60              -- defaults of a consumer

local kills = bench.scaled(10, 2)                -- in a round
local idle_seconds = bench.items < 1000000 and 0.2 or 5

local function start(work, path)
  local pipe = assert(io.popen("exec " .. bench.command_line(arg[-1], arg[0], work, path)))
  return { pipe = pipe, pid = assert(pipe:read "n", "a process failed") }
end

local function kill(process)
  bench.run("kill", "-KILL", process.pid)
  process.pipe:close()
end

--- Calls condition until it returns a true value, which it returns.
local function wait_for(what, condition)
  local deadline = now() + PATIENCE
  repeat
    local value = condition()
    if value then
      return value
    end
    sleep(POLL)
  until now() > deadline
  error("waited too long for " .. what)
end

local function describe(db)
  return assert(core.consumer_describe(db.core, "totals"))
end

--- Adds a worker and waits until it is alive and, if there are shards enough, owns some. A worker
--- is known by its opening of the database as soon as it owns a range.
local function add(db, path, workers, shards)
  local worker = start("worker", path)
  local known = {}
  for _, other in ipairs(workers) do known[other.opening or ""] = true end
  workers[#workers + 1] = worker
  wait_for("a new worker", function()
    local row = describe(db)
    for _, range in ipairs(row.ranges) do
      if not range.opening then return false end
      worker.opening = not known[range.opening] and range.opening or worker.opening
    end
    return #row.ranges == math.min(#workers, shards)
      and core.live_workers(db.core, row.id, LEASE, HANDLER_LIMIT) == #workers
  end)
end

--- Returns the range that contains a shard.
local function range_of(db, shard)
  for _, range in ipairs(describe(db).ranges) do
    if range.first <= shard and shard <= range.last then
      return range
    end
  end
end

--- Kills the owner of a random range. Returns the seconds until another worker has committed a
--- batch of this range. Calls after_kill after the kill.
local function take_over(db, workers, shards, after_kill)
  local shard, victim = math.random(0, shards - 1), nil
  local owner = range_of(db, shard).opening
  for i, worker in ipairs(workers) do
    if worker.opening == owner then victim = table.remove(workers, i) end
  end
  local before = now()
  bench.run("kill", "-KILL", assert(victim).pid)
  local killed = (before + now()) / 2
  local position = range_of(db, shard).position
  after_kill()
  local range = wait_for("another worker", function()
    local range = range_of(db, shard)
    return range.opening and range.opening ~= owner and range.position > position and range
  end)
  local seconds = now() - killed
  victim.pipe:close()
  for _, worker in ipairs(workers) do worker.opening = worker.opening or range.opening end
  return seconds
end

--- Returns the processor time of a process, in seconds.
local function processor_time(process)
  local file <close> = assert(io.open(("/proc/%d/schedstat"):format(process.pid)))
  return file:read "n" / 1e9
end

--- Returns the part of a processor that each worker uses while nobody writes.
local function measure_idle(workers)
  sleep(idle_seconds / 5)        -- until the last batch is committed
  local from, parts = {}, {}
  for i, worker in ipairs(workers) do from[i] = processor_time(worker) end
  sleep(idle_seconds)
  for i, worker in ipairs(workers) do
    parts[i] = (processor_time(worker) - from[i]) / idle_seconds
  end
  return parts
end

--------------------------------------------------------------------------------
-- All rounds
--------------------------------------------------------------------------------

local function put_all(items, n)
  for i = 1, KEYS do assert(items:put { id = "k" .. i, n = n }) end
end

--- Measures `count` workers of a consumer. Adds the seconds of takeovers while a process writes to
--- `busy`, of those without other writes to `quiet`, and parts of a processor to `idle`.
local function measure(path, count, shards, busy, quiet, idle)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
  assert(db:create_table { name = "totals", partition_key = "id" })
  assert(db:consumer("totals", { source = "items", shards = shards }))
  local workers = {}
  for _ = 1, count do add(db, path, workers, shards) end
  table.move(measure_idle(workers), 1, count, #idle + 1, idle)
  for i = 1, kills do
    sleep(math.random() * 0.1)
    quiet[#quiet + 1] = take_over(db, workers, shards, function() put_all(items, i) end)
    add(db, path, workers, shards)
  end
  local writer = start("writer", path)
  for _ = 1, kills do
    sleep(math.random() * 0.1)
    busy[#busy + 1] = take_over(db, workers, shards, function() end)
    add(db, path, workers, shards)
  end
  kill(writer)
  for _, worker in ipairs(workers) do kill(worker) end
end

--- Returns median, 99th percentile and maximum as a text.
local function spread(times)
  table.sort(times)
  return ("%.1f / %.1f / %.1f"):format(bench.median(times) * 1000,
    times[math.ceil(#times * 0.99)] * 1000, times[#times] * 1000)
end

local directory <close> = bench.directory(bench.memory)
local path = directory.path .. "/takeover.tide"
print(bench.machine())
print(("load average %s; %d rounds of %d kills\n"):format(bench.load_average(), bench.rounds,
  kills))
for _, pool in ipairs { { count = 4, shards = 64 }, { count = 2, shards = 64 },
    { count = 2, shards = 1 } } do
  local busy, quiet, idle = {}, {}, {}
  for _ = 1, bench.rounds do
    measure(path, pool.count, pool.shards, busy, quiet, idle)
    bench.remove(path)
  end
  print(("%d workers, %2d shards: takeover, ms, median / 99 %% / max: %s while a process writes,"
    .. " %s without; an idle worker %s %% of a processor"):format(pool.count, pool.shards,
    spread(busy), spread(quiet), bench.show(idle, 0.01)))
end
