-- diff.lua - `tidetable diff`: shows the differences between two databases or two tables.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local diffs = require "tidetable.diff"
local display = require "tidetable.cli.display"
local exit_status = require "tidetable.cli.exit_status"
local item_writer = require "tidetable.cli.item_writer"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local types = require "tidetable.types"

local diff = {
  name = "diff",
  summary = "Show the differences between two databases.",
  description = [[
Compares the definitions and the items of all tables, or of those that are named. Each database is
read from one snapshot, in key order and in little memory, so databases of any size can be compared
while others write to them. Items are equal if all their attributes have the same types and values;
an item that has expired but was not removed yet counts as stored. Records of streams are not
compared.

A line that begins with '-' is of the first database, one that begins with '+' of the second. An
item that both have, with other attributes, is one line of each.

The status is 0 if nothing differs, 1 if something does, and 2 if the comparison failed, for example
because two tables have other key attributes.]],
  examples = {
    { "tidetable diff shop.tide replica.tide", "compare all tables" },
    { "tidetable diff shop.tide replica.tide orders --summary",
      "count the differences of a table" },
    { "tidetable diff shop.tide shop.tide orders --other-table old_orders",
      "compare two tables of a database" },
    { "tidetable diff shop.tide replica.tide --json | jq -c .key",
      "extract the keys of the items that differ" },
  },
  arguments = {
    arguments.DATABASE,
    { "other", "Path of the other database." },
    { "table", "Names of the tables; none: all tables.", args = "*" },
  },
  options = {
    {
      "--other-table", "Compare the named table with this table of the other database.",
      value = "NAME",
    },
    { "--summary", "Show only the numbers of differences of each table.", exclusive = "form" },
    { "--json", "Show each difference as a JSON object, one per line.", exclusive = "form" },
    { "-q --quiet", "Show nothing: the status is the result.", exclusive = "form" },
    {
      "--limit", "Stop after N differences.", value = "N", convert = arguments.integer_from(1),
    },
    {
      "--format", "Form of the items: 'json', or 'dynamodb' with the type of each attribute.",
      value = "FORMAT", choices = { "json", "dynamodb" }, shown_default = "json",
    },
    {
      "--time-limit", "Maximum number of seconds to hold the snapshots.",
      value = "SECONDS", convert = arguments.seconds, default = 3600,
    },
    arguments.MAX_SIZE,
  },
}

-- Formatting -----------------------------------------------------------------

local function key_text(key)
  return key and ("%s %s"):format(display.name(key[1]), key[2]) or "none"
end

