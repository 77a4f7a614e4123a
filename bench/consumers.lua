-- consumers.lua - throughput, latency and overhead of durable consumers.
--
-- Throughput: consumers of this library, Redis Streams, SQLite and LuaSQL handle the same changes
-- in batches (bench/lib/consumer.h), this library in both modes. Plain transactions with the same
-- writes are the baseline. Latency: the time from a put to the handler in another process, compared
-- with a plain follower. Overhead: the time of a put while 1,000 consumers exist. Everything runs
-- in rounds whose order changes. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 DIR=build MEM=/dev/shm lua5.4 bench/consumers.lua
--     PEERS="sqlite redis"     only these
--     WRITE=1                  writes the tables into doc/bench.md

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local comparison = require "comparison"
local contenders = require "contenders"
local sheet = require "sheet"
local watchers = require "watchers"

local lua = os.getenv "LUA" or "lua5.4"
local here = arg[0]:gsub("[^/]*$", "lib/")
local document = "doc/bench.md"
local is_small = bench.items < 1000000           -- as in `make test`

local function in_c(program)
  return { bench.programs .. "/" .. program }
end

local function in_lua(name, ...)
  return { lua, here .. "consumer_" .. name .. ".lua", ... }
end

local everybody = {
  {
    id = "locked", name = "locked", language = "Lua", command = in_lua("tidetable", "locked"),
    is_ours = true, base = "tidetable",
  },
  {
    id = "optimistic", name = "optimistic", language = "Lua",
    command = in_lua("tidetable", "optimistic"), is_ours = true, base = "tidetable",
  },
  {
    id = "plain_locked", name = "plain transaction, locked", language = "Lua",
    command = in_lua("tidetable", "plain_locked"), is_ours = true, base = "tidetable",
    is_baseline = true,
  },
  {
    id = "plain_optimistic", name = "plain transaction, optimistic", language = "Lua",
    command = in_lua("tidetable", "plain_optimistic"), is_ours = true, base = "tidetable",
    is_baseline = true,
  },
  {
    id = "sqlite", name = "SQLite", language = "C", command = in_c "consumer_sqlite",
    package = "libsqlite3-dev", base = "sqlite",
  },
  {
    id = "redis", name = "Redis", language = "C", command = in_c "consumer_redis",
    server = in_c "peer_redis", package = "libhiredis-dev", program = "redis-server",
    is_served = true, base = "redis",
  },
  {
    id = "luasql", name = "LuaSQL", language = "Lua", command = in_lua "luasql",
    module = "luasql.sqlite3", package = "lua-sql-sqlite3", base = "luasql",
  },
}

--------------------------------------------------------------------------------
-- Rows: a durability, a handler, a guarantee and a batch size. The number of changes is a multiple
-- of the batch size.
--------------------------------------------------------------------------------

local sizes = { 1, 10, 100, 1000 }
local batches_of = {
  full = { 300, 100, 50, 20 },
  none = { 5000, 2000, 300, 50 },
}
local records = 1000

local works = {
  { id = "counters", guarantee = "exactly", title = "counters, exactly once" },
  { id = "counters", guarantee = "least", title = "counters, at least once" },
  { id = "count", guarantee = "exactly", title = "count, exactly once" },
  { id = "count", guarantee = "least", title = "count, at least once" },
}

local rows = {}

