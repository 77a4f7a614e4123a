-- item_listing.lua - what `query` and `scan` share: their options, and the items one by one.

local arguments = require "tidetable.cli.arguments"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"

local item_listing = {}

--- The options --limit, --reverse, --start and --format.
---@param command table  argparse's
function item_listing.options(command)
  command:option("--limit", "Show so many items, and how to go on."):argname "N"
    :convert(arguments.integer_from(1))
  command:flag("--reverse", "From the last to the first.")
  command:option("--start", "Go on behind this key: one word of JSON, as --limit shows it.")
    :argname "KEY"
  arguments.format(command)
end

--- What `query` and `scan` of a table take.
---@param args table
---@param description tidetable.TableDescription
---@return tidetable.QueryOptions
function item_listing.given(args, description)
  local start = args.start and item_argument.key({ args.start }, description,
    item_writer.form(args.format))
  return {
    descending = args.reverse, start_key = start,
    limit = args.limit and args.limit < math.maxinteger and args.limit + 1 or nil,
  }
end

--- The key attributes of an item.
local function key_of(item, description)
  local key = {}
  for _, name in ipairs(item_writer.key_names(description)) do
    key[name] = item[name]
  end
  return key
end

--- Shows what the iterator gives: --limit items, and how to go on if that is
--- not all.
---@param args table
---@param out tidetable.cli.Console
---@param description tidetable.TableDescription
---@param ... any  what a generic `for` takes
function item_listing.show(args, out, description, ...)
  local writer = item_writer.new(out, args.format, description)
  local count, last = 0, nil
  for item in ... do
    if count == args.limit then
      writer:flush()
      out.note("there is more: --start "
        .. item_argument.quoted(key_of(last, description), item_writer.form(args.format)))
      return
    end
    count, last = count + 1, item
    writer:add(item)
  end
  writer:flush()
end

return item_listing
