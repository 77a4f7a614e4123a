-- trim.lua - `tidetable trim`: removes what has expired.

local arguments = require "tidetable.cli.arguments"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local trim = {
  name = "trim",
  summary = "Remove the records that have expired.",
  description = [[
Writers do this a little at a time: it is for databases that nobody writes to. What has
expired is out of sight in any case; this frees its room in the file.]],
  examples = {
    { "tidetable trim shop.tide", "says how many records went" },
    { "tidetable trim shop.tide --busy-timeout 60", "waits a minute for another writer" },
  },
}

function trim.setup(command)
  arguments.database(command)
  arguments.busy_timeout(command)
end

function trim.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local records = library_error.check(args.database, db:trim())
  if out.is_terminal then
    out:line(("%s removed"):format(display.counted(records, "record")))
  else
    out:write(("%d\n"):format(records))
  end
end

return trim
