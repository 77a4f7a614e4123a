-- model_spec.lua - random changes of a source and random interruptions of its replica.
--
-- Whenever the replica has caught up, the followed tables are equal. Between two transactions of
-- the source the accounts have the same sum, so at every moment after the caught-up mark they must
-- have it in the target, too. SEED repeats a run; RUNS sets the number of runs.
local helper = require "spec.tidetable.helper"
local replication = require "spec.replicate.replication"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local seed = tonumber(os.getenv "SEED") or 1
local runs = tonumber(os.getenv "RUNS") or 12
local STEPS = 120

local NAMES = { "alpha", "beta", "gamma" }
local ACCOUNTS = 5
local SUM = 100 * ACCOUNTS

--- Returns a key of one of the forms that are stored in different ways.
local function random_key()
  local kind, id = math.random(6), "k" .. math.random(20)
  if kind == 1 then id = id .. ("h"):rep(150) end
  if kind == 2 then id = id .. "\0\255" end
  return { id = tidetable.binary(id), n = tidetable.binary(kind == 3
    and ("s"):rep(700) .. math.random(3) or "s" .. math.random(4)) }
end

local function random_item()
  local item = random_key()
  item.v = math.random(5)
  item.text = ("t"):rep(({ 1, 30, 3000 })[math.random(3)])
  if math.random(3) == 1 then item.expires = math.random(1000000, 1100000) end
  return item
end

local function create(db, name)
  return assert(db:create_table { name = name, partition_key = { "id", "B" },
    sort_key = { "n", "B" }, ttl = math.random(2) == 1 and "expires" or nil,
    stream = { view_type = math.random(3) == 1 and "NEW_IMAGE" or "NEW_AND_OLD_IMAGES",
      retention = "1h" } })
end

---@class spec.World
local World = {}
World.__index = World

local function new_world(clock)
  local source, target = replication.pair()
  local accounts = assert(source:create_table { name = "accounts", partition_key = "id",
    stream = { retention = "1h" } })
  for i = 1, ACCOUNTS do assert(accounts:put { id = "a" .. i, amount = 100 }) end
  create(source, "alpha")
  return setmetatable({ source = source, target = target, clock = clock, marked = false }, World)
end

function World:open_replica()
  self.replica = assert(self.target:replicate(self.source,
    { skip = true, hold = self.hold, adopt = true }))
  self.replica.batch = ({ 1, 300, 5000, 1000000 })[math.random(4)]
end

function World:table()
  return self.source:table(NAMES[math.random(#NAMES)])
end

local steps = {}

function steps:put()
  local items = self:table()
  for _ = 1, math.random(20) do
    if items then assert(items:put(random_item())) end
  end
end

function steps:delete()
  local items = self:table()
  for _ = 1, math.random(20) do
    if items then assert(items:delete(random_key())) end
  end
end

function steps:transfer()
  for _ = 1, math.random(5) do
    local from, to = math.random(ACCOUNTS), math.random(ACCOUNTS)
    local amount = math.random(10)
    assert(self.source:transact(function(tx)
      local accounts = tx:table "accounts"
      if from == to then return end
      accounts:update({ id = "a" .. from }, "ADD amount ?", { -amount })
      accounts:update({ id = "a" .. to }, "ADD amount ?", { amount })
    end, { origin = "transfer" }))
  end
end

function steps:create_table()
  local name = NAMES[math.random(#NAMES)]
  if not self.source:table(name) then create(self.source, name) end
end

function steps:delete_table()
  if math.random(3) == 1 then self.source:delete_table(NAMES[math.random(#NAMES)]) end
end

function steps:truncate()
  local items = self:table()
  if items and math.random(2) == 1 then assert(items:truncate()) end
end

function steps:alter()
  local items = self:table()
  if items then
    assert(items:alter { ttl = math.random(2) == 1 and "expires" or false })
  end
end

function steps:switch_stream()
  local items = self:table()
  if not items or math.random(2) == 1 then return end
  if items:describe().stream then
    assert(items:disable_stream())
  else
    assert(items:enable_stream { view_type = math.random(4) == 1 and "KEYS_ONLY" or "NEW_IMAGE",
      retention = "1h" })
  end
end

function steps:pass_time()
  self.clock:advance(math.random(600))
  if math.random(2) == 1 then self.source:sweep() end
end

function steps:trim()
  if math.random(3) == 1 and not self.hold then
    self.clock:advance(3601)
    self.source:sweep()
  end
end

function steps:step()
  for _ = 1, math.random(6) do
    assert.is_boolean(self.replica:step())
    self:check_whole()
  end
end

function steps:restart()
  self.replica:close()
  if math.random(2) == 1 then
    self.target:close()
    self.target = helper.open(nil, helper.path "target.tide")
  end
  self:open_replica()
end

function steps:catch_up()
  local ok, err, code = self.replica:catch_up()
  if not ok then error(code .. ": " .. tostring(err)) end
  self.marked = true
  self:check_equal()
end

--- Returns the names of the tables that are followed; nil if the replica is copying or has not
--- begun.
function World:followed()
  local found = self.target:replicas()[1]
  if not found or found.state ~= "FOLLOWING" then return nil end
  local names = {}
  for _, each in ipairs(found.tables) do
    if each.state == "FOLLOWING" then names[#names + 1] = each.name end
  end
  return names
end

--- The sum of the accounts is that of every transaction of the source.
function World:check_whole()
  if not self.marked or not self:followed() then return end
  local sum, count = 0, 0
  for account in self.target:table("accounts"):scan() do
    sum, count = sum + account.amount, count + 1
  end
  assert.same({ SUM, ACCOUNTS }, { sum, count })
end

function World:check_equal()
  local names = assert(self:followed())
  assert.same({}, replication.differences(self.source, self.target, { tables = names }))
  local followed = {}
  for _, name in ipairs(names) do followed[name] = true end
  for _, name in ipairs(self.source:list_tables()) do
    local stream = self.source:table(name):describe().stream
    assert.equal(stream ~= nil and stream.view_type ~= "KEYS_ONLY", followed[name] or false, name)
  end
  self:check_whole()
end

local names = {}
for name in pairs(steps) do names[#names + 1] = name end
table.sort(names)

--- Steps that are taken more often than others.
for _, name in ipairs { "put", "put", "put", "transfer", "transfer", "step", "step", "step",
    "delete" } do
  names[#names + 1] = name
end

local function run(number)
  math.randomseed(number)
  local clock = helper.clock(1000000)
  local world = new_world(clock)
  world.hold = math.random(2) == 1
  world:open_replica()
  for i = 1, STEPS do
    local name = names[math.random(#names)]
    local ok, err = xpcall(steps[name], debug.traceback, world)
    if not ok then
      error(("seed %d, step %d, %s: %s"):format(number, i, name, tostring(err)), 0)
    end
  end
  steps.catch_up(world)
  for _, db in ipairs { world.source, world.target } do
    local report = db:check()
    assert.is_true(report.ok, ("seed %d: %s"):format(number, tostring(report)))
  end
  world.replica:close()
  assert(world.target:promote())
  assert(world.target:table("accounts"):put { id = "x", amount = 0 })
  assert.is_true(world.target:check().ok)
end

describe("a replica under random changes and interruptions", function()
  for i = seed, seed + runs - 1 do
    it(("is equal whenever it has caught up (seed %d)"):format(i), function() run(i) end)
  end
end)
