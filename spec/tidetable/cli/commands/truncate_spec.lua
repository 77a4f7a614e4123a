-- truncate_spec.lua - `tidetable truncate`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

describe("truncate", function()
  it("removes all items, shows their number and leaves a record of each", function()
    local path = shop.make()
    assert.equal("6\n", command.must { "truncate", path, "orders", "--yes" })
    assert.equal("", command.must { "scan", path, "orders" })
    assert.equal("0\n", command.must { "truncate", path, "orders", "--yes" })
    local _, removed = command.must({ "tail", path, "orders", "--from", "TRIM_HORIZON" })
      :gsub("REMOVE", "")
    assert.equal(6, removed)
    assert.equal("1\n", command.must { "truncate", path, "files", "--yes" })
    assert.truthy(command.must({ "check", path }):find "^ok")
  end)

  command.on_terminal(it, pending)("writes a sentence on a terminal", function()
    local path = shop.make()
    assert.equal("6 items removed\n",
      command.terminal { "truncate", path, "orders", "--yes" })
  end)

  it("requires --yes", function()
    local path = shop.make()
    command.refuses(2, "--yes: required to remove all items of orders",
      { "truncate", path, "orders" })
    assert.equal(6, select(2, command.must({ "scan", path, "orders" }):gsub("\n", "")))
  end)

  it("names the writer after --busy-timeout", function()
    local path = shop.make()
    local holder = helper.child [[
      db:transact(function() print "locked" os.execute "sleep 60" end, { time_limit = 60 })
    ]]
    assert.equal("locked", holder:line())
    command.refuses(1, ("process %d is writing"):format(holder.pid),
      { "truncate", path, "orders", "--yes", "--busy-timeout", "0" })
  end)

  it("fails if there is no such table or database", function()
    local path = shop.make()
    command.refuses(1, "did you mean orders?", { "truncate", path, "order", "--yes" })
    command.refuses(1, "does not exist", { "truncate", path .. "x", "orders", "--yes" })
  end)
end)
