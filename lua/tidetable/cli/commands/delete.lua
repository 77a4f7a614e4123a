-- delete.lua - `tidetable delete`: deletes an item.

local arguments = require "tidetable.cli.arguments"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local delete = {
  name = "delete",
  summary = "Delete the item with a key.",
  description = [[
The key is written as for 'get'. That there is no such item is no failure: afterwards it is
gone, as it should be.]],
  examples = {
    { "tidetable delete shop.tide orders customer=ann placed_at=1", "it is gone" },
    { "tidetable delete shop.tide orders customer=ann placed_at=1 --old", "shows what it was" },
  },
}

function delete.setup(command)
  arguments.database(command)
  command:argument("table", "The table's name.")
  command:argument("key", "NAME=VALUE for each key attribute, or JSON."):args "+"
  arguments.format(command)
  command:flag("--old", "Show the item that was deleted.")
  arguments.busy_timeout(command)
end

function delete.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local table, description = open.described(db, args.table)
  local key = item_argument.key(args.key, description, item_writer.form(args.format))
  local _, old = library_error.check(args.database,
    table:delete(key, { return_values = args.old and "ALL_OLD" or "NONE" }))
  if old then
    item_writer.new(out, args.format, description):only(old)
  end
end

return delete
