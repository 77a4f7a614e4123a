-- optimistic_conflicts_spec.lua - writes that conflict with reads of an optimistic transaction.
local helper = require "spec.tidetable.helper"
local shared = require "spec.tidetable.optimistic"

helper.setup(before_each, after_each)

local collect, raises = helper.collect, helper.raises
local optimistic, disturbed = shared.transact, shared.disturbed
local open_shop, fill = shared.open_shop, shared.fill

local function nothing() end

describe("what is read", function()
  local db, accounts, orders
  local changes = 0

  before_each(function()
    db, accounts, orders = open_shop()
    assert(accounts:put { id = "ann", v = 1 })
    fill(orders, "x", 9)
  end)

  local function write(tx) tx:table("accounts"):put { id = "written" } end

  local function runs(read, between)
    local n, ok = disturbed(db, read, between, write)
    assert.equal("done", ok)
    assert.is_true(db:check().ok)
    return n
  end

  --- Changes the order n, or adds it.
  local function put(n)
    return function()
      changes = changes + 1
      assert(orders:put { customer = "x", n = n, change = changes })
    end
  end

  local function get_ann(tx) return tx:table("accounts"):get { id = "ann" } end

  it("by key conflicts with a put, a delete and a change back to the same item", function()
    assert.equal(2, runs(get_ann, function() accounts:put { id = "ann", v = 2 } end))
    assert.equal(2, runs(get_ann, function()
      accounts:put { id = "ann", v = 3 }
      accounts:put { id = "ann", v = 2 }
    end))
    assert.equal(1, runs(get_ann, function() accounts:put { id = "ann", v = 2 } end))
    assert.equal(2, runs(get_ann, function() accounts:delete { id = "ann" } end))
    assert.equal(2, runs(get_ann, function() accounts:put { id = "ann" } end))
    assert.equal(1, runs(get_ann, function() accounts:put { id = "bob" } end))
  end)

  it("conflicts even if the transaction has overwritten it", function()
    assert.equal(2, runs(function(tx)
      get_ann(tx)
      tx:table("accounts"):put { id = "ann", v = "mine" }
    end, function() accounts:put { id = "ann", v = "theirs" } end))
    assert.equal("mine", accounts:get { id = "ann" }.v)
  end)

  it("as an old image conflicts too", function()
    assert.equal(2, runs(function(tx)
      tx:table("accounts"):put({ id = "ann", v = "mine" }, { return_values = "ALL_OLD" })
    end, function() accounts:put { id = "ann", v = "theirs" } end))
    assert.equal(2, runs(function(tx)
      tx:table("accounts"):delete({ id = "none" }, { return_values = "ALL_OLD" })
    end, function() accounts:put { id = "none" } end))
  end)

  it("does not include what was only written", function()
    local function blind(tx)
      local inside = tx:table "accounts"
      inside:put { id = "ann", v = "mine" }
      inside:get { id = "ann" }
      inside:delete { id = "bob" }
      assert.is_nil(inside:get { id = "bob" })
    end
    assert.equal(1, runs(blind, function()
      accounts:put { id = "ann", v = "theirs" }
      accounts:put { id = "bob" }
    end))
    assert.equal("mine", accounts:get { id = "ann" }.v)
    assert.is_nil(accounts:get { id = "bob" })
  end)

  it("does not conflict if the transaction wrote nothing", function()
    local n = disturbed(db, get_ann, function() accounts:put { id = "ann", v = 9 } end, nothing)
    assert.equal(1, n)
  end)

  it("by a query conflicts with any change in its range", function()
    local function between(from, to)
      return function(tx)
        collect(tx:table("orders"):query("x", { sort = { "between", from, to } }))
      end
    end
    for _, n in ipairs { 3, 4.5, 6 } do
      assert.equal(2, runs(between(3, 6), put(n)))
    end
    assert.equal(2, runs(between(3, 6), function() orders:delete { customer = "x", n = 5 } end))
    assert.equal(2, runs(between(30, 60), put(40)))
    for _, n in ipairs { 2, 2.9, 6.1, 7 } do
      assert.equal(1, runs(between(3, 6), put(n)))
    end
    assert.equal(1, runs(between(3, 6), function() orders:put { customer = "y", n = 4 } end))
  end)

  it("by an iteration that ended early conflicts up to where it ended", function()
    local function up_to(last, options)
      return function(tx)
        for order in tx:table("orders"):query("x", options) do
          if order.n == last then break end
        end
      end
    end
    assert.equal(2, runs(up_to(3), put(2)))
    assert.equal(2, runs(up_to(3), put(3)))
    assert.equal(1, runs(up_to(3), put(4)))
    assert.equal(1, runs(up_to(7, { descending = true }), put(6)))
    assert.equal(2, runs(up_to(7, { descending = true }), put(7)))
    assert.equal(2, runs(up_to(7, { descending = true }), put(100)))
    orders:delete { customer = "x", n = 100 }
    -- A limit also ends the range that was read; start_key begins it.
    local function limited(tx)
      collect(tx:table("orders"):query("x", { limit = 3, start_key = { customer = "x", n = 2 } }))
    end
    assert.equal(1, runs(limited, put(2)))
    assert.equal(2, runs(limited, put(2.5)))
    orders:delete { customer = "x", n = 2.5 }
    assert.equal(2, runs(limited, put(5)))
    assert.equal(1, runs(limited, put(6)))
  end)

  it("with a filter conflicts with a change of any item that it evaluated", function()
    local function filtered(options)
      return function(tx)
        collect(tx:table("orders"):query("x", options))
      end
    end
    local five = { filter = "v = ?", 5 }
    assert.equal(2, runs(filtered(five), put(5)))
    assert.equal(2, runs(filtered(five), put(2)))          -- it could satisfy the filter now
    assert.equal(2, runs(filtered(five), put(5.5)))
    orders:delete { customer = "x", n = 5.5 }
    assert.equal(1, runs(filtered(five), function() orders:put { customer = "y", n = 4 } end))
    local function counted(tx)
      tx:table("orders"):query("x", { filter = "v = ?", 5, count = true })
    end
    assert.equal(2, runs(counted, put(9)))
    local condition = { key_condition = "customer = ? AND n BETWEEN ? AND ?", "x", 3, 6 }
    local function by_condition(tx) collect(tx:table("orders"):query(condition)) end
    assert.equal(2, runs(by_condition, put(6)))
    assert.equal(1, runs(by_condition, put(7)))
    local function projected(tx)
      tx:table("orders"):get({ customer = "x", n = 1 }, { projection = "n" })
    end
    assert.equal(2, runs(projected, put(1)))
    assert.equal(1, runs(projected, put(2)))
    local function page(tx)
      tx:table("orders"):query_page("x", { filter = "v = ?", -1, limit = 4 })
    end
    assert.equal(2, runs(page, put(4)))
    assert.equal(1, runs(page, put(6)))
  end)

  it("by a page conflicts with a change in it or just after it", function()
    local function page(tx)
      local items, key = tx:table("orders"):query_page("x", { limit = 9 })
      assert.equal(9, #items)
      assert.is_nil(key)
    end
    assert.equal(2, runs(page, put(9)))
    local n = disturbed(db, function(tx) tx:table("orders"):query_page("x", { limit = 9 }) end,
      put(10), write)
    assert.equal(2, n)
  end)

  it("by an iterator without a loop is recorded too", function()
    assert.equal(2, runs(function(tx)
      local next_order, rows = tx:table("orders"):query "x"
      assert.equal(1, next_order(rows).n)
    end, put(1)))
  end)

  it("by a query of more than a page conflicts up to its last item", function()
    fill(orders, "many", 2500)
    local function all(tx) assert.is_true(#collect(tx:table("orders"):query "many") >= 2500) end
    assert.equal(2, runs(all, function() orders:put { customer = "many", n = 2500, v = 0 } end))
    assert.equal(2, runs(all, function() orders:put { customer = "many", n = 2501 } end))
    assert.equal(1, runs(all, function() orders:put { customer = "manz", n = 1 } end))
  end)

  it("from a table that is deleted or created again conflicts", function()
    assert(db:create_table { name = "third", partition_key = "id" })
    local function look(tx) pcall(tx.table, tx, "third") end
    assert.equal(2, runs(look, function()
      assert(db:delete_table "third")
      assert(db:create_table { name = "third", partition_key = "id" })
    end))
    assert.equal(2, runs(look, function() assert(db:delete_table "third") end))
    assert.equal(2, runs(look, function()
      assert(db:create_table { name = "third", partition_key = "id" })
    end))
    assert.equal(1, runs(look, function()
      assert(db:create_table { name = "fourth", partition_key = "id" })
    end))
  end)

  it("comes from the snapshot after the table is deleted or created again", function()
    local n = 0
    local items, err, code = optimistic(db, function(tx)
      n = n + 1
      local inside = tx:table "orders"
      if n == 1 then
        assert(db:delete_table "orders")
        assert(db:create_table { name = "orders", partition_key = "id", stream = true })
        assert.equal(3, inside:get({ customer = "x", n = 3 }).v)
        assert.equal(9, #collect(inside:query "x"))
      else
        assert.are.same({}, collect(inside:scan()))
      end
      inside:put(n == 1 and { customer = "x", n = 1 } or { id = "new" })
      return n
    end)
    assert.are.same({ 2 }, { items, err, code })
  end)

  it("includes the absence of a table", function()
    optimistic(db, function(tx)
      assert(db:create_table { name = "third", partition_key = "id" })
      raises("NOT_FOUND", tx.table, tx, "third")
    end)
  end)

  it("prevents write skew", function()
    assert(accounts:put { id = "bob", v = 1 })
    local function withdraw(from)
      return function(tx)
        local inside = tx:table "accounts"
        local sum = inside:get({ id = "ann" }).v + inside:get({ id = "bob" }).v
        coroutine.yield()
        if sum >= 2 then inside:put { id = from, v = -1 } end
      end
    end
    local threads = {}
    for i, id in ipairs { "ann", "bob" } do
      threads[i] = coroutine.create(function() return optimistic(db, withdraw(id)) end)
    end
    while coroutine.status(threads[1]) ~= "dead" or coroutine.status(threads[2]) ~= "dead" do
      for _, thread in ipairs(threads) do
        if coroutine.status(thread) ~= "dead" then assert(coroutine.resume(thread)) end
      end
    end
    assert.equal(0, accounts:get { id = "ann" }.v + accounts:get { id = "bob" }.v)
  end)
end)
