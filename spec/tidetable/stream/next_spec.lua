-- next_spec.lua - a stream's position: next and next_transaction (doc/modules/stream.md).
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, collect = helper.refused, helper.collect

local clock, db, orders

local function put(first, last)
  helper.put_each(orders, clock, first, last)
end

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

describe("next", function()
  it("returns the records one by one, and nil after the last", function()
    local stream = assert(orders:stream())
    assert.is_nil(stream.position)
    local packed = table.pack(stream:next())
    assert.is_nil(packed[1])
    assert.is_nil(packed[2])
    put(1, 2)
    assert.equal(2, stream:next().sequence_number)
    assert.equal(2, stream.position)
    assert.equal(3, stream:next(0).sequence_number)
    assert.equal(3, stream.position)
    assert.is_nil(stream:next())
    assert.equal(3, stream.position)
    put(3, 3)
    assert.equal(4, stream:next().sequence_number)
    assert.equal(4, stream.position)
  end)

  it("starts where the stream's options say", function()
    put(1, 3)
    local latest = assert(orders:stream { from = "LATEST" })
    local after, at = assert(orders:stream { after = 3 }), assert(orders:stream { at = 3 })
    local time = assert(db:stream { time = 1e9 + 2 })
    put(4, 4)
    assert.equal(5, latest:next().sequence_number)
    assert.equal(4, after:next().sequence_number)
    assert.equal(3, at:next().sequence_number)
    assert.equal(4, time:next().sequence_number)
    assert.equal(5, time:next().sequence_number)
    assert.is_nil(latest:next())
  end)

  it("has its own position in each stream object", function()
    put(1, 2)
    local a, b = assert(orders:stream()), assert(orders:stream())
    assert.equal(2, a:next().sequence_number)
    assert.equal(3, a:next().sequence_number)
    assert.equal(2, b:next().sequence_number)
    assert.equal(2, #collect(a:records { from = "TRIM_HORIZON" }))
    assert.is_nil(a:next())
  end)

  it("waits for the given seconds", function()
    local stream = assert(orders:stream())
    local core = require "tidetable.core"
    local before = core.elapsed()
    assert.is_nil(stream:next(0.1))
    assert.is_true(core.elapsed() - before > 0.098)
    assert.is_true(core.elapsed() - before < 30)
    for _, wrong in ipairs { "x", -1, -0.5, -math.huge, 0 / 0, {}, false } do
      for _, name in ipairs { "next", "next_transaction" } do
        helper.blames(name .. ": timeout must be a number of seconds from 0, got ", function()
          stream[name](stream, wrong)
        end)
      end
    end
  end)

  it("returns its errors", function()
    local stream = assert(orders:stream { from = "TRIM_HORIZON" })
    put(1, 2)
    assert.equal(2, stream:next().sequence_number)
    assert(db:delete_table "orders")
    assert.equal(3, stream:next().sequence_number)
    clock:advance(86400)
    assert(db:sweep())
    refused("STREAM_ENDED", stream:next())
    assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    put(3, 4)
    local unread = assert(orders:stream { after = 4 })
    assert(db:delete_table "orders")
    clock:advance(2 * 86400)
    assert(db:sweep())
    refused("NOT_FOUND", unread:next())
  end)

  it("can be closed, and then starts again", function()
    put(1, 2)
    local kept
    do
      local stream <close> = assert(orders:stream())
      assert.equal(2, stream:next().sequence_number)
      kept = stream
    end
    kept:close()
    assert.equal(2, kept:next().sequence_number)
  end)
end)

-- Regression: the stream's position was ignored, and they started at the oldest record.
describe("records and transactions", function()
  local function numbers(stream, given)
    local all = {}
    for record in stream:records(given) do all[#all + 1] = record.sequence_number end
    local of_transactions = {}
    for group in stream:transactions(given) do
      of_transactions[#of_transactions + 1] = group.last_sequence_number
    end
    assert.are.same(all, of_transactions)
    return table.concat(all, " ")
  end

  it("start where the stream's options say", function()
    put(1, 3)
    local cases = {
      { { from = "LATEST" }, "5 6" }, { { after = 3 }, "4 5 6" }, { { at = 3 }, "3 4 5 6" },
      { { time = 1e9 + 2 }, "4 5 6" }, { { from = "TRIM_HORIZON" }, "2 3 4 5 6" },
      { {}, "2 3 4 5 6" },
    }
    for _, case in ipairs(cases) do
      case.streams = { assert(orders:stream(case[1])), assert(db:stream(case[1])) }
    end
    put(4, 5)
    for _, case in ipairs(cases) do
      for _, stream in ipairs(case.streams) do
        for _ = 1, 2 do assert.equal(case[2], numbers(stream)) end       -- they do not move it
        assert.equal(case[2], numbers(stream, { follow = true, timeout = 0 }))
        assert.equal(tonumber(case[2]:match "%d"), stream:next().sequence_number)
      end
    end
  end)

  it("continue after the last record returned by next", function()
    put(1, 5)
    for _, from in ipairs { "TRIM_HORIZON", false } do
      local stream = assert(orders:stream { from = from or nil })
      stream:next()
      assert.equal("3 4 5 6", numbers(stream))
      assert.equal(3, stream:next_transaction().last_sequence_number)
      assert.equal("4 5 6", numbers(stream))
      assert.equal("4 5", numbers(stream, { limit = 2 }))
      assert.equal(4, stream:next().sequence_number)
      stream:close()
      assert.equal("2 3 4 5 6", numbers(stream))
    end
  end)

  it("with LATEST start where it was resolved, until the stream is closed", function()
    put(1, 2)
    local stream = assert(orders:stream { from = "LATEST" })
    put(3, 3)
    assert.is_not_nil(stream:next())
    put(4, 5)
    assert.equal("5 6", numbers(stream))
    stream:close()
    assert.equal("", numbers(stream))
    put(6, 6)
    assert.equal("", numbers(stream))
    assert.is_nil(stream:next())                         -- sets the stream's position again
    put(7, 7)
    assert.equal("8", numbers(stream))
    assert.equal(8, stream:next().sequence_number)
  end)

  it("start at the position in their own options, if there is one", function()
    put(1, 3)
    local stream = assert(orders:stream { from = "LATEST" })
    assert.equal("2 3 4", numbers(stream, { from = "TRIM_HORIZON" }))
    assert.equal("4", numbers(stream, { after = 3 }))
    assert.equal("3 4", numbers(stream, { at = 3 }))
    assert.equal("3 4", numbers(stream, { time = 1e9 + 1 }))
    stream = assert(orders:stream { after = 1 })
    assert.equal("", numbers(stream, { from = "LATEST" }))
  end)

  it("raise TRIMMED if records after the stream's position have expired", function()
    put(1, 3)
    local stream = assert(orders:stream { from = "LATEST" })
    put(4, 5)
    clock:advance(2 * 86400)
    local err = helper.raises("TRIMMED", function() numbers(stream) end)
    assert.equal(5, err.first)
    assert.equal(6, err.last)
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

  it("returns whole transactions, and nil after the last", function()
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

  it("can be interleaved with next, without gap or repetition", function()
    local stream = assert(orders:stream())
    assert.equal(1, #stream:next_transaction())
    assert.equal(2, stream.position)
    assert.equal(3, stream:next().sequence_number)
    assert.equal(3, stream.position)
    local rest = stream:next_transaction()
    assert.equal(1, #rest)
    assert.equal(4, rest[1].sequence_number)
    assert.equal(5, stream:next().sequence_number)
    assert.equal(2, #stream:next_transaction())
    assert.is_nil(stream:next())
    assert.equal(7, stream.position)
  end)

  it("loses nothing if an error ends it in the middle of a transaction", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    for _, method in ipairs { "next_transaction", "next" } do
      local stream = assert(orders:stream { after = 7 })
      debug.sethook(function()
        debug.sethook()
        error "an interrupt"
      end, "", 5000)
      local ok, err = pcall(stream.next_transaction, stream)
      debug.sethook()
      assert.is_false(ok)
      assert.is_truthy(err:find("an interrupt", 1, true))
      assert.equal(7, stream.position)
      local given, sequence = {}, 7
      repeat
        local got = stream[method](stream)
        for _, record in ipairs(method == "next" and { got } or got or {}) do
          sequence = sequence + 1
          assert.equal(sequence, record.sequence_number)
        end
        given[#given + 1] = got
      until not got
      assert.equal(2507, sequence)
      assert.equal(method == "next" and 2500 or 1, #given)
    end
  end)

  -- Raises an error in the middle of reading a transaction.
  local function interrupted(stream)
    debug.sethook(function()
      debug.sethook()
      error "an interrupt"
    end, "", 5000)
    local ok = pcall(stream.next_transaction, stream)
    debug.sethook()
    assert.is_false(ok)
  end

  it("loses nothing after LATEST either", function()
    local stream = assert(orders:stream { from = "LATEST" })
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    interrupted(stream)
    assert.equal(8, stream:next().sequence_number)
  end)

  it("loses all of a transaction that is trimmed while it is read", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    local stream = assert(orders:stream { after = 7 })
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
      assert.equal(8, err.first)
      assert.equal(2507, err.last)
      assert.is_truthy(err.message:find("from sequence number 8 to 2507", 1, true))
    end
    assert.equal(4, #results)
    assert.equal(7, stream.position)
  end)

  it("starts again if the stream was closed after an error", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = "n" .. i } end
    db:transact(function(tx) tx:table "orders":load(items) end)
    local stream = assert(orders:stream { after = 4 })
    assert.equal(5, stream:next().sequence_number)
    assert.equal(2, #stream:next_transaction())
    interrupted(stream)
    stream:close()
    assert.equal(5, stream:next().sequence_number)
  end)

  it("continues where a follower stopped", function()
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
    local stream = assert(orders:stream { after = 2 })
    clock:advance(2 * 86400)
    assert(db:sweep())
    local err = refused("TRIMMED", stream:next_transaction())
    assert.equal(3, err.first)
    assert.equal(7, err.last)
    helper.blames("timeout must be a number of seconds", function()
      stream:next_transaction "x"
    end)
  end)
end)
