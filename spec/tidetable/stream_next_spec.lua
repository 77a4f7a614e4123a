-- stream_next_spec.lua - what doc/modules/stream.md promises of a stream's own place.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, collect = helper.refused, helper.collect

local clock, db, orders

local function put(first, last)
  helper.put_apart(orders, clock, first, last)
end

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

describe("next", function()
  it("gives the records one by one, and nil when it has caught up", function()
    local stream = assert(orders:stream())
    assert.is_nil(stream.position)
    local packed = table.pack(stream:next())
    assert.is_nil(packed[1])
    assert.is_nil(packed[2])
    put(1, 2)
    assert.equal(1, stream:next().sequence_number)
    assert.equal(1, stream.position)
    assert.equal(2, stream:next(0).sequence_number)
    assert.equal(2, stream.position)
    assert.is_nil(stream:next())
    assert.equal(2, stream.position)
    put(3, 3)
    assert.equal(3, stream:next().sequence_number)
    assert.equal(3, stream.position)
  end)

  it("begins where the stream's options say", function()
    put(1, 3)
    local latest = assert(orders:stream { from = "LATEST" })
    local after, at = assert(orders:stream { after = 2 }), assert(orders:stream { at = 2 })
    local time = assert(db:stream { time = 1e9 + 2 })
    put(4, 4)
    assert.equal(4, latest:next().sequence_number)
    assert.equal(3, after:next().sequence_number)
    assert.equal(2, at:next().sequence_number)
    assert.equal(3, time:next().sequence_number)
    assert.equal(4, time:next().sequence_number)
    assert.is_nil(latest:next())
  end)

  it("has a place of its own for each stream object", function()
    put(1, 2)
    local a, b = assert(orders:stream()), assert(orders:stream())
    assert.equal(1, a:next().sequence_number)
    assert.equal(2, a:next().sequence_number)
    assert.equal(1, b:next().sequence_number)
    assert.equal(2, #collect(a:records()))
    assert.is_nil(a:next())
  end)

  it("waits for so many seconds", function()
    local stream = assert(orders:stream())
    local core = require "tidetable.core"
    local before = core.elapsed()
    assert.is_nil(stream:next(0.1))
    assert.is_true(core.elapsed() - before > 0.098)
    assert.is_true(core.elapsed() - before < 30)
    helper.blames("timeout must be a number of seconds", function() stream:next "x" end)
    helper.blames("timeout must be a number of seconds", function() stream:next(-1) end)
  end)

  it("returns its errors", function()
    local stream = assert(orders:stream { from = "TRIM_HORIZON" })
    put(1, 2)
    assert.equal(1, stream:next().sequence_number)
    assert(db:delete_table "orders")
    assert.equal(2, stream:next().sequence_number)
    clock:advance(86400)
    assert(db:trim())
    refused("NOT_FOUND", stream:next())
  end)

  it("can be closed, and begins again then", function()
    put(1, 2)
    local kept
    do
      local stream <close> = assert(orders:stream())
      assert.equal(1, stream:next().sequence_number)
      kept = stream
    end
    kept:close()
    assert.equal(1, kept:next().sequence_number)
  end)
end)

describe("next_transaction", function()
  before_each(function()
    for i = 1, 3 do
      db:transact(function(tx)
        for j = 1, i do tx:table "orders":put { id = i .. "/" .. j } end
      end)
    end
  end)

  it("gives whole transactions, and nil when it has caught up", function()
    local stream = assert(orders:stream())
    for i = 1, 3 do
      local transaction = stream:next_transaction()
      assert.equal(i, #transaction)
      assert.equal(transaction[1].sequence_number, transaction.transaction_id)
      assert.equal(transaction[i].sequence_number, transaction.last_sequence_number)
      assert.equal(1e9, transaction.created_at)
      assert.equal(transaction.last_sequence_number, stream.position)
    end
    local nothing, err = stream:next_transaction(0.01)
    assert.is_nil(nothing)
    assert.is_nil(err)
    assert(orders:put { id = "later" })
    assert.equal(1, #stream:next_transaction(5))
  end)

  it("takes turns with next, without gap or repeat", function()
    local stream = assert(orders:stream())
    assert.equal(1, #stream:next_transaction())
    assert.equal(1, stream.position)
    assert.equal(2, stream:next().sequence_number)
    assert.equal(2, stream.position)
    local rest = stream:next_transaction()
    assert.equal(1, #rest)
    assert.equal(3, rest[1].sequence_number)
    assert.equal(4, stream:next().sequence_number)
    assert.equal(2, #stream:next_transaction())
    assert.is_nil(stream:next())
    assert.equal(6, stream.position)
  end)

  it("loses nothing when an error comes in the middle of one", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    for _, method in ipairs { "next_transaction", "next" } do
      local stream = assert(orders:stream { after = 6 })
      debug.sethook(function()
        debug.sethook()
        error "an interrupt"
      end, "", 5000)
      local ok, err = pcall(stream.next_transaction, stream)
      debug.sethook()
      assert.is_false(ok)
      assert.is_truthy(err:find("an interrupt", 1, true))
      assert.equal(6, stream.position)
      local given, sequence = {}, 6
      repeat
        local got = stream[method](stream)
        for _, record in ipairs(method == "next" and { got } or got or {}) do
          sequence = sequence + 1
          assert.equal(sequence, record.sequence_number)
        end
        given[#given + 1] = got
      until not got
      assert.equal(2506, sequence)
      assert.equal(method == "next" and 2500 or 1, #given)
    end
  end)

  -- Raises in the middle of reading a transaction.
  local function interrupted(stream)
    debug.sethook(function()
      debug.sethook()
      error "an interrupt"
    end, "", 5000)
    local ok = pcall(stream.next_transaction, stream)
    debug.sethook()
    assert.is_false(ok)
  end

  it("loses nothing of what came behind LATEST either", function()
    local stream = assert(orders:stream { from = "LATEST" })
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    interrupted(stream)
    assert.equal(7, stream:next().sequence_number)
  end)

  it("has lost all of a transaction that is trimmed while it is read", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    local stream = assert(orders:stream { after = 6 })
    debug.sethook(function()
      debug.sethook()
      clock:advance(2 * 86400)
    end, "", 5000)
    local results = { table.pack(stream:next_transaction()) }
    debug.sethook()
    for _, method in ipairs { "next_transaction", "next", "next_transaction" } do
      results[#results + 1] = table.pack(stream[method](stream))
    end
    for _, result in ipairs(results) do
      local err = refused("TRIMMED", table.unpack(result, 1, result.n))
      assert.equal(7, err.first)
      assert.equal(2506, err.last)
      assert.is_truthy(err.message:find("from sequence number 7 to 2506", 1, true))
    end
    assert.equal(4, #results)
    assert.equal(6, stream.position)
  end)

  it("begins anew where it was closed after an error", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    local stream = assert(orders:stream { after = 3 })
    assert.equal(4, stream:next().sequence_number)
    assert.equal(2, #stream:next_transaction())
    interrupted(stream)
    stream:close()
    assert.equal(4, stream:next().sequence_number)
  end)

  it("goes on where a follower stopped", function()
    local last
    local all = {}
    repeat
      local stream <close> = assert(orders:stream { after = last })
      local transaction = stream:next_transaction()
      if transaction then
        all[#all + 1] = #transaction
        last = transaction.last_sequence_number
      end
    until not transaction
    assert.are.same({ 1, 2, 3 }, all)
  end)

  it("returns its errors", function()
    local stream = assert(orders:stream { after = 1 })
    clock:advance(2 * 86400)
    assert(db:trim())
    local err = refused("TRIMMED", stream:next_transaction())
    assert.equal(2, err.first)
    assert.equal(6, err.last)
    helper.blames("timeout must be a number of seconds", function()
      stream:next_transaction "x"
    end)
  end)
end)
