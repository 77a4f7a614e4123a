-- trim.lua - `tidetable trim`: deletes expired stream records.

local arguments = require "tidetable.cli.arguments"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local trim = {
  name = "trim",
  summary = "Delete expired stream records.",
  description = [[
Every write deletes some expired records, so this command is for databases without writes.
Expired records are invisible in any case; deleting them frees their pages. In a pipe or file
the output is the number of deleted records.]],
  examples = {
    { "tidetable trim shop.tide", "delete the expired records and show how many" },
    { "tidetable trim shop.tide --busy-timeout 60", "wait up to a minute for another writer" },
  },
  arguments = { arguments.DATABASE },
  options = { arguments.BUSY_TIMEOUT, arguments.MAX_SIZE },
}

function trim.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local records = library_error.check(args.database, db:trim())
  if out.is_terminal then
    out:line(("%s deleted"):format(display.counted(records, "record")))
  else
    out:write(("%d\n"):format(records))
  end
end

return trim
