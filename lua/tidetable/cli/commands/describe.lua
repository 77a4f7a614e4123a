-- describe.lua - `tidetable describe`: shows the description of a table and of its streams.

local arguments = require "tidetable.cli.arguments"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local tables = require "tidetable.cli.commands.tables"

local describe = {
  name = "describe",
  summary = "Describe a table and its streams.",
  description = [[
Shows the keys of the table and the number of items that was counted last, and for each stream,
also a disabled one, its label, view type, retention, records and trim position. A deleted table
is shown as long as one of its streams can be read.]],
  examples = {
    { "tidetable describe shop.tide orders", "show keys, view type, retention and records" },
    { "tidetable describe shop.tide orders --json", "show the same as a JSON object" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE },
  options = {
    { "--json", "Show the description as a JSON object." },
    arguments.COUNT,
    arguments.MAX_SIZE,
  },
}

--- Formats a retention: "1d, 1 GiB, 1,000 records". Each limit applies on its own.
---@param retention tidetable.Retention
---@return string
function describe.retention(retention)
  local parts = { display.duration(retention.age) }
  if retention.bytes then
    parts[#parts + 1] = display.bytes(retention.bytes)
  end
  if retention.count then
    parts[#parts + 1] = display.counted(retention.count, "record")
  end
  return table.concat(parts, ", ")
end

--- Describes the difference between the retention clock and the wall clock; nil if it is less than
--- a second.
---@param lead number  seconds that the retention clock is ahead
---@return string|nil
function describe.clock(lead)
  if lead >= 1 then
    return ("%s ahead of the wall clock, which was set back; ages advance by elapsed time"):format(
      display.duration(lead))
  elseif lead <= -1 then
    return ("%s behind the wall clock, which was set forward; not confirmed yet"):format(
      display.duration(-lead))
  end
end

local function time_text(seconds)
  local ago = display.ago(seconds)
  return display.time(seconds) .. (ago and (", %s ago"):format(ago) or "")
end

local function key_line(key, what)
  return ("%s (%s), %s"):format(display.name(key[1]), key[2], what)
end

--- Writes rows of a name and its value. A row without a value is left out.
local function show_facts(out, list)
  local rows = {}
  for _, fact in ipairs(list) do
    if fact[2] then
      rows[#rows + 1] = { "  " .. out:paint("dim", fact[1]), fact[2] }
    end
  end
  out:lines(display.grid(rows))
end

local function records_text(stream)
  if stream.count == 0 then
    return "none"
  end
  return ("%s (%s), sequence numbers %d to %d"):format(display.count(stream.count),
    display.bytes(stream.bytes), stream.first_sequence_number, stream.last_sequence_number)
end

local function show_stream(out, stream)
  out:line(("%s %s  %s"):format(out:paint("bold", "stream"), stream.label,
    out:paint(stream.status == "ENABLED" and "green" or "dim", stream.status)))
  show_facts(out, {
    { "created", time_text(stream.created_at) },
    { "view type", stream.view_type },
    { "retention", describe.retention(stream.retention) },
    { "held", "at most " .. describe.retention(stream.hold) .. " for consumers" },
    { "clock", describe.clock(stream.retention_clock_lead) },
    { "records", records_text(stream) },
    { "trimmed", stream.trimmed_through > 0
      and ("through %d"):format(stream.trimmed_through) or "nothing yet" },
  })
end

local function show_table(out, description)
  local sort = description.sort_key
  out:line(("%s %s"):format(out:paint("bold", "table"), description.name))
  show_facts(out, {
    { "id", ("%d"):format(description.id) },
    { "created", time_text(description.created_at) },
    { "items", description.items and ("%s (counted %s)"):format(
      display.count(description.items), time_text(description.items_counted_at)) },
    { "keys", key_line(description.partition_key, "partition key") },
    { sort and "" or nil, sort and key_line(sort, "sort key") },
    { "expires", description.ttl and ("at the time in %s"):format(display.name(description.ttl)) },
    { "stream", not description.newest_stream_label and "none"
      or not description.stream and "disabled" or nil },
  })
end

local function newest_first(a, b)
  if a.created_at ~= b.created_at then
    return a.created_at > b.created_at
  end
  return a.label > b.label
end

--- Returns the description of the table; nil if the table is deleted but has streams.
local function description_of(db, args, streams)
  local table, _, code = db:table(args.table)
  if code == "NOT_FOUND" and #streams > 0 then
    return nil
  elseif table and args.count then
    library_error.check(args.database, table:count_items())
  end
  return (select(2, open.described(db, args.table)))
end

function describe.run(args, out)
  local db <close> = open.to_describe(args)
  local streams = library_error.check(args.database, db:list_streams { table = args.table })
  table.sort(streams, newest_first)
  local description = description_of(db, args, streams)
  if args.json then
    local tree = description or { name = args.table }
    tree.stream, tree.streams = nil, streams
    out:json(tree, tables.order)
    return
  end
  if description then
    show_table(out, description)
  else
    out:line(("%s %s  %s"):format(out:paint("bold", "table"), display.safe(args.table),
      out:paint("red", "DELETED")))
  end
  for _, stream in ipairs(streams) do
    show_stream(out, stream)
  end
end

return describe
