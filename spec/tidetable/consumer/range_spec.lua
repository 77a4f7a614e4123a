-- range_spec.lua - workers that share the shards of a consumer.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local db, orders, seen

before_each(function()
  db, orders = consumers.orders()
  seen = {}
end)

--- Opens a worker of the consumer "c". The time for which a worker does not read the consumer again
--- is over at each step, because another commit has changed it.
local function open(opts)
  opts = opts or {}
  opts.batch_size = opts.batch_size or 4
  return consumers.open(helper.open(), "c", opts)
end

local function put(first, last)
  for i = first, last do assert(orders:put { id = "k" .. i % 40, n = i }) end
end

--- A handler that checks the order of each key and that no record is handled twice.
local function handle(records)
  for _, record in ipairs(records) do
    local key, number = record.keys.id, record.sequence_number
    assert(number > (seen[key] or 0), "not in order")
    assert.is_nil(seen[number])
    seen[key], seen[number] = number, true
    seen.count = (seen.count or 0) + 1
  end
end

--- Returns the ranges as a text, such as "0-31 32-63*": one without an owner has a star.
local function ranges()
  local parts = {}
  for i, range in ipairs(core.consumer_describe(db.core, "c").ranges) do
    parts[i] = ("%d-%d%s"):format(range.first, range.last, range.opening and "" or "*")
  end
  return table.concat(parts, " ")
end

--- Lets each worker do steps until in several rounds none of them handles a record and no range
--- changes.
local function run(workers)
  local idle, before = 0, nil
  while idle < 4 do
    local count = 0
    for _, worker in ipairs(workers) do
      if worker.worker then worker.worker.verified_at = 0 end
      count = count + assert(worker:step(handle))
    end
    local now = ranges()
    idle, before = count == 0 and now == before and idle + 1 or 0, now
  end
end

