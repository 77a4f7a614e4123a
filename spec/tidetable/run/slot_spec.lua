-- slot_spec.lua - the workers of a processor in the supervisor: back-off, progress.
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"

describe("a worker in the supervisor", function()
  runtime.setup(before_each, after_each)

  it("is started again after pauses that grow, and from the first one after progress", function()
    local _, orders = runtime.database()
    runtime.put(orders, 1, 2)
    -- Two deaths at the first record, then two at the second.
    local run = runtime.start({ runtime.write("p.lua", runtime.counting("c",
      "batch_size = 1, shards = 1", [[
        local id = records[1].keys.id
        print("death " .. id)
        local marks = os.getenv "MARKS"
        for i = 1, 2 do
          local name = ("%s-%s-%d"):format(marks, id, i)
          local seen = io.open(name)
          if not seen then
            io.open(name, "w"):close()
            os.exit(1)
          end
          seen:close()
        end
      ]])), "--once", "--crash-limit", "3" },
      { "MARKS=" .. helper.path "mark" })
    run:ends(0)
    assert.equal(2, run:count "started again in 0.1 s")
    assert.equal(2, run:count "started again in 0.2 s")
  end)

  it("is started again by SIGHUP after its consumer has ended with an error", function()
    local _, orders, effects = runtime.database()
    runtime.put(orders, 1, 3)
    local function script(before)
      return ("return { %s, %s }"):format(
        runtime.counting("c", "max_attempts = 1", before):gsub("^return ", ""),
        [[{ name = "other", source = "orders", handler = function() end }]])
    end
    local run = runtime.start { runtime.write("p.lua", script [[error "no"]]) }
    run:wait_for "ended: BATCH_FAILED"
    runtime.write("p.lua", script "")
    run:signal "SIGHUP"
    run:counted(effects, 3)
    run:stop()
  end)
end)
