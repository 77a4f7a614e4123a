-- spine.lua - the cost of a table with a stream, compared with LMDB alone.
--
-- Compares this library, called from Lua, with LMDB in C (bench/raw.c): equal keys and sizes, in
-- alternating order. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 DIR=build MEM=/dev/shm lua5.4 bench/spine.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local orders = require "orders"
local raw = require "raw"

local report = bench.report

local items = bench.items
local records = bench.scaled(100000, 20)       -- in the log before the measurements
local batch = math.min(1000, items)
local singles_flushed = bench.scaled(400, 20)
local singles = bench.scaled(20000, 100)
local puts_watched = bench.scaled(50000, 100)
local batches_random, batches_ascending = bench.scaled(20), bench.scaled(50)
local gets = bench.scaled(100000, 1000)
local batch_of_keys = 100

--------------------------------------------------------------------------------
-- Measurements on a copy of the base: `raw` and `ours` for each operation
--------------------------------------------------------------------------------

local function check(done, err)
  if not done then error(err, 0) end
end

local function put_random(made, count)
  for _ = 1, count do
    check(made:put(orders.random_item()))
  end
end

local function transact(db, count, next_item)
  for _ = 1, count // batch do
    check(db:transact(function(tx)
      local made = tx:table "orders"
      for _ = 1, batch do
        made:put(next_item())
      end
      return true
    end))
  end
end

local function load(made, count, next_item)
  local left = count
  check(made:load(function()
    left = left - 1
    return left >= 0 and next_item() or nil
  end, { batch = batch }))
end

local function build(count, next_item)
  local item
  for _ = 1, count do
    item = next_item()
  end
  return item
end

--- Returns a run of one operation on raw LMDB, for bench.interleave.
local function on_raw(directory, trees, how)
  return {
    name = trees == "items" and "item" or "both",
    run = function(round)
      how.trees, how.seed = trees, round
      return raw.put(directory .. "/raw-" .. trees, how)
    end,
  }
end

--- Returns the same for our database, opened and read into memory.
local function on_ours(path, durability, count, fn, name)
  return {
    name = name or "ours",
    run = function()
      local db <close>, made = orders.open(path, durability)
      orders.warm(made)
      return bench.time(count, function(n) fn(made, n, db) end)
    end,
  }
end

local function three(round, directory, how, fn)
  return bench.interleave(round, {
    on_raw(directory, "items", how),
    on_raw(directory, "both", how),
    on_ours(directory .. "/ours.tide", how.durability, how.count, fn),
  })
end

--- Measures ascending items, stored by fn, and the time to create the items alone.
local function ascending(round, directory, partition, fn)
  local count = batches_ascending * batch
  local next_item = orders.ascending(partition)
  local numbers = three(round, directory,
    { durability = "full", order = partition, batch = batch, count = count },
    function(made, n, db) fn(made, n, db, next_item) end)
  numbers.build = bench.time(count, function(n) build(n, orders.ascending(partition)) end)
  return numbers
end

local function net_of(round) return (round.ours - round.build) / round.item end
local function over_item(round) return round.ours / round.item end

--------------------------------------------------------------------------------
-- Writing, on a disk
--------------------------------------------------------------------------------

local function copy_base(base, directory)
  raw.copy(base .. "/base.items", directory .. "/raw-items")
  raw.copy(base .. "/base.both", directory .. "/raw-both")
  raw.copy(base .. "/base.tide", directory .. "/ours.tide")
end

local function remove_copies(directory)
  for _, name in ipairs { "raw-items", "raw-both", "ours.tide" } do
    bench.remove(directory .. "/" .. name)
  end
end

local writes = {
  single = bench.series(), unflushed = bench.series(),
  ascending = bench.series(), ascending_load = bench.series(),
  random = bench.series(), random_load = bench.series(),
}

