-- scan.lua - `tidetable scan`: shows the items of a table.

local arguments = require "tidetable.cli.arguments"
local item_listing = require "tidetable.cli.item_listing"
local open = require "tidetable.cli.open_database"

local scan = {
  name = "scan",
  summary = "Show the items of a table, in key order.",
  description = [[
On a terminal the items are shown in columns: the key, each attribute that at least half of the
items have, then the other attributes. In a pipe or file each item is a JSON object on a line of
its own. Items are read page by page, and each page is a snapshot; 'export' reads the whole table
from one snapshot.]],
  examples = {
    { "tidetable scan shop.tide orders --limit 20", "show the first 20 items" },
    { "tidetable scan shop.tide orders --reverse | head -1", "show the last item" },
    { "tidetable scan shop.tide orders --segment 0 --total-segments 4",
      "show a quarter of the partitions; four processes show all items" },
    { [[tidetable scan shop.tide orders --filter 'placed_at >= :t' --values '{":t":2}']],
      "show the items that satisfy a condition" },
    { "tidetable scan shop.tide orders | jq -r 'select(.total > 100) | .customer'",
      "show the customers of orders over 100" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE },
  options = { arguments.SEGMENT, arguments.TOTAL_SEGMENTS },
}

table.move(item_listing.options, 1, #item_listing.options, #scan.options + 1, scan.options)

function scan.run(args, out)
  local db <close> = open.database(args)
  local table, description = open.described(db, args.table)
  local given = item_listing.given(args, description)
  given.segment, given.total_segments = item_listing.segment(args)
  item_listing.show(args, out, description, table:scan(given))
end

return scan
