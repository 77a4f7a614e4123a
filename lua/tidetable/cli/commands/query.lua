-- query.lua - `tidetable query`: shows the items of one partition.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local item_argument = require "tidetable.cli.item_argument"
local item_listing = require "tidetable.cli.item_listing"
local item_writer = require "tidetable.cli.item_writer"
local open = require "tidetable.cli.open_database"

--- Comparisons of the sort key: option, operator of table:query, description.
local comparisons = {
  { "lt", "<", "Only items with a sort key less than VALUE." },
  { "le", "<=", "Only items with a sort key of at most VALUE." },
  { "gt", ">", "Only items with a sort key greater than VALUE." },
  { "ge", ">=", "Only items with a sort key of at least VALUE. With '--le': a range, both ends "
    .. "included." },
  { "begins_with", "begins_with", "Only items whose sort key (text or binary) begins with VALUE." },
}

local query = {
  name = "query",
  summary = "Show the items of one partition, in sort key order.",
  description = [[
The partition key is NAME=VALUE. If the sort key is given as well, that one item is shown.
Otherwise the sort key may be compared: one comparison, or --ge with --le. A value that begins
with a minus is attached with an equals sign: --ge=-5. With --key-condition an expression replaces
the key and the comparison.]],
  examples = {
    { "tidetable query shop.tide orders customer=ann", "show all orders of ann" },
    { "tidetable query shop.tide orders customer=ann --ge 10 --le 20",
      "show those with sort keys from 10 to 20" },
    { "tidetable query shop.tide orders customer=ann --reverse --limit 1", "show the last one" },
    { "tidetable query shop.tide orders customer=ann --filter '#s = :s' "
      .. [[--names '{"#s":"status"}' --values '{":s":"open"}']],
      "show those that satisfy a condition" },
  },
  arguments = {
    arguments.DATABASE,
    arguments.TABLE,
    { "key", "NAME=VALUE of the partition key and, optionally, of the sort key; or JSON.",
      args = "0-2" },
  },
  options = {},
}

for i, comparison in ipairs(comparisons) do
  query.options[i] = {
    "--" .. comparison[1]:gsub("_", "-"), comparison[3], value = "VALUE",
  }
end
query.options[#query.options + 1] = {
  "--key-condition", "Partition key, and condition on the sort key, as an expression: "
    .. "'customer = :c AND placed_at > :t'.",
  value = "EXPR",
}
table.move(item_listing.options, 1, #item_listing.options, #query.options + 1, query.options)

--- Returns the values of the comparisons that are given, by name, their number and the last one.
local function given_comparisons(args, description)
  local values, count, last = {}, 0, nil
  for _, comparison in ipairs(comparisons) do
    local name = comparison[1]
    if args[name] then
      local sort = description.sort_key or
        console.misused(("%s: no sort key to compare"):format(args.table))
      values[name] = item_argument.key_value(sort[1], sort[2], args[name])
      count, last = count + 1, comparison
    end
  end
  return values, count, last
end

--- Returns the condition on the sort key for table:query; nil if there is none.
local function sort_condition(args, description, equal)
  local values, count, last = given_comparisons(args, description)
  if equal ~= nil then
    return count == 0 and { "=", equal } or
      console.misused "sort key: given and compared, use one of the two"
  elseif count == 0 then
    return nil
  elseif count == 1 then
    return { last[2], values[last[1]] }
  elseif count == 2 and values.ge ~= nil and values.le ~= nil then
    return { "between", values.ge, values.le }
  end
  console.misused("sort key: these comparisons cannot be combined",
    "use one comparison, or --ge with --le")
end

--- Ends the command if a key or a comparison is given together with --key-condition.
local function refuse_key(args, description)
  local _, count = given_comparisons(args, description)
  if #args.key > 0 or count > 0 then
    console.misused("--key-condition: cannot be combined with a key or a comparison",
      "write the whole condition as the expression")
  end
end

function query.run(args, out)
  local db <close> = open.database(args)
  local table, description = open.described(db, args.table)
  local given = item_listing.given(args, description)
  if args.key_condition then
    refuse_key(args, description)
    return item_listing.show(args, out, description, table:query(given))
  end
  local partition, equal = item_argument.partition(args.key, description,
    item_writer.form(args.format))
  given.sort = sort_condition(args, description, equal)
  item_listing.show(args, out, description, table:query(partition, given))
end

return query
