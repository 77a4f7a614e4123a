-- check.lua - `tidetable check`: verifies a database file, page by page and row by row.
--
-- The check runs in a child process, because a damaged file can crash it or send
-- it into an endless loop. The database need not be one that can be opened.

local arguments = require "tidetable.cli.arguments"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local tidetable = require "tidetable"

local check = {
  name = "check",
  summary = "Verify the whole database file.",
  description = [[
Verifies every page, every row and every invariant that can be read from the file. The command
also works while other processes write, and on a file that cannot be opened. Each finding is a
line with the number of the violated invariant, the table, the key and the page; the last line is
a summary. The status is 1 if there are findings, 0 otherwise. If there are none, the reader slots
of dead processes are cleared.]],
  examples = {
    { "tidetable check shop.tide", "verify a database" },
    { "tidetable check shop.tide >/dev/null || echo damaged", "verify it in a script" },
    { "tidetable check shop.tide --json", "show the report as a JSON object" },
  },
  arguments = { arguments.DATABASE },
  options = {
    { "--json", "Show the report as a JSON object." },
    {
      "--stall-timeout", "Seconds without progress after which the check is stopped.",
      value = "SECONDS", convert = arguments.seconds, default = 60,
    },
    arguments.MAX_SIZE,
  },
}

local function show_report(out, path, report)
  for _, problem in ipairs(report.problems) do -- not cut at the edge of the window
    out:write(out:paint("red", "damaged"), "  ", display.safe(problem), "\n")
  end
  if report.problem_count > #report.problems then
    out:line(("and %s more"):format(
      display.counted(report.problem_count - #report.problems, "finding")))
  end
  local state = report.ok and out:paint("green", "ok") or out:paint("red", "DAMAGED")
  out:line(("%s  %s: %s, %s, %s, %s, %s in %s%s"):format(state, display.safe(path),
    display.counted(report.tables, "table"), display.counted(report.items, "item"),
    display.counted(report.streams, "stream"), display.counted(report.records, "record"),
    display.bytes(report.bytes), display.counted(report.pages, "page"),
    report.ok and "" or ", " .. display.counted(report.problem_count, "finding")))
  if report.stale_readers > 0 then
    out:line(("cleared %s of dead processes"):format(
      display.counted(report.stale_readers, "reader slot")))
  end
end

local function file_exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

--- Clears the reader slots of dead processes. Returns their number. A database without a lock file
--- has none and is not opened.
local function clear_readers(path, max_size)
  if not file_exists(path .. "-lock") then
    return 0
  end
  local db <close> = tidetable.open(path, { create = false, max_size = max_size })
  return db and core.clear_readers(db.core) or 0
end

--- Returns the report of a file whose first pages cannot be read: one finding.
local function unreadable_report(err)
  local message = err.message
  return { ok = false, problem_count = 1, problems = { "25: " .. message },
    findings = { { invariant = 25, message = message } }, tables = 0, items = 0, streams = 0,
    records = 0, table_changes = 0, rows = 0, bytes = 0, pages = 0, pages_free = 0,
    pages_leaked = 0, stale_readers = 0 }
end

function check.run(args, out)
  open.path(args.database)
  local report, err = tidetable.check(args.database,
    { isolate = true, stall_timeout = args.stall_timeout })
  if not report and err.code ~= "CORRUPT" then
    library_error.fail(args.database, err)
  end
  report = report or unreadable_report(err)
  if report.ok then
    report.stale_readers = clear_readers(args.database, args.max_size)
  end
  if args.json then
    out:json(report, { "ok", "problem_count", "findings", "invariant", "tree", "table", "key",
      "page", "message" })
  else
    show_report(out, args.database, report)
  end
  return report.ok and 0 or 1
end

return check
