-- position.lua - the options that say where a reader of a stream starts.

local options = require "tidetable.options"

local misuse = options.misuse

local positions = {}

--- Where to start. At most one of from, at, after and time can be given.
---@class tidetable.PositionOptions
---@field from "TRIM_HORIZON"|"LATEST"|"SNAPSHOT"|nil  oldest record; after the last change; only
---                              for consumers: all items, then their changes
---@field at integer|nil        first record with this or a greater sequence number
---@field after integer|nil     first record with a greater sequence number
---@field time number|nil       first record created at or after this time; seconds since 1970
---@field wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil  how to wait, see wait.lua

-- The kinds of positions of core.feed.
local FROM = { TRIM_HORIZON = 0, LATEST = 1, SNAPSHOT = 5 }
local AT, AFTER, TIME, NEWEST = 2, 3, 4, 6

local position_options = {
  from = options.one_of { "TRIM_HORIZON", "LATEST" },
  at = options.integer_from(0),
  after = options.integer_from(0),
  time = options.time,
}

--- Adds the options of a position to a table of known options (options.check), and returns it.
---@param known table<string, string|string[]|fun(value: any): string|nil>
---@return table<string, string|string[]|fun(value: any): string|nil>
function positions.with_options(known)
  for name, check in pairs(position_options) do
    known[name] = check
  end
  return known
end

local check_consumer_from = options.one_of { "TRIM_HORIZON", "LATEST", "SNAPSHOT" }

--- Adds the options of a consumer's position, which can also be "SNAPSHOT".
---@param known table<string, string|string[]|fun(value: any): string|nil>
---@return table<string, string|string[]|fun(value: any): string|nil>
function positions.with_consumer_options(known)
  positions.with_options(known).from = check_consumer_from
  return known
end

--- Returns true if the options contain a position.
---@param opts table
---@return boolean
function positions.is_given(opts)
  for name in pairs(position_options) do
    if opts[name] ~= nil then
      return true
    end
  end
  return false
end

--- Returns a position as arguments of core.feed; without a position, the trim horizon. Raises an
--- error if more than one is given. With `descending` (history.lua), the newest record.
---@param opts tidetable.PositionOptions|{ descending: boolean|nil }
---@param subject string  name of the called function, for the message
---@return integer kind, integer value  value: sequence number, or ms since 1970
function positions.of(opts, subject)
  local found
  for name in pairs(position_options) do
    if opts[name] ~= nil then
      if found then
        misuse(subject .. ": only one of the options from, at, after and time can be given")
      end
      found = name
    end
  end
  if opts.descending then
    return NEWEST, 0
  elseif opts.at then
    return AT, opts.at
  elseif opts.after then
    return AFTER, opts.after
  elseif opts.time then
    return TIME, math.floor(opts.time * 1000 + 0.5)
  end
  return FROM[opts.from or "TRIM_HORIZON"], 0
end

return positions
