-- settings.lua - the options of a consumer: how they are checked, stored and compared.
--
-- The settings are stored with the consumer as a map, so that every program that opens it handles
-- its records in the same way. A setting that has its default is not stored.

local core = require "tidetable.core"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"

local settings = {}

--- What a consumer does with its records.
---@class tidetable.ConsumerSettings
---@field batch_size integer|nil   maximum number of records of a batch; default 100
---@field batch_bytes integer|nil  maximum size of a batch, in bytes; default 6 MiB. A batch has at
---                                least one record
---@field window number|nil        seconds after the creation of the first record for which a batch
---                                that is not full is held back; default 0
---@field mode "optimistic"|"locked"|nil  how the handler's transaction runs; default "optimistic"
---@field handler_limit number|nil  seconds that a handler may take; default 60
---@field max_attempts integer|nil  failed attempts of a batch after which the consumer stops; nil:
---                                no limit
---@field bisect boolean|nil      true: a failed batch runs again in halves, down to the record that
---                                fails; only an attempt with one record counts; default false
---@field lease number|nil         seconds after which a worker that is stopped, and not in a
---                                handler, loses the consumer; default 10
---@field backoff number|nil       seconds before the second attempt; doubled for each further one,
---                                at most 60 s; default 0.1
---@field hold boolean|nil         true: keeps the records after its position longer than the
---                                retention of their streams, up to the caps of these; default
---                                false
---@field hold_limit number|nil    seconds without progress, while records wait, after which the
---                                hold is released; default 86400

local MIB = 1024 * 1024

local defaults = {
  batch_size = 100, batch_bytes = 6 * MIB, window = 0, mode = "optimistic", handler_limit = 60,
  bisect = false, lease = 10, backoff = 0.1, hold = false, hold_limit = 86400,
}

--- Returns the check of a number of seconds from `least` on, which can be stored.
local function finite_seconds(least)
  return function(value)
    local wrong = options.seconds(value)
    if wrong or value < least or value == math.huge then
      return wrong or ("a finite number of seconds from %g"):format(least)
    end
  end
end

local known = {
  batch_size = options.integer_from(1),
  batch_bytes = options.integer_from(1),
  window = finite_seconds(0),
  mode = options.one_of { "optimistic", "locked" },
  handler_limit = finite_seconds(1),
  max_attempts = options.integer_from(1),
  bisect = "boolean", lease = finite_seconds(1), backoff = finite_seconds(0),
  hold = "boolean", hold_limit = finite_seconds(1),
}

--- Names of the settings, in the order in which messages list them.
local names = {}
for name in pairs(known) do
  names[#names + 1] = name
end
table.sort(names)

--- The options of db:consumer.
settings.options = positions.with_options {
  source = { "string", "table" }, shards = options.integer_from(1), update = "boolean",
  wait = "function",
}
for name, check in pairs(known) do
  settings.options[name] = check
end

--- Returns true if the options contain a setting.
---@param opts table
---@return boolean
function settings.are_given(opts)
  for _, name in ipairs(names) do
    if opts[name] ~= nil then
      return true
    end
  end
  return false
end

--- Returns the map that is stored for these options and this source.
---@param opts tidetable.ConsumerSettings
---@param source string  name of the table; "": all tables
---@return table
function settings.stored(opts, source)
  local stored = { source = source }
  for _, name in ipairs(names) do
    if opts[name] ~= nil and opts[name] ~= defaults[name] then
      stored[name] = opts[name]
    end
  end
  return stored
end

--- Returns the settings with their defaults.
---@param stored table
---@return tidetable.ConsumerSettings
function settings.complete(stored)
  local complete = {}
  for _, name in ipairs(names) do
    complete[name] = stored[name]
    if complete[name] == nil then
      complete[name] = defaults[name]
    end
  end
  return complete
end

--- Maximum limit of a hold, in seconds; a longer one has the same effect.
local HOLD_LIMIT_MAX = 1e12

--- Returns the limit of the hold, in ms; 0: the consumer holds nothing.
---@param stored table
---@return integer ms
function settings.hold_ms(stored)
  local seconds = math.min(stored.hold_limit or defaults.hold_limit, HOLD_LIMIT_MAX)
  return stored.hold and math.ceil(seconds * 1000) or 0
end

--- Compares the stored settings with those of a program. Returns true; or nil, err,
--- "CONSUMER_DIFFERS", and the message names the settings that differ.
---@param name string  of the consumer
---@param stored table
---@param wanted table
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function settings.compare(name, stored, wanted)
  local differing = {}
  for _, setting in ipairs { "source", table.unpack(names) } do
    if stored[setting] ~= wanted[setting] then
      differing[#differing + 1] = setting
    end
  end
  if #differing == 0 then
    return true
  end
  return core.consumer_failure("CONSUMER_DIFFERS", ("consumer %s exists with another %s"):format(
    name, table.concat(differing, ", ")))
end

return settings
