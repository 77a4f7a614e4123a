-- consumer_spec.lua - workers of one consumer are killed, at random or in a commit.
--
--   make crash CYCLES=1000 SEED=n
--
-- Every change is handled once, the changes of an item in order, and no worker waits forever. A
-- change whose handler fails is parked and handled later in the same order, or becomes a dead
-- letter. A consumer with by = "transaction" parks and replays whole transactions.
local changes = require "spec.crash.failing_changes"
local counting = require "spec.crash.counting"
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local ITEMS, WORKERS = 7, 2

describe("killed workers", function()
  local folder, path, log

  before_each(function()
    folder = processes.create_folder()
    path, log = folder .. "/consumer.tide", folder .. "/log"
  end)

  after_each(function() processes.clean_up(folder) end)

  local function start(cycle)
    local environment = cycle % 3 == 0 and processes.in_commit(math.random(6)) or ""
    return processes.start_with(environment, "consumer", log, path)
  end

  it("handle every change once, in the order of its item", function()
    io.write("consumer: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    local totals = assert(db:create_table { name = "totals", partition_key = "id" })
    local consumer <close> = assert(db:consumer("totals", { source = "items", batch_size = 10,
      backoff = 0.01, max_attempts = 100 }))
    local written, written_count, workers, killed = {}, 0, {}, 0
    for cycle = 1, CYCLES do
      while #workers < WORKERS do workers[#workers + 1] = start(cycle) end
      for _ = 1, math.random(0, 60) do
        local id = tostring(math.random(ITEMS))
        written[id] = (written[id] or 0) + 1
        written_count = written_count + 1
        assert(items:put { id = id, n = written[id] })
      end
      if cycle % 2 == 0 then system.sleep(math.random() * 0.01) end
      processes.kill { table.remove(workers, math.random(#workers)) }
      killed = killed + 1
    end
    -- The workers that are left and those that are started now handle the rest.
    workers[#workers + 1] = start(1)
    processes.wait_until(60, "the workers to handle all changes", function()
      return consumer:describe().records == written_count
    end)
    processes.kill(workers)
    assert.equal(0, consumer:step(counting.handle))
    local about, sum = consumer:describe(), 0
    for id, n in pairs(written) do
      assert.equal(n, totals:get({ id = id }).n, "SEED=" .. SEED)
      sum = sum + n
    end
    assert.equal(sum, totals:get({ id = "all" }).n, "SEED=" .. SEED)
    assert.equal(written_count, about.records, "SEED=" .. SEED)
    -- A worker that is killed while its handler has a single record counts as a failure.
    assert.is_true(about.failures <= killed, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
    io.write(("consumer: %d killed, %d changes handled in %d batches\n"):format(killed,
      written_count, about.batches))
  end)

  local function replay_limit()
    return math.random(2) == 1 and math.random(50) or nil
  end

  --- Waits until the consumer has processed all changes and all records marked for replay.
  local function wait_for(consumer, last)
    processes.wait_until(60, "the workers to process all changes", function()
      local about = consumer:describe()
      return about.position >= last and about.replays == 0
    end)
  end

  it("park every failing change, or store it as a dead letter", function()
    io.write("failing consumer: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    for _, name in ipairs { "parks", "buries" } do
      assert(db:create_table { name = name, partition_key = "id" })
    end
    assert(db:create_table { name = "dead", partition_key = "id", sort_key = { "part", "N" } })
    local opts = { source = "items", batch_size = 10, backoff = 0,
      max_attempts = changes.attempts.parks, on_failure = "park", max_parked = 1000000 }
    local parks = assert(db:consumer("parks", opts))
    opts.on_failure, opts.dead_letter = "dead_letter", "dead"
    opts.max_attempts = changes.attempts.buries
    local buries = assert(db:consumer("buries", opts))
    local written, numbers, workers, last = {}, {}, {}, 0
    local function launch(cycle)
      local name = #workers % 2 == 0 and "parks" or "buries"
      local environment = cycle % 3 == 0 and processes.in_commit(math.random(6)) or ""
      workers[#workers + 1] = processes.start_with(environment, "failing", log, path, name)
    end
    for cycle = 1, CYCLES do
      while #workers < 2 * WORKERS do launch(cycle) end
      for _ = 1, math.random(0, 30) do
        local id = tostring(math.random(ITEMS))
        written[id] = (written[id] or 0) + 1
        assert(items:put { id = id, n = written[id] })
        last = db:last_change()
        numbers[last] = written[id]
      end
      if cycle % 2 == 0 then system.sleep(math.random() * 0.01) end
      if math.random(2) == 1 then
        assert(parks:replay { key = { id = tostring(math.random(ITEMS)) }, limit = replay_limit() })
      end
      -- Kills one worker of each consumer; launch replaces both.
      local first = 2 * math.random(WORKERS) - 1
      processes.kill { table.remove(workers, first + 1), table.remove(workers, first) }
    end
    while #workers < 2 * WORKERS do launch(1) end
    wait_for(parks, last)
    wait_for(buries, last)
    -- A replayed record that fails clears the marks of the later records of its key.
    repeat
      local marked = 0
      for id in pairs(written) do
        marked = marked + assert(parks:replay { key = { id = id }, limit = 20 })
      end
      wait_for(parks, last)
    until marked == 0
    processes.kill(workers)
    local dead, given_up = 0, 0
    for item in db:table "dead":scan() do
      assert.is_true(changes.fails(numbers[item.sequence_number]), "SEED=" .. SEED)
      dead = dead + 1
    end
    for id, n in pairs(written) do
      local parked, buried = db:table "parks":get { id = id }, db:table "buries":get { id = id }
      local failing = 0
      for i = 1, n do failing = failing + (changes.fails(i) and 1 or 0) end
      given_up = given_up + failing
      assert.same({ n, n }, { parked.n, parked.count }, "SEED=" .. SEED)
      assert.equal(n - failing, buried and buried.count or 0, "SEED=" .. SEED)
    end
    assert.same({ 0, given_up, given_up }, { parks:describe().parked,
      buries:describe().dead_letters, dead }, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
    io.write(("failing consumer: %d dead letters, %d failures\n"):format(dead,
      parks:describe().failures))
  end)

  --- Checks that parked transactions are whole, and marked or unmarked as a whole.
  local function check_parked(consumer)
    local counts, of, marks = {}, {}, {}
    for each in consumer:parked() do
      local id = each.transaction_id
      counts[id], of[id] = (counts[id] or 0) + 1, each.record.new_image.of
      marks[id] = (marks[id] or 0) + (each.is_to_be_replayed and 1 or 0)
    end
    assert.same(of, counts, "SEED=" .. SEED)
    for id, count in pairs(marks) do
      assert.is_true(count == 0 or count == of[id], "SEED=" .. SEED)
    end
  end

  --- Writes a transaction of one to three items, and counts their changes in `written`.
  local function write(db, written, number)
    local ids, found = {}, {}
    for _ = 1, math.random(3) do
      local id = tostring(math.random(ITEMS))
      if not found[id] then ids[#ids + 1] = id end
      found[id] = true
    end
    assert(db:transact(function(tx)
      for _, id in ipairs(ids) do
        written[id] = (written[id] or 0) + 1
        tx:table "items":put { id = id, n = written[id], of = #ids, transaction = number }
      end
    end))
    return #ids
  end

  it("park and replay whole transactions", function()
    io.write("transactions: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    assert(db:create_table { name = "items", partition_key = "id", stream = true })
    local bundles = assert(db:create_table { name = "bundles", partition_key = "id" })
    local consumer = assert(db:consumer("bundles", { source = "items", by = "transaction",
      batch_size = 8, backoff = 0, max_attempts = changes.attempts.bundles, on_failure = "park",
      max_parked = 1000000 }))
    local written, numbers, records, workers = {}, 0, 0, {}
    local function launch(cycle)
      local environment = cycle % 2 == 0 and processes.in_commit(math.random(6)) or ""
      workers[#workers + 1] = processes.start_with(environment, "failing", log, path, "bundles")
    end
    for cycle = 1, CYCLES do
      while #workers < WORKERS do launch(cycle) end
      for _ = 1, math.random(0, 20) do
        numbers = numbers + 1
        records = records + write(db, written, numbers)
      end
      if cycle % 3 == 0 then system.sleep(math.random() * 0.02) end
      if math.random(2) == 1 then
        assert(consumer:replay { key = { id = tostring(math.random(ITEMS)) },
          limit = replay_limit() })
      end
      processes.kill { table.remove(workers, math.random(#workers)) }
      check_parked(consumer)
    end
    while #workers < WORKERS do launch(1) end
    wait_for(consumer, db:last_change())
    -- A replayed transaction that fails clears the marks of those that must follow it.
    repeat
      local marked = assert(consumer:replay())
      wait_for(consumer, db:last_change())
      check_parked(consumer)
    until marked == 0
    processes.kill(workers)
    for id, n in pairs(written) do
      local total = bundles:get { id = id }
      assert.same({ n, n }, { total.n, total.count }, "SEED=" .. SEED)
    end
    local about = consumer:describe()
    assert.same({ 0, 0, records }, { about.parked, about.replays, about.records }, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
    io.write(("transactions: %d records of %d transactions, %d failures\n"):format(records, numbers,
      about.failures))
  end)
end)
