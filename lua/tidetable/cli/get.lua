-- get.lua - `tidetable get`: one item.

local console = require "tidetable.cli.console"
local items = require "tidetable.cli.items"
local open = require "tidetable.cli.open"
local words = require "tidetable.cli.words"

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
  open.argument(command)
  command:argument("table", "The table's name.")
  command:argument("key", "NAME=VALUE for each key attribute, or JSON."):args "+"
  open.format_option(command)
end

function get.run(args, out)
  local db <close> = open.to_read(args)
  local table, description = open.described(db, args.table)
  local key = words.key(args.key, description, items.form(args.format))
  local item = open.check(args.database, table:get(key))
  if not item then
    console.fail(("%s has no item %s"):format(args.table, words.quoted(key, "plain")))
  end
  items.writer(out, args.format, description):only(item)
end

return get
