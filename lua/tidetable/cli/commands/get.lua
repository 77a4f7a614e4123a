-- get.lua - `tidetable get`: one item.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local get = {
  name = "get",
  summary = "Show the item with a key.",
  description = [[
The key is written NAME=VALUE for each of its attributes, or as one word of JSON. That there
is no such item is a failure.]],
  examples = {
    { "tidetable get shop.tide orders customer=ann placed_at=1", "one item, in full" },
    { "tidetable get shop.tide orders customer=ann placed_at=1 | jq .total",
      "one of its attributes" },
  },
}

function get.setup(command)
  arguments.database(command)
  command:argument("table", "The table's name.")
  command:argument("key", "NAME=VALUE for each key attribute, or JSON."):args "+"
  arguments.format(command)
end

function get.run(args, out)
  local db <close> = open.database(args)
  local table, description = open.described(db, args.table)
  local key = item_argument.key(args.key, description, item_writer.form(args.format))
  local item = library_error.check(args.database, table:get(key))
  if not item then
    console.fail(("%s has no item %s"):format(args.table, item_argument.quoted(key, "plain")))
  end
  item_writer.new(out, args.format, description):only(item)
end

return get
