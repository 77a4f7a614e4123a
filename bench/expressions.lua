-- expressions.lua - conditions, updates, filters and projections: alone, and beside SQLite.
--
-- First runs bench/expressions.c, which evaluates them on the bytes of items, without a database.
-- Then this library, called from Lua and from C, and SQLite, called from C with typed columns and
-- with JSON documents, do the same work (bench/lib/evaluator.h) in rounds whose order changes.
-- Prints medians, the ratios of each round, and the targets. What is not flushed is written in
-- memory, because the disk's work for other rows would disturb it.
--
--     ROUNDS=9 ITEMS=1000000 DIR=build MEM=/dev/shm lua5.4 bench/expressions.lua
--     WRITE=1                  writes the table into doc/bench.md

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local comparison = require "comparison"
local contenders = require "contenders"
local sheet = require "sheet"

local lua = os.getenv "LUA" or "lua5.4"
local here = arg[0]:gsub("[^/]*$", "lib/")
local items = bench.items
local large_items = bench.items // 10
local single_count = bench.scaled(20000, 100)
local flushed_count = bench.scaled(400, 10)
local compared_count = bench.scaled(100000, 1000)

local document = "doc/bench.md"

local function in_c(store, ...)
  return { bench.programs .. "/evaluator_" .. store, ... }
end

local everybody = {
  {
    id = "lua", name = "tidetable", language = "Lua", is_ours = true, base = "tidetable",
    command = { lua, here .. "evaluator_tidetable.lua" },
  },
  {
    id = "c", name = "tidetable", language = "C", is_ours = true, base = "tidetable",
    command = in_c "tidetable",
  },
  { id = "columns", name = "SQLite", language = "C, columns", base = "columns",
    command = in_c("sqlite", "columns") },
  { id = "json", name = "SQLite", language = "C, JSON", base = "json",
    command = in_c("sqlite", "json") },
}

--------------------------------------------------------------------------------
-- Rows (bench/lib/comparison.lua). `on` is the copy that `run` works on: "base", which is only
-- read, "disk", or "memory", which is fresh in each round. `aims` are targets: a contender, the one
-- that it is compared with, and the greatest ratio.
--------------------------------------------------------------------------------

local rows = {}

