-- hold_spec.lua - compares retention with consumer holds with a simple model.
--
--   make spec SPEC=spec/model/hold_spec.lua ROUNDS=1000 SEED=n
--
-- Writers, consumers, holds, caps and the clock change at random. After each step the model
-- computes the expired records of each stream: those that had expired before, and those beyond a
-- limit that are not held or are also beyond a cap. The stream must contain exactly the others.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local function number_of(name) return math.tointeger(tonumber(os.getenv(name))) end

local ROUNDS = number_of "ROUNDS" or (number_of "STEPS" or 3000) // 250
local SEED = number_of "SEED" or os.time()
local STEPS = 250
local START = 1700000000
local TABLES = { "red", "green", "blue" }
local NAMES = { "a", "b", "c", "d" }
local PADS = { 1, 50, 200 }

local random = math.random

local function one_of(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end
local function random_ms(least, most) return random(least * 1000, most * 1000) end

--- Size of a record for retention, by the length of its padding.
local record_bytes = {}

local function measure()
  local db <close> = assert(tidetable.open ":memory:")
  local t = assert(db:create_table { name = "red", partition_key = "id", stream = true })
  local before = 0
  for i, pad in ipairs(PADS) do
    assert(t:put { id = ("%08d"):format(i), pad = ("x"):rep(pad) })
    local bytes = assert(t:stream()):describe().bytes
    record_bytes[pad], before = bytes - before, bytes
  end
end

-- The model ------------------------------------------------------------------

-- tables: name -> its enabled stream, or false; nil: no table. newest: name -> newest stream.
-- streams: all. consumers: name -> consumer. All times are in ms.
local world

--- Returns true if a limit is exceeded for record i.
local function exceeds(stream, i, age, bytes, count)
  local record, head = stream.records[i], stream.records[#stream.records]
  if world.now - record.ms >= age then return true end
  if record.tx == head.tx then return false end
  return count and #stream.records - i >= count
    or bytes and head.total - record.total + record.bytes > bytes or false
end

local function sources(consumer)
  return consumer.streams or world.streams
end

local function reads(consumer, stream)
  for _, other in ipairs(sources(consumer)) do
    if other == stream then return true end
  end
  return false
end

--- Returns the time since which the consumer has unread records in the stream; nil if it has none.
local function waiting_since(consumer, stream)
  local after = math.max(consumer.position, consumer.base[stream] or 0)
  for _, record in ipairs(stream.records) do
    if record.seq > after then return math.max(record.ms, consumer.moved) end
  end
end

local function is_released(consumer, stream)
  local since = waiting_since(consumer, stream)
  return since and world.now - since > consumer.limit
end

local function is_held(stream, seq)
  for _, consumer in pairs(world.consumers) do
    if consumer.limit and reads(consumer, stream) and consumer.position < seq
        and not is_released(consumer, stream) then
      return true
    end
  end
  return false
end

--- Sets stream.hidden, the newest expired record. The records of a transaction expire together.
local function settle_stream(stream)
  local limits, caps, last = stream.retention, stream.hold, nil
  for i, record in ipairs(stream.records) do
    if record.seq > stream.hidden then
      local expired = exceeds(stream, i, limits.age, limits.bytes, limits.count)
        and (not is_held(stream, record.seq) or exceeds(stream, i, caps.age, caps.bytes))
      if not expired then
        last = record.tx
        break
      end
    end
  end
  for _, record in ipairs(stream.records) do
    if record.tx == last then return end
    stream.hidden = math.max(stream.hidden, record.seq)
  end
end

local function settle()
  for _, stream in ipairs(world.streams) do settle_stream(stream) end
end

--- Returns the visible records of the streams after a position, in order.
local function visible_after(streams, position)
  local found = {}
  for _, stream in ipairs(streams) do
    for _, record in ipairs(stream.records) do
      if record.seq > stream.hidden and record.seq > position then
        found[#found + 1] = record.seq
      end
    end
  end
  table.sort(found)
  return found
end

--- Returns true if unread records of the consumer's source have expired.
local function has_lost(consumer)
  for _, stream in ipairs(sources(consumer)) do
    if stream.hidden > math.max(consumer.position, consumer.floors[stream] or 0) then
      return true
    end
  end
  return false
end

-- Steps ----------------------------------------------------------------------

local function open()
  return assert(tidetable.open(world.path, { durability = "none" }))
end

local function handle() return one_of(world.handles) end

local function last_sequence()
  return assert(handle():info()).sequence_number
end

local function random_retention()
  return { age = random_ms(1, 60), bytes = chance(30) and random(300, 2000) or nil,
    count = chance(40) and random(2, 20) or nil }
end

local function random_caps()
  return { age = random_ms(20, 200), bytes = random(500, 6000) }
end

local function in_seconds(limits)
  return { age = limits.age / 1000, bytes = limits.bytes, count = limits.count }
end

local function new_stream(name)
  local stream = { name = name, records = {}, hidden = 0, retention = random_retention(),
    hold = random_caps() }
  return stream, { retention = in_seconds(stream.retention), hold = in_seconds(stream.hold) }
end

local function note_stream(stream)
  local name = stream.name
  stream.label = assert(assert(handle():table(name)):stream()).label
  world.tables[name], world.newest[name] = stream, stream
  world.streams[#world.streams + 1] = stream
end

--- Sets the position of a consumer in the model.
local function place(consumer, from, at)
  settle()
  consumer.moved, consumer.base, consumer.floors = world.now, {}, {}
  for _, stream in ipairs(world.streams) do consumer.base[stream] = stream.hidden end
  if from == "LATEST" then
    consumer.position = world.last
  elseif from == "TRIM_HORIZON" then
    consumer.position = world.last
    for _, stream in ipairs(sources(consumer)) do
      local newest = stream.records[#stream.records]
      consumer.floors[stream] = stream.hidden
      if newest and stream.hidden < newest.seq then
        consumer.position = math.min(consumer.position, stream.hidden)
      end
    end
  else
    consumer.position = at
  end
end

local function random_position()
  local from = one_of { "TRIM_HORIZON", "LATEST", "after" }
  if from ~= "after" then return from, nil, { from = from } end
  local at = random(0, world.last)
  return from, at, { after = at }
end

local function own_option(consumer)
  return { source = consumer.source, batch_size = consumer.size, hold = consumer.limit ~= nil,
    hold_limit = (consumer.limit or 86400000) / 1000 }
end

local steps = {}

function steps.put()
  local tables, count = {}, random(4)
  for name in pairs(world.tables) do tables[#tables + 1] = name end
  if #tables == 0 then return end
  table.sort(tables)
  world.last = last_sequence()
  local first = world.last + 1
  assert(handle():transact(function(tx)
    for _ = 1, count do
      local name, pad = one_of(tables), one_of(PADS)
      world.id = world.id + 1
      tx:table(name):put { id = ("%08d"):format(world.id), pad = ("x"):rep(pad) }
      world.last = world.last + 1
      local stream = world.tables[name]
      if stream then
        local before = stream.records[#stream.records]
        stream.records[#stream.records + 1] = { seq = world.last, tx = first, ms = world.now,
          bytes = record_bytes[pad], total = (before and before.total or 0) + record_bytes[pad] }
      end
    end
    return true
  end))
end

steps.put_more = steps.put

function steps.advance()
  local ms = chance(70) and random(1, 5000) or random_ms(1, 90)
  world.clock:advance(ms / 1000)
  world.now = world.now + ms
end

steps.advance_more = steps.advance

function steps.create_table()
  local name = one_of(TABLES)
  if world.tables[name] ~= nil then return end
  local stream, settings = new_stream(name)
  assert(handle():create_table { name = name, partition_key = "id", stream = settings })
  note_stream(stream)
end

function steps.delete_table()
  local name = one_of(TABLES)
  if world.tables[name] == nil or chance(70) then return end
  local stream = world.tables[name]
  assert(handle():delete_table(name))
  if stream then stream.disabled = world.now end
  world.tables[name], world.newest[name] = nil, nil
end

function steps.disable_or_enable()
  local name = one_of(TABLES)
  if world.tables[name] == nil or chance(60) then return end
  local t = assert(handle():table(name))
  if world.tables[name] then
    assert(t:disable_stream())
    world.tables[name].disabled = world.now
    world.tables[name] = false
  else
    local stream, settings = new_stream(name)
    assert(t:enable_stream(settings))
    note_stream(stream)
  end
end

function steps.set_retention()
  local stream = world.tables[one_of(TABLES)]
  if not stream then return end
  stream.retention = random_retention()
  local caps = chance(50) and random_caps() or nil
  stream.hold = caps or stream.hold
  local t = assert(handle():table(stream.name))
  assert(assert(t:stream()):set_retention(in_seconds(stream.retention), caps and in_seconds(caps)))
end

function steps.create_consumer()
  local name, source = one_of(NAMES), chance(40) and "*" or one_of(TABLES)
  if world.consumers[name] or source ~= "*" and not world.tables[source] then return end
  world.last = last_sequence()
  local from, at, opts = random_position()
  local consumer = { source = source, size = random(5), position = 0,
    limit = chance(70) and random_ms(1, 120) or nil,
    streams = source ~= "*" and { world.tables[source] } or nil }
  place(consumer, from, at)
  for option, value in pairs(own_option(consumer)) do opts[option] = value end
  assert(handle():consumer(name, opts))
  world.consumers[name] = consumer
end

steps.create_consumer_more = steps.create_consumer

function steps.delete_consumer()
  local name = one_of(NAMES)
  if not world.consumers[name] or chance(70) then return end
  assert(assert(handle():consumer(name)):delete())
  world.consumers[name] = nil
end

function steps.seek()
  local name = one_of(NAMES)
  local consumer = world.consumers[name]
  if not consumer or chance(50) then return end
  world.last = last_sequence()
  local from, at, opts = random_position()
  local ok, _, code = assert(handle():consumer(name)):seek(opts)
  if not ok then
    assert.equal("NOT_FOUND", code)     -- its stream was removed
    assert.is_true(consumer.streams[1].disabled ~= nil)
    return
  end
  place(consumer, from, at)
end

function steps.set_hold()
  local name = one_of(NAMES)
  local consumer = world.consumers[name]
  if not consumer or chance(40) or consumer.streams and consumer.streams[1].disabled then
    return
  end
  local before = consumer.limit
  consumer.limit = chance(70) and random_ms(1, 120) or nil
  local opts = own_option(consumer)
  opts.update = true
  assert(handle():consumer(name, opts))
  if consumer.limit ~= before then
    consumer.moved = world.now
    for _, stream in ipairs(world.streams) do consumer.base[stream] = stream.hidden end
  end
end

function steps.step()
  local name = one_of(NAMES)
  local consumer = world.consumers[name]
  if not consumer then return end
  local object <close> = assert(handle():consumer(name))
  local expected = visible_after(sources(consumer), consumer.position)
  local given = {}
  local count, _, code = object:step(function(records)
    given = {}
    for i, record in ipairs(records) do given[i] = record.sequence_number end
  end)
  if not count then
    local stream = consumer.streams and consumer.streams[1]
    assert.is_true(code == "TRIMMED" and has_lost(consumer)
      or stream and stream.disabled and (code == "STREAM_GAP" or code == "SOURCE_GONE"), code)
    return
  end
  if count == 0 then
    assert.equal(0, #expected)
    return
  end
  assert.is_false(has_lost(consumer))
  assert.same(table.move(expected, 1, consumer.size, 1, {}), given)
  consumer.position, consumer.moved = given[#given], world.now
end

steps.step_more = steps.step

function steps.sweep()
  assert(handle():sweep())
end

function steps.reopen()
  local i = random(#world.handles)
  world.handles[i]:close()
  world.handles[i] = open()
end

-- Comparing ------------------------------------------------------------------

local function check_stream(stream)
  local found, _, code = handle():stream { table = stream.name, label = stream.label }
  local about
  if found then about, _, code = found:describe() end
  local expected = visible_after({ stream }, 0)
  if not about then
    assert.equal("NOT_FOUND", code)
    assert.is_true(stream.disabled ~= nil and #expected == 0)
    stream.is_gone = true
    return
  end
  assert.same({ #expected, expected[1] }, { about.count, about.first_sequence_number })
end

local function hold_of(consumer)
  if not consumer.limit then return "none" end
  for _, stream in ipairs(sources(consumer)) do
    if not stream.is_gone and is_released(consumer, stream) then return "released" end
  end
  return "holds"
end

local function check_lags()
  for _, lag in ipairs(assert(handle():list_consumers { lag = true })) do
    local consumer = world.consumers[lag.name]
    assert.equal(#visible_after(sources(consumer), consumer.position), lag.records)
    assert.equal(hold_of(consumer), lag.hold)
  end
end

local function check()
  settle()
  for _, stream in ipairs(world.streams) do
    if not stream.is_gone then check_stream(stream) end
  end
  check_lags()
end

local function run(seed)
  math.randomseed(seed)
  local clock = helper.clock(START)
  world = { clock = clock, now = START * 1000, path = helper.path(("%d.tide"):format(seed)),
    tables = {}, newest = {}, streams = {}, consumers = {}, id = 0, last = 0, handles = {} }
  world.handles = { open(), open() }
  local names = {}
  for name in pairs(steps) do names[#names + 1] = name end
  table.sort(names)
  for _ = 1, STEPS do
    settle()
    local name = one_of(names)
    world.trace = name
    steps[name]()
    check()
  end
  local report = assert(world.handles[1]:check())
  assert.same({}, report.problems)
  for _, db in ipairs(world.handles) do db:close() end
  clock:close()
end

describe("retention with holds", function()
  helper.setup(before_each, after_each)

  it("keeps exactly the records that are held below the caps or within the limits", function()
    measure()
    for round = 0, ROUNDS - 1 do
      local ok, err = xpcall(run, function(err)
        return type(err) == "table" and err or debug.traceback(err)
      end, SEED + round)
      if not ok then
        io.stderr:write(("hold_spec: SEED=%d, step %s\n"):format(SEED + round,
          tostring(world.trace)))
        error(err, 0)
      end
    end
  end)
end)
