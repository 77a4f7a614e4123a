-- put.lua - `tidetable put`: stores an item, or the items on standard input.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local expression_options = require "tidetable.cli.expression_options"
local exit_status = require "tidetable.cli.exit_status"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local record_source = require "tidetable.cli.record_source"

local put = {
  name = "put",
  summary = "Store an item, or the items on standard input.",
  description = [[
The item replaces the item with the same key, if there is one. NAME=TEXT is a text; a key
attribute has the type that the table declares. NAME:=JSON is any other value. The whole item may
be one JSON argument. In plain JSON a binary is {"$B": "aGk="}, and sets are {"$SS": ["a"]},
{"$NS": [1]} and {"$BS": ["aGk="]}.

With '-' the items are read from standard input, as JSON objects one after another or in arrays,
and stored in one transaction: all or none. A condition must hold for each of them. Use 'import'
for more than 32 MiB.]],
  examples = {
    { "tidetable put shop.tide orders customer=ann placed_at=1 status=open total:=12.5",
      "status is a text, total a number" },
    { [[tidetable put shop.tide orders '{"customer":"ann","placed_at":2}']], "from JSON" },
    { "tidetable get shop.tide orders customer=ann placed_at=1 | sed s/open/paid/ | "
      .. "tidetable put shop.tide orders -", "change an attribute" },
    { "tidetable put shop.tide orders customer=new placed_at=1 "
      .. "--condition 'attribute_not_exists(customer)'", "store an item unless it exists" },
  },
  arguments = {
    arguments.DATABASE,
    arguments.TABLE,
    { "item", "NAME=TEXT or NAME:=JSON for each attribute, the item as JSON, or '-'.",
      args = "+" },
  },
  options = {
    { "--old", "Show the item that was replaced." },
    arguments.CONDITION,
    arguments.NAMES,
    arguments.VALUES,
    arguments.CONTEXT,
    arguments.ORIGIN,
    arguments.FORMAT,
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

--- Maximum size of standard input: more does not fit into one transaction.
local INPUT_MAX = 32 * 1024 * 1024

local USE_IMPORT = "use 'tidetable import', which stores items in several transactions"

--- Returns a source of the records of a text.
local function source_of(text)
  return record_source.new({ read = function()
    local piece = text
    text = nil
    return piece
  end }, json_text.decode, false)
end

--- Returns the items of a text, and the line number at which each begins.
local function decode_items(input, form)
  local source, found, numbers = source_of(input), {}, {}
  for record in function() return source:next() end do
    local fault = record.fault
    if fault then
      console.fail(("standard input: line %d, column %d: %s"):format(fault.line, fault.column,
        fault.reason))
    end
    local item, err = json.item(record.tree, form)
    if not item then
      console.fail(("standard input: line %d: %s"):format(record.line, err.message))
    end
    found[#found + 1], numbers[#numbers + 1] = item, record.line
  end
  if #found == 0 then
    console.fail "standard input: no item"
  end
  return found, numbers
end

local function read_input(form)
  local input, problem = io.stdin:read(INPUT_MAX + 1)
  if problem then
    console.fail("standard input: " .. problem)
  end
  input = input or ""
  if #input > INPUT_MAX then
    console.fail("standard input: more than 32 MiB", USE_IMPORT)
  end
  return decode_items(input, form)
end

--- Errors that belong to one line of standard input, and their exit statuses.
local LINE_STATUSES = {
  VALIDATION = exit_status.FAILED, CONDITION_FAILED = exit_status.CONDITION_FAILED,
}

--- Stores the items in one transaction.
local function put_items(db, name, given, annotation, found, numbers)
  local line
  local ok, err = library_error.transact(db, function(tx)
    local table = tx:table(name)
    for i, item in ipairs(found) do
      line = numbers[i]
      table:put(item, given)
    end
  end, annotation)
  if ok then
    return
  elseif line and LINE_STATUSES[err.code] then
    console.fail(("standard input: line %d: %s"):format(line, err.message), nil,
      LINE_STATUSES[err.code])
  end
  library_error.fail(db.path, err, err.code == "TOO_BIG" and USE_IMPORT or nil)
end

function put.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local table, description = open.described(db, args.table)
  local form = item_writer.form(args.format)
  local given = expression_options.read(args, form,
    { return_values = args.old and "ALL_OLD" or "NONE" })
  if #args.item == 1 and args.item[1] == "-" then
    if args.old then
      console.misused "--old: not available with standard input"
    end
    local annotation = expression_options.read_annotation(args, form, {})
    return put_items(db, args.table, given, annotation, read_input(form))
  end
  expression_options.read_annotation(args, form, given)
  local item = item_argument.attributes(args.item, description, form)
  local _, old = library_error.check(args.database, table:put(item, given))
  if old then
    item_writer.new(out, args.format, description):only(old)
  end
end

return put
