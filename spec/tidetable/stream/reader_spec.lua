-- reader_spec.lua - iterating over transactions, and waiting for records (doc/modules/stream.md).
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local collect, field = helper.collect, helper.field

local clock, db, orders

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

describe("transactions", function()
  local other
  before_each(function()
    other = assert(db:create_table { name = "other", partition_key = "id", stream = true })
    for i = 1, 3 do
      db:transact(function(tx)
        for j = 1, i do
          tx:table "orders":put { id = i .. "/" .. j }
          tx:table "other":put { id = i .. "/" .. j }
        end
      end)
      clock:advance(1)
    end
  end)

  it("are arrays of records with common fields", function()
    local list = collect(db:stream():transactions())
    assert.equal(3, #list)
    for i, transaction in ipairs(list) do
      assert.equal(2 * i, #transaction)
      assert.equal(transaction[1].sequence_number, transaction.transaction_id)
      assert.equal(1e9 + i - 1, transaction.created_at)
      assert.equal(transaction[2 * i].sequence_number, transaction.last_sequence_number)
      for j, record in ipairs(transaction) do
        assert.equal(transaction.transaction_id, record.transaction_id)
        assert.equal(j, record.transaction_position)
        assert.equal(2 * i, record.transaction_count)
      end
    end
    assert.are.same({ 9 }, field("transaction_id",
      db:stream():transactions { after = list[2].last_sequence_number }))
  end)

  it("of one table are its part of each transaction", function()
    local list = collect(other:stream():transactions())
    assert.equal(3, #list)
    for i, transaction in ipairs(list) do
      assert.equal(i, #transaction)
      for j, record in ipairs(transaction) do
        assert.equal("other", record.table_name)
        assert.equal(2 * j, record.transaction_position)
        assert.equal(2 * i, record.transaction_count)
      end
    end
  end)

  it("are counted by limit", function()
    for limit = 1, 4 do
      assert.equal(math.min(limit, 3), #collect(db:stream():transactions { limit = limit }))
    end
    assert.equal(3, #collect(db:stream():transactions { limit = 3, follow = true }))
    assert.equal(3, #collect(db:stream():transactions { follow = true, timeout = 0 }))
  end)

  it("are complete, however long", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    assert(orders:put { id = "last" })
    local list = collect(orders:stream():transactions { after = 14 })
    assert.equal(2, #list)
    assert.equal(2500, #list[1])
    assert.equal(1, #list[2])
  end)

  it("start with the rest of a transaction if the position is inside it", function()
    local list = collect(db:stream():transactions { after = 6 })
    assert.equal(2, #list)
    assert.equal(2, #list[1])
    assert.equal(5, list[1].transaction_id)
  end)
end)

describe("two handles in one process", function()
  it("wake each other", function()
    local a, b = helper.open(), helper.open()
    local mine = assert(a:create_table { name = "orders", partition_key = "id", stream = true })
    local stream = assert(b:table("orders"):stream { from = "LATEST" })
    assert.is_nil(stream:next())
    assert(mine:put { id = "x" })
    assert.equal("x", stream:next().keys.id)
    assert.is_nil(stream:next())
  end)
end)

describe("follow", function()
  local function file_db()
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    return assert(orders:stream())
  end

  local writer = [[
    local orders = assert(db:table "orders")
    pause()
    local until_then = os.clock() + 0.1
    while os.clock() < until_then do end
    orders:put { id = "a" }
    orders:put { id = "b" }
  ]]

  it("ends when no record arrived for timeout seconds", function()
    local stream = file_db()
    assert(orders:put { id = "a" })
    local core = require "tidetable.core"
    local before, count = core.elapsed(), 0
    for _ in stream:records { follow = true, timeout = 0.1 } do count = count + 1 end
    assert.equal(1, count)
    assert.is_true(core.elapsed() - before > 0.098)
    assert.is_true(core.elapsed() - before < 30)
  end)

  it("sleeps until another process commits", function()
    local stream = file_db()
    local child = helper.child(writer)
    child:paused()
    child:go()
    local before = os.clock()
    assert.are.same({ "a", "b" }, (function()
      local ids = {}
      for record in stream:records { follow = true, limit = 2 } do
        ids[#ids + 1] = record.keys.id
      end
      return ids
    end)())
    assert.is_true(os.clock() - before < 0.2, "it was busy while it waited")
    child:close()
  end)

  it("with transactions, and next with a timeout, wait too", function()
    local stream = file_db()
    local child = helper.child(writer)
    child:paused()
    child:go()
    assert.equal("a", stream:next(60).keys.id)
    assert.equal("b", helper.first(stream:transactions { follow = true, after = 2 })[1].keys.id)
    child:close()
  end)

  it("never returns a change that is not yet visible, nor a part of a transaction", function()
    local stream = file_db()
    local child = helper.child [[
      for i = 1, 200 do
        db:transact(function(tx)
          for j = 1, 5 do tx:table "orders":put { id = i .. "/" .. j } end
        end)
      end
    ]]
    local seen = 0
    for transaction in stream:transactions { follow = true, limit = 200 } do
      seen = seen + 1
      assert.equal(5, #transaction)
      assert.equal(seen .. "/1", transaction[1].keys.id)
    end
    assert.equal(200, seen)
    child:close()
  end)

  it("returns a writer's burst completely, in order, without gap or repetition", function()
    local stream = file_db()
    local child = helper.child [[
      local orders = assert(db:table "orders")
      for i = 1, 3000 do orders:put { id = tostring(i) } end
    ]]
    local last = 0
    for record in stream:records { follow = true, limit = 3000, timeout = 60 } do
      last = last + 1
      assert.equal(last + 1, record.sequence_number)
      assert.equal(tostring(last), record.keys.id)
    end
    assert.equal(3000, last)
    child:close()
  end)

  it("ends at an interrupt", function()
    local stream = file_db()
    assert.is_not_nil(stream)
    local child = helper.child [[
      print "in"
      for _ in db:table "orders":stream():records { follow = true } do end
    ]]
    assert.equal("in", child:line())
    os.execute("sleep 0.2; kill -INT " .. child.pid)
    local said = child:output()
    assert.is_truthy(said:find("interrupted", 1, true), said)
  end)
end)
