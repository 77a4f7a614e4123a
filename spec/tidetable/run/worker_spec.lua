-- worker_spec.lua - worker processes: SIGTERM, os.exit, reports of progress.
local runtime = require "spec.tidetable.run.runtime"

describe("a worker process", function()
  runtime.setup(before_each, after_each)

  local db, orders, effects

  before_each(function()
    db, orders, effects = runtime.database()
  end)

  local start = runtime.start_script

  it("finishes its batch when it gets SIGTERM, without an attempt", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "max_attempts = 1", [[
      if not released then
        released = true -- luacheck: ignore
        print "in the handler"
        os.execute "sleep 0.3"
      end
    ]]))
    run:wait_for "in the handler"
    runtime.signal(run:workers()[1], "TERM")
    run:counted(effects, 1)
    run:stop()
    assert.equal(0, db:consumer "c":describe().failures)
  end)

  it("dies in its handler when that calls os.exit, whatever its arguments", function()
    runtime.put(orders, 1, 3)
    for i, call in ipairs { "os.exit()", "os.exit(true, true)", "os.exit(3, true)" } do
      local name = "c" .. i
      local handler = ("if records[1].keys.id == '2' then %s end"):format(call)
      local run = start(runtime.counting(name,
        "batch_size = 1, max_attempts = 1, on_failure = 'park'", handler), "--once")
      run:ends(5)
      assert.equal(1, db:consumer(name):describe().parked)
    end
  end)

  it("survives a handler that closes its output", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "batch_size = 1",
      "io.stdout:close() io.stderr:close()"))
    run:counted(effects, 1)
    runtime.put(orders, 2, 2)
    run:counted(effects, 2)
    run:stop()
  end)

  it("can use the event loop in its handler", function()
    runtime.put(orders, 1, 5)
    start(runtime.counting("c", "batch_size = 1", [[require "cqueues".sleep(0.01)]]), "--once")
      :ends(0)
    assert.same({ 5, 0 }, { runtime.effects(effects) })
  end)

  it("starts with a snapshot, and calls on_snapshot", function()
    runtime.put(orders, 1, 5)
    local run = start(runtime.counting("c", [[from = "SNAPSHOT", on_snapshot = function(event)
      print("snapshot " .. event) end]]), "--once")
    run:ends(0)
    assert.same({ 1, 1 }, { run:count "snapshot begin", run:count "snapshot end" })
    assert.same({ 5, 0 }, { runtime.effects(effects) })
  end)
end)
