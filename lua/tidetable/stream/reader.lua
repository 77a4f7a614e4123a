-- reader.lua - a place in a stream: reads records and transactions, and waits for them.

local core = require "tidetable.core"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"
local wait = require "tidetable.wait"

local readers = {}

--- A place in a stream that can wait for more.
---@class tidetable.Reader
local Reader = {}
Reader.__index = Reader

--- A reader that begins at `place`; given: the options of the call.
function readers.open(self, given, place, what, limit)
  local from, at = positions.of(place, what)
  local feed, err, code = core.feed(self.database.core, self.id or 0, from, at, limit)
  if not feed then
    return nil, err, code
  end
  return setmetatable({
    core = feed, database = self.database, id = self.id, wait = given.wait or self.wait,
  }, Reader)
end

--- A reader that waits: closing the stream closes it too.
function readers.follow(self, given, place, what, limit)
  local reader, err, code = readers.open(self, given, place, what, limit)
  if reader then
    reader.follows = true
    self.followers = self.followers or setmetatable({}, { __mode = "k" })
    self.followers[reader] = true
  end
  return reader, err, code
end

--- The wakeup of this reader, made when it first waits in a loop.
function Reader:loop_wakeup()
  if self.wakeup then
    return self.wakeup
  end
  local err, code
  self.wakeup, err, code = wait.wakeup(self.database)
  return self.wakeup, err, code
end

--- Waits once, for at most `seconds`; may return early. Returns true if there may be a new
--- record, false if not; nil, err, code without a descriptor to wait on.
function Reader:pause(seconds)
  local loop = wait.loop(self.wait or self.database.wait)
  if not loop then
    return core.wait_feed(self.core, math.min(seconds or 1, 1))
  end
  local wakeup, err, code = self:loop_wakeup()
  if not wakeup then
    return nil, err, code
  end
  -- Cleared, then looked at, then waited on: no commit is missed in between.
  wakeup:clear()
  if core.is_touched(self.core) then
    return true
  end
  loop(wakeup, seconds)
  return core.is_touched(self.core)
end

--- The next record; nil when `seconds` (nil or math.huge: no limit) passed without one,
--- or the limit is reached; nil, err, code. A reader that follows gets STREAM_ENDED after
--- the last record that there will be.
function Reader:next(seconds)
  if seconds == math.huge then
    seconds = nil
  end
  local deadline = seconds and core.elapsed() + seconds
  local touched = true
  while true do
    if touched then
      local record, err, code = core.try_record(self.core)
      if record or err or core.is_done(self.core) then
        return record, err, code
      end
    end
    local goes_on, err, code = core.check_end(self.core, self.follows)
    if not goes_on then
      return nil, err, code
    end
    local left = deadline and deadline - core.elapsed()
    if left and left <= 0 then
      return nil
    end
    touched, err, code = self:pause(left)
    if touched == nil then
      return nil, err, code
    end
  end
end

--- The record behind the last transaction, which was read to see its end.
function Reader:take_kept()
  local record = self.kept
  self.kept = nil
  return record
end

--- What ended the reading of a transaction. With the end of it that was trimmed
--- meanwhile all of it is lost, so it is asked for once more from its beginning.
local function cut(reader, group, err, code)
  reader.is_cut = true
  if code == "TRIMMED" then
    local before = { after = group[1].sequence_number - 1 }
    local again <close> = readers.open(reader, {}, before, "transactions")
    if again then
      local _, whole, whole_code = core.try_record(again.core)
      err, code = whole or err, whole_code or code
    end
  end
  return nil, err, code
end

--- The next transaction: its first record and what belongs to it; waits as next
--- does. A commit is seen whole, so what has begun is there to its end.
function Reader:next_group(seconds)
  local first, err, code = self:take_kept(), nil, nil
  if not first then
    first, err, code = self:next(seconds)
  end
  if not first then
    return nil, err, code
  end
  local id = first.transaction_id
  local group = { first, transaction_id = id, created_at = first.created_at }
  while true do
    local record
    record, err, code = core.try_record(self.core)
    if err then
      return cut(self, group, err, code)
    elseif not record or record.transaction_id ~= id then
      self.kept = record
      group.last_sequence_number = group[#group].sequence_number
      return group
    end
    group[#group + 1] = record
  end
end

function Reader:close()
  if getmetatable(self) ~= Reader then
    options.no_self("close", "reader")
  end
  core.finish(self.core)
  if self.wakeup then
    self.wakeup:close()
  end
end

Reader.__close = Reader.close

return readers
