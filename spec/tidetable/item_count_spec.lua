-- item_count_spec.lua - orders:count_items(), as documented in doc/modules/table.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

describe("count_items", function()
  local clock, db, orders

  before_each(function()
    clock = tidetable.manual_clock(1000000)
    db = helper.open { clock = clock }
    orders = assert(db:create_table { name = "orders", partition_key = { "id", "N" },
      ttl = "ends" })
    for i = 1, 5 do assert(orders:put { id = i, ends = 1000000 + 60 * i }) end
  end)

  local function described(handle)
    local description = assert(handle:describe())
    return { description.items, description.items_counted_at }
  end

  it("stores the number and the time", function()
    assert.same({}, described(orders))
    assert.equal(5, orders:count_items())
    assert.same({ 5, 1000000 }, described(orders))
    clock:advance(30)
    assert(orders:put { id = 6 })
    assert.same({ 5, 1000000 }, described(orders))
    assert.equal(6, orders:count_items())
    assert.same({ 6, 1000030 }, described(helper.open { clock = clock }:table "orders"))
    assert.is_true(db:check().ok)
  end)

  it("leaves out expired items", function()
    clock:advance(150)
    assert.equal(3, orders:count_items())
  end)

  it("stores nothing if the database is read-only", function()
    db:close()
    local reader <close> = assert(tidetable.open(helper.path(), { read_only = true,
      clock = clock }))
    assert.equal(5, reader:table("orders"):count_items())
    assert.same({}, described(reader:table "orders"))
  end)

  it("is refused in a transaction and without a table", function()
    local _, code
    db:transact(function()
      helper.raises("NESTED", orders.count_items, orders)
    end)
    assert(db:delete_table "orders")
    _, _, code = orders:count_items()
    assert.equal("NOT_FOUND", code)
  end)

  it("forgets the number with the table", function()
    assert(orders:count_items())
    assert(db:delete_table "orders")
    assert.is_true(db:check().ok)
    orders = assert(db:create_table { name = "orders", partition_key = { "id", "N" } })
    assert.same({}, described(orders))
  end)
end)
