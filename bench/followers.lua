-- followers.lua - what processes that wait for records cost the writer, and when the last wakes up.
--
-- One process puts items into a table with a stream, on a database without flushes. Other processes
-- follow the stream, each asleep until a commit wakes it: as a plain script, or as a coroutine of
-- an event loop. With AGAINST_TREE, the checkout of another version that has been built, both
-- versions run in every round, in alternating order. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm AGAINST_TREE=path lua5.4 bench/followers.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local cqueues = require "cqueues"

local now = cqueues.monotime

local BETWEEN_PUTS = 0.0003                      -- seconds, in which the writer stays awake
local BETWEEN_PROBES = 0.1                       -- seconds, in which all followers fall asleep

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

--- Follows the stream to the record "end". Prints when it received each record "probe".
local function follow(path)
  local db <close> = assert(require "tidetable".open(path))
  local items, times = db:table "items":stream(), {}
  io.stdout:setvbuf "line"
  print "open"
  for record in items:records { from = "LATEST", follow = true, timeout = 60 } do
    if record.keys.id == "end" then break end
    if record.keys.id == "probe" then times[#times + 1] = now() end
  end
  for i, time in ipairs(times) do times[i] = ("%.6f"):format(time) end
  print(#times, table.concat(times, " "))
end

works.script = follow

function works.loop(path)
  local controller = cqueues.new()
  controller:wrap(follow, path)
  assert(controller:loop())
end

--- Puts `puts` items and prints the processor time of a put. Then puts `probes` single records and
--- prints the time of each.
function works.write(path, puts, probes)
  local db <close> = assert(require "tidetable".open(path, { durability = "none" }))
  local items, spent, sent = assert(db:table "items"), 0, {}
  for i = 1, tonumber(puts) do
    local from = os.clock()
    assert(items:put { id = "k" .. i % 100, n = i })
    spent = spent + os.clock() - from
    local wait = now() + BETWEEN_PUTS
    while now() < wait do end
  end
  for i = 1, tonumber(probes) do
    cqueues.sleep(BETWEEN_PROBES)
    sent[i] = ("%.6f"):format(now())
    assert(items:put { id = "probe", n = i })
  end
  cqueues.sleep(BETWEEN_PROBES)
  assert(items:put { id = "end" })
  print(("%.9f %s"):format(spent / puts, table.concat(sent, " ")))
end

if works[arg[1]] then
  return works[arg[1]](table.unpack(arg, 2))
end

--------------------------------------------------------------------------------
-- A round
--------------------------------------------------------------------------------

local bench = require "bench"
local show = bench.show

local is_small = bench.items < 1000000           -- as in `make test`
local puts, probes = bench.scaled(2000, 50), bench.scaled(20, 2)
local most = is_small and 5 or 200

--- Starts a process that uses the version of a checkout.
local function start(tree, ...)
  if tree then
    return assert(io.popen(bench.command_line("env",
      ("LUA_PATH=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(tree, tree),
      ("LUA_CPATH=%s/build/?.so;;"):format(tree), arg[-1], ...)))
  end
  return assert(io.popen(bench.command_line(arg[-1], ...)))
end

local function make_database(tree, path)
  assert(start(tree, "-e", ([[
    local db <close> = assert(require "tidetable".open(%q, { durability = "none" }))
    assert(db:create_table { name = "items", partition_key = "id", stream = true })
  ]]):format(path)):close())
end

--- Reads `count` numbers.
local function read_times(pipe, count)
  local times = {}
  for i = 1, count do times[i] = assert(pipe:read "n", "a process failed") end
  return times
end

--- Returns the median time from a probe to the last follower that received it; nil if there are no
--- followers.
local function last_wakeup(sent, received)
  local latencies = {}
  for i, at in ipairs(sent) do
    for _, times in ipairs(received) do
      latencies[i] = math.max(latencies[i] or 0, times[i] - at)
    end
  end
  return latencies[1] and bench.median(latencies)
end

--- Measures a writer next to `count` followers of a kind.
local function measure(tree, path, kind, count)
  make_database(tree, path)
  local followers, received = {}, {}
  for i = 1, count do followers[i] = start(tree, arg[0], kind, path) end
  for _, pipe in ipairs(followers) do assert(pipe:read "l" == "open") end
  cqueues.sleep(BETWEEN_PROBES + 0.002 * count)
  local writer = start(tree, arg[0], "write", path, puts, probes)
  local spent, sent = writer:read "n", read_times(writer, probes)
  assert(writer:close())
  for i, pipe in ipairs(followers) do
    received[i] = read_times(pipe, pipe:read "n")
    assert(pipe:close() and #received[i] == probes, "a follower has missed a record")
  end
  bench.remove(path)
  return { spent = spent, latency = last_wakeup(sent, received) }
end

--------------------------------------------------------------------------------
-- All rounds
--------------------------------------------------------------------------------

local versions = { { name = "this version" } }
local other = os.getenv "AGAINST_TREE"
if other and other ~= "" then
  versions[2] = { name = "the other one", tree = other }
end

local function run(directory, kind, count)
  local series = {}
  for _, version in ipairs(versions) do series[version.name] = bench.series() end
  for round = 1, bench.rounds do
    local list = {}
    for i, version in ipairs(versions) do
      list[i] = { name = version.name, run = function()
        return measure(version.tree, directory .. "/followers.tide", kind, count)
      end }
    end
    for name, numbers in pairs(bench.interleave(round, list)) do series[name]:add(numbers) end
  end
  for _, version in ipairs(versions) do
    local numbers = series[version.name]
    print(("%-6s %3d waiting, %-13s  a put, us of the writer's CPU %s; last wake-up, ms %s")
      :format(kind, count, version.name, show(numbers:each "spent", 1e-6),
      show(numbers:each "latency", 1e-3)))
  end
end

local directory <close> = bench.directory(bench.memory)
print(bench.machine())
print(("load average %s; %d rounds of %d puts\n"):format(bench.load_average(), bench.rounds, puts))
for _, count in ipairs { 0, 1, most // 4, most } do run(directory.path, "script", count) end
-- Linux allows a user 128 inotify instances by default.
for _, count in ipairs { 1, most // 4, most // 2 } do run(directory.path, "loop", count) end
