-- put.lua - `tidetable put`: stores an item, or the items on standard input.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local expression_options = require "tidetable.cli.expression_options"
local exit_status = require "tidetable.cli.exit_status"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local library_error = require "tidetable.cli.library_error"
local line_reader = require "tidetable.cli.line_reader"
local open = require "tidetable.cli.open_database"

local put = {
  name = "put",
  summary = "Store an item, or the items on standard input.",
  description = [[
The item replaces the item with the same key, if there is one. NAME=TEXT is a text; a key
attribute has the type that the table declares. NAME:=JSON is any other value. The whole item may
be one JSON argument. In plain JSON a binary is {"$B": "aGk="}, and sets are {"$SS": ["a"]},
{"$NS": [1]} and {"$BS": ["aGk="]}.

With '-' the items are read from standard input, as JSON objects one after another, and stored in
one transaction: all or none. A condition must hold for each of them. Use 'import' for more than
32 MiB.]],
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
    arguments.FORMAT,
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

--- Maximum size of standard input: more does not fit into one transaction.
local INPUT_MAX = 32 * 1024 * 1024

local USE_IMPORT = "use 'tidetable import', which stores items in several transactions"

--- Returns the number of line ends in a part of a text.
local function count_ends(input, first, last)
  return select(2, input:sub(first, last):gsub("\n", ""))
end

--- Returns the items of a text, and the line number at which each begins.
local function decode_all(input, form)
  local found, numbers, at = {}, {}, 1
  local line, first = 1, 1
  repeat
    local counted = first
    first = input:find("%S", at) or #input + 1
    line = line + count_ends(input, counted, first - 1)
    local item, next_at = core.json_decode(input, form, at)
    if not item then
      local err = next_at
      console.fail(err.line and "standard input: " .. err.message
        or ("standard input: line %d: %s"):format(line, err.message))
    end
    found[#found + 1], numbers[#numbers + 1], at = item, line, next_at
  until at > #input
  return found, numbers
end

local function read_input(form)
  local input, problem = io.stdin:read(INPUT_MAX + 1)
  if problem then
    console.fail("standard input: " .. problem)
  end
  input = (input or ""):gsub("^" .. line_reader.MARK, "")
  if not input:find "%S" then
    console.fail "standard input: no item"
  elseif #input > INPUT_MAX then
    console.fail("standard input: more than 32 MiB", USE_IMPORT)
  end
  return decode_all(input, form)
end

--- Errors that belong to one line of standard input, and their exit statuses.
local LINE_STATUSES = {
  VALIDATION = exit_status.FAILED, CONDITION_FAILED = exit_status.CONDITION_FAILED,
}

--- Stores the items in one transaction.
local function put_all(db, name, given, found, numbers)
  local line
  local ok, err = library_error.transact(db, function(tx)
    local table = tx:table(name)
    for i, item in ipairs(found) do
      line = numbers[i]
      table:put(item, given)
    end
  end)
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
    return put_all(db, args.table, given, read_input(form))
  end
  local item = item_argument.attributes(args.item, description, form)
  local _, old = library_error.check(args.database, table:put(item, given))
  if old then
    item_writer.new(out, args.format, description):only(old)
  end
end

return put
