-- import.lua - `tidetable import`: stores items from a file of JSON or CSV.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local csv_source = require "tidetable.cli.csv_source"
local display = require "tidetable.cli.display"
local importer = require "tidetable.cli.importer"
local input_kind = require "tidetable.cli.input_kind"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local line_reader = require "tidetable.cli.line_reader"
local open = require "tidetable.cli.open_database"
local progress_bar = require "tidetable.cli.progress_bar"
local record_source = require "tidetable.cli.record_source"

local import = {
  name = "import",
  summary = "Store items from a file of JSON or CSV.",
  description = [[
The input is what 'export' writes, an export of DynamoDB ({"Item":...}), answers of 'aws dynamodb
scan', or, with --format json, plain objects. The objects may be on one line each, follow one
another on any lines, or be elements of an array. With --csv the input is CSV with a header. An
item replaces the item with the same key. Items are stored in transactions of up to 1,000, so other
processes can read and write during the import. Input from a slow pipe is stored as it arrives.

If the import stops early (invalid record, full disk, Ctrl-C), the committed items stay stored. The
message says which record was stored last; --from-record continues after it. Starting again from
the first record is safe too: equal items are left unchanged. With --checkpoint the database records
the position, and the same command continues there, even after kill -9. The checkpoint is deleted
at the end of the import.]],
  examples = {
    { "tidetable import new.tide shop.jsonl --create", "create the exported tables" },
    { "gunzip -c orders.jsonl.gz | tidetable import shop.tide --table orders",
      "import the items of one table from a pipe" },
    { "aws dynamodb scan --table-name orders | tidetable import shop.tide --create "
      .. "--table orders --key customer --sort placed_at:N",
      "copy a table of DynamoDB" },
    { "tidetable import shop.tide orders.csv --csv --table orders --type total:N",
      "import CSV" },
    { "tidetable import shop.tide shop.jsonl --checkpoint monday",
      "continue where an earlier run stopped" },
  },
  arguments = {
    arguments.DATABASE,
    { "file", "File of JSON or CSV; '-' or none: standard input.", args = "?" },
  },
  options = {
    {
      "--table", "Table to store the items in. Required if the input does not name it; replaces "
        .. "the name in the input.",
      value = "NAME",
    },
    { "--create", "Create the database, and the tables that the input or '--key' defines, if they "
      .. "do not exist." },
    {
      "--key", "Partition key of the table that '--create' creates: NAME for a text, or NAME:TYPE. "
        .. "Requires '--table'.",
      value = "KEY", convert = arguments.key_attribute,
    },
    {
      "--sort", "Sort key of that table.", value = "KEY", convert = arguments.key_attribute,
    },
    {
      "--format", "Format of JSON: 'dynamodb', or 'json' for plain objects.",
      value = "FORMAT", choices = { "dynamodb", "json" }, shown_default = "dynamodb",
    },
    { "--csv", "The input is CSV; its first line names the attributes. Requires '--table'." },
    {
      "--type", "Types of columns of CSV, as in 'zip:S,total:N'. Other columns are text, and key "
        .. "columns have the types of the table.",
      value = "TYPES", convert = arguments.types,
    },
    {
      "--delimiter", "Delimiter of CSV: one character, '\\t' for a tab.",
      value = "CHAR", convert = arguments.delimiter, shown_default = ",",
    },
    { "--null", "Store NULL for an empty field of CSV. Without it the item does not have the "
      .. "attribute." },
    {
      "--expect", "Fail if the input does not have N items. All are stored nevertheless.",
      value = "N", convert = arguments.integer_from(0),
    },
    { "--skip-bad", "Skip invalid records and report each of them. The exit status is 1 then." },
    {
      "--max-errors", "Skip up to N invalid records, and fail at the next one.",
      value = "N", convert = arguments.integer_from(1),
    },
    {
      "--from-record", "Start at this record. Table definitions before it are still read.",
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

--- Returns the message about options that require another one; nil if none is missing.
local function missing_option(args)
  local has_definition = args.table and args.create
  return args.sort and not args.key and "--sort: requires --key"
    or args.key and not has_definition and "--key: requires --create and --table"
    or args.csv and not args.table and "--csv: requires --table"
    or not args.csv and (args.type and "--type" or args.delimiter and "--delimiter"
      or args.null and "--null") or nil
end

local function check_arguments(args)
  local problem = missing_option(args)
  if problem then
    console.misused(problem:find ":" and problem or problem .. ": requires --csv")
  elseif args.csv and args.format then
    console.misused "--csv: cannot be combined with --format"
  elseif args.checkpoint and args.from_record > 1 then
    console.misused "--checkpoint: cannot be combined with --from-record"
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
  local stored = display.counted(run.stored, "item") .. " stored"
  if run.is_complete then
    return console.new().note(stored)
  end
  stored = ("%s, through record %d"):format(stored, run.record)
  console.new().note(args.checkpoint and stored .. ": run the same command again to continue"
    or ("%s: continue with --from-record %d"):format(stored, run.record + 1))
end }

local function importer_of(db, input, args, bar)
  local bad_max = args.max_errors or args.skip_bad and math.huge or 0
  return importer.new(db, {
    form = item_writer.form(args.format or "dynamodb"), table = args.table, create = args.create,
    key = args.key and { name = args.table, partition_key = args.key, sort_key = args.sort },
    max_errors = bad_max, from_record = args.from_record, checkpoint = args.checkpoint,
    expect = args.expect, name = input.name,
    note = function(message)
      bar:hide()
      console.new().note("tidetable import: " .. display.safe(message))
    end,
  })
end

--- Returns the source of CSV. The table must exist then, because it has the types of the key.
local function csv_source_of(run, input, args)
  run:open_table()
  local table = open.table(run.db, run.table)
  local keys = item_argument.key_types(library_error.check(args.database, table:describe()))
  for name, kind in pairs(args.type or {}) do
    if keys[name] and keys[name] ~= kind then
      console.misused(("--type: %s is a key attribute of type %s"):format(name, keys[name]))
    end
  end
  return csv_source.new(input, { keys = keys, types = args.type or {},
    delimiter = args.delimiter, has_nulls = args.null })
end

local function source_of(run, input, args)
  input_kind.check(input, args.csv)
  if args.csv then
    return csv_source_of(run, input, args)
  end
  local form = run.given.form
  local is_typed = form == "dynamodb"
  return record_source.new(input, json_text.decode, is_typed, function(text, bare)
    return (core.json_bytes(text, form, is_typed and not bare and "Item" or nil))
  end)
end

--- Stores the records of the source.
local function import_all(run, source, input, bar)
  input.idle = function()
    run:flush(source.number)
  end
  local record = source:next(source.number < run.done)
  while record do
    run:take(record)
    bar:show(input.size and source:offset() or source.number)
    record = source:next(source.number < run.done)
  end
  run:finish(source.number)
end

--- Reports what was stored. Returns the exit status.
local function report_stored(run, out)
  local names = display.sorted_names(run.tables)
  out.note(display.counted(run.stored, "item") .. " stored"
    .. (#names > 0 and " in " .. display.safe(table.concat(names, ", ")) or ""))
  if run.bad > 0 then
    out.note(("tidetable import: %s skipped"):format(display.counted(run.bad, "invalid record")))
    return 1
  end
end

function import.run(args, out)
  check_arguments(args)
  local input <close> = line_reader.open(args.file)
  local db <close> = open.database(args, {
    create = args.create, busy_timeout = args.busy_timeout,
  }, "--create creates it")
  local bar <close> = progress_bar.new(out, "importing", input.size,
    input.size and display.bytes)
  local run = importer_of(db, input, args, bar)
  local _note <close> = setmetatable({ run = run, args = args, bar = bar }, ContinueNote)
  if args.checkpoint then
    run:find_checkpoint()
  end
  import_all(run, source_of(run, input, args), input, bar)
  bar:hide()
  return report_stored(run, out)
end

return import