local function write_round(round, base, disk)
  copy_base(base, disk)
  -- Single puts come first, on a fresh copy: after batches of random items LMDB's list of free
  -- pages is long, which makes every later commit slower, with and without this library.
  writes.single:add(three(round, disk,
    { durability = "full", order = "random", batch = 1, count = singles_flushed },
    put_random))
  writes.unflushed:add(three(round, disk,
    { durability = "none", order = "random", batch = 1, count = singles },
    put_random))

  local partition = orders.new_partition
  writes.ascending:add(ascending(round, disk, partition[1],
    function(_, n, db, next_item) transact(db, n, next_item) end))
  writes.ascending_load:add(ascending(round, disk, partition[2],
    function(made, n, _, next_item) load(made, n, next_item) end))
  orders.compare(disk .. "/ours.tide", disk .. "/raw-both", { "items", "log" })

  local count = batches_random * batch
  local how = { durability = "full", order = "random", batch = batch, count = count }
  writes.random:add(three(round, disk, how,
    function(_, n, db) transact(db, n, orders.random_item) end))
  writes.random_load:add(three(round, disk, how,
    function(made, n) load(made, n, orders.random_item) end))
  orders.compare(disk .. "/ours.tide", disk .. "/raw-both", { "items", "log" })
  remove_copies(disk)
end

local function write_row(what, series, target, judged)
  report.row {
    what = what, unit = "us", item = series:each "item", both = series:each "both",
    ours = series:each "ours", judged = series:each(judged or over_item), target = target,
  }
end

local function ascending_rows(what, series)
  write_row(what, series)
  write_row("  net of building the items' tables", series, 2.5, net_of)
  report.row { what = "  building them alone", unit = "us", ours = series:each "build" }
end

local function report_writes()
  report.section "Writing, on the disk, us a change; judged: over raw item"
  write_row("put, flushed, random", writes.single, 1.35)
  write_row("transact of 1000 puts, random", writes.random, 1.25)
  write_row("load of 1000 items, random", writes.random_load, 1.25)
  ascending_rows("transact of 1000 puts, ascending, whole", writes.ascending)
  ascending_rows("load of 1000 items, ascending, whole", writes.ascending_load)
  write_row("put, durability none, random", writes.unflushed, 1.7)
end

--------------------------------------------------------------------------------
-- Writing and trimming, on a memory file system
--------------------------------------------------------------------------------

local memory = { single = bench.series(), trim = bench.series(), watched = bench.series() }

local function keep(path, count)
  local _db <close>, made = orders.open(path, "none")
  check(made:stream():set_retention { count = count })
end

--- Measures single puts. Returns the longest wall time and processor time of a put in ns, how many
--- took more than 1 ms, and the growth of the file in percent.
local function watch(path, count)
  local db <close>, made = orders.open(path, "none")
  orders.warm(made)
  local now, cpu = bench.now, os.clock
  local longest, longest_cpu, over = 0, 0, 0
  local bytes = db:info().file_bytes
  for _ = 1, count do
    local item = orders.random_item()
    local start, start_cpu = now(), cpu()
    check(made:put(item))
    local took, took_cpu = now() - start, cpu() - start_cpu
    longest, longest_cpu = math.max(longest, took), math.max(longest_cpu, took_cpu)
    over = over + (took > 0.001 and 1 or 0)
  end
  return {
    wall = longest * 1e9, cpu = longest_cpu * 1e9, over = over,
    growth = 100 * (db:info().file_bytes / bytes - 1),
  }
end

--- Returns the number of rows of the changes of tables, which are in the log, too.
local function table_changes(db)
  local count = 0
  for record in db:stream():records { tables = true } do
    count = count + (record.keys and 0 or 1)
  end
  return count
end

--- Trims all but a tenth of the records. Setting the retention is a write, which trims as well, so
--- the records are counted before and after.
local function trim_all(directory)
  local stay = records // 10
  local path = directory .. "/ours.tide"
  keep(path, stay)
  local before = raw.sizes(path).log.rows
  local db <close> = orders.open(path, "none")
  local passed = bench.time(1, function() assert(db:sweep()) end)
  local others = table_changes(db)
  db:close()
  assert(raw.sizes(path).log.rows == stay + others, "all that has expired should be gone")
  return {
    both = raw.trim(directory .. "/raw-both", records - stay),
    ours = passed / math.max(before - stay - others, 1),
  }
end

local function memory_round(round, base, directory)
  local trimmed = directory .. "/trimmed.tide"
  local how = { durability = "none", order = "random", batch = 1, count = singles }
  copy_base(base, directory)
  raw.copy(base .. "/base.tide", trimmed)
  keep(trimmed, records)
  memory.single:add(bench.interleave(round, {
    on_raw(directory, "items", how),
    on_raw(directory, "both", how),
    on_ours(directory .. "/ours.tide", "none", singles, put_random),
    on_ours(trimmed, "none", singles, put_random, "trimmed"),
  }))
  memory.watched:add(bench.interleave(round, {
    { name = "trimmed", run = function() return watch(trimmed, puts_watched) end },
    {
      name = "ours",
      run = function() return watch(directory .. "/ours.tide", puts_watched) end,
    },
  }))
  remove_copies(directory)
  bench.remove(trimmed)

  copy_base(base, directory)
  memory.trim:add(trim_all(directory))
  remove_copies(directory)
