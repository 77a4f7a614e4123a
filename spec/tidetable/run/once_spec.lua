-- once_spec.lua - `tidetable run --once`: up to the heads at the start, in the script's order.
local runtime = require "spec.tidetable.run.runtime"

describe("run --once", function()
  runtime.setup(before_each, after_each)

  local db, orders, effects

  before_each(function()
    db, orders, effects = runtime.database()
  end)

  local function start(script, ...)
    return runtime.start_script(script, "--once", ...)
  end

  it("handles the existing changes, and ends", function()
    start(runtime.counting "c"):ends(0, "all changes up to 2 were processed")
    runtime.put(orders, 1, 50)
    start(runtime.counting "c", "--workers", "3"):ends(0, "all changes up to 52 were processed")
    assert.same({ 50, 0 }, { runtime.effects(effects) })
    start(runtime.counting "c"):ends(0)
    assert.same({ 50, 0 }, { runtime.effects(effects) })
  end)

  it("runs a pipeline in the order of the script", function()
    assert(db:create_table { name = "lines", partition_key = "id", stream = true })
    runtime.put(orders, 1, 20)
    start([[return {
      { name = "first", source = "orders", handler = function(records, tx)
        for _, record in ipairs(records) do tx:table "lines":put { id = record.keys.id } end
      end },
      { name = "second", source = "lines", handler = function(records, tx)
        for _, record in ipairs(records) do
          tx:table "effects":update({ id = record.keys.id }, "ADD n ?", { 1 })
        end
      end },
    }]]):ends(0)
    assert.same({ 20, 0 }, { runtime.effects(effects) })
  end)

  it("is done when others have done the work, and does not wait for later changes", function()
    runtime.put(orders, 1, 100)
    local other = runtime.start { runtime.write("p.lua", runtime.counting "c") }
    other:ready()
    local run = runtime.start { runtime.write("p.lua", runtime.counting("c", nil,
      [[os.execute "sleep 0.02"]])), "--once" }
    for i = 101, 200 do runtime.put(orders, i, i) end
    run:ends(0)
    other:counted(effects, 200)
    other:stop()
  end)

  it("ends with status 5 if records are parked, and 1 if the consumer ends", function()
    runtime.put(orders, 1, 3)
    start(runtime.counting("c", "max_attempts = 1, on_failure = 'park'", [[
      if records[1].keys.id == "1" then error "bad" end]])):ends(5)
    assert.equal(1, db:consumer "c":describe().parked)
    start(runtime.counting("d", "max_attempts = 1", "error 'bad'")):ends(1, "BATCH_FAILED")
    assert(db:consumer("e", { source = "orders" }):pause())
    start(runtime.counting("e", "batch_size = 100")):ends(1, "paused")
  end)

  it("handles the parked records that are marked for replay", function()
    runtime.put(orders, 1, 30)
    local function script(refused)
      return runtime.counting("c", "max_attempts = 1, on_failure = 'park', batch_size = 1",
        ([[if tonumber(records[1].keys.id) < %d then error "bad" end]]):format(refused))
    end
    start(script(100)):ends(5)
    assert.equal(30, db:consumer "c":replay())
    start(script(3)):ends(5)
    assert.same({ 28, 0 }, { runtime.effects(effects) })
    assert.equal(2, db:consumer "c":replay())
    start(script(0)):ends(0)
    assert.same({ 30, 0 }, { runtime.effects(effects) })
  end)

  it("can be stopped", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "backoff = 60", "print 'once' error 'no'"))
    run:wait_for "once"
    run:stop()
  end)
end)
