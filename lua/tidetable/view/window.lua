-- window.lua - the tumbling windows of a view.
--
-- A window begins at a multiple of its size. The watermark is the greatest time of an item, but
-- never after the file's clock. A window closes when the watermark reaches its end; it is final,
-- and no longer changed, when the watermark reaches its end plus the grace. Windows close in the
-- order of their starts, so one time says which have: header.closed_until.

local calls = require "tidetable.view.call"
local core = require "tidetable.core"

local windows = {}

--- Times beyond this many seconds are refused, because a float may not represent them exactly.
local STAMP_MAX = 1 << 50

local function to_number(stamp)
  return type(stamp) == "userdata" and stamp.tonumber and stamp:tonumber() or stamp
end

--- Returns the time of an item and the start of its window; nil if it is in none.
---@param view tidetable.CompleteView
---@param keys table  key of the item
---@param item table
---@return number|nil stamp, integer|nil start
function windows.of(view, keys, item)
  local stamp = calls.call("window.stamp", keys, view.window.stamp, item)
  if stamp == nil then
    return nil
  end
  stamp = to_number(stamp)
  if type(stamp) ~= "number" or not (stamp >= -STAMP_MAX and stamp <= STAMP_MAX) then
    calls.refuse("window.stamp", keys, "expected seconds since 1970, got " .. tostring(stamp))
  end
  return stamp, math.floor(stamp / view.window.size) * view.window.size
end

--- Returns a start as bytes that sort by time.
---@param start integer
---@return string
function windows.pack(start)
  return string.pack(">I8", start ~ math.mininteger)
end

--- Returns the start that pack has packed.
---@param bytes string  the first 8 are read
---@return integer
function windows.unpack(bytes)
  return string.unpack(">I8", bytes) ~ math.mininteger
end

--- Returns true if the window is final at this watermark.
---@param view tidetable.CompleteView
---@param watermark number|nil
---@param start integer
---@return boolean
function windows.is_final(view, watermark, start)
  return watermark ~= nil and start + view.window.size + view.window.grace <= watermark
end

--- Returns true if the row of a group shows its window as closed.
---@param view tidetable.CompleteView
---@param header table
---@param place string  sort key of the group's row, which begins with the start
---@return boolean
function windows.is_closed(view, header, place)
  local close_end = windows.unpack(place) + view.window.size
  if header.closed_until and close_end <= header.closed_until then
    return true
  end
  local cursor = header.close_cursor and tostring(header.close_cursor)
  return cursor ~= nil and cursor:sub(1, 8) == place:sub(1, 8)
    and core.compare_bytes(place, cursor) <= 0
end

--- Returns the time of the file's clock: the wall clock without a jump that is not confirmed.
--- Raises errors.
---@param database tidetable.Database
---@return number seconds
function windows.clock(database)
  local now, err = core.expiry_clock(database.core)
  if not now then
    error(err, 0)
  end
  return now
end

return windows