describe("the workers of a consumer", function()
  it("divide its shards equally, and get each record once", function()
    put(1, 100)
    local a, b, c, d = open(), open(), open(), open()
    run { a }
    assert.equal("0-63", ranges())
    run { a, b }
    assert.equal("0-31 32-63", ranges())
    put(101, 200)
    run { a, b, c }
    assert.equal("0-20 21-41 42-63", ranges())
    put(201, 300)
    run { a, b, c, d }
    assert.equal("0-16 17-32 33-48 49-63", ranges())
    put(301, 400)
    run { a, b, c, d }
    assert.equal(400, seen.count)
    assert.equal(400, a:describe().records)
    assert.same({}, assert(db:check()).problems)
    -- Workers that leave give their shards to the others.
    b:close()
    put(401, 500)
    run { a, c, d }
    assert.equal("0-20 21-41 42-63", ranges())
    a:close()
    d:close()
    put(501, 600)
    run { c }
    assert.equal("0-63", ranges())
    assert.equal(600, seen.count)
    assert.same({ 601, 0 }, { c:describe().position, c:describe().takeovers })
    assert.same({}, assert(db:check()).problems)
  end)

  it("take over all ranges without an owner before a step returns 0", function()
    local handled = 0
    for i = 1, 8 do
      local a, b, c, d = open(), open(), open(), open()
      run { a, b, c, d }
      assert.equal(4, #core.consumer_describe(db.core, "c").ranges)
      for _, each in ipairs { a, b, c, d } do each:close() end
      put(i, i)                  -- in one of the four ranges
      local last = open()
      repeat
        local count = assert(last:step(handle))
        handled = handled + count
      until count == 0
      assert.equal(i, handled)
      assert.equal("0-63", ranges())
      last:close()
    end
    assert.same({}, assert(db:check()).problems)
  end)

  it("finish their batch before they give up shards", function()
    put(1, 40)
    local a, b = open { batch_size = 10 }, open { batch_size = 10 }
    local other = 0
    assert.equal(10, a:step(function(records)
      a.worker.verified_at = 0
      other = other + assert(b:step(handle))
      assert.equal("0-63", ranges())
      handle(records)
    end))
    assert.equal(0, other)
    run { a, b }
    assert.equal("0-31 32-63", ranges())
    assert.equal(40, seen.count)
  end)

  it("do not give up the shards of records that wait for the window of their batch", function()
    local clock = helper.clock(1000)
    local opts = { shards = 4, window = 5, batch_size = 20 }
    local b, c, a = open(opts), open(opts), nil
    --- Lets the other workers act while `a` waits, and lets it verify its range after that.
    local phases = {
      function() b:step(handle) end,                    -- waits for a range
      function()
        assert.equal("0-1 2-3*", ranges())
        b:step(handle)
        put(1, 16)
      end,
      function()
        assert.equal("0-1 2-3", ranges())
        c:step(handle)                                  -- waits for a range
      end,
      function() c:step(handle) end,
      function() clock:advance(6) end,
    }
    opts.wait = function()
      local phase = table.remove(phases, 1)
      if phase then phase() else a:stop() end
      a.worker.verified_at = 0
    end
    a = open(opts)
    assert.is_true(coroutine.wrap(a.run)(a, handle))
    run { b, c }
    clock:advance(6)
    run { b, c }
    assert.equal(16, seen.count)
  end)

  it("can be more numerous than the shards", function()
    put(1, 40)
    local workers = {}
    for i = 1, 5 do workers[i] = open { shards = 3 } end
    run(workers)
    assert.equal("0-0 1-1 2-2", ranges())
    assert.equal(40, seen.count)
    workers[1]:close()
    put(41, 80)
    run { table.unpack(workers, 2) }
    assert.equal("0-0 1-1 2-2", ranges())
    assert.equal(80, seen.count)
  end)

  it("do not divide a single shard, nor the shards of a snapshot", function()
    put(1, 20)
    local a, b = open { shards = 1 }, open { shards = 1 }
    run { a, b }
    assert.equal("0-0", ranges())
    assert(a:delete())
    a, b = open { from = "SNAPSHOT", batch_size = 3 }, open { from = "SNAPSHOT", batch_size = 3 }
    seen = {}
    for _ = 1, 3 do
      a:step(handle)
      b:step(handle)
      assert.equal("0-63", ranges())
    end
    run { a, b }
    assert.equal("0-31 32-63", ranges())
    assert.equal(20, seen.count)
  end)

  it("keep the failed attempts of a key with its shard", function()
    assert(orders:put { id = "bad", n = 1 })
    put(1, 20)
    local calls = 0
    local function fails(records)
      for _, record in ipairs(records) do
        if record.keys.id == "bad" then
          calls = calls + (#records == 1 and 1 or 0)
          error "no"
        end
      end
      handle(records)
    end
    local opts = { on_failure = "park", max_attempts = 4, batch_size = 2 }
    local a, b = open(opts), open(opts)
    for _ = 1, 200 do
      for _, worker in ipairs { a, b } do
        if worker.worker then worker.worker.verified_at = 0 end
        worker:step(fails)
      end
    end
    assert.equal("0-31 32-63", ranges())
    assert.same({ 4, 1, 20 }, { calls, a:describe().parked, seen.count })
    local copy = helper.collect(a:parked())[1]
    assert.same({ 4, "bad" }, { copy.attempts, copy.record.keys.id })
    -- Only the owner of its shard replays it.
    assert.equal(1, a:replay())
    run { a, b }
    assert.same({ 0, 21 }, { a:describe().parked, seen.count })
    assert.same({}, assert(db:check()).problems)
  end)

  it("are listed with their ranges", function()
    put(1, 20)
    local a, b = open { shards = 2 }, open { shards = 2 }
    assert.same({ { first = 0, last = 1, position = 0, attempts = 0, is_alive = false } },
      a:workers())
    run { a, b }
    local c = open { shards = 2 }
    assert.equal(0, c:step(handle))
    local pid = tonumber(io.open "/proc/self/stat":read "n")
    local list = b:workers()
    for i, each in ipairs(list) do
      assert.same({ pid, true, false }, { each.pid, each.is_alive, each.in_handler })
      assert.is_true(each.seconds < 10)
      assert.same(i < 3 and { i - 1, i - 1, 20, 0 } or {},
        { each.first, each.last, each.position and 20, each.attempts })
    end
    assert.equal(3, #list)
    put(21, 21)
    local seen_in_handler
    repeat until (assert(a:step(function() seen_in_handler = a:workers() end))
      + assert(b:step(function() seen_in_handler = a:workers() end))) == 1
    assert.is_true(seen_in_handler[1].in_handler or seen_in_handler[2].in_handler)
    assert(a:delete())
    helper.refused("NOT_FOUND", a:workers())
  end)

  -- Regression: wait_for waited for the 10 seconds after which a worker moves its position over the
  -- records of others.
  it("move their positions over records of other shards at once if a program waits", function()
    local a, b = open(), open()
    run { a, b }
    assert.equal("0-31 32-63", ranges())
    assert(orders:put { id = "k1" })
    run { a, b }
    assert.equal(1, seen.count)
    assert.is_false(consumers.open(db, "c", { batch_size = 4 }):wait_for(nil, 0))
    run { a, b }
    assert.is_true(a:wait_for(db:last_change(), 0))
  end)

  it("give up a range that they own in the file but do not remember", function()
    put(1, 40)
    local a, b, c = open(), open(), open()
    run { a, b, c }
    assert.equal("0-20 21-41 42-63", ranges())
    b:close()
    assert.equal("0-20 21-41 42-63*", ranges())
    -- As a join or an exit whose commit failed for the worker but not in the file, or vice versa.
    local row = core.consumer_describe(db.core, "c")
    assert(core.consumer_join(a.database.core, row.id, row.ranges[3].epoch, 42, a.worker.number,
      0, 0))
    assert.equal("0-20 21-41 42-63", ranges())
    put(41, 80)
    run { a, c }
    assert.same({ 80, 2 }, { seen.count, #core.consumer_describe(db.core, "c").ranges })
  end)

  it("take over a range with a lower position while their own batch fails", function()
    local a, b = open(), open()
    put(1, 40)
    run { a, b }
    put(41, 120)
    for _ = 1, 4 do assert.equal(4, a:step(handle)) end
    local function fails_in_first(records)
      if a.worker.first == 0 then error "no" end
      handle(records)
    end
    helper.refused("BATCH_FAILED", a:step(fails_in_first))
    b:close()
    for _ = 1, 50 do
      a.worker.verified_at = 0
      a:step(fails_in_first)
    end
    -- It has handled the records of the other range up to its own position.
    assert.equal("0-63", ranges())
    local count = seen.count
    assert.is_true(count > 56 and count < 120, count)
    run { a }
    assert.equal(120, seen.count)
  end)

  it("do not attempt a record that is too old and has killed the owner of its range", function()
    local opts = { batch_size = 1, on_failure = "park", max_age = 0, shards = 2 }
    local a = open(opts)
    a:step(handle)
    local child = helper.child [[
      db:consumer "c":run(function(records)
        if records[1].keys.id:find "^deadly" then os.exit(9, false) end
      end)
    ]]
    local tries = 0
    repeat
      a.worker.verified_at, tries = 0, tries + 1
      a:step(error)
      os.execute "sleep 0.02"
    until ranges() == "0-0 1-1" or tries == 3000
    for i = 1, 8 do assert(orders:put { id = "deadly" .. i, n = i }) end
    child:output()                                     -- until it has died
    run { a }
    local copies = helper.collect(a:parked())
    assert.same({ 1, 7 }, { #copies, seen.count })
    assert.equal("the worker died in the handler", copies[1].error)
  end)

  it("lose their ranges to commands", function()
    put(1, 40)
    local a, b = open(), open()
    run { a, b }
    assert.equal("0-31 32-63", ranges())
    assert.is_true(a:seek { at = 22 })
    assert.equal("0-63*", ranges())
    seen = {}
    run { a, b }
    assert.same({ "0-31 32-63", 20 }, { ranges(), seen.count })
    assert.is_true(a:pause())
    put(41, 60)
    run { a, b }
    assert.same({ "0-31* 32-63*", 20 }, { ranges(), seen.count })
    assert.is_true(a:resume())
    run { a, b }
    assert.same({ "0-31 32-63", 40 }, { ranges(), seen.count })
    assert(a:delete())
    helper.refused("CONSUMER_GONE", b:step(handle))
    assert.same({}, assert(db:check()).problems)
  end)

  it("join again if they lose a range before they read it", function()
    put(1, 40)
    local a, b = open(), open()
    local function lose_after(name)
      local call = core[name]
      core[name] = function(...)
        local results = table.pack(call(...))
        core[name] = call
        assert(db:consumer "c":seek { at = 1 })
        return table.unpack(results, 1, results.n)
      end
      finally(function() core[name] = call end)
    end
    lose_after "consumer_join"
    assert.equal(0, a:step(handle))
    assert.equal(4, a:step(handle))
    assert.equal(0, b:step(handle))
    lose_after "split_range"
    a.worker.verified_at = 0
    assert.equal(0, a:step(handle))
    assert.equal("0-63*", ranges())
    seen = {}
    lose_after "consumer_join"
    assert.is_true(a:run(function(records)
      handle(records)
      if seen.count == 40 then a:stop() end
    end))
    run { a, b }
    assert.equal(40, seen.count)
  end)

  it("detect a command that runs between their reads of the consumer and of the stream", function()
    put(1, 4)
    local a = open()
    local describe, pauses = core.consumer_describe, 0
    finally(function() core.consumer_describe = describe end)
    local count = 0
    assert.is_true(a:run(function(records)
      count = count + #records
      if count == 4 then
        function core.consumer_describe(...)
          local row = describe(...)
          core.consumer_describe = describe
          assert(db:consumer "c":seek { at = 1 })
          return row
        end
        a.worker.verified_at = 0
        local pause = a.worker.reader.pause
        function a.worker.reader:pause(limit)
          pauses = pauses + 1
          return pause(self, limit)
        end
      else
        a:stop()
      end
    end))
    assert.same({ 8, 0 }, { count, pauses })
  end)

  it("take over from a process that has ended while no one writes", function()
    put(1, 40)
    local a, b = open(), open()
    run { a, b }
    assert.equal("0-31 32-63", ranges())
    -- As after SIGKILL: the slot is released, the range keeps its owner.
    core.worker_leave(b.worker.database.core, b.worker.slot)
    assert(orders:put { id = "k1", n = 0 })
    put(41, 80)
    local reader, longest, count = a.worker.reader, 0, 0
    local pause = reader.pause
    function reader:pause(limit)
      longest, count = math.max(longest, limit or math.huge), count + 1
      return pause(self, limit)
    end
    assert.is_true(a:run(function(records)
      handle(records)
      if seen.count == 81 then a:stop() end
    end))
    assert.is_true(longest <= 0.05 and count <= 5, count)
  end)

  it("return 0 from a step only after they have taken over all free ranges", function()
    put(1, 40)
    local workers = { open(), open(), open(), open() }
    run(workers)
    for i = 2, 4 do
      core.worker_leave(workers[i].worker.database.core, workers[i].worker.slot)
    end
    assert(orders:put { id = "k1", n = 0 })
    put(41, 120)
    while assert(workers[1]:step(handle)) > 0 do end
    assert.same({ "0-63", 121 }, { ranges(), seen.count })
  end)

  it("continue with any workers, commands and numbers of shards (SEED)", function()
    math.randomseed(SEED)
    for round = 1, 12 do
      seen = {}
      local total, workers = 0, {}
      for i = 1, 4 do workers[i] = open { from = "LATEST" } end
      for _ = 1, 150 do
        local choice, i = math.random(12), math.random(4)
        if choice <= 3 then
          local count = math.random(8)
          put(total + 1, total + count)
          total = total + count
        elseif choice == 4 then
          workers[i]:close()
        elseif choice == 5 then
          assert(db:consumer "c":pause())
          local shards = core.consumer_describe(db.core, "c").shards * math.random(2)
          if shards < 300 then
            assert(db:consumer("c", { source = "orders", backoff = 0.001, batch_size = 4,
              shards = shards, update = true }))
          end
          assert(db:consumer "c":resume())
        else
          if workers[i].worker then workers[i].worker.verified_at = 0 end
          assert(workers[i]:step(handle))
        end
      end
      run(workers)
      assert.equal(total, seen.count or 0, ("SEED=%d round %d"):format(SEED, round))
      assert.same({}, assert(db:check()).problems, "SEED=" .. SEED)
      for _, worker in ipairs(workers) do worker:close() end
      assert(db:consumer "c":delete())
      for item in orders:scan() do assert(orders:delete { id = item.id }) end
      assert(db:sweep())
    end
  end)
end)
