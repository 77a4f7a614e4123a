-- unit_spec.lua - batches of whole transactions.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe('a consumer with by = "transaction"', function()
  helper.setup(before_each, after_each)

  local db, totals

  before_each(function()
    local _
    db, _, totals = consumers.orders "totals"
  end)

  local puts = 0

  --- Puts items with these ids in one transaction. Each put changes its item.
  local function put(ids, opts)
    assert(db:transact(function(tx)
      for id in ids:gmatch "%S+" do
        puts = puts + 1
        tx:table "orders":put { id = id, n = puts }
      end
    end, opts))
  end

  local function open(opts)
    opts = opts or {}
    opts.by = "transaction"
    return consumers.open(db, "c", opts)
  end

  --- Returns the ids of some records, with a point between transactions.
  local function text(records)
    local parts, id = {}, nil
    for _, record in ipairs(records) do
      if id and record.transaction_id ~= id then parts[#parts + 1] = "." end
      parts[#parts + 1] = record.keys.id
      id = record.transaction_id
    end
    return table.concat(parts, " ")
  end

  --- Steps until nothing is left. Returns the texts of all batches, also of those in which the
  --- handler failed.
  local function batches_of(consumer, handler)
    local texts = {}
    repeat
      local count, err = consumer:step(function(records, tx)
        texts[#texts + 1] = text(records)
        return handler and handler(records, tx)
      end)
      assert(count or err.code == "BATCH_FAILED", err)
    until count == 0
    return texts
  end

  it("counts transactions", function()
    local consumer = open { batch_size = 2 }
    put "a b c"
    put "d"
    put "e f"
    put "g h i j"
    put "k"
    assert.same({ "a b c . d", "e f . g h i j", "k" }, batches_of(consumer))
    assert.equal(11, consumer:describe().records)
  end)

  it("does not divide a transaction that exceeds the size of a batch", function()
    local consumer = open { batch_bytes = 1 }
    put "a b c"
    put "d"
    assert.same({ "a b c", "d" }, batches_of(consumer))
  end)

  it("waits for the window of its first record", function()
    local clock = helper.clock(1000)
    local consumer = open { window = 5, batch_size = 2 }
    put "a b"
    assert.equal(0, consumer:step(error))
    put "c d"
    assert.same({ "a b . c d" }, batches_of(consumer))
    put "e f"
    assert.equal(0, consumer:step(error))
    clock:advance(6)
    assert.same({ "e f" }, batches_of(consumer))
  end)

  it("has one worker at a time", function()
    local first, second = open(), consumers.open(helper.open(), "c", { by = "transaction" })
    put "a b"
    assert.equal(2, first:step(function() end))
    put "c d"
    assert.equal(0, second:step(error))
    local workers = assert(first:workers())
    assert.same({ 0, 0, 2 }, { workers[1].first, workers[1].last, #workers })
    first:close()
    assert.equal(2, second:step(function() end))
    second:close()
  end)

  it("reruns the transactions before the first failed record", function()
    local consumer = open { max_attempts = 1 }
    put "a b"
    put "c d"
    put "e f"
    local has_failed = false
    assert.same({ "a b . c d . e f", "a b", "c d . e f" }, batches_of(consumer, function(records)
      if not has_failed then
        has_failed = true
        return { batch_item_failures = { records[4].sequence_number } }
      end
    end))
    assert.equal(0, consumer:describe().failures)
  end)

  it("fails if a record of the first transaction does", function()
    local consumer = open { max_attempts = 1 }
    put "a b"
    put "c d"
    helper.refused("BATCH_FAILED", consumer:step(function(records)
      return { batch_item_failures = { records[2].sequence_number } }
    end))
    assert.equal(1, consumer:describe().failures)
  end)

  it("divides a failed batch down to the transaction that fails", function()
    assert(db:create_table { name = "dead", partition_key = "id", sort_key = { "n", "N" } })
    local consumer = open { on_failure = "dead_letter", dead_letter = "dead", max_attempts = 1 }
    for i = 1, 8 do put(("a%d b%d c%d"):format(i, i, i)) end
    local texts = batches_of(consumer, function(records, tx)
      for _, record in ipairs(records) do
        tx:table "totals":update({ id = "all" }, "ADD n ?", { 1 })
        if record.keys.id == "b6" then error "no" end
      end
    end)
    for _, each in ipairs(texts) do
      assert.equal(0, select(2, each:gsub("%a%d", "")) % 3, each)
    end
    local about = consumer:describe()
    assert.same({ 3, 21, 21 }, { about.dead_letters, about.records, totals:get({ id = "all" }).n })
    assert.equal(3, assert(db:table "dead":count_items()))
    assert.same({}, assert(db:check()).problems)
  end)

  it("divides a batch whose worker dies", function()
    assert(db:create_table { name = "dead", partition_key = "id", sort_key = { "n", "N" } })
    local consumer = open { on_failure = "dead_letter", dead_letter = "dead", max_attempts = 1,
      backoff = 0, lease = 1 }
    for i = 1, 8 do put(("a%d b%d c%d"):format(i, i, i)) end
    local deadly = [[
      local consumer = assert(db:consumer "c")
      consumer:run(function(records, tx)
        for _, record in ipairs(records) do
          if record.keys.id == "b6" then os.exit(9, false) end
          tx:table "totals":update({ id = "all" }, "ADD n ?", { 1 })
        end
        if records[#records].keys.id == "c8" then consumer:stop() end
      end)
    ]]
    local deaths = 0
    while consumer:describe().position < 24 do
      deaths = deaths + 1
      assert.is_true(deaths < 12)
      helper.child(deadly):output()
    end
    -- With 8, 4, 2, 1 transactions; the one alone is the attempt.
    assert.is_true(deaths <= 6, deaths)
    assert.same({ 3, 21 }, { consumer:describe().dead_letters, totals:get({ id = "all" }).n })
  end)

  it("keeps a transaction whole after a temporary failure in its middle", function()
    local consumer = open()
    put "a b c d"
    local try, calls = core.try_record, 0
    finally(function() core.try_record = try end)
    function core.try_record(feed)
      calls = calls + 1
      if calls == 3 then
        return core.consumer_failure("READERS_FULL", "no slot")
      end
      return try(feed)
    end
    helper.refused("READERS_FULL", consumer:step(error))
    assert.same({ "a b c d" }, batches_of(consumer))
  end)

  it("has the part of a transaction that the filter and the ignored origin leave", function()
    local consumer = open { filter = "begins_with(keys.id, ?)", "a", ignore_origin = "x",
      batch_size = 2 }
    put "a1 b1 a2"
    put "b2 b3"
    put("a3 a4", { origin = "x" })
    put "b4 a5"
    put "a6"
    assert.same({ "a1 a2 . a5", "a6" }, batches_of(consumer))
  end)

  it("begins with single records in a snapshot", function()
    put "a b c"
    local consumer = consumers.open(db, "c", { by = "transaction", from = "SNAPSHOT",
      batch_size = 2 })
    local ids = consumers.drain(consumer)
    table.sort(ids)
    assert.same({ "a", "b", "c" }, ids)
    put "d e f"
    assert.same({ "d e f" }, batches_of(consumer))
  end)

  it("ends with LOOP at a transaction that is too deep, which stays the next one", function()
    local consumer = open { origin = "o" }
    put "a b"
    local count, err
    repeat
      count, err = consumer:step(function(records, tx)
        for _, record in ipairs(records) do
          tx:table "orders":update({ id = record.keys.id }, "ADD n ?", { 1 })
        end
      end)
    until not count
    assert.equal("LOOP", err.code)
    helper.refused("LOOP", consumer:step(error))
  end)

  it("has one shard", function()
    helper.misuse("does not allow more than one shard", db.consumer, db, "p", { source = "orders",
      by = "transaction", shards = 2 })
  end)

  describe("is changed", function()
    local function set(by, more)
      local opts = { source = "orders", by = by, update = true }
      for name, value in pairs(more or {}) do opts[name] = value end
      return db:consumer("d", opts)
    end

    it("only while it is paused", function()
      local consumer = consumers.open(db, "d", { shards = 4 })
      local err = helper.refused("CONSUMER_DIFFERS", set "transaction")
      assert.matches('"by" of consumer d can be changed only while the consumer is paused',
        err.message, 1, true)
      assert(consumer:pause())
      assert(set "transaction")
      assert(consumer:resume())
      assert.same({ 1, "transaction" }, { consumer:describe().shards,
        consumer:describe().settings.by })
      helper.refused("CONSUMER_DIFFERS", set "key")
      assert(consumer:pause())
      assert(set("key", { shards = 4 }))
      assert.same({ 4, "key" }, { consumer:describe().shards,
        consumer:describe().settings.by })
    end)

    it("and drops batches that were read before", function()
      local consumer = consumers.open(db, "d", { shards = 1, batch_size = 2 })
      put "a b c"
      put "d e"
      helper.refused("BATCH_FAILED", consumer:step(error))
      assert(consumer:pause())
      assert(set("transaction", { backoff = 0.001 }))
      assert(consumer:resume())
      assert.same({ "a b c . d e" }, batches_of(consumer))
    end)

    it("and refuses the commit of a handler that runs", function()
      local consumer = consumers.open(db, "d", { shards = 1, on_failure = "park" })
      local other = helper.open()
      put "a b"
      assert.equal(0, consumer:step(function(records, tx)
        if records[1].attempt > 1 then return end
        local d = assert(other:consumer "d")
        assert(d:pause())
        assert(other:consumer("d", { source = "orders", by = "transaction", update = true }))
        assert(d:resume())
        tx:park(records[1], "why")
      end))
      assert.same({ "transaction", 0 }, { consumer:describe().settings.by,
        consumer:describe().parked })
      assert.same({ "a b" }, batches_of(consumer))
    end)

    it("together with the other settings, or none of them is", function()
      local consumer = consumers.open(db, "d")
      assert(consumer:pause())
      helper.refused("VALIDATION", set("transaction", { filter = "new_image.n >" }))
      helper.refused("LIMIT", set("transaction", { filter = "keys.id = ?", ("x"):rep(3000) }))
      helper.refused("LIMIT", set("key", { shards = 7, filter = "keys.id = ?", ("x"):rep(3000) }))
      assert.same({ 64, "key" }, { consumer:describe().shards, consumer:describe().settings.by })
    end)

    it("not while its shards have different positions, or with parked records", function()
      local first = consumers.open(db, "d", { batch_size = 1, on_failure = "park",
        max_attempts = 1 })
      for i = 1, 20 do put("a" .. i) end
      assert(first:step(error))
      assert(first:pause())
      local err = helper.refused("PARKED", set "transaction")
      assert.matches("1 parked records", err.message, 1, true)
      assert(first:discard())
      assert(first:resume())
      local second = consumers.open(helper.open(), "d", { batch_size = 1, on_failure = "park",
        max_attempts = 1 })
      local count = 0
      repeat
        first:step(function() end)
        second:step(function() end)
        first.worker.verified_at, count = 0, count + 1
      until #core.consumer_describe(db.core, "d").ranges == 2 or count == 9
      assert.equal(1, first:step(function() end))
      assert(first:pause())
      helper.refused("VALIDATION", set "transaction")
      second:close()
    end)
  end)

  it("delivers all transactions whole, once and in order (SEED)", function()
    math.randomseed(SEED)
    for round = 1, 20 do
      local context = ("seed %d, round %d"):format(SEED, round)
      local name = "r" .. round
      local opts = { by = "transaction", batch_size = math.random(4), source = "orders",
        batch_bytes = math.random(2) == 1 and 200 or nil, from = "LATEST", backoff = 0,
        bisect = math.random(2) == 1, mode = math.random(2) == 1 and "locked" or nil }
      local consumer = assert(db:consumer(name, opts))
      local written, handled, handling = {}, {}, nil
      for _ = 1, 60 do
        local what = math.random(10)
        if what <= 4 then
          local ids = {}
          for i = 1, math.random(5) do ids[i] = ("k%d"):format(math.random(20) + 20 * i) end
          put(table.concat(ids, " "))
          written[#written + 1] = table.concat(ids, " ")
        elseif what == 5 then
          consumer:close()
          consumer = assert(db:consumer(name))
        else
          local fails = math.random(4)
          local count, err = consumer:step(function(records)
            handling = text(records)
            if fails == 1 then error "no" end
            if fails == 2 then
              return { batch_item_failures = { records[math.random(#records)].sequence_number } }
            end
          end)
          if count and count > 0 then
            for each in (handling .. " . "):gmatch "(.-) %. " do handled[#handled + 1] = each end
          elseif not count then
            assert.equal("BATCH_FAILED", err.code, context)
          end
        end
      end
      repeat
        local count = assert(consumer:step(function(records) handling = text(records) end))
        if count > 0 then
          for each in (handling .. " . "):gmatch "(.-) %. " do handled[#handled + 1] = each end
        end
      until count == 0
      consumer:close()
      assert.same(written, handled, context)
      assert(consumer:delete())
    end
    assert.same({}, assert(db:check()).problems)
  end)
end)
