-- batch_reader_spec.lua - how the records of a consumer become batches.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

describe("reading batches", function()
  helper.setup(before_each, after_each)

  local db, orders, consumer

  before_each(function()
    db, orders = consumers.orders()
    consumer = assert(db:consumer("c", { source = "orders", lease = 1 }))
  end)

  it("gives batches of at most batch_bytes, but at least one record", function()
    for i = 1, 4 do assert(orders:put { id = tostring(i), text = ("x"):rep(1000) }) end
    local small = assert(db:consumer("small", { source = "orders", batch_bytes = 2500 }))
    local sizes = {}
    while assert(small:step(function(records) sizes[#sizes + 1] = #records end)) > 0 do end
    assert.same({ 2, 2 }, sizes)
    local one = assert(db:consumer("one", { source = "orders", batch_bytes = 1 }))
    assert.equal(1, one:step(function() end))
  end)

  it("loses no record between batches that are limited by their bytes and their number", function()
    local first = db:last_change()
    for i = 1, 40 do
      assert(orders:put { id = tostring(i), text = ("x"):rep(i % 7 * 300) })
    end
    local opts = { source = "orders", batch_bytes = 2000, batch_size = 4, bisect = true }
    local mixed, got, runs = assert(db:consumer("mixed", opts)), {}, 0
    repeat
      local count = assert(mixed:step(function(records)
        runs = runs + 1
        if #records > 1 and runs % 3 == 0 then error "again, in halves" end
        for _, record in ipairs(records) do got[#got + 1] = record.sequence_number end
      end))
    until count == 0
    local expected = {}
    for i = 1, 40 do expected[i] = first + i end
    assert.same(expected, got)
  end)

  it("holds a batch back for the window of its first record", function()
    assert(db:consumer("c", { source = "orders", lease = 1, window = 0.2, update = true }))
    assert(orders:put { id = "1" })
    assert.equal(0, consumer:step(error))
    local before = core.elapsed()
    consumer:run(function(records)
      assert.equal(1, #records)
      consumer:stop()
    end)
    assert.is_true(core.elapsed() - before >= 0.1)
  end)

  it("ends when its table is deleted, after the last record", function()
    assert(orders:put { id = "1" })
    assert(db:delete_table "orders")
    assert.equal(1, consumer:step(function(records) assert.equal("1", records[1].keys.id) end))
    helper.refused("SOURCE_GONE", consumer:run(error))
  end)

  it("ends when its stream is disabled, after the last record", function()
    assert(orders:put { id = "1" })
    assert(orders:disable_stream())
    assert.equal(1, consumer:step(function() end))
    helper.refused("STREAM_GAP", consumer:run(error))
    assert(orders:enable_stream())
    helper.refused("STREAM_GAP", consumer:run(error))
  end)
end)
