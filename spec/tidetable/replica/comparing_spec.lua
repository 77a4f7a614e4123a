-- comparing_spec.lua - db:diff of a replica and its source, as doc/modules/replica.md describes it.
local helper = require "spec.tidetable.helper"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

local pair, fill, start = replication.pair, replication.fill, replication.start

describe("diff of a replica and its source", function()
  it("compares at the position of the replica", function()
    local source, target = pair()
    local orders = replication.table(source)
    fill(orders, 1, 50)
    local replica = start(target, source)
    fill(orders, 40, 60, "later")
    assert(orders:delete { id = "k1", n = 1 })
    assert(orders:put { id = "k2", n = 2, v = "x" })
    assert(orders:delete { id = "k2", n = 2 })
    replication.check_equal(source, target)
    assert.same({}, replication.differences(target, source))
    assert(replica:catch_up())
    replication.check_equal(source, target)
  end)

  it("fails while it is copying, and if the changes since don't show the items", function()
    local source, target = pair()
    local orders = replication.table(source, "orders", { stream = { view_type = "NEW_IMAGE" } })
    for i = 1, 3000 do assert(orders:put { id = "x", n = i, text = ("t"):rep(900) }) end
    local replica = assert(target:replicate(source))
    assert.is_true(replica:step())
    local err = helper.raises("COPYING", replication.differences, source, target)
    assert.truthy(err.message:find("0 of 1 tables", 1, true))
    assert(replica:catch_up())
    replication.check_equal(source, target)
    assert(orders:put { id = "x", n = 1, text = "new" })
    helper.raises("BUSY", replication.differences, source, target)
    assert(source:create_table { name = "other", partition_key = "id", stream = true })
    helper.raises("BUSY", replication.differences, source, target)
    assert(replica:catch_up())
    replication.check_equal(source, target)
  end)
end)
