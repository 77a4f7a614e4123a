-- command.lua - whole processes: scan, export, tail and import of the command, beside `jq -c .`
-- and the command of SQLite.
--
-- Each reads or writes the lines of a fifth of ITEMS items. jq reads the lines that the command
-- writes, or that import reads; sqlite3 prints or imports the same items. Both run in the same
-- round; the order differs from round to round. The rows of a program that is not installed are
-- skipped. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm lua5.4 bench/command.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local tidetable = require "tidetable"

local count = bench.scaled(200000, 200)
local command = (os.getenv "TIDETABLE_BUILD" or "build") .. "/bin/tidetable"

local function has(program)
  local pipe = assert(io.popen("command -v " .. program))
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

local SQLITE_TABLE = [[
CREATE TABLE orders (customer TEXT, placed_at INTEGER, status TEXT, total REAL, lines TEXT,
  note TEXT, paid INTEGER, PRIMARY KEY (customer, placed_at)) WITHOUT ROWID;
]]

--- Writes a script for sqlite3 and returns its path.
local function script(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  assert(file:close())
  return path
end

--- Returns a command that runs a script on a new database.
local function sqlite_new(path, name)
  return ("rm -f %s && sqlite3 %s <%s"):format(path, path, name)
end

local function import_new(path, ...)
  return ("rm -f %s %s-lock %s-wake; %s import %s %s"):format(path, path, path, command, path,
    table.concat({ ... }, " "))
end

--- Returns the rows: what is measured, the peer, the two commands, the most that ours may take of
--- the peer's time (nil: no target), and the file that ours writes first.
local function rows_of(directory)
  local database = directory .. "/shop.tide"
  local plain, typed = directory .. "/plain.jsonl", directory .. "/typed.jsonl"
  local records, csv = directory .. "/records.jsonl", directory .. "/items.csv"
  local new, relational = directory .. "/new.tide", directory .. "/shop.sqlite"
  local definition = "--create --table orders --key customer --sort placed_at:N"
  local from_lines = script(directory .. "/lines.sql", (SQLITE_TABLE .. [[
CREATE TEMP TABLE raw (line TEXT);
.mode ascii
.separator "\037" "\n"
.import --schema temp %s raw
INSERT INTO orders SELECT json_extract(line, '$.customer'), json_extract(line, '$.placed_at'),
  json_extract(line, '$.status'), json_extract(line, '$.total'), json_extract(line, '$.lines'),
  json_extract(line, '$.note'), json_extract(line, '$.paid') FROM raw;
]]):format(plain))
  local from_csv = script(directory .. "/csv.sql", (SQLITE_TABLE .. [[
.import --csv --skip 1 %s orders
]]):format(csv))
  local function jq(lines) return "jq -c . " .. lines end
  return database, {
    { what = "scan", peer = "jq", most = 0.7, theirs = jq(plain), writes = plain,
      ours = ("%s scan %s orders"):format(command, database) },
    { what = "export", peer = "jq", most = 0.7, theirs = jq(typed), writes = typed,
      ours = ("%s export %s orders"):format(command, database) },
    { what = "tail", peer = "jq", most = 0.7, theirs = jq(records), writes = records,
      ours = ("%s tail %s orders --from TRIM_HORIZON"):format(command, database) },
    { what = "import, ascending", peer = "jq", most = 1, theirs = jq(typed),
      ours = import_new(new, typed, "--create") },
    { what = "scan", peer = "sqlite3",
      before = sqlite_new(relational, from_lines),
      theirs = ("sqlite3 -json %s 'SELECT * FROM orders'"):format(relational),
      ours = ("%s scan %s orders"):format(command, database) },
    { what = "import, JSON lines", peer = "sqlite3",
      theirs = sqlite_new(directory .. "/new.sqlite", from_lines),
      ours = import_new(new, plain, definition, "--format json") },
    { what = "import, CSV", peer = "sqlite3",
      before = ("sqlite3 -csv -header %s 'SELECT * FROM orders' >%s"):format(relational, csv),
      theirs = sqlite_new(directory .. "/new.sqlite", from_csv),
      ours = import_new(new, csv, definition, "--csv --type total:N,paid:N") },
  }
end

local function measure(row, round)
  row.series:add(bench.interleave(round, {
    { name = "ours", run = function() return seconds(row.ours .. " >/dev/null") end },
    { name = "theirs", run = function() return seconds(row.theirs .. " >/dev/null") end },
  }))
end

local function print_row(row)
  local ratio = row.series:each(function(round) return round.ours / round.theirs end)
  local middle = bench.median(ratio)
  print(("%-18s %-8s %-22s %-22s %-20s %-9s %s"):format(row.what, row.peer,
    bench.show(row.series:each "theirs", 1), bench.show(row.series:each "ours", 1),
    bench.show(ratio, 1) .. "x", row.most and ("%gx"):format(row.most) or "-",
    not row.most and "" or middle <= row.most and "reached" or "MISSED"))
end

--- Returns the rows whose peer is installed; says which peers are missing.
local function installed(rows)
  local found, is_here = {}, {}
  for _, row in ipairs(rows) do
    if is_here[row.peer] == nil then
      is_here[row.peer] = has(row.peer)
      if not is_here[row.peer] then
        print(("without %s, which is not installed (apt-get install %s)"):format(row.peer,
          row.peer))
      end
    end
    found[#found + 1] = is_here[row.peer] and row or nil
  end
  return found
end

local function main()
  local directory <close> = bench.directory(bench.memory .. "-command")
  local database, rows = rows_of(directory.path)
  make(database)
  for _, row in ipairs(rows) do
    if row.writes then seconds(row.ours .. " >" .. row.writes) end
  end
  rows = installed(rows)
  for _, row in ipairs(rows) do
    if row.before then seconds(row.before) end
    row.series = bench.series()
  end
  print(("%s\nload average %s\n%d items, %d rounds, seconds\n"):format(bench.machine(),
    bench.load_average(), count, bench.rounds))
  for round = 1, bench.rounds do
    for _, row in ipairs(rows) do measure(row, round) end
  end
  print(("%-18s %-8s %-22s %-22s %-20s %-9s"):format("", "peer", "peer", "tidetable", "ratio",
    "at most"))
  for _, row in ipairs(rows) do print_row(row) end
end

main()
