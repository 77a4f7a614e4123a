-- time_argument.lua - parses times given on the command line, such as 10m or 2026-01-31 11:30.

local options = require "tidetable.options"

local time_argument = {}

--- Returns true if os.date found the requested day. os.time normalizes invalid days: February 30
--- becomes a day in March.
local function is_day(found, year, month, day)
  return found.year == year and found.month == month and found.day == day
end

--- Largest change of a zone's offset from UTC that is looked for, and the step of such changes.
local OFFSET_CHANGE, OFFSET_STEP = 3 * 3600, 900

--- Converts a local time to seconds since 1970. Returns nil if the calendar does not have the day,
--- or if the hour is skipped because the clocks are set forward. An hour that occurs twice, because
--- the clocks are set back, is taken as the first one.
local function local_time(year, month, day, hour, minute, second)
  local near = os.time {
    year = year, month = month, day = day, hour = hour, min = minute, sec = second,
  }
  for seconds = (near or 0) - OFFSET_CHANGE, (near or -1) + OFFSET_CHANGE, OFFSET_STEP do
    local found = os.date("*t", seconds)
    if is_day(found, year, month, day) and found.hour == hour and found.min == minute
        and found.sec == second then
      return seconds
    end
  end
end

--- Converts a UTC time to seconds since 1970; nil if the calendar has no such day. Years begin in
--- March here, so that the leap day is the last day of a year.
local function utc_time(year, month, day, hour, minute, second)
  local shifted, since_march = year - (month < 3 and 1 or 0), (month + 9) % 12
  local days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400
    + (since_march * 153 + 2) // 5 + day - 1 - 719468
  local seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
  return is_day(os.date("!*t", seconds), year, month, day) and seconds or nil
end

local function in_range(hour, minute, second)
  return hour < 24 and minute < 60 and second < 60
end

--- Parses "11:30" or "11:30:15.5" into hour, minute and second; "" is midnight. Returns nil for
--- any other text.
local function clock_time(text)
  if text == "" then
    return 0, 0, 0
  end
  local hour, minute, rest = text:match "^(%d%d?):(%d%d)(.*)$"
  local second = rest == "" and "0" or rest and rest:gsub(",", ".", 1):match "^:(%d%d%.?%d*)$"
  if second and in_range(tonumber(hour), tonumber(minute), tonumber(second)) then
    return tonumber(hour), tonumber(minute), tonumber(second)
  end
end

--- Separates the zone from a time of day: returns the rest and the zone's offset from UTC in
--- seconds; nil: local time.
local function split_zone(text)
  if text:find "[zZ]$" then
    return text:sub(1, -2), 0
  end
  local rest, sign, hours, minutes = text:match "^(.*)([+-])(%d%d):?(%d?%d?)$"
  if not rest or #minutes == 1 or tonumber(hours) > 14 or (tonumber(minutes) or 0) > 59 then
    return text, nil
  end
  local offset = tonumber(hours) * 3600 + (tonumber(minutes) or 0) * 60
  return rest, math.tointeger(sign == "-" and -offset or offset)
end

--- Combines a time of day, with an optional zone, and a date; nil year: today. A day without a time
--- begins at midnight, or at 1:00 if the clocks are set forward at midnight.
local function date_and_time(text, year, month, day, now)
  local rest, offset = split_zone(text)
  local hour, minute, second = clock_time(rest)
  if not hour then
    return nil
  end
  local today = os.date(offset and "!*t" or "*t", now + (offset or 0))
  year, month, day = year or today.year, month or today.month, day or today.day
  local whole = math.tointeger(second // 1)
  local seconds
  if offset then
    seconds = utc_time(year, month, day, hour, minute, whole)
    seconds = seconds and seconds - offset
  else
    seconds = local_time(year, month, day, hour, minute, whole)
      or rest == "" and local_time(year, month, day, 1, 0, 0)
  end
  return seconds and seconds + second - whole or nil
end

--- Parses a time. argparse's `convert` calls it. The text is one of:
---
---     90s, 10m, 2h, 1d                         this long ago
---     11:30, 11:30:15                          today
---     2026-01-31, 2026-01-31 11:30             a day, at midnight or at a time
---     2026-01-31T11:30:15.25Z                  in UTC; without Z times are local
---     2026-01-31T11:30:15,25+01:00             with an offset from UTC, as date --iso-8601=ns
---     1769859015, @1769859015                  seconds since 1970
---@param text string
---@param now number|nil  default: the system clock
---@return number|nil seconds, string|nil problem   seconds since 1970; nil and a message
function time_argument.parse(text, now)
  now = now or os.time()
  local seconds = tonumber((text:gsub("^@(%d)", "%1")))
  local ago = not seconds and options.duration_ms(text)
  if ago then
    seconds = math.max(now - ago / 1000, 0)
  elseif not seconds then
    local year, month, day, rest = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$"
    if year then
      seconds = date_and_time(rest:gsub("^[T ]+", ""), tonumber(year), tonumber(month),
        tonumber(day), now)
    elseif text ~= "" then
      seconds = date_and_time(text, nil, nil, nil, now)
    end
  end
  if options.time(seconds) then
    return nil, ("'%s': invalid time, expected 10m (ago), 11:30, 2026-01-31 11:30 or seconds "
      .. "since 1970"):format(text)
  end
  return seconds
end

return time_argument
