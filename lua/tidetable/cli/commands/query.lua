-- query.lua - `tidetable query`: the items of one partition, by sort key.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local item_argument = require "tidetable.cli.item_argument"
local item_listing = require "tidetable.cli.item_listing"
local item_writer = require "tidetable.cli.item_writer"
local open = require "tidetable.cli.open_database"

local query = {
  name = "query",
  summary = "Show the items of one partition, in the order of the sort key.",
  description = [[
The partition key is written NAME=VALUE; with the sort key's attribute beside it, that one
item is shown. --ge and --le together are a range, both ends in it. A value that begins with
a minus is given with '=': --ge=-5.]],
  examples = {
    { "tidetable query shop.tide orders customer=ann", "all of ann's orders" },
    { "tidetable query shop.tide orders customer=ann --ge 10 --le 20",
      "whose sort keys are from 10 to 20" },
    { "tidetable query shop.tide orders customer=ann --reverse --limit 1", "the last one" },
  },
}

local comparisons = {
  { "lt", "<", "Sort key below VALUE." },
  { "le", "<=", "Sort key up to VALUE." },
  { "gt", ">", "Sort key above VALUE." },
  { "ge", ">=", "Sort key from VALUE on." },
  { "begins_with", "begins_with", "Sort key that begins with VALUE (text and binaries)." },
}

function query.setup(command)
  arguments.database(command)
  command:argument("table", "The table's name.")
  command:argument("key", "NAME=VALUE of the partition key, or JSON."):args "1-2"
  for _, comparison in ipairs(comparisons) do
    command:option("--" .. comparison[1]:gsub("_", "-"), comparison[3]):argname "VALUE"
  end
  item_listing.options(command)
end

--- The comparisons that are given: by name the value, and how many they are.
local function given_comparisons(args, description)
  local values, count, last = {}, 0, nil
  for _, comparison in ipairs(comparisons) do
    local name = comparison[1]
    if args[name] then
      local sort = description.sort_key or
        console.misused(("%s has no sort key to compare"):format(args.table))
      values[name] = item_argument.key_value(sort[1], sort[2], args[name])
      count, last = count + 1, comparison
    end
  end
  return values, count, last
end

--- The sort key's condition, as table:query takes it.
local function condition(args, description, equal)
  local values, count, last = given_comparisons(args, description)
  if equal ~= nil then
    return count == 0 and { "=", equal } or
      console.misused "a sort key is given, or compared: not both"
  elseif count == 0 then
    return nil
  elseif count == 1 then
    return { last[2], values[last[1]] }
  elseif count == 2 and values.ge ~= nil and values.le ~= nil then
    return { "between", values.ge, values.le }
  end
  console.misused("these comparisons don't go together",
    "one comparison of the sort key, or --ge with --le")
end

function query.run(args, out)
  local db <close> = open.database(args)
  local table, description = open.described(db, args.table)
  local partition, equal = item_argument.partition(args.key, description,
    item_writer.form(args.format))
  local given = item_listing.given(args, description)
  given.sort = condition(args, description, equal)
  item_listing.show(args, out, description, table:query(partition, given))
end

return query
