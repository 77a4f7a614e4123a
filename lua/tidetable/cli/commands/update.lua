-- update.lua - `tidetable update`: changes attributes of one item.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local expression_options = require "tidetable.cli.expression_options"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

local update = {
  name = "update",
  summary = "Change attributes of one item.",
  description = [[
The key is written as for 'get'. The expression is one argument, an update expression of DynamoDB
with SET, REMOVE, ADD and DELETE. If the item does not exist, it is created, unless the expression
only removes.]],
  examples = {
    { "tidetable update shop.tide orders customer=ann placed_at=2 'SET #s = :s' "
      .. [[--names '{"#s":"status"}' --values '{":s":"paid"}']], "set an attribute" },
    { "tidetable update shop.tide orders customer=ann placed_at=2 'ADD visits :n' "
      .. [[--values '{":n":1}' --return-values UPDATED_NEW]],
      "add to a counter and show its new value" },
    { "tidetable update shop.tide orders customer=ann placed_at=2 'REMOVE note' "
      .. "--condition 'attribute_exists(customer)'", "remove an attribute of an existing item" },
  },
  arguments = {
    arguments.DATABASE,
    arguments.TABLE,
    arguments.KEY,
    { "expression", "Update expression." },
  },
  options = {
    arguments.CONDITION,
    arguments.NAMES,
    arguments.VALUES,
    {
      "--return-values", "Show the item, or the updated attributes, before or after the update: "
        .. "'ALL_OLD', 'ALL_NEW', 'UPDATED_OLD' or 'UPDATED_NEW'.",
      value = "WHICH", default = "NONE",
      choices = { "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW" },
    },
    arguments.CONTEXT,
    arguments.ORIGIN,
    arguments.FORMAT,
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

function update.run(args, out)
  if not args.expression then
    console.misused "missing argument 'expression'"
  end
  expression_options.check("expression", args.expression)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local table, description = open.described(db, args.table)
  local form = item_writer.form(args.format)
  local key = item_argument.key(args.key, description, form)
  local given = expression_options.read(args, form, { return_values = args.return_values })
  expression_options.read_annotation(args, form, given)
  local _, item = library_error.check(args.database, table:update(key, args.expression, given))
  if item then
    item_writer.new(out, args.format, description):only(item)
  end
end

return update
