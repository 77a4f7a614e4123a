-- options_spec.lua - the limits of the options of consumers, and commands that are refused.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local NAN = 0 / 0
local HUGE = math.huge

describe("the options of a consumer", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db = consumers.totals()
    orders = db:table "orders"
    assert(db:create_table { name = "dead", partition_key = "id", sort_key = { "part", "N" } })
  end)

  --- Creates a consumer with an option, and deletes it. Returns the setting that was stored and the
  --- number of records that it has handled.
  local function stored(name, value)
    local consumer = assert(db:consumer("c", { source = "orders", [name] = value }))
    local setting = consumer:describe().settings[name]
    local count = assert(consumer:step(function() end))
    consumer:close()
    -- It can be opened with the same option, so the value that was stored is equal.
    assert(db:consumer("c", { source = "orders", [name] = value }))
    assert(consumer:delete())
    return setting, count
  end

  local function refused(name, ...)
    for _, value in ipairs { ... } do
      helper.misuse(('option "%s" must be'):format(name), db.consumer, db, "c",
        { source = "orders", [name] = value })
    end
    assert.same({}, db:list_consumers())
  end

  it("that are counts are integers of at least 1", function()
    for name, count in pairs { batch_size = 1, batch_bytes = 1, max_attempts = 10, max_parked = 10,
      max_parked_bytes = 10, shards = 10 } do
      refused(name, 0, -1, NAN, HUGE, 0.5, 2 ^ 53, "1", true, {}, math.mininteger)
      local setting, handled = stored(name, 1)
      assert.same({ name, name ~= "shards" and 1 or nil, count }, { name, setting, handled })
      if name ~= "shards" then
        assert.same({ 1 << 53, 10 }, { stored(name, 1 << 53) })
        assert.same({ math.maxinteger, 10 }, { stored(name, math.maxinteger) })
      end
    end
  end)

  it("that are times are finite numbers of seconds, at least the minimum", function()
    for name, least in pairs { window = 0, backoff = 0, max_age = 0, handler_limit = 1, lease = 0.1,
      hold_limit = 1 } do
      refused(name, least - 1, least - 1e-9, -HUGE, HUGE, NAN, "1", true, {})
      assert.same({ least, 10 }, { stored(name, least) })
      for _, seconds in ipairs { 1.5, 2 ^ 53, 1e125 } do
        assert.same({ seconds, name == "window" and 0 or 10 }, { stored(name, seconds) })
      end
      -- Greater than every number of an item.
      helper.refused("VALIDATION", db:consumer("c", { source = "orders", [name] = 1e126 }))
      assert.same({}, db:list_consumers())
    end
  end)

  it("of other types accept exactly the values of the manual", function()
    for name, words in pairs { mode = { "optimistic", "locked" },
      on_gap = { "stop", "continue", "snapshot" },
      on_trimmed = { "error", "skip", "snapshot" }, on_failure = { "stop", "park" } } do
      refused(name, "", "other", words[1]:upper(), 1, true, {}, HUGE)
      for _, word in ipairs(words) do
        assert.same({ word, 10 }, { stored(name, word) })
      end
    end
    for _, name in ipairs { "bisect", "hold", "update" } do
      refused(name, 0, 1, "true", {}, NAN)
    end
    for _, name in ipairs { "wait", "on_snapshot" } do refused(name, true, "f", {}, 1) end
    refused("origin", "", ("o"):rep(65), "a\n", "é", 1, true, {})
    assert.same({ ("o"):rep(64), 10 }, { stored("origin", ("o"):rep(64)) })
    refused("dead_letter", 1, true, {})
  end)

  it("must fit in a row of the file", function()
    local origins = {}
    for i = 1, 31 do origins[i] = ("o"):rep(60) .. ("%04d"):format(i) end
    assert.same({ 10 }, { select(2, stored("ignore_origin", { table.unpack(origins, 1, 29) })) })
    local err = helper.refused("LIMIT", db:consumer("c", { source = "orders",
      ignore_origin = origins }))
    assert.is_truthy(err.message:find("2,028 bytes", 1, true), err.message)
    assert.same({}, db:list_consumers())
    local consumer = assert(db:consumer("c", { source = "orders", batch_size = 3 }))
    helper.refused("LIMIT", db:consumer("c", { source = "orders", ignore_origin = origins,
      hold = true, update = true }))
    -- Nothing of it was stored.
    local about = consumer:describe()
    assert.same({ 3, false, false, "none" }, { about.settings.batch_size, about.settings.hold,
      about.settings.ignore_origin, about.lag.hold })
    assert.equal(3, consumer:step(function() end))
    assert.same({}, assert(db:check()).problems)
  end)

  it("have a name of at most 255 characters", function()
    local consumer = assert(db:consumer(("n"):rep(255), { source = "orders" }))
    assert.equal(10, consumer:step(function(records, tx) tx:park(records[1]) end))
    assert.equal(3, helper.collect(consumer:parked())[1].record.sequence_number)
    for _, name in ipairs { ("n"):rep(256), "", "a/b", "a\0", "é" } do
      helper.refused("VALIDATION", db:consumer(name, { source = "orders" }))
      helper.refused("NOT_FOUND", db:consumer(name))
    end
  end)

  it("limit batches to exactly batch_bytes", function()
    local size = helper.first(orders:stream():records { from = "TRIM_HORIZON" }).size_bytes
    for bytes, count in pairs { [2 * size - 1] = 1, [2 * size] = 2, [2 * size + 1] = 2,
      [3 * size - 1] = 2, [3 * size] = 3 } do
      assert.same({ bytes, count }, { stored("batch_bytes", bytes) })
    end
  end)

  it("stop parking at exactly max_parked_bytes", function()
    local function park(records, tx) tx:park(records[1]) end
    local function open(opts) return consumers.open(db, "c", opts) end
    local consumer = open { batch_size = 1 }
    assert.equal(1, consumer:step(park))
    local base = consumer:describe().position - 1
    local size = consumer:describe().parked_bytes
    assert.is_true(size > 0)
    for bytes, parked in pairs { [size - 1] = 1, [size] = 1, [size + 1] = 2, [2 * size] = 2 } do
      assert(consumer:delete { discard = true })
      consumer = open { batch_size = 1, max_parked_bytes = bytes }
      for _ = 1, parked do assert.equal(1, consumer:step(park)) end
      helper.refused("PARKED_FULL", consumer:step(park))
      local about = consumer:describe()
      assert.same({ bytes, parked, parked * size, base + parked }, { bytes, about.parked,
        about.parked_bytes, about.position })
    end
  end)
