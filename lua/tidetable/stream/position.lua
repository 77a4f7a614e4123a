-- position.lua - where a reader of a stream begins.

local options = require "tidetable.options"

local misuse = options.misuse

local positions = {}

--- Where to begin: one of from, at, after and time.
---@class tidetable.PositionOptions
---@field from "TRIM_HORIZON"|"LATEST"|nil  default "TRIM_HORIZON"
---@field at integer|nil        the record with this sequence number, or the next
---@field after integer|nil     the first with a greater one
---@field time number|nil       the first created at or after this time, seconds since 1970
---@field wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil

local FROM = { TRIM_HORIZON = 0, LATEST = 1 }
local AT, AFTER, TIME = 2, 3, 4

local position_options = {
  from = options.one_of { "TRIM_HORIZON", "LATEST" },
  at = options.integer_from(0),
  after = options.integer_from(0),
  time = options.time,
}

function positions.with_options(known)
  for name, check in pairs(position_options) do
    known[name] = check
  end
  return known
end

function positions.is_in(given)
  for name in pairs(position_options) do
    if given[name] ~= nil then
      return true
    end
  end
  return false
end

--- A position in the core's terms. Raises when there are two.
function positions.of(given, what)
  local said
  for name in pairs(position_options) do
    if given[name] ~= nil then
      if said then
        misuse(("%s: give one of from, at, after, time"):format(what))
      end
      said = name
    end
  end
  if given.at then
    return AT, given.at
  elseif given.after then
    return AFTER, given.after
  elseif given.time then
    return TIME, math.floor(given.time * 1000 + 0.5)
  end
  return FROM[given.from or "TRIM_HORIZON"], 0
end

return positions
