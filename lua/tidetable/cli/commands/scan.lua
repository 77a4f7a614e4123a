-- scan.lua - `tidetable scan`: the items of a table.

local arguments = require "tidetable.cli.arguments"
local item_listing = require "tidetable.cli.item_listing"
local open = require "tidetable.cli.open_database"

local scan = {
  name = "scan",
  summary = "Show the items of a table, in key order.",
  description = [[
On a terminal in columns: the key, what at least half of the items have, and the rest of each
item behind it. In a pipe a JSON object for each item, one a line. Writers are not disturbed;
an 'export' is one consistent moment, a scan is one page by page.]],
  examples = {
    { "tidetable scan shop.tide orders --limit 20", "the first ones, and how to go on" },
    { "tidetable scan shop.tide orders --reverse | head -1", "the last one" },
    { "tidetable scan shop.tide orders | jq -r 'select(.total > 100) | .customer'",
      "whose total is big" },
  },
}

function scan.setup(command)
  arguments.database(command)
  command:argument("table", "The table's name.")
  item_listing.options(command)
end

function scan.run(args, out)
  local db <close> = open.database(args)
  local table, description = open.described(db, args.table)
  local given = item_listing.given(args, description)
  item_listing.show(args, out, description, table:scan(given))
end

return scan
