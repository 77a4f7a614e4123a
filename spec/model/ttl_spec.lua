-- ttl_spec.lua - compares random steps on a table with time to live with a plain model.
--
--   make model STEPS=100000 SEED=n
--
-- The model holds the items that are stored, which it follows by the stream's records: so it need
-- not know when a writer sweeps, but checks that each record was right when it was written.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local STEPS = math.min(math.tointeger(tonumber(os.getenv("STEPS"))) or 1000, 50000)
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local START = 1700000000
local HOUR, YEAR = 3600, 365 * 24 * 3600
local LOOK_EVERY = 50

helper.setup(before_each, after_each)

local random = math.random

local function one_of(list) return list[random(#list)] end

local function chance(percent) return random(100) <= percent end

-- The world ------------------------------------------------------------------------

-- A step has the wall clock `now` and `trusted`, the latest time that the expiry clock can have.

local world

local function open()
  local options = { clock = world.clock, durability = "none" }
  local db = assert(tidetable.open(world.path, options))
  world.handles[#world.handles + 1] = { db = db, t = assert(db:table("items")) }
end

local function handle() return one_of(world.handles) end

--- Returns true if the item is expired at a time, by the rule of doc/format.md, "Time to live".
local function is_expired(item, time)
  local seconds = world.ttl and item and item[world.ttl]
  if math.type(seconds) == nil then return false end
  local ms = math.floor(seconds * 1000)
  return ms >= 1 and ms < 1 << 48 and ms < time * 1000 and ms > (time - 5 * YEAR) * 1000
end

--- Returns the stored item if it is not expired.
local function visible(id)
  local item = world.stored[id]
  return not is_expired(item, world.now()) and item or nil
end

local function visible_ids()
  local ids = {}
  for id in pairs(world.stored) do
    if visible(id) then ids[#ids + 1] = id end
  end
  table.sort(ids)
  return ids
end

local function same_item(expected, actual, what)
  if not tidetable.equal(expected, actual) then
    error(("%s: expected %s, got %s"):format(what, tostring(expected and expected.n),
      tostring(actual and actual.n)), 2)
  end
end

-- Records --------------------------------------------------------------------------

local function is_ttl(record) return record.user_identity ~= nil end

--- Checks a record against the stored items, and applies it to them.
local function apply(record)
  local id, before = record.keys.id, world.stored[record.keys.id]
  assert.equal(before and (record.new_image and "MODIFY" or "REMOVE") or "INSERT",
    record.event_name)
  same_item(before, record.old_image, "old image of " .. id)
  if is_ttl(record) then
    assert.equal("Service", record.user_identity.type)
    assert.equal("dynamodb.amazonaws.com", record.user_identity.principal_id)
    assert.equal("REMOVE", record.event_name)
    assert.is_true(is_expired(before, world.now()), id .. " is not expired")
    world.removed = world.removed + 1
  end
  world.stored[id] = record.new_image
end

--- Reads the records since the last call as transactions: lists of records.
local function new_transactions()
  local transactions, last = {}, nil
  for record in world.stream:records { after = world.position } do
    world.position = record.sequence_number
    if not last or last.id ~= record.transaction_id then
      last = { id = record.transaction_id }
      transactions[#transactions + 1] = last
    end
    last[#last + 1] = record
    assert.equal(#last, record.transaction_position)
  end
  for _, each in ipairs(transactions) do
    assert.equal(#each, each[1].transaction_count)
  end
  return transactions
end

--- Checks and applies the records of a step: first those of its own transaction, which are the
--- expected events ("id INSERT", "id TTL"), then sweeps.
local function follow(expected)
  local transactions, own = new_transactions(), {}
  if #expected > 0 then
    for _, record in ipairs(table.remove(transactions, 1) or {}) do
      own[#own + 1] = record.keys.id .. " " .. (is_ttl(record) and "TTL" or record.event_name)
      apply(record)
    end
  end
  assert.same(expected, own)
  for _, transaction in ipairs(transactions) do
    for _, record in ipairs(transaction) do
      assert.is_true(is_ttl(record), "a record of nobody")
      assert.is_true(is_expired(world.stored[record.keys.id], world.trusted()),
        "removed before the clock was trusted")
      apply(record)
    end
  end
end

-- Steps ----------------------------------------------------------------------------

local steps = {}

local function random_expiry()
  local now = world.now()
  return one_of {
    now - random(100), now - random(100), now + random(100), now + random(100),
    now + random() * 10, now - random() * 10, now + random(3 * HOUR), now - 6 * YEAR,
    now - 5 * YEAR + random(100) - 50, now * 1000, 0, -5, 0.0004, tostring(now - 10),
    (1 << 48) // 1000 + random(3) - 2,
  }
end

local function random_item()
  world.count = world.count + 1
  local item = { id = ("i%02d"):format(random(40)), n = world.count }
  if chance(80) then item.e1 = random_expiry() end
  if chance(30) then item.e2 = random_expiry() end
  if chance(3) then item.big = ("x"):rep(random(9000)) end
  return item
end

--- Returns the events of a write that leaves new_item: those of an expired item first.
local function events(id, new_item)
  local list, old = {}, world.stored[id]
  if is_expired(old, world.now()) then list, old = { id .. " TTL" }, nil end
  if new_item and not tidetable.equal(old, new_item) then
    list[#list + 1] = id .. (old and " MODIFY" or " INSERT")
  elseif old and not new_item then
    list[#list + 1] = id .. " REMOVE"
  end
  return list
end

function steps.put()
  local item = random_item()
  local expected, old = events(item.id, item), visible(item.id)
  local sequence, returned = handle().t:put(item, { return_values = "ALL_OLD" })
  assert(sequence, returned)
  same_item(old, returned, "put, old item")
  follow(expected)
end

function steps.put_if()
  local item, exists = random_item(), chance(50)
  local holds = (visible(item.id) ~= nil) == exists
  local expected = holds and events(item.id, item) or {}
  local sequence, _, code = handle().t:put(item,
    { condition = exists and "attribute_exists(id)" or "attribute_not_exists(id)" })
  assert.equal(holds, sequence ~= nil)
  assert.equal(not holds and "CONDITION_FAILED" or nil, code)
  follow(expected)
end

function steps.update()
  local id, by, expiry = ("i%02d"):format(random(40)), random(9), random_expiry()
  local old, new = visible(id), { id = id }
  for name, value in pairs(old or {}) do new[name] = value end
  new.c, new.e1 = (new.c or 0) + by, expiry
  local expected = events(id, new)
  local sequence, returned = handle().t:update({ id = id }, "SET e1 = ? ADD c ?",
    { expiry, by, return_values = "ALL_NEW" })
  assert(sequence, returned)
  same_item(new, returned, "update, new item")
  follow(expected)
end

function steps.delete()
  local id = ("i%02d"):format(random(40))
  local expected, old = events(id, nil), visible(id)
  local sequence, returned = handle().t:delete({ id = id }, { return_values = "ALL_OLD" })
  assert(sequence, returned)
  assert.equal(old == nil, sequence == 0)
  same_item(old, returned, "delete, old item")
  follow(expected)
end

function steps.get()
  local id = ("i%02d"):format(random(40))
  same_item(visible(id), (handle().t:get { id = id }), "get of " .. id)
end

local function same_scan(items, what)
  local ids = visible_ids()
  assert.equal(#ids, #items, what)
  for i, id in ipairs(ids) do same_item(world.stored[id], items[i], what) end
end

function steps.scan()
  same_scan(helper.collect(handle().t:scan { limit = chance(50) and 1000 or nil }), "scan")
end

function steps.pages()
  local t, all, start = handle().t, {}, nil
  local limit = random(9)
  repeat
    local items, last, scanned = t:scan_page { limit = limit, start_key = start }
    assert(items, last)
    assert.equal(#items, scanned)
    assert.is_true(#items <= limit)
    table.move(items, 1, #items, #all + 1, all)
    start = last
  until not start
  same_scan(all, "pages")
end

function steps.count()
  assert.equal(#visible_ids(), (handle().t:scan_page { count = true }))
end

--- Several writes in one transaction. Each sees those before it.
local function random_writes(t)
  local expected, mine = {}, {}
  for _ = 1, random(4) do
    local item = random_item()
    if mine[item.id] == nil then
      local deletes = chance(30)
      same_item(visible(item.id), t:get { id = item.id }, "get in a transaction")
      for _, event in ipairs(events(item.id, not deletes and item or nil)) do
        expected[#expected + 1] = event
      end
      if deletes then t:delete { id = item.id } else t:put(item) end
      mine[item.id] = deletes and 0 or item
    end
  end
  for id, item in pairs(mine) do
    local seen = item ~= 0 and not is_expired(item, world.now()) and item or nil
    same_item(seen, t:get { id = id }, "get of an own write")
  end
  return expected
end

function steps.transaction()
  local expected
  local ok, err = handle().db:transact(function(tx)
    expected = random_writes(tx:table "items")
  end, { mode = one_of { "locked", "optimistic" } })
  assert(ok, err)
  follow(expected)
end

--- An item that expires between the reads and the commit of a transaction is a conflict.
function steps.conflict()
  local id
  for each, item in pairs(world.stored) do
    local expiry = world.ttl and item[world.ttl]
    if visible(each) and math.type(expiry) and expiry > world.now()
        and expiry < world.now() + 200 then
      id = each
    end
  end
  if not id then return end
  local attempts, seen = 0, nil
  local expiry = world.stored[id][world.ttl]
  local ok, err = handle().db:transact(function(tx)
    attempts, seen = attempts + 1, tx:table "items":get { id = id }
    tx:table "items":put { id = "other", n = 0, attempts = attempts, at = world.count }
    if attempts == 1 then world.clock:advance(expiry - world.now() + 1) end
  end, { mode = "optimistic" })
  assert(ok, err)
  assert.equal(2, attempts)
  assert.is_nil(seen)
  follow(events("other", { id = "other", n = 0, attempts = 2, at = world.count }))
end

function steps.advance()
  world.clock:advance(one_of { 0.5, random(30), random(30), random(600) })
end

--- The wall clock is wrong for a while: sweeps remove only what the true time allows.
function steps.wrong_clock()
  local right = world.now()
  local wrong = right + one_of { 30 * 24 * HOUR, YEAR, 7 * YEAR, -HOUR, -YEAR }
  -- The last commit was less than an hour ago, so the expiry clock is at the true time.
  handle().t:put { id = "tick", n = right }
  follow(events("tick", { id = "tick", n = right }))
  world.wrong = { right = right, set_at = wrong }
  world.clock:set(wrong)
  for _ = 1, random(8) do
    steps[one_of { "put", "get", "scan", "sweep", "delete", "transaction" }]()
    world.clock:advance(random(60))
  end
  local passed = world.now() - wrong
  world.wrong = nil
  world.clock:set(right + passed)
  if wrong < right then   -- the return is a jump: it is confirmed an hour after it was seen
    steps.put()
    world.clock:advance(HOUR)
  end
end

function steps.sweep()
  local records, items = handle().db:sweep()
  assert(records, items)
  local before = world.removed
  follow {}
  assert.equal(items, world.removed - before)
  for id, item in pairs(world.stored) do
    assert.is_false(is_expired(item, world.trusted()) and is_expired(item, world.now()),
      ("%s is left: %s at %s, trusted %s"):format(id, item[world.ttl or ""], world.now(),
        world.trusted()))
  end
end

function steps.alter()
  local ttl = one_of { "e1", "e1", "e2", false }
  assert(handle().t:alter { ttl = ttl })
  follow {}
  world.ttl = ttl or nil
  assert.equal(world.ttl, handle().t:definition().ttl)
end

function steps.reopen()
  local i = random(#world.handles)
  table.remove(world.handles, i).db:close()
  open()
end

local kinds = {
  "put", "put", "put", "put_if", "update", "update", "delete", "get", "get", "scan", "pages",
  "count", "transaction", "transaction", "conflict", "advance", "advance", "wrong_clock", "sweep",
  "alter", "reopen",
}

local function set_up()
  world = {
    clock = tidetable.manual_clock(START), path = helper.path(), handles = {}, stored = {},
    count = 0, removed = 0, position = 0, ttl = "e1",
  }
  function world.now() return world.clock:now() end
  --- During a wrong clock, only the time that has passed is trusted. Setting it back is trusted at
  --- once, and then returning to the true time is a jump.
  function world.trusted()
    local wrong = world.wrong
    return wrong and math.min(wrong.right, wrong.set_at) + (world.now() - wrong.set_at)
      or world.now()
  end
  local db = helper.open({ clock = world.clock }, world.path)
  assert(db:create_table { name = "items", partition_key = "id", ttl = "e1", stream = true })
  world.stream = assert(db:table("items")):stream()
  world.observer = db
  open()
  open()
end

describe("a table with time to live and its model", function()
  it("agree after each of many steps", function()
    print(("ttl: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    set_up()
    for number = 1, STEPS do
      local name = one_of(kinds)
      local ok, err = xpcall(steps[name], function(e)
        return debug.traceback(type(e) == "table" and e.message or tostring(e), 2)
      end)
      if not ok then
        error(("SEED=%d, step %d, %s: %s"):format(SEED, number, name, err), 0)
      end
      if number % LOOK_EVERY == 0 then
        local report = assert(world.observer:check())
        assert.same({}, report.problems)
      end
    end
    assert.is_true(STEPS < 500 or world.removed > STEPS / 50)
    for _, each in ipairs(world.handles) do each.db:close() end
  end)
end)
