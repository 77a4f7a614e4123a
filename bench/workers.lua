-- workers.lua - several workers that share a consumer.
--
-- Speed-up: a handler that computes for 50 us for each record, with one worker and with two in two
-- processes; the same computation without a database in one process and in two. Idle workers: the
-- time of a put while 16 processes wait for records of another table, as workers of one consumer.
-- Everything runs in rounds whose order changes. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 lua5.4 bench/workers.lua
--     lua5.4 bench/workers.lua WORK PATH ...     runs one process of these measurements

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local cqueues = require "cqueues"

local bench = require "bench"

local now = cqueues.monotime
local report = bench.report

local is_small = bench.items < 1000000           -- as in `make test`
local records = is_small and 400 or 40000
local puts = is_small and 100 or 20000
local idle = is_small and 2 or 16                -- processes
local keys = 1000                                -- different keys of the items that are put
local work = 50e-6                               -- seconds of computation for a record

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

local function open(path)
  return assert(require "tidetable".open(path, { durability = "none" }))
end

--- Computes for about 50 us of processor time: `rate` is the number of steps in a second.
local function compute(rate)
  local x = 0
  for i = 1, rate * work // 1 do x = x + i % 7 end
  return x
end

--- Prints the number of steps in a second.
function works.calibrate()
  local steps, best = 2000000, math.huge
  for _ = 1, 5 do
    local start = now()
    compute(steps / work)
    best = math.min(best, now() - start)
  end
  print(steps / best)
end

local function ready()
  print "ready"
  io.stdout:flush()
end

--- Computes for `count` records after a line of input.
function works.compute(count, rate)
  ready()
  io.read()
  for _ = 1, tonumber(count) do compute(tonumber(rate)) end
end

--- Handles records as a worker until the process is killed.
function works.work(path, rate)
  local db <close> = open(path)
  rate = tonumber(rate)
  ready()
  assert(assert(db:consumer "computes"):run(function(batch)
    for _ = 1, #batch do compute(rate) end
  end))
end

--- Waits as a worker of the consumer "idle".
function works.idle(path)
  local db <close> = open(path)
  ready()
  assert(assert(db:consumer "idle"):run(error))
end

--- Puts items and prints nanoseconds per put.
function works.write(path, count)
  local db <close> = open(path)
  local busy = db:table "busy"
  cqueues.sleep(0.2)                             -- until all processes sleep
  local text = ("x"):rep(100)
  local function put(n)
    for i = 1, n do assert(busy:put { id = "k" .. i * 7919 % keys, n = i, text = text }) end
  end
  put(tonumber(count) // 10)
  print(bench.time(tonumber(count), put))
end

if works[arg[1]] then
  works[arg[1]](table.unpack(arg, 2))
  return
end

--------------------------------------------------------------------------------
-- Rounds
--------------------------------------------------------------------------------

local function start(...)
  return assert(io.popen("exec " .. bench.command_line(arg[-1], arg[0], ...)))
end

--- Starts processes, and waits until each has printed "ready".
local function start_all(count, ...)
  local processes = {}
  for i = 1, count do processes[i] = start(...) end
  for _, process in ipairs(processes) do
    assert(process:read "l" == "ready", "a process failed")
  end
  return processes
end

--- Returns the number of steps in a second, measured by one process alone.
local rate = bench.run(arg[-1], arg[0], "calibrate")

--- Returns a function that measures the seconds in which `count` processes compute for all records.
local function computing(count)
  return function()
    local pipes = {}
    for i = 1, count do
      pipes[i] = assert(io.popen("exec " .. bench.command_line(arg[-1], arg[0], "compute",
        records // count, rate), "w"))
    end
    cqueues.sleep(0.2)
    local from = now()
    for _, pipe in ipairs(pipes) do pipe:write "go\n" pipe:flush() end
    for _, pipe in ipairs(pipes) do assert(pipe:close(), "a process failed") end
    return now() - from
  end
end

local function kill(db, name, processes)
  for _, worker in ipairs(assert(assert(db:consumer(name)):workers())) do
    if worker.pid then os.execute("kill " .. worker.pid) end
  end
  for _, process in ipairs(processes) do process:close() end
end

--- Returns a function that measures the seconds in which `count` workers handle all records.
local function working(directory, count)
  return function()
    local path = directory .. "/work.tide"
    local db = open(path)
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local consumer = assert(db:consumer("computes", { source = orders }))
    local processes = start_all(count, "work", path, rate)
    repeat
      cqueues.sleep(0.01)
      local list, ranges = assert(consumer:workers()), 0
      for _, worker in ipairs(list) do
        ranges = ranges + (worker.is_alive and worker.first and 1 or 0)
      end
    until #list == count and ranges == count
    assert(consumer:pause())
    local i = 0
    assert(orders:load(function()
      i = i + 1
      return i <= records and { id = "k" .. i * 7919 % keys, n = i } or nil
    end))
    local from = now()
    assert(consumer:resume())
    repeat cqueues.sleep(0.002) until consumer:describe().records == records
    local seconds = now() - from
    kill(db, "computes", processes)
    db:close()
    bench.remove(path)
    return seconds
  end
end

--- Returns a function that measures a put while `count` workers wait.
local function putting(directory, count)
  return function()
    local path = directory .. "/put.tide"
    local db = open(path)
    for _, name in ipairs { "busy", "quiet" } do
      assert(db:create_table { name = name, partition_key = "id", stream = true })
    end
    assert(db:consumer("idle", { source = "quiet", from = "LATEST" }))
    local processes = start_all(count, "idle", path)
    cqueues.sleep(count > 0 and 2 or 0)          -- until the shards are divided
    local number = tonumber(bench.run(arg[-1], arg[0], "write", path, puts))
    kill(db, "idle", processes)
    db:close()
    bench.remove(path)
    return number
  end
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

print(("workers: %d records of %d us, %d puts, %d rounds"):format(records, work * 1e6 // 1, puts,
  bench.rounds))
print(bench.machine())
print("load average: " .. bench.load_average())

local series = bench.series()
do
  local directory <close> = bench.directory(bench.memory)
  for round = 1, bench.rounds do
    series:add(bench.interleave(round, {
      { name = "compute_1", run = computing(1) },
      { name = "compute_2", run = computing(2) },
      { name = "work_1", run = working(directory.path, 1) },
      { name = "work_2", run = working(directory.path, 2) },
      { name = "put", run = putting(directory.path, 0) },
      { name = "idle", run = putting(directory.path, idle) },
    }))
  end
end

local function per_record(name)
  return series:each(function(round) return round[name] * 1e9 / records end)
end

report.section "Speed-up by a second worker; judged: speed-up without a database / with one"
report.row { what = "computing, one process", unit = "us", ours = per_record "compute_1" }
report.row { what = "computing, two processes", unit = "us", ours = per_record "compute_2" }
report.row { what = "one worker", unit = "us", ours = per_record "work_1" }
report.row {
  what = "two workers", unit = "us", ours = per_record "work_2",
  judged = series:each(function(round)
    return round.compute_1 / round.compute_2 / (round.work_1 / round.work_2)
  end),
  target = 1 / 0.85,
}
report.section "Puts; judged: over those without workers"
report.row { what = "put without workers", unit = "us", ours = series:each "put" }
report.row {
  what = ("put with %d idle workers"):format(idle), unit = "us", ours = series:each "idle",
  judged = series:each(function(round) return round.idle / round.put end), target = 1.05,
}
report.print()