end)

describe("times of a consumer", function()
  helper.setup(before_each, after_each)

  it("have passed at exactly the window, and at exactly max_age", function()
    local clock = helper.clock(1e9)
    local db = helper.memory()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local consumer = assert(db:consumer("c", { source = "orders", window = 5, max_age = 9,
      on_failure = "park", backoff = 0, lease = 100 }))
    assert(orders:put { id = "1" })
    clock:advance(4.999)
    assert(orders:put { id = "2" })          -- the window is that of the first record
    assert.equal(0, consumer:step(error))
    clock:advance(0.001)
    local count
    helper.refused("BATCH_FAILED", consumer:step(function(records)
      count = count or #records
      error "no"
    end))
    assert.equal(2, count)
    clock:advance(3.999)
    helper.refused("BATCH_FAILED", consumer:step(error))
    assert.equal(0, consumer:describe().parked)
    clock:advance(0.001)
    assert.equal(1, consumer:step(error))
    assert.equal(1, consumer:describe().parked)
  end)
end)

describe("the commands of a consumer", function()
  helper.setup(before_each, after_each)

  local commands = { "pause", "resume", "seek", "delete", "replay", "discard" }
  local db, consumer

  before_each(function()
    db = consumers.totals()
    consumer = consumers.open(db, "c", { batch_size = 2 })
    assert.equal(2, consumer:step(function(records, tx) tx:park(records[2]) end))
  end)

  --- Calls f(function, consumer, options) for each command.
  local function each(other, f)
    for _, name in ipairs(commands) do
      f(other[name], other, name == "seek" and { from = "LATEST" }
        or name == "delete" and { discard = true } or nil)
    end
  end

  local function check_nothing_changed()
    local about = consumer:describe()
    assert.same({ false, 4, 1, 0 }, { about.is_paused, about.position, about.parked,
      about.replays })
  end

  it("are refused in a transaction and in a handler", function()
    local function nested(...) helper.raises("NESTED", ...) end
    assert(db:transact(function() each(consumer, nested) end))
    helper.refused("BATCH_FAILED", consumer:step(function()
      each(consumer, nested)
      each(assert(db:consumer "c"), nested)
      nested(db.consumer, db, "new", { source = "orders" })
      nested(db.consumer, db, "c", { source = "orders", update = true })
      error "not committed"
    end))
    check_nothing_changed()
    assert.same({ "c" }, db:list_consumers())
  end)

  it("are refused where nothing can be written", function()
    consumer:close()
    local reader <close> = assert(tidetable.open(helper.path(), { read_only = true }))
    local other = assert(reader:consumer "c")
    each(other, function(f, ...) helper.refused("READ_ONLY", f(...)) end)
    helper.refused("READ_ONLY", other:step(error))
    helper.refused("READ_ONLY", other:run(error))
    helper.raises("READ_ONLY", (other:batches()))
    helper.refused("READ_ONLY", reader:consumer("c", { source = "orders", update = true }))
    check_nothing_changed()
    -- What only reads is not refused.
    assert.equal(8, other:lag().records)
    assert.same({ 4 }, { helper.collect(other:parked())[1].record.sequence_number })
    assert.same({ true, "parked" }, { other:wait_for(4, 0) })
    assert.is_false(other:wait_for(5, 0))
  end)

  it("have options that are checked", function()
    for _, name in ipairs { "replay", "discard", "parked" } do
      for _, limit in ipairs { -1, NAN, HUGE, 0.5, 2 ^ 53, "1", true, {} } do
        helper.misuse('"limit"', consumer[name], consumer, { limit = limit })
      end
      helper.misuse('"key"', consumer[name], consumer, { key = "2" })
      helper.misuse('"table"', consumer[name], consumer, { table = 1 })
      helper.misuse('unknown option "keys"', consumer[name], consumer, { keys = {} })
    end
    for _, name in ipairs { "seek", "delete" } do
      helper.misuse('"discard"', consumer[name], consumer, { discard = 1 })
    end
    for _, at in ipairs { -1, NAN, 0.5, "1", true, {} } do
      helper.misuse('"at"', consumer.seek, consumer, { at = at })
      helper.misuse("sequence number", consumer.wait_for, consumer, at, 0)
    end
    for _, seconds in ipairs { -1, -HUGE, NAN, "1", true, {} } do
      helper.misuse("seconds", consumer.wait_for, consumer, 1, seconds)
    end
    for _, handler in ipairs { false, 1, "f", {} } do
      helper.misuse("expected a function", consumer.run, consumer, handler)
      helper.misuse("expected a function", consumer.step, consumer, handler)
    end
    assert.same({ 0, 0 }, { consumer:replay { limit = 0 }, consumer:discard { limit = 0 } })
    assert.same({}, helper.collect(consumer:parked { limit = 0 }))
    check_nothing_changed()
    for _, at in ipairs { 14, 1 << 53, math.maxinteger } do
      helper.refused("AHEAD", consumer:seek { at = at })
      helper.refused("AHEAD", consumer:wait_for(at, 0))
    end
    helper.refused("AHEAD", consumer:wait_for(13, 0))
    assert.is_true(consumer:seek { at = 13 })        -- before the next change
    assert.equal(12, consumer:describe().position)
    assert.equal(1, consumer:replay { limit = 1 << 53 })
    assert.equal(1, consumer:discard { limit = math.maxinteger })
  end)
end)
