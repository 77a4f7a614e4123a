-- truncate.lua - `tidetable truncate`: removes all items of a table.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local truncate = {
  name = "truncate",
  summary = "Remove all items of a table.",
  description = [[
The table and its stream stay; with a stream each removed item has a record. The items are
removed in several transactions, so other processes can write meanwhile, and what they write
stays. If the command fails or is interrupted, the items that it has removed stay removed. The
command never asks; it requires --yes. In a pipe or file the output is the number of removed
items.]],
  examples = {
    { "tidetable truncate shop.tide orders --yes", "remove all items and show how many" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE },
  options = {
    { "--yes", "Confirm that all items of the table are to be removed. Required." },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

function truncate.run(args, out)
  if not args.yes then
    console.misused(("--yes: required to remove all items of %s"):format(args.table))
  end
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local removed = library_error.check(args.database, open.table(db, args.table):truncate())
  if out.is_terminal then
    out:line(("%s removed"):format(display.counted(removed, "item")))
  else
    out:write(("%d\n"):format(removed))
  end
end

return truncate
