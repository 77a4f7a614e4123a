-- source_spec.lua - consumers of several tables, and what follows the end of a stream.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local sources = require "tidetable.consumer.source"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe("the sources of a consumer", function()
  helper.setup(before_each, after_each)

  local db

  before_each(function()
    db = helper.open()
    for _, name in ipairs { "orders", "payments", "logs" } do
      assert(db:create_table { name = name, partition_key = "id", stream = true })
    end
  end)

  --- Handles batches until none is left. Returns the table names and the ids.
  local function drain(consumer)
    return consumers.drain(consumer, function(record)
      return record.table_name .. record.keys.id
    end)
  end

  local function put(name, id)
    assert(db:table(name):put { id = id })
  end

  it("are stored in one form", function()
    assert.equal("", sources.stored "*")
    assert.equal("orders", sources.stored(db:table "orders"))
    assert.equal("orders", sources.stored { "orders" })
    assert.same({ "logs", "orders" }, sources.stored { "orders", db:table "logs" })
    assert.equal("*", sources.shown(sources.stored "*"))
    for _, wrong in ipairs { { "a", "*" }, { "a", "a" }, {}, 7, { 1 }, { "a", nil, "c" },
      { "a", more = "b" } } do
      assert.has_error(function() sources.stored(wrong) end)
    end
  end)

  it("are at most 100 tables", function()
    local names = {}
    for i = 1, 101 do
      names[i] = ("t%03d"):format(i)
      assert(db:create_table { name = names[i], partition_key = "id", stream = true })
    end
    local err = helper.refused("LIMIT", db:consumer("c", { source = names }))
    assert.is_truthy(err.message:find("at most 100 tables", 1, true), err.message)
    assert.same({}, db:list_consumers())
    local last = table.remove(names)
    local consumer = assert(db:consumer("c", { source = names }))
    put(names[100], "1") put(last, "2") put(names[1], "3")
    assert.same({ "t1001", "t0013" }, drain(consumer))
    assert.is_true(consumer:seek { from = "TRIM_HORIZON" })
    assert.same({}, assert(db:check()).problems)
  end)

  it("are read in the order of all changes, and no other table is", function()
    local consumer = assert(db:consumer("c", { source = { "payments", "orders" } }))
    assert.same({ "orders", "payments" }, consumer:describe().source)
    put("orders", "1") put("logs", "2") put("payments", "3") put("orders", "4")
    assert.same({ "orders1", "payments3", "orders4" }, drain(consumer))
    put("logs", "5")
    assert.same({}, drain(consumer))
    put("payments", "6")
    assert.same({ "payments6" }, drain(consumer))
  end)

  it("are compared whatever their order", function()
    assert(db:consumer("c", { source = { "payments", "orders" } }))
    assert(db:consumer("c", { source = { "orders", "payments" } }))
    helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = { "orders", "logs" } }))
    helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "orders", update = true }))
    helper.refused("NOT_FOUND", db:consumer("d", { source = { "orders", "none" } }))
  end)

  it("go on without a table that is deleted, until all are", function()
    local consumer = assert(db:consumer("c", { source = { "payments", "orders" } }))
    put("orders", "1")
    assert(db:delete_table "orders")
    put("payments", "2")
    assert.same({ "orders1", "payments2" }, drain(consumer))
    assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    put("orders", "3") put("payments", "4")
    assert.same({ "payments4" }, drain(consumer))
    assert(db:delete_table "payments")
    helper.refused("SOURCE_GONE", consumer:step(error))
    assert.equal(9, consumer:describe().position)
  end)

  it("end with STREAM_GAP if one stream is disabled, also after it was enabled again", function()
    local consumer = assert(db:consumer("c", { source = { "payments", "orders" } }))
    put("orders", "1")
    assert(db:table "orders":disable_stream())
    put("orders", "2") put("payments", "3")
    assert.equal(2, consumer:step(function() end))
    local err = helper.refused("STREAM_GAP", consumer:step(error))
    assert.matches("orders", err.message)
    assert(db:table "orders":enable_stream())
    helper.refused("STREAM_GAP", consumer:step(error))
  end)

  for _, source in ipairs { "orders", { "payments", "orders" } } do
    it("continue with the table's next stream if they are told to: " .. #source, function()
      local consumer = assert(db:consumer("c", { source = source, on_gap = "continue" }))
      put("orders", "1")
      assert(db:table "orders":disable_stream())
      put("orders", "2")
      assert.same({ "orders1" }, drain(consumer))
      assert.equal(0, consumer:step(error))
      assert(db:table "orders":enable_stream())
      put("orders", "3")
      local got = drain(consumer)
      for _, each in ipairs(drain(consumer)) do got[#got + 1] = each end
      assert.same({ "orders3" }, got)
      assert.equal(1, consumer:describe().gaps)
    end)
  end

  it("continue with a snapshot if they are told to", function()
    local consumer = assert(db:consumer("c", { source = { "payments", "orders" },
      on_gap = "snapshot" }))
    put("orders", "1") put("payments", "2")
    assert(db:table "orders":disable_stream())
    put("orders", "3")
    assert.same({ "orders1", "payments2" }, drain(consumer))
    -- Nothing is delivered until the table has a stream, because its next changes have no record.
    assert.equal(0, consumer:step(error))
    put("orders", "4")
    assert(db:table "orders":enable_stream())
    local got = {}
    repeat
      local more = drain(consumer)
      for _, each in ipairs(more) do got[#got + 1] = each end
    until #more == 0
    table.sort(got)
    assert.same({ "orders1", "orders3", "orders4", "payments2" }, got)
    put("orders", "5")
    assert.same({ "orders5" }, drain(consumer))
    assert.is_false(consumer:describe().is_copying)
    assert.same({}, assert(db:check()).problems)
  end)

  it("do not start a snapshot while records are parked", function()
    local consumer = assert(db:consumer("c", { source = "orders", on_gap = "snapshot" }))
    put("orders", "1")
    assert(consumer:step(function(records, tx) tx:park(records[1]) end))
    assert(db:table "orders":disable_stream())
    helper.refused("PARKED", consumer:step(error))
    assert(consumer:discard())
    assert.equal(0, consumer:step(error))
    assert.is_true(consumer:describe().is_copying)
  end)

  it("continue with each table's next stream, in whatever order they are enabled", function()
    local consumer = assert(db:consumer("c", { source = { "payments", "orders" },
      on_gap = "continue", hold = true }))
    assert(db:table "orders":disable_stream())
    assert(db:table "payments":disable_stream())
    assert.equal(0, consumer:step(error))
    assert(db:table "orders":enable_stream())
    put("orders", "1")
    assert.same({ "orders1" }, drain(consumer))
    assert(db:table "payments":enable_stream())
    put("payments", "2")
    -- The next one was enabled and disabled again before the consumer looks.
    assert(db:table "payments":disable_stream())
    assert.same({ "payments2" }, drain(consumer))
    put("orders", "3")
    assert.same({ "orders3" }, drain(consumer))
    assert(db:table "payments":enable_stream())
    put("payments", "4")
    assert.same({ "payments4" }, drain(consumer))
    assert.equal(3, consumer:describe().gaps)
    assert.equal("holds", consumer:lag().hold)
    assert.same({}, assert(db:check()).problems)
  end)

  --- Opens a database on a clock that the test advances, and a consumer of its table `orders` that
  --- has handled all records.
  local function open_with_clock()
    local clock = helper.clock(1e9)
    db = helper.open(nil, helper.path "clock.tide")
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    put("orders", "1")
    clock:advance(1)
    local consumer = assert(db:consumer("c", { source = "orders", lease = 100 }))
    assert.same({ "orders1" }, drain(consumer))
    consumer:close()
    return clock, orders, consumer
  end

  it("end with STREAM_GAP also after the stream was disabled and removed", function()
    local clock, orders, consumer = open_with_clock()
    assert(orders:disable_stream())
    for _, seconds in ipairs { 1, 86401 } do
      clock:advance(seconds)
      assert(db:sweep())
      assert.equal(seconds == 1 and 1 or 0, #assert(db:list_streams()))
      helper.refused("STREAM_GAP", consumer:step(error))
    end
    -- With on_gap it waits for the next stream.
    consumer:close()
    assert(db:consumer("c", { source = "orders", lease = 100, on_gap = "continue",
      update = true }))
    assert.same({}, drain(consumer))
    assert(orders:enable_stream())
    put("orders", "2")
    assert.same({ "orders2" }, drain(consumer))
    assert.equal(1, consumer:describe().gaps)
  end)

  it("end with SOURCE_GONE also after the table was replaced and its stream removed", function()
    local clock, _, consumer = open_with_clock()
    assert(db:delete_table "orders")
    clock:advance(1)
    assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    put("orders", "2")
    for _, seconds in ipairs { 1, 86401 } do
      clock:advance(seconds)
      assert(db:sweep())
      assert.equal(seconds == 1 and 2 or 1, #assert(db:list_streams()))
      helper.refused("SOURCE_GONE", consumer:step(error))
    end
    consumer:close()
    assert(db:consumer("c", { source = "orders", lease = 100, on_gap = "continue",
      update = true }))
    helper.refused("SOURCE_GONE", consumer:step(error))
  end)

  it("give every record once and in order, with any tables and pages (SEED)", function()
    math.randomseed(SEED)
    for round = 1, 20 do
      local names, chosen, expected = {}, {}, {}
      for i = 1, math.random(2, 6) do
        names[i] = ("t%03d_%d"):format(round, i)
        assert(db:create_table { name = names[i], partition_key = "id", stream = true })
        if i <= 2 or math.random() < 0.5 then chosen[#chosen + 1] = names[i] end
      end
      local consumer = assert(db:consumer("r" .. round, { source = chosen,
        batch_size = math.random(1, 9), from = "LATEST" }))
      local is_chosen, got = {}, {}
      for _, name in ipairs(chosen) do is_chosen[name] = true end
      for n = 1, 100 do
        local name = names[math.random(#names)]
        put(name, tostring(n))
        if is_chosen[name] then expected[#expected + 1] = name .. n end
        if math.random() < 0.1 then
          for _, each in ipairs(drain(consumer)) do got[#got + 1] = each end
        end
      end
      for _, each in ipairs(drain(consumer)) do got[#got + 1] = each end
      assert.same(expected, got, "SEED=" .. SEED)
      consumer:close()
    end
  end)
end)
