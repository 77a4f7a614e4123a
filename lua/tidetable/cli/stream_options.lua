-- stream_options.lua - options of `create` and `alter` for the stream and the expiry of a table.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"

local stream_options = {}

---@type tidetable.cli.Option
stream_options.RETENTION = {
  "--retention", "How long records are kept: seconds, or a number with ms, s, m, h or d. "
    .. "Default of a new stream: 1d.",
  value = "AGE", convert = arguments.duration,
}

---@type tidetable.cli.Option
stream_options.RETENTION_SIZE = {
  "--retention-size", "Maximum size of the records: bytes, or a number with KiB, MiB or GiB.",
  value = "SIZE", convert = arguments.size,
}

---@type tidetable.cli.Option
stream_options.RETENTION_COUNT = {
  "--retention-count", "Maximum number of records.",
  value = "N", convert = arguments.integer_from(1),
}

---@type tidetable.cli.Option
stream_options.HOLD = {
  "--hold", "Maximum age of records that are held for consumers, as for --retention. Default of a "
    .. "new stream: 7d.",
  value = "AGE", convert = arguments.duration,
}

---@type tidetable.cli.Option
stream_options.HOLD_SIZE = {
  "--hold-size",
  "Maximum size of records that are held for consumers. Default of a new stream: 1 GiB.",
  value = "SIZE", convert = arguments.size,
}

--- Ends the command if --ttl cannot be the name of an attribute.
---@param args table
function stream_options.check_ttl(args)
  if args.ttl and (args.ttl == "" or #args.ttl > 255) then
    console.misused("--ttl: expected the name of an attribute, of 1 to 255 bytes")
  end
end

--- Returns the option --stream.
---@param description string
---@param exclusive string|nil
---@return tidetable.cli.Option
function stream_options.view(description, exclusive)
  return {
    "--stream", description .. " VIEW is 'KEYS_ONLY', 'NEW_IMAGE', 'OLD_IMAGE' or "
      .. "'NEW_AND_OLD_IMAGES'.",
    value = "VIEW", choices = { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES" },
    exclusive = exclusive,
  }
end

--- Returns the first option of the retention that is given; nil if none is.
local function given_retention(args)
  return args.retention and "--retention" or args.retention_size and "--retention-size"
    or args.retention_count and "--retention-count" or args.hold and "--hold"
    or args.hold_size and "--hold-size" or nil
end

--- Returns true if one of the options is given.
---@param args table
---@return boolean
function stream_options.is_given(args)
  return (args.stream or args.no_stream or given_retention(args)) and true or false
end

--- Ends the command if a retention is given for a table that will have no stream.
---@param args table
---@param needed string  hint
function stream_options.refuse_retention(args, needed)
  local option = given_retention(args)
  if option then
    console.misused(option .. ": the table would have no stream", needed)
  end
end

--- Returns the settings of a stream: those that are given, or else those that it has.
---@param args table
---@param has tidetable.StreamSettings|nil
---@return tidetable.StreamSettings
function stream_options.settings(args, has)
  local limits, caps = has and has.retention or {}, has and has.hold or {}
  return {
    view_type = args.stream or has and has.view_type,
    retention = {
      age = args.retention or limits.age,
      bytes = args.retention_size or limits.bytes,
      count = args.retention_count or limits.count,
    },
    hold = { age = args.hold or caps.age, bytes = args.hold_size or caps.bytes },
  }
end

return stream_options
