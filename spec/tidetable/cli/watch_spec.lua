-- watch_spec.lua - the options --watch and --interval.
local core = require "tidetable.core"
local command = require "spec.tidetable.cli.command"
local watch = require "tidetable.cli.watch"

describe("an interval", function()
  local convert = watch.INTERVAL.convert

  it("is a number of seconds greater than 0", function()
    assert.equal(2, convert "2")
    assert.equal(0.01, convert "0.01")
    assert.same({ nil, "'0': expected a number of seconds greater than 0" }, { convert "0" })
    for _, text in ipairs { "", "x", "-1", "nan" } do
      local seconds, problem = convert(text)
      assert.is_nil(seconds)
      assert.matches(("%s':"):format(text), problem, 1, true)
    end
  end)

  it("requires --watch", function()
    for _, name in ipairs { "stats", "consumers" } do
      command.refuses(2, "--interval requires --watch", { name, "x.tide", "--interval", "2" })
    end
  end)
end)

describe("a repeated display", function()
  local check_name = core.check_name
  after_each(function() core.check_name = check_name end)

  --- Repeats a display until the file is removed at the `last`-th one. Returns what was called.
  local function repeated(interval, last)
    local calls = {}
    local out = {
      flush = function() calls[#calls + 1] = "flush" end,
      pause = function(seconds) calls[#calls + 1] = seconds end,
    }
    function core.check_name()
      if calls.shown == last then
        error("end", 0)
      end
      return true
    end
    assert.has_error(function()
      watch.run({}, { database = "x.tide", interval = interval }, out, function(is_first)
        calls[#calls + 1], calls.shown = is_first, (calls.shown or 0) + 1
      end)
    end, "end")
    calls.shown = nil
    return calls
  end

  it("is written, waits, and checks that the file is still there", function()
    assert.same({ true, "flush", 1, false, "flush", 1 }, repeated(nil, 2))
    assert.same({ true, "flush", 0.5 }, repeated(0.5, 1))
  end)
end)
