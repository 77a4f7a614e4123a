-- delete_spec.lua - `tidetable delete`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

describe("delete", function()
  local function words(path, ...)
    return { "delete", path, "orders", "customer=ann", "placed_at=2", ... }
  end

  it("deletes an item, and succeeds if there is none", function()
    local path = shop.make()
    assert.equal("", command.must(words(path)))
    assert.equal("", command.must(words(path)))
    shop.look("orders", function(orders)
      assert.is_nil(orders:get { customer = "ann", placed_at = 2 })
      assert.is_not_nil(orders:get { customer = "ann", placed_at = 3 })
    end)
  end)

  it("shows the deleted item with --old", function()
    local path = shop.make()
    assert.equal('{"customer":"ann","placed_at":2,"status":"open","total":3}\n',
      command.must(words(path, "--old")))
    assert.equal("", command.must(words(path, "--old")))
  end)

  it("deletes an item only if the condition holds", function()
    local path = shop.make()
    local names = { "--names", '{"#s":"status"}' }
    local function delete_if(status)
      return words(path, "--condition", "#s = :s", names[1], names[2], "--values",
        ('{":s":"%s"}'):format(status))
    end
    local function placed()
      return shop.look("orders", function(orders)
        return (orders:get { customer = "ann", placed_at = 2 })
      end)
    end
    command.refuses(5, "The conditional request failed", delete_if "paid")
    assert.is_not_nil(placed())
    assert.equal("", command.must(delete_if "open"))
    assert.is_nil(placed())
    command.refuses(5, "The conditional request failed", delete_if "open")
  end)

  it("needs the whole key", function()
    local path = shop.make()
    command.refuses(2, "key: missing attribute placed_at",
      { "delete", path, "orders", "customer=ann" })
    command.refuses(2, "status: not a key attribute", words(path, "status=open"))
  end)
end)
