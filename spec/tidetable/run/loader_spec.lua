-- loader_spec.lua - options of the database in the messages for child processes.
local loaders = require "tidetable.run.loader"

describe("the loader", function()
  it("opens the database with the options of the command, and never creates it", function()
    assert.same({ create = false }, loaders.open_options {})
    assert.same({ create = false, durability = "none", max_size = 5, busy_timeout = 0.5 },
      loaders.open_options { durability = "none", max_size = "5", busy_timeout = "0.5" })
  end)

  -- The role itself: spec/tidetable/run/child_spec.lua and supervisor_spec.lua.
  it("returns 1 for a script that can't be read", function()
    local sent = {}
    local control = { send = function(_, ...) sent = { ... } end }
    assert.equal(1, loaders.run(control, nil, "/nowhere/p.lua", {}))
    assert.same({ "rejected", "script" }, { sent[1], sent[2] })
    assert.is_truthy(sent[3]:find("/nowhere/p.lua", 1, true))
  end)
end)
