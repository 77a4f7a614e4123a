-- export.lua - `tidetable export`: tables as JSON lines, at one moment.
--
--   {"Table":{...}}    a table begins: its definition (definition.lua)
--   {"Item":{...}}     an item, in DynamoDB's JSON, as its own exports have it
--   {"End":{"Items":2,"Tables":1}}   nothing is missing
--
-- All tables are read from one snapshot, however long that takes.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local item_writer = require "tidetable.cli.item_writer"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local progress_bar = require "tidetable.cli.progress_bar"
local table_definition = require "tidetable.cli.table_definition"
local types = require "tidetable.types"

local export = {
  name = "export",
  summary = "Write tables as lines of JSON, for import and other programs.",
  description = [[
Each table is written as its definition, {"Table":...}, and its items, {"Item":...}, in
DynamoDB's JSON, as DynamoDB's export to S3 words them; the last line, {"End":...}, says that
nothing is missing. 'import' makes the same tables of it. Streams are not in it, only their
settings.

Everything is from one moment: the export holds a snapshot, and while it does, the file grows
by what others write.]],
  examples = {
    { "tidetable export shop.tide > shop.jsonl", "all tables" },
    { "tidetable export shop.tide orders | gzip > orders.jsonl.gz", "one, compressed" },
    { "tidetable export shop.tide orders --items-only", "as DynamoDB exports it" },
    { "tidetable export shop.tide orders --format json", "its items as plain JSON" },
  },
}

local ATTEMPTS = 100 -- to find a moment in which no table is made, changed or deleted

function export.setup(command)
  arguments.database(command)
  command:argument("table", "The tables to export; default: all."):args "*"
  command:option("--format", "dynamodb, or json: plain JSON, the items of one table and nothing "
    .. "else.", "dynamodb"):argname "FORMAT":choices { "dynamodb", "json" }
  command:flag("--items-only", "Without definitions and end.")
  command:option("--time-limit", "Seconds that the snapshot may be held.", 3600)
    :argname "SECONDS":convert(arguments.seconds)
end

--- The tables to export, and what they are.
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

--- A snapshot, and the tables as they are in it: when one was made, changed or deleted
--- while they were described, both are taken again.
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
  console.fail(("%s: tables are made and deleted too often to find a quiet moment"):format(
    db.path))
end

local function export_items(snapshot, each, args, out, count)
  local query = library_error.check(args.database, core.query(each.table.core, nil, "all", nil,
    nil, false, nil, nil, snapshot))
  local form = item_writer.form(args.format)
  local first = json_text.order(item_writer.key_names(each.description))
  local before, after = '{"Item":', "}\n"
  if form == "plain" then
    before, after = "", "\n"
  end
  while true do
    local version, item = core.next_versioned(query, false)
    if not version then
      core.finish(query)
      return
    end
    out:write(before, assert(json.encode_item(item, form, first)), after)
    count()
  end
end

local function write_line(out, name, tree)
  out:write(json_text.encode { [name] = tree }, "\n")
end

function export.run(args, out)
  local only_items = args.items_only or args.format == "json"
  if only_items and #args.table ~= 1 then
    console.misused("items without definitions: of one table only", "say which table")
  end
  local db <close> = open.database(args)
  local snapshot, tables = take_snapshot(db, args)
  local bar <close> = progress_bar.new(out, "exporting")
  local total = 0
  local function count()
    total = total + 1
    if not out.is_terminal then
      bar:show(total)
    end
  end
  for _, each in ipairs(tables) do
    if not only_items then
      write_line(out, "Table", table_definition.tree(each.description))
    end
    export_items(snapshot, each, args, out, count)
  end
  core.finish(snapshot)
  if not only_items then
    write_line(out, "End", types.map { Items = total, Tables = #tables })
  end
end

return export
