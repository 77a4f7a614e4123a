-- compact.lua - `tidetable compact`: the file as small as what it holds.

local arguments = require "tidetable.cli.arguments"
local backup = require "tidetable.cli.commands.backup"
local copy_progress = require "tidetable.cli.copy_progress"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local tidetable = require "tidetable"

local compact = {
  name = "compact",
  summary = "Make a database's file as small as what it holds.",
  description = [[
A compact copy, verified, takes the file's place; there must be room for both. Nobody may have
the database open meanwhile. For one that is in use there is 'tidetable backup --compact'.]],
  examples = {
    { "tidetable compact shop.tide", "gives back what was deleted" },
  },
}

function compact.setup(command)
  arguments.database(command)
  command:flag("--json", "What came of it, as a JSON object.")
end

function compact.run(args, out)
  open.path(args.database)
  local phases <close> = copy_progress.new(out)
  local facts, err = tidetable.compact(args.database, {
    max_size = args.max_size, progress = function(...) phases:show(...) end,
  })
  phases:close()
  if not facts then
    library_error.fail(args.database, err, err.code == "BUSY" and
      "nobody may have it open; tidetable backup --compact copies one that is in use" or nil)
  elseif args.json then
    out:json(facts, backup.order)
  else
    out:line(("%s: %s, was %s"):format(display.safe(args.database), display.bytes(facts.bytes),
      display.bytes(facts.source_bytes)))
  end
end

return compact