end

local function report_memory()
  report.section "Writing and trimming, in memory, us a change; judged: over raw item"
  write_row("put, durability none, random", memory.single, 1.7)
  report.row {
    what = "  with a record trimmed for each put", unit = "us",
    ours = memory.single:each "trimmed",
    judged = memory.single:each(function(round)
      return 100 * (round.trimmed / round.ours - 1)
    end),
    as = "% more", target = 8,
  }
  report.row {
    what = "trim, records a time", unit = "ns", both = memory.trim:each "both",
    ours = memory.trim:each "ours", judged = memory.trim:each "ours", as = "ns", target = 350,
  }
  local function watched(who, what)
    return memory.watched:each(function(round) return round[who][what] end)
  end
  local function in_us(who, what)
    return memory.watched:each(function(round) return round[who][what] / 1000 end)
  end
  report.row {
    what = "longest put of all, trimming", unit = "us", ours = watched("trimmed", "wall"),
    judged = in_us("trimmed", "wall"), as = "us", target = 1000,
  }
  report.row {
    what = "  its processor time", unit = "us", ours = watched("trimmed", "cpu"),
  }
  report.row {
    what = "  the same, nothing to trim", unit = "us", ours = watched("ours", "wall"),
  }
  report.row {
    what = "puts over 1 ms, trimming", unit = "puts", ours = watched("trimmed", "over"),
  }
  report.row {
    what = "  the same, nothing to trim", unit = "puts", ours = watched("ours", "over"),
  }
  report.row {
    what = "file grows meanwhile", unit = "%", ours = watched("trimmed", "growth"),
    judged = watched("trimmed", "growth"), as = "%", target = 1,
  }
end

--------------------------------------------------------------------------------
-- Reading
--------------------------------------------------------------------------------

local reads = bench.series()

-- Loops over all records; calling a function for each record would add a tenth to the time.
local ways = {}

function ways.untouched(stream)
  local seen = 0
  for _ in stream:records() do
    seen = seen + 1
  end
  return seen
end

function ways.new(stream)
  local seen = 0
  for record in stream:records() do
    seen = seen + (record.new_image and 1 or 0)
  end
  return seen
end

function ways.all(stream)
  local seen = 0
  for record in stream:records() do
    seen = seen + (record.new_image and record.old_image and record.keys and 1 or 0)
  end
  return seen
end

local function scan_items(made, segment, total)
  local seen = 0
  for _ in made:scan { segment = segment, total_segments = total } do
    seen = seen + 1
  end
  return seen
end

local SEGMENTS = 4

local function scan_segments(made)
  local seen = 0
  for segment = 0, SEGMENTS - 1 do
    seen = seen + scan_items(made, segment, SEGMENTS)
  end
  assert(seen == items, "each item should be in one segment")
end

local function read_records(made, way)
  local seen = ways[way](made:stream())
  assert(seen == items, "there should be as many records as items, all with both images")
end

--- Gets random items. The keys are created before, so few at a time that they stay in the cache.
local function get_random(made, count)
  local passed = 0
  for _ = 1, count // batch_of_keys do
    local keys = {}
    for i = 1, batch_of_keys do keys[i] = orders.random_key() end
    local start = bench.now()
    for i = 1, batch_of_keys do
      check(made:get(keys[i]))
    end
    passed = passed + (bench.now() - start)
  end
  return passed * 1e9 / count
end

local function read_round(round, base, made)
  local path = base .. "/reads.raw"
  local function reading(way)
    return {
      name = way,
      run = function()
        return bench.time(items, function() read_records(made, way) end)
      end,
    }
  end
  reads:add(bench.interleave(round, {
    { name = "scan", run = function() return raw.scan(path) end },
    reading "untouched",
    reading "new",
    reading "all",
    {
      name = "items",
      run = function()
        return bench.time(items, function() scan_items(made) end)
      end,
    },
    {
      name = "segments",
      run = function()
        return bench.time(items, function() scan_segments(made) end)
      end,
    },
    { name = "raw_get", run = function() return raw.get(path, gets, round) end },
    {
      name = "get",
      run = function()
        collectgarbage()
        return get_random(made, gets)
      end,
    },
    {
      name = "get_with_key",
      run = function()
        return bench.time(gets, function(n)
          for _ = 1, n do check(made:get(orders.random_key())) end
        end)
      end,
    },
  }))
