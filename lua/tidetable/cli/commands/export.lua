-- export.lua - `tidetable export`: writes tables as JSON lines, from one snapshot.
--
--   {"Table":{...}}    definition of a table (table_definition.lua); its items follow
--   {"Item":{...}}     an item in DynamoDB's JSON, as in DynamoDB's export to S3
--   {"End":{"Items":2,"Tables":1}}   last line of a complete export

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local expression_options = require "tidetable.cli.expression_options"
local item_listing = require "tidetable.cli.item_listing"
local item_writer = require "tidetable.cli.item_writer"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local progress_bar = require "tidetable.cli.progress_bar"
local request = require "tidetable.request"
local table_definition = require "tidetable.cli.table_definition"
local types = require "tidetable.types"

local export = {
  name = "export",
  summary = "Write tables as JSON lines.",
  description = [[
For each table the export has a line {"Table":...} with its definition, and a line {"Item":...}
for each item in DynamoDB's JSON, as in DynamoDB's export to S3. The last line, {"End":...}, shows
that the export is complete. 'import' restores the tables from it. Of the streams only the
settings are exported, not the records.

With -o the file is written under another name and renamed when it is complete, so an older export
is never replaced by a part of a new one. Without an End line the number of items is reported on
standard error, for --expect of 'import'.

The whole export is one snapshot. While it runs, the file grows, because pages freed by other
processes cannot be reused.

In a pipeline the shell returns the status of the last command, so a failed export is not
noticed: use 'set -o pipefail'.]],
  examples = {
    { "tidetable export shop.tide -o shop.jsonl", "export all tables" },
    { "set -o pipefail; tidetable export shop.tide orders --items-only | gzip > orders.jsonl.gz",
      "export the items of one table, compressed (bash)" },
    { "tidetable export shop.tide orders --format json > plain.jsonl",
      "export its items as plain JSON" },
    { [[tidetable export shop.tide orders --filter 'placed_at >= :t' --values '{":t":2}']],
      "export the items that satisfy a condition" },
  },
  arguments = {
    arguments.DATABASE,
    { "table", "Names of the tables; none: all tables.", args = "*" },
  },
  options = {
    {
      "--format", "Format: 'dynamodb', or 'json' for the items of one table as plain JSON, without "
        .. "definition and end.",
      value = "FORMAT", choices = { "dynamodb", "json" }, shown_default = "dynamodb",
    },
    arguments.FILTER,
    {
      "--projection", "Only these attributes of each item. Implies '--items-only'.", value = "EXPR",
    },
    arguments.NAMES,
    arguments.VALUES,
    {
      "--segment", "Only the items of this segment of one table, from 0. Implies '--items-only', "
        .. "and requires '--total-segments'.",
      value = "N", convert = arguments.SEGMENT.convert,
    },
    arguments.TOTAL_SEGMENTS,
    { "--items-only", "Write the items of one table, without definition and end." },
    {
      "-o", "File to write instead of standard output. It appears, or replaces an older "
        .. "file, when the export is complete.",
      value = "FILE", target = "output",
    },
    {
      "--time-limit", "Maximum number of seconds to hold the snapshot.",
      value = "SECONDS", convert = arguments.seconds, default = 3600,
    },
    arguments.MAX_SIZE,
  },
}

--- Maximum number of attempts to read the table descriptions and the snapshot without a table being
--- created, changed or deleted between them.
local ATTEMPTS = 100

--- Returns the tables to export, with their descriptions.
local function describe(db, names)
  if #names == 0 then
    return open.tables(db)
  end
  local found = {}
  for i, name in ipairs(names) do
    local table, description = open.described(db, name)
    found[i] = { table = table, description = description }
  end
  return found
end

local function snapshot_of(db, seconds)
  local snapshot, _, catalog = library_error.check(db.path, core.snapshot(db.core, seconds))
  return snapshot, catalog
end

--- Returns a snapshot, and the tables as they are in it. If the catalog changed while the tables
--- were described, both are read again.
local function take_snapshot(db, args)
  for _ = 1, ATTEMPTS do
    local snapshot, before = snapshot_of(db, args.time_limit)
    local tables = describe(db, args.table)
    local later, after = snapshot_of(db, args.time_limit)
    core.finish(later)
    if after == before then
      return snapshot, tables
    end
    core.finish(snapshot)
  end
  console.fail(("%s: tables are created or deleted too often for a snapshot: try again"):format(
    db.path))
end

--- Returns a query of all items of a table in the snapshot.
local function items_at(snapshot, table, args)
  local given = expression_options.read(args, item_writer.form(args.format), {})
  return library_error.check(args.database, core.query(table.core, nil, "all", nil, nil,
    false, nil, nil, snapshot, false, request.reads(given), args.segment, args.total_segments))
end

local function export_items(snapshot, each, args, out, count)
  local format = args.format or "dynamodb"
  local writer = item_writer.new(out, format, each.description)
  local query <close> = items_at(snapshot, each.table, args)
  if format == "json" then
    writer:all(query, "", "\n", count)
  else
    writer:all(query, '{"Item":', "}\n", count)
  end
end

local function write_line(out, name, tree)
  out:write(json_text.encode { [name] = tree }, "\n")
end

--- To-be-closed value that removes the file of -o unless it is complete.
local Output = { __close = function()
  core.drop_output()
end }

--- Directs standard output to the file of -o.
local function redirect_output(args)
  if args.output then
    library_error.check(args.output, core.redirect_output(args.output))
  end
  return setmetatable({}, Output)
end

--- Writes the tables. Returns the number of items.
local function export_all(snapshot, tables, args, out, only_items)
  local bar <close> = progress_bar.new(out, "exporting")
  local total = 0
  local function count(n)
    total = total + n
    if not out.is_terminal or args.output then
      bar:show(total)
    end
  end
  for _, each in ipairs(tables) do
    if not only_items then
      write_line(out, "Table", table_definition.tree(each.description))
    end
    export_items(snapshot, each, args, out, count)
  end
  if not only_items then
    write_line(out, "End", types.map { Items = total, Tables = #tables })
  end
  return total
end

function export.run(args, out)
  local only_items = args.items_only or args.format == "json" or args.projection
    or item_listing.segment(args)
  if only_items and #args.table ~= 1 then
    console.misused("items without definition: exactly one table required", "name the table")
  end
  local db <close> = open.database(args)
  local snapshot, tables = take_snapshot(db, args)
  local _output <close> = redirect_output(args)
  local total = export_all(snapshot, tables, args, out, only_items)
  core.finish(snapshot)
  out.flush()
  if args.output then
    library_error.check(args.output, core.publish_output())
  end
  if only_items then
    out.note(display.counted(total, "item") .. " exported")
  end
end

return export
