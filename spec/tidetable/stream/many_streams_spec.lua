-- many_streams_spec.lua - all streams of a database with many tables whose records alternate. A
-- reader that is far behind reads their records ahead (csrc/stream/feed_ahead.h).
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local TABLES, TRANSACTIONS = 40, 150

local clock, db, tables

local function name_of(i) return ("t%03d"):format(i) end

--- Puts one item into each table in each transaction.
local function put(from, last)
  for n = from, last do
    assert(db:transact(function(tx)
      for i = 1, TABLES do
        tx:table(name_of(i)):put { id = n, text = ("x"):rep(200), table = name_of(i) }
      end
      return true
    end))
  end
end

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  tables = {}
  for i = 1, TABLES do
    tables[i] = assert(db:create_table { name = name_of(i), partition_key = { "id", "N" },
      stream = { retention = "1h" } })
  end
end)

describe("a reader of many streams", function()
  it("returns all records in commit order, with the fields of their own stream", function()
    put(1, TRANSACTIONS)
    local count, labels = 0, {}
    for i = 1, TABLES do labels[name_of(i)] = tables[i]:stream().label end
    for record in db:stream():records() do
      local name = name_of(count % TABLES + 1)
      count = count + 1
      assert.equal(helper.after_creation(TABLES, count), record.sequence_number)
      assert.equal(name, record.table_name)
      assert.equal(labels[name], record.stream_label)
      assert.equal(name, record.new_image.table)
      assert.equal((count - 1) // TABLES + 1, record.keys.id)
    end
    assert.equal(TABLES * TRANSACTIONS, count)
  end)

  it("returns fields of the stream after the feed and the database are closed", function()
    put(1, 1)
    local records, labels = helper.collect(db:stream():records()), {}
    for i = 1, TABLES do labels[i] = tables[i]:stream().label end
    db:close()
    collectgarbage()
    for i, record in ipairs(records) do
      assert.equal(name_of(i), record.table_name)
      assert.equal(labels[i], record.stream_label)
      assert.equal(1, record.keys.id)
    end
  end)

  it("leaves out records that a filter rejects", function()
    put(1, TRANSACTIONS)
    local given = helper.field("table_name",
      db:stream { filter = "keys.id = ? AND new_image.table > ?", 99, "t030" }:records())
    assert.equal(10, #given)
    for i, name in ipairs(given) do assert.equal(name_of(30 + i), name) end
  end)

  it("reports records that have expired after they were read ahead", function()
    put(1, TRANSACTIONS // 2)
    clock:advance(1800)
    put(TRANSACTIONS // 2 + 1, TRANSACTIONS)
    local stream, last = db:stream(), 0
    for record in stream:records { limit = 2500 } do last = record.sequence_number end
    assert.equal(helper.after_creation(TABLES, 2500), last)
    local feed = stream:records { after = last }
    for i = 1, 20 do assert.equal(last + i, feed().sequence_number) end
    clock:advance(1801)
    local ok, err
    repeat
      ok, err = pcall(feed)
      last = ok and err.sequence_number or last
    until not ok
    assert.equal("TRIMMED", err.code)
    assert.is_true(err.first > last and err.last <= TABLES * (TRANSACTIONS // 2 + 1))
  end)

  it("finds new records and the records of new tables while it reads", function()
    put(1, TRANSACTIONS)
    local count = 0
    for record in db:stream():records() do
      count = count + 1
      local created = count <= TABLES * TRANSACTIONS and TABLES or TABLES + 1
      assert.equal(helper.after_creation(created, count), record.sequence_number)
      if count == 3000 then
        local extra = assert(db:create_table { name = "extra", partition_key = { "id", "N" },
          stream = true })
        for i = 1, 5 do assert(extra:put { id = i }) end
        put(TRANSACTIONS + 1, TRANSACTIONS + 2)
      end
    end
    assert.equal(TABLES * (TRANSACTIONS + 2) + 5, count)
  end)

  it("reports the records of a table that was deleted with them", function()
    put(1, TRANSACTIONS)
    local feed, record = db:stream():records(), nil
    for _ = 1, 3000 do record = feed() end
    assert.equal(helper.after_creation(TABLES, 3000), record.sequence_number)
    clock:advance(7200)
    assert(db:delete_table(name_of(7)))
    for _ = 1, 100 do assert(db:sweep()) end
    local ok, err
    repeat ok, err = pcall(feed) until not ok
    assert.equal("TRIMMED", err.code)
  end)

  it("frees its window when it has caught up", function()
    put(1, TRANSACTIONS)
    local held = require "tidetable.core".held
    local stream <close> = db:stream()
    local largest = 0
    for _ in stream:records() do largest = math.max(largest, held(db.core)) end
    assert.is_true(largest > 1000000)
    collectgarbage()
    assert.is_true(held(db.core) < 100000)
  end)
end)
