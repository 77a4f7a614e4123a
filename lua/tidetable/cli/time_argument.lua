-- time_argument.lua - moments as people say them on a command line.

local options = require "tidetable.options"

local time_argument = {}

--- Whether a day of the calendar is the one that was asked for: os.time takes
--- the 30th of February for a day of March.
local function is_day(found, year, month, day)
  return found.year == year and found.month == month and found.day == day
end

--- The local time of these parts; nil where the calendar has no such day.
local function local_time(year, month, day, hour, minute, second)
  local seconds = os.time {
    year = year, month = month, day = day, hour = hour, min = minute, sec = second,
  }
  return seconds and is_day(os.date("*t", seconds), year, month, day) and seconds or nil
end

--- The same as UTC has it. Days from the first of 1970, by the calendar's rule for
--- years that begin in March: the leap day is then the last.
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

--- "11:30" and "11:30:15.5" in their parts; "" is midnight.
local function clock_time(words)
  if words == "" then
    return 0, 0, 0
  end
  local hour, minute, rest = words:match "^(%d%d?):(%d%d)(.*)$"
  local second = rest == "" and "0" or rest and rest:match "^:(%d%d%.?%d*)$"
  if second and in_range(tonumber(hour), tonumber(minute), tonumber(second)) then
    return tonumber(hour), tonumber(minute), tonumber(second)
  end
end

local function date_and_time(words, year, month, day, now)
  local zone = words:match "[zZ]$"
  local hour, minute, second = clock_time(zone and words:sub(1, -2) or words)
  if not hour then
    return nil
  end
  local today = os.date("*t", now)
  local whole = second // 1
  local seconds = (zone and utc_time or local_time)(year or today.year, month or today.month,
    day or today.day, hour, minute, math.tointeger(whole))
  return seconds and seconds + second - whole
end

--- Seconds since 1970 of: a number of them; a duration, which is that long ago
--- ("90s", "10m", "2h", "1d"); a time of today ("11:30", "11:30:15"); a date with
--- or without a time ("2026-01-31", "2026-01-31 11:30", "2026-01-31T11:30:15Z").
--- Times are local; with a Z they are UTC.
---@param words string
---@param now number|nil  default: the machine's clock
---@return number|nil seconds, string|nil problem   as argparse's convert has it
function time_argument.parse(words, now)
  now = now or os.time()
  local seconds = tonumber(words)
  local ago = not seconds and options.duration_ms(words)
  if ago then
    seconds = math.max(now - ago / 1000, 0)
  elseif not seconds then
    local year, month, day, rest = words:match "^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$"
    if year then
      seconds = date_and_time(rest:gsub("^[T ]+", ""), tonumber(year), tonumber(month),
        tonumber(day), now)
    elseif words ~= "" then
      seconds = date_and_time(words, nil, nil, nil, now)
    end
  end
  if options.time(seconds) then
    return nil, ("'%s' is no time: say 10m (ago), 11:30, 2026-01-31 11:30, or seconds since 1970")
      :format(words)
  end
  return seconds
end

return time_argument
