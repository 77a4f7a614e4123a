-- handler_spec.lua - which coroutines are in handlers of consumers.
local handlers = require "tidetable.consumer.handler"
local helper = require "spec.tidetable.helper"

describe("the running handlers", function()
  helper.setup(before_each, after_each)

  --- Opens a consumer of a table with one record.
  local function open(db)
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(orders:put { id = "1" })
    return assert(db:consumer("c", { source = "orders" }))
  end

  it("are found by consumer and file, through any handle of the file", function()
    local consumer, other = open(helper.open()), open(helper.open(nil, helper.path "other.tide"))
    local again = assert(helper.open():consumer "c")
    assert.equal(1, other:step(function() end))
    assert.equal(consumer.id, other.id)
    assert.equal(1, consumer:step(function()
      helper.misuse("own handler", again.wait_for, again, 1, 0)
      assert.is_true(other:wait_for(1, 0))
    end))
    assert.is_true(again:wait_for(1, 0))
  end)

  it("are those of one database if both are in memory", function()
    local consumer, other = open(helper.memory()), open(helper.memory())
    assert.equal(1, other:step(function() end))
    assert.equal(1, consumer:step(function() assert.is_true(other:wait_for(1, 0)) end))
  end)

  it("include the outer ones of nested handlers, until each has ended", function()
    local outer, inner = open(helper.memory()), open(helper.memory())
    helper.refused("BATCH_FAILED", outer:step(function()
      assert.equal(1, inner:step(function()
        helper.misuse("own handler", outer.wait_for, outer, 1, 0)
        helper.misuse("own handler", inner.wait_for, inner, 1, 0)
        helper.raises("NESTED", outer.seek, outer, { at = 1 })
      end))
      assert.is_true(inner:wait_for(1, 0))
      helper.raises("NESTED", outer.seek, outer, { at = 1 })
      error "bad"
    end))
    assert.is_nil((next(handlers.running)))
    assert.is_true(outer:seek { at = 1 })
  end)
end)
