-- import.lua - `tidetable import`: stores items from a file of JSON lines.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local importer = require "tidetable.cli.importer"
local item_writer = require "tidetable.cli.item_writer"
local line_reader = require "tidetable.cli.line_reader"
local open = require "tidetable.cli.open_database"
local progress_bar = require "tidetable.cli.progress_bar"

local import = {
  name = "import",
  summary = "Store items from a file of JSON lines.",
  description = [[
The input is what 'export' writes, an export of DynamoDB ({"Item":...} on each line), or, with
--format json, one plain object per line. An item replaces the item with the same key. Items are
stored in transactions of up to 1,000, so other processes can read and write during the import.
Input from a slow pipe is stored as it arrives.

If the import stops early (invalid line, full disk, Ctrl-C), the committed items stay stored. The
message says which line was stored last; --from-line continues after it. Starting again from the
first line is safe too: equal items are left unchanged. With --checkpoint the database records
the position, and the same command continues there, even after kill -9. The checkpoint is deleted
at the end of the import.]],
  examples = {
    { "tidetable import new.tide shop.jsonl --create", "create the exported tables" },
    { "gunzip -c orders.jsonl.gz | tidetable import shop.tide --table orders",
      "import the items of one table from a pipe" },
    { "tidetable import shop.tide plain.jsonl --table orders --format json",
      "import plain JSON" },
    { "tidetable import shop.tide shop.jsonl --checkpoint monday",
      "continue where an earlier run stopped" },
  },
  arguments = {
    arguments.DATABASE,
    { "file", "File of JSON lines; '-' or none: standard input.", args = "?" },
  },
  options = {
    {
      "--table", "Table to store the items in. Required if the input does not name it; replaces "
        .. "the name in the input.",
      value = "NAME",
    },
    { "--create", "Create the database, and the tables that the input defines, if they do not "
      .. "exist." },
    {
      "--format", "Format of the input: 'dynamodb', or 'json' for one plain object per line.",
      value = "FORMAT", choices = { "dynamodb", "json" }, default = "dynamodb",
    },
    { "--skip-bad", "Skip invalid lines and report each of them. The exit status is 1 then." },
    {
      "--max-errors", "Like '--skip-bad', but for at most N lines.",
      value = "N", convert = arguments.integer_from(1),
    },
    {
      "--from-line", "Start at this line. Table definitions in earlier lines are still read.",
      value = "N", convert = arguments.integer_from(1), default = 1,
    },
    {
      "--checkpoint", "Record the position in the database under this name, and continue there "
        .. "if the name exists.",
      value = "NAME",
    },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

local function check_arguments(args)
  if args.checkpoint and args.from_line > 1 then
    console.misused "--checkpoint: cannot be combined with --from-line"
  elseif args.checkpoint == "" then
    console.misused "--checkpoint: empty name"
  elseif args.checkpoint and args.table == importer.CHECKPOINTS then
    console.misused(("--table: %s is the table of checkpoints"):format(importer.CHECKPOINTS))
  end
end

--- To-be-closed value that reports how to continue if the command fails or is interrupted.
local ContinueNote = { __close = function(note, err)
  local run, args = note.run, note.args
  note.bar:hide()
  if err == nil or run.stored == 0 then
    return
  end
  local stored = ("%s stored, through line %d"):format(display.counted(run.stored, "item"),
    run.line)
  console.new().note(args.checkpoint and stored .. ": run the same command again to continue"
    or ("%s: continue with --from-line %d"):format(stored, run.line + 1))
end }

local function importer_of(db, source, args, bar)
  local bad_max = args.max_errors or args.skip_bad and math.huge or 0
  return importer.new(db, source, {
    form = item_writer.form(args.format), table = args.table, create = args.create,
    max_errors = bad_max, from_line = args.from_line, checkpoint = args.checkpoint,
    note = function(message)
      bar:hide()
      console.new().note("tidetable import: " .. display.safe(message))
    end,
  })
end

function import.run(args, out)
  check_arguments(args)
  local source <close> = line_reader.open(args.file)
  local db <close> = open.database(args, {
    create = args.create, busy_timeout = args.busy_timeout,
  }, "--create creates it")
  local bar <close> = progress_bar.new(out, "importing", source.size,
    source.size and display.bytes)
  local run = importer_of(db, source, args, bar)
  local _note <close> = setmetatable({ run = run, args = args, bar = bar }, ContinueNote)
  if args.checkpoint then
    run:find_checkpoint()
  end
  source.idle = function()
    run:flush(source.number)
  end
  local line = source:next()
  while line do
    run:take(line)
    bar:show(source.size and source.offset or source.number)
    line = source:next()
  end
  run:finish()
  if run.bad > 0 then
    out.note(("tidetable import: %s skipped"):format(display.counted(run.bad, "invalid line")))
    return 1
  end
end

return import
