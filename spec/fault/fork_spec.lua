-- fork_spec.lua - a child of fork can do nothing with inherited handles except close them.
local forking = require "fault.forking"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local db, orders

before_each(function()
  db = helper.open()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  for i = 1, 5 do assert(orders:put { id = tostring(i) }) end
end)

--- Runs f in a child of fork. Returns its result as text; fails if it raised or was killed.
local function in_child(f)
  local status, output = forking.call(f)
  assert.equal(0, status, output)
  return output
end

--- Checks that the parent's handles still work.
local function check_unharmed()
  assert(orders:put { id = "afterwards" })
  assert.equal("afterwards", orders:get({ id = "afterwards" }).id)
  assert.same({}, db:check().problems)
end

describe("a child of fork", function()
  it("gets FORKED from all inherited handles and does not affect its parent", function()
    local stream, all, wakeup = assert(orders:stream()), db:stream(), assert(db:wakeup())
    local items, item_state = orders:scan()
    local records, record_state = stream:records()
    local follow = stream:records { follow = true }
    local history = orders:history({ id = "2" }, { descending = true })
    items(item_state)
    records(record_state)
    follow()
    local calls = {
      function() return db:info() end, function() return db:check() end,
      function() return db:list_tables() end, function() return db:list_streams() end,
      function() return db:table "orders" end, function() return db:delete_table "orders" end,
      function() return db:create_table { name = "new", partition_key = "id" } end,
      function() return db:transact(print) end,
      function() return db:transact(print, { mode = "optimistic" }) end,
      function() return db:sweep() end, function() return db:sync() end,
      function() return db:stream() end, function() return db:wakeup() end,
      function() return db:backup(helper.path "copy") end,
      function() return orders:put { id = "a" } end, function() return orders:get { id = "a" } end,
      function() return orders:delete { id = "a" } end, function() return orders:query "a" end,
      function() return orders:scan() end, function() return orders:query_page "a" end,
      function() return orders:scan_page() end, function() return orders:load { { id = "a" } } end,
      function() return orders:truncate() end,
      function() return orders:stream() end, function() return orders:enable_stream() end,
      function() return orders:history { id = "a" } end, function() return history() end,
      function() return orders:disable_stream() end, function() return orders:describe() end,
      function() return stream:records() end, function() return stream:transactions() end,
      function() return stream:next() end, function() return stream:describe() end,
      function() return stream:set_retention "1h" end, function() return stream:wakeup() end,
      function() return all:next() end, function() return all:describe() end,
      function() return items(item_state) end, function() return records(record_state) end,
      function() return follow() end, function() return wakeup:pollfd() end,
      function() return wakeup:wait(0) end, function() return wakeup:clear() end,
    }
    local output = in_child(function()
      local wrong = {}
      for i, call in ipairs(calls) do
        local ok, value, err = pcall(call)
        local code = type(ok and err or value) == "table" and (ok and err or value).code
        if code ~= "FORKED" then wrong[#wrong + 1] = ("call %d: %s"):format(i, tostring(value)) end
      end
      return table.concat(wrong, "\n")
    end)
    assert.equal("", output)
    check_unharmed()
    assert.equal("2", items(item_state).id)
    assert.equal("2", records(record_state).keys.id)
    assert.equal("2", follow().keys.id)
    assert.equal("2", history().keys.id)
    wakeup:clear()
    assert(orders:put { id = "rings" })
    assert.is_true(wakeup:wait(0))
  end)

  it("opens the database again as another process", function()
    assert.equal("stored", in_child(function()
      local own = assert(tidetable.open(helper.path(), { durability = "none" }))
      assert(assert(own:table "orders"):put { id = "the child's" })
      own:close()
      return "stored"
    end))
    assert.is_not_nil(orders:get { id = "the child's" })
    check_unharmed()
  end)

  it("closes and collects inherited handles without affecting its parent", function()
    local wakeup, iterate, state = assert(db:wakeup()), orders:scan { snapshot = true }
    assert.equal("1", iterate(state).id)
    assert.equal("closed", in_child(function()
      wakeup:close()
      db:close()
      db, orders, wakeup, iterate, state = nil, nil, nil, nil, nil
      collectgarbage()
      collectgarbage()
      return "closed"
    end))
    assert.equal("2", iterate(state).id)
    wakeup:clear()
    check_unharmed()
    assert.is_true(wakeup:wait(0))
  end)

  it("cannot end the transaction during which it was created", function()
    local other = helper.open { busy_timeout = 0 }
    assert(db:transact(function(tx)
      local inside = tx:table "orders"
      inside:put { id = "in" }
      assert.equal("FORKED FORKED", in_child(function()
        local _, one = pcall(inside.put, inside, { id = "child's" })
        local _, two = pcall(inside.get, inside, { id = "in" })
        collectgarbage()
        return one.code .. " " .. two.code
      end))
      helper.refused("BUSY", other:table("orders"):put { id = "not now" })
      inside:put { id = "too" }
    end))
    assert.is_not_nil(orders:get { id = "in" })
    assert.is_not_nil(orders:get { id = "too" })
    assert.is_nil(orders:get { id = "child's" })
    check_unharmed()
  end)
end)