end

local function report_reads()
  report.section "Reading, in memory, ns each; judged: over a raw scan, and what a get adds"
  local function read_row(what, name, target)
    report.row {
      what = what, unit = "ns", both = reads:each "scan", ours = reads:each(name),
      judged = reads:each(function(round) return round[name] / round.scan end), target = target,
    }
  end
  read_row("record, untouched", "untouched", 4)
  read_row("record, new_image as a table", "new", 12)
  read_row("record, both images and keys", "all", 22)
  report.row {
    what = "item of a scan, as a table", unit = "ns", ours = reads:each "items",
  }
  report.row {
    what = ("  in %d segments, one after the other"):format(SEGMENTS), unit = "ns",
    ours = reads:each "segments",
    judged = reads:each(function(round) return 100 * (round.segments / round.items - 1) end),
    as = "% more",
  }
  local function get_row(what, name, target)
    report.row {
      what = what, unit = "ns", item = reads:each "raw_get", ours = reads:each(name),
      judged = reads:each(function(round) return round[name] - round.raw_get end),
      as = "ns more", target = target,
    }
  end
  get_row("get of a random item", "get", 1500)
  get_row("  and building its key's table", "get_with_key")
end

--------------------------------------------------------------------------------
-- Memory of a reader
--------------------------------------------------------------------------------

local function read_by_another(path)
  local reader = arg[0]:gsub("[^/]*$", "lib/reader.lua")
  local seen, most = bench.run(os.getenv "LUA" or "lua5.4", reader, path):match("(%d+)%s+(%d+)")
  return tonumber(seen), tonumber(most)
end

local function report_reader(seen, most)
  report.section "Memory of a process that reads, and makes tables of everything"
  report.row {
    what = ("RssAnon, %d records"):format(seen), unit = "MB", ours = { most / 1024 },
    judged = { most / 1024 }, as = "MB", target = 64,
  }
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

local function say_settings(disk, mem)
  print(("tidetable beside raw LMDB: %d items, %d rounds, median [least..most]"):format(items,
    bench.rounds))
  print(bench.machine())
  print(raw.version())
  print(("disk: %s (%s); memory: %s (%s)"):format(disk, bench.file_system(disk), mem,
    bench.file_system(mem)))
  print("load average: " .. bench.load_average())
end

local function say_sizes(base)
  local sizes = raw.sizes(base .. "/base.tide")
  print(("an item's row: %d + %d bytes; a record's: %d + %d; %d records before"):format(
    sizes.items.key, sizes.items.value, sizes.log.key, sizes.log.value, sizes.log.rows))
  for _, tree in ipairs { "items", "log" } do
    local ours, theirs = sizes[tree].pages, raw.sizes(base .. "/base.both")[tree].pages
    print(("pages of %s: ours %d, raw %d"):format(tree, ours, theirs))
  end
  print()
end

local function main()
  local base <close> = bench.directory(bench.memory)
  local disk <close> = bench.directory(bench.disk)
  local mem = base.path

  say_settings(disk.path, mem)
  orders.make(mem .. "/loose.tide", records)
  raw.pack(mem .. "/loose.tide", mem .. "/base.tide")
  bench.remove(mem .. "/loose.tide")
  raw.make(mem .. "/base.tide", mem .. "/base.items", "items")
  raw.make(mem .. "/base.tide", mem .. "/base.both", "both")
  say_sizes(mem)

  for round = 1, bench.rounds do
    write_round(round, mem, disk.path)
  end
  report_writes()
  for round = 1, bench.rounds do
    memory_round(round, mem, mem)
  end
  report_memory()

  local path = mem .. "/reads.tide"
  raw.copy(mem .. "/base.tide", path)
  orders.change(path, records, items)
  raw.make(path, mem .. "/reads.raw", "both")
  do
    local db <close>, made = orders.open(path, "none")
    orders.warm(made)
    read_records(made, "untouched")
    for round = 1, bench.rounds do
      read_round(round, mem, made)
    end
    db:close()
  end
  report_reads()

  bench.remove(mem .. "/reads.raw")
  for _ = 2, 10 do
    orders.change(path, 0, items)
  end
  report_reader(read_by_another(path))

  report.print()
  print("load average: " .. bench.load_average())
end

main()
