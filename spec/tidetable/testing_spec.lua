-- testing_spec.lua - tidetable.testing: commits that fail or kill the process, and assertions.
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local SIGKILL = 9

local db, orders

before_each(function()
  db = testing.database {
    tables = { { name = "orders", partition_key = "id", stream = true } },
  }
  orders = db:table "orders"
end)

after_each(function() db:close() end)

describe("a commit that kills the process", function()
  --- Lets a child put items until it is killed at a point of its n-th commit. Returns the number of
  --- acknowledged puts.
  local function crash(point, n, durability)
    local child <close> = testing.child([[
      local path, point, n, durability = ...
      local testing = require "tidetable.testing"
      local db = assert(require "tidetable".open(path, { durability = durability }))
      local orders = assert(db:table "orders")
      testing.crash_at(point, math.tointeger(tonumber(n)))
      for i = 1, n + 3 do
        assert(orders:put { id = ("%04d"):format(i), text = ("x"):rep(10000) })
        print(i)
      end
    ]], { db.path, point, n, durability })
    local result = child:wait()
    assert.equal(SIGKILL, result.signal, result.output)
    return tonumber(result.output:match "(%d+)%s*$") or 0
  end

  local function size() return lfs.attributes(db.path, "size") end

  for _, durability in ipairs { "full", "one_flush", "none" } do
    for point, is_stored in pairs {
      before_commit = false, after_write = false, after_commit = true,
    } do
      it(point .. " at the level " .. durability, function()
        for n = 1, 3 do
          db:close()
          db = testing.database {
            tables = { { name = "orders", partition_key = "id", stream = true } },
            durability = durability,
          }
          orders = db:table "orders"
          local before = size()
          assert.equal(n - 1, crash(point, n, durability))
          local stored = n - (is_stored and 0 or 1)
          for _ = 1, 2 do
            assert.equal(stored, (assert(orders:scan { count = true })))
            assert.equal(stored, #testing.records(orders))
            db = testing.reopen(db)
            orders = db:table "orders"
          end
          if n == 1 then   -- the first commit that writes beyond the end of the file
            assert.equal(point ~= "before_commit", size() > before)
          end
          assert(orders:put { id = "after" })
          assert.same({}, assert(db:check()).problems)
        end
      end)
    end
  end

  it("is seen by a reader that waits, without a notification", function()
    local stream = orders:stream()
    assert.is_nil(stream:next())
    assert.equal(0, crash("after_commit", 1, "none"))
    assert.equal("0001", stream:next(60).keys.id)
  end)

  it("is refused outside of a child, and with wrong arguments", function()
    helper.blames("crash_at: it would kill the test itself",
      function() testing.crash_at "after_commit" end)
    helper.blames('crash_at: point must be "before_commit", "after_write" or "after_commit"',
      function() testing.crash_at "later" end)
    helper.blames("crash_at: n must be an integer from 1",
      function() testing.crash_at("after_write", 0) end)
  end)
end)

describe("a commit that fails", function()
  it("returns the code once, and has stored nothing", function()
    for _, code in ipairs { "DISK_FULL", "NO_MEMORY", "STORE" } do
      for n = 1, 3 do
        local _fault <close> = testing.fail_at("before_commit", n, code)
        for i = 1, n - 1 do assert(orders:put { id = code .. n .. i }) end
        local err = helper.refused(code, orders:put { id = "lost" })
        assert.is_truthy(err.message:find("a fault set by a test", 1, true))
        assert.is_nil(orders:get { id = "lost" })
        assert(orders:put { id = code .. n })
      end
    end
    assert.same({}, assert(db:check()).problems)
    local records = testing.records(orders)
    assert.equal(3 * (1 + 2 + 3), #records)
  end)

  it("can have an unknown outcome, with and without the changes", function()
    for point, is_stored in pairs { before_commit = false, after_commit = true } do
      local _fault <close> = testing.fail_at(point, 1, "UNKNOWN_OUTCOME")
      local ok, err, code = orders:put { id = point }
      assert.is_nil(ok)
      assert.equal("UNKNOWN_OUTCOME", code)
      assert.equal("unknown", err.outcome)
      helper.refused("STORE", orders:put { id = "more" })
      db = testing.reopen(db)
      orders = db:table "orders"
      assert.equal(is_stored, orders:get { id = point } ~= nil)
      assert(orders:put { id = "more" .. point })
    end
  end)

  it("fails a transaction as a whole", function()
    local _fault <close> = testing.fail_at("before_commit", 1, "STORE")
    helper.refused("STORE", db:transact(function(tx)
      tx:table "orders":put { id = "a" }
      tx:table "orders":put { id = "b" }
    end))
    assert.same({}, testing.items(orders))
  end)

  it("does not fail after the fault was closed, or another was set", function()
    local first = testing.fail_at("before_commit", 1, "STORE")
    first:close()
    assert(orders:put { id = "a" })
    first = testing.fail_at("before_commit", 1, "STORE")
    local _second <close> = testing.fail_at("before_commit", 2, "DISK_FULL")
    first:close()
    assert(orders:put { id = "b" })
    helper.refused("DISK_FULL", orders:put { id = "c" })
  end)

  it("is refused with wrong arguments", function()
    helper.blames('fail_at: point must be "before_commit" or "after_commit", got "after_write"',
      function() testing.fail_at("after_write", 1, "STORE") end)
    helper.blames("fail_at: n must be an integer from 1",
      function() testing.fail_at("before_commit", nil, "STORE") end)
    helper.blames("fail_at: code must be", function()
      testing.fail_at("before_commit", 1, "BUSY")
    end)
    helper.blames("after_commit requires the code", function()
      testing.fail_at("after_commit", 1, "STORE")
    end)
    helper.blames('did you mean "fail_at"', function() testing.failat() end)
  end)
end)

describe("the assertions", function()
  it("return the records of a stream, a table or all tables", function()
    assert(orders:put { id = "a", n = 1 })
    assert(orders:delete { id = "a" })
    local all = testing.records(orders)
    assert.equal(2, #all)
    assert.equal("table", type(all[1]))
    assert.is_nil(getmetatable(all[1]))
    assert.same({ id = "a", n = 1 }, all[1].new_image)
    assert.equal("REMOVE", all[2].event_name)
    local stream = orders:stream { filter = "event_name = ?", "REMOVE" }
    assert.same({ { keys = { id = "a" } } }, testing.records(stream, { "keys" }))
    assert.equal(2, #testing.records(db:stream()))
    helper.blames("records: expected a stream or a table, got table",
      function() testing.records {} end)
    helper.blames('unknown field "key"', function() testing.records(orders, { "key" }) end)
    assert(orders:disable_stream())
    assert(db:create_table { name = "plain", partition_key = "id" })
    helper.raises("NOT_FOUND", testing.records, db:table "plain")
  end)

  it("return the items of a table by key", function()
    local lines = assert(db:create_table {
      name = "lines", partition_key = { "order", "N" }, sort_key = { "line", "B" },
    })
    local binary = tidetable.binary
    assert(lines:put { order = 1, line = binary "x", n = 1 })
    assert(lines:put { order = 1, line = binary "y", n = 2 })
    assert(lines:put { order = 2, line = binary "x", n = 3 })
    local items = testing.items(lines)
    assert.equal(2, items[1][tostring(binary "y")].n)
    assert.equal(3, items[2][tostring(binary "x")].n)
    assert(orders:put { id = "a" })
    assert.same({ a = { id = "a" } }, testing.items(orders))
    helper.blames("items: expected a table, got tidetable.stream",
      function() testing.items(orders:stream()) end)
  end)

  it("wait for a condition", function()
    local calls = 0
    assert.equal("yes", testing.eventually(function()
      calls = calls + 1
      return calls == 3 and "yes"
    end))
    assert.equal(3, calls)
    assert.equal(1, testing.eventually(function()
      calls = calls + 1
      assert.is_true(calls > 5)
      return 1
    end))
    helper.blames("eventually: not true within 0.02 s",
      function() testing.eventually(function() return false end, 0.02) end)
    local ok, err = pcall(testing.eventually, function() error({ 1 }) end, 0)
    assert.is_false(ok)
    assert.same({ 1 }, err)
    helper.blames("eventually: expected a function", function() testing.eventually(1) end)
    helper.blames("a number of seconds", function() testing.eventually(print, -1) end)
  end)

  it("wait by the machine's clock, while coroutines of cqueues run", function()
    local clock <close> = testing.clock(0)
    local loop, is_done = cqueues.new(), false
    loop:wrap(function() assert(testing.eventually(function() return is_done end, 60)) end)
    loop:wrap(function()
      cqueues.sleep(0.01)
      is_done = true
    end)
    assert(loop:loop())
    assert.equal(0, clock:elapsed())
  end)
end)
