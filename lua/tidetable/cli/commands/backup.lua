-- backup.lua - `tidetable backup`: a copy of a database, while others use it.

local arguments = require "tidetable.cli.arguments"
local copy_progress = require "tidetable.cli.copy_progress"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local backup = {
  name = "backup",
  summary = "Copy a database while others use it.",
  description = [[
The copy is one moment, verified, and there whole or not at all. It is another incarnation of
the same database: a position that is kept outside of the file is one of the original or one of
the copy.]],
  examples = {
    { "tidetable backup shop.tide shop-monday.tide", "a copy, as big as the file" },
    { "tidetable backup --compact shop.tide small.tide", "without what was deleted" },
    { "tidetable backup -f shop.tide nightly.tide", "in the place of last night's" },
  },
}

function backup.setup(command)
  arguments.database(command)
  command:argument("target", "The copy's file.")
  command:flag("--compact", "Leave out free pages, and what was deleted in them.")
  command:flag("-f --overwrite", "Replace the database that has the copy's name.")
  command:flag("--json", "What was copied, as a JSON object.")
  arguments.busy_timeout(command)
end

--- Names of the facts, in the order that JSON shows them.
backup.order = {
  "bytes", "source_bytes", "grown_bytes", "sequence_number", "items", "records", "database_id",
  "incarnation", "seconds",
}

local function fail(args, err)
  if err.code == "IN_USE" then
    library_error.fail(args.target, err, "--overwrite replaces it, if it is a database")
  elseif err.code == "BUSY" and err.message:find("has it open", 1, true) then
    library_error.fail(args.target, err, "it can be replaced when nobody has it open")
  elseif err.code == "BUSY" or err.code == "CORRUPT" then
    library_error.fail(args.database, err)
  end
  library_error.fail(args.target, err)
end

function backup.run(args, out)
  open.path(args.target)
  local db <close> = open.database(args, {
    read_only = true, busy_timeout = args.busy_timeout,
  })
  local phases <close> = copy_progress.new(out)
  local facts, err = db:backup(args.target, {
    compact = args.compact, overwrite = args.overwrite,
    progress = function(...) phases:show(...) end,
  })
  phases:close()
  if not facts then
    fail(args, err)
  elseif args.json then
    out:json(facts, backup.order)
  else
    out:line(("%s: %s, %s, %s, up to sequence number %d"):format(
      display.safe(args.target), display.bytes(facts.bytes), display.counted(facts.items, "item"),
      display.counted(facts.records, "record"), facts.sequence_number))
  end
end

return backup
