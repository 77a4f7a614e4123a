-- view_spec.lua - workers of views are killed, at random or in a commit.
--
--   make crash CYCLES=1000 SEED=n
--
-- Every change of the source counts once in each view, also while a view is built from another
-- version by whichever worker is alive.
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"
local views = require "spec.tidetable.views"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local KINDS, WORKERS = { "sum", "members", "select" }, 2

describe("killed workers of views", function()
  local folder, path, log

  before_each(function()
    folder = processes.create_folder()
    path, log = folder .. "/view.tide", folder .. "/log"
  end)

  after_each(function() processes.clean_up(folder) end)

  local function random_item()
    return { place = "p" .. math.random(3), number = math.random(30),
      customer = "c" .. math.random(5), total = math.random(100) / 4, lines = math.random(0, 2) }
  end

  local function change(orders)
    local item = random_item()
    if math.random(4) == 1 then
      assert(orders:delete { place = item.place, number = item.number })
    else
      assert(orders:put(item))
    end
  end

  it("count every change once", function()
    io.write("views: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    local orders, versions, workers = views.source(db), {}, {}
    for i = 1, 60 do change(orders, i) end
    for _, kind in ipairs(KINDS) do
      assert(db:view(views.kinds[kind].define(1)))
      versions[kind], workers[kind] = 1, {}
    end
    local function start(kind, cycle)
      local environment = cycle % 3 == 0 and processes.in_commit(math.random(8)) or ""
      table.insert(workers[kind], processes.start_with(environment, "viewer", log, path, kind,
        tostring(versions[kind])))
    end
    for cycle = 1, CYCLES do
      local kind = KINDS[math.random(#KINDS)]
      if math.random(4) == 1 then versions[kind] = versions[kind] + 1 end
      while #workers[kind] < WORKERS do start(kind, cycle) end
      for _ = 1, math.random(0, 40) do change(orders) end
      if cycle % 2 == 0 then system.sleep(math.random() * 0.03) end
      processes.kill { table.remove(workers[kind], math.random(#workers[kind])) }
    end
    local batches, built = 0, 0
    for _, kind in ipairs(KINDS) do
      processes.kill(workers[kind])
      local definition = views.kinds[kind].define(versions[kind])
      local view <close> = assert(db:view(definition))
      batches, built = batches + view:describe().batches, built + view:describe().stored_version
      views.drain(view)
      views.assert_equal(db, kind, versions[kind], definition)
      local report = assert(view:check())
      assert.is_true(report.is_equal, ("SEED=%d %s"):format(SEED, kind))
    end
    assert.same({}, assert(db:check()).problems)
    io.write(("views: %d killed, %d batches before the end, versions up to %d begun\n"):format(
      CYCLES, batches, built))
  end)
end)
