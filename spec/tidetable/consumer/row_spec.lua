-- row_spec.lua - reading a consumer from the file.
local helper = require "spec.tidetable.helper"
local rows = require "tidetable.consumer.row"

describe("the row of a consumer", function()
  helper.setup(before_each, after_each)

  it("is CONSUMER_GONE after the consumer was deleted, also if another one has its name", function()
    local db = helper.open()
    assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local consumer = assert(db:consumer("c", { source = "orders" }))
    assert.equal(consumer.id, rows.read(consumer).id)
    assert(consumer:delete())
    helper.refused("CONSUMER_GONE", rows.read(consumer))
    local later = assert(db:consumer("c", { source = "orders" }))
    helper.refused("CONSUMER_GONE", rows.read(consumer))
    assert.equal(later.id, rows.read(later).id)
  end)

  it("returns other errors as they are", function()
    local db = helper.open()
    assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local consumer = assert(db:consumer("c", { source = "orders" }))
    db:close()
    helper.raises("CLOSED", rows.read, consumer)
  end)
end)
