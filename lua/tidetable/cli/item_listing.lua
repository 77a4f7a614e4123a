-- item_listing.lua - options of `query` and `scan`, and the loop that shows their items.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local expression_options = require "tidetable.cli.expression_options"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"

local item_listing = {}

---@type tidetable.cli.Option[]
item_listing.options = {
  {
    "--limit", "Show at most N items. If there are more, a note on standard error contains the "
      .. "'--start' option for the next ones.",
    value = "N", convert = arguments.integer_from(1),
  },
  { "--reverse", "Show the items in descending key order." },
  {
    "--start", "Start after this key, given as one JSON argument.",
    value = "KEY",
  },
  arguments.FILTER,
  arguments.PROJECTION,
  arguments.NAMES,
  arguments.VALUES,
  arguments.FORMAT,
  arguments.MAX_SIZE,
}

--- Returns the options of table:query and table:scan. The limit is one more than --limit: the
--- extra item shows that more exist.
---@param args table
---@param description tidetable.TableDescription
---@return tidetable.QueryOptions
function item_listing.given(args, description)
  local form = item_writer.form(args.format)
  local start = args.start and item_argument.key({ args.start }, description, form)
  return expression_options.read(args, form, {
    descending = args.reverse, start_key = start,
    limit = args.limit and args.limit < math.maxinteger and args.limit + 1 or nil,
  })
end

--- Returns the segment and the number of segments of a command line; nil if it has none.
---@param args table
---@return integer|nil segment, integer|nil total_segments
function item_listing.segment(args)
  local segment, total = args.segment, args.total_segments
  if (segment == nil) ~= (total == nil) then
    console.misused "--segment and --total-segments: each requires the other"
  elseif segment and segment >= total then
    console.misused(("--segment: %d is not less than --total-segments %d"):format(segment, total),
      "segments are numbered from 0")
  end
  return segment, total
end

--- Returns the key attributes of an item; nil if a projection left one out.
local function key_of(item, description)
  local key = {}
  for _, name in ipairs(item_writer.key_names(description)) do
    if item[name] == nil then
      return nil
    end
    key[name] = item[name]
  end
  return key
end

--- Returns the note that there are more items than --limit.
local function more_items(last, description, form)
  local key = key_of(last, description)
  return "more items: " .. (key and "continue with --start " .. item_argument.quoted(key, form)
    or "for the --start option, add the key attributes to --projection")
end

--- Shows the items of an iterator, at most --limit.
---@param args table
---@param out tidetable.cli.Console
---@param description tidetable.TableDescription
---@param ... any  iterator of table:query or scan, as for a generic `for`; the last is the query
function item_listing.show(args, out, description, ...)
  local writer = item_writer.new(out, args.format, description)
  local count, last = 0, nil
  local query <close> = select(4, ...) -- nil in a test
  if query and not writer.in_columns and not args.limit then
    return writer:all(query)
  end
  for item in ... do
    if count == args.limit then
      writer:flush()
      out.note(more_items(last, description, item_writer.form(args.format)))
      return
    end
    count, last = count + 1, item
    writer:add(item)
  end
  writer:flush()
end

return item_listing
