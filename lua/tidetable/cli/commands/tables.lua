-- tables.lua - `tidetable tables`: lists the tables of a database.

local arguments = require "tidetable.cli.arguments"
local display = require "tidetable.cli.display"
local open = require "tidetable.cli.open_database"

local tables = {
  name = "tables",
  summary = "List the tables of a database.",
  description = [[
On a terminal the list has the keys and the stream of each table, and the number of items that
was counted last. In a pipe or file it is the
names alone, one per line. A deleted table is not listed, even while its stream can still be
read; 'stats' lists it.]],
  examples = {
    { "tidetable tables shop.tide", "list the tables" },
    { "tidetable tables shop.tide | wc -l", "count them" },
    { "tidetable tables shop.tide --json", "show their descriptions, one JSON object per line" },
  },
  arguments = { arguments.DATABASE },
  options = {
    { "--json", "Show the description of each table as a JSON object, one per line." },
    arguments.COUNT,
    arguments.MAX_SIZE,
  },
}

local function key_of(key)
  return key and ("%s %s"):format(display.name(key[1]), key[2]) or ""
end

local function stream_of(stream, out)
  if not stream then
    return out:paint("dim", "no stream")
  end
  return stream.view_type
end

local function items_of(description, out)
  return description.items and display.count(description.items) or out:paint("dim", "-")
end

local function show(list, out)
  if #list == 0 then
    out.note "no tables"
    return
  end
  local rows = { {} }
  for i, title in ipairs { "TABLE", "PARTITION KEY", "SORT KEY", "ITEMS", "STREAM" } do
    rows[1][i] = out:paint("dim", title)
  end
  for _, description in ipairs(list) do
    rows[#rows + 1] = {
      out:paint("bold", description.name), key_of(description.partition_key),
      key_of(description.sort_key), items_of(description, out),
      stream_of(description.stream, out),
    }
  end
  out:lines(display.grid(rows, { [4] = true }))
end

function tables.run(args, out)
  local db <close> = open.to_describe(args)
  local list = {}
  for i, found in ipairs(open.tables(db, args.count)) do
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

--- Fields of a description in the order of the JSON output.
tables.order = {
  "name", "id", "created_at", "items", "items_counted_at", "partition_key", "sort_key", "ttl",
  "stream", "newest_stream_label",
  "table_name", "label", "status", "view_type", "retention", "age", "bytes", "count",
  "first_sequence_number", "last_sequence_number", "trimmed_through",
  "retention_clock_lead",
}

return tables
