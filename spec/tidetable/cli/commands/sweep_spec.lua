-- sweep_spec.lua - `tidetable sweep`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local function make()
  local db = helper.open()
  local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
  for i = 1, 9 do items:put { id = "x", n = i } end
  items:stream():set_retention { count = 2 }
  return db, items
end

describe("sweep", function()
  it("deletes expired records and shows their number", function()
    local db, items = make()
    local before = #helper.collect(items:stream():records())
    db:close()
    assert.equal(2, before)
    assert.equal("7\t0\n", command.must { "sweep", helper.path() })
    assert.equal("0\t0\n", command.must { "sweep", helper.path() })
    local again = helper.open()
    assert.is_true(again:check().ok)
    assert.equal(2, #helper.collect(again:table "items":stream():records()))
  end)

  command.on_terminal(it, pending)("writes a sentence on a terminal", function()
    make():close()
    assert.truthy(command.terminal({ "sweep", helper.path() })
      :find("^%d+ records? and %d+ items? deleted\n$"))
  end)

  it("names the writer after --busy-timeout", function()
    make():close()
    local holder = helper.child [[
      db:transact(function() print "locked" os.execute "sleep 60" end, { time_limit = 60 })
    ]]
    assert.equal("locked", holder:line())
    command.refuses(1, ("process %d is writing: try again, or wait longer with --busy-timeout")
      :format(holder.pid), { "sweep", helper.path(), "--busy-timeout", "0" })
    command.refuses(2, "'x': invalid number of seconds",
      { "sweep", helper.path(), "--busy-timeout", "x" })
  end)
end)
