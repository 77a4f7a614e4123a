-- command.lua - whole processes: scan, export, tail and import of the command, beside `jq -c .`.
--
-- Each reads or writes JSON lines of a fifth of ITEMS items. jq reads the lines that the command
-- writes, or that import reads, in the same round; the order differs from round to round. Without
-- jq the bench is skipped. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm lua5.4 bench/command.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local tidetable = require "tidetable"

local count = bench.scaled(200000, 200)
local command = (os.getenv "TIDETABLE_BUILD" or "build") .. "/bin/tidetable"

local function has_jq()
  local pipe = assert(io.popen "command -v jq")
  local said = pipe:read "a"
  pipe:close()
  return said ~= ""
end

--- Returns the seconds that a shell command takes.
local function seconds(line)
  local start = bench.now()
  if not os.execute(line) then
    error("failed: " .. line, 0)
  end
  return bench.now() - start
end

local states = { "open", "paid", "sent" }

local function make(path)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  local orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
  local i = 0
  assert(orders:load(function()
    i = i + 1
    return i <= count and {
      customer = ("customer-%06d"):format(i // 5), placed_at = 1700000000 + i,
      status = states[i % 3 + 1], total = i * 7919 % 100000 / 100,
      lines = tidetable.list { { sku = ("A-%d"):format(i * 31 % 10000), quantity = i % 9 + 1 } },
      note = "ring twice, door " .. i % 50, paid = i % 2 == 0,
    } or nil
  end))
end

--- The rows: what is measured, its command, its lines, and the most that it may take of jq's time.
local function rows_of(directory)
  local database = directory .. "/shop.tide"
  local plain, typed = directory .. "/plain.jsonl", directory .. "/typed.jsonl"
  local records, new = directory .. "/records.jsonl", directory .. "/new.tide"
  return database, {
    { what = "scan", lines = plain, most = 0.7,
      line = ("%s scan %s orders"):format(command, database) },
    { what = "export", lines = typed, most = 0.7,
      line = ("%s export %s orders"):format(command, database) },
    { what = "tail", lines = records, most = 0.7,
      line = ("%s tail %s orders --from TRIM_HORIZON"):format(command, database) },
    { what = "import, ascending", lines = typed, most = 1, reads = true,
      line = ("rm -f %s %s-lock; %s import %s %s --create"):format(new, new, command, new, typed) },
  }
end

local function measure(row, round)
  local lines = bench.interleave(round, {
    { name = "ours", run = function() return seconds(row.line .. " >/dev/null") end },
    { name = "jq", run = function() return seconds("jq -c . " .. row.lines .. " >/dev/null") end },
  })
  row.series:add(lines)
end

local function print_row(row)
  local ratio = row.series:each(function(round) return round.ours / round.jq end)
  local middle = bench.median(ratio)
  print(("%-18s %-22s %-22s %-20s %-9s %s"):format(row.what,
    bench.show(row.series:each "jq", 1), bench.show(row.series:each "ours", 1),
    bench.show(ratio, 1) .. "x", ("%gx"):format(row.most),
    middle <= row.most and "reached" or "MISSED"))
end

local function main()
  if not has_jq() then
    print "skipped: jq is not installed (apt-get install jq)"
    return
  end
  local directory <close> = bench.directory(bench.memory .. "-command")
  local database, rows = rows_of(directory.path)
  make(database)
  for _, row in ipairs(rows) do
    if not row.reads then seconds(row.line .. " >" .. row.lines) end
    row.series = bench.series()
  end
  print(("%s\nload average %s\n%d items, %d rounds, seconds\n"):format(bench.machine(),
    bench.load_average(), count, bench.rounds))
  for round = 1, bench.rounds do
    for _, row in ipairs(rows) do measure(row, round) end
  end
  print(("%-18s %-22s %-22s %-20s %-9s"):format("", "jq -c .", "tidetable", "ratio", "at most"))
  for _, row in ipairs(rows) do print_row(row) end
end

main()
