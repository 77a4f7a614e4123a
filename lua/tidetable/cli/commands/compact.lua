-- compact.lua - `tidetable compact`: replaces a database file by a compact copy.

local arguments = require "tidetable.cli.arguments"
local backup = require "tidetable.cli.commands.backup"
local copy_progress = require "tidetable.cli.copy_progress"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local tidetable = require "tidetable"

local compact = {
  name = "compact",
  summary = "Shrink a database file to the size of its content.",
  description = [[
The file is replaced by a compact, verified copy; there must be disk space for both. No process
may have the database open. 'tidetable backup --compact' copies a database that is in use.]],
  examples = {
    { "tidetable compact shop.tide", "remove free pages from the file" },
  },
  arguments = { arguments.DATABASE },
  options = {
    { "--json", "Show the result as a JSON object." },
    arguments.MAX_SIZE,
  },
}

function compact.run(args, out)
  open.path(args.database)
  local progress <close> = copy_progress.new(out)
  local facts, err = tidetable.compact(args.database, {
    max_size = args.max_size, progress = function(...) progress:show(...) end,
  })
  progress:close()
  if not facts then
    library_error.fail(args.database, err, err.code == "BUSY" and
      "try again when no process has it open, or copy it with 'tidetable backup --compact'" or nil)
  elseif args.json then
    out:json(facts, backup.order)
  else
    out:line(("%s: %s, was %s"):format(display.safe(args.database), display.bytes(facts.bytes),
      display.bytes(facts.source_bytes)))
  end
end

return compact
