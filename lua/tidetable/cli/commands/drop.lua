-- drop.lua - `tidetable drop`: deletes a table with its items.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local drop = {
  name = "drop",
  summary = "Delete a table and all of its items.",
  description = [[
The items are deleted without stream records. The records that the stream has can be read until
they expire. The command never asks; it requires --yes.]],
  examples = {
    { "tidetable drop shop.tide orders --yes", "delete a table" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE },
  options = {
    { "--yes", "Confirm that the table and all of its items are to be deleted. Required." },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

function drop.run(args)
  if not args.yes then
    console.misused(("--yes: required to delete %s and all of its items"):format(args.table))
  end
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  open.table(db, args.table)
  library_error.check(args.database, db:delete_table(args.table))
end

return drop
