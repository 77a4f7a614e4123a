-- comparing.lua - compares a replica with its source while the source changes.
--
-- The replica is read at its position, and its source at the same one or a little later. In the
-- second case the records of the source between the two show the items as they were at the
-- position.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local comparing = {}

--- Number of attempts to read both databases at one position, and seconds between them.
local ATTEMPTS, PAUSE = 20, 0.01

--- Maximum number of records between the two positions.
local RECORDS_MAX = 100000

local encode = core.values.encode

--- Returns the replica in `target` that follows `source`; nil if there is none. Its state is that
--- of the last commit.
---@param source tidetable.Database
---@param target tidetable.Database
---@return tidetable.ReplicaDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function comparing.replica_of(source, target)
  local info, err, code = source:info()
  local all
  if info then
    all, err, code = target:replicas()
  end
  if not all then
    return nil, err, code
  end
  for _, each in ipairs(all) do
    if each.source and each.source.database == info.database_id and each.state ~= "PROMOTED" then
      return each
    end
  end
end

--- What the source has changed after the position of its replica.
---@class tidetable.replica.Later
---@field items table<string, table<string, table>>  by table and encoded key: old, the item before
---                                                   the first change, nil: none
local Later = {}
Later.__index = Later

--- Returns the item that a source had at the position of the replica.
---@param name string  of the table
---@param key table    its key attributes
---@param item table|nil  the item that it has now
---@return table|nil
function Later:at_position(name, key, item)
  local changed = self.items[name] and self.items[name][encode(key)]
  if changed then
    return changed.old
  end
  return item
end

local function too_late(text)
  return core.consumer_failure("BUSY", "the replica is not comparable: " .. text)
end

--- Reads the changes of the source from the position of its replica to another one. Returns nil if
--- the items at the position can't be determined: a table was changed, or old images are missing.
local function read_later(source, replica, last)
  local followed, items, count = {}, {}, 0
  for _, each in ipairs(replica.tables) do
    followed[each.name] = each.state == "FOLLOWING"
  end
  local stream, err, code = source:stream()
  if not stream then
    return nil, err, code
  end
  for record in stream:records { after = replica.position, tables = true } do
    if record.sequence_number > last then
      break
    end
    count = count + 1
    if count > RECORDS_MAX then
      return too_late(("it is more than %d records behind"):format(RECORDS_MAX))
    elseif record.keys == nil then
      return false
    elseif followed[record.table_name] then
      if record.event_name ~= "INSERT" and record.old_image == nil then
        return false
      end
      local changed = items[record.table_name] or {}
      local key = encode(record.keys)
      changed[key] = changed[key] or { old = record.old_image }
      items[record.table_name] = changed
    end
  end
  return setmetatable({ items = items }, Later)
end

--- Takes the snapshots of a replica and its source: `take` returns a side (diff.lua) of a database.
--- Repeats this until both are at one position, or the records between them contain the changes.
--- Returns the sides of target and source, and the later changes of the source.
---@return table|nil target
---@return table|tidetable.error source_or_err
---@return tidetable.replica.Later|tidetable.code later_or_code
function comparing.take(source, target, take)
  for attempt = 1, ATTEMPTS do
    local replica, err, code = comparing.replica_of(source, target)
    if not replica and err then
      return nil, err, code
    elseif not replica then
      return too_late "it was promoted or removed"
    elseif replica.state == "COPYING" then
      local done = 0
      for _, each in ipairs(replica.tables) do
        done = done + (each.state == "FOLLOWING" and 1 or 0)
      end
      return core.consumer_failure("COPYING", ("replica %s is copying (%d of %d tables): it is not "
        .. "comparable yet"):format(replica.name, done, #replica.tables))
    end
    local second
    second, err, code = take(target)
    if not second then
      return nil, err, code
    end
    local first
    first, err, code = take(source)
    if not first then
      core.finish(second.snapshot)
      return nil, err, code
    end
    local now, info, later
    now, err, code = comparing.replica_of(source, target)
    if now then
      info, err, code = source:info()
    end
    if info and now.position == replica.position and now.state == replica.state then
      later, err, code = read_later(source, replica, info.sequence_number)
    end
    if later and (next(later.items) == nil or attempt > ATTEMPTS / 2) then
      return second, first, later
    end
    core.finish(first.snapshot)
    core.finish(second.snapshot)
    if later == nil and err then
      return nil, err, code
    end
    wait.pause(nil, PAUSE)
  end
  return too_late "its source changes too often"
end

return comparing
