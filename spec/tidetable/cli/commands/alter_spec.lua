-- alter_spec.lua - `tidetable alter`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

--- Caps of the holds of a new stream.
local HOLD = { age = 604800, bytes = 1 << 30 }

local function stream_of(name)
  return shop.look(name, function(found) return assert(found:definition()).stream end)
end

describe("alter", function()
  it("changes the given settings of the stream", function()
    local path = shop.make()
    assert.equal("", command.must { "alter", path, "orders", "--retention-count", "9" })
    assert.same({ view_type = "KEYS_ONLY", retention = { age = 604800, count = 9 }, hold = HOLD },
      stream_of "orders")
    assert.equal("", command.must { "alter", path, "orders", "--stream", "OLD_IMAGE",
      "--retention-size", "1024" })
    assert.same({ view_type = "OLD_IMAGE", retention = { age = 604800, bytes = 1024, count = 9 },
      hold = HOLD }, stream_of "orders")
    assert.equal("", command.must { "alter", path, "orders", "--retention", "3600" })
    assert.same({ age = 3600, bytes = 1024, count = 9 }, stream_of "orders".retention)
    assert.equal("", command.must { "alter", path, "orders", "--hold-size", "2 GiB" })
    assert.same({ age = 604800, bytes = 2 << 30 }, stream_of "orders".hold)
    assert.same({ age = 3600, bytes = 1024, count = 9 }, stream_of "orders".retention)
  end)

  it("enables and disables a stream", function()
    local path = shop.make()
    assert.equal("", command.must { "alter", path, "orders", "--no-stream" })
    assert.is_nil(stream_of "orders")
    assert.equal("", command.must { "alter", path, "orders", "--no-stream" })
    command.refuses(1, "orders: the table has no stream",
      { "alter", path, "orders", "--retention", "1d" })
    assert.equal("", command.must { "alter", path, "orders", "--stream", "NEW_IMAGE" })
    assert.same({ view_type = "NEW_IMAGE", retention = { age = 86400 },
      hold = HOLD }, stream_of "orders")
  end)

  it("refuses invalid arguments", function()
    local path = shop.make()
    command.refuses(2, "nothing to change", { "alter", path, "orders" })
    command.refuses(2, "--retention-count: the table would have no stream",
      { "alter", path, "orders", "--no-stream", "--retention-count", "1" })
    command.refuses(2, "can not be used together",
      { "alter", path, "orders", "--no-stream", "--stream", "KEYS_ONLY" })
    command.refuses(1, "did you mean orders?", { "alter", path, "order", "--no-stream" })
    assert.same({ view_type = "KEYS_ONLY", retention = { age = 604800 }, hold = HOLD },
      stream_of "orders")
  end)
end)
