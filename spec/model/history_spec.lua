-- history_spec.lua - random runs of a consumer with two workers. delivery_history.lua checks their
-- histories.
--
--   make spec SPEC=spec/model/history_spec.lua ROUNDS=1000 SEED=n
--
-- A round is a random schedule of writers and of two workers in different handles. Handlers fail,
-- park records, and yield to the other worker. Workers are closed, crash, or lose the consumer
-- because their lease expires. Commits fail. Commands pause, move and delete the consumer, and
-- replay and discard parked records. The handler stores the records it handled in its transaction,
-- so this log contains exactly the committed ones.
--
-- A seed gives the same schedule, except for the order of parked keys: it depends on a hash with a
-- random key that the file contains.
local core = require "tidetable.core"
local histories = require "spec.model.delivery_history"
local testing = require "tidetable.testing"

local function number_of(name) return math.tointeger(tonumber(os.getenv(name))) end

local ROUNDS = number_of "ROUNDS" or math.max(1, (number_of "STEPS" or 3000) // 300)
local SEED = number_of "SEED" or os.time()
local STEPS = 200

local LEASE, HANDLER_LIMIT = 2, 20
local WORKERS = { "a", "b" }

local function chance(percent) return math.random(100) <= percent end
local function one_of(list) return list[math.random(#list)] end

--- Filters of the consumer, and the same test in Lua.
local filters = {
  { nil, nil, function() return true end },
  { nil, nil, function() return true end },
  { "event_name <> ?", "REMOVE", function(record) return record.event_name ~= "REMOVE" end },
  { "keys.n = ?", 2, function(record) return record.keys.n == 2 end },
  { "new_image.#v > old_image.#v OR keys.id = ?", "a", function(record)
    local old, new = record.old_image or {}, record.new_image or {}
    return record.keys.id == "a" or old.value and new.value and new.value > old.value
  end },
}

---@class World
local World = {}
World.__index = World

local function new_world()
  local world = setmetatable({ events = {}, log_size = 0, dead = {}, workers = {}, values = 0 },
    World)
  world.clock = testing.clock(1700000000)
  local tables = {}
  for i, name in ipairs { "red", "green", "other" } do
    tables[i] = { name = name, partition_key = "id", sort_key = { "n", "N" }, stream = true,
      ttl = "expires" }
  end
  world.db = testing.database { tables = tables }
  for _, name in ipairs { "log", "totals" } do
    assert(world.db:create_table { name = name, partition_key = name == "log" and { "n", "N" }
      or "id" })
  end
  assert(world.db:create_table { name = "dead", partition_key = "id", sort_key = { "part", "N" } })
  world.source = one_of { "red", { "red", "green" }, { "red", "green", "other" }, "*" }
  world.ignored = chance(50) and "quiet" or false
  world.filter = one_of(filters)
  world:choose_settings()
  for _, name in ipairs(WORKERS) do world:open_worker(name) end
  return world
end

function World:note(kind, event)
  event = event or {}
  event.kind = kind
  self.events[#self.events + 1] = event
end

--- Opens the consumer with random settings; the first call creates it.
function World:choose_settings()
  local on_failure = one_of { "stop", "park", "park", "dead_letter" }
  self.mode = one_of { "optimistic", "optimistic", "locked" }
  self.settings = {
    source = self.source, ignore_origin = self.ignored, update = true, on_failure = on_failure,
    filter = self.filter[1], self.filter[2],
    names = (self.filter[1] or ""):find "#v" and { ["#v"] = "value" } or nil,
    dead_letter = (on_failure == "dead_letter" or on_failure == "park" and chance(50)) and "dead"
      or nil,
    mode = self.mode, batch_size = math.random(6), batch_bytes = one_of { 300, 1000, 1 << 20 },
    max_attempts = chance(70) and math.random(3) or nil, bisect = chance(50), lease = LEASE,
    handler_limit = HANDLER_LIMIT, window = one_of { 0, 0, 1 }, max_parked = one_of { 3, 1000 },
    backoff = one_of { 0, 0.1 }, hold = chance(30),
    shards = 1,                  -- the checker compares all records with one position
  }
  self.watch = assert(self.db:consumer("c", self.settings))
  self:change()
end

--- Adds the event that a command or a worker has changed the consumer.
function World:change(worker)
  self:note("change", { worker = worker and worker.name })
end

--- Advances the clock. All workers verify in their next call that they own the consumer; the age
--- of the last verification is measured by the machine's clock, so it is reset here.
function World:advance(seconds)
  self.clock:advance(seconds)
  for _, each in pairs(self.workers) do
    if each.consumer.worker then each.consumer.worker.verified_at = 0 end
  end
  self:note "tick"
end

-- Observing ------------------------------------------------------------------------

local function new_commits(world)
  local commits = {}
  while true do
    local row = world.db:table "log":get { n = world.log_size + 1 }
    if not row then return commits end
    assert(not row.fails, "a batch was committed although its handler failed")
    commits[#commits + 1], world.log_size = row.records, row.n
  end
end

local function new_dead(world)
  local dead = {}
  for item in world.db:table "dead":scan() do
    local sequence = item.sequence_number
    if sequence and not world.dead[sequence] then
      world.dead[sequence] = true
      dead[#dead + 1] = sequence
    end
  end
  table.sort(dead)
  return dead
end

--- Adds an event with the state of the file, which the worker has changed.
function World:observe(worker)
  local about, parked, count, replays = assert(self.watch:describe()), {}, 0, 0
  local queued = {}
  for each in self.watch:parked() do
    local is_marked = each.is_to_be_replayed or false
    parked[each.record.sequence_number] = is_marked
    queued[each.record.sequence_number] = not each.error or nil
    count, replays = count + 1, replays + (is_marked and 1 or 0)
  end
  assert.same({ count, replays }, { about.parked, about.replays })
  local state = ("%d %d %d %s"):format(about.position, about.parked, about.replays,
    about.is_paused)
  if state ~= self.state or not worker then
    self:change(worker)
  end
  self.state = state
  self:note("observe", { position = about.position, parked = parked, queued = queued,
    dead = new_dead(self), commits = new_commits(self), paused = about.is_paused })
  return about
end

-- Workers ----------------------------------------------------------------------------

--- Opens a worker in its own handle.
function World:open_worker(name)
  local worker = { name = name, db = testing.handle(self.db), calls = 0 }
  local consumer
  -- Waiting advances the clock; the fourth wait of a call stops the worker.
  local function wait(_, seconds)
    worker.waits = worker.waits + 1
    if worker.waits > 3 or not seconds then
      consumer:stop()
    else
      self:advance(math.min(seconds, 1))
    end
  end
  consumer = assert(worker.db:consumer("c", { wait = wait }))
  worker.consumer, self.workers[name] = consumer, worker
end

--- Simulates a crash of the worker's process: the file still names it as the owner, but its slot is
--- free.
function World.drop_worker(worker)
  if worker.consumer.worker and worker.consumer.worker.slot then
    core.worker_leave(worker.db.core, worker.consumer.worker.slot)
  end
  worker.db:close()
  if worker.task then
    coroutine.close(worker.task)
  end
end

--- Simulates a restart of all processes.
function World:restart()
  for _, name in ipairs(WORKERS) do self.drop_worker(self.workers[name]) end
  self.db = testing.reopen(self.db)
  self.watch = assert(self.db:consumer "c")
  for _, name in ipairs(WORKERS) do self:open_worker(name) end
end

local function sequences(records)
  local list = {}
  for i, record in ipairs(records) do list[i] = record.sequence_number end
  return list
end

local failures = {
  function() error "on purpose" end,
  function() error(nil) end,
  function() return nil, "on purpose" end,
  function(_, tx) tx:cancel() end,
  function(_, _, db) db:table "other":put { id = "never", n = 1 } end,
  function() return { batch_item_failures = { 0 } } end,
  function(records)
    return { batch_item_failures = { records[1] and one_of(records).sequence_number or 0 } }
  end,
}

--- The first five also fail batch:commit, which ignores a response with failed items.
local FAILURES_OF_COMMIT = 5

--- Handles a batch: parks some of its records and stores the numbers of the others. fails: true if
--- the handler will fail.
local function handle(world, records, tx, fails)
  local handled, log = {}, tx:table "log"
  for _, record in ipairs(records) do
    if chance(world.failing // 4) then
      tx:park(record, "parked")
    else
      handled[#handled + 1] = record.sequence_number
      tx:table "totals":update({ id = record.table_name .. "/" .. record.keys.id }, "ADD n ?",
        { 1 })
    end
  end
  local n = world.log_size + 1
  while log:get { n = n } do n = n + 1 end
  log:put { n = n, records = handled, fails = fails }
end

function World:handler(worker, failure_count)
  return function(records, tx)
    worker.runs = worker.runs + 1
    self:observe(worker)
    self:note("deliver", { worker = worker.name, records = sequences(records) })
    if self.mode == "optimistic" and worker.runs == 1 and chance(25)
        and coroutine.isyieldable() and not self.is_finishing then
      coroutine.yield()
    end
    local fails = chance(self.failing)
    handle(self, records, tx, fails)
    if chance(20) then         -- must not affect the next attempt
      while #records > 0 do table.remove(records) end
    end
    if fails then
      return failures[math.random(failure_count)](records, tx, worker.db)
    end
    if chance(20) then worker.consumer:stop() end
  end
end

local calls = {}

function calls.step(world, worker)
  return worker.consumer:step(world:handler(worker, #failures))
end

function calls.run(world, worker)
  return worker.consumer:run(world:handler(worker, #failures))
end

function calls.batches(world, worker)
  local fn = world:handler(worker, FAILURES_OF_COMMIT)
  for batch in worker.consumer:batches() do
    if chance(20) then break end
    worker.runs = 0
    if not chance(20) then
      pcall(batch.commit, batch, function(tx) return fn(batch, tx) end)
    end
    if chance(30) then worker.consumer:stop() end
  end
  return 0
end

local allowed = { BATCH_FAILED = true, DISK_FULL = true, PARKED_FULL = true, CONSUMER_GONE = true,
  NESTED = true }

--- Begins a call of a worker or resumes one whose handler has yielded. Returns the result.
function World:continue(worker, call)
  if not worker.task then
    worker.runs, worker.waits = 0, 0
    self:note("begin", { worker = worker.name })
    worker.task = coroutine.create(calls[call or one_of { "step", "step", "run", "batches" }])
  end
  local fault <close> = not self.is_finishing and (
    chance(4) and testing.fail_at("after_commit", 1, "UNKNOWN_OUTCOME")
    or chance(4) and testing.fail_at("before_commit", math.random(2), "DISK_FULL")) or nil
  local ok, result, err = coroutine.resume(worker.task, self, worker)
  if fault then fault:close() end
  if not ok then err = result end
  if coroutine.status(worker.task) == "dead" then worker.task = nil end
  local code = type(err) == "table" and err.code
  if not self.db:table "log" then          -- a commit had an unknown outcome
    self:restart()
    worker = nil
  elseif code == "CONSUMER_GONE" then
    self.drop_worker(worker)
    self:open_worker(worker.name)
  elseif (not ok or result == nil and err) and not allowed[code] then
    error(type(err) == "string" and err or tostring(err), 0)
  end
  self:observe(worker)
  return ok and result
end

-- Writers ----------------------------------------------------------------------------

function World:write(tables, opts)
  local target = assert(tables:table(one_of { "red", "red", "green", "other" }))
  local item = { id = one_of { "a", "b", "c", "d", "e" }, n = math.random(3) }
  if chance(25) then
    assert(target:delete(item, opts))
    return
  end
  self.values = self.values + 1
  item.value, item.pad = self.values, ("x"):rep(chance(20) and 300 or 1)
  item.expires = chance(15) and math.floor(self.clock:now()) + math.random(30) or nil
  assert(target:put(item, opts))
end

--- Returns random options of a write. The consumer may ignore the origin "quiet".
local function origin()
  return chance(30) and { origin = one_of { "quiet", "loud" } } or nil
end

function World:transact()
  assert(self.db:transact(function(tx)
    for _ = 1, math.random(6) do self:write(tx) end
  end, origin()))
end

--- Advances the clock and removes expired items.
function World:expire(seconds)
  self:advance(seconds or math.random(20))
  repeat
    local ok, err, more = core.sweep(self.db.core)
    assert(ok, err)
  until more ~= true
end

-- Commands ---------------------------------------------------------------------------

--- Returns the watching consumer or a new one.
function World:any_consumer()
  return one_of { self.watch, assert(self.db:consumer "c") }
end

local function random_scope()
  return { key = chance(60) and { id = one_of { "a", "b", "c", "d", "e" } } or nil,
    limit = chance(50) and math.random(0, 5) or nil, table = chance(20) and "red" or nil }
end

function World:replay()
  assert(self:any_consumer():replay(random_scope()))
  self:observe()
end

function World:discard()
  local before, gone = {}, {}
  for each in self.watch:parked() do before[each.record.sequence_number] = true end
  assert(self:any_consumer():discard(random_scope()))
  for each in self.watch:parked() do before[each.record.sequence_number] = nil end
  for sequence in pairs(before) do gone[#gone + 1] = sequence end
  self:note("discard", { records = gone })
  self:observe()
end

--- Deletes the dead letters after a position, because their records are delivered again.
function World:forget_dead(position)
  local dead, rows = self.db:table "dead", {}
  for item in dead:scan() do rows[#rows + 1] = item end
  for _, item in ipairs(rows) do
    local sequence = math.tointeger(tonumber(item.id:match "/(%d+)$"))
    if sequence > position then
      assert(dead:delete { id = item.id, part = item.part })
      self.dead[sequence] = nil
    end
  end
end

function World:note_move()
  local about = assert(self.watch:describe())
  self:forget_dead(about.position)
  self:note("seek", { position = about.position })
  self:observe()
end

function World:seek()
  local last = self.db:info().sequence_number
  local to = chance(50) and math.random(0, last) or math.max(0, self.watch:describe().position
    + math.random(-4, 2))
  local ok, err = self:any_consumer():seek { after = math.min(to, last), discard = chance(50) }
  assert(ok or err.code == "PARKED", err)
  if ok then
    self:note_move()
  end
end

--- Deletes the consumer and creates another one with this name.
function World:delete()
  local ok, err = self.watch:delete { discard = chance(70) }
  assert(ok or err.code == "PARKED", err)
  if ok then
    self:choose_settings()
    self:note_move()
  end
end

function World:pause()
  assert(self:any_consumer():pause())
  self:observe()
end

function World:resume()
  assert(self:any_consumer():resume())
  self:observe()
end

--- Compares the result of wait_for with the position and the parked records.
function World:wait_for()
  local last = self.db:info().sequence_number
  local sequence, about = math.random(0, last), assert(self.watch:describe())
  local passed, err = self.watch:wait_for(sequence, 0)
  local is_parked = false
  for each in self.watch:parked() do
    is_parked = is_parked or each.record.sequence_number == sequence
  end
  local waits = false
  for _, record in ipairs(self:sources()) do
    waits = waits or record.sequence > about.position and record.sequence <= sequence
  end
  if not waits then
    assert.same({ true, is_parked and "parked" or nil }, { passed, err })
  elseif about.is_paused or about.ended then
    assert.equal(about.is_paused and "CONSUMER_PAUSED" or about.ended.code, err and err.code)
  else
    assert.is_false(passed)
  end
end

local actions = {
  { 22, function(world) world:write(world.db, origin()) end },
  { 8, World.transact },
  { 3, function(world) world:expire() end },
  { 36, function(world) world:continue(world.workers[one_of(WORKERS)]) end },
  { 4, function(world) world:advance(one_of { 0.1, LEASE + 1, HANDLER_LIMIT + 1 }) end },
  { 5, World.replay },
  { 2, World.discard },
  { 3, World.seek },
  { 1, function(world) if chance(30) then world:delete() end end },
  { 1, World.pause },
  { 3, World.resume },
  { 4, World.wait_for },
  { 3, World.choose_settings },
  { 3, function(world)
    local worker = world.workers[one_of(WORKERS)]
    if not worker.task then worker.consumer:close() end
  end },
  { 2, function(world)
    local name = one_of(WORKERS)
    world.drop_worker(world.workers[name])
    world:open_worker(name)
  end },
}

local action_sum = 0
for _, action in ipairs(actions) do action_sum = action_sum + action[1] end

function World:random_step()
  local n = math.random(action_sum)
  self.failing = 30
  for _, action in ipairs(actions) do
    n = n - action[1]
    if n <= 0 then
      return action[2](self)
    end
  end
end

-- A round ----------------------------------------------------------------------------

--- Returns all records of the consumer's sources.
function World:sources()
  local list, names = {}, self.source
  if names == "*" then
    names = { "red", "green", "other" }
  end
  for _, name in ipairs(type(names) == "table" and names or { names }) do
    for record in assert(assert(self.db:table(name)):stream()):records { from = "TRIM_HORIZON" } do
      list[#list + 1] = { sequence = record.sequence_number, key = name .. "/" .. record.keys.id,
        is_ignored = self.ignored and record.origin == self.ignored
          or not self.filter[3](record) }
    end
  end
  table.sort(list, function(one, other) return one.sequence < other.sequence end)
  return list
end

--- Calls step until no record is left and none is parked.
function World:drain(name)
  local zeros, left = 0, 2000
  repeat
    self:advance(LEASE)
    local count = self:continue(self.workers[name], "step")
    zeros, left = count == 0 and zeros + 1 or 0, left - 1
    assert(left > 0, "the consumer does not catch up")
    if zeros > 0 then
      self:replay()
      zeros = next(self.events[#self.events].parked) and 0 or zeros
    end
  until zeros == 2
end

--- Handles the remaining records with one of the workers.
function World:finish()
  self.failing, self.is_finishing = 0, true
  for _, name in ipairs(WORKERS) do
    while self.workers[name].task do self:continue(self.workers[name]) end
    self.workers[name].consumer:close()
  end
  self:choose_settings()
  self.settings.window, self.settings.on_failure, self.settings.dead_letter = 0, "park", nil
  self.settings.max_parked = 1000
  assert(self.db:consumer("c", self.settings))
  self:resume()
  self:expire(100)
  self:drain(one_of(WORKERS))
  self:note "end"
end

--- Compares the totals, which updates have computed, with the log.
function World:check_totals()
  local key_of, totals = {}, {}
  for _, record in ipairs(self:sources()) do key_of[record.sequence] = record.key end
  for row in self.db:table "log":scan() do
    for _, sequence in ipairs(row.records) do
      local key = key_of[sequence]
      totals[key] = (totals[key] or 0) + 1
    end
  end
  for key, n in pairs(totals) do
    assert.equal(n, self.db:table "totals":get({ id = key }).n, key)
  end
end

function World:run()
  for _ = 1, STEPS do self:random_step() end
  self:finish()
  self:check_totals()
  assert.same({}, assert(self.db:check()).problems)
end

function World:close()
  for _, name in ipairs(WORKERS) do pcall(self.drop_worker, self.workers[name]) end
  self.db:close()
  self.clock:close()
end

--- Runs a round. A violation is reported before an error, because it is the likely cause of it.
local function run_round()
  local world = new_world()
  local ok, err = xpcall(world.run, function(e) return debug.traceback(tostring(e), 2) end, world)
  local violation, counts = histories.check(world:sources(), world.events)
  world:close()
  assert(not violation, violation)
  assert(ok, err)
  return counts, world.log_size
end

describe("the history of a consumer with two workers", function()
  it("is ordered and complete, has no repetitions, and can be resumed", function()
    io.write(("histories: SEED=%d ROUNDS=%d\n"):format(SEED, ROUNDS))
    local sums, batches = {}, 0
    for round = 1, ROUNDS do
      math.randomseed(SEED, round)
      local ok, counts, size = xpcall(run_round, debug.traceback)
      if not ok then
        error(("SEED=%d, round %d: %s"):format(SEED, round, tostring(counts)), 0)
      end
      for how, count in pairs(counts) do sums[how] = (sums[how] or 0) + count end
      batches = batches + size
    end
    assert.is_true((sums.handled or 0) > 0, "no record was handled")
    io.write(("histories: %d handled in %d batches, %d dead letters, %d discarded, %d skipped\n")
      :format(sums.handled or 0, batches, sums.dead or 0, sums.discarded or 0, sums.skipped or 0))
  end)
end)

-- The checker ------------------------------------------------------------------------

local sources = {
  { sequence = 1, key = "a" }, { sequence = 2, key = "b" }, { sequence = 3, key = "a" },
  { sequence = 4, key = "b", is_ignored = true },
}

local function observed(position, commits, parked, dead, paused, queued)
  return { kind = "observe", position = position, commits = commits or {}, parked = parked or {},
    dead = dead or {}, paused = paused or false, queued = queued or {} }
end

local function delivered(...) return { kind = "deliver", worker = "a", records = { ... } } end

local begin, tick = { kind = "begin", worker = "a" }, { kind = "tick" }
local change = { kind = "change", worker = "b" }

--- Histories whose last event is a violation, and its message.
local wrong = {
  { "3 is delivered before 1 of the same key", begin, delivered(3) },
  { "1 is delivered twice in a batch", begin, delivered(1, 1) },
  { "4 is delivered, which is ignored", begin, delivered(4) },
  { "9 is delivered, which is in no source", begin, delivered(9) },
  { "a batch without records is delivered", begin, delivered() },
  { "1 is delivered, but it is handled", begin, delivered(1), observed(1, { { 1 } }), begin,
    delivered(1) },
  { "1 is delivered, but it is parked", begin, observed(1, nil, { false }), delivered(1) },
  { "3 is delivered before 1 of the same key", begin, observed(2, { { 2 } }, { false }),
    delivered(3) },
  { "1 is delivered while the consumer is paused", observed(0, nil, nil, nil, true), begin,
    delivered(1) },
  { "1 is delivered, but it is handled", begin, change, observed(1, { { 1 } }), tick, begin,
    delivered(1) },
  { "1 is handled, but it is handled", observed(1, { { 1 } }), observed(2, { { 1, 2 } }) },
  { "3 is handled before 1 of the same key", observed(3, { { 2, 3 } }) },
  { "2 is lost: the position is 2", observed(2, { { 1 } }) },
  { "2 would be repeated: it is handled, and the position is 1", observed(1, { { 1 }, { 2 } }) },
  { "the position decreased from 2 to 1 without a command", observed(2, { { 1, 2 } }),
    observed(1) },
  { "1 is no longer parked, but not settled", observed(1, nil, { false }), observed(1) },
  { "1 is parked, but it is handled", observed(1, { { 1 } }), observed(1, nil, { false }) },
  { "4 is parked, but the consumer does not read it", observed(0, nil, { [4] = false }) },
  { "3 is parked because of its key, but no earlier record is parked",
    observed(3, { { 1, 2 } }, { [3] = false }, nil, false, { [3] = true }) },
  { "1 is a dead letter, but it is handled", observed(1, { { 1 } }), observed(1, nil, nil, { 1 }) },
  { "1 is discarded, but it is not parked", { kind = "discard", records = { 1 } } },
  { "3 is not settled at the end", observed(2, { { 1, 2 } }), { kind = "end" } },
  { "1 is parked at the end", observed(3, { { 2 } }, { false, [3] = false }), { kind = "end" } },
}

--- Correct histories.
local right = {
  { begin, delivered(1, 2, 3), observed(3, { { 1, 2, 3 } }), { kind = "end" } },
  -- A worker that has lost the consumer may deliver records that another one has handled.
  { begin, change, observed(1, { { 1 } }), delivered(1), begin, delivered(1), observed(1) },
  { begin, change, begin, tick, change, observed(1, { { 1 } }), begin, delivered(1) },
  { observed(3, { { 2 } }, { true, [3] = true }), begin, delivered(1, 3),
    observed(3, { { 1, 3 } }), { kind = "end" } },
  { observed(2, { { 1, 2 } }), { kind = "seek", position = 0 }, observed(0), begin, delivered(1),
    observed(1, { { 1 } }) },
  { { kind = "seek", position = 2 }, observed(2), observed(3, { { 3 } }), { kind = "end" } },
  { observed(1, nil, { false }), { kind = "discard", records = { 1 } }, observed(3, { { 2, 3 } }),
    { kind = "end" } },
  { observed(2, { { 2 } }, nil, { 1 }), begin, delivered(3), observed(4, { { 3 } }),
    { kind = "end" } },
}

describe("the checker of histories", function()
  for _, case in ipairs(wrong) do
    it("finds that " .. case[1], function()
      local events = table.move(case, 2, #case, 1, {})
      assert.equal(("event %d, %s: %s"):format(#events, events[#events].kind, case[1]),
        (histories.check(sources, events)))
    end)
  end

  it("accepts correct histories", function()
    for i, events in ipairs(right) do
      assert.is_nil((histories.check(sources, events)), i)
    end
  end)
end)
