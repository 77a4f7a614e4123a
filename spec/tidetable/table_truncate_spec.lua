-- table_truncate_spec.lua - table:truncate, as documented in doc/modules/table.md.
--
-- spec/unit/test_truncate.c tests the bounds of a step, spec/crash/truncate_spec.lua killed ones.
local core = require "tidetable.core"
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local STEP = 1000    -- items that one transaction removes

local function create(db, with_stream)
  return assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = with_stream })
end

--- Loads `count` items in key order, some in parts and some with long keys.
local function fill(t, count)
  local i = 0
  assert(t:load(function()
    i = i + 1
    return i <= count and {
      customer = ("c%05d"):format(i) .. (i % 50 == 0 and ("k"):rep(i % 100 == 0 and 2000 or 500)
        or ""),
      placed_at = i, note = ("x"):rep(i % 70 == 0 and 9000 or 20),
    } or nil
  end))
end

local function count_of(t) return (t:scan { count = true }) end

--- Calls `action(n)` before the n-th step of truncations until the end of the test.
local function before_steps(action)
  local truncate, n = core.truncate, 0
  finally(function() core.truncate = truncate end)
  function core.truncate(...)
    n = n + 1
    action(n)
    return truncate(...)
  end
end

for _, with_stream in ipairs { true, false } do
  describe(with_stream and "truncate with a stream" or "truncate without a stream", function()
    it("removes all items in several transactions", function()
      local db = helper.memory()
      local orders = create(db, with_stream)
      local other = assert(db:create_table { name = "other", partition_key = "id" })
      assert(other:put { id = "stays" })
      fill(orders, 2 * STEP + 10)
      local before = db:last_change()
      assert.equal(2 * STEP + 10, orders:truncate())
      assert.equal(before + 1 + 2 * STEP + 10, db:last_change())   -- 1: the truncation
      assert.equal(db:last_change(), db:info().sequence_number)
      assert.equal(0, count_of(orders))
      assert.equal(1, count_of(other))
      assert.are.same({}, assert(db:check()).problems)
      assert.equal(0, orders:truncate())
      fill(orders, 3)
      assert.equal(3, orders:truncate())
    end)

    it("keeps what is put or changed meanwhile", function()
      local db = helper.memory()
      local orders = create(db, with_stream)
      fill(orders, 2 * STEP + 10)
      local late = { [2] = { "a", "c00001", "c02001", "z" } }
      before_steps(function(n)
        for _, customer in ipairs(late[n] or {}) do
          assert(orders:put { customer = customer, placed_at = tonumber(customer:sub(2)) or 0 })
        end
      end)
      assert.equal(2 * STEP + 9, orders:truncate())
      assert.are.same(late[2], helper.field("customer", orders:scan()))
      assert.are.same({}, assert(db:check()).problems)
    end)

    it("keeps what another process puts meanwhile", function()
      local db = helper.open()
      local orders = create(db, with_stream)
      fill(orders, 20000)
      local child = helper.child [[
        local orders, n = db:table "orders", 0
        repeat
          n = n + 1
          assert(orders:put { customer = ("c%05d"):format(n * 37 % 20000), placed_at = -n })
          print(n)
        until orders:get { customer = "stop", placed_at = 0 }
      ]]
      assert.equal("1", child:line())
      local removed = assert(orders:truncate())
      assert(orders:put { customer = "stop", placed_at = 0 })
      local put = tonumber(child:close():match "(%d+)%s*$" or 1)
      assert(orders:delete { customer = "stop", placed_at = 0 })
      local first, left = math.huge, 0
      for item in orders:scan() do
        first, left = math.min(first, -item.placed_at), left + 1
      end
      assert.equal(20000 + put, removed + left)
      assert.is_true(left == 0 or first + left - 1 == put, "the last puts stay, and no others")
      assert.are.same({}, assert(db:check()).problems)
    end)

    it("conflicts with an optimistic transaction that has read an item", function()
      local db = helper.memory()
      local orders = create(db, with_stream)
      fill(orders, 3)
      for _, read in ipairs {
        function(t) return t:get { customer = "c00002", placed_at = 2 } end,
        function(t) return t:query("c00002")() end,
        function(t) return t:scan()() end,
      } do
        local runs = 0
        assert(db:transact(function(tx)
          runs = runs + 1
          local found = read(tx:table "orders")
          assert.equal(runs == 1, found ~= nil)
          tx:table "orders":put { customer = "z", placed_at = runs }
          if runs == 1 then assert(orders:truncate()) end
        end, { mode = "optimistic" }))
        assert.equal(2, runs)
        assert.equal(1, orders:truncate())
        fill(orders, 3)
      end
    end)

    it("ends with NOT_FOUND if the table is deleted or replaced", function()
      for _, replace in ipairs { false, true } do
        local db <close> = helper.memory()
        local orders = create(db, with_stream)
        fill(orders, STEP + 10)
        before_steps(function(n)
          if n == 2 then
            assert(db:delete_table "orders")
            if replace then fill(create(db, with_stream), 5) end
          end
        end)
        local err = helper.refused("NOT_FOUND", orders:truncate())
        assert.equal(STEP, err.removed)
        assert.truthy(err.message:find("; 1000 items were removed before$"), err.message)
        if replace then assert.equal(5, count_of(orders)) end
      end
    end)
  end)
