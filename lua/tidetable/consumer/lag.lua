-- lag.lua - the lag of consumers, and warnings before records are lost.

local core = require "tidetable.core"

local lags = {}

--- Used fraction of a limit at which a consumer gets a warning.
local WARN_FROM = 0.8

---@class tidetable.ConsumerLag
---@field records integer        number of unprocessed records of the source, including those that
---                              the consumer will ignore
---@field bytes integer          size of the unprocessed records, as retention counts it
---@field seconds number         age of the oldest unprocessed record; 0 if there is none
---@field held_bytes integer     size of records that are retained only because of the hold
---@field hold "none"|"holds"|"released"
---@field hold_used number       used fraction of the nearest limit of the hold, 0 to 1

---@class tidetable.NamedLag : tidetable.ConsumerLag
---@field name string

local remedies = {
  age = "raise the age of `hold` with set_retention",
  bytes = "raise the bytes of `hold` with set_retention",
  hold_limit = "open it with a longer hold_limit and update = true",
}

local function stream_name(database, id)
  local description = core.describe_stream(database.core, id)
  return description and ("%s/%s"):format(description.table_name, description.label)
    or ("%d"):format(id)
end

--- Returns a warning if the hold of a consumer is released or close to a limit; nil otherwise.
local function warning(database, name, lag)
  if lag.hold_used < WARN_FROM then
    return nil
  end
  local stream, limit = stream_name(database, lag.limited_stream), lag.limit
  if lag.hold == "released" then
    return ("consumer %s: records have waited for more than hold_limit, so the hold on stream %s is"
      .. " released until its position moves: run it, %s, or delete it"):format(name, stream,
      remedies[limit])
  end
  return ("consumer %s: %d %% of the %s of its hold on stream %s is used; then records are lost:"
    .. " run it, %s, or delete it"):format(name, math.floor(lag.hold_used * 100), limit, stream,
    remedies[limit])
end

--- Removes the fields that only the warning needs.
local function public(lag)
  lag.limit, lag.limited_stream = nil, nil
  return lag
end

--- Returns the lag of a consumer and a warning; nil if there is none.
---@param database tidetable.Database
---@param name string
---@return tidetable.ConsumerLag|nil lag, tidetable.error|string|nil err_or_warning
---@return tidetable.code|nil code
function lags.of(database, name)
  local lag, err, code = core.consumer_lag(database.core, name)
  if not lag then
    return nil, err, code
  end
  local text = warning(database, name, lag)
  return public(lag), text
end

--- Returns the lags of all consumers, read in one snapshot, in byte order of their names.
---@param database tidetable.Database
---@return tidetable.NamedLag[]|nil, tidetable.error|nil err, tidetable.code|nil code
function lags.all(database)
  local all, err, code = core.consumer_lags(database.core)
  for _, lag in ipairs(all or {}) do
    public(lag)
  end
  return all, err, code
end

return lags
