-- watchers.lua - the latency from a put to a handler in another process, and the time of a put
-- while consumers exist or wait.
--
--     lua5.4 bench/lib/watchers.lua WORK PATH ...     runs one process of these measurements

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local cqueues = require "cqueues"

local bench = require "bench"

local now = cqueues.monotime

local watchers = {}

local consumers = 1000
local waiting = 10                               -- processes
local keys = 1000                                -- different keys of the items that are put
local settle = 0.2                               -- seconds until all processes sleep
local least_pause, most_pause = 0.001, 0.003     -- seconds between two changes

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

local function open(path)
  local db = assert(require "tidetable".open(path, { durability = "none" }))
  return db, db:table "busy", db:table "quiet"
end

--- Creates the tables "busy" and "quiet" with streams, and consumers of "quiet".
function works.make(path, count)
  local db <close> = open(path)
  for _, name in ipairs { "busy", "quiet" } do
    assert(db:create_table { name = name, partition_key = "id", stream = true })
  end
  for i = 1, tonumber(count) do
    assert(db:consumer(("c%04d"):format(i), { source = "quiet", from = "LATEST" }))
  end
end

--- Prints the median and the 99th percentile in nanoseconds.
local function report(latencies)
  table.sort(latencies)
  local n = #latencies
  print(latencies[(n + 1) // 2] * 1e9, latencies[math.ceil(n * 99 / 100)] * 1e9)
end

local function ready()
  print "ready"
  io.stdout:flush()
end

--- Handles `count` changes of "busy" with a consumer.
function works.handle(path, count, mode)
  local db <close> = open(path)
  local latencies = {}
  local consumer = assert(db:consumer("latency", {
    source = "busy", from = "LATEST", mode = mode,
  }))
  count = tonumber(count)
  ready()
  assert(consumer:run(function(records)
    local at = now()
    for _, record in ipairs(records) do
      latencies[#latencies + 1] = at - record.new_image.at
    end
    if #latencies >= count then
      consumer:stop()
    end
  end))
  report(latencies)
end

--- Reads `count` changes of "busy" with a plain follower.
function works.follow(path, count)
  local _ <close>, busy = open(path)
  local latencies = {}
  count = tonumber(count)
  local records = busy:stream():records { from = "LATEST", follow = true }
  ready()
  for record in records do
    latencies[#latencies + 1] = now() - record.new_image.at
    if #latencies >= count then break end
  end
  report(latencies)
end

--- Puts items into "busy" that contain the time before the put.
function works.ring(path, count)
  local _ <close>, busy = open(path)
  cqueues.sleep(settle)
  for i = 1, tonumber(count) do
    cqueues.sleep(least_pause + math.random() * (most_pause - least_pause))
    assert(busy:put { id = "k" .. i % keys, at = now() })
  end
end

--- Waits for a record of "quiet" with a consumer.
function works.wait(path, number)
  local db <close> = open(path)
  local consumer = assert(db:consumer(("c%04d"):format(number)))
  ready()
  assert(consumer:run(function() consumer:stop() end))
end

--- Waits for a record of "quiet" with a plain follower.
function works.wait_plainly(path)
  local _ <close>, _, quiet = open(path)
  local records = quiet:stream():records { from = "LATEST", follow = true }
  ready()
  assert(records())
end

--- Puts items into "busy" and prints nanoseconds per put. Then puts an item into "quiet", after
--- which the waiting processes exit.
function works.write(path, count)
  local _ <close>, busy, quiet = open(path)
  cqueues.sleep(settle)
  local text = ("x"):rep(100)
  local function put(n)
    for i = 1, n do assert(busy:put { id = "k" .. i * 7919 % keys, n = i, text = text }) end
  end
  put(tonumber(count) // 10)
  print(bench.time(tonumber(count), put))
  assert(quiet:put { id = "end" })
end

if works[arg[1]] then
  works[arg[1]](table.unpack(arg, 2))
  return
end

--------------------------------------------------------------------------------
-- Rounds
--------------------------------------------------------------------------------

local script = arg[0]:gsub("[^/]*$", "lib/watchers.lua")

local function start(...)
  return assert(io.popen(bench.command_line(arg[-1], script, ...)))
end

local function run(...)
  return bench.run(arg[-1], script, ...)
end

--- Returns a function that measures the latency of a reader: `work` is "handle" or "follow".
local function latency(directory, count, work, mode)
  return function()
    local path = directory .. "/latency.tide"
    run("make", path, 0)
    local reader = start(work, path, count, mode)
    assert(reader:read "l" == "ready", "a reader failed")
    run("ring", path, count)
    local numbers = { median = reader:read "n", late = reader:read "n" }
    assert(reader:close() and numbers.late, "a reader failed")
    bench.remove(path)
    return numbers
  end
end

--- Returns a function that measures a put while `existing` consumers exist. `work` is "wait" or
--- "wait_plainly": what ten other processes do; nil: there are none.
local function put(directory, count, existing, work)
  return function()
    local path, processes = directory .. "/put.tide", {}
    run("make", path, existing)
    for i = 1, work and math.min(waiting, existing) or 0 do
      processes[i] = start(work, path, i)
    end
    for _, process in ipairs(processes) do
      assert(process:read "l" == "ready", "a waiting process failed")
    end
    local numbers = { median = tonumber(run("write", path, count)) }
    for _, process in ipairs(processes) do
      assert(process:close(), "a waiting process failed")
    end
    bench.remove(path)
    return numbers
  end
end

--- Measures all rows. Returns a list with title, unit, the series `median` and `late`, and aims.
function watchers.measure(directory, rounds, is_small)
  local rings, puts = is_small and 20 or 1000, is_small and 100 or 20000
  local existing = is_small and 20 or consumers
  local function wake(title, ...)
    return { title = title, scale = 1000, run = latency(directory, rings, ...) }
  end
  local function cost(title, ...)
    return { title = title, scale = 1000, run = put(directory, puts, ...) }
  end
  local follower = wake("put to record in another process, plain follower, us", "follow")
  local locked = wake("put to handler, consumer, locked, us", "handle", "locked")
  local optimistic = wake("put to handler, consumer, optimistic, us", "handle", "optimistic")
  local alone = cost("put without consumers, us", 0)
  local exist = cost(("put with %d consumers, us"):format(existing), existing)
  local wait = cost(("put with %d consumers, %d of them waiting, us"):format(existing, waiting),
    existing, "wait")
  local plain = cost(("put with %d consumers and %d waiting plain followers, us"):format(existing,
    waiting), existing, "wait_plainly")
  for _, each in ipairs { locked, optimistic } do
    each.aims = {
      { what = "median / plain follower", of = "median", by = follower, most = 1.5 },
      { what = "99th percentile / plain follower", of = "late", by = follower, most = 1.5 },
    }
  end
  for _, each in ipairs { exist, wait } do
    each.aims = { { what = "/ without consumers", of = "median", by = alone, most = 1.05 } }
  end
  local rows = { follower, locked, optimistic, alone, exist, wait, plain }
  for _, each in ipairs(rows) do each.median, each.late, each.name = {}, {}, each.title end
  for round = 1, rounds do
    local numbers_of = bench.interleave(round, rows)
    for _, each in ipairs(rows) do
      table.insert(each.median, numbers_of[each.name].median)
      table.insert(each.late, numbers_of[each.name].late)
    end
  end
  return rows
end

return watchers
