-- peers.lua - the same work by this library, by raw LMDB, and by other stores.
--
-- SQLite, RocksDB and Redis are called from C, LuaSQL from Lua, this library from both. All store
-- the same items and record each change with both images; the order of the stores differs from
-- round to round. doc/bench.md describes each row and what can't be compared.
--
--     ROUNDS=9 ITEMS=1000000 DIR=build lua5.4 bench/peers.lua
--     PEERS="sqlite redis"     only these
--     WRITE=1                  writes table and picture into doc/bench.md and doc/bench.svg

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local chart = require "chart"
local comparison = require "comparison"
local contenders = require "contenders"
local sheet = require "sheet"

local items = bench.items
local changes = bench.scaled(100000, 100)      -- in the stream before the measurements
local load_count = bench.scaled(200000, 1000)
local gets = bench.scaled(100000, 1000)
local rings = bench.scaled(1000, 20)
local singles_flushed = bench.scaled(400, 10)
local singles = bench.scaled(20000, 100)

local document, picture = "doc/bench.md", "doc/bench.svg"

-- Load average from which the results count as preliminary: other programs were running.
local quiet_load = 1

--------------------------------------------------------------------------------
-- Rows (bench/lib/comparison.lua). Numbers are ns, bytes or KB.
--------------------------------------------------------------------------------

local rows = {}

