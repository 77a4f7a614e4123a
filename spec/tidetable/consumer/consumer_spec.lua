-- consumer_spec.lua - definition of consumers and the commands on them.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

describe("a consumer", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db, orders = consumers.orders()
    consumers.put(orders, 10)
  end)

  local function ids_from(opts)
    local consumer = assert(db:consumer("c", opts))
    local ids = table.concat(consumers.drain(consumer), " ")
    assert(consumer:delete())
    return ids
  end

  it("begins at each start position of streams", function()
    local all = "1 2 3 4 5 6 7 8 9 10"
    assert.equal(all, ids_from { source = "orders" })
    assert.equal(all, ids_from { source = orders, from = "TRIM_HORIZON" })
    assert.equal("", ids_from { source = "orders", from = "LATEST" })
    assert.equal("9 10", ids_from { source = "orders", at = 10 })
    assert.equal("10", ids_from { source = "orders", after = 10 })
    assert.equal(all, ids_from { source = "orders", time = 0 })
    helper.refused("AHEAD", db:consumer("c", { source = "orders", after = 12 }))
  end)

  it("has a start position that counts at creation only", function()
    assert(db:consumer("c", { source = "orders", from = "LATEST" }))
    assert(orders:put { id = "new" })
    local again = assert(db:consumer("c", { source = "orders", from = "TRIM_HORIZON" }))
    local ids
    assert.equal(1, again:step(function(records) ids = records[1].keys.id end))
    assert.equal("new", ids)
  end)

  it("reads all tables in their total order", function()
    local others = assert(db:create_table { name = "others", partition_key = "id", stream = true })
    assert(others:put { id = "x" })
    assert(orders:put { id = "y" })
    local consumer = assert(db:consumer("all", { source = "*", at = 11 }))
    local seen = {}
    consumer:step(function(records)
      for _, record in ipairs(records) do
        seen[#seen + 1] = record.table_name .. " " .. record.keys.id
      end
    end)
    assert.same({ "orders 10", "others x", "orders y" }, seen)
    assert.equal("*", consumer:describe().source)
  end)

  it("describes itself", function()
    local consumer = assert(db:consumer("c", { source = "orders", batch_size = 4, window = 0.5 }))
    assert.equal("tidetable.consumer: c", tostring(consumer))
    assert.equal(0, assert(consumer:step(function() end)) - 4)
    local about = assert(consumer:describe())
    assert.equal(0.5, about.settings.window)
    assert.equal(4, about.settings.batch_size)
    assert.equal("optimistic", about.settings.mode)
    assert.is_false(about.settings.bisect)
    about.settings, about.created_at = nil, nil
    local lag = assert(consumer:lag())
    about.lag.seconds = lag.seconds
    assert.same({ name = "c", source = "orders", position = 5, last_sequence_number = 11,
      is_paused = false, is_copying = false, has_owner = true, is_running = true,
      attempts = 0, records = 4,
      batches = 1, failures = 0, gaps = 0, shards = 64, parked = 0, parked_bytes = 0, replays = 0,
      dead_letters = 0, takeovers = 0,
      lag = { records = 6, bytes = lag.bytes, seconds = lag.seconds, held_bytes = 0, hold = "none",
        hold_used = 0 } }, about)
    consumer:close()
    assert.is_false(consumer:describe().has_owner)
  end)

  it("is listed by name until it is deleted", function()
    for _, name in ipairs { "b", "a.1", "C" } do
      assert(db:consumer(name, { source = "orders" }))
    end
    assert.same({ "C", "a.1", "b" }, db:list_consumers())
    local consumer = assert(db:consumer "a.1")
    assert.is_true(consumer:delete())
    assert.same({ "C", "b" }, db:list_consumers())
    helper.refused("NOT_FOUND", consumer:delete())
    helper.refused("NOT_FOUND", consumer:describe())
    helper.refused("NOT_FOUND", consumer:pause())
    helper.refused("NOT_FOUND", consumer:seek { from = "LATEST" })
    helper.refused("CONSUMER_GONE", consumer:step(function() end))
    helper.refused("NOT_FOUND", db:consumer "a.1")
  end)

  it("names the settings that differ", function()
    assert(db:consumer("c", { source = "orders", batch_size = 7 }))
    local err = helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "orders" }))
    assert.is_truthy(err.message:find("batch_size", 1, true), err.message)
    err = helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "*", mode = "locked",
      batch_size = 7 }))
    assert.is_truthy(err.message:find("source, mode", 1, true), err.message)
    assert(db:consumer("c", { source = "orders", batch_size = 7, from = "LATEST" }))
    assert(db:consumer("c", { source = "orders", batch_size = 7, shards = 64 }))
    for _, update in ipairs { true, false } do
      err = helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "orders", batch_size = 7,
        shards = 8, update = update }))
      assert.is_truthy(err.message:find("shards", 1, true), err.message)
    end
    err = helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "*", mode = "locked",
      shards = 8 }))
    assert.is_truthy(err.message:find("another source, shards, batch_size, mode", 1, true),
      err.message)
    assert(db:consumer("c", { source = "orders", batch_size = 100 , update = true }))
    assert(db:consumer("c", { source = "orders" }))
    helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "*", update = true }))
  end)

  it("is refused with a source, a name or options that are not valid", function()
    helper.refused("NOT_FOUND", db:consumer("c", { source = "nothing" }))
    assert(db:create_table { name = "plain", partition_key = "id" })
    helper.refused("NOT_FOUND", db:consumer("c", { source = "plain" }))
    helper.refused("VALIDATION", db:consumer("a b", { source = "orders" }))
    for _, shards in ipairs { 4097, 65536, 65600, 1 << 53, math.maxinteger } do
      local err = helper.refused("VALIDATION", db:consumer("c", { source = "orders",
        shards = shards }))
      assert.is_truthy(err.message:find("1 to 4096 shards", 1, true), err.message)
    end
    for _, shards in ipairs { 0, -1, 64.5, 0 / 0, "64" } do
      helper.misuse('"shards" must be an integer from 1', db.consumer, db, "c",
        { source = "orders", shards = shards })
    end
    helper.misuse("expected a name", db.consumer, db)
    helper.misuse('"batchsize"', db.consumer, db, "c", { source = "orders", batchsize = 1 })
    helper.misuse('"source" is missing', db.consumer, db, "c", { from = "LATEST" })
    helper.misuse("only one of", db.consumer, db, "c", { source = "orders", at = 1, after = 1 })
    helper.misuse("source", db.consumer, db, "c", { source = {} })
    for _, wrong in ipairs { { lease = 0.05 }, { backoff = math.huge }, { window = -1 },
      { handler_limit = 0 } } do
      wrong.source = "orders"
      helper.misuse("number of seconds from", db.consumer, db, "c", wrong)
    end
    assert.same({}, db:list_consumers())
  end)

  it("stays paused until it is resumed, also for others and after a restart", function()
    local consumer = assert(db:consumer("c", { source = "orders" }))
    assert.is_true(consumer:pause())
    assert.is_true(consumer:pause())
    assert.equal(0, consumer:step(error))
    db:close()
    db = helper.open()
    consumer = assert(db:consumer("c", { source = "orders" }))
    assert.is_true(consumer:describe().is_paused)
    assert.equal(0, consumer:step(error))
    assert.is_true(consumer:resume())
    assert.equal(10, consumer:step(function() end))
  end)

  it("continues at a position that a command has set", function()
    local first = assert(db:consumer("c", { source = "orders" }))
    local second = assert(db:consumer "c")
    assert.equal(10, first:step(function() end))
    assert.is_true(second:seek { at = 10 })
    assert.equal(2, first:step(function() end))
    assert.is_true(first:seek { from = "TRIM_HORIZON" })
    assert.equal(10, first:step(function() end))
    helper.refused("AHEAD", first:seek { after = 12 })
    helper.misuse("one of the options", first.seek, first, {})
  end)

  it("of another database with the same name is another one", function()
    local other = helper.open({}, helper.path "other.tide")
    assert(other:create_table { name = "orders", partition_key = "id", stream = true })
    assert(db:consumer("c", { source = "orders" }))
    helper.refused("NOT_FOUND", other:consumer "c")
  end)

  it("is in a copy of the database, at its position", function()
    local consumer = assert(db:consumer("c", { source = "orders", batch_size = 6 }))
    consumer:step(function() end)
    assert(db:backup(helper.path "copy.tide"))
    local copy = helper.open({}, helper.path "copy.tide")
    assert.equal(4, assert(copy:consumer "c"):step(function() end))
    assert.same({}, assert(copy:check()).problems)
  end)

  it("keeps its position when the file is compacted", function()
    local consumer = assert(db:consumer("c", { source = "orders", batch_size = 6 }))
    consumer:step(function() end)
    db:close()
    assert(tidetable.compact(helper.path()))
    db = helper.open()
    assert.equal(4, assert(db:consumer "c"):step(function() end))
    assert.same({}, assert(db:check()).problems)
  end)

  it("can't be created where nothing can be written", function()
    db:close()
    local reader <close> = assert(tidetable.open(helper.path(), { read_only = true }))
    helper.refused("READ_ONLY", reader:consumer("c", { source = "orders" }))
  end)
end)
