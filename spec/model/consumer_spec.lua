-- consumer_spec.lua - a consumer whose handler fails at random, while other handles replay and
-- discard its parked records. The records of a key are handled in order. Each record is settled
-- once: it is handled, stored as a dead letter, or discarded.
--
--   make model STEPS=100000 SEED=n
local helper = require "spec.tidetable.helper"

local STEPS = math.min(math.tointeger(tonumber(os.getenv("STEPS"))) or 1000, 50000)
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local KEYS = { "a", "b", "c", "d", "e" }

local function one_of(list) return list[math.random(#list)] end

local function chance(percent) return math.random(100) <= percent end

--- A database, and the model: `written` is the number of records of each key, `settled` how each of
--- them was settled.
---@class World
local World = {}
World.__index = World

local function new_world()
  local path = helper.path("consumer" .. math.random(1 << 40) .. ".tide")
  local world = setmetatable({ path = path, written = {}, settled = {}, numbers = {}, handled = 0 },
    World)
  world.db = helper.open(nil, path)
  world.items = assert(world.db:create_table { name = "items", partition_key = "id",
    stream = true })
  assert(world.db:create_table { name = "effects", partition_key = "id" })
  assert(world.db:create_table { name = "dead", partition_key = "id",
    sort_key = { "part", "N" } })
  for _, key in ipairs(KEYS) do world.written[key], world.settled[key] = 0, {} end
  world.other = helper.open(nil, path)
  return world
end

--- Opens the consumer with random settings.
function World:choose_settings()
  local on_failure = chance(75) and "park" or "dead_letter"
  self.settings = {
    source = "items", on_failure = on_failure, backoff = 0, lease = 1,
    mode = one_of { "optimistic", "locked" }, batch_size = math.random(8),
    max_attempts = math.random(3), bisect = chance(60), update = true,
    max_parked = one_of { 3, 20, 10000 }, dead_letter = "dead",
  }
  assert(self.db:consumer("c", self.settings))
end

--- Opens a worker on one of two handles.
function World:open_worker()
  local db = one_of { self.db, self.other }
  self.worker = assert(db:consumer "c")
end

--- Marks a record as settled. Raises an error if it already is, or if it was handled before an
--- earlier one of its key was settled.
function World:settle(key, n, how)
  local settled = self.settled[key]
  assert(not settled[n], ("%s%d is %s and %s"):format(key, n, tostring(settled[n]), how))
  for i = how == "handled" and 1 or n, n - 1 do
    assert(settled[i], ("%s%d is %s before %s%d"):format(key, n, how, key, i))
  end
  settled[n] = how
end

--- Marks the dead letters as settled.
function World:settle_dead()
  for item in self.db:table "dead":scan() do
    local key, n = item.keys.id, self.numbers[item.sequence_number]
    if self.settled[key][n] ~= "dead" then
      self:settle(key, n, "dead")
    end
  end
end

-- Steps ---------------------------------------------------------------------------

function World:put()
  local key = one_of(KEYS)
  local n = self.written[key] + 1
  self.written[key] = n
  assert(self.items:put { id = key, n = n })
  self.numbers[self.db:last_change()] = n
end

local function fail(records)
  local which = math.random(5)
  if which == 1 then error "raised" end
  if which == 2 then return nil, "refused" end
  if which == 3 then error(nil) end
  if which == 4 then return { batch_item_failures = { 0 } } end
  return { batch_item_failures = { one_of(records).sequence_number } }
end

--- Checks that all earlier records of a key are settled or in the same batch. Stores a violation
--- for step, because an error here would count as a failure of the handler.
function World:check_order(records)
  local delivered = {}
  for _, record in ipairs(records) do
    local key, n = record.keys.id, record.new_image.n
    for i = 1, n - 1 do
      if not self.settled[key][i] and not delivered[key .. i] then
        self.violation = ("%s%d is delivered before %s%d"):format(key, n, key, i)
      end
    end
    if self.settled[key][n] or record.attempt < 1 then
      self.violation = ("%s%d is delivered, attempt %d"):format(key, n, record.attempt)
    end
    delivered[key .. n] = true
  end
end

--- Returns a handler that fails with this probability. It stores the records that it has handled in
--- self.pending.
function World:handler(percent)
  return function(records, tx)
    self.pending = nil
    self:check_order(records)
    local pending, effects = {}, tx:table "effects"
    for _, record in ipairs(records) do
      local key, n = record.keys.id, record.new_image.n
      if chance(percent // 3) then
        tx:park(record, "parked")
      else
        effects:put({ id = key .. n }, { condition = "attribute_not_exists(id)" })
        pending[#pending + 1] = { key, n }
      end
    end
    if chance(percent) then return fail(records) end
    self.pending = pending
  end
end

--- Calls step and settles the records that were committed. They can be fewer than in self.pending:
--- if the commit of a successful attempt was refused, the batch can still be given up.
function World:step(percent)
  self.pending = nil
  local count, err = self.worker:step(self:handler(percent))
  local handled = self.db:consumer "c":describe().records - self.handled
  if handled > 0 then
    assert.equal(handled, #self.pending)
    for _, each in ipairs(self.pending) do self:settle(each[1], each[2], "handled") end
    self.handled = self.handled + handled
  end
  self:settle_dead()
  assert(not self.violation, self.violation)
  assert(count or err.code == "BATCH_FAILED", tostring(err))
  return count
end

--- Returns the parked records, and checks their order.
function World:parked()
  local parked, last = {}, {}
  for each in self.other:consumer "c":parked() do
    local key, n = each.record.keys.id, each.record.new_image.n
    assert(not self.settled[key][n], key .. n .. " is parked and settled")
    assert(n > (last[key] or 0), key .. n .. " is parked before " .. (last[key] or 0))
    last[key] = n
    parked[#parked + 1] = { key, n, each.is_to_be_replayed }
  end
  return parked
end

local function random_scope()
  return { key = chance(60) and { id = one_of(KEYS) } or nil, limit = chance(50)
    and math.random(0, 5) or nil, table = chance(10) and "items" or nil }
end

function World:replay()
  local scope = random_scope()
  local before = 0
  for _, each in ipairs(self:parked()) do before = before + (each[3] and 1 or 0) end
  local count = assert(one_of { self.db, self.other }:consumer "c":replay(scope))
  local after = 0
  for _, each in ipairs(self:parked()) do after = after + (each[3] and 1 or 0) end
  assert(after == before + count and count <= (scope.limit or math.huge))
end

function World:discard()
  local before, scope = self:parked(), random_scope()
  local count = assert(one_of { self.db, self.other }:consumer "c":discard(scope))
  local left = {}
  for _, each in ipairs(self:parked()) do left[each[1] .. each[2]] = true end
  for _, each in ipairs(before) do
    if not left[each[1] .. each[2]] then
      self:settle(each[1], each[2], "discarded")
      count = count - 1
    end
  end
  assert(count == 0)
end

function World:check()
  assert.same({}, assert(self.db:check()).problems)
  local parked, about = self:parked(), self.db:consumer "c":describe()
  local marked = 0
  for _, each in ipairs(parked) do marked = marked + (each[3] and 1 or 0) end
  assert.same({ #parked, marked, self.handled }, { about.parked, about.replays, about.records })
end

function World:random_step()
  local n = math.random(100)
  if n <= 40 then self:put()
  elseif n <= 80 then self:step(35)
  elseif n <= 86 then self:replay()
  elseif n <= 88 then self:discard()
  elseif n <= 93 then
    self.worker:close()
    self:open_worker()
  elseif n <= 97 then self:choose_settings()
  else self:check() end
end

--- Handles the remaining records and checks that every record is settled.
function World:finish()
  self:choose_settings()
  self:step(0)
  repeat
    while self:step(0) > 0 do end
    assert(self.db:consumer "c":replay())
  until #self:parked() == 0
  self:check()
  for key, last in pairs(self.written) do
    for n = 1, last do
      assert(self.settled[key][n], key .. n .. " is lost")
      local effect = self.db:table "effects":get { id = key .. n }
      assert((effect ~= nil) == (self.settled[key][n] == "handled"), "effect of " .. key .. n)
    end
  end
end

describe("a consumer whose handler fails", function()
  helper.setup(before_each, after_each)

  it("settles every record once, and the records of a key in order", function()
    print(("consumer: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local ok, err = xpcall(function()
      for _ = 1, math.max(1, STEPS // 500) do
        local world = new_world()
        world:choose_settings()
        world:open_worker()
        for _ = 1, math.min(STEPS, 500) do world:random_step() end
        world:finish()
      end
    end, function(e) return debug.traceback(tostring(e), 2) end)
    if not ok then error(("SEED=%d: %s"):format(SEED, err), 0) end
  end)
end)
