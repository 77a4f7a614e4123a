-- backup.lua - `tidetable backup`: a copy of a database, while others use it.

local display = require "tidetable.cli.display"
local open = require "tidetable.cli.open_database"
local progress_bar = require "tidetable.cli.progress_bar"

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
  open.argument(command)
  command:argument("target", "The copy's file.")
  command:flag("--compact", "Leave out free pages, and what was deleted in them.")
  command:flag("-f --overwrite", "Replace the database that has the copy's name.")
  command:flag("--json", "What was copied, as a JSON object.")
  open.busy_option(command)
end

--- The progress of a copy: a line on the terminal for each phase.
---@class tidetable.cli.BackupProgress
local Phases = {}
Phases.__index = Phases

---@param out tidetable.cli.Console
---@return tidetable.cli.BackupProgress  `local phases <close> = ...`
function backup.phases(out)
  return setmetatable({ out = out }, Phases)
end

--- What db:backup and tidetable.compact call.
function Phases:show(phase, done, total)
  if phase ~= self.phase then
    self:close()
    self.phase = phase
    self.bar = progress_bar.new(self.out, phase, total > 0 and total or nil)
  end
  self.bar.total = total > 0 and total or nil
  self.bar:show(done)
end

--- Takes the line away.
function Phases:close()
  if self.bar then
    self.bar:close()
  end
end

Phases.__close = Phases.close

--- Names of the facts, in the order that JSON shows them.
backup.order = {
  "bytes", "source_bytes", "grown_bytes", "sequence_number", "items", "records", "database_id",
  "incarnation", "seconds",
}

local function fail(args, err)
  if err.code == "IN_USE" then
    open.fail(args.target, err, "--overwrite replaces it, if it is a database")
  elseif err.code == "BUSY" and err.message:find("has it open", 1, true) then
    open.fail(args.target, err, "it can be replaced when nobody has it open")
  elseif err.code == "BUSY" or err.code == "CORRUPT" then
    open.fail(args.database, err)
  end
  open.fail(args.target, err)
end

function backup.run(args, out)
  open.path(args.target)
  local db <close> = open.database(args, {
    read_only = true, busy_timeout = args.busy_timeout,
  })
  local phases <close> = backup.phases(out)
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
