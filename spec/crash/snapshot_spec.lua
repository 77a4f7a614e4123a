-- snapshot_spec.lua - workers of a consumer that copies a table and applies its changes are killed,
-- at random or in a commit, also during a snapshot.
--
--   make crash CYCLES=1000 SEED=n
--
-- The stream keeps few records, but the consumer holds unread ones, so none is lost. The mirror is
-- equal to the table, and each item and each change is delivered once and in order.
local mirroring = require "spec.crash.mirroring"
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local ITEMS, WORKERS, KEPT = 200, 2, 5

describe("killed workers of a snapshot", function()
  local folder, path, log, db, items, consumer, n

  before_each(function()
    folder = processes.create_folder()
    path, log, n = folder .. "/snapshot.tide", folder .. "/log", 0
    db = assert(tidetable.open(path, { durability = "none" }))
    items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    assert(items:stream():set_retention { count = KEPT })
    for _, name in ipairs { "mirror", "snapshots" } do
      assert(db:create_table { name = name, partition_key = "id" })
    end
  end)

  after_each(function()
    db:close()
    processes.clean_up(folder)
  end)

  local function write()
    local id = tostring(math.random(ITEMS))
    n = n + 1
    if math.random(4) == 1 then
      assert(items:delete { id = id })
    else
      assert(items:put { id = id, n = n })
    end
  end

  local function start(cycle)
    local environment = cycle % 3 == 0 and processes.in_commit(math.random(6)) or ""
    return processes.start_with(environment, "mirror", log, path)
  end

  local function wait_for_all()
    processes.wait_until(60, "the workers to catch up", function()
      local about = consumer:describe()
      return not about.is_copying and about.position >= db:last_change()
    end)
  end

  local function compare()
    for row in db:table "mirror":scan() do
      local item = items:get { id = row.id }
      assert.equal(item and item.n, row.n, row.id .. ", SEED=" .. SEED)
    end
    for item in items:scan() do
      assert.is_truthy(db:table "mirror":get { id = item.id }, item.id .. ", SEED=" .. SEED)
    end
  end

  it("deliver each item and each change once, and lose no held record", function()
    io.write("snapshots: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    for _ = 1, ITEMS do write() end
    consumer = assert(db:consumer("mirror", { source = "items", from = "SNAPSHOT", hold = true,
      batch_size = 5, backoff = 0.01, max_attempts = 100 }))
    local workers, copying = {}, 0
    for cycle = 1, CYCLES do
      while #workers < WORKERS do workers[#workers + 1] = start(cycle) end
      for _ = 1, math.random(0, 40) do write() end
      if cycle % 2 == 0 then system.sleep(math.random() * 0.02) end
      local is_copying = consumer:describe().is_copying
      copying = copying + (is_copying and 1 or 0)
      if not is_copying and math.random(4) == 1 then
        assert(consumer:seek { from = "SNAPSHOT" })
      end
      processes.kill { table.remove(workers, math.random(#workers)) }
    end
    workers[#workers + 1] = start(1)
    wait_for_all()
    processes.kill(workers)
    assert.equal(0, consumer:step(mirroring.handle))
    compare()
    local about = consumer:describe()
    assert.equal(0, about.gaps, "SEED=" .. SEED)
    local snapshots = db:table "snapshots"
    local begun, ended = snapshots:get { id = "begin" }, snapshots:get { id = "end" }
    assert.is_true(ended.n >= 1 and begun.n >= ended.n, "SEED=" .. SEED)
    assert.same({}, assert(db:check()).problems)
    io.write(("snapshots: %d records in %d batches, %d of %d snapshots ended, %d killed in one\n")
      :format(about.records, about.batches, ended.n, begun.n, copying))
  end)
end)
