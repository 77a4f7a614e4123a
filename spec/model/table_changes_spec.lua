-- table_changes_spec.lua - applies the changes of tables to another database, step by step.
--
--   make spec SPEC=spec/model/table_changes_spec.lua ROUNDS=1000 SEED=n
--
-- Tables are created, altered, truncated and deleted at random, while items change, the clock
-- advances and consumers hold records. After each step the new records are applied to a copy, which
-- must then have the same tables with the same definitions, and the same items in the tables whose
-- streams have always had new images. No change of a table may be removed while it is younger than
-- a day, or while an older record or a hold needs it; a sweep removes all others.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local function number_of(name) return math.tointeger(tonumber(os.getenv(name))) end

local ROUNDS = number_of "ROUNDS" or (number_of "STEPS" or 3000) // 250
local SEED = number_of "SEED" or os.time()
local STEPS = 250
local DAY = 86400
local NAMES = { "red", "green", "blue", "black" }
local VIEWS = { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "NEW_IMAGE",
  "NEW_AND_OLD_IMAGES" }
local TTLS = { "t1", "t2" }

local random = math.random

local function one_of(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

local clock, db, copy
local ids            -- name -> id of the source's table, in the copy
local followed       -- table id -> true: its items can be followed since it was created
local read_to        -- sequence number of the last record that was applied
local changes        -- all changes of tables: { sequence =, at =, is_removed = }

-- Steps ------------------------------------------------------------------------

local function random_stream()
  if chance(25) then return false end
  return {
    view_type = one_of(VIEWS),
    retention = { age = one_of { 60, 3600, DAY, 3 * DAY },
      count = chance(30) and random(9) or nil },
    hold = chance(30) and { age = random(5) * DAY, bytes = 100000 } or nil,
  }
end

local function existing()
  local names = assert(db:list_tables())
  return #names > 0 and assert(db:table(one_of(names))) or nil
end

local steps = {}

function steps.create()
  db:create_table { name = one_of(NAMES), partition_key = { "id", one_of { "S", "N" } },
    sort_key = chance(30) and { "n", "N" } or nil, ttl = chance(30) and one_of(TTLS) or nil,
    stream = random_stream() }
end

function steps.delete()
  if chance(40) then db:delete_table(one_of(NAMES)) end
end

function steps.alter()
  local t = existing()
  if not t then return end
  local change = {}
  if chance(50) then change.ttl = chance(30) and "none" or one_of(TTLS) end
  if change.ttl == "none" then change.ttl = false end
  if chance(60) or change.ttl == nil then change.stream = random_stream() end
  assert(t:alter(change))
end

function steps.truncate()
  local t = existing()
  if t and chance(50) then assert(t:truncate()) end
end

local function random_item(about)
  local n = random(8)
  return { id = about.partition_key[2] == "N" and n or tostring(n),
    n = about.sort_key and random(2) or nil, v = random(1000) }
end

--- Writes an item, in a transaction if `tx` is given.
local function write(name, tx)
  local t = assert(db:table(name))
  local item = random_item(t:describe())
  t = tx and tx:table(name) or t
  if chance(70) then
    assert(t:put(item))
  else
    assert(t:delete { id = item.id, n = item.n })
  end
end

function steps.write()
  local t = existing()
  if t then write(t.name) end
end

function steps.transact()
  local names = assert(db:list_tables())
  if #names == 0 then return end
  assert(db:transact(function(tx)
    for _ = 1, random(4) do write(one_of(names), tx) end
  end))
end

function steps.pass()
  clock:advance(one_of { 10, 600, 3600, 6 * 3600, DAY })
end

function steps.sweep() assert(db:sweep()) end

function steps.hold()
  local consumer = db:consumer("holds", { source = "*", hold = true, hold_limit = 1000 * DAY })
  local last = db:info().sequence_number
  if chance(20) then
    assert(consumer:delete())
  elseif chance(70) then
    assert(consumer:seek { after = random(math.max(last - 20, 0), last) })
  end
  consumer:close()
end

local weights = { create = 4, delete = 3, alter = 5, truncate = 2, write = 10, transact = 4,
  pass = 4, sweep = 2, hold = 2 }
local lot = {}
for name, weight in pairs(weights) do
  for _ = 1, weight do lot[#lot + 1] = name end
end
table.sort(lot)

-- The copy ----------------------------------------------------------------------

local applied = {}

function applied.CREATE_TABLE(record)
  assert.is_nil(ids[record.table_name])
  assert(copy:create_table(record.definition))
  ids[record.table_name] = record.table_id
  local view = record.view_type
  followed[record.table_id] = view == "NEW_IMAGE" or view == "NEW_AND_OLD_IMAGES" or nil
end

function applied.DELETE_TABLE(record)
  assert.equal(ids[record.table_name], record.table_id)
  assert(copy:delete_table(record.table_name))
  ids[record.table_name], followed[record.table_id] = nil, nil
end

function applied.ALTER_TABLE(record)
  assert.equal(ids[record.table_name], record.table_id)
  local t = assert(copy:table(record.table_name))
  assert.same(t:definition(), record.old_definition)
  local definition = record.definition
  assert(t:alter { ttl = definition.ttl or false, stream = definition.stream or false })
  local view = record.view_type
  if view ~= "NEW_IMAGE" and view ~= "NEW_AND_OLD_IMAGES" then followed[record.table_id] = nil end
end

-- Its REMOVE records remove the items.
function applied.TRUNCATE_TABLE(record)
  assert.equal(ids[record.table_name], record.table_id)
  assert.same(copy:table(record.table_name):definition(), record.definition)
end

local function apply_item(record)
  if ids[record.table_name] ~= record.table_id or not followed[record.table_id] then return end
  local t = assert(copy:table(record.table_name))
  if record.new_image then
    assert(t:put(record.new_image))
  else
    assert(t:delete(record.keys))
  end
end

local function items_of(t)
  local list = helper.collect(t:scan())
  return list
end

--- Applies the new records, and compares the copy.
local function follow()
  for record in db:stream():records { after = read_to, tables = true } do
    if record.definition then
      changes[#changes + 1] = { sequence = record.sequence_number, at = clock:now() }
      applied[record.event_name](record)
    else
      apply_item(record)
    end
    read_to = record.sequence_number
  end
  assert.same(db:list_tables(), copy:list_tables())
  for _, name in ipairs(assert(db:list_tables())) do
    local t, copied = assert(db:table(name)), assert(copy:table(name))
    assert.equal(t:describe().id, ids[name])
    assert.same(t:definition(), copied:definition())
    if followed[ids[name]] then assert.same(items_of(t), items_of(copied)) end
  end
end

-- Retention -----------------------------------------------------------------------

--- Returns the sequence number after which the consumer holds all records; math.huge: none.
local function held_after()
  local names = assert(db:list_consumers())
  if #names == 0 then return math.huge end
  local consumer = assert(db:consumer "holds")
  local position = consumer:describe().position
  consumer:close()
  return position
end

--- Returns the lowest sequence number of a visible record of an item; math.huge: there is none.
local function oldest_record()
  local record = helper.first(db:stream():records())
  return record and record.sequence_number or math.huge
end

local function is_needed(change, oldest, held)
  return clock:now() - change.at < DAY or oldest < change.sequence or held < change.sequence
end

local function check_retention(is_swept)
  local visible = {}
  for record in db:stream():records { tables = true } do
    if record.definition then visible[record.sequence_number] = true end
  end
  local oldest, held, is_kept = oldest_record(), held_after(), false
  for _, change in ipairs(changes) do
    local is_visible = visible[change.sequence] or false
    assert.is_false(is_visible and change.is_removed or false)
    if not is_visible and not change.is_removed then
      assert.is_false(is_needed(change, oldest, held), "removed too early: " .. change.sequence)
      change.is_removed = true
    end
    assert.is_true(is_visible or not is_kept, "not the oldest: " .. change.sequence)
    is_kept = is_visible
    if is_swept and is_visible then
      assert.is_true(is_needed(change, oldest, held), "not removed: " .. change.sequence)
    end
  end
end

local function round(number)
  clock = tidetable.manual_clock(1700000000)
  db = assert(tidetable.open(":memory:", { clock = clock }))
  copy = assert(tidetable.open(":memory:", { clock = clock }))
  ids, followed, read_to, changes = {}, {}, 0, {}
  for step = 1, STEPS do
    local name = one_of(lot)
    local ok, err = xpcall(function()
      steps[name]()
      follow()
      check_retention(name == "sweep")
      if step % 50 == 0 then assert.same({}, assert(db:check()).problems) end
    end, debug.traceback)
    if not ok then
      error(("SEED=%d, round %d, step %d (%s): %s"):format(SEED, number, step, name, tostring(err)),
        0)
    end
  end
  copy:close()
  db:close()
end

describe("changes of tables", function()
  it("give the same tables when they are applied, and stay while they are needed", function()
    print(("changes of tables: SEED=%d ROUNDS=%d"):format(SEED, ROUNDS))
    math.randomseed(SEED)
    for number = 1, ROUNDS do round(number) end
  end)
end)
