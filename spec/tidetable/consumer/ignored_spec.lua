-- ignored_spec.lua - origins that a consumer ignores, and its position after them.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local ignored = require "tidetable.consumer.ignored"

describe("a consumer that ignores origins", function()
  helper.setup(before_each, after_each)

  local db, orders, other
  local base       -- sequence number of the last change before the first record

  before_each(function()
    db, orders, other = consumers.two_tables()
    base = db:last_change()
  end)

  local function open(name, opts) return consumers.open(db, name, opts) end

  --- Opens another database, with the table `orders`, on a clock that the test advances.
  local function open_with_clock()
    local clock = helper.clock()
    db = helper.open(nil, helper.path "clock.tide")
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    base = db:last_change()
    return clock
  end

  --- Puts items in a transaction each, with the origins in order; false: none.
  local function put(...)
    for _, origin in ipairs { ... } do
      local id = tostring(db:last_change() - base + 1)
      assert(orders:put({ id = id }, origin and { origin = origin } or nil))
    end
  end

  --- Handles batches until none is left. Returns the numbers of their records, from 1.
  local function handled(consumer)
    return table.concat(consumers.drain(consumer, function(record)
      return record.sequence_number - base
    end), " ")
  end

  local function position_of(consumer) return consumer:describe().position - base end

  it("does not get their records", function()
    put("a", false, "b", "a", "c", false)
    assert.equal("1 2 3 4 5 6", handled(open("all")))
    assert.equal("2 3 5 6", handled(open("one", { ignore_origin = "a" })))
    assert.equal("2 5 6", handled(open("two", { ignore_origin = { "b", "a" } })))
    assert.equal("2 3 5 6", handled(open("own", { ignore_origin = true, origin = "a" })))
    assert.equal("1 2 3 4 6", handled(open("c", { ignore_origin = true })))
  end)

  it("writes with its own origin", function()
    local long = ("n"):rep(70)
    for name, opts in pairs {
      plain = {}, tagged = { origin = "a tag" }, locked = { mode = "locked", origin = "l" },
      [long] = {},
    } do
      put(false)
      opts.from = "LATEST"
      local consumer = open(name, opts)
      put(false)
      assert.equal(1, consumer:step(function(records, tx)
        assert.is_nil(records[1].origin)
        tx:table "other":put { id = name }
      end))
      local record = assert(other:stream { at = db:last_change() }):next()
      assert.equal(opts.origin or name:sub(1, 64), record.origin)
      assert.equal(1, record.depth)
      assert.is_nil(record.context)
    end
    assert.is_true(db:check().ok)
  end)

  it("writes with it in batches that the program commits, too", function()
    put(false, false)
    local consumer = open("c", { batch_size = 1, origin = "tag" })
    local number = 0
    for batch in consumer:batches() do
      number = number + 1
      assert(batch:commit(function(tx)
        if number == 2 then consumer:stop() end
        tx:table "other":put { id = tostring(number) }
      end))
    end
    local count = 0
    for record in other:stream():records() do
      count = count + 1
      assert.same({ "tag", 1 }, { record.origin, record.depth })
    end
    assert.equal(2, count)
  end)

  it("has both settings in the file", function()
    open("c", { origin = "tag", ignore_origin = { "z", "a", "z" } })
    assert.same({ "a", "z" }, assert(db:consumer "c"):describe().settings.ignore_origin)
    open("c", { origin = "tag", ignore_origin = { "a", "z" } })
    helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "orders", origin = "tag" }))
    helper.refused("CONSUMER_DIFFERS", db:consumer("c", { source = "orders", origin = "tag",
      ignore_origin = { "a", "y" } }))
    local consumer = open("c", { origin = "other", ignore_origin = { "q" }, update = true })
    assert.equal("q", consumer:describe().settings.ignore_origin)
    put("q", "a")
    assert.equal("2", handled(consumer))
    local about = open("d"):describe().settings
    assert.is_false(about.ignore_origin)
    assert.is_nil(about.origin)
    open("d", { ignore_origin = false })
  end)

  it("has options that are checked", function()
    for _, wrong in ipairs { 1, "", "tab\t", {}, { 1 }, { "a", n = 1 }, { a = "a" }, { "" } } do
      helper.misuse('consumer: option "ignore_origin" must be true, an origin, or a list of'
        .. " origins", db.consumer, db, "c", { source = "orders", ignore_origin = wrong })
    end
    helper.misuse('consumer: option "origin" must be a string of 1 to 64 printable ASCII',
      db.consumer, db, "c", { source = "orders", origin = ("x"):rep(65) })
    helper.misuse('the option "source" is missing', db.consumer, db, "c", { origin = "x" })
  end)

  -- Rule 3 of the position.
  it("moves its position over left-out records with the next batch", function()
    local consumer = open("c", { ignore_origin = "a" })
    put("a", "a", false, "a")
    assert.equal(1, consumer:step(function() end))
    assert.equal(3, position_of(consumer))
    assert.equal(0, consumer:step(error))
    assert.equal(3, position_of(consumer))
    put(false)
    assert.equal(1, consumer:step(function() end))
    assert.same({ 5, 2, 2 }, { position_of(consumer), consumer:describe().records,
      consumer:describe().batches })
  end)

  it("moves it after 10 seconds if no batch follows", function()
    local clock = open_with_clock()
    local consumer = open("c", { ignore_origin = "a", lease = 100 })
    put("a", "a")
    assert.equal(0, consumer:step(error))
    clock:advance(9.9)
    put("a")
    assert.equal(0, consumer:step(error))
    assert.equal(0, position_of(consumer))
    clock:advance(0.2)
    assert.equal(0, consumer:step(error))
    local about = consumer:describe()
    assert.same({ 3, 0, 0 }, { about.position - base, about.records, about.batches })
    clock:advance(100)
    local last = db:info().sequence_number
    assert.equal(0, consumer:step(error))
    assert.equal(last, db:info().sequence_number)
    put("a")
    assert.equal(0, consumer:step(error))
    assert.equal(3, position_of(consumer))
  end)

  it("delivers the next batch once after it has moved the position", function()
    local clock = open_with_clock()
    local consumer = open("c", { ignore_origin = "a", lease = 100 })
    put("a", "a")
    assert.equal(0, consumer:step(error))
    clock:advance(10)
    assert.equal(0, consumer:step(error))
    assert.equal(2, position_of(consumer))
    put(false)
    local calls = 0
    assert.equal(1, consumer:step(function() calls = calls + 1 end))
    assert.same({ 1, 3 }, { calls, position_of(consumer) })
  end)

  it("moves it by itself while it waits", function()
    local clock = open_with_clock()
    local consumer = open("c", { ignore_origin = "a", lease = 100 })
    put("a")
    local began, position = clock:elapsed(), nil
    -- A waiting worker advances the clock. When it has moved the position, it gets a record.
    local pass = ignored.skip
    local _ <close> = setmetatable({}, { __close = function() ignored.skip = pass end })
    ignored.skip = function(worker)
      local owns, err, code = pass(worker)
      if worker.position == base + 1 and not position then
        position = position_of(consumer)
        put(false)
      end
      return owns, err, code
    end
    assert.is_true(consumer:run(function() consumer:stop() end))
    assert.equal(1, position)
    assert.is_true(clock:elapsed() - began >= 10 and clock:elapsed() - began < 12)
  end)

  it("moves it after 10,000 records, and keeps reading", function()
    local consumer = open("c", { ignore_origin = "a", batch_size = 7 })
    local items = {}
    for i = 1, 10500 do items[i] = { id = "i" .. i } end
    assert(orders:load(items, { origin = "a" }))
    assert.equal(0, consumer:step(error))
    local position = position_of(consumer)
    assert.is_true(position >= 10000 and position <= 10500, position)
    put(false)
    assert.equal("10501", handled(consumer))
    assert.equal(10501, position_of(consumer))
  end)

  it("never moves it past a record that is not handled or waits for its window", function()
    local clock = open_with_clock()
    local window = open("window", { ignore_origin = "a", window = 60, lease = 100 })
    local failing = open("failing", { ignore_origin = "a", lease = 100 })
    put(false, "a")
    for _ = 1, 3 do
      assert.equal(0, window:step(error))
      helper.refused("BATCH_FAILED", failing:step(error))
      put("a")
      clock:advance(15)
    end
    assert.equal(0, position_of(window))
    assert.equal(0, position_of(failing))
    assert.equal(3, failing:describe().attempts)
    clock:advance(30)
    assert.equal(1, window:step(function() end))
    assert.equal(1, failing:step(function() end))
    clock:advance(30)
    assert.equal(0, window:step(error))
    clock:advance(30)
    assert.equal(0, window:step(error))
    assert.equal(5, position_of(window))
  end)

  it("keeps the failed attempts of the batch that follows left-out records", function()
    local clock = open_with_clock()
    local items = {}
    for i = 1, 12000 do items[i] = { id = "i" .. i } end
    assert(orders:load(items, { origin = "a" }))
    put(false)
    local first = open("c", { ignore_origin = "a" })
    helper.refused("BATCH_FAILED", first:step(error))
    first:close()
    local second = open("c", { ignore_origin = "a" })
    helper.refused("BATCH_FAILED", second:step(error))
    assert.equal(2, second:describe().attempts)
    assert.is_true(clock:elapsed() >= 0)
  end)

  it("loses nothing when a commit of its own finds another owner", function()
    local clock = open_with_clock()
    local consumer = open("c", { ignore_origin = "a", lease = 100 })
    put("a", "a")
    assert.equal(0, consumer:step(error))
    clock:advance(11)
    assert(db:consumer("c"):seek { after = base + 1 })
    assert.equal(0, consumer:step(error))
    assert.equal(1, position_of(consumer))
    put(false)
    assert.equal("3", handled(consumer))
    assert.equal(3, position_of(consumer))
  end)
end)
