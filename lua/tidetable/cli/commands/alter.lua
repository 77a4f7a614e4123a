-- alter.lua - `tidetable alter`: changes the stream and the time to live of a table.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local stream_options = require "tidetable.cli.stream_options"

local alter = {
  name = "alter",
  summary = "Change the stream or the time to live of a table.",
  description = [[
Settings that are not given stay as they are. To change the view type, the stream is disabled and
a new one enabled. The records of a disabled stream can be read until they expire.]],
  examples = {
    { "tidetable alter shop.tide orders --retention 7d", "keep the records for a week" },
    { "tidetable alter shop.tide orders --stream NEW_AND_OLD_IMAGES",
      "record the items before and after each change" },
    { "tidetable alter shop.tide orders --ttl expires_at", "let items expire" },
  },
  arguments = { arguments.DATABASE, arguments.TABLE },
  options = {
    stream_options.view("Enable a stream, or change the view type.", "stream"),
    { "--no-stream", "Disable the stream.", exclusive = "stream" },
    stream_options.RETENTION,
    stream_options.RETENTION_SIZE,
    stream_options.RETENTION_COUNT,
    stream_options.HOLD,
    stream_options.HOLD_SIZE,
    { "--ttl", "Attribute that gives the time at which an item expires, in seconds since 1970.",
      value = "ATTRIBUTE", exclusive = "ttl" },
    { "--no-ttl", "Let no item expire.", exclusive = "ttl" },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

--- Returns the stream for table:alter; false: none, nil: unchanged.
local function stream_of(args, table)
  if not stream_options.is_given(args) then
    return nil
  elseif args.no_stream then
    return false
  end
  local definition = library_error.check(args.database, table:definition())
  if not definition.stream and not args.stream then
    console.fail(args.table .. ": the table has no stream", "--stream enables one")
  end
  return stream_options.settings(args, definition.stream)
end

function alter.run(args)
  if not (stream_options.is_given(args) or args.ttl or args.no_ttl) then
    console.misused "nothing to change: no option given"
  elseif args.no_stream then
    stream_options.refuse_retention(args, "--no-stream disables it")
  end
  stream_options.check_ttl(args)
  local db <close> = open.database(args, { busy_timeout = args.busy_timeout })
  local table = open.table(db, args.table)
  local ttl = args.ttl
  if args.no_ttl then
    ttl = false
  end
  library_error.check(args.database, table:alter { stream = stream_of(args, table), ttl = ttl })
end

return alter