end

describe("truncate", function()
  it("adds a record for each item, and a transaction for each step", function()
    local db = helper.memory()
    local orders = create(db, true)
    fill(orders, STEP + 10)
    local before, order = db:last_change(), helper.field("placed_at", orders:scan())
    assert(orders:truncate())
    local n, transactions = 0, {}
    for record in orders:stream():records { after = before } do
      n = n + 1
      assert.equal("REMOVE", record.event_name)
      assert.equal(order[n], record.keys.placed_at)
      assert.equal(before + 1 + n, record.sequence_number)
      assert.equal(order[n] % 70 == 0 and 9000 or 20, #record.old_image.note)
      assert.is_nil(record.new_image)
      local last = transactions[#transactions]
      if not last or last.id ~= record.transaction_id then
        transactions[#transactions + 1] = { id = record.transaction_id, count = 0 }
      end
      transactions[#transactions].count = transactions[#transactions].count + 1
    end
    assert.equal(STEP + 10, n)
    assert.are.same({ { id = before + 2, count = STEP }, { id = before + STEP + 2, count = 10 } },
      transactions)
  end)

  it("follows a stream that is enabled or disabled meanwhile", function()
    local db = helper.memory()
    local orders = create(db, true)
    fill(orders, 3 * STEP)
    before_steps(function(n)
      if n == 2 then assert(orders:disable_stream()) end
      if n == 3 then assert(orders:enable_stream()) end
    end)
    assert.equal(3 * STEP, orders:truncate())
    local counts = {}
    for _, stream in ipairs(db:list_streams()) do
      for record in orders:stream { label = stream.label }:records() do
        local name = record.event_name .. (stream.status == "ENABLED" and "" or " before")
        counts[name] = (counts[name] or 0) + 1
      end
    end
    assert.are.same({ ["INSERT before"] = 3 * STEP, ["REMOVE before"] = STEP, REMOVE = STEP },
      counts)
    assert.are.same({}, assert(db:check()).problems)
  end)

  it("waits for the write lock, also in an event loop", function()
    local db = helper.open()
    local orders = create(db, false)
    fill(orders, 5)
    local holder = helper.child [[
      db:transact(function() print "locked" pause() end, { time_limit = 60 })
    ]]
    assert.equal("locked", holder:line())
    holder:paused()
    local impatient = helper.open { busy_timeout = 0 }
    helper.refused("BUSY", impatient:table "orders":truncate())
    local loop, ticks, removed = cqueues.new(), 0, nil
    loop:wrap(function() removed = assert(orders:truncate()) end)
    loop:wrap(function()
      repeat
        ticks = ticks + 1
        if ticks == 5 then holder:go() end
        cqueues.sleep(0.001)
      until removed
    end)
    assert(loop:loop(30))
    assert.equal(5, removed)
    assert.is_true(ticks >= 5)
  end)

  it("is refused in a transaction, on a read-only handle and without the table", function()
    local db = helper.open()
    local orders = create(db, false)
    fill(orders, 1)
    db:transact(function(tx)
      helper.raises("NESTED", orders.truncate, orders)
      assert.is_nil(tx:table "orders".truncate)
    end)
    helper.misuse("call it with a colon: table:truncate(...)", orders.truncate)
    assert.equal(1, count_of(orders))
    assert(db:delete_table "orders")
    local err = helper.refused("NOT_FOUND", orders:truncate())
    assert.equal(0, err.removed)
    create(db, false)
    db:close()
    local reader = helper.open { read_only = true, durability = "full" }
    helper.refused("READ_ONLY", reader:table "orders":truncate())
  end)
end)
