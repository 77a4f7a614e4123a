-- parked_transaction_spec.lua - a consumer with by = "transaction" whose handler fails at random,
-- parks, and loses its worker, while other handles replay and discard parked transactions. Each
-- transaction is delivered undivided, after all earlier ones that share a key, and settled once: it
-- is handled, stored in the dead letter table, or discarded.
--
--   make model STEPS=100000 SEED=n
--
-- A program is a list of steps with a seed each. A failing program is reduced (shrink.lua).
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local shrink = require "spec.model.shrink"
local units = require "tidetable.consumer.unit"

local STEPS = math.min(math.tointeger(tonumber(os.getenv("STEPS"))) or 1000, 50000)
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local KEYS = { "a", "b", "c", "d", "e", "f" }
--- Its records are left out by the consumer's filter.
local IGNORED = "z"
--- Number of repetitions for reducing a program.
local BUDGET = 300

local function one_of(list) return list[math.random(#list)] end

local function chance(percent) return math.random(100) <= percent end

--- A transaction that the program has written.
---@class Written
---@field number integer    in the order of the commits
---@field keys table<string, true>
---@field count integer     number of its records that the consumer reads
---@field how string|nil    how it was settled
---@field last integer|nil  sequence number of the last of these records

---@class ParkingWorld
---@field written Written[]
---@field by_sequence table<integer, {[1]: Written, [2]: integer}>  transaction of a record, and its
---                                index in it
local World = {}
World.__index = World

local function share_key(a, b)
  for key in pairs(a.keys) do
    if b.keys[key] then return true end
  end
  return false
end

--- Returns the set of the transactions of an ordered list that must be delivered before `one`
--- (direction -1) or after it (1), and itself.
local function closure(list, one, direction)
  local set, first, last = { [one] = true }, 1, #list
  if direction < 0 then first, last = last, first end
  for i = first, last, direction do
    local each = list[i]
    for other in pairs(set) do
      if (each.number - other.number) * direction > 0 and share_key(each, other) then
        set[each] = true
        break
      end
    end
  end
  return set
end

local worlds = 0

local function new_world()
  worlds = worlds + 1
  local path = helper.path("parked" .. worlds .. ".tide")
  local world = setmetatable({ path = path, written = {}, by_sequence = {},
    handled = 0 }, World)
  world.db = helper.open(nil, path)
  for i, name in ipairs { "items", "others", "effects" } do
    assert(world.db:create_table { name = name, partition_key = "id", stream = i < 3 })
  end
  assert(world.db:create_table { name = "dead", partition_key = "id",
    sort_key = { "part", "N" } })
  world.other = helper.open(nil, path)
  return world
end

-- Steps ---------------------------------------------------------------------------

local steps = {}

--- Opens the consumer with random settings, and a worker on one of two handles.
function steps:settings()
  self.mode = one_of { "optimistic", "locked" }
  assert(self.db:consumer("c", {
    source = { "items", "others" }, by = "transaction", on_failure = one_of { "park", "park",
      "dead_letter" }, filter = "keys.id <> ?", IGNORED, backoff = 0, mode = self.mode,
    batch_size = math.random(6), max_attempts = math.random(3),
    bisect = chance(70), max_parked = one_of { 4, 20, 10000, 10000 }, dead_letter = "dead",
    batch_bytes = chance(20) and 200 or nil, update = true,
  }))
  self:open_worker()
end

function World:open_worker()
  if self.worker then self.worker:close() end
  self.worker = assert(one_of { self.db, self.other }:consumer "c")
end

--- Writes a transaction with one to four keys of two tables.
function steps:put()
  local one = { number = #self.written + 1, keys = {}, count = 0 }
  local changes = {}
  for i = 1, math.random(4) do
    changes[i] = { one_of { "items", "items", "others" }, chance(15) and IGNORED or one_of(KEYS) }
  end
  assert(self.db:transact(function(tx)
    for i, change in ipairs(changes) do
      tx:table(change[1]):put { id = change[2], n = one.number, i = i }
    end
  end))
  local before = self.db:last_change() - #changes
  for i, change in ipairs(changes) do
    if change[2] ~= IGNORED then
      one.keys[change[1] .. "/" .. change[2]] = true
      one.count, one.last = one.count + 1, before + i
      self.by_sequence[one.last] = { one, one.count }
    end
  end
  self.written[one.number] = one
end

--- Returns the transactions of a list of records. Raises an error unless each is complete.
function World:transactions(records, what)
  local list, left = {}, 0
  for _, record in ipairs(records) do
    local one, index = table.unpack(self.by_sequence[record.sequence_number])
    if index == 1 then
      assert(left == 0, what .. ": a part of a transaction")
      list[#list + 1], left = one, one.count
    end
    assert(one == list[#list] and index == one.count - left + 1,
      what .. ": a part of a transaction")
    left = left - 1
  end
  assert(left == 0, what .. ": a part of a transaction")
  return list
end

--- Returns an error for a batch that must not be delivered. It is raised after the step, because an
--- error in the handler would be a failed attempt.
function World:batch_error(records)
  local ok, list = pcall(self.transactions, self, records, "delivered")
  if not ok then return list end
  local delivered = {}
  for _, one in ipairs(list) do
    for _, other in ipairs(self.written) do
      if other.number < one.number and not other.how and not delivered[other]
          and share_key(one, other) then
        return ("%d is delivered before %d"):format(one.number, other.number)
      end
    end
    if one.how then return ("%d is delivered, and %s"):format(one.number, one.how) end
    delivered[one] = true
  end
end

local function fail(records)
  local which = math.random(4)
  if which == 1 then error "raised" end
  if which == 2 then return nil, "refused" end
  if which == 3 then return { batch_item_failures = { 0 } } end
  return { batch_item_failures = { one_of(records).sequence_number } }
end

--- Marks a transaction as settled.
function World:settle(one, how)
  assert(not one.how, ("%d is %s and %s"):format(one.number, tostring(one.how), how))
  for _, other in ipairs(how == "handled" and self.written or {}) do
    assert(other.number >= one.number or other.how or not share_key(one, other),
      ("%d is handled before %d"):format(one.number, other.number))
  end
  one.how = how
end

--- Settles the transactions in the dead letter table.
function World:settle_dead()
  local dead = {}
  for item in self.db:table "dead":scan() do
    local one = self.by_sequence[item.sequence_number][1]
    dead[one] = (dead[one] or 0) + 1
  end
  for one, count in pairs(dead) do
    assert(count == one.count, "a part of a transaction is in the dead letter table")
    if one.how ~= "dead" then self:settle(one, "dead") end
  end
end

--- Returns a handler that fails with this probability, or parks a transaction. It stores the
--- transactions that it has handled in self.pending.
function World:handler(percent)
  return function(records, tx)
    self.pending = nil
    self:settle_dead()           -- queued transactions may have been passed before this batch
    self.violation = self.violation or self:batch_error(records)
    if self.violation then error(self.violation) end
    local list, parked, pending = self:transactions(records, "delivered"), {}, {}
    for _, one in ipairs(list) do
      if not parked[one] and chance(percent // 3) then
        local of = {}
        for _, record in ipairs(records) do
          if self.by_sequence[record.sequence_number][1] == one then of[#of + 1] = record end
        end
        tx:park(one_of(of), "parked")
        local later = {}
        for _, each in ipairs(list) do
          if not parked[each] then later[#later + 1] = each end
        end
        for each in pairs(closure(later, one, 1)) do parked[each] = true end
      elseif not parked[one] then
        for i = 1, one.count do
          tx:table "effects":put({ id = one.number .. "/" .. i },
            { condition = "attribute_not_exists(id)" })
        end
        pending[#pending + 1] = one
      end
    end
    for _, record in ipairs(records) do
      local one = self.by_sequence[record.sequence_number][1]
      assert(record.attempt >= 1 and (parked[one] or not one.how))
    end
    if chance(percent) then return fail(records) end
    self.pending = pending
  end
end

--- Settles what a call of step has committed.
function World:settle_step()
  assert(not self.violation, self.violation)
  local handled = self.db:consumer "c":describe().records - self.handled
  if handled > 0 then
    for _, one in ipairs(self.pending) do
      self:settle(one, "handled")
      handled, self.handled = handled - one.count, self.handled + one.count
    end
    assert(handled == 0, "another number of records was handled")
  end
  self:settle_dead()
end

function World:step(percent)
  self.pending = nil
  local before = self.db:consumer "c":describe()
  local count, err = self.worker:step(self:handler(percent))
  self:settle_step()
  assert(self.db:consumer "c":describe().parked <= math.max(before.parked,
    before.settings.max_parked), "more than max_parked records are parked")
  assert(count or err.code == "BATCH_FAILED", tostring(err))
  self:parked()
  return count
end

function steps:step() self:step(35) end

--- The worker dies in its handler, and another one takes over.
function steps:death()
  if self.mode == "locked" then return end
  local worker, handler = self.worker, self:handler(0)
  local task = coroutine.create(function()
    return worker:step(function(records, tx)
      handler(records, tx)
      coroutine.yield "in the handler"
    end)
  end)
  local _, state = assert(coroutine.resume(task))
  if state == "in the handler" then
    local dead, delivery = worker.worker, worker.worker.delivery
    local count = units.count(delivery.all, delivery.ids)
    assert(core.consumer_join(self.db.core, dead.id, dead.epoch, dead.first, 1000, count,
      delivery.limit))
    self.pending = nil
    coroutine.close(task)
  end
  self:settle_step()
  self:open_worker()
end

--- Returns the parked transactions, and the marked ones as a set. Checks that they are whole, in
--- order, not settled, and all that the consumer has passed.
function World:parked(opts)
  local records, marked, counts = {}, {}, {}
  for each in self.other:consumer "c":parked(opts) do
    local one = self.by_sequence[each.record.sequence_number][1]
    records[#records + 1] = each.record
    assert(each.transaction_id == each.record.transaction_id)
    counts[one] = (counts[one] or 0) + (each.is_to_be_replayed and 1 or 0)
    marked[one] = each.is_to_be_replayed or nil
  end
  local list, set = self:transactions(records, "parked"), {}
  for i, one in ipairs(list) do
    assert(not one.how, one.number .. " is parked and settled")
    assert(i == 1 or one.number > list[i - 1].number, "parked in another order")
    assert(counts[one] == (marked[one] and one.count or 0), "a part of a transaction is marked")
    set[one] = true
  end
  if not opts then
    local position = self.db:consumer "c":describe().position
    for _, one in ipairs(self.written) do
      if one.count > 0 and not one.how then
        assert((one.last <= position) == (set[one] or false), one.number .. " is lost")
      end
    end
    for one in pairs(marked) do
      for each in pairs(closure(list, one, -1)) do
        assert(marked[each], "marked, and not what must be delivered before")
      end
    end
  end
  return list, marked
end

local function random_scope()
  return { key = chance(60) and { id = one_of(KEYS) } or nil, limit = chance(50)
    and math.random(0, 5) or nil, table = chance(30) and one_of { "items", "others" } or nil }
end

--- Returns the transactions of a list that are in a scope.
local function chosen(list, scope)
  local found = {}
  for _, one in ipairs(list) do
    for key in pairs(one.keys) do
      local name, id = key:match "(%a+)/(%a)"
      if (not scope.table or name == scope.table) and (not scope.key or id == scope.key.id) then
        found[#found + 1] = one
        break
      end
    end
  end
  return found
end

--- Marks transactions, and compares the result with that of the model.
function steps:replay()
  local scope = random_scope()
  local list, marked = self:parked()
  local count, limit = 0, scope.limit or math.huge
  for _, one in ipairs(chosen(list, scope)) do
    local before = closure(list, one, -1)
    for _, each in ipairs(list) do
      if before[each] and not marked[each] and count < limit then
        marked[each], count = true, count + 1
      end
    end
  end
  assert(count == assert(one_of { self.db, self.other }:consumer "c":replay(scope)))
  local again, found = self:parked()
  assert.same(#list, #again)
  for _, one in ipairs(list) do assert.equal(marked[one], found[one]) end
end

function steps:discard()
  local scope = random_scope()
  local list = chosen(self:parked(), scope)
  local count = math.min(#list, scope.limit or math.huge)
  assert.same(count, #self:parked(scope))
  assert(count == assert(one_of { self.db, self.other }:consumer "c":discard(scope)))
  for i = 1, count do self:settle(list[i], "discarded") end
  self:parked()
end

function steps:reopen() self:open_worker() end

function steps:check()
  assert.same({}, assert(self.db:check()).problems)
  local list, marked = self:parked()
  local parked, replays, about = 0, 0, self.db:consumer "c":describe()
  for _, one in ipairs(list) do
    parked, replays = parked + one.count, replays + (marked[one] and one.count or 0)
  end
  assert.same({ parked, replays, self.handled }, { about.parked, about.replays, about.records })
end

--- Handles the remaining transactions, and checks that each is settled.
function World:finish()
  repeat
    while self:step(0) > 0 do end
    assert(self.db:consumer "c":replay())
  until #self:parked() == 0
  steps.check(self)
  for _, one in ipairs(self.written) do
    assert(one.count == 0 or one.how, one.number .. " is lost")
    for i = 1, one.count do
      local effect = self.db:table "effects":get { id = one.number .. "/" .. i }
      assert((effect ~= nil) == (one.how == "handled"), "effect of " .. one.number)
    end
  end
end

-- Programs ------------------------------------------------------------------------

local WEIGHTS = { { "put", 36 }, { "step", 38 }, { "replay", 9 }, { "discard", 3 }, { "death", 4 },
  { "reopen", 4 }, { "settings", 3 }, { "check", 3 } }

local function random_program(length)
  local program = { { "settings", math.random(1 << 30) } }
  while #program < length do
    local n = math.random(100)
    for _, each in ipairs(WEIGHTS) do
      n = n - each[2]
      if n <= 0 then
        program[#program + 1] = { each[1], math.random(1 << 30) }
        break
      end
    end
  end
  return program
end

--- Runs a program. Returns nil; or the error.
local function run(program)
  local world
  local ok, err = xpcall(function()
    math.randomseed(program[1][2])
    world = new_world()
    if program[1][1] ~= "settings" then steps.settings(world) end
    for _, step in ipairs(program) do
      math.randomseed(step[2])
      steps[step[1]](world)
    end
    world:finish()
  end, function(e) return debug.traceback(tostring(e), 2) end)
  if world then
    for _, closed in ipairs { world.worker, world.db, world.other } do closed:close() end
  end
  return not ok and err or nil
end

local function shown(program)
  local parts = {}
  for i, step in ipairs(program) do parts[i] = ("{ %q, %d }"):format(step[1], step[2]) end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

describe('a consumer with by = "transaction" whose handler fails', function()
  helper.setup(before_each, after_each)

  it("settles every transaction once, whole and in the order of its keys", function()
    print(("parked transactions: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local programs = {}
    for i = 1, math.max(1, STEPS // 250) do
      programs[i] = random_program(math.min(STEPS, 250))
    end
    for _, program in ipairs(programs) do
      local err = run(program)
      if err then
        local small = shrink(program, function(smaller) return run(smaller) ~= nil end,
          function() return {} end, BUDGET)
        error(("SEED=%d: %s\nreduced to %s: %s"):format(SEED, err, shown(small),
          tostring(run(small))), 0)
      end
    end
  end)
end)
