-- optimistic_spec.lua - optimistic mode, as documented in doc/modules/transaction.md.
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local shared = require "spec.tidetable.optimistic"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, blames = helper.refused, helper.raises, helper.blames
local collect, field = helper.collect, helper.field
local optimistic, disturbed = shared.transact, shared.disturbed
local shop, open_shop, fill = shared.shop, shared.open_shop, shared.fill

local function nothing() end

--------------------------------------------------------------------------------
-- Running
--------------------------------------------------------------------------------

describe("an optimistic transaction", function()
  it("applies its writes and returns the results of its function", function()
    local db, accounts, orders = open_shop()
    assert(accounts:put { id = "ann", balance = 10 })
    local results = table.pack(optimistic(db, function(tx)
      local ann = tx:table("accounts"):get { id = "ann" }
      assert.is_truthy(tx:table("accounts"):put { id = "ann", balance = ann.balance - 3 })
      assert.is_truthy(tx:table("orders"):put { customer = "ann", n = 1, total = 3 })
      return 1, nil, "three", nil
    end))
    assert.are.same({ n = 4, 1, nil, "three" }, results)
    assert.equal(7, accounts:get { id = "ann" }.balance)
    assert.equal(3, orders:get { customer = "ann", n = 1 }.total)
    assert.is_true(db:check().ok)
  end)

  it("is one transaction: consecutive records in the order of its writes", function()
    local db = open_shop()
    optimistic(db, function(tx)
      local accounts = tx:table "accounts"
      accounts:put { id = "a", v = 1 }
      tx:table("orders"):put { customer = "x", n = 1 }
      accounts:put { id = "a", v = 2 }
      accounts:delete { id = "a" }
    end)
    assert.equal(1, #collect(db:stream():transactions()))
    assert.are.same({ "INSERT", "INSERT", "MODIFY", "REMOVE" },
      field("event_name", db:stream():records()))
  end)

  it("stores nothing before it ends", function()
    local db, accounts = open_shop()
    optimistic(db, function(tx)
      tx:table("accounts"):put { id = "ann" }
      assert.is_nil(accounts:get { id = "ann" })
    end)
    assert.is_table(accounts:get { id = "ann" })
  end)

  it("needs no lock while it runs", function()
    local db, accounts = open_shop()
    local path = helper.path()
    local one, two = helper.open({}, path), helper.open({ busy_timeout = 0 }, path)
    shop(one)
    optimistic(one, function(tx)
      tx:table("accounts"):put { id = "ann" }
      assert(assert(two:table "accounts"):put { id = "bob" })
    end)
    assert.is_table(assert(two:table "accounts"):get { id = "ann" })
    -- The writer may use the same handle, and may be another transaction.
    optimistic(db, function(tx)
      assert(accounts:put { id = "bob" })
      db:transact(function(locked) locked:table("accounts"):put { id = "eve" } end)
      optimistic(db, function(inner) inner:table("accounts"):put { id = "joe" } end)
      tx:table("accounts"):put { id = "ann" }
    end)
    assert.are.same({ "ann", "bob", "eve", "joe" }, field("id", accounts:scan()))
  end)

  it("reads from one snapshot while others write", function()
    local db, accounts, orders = open_shop()
    fill(orders, "x", 3)
    assert(accounts:put { id = "ann", v = 1 })
    optimistic(db, function(tx)
      assert(accounts:put { id = "ann", v = 2 })
      assert(orders:put { customer = "x", n = 4 })
      assert(orders:delete { customer = "x", n = 1 })
      assert.equal(1, tx:table("accounts"):get({ id = "ann" }).v)
      assert.are.same({ 1, 2, 3 }, field("n", tx:table("orders"):query "x"))
      assert.are.same({ 1, 2, 3 }, field("n", tx:table("orders"):scan()))
    end)
  end)

  it("is undone if its function raises an error, and raises the same error", function()
    local db, accounts = open_shop()
    local thrown = setmetatable({}, { __tostring = function() return "mine" end })
    local ok, err = pcall(optimistic, db, function(tx)
      tx:table("accounts"):put { id = "ann" }
      error(thrown)
    end)
    assert.is_false(ok)
    assert.equal(thrown, err)
    ok, err = pcall(optimistic, db, function() error() end)
    assert.is_false(ok)
    assert.is_nil(err)
    assert.is_nil(accounts:get { id = "ann" })
    assert.equal(1, db:info().readers)
  end)

  it("runs its function once if nothing that it read has changed", function()
    local db, accounts, orders = open_shop()
    fill(orders, "x", 3)
    local runs = disturbed(db, function(tx)
      tx:table("accounts"):get { id = "ann" }
      collect(tx:table("orders"):query "x")
    end, function()
      assert(accounts:put { id = "bob" })
      assert(orders:put { customer = "y", n = 1 })
      assert(db:create_table { name = "other", partition_key = "id" })
    end, function(tx)
      tx:table("accounts"):put { id = "ann" }
    end)
    assert.equal(1, runs)
  end)

  it("leaves no reader slot or lock behind", function()
    local db, accounts = open_shop()
    local readers = db:info().readers
    for _ = 1, 300 do
      optimistic(db, function(tx) tx:table("accounts"):get { id = "ann" } end)
      pcall(optimistic, db, error)
    end
    assert.equal(readers, db:info().readers)
    assert(accounts:put { id = "ann" })
  end)

  it("can only read on a read-only handle", function()
    helper.open()
    local db = helper.open()
    local accounts = shop(db)
    assert(accounts:put { id = "ann", v = 1 })
    db:close()
    local reader = helper.open { read_only = true, durability = nil }
    assert.equal(1, optimistic(reader, function(tx)
      return tx:table("accounts"):get({ id = "ann" }).v
    end))
    refused("READ_ONLY", optimistic(reader, function(tx)
      tx:table("accounts"):put { id = "bob" }
    end))
  end)

  it("is refused inside a locked transaction", function()
    local db = open_shop()
    db:transact(function()
      helper.raises("NESTED", optimistic, db, nothing)
    end)
  end)

  it("waits for a writer at its end, for busy_timeout", function()
    local path = helper.path()
    local one, two = helper.open({}, path), helper.open({ busy_timeout = 0 }, path)
    shop(one)
    one:transact(function(tx)
      tx:table("accounts"):put { id = "x" }
      local err = refused("BUSY", optimistic(two, function(other)
        other:table("accounts"):put { id = "ann" }
      end))
      assert.is_true(err.retryable)
      assert.equal("read", optimistic(two, function() return "read" end))
    end)
  end)

  it("returns an error of applying its writes, and stores nothing", function()
    local db, accounts = open_shop()
    local err = refused("TOO_BIG", optimistic(db, function(tx)
      local blob = ("x"):rep(390000)
      for n = 1, 60 do tx:table("orders"):put { customer = "x", n = n, blob = blob } end
    end))
    assert.is_truthy(err.message:find("orders", 1, true))
    assert.are.same({}, collect(assert(db:table "orders"):scan()))
    assert(accounts:put { id = "ann" })
  end)

  it("holds no snapshot while it waits for the lock", function()
    local db = helper.open()
    assert(db:create_table { name = "accounts", partition_key = "id" })
    local held = {}
    local other = helper.open { busy_timeout = 0.05, wait = function()
      held[#held + 1] = db:info().oldest_reader_pid or "none"
    end }
    db:transact(function()
      refused("BUSY", optimistic(other, function(tx)
        local accounts = tx:table "accounts"
        accounts:get { id = "ann" }
        assert.is_not_nil(db:info().oldest_reader_pid)
        accounts:put { id = "bob" }
      end))
    end)
    assert.is_true(#held > 0)
    for _, pid in ipairs(held) do assert.equal("none", pid) end
  end)

  it("ends when its database is closed", function()
    local db, accounts = open_shop()
    local kept
    local err = raises("CLOSED", optimistic, db, function(tx)
      kept = tx:table "accounts"
      db:close()
      raises("CLOSED", kept.get, kept, { id = "ann" })
      raises("CLOSED", kept.scan, kept)
    end)
    assert.is_table(err)
    raises("CLOSED", kept.get, kept, { id = "ann" })
    raises("CLOSED", accounts.get, accounts, { id = "ann" })
  end)
end)

describe("the options of transact", function()
  it("include the mode", function()
    local db, accounts = open_shop()
    assert.equal(5, db:transact(function(tx)
      tx:table("accounts"):put { id = "ann" }
      -- A write outside a transaction is refused while the write lock is held.
      helper.raises("NESTED", accounts.put, accounts, { id = "bob" })
      return 5
    end, { mode = "locked", time_limit = 1 }))
    for text, options in pairs {
      ['"mode" must be "locked" or "optimistic", got "none"'] = { mode = "none" },
      ['"attempts" requires mode "optimistic"'] = { attempts = 3 },
      ['"attempts" requires mode'] = { attempts = 3, mode = "locked" },
      ['"attempts" must be an integer from 1'] = { attempts = 0, mode = "optimistic" },
      ['did you mean "attempts"'] = { attempt = 1, mode = "optimistic" },
    } do
      blames(text, function() db:transact(nothing, options) end)
    end
    blames("expected a function", function() db:transact("fn", { mode = "optimistic" }) end)
  end)

  it("limit the number of attempts", function()
    local db, accounts = open_shop()
    local version = 0
    for attempts, expected in pairs { [1] = 1, [4] = 4, [false] = 10 } do
      local runs, ok, err, code = disturbed(db, function(tx)
        tx:table("accounts"):get { id = "ann" }
      end, function()
        version = version + 1
        accounts:put { id = "ann", v = version }
      end, function(tx)
        tx:table("accounts"):put { id = "bob" }
      end, { attempts = attempts or nil }, math.huge)
      assert.equal(expected, runs)
      refused("CONFLICT", ok, err, code)
      assert.is_true(err.retryable)
      assert.equal("TransactionConflictException", err.exception)
      assert.is_nil(accounts:get { id = "bob" })
    end
  end)
end)

--------------------------------------------------------------------------------
-- Its own writes
--------------------------------------------------------------------------------

describe("the transaction's own writes", function()
  local db, accounts, orders
  before_each(function() db, accounts, orders = open_shop() end)

  it("are returned by get, as copies", function()
    optimistic(db, function(tx)
      local inside = tx:table "accounts"
      local item = { id = "ann", list = tidetable.list { 1 } }
      inside:put(item)
      item.list[1] = 2
      local got = inside:get { id = "ann" }
      assert.equal(1, got.list[1])
      got.list[1] = 3
      assert.equal(1, inside:get({ id = "ann" }).list[1])
      inside:delete { id = "ann" }
      assert.is_nil(inside:get { id = "ann" })
      inside:put { id = "ann", again = true }
    end)
    assert.are.same({ id = "ann", again = true }, accounts:get { id = "ann" })
  end)

  it("are returned as old images", function()
    assert(accounts:put { id = "ann", v = 0 })
    optimistic(db, function(tx)
      local inside, old = tx:table "accounts", { return_values = "ALL_OLD" }
      assert.are.same({ n = 2, true, { id = "ann", v = 0 } },
        table.pack(inside:put({ id = "ann", v = 1 }, old)))
      assert.are.same({ n = 2, true, { id = "ann", v = 1 } },
        table.pack(inside:delete({ id = "ann" }, old)))
      assert.are.same({ n = 1, true }, table.pack(inside:put({ id = "ann", v = 2 }, old)))
      assert.are.same({ n = 1, true }, table.pack(inside:put({ id = "ann", v = 3 })))
    end)
  end)

  it("are included in a query if they were made before it began", function()
    fill(orders, "x", 6)
    optimistic(db, function(tx)
      local inside = tx:table "orders"
      inside:put { customer = "x", n = 0, v = "own" }
      inside:put { customer = "x", n = 2, v = "own" }
      inside:delete { customer = "x", n = 4 }
      inside:put { customer = "x", n = 4.5, v = "own" }
      inside:put { customer = "x", n = 9, v = "own" }
      assert.are.same({ 0, 1, 2, 3, 4.5, 5, 6, 9 }, field("n", inside:query "x"))
      assert.are.same({ 9, 6, 5, 4.5, 3 },
        field("n", inside:query("x", { descending = true, limit = 5 })))
      assert.are.same({ 2, 3, 4.5 }, field("n", inside:query("x", {
        sort = { "between", 2, 5 }, limit = 3 })))
      assert.are.same({ "own", 3, "own" }, field("v", inside:query("x", {
        sort = { "between", 2, 4.5 } })))
      local seen = {}
      for order in inside:query "x" do
        seen[#seen + 1] = order.n
        inside:put { customer = "x", n = order.n + 0.25, v = "while it ran" }
        inside:delete { customer = "x", n = 5 }
      end
      assert.are.same({ 0, 1, 2, 3, 4.5, 5, 6, 9 }, seen)
      assert.equal(15, #collect(inside:scan()))
    end)
    assert.equal(15, #collect(orders:query "x"))
  end)

  it("are returned by a running query in the state in which it began", function()
    for n = 1, 5, 2 do assert(orders:put { customer = "x", n = n, v = "there" }) end
    local expected = { [0] = "own 0", "there", "own 2", "there", "own 4", "there", "own 6" }
    for _, descending in ipairs { false, true } do
      local _, undone = pcall(optimistic, db, function(tx)
        local inside, seen, count = tx:table "orders", {}, 0
        for n = 0, 6, 2 do inside:put { customer = "x", n = n, v = "own " .. n } end
        for order in inside:query("x", { descending = descending }) do
          seen[order.n], count = order.v, count + 1
          for n = 0, 6 do
            inside:put { customer = "x", n = n, v = "later" }
            inside:put { customer = "x", n = n + 0.5 / count, v = "new" }
          end
          inside:delete { customer = "x", n = 6 }
          -- A query that begins later includes all writes.
          assert.equal(6 + 7 * count, #collect(inside:query "x"))
        end
        assert.are.same(expected, seen)
        assert.equal(7, count)
        error("undone", 0)
      end)
      assert.equal("undone", undone)
    end
  end)

  it("are included in pages, and in the last key", function()
    fill(orders, "x", 4)
    optimistic(db, function(tx)
      local inside = tx:table "orders"
      inside:delete { customer = "x", n = 2 }
      for n = 5, 8 do inside:put { customer = "x", n = n } end
      local all, key, pages = {}, nil, 0
      repeat
        local items
        items, key = inside:query_page("x", { limit = 2, start_key = key })
        for _, item in ipairs(items) do all[#all + 1] = item.n end
        pages = pages + 1
      until not key
      assert.are.same({ 1, 3, 4, 5, 6, 7, 8 }, all)
      assert.equal(4, pages)
      assert.are.same({ { customer = "x", n = 5 }, 4, n = 2 },
        table.pack(select(2, inside:scan_page { limit = 4 })))
    end)
  end)

  it("are included in pages of 1,000 items and of 1 MB", function()
    optimistic(db, function(tx)
      local inside = tx:table "orders"
      for n = 1, 1500 do inside:put { customer = "x", n = n } end
      local items, key = inside:scan_page()
      assert.equal(1000, #items)
      assert.are.same({ customer = "x", n = 1000 }, key)
      for n = 1, 8 do inside:put { customer = "y", n = n, blob = ("b"):rep(300000) } end
      items, key = inside:query_page "y"
      assert.equal(4, #items)
      assert.are.same({ customer = "y", n = 4 }, key)
    end)
  end)

  it("can be made by load", function()
    optimistic(db, function(tx)
      local inside, n = tx:table "orders", 0
      assert.equal(3, inside:load { { customer = "x", n = 1 }, { customer = "x", n = 2 },
        { customer = "x", n = 3 } })
      assert.equal(50, inside:load(function()
        n = n + 1
        return n <= 50 and { customer = "y", n = n } or nil
      end))
      assert.equal(50, #collect(inside:query "y"))
    end)
    assert.equal(53, #collect(orders:scan()))
    local err = raises("VALIDATION", optimistic, db, function(tx)
      tx:table("orders"):load { { customer = "z", n = 1 }, { customer = "z" } }
    end)
    assert.equal(0, err.loaded)
    assert.equal(2, err.item)
    assert.are.same({}, collect(orders:query "z"))
  end)

  it("can have keys of any length", function()
    local wide = assert(db:create_table {
      name = "wide", partition_key = "p", sort_key = { "s", "S" },
    })
    local partition = ("p"):rep(1500)
    local function key(n) return { p = partition, s = ("s"):rep(900) .. n } end
    for n = 1, 6, 2 do assert(wide:put(key(n))) end
    local runs = disturbed(db, function(tx)
      local inside = tx:table "wide"
      inside:put(key(2))
      inside:delete(key(3))
      assert.is_nil(inside:get(key(3)))
      assert.is_table(inside:get(key(5)))
      local ends = {}
      for item in inside:query(partition, { descending = true }) do
        ends[#ends + 1] = item.s:sub(-1)
      end
      assert.are.same({ "5", "2", "1" }, ends)
      assert.equal(3, #collect(inside:scan()))
    end, function() wide:delete(key(3)) end, nothing)
    assert.equal(2, runs)
    assert.is_true(db:check().ok)
  end)

  it("are refused like those of a locked transaction", function()
    optimistic(db, function(tx)
      local inside = tx:table "orders"
      db:transact(function(locked)
        local same = locked:table "orders"
        for _, case in ipairs {
          { "put", { customer = "x" } }, { "put", { customer = "x", n = "1" } },
          { "put", { customer = "", n = 1 } }, { "put", { customer = "x", n = 1, f = print } },
          { "put", { customer = "x", n = 1, blob = ("x"):rep(410000) } },
          { "get", { customer = "x" } }, { "get", { customer = "x", n = 1, v = 1 } },
          { "delete", { customer = 1, n = 1 } }, { "query", 1 },
          { "query", "x", { sort = { "begins_with", "a" } } },
          { "query", "x", { start_key = { customer = "y", n = 1 } } },
          { "scan_page", { start_key = { customer = "y" } } },
        } do
          local method = case[1]
          local one = raises("VALIDATION", same[method], same, case[2], case[3])
          local two = raises("VALIDATION", inside[method], inside, case[2], case[3])
          assert.equal(one.message, two.message)
        end
        raises("NOT_FOUND", tx.table, tx, "none")
        raises("VALIDATION", tx.table, tx, "n")
      end)
      blames("query: the partition key's value is missing", function() inside:query() end)
      blames('put: unknown option "return_value"', function()
        inside:put({}, { return_value = "NONE" })
      end)
      blames("put: expected an item (a table), got nil", function() inside:put() end)
      blames("get: expected a key (a table), got string", function() inside:get "x" end)
      blames("delete: expected a key (a table), got nil", function() inside:delete() end)
      blames("table: expected a name, got nil", function() tx:table() end)
      blames('scan: unknown option "sort"', function() inside:scan { sort = { "=", 1 } } end)
      blames('query: option "snapshot_limit" requires option "snapshot"',
        function() inside:query("x", { snapshot_limit = 1 }) end)
      blames('query: option "snapshot_limit" is not available in optimistic mode: time_limit',
        function() inside:query("x", { snapshot = true, snapshot_limit = 1 }) end)
      blames('scan: option "snapshot_limit" is not available in optimistic mode: time_limit',
        function() inside:scan { snapshot = true, snapshot_limit = 1 } end)
    end)
  end)
end)

--------------------------------------------------------------------------------
-- Time, yields, ends
--------------------------------------------------------------------------------

describe("the time limit", function()
  it("releases the snapshot: the next operation and the end raise TIMEOUT", function()
    local clock = helper.clock()
    local db, accounts, orders = open_shop()
    fill(orders, "x", 3)
    local readers = db:info().readers
    local err = raises("TIMEOUT", optimistic, db, function(tx)
      local inside = tx:table "orders"
      local next_order, rows = inside:query "x"
      next_order(rows)
      clock:advance(31)
      raises("TIMEOUT", inside.get, inside, { customer = "x", n = 1 })
      assert.equal(readers, db:info().readers)
      raises("TIMEOUT", inside.put, inside, { customer = "x", n = 1 })
      raises("TIMEOUT", inside.query, inside, "x")
      raises("TIMEOUT", next_order, rows)
      raises("TIMEOUT", tx.table, tx, "accounts")
    end, { time_limit = 30 })
    assert.is_true(err.retryable)
    raises("TIMEOUT", optimistic, db, function(tx)
      tx:table("accounts"):put { id = "ann" }
      clock:advance(31)
    end, { time_limit = 30 })
    assert.is_nil(accounts:get { id = "ann" })
  end)
end)

describe("a transaction that has ended", function()
  it("raises CLOSED, and so do its tables and iterators", function()
    local db, _, orders = open_shop()
    fill(orders, "x", 3)
    local kept, inside, next_order, rows
    local function keep(tx)
      kept, inside = tx, tx:table "orders"
      next_order, rows = inside:query "x"
      next_order(rows)
    end
    local function is_closed()
      raises("CLOSED", kept.table, kept, "orders")
      raises("CLOSED", inside.get, inside, { customer = "x", n = 1 })
      raises("CLOSED", inside.put, inside, { customer = "x", n = 1 })
      raises("CLOSED", inside.delete, inside, { customer = "x", n = 1 })
      raises("CLOSED", inside.query_page, inside, "x")
      raises("CLOSED", inside.load, inside, {})
      raises("CLOSED", next_order, rows)
    end
    optimistic(db, keep)
    is_closed()
    pcall(optimistic, db, function(tx)
      keep(tx)
      error "undone"
    end)
    is_closed()
  end)
end)

describe("the function of an optimistic transaction", function()
  it("may yield anywhere", function()
    local db, accounts, orders = open_shop()
    fill(orders, "x", 3)
    local co = coroutine.wrap(function()
      return optimistic(db, function(tx)
        coroutine.yield "in fn"
        for order in tx:table("orders"):query "x" do coroutine.yield(order.n) end
        tx:table("accounts"):put { id = "ann" }
        coroutine.yield "written"
        return "done"
      end)
    end)
    local seen = {}
    for i = 1, 6 do
      seen[i] = co()
      assert(accounts:put { id = "bob", v = i })
    end
    assert.are.same({ "in fn", 1, 2, 3, "written", "done" }, seen)
    assert.is_table(accounts:get { id = "ann" })
  end)

  it("may be a coroutine that is dropped: its snapshot is released", function()
    local db = open_shop()
    local readers = db:info().readers
    local co = coroutine.create(function() optimistic(db, coroutine.yield) end)
    coroutine.resume(co)
    assert.equal(readers + 1, db:info().readers)
    assert(coroutine.close(co))
    assert.equal(readers, db:info().readers)
    coroutine.resume(coroutine.create(function() optimistic(db, coroutine.yield) end))
    collectgarbage()
    collectgarbage()
    assert.equal(readers, db:info().readers)
  end)

  it("may poll in cqueues, and the commit waits there for the writer", function()
    local path = helper.path()
    local db = helper.open({}, path)
    local accounts = shop(db)
    local loop, ticks = cqueues.new(), 0
    local child = helper.child [[
      db:transact(function(tx)
        print "locked"
        local ends = os.clock() + 0.15
        while os.clock() < ends do end
        tx:table("accounts"):put { id = "child" }
      end, { time_limit = 60 })
    ]]
    loop:wrap(function()
      assert.equal("done", optimistic(db, function(tx)
        cqueues.poll(0.01)
        assert.equal("locked", child:line())
        tx:table("accounts"):put { id = "ann" }
        return "done"
      end))
      ticks = -ticks
    end)
    loop:wrap(function()
      while ticks >= 0 do
        ticks = ticks + 1
        cqueues.poll(0.005)
      end
    end)
    assert(loop:loop())
    assert.is_true(-ticks >= 5, "the loop stood still: " .. ticks)
    assert.are.same({ "ann", "child" }, field("id", accounts:scan()))
  end)
end)