local function row(of)
  rows[#rows + 1] = of
end

local function write(command, level, count)
  return function(contender, path, round)
    return (contenders.measure(contender, command, path, items, level, 1, count, round))
  end
end

-- The number of items that the last filter or projection returned, by row: all agree on it.
local returned = {}

local function read(id, all, command, what)
  return function(contender, path)
    local passed, count = contenders.measure(contender, command, path, what)
    assert(count == (returned[id] or count), contenders.full_name(contender)
      .. " should return as many items as the others")
    returned[id] = count
    return passed / all
  end
end

row {
  id = "top", title = "filter that keeps an item of 1,000", unit = "ns", on = "base",
  run = read("top", items, "filter", "top"),
  aims = { { "c", "columns", 2.5 }, { "c", "json", 1 }, { "lua", "c", 2 } },
}
row {
  id = "nested", title = "filter of nested attributes that keeps an item of 1,000", unit = "ns",
  on = "base", run = read("nested", items, "filter", "nested"),
  aims = { { "c", "json", 0.33 }, { "lua", "c", 2 } },
}
row {
  id = "project", title = "projection of two attributes of 1 KB items", unit = "ns", on = "base",
  run = read("project", large_items, "project"),
}
row {
  id = "full", title = "update with a condition, durable", unit = "us", on = "disk",
  run = write("update", "full", flushed_count),
}
row {
  id = "none", title = "update with a condition, not flushed", unit = "us", on = "memory",
  run = write("update", "none", single_count),
}
row {
  id = "insert", title = "conditional put that fails", unit = "us", on = "memory",
  run = write("insert", "none", single_count),
}
row {
  id = "put", title = "put, ascending in transactions of 1,000, processor time", unit = "us",
  on = "memory",
  run = function(contender, path)
    if contender.id ~= "lua" then
      local put, update = contenders.measure(contender, "compare", path, items, compared_count)
      return { put = put, update = update }
    end
  end,
}
row {
  id = "update", title = "update with a condition of the same items, processor time", unit = "us",
}

--------------------------------------------------------------------------------
-- Rounds
--------------------------------------------------------------------------------

local compared = comparison.new(rows)

local function measure_rows(list, on, directory, round)
  for _, each in ipairs(rows) do
    if each.run and each.on == on then
      compared:measure(each, list, directory, round)
    end
  end
end

local function play(round, list, disk)
  measure_rows(list, "base", disk .. "/base", round)
  measure_rows(list, "disk", disk .. "/work", round)
  local memory <close> = bench.directory(bench.memory .. "-expressions")
  bench.run("cp", "-r", disk .. "/base/.", memory.path)
  measure_rows(list, "memory", memory.path, round)
end

local function make_bases(list, base)
  local made = {}
  for _, contender in ipairs(list) do
    if contender.language ~= "Lua" and not made[contender.base] then
      made[contender.base] = true
      local path = contenders.path(contender, base)
      bench.run("mkdir", "-p", path)
      contenders.run(contender, "make", path, items)
    end
  end
end

--------------------------------------------------------------------------------
-- Targets
--------------------------------------------------------------------------------

local function difference(a, b) return b - a end

local function judge_all(list)
  local name = {}
  for _, contender in ipairs(list) do name[contender.id] = contenders.full_name(contender) end
  for _, each in ipairs(rows) do
    local of = compared.results[each.id]
    for _, aim in ipairs(each.aims or {}) do
      local a, b, most = table.unpack(aim)
      compared:judge(("%s: %s / %s"):format(each.title, name[a], name[b]),
        comparison.each_round(of[a], of[b]), most, "x")
    end
  end
  local put, update = compared.results.put.c, compared.results.update.c
  compared:judge("update beyond a put of the same items, processor time: tidetable (C)",
    comparison.each_round(put, update, difference), 1500, " ns")
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

local function evaluate_alone()
  local said = bench.run(bench.programs .. "/expressions", bench.rounds, items)
  print(("%d rounds of %d evaluations without a database; medians"):format(bench.rounds, items))
  print(("\n%-36s %8s %8s"):format("ns", "aim", "median"))
  local lines = { "| expression, without a database | ns | at most |", "|---|---|---|" }
  for name, aim, median in said:gmatch "([^\t\n]+)\t(%d+)\t(-?[%d.]+)" do
    aim = aim == "0" and "" or aim
    print(("%-36s %8s %8s"):format(name, aim, median))
    lines[#lines + 1] = ("| %s | %s | %s |"):format(name, median, aim)
  end
  return table.concat(lines, "\n")
end

local function find()
  local found, skipped = {}, {}
  for _, contender in ipairs(everybody) do
    if contender.is_ours or bench.first_line(contender.command[1]) then
      found[#found + 1] = contender
    else
      skipped[#skipped + 1] = ("skipped: %s was not built (libsqlite3-dev)"):format(
        contenders.full_name(contender))
    end
  end
  return found, skipped
end

local function main()
  local list, skipped = find()
  local disk <close> = bench.directory(bench.disk .. "-expressions")
  local load_line, load = bench.load_average()
  local said = {
    machine = bench.machine(), disk = bench.file_system(disk.path), items = items, changes = 0,
    rounds = bench.rounds, load_line = load_line, is_noisy = load and load >= 1,
  }
  print(sheet.headline(said) .. "\n")
  local alone = evaluate_alone()
  make_bases(list, disk.path .. "/base")
  bench.run("cp", "-r", disk.path .. "/base", disk.path .. "/work")
  bench.run("sync", "-f", disk.path)
  for round = 1, bench.rounds do play(round, list, disk.path) end
  print("\n" .. sheet.as_text(rows, list, compared.results))
  judge_all(list)
  compared:print_targets()
  for _, text in ipairs(skipped) do print(text) end
  if (os.getenv "WRITE" or "") ~= "" then
    sheet.write(document, "expressions", table.concat({
      sheet.as_markdown(said, rows, list, compared.results, skipped),
      compared:targets_as_markdown(), alone,
    }, "\n\n"))
    print("written: " .. document)
  end
end

main()
