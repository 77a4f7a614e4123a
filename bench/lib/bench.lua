-- bench.lua - settings, time measurement, and statistics over rounds.

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

--- Scales a count, given for a million items, to the number of items; at least `least`.
function bench.scaled(count, least)
  return math.max(count * bench.items // 1000000, least or 1)
end

--------------------------------------------------------------------------------
-- The shell
--------------------------------------------------------------------------------

local function quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- Returns the shell command of a program and its arguments.
function bench.command_line(...)
  local words = {}
  for i, word in ipairs { ... } do
    words[i] = quoted(word)
  end
  return table.concat(words, " ")
end

--- Runs a program. Returns its standard output without trailing blanks.
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

--- Describes the machine: processor, number of processors, system, Lua.
function bench.machine()
  local cpu = bench.run("sed", "-n", "s/^model name[^:]*: //p", "/proc/cpuinfo"):match("[^\n]*")
  return ("%s, %s processors, %s, %s"):format(cpu, bench.run("nproc"), bench.run("uname", "-sr"),
    _VERSION)
end

--- Returns the load averages as text, and the first one as a number.
function bench.load_average()
  local line = bench.first_line "/proc/loadavg" or "?"
  return line, tonumber(line:match "^%S+")
end

function bench.file_system(path)
  return bench.run("df", "--output=fstype", path):match("%S+$")
end

--- Creates a directory that is removed when the value goes out of scope.
function bench.directory(path)
  bench.run("rm", "-rf", path)   -- left by a run that was killed
  bench.run("mkdir", "-p", path)
  return setmetatable({ path = path }, {
    __close = function() bench.run("rm", "-rf", path) end,
  })
end

--- Removes the files of a database.
function bench.remove(path)
  for _, suffix in ipairs { "", "-lock", "-wake" } do
    os.remove(path .. suffix)
  end
end

--------------------------------------------------------------------------------
-- Time
--------------------------------------------------------------------------------

bench.now = monotime

--- Returns the nanoseconds per operation; `fn` executes `count` of them. Collects garbage first.
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

--- Returns the median, the smallest and the greatest of a list of numbers.
function bench.median(series)
  local sorted = table.move(series, 1, #series, 1, {})
  table.sort(sorted)
  local n = #sorted
  local middle = (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
  return middle, sorted[1], sorted[n]
end

local series_of = {}
series_of.__index = series_of

--- Creates a collection of the numbers of all rounds: `add { raw = 1, ours = 2 }` once a round.
function bench.series()
  return setmetatable({ rounds = {} }, series_of)
end

function series_of:add(numbers)
  table.insert(self.rounds, numbers)
end

--- Returns a list with one number for each round, chosen by name or computed by a function.
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

--- Calls the functions of a list in an order that differs from round to round. Returns their
--- results by name.
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

--- Formats a series as "median [least..most]", in units of `scale`.
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

--- Prints a row: `what`, `unit` ("us", "ns" or a text), the series `item`, `both`, `ours`, and
--- `judged`, the series that is compared with the maximum `target`, in the unit `as`.
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
