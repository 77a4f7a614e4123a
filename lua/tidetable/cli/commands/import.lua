-- import.lua - `tidetable import`: stores the items of JSON lines.

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
  summary = "Store the items of an export, or of any lines of JSON.",
  description = [[
It takes what 'export' writes, what DynamoDB exports ({"Item":...} in each line), and with
--format json one plain object a line. Items are put in place of whatever has their key, in
transactions of up to 1,000; others may read and write meanwhile. What a pipe gives slowly is
stored as it comes.

What was committed stays, however it ends: a bad line, a full disk, Ctrl-C. It says then
through which line all is stored; --from-line goes on behind it. To begin again costs time and
changes nothing, for items that are there already are left alone. With --checkpoint NAME the
database itself remembers how far it came, so that the same command goes on even after a
kill; the name is forgotten when all is stored.]],
  examples = {
    { "tidetable import new.tide shop.jsonl --create", "tables as they were exported" },
    { "gunzip -c x.jsonl.gz | tidetable import shop.tide --table orders",
      "items of one table, from a pipe" },
    { "tidetable import shop.tide x.jsonl --table orders --format json", "plain JSON" },
    { "tidetable import shop.tide big.jsonl --checkpoint big", "goes on when run again" },
  },
}

function import.setup(command)
  arguments.database(command)
  command:argument("file", "Lines of JSON; default, and '-': standard input."):args "?"
  command:option("--table", "The table, if the lines do not say it, or another than they say.")
    :argname "NAME"
  command:flag("--create", "Make the database, and tables as they were exported, where they are "
    .. "missing.")
  command:option("--format", "dynamodb, or json: plain JSON, an item a line.", "dynamodb")
    :argname "FORMAT":choices { "dynamodb", "json" }
  command:flag("--skip-bad", "Skip lines that are no items, and say so.")
  command:option("--max-errors", "Skip so many of them, and no more."):argname "N"
    :convert(arguments.integer_from(1))
  command:option("--from-line", "Begin at this line.", 1):argname "N"
    :convert(arguments.integer_from(1))
  command:option("--checkpoint", "Remember under this name how far it came, and go on there.")
    :argname "NAME"
  arguments.busy_timeout(command)
end

local function check(args)
  if args.checkpoint and args.from_line > 1 then
    console.misused "--checkpoint knows by itself where to go on: without --from-line"
  elseif args.checkpoint == "" then
    console.misused "a checkpoint's name is not empty"
  elseif args.checkpoint and args.table == importer.CHECKPOINTS then
    console.misused(("%s is where checkpoints are"):format(importer.CHECKPOINTS))
  end
end

--- When the command fails, Ctrl-C included: says how to go on.
local Ending = { __close = function(ending, err)
  local run, args = ending.run, ending.args
  ending.bar:hide()
  if err == nil or run.stored == 0 then
    return
  end
  local stored = ("%s stored, through line %d"):format(display.counted(run.stored, "item"),
    run.line)
  console.new().note(args.checkpoint and stored .. ": the same command goes on there"
    or ("%s: --from-line %d goes on there"):format(stored, run.line + 1))
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
  check(args)
  local source <close> = line_reader.open(args.file)
  local db <close> = open.database(args, {
    create = args.create, busy_timeout = args.busy_timeout,
  }, "--create makes it")
  local bar <close> = progress_bar.new(out, "importing", source.size, source.size and display.bytes)
  local run = importer_of(db, source, args, bar)
  local _ending <close> = setmetatable({ run = run, args = args, bar = bar }, Ending)
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
    out.note(("tidetable import: %s skipped"):format(display.counted(run.bad, "bad line")))
    return 1
  end
end

return import
