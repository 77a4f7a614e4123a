-- replicate.lua - how fast a replica applies changes, and how soon a commit is visible in it.
--
-- Three questions, each on a database whose commits are flushed (DIR) and on one without flushes
-- (MEM):
--
--   applied   changes a second that a replica catches up with, beside those that a writer of
--   batches
--             of 100 makes
--   followed  changes by which the replica is behind while another process makes single puts
--   visible   time from a commit in the source to its record in a reader of the replica's stream,
--   beside
--             the time of a commit; in three processes
--
--     ROUNDS=9 ITEMS=1000000 lua5.4 bench/replicate.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local cqueues = require "cqueues"

local now = cqueues.monotime

--------------------------------------------------------------------------------
-- One process
--------------------------------------------------------------------------------

local works = {}

local function open(path, durability)
  return assert(require "tidetable".open(path, { durability = durability }))
end

--- Replicates until the record "end" was applied.
function works.replicate(source_path, target_path, durability)
  local source <close> = open(source_path, durability)
  local target <close> = open(target_path, durability)
  local replication <close> = assert(target:replicate(source))
  assert(replication:catch_up())
  io.stdout:setvbuf "line"
  print "open"
  local items = target:table "items"
  repeat assert(replication:step(math.huge)) until items:get { id = "end" }
end

--- Makes `count` single puts. Prints how far the replica is behind after each quarter.
function works.write(path, target_path, durability, count)
  local db <close> = open(path, durability)
  local target <close> = open(target_path, durability)
  local items, behind = db:table "items", {}
  local from = now()
  for i = 1, tonumber(count) do
    assert(items:put { id = "k" .. i % 100, n = i })
    if i % (count // 4) == 0 then
      behind[#behind + 1] = ("%d"):format(db:last_change() - target:replicas()[1].position)
    end
  end
  local spent = now() - from
  assert(items:put { id = "end" })
  print(("%.9f %s"):format(spent / count, table.concat(behind, " ", 1, 4)))
end

--- Makes `count` single puts, with pauses. Prints the time of each commit, and when it was made.
function works.probe(path, durability, count)
  local db <close> = open(path, durability)
  local items, lines = db:table "items", {}
  for i = 1, tonumber(count) do
    cqueues.sleep(0.02)
    local from = now()
    assert(items:put { id = "probe", n = i })
    local to = now()
    lines[i] = ("%.6f %.6f"):format(to - from, to)
  end
  cqueues.sleep(0.1)
  assert(items:put { id = "end" })
  print(table.concat(lines, "\n"))
end

--- Follows the stream of the replica. Prints when it received each probe.
function works.watch(path, durability)
  local db <close> = open(path, durability)
  io.stdout:setvbuf "line"
  print "open"
  local stream = db:table("items"):stream()
  for record in stream:records { from = "LATEST", follow = true, timeout = 60 } do
    local at = now()
    if record.keys.id == "end" then break end
    if record.keys.id == "probe" then print(("%.6f"):format(at)) end
  end
end

if works[arg[1]] then
  return works[arg[1]](table.unpack(arg, 2))
end

--------------------------------------------------------------------------------
-- A round
--------------------------------------------------------------------------------

local bench = require "bench"
local show = bench.show

local function start(...)
  return assert(io.popen(bench.command_line(arg[-1], arg[0], ...)))
end

local function create(path, durability)
  local db = open(path, durability)
  assert(db:create_table { name = "items", partition_key = "id", stream = true })
  return db
end

local function item(i)
  return { id = "k" .. i % 10000, n = i, text = ("x"):rep(100) }
end

--- Returns the changes a second of a writer of batches of 100, and of a replica that catches up.
local function applied(directory, durability, count)
  local source_path, target_path = directory .. "/source.tide", directory .. "/target.tide"
  local source, target = create(source_path, durability), open(target_path, durability)
  local replication = assert(target:replicate(source))
  assert(replication:catch_up())
  local items, i = source:table "items", 0
  local from = now()
  assert(items:load(function()
    i = i + 1
    return i <= count and item(i) or nil
  end, { batch = 100 }))
  local written = now()
  assert(replication:catch_up())
  local caught_up = now()
  assert(target:replicas()[1].records == count)
  replication:close()
  source:close()
  target:close()
  bench.remove(source_path)
  bench.remove(target_path)
  return { written = count / (written - from), applied = count / (caught_up - written),
    share = (written - from) / (caught_up - written) }
end

local function begin(directory, durability)
  local source, target = directory .. "/source.tide", directory .. "/target.tide"
  create(source, durability):close()
  open(target, durability):close()
  local replica = start("replicate", source, target, durability)
  assert(replica:read "l" == "open", "the replica did not start")
  return source, target, replica
end

local function finish(source, target, replica)
  assert(replica:close())
  bench.remove(source)
  bench.remove(target)
end

--- Returns the time of a put, and how far the replica was behind at most.
local function followed(directory, durability, count)
  local source, target, replica = begin(directory, durability)
  local writer = start("write", source, target, durability, count)
  local numbers = { put = assert(writer:read "n"), half = 0, full = 0 }
  local behind = {}
  for i = 1, 4 do behind[i] = assert(writer:read "n") end
  assert(writer:close())
  finish(source, target, replica)
  numbers.half, numbers.full = behind[2], behind[4]
  return numbers
end

--- Returns the medians of a commit, and from its end until the record is visible in the replica.
local function visible(directory, durability, count)
  local source, target, replica = begin(directory, durability)
  local watcher = start("watch", target, durability)
  assert(watcher:read "l" == "open")
  cqueues.sleep(0.1)
  local writer = start("probe", source, durability, count)
  local commits, latencies = {}, {}
  for i = 1, count do
    commits[i] = assert(writer:read "n")
    local at = assert(writer:read "n")
    latencies[i] = assert(watcher:read "n", "the watcher has missed a record") - at
  end
  assert(writer:close())
  assert(watcher:close())
  finish(source, target, replica)
  local commit, latency = bench.median(commits), bench.median(latencies)
  return { commit = commit, latency = latency, commits = latency / commit }
end

--------------------------------------------------------------------------------
-- All rounds
--------------------------------------------------------------------------------

local function series_of(measure, ...)
  local series = bench.series()
  for _ = 1, bench.rounds do series:add(measure(...)) end
  return series
end

local function run(directory, durability)
  local changes = bench.scaled(durability == "full" and 100000 or 500000, 500)
  local puts = bench.scaled(durability == "full" and 4000 or 40000, 40)
  local series = series_of(applied, directory, durability, changes)
  print(("%-4s  written, changes/s %s; applied %s; share %s"):format(durability,
    show(series:each "written", 1), show(series:each "applied", 1), show(series:each "share", 1)))
  series = series_of(followed, directory, durability, puts)
  print(("%-4s  a put, us %s; behind, changes: after half %s, at the end %s"):format(durability,
    show(series:each "put", 1e-6), show(series:each "half", 1), show(series:each "full", 1)))
  series = series_of(visible, directory, durability, bench.scaled(200, 5))
  print(("%-4s  a commit, us %s; visible after, us %s; in commits %s"):format(durability,
    show(series:each "commit", 1e-6), show(series:each "latency", 1e-6),
    show(series:each "commits", 1)))
end

print(bench.machine())
print(("load average %s; %d rounds\n"):format(bench.load_average(), bench.rounds))
for _, each in ipairs { { bench.disk, "full" }, { bench.memory, "none" } } do
  local directory <close> = bench.directory(each[1])
  run(directory.path, each[2])
end
