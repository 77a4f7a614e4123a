-- put.lua - `tidetable put`: stores an item, or those on standard input.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local line_reader = require "tidetable.cli.line_reader"
local open = require "tidetable.cli.open_database"

local put = {
  name = "put",
  summary = "Store an item in place of whatever has its key.",
  description = [[
NAME=TEXT is an attribute of text (of a key attribute: what its type makes of it), NAME:=JSON
anything else; or the whole item is one word of JSON. Plain JSON has {"$B": "aGk="} for a
binary and {"$SS": ["a"]}, {"$NS": [1]}, {"$BS": ["aGk="]} for sets.

With '-' the items are read from standard input, JSON one after another, and stored all or
none. For many items there is 'import'.]],
  examples = {
    { "tidetable put shop.tide orders customer=ann placed_at=1 status=open total:=12.5",
      "status is a text, total a number" },
    { [[tidetable put shop.tide orders '{"customer":"ann","placed_at":2}']], "from JSON" },
    { "tidetable get shop.tide orders customer=ann placed_at=1 | sed s/open/paid/ | "
      .. "tidetable put shop.tide orders -", "one that is changed on its way" },
  },
}

--- More than one transaction takes: for `import`.
local INPUT_MAX = 32 * 1024 * 1024

function put.setup(command)
  arguments.database(command)
  command:argument("table", "The table's name.")
  command:argument("item", "NAME=TEXT or NAME:=JSON for each attribute, JSON, or '-'."):args "+"
  arguments.format(command)
  command:flag("--old", "Show the item that was replaced.")
  arguments.busy_timeout(command)
end

--- How many lines end in a part of a text.
local function count_ends(input, first, last)
  return select(2, input:sub(first, last):gsub("\n", ""))
end

--- The items of a text, and the number of the line on which each begins.
local function decode_all(input, form)
  local found, numbers, at = {}, {}, nil
  local line, first = 1, 1
  repeat
    local counted = first
    first = input:find("%S", at or 1) or #input + 1
    line = line + count_ends(input, counted, first - 1)
    local tree, next_at, code = json_text.decode_at(input, at)
    if code then
      console.fail("standard input: " .. next_at.message)
    end
    local item, err = json.item(tree, form)
    if not item then
      console.fail(("standard input: line %d: %s"):format(line, err.message))
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
    console.fail "standard input has no item"
  elseif #input > INPUT_MAX then
    console.fail("standard input is more than one transaction takes",
      "import stores many items, in as many transactions as it takes")
  end
  return decode_all(input, form)
end

--- Puts them in one transaction, which raises what goes wrong.
local function put_all(db, name, found, numbers)
  local line
  local ok, err = library_error.transact(db, function(tx)
    local table = tx:table(name)
    for i, item in ipairs(found) do
      line = numbers[i]
      table:put(item)
    end
  end)
  if ok then
    return
  elseif err.code == "VALIDATION" then
    console.fail(("standard input: line %d: %s"):format(line, err.message))
  end
  library_error.fail(db.path, err, err.code == "TOO_BIG" and
    "import stores many items, in as many transactions as it takes" or nil)
end

function put.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local table, description = open.described(db, args.table)
  local form = item_writer.form(args.format)
  if #args.item == 1 and args.item[1] == "-" then
    if args.old then
      console.misused "--old is for a single item, not for standard input"
    end
    return put_all(db, args.table, read_input(form))
  end
  local item = item_argument.attributes(args.item, description, form)
  local _, old = library_error.check(args.database,
    table:put(item, { return_values = args.old and "ALL_OLD" or "NONE" }))
  if old then
    item_writer.new(out, args.format, description):only(old)
  end
end

return put
