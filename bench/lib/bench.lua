-- bench.lua - settings, the clock, and the numbers of several rounds as one.

local monotime = require "cqueues".monotime

local bench = {}

local function setting(name, default)
  local text = os.getenv(name)
  if not text or text == "" then
    return default
  end
  return assert(tonumber(text), name .. " should be a number")
end

local build = os.getenv "TIDETABLE_BUILD" or "build"

bench.rounds = setting("ROUNDS", 9) // 1
bench.items = setting("ITEMS", 1000000) // 1
bench.programs = build .. "/bench"
bench.disk = (os.getenv "DIR" or build) .. "/bench-files"
bench.memory = (os.getenv "MEM" or "/dev/shm") .. "/tidetable-bench"

assert(bench.rounds >= 1, "ROUNDS should be at least 1")
assert(bench.items >= 100, "ITEMS should be at least 100")

--- A count that belongs to a million items, for as many as there are.
function bench.scaled(count, least)
  return math.max(count * bench.items // 1000000, least or 1)
end

--------------------------------------------------------------------------------
-- The shell
--------------------------------------------------------------------------------

local function quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- A program and its arguments, as the shell wants them.
function bench.command_line(...)
  local words = {}
  for i, word in ipairs { ... } do
    words[i] = quoted(word)
  end
  return table.concat(words, " ")
end

--- Runs a program; returns what it said on its standard output.
function bench.run(...)
  local line = bench.command_line(...)
  local pipe = assert(io.popen(line))
  local said = pipe:read("a")
  if not pipe:close() then
    error("failed: " .. line, 0)
  end
  return (said:gsub("%s+$", ""))
end

function bench.first_line(path)
  local file = io.open(path)
  local line = file and file:read("l")
  if file then
    file:close()
  end
  return line
end

--- What ran it: processor, how many, system; and the load of now.
function bench.machine()
  local cpu = bench.run("sed", "-n", "s/^model name[^:]*: //p", "/proc/cpuinfo"):match("[^\n]*")
  return ("%s, %s processors, %s, %s"):format(cpu, bench.run("nproc"), bench.run("uname", "-sr"),
    _VERSION)
end

--- The load averages, and the first of them as a number.
function bench.load_average()
  local line = bench.first_line "/proc/loadavg" or "?"
  return line, tonumber(line:match "^%S+")
end

function bench.file_system(path)
  return bench.run("df", "--output=fstype", path):match("%S+$")
end

--- A path to a file of that name, in a directory that goes with the program.
function bench.directory(path)
  bench.run("rm", "-rf", path)   -- of a run that was killed
  bench.run("mkdir", "-p", path)
  return setmetatable({ path = path }, {
    __close = function() bench.run("rm", "-rf", path) end,
  })
end

--- Removes a database's files, or a single one.
function bench.remove(path)
  for _, suffix in ipairs { "", "-lock", "-wake" } do
    os.remove(path .. suffix)
  end
end

--------------------------------------------------------------------------------
-- Time
--------------------------------------------------------------------------------

bench.now = monotime

--- Nanoseconds an operation: `fn` does `count` of them. Garbage of before is not
--- its own.
function bench.time(count, fn)
  collectgarbage()
  collectgarbage()
  local start = monotime()
  fn(count)
  return (monotime() - start) * 1e9 / count
end

--------------------------------------------------------------------------------
-- Rounds
--------------------------------------------------------------------------------

--- The median of numbers, the least and the greatest.
function bench.median(series)
  local sorted = table.move(series, 1, #series, 1, {})
  table.sort(sorted)
  local n = #sorted
  local middle = (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
  return middle, sorted[1], sorted[n]
end

local series_of = {}
series_of.__index = series_of

--- Numbers of all rounds by name, in one call a round: `add { raw = 1, ours = 2 }`.
function bench.series()
  return setmetatable({ rounds = {} }, series_of)
end

function series_of:add(numbers)
  table.insert(self.rounds, numbers)
end

--- One number of each round: a name, or a function of the round's numbers.
function series_of:each(of)
  local numbers = {}
  for i, round in ipairs(self.rounds) do
    if type(of) == "function" then
      numbers[i] = of(round)
    else
      numbers[i] = round[of]
    end
  end
  return numbers
end

--- Calls the functions of a list in an order that differs from round to round, so
--- that nobody always comes first; returns what each gave, by its name.
function bench.interleave(round, list)
  local given = {}
  for i = 1, #list do
    local each = list[(i + round - 2) % #list + 1]
    given[each.name] = each.run(round)
  end
  return given
end

--------------------------------------------------------------------------------
-- The report
--------------------------------------------------------------------------------

local function digits(number)
  local size = math.abs(number)
  return size >= 100 and "%.0f" or size >= 10 and "%.1f" or "%.2f"
end

--- A series as "median [least..most]", in units of `scale`.
function bench.show(series, scale)
  if not series or #series == 0 then
    return "-"
  end
  local middle, least, most = bench.median(series)
  local format = digits(middle / scale)
  return (format .. " [" .. format .. ".." .. format .. "]"):format(middle / scale,
    least / scale, most / scale)
end

local show = bench.show
local report = { rows = {}, missed = 0, judged = 0 }
bench.report = report

--- A row: `what`, `unit` ("us", "ns" or a text), the series `item`, `both`, `ours` and
--- what is judged: `judged` (a series), `as` (its unit) and `target`, its most.
function report.row(row)
  local scale = row.unit == "us" and 1000 or 1
  local line = {
    row.what, row.unit, show(row.item, scale), show(row.both, scale), show(row.ours, scale),
    "", "", "",
  }
  if row.judged then
    local as = row.as or "x"
    line[6] = show(row.judged, 1) .. (as == "x" and "x" or " " .. as)
  end
  if row.target then
    local reached = bench.median(row.judged) <= row.target
    line[7] = ("%g%s"):format(row.target, (row.as or "x") == "x" and "x" or " " .. row.as)
    line[8] = reached and "reached" or "MISSED"
    report.judged = report.judged + 1
    report.missed = report.missed + (reached and 0 or 1)
  end
  table.insert(report.rows, line)
end

function report.section(title)
  table.insert(report.rows, { title })
end

function report.print()
  local head = { "", "", "raw item", "raw item+record", "tidetable", "judged", "at most", "" }
  local width = {}
  for _, line in ipairs { head, table.unpack(report.rows) } do
    for i, cell in ipairs(#line > 1 and line or {}) do
      width[i] = math.max(width[i] or 0, #cell)
    end
  end
  local function print_line(line)
    local cells = {}
    for i, cell in ipairs(line) do
      cells[i] = cell .. (" "):rep((width[i] or 0) - #cell)
    end
    print((table.concat(cells, "  "):gsub("%s+$", "")))
  end
  print_line(head)
  for _, line in ipairs(report.rows) do
    if #line == 1 then
      print("\n" .. line[1])
    else
      print_line(line)
    end
  end
  print(("\n%d of %d targets reached"):format(report.judged - report.missed, report.judged))
end

return bench
