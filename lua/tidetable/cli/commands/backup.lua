-- backup.lua - `tidetable backup`: copies a database while other processes use it.

local arguments = require "tidetable.cli.arguments"
local copy_progress = require "tidetable.cli.copy_progress"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local backup = {
  name = "backup",
  summary = "Copy a database while it is in use.",
  description = [[
The copy is one snapshot. It is verified and flushed before it gets its name, so the target is
complete or does not exist. The copy has an incarnation of its own: a stream position stored
outside the file is valid either for the original or for the copy.]],
  examples = {
    { "tidetable backup shop.tide monday.tide", "make a copy of the same size" },
    { "tidetable backup --compact shop.tide small.tide", "make the smallest copy" },
    { "tidetable backup -f shop.tide nightly.tide", "replace an older copy" },
  },
  arguments = { arguments.DATABASE, { "target", "File of the copy." } },
  options = {
    { "--compact", "Fill all pages, and leave out free ones, which may contain deleted data." },
    { "-f --overwrite", "Replace the target if it is a database that no process has open." },
    { "--json", "Show the result as a JSON object." },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

--- Fields of the result in the order of the JSON output.
backup.order = {
  "bytes", "source_bytes", "grown_bytes", "sequence_number", "items", "records", "database_id",
  "incarnation", "seconds",
}

local function fail(args, err)
  if err.code == "IN_USE" then
    library_error.fail(args.target, err, "--overwrite replaces it if it is a database")
  elseif err.code == "BUSY" and err.message:find "%f[%w]open%f[%W]" then
    library_error.fail(args.target, err, "try again when no process has it open")
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
  local progress <close> = copy_progress.new(out)
  local facts, err = db:backup(args.target, {
    compact = args.compact, overwrite = args.overwrite,
    progress = function(...) progress:show(...) end,
  })
  progress:close()
  if not facts then
    fail(args, err)
  elseif args.json then
    out:json(facts, backup.order)
  else
    out:line(("%s: %s, %s, %s, last sequence number %d"):format(
      display.safe(args.target), display.bytes(facts.bytes), display.counted(facts.items, "item"),
      display.counted(facts.records, "record"), facts.sequence_number))
  end
end

return backup
