-- create.lua - `tidetable create`: creates a table.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local stream_options = require "tidetable.cli.stream_options"

local create = {
  name = "create",
  summary = "Create a table, and the database if it does not exist.",
  description = [[
A key attribute is NAME, for a text, or NAME:TYPE, where TYPE is S (text), N (number) or B
(binary). Without --stream the table has no stream.]],
  examples = {
    { "tidetable create shop.tide customers id", "create a table with a partition key" },
    { "tidetable create shop.tide visits page at:N --stream NEW_IMAGE --retention 7d",
      "create a table with a sort key and a stream" },
    { "tidetable create shop.tide sessions id --ttl expires_at",
      "create a table whose items expire" },
    { "tidetable create shop.tide customers id --if-not-exists",
      "succeed also if there is such a table" },
  },
  arguments = {
    arguments.DATABASE,
    arguments.TABLE,
    { "partition_key", "NAME or NAME:TYPE of the partition key." },
    { "sort_key", "NAME or NAME:TYPE of the sort key.", args = "?" },
  },
  options = {
    stream_options.view "Enable a stream.",
    stream_options.RETENTION,
    stream_options.RETENTION_SIZE,
    stream_options.RETENTION_COUNT,
    stream_options.HOLD,
    stream_options.HOLD_SIZE,
    { "--ttl", "Attribute that gives the time at which an item expires, in seconds since 1970.",
      value = "ATTRIBUTE" },
    { "--if-not-exists", "Succeed if there is a table with the same definition." },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

--- Parses NAME or NAME:TYPE.
local function key_of(text)
  local key, problem = arguments.key_attribute(text)
  return key or console.misused(problem)
end

--- Ends the command with an error of create_table or ensure_table. The option of ensure_table that
--- its message names is another command here.
local function fail(path, err)
  local message, count = err.message:gsub("; alter = true changes it$", "")
  local hint = count > 0 and "'tidetable alter' changes it"
    or err.code == "IN_USE" and "--if-not-exists accepts a table with the same definition" or nil
  err.message = message
  library_error.fail(path, err, hint)
end

function create.run(args)
  if not args.stream then
    stream_options.refuse_retention(args, "--stream enables one")
  end
  stream_options.check_ttl(args)
  local definition = {
    name = args.table, partition_key = key_of(args.partition_key),
    sort_key = args.sort_key and key_of(args.sort_key),
    stream = args.stream and stream_options.settings(args), ttl = args.ttl,
  }
  local db <close> = open.database(args, { create = true, busy_timeout = args.busy_timeout })
  local method = args.if_not_exists and db.ensure_table or db.create_table
  local table, err = method(db, definition)
  if not table then
    fail(args.database, err)
  end
end

return create
