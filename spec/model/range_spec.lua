-- range_spec.lua - workers that share the shards of a consumer take random steps on a manual clock:
-- handlers fail, park, or run while other workers and commands act; workers are closed, dropped, or
-- lose their lease; commands move, pause and reshard the consumer, and replay and discard parked
-- records. A model knows how each record was settled: it was handled exactly once, after all
-- earlier ones of its key; or it was parked, discarded, ignored, or skipped by a command.
--
--   make model STEPS=100000 SEED=n
--
-- A seed repeats the choices of the steps. The shards of the keys differ from run to run, because
-- they depend on the secret of the database.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local testing = require "tidetable.testing"

local STEPS = math.min(math.tointeger(tonumber(os.getenv("STEPS"))) or 1000, 50000)
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local TABLES, KEYS, STEPS_PER_WORLD = { "orders", "other" }, 6, 500
--- Rounds in which all records must be handled at the end.
local ROUNDS = 1000

local function one_of(list) return list[math.random(#list)] end

local function chance(percent) return math.random(100) <= percent end

---@class ModelRecord
---@field key ModelRecord[]     all records of its key, in order
---@field n integer             its index there
---@field sequence integer
---@field status nil|"handled"|"parked"|"discarded"|"ignored"|"skipped"
---@field count integer         number of times it was handled; more than once only after a seek
---@field fails boolean         each batch with it fails
---@field failures integer      failed attempts with this record alone
---@field epochs string|nil     epochs of the ranges in the first of them; false: they have changed

---@class RangeWorld
---@field records table<integer, ModelRecord>
---@field keys table<string, ModelRecord[]>
---@field workers tidetable.Consumer[]
---@field running table<tidetable.Consumer, true>
---@field changes integer       number of actions; a handler compares it to detect other actions
---@field handled integer       number of records handled
---@field exact integer         number of records parked whose attempts were compared
---@field is_inexact boolean|nil  attempts are no longer compared
local World = {}
World.__index = World

local function new_world()
  local world = setmetatable({ records = {}, keys = {}, workers = {}, running = {}, changes = 0,
    has_faults = chance(50), handles = {}, handled = 0, is_paused = false, exact = 0 }, World)
  world.path = helper.path(("range%x.tide"):format(math.random(1 << 40)))
  world.clock = helper.clock(1e9)
  world.db = world:open()
  for _, name in ipairs(TABLES) do
    assert(world.db:create_table { name = name, partition_key = "id", stream = true })
  end
  assert(world.db:create_table { name = "effects", partition_key = "id" })
  world.settings = { source = TABLES, on_failure = "park", backoff = 0, lease = 1,
    batch_size = math.random(6), max_attempts = math.random(3), ignore_origin = "import",
    window = one_of { 0, 0, 2 }, bisect = chance(70), shards = one_of { 1, 2, 3, 8, 64 },
    mode = one_of { "optimistic", "locked" } }
  assert(world.db:consumer("c", world.settings))
  for i = 1, math.random(2, 4) do world:open_worker(i) end
  return world
end

function World:open()
  self.handles[#self.handles + 1] = helper.open(nil, self.path)
  return self.handles[#self.handles]
end

function World:open_worker(i)
  local old = self.workers[i]
  self.workers[i] = assert(self:open():consumer "c")
  return old
end

--- Opens all handles again.
function World:restart()
  for _, handle in ipairs(self.handles) do handle:close() end
  self.handles, self.db = {}, nil
  self.db = self:open()
  for i in ipairs(self.workers) do self:open_worker(i) end
end

function World:command() return self.db:consumer "c" end

-- The model ------------------------------------------------------------------

--- Returns true if the record needs no further delivery.
local function is_settled(record)
  return record.status ~= nil and record.status ~= "parked"
end

--- Checks that all earlier records of the key satisfy a condition.
local function check_earlier(record, what, condition)
  for i = 1, record.n - 1 do
    local earlier = record.key[i]
    if not condition(earlier) then
      error(("%d is %s before %d, which is %s"):format(record.sequence, what, earlier.sequence,
        earlier.status or "waiting"))
    end
  end
end

--- Marks the records whose effects are in the file as handled.
function World:settle(touched)
  local handled = {}
  for _, record in ipairs(touched) do
    local effect = self.db:table "effects":get { id = tostring(record.sequence) }
    local count = effect and effect.count or 0
    if count > record.count and not handled[record] then
      assert(count == record.count + 1, record.sequence .. " is handled twice in a commit")
      assert(not is_settled(record), ("%d is handled and %s"):format(record.sequence,
        tostring(record.status)))
      handled[record], handled[#handled + 1] = true, record
    end
  end
  for _, record in ipairs(handled) do
    check_earlier(record, "handled", function(each) return is_settled(each) or handled[each] end)
  end
  for _, record in ipairs(handled) do
    record.status, record.count, self.handled = "handled", record.count + 1, self.handled + 1
    record.failures, record.epochs = 0, nil
  end
end

--- Returns the epochs of all ranges as a text. Notes whether a range has used up its attempts
--- because the commit that gave up its records has failed. If this range is then divided or united,
--- the attempts in the file can apply to other records.
function World:epochs()
  local epochs = {}
  for i, range in ipairs(core.consumer_describe(self.db.core, "c").ranges) do
    epochs[i] = ("%d:%d"):format(range.first, range.epoch)
    self.is_inexact = self.is_inexact or range.attempts >= self.settings.max_attempts
  end
  return table.concat(epochs, " ")
end

--- Checks a record that was parked.
function World:check_parked(record, copy, parked)
  check_earlier(record, "parked", function(each) return each.status ~= nil or parked[each] end)
  if copy.error == nil then
    local found = false
    for i = 1, record.n - 1 do
      found = found or parked[record.key[i]] or record.key[i].was_parked
    end
    assert(found, record.sequence .. " is parked without a reason")
  elseif copy.error ~= "by the handler" then
    assert(record.fails or record.was_in_failed or self.is_inexact,
      record.sequence .. " is parked and did not fail")
    assert(copy.attempts >= self.settings.max_attempts)
    if self.settings.bisect and record.epochs and not self.is_inexact then
      self.exact = self.exact + 1
      assert.equal(self.settings.max_attempts, record.failures)
    end
  end
end

--- Reads the parked records, and updates the model.
function World:read_parked()
  local parked = {}
  for copy in self:command():parked() do
    local record = self.records[copy.record.sequence_number]
    parked[record], parked[#parked + 1] = copy, record
  end
  for _, record in ipairs(parked) do
    assert(not is_settled(record), record.sequence .. " is parked and " .. tostring(record.status))
    if not record.status then self:check_parked(record, parked[record], parked) end
  end
  for _, record in pairs(self.records) do
    record.was_parked = record.status == "parked"
    assert(record.status ~= "parked" or parked[record], record.sequence .. " is no longer parked")
    if parked[record] then record.status = "parked" end
  end
  return parked
end

-- Steps ----------------------------------------------------------------------

function World:put()
  local name, id = one_of(TABLES), "k" .. math.random(KEYS)
  local key = self.keys[name .. id] or {}
  local origin = chance(15) and "import" or nil
  assert(self.db:table(name):put({ id = id, n = #key }, { origin = origin }))
  local record = { key = key, n = #key + 1, sequence = self.db:last_change(), count = 0,
    fails = not origin and chance(10), failures = 0, status = origin and "ignored" or nil }
  self.keys[name .. id], key[#key + 1], self.records[record.sequence] = key, record, record
end

--- Checks the records that a handler gets. No other worker or command has acted since the worker
--- verified that it owns its range.
function World:check_delivery(records)
  local batch = {}
  assert(#records > 0 and not self.is_paused)
  for _, each in ipairs(records) do
    local record = assert(self.records[each.sequence_number])
    assert(not is_settled(record), ("%d is delivered, and %s"):format(record.sequence,
      tostring(record.status)))
    check_earlier(record, "delivered", function(earlier)
      return is_settled(earlier) or batch[earlier]
    end)
    assert(each.attempt >= 1)
    batch[record] = true
  end
end

--- Counts a failed attempt of a batch. has_acted: others acted while the handler ran, so the
--- library may not have counted the attempt. attempt: the number that the library has for it.
function World:note_failure(batch, has_acted, attempt)
  for _, record in ipairs(batch) do record.was_in_failed = true end
  if #batch == 1 then
    local record, epochs = batch[1], self:epochs()
    if record.failures == 0 and record.epochs == nil then
      record.epochs = epochs
    elseif record.epochs ~= epochs then
      record.epochs = false
    end
    if has_acted or attempt ~= record.failures + 1 then record.epochs = false end
    record.failures = record.failures + 1
  end
end

--- Returns a handler, which adds the records that it gets to `touched`. Violations are kept for
--- World:step, because an error here is a failed attempt.
function World:handler(touched, may_act)
  local changes = self.changes
  return function(records, tx)
    if changes == self.changes then
      local ok, err = pcall(self.check_delivery, self, records)
      self.violation = self.violation or not ok and err
    end
    local batch, effects, fails = {}, tx:table "effects", false
    for i, each in ipairs(records) do
      local record = self.records[each.sequence_number]
      batch[i], touched[#touched + 1], fails = record, record, fails or record.fails
    end
    if may_act and self.settings.mode == "optimistic" and chance(15) then
      local ok, err = xpcall(self.act, debug.traceback, self)
      self.violation = self.violation or not ok and err
    end
    for _, each in ipairs(records) do                    -- park removes later ones of the key
      if chance(2) then
        tx:park(each, "by the handler")
      else
        effects:update({ id = tostring(each.sequence_number) }, "ADD #count ?",
          { 1, names = { ["#count"] = "count" } })
      end
    end
    if fails then
      self:note_failure(batch, changes ~= self.changes, records[1].attempt)
      error "fails"
    end
  end
end

--- Makes one of the next commits fail; often none.
local function choose_fault()
  local n = math.random(100)
  return n <= 1 and testing.fail_at("after_commit", math.random(2), "UNKNOWN_OUTCOME")
    or n <= 12 and testing.fail_at("before_commit", math.random(2), "DISK_FULL") or nil
end

local expected = { BATCH_FAILED = true, DISK_FULL = true, UNKNOWN_OUTCOME = true, STORE = true }

--- Lets a worker do a step. may_act: its handler may act, and its commits may fail.
function World:step(worker, may_act)
  if self.running[worker] then return 0 end
  local touched, fault = {}, may_act and self.has_faults and choose_fault() or nil
  self.running[worker] = true
  local count, err = worker:step(self:handler(touched, may_act and not fault))
  self.running[worker] = nil
  if fault then
    fault:close()
    for _, record in ipairs(touched) do record.epochs = false end    -- may not be counted
  end
  assert(count or may_act and expected[err.code] or err.code == "BATCH_FAILED", tostring(err))
  if self.violation then error(self.violation, 0) end
  if not self.db:table "effects" then self:restart() end     -- a commit had an unknown outcome
  self:settle(touched)
  self:epochs()
  self:read_parked()
  return count or 0
end

function World:replay()
  local limit = chance(50) and math.random(0, 3) or nil
  for _, record in ipairs(self:read_parked()) do
    if chance(50) then record.fails = false end
  end
  assert(self:command():replay { limit = limit })
end

function World:discard()
  local before = self:read_parked()
  local count = assert(self:command():discard { limit = math.random(0, 2) })
  local left = {}
  for copy in self:command():parked() do left[self.records[copy.record.sequence_number]] = true end
  for _, record in ipairs(before) do
    if not left[record] then record.status, count = "discarded", count - 1 end
  end
  assert.equal(0, count)
end

--- Sets the position before a random record, at the start, or at the end.
function World:seek()
  local last = self:command():describe().last_sequence_number
  local position, target = last, { from = "LATEST" }
  if chance(70) then
    position = last - math.random(0, math.min(last, 12))
    target = position == last and target or { at = position + 1 }
  end
  local parked = 0
  for _, record in ipairs(self:read_parked()) do
    if record.sequence > position then parked = parked + 1 end
  end
  target.discard = chance(50)
  local ok, err = self:command():seek(target)
  if parked > 0 and not target.discard then
    assert.equal("PARKED", err.code)
    return
  end
  assert(ok, err)
  for _, record in pairs(self.records) do
    if record.status ~= "ignored" and record.sequence > position then
      record.status, record.failures, record.epochs = nil, 0, nil
    elseif not record.status then
      record.status = "skipped"
    end
  end
end

function World:pause()
  self.is_paused = not self.is_paused
  assert(self.is_paused and self:command():pause() or self:command():resume())
end

function World:reshard()
  local was_paused, shards = self.is_paused, self.settings.shards
  local wanted = one_of { shards * 2, shards * 3, 2, 5 }
  if wanted > 600 then wanted = 1 end
  assert(self:command():pause())
  self.settings.update, self.settings.shards = true, wanted
  local row = core.consumer_describe(self.db.core, "c")
  local same = true
  for _, range in ipairs(row.ranges) do same = same and range.position == row.position end
  local ok, err = self.db:consumer("c", self.settings)
  if same or wanted % shards == 0 then
    assert(ok, err)
  else
    assert.equal("VALIDATION", err.code)
    self.settings.shards = shards
  end
  assert.equal(self.settings.shards, core.consumer_describe(self.db.core, "c").shards)
  if not was_paused then assert(self:command():resume()) end
end

--- Ends a worker: it gives up its range, or its handle is closed. Another one begins.
function World:replace_worker()
  local i = math.random(#self.workers)
  if self.running[self.workers[i]] then return end
  local old = self:open_worker(i)
  if chance(50) then old:close() end
  old.database:close()
end

--- Does an action of a worker that no handler runs, or of a command.
function World:act()
  self.changes = self.changes + 1
  local n = math.random(100)
  if n <= 45 then self:step(one_of(self.workers), false)
  elseif n <= 60 then self:put()
  elseif n <= 68 then self.clock:advance(math.random() * 2)
  elseif n <= 76 then self:replace_worker()
  elseif n <= 82 then self:seek()
  elseif n <= 88 then self:replay()
  elseif n <= 92 then self:discard()
  elseif n <= 96 then self:pause()
  else self:reshard() end
end

function World:random_step()
  local n = math.random(100)
  self.changes = self.changes + 1
  if n <= 35 then self:put()
  elseif n <= 80 then
    self:step(one_of(self.workers), true)
  elseif n <= 84 then self.clock:advance(math.random() * 3)
  elseif n <= 98 then self:act()
  else self:check() end
end

function World:check()
  assert.same({}, assert(self.db:check()).problems)
  local about = self:command():describe()
  assert.same({ #self:read_parked(), self.handled, self.settings.shards },
    { about.parked, about.records, about.shards })
end

-- The end --------------------------------------------------------------------

--- Returns a record that is not settled; nil if there is none.
function World:unsettled()
  for _, record in pairs(self.records) do
    if not is_settled(record) then return record end
  end
end

--- Returns the ranges with a living owner as a text.
function World:owned()
  local owned, count = {}, 0
  for _, each in ipairs(self:command():workers()) do
    if each.first and each.is_alive then
      count, owned[#owned + 1] = count + 1, ("%d-%d"):format(each.first, each.last)
    end
  end
  return count, table.concat(owned, " ")
end

--- Lets all workers handle the remaining records. Each has a range then, if there are enough
--- shards.
function World:finish()
  if self.is_paused then self:pause() end
  for _, record in pairs(self.records) do record.fails = false end
  local idle = 0
  for round = 1, ROUNDS do
    local count, epochs = 0, self:epochs()
    self.changes = self.changes + 1
    self.clock:advance(0.3)
    for _, worker in ipairs(self.workers) do count = count + self:step(worker, false) end
    if round % 10 == 0 then assert(self:command():replay()) end
    idle = count == 0 and epochs == self:epochs() and not self:unsettled() and idle + 1 or 0
    if idle == 12 then break end
  end
  local left = self:unsettled()
  assert(not left, left and ("%d is lost"):format(left.sequence))
  assert(idle == 12, "the workers keep changing their ranges: " .. self:epochs())
  local count, text = self:owned()
  assert(count == math.min(#self.workers, self.settings.shards), text)
  self:check()
  for _, record in pairs(self.records) do
    local effect = self.db:table "effects":get { id = tostring(record.sequence) }
    assert.equal(record.count, effect and effect.count or 0)
  end
end

function World:close()
  for _, handle in ipairs(self.handles) do handle:close() end
  self.clock:close()
end

describe("workers that share a consumer", function()
  helper.setup(before_each, after_each)

  it("settle every record once, and handle those of a key in order", function()
    print(("range: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local step = 0
    local ok, err = xpcall(function()
      local handled, exact = 0, 0
      for _ = 1, math.max(1, STEPS // STEPS_PER_WORLD) do
        local world = new_world()
        for _ = 1, math.min(STEPS, STEPS_PER_WORLD) do
          step = step + 1
          world:random_step()
        end
        world:finish()
        handled, exact = handled + world.handled, exact + world.exact
        world:close()
      end
      print(("range: %d records handled, %d parked after max_attempts"):format(handled, exact))
      assert.is_true(handled > 0)
    end, function(e) return debug.traceback(tostring(e), 2) end)
    if not ok then error(("SEED=%d, step %d: %s"):format(SEED, step, err), 0) end
  end)
end)
