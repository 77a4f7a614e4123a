-- lag_spec.lua - how far consumers are behind, and the records that they hold.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

--- Puts items of equal sizes.
local function put_items(orders, count)
  local last = orders.database:last_change()
  for i = 1, count do assert(orders:put { id = ("%06d"):format(last + i) }) end
end

--- Returns the number of records that have not expired.
local function retained(orders)
  return assert(orders:stream()):describe().count
end

describe("the lag of a consumer", function()
  helper.setup(before_each, after_each)

  local db, orders, clock

  before_each(function()
    clock = helper.clock(1e9)
    db = helper.memory()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { retention = 60, hold = { age = 600, bytes = 10000 } } })
  end)

  local function put(count) put_items(orders, count or 1) end

  local function open(opts, name)
    opts = opts or {}
    opts.source = opts.source or "orders"
    return assert(db:consumer(name or "c", opts))
  end

  local function visible() return retained(orders) end

  it("is the number, the bytes and the age of the records that wait", function()
    local consumer = open()
    assert.same({ records = 0, bytes = 0, seconds = 0, held_bytes = 0, hold = "none",
      hold_used = 0 }, consumer:lag())
    put(3)
    local all = assert(orders:stream()):describe().bytes
    clock:advance(5)
    put()
    clock:advance(2.5)
    local lag = assert(consumer:lag())
    assert.equal(4, lag.records)
    assert.equal(assert(orders:stream()):describe().bytes, lag.bytes)
    assert.equal(7.5, lag.seconds)
    assert.same(lag, consumer:describe().lag)
    assert.equal(3, open({ batch_size = 3, update = true }):step(function() end))
    assert.same({ 1, 2.5 }, { consumer:lag().records, consumer:lag().seconds })
    assert.equal(lag.bytes - all, consumer:lag().bytes)
  end)

  it("is summed over all tables, without those before its position", function()
    local other = assert(db:create_table { name = "other", partition_key = "id", stream = true })
    put(2)
    local consumer = open({ source = "*", from = "LATEST" })
    assert.equal(0, consumer:lag().records)
    put(2)
    assert(other:put { id = "1" })
    clock:advance(1)
    assert.same({ 3, 1 }, { consumer:lag().records, consumer:lag().seconds })
  end)

  it("does not count records that were lost", function()
    local consumer = open()
    put(2)
    clock:advance(60)
    put(1)
    assert.equal(1, consumer:lag().records)
    assert(consumer:delete())
    helper.refused("NOT_FOUND", consumer:lag())
  end)

  it("is listed for all consumers in one call", function()
    put(2)
    open(nil, "b")
    open({ from = "LATEST", hold = true }, "a")
    local all = assert(db:list_consumers { lag = true })
    assert.equal(2, #all)
    local b = assert(db:consumer "b"):lag()
    b.name = "b"
    assert.same(b, all[2])
    assert.same({ "a", 0, "holds" }, { all[1].name, all[1].records, all[1].hold })
    assert.same({ "a", "b" }, db:list_consumers())
    helper.misuse("lags", db.list_consumers, db, { lags = true })
  end)

  it("shows what a hold keeps", function()
    local consumer = open { hold = true }
    put(2)
    assert.same({ "holds", 0 }, { consumer:lag().hold, consumer:lag().held_bytes })
    clock:advance(60)
    put(1)
    local lag = consumer:lag()
    assert.equal(3, lag.records)
    assert.truthy(lag.held_bytes > 0 and lag.held_bytes < lag.bytes)
    local fields = helper.collect(pairs(lag))
    table.sort(fields)
    assert.same({ "bytes", "held_bytes", "hold", "hold_used", "records", "seconds" }, fields)
    assert.equal(3, visible())
    assert.equal(0.1, lag.hold_used)
    assert(consumer:delete())
    assert.equal(1, visible())
  end)

  it("warns before the cap on the age is reached, and after records were lost TRIMMED follows",
    function()
      local consumer = open { hold = true }
      put(2)
      clock:advance(479)
      assert.is_nil(consumer:describe().warning)
      clock:advance(1)
      assert.equal(0.8, consumer:lag().hold_used)
      local about = consumer:describe()
      assert.truthy(about.warning:find("consumer c: 80 % of the age of its hold on stream orders/",
        1, true))
      assert.truthy(about.warning:find("raise the age", 1, true))
      clock:advance(119)
      assert.equal(2, visible())
      clock:advance(1)
      assert.equal(0, visible())
      local err = helper.refused("TRIMMED", consumer:step(error))
      assert.same({ 2, 3 }, { err.first, err.last })
    end)

  it("warns before the cap on the bytes is reached", function()
    local consumer, base = open { hold = true }, db:last_change()
    while consumer:lag().bytes < 8000 do put(1) end
    assert.truthy(consumer:describe().warning:find("of the bytes of its hold", 1, true))
    clock:advance(60)
    put(10)
    assert.equal(db:last_change() - base, visible())
    put(100)
    assert.truthy(consumer:lag().bytes <= 10000 and consumer:lag().bytes > 9900)
    helper.refused("TRIMMED", consumer:step(error))
  end)

  it("warns before and after the hold is released", function()
    local consumer = open { hold = true, hold_limit = 100 }
    clock:advance(1000)
    put(1)
    clock:advance(80)
    assert.truthy(consumer:describe().warning:find("80 % of the hold_limit", 1, true))
    clock:advance(20)
    assert.equal(1, visible())
    assert.equal("holds", consumer:lag().hold)
    clock:advance(0.001)
    assert.equal(0, visible())
    assert.equal("released", consumer:lag().hold)
    assert.truthy(consumer:describe().warning:find("is released", 1, true))
    assert(consumer:seek { from = "LATEST" })
    assert.equal("holds", consumer:lag().hold)
    put(1)
    clock:advance(100)
    assert.equal(1, visible())
  end)
end)

