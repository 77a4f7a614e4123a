-- check.lua - `tidetable check`: verifies a database, page by page and row by row.
--
-- The walk is a child process's: what a damaged file could do to it is one
-- finding more. The database need not be one that can be opened.

local arguments = require "tidetable.cli.arguments"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local tidetable = require "tidetable"

local check = {
  name = "check",
  summary = "Verify a database: every page, every row, every invariant.",
  description = [[
Works on files that can't be opened, and while others write. Each finding is a line that
begins with the invariant's number and names table, key and page; the last line is a
summary. The status is 0 when there is no finding, 1 when there is. Reader slots of
processes that died are cleared.]],
  examples = {
    { "tidetable check shop.tide", "what it holds, and that it is sound" },
    { "tidetable check shop.tide >/dev/null || echo damaged", "in a script" },
    { "tidetable check backup.tide --json", "each finding taken apart" },
  },
}

local PATIENCE = 60   -- seconds

function check.setup(command)
  arguments.database(command)
  command:flag("--json", "The report as a JSON object.")
  command:option("--patience", "Seconds without progress until the check is given up.",
    PATIENCE):argname "SECONDS":convert(arguments.seconds)
end

local function show(out, path, report)
  for _, problem in ipairs(report.problems) do -- whole: what is wrong may stand at the end
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

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

--- Slots of dead readers, of a sound database that has been opened before.
local function clear_readers(path, max_size)
  if not exists(path .. "-lock") then
    return 0
  end
  local db <close> = tidetable.open(path, { create = false, max_size = max_size })
  return db and core.clear_readers(db.core) or 0
end

--- A file of which not even the first pages can be read is one finding.
local function unreadable(err)
  local message = err.message
  return { ok = false, problem_count = 1, problems = { "25: " .. message },
    findings = { { invariant = 25, message = message } }, tables = 0, items = 0, streams = 0,
    records = 0, rows = 0, bytes = 0, pages = 0, pages_free = 0, pages_leaked = 0,
    stale_readers = 0 }
end

function check.run(args, out)
  open.path(args.database)
  local report, err = tidetable.check(args.database,
    { apart = true, patience = args.patience })
  if not report and err.code ~= "CORRUPT" then
    library_error.fail(args.database, err)
  end
  report = report or unreadable(err)
  if report.ok then
    report.stale_readers = clear_readers(args.database, args.max_size)
  end
  if args.json then
    out:json(report, { "ok", "problem_count", "findings", "invariant", "tree", "table", "key",
      "page", "message" })
  else
    show(out, args.database, report)
  end
  return report.ok and 0 or 1
end

return check
