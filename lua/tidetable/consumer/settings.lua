-- settings.lua - checks, stores and compares the options of a consumer.
--
-- The settings are stored with the consumer as a map, so that they apply in every program that
-- opens it. A setting that has its default value is not stored.

local annotations = require "tidetable.annotation"
local core = require "tidetable.core"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"
local selections = require "tidetable.consumer.selection"
local sources = require "tidetable.consumer.source"

local misuse = options.misuse

local settings = {}

--- What a consumer does with its records.
---@class tidetable.ConsumerSettings : tidetable.Parameters
---@field filter string|nil       only records that satisfy this condition on their fields
---@field projection string|nil   projection expression, the attributes of images; nil: all
---@field by "key"|"transaction"|nil  "transaction": batches consist of whole transactions, and one
---                                worker handles all records; default "key". A transaction then
---                                fails, is parked and is replayed as one unit
---@field batch_size integer|nil   maximum number of records of a batch, or of transactions; default
---                                100
---@field batch_bytes integer|nil  maximum size of a batch, in bytes; default 6 MiB. A batch has at
---                                least one record
---@field window number|nil        seconds after the creation of the first record for which a batch
---                                that is not full is held back; default 0
---@field on_trimmed "error"|"skip"|"snapshot"|nil  action after records have expired before they
---                                were handled; default "error"
---@field mode "optimistic"|"locked"|nil  how the handler's transaction runs; default "optimistic"
---@field handler_limit number|nil  seconds that a handler may take; default 60
---@field max_attempts integer|nil  maximum number of attempts of a batch; nil: no limit, or 10 if
---                                on_failure is not "stop" and max_age is nil
---@field on_failure "stop"|"park"|"dead_letter"|nil  action after the last attempt of a record:
---                                stop the consumer; park the record and the later ones of its key;
---                                or put it into the dead letter table; default "stop"
---@field dead_letter string|nil   name of the dead letter table; with on_failure "park" for records
---                                that exceed max_parked or max_parked_bytes
---@field max_age number|nil       maximum age in seconds of a record that is attempted again
---@field max_parked integer|nil   maximum number of parked records; default 10,000
---@field max_parked_bytes integer|nil  size of the parked records at which parking stops; default
---                                256 MiB
---@field bisect boolean|nil      true: a failed batch is retried in halves, down to the record that
---                                fails; only an attempt with one record counts; default false if
---                                on_failure is "stop", otherwise true
---@field lease number|nil         seconds without a heartbeat after which another worker may take
---                                over a worker's shards; default 10
---@field on_gap "stop"|"continue"|"snapshot"|nil  action after the stream of a table was disabled
---                                and its records were handled: stop with STREAM_GAP, continue with
---                                the table's next stream, or with a snapshot; default "stop"
---@field origin string|nil        origin of the handler's writes; default: the first 64 characters
---                                of the consumer's name
---@field ignore_origin boolean|string|string[]|nil  origins whose records are ignored; true: the
---                                consumer's origin; default false
---@field backoff number|nil       seconds before the second attempt; doubled for each further one,
---                                at most 60 s; default 0.1
---@field hold boolean|nil         true: unprocessed records are retained longer than the retention
---                                of their stream, up to the stream's caps of holds; default false
---@field hold_limit number|nil    seconds without progress, while there are unprocessed records,
---                                after which the hold is released; default 86400

local MIB = 1024 * 1024

local defaults = {
  batch_size = 100, batch_bytes = 6 * MIB, window = 0, mode = "optimistic", handler_limit = 60,
  lease = 10, on_gap = "stop", backoff = 0.1, ignore_origin = false, on_failure = "stop",
  max_parked = 10000, max_parked_bytes = 256 * MIB, on_trimmed = "error", hold = false,
  hold_limit = 86400, by = "key",
}

--- Default of max_attempts if on_failure is not "stop".
local MAX_ATTEMPTS = 10

--- Returns the default of a setting, which can depend on other settings.
local function default(opts, name)
  local gives_up = (opts.on_failure or "stop") ~= "stop"
  if name == "bisect" then
    return gives_up
  elseif name == "max_attempts" then
    return gives_up and not opts.max_age and MAX_ATTEMPTS or nil
  end
  return defaults[name]
end

--- Returns a check of an option: a finite number of seconds of at least `least`.
local function finite_seconds(least)
  return function(value)
    local wrong = options.seconds(value)
    if wrong or value < least or value == math.huge then
      return wrong or ("a finite number of seconds from %g"):format(least)
    end
  end
end

--- Checks the option ignore_origin.
local function check_ignored(value)
  if type(value) == "boolean" or not annotations.origin(value) then
    return nil
  end
  local is_list = type(value) == "table" and #value > 0 and options.is_tuple(value, #value)
  for i = 1, is_list and #value or 0 do
    is_list = is_list and not annotations.origin(value[i])
  end
  return not is_list and "true, an origin, or a list of origins" or nil
end