describe("a hold", function()
  helper.setup(before_each, after_each)

  local db, orders, clock

  before_each(function()
    clock = helper.clock(1e9)
    db = helper.memory()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { retention = { age = 60, count = 3 } } })
  end)

  local function put(count) put_items(orders, count) end

  local function visible() return retained(orders) end

  it("extends every limit of the retention, and ends where the consumer is", function()
    local consumer = assert(db:consumer("c", { source = "orders", hold = true, batch_size = 2 }))
    put(8)
    assert.equal(8, visible())
    assert.equal(2, consumer:step(function() end))
    assert.equal(6, visible())
    clock:advance(60)
    assert.equal(6, visible())
    for _ = 1, 3 do assert.equal(2, consumer:step(function() end)) end
    assert.equal(0, visible())
    put(5)
    assert(consumer:delete())
    assert.equal(3, visible())
  end)

  it("keeps the order of records of several tables, each delivered once", function()
    local other = assert(db:create_table { name = "other", partition_key = "id",
      stream = { retention = 60 } })
    local consumer = assert(db:consumer("c", { source = "*", hold = true, batch_size = 4 }))
    for i = 1, 5 do
      put(1)
      assert(other:put { id = tostring(i) })
    end
    clock:advance(60)
    assert.same({ 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, consumers.drain(consumer, consumers.number_of))
  end)

  it("does not shorten a retention that is longer than its caps", function()
    assert(orders:stream():set_retention({ age = 3600 }, { age = 10, bytes = 1 }))
    assert(db:consumer("c", { source = "orders", hold = true }))
    put(4)
    clock:advance(3599)
    assert.equal(4, visible())
    clock:advance(1)
    assert.equal(0, visible())
  end)

  it("is a setting that can be changed", function()
    local opts = { source = "orders", hold = true, hold_limit = 100 }
    local consumer = assert(db:consumer("c", opts))
    helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "orders", hold = true }))
    put(4)
    assert.equal(4, visible())
    opts.hold, opts.update = false, true
    assert(db:consumer("c", opts))
    assert.equal("none", consumer:lag().hold)
    assert.equal(3, visible())
    opts.hold = true
    assert(db:consumer("c", opts))
    assert.equal(3, visible())
    put(1)
    assert.equal(4, visible())
    assert.equal(100, consumer:describe().settings.hold_limit)
    helper.misuse("hold_limit", db.consumer, db, "d", { source = "orders", hold_limit = 0 })
  end)

  it("has caps that are settings of the stream", function()
    local stream = assert(orders:stream())
    assert.same({ age = 604800, bytes = 1 << 30 }, stream:describe().hold)
    assert(stream:set_retention("1h", { age = "2d" }))
    assert.same({ age = 172800, bytes = 1 << 30 }, stream:describe().hold)
    assert(orders:alter { stream = { hold = { bytes = "1 MiB" } } })
    assert.same({ age = 172800, bytes = 1 << 20 }, stream:describe().hold)
    assert.equal(3600, stream:describe().retention.age)
    assert(db:ensure_table({ name = "orders", partition_key = "id",
      stream = { retention = "1h" } }))
    helper.misuse("hold: age must be", stream.set_retention, stream, "1h", { age = "soon" })
    helper.misuse("hold: age must be", stream.set_retention, stream, "1h", { age = 0 })
    helper.misuse("hold: bytes must be", stream.set_retention, stream, "1h", { bytes = 0 })
    helper.misuse("count", orders.enable_stream, orders, { hold = { count = 1 } })
  end)
end)
