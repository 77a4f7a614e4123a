-- copy_progress_spec.lua - the progress of a copy, phase by phase.
local copy_progress = require "tidetable.cli.copy_progress"
local progress_bar = require "tidetable.cli.progress_bar"

describe("the progress of a copy", function()
  local real, calls = progress_bar.new, nil

  before_each(function()
    calls = {}
    function progress_bar.new(_, label, total)
      calls[#calls + 1] = ("new %s %s"):format(label, total)
      return {
        show = function(bar, done)
          calls[#calls + 1] = ("show %d of %s"):format(done, bar.total)
        end,
        close = function() calls[#calls + 1] = "close" end,
      }
    end
  end)

  after_each(function() progress_bar.new = real end)

  it("has a bar for each phase, and closes the previous one", function()
    do
      local progress <close> = copy_progress.new {}
      progress:show("copying", 1, 10)
      progress:show("copying", 5, 12)
      progress:show("checking", 2, 0)
    end
    assert.same({ "new copying 10", "show 1 of 10", "show 5 of 12", "close", "new checking nil",
      "show 2 of nil", "close" }, calls)
  end)

  it("has no bar to close if none was shown", function()
    local progress = copy_progress.new {}
    progress:close()
    assert.same({}, calls)
  end)
end)