local known = {
  batch_size = options.integer_from(1),
  batch_bytes = options.integer_from(1),
  window = finite_seconds(0),
  mode = options.one_of { "optimistic", "locked" },
  by = options.one_of { "key", "transaction" },
  on_trimmed = options.one_of { "error", "skip", "snapshot" },
  handler_limit = finite_seconds(1),
  max_attempts = options.integer_from(1),
  on_gap = options.one_of { "stop", "continue", "snapshot" },
  on_failure = options.one_of { "stop", "park", "dead_letter" }, dead_letter = "string",
  max_age = finite_seconds(0), max_parked = options.integer_from(1),
  max_parked_bytes = options.integer_from(1),
  bisect = "boolean", lease = finite_seconds(0.1), backoff = finite_seconds(0),
  origin = annotations.origin, ignore_origin = check_ignored,
  hold = "boolean", hold_limit = finite_seconds(1),
}

--- Names of the settings in alphabetical order.
local names = {}
for name in pairs(known) do
  names[#names + 1] = name
end
table.sort(names)

--- The options of db:consumer.
settings.options = positions.with_consumer_options {
  source = { "string", "table" }, shards = options.integer_from(1), update = "boolean",
  wait = "function", on_snapshot = "function",
}
for _, more in ipairs { known, selections.options } do
  for name, check in pairs(more) do
    settings.options[name] = check
  end
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
  return selections.are_given(opts)
end

--- Returns a list of origins sorted and without duplicates; other values unchanged.
local function normalized(value)
  if type(value) ~= "table" then
    return value
  end
  local seen, list = {}, {}
  for _, origin in ipairs(value) do
    if not seen[origin] then
      seen[origin], list[#list + 1] = true, origin
    end
  end
  table.sort(list)
  return #list == 1 and list[1] or list
end

--- Returns true if two stored settings are equal.
local function are_equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  return table.concat(a, "\n") == table.concat(b, "\n")
end

--- Returns the origin of the handler's writes.
---@param complete tidetable.ConsumerSettings
---@param name string  of the consumer
---@return string
function settings.origin(complete, name)
  return complete.origin or name:sub(1, annotations.ORIGIN_MAX)
end

--- Returns the set of the origins whose records are ignored; nil if there are none.
---@param complete tidetable.ConsumerSettings
---@param name string  of the consumer
---@return table<string, true>|nil
function settings.ignored_origins(complete, name)
  local ignored = complete.ignore_origin
  if not ignored then
    return nil
  elseif ignored == true then
    ignored = settings.origin(complete, name)
  end
  local set = {}
  for _, origin in ipairs(type(ignored) == "table" and ignored or { ignored }) do
    set[origin] = true
  end
  return set
end

--- Raises an error for settings that contradict each other.
---@param opts tidetable.ConsumerSettings
function settings.check(opts)
  if opts.on_failure == "dead_letter" and not opts.dead_letter then
    misuse 'consumer: on_failure = "dead_letter" requires the option "dead_letter"'
  elseif opts.dead_letter and (opts.on_failure or "stop") == "stop" then
    misuse 'consumer: the option "dead_letter" requires on_failure = "dead_letter" or "park"'
  elseif opts.by == "transaction" and (opts.shards or 1) ~= 1 then
    misuse 'consumer: by = "transaction" does not allow more than one shard'
  end
end

--- Returns the map that is stored for these options and this source. The selection was verified
--- (selections.check).
---@param opts tidetable.ConsumerSettings
---@param source string|string[]  as sources.stored returns it
---@return table
function settings.stored(opts, source)
  local stored = selections.stored(opts)
  stored.source = source
  for _, name in ipairs(names) do
    if opts[name] ~= nil and opts[name] ~= default(opts, name) then
      stored[name] = normalized(opts[name])
    end
  end
  return stored
end

--- Returns the settings with their defaults.
---@param stored table
---@return tidetable.ConsumerSettings
function settings.complete(stored)
  local complete = selections.given(stored)
  for _, name in ipairs(names) do
    complete[name] = stored[name]
    if complete[name] == nil then
      complete[name] = default(stored, name)
    end
  end
  return complete
end

--- Maximum of hold_limit in seconds. A greater value has the same effect.
local HOLD_LIMIT_MAX = 1e12

--- Returns hold_limit in ms; 0: no hold.
---@param stored table
---@return integer ms
function settings.hold_ms(stored)
  local seconds = math.min(stored.hold_limit or defaults.hold_limit, HOLD_LIMIT_MAX)
  return stored.hold and math.ceil(seconds * 1000) or 0
end

--- Compares the stored settings with those of a program. Returns CONSUMER_DIFFERS if some differ;
--- the message names them.
---@param name string  of the consumer
---@param stored table
---@param wanted table
---@param has_shards boolean|nil  false: the number of shards also differs
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function settings.compare(name, stored, wanted, has_shards)
  local differing = {}
  if not sources.are_equal(stored.source, wanted.source) then
    differing[1] = "source"
  end
  if has_shards == false then
    differing[#differing + 1] = "shards"
  end
  for _, setting in ipairs(names) do
    if not are_equal(stored[setting], wanted[setting]) then
      differing[#differing + 1] = setting
    end
  end
  for _, setting in ipairs(selections.settings) do
    if not selections.are_equal(stored[setting], wanted[setting]) then
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
