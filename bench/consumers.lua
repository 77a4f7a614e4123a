-- consumers.lua - durable consumers: beside Redis Streams, SQLite and LuaSQL, and what they cost.
--
-- First all contenders handle the same changes in batches (bench/lib/consumer.h), this library in
-- both modes; plain transactions that write the same rows take part as a measure. Then the time
-- from a put to the handler in another process, beside a plain follower. Then what a thousand
-- consumers cost a writer. Everything runs in rounds whose order changes. doc/bench.md describes
-- each row.
--
--     ROUNDS=9 ITEMS=1000000 DIR=build MEM=/dev/shm lua5.4 bench/consumers.lua
--     PEERS="sqlite redis"     only these
--     WRITE=1                  writes the tables into doc/bench.md

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
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
    is_plain = true,
  },
  {
    id = "plain_optimistic", name = "plain transaction, optimistic", language = "Lua",
    command = in_lua("tidetable", "plain_optimistic"), is_ours = true, base = "tidetable",
    is_plain = true,
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
-- Rows: a batch size, a durability, a handler and a guarantee. Full batches are handled.
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
  records = math.max(records, count)
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

-- results[row id][contender id]: one number for each round.
local results = {}
for _, each in ipairs(rows) do results[each.id] = {} end

local function note(each, contender, number)
  local of = results[each.id]
  of[contender.id] = of[contender.id] or {}
  table.insert(of[contender.id], number)
end

local function measure(each, list, directory, round)
  local runs = {}
  for i, contender in ipairs(list) do
    runs[i] = {
      name = contender.id,
      run = function()
        note(each, contender, each.run(contender, directory .. "/" .. contender.base))
      end,
    }
  end
  bench.interleave(round, runs)
end

--- Calls fn once for each store.
local function each_base(list, fn)
  local seen = {}
  for _, contender in ipairs(list) do
    if not seen[contender.base] then
      seen[contender.base] = true
      fn(contender)
    end
  end
end

local function make_bases(list, base)
  each_base(list, function(contender)
    local path = base .. "/" .. contender.base
    bench.run("mkdir", "-p", path)
    local _server <close> = contenders.serve(contender, path)
    contenders.run(contender, "make", path, records)
  end)
end

--- Measures the rows of a level on a fresh copy of the bases.
local function play(level, list, base, directory, round)
  local work <close> = bench.directory(directory)
  bench.run("cp", "-r", base .. "/.", work.path)
  bench.run("sync", "-f", work.path)
  local servers = {}
  each_base(list, function(contender)
    servers[#servers + 1] = contenders.serve(contender, work.path .. "/" .. contender.base)
  end)
  local _ <close> = setmetatable({}, { __close = function()
    for _, server in ipairs(servers) do getmetatable(server).__close(server) end
  end })
  for _, each in ipairs(rows) do
    if each.level == level then
      measure(each, list, work.path, round)
    end
  end
end

--------------------------------------------------------------------------------
-- Targets
--------------------------------------------------------------------------------

-- Lines of the table of targets: what, measured, at most, "reached" or "MISSED".
local judged = {}

local function judge(what, series, most, unit)
  if #series > 0 then
    judged[#judged + 1] = {
      what, bench.show(series, 1) .. unit, ("%g%s"):format(most, unit),
      bench.median(series) <= most and "reached" or "MISSED",
    }
  end
end

--- Returns the ratio of two series in each round.
local function ratios(of_a, of_b)
  local series = {}
  for round = 1, of_a and of_b and #of_a or 0 do series[round] = of_a[round] / of_b[round] end
  return series
end

local function scaled(series, by)
  local list = {}
  for i, number in ipairs(series) do list[i] = number / by end
  return list
end

local modes = { "locked", "optimistic" }

-- What each mode is compared with, and the greatest ratio.
local measures = {
  { id = "sqlite", name = "SQLite", most = 2.5 },
  { id = "redis", name = "Redis", most = 1 },
  { id = "luasql", name = "LuaSQL", most = 1 },
  { id = "plain", name = "plain transaction", most = 1.1, level = "full" },
}

--- Returns the ratios of a mode to a measure in each round; an empty list if there is no such
--- target.
local function compared(each, mode, measure_of)
  if measure_of.level and measure_of.level ~= each.level then
    return {}
  end
  local of = results[each.id]
  local id = measure_of.id == "plain" and "plain_" .. mode or measure_of.id
  return ratios(of[mode], of[id])
end

local function judge_row(each)
  for _, mode in ipairs(modes) do
    local what = each.title .. ": " .. mode
    if each.level == "none" and each.work.id == "counters" and each.work.guarantee == "exactly"
        and each.size >= 100 then
      judge(what, scaled(results[each.id][mode], 1000), 3, " us")
    end
    for _, of in ipairs(measures) do
      judge(what .. " / " .. of.name, compared(each, mode, of), of.most, "x")
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

--- Returns the ratios of all rows with their targets; those that miss are bold.
local function ratios_as_markdown()
  local head = {}
  for _, mode in ipairs(modes) do
    for _, of in ipairs(measures) do
      head[#head + 1] = ("%s / %s (at most %gx)"):format(mode, of.name, of.most)
    end
  end
  local lines = { "| | " .. table.concat(head, " | ") .. " |", ("|---"):rep(#head + 1) .. "|" }
  for _, each in ipairs(rows) do
    local cells = { each.title }
    for _, mode in ipairs(modes) do
      for _, of in ipairs(measures) do
        cells[#cells + 1] = cell_of(compared(each, mode, of), of.most)
      end
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

--- Returns the targets that are not ratios to a store or to a plain transaction.
local function judged_as_markdown(first)
  local lines = { "| target | median | at most | |", "|---|---|---|---|" }
  for i, line in ipairs(judged) do
    if i >= first or line[3]:find " us$" then
      lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(table.unpack(line))
    end
  end
  return table.concat(lines, "\n")
end

--------------------------------------------------------------------------------
-- Main program
--------------------------------------------------------------------------------

local function describe(list)
  for _, contender in ipairs(list) do
    print(("-- %s (%s)\n%s\n"):format(contender.name, contender.language,
      contenders.run(contender, "describe")))
  end
end

--- Measures the latency and the cost of consumers that wait. Returns a Markdown table.
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
      judge(each.title .. ", " .. aim.what, ratios(each[aim.of], aim.by[aim.of]), aim.most, "x")
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
  print(sheet.headline(said) .. "\n")
  describe(list)
  make_bases(list, disk.path .. "/base")
  for round = 1, bench.rounds do
    play("full", list, disk.path .. "/base", disk.path .. "/work", round)
    play("none", list, disk.path .. "/base", bench.memory .. "-consumers", round)
  end
  for _, each in ipairs(rows) do judge_row(each) end
  local first_watched = #judged + 1
  print(sheet.as_text(rows, list, results))
  local waiting = watch(bench.rounds)
  print(waiting .. "\n")
  for _, line in ipairs(judged) do
    print(("%-7s %s: %s, at most %s"):format(line[4], line[1], line[2], line[3]))
  end
  for _, text in ipairs(skipped) do print(text) end
  if (os.getenv "WRITE" or "") ~= "" then
    sheet.write(document, "consumers", table.concat({
      sheet.as_markdown(said, rows, list, results, skipped), ratios_as_markdown(), waiting,
      judged_as_markdown(first_watched),
    }, "\n\n"))
    print("written: " .. document)
  end
end

main()
