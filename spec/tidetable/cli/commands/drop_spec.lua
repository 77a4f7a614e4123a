-- drop_spec.lua - `tidetable drop`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

describe("drop", function()
  it("deletes a table, and leaves the records of its stream", function()
    local path = shop.make()
    assert.equal("", command.must { "drop", path, "orders", "--yes" })
    assert.equal("files\n", command.must { "tables", path })
    local _, records = command.must({ "tail", path, "--from", "TRIM_HORIZON" }):gsub("\n", "")
    assert.equal(6, records)
  end)

  it("requires --yes", function()
    local path = shop.make()
    command.refuses(2, "--yes: required to delete orders and all of its items",
      { "drop", path, "orders" })
    assert.equal("files\norders\n", command.must { "tables", path })
  end)

  it("fails if there is no such table or database", function()
    local path = shop.make()
    command.refuses(1, "did you mean orders?", { "drop", path, "order", "--yes" })
    command.refuses(1, "does not exist", { "drop", path .. "x", "orders", "--yes" })
  end)
end)