local function stream_text(stream)
  if not stream then
    return "none"
  end
  local retention, hold = stream.retention, stream.hold
  local parts = { stream.view_type, "retention " .. display.duration(retention.age) }
  parts[#parts + 1] = retention.bytes and display.bytes(retention.bytes)
  parts[#parts + 1] = retention.count and display.counted(retention.count, "record")
  parts[#parts + 1] = hold and ("holds %s, %s"):format(display.duration(hold.age),
    display.bytes(hold.bytes))
  return table.concat(parts, ", ")
end

local part_texts = {
  partition_key = key_text, sort_key = key_text, stream = stream_text,
  ttl = function(name) return name and display.name(name) or "none" end,
}

--- Writes the lines of a difference.
---@class tidetable.cli.DiffView
---@field out tidetable.cli.Console
---@field form tidetable.json.form
---@field diffing tidetable.Diff
---@field shown string|nil  table of the last heading
local View = {}
View.__index = View

function View:side(sign, style, text)
  self.out:write(self.out:paint(style, sign .. text), "\n")
end

function View:item(found, which, sign, style)
  if found[which] then
    self:side(sign, style, assert(json.encode_item(found[which], self.form,
      json_text.order(self.diffing.keys))))
  end
end

function View:definition(found)
  if found.kind ~= "definition" then
    local is_first = found.kind == "first"
    return self:side(is_first and "-" or "+", is_first and "red" or "green",
      ("table %s"):format(is_first and found.table or found.other_table))
  end
  for _, part in ipairs(found.parts) do
    local text = part_texts[part]
    self:side("-", "red", ("%s: %s"):format(part, text(found.first[part])))
    self:side("+", "green", ("%s: %s"):format(part, text(found.second[part])))
  end
end

function View:text(found)
  if self.shown ~= found.table then
    self.shown = found.table
    self.out:write(self.out:paint("bold", "@@ " .. found.table
      .. (found.other_table ~= found.table and " " .. found.other_table or "") .. " @@"), "\n")
  end
  if not found.key then
    return self:definition(found)
  end
  self:item(found, "first", "-", "red")
  self:item(found, "second", "+", "green")
end

local KINDS = { first = "ONLY_FIRST", second = "ONLY_SECOND", both = "DIFFERENT",
  definition = "DEFINITION" }

function View:json(found)
  local fields = { '"table":' .. json_text.encode(found.table) }
  if found.other_table ~= found.table then
    fields[#fields + 1] = '"other_table":' .. json_text.encode(found.other_table)
  end
  fields[#fields + 1] = ('"difference":"%s"'):format(KINDS[found.kind])
  if found.key then
    for _, name in ipairs { "key", "first", "second" } do
      local text = found[name] and assert(json.encode_item(found[name], self.form,
        json_text.order(self.diffing.keys)))
      fields[#fields + 1] = text and ('"%s":%s'):format(name, text)
    end
  elseif found.parts then
    fields[#fields + 1] = '"parts":' .. json_text.encode(types.list(found.parts))
  end
  self.out:write("{", table.concat(fields, ","), "}\n")
end

--- Returns a view that shows differences as text. The field diffing.keys has to be set before the
--- first difference of a table is shown: the names of its key attributes.
---@param out tidetable.cli.Console
---@return tidetable.cli.DiffView
function diff.view(out)
  return setmetatable({ out = out, diffing = {}, form = item_writer.form() }, View)
end

-- Comparing ------------------------------------------------------------------

--- Counts the differences of definitions of a table.
local function summary_line(diffing, name, definitions)
  local counts = diffing.counts[name]
  local parts = {}
  if definitions then
    parts[1] = definitions
  end
  for _, each in ipairs { { "first", "only in the first" }, { "second", "only in the second" },
      { "both", "different" }, { "equal", "equal" } } do
    if counts[each[1]] > 0 then
      parts[#parts + 1] = ("%s %s"):format(display.count(counts[each[1]]), each[2])
    end
  end
  return ("%s: %s"):format(name, #parts > 0 and table.concat(parts, ", ") or "no items")
end

local DEFINITIONS = {
  first = "the table is only in the first", second = "the table is only in the second",
  definition = "the definitions differ",
}

local function show_summary(diffing, definitions, out)
  for i = 1, diffing.at do
    local name = diffing.pairs[i][1]
    out:line(summary_line(diffing, name, definitions[name]))
  end
end

--- Reads the differences and shows them. Returns their number.
local function show(diffing, args, out)
  local view = setmetatable({ out = out, diffing = diffing,
    form = item_writer.form(args.format) }, View)
  local count, definitions = 0, {}
  local stop_after = args.quiet and 1 or args.limit or math.huge
  while count < stop_after do
    local found = library_error.check(args.database, diffing:next())
    if not found then
      break
    end
    count = count + 1
    if not found.key then
      definitions[found.table] = DEFINITIONS[found.kind]
    end
    if args.json then
      view:json(found)
    elseif not args.summary and not args.quiet then
      view:text(found)
    end
  end
  if args.summary then
    show_summary(diffing, definitions, out)
  end
  if count == args.limit then
    out.note(("stopped after %s"):format(display.counted(count, "difference")))
  end
  return count
end

--- Shows the differences of two databases as text. Returns their number.
---@param first tidetable.Database
---@param second tidetable.Database
---@param tables string[]
---@param out tidetable.cli.Console
---@return integer
function diff.show(first, second, tables, out)
  local args = { database = first.path }
  local diffing <close> = library_error.check(first.path,
    diffs.open(first, second, { tables = tables }))
  return show(diffing, args, out)
end

--- Opens the second database. A file that is opened twice is read from one snapshot.
local function open_other(db, args)
  local other = open.database { database = args.other, max_size = args.max_size }
  local path = library_error.check(args.database, db:info()).path
  if library_error.check(args.other, other:info()).path == path then
    other:close()
    return db
  end
  return other
end

local function run(args, out)
  if args.other_table and #args.table ~= 1 then
    console.misused "--other-table: exactly one table required"
  end
  local db <close> = open.database(args)
  local other <close> = open_other(db, args)
  if other == db and not args.other_table then
    console.misused("both paths name the same database", "--other-table names the second table")
  end
  local diffing <close> = library_error.check(args.database, diffs.open(db, other, {
    tables = #args.table > 0 and args.table or nil, other_table = args.other_table,
    snapshot_limit = args.time_limit,
  }))
  return show(diffing, args, out) == 0 and exit_status.SUCCESS or exit_status.FAILED
end

--- Status 1 is that of a difference, so a failure ends with 2, as of other programs that compare.
function diff.run(args, out)
  local ok, result = xpcall(run, function(err)
    if console.is_failure(err) then
      err.status = err.status or exit_status.MISUSED
    end
    return err
  end, args, out)
  if not ok then
    error(result, 0)
  end
  return result
end

return diff