local function row(level, work, size, batches)
  local count = math.max(bench.items * batches // 1000000, is_small and 1 or 5) * size
  records = math.max(records, count + size)      -- Redis also requests the batch after the last one
  rows[#rows + 1] = {
    id = table.concat({ level, work.id, work.guarantee, size }, "-"),
    title = ("%s, %s, batches of %d"):format(work.title,
      level == "full" and "durable" or "not flushed", size),
    unit = "us", level = level, work = work, size = size,
    run = function(contender, path)
      return (contenders.measure(contender, "consume", path, level, size, count, work.id,
        work.guarantee))
    end,
  }
end

for _, level in ipairs { "none", "full" } do
  for _, work in ipairs(works) do
    for i, size in ipairs(sizes) do row(level, work, size, batches_of[level][i]) end
  end
end

local compared = comparison.new(rows)

local function make_bases(list, base)
  local made = {}
  for _, contender in ipairs(list) do
    if not made[contender.base] then
      made[contender.base] = true
      local path = contenders.path(contender, base)
      bench.run("mkdir", "-p", path)
      local _server <close> = contenders.serve(contender, path)
      contenders.run(contender, "make", path, records)
    end
  end
end

--- Measures the rows of a level on a fresh copy of the bases.
local function play(level, list, base, directory, round)
  local work <close> = bench.directory(directory)
  bench.run("cp", "-r", base .. "/.", work.path)
  bench.run("sync", "-f", work.path)
  local _servers <close> = contenders.serve_all(list, work.path)
  for _, each in ipairs(rows) do
    if each.level == level then
      compared:measure(each, list, work.path, round)
    end
  end
end

--------------------------------------------------------------------------------
-- Targets
--------------------------------------------------------------------------------

local function scaled(series, by)
  local list = {}
  for i, number in ipairs(series) do list[i] = number / by end
  return list
end

local modes = { "locked", "optimistic" }

-- What each mode is compared with, and the greatest ratio. With `level` only in rows of this
-- durability.
local references = {
  { id = "sqlite", name = "SQLite", most = 2.5 },
  { id = "redis", name = "Redis", most = 1 },
  { id = "luasql", name = "LuaSQL", most = 1 },
  { id = "plain", name = "plain transaction", most = 1.1, level = "full" },
}

--- Returns the ratios of a mode to a reference in each round; an empty list if there is no such
--- target.
local function ratios_of(each, mode, reference)
  if reference.level and reference.level ~= each.level then
    return {}
  end
  local of = compared.results[each.id]
  local id = reference.id == "plain" and "plain_" .. mode or reference.id
  return comparison.each_round(of[mode], of[id])
end

local function judge_row(each)
  for _, mode in ipairs(modes) do
    local what = each.title .. ": " .. mode
    if each.level == "none" and each.work.id == "counters" and each.work.guarantee == "exactly"
        and each.size >= 100 then
      compared:judge(what, scaled(compared.results[each.id][mode], 1000), 3, " us")
    end
    for _, reference in ipairs(references) do
      compared:judge(what .. " / " .. reference.name, ratios_of(each, mode, reference),
        reference.most, "x")
    end
  end
end

local function cell_of(series, most)
  if #series == 0 then
    return "-"
  end
  local ratio = bench.median(series)
  return (ratio <= most and "%.2fx" or "**%.2fx**"):format(ratio)
end

--- Returns a Markdown table of the ratios. A ratio that misses its target is bold.
local function ratios_as_markdown()
  local head = {}
  for _, mode in ipairs(modes) do
    for _, reference in ipairs(references) do
      head[#head + 1] = ("%s / %s (at most %gx)"):format(mode, reference.name, reference.most)
    end
  end
  local lines = { "| | " .. table.concat(head, " | ") .. " |", ("|---"):rep(#head + 1) .. "|" }
  for _, each in ipairs(rows) do
    local cells = { each.title }
    for _, mode in ipairs(modes) do
      for _, reference in ipairs(references) do
        cells[#cells + 1] = cell_of(ratios_of(each, mode, reference), reference.most)
      end
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

--- Measures latency and overhead. Returns a Markdown table.
local function watch(round_count)
  local directory <close> = bench.directory(bench.memory .. "-consumers")
  local watched = watchers.measure(directory.path, round_count, is_small)
  local lines = { "| | median | 99th percentile |", "|---|---|---|" }
  for _, each in ipairs(watched) do
    local line = ("| %s | %s | %s |"):format(each.title, bench.show(each.median, each.scale),
      bench.show(each.late, each.scale))
    lines[#lines + 1] = line
  end
  for _, each in ipairs(watched) do
    for _, aim in ipairs(each.aims or {}) do
      compared:judge(each.title .. ", " .. aim.what,
        comparison.each_round(each[aim.of], aim.by[aim.of]), aim.most, "x")
    end
  end
  return table.concat(lines, "\n")
end

local function main()
  local list, skipped = contenders.find(everybody)
  local disk <close> = bench.directory(bench.disk .. "-consumers")
  local load_line, load = bench.load_average()
  local said = {
    machine = bench.machine(), disk = bench.file_system(disk.path), items = records,
    changes = records, rounds = bench.rounds, load_line = load_line, is_noisy = load and load >= 1,
  }
  print(sheet.headline(said))
  contenders.describe(list)
  make_bases(list, disk.path .. "/base")
  for round = 1, bench.rounds do
    play("full", list, disk.path .. "/base", disk.path .. "/work", round)
    play("none", list, disk.path .. "/base", bench.memory .. "-consumers", round)
  end
  for _, each in ipairs(rows) do judge_row(each) end
  local of_rows = #compared.targets
  print(sheet.as_text(rows, list, compared.results))
  local watched = watch(bench.rounds)
  print(watched .. "\n")
  compared:print_targets()
  for _, text in ipairs(skipped) do print(text) end
  if (os.getenv "WRITE" or "") ~= "" then
    -- The other targets of the rows are in the table of ratios.
    local targets = compared:targets_as_markdown(function(target, i)
      return i > of_rows or target.most:find " us$"
    end)
    sheet.write(document, "consumers", table.concat({
      sheet.as_markdown(said, rows, list, compared.results, skipped), ratios_as_markdown(), watched,
      targets,
    }, "\n\n"))
    print("written: " .. document)
  end
end

main()
