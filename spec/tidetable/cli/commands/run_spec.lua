-- run_spec.lua - `tidetable run`: arguments and exit statuses; the runtime: spec/tidetable/run/.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"

describe("tidetable run", function()
  runtime.setup(before_each, after_each)

  it("runs a script until the existing changes are processed", function()
    local _, orders, effects = runtime.database()
    runtime.put(orders, 1, 10)
    local script = runtime.write("p.lua", runtime.counting "c")
    local ran = command.run { "run", helper.path(), script, "--once" }
    assert.equal(0, ran.status)
    assert.is_truthy(ran.err:find "ready: 1 processor of .*p.lua\n")
    assert.same({ 10, 0 }, { runtime.effects(effects) })
  end)

  it("validates a script", function()
    runtime.database()
    local script = runtime.write("p.lua", runtime.counting "c")
    assert.equal("c: valid; its consumer will be created\n",
      command.must { "run", helper.path(), script, "--check" })
    command.refuses(2, "a script is missing", { "run", helper.path() })
    command.refuses(2, "expected an integer", { "run", helper.path(), script, "--workers", "0" })
    command.refuses(4, "does not exist", { "run", helper.path "none.tide", script })
  end)

  it("passes options to a program", function()
    local db, orders = runtime.database()
    runtime.put(orders, 1, 3)
    assert.equal(0, command.run({ "run", helper.path(),
      "--exec", "while read x; do echo '{}'; done",
      "--name", "x", "--source", "orders", "--option", "batch_size=2", "--option", "window=0.5",
      "--option", "hold=true", "--once" }).status)
    local settings = db:consumer "x":describe().settings
    assert.same({ 2, 0.5, true }, { settings.batch_size, settings.window, settings.hold })
  end)
end)
