-- time_argument_spec.lua - times on the command line.
local time_argument = require "tidetable.cli.time_argument"

-- Noon in the local time zone.
local noon = os.time { year = 2026, month = 7, day = 15, hour = 12, min = 0, sec = 0 }

local function at(...)
  local year, month, day, hour, min, sec = ...
  return os.time { year = year, month = month, day = day, hour = hour or 0, min = min or 0,
    sec = sec or 0 }
end

describe("a time", function()
  it("is seconds since 1970, an age, a time of today or a date", function()
    for words, expected in pairs {
      ["0"] = 0, ["1700000000.5"] = 1700000000.5, ["10m"] = noon - 600, ["2h"] = noon - 7200,
      ["90s"] = noon - 90, ["1d"] = noon - 86400, ["99999d"] = 0,
      ["11:30"] = at(2026, 7, 15, 11, 30), ["9:05:15"] = at(2026, 7, 15, 9, 5, 15),
      ["2026-01-31"] = at(2026, 1, 31), ["2026-01-31 23:59:59"] = at(2026, 1, 31, 23, 59, 59),
      ["2026-01-31T11:30"] = at(2026, 1, 31, 11, 30),
      ["2026-01-31T11:30:15.25"] = at(2026, 1, 31, 11, 30, 15) + 0.25,
      ["1970-01-01T00:00:00Z"] = 0, ["2026-01-31T11:30:15Z"] = 1769859015,
      ["2026-07-31T11:30:15Z"] = 1785497415, ["2024-02-29Z"] = 1709164800,
    } do
      assert.equal(expected, (time_argument.parse(words, noon)), words)
    end
  end)

  it("with a Z is UTC in every time zone, also in one with summer time", function()
    local script = ([[TZ=%s %s -e 'package.path, package.cpath = %q, %q
      local parse = require("tidetable.cli.time_argument").parse
      io.write(parse "2026-01-31T11:30:15Z", " ", parse "2026-07-31T11:30:15Z")']])
    for _, zone in ipairs { "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata" } do
      local pipe = assert(io.popen(script:format(zone, os.getenv("LUA") or "lua5.4",
        package.path, package.cpath)))
      assert.equal("1769859015 1785497415", pipe:read("a"):gsub("%.0", ""), zone)
      pipe:close()
    end
  end)

  it("is refused in any other form", function()
    for _, words in ipairs { "", "x", "-1", "nan", "1e99", "25:00", "11:60", "11:30:60", "11:3",
      "2026-02-30", "2026-13-01", "2026-1-1", "2026-01-31 x", "10 years", "2026-02-30Z",
      "11:30:5x" } do
      local seconds, problem = time_argument.parse(words, noon)
      assert.is_nil(seconds, words)
      assert.truthy(problem:find("'" .. words .. "': invalid time", 1, true))
    end
  end)
end)
