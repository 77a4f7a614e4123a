-- get.lua - `tidetable get`: shows one item.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local get = {
  name = "get",
  summary = "Show one item.",
  description = [[
The key is NAME=VALUE for each of its attributes, or one JSON argument. If the item does not
exist, the command fails with status 1.]],
  examples = {
    { "tidetable get shop.tide orders customer=ann placed_at=1", "show an item" },
    { "tidetable get shop.tide orders customer=ann placed_at=1 | jq .total",
      "show one of its attributes" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE, arguments.KEY },
  options = { arguments.FORMAT, arguments.MAX_SIZE },
}

function get.run(args, out)
  local db <close> = open.database(args)
  local table, description = open.described(db, args.table)
  local key = item_argument.key(args.key, description, item_writer.form(args.format))
  local item = library_error.check(args.database, table:get(key))
  if not item then
    console.fail(("%s: no item %s"):format(args.table, item_argument.quoted(key, "plain")))
  end
  item_writer.new(out, args.format, description):only(item)
end

return get
