-- sweep.lua - `tidetable sweep`: deletes expired stream records and expired items.

local arguments = require "tidetable.cli.arguments"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local sweep = {
  name = "sweep",
  summary = "Delete expired stream records and expired items.",
  description = [[
Every write deletes some expired records and items, so this command is for databases without
writes. They are invisible in any case; deleting them frees their pages, and an item that expired
by time to live gets its REMOVE record. In a pipe or file the output is the number of deleted
records, a tab, and the number of deleted items.]],
  examples = {
    { "tidetable sweep shop.tide", "delete what has expired and show how much" },
    { "tidetable sweep shop.tide --busy-timeout 60", "wait up to a minute for another writer" },
  },
  arguments = { arguments.DATABASE },
  options = { arguments.BUSY_TIMEOUT, arguments.MAX_SIZE },
}

function sweep.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local records, items = db:sweep()
  library_error.check(args.database, records, items)
  if out.is_terminal then
    out:line(("%s and %s deleted"):format(display.counted(records, "record"),
      display.counted(items, "item")))
  else
    out:write(("%d\t%d\n"):format(records, items))
  end
end

return sweep