local function row(of)
  rows[#rows + 1] = of
end

-- Each kind of put has its own seeds: with those of another it would store identical items, which
-- changes nothing. Ascending items have their own partition.
local kinds_of_puts = 0

local function put(level, order, batch, count)
  kinds_of_puts = kinds_of_puts + 1
  local seed = kinds_of_puts * 1000
  return function(contender, path, round)
    if contender.levels[level] then
      return contenders.measure(contender, "put", path, items, level, order, batch, count,
        seed + round)
    end
  end
end

row {
  id = "full", title = "put, durable, random", unit = "us", chart = "Durable put",
  run = put("full", "random", 1, singles_flushed),
}
row {
  id = "one_flush", title = "  with one flush (ours and LMDB: one_flush)", unit = "us",
  chart = "Durable put, one flush", same_as = "full",
  run = put("one_flush", "random", 1, singles_flushed),
}
row {
  id = "relaxed", title = "put, flushed now and then, random", unit = "us",
  run = put("relaxed", "random", 1, singles),
}
row {
  id = "none", title = "put, not flushed, random", unit = "us", chart = "Put, not flushed",
  run = put("none", "random", 1, singles),
}

local function batches(order, batch, count, title)
  row {
    id = order .. batch, title = ("durable transaction of %d puts, %s, a put"):format(batch, order),
    unit = "us", chart = title, run = put("full", order, batch, bench.scaled(count) * batch),
  }
end

batches("random", 100, 50, "Durable put, 100 at once")
batches("random", 1000, 10, "Durable put, 1,000 at once")
batches("ascending", 100, 50)
batches("ascending", 1000, 20, "Durable put, 1,000 at once, ascending")

local function file_bytes(path)
  local bytes = 0
  for size in bench.run("find", path, "-type", "f", "-printf", "%s\n"):gmatch("%d+") do
    bytes = bytes + size
  end
  return bytes
end

-- Output of bench/shares.c for our file after the load.
local shares

-- The load starts with an empty directory.
row {
  id = "load", title = "load of new items, flushed at the end, an item", unit = "us",
  chart = "Load new items",
  run = function(contender, path)
    local fresh <close> = bench.directory(path .. "-load")
    local each
    do
      local _server <close> = contenders.serve(contender, fresh.path)
      each = contenders.measure(contender, "load", fresh.path, load_count)
    end
    if contender.id == "tidetable_c" then
      shares = bench.run(bench.programs .. "/shares", fresh.path .. "/data.tide")
    end
    return { load = each, file = file_bytes(fresh.path) / load_count }
  end,
}
row { id = "file", title = "file after it, an item and its change", unit = "B" }

local function scan(what)
  return function(contender, path)
    local each, kb, seen = contenders.measure(contender, "scan", path, what)
    assert(seen == changes, contender.name .. " should have read every change")
    return { [what] = each, memory = what == "image" and kb or nil }
  end
end

row {
  id = "untouched", title = "change read, untouched", unit = "ns", reads = true,
  chart = "Read a change", run = scan "untouched",
}
row {
  id = "image", title = "change read, new image as a table or struct", unit = "ns", reads = true,
  chart = "Read a change, decode its image", run = scan "image",
}
row { id = "memory", title = "memory of the process that did so", unit = "MB" }
row {
  id = "get", title = "get of a random item", unit = "ns", reads = true, chart = "Get an item",
  run = function(contender, path, round)
    return contenders.measure(contender, "get", path, items, gets, round)
  end,
}

local function wake(how, median, late)
  return function(contender, path)
    if how == "sleep" or contender.can_poll_busily then
      local middle, last = contenders.wake(contender, path, rings, how)
      return { [median] = middle, [late] = last }
    end
  end
end

row {
  id = "wake", title = "wake-up of another process, median", unit = "us",
  chart = "Wake another process", run = wake("sleep", "wake", "wake_late"),
}
row { id = "wake_late", title = "  99th percentile", unit = "us" }
row {
  id = "busy", title = "  found by one that never sleeps, median", unit = "us",
  run = wake("busy", "busy", "busy_late"),
}
row { id = "busy_late", title = "  99th percentile", unit = "us" }
row {
  id = "trim", title = "trim, a change", unit = "ns", chart = "Trim a change",
  run = function(contender, path)
    return contenders.measure(contender, "trim", path, changes // 10)
  end,
}

--------------------------------------------------------------------------------
-- Rounds
--------------------------------------------------------------------------------

local compared = comparison.new(rows)

local function make_bases(list, base)
  for _, contender in ipairs(list) do
    local path = contenders.path(contender, base)
    bench.run("mkdir", "-p", path)
    local _server <close> = contenders.serve(contender, path)
    contenders.run(contender, "make", path, items, changes)
  end
end

--- Measures all rows on a fresh copy of the base, first those that only read.
local function play(round, list, base, directory)
  local work <close> = bench.directory(directory)
  for _, contender in ipairs(list) do
    bench.run("cp", "-r", contenders.path(contender, base), work.path)
  end
  bench.run("sync", "-f", work.path)
  local _servers <close> = contenders.serve_all(list, work.path)
  for _, reads in ipairs { true, false } do
    for _, each in ipairs(rows) do
      if each.run and (each.reads or false) == reads then
        compared:measure(each, list, work.path, round)
      end
    end
  end
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

local function settings(disk)
  local load_line, load = bench.load_average()
  return {
    machine = bench.machine(), disk = bench.file_system(disk), items = items,
    rounds = bench.rounds, changes = changes, load_line = load_line,
    is_noisy = load and load >= quiet_load,
  }
end

local function main()
  local list, skipped = contenders.find()
  local disk <close> = bench.directory(bench.disk .. "-peers")
  local said = settings(disk.path)

  print(sheet.headline(said))
  contenders.describe(list)
  for _, text in ipairs(skipped) do print(text) end
  make_bases(list, disk.path .. "/base")
  for round = 1, bench.rounds do
    play(round, list, disk.path .. "/base", disk.path .. "/work")
  end

  local results = compared.results
  print(sheet.as_text(rows, list, results))
  print(sheet.verdict(rows, list, results))
  if shares then
    print("\nbytes of our file, for each item and each record\n" .. shares .. "\n")
  end
  for _, text in ipairs(skipped) do print(text) end
  if (os.getenv "WRITE" or "") ~= "" then
    sheet.write(document, "peers", sheet.as_markdown(said, rows, list, results, skipped))
    if shares then
      sheet.write(document, "bytes", sheet.shares_as_markdown(shares))
    end
    chart.write(picture, said, rows, list, results)
    print(("written: %s and %s"):format(document, picture))
  end
end

main()
