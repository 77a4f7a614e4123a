-- hold.lua - the hold of a replica in its source: a consumer without workers whose position follows
-- the replica's. The source keeps the records after this position.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local holds = {}

--- Seconds between two changes of the position.
local INTERVAL = 1

--- Maximum number of streams in the source of a consumer. If there are more, all are held.
local SOURCES_MAX = 100

--- The core's numbers of start positions (tide.h).
local FROM_LATEST, FROM_AFTER = 1, 3

--- Id of the stream of the changes of tables, which is kept as long as any hold needs it.
local STREAM_OF_TABLES = 1

---@class tidetable.replica.Hold
---@field source tidetable.Database
---@field name string          of the consumer
---@field limit_ms integer
---@field settings table
---@field streams string|nil   ids of the streams that it holds, as text; nil: not known
---@field moved_at number|nil  process_elapsed when the position was set last
---@field position integer|nil
---@field is_off boolean       the source is read-only: nothing is held
local Hold = {}
Hold.__index = Hold

--- Returns the hold of a replica. Changes nothing yet.
---@param source tidetable.Database
---@param name string  of the replica
---@param target_id string  database id of the target
---@param limit number  seconds for which records may wait
function holds.new(source, name, target_id, limit)
  return setmetatable({
    source = source, name = ("replica.%s.%s"):format(name:sub(1, 200), target_id:sub(1, 8)),
    limit_ms = math.max(1, math.floor(limit * 1000)), is_off = false,
    settings = { source = "", replica = target_id },
  }, Hold)
end

local function write(self, f, ...)
  local ok, err, code = wait.try(self.source, f, self.source.core, ...)
  if ok == nil and code == "READ_ONLY" then
    self.is_off = true
    return true
  end
  return ok, err, code
end

local function create(self, ids, position)
  return write(self, core.consumer_create, self.name, ids,
    position and FROM_AFTER or FROM_LATEST, position or 0, 1, self.settings, self.limit_ms)
end

--- Creates the hold if it does not exist, after this position of the source; nil: after its last
--- change.
---@param position integer|nil
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Hold:begin(position)
  local found, err, code = core.consumer_describe(self.source.core, self.name)
  if found then
    self.streams = table.concat(found.streams, ",")
    return true
  elseif code ~= "NOT_FOUND" then
    return nil, err, code
  end
  self.streams = ""
  local ok
  ok, err, code = create(self, {}, position)
  if not ok and (code == "AHEAD" or code == "IN_USE") then
    return true   -- the sender reports AHEAD; another process has created it
  end
  return ok, err, code
end

--- Makes the hold cover other streams.
local function set_streams(self, ids)
  local found, err, code = core.consumer_describe(self.source.core, self.name)
  if not found then
    return nil, err, code
  end
  local range = found.ranges[1]
  return write(self, core.consumer_renew, self.name, found.id, range.epoch, range.first, ids)
end

--- Sets the position, at most once a second.
---@param sender userdata
---@param is_last boolean|nil  true: whenever it was set last
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Hold:follow(sender, is_last)
  local now = core.process_elapsed()
  if self.is_off or not is_last and self.moved_at and now - self.moved_at < INTERVAL
      and now >= self.moved_at then
    return true
  end
  local position, record = core.sender_state(sender)
  local at = record > 0 and math.min(position, record - 1) or position
  if at == self.position then
    return true
  end
  local ids = core.sender_streams(sender)
  if ids[1] == STREAM_OF_TABLES then
    table.remove(ids, 1)
  end
  if #ids > SOURCES_MAX then
    ids = {}
  end
  local text, ok, err, code = table.concat(ids, ","), true, nil, nil
  if text ~= self.streams then
    ok, err, code = set_streams(self, ids)
    self.streams = ok and text or self.streams
  end
  if ok then
    ok, err, code = write(self, core.consumer_move, self.name, FROM_AFTER, at, false)
  end
  if not ok and code == "NOT_FOUND" then   -- it was deleted by a command
    ok, err, code = create(self, ids, at)
    self.streams = text
  end
  if ok then
    self.moved_at, self.position = now, at
  end
  return ok, err, code
end

--- Removes the hold.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Hold:remove()
  local ok, err, code = write(self, core.consumer_delete, self.name, true)
  if not ok and code == "NOT_FOUND" then
    return true
  end
  return ok, err, code
end

return holds
