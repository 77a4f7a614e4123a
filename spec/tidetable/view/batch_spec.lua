-- batch_spec.lua - one change of the source is one change of the view.
local helper = require "spec.tidetable.helper"
local views = require "spec.tidetable.views"

describe("a batch of a view", function()
  helper.setup(before_each, after_each)

  local db, orders, spent

  local function open(opts) return assert(db:view(views.kinds.sum.define(1, opts))) end

  before_each(function()
    db = helper.memory()
    orders = views.source(db)
  end)

  local function put(tx, place, number, customer, total)
    tx:put { place = place, number = number, customer = customer, total = total }
  end

  local function last() return db:last_change() end

  local function events(after)
    local list = {}
    for i, record in ipairs(views.records(db:table "spent", after)) do
      list[i] = record.event_name .. " " .. record.keys.customer
    end
    table.sort(list)
    return list
  end

  it("is one commit, with one record for each group", function()
    spent = open()
    views.drain(spent)
    assert(db:transact(function(tx)
      for i = 1, 50 do put(tx:table "orders", "north", i, i % 2 == 0 and "ann" or "bob", i) end
    end))
    for i = 51, 60 do put(orders, "north", i, "eve", i) end
    local before = last()
    assert.equal(60, assert(spent:step()))
    assert.same({ "INSERT ann", "INSERT bob", "INSERT eve" }, events(before))
    local ids = {}
    for _, record in ipairs(views.records(db:table "spent", before)) do
      ids[record.transaction_id] = true
    end
    local id = next(ids)
    assert.is_nil(next(ids, id))
  end)

  it("never contains a part of a transaction", function()
    spent = open { batch_size = 2 }
    views.drain(spent)
    for round = 1, 6 do
      assert(db:transact(function(tx)
        for i = 1, 5 do put(tx:table "orders", "north", i, "ann", round) end
      end))
    end
    for steps = 1, 3 do
      assert.equal(10, assert(spent:step()))
      local row = db:table "spent":get { customer = "ann" }
      assert.same({ 5, steps * 2 * 5 }, { row.orders, row.total })
    end
  end)

  it("does not write rows that are unchanged", function()
    spent = open()
    put(orders, "north", 1, "ann", 5)
    put(orders, "south", 1, "ann", 7)
    views.drain(spent)
    assert(db:transact(function(tx)
      put(tx:table "orders", "north", 1, "ann", 7)
      put(tx:table "orders", "south", 1, "ann", 5)
    end))
    local before = last()
    assert.equal(2, assert(spent:step()))
    assert.same({}, events(before))
    assert.is_true(assert(spent:check()).is_equal)
  end)

  it("removes groups without items, also by truncation", function()
    spent = open()
    for i = 1, 3 do put(orders, "north", i, "ann", 0) end
    put(orders, "north", 4, "bob", 0)
    views.drain(spent)
    assert(orders:delete { place = "north", number = 4 })
    local before = last()
    views.drain(spent)
    assert.same({ "REMOVE bob" }, events(before))
    before = last()
    assert(orders:truncate())
    put(orders, "south", 9, "eve", 1)
    views.drain(spent)
    assert.same({ "INSERT eve", "REMOVE ann" }, events(before))
    assert.same({ { customer = "eve", orders = 1, total = 1 } }, views.items(db:table "spent"))
  end)

  it("leaves items out whose key is nil, and takes them in again", function()
    spent = open()
    put(orders, "north", 1, nil, 5)
    views.drain(spent)
    assert.same({}, views.items(db:table "spent"))
    put(orders, "north", 1, "ann", 5)
    views.drain(spent)
    assert.same({ { customer = "ann", orders = 1, total = 5 } }, views.items(db:table "spent"))
    put(orders, "north", 1, nil, 5)
    views.drain(spent)
    assert.same({}, views.items(db:table "spent"))
  end)

  it("is refused if the stream lacks an image", function()
    spent = open()
    views.drain(spent)
    spent:close()
    assert(orders:alter { stream = { view_type = "KEYS_ONLY" } })
    put(orders, "north", 1, "ann", 5)
    local err
    repeat
      local count
      count, err = spent:step()
    until count ~= 0 and not (count and count > 0)
    assert.matches("NEW_AND_OLD_IMAGES", err.message)
    helper.refused("VALIDATION", db:view(views.kinds.sum.define(1)))
  end)

  for _, mode in ipairs { "locked", "optimistic" } do
    it("keeps a sum exact: " .. mode, function()
      spent = open { mode = mode }
      for i = 1, 100 do put(orders, "north", i, "ann", 0.1) end
      put(orders, "north", 101, "ann", (1 << 62) + 1)
      put(orders, "north", 102, "ann", (1 << 62) + 1)
      views.drain(spent)
      for i = 1, 99 do assert(orders:delete { place = "north", number = i }) end
      views.drain(spent)
      assert.equal("9223372036854775810.1",
        tostring(db:table "spent":get({ customer = "ann" }).total))
      for i = 101, 102 do assert(orders:delete { place = "north", number = i }) end
      views.drain(spent)
      assert.equal(0.1, db:table "spent":get({ customer = "ann" }).total)
    end)
  end
end)
