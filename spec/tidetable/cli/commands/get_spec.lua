-- get_spec.lua - `tidetable get`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

describe("get", function()
  local on_terminal = command.on_terminal(it, pending)

  it("shows an item as JSON", function()
    local path = shop.make()
    assert.equal('{"customer":"ann","placed_at":2,"status":"open","total":3}\n',
      command.must { "get", path, "orders", "customer=ann", "placed_at=2" })
    assert.equal('{"hash":{"B":"AAE="},"size":{"N":"12345678901234567890.5"}}\n',
      command.must { "get", path, "files", "hash=AAE=", "--format", "dynamodb" })
    assert.equal('{"hash":{"$B":"AAE="},"size":12345678901234567890.5}\n',
      command.must { "get", path, "files", '{"hash":{"$B":"AAE="}}' })
  end)

  on_terminal("shows it with one attribute per line on a terminal", function()
    local screen, status = command.terminal { "get", shop.make(), "orders", "customer=bob",
      "placed_at=1" }
    assert.equal(0, status)
    assert.equal('customer   "bob"\nplaced_at  1\nnote       "a \\e[31m b"\nstatus     "paid"\n'
      .. 'tags       {"x", "y"}\n', command.plain(screen))
  end)

  it("fails if the item does not exist", function()
    local path = shop.make()
    local ran = command.refuses(1, [[orders: no item '{"customer":"eve","placed_at":1}']],
      { "get", path, "orders", "customer=eve", "placed_at=1" })
    assert.equal("", ran.out)
  end)

  it("refuses invalid arguments", function()
    local path = shop.make()
    command.refuses(2, "key: missing attribute placed_at",
      { "get", path, "orders", "customer=ann" })
    command.refuses(2, "did you mean placed_at?",
      { "get", path, "orders", "customer=ann", "placedat=1" })
    command.refuses(2, "'ann': expected NAME=VALUE", { "get", path, "orders", "ann", "1" })
    command.refuses(1, "did you mean orders?", { "get", path, "order", "customer=ann" })
    command.refuses(1, "key attribute cannot contain an empty string",
      { "get", path, "orders", "customer=", "placed_at=1" })
    command.refuses(1, "UTF-8", { "get", path, "orders", "customer=\xff", "placed_at=1" })
    command.refuses(2, "must be one of", { "get", path, "orders", "a=b", "--format", "xml" })
    command.refuses(1, "does not exist", { "get", path .. "x", "orders", "a=b" })
  end)
end)
