-- check.lua - `tidetable check`: verifies a database, row by row.

local open = require "tidetable.cli.open"
local text = require "tidetable.cli.text"

local check = {
  name = "check",
  summary = "Verify a database: every invariant that a file can show.",
  description = [[
Each problem is a line that begins with the invariant's number. The status is 0 when there is
none, 1 when there is. Reader slots of processes that died are cleared.]],
  examples = {
    { "tidetable check shop.tide", "what it holds, and that it is sound" },
    { "tidetable check shop.tide >/dev/null || echo damaged", "in a script" },
  },
}

function check.setup(command)
  open.argument(command)
  command:flag("--json", "The report as a JSON object.")
end

local function show(out, path, report)
  for _, problem in ipairs(report.problems) do
    out:line(out:paint("red", "damaged") .. "  " .. text.safe(problem))
  end
  if report.problem_count > #report.problems then
    out:line(("and %s problems more"):format(
      text.count(report.problem_count - #report.problems)))
  end
  out:line(("%s  %s: %s tables, %s items, %s streams, %s records, %s"):format(
    report.ok and out:paint("green", "ok") or out:paint("red", "DAMAGED"), text.safe(path),
    text.count(report.tables), text.count(report.items), text.count(report.streams),
    text.count(report.records), text.bytes(report.bytes)))
  if report.stale_readers > 0 then
    out:line(("cleared %d reader slots of dead processes"):format(report.stale_readers))
  end
end

function check.run(args, out)
  local db <close> = open.database(args.database)
  local report = open.check(args.database, db:check())
  if args.json then
    out:json(report, { "ok", "problem_count", "problems" })
  else
    show(out, args.database, report)
  end
  return report.ok and 0 or 1
end

return check
