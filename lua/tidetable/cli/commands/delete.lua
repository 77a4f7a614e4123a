-- delete.lua - `tidetable delete`: deletes one item.

local arguments = require "tidetable.cli.arguments"
local expression_options = require "tidetable.cli.expression_options"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local delete = {
  name = "delete",
  summary = "Delete one item.",
  description = [[
The key is written as for 'get'. Deleting an item that does not exist succeeds, as in
DynamoDB.]],
  examples = {
    { "tidetable delete shop.tide orders customer=ann placed_at=1", "delete an item" },
    { "tidetable delete shop.tide orders customer=ann placed_at=1 --old",
      "delete an item and show it" },
    { "tidetable delete shop.tide orders customer=ann placed_at=3 "
      .. "--condition 'attribute_not_exists(paid_at)'",
      "delete an item unless it has an attribute" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE, arguments.KEY },
  options = {
    { "--old", "Show the deleted item." },
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

function delete.run(args, out)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local table, description = open.described(db, args.table)
  local form = item_writer.form(args.format)
  local key = item_argument.key(args.key, description, form)
  local given = expression_options.read(args, form,
    { return_values = args.old and "ALL_OLD" or "NONE" })
  expression_options.read_annotation(args, form, given)
  local _, old = library_error.check(args.database, table:delete(key, given))
  if old then
    item_writer.new(out, args.format, description):only(old)
  end
end

return delete
