-- snapshot_spec.lua - a consumer that starts with a snapshot, with concurrent writes. Its handler
-- writes a mirror of the table, which must be equal to the table after the consumer has caught up.
--
--   SCHEDULES=1000 SEED=n busted spec/model/snapshot_spec.lua
--
-- A schedule is a random sequence of steps of the writer (put, update, delete, transaction, expiry,
-- truncation) and of the consumer (one small batch), with crashes, failed commits, failing
-- handlers, and commands that restart the copy. The writer and the consumer have different handles.
local core = require "tidetable.core"
local ignored = require "tidetable.consumer.ignored"
local readers = require "tidetable.stream.reader"
local testing = require "tidetable.testing"

local SCHEDULES = math.tointeger(tonumber(os.getenv("SCHEDULES"))) or 60
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local STEPS = 120

local function chance(percent) return math.random(100) <= percent end
local function one_of(list) return list[math.random(#list)] end

local long = ("x"):rep(600)
local partitions = { "a", "b", "c", ("p"):rep(140), ("p"):rep(139) .. "q" }
local sorts = { "", "1", "2", long, long .. "1", ("y"):rep(1000), "z" }

local function random_key()
  return { id = one_of(partitions), s = "s" .. one_of(sorts) }
end

local function name_of(table_name, key) return table_name .. "/" .. key.id .. "/" .. key.s end

--- Filters of the consumer, which select items by their keys, and the same test in Lua.
local filters = {
  { nil, nil, function() return true end },
  { "NOT begins_with(keys.s, ?)", "sx", function(key) return not key.s:find "^sx" end },
  { "keys.id = ?", "b", function(key) return key.id == "b" end },
  { "keys.s < ?", "s", function() return false end },
}

-- A world: the file, the writer's handle, and the consumer with its own handle ------------------

local World = {}
World.__index = World

local function new_world(page)
  local world = setmetatable({ page = page, next_value = 0, records = 0, items = 0, marks = {} },
    World)
  world.clock = testing.clock(1700000000)
  world.db = testing.database()
  for _, name in ipairs { "one", "two" } do
    assert(world.db:create_table { name = name, partition_key = "id", sort_key = "s",
      stream = true, ttl = "expires" })
  end
  assert(world.db:create_table { name = "other", partition_key = "id", stream = true })
  assert(world.db:create_table { name = "mirror", partition_key = "name" })
  world.source = one_of { "one", "*" }
  world.mode = one_of { "optimistic", "locked" }
  world.filter = one_of(filters)
  world:open_consumer()
  return world
end

--- Opens the consumer in a new handle.
function World:open_consumer()
  self.side = testing.handle(self.db)
  self.consumer = assert(self.side:consumer("mirror", {
    source = self.source, from = "SNAPSHOT", batch_size = 3, mode = self.mode, backoff = 0,
    on_trimmed = "snapshot", filter = self.filter[1], self.filter[2],
    on_snapshot = function(event, tx) self:mark(event, tx) end,
  }))
end

--- Simulates a crash of the consumer's process: the file still names it as the owner, but its slot
--- is free.
function World:drop()
  local worker = self.consumer.worker
  if worker and worker.slot then
    core.worker_leave(self.side.core, worker.slot)
  end
  self.side:close()
end

--- Simulates a crash and a restart of the consumer's process.
function World:crash()
  self:drop()
  self:open_consumer()
end

--- Simulates a restart of all processes, which a commit with an unknown outcome requires.
function World:restart()
  self:drop()
  self.db = testing.reopen(self.db)
  self:open_consumer()
end

function World:close()
  self.side:close()
  self.db:close()
  self.clock:close()
end

-- The handler: its writes are in the file, so those of failed attempts are rolled back ------------

function World:mark(event, tx)
  if event == "begin" then
    for row in tx:table "mirror":scan() do
      tx:table "mirror":delete { name = row.name }
    end
  end
  tx:table "mirror":put { name = "mark", event = event }
  if self.fails then
    error "on purpose"
  end
end

--- Writes a record to the mirror. Checks that sequence numbers of a key increase strictly: each
--- item and each change is delivered once and in order.
local function apply(record, tx)
  local mirror = tx:table "mirror"
  local name = name_of(record.table_name, record.keys)
  local old = mirror:get { name = name }
  if old and old.sequence >= record.sequence_number then
    error(("record %d after %d"):format(record.sequence_number, old.sequence))
  elseif record.is_snapshot then
    assert(not old, "an item was delivered twice, or after a change of it")
    assert(record.event_name == "INSERT" and record.old_image == nil)
  end
  mirror:put { name = name, sequence = record.sequence_number, item = record.new_image }
end

function World:handle(records, tx)
  for _, record in ipairs(records) do
    assert(self.filter[3](record.keys), "a record was not ignored")
    if record.table_name == "one" or record.table_name == "two" then
      apply(record, tx)
    end
  end
  if self.fails then
    error "on purpose"
  end
end

local expected = { BATCH_FAILED = true, DISK_FULL = true }

function World:step()
  self.fails = chance(8)
  local fault <close> = chance(5) and testing.fail_at("after_commit", 1, "UNKNOWN_OUTCOME")
    or chance(5) and testing.fail_at("before_commit", 1, "DISK_FULL") or nil
  local count, err, code = self.consumer:step(function(records, tx)
    return self:handle(records, tx)
  end)
  if fault then
    fault:close()
  end
  if code == "UNKNOWN_OUTCOME" then
    self:restart()
  elseif not count and not expected[code] then
    error(err, 0)
  elseif code == "BATCH_FAILED" and not tostring(err.reason):find("on purpose", 1, true)
      and not tostring(err.reason):find("fault", 1, true) then
    error(err.reason, 0)
  end
  return count
end

-- The writer ---------------------------------------------------------------------

function World:value()
  self.next_value = self.next_value + 1
  return self.next_value
end

function World:write(tables)
  local name, key = one_of { "one", "two" }, random_key()
  local target, kind = assert(tables:table(name)), math.random(10)
  if kind <= 5 then
    key.v = self:value()
    key.expires = chance(30) and math.floor(self.clock:now()) + math.random(60) or nil
    assert(target:put(key))
  elseif kind <= 7 then
    assert(target:update(key, "SET v = ?", { self:value() }))
  else
    assert(target:delete(key))
  end
end

--- Removes expired items.
function World:remove_expired()
  local ok, err, more
  repeat
    ok, err, more = core.sweep(self.db.core)
    assert(ok, err)
  until more ~= true
end

local writers = {
  function(world) world:write(world.db) end,
  function(world)
    for _ = 1, math.random(20) do world:write(world.db) end
  end,
  function(world)
    local made, count = world.next_value, math.random(6)
    assert(world.db:transact(function(tx)
      world.next_value = made
      for _ = 1, count do world:write(tx) end
    end))
  end,
  function(world)
    world.clock:advance(math.random(40))
    if chance(50) then world:remove_expired() end
  end,
  function(world)
    if chance(10) then assert(world.db:table(one_of { "one", "two" }):truncate()) end
  end,
}

--- Calls step until no record is left. A step that detects the loss of the consumer also returns 0.
function World:drain()
  local zeros, left = 0, 10000
  self.fails = false
  while zeros < 2 do
    local count = assert(self.consumer:step(function(...) return self:handle(...) end))
    zeros, left = count == 0 and zeros + 1 or 0, left - 1
    assert(left > 0, "the consumer does not catch up")
  end
end

-- Comparing ------------------------------------------------------------------------

local function shown(item)
  return item and ("%s until %s"):format(item.v, item.expires) or "none"
end

--- Compares the mirror with the items.
function World:compare()
  self:remove_expired()
  self:drain()
  local items, rows = {}, {}
  for _, name in ipairs { "one", self.source == "*" and "two" or nil } do
    for item in self.db:table(name):scan() do
      items[name_of(name, item)] = self.filter[3](item) and item or nil
    end
  end
  for row in self.db:table "mirror":scan() do
    if row.name ~= "mark" then rows[row.name] = row.item end
  end
  for name, item in pairs(items) do assert.equal(shown(item), shown(rows[name]), name) end
  for name, row in pairs(rows) do assert.equal(shown(items[name]), shown(row), name) end
end

--- Calls step until the consumer has caught up, and compares.
function World:catch_up()
  self:drain()
  assert.is_false(assert(self.consumer:describe()).is_copying)
  assert.equal("end", assert(self.db:table "mirror":get { name = "mark" }).event)
  self:compare()
end

function World:run()
  for _ = 1, math.random(0, 40) do self:write(self.db) end
  for _ = 1, STEPS do
    local kind = math.random(100)
    if kind <= 45 then
      one_of(writers)(self)
    elseif kind <= 93 then
      if self:step() == 0 and chance(20) then
        self:catch_up()
      end
    elseif kind <= 97 then
      self:crash()
    elseif kind <= 99 then
      assert(self.consumer:close() == nil)
    else
      assert(self.consumer:seek { from = "SNAPSHOT" })
    end
  end
  self:catch_up()
  for _ = 1, 10 do self:write(self.db) end
  self:catch_up()
end

describe("a consumer with from = SNAPSHOT", function()
  local of_consumer, seconds = assert(readers.of_consumer), assert(ignored.seconds)
  local page

  setup(function()
    readers.of_consumer = function(...)
      local reader, err, code = of_consumer(...)
      if reader then core.limit_page(reader.core, page) end
      return reader, err, code
    end
    ignored.seconds = function(worker)       -- the position is moved at random
      local left = seconds(worker)
      return left and (chance(30) and 0 or left)
    end
  end)
  teardown(function() readers.of_consumer, ignored.seconds = of_consumer, seconds end)

  it("mirrors its tables whenever it has caught up", function()
    print(("snapshots: SEED=%d SCHEDULES=%d"):format(SEED, SCHEDULES))
    for schedule = 1, SCHEDULES do
      math.randomseed(SEED, schedule)
      page = math.random(5)
      local world = new_world(page)
      local ok, err = xpcall(world.run, function(e) return debug.traceback(tostring(e), 2) end,
        world)
      local report = ok and assert(world.db:check())
      world:close()
      if not ok then
        error(("SEED=%d, schedule %d: %s"):format(SEED, schedule, err), 0)
      end
      assert.same({}, report.problems)
    end
  end)
end)

