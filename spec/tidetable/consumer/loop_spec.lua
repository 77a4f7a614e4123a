-- loop_spec.lua - loops of consumers are found by the depth of records.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local DEEP, DEPTH_MAX = 8, 16

describe("a loop of consumers", function()
  helper.setup(before_each, after_each)

  local db, orders, other

  before_each(function() db, orders, other = consumers.two_tables() end)

  local function open(name, opts) return consumers.open(db, name, opts) end

  --- Returns a handler that writes an item for each record.
  local function writes_to(name)
    return function(records, tx)
      for _, record in ipairs(records) do
        tx:table(name):update({ id = record.keys.id }, "ADD n ?", { 1 })
      end
    end
  end

  for _, mode in ipairs { "optimistic", "locked" } do
    it("of one that writes to its own source ends with LOOP: " .. mode, function()
      assert(orders:put { id = "x" })
      local consumer = open("echo", { mode = mode })
      local err = helper.refused("LOOP", consumer:run(writes_to "orders"))
      assert.equal("consumer echo: record 20 of table orders has depth 17, at most 16: its"
        .. " handler's writes cause records for it again (option ignore_origin)", err.message)
      -- It names the record again at each start.
      helper.refused("LOOP", consumer:run(error))
      helper.refused("LOOP", consumer:step(error))
      helper.refused("LOOP", consumer:step(error))
      assert.equal(19, consumer:describe().position)
      helper.raises("LOOP", function() for _ in consumer:batches() do error "none" end end)
      local depths = {}
      for record in orders:stream():records() do
        depths[#depths + 1] = record.depth
        assert.equal(record.depth > 0 and "echo" or nil, record.origin)
      end
      for i = 0, DEPTH_MAX + 1 do assert.equal(i, depths[i + 1]) end
      assert(consumer:seek { after = 20 })
      assert.equal(0, consumer:step(error))
      assert.is_true(db:check().ok)
    end)
  end

  it("ends when the consumer is told to ignore its own origin", function()
    assert(orders:put { id = "x" })
    helper.refused("LOOP", open "echo":run(writes_to "orders"))
    local consumer = open("echo", { ignore_origin = true, update = true })
    assert.equal(0, consumer:step(error))
  end)

  it("is none if the consumer ignores its own origin", function()
    for _, opts in ipairs { {}, { origin = "tag" }, { ignore_origin = { "x", "tag" },
      origin = "tag" } } do
      local name = "quiet" .. #db:list_consumers()
      opts.ignore_origin, opts.from = opts.ignore_origin or true, "LATEST"
      local consumer = open(name, opts)
      local handled = 0
      for i = 1, 60 do
        assert(orders:put { id = name .. i })
        handled = handled + assert(consumer:step(writes_to "orders"))
      end
      assert.equal(60, handled)
      for _ = 1, 3 do assert.equal(0, consumer:step(error)) end
      for record in orders:stream { after = consumer:describe().position }:records() do
        assert.is_true(record.depth <= 1)
      end
    end
  end)

  it("of two that write to each other's source ends with LOOP", function()
    assert(orders:put { id = "x" })
    local ping = open "ping"
    local pong = open("pong", { source = "other" })
    local function play(consumer, to)
      local count, err, code = consumer:step(writes_to(to))
      assert.is_true(count ~= nil or code == "LOOP", tostring(err))
      return count, err
    end
    local rounds, err, ended = 0, nil, false
    repeat
      for _, each in ipairs { { ping, "other" }, { pong, "orders" } } do
        local count, failure = play(each[1], each[2])
        if not count then ended, err = true, failure end
      end
      rounds = rounds + 1
    until ended or rounds > 100
    assert.is_true(rounds < 20)
    assert.matches("consumer p[io]ng: record %d+ of table %a+ has depth 17", err.message)
    -- Depth 0 is in the source of ping, so depth 17 is in that of pong.
    helper.refused("LOOP", pong:step(error))
    assert.equal(0, ping:step(error))
  end)

  it("is found in the stream of all tables", function()
    assert(orders:put { id = "x" })
    local all = open("all", { source = "*" })
    local err = helper.refused("LOOP", all:run(function(records, tx)
      for _, record in ipairs(records) do
        local to = record.table_name == "orders" and "other" or "orders"
        tx:table(to):update({ id = record.keys.id }, "ADD n ?", { 1 })
      end
    end))
    assert.matches("has depth 17", err.message)
    assert.is_truthy(other:get { id = "x" })
  end)

  it("delivers the records before the one that is too deep", function()
    assert(orders:put { id = "x" })
    local echo = open "echo"
    for _ = 1, DEPTH_MAX do assert.equal(1, echo:step(writes_to "orders")) end
    assert.equal(1, echo:step(writes_to "orders"))
    for i = 1, 3 do assert(orders:put { id = "after" .. i }) end
    -- Another consumer gets the batches of 0 to 7 and of 8 to 16, then the error.
    local reader, sizes = open "reader", {}
    local function count(records) sizes[#sizes + 1] = #records end
    assert.equal(DEEP, reader:step(count))
    assert.equal(DEPTH_MAX - DEEP + 1, reader:step(count))
    helper.refused("LOOP", reader:step(count))
    assert.same({ DEEP, DEPTH_MAX - DEEP + 1 }, sizes)
    assert(reader:seek { after = reader:describe().position + 1 })
    assert.equal(3, reader:step(count))
  end)

  it("is not found where load alone mixes deep and shallow records", function()
    math.randomseed(SEED)
    assert(orders:put { id = "deep" })
    local chain = open("chain", { from = "TRIM_HORIZON" })
    -- The chain writes to its source ten times, and then to another table. Between its batches,
    -- many shallow records are written, so that they are in its batches.
    local depth, shallow = 0, 0
    for step = 1, 10 do
      for i = 1, math.random(0, 3) do
        shallow = shallow + 1
        assert(orders:put { id = ("s%d.%d"):format(step, i) })
      end
      while assert(chain:step(function(records, tx)
        local least, most = math.huge, 0
        for _, record in ipairs(records) do
          least, most = math.min(least, record.depth), math.max(most, record.depth)
          if record.keys.id == "deep" and record.depth < 10 then
            tx:table "orders":update({ id = "deep" }, "ADD n ?", { 1 })
          elseif record.depth == 0 then
            tx:table "other":put { id = record.keys.id }
          end
        end
        assert.is_true(least >= DEEP or most < DEEP, "SEED=" .. SEED)
      end)) > 0 do end
    end
    for record in orders:stream():records() do
      if record.keys.id == "deep" then depth = math.max(depth, record.depth) end
    end
    assert.equal(10, depth)
    for record in other:stream():records() do
      assert.is_true(record.depth <= DEEP, "SEED=" .. SEED)
    end
    assert.is_true(shallow >= 0)
  end)

  it("does not deepen shallow records by a batch that is halved", function()
    assert(orders:put { id = "x" })
    local echo = open "echo"
    for _ = 1, 5 do assert.equal(1, echo:step(writes_to "orders")) end
    echo:close()
    for i = 1, 3 do assert(orders:put { id = "s" .. i }) end
    local consumer, failed = open("halves", { bisect = true, after = 8 }), false
    assert(consumer:seek { at = 8 })
    local sizes = {}
    local function handler(records, tx)
      if #records == 4 and not failed then
        failed = true
        error "once"
      end
      sizes[#sizes + 1] = #records
      for _, record in ipairs(records) do
        tx:table "other":put { id = record.keys.id .. record.sequence_number }
      end
    end
    while assert(consumer:step(handler)) > 0 do end
    assert.same({ 2, 2 }, sizes)
    local depths = {}
    for record in other:stream():records() do depths[#depths + 1] = record.depth end
    assert.same({ 6, 6, 1, 1 }, depths)
  end)

  it("does not deepen shallow records that are parked and delivered again", function()
    assert(orders:put { id = "x" })
    local echo = open "echo"
    for _ = 1, DEEP do assert.equal(1, echo:step(writes_to "orders")) end
    echo:close()
    assert(orders:put { id = "y" })
    local consumer = open("parker", { on_failure = "park", max_attempts = 1, at = DEEP + 3 })
    local sizes, fails = {}, true
    local function handler(records, tx)
      if fails then error("bad", 0) end
      sizes[#sizes + 1] = #records
      for _, record in ipairs(records) do tx:table "other":put { id = record.keys.id } end
    end
    while (consumer:step(handler) or 1) > 0 do end
    fails = false
    assert.equal(2, consumer:describe().parked)
    assert.equal(2, consumer:replay())
    while assert(consumer:step(handler)) > 0 do end
    assert.same({ 1, 1 }, sizes)
    local depths = {}
    for record in other:stream():records() do depths[record.keys.id] = record.depth end
    assert.same({ x = DEEP + 1, y = 1 }, depths)
  end)

  it("of a consumer that reads its own dead letters ends with LOOP", function()
    local dead = assert(db:create_table { name = "dead", partition_key = "id",
      sort_key = { "part", "N" }, stream = true })
    assert(orders:put { id = "x" })
    local consumer = open("c", { source = { "orders", "dead" }, on_failure = "dead_letter",
      dead_letter = "dead", max_attempts = 1 })
    helper.refused("LOOP", consumer:run(function() error("bad", 0) end))
    local count = 0
    for record in dead:stream():records() do
      count = count + 1
      assert.same({ count, "c" }, { record.depth, record.origin })
    end
    assert.equal(DEPTH_MAX + 1, count)
  end)

  it("is not continued by removals of time to live", function()
    local clock = helper.clock(1700000000)
    db = helper.open(nil, helper.path "clock.tide")
    local items = assert(db:create_table { name = "items", partition_key = "id", ttl = "at",
      stream = true })
    local consumer = assert(db:consumer("c", { source = "items", ignore_origin = true }))
    assert(items:put { id = "old", at = 1700000010 })
    assert.equal(1, consumer:step(function() end))
    clock:advance(100)
    assert(items:put { id = "new" })
    -- The handler replaces the expired item, and its commit removes it first.
    local removals = 0
    while assert(consumer:step(function(records, tx)
      for _, record in ipairs(records) do
        if record.user_identity then
          removals = removals + 1
          assert.equal(0, record.depth)
          assert.is_nil(record.origin)
        elseif record.keys.id == "new" then
          tx:table "items":put { id = "old", at = 1700009999 }
        end
      end
    end)) > 0 do end
    assert.equal(1, removals)
    assert.is_true(db:check().ok)
  end)
end)
