-- tables.lua - `tidetable tables`: the names of the tables, and what each is.

local arguments = require "tidetable.cli.arguments"
local display = require "tidetable.cli.display"
local open = require "tidetable.cli.open_database"

local tables = {
  name = "tables",
  summary = "List the tables of a database.",
  description = [[
On a terminal with their keys and streams; in a pipe the names alone, one a line. A table
that has been deleted, but whose stream can still be read, is not among them: 'stats' shows
it.]],
  examples = {
    { "tidetable tables shop.tide", "the tables, with their keys and streams" },
    { "tidetable tables shop.tide | wc -l", "how many there are" },
    { "tidetable tables shop.tide --json", "all that is known of them, a JSON object a line" },
  },
}

function tables.setup(command)
  arguments.database(command)
  command:flag("--json", "A JSON object for each table, one a line.")
end

local function key_of(key)
  return key and ("%s %s"):format(display.name(key[1]), key[2]) or ""
end

local function stream_of(stream, out)
  if not stream then
    return out:paint("dim", "no stream")
  end
  return stream.view_type
end

local function show(list, out)
  if #list == 0 then
    out.note "no tables"
    return
  end
  local rows = { {} }
  for i, title in ipairs { "TABLE", "PARTITION KEY", "SORT KEY", "STREAM" } do
    rows[1][i] = out:paint("dim", title)
  end
  for _, description in ipairs(list) do
    rows[#rows + 1] = {
      out:paint("bold", description.name), key_of(description.partition_key),
      key_of(description.sort_key), stream_of(description.stream, out),
    }
  end
  out:lines(display.grid(rows))
end

function tables.run(args, out)
  local db <close> = open.database(args)
  local list = {}
  for i, found in ipairs(open.tables(db)) do
    list[i] = found.description
    if args.json then
      out:json(found.description, tables.order)
    elseif not out.is_terminal then
      out:write(found.description.name, "\n")
    end
  end
  if out.is_terminal and not args.json then
    show(list, out)
  end
end

--- Names of a description, in the order that JSON shows them.
tables.order = {
  "name", "id", "created_at", "partition_key", "sort_key", "stream", "newest_stream_label",
  "table_name", "label", "status", "view_type", "retention", "age", "bytes", "count",
  "first_sequence_number", "last_sequence_number", "trimmed_through",
  "retention_clock_lead",
}

return tables
