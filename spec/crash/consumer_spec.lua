-- consumer_spec.lua - workers of one consumer are killed, at random or in a commit.
--
--   make crash CYCLES=1000 SEED=n
--
-- Every change is handled once and in the order of its item, and no worker waits forever.
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
    local written, changes, workers, killed = {}, 0, {}, 0
    for cycle = 1, CYCLES do
      while #workers < WORKERS do workers[#workers + 1] = start(cycle) end
      for _ = 1, math.random(0, 60) do
        local id = tostring(math.random(ITEMS))
        written[id] = (written[id] or 0) + 1
        changes = changes + 1
        assert(items:put { id = id, n = written[id] })
      end
      if cycle % 2 == 0 then system.sleep(math.random() * 0.01) end
      processes.kill { table.remove(workers, math.random(#workers)) }
      killed = killed + 1
    end
    -- The workers that are left and those that are started now handle the rest.
    workers[#workers + 1] = start(1)
    processes.wait_until(60, "the workers to handle all changes", function()
      return consumer:describe().records == changes
    end)
    processes.kill(workers)
    assert.equal(0, consumer:step(counting.handle))
    local about, sum = consumer:describe(), 0
    for id, n in pairs(written) do
      assert.equal(n, totals:get({ id = id }).n, "SEED=" .. SEED)
      sum = sum + n
    end
    assert.equal(sum, totals:get({ id = "all" }).n, "SEED=" .. SEED)
    assert.same({ changes, 0 }, { about.records, about.failures }, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
    io.write(("consumer: %d killed, %d changes handled in %d batches\n"):format(killed, changes,
      about.batches))
  end)
end)
