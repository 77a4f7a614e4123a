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
      ["@1700000000"] = 1700000000, ["@1700000000.25"] = 1700000000.25,
      ["2026-01-31T11:30:15,250000000+00:00"] = 1769859015.25,
      ["2026-01-31T12:30:15+0100"] = 1769859015, ["2026-01-31 06:00:15-05:30"] = 1769859015,
      ["2026-02-01T01:30:15+14"] = 1769859015,
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

  -- The clocks of Berlin were set forward at 2:00 on March 29, 2026, and back at 3:00 on October
  -- 25; those of Sao Paulo were set forward at midnight on November 4, 2018.
  it("is the earlier of two local times, and none in an hour that is skipped", function()
    local script = ([[TZ=%s %s -e 'package.path, package.cpath = %q, %q
      local parse = require("tidetable.cli.time_argument").parse
      for i, text in ipairs { %s } do io.write(i > 1 and " " or "", tostring((parse(text)))) end']])
    local function parsed(zone, ...)
      local pipe = assert(io.popen(script:format(zone, os.getenv("LUA") or "lua5.4",
        package.path, package.cpath, '"' .. table.concat({ ... }, '", "') .. '"')))
      local out = pipe:read("a"):gsub("%.0", "")
      pipe:close()
      return out
    end
    assert.equal("1792888200 1792888200 1792893600", parsed("Europe/Berlin", "2026-10-25 02:30",
      "2026-10-25T00:30Z", "2026-10-25 03:00"))
    assert.equal("1774745999 nil nil 1774746000", parsed("Europe/Berlin", "2026-03-29 01:59:59",
      "2026-03-29 02:00", "2026-03-29 02:59:59", "2026-03-29 03:00"))
    assert.equal("nil 1541300400", parsed("America/Sao_Paulo", "2018-11-04 00:30", "2018-11-04"))
  end)

  it("is refused in any other form", function()
    for _, words in ipairs { "", "x", "-1", "nan", "1e99", "25:00", "11:60", "11:30:60", "11:3",
      "2026-02-30", "2026-13-01", "2026-1-1", "2026-01-31 x", "10 years", "2026-02-30Z",
      "11:30:5x", "@", "@-1", "@x", "2026-01-31T11:30+25:00", "2026-01-31T11:30+01:60",
      "2026-01-31T11:30+1", "11:30:15,1,2" } do
      local seconds, problem = time_argument.parse(words, noon)
      assert.is_nil(seconds, words)
      assert.truthy(problem:find("'" .. words .. "': invalid time", 1, true))
    end
  end)
end)
