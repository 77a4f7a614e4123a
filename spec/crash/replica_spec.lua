-- replica_spec.lua - processes that replicate are killed, at random or in a commit, while the
-- source changes; so that records expire before they are read, too.
--
--   make crash CYCLES=1000 SEED=n
--
-- After each kill, if the replica is not copying, the accounts have the sum that they have after
-- each transaction of the source. At the end the databases are equal.
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local ACCOUNTS, ITEMS = 6, 300

describe("a killed replication", function()
  local folder, source, target, log

  before_each(function()
    folder = processes.create_folder()
    log = folder .. "/log"
    source = assert(tidetable.open(folder .. "/source.tide", { durability = "none" }))
    target = assert(tidetable.open(folder .. "/target.tide", { durability = "none" }))
    local accounts = assert(source:create_table { name = "accounts", partition_key = "id",
      stream = true })
    assert(source:create_table { name = "items", partition_key = "id",
      stream = { hold = { bytes = "100 KiB" }, retention = { count = 500 } } })
    for i = 1, ACCOUNTS do assert(accounts:put { id = "a" .. i, amount = 100 }) end
  end)

  after_each(function()
    source:close()
    target:close()
    processes.clean_up(folder)
  end)

  local function transfer()
    local from, to = math.random(ACCOUNTS), math.random(ACCOUNTS)
    if from == to then return end
    assert(source:transact(function(tx)
      local accounts = tx:table "accounts"
      accounts:update({ id = "a" .. from }, "ADD amount ?", { -1 })
      accounts:update({ id = "a" .. to }, "ADD amount ?", { 1 })
    end))
  end

  local function write(cycle)
    local items = source:table "items"
    for _ = 1, math.random(40) do
      local id = math.random(ITEMS) % 7 == 0 and ("h"):rep(150) .. math.random(20)
        or "k" .. math.random(ITEMS)
      if math.random(3) == 1 then
        assert(items:delete { id = id })
      else
        assert(items:put { id = id, cycle = cycle, text = ("t"):rep(math.random(600)) })
      end
      transfer()
    end
    if cycle % 7 == 0 then
      local name = "extra" .. math.random(2)
      if source:table(name) then
        assert(source:delete_table(name))
      else
        assert(source:create_table { name = name, partition_key = "id", stream = true })
        assert(source:table(name):put { id = "x", cycle = cycle })
      end
    end
  end

  local function check_whole(cycle)
    local replica = target:replicas()[1]
    if not replica or replica.state ~= "FOLLOWING" then return false end
    local sum, count = 0, 0
    for account in target:table("accounts"):scan { snapshot = true } do
      sum, count = sum + account.amount, count + 1
    end
    assert.same({ 100 * ACCOUNTS, ACCOUNTS }, { sum, count },
      ("cycle %d, SEED=%d"):format(cycle, SEED))
    return true
  end

  it("leaves whole transactions, and ends equal", function()
    io.write("replica: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local whole = 0
    for cycle = 1, CYCLES do
      local environment = cycle % 3 == 0 and processes.in_commit(math.random(20)) or ""
      local running = processes.start_with(environment, "replicator", log,
        folder .. "/source.tide", folder .. "/target.tide")
      write(cycle)
      system.sleep(math.random() * 0.1)
      if cycle % 4 == 0 then system.sleep(0.3) end
      processes.kill { running }
      whole = whole + (check_whole(cycle) and 1 or 0)
    end
    local replication <close> = assert(target:replicate(source, { skip = true }))
    assert(replication:catch_up())
    for found in source:diff(target) do
      error(("%s %s, SEED=%d"):format(found.kind, found.table, SEED))
    end
    for _, db in ipairs { source, target } do
      local report = db:check()
      assert.is_true(report.ok, tostring(report))
    end
    assert.is_true(whole > 0, "the replica never caught up")
  end)
end)
