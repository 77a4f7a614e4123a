-- retention_spec.lua - how long records are kept, as documented in doc/modules/stream.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, collect = helper.refused, helper.raises, helper.collect

local clock, db, orders

local function numbers(...)
  return helper.field("sequence_number", ...)
end

local function put(first, last, into)
  helper.put_each(into or orders, clock, first, last)
end

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
end)

describe("retention", function()
  local function with(retention)
    orders = assert(db:create_table { name = "things", partition_key = "id",
      stream = { retention = retention } })
    return assert(orders:stream())
  end

  it("by age hides a record at once, and removes it later", function()
    local stream = with "10s"
    put(1, 5)
    assert.are.same({ 2, 3, 4, 5, 6 }, numbers(stream:records()))
    clock:advance(5)                             -- record 1 is 10 s old now
    assert.are.same({ 3, 4, 5, 6 }, numbers(stream:records()))
    local description = stream:describe()
    assert.equal(4, description.count)
    assert.equal(3, description.first_sequence_number)
    assert.equal(2, description.trimmed_through)
    assert.equal(5, db:check().records)
    clock:advance(2)
    assert.are.same({ 5, 6 }, numbers(stream:records()))
    assert.equal(3, assert(db:sweep()))
    assert.equal(2, db:check().records)
    assert.are.same({ 5, 6 }, numbers(db:stream():records()))
    clock:advance(100)
    assert.are.same({}, numbers(stream:records()))
    description = stream:describe()
    assert.equal(0, description.count)
    assert.equal(0, description.bytes)
    assert.is_nil(description.first_sequence_number)
    assert.is_nil(description.last_sequence_number)
    assert.equal(6, description.trimmed_through)
    assert.equal(2, assert(db:sweep()))
    assert.equal("ENABLED", stream:describe().status)
    put(6, 6)
    assert.are.same({ 7 }, numbers(stream:records()))
  end)

  it("by count keeps the newest records", function()
    local stream = with { count = 3 }
    put(1, 3)
    assert.are.same({ 2, 3, 4 }, numbers(stream:records()))
    put(4, 5)
    assert.are.same({ 4, 5, 6 }, numbers(stream:records()))
    assert.are.same({ age = 86400, count = 3 }, stream:describe().retention)
    assert.equal(3, stream:describe().count)
    assert.equal(2, assert(db:sweep()))
  end)

  it("by bytes keeps the newest records that fit", function()
    local stream = with { bytes = "1 KiB" }
    put(1, 1)
    local one = stream:describe().bytes
    put(2, 50)
    local kept = 1024 // one
    local description = stream:describe()
    assert.equal(kept, description.count)
    assert.equal(kept * one, description.bytes)
    assert.equal(kept, #collect(stream:records()))
    assert.are.same({ age = 86400, bytes = 1024 }, description.retention)
  end)

  it("by bytes keeps records that fit exactly, and hides the first one too", function()
    local measured = with(nil)
    put(1, 4)
    local four = measured:describe().bytes
    db = helper.memory { clock = clock }
    local stream = with { bytes = four }
    put(1, 4)
    assert.equal(4, stream:describe().count)
    put(5, 5)
    assert.equal(5, db:check().records)          -- the first one still exists, but is hidden
    assert.are.same({ 3, 4, 5, 6 }, numbers(stream:records()))
    for _, each in ipairs { stream, db:stream() } do
      local err = raises("TRIMMED", function() collect(each:records { after = 0 }) end)
      assert.equal(1, err.first)
      assert.equal(2, err.last)
    end
  end)

  it("applies each limit by itself", function()
    local stream = with { age = "5s", count = 3 }
    put(1, 5)                                    -- ages 5, 4, 3, 2, 1
    assert.are.same({ 4, 5, 6 }, numbers(stream:records()))
    clock:advance(2)
    assert.are.same({ 5, 6 }, numbers(stream:records()))
  end)

  it("removes the records of a transaction together", function()
    local stream = with { count = 4 }
    for i = 1, 3 do
      db:transact(function(tx)
        for j = 1, 3 do tx:table "things":put { id = i .. "/" .. j } end
      end)
    end
    -- The limit keeps the last four of nine records; one of them is of the second transaction.
    assert.are.same({ 5, 6, 7, 8, 9, 10 }, numbers(stream:records()))
    assert.equal(3, assert(db:sweep()))
    assert.are.same({}, db:check().problems)
  end)

  local function put_together(name, count)
    db:transact(function(tx)
      for i = 1, count do tx:table(name):put { id = i, text = ("x"):rep(100 + count) } end
    end)
  end

  it("by count and bytes keeps the newest transaction of any size", function()
    for _, limit in ipairs { { count = 3 }, { bytes = 100 }, { count = 1, bytes = 1 } } do
      local name = "items" .. db:info().sequence_number
      local items = assert(db:create_table { name = name, partition_key = { "id", "N" },
        stream = { retention = limit } })
      local stream = assert(items:stream())
      local function seen() return #collect(stream:records()) end
      put_together(name, 5)
      assert.equal(5, seen())
      assert.equal(5, stream:describe().count)
      assert(db:sweep())
      assert.equal(5, seen())
      put_together(name, 7)
      assert.equal(7, seen())
      assert(db:sweep())
      assert.equal(7, seen())
      assert(items:disable_stream())
      assert(db:sweep())
      assert.equal(7, seen())
      clock:advance(86400)                         -- by age it expires like any other record
      assert.equal(0, seen())
    end
    assert.are.same({}, db:check().problems)
  end)

  it("by bytes keeps a newest record that is larger than the limit", function()
    local stream = with { bytes = 1000 }
    assert(orders:put { id = "a", text = ("x"):rep(5000) })
    for i = 1, 3 do
      assert(orders:put { id = "a", text = ("x"):rep(5000 + i) })
      assert.equal(1, stream:describe().count)
    end
    assert.equal(3, assert(db:sweep()))
  end)

  it("of one stream does not apply to another", function()
    local stream = with "10s"
    local other = assert(db:create_table { name = "other", partition_key = "id",
      stream = { retention = "1h" } })
    put(1, 2)
    put(3, 4, other)
    clock:advance(60)
    assert.are.same({}, numbers(stream:records()))
    assert.are.same({ 5, 6 }, numbers(other:stream():records()))
    assert.are.same({ 5, 6 }, numbers(db:stream():records()))
    assert(db:sweep())
    assert.are.same({ 5, 6 }, numbers(db:stream():records()))
  end)

  it("can be changed, in every notation", function()
    local stream = with(nil)
    assert.are.same({ age = 86400 }, stream:describe().retention)
    for said, meant in pairs {
      ["36h"] = { age = 129600 }, [90] = { age = 90 }, [0.5] = { age = 0.5 },
      ["250ms"] = { age = 0.25 }, ["1.5m"] = { age = 90 }, ["7d"] = { age = 604800 },
      [{ bytes = "1 GiB" }] = { age = 86400, bytes = 1 << 30 },
      [{ bytes = 5000, count = 10 }] = { age = 86400, bytes = 5000, count = 10 },
      [{ age = "2 d", bytes = "2MiB", count = 1 }] = { age = 172800, bytes = 2 << 20, count = 1 },
      [{}] = { age = 86400 },
    } do
      assert.is_true(stream:set_retention(said))
      assert.are.same(meant, stream:describe().retention)
    end
    for _, wrong in ipairs { "soon", "5 weeks", -1, 0, "0s", { age = "x" }, { bytes = "1 GB" },
        { bytes = 0 }, { count = 0 }, { count = 1.5 }, { counts = 1 }, true } do
      assert.is_false(pcall(stream.set_retention, stream, wrong))
    end
    helper.blames("set_retention: retention is missing", function() stream:set_retention() end)
  end)

  it("that is extended does not show expired records again", function()
    local stream = with "10s"
    put(1, 5)
    clock:advance(7)
    assert.are.same({ 5, 6 }, numbers(stream:records()))
    assert(stream:set_retention "24h")
    assert.are.same({ 5, 6 }, numbers(stream:records()))
    assert.equal(5, db:check().records)          -- they still exist, but are hidden
    assert.equal(4, stream:describe().trimmed_through)
    local err = raises("TRIMMED", function() collect(stream:records { after = 1 }) end)
    assert.equal(4, err.last)
    assert.equal(3, assert(db:sweep()))
    assert.are.same({ 5, 6 }, numbers(stream:records()))
    assert.are.same({}, db:check().problems)
  end)

  it("that is shortened hides records at once", function()
    local stream = with "1h"
    put(1, 5)
    assert(stream:set_retention { count = 2 })
    assert.are.same({ 5, 6 }, numbers(stream:records()))
    assert(stream:set_retention "1h")
    assert.are.same({ 5, 6 }, numbers(stream:records()))
  end)

  -- A writer trims once 64 records may have expired; then it removes all that have.
  it("is applied by writers too, a few records at a time", function()
    local measured = with(nil)
    assert(orders:put { id = "1000" })
    local limits = { count = 100, bytes = 100 * measured:describe().bytes, age = 100 }
    for _, batch in ipairs { 1, 100 } do
      for what, limit in pairs(limits) do
        db = helper.memory { clock = clock }
        local stream, number = with { [what] = limit }, 1000
        for _ = 1, 1000 // batch do
          local items = {}
          for i = 1, batch do
            number = number + 1
            items[i] = { id = tostring(number) }
          end
          clock:advance(batch)
          assert(orders:load(items))
        end
        assert.equal(100, stream:describe().count, what)
        assert.is_true(db:check().records <= 100 + 64 + batch, what)
      end
    end
  end)

  it("removes a disabled stream when all of its records have expired", function()
    local stream = with "10s"
    put(1, 2)
    assert(orders:disable_stream())
    clock:advance(8)
    assert(db:sweep())
    assert.are.same({ 3 }, numbers(stream:records()))
    clock:advance(60)
    assert(db:sweep())
    refused("NOT_FOUND", stream:describe())
    assert.is_nil(orders:describe().newest_stream_label)
    local err = refused("NOT_FOUND", orders:stream())
    assert.is_truthy(err.message:find("Table: things has no stream", 1, true), err.message)
  end)

  it("removes a disabled stream with any number of records", function()
    local stream = with "10s"
    local items = {}
    for i = 1, 2500 do items[i] = { id = tostring(i) } end
    assert(orders:load(items))
    assert(orders:disable_stream())
    clock:advance(10)
    assert.equal(2500, assert(db:sweep()))
    refused("NOT_FOUND", stream:describe())
    assert.are.same({}, db:check().problems)
    assert.equal(0, db:check().records)
  end)
end)

describe("a reader whose next records have expired", function()
  local stream
  before_each(function()
    orders = assert(db:create_table { name = "things", partition_key = "id",
      stream = { retention = "10s" } })
    stream = assert(orders:stream())
  end)

  it("gets TRIMMED with the range it lost", function()
    put(1, 5)
    local reader = assert(orders:stream { from = "TRIM_HORIZON" })
    assert.equal(2, reader:next().sequence_number)
    local slow, state, _, closing <close> = stream:records { after = 3 }
    assert.is_not_nil(closing)
    clock:advance(8)                             -- ages 13, 12, 11, 10, 9
    assert.equal(4, raises("TRIMMED", slow, state).first)
    for _, each in ipairs { stream, db:stream() } do
      local err = raises("TRIMMED", function() collect(each:records { after = 2 }) end)
      assert.equal(3, err.first)
      assert.equal(5, err.last)
      assert.equal("TrimmedDataAccessException", err.exception)
      assert.is_false(err.retryable)
      err = raises("TRIMMED", function() collect(each:records { at = 2 }) end)
      assert.equal(2, err.first)
      assert.equal(5, err.last)
      assert.are.same({ 6 }, numbers(each:records { after = 5 }))
      assert.are.same({ 6 }, numbers(each:records { at = 6 }))
      assert.are.same({ 6 }, numbers(each:records()))
      assert.are.same({ 6 }, numbers(each:records { time = 0 }))
      raises("TRIMMED", function() collect(each:records { after = 2, follow = true }) end)
      raises("TRIMMED", function() collect(each:transactions { after = 2 }) end)
    end
    assert(db:sweep())
    local err = raises("TRIMMED", function() collect(stream:records { after = 2 }) end)
    assert.equal(3, err.first)
    assert.equal(5, err.last)
  end)

  it("gets it from next_transaction too, for each new range", function()
    put(1, 3)
    local readers = { assert(orders:stream { after = 2 }),
      assert(orders:stream { from = "TRIM_HORIZON" }) }
    clock:advance(20)
    for first, reader in ipairs(readers) do
      for _ = 1, 2 do
        local err = refused("TRIMMED", reader:next_transaction())
        assert.equal(first == 1 and 3 or 1, err.first)
        assert.equal(4, err.last)
      end
    end
  end)

  it("gets it from next too, for each new range", function()
    put(1, 3)
    local reader = assert(orders:stream { after = 2 })
    clock:advance(20)
    assert(db:sweep())
    for _ = 1, 2 do
      local err = refused("TRIMMED", reader:next())
      assert.equal(3, err.first)
      assert.equal(4, err.last)
    end
    assert.equal(2, reader.position)
  end)

  it("has lost the records of a removed stream", function()
    put(1, 3)
    assert(db:delete_table "things")
    clock:advance(20)
    assert(db:sweep())
    assert.are.same({}, db:list_streams())
    for _, position in ipairs { { after = 2 }, { at = 3 } } do
      local err = raises("TRIMMED", function() collect(db:stream():records(position)) end)
      assert.equal(3, err.first)
      assert.equal(4, err.last)
    end
    assert.are.same({}, numbers(db:stream():records { after = 4 }))
    assert.are.same({}, numbers(db:stream():records()))
  end)

  it("has lost nothing if the range has no records of the stream", function()
    local silent = assert(db:create_table { name = "silent", partition_key = "id" })
    put(1, 2)
    for i = 1, 10 do assert(silent:put { id = tostring(i) }) end
    clock:advance(20)
    assert(db:sweep())
    put(3, 3)
    assert.are.same({ 15 }, numbers(stream:records { after = 4 }))
    assert.are.same({ 15 }, numbers(stream:records { after = 8 }))
    assert.are.same({ 15 }, numbers(db:stream():records { after = 4 }))
  end)

  it("may have been opened at an earlier trim horizon", function()
    put(1, 3)
    local reader = assert(orders:stream { from = "TRIM_HORIZON" })
    clock:advance(20)
    refused("TRIMMED", reader:next())
    assert.is_nil(assert(orders:stream()):next())
  end)
end)

describe("a clock that jumps", function()
  local stream
  before_each(function()
    orders = assert(db:create_table { name = "things", partition_key = "id",
      stream = { retention = "24h" } })
    stream = assert(orders:stream())
    put(1, 3)
  end)

  it("forward expires nothing before the jump is confirmed", function()
    clock:set(1e9 + 400 * 86400)
    assert.are.same({ 2, 3, 4 }, numbers(stream:records()))
    put(4, 4)                                    -- records when the jump was first seen
    assert(db:sweep())
    assert.are.same({ 2, 3, 4, 5 }, numbers(stream:records()))
    clock:advance(3500)
    put(5, 5)
    assert.equal(5, #collect(stream:records()))
    clock:advance(200)                           -- more than an hour since first seen
    assert.equal(0, #collect(stream:records()))
    put(6, 6)
    assert.are.same({ 7 }, numbers(stream:records()))
  end)

  it("forward and back expires nothing", function()
    clock:set(1e9 + 400 * 86400)
    put(4, 4)
    clock:set(1e9 + 100)
    put(5, 5)
    clock:advance(7200)
    put(6, 6)
    assert(db:sweep())
    assert.equal(6, #collect(stream:records()))
    clock:advance(86000)
    put(7, 7)
    assert(db:sweep())
    assert.are.same({ 7, 8 }, numbers(stream:records()))
  end)

  it("is confirmed by another boot", function()
    clock:set(1e9 + 400 * 86400)
    put(4, 4)
    assert.equal(4, #collect(stream:records()))
    clock:reboot()
    assert.equal(0, #collect(stream:records()))
  end)

  it("back expires nothing, and ages grow by elapsed time", function()
    clock:set(1e9 - 400 * 86400)
    put(4, 4)
    assert(db:sweep())
    assert.equal(4, #collect(stream:records()))
    assert.equal(1e9 - 400 * 86400, collect(stream:records())[4].created_at)
    clock:advance(86397)
    put(5, 5)
    assert(db:sweep())
    assert.are.same({ 5, 6 }, numbers(stream:records()))
    assert.are.same({}, db:check().problems)
  end)

  it("forward and is corrected too late does not change ages, even after reopening",
    function()
      local function reopen()
        db:close()
        db = helper.open { clock = clock }
        orders = assert(db:table "things")
        stream = assert(orders:stream())
      end
      db = helper.open { clock = clock }
      orders = assert(db:create_table { name = "things", partition_key = "id",
        stream = { retention = "24h" } })
      stream = assert(orders:stream())
      clock:set(3e9)                             -- a wrong date
      put(1, 1)
      clock:advance(3601)
      put(2, 2)                                  -- seen for more than an hour
      clock:set(1e9 + 3602)                      -- corrected
      for day = 1, 30 do
        if day % 5 == 0 then reopen() end
        if day % 7 == 0 then
          clock:reboot()
          put(100 + day, 100 + day)              -- records that a day has passed
          clock:advance(3600)                    -- the jump is confirmed
        end
        put(10 + day, 10 + day)
        clock:advance(86000)
        local keys = helper.field("keys", stream:records())
        assert.equal(day == 1 and 2 or 1, #keys, day)
        assert.equal(("%04d"):format(10 + day), keys[#keys].id)
      end
      local lead = 2e9                           -- 3e9 - 1e9
      assert.is_true(math.abs(stream:describe().retention_clock_lead - lead) < 5)
      assert.is_true(math.abs(db:info().retention_clock_lead - lead) < 5)
      assert.are.same({}, db:check().problems)
    end)

  it("changes the reported difference between retention clock and wall clock", function()
    local function lead()
      assert.equal(db:info().retention_clock_lead, stream:describe().retention_clock_lead)
      return db:info().retention_clock_lead
    end
    assert.equal(0, lead())
    clock:set(clock:now() - 1000)
    assert.equal(1000, lead())
    clock:set(clock:now() + 1000 + 50 * 3600)    -- not confirmed yet
    assert.equal(-50 * 3600, lead())
    put(9, 9)
    assert.equal(-50 * 3600, lead())
    clock:advance(3601)
    assert.equal(0, lead())
  end)
end)
