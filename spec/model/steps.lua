-- steps.lua - what the model test does at random: each step on the library and on the model.
local keys = require "spec.model.keys"
local reference = require "spec.model.reference"
local tidetable = require "tidetable"
local values = require "spec.model.values"
local World = require "spec.model.world"

local steps = {}
local random, same = math.random, World.same
local SECOND, MINUTE, HOUR = 1000, 60000, 3600000

local function pick(list)
  return list[random(#list)]
end

local function pick_table(world)
  local names = {}
  for name in pairs(world.model.tables) do
    names[#names + 1] = name
  end
  table.sort(names)
  return world.model.tables[pick(names)]
end

-- Items -----------------------------------------------------------------------------------------

local names = { "a", "b", "cc", "größe", "list", "z.z", "0" }

local function make_key(t, p, s)
  local attributes = { [t.partition[1]] = p }
  if t.sort then
    attributes[t.sort[1]] = s
  end
  local key = values.map(attributes)
  key.p, key.s = p, s
  return key
end

--- A key of the table's pools; mostly one that has been used. (Never by pairs: its order
--- differs from run to run, and a seed is to be repeatable.)
local function random_key(t)
  if #t.used > 0 and random(4) > 1 then
    return pick(t.used)
  end
  local key = make_key(t, pick(t.partitions), t.sort and pick(t.sorts))
  if not t.used[key.text] then
    t.used[#t.used + 1], t.used[key.text] = key, true
  end
  return key
end

local function big_text()
  local size = random(30) == 1 and random(100000, 330000) or random(1500, 12000)
  return values.string(("0123456789abcdef"):rep(size // 16) .. random(0))
end

local function random_item(t, key, small)
  local attributes = { [t.partition[1]] = key.p }
  if t.sort then
    attributes[t.sort[1]] = key.s
  end
  for _ = 1, random(0, 3) do
    attributes[pick(names)] = values.any()
  end
  if not small and random(25) == 1 then
    attributes.big = big_text()
  end
  local item = values.map(attributes)
  item.key, item.p, item.s = key, key.p, key.s
  return item
end

local function new_item(t, small)
  return random_item(t, random_key(t), small)
end

local function same_old(expected, old, what)
  same(expected and expected.text, old and values.freeze(old), what)
end

local function put(world, item, t, handle)
  local tx = world.model:begin(handle)
  local old = reference.change(tx, t, item.key, item)
  reference.commit(tx)
  local wants = random(2) == 1
  local ok, got = world.table(handle, t.name):put(item.lua,
    wants and { return_values = "ALL_OLD" } or nil)
  same(true, ok, "put: " .. tostring(got))
  same_old(wants and old or nil, got, "put's old item")
end

function steps.put(world)
  local t = pick_table(world)
  put(world, new_item(t), t, world:handle())
end

function steps.put_what_is_there(world)
  local t = pick_table(world)
  local item = t.items[random_key(t).text]
  if item then
    put(world, item, t, world:handle())
  end
end

function steps.delete(world)
  local t, handle = pick_table(world), world:handle()
  local key = random_key(t)
  local tx = world.model:begin(handle)
  local old = reference.change(tx, t, key, nil)
  reference.commit(tx)
  local ok, got = world.table(handle, t.name):delete(key.lua, { return_values = "ALL_OLD" })
  same(true, ok, "delete: " .. tostring(got))
  same_old(old, got, "delete's old item")
end

function steps.get(world)
  local t = pick_table(world)
  local key = random_key(t)
  local item, err = world.table(world:handle(), t.name):get(key.lua)
  same(nil, err, "get")
  same_old(t.items[key.text], item, "get")
end

-- Several at once -------------------------------------------------------------------------------

--- One operation inside a transaction, on both sides.
local function operate(world, tx, model_tx)
  local t = pick_table(world)
  local inside = tx:table(t.name)
  local what = random(10)
  if what <= 5 then
    local item = new_item(t)
    local old = reference.change(model_tx, t, item.key, item)
    local _, got = inside:put(item.lua, { return_values = "ALL_OLD" })
    same_old(old, got, "tx put's old item")
  elseif what <= 7 then
    local key = random_key(t)
    local old = reference.change(model_tx, t, key, nil)
    local _, got = inside:delete(key.lua, { return_values = "ALL_OLD" })
    same_old(old, got, "tx delete's old item")
  elseif what == 8 then
    local key = random_key(t)
    same_old(t.items[key.text], inside:get(key.lua), "tx get")
  elseif what == 9 then
    local p = pick(t.partitions)
    local got = {}
    for item in inside:query(p.lua) do
      got[#got + 1] = item
    end
    world.same_items(world.partition(t, p), got, "tx query")
  else
    local items = {}
    for i = 1, random(4) do
      local item = new_item(t, true)
      reference.change(model_tx, t, item.key, item)
      items[i] = item.lua
    end
    same(#items, inside:load(items), "tx load")
  end
end

local function refuse_inside(world, tx)
  local t = pick_table(world)
  local item = random_item(t, random_key(t), true)
  item.lua.zz = 0 / 0
  tx:table(t.name):put(item.lua)
end

function steps.transact(world)
  local handle = world:handle()
  local ending = random(6) -- 1: raises; 2: is refused; 3: goes on after a refusal
  local model_tx = world.model:begin(handle)
  local ok, result = pcall(handle.db.transact, handle.db, function(tx)
    for _ = 1, random(0, 8) do
      operate(world, tx, model_tx)
    end
    if ending == 1 then
      error({ "mine" })
    elseif ending == 2 then
      refuse_inside(world, tx)
    elseif ending == 3 then
      local refused, why = pcall(refuse_inside, world, tx)
      same(false, refused, "an item that can't be stored, inside")
      same("VALIDATION", why.code, "why")
    end
    return "done"
  end)
  if ending <= 2 then
    reference.rollback(model_tx)
    same(false, ok, "a transaction that fails")
    local why = type(result) == "table" and (result[1] or result.code) or result
    same(ending == 1 and "mine" or "VALIDATION", why, "why it failed")
  else
    reference.commit(model_tx)
    same("done", result, "transact")
  end
end

--- Loads in batches; the item at `bad` can't be stored.
function steps.load(world)
  local t, handle = pick_table(world), world:handle()
  local count, batch = random(0, 30), random(3) > 1 and random(12) or nil
  local bad = count > 0 and random(5) == 1 and random(count) or nil
  local loaded = bad and (bad - 1) // (batch or 1000) * (batch or 1000) or count
  local items, lua = {}, {}
  for i = 1, count do
    items[i] = new_item(t, true)
    lua[i] = items[i].lua
  end
  local first = 1
  while first <= loaded do
    local tx = world.model:begin(handle)
    for i = first, math.min(first + (batch or 1000) - 1, loaded) do
      reference.change(tx, t, items[i].key, items[i])
    end
    reference.commit(tx)
    first = first + (batch or 1000)
  end
  if bad then
    lua[bad] = {}
    for name, value in pairs(items[bad].lua) do
      lua[bad][name] = value
    end
    lua[bad].zz = print
  end
  local i = 0
  local source = random(2) == 1 and lua or function()
    i = i + 1
    return lua[i]
  end
  local n, err = world.table(handle, t.name):load(source, batch and { batch = batch })
  same(not bad and count or nil, n, "load: " .. tostring(err))
  if bad then
    same("VALIDATION", err.code, "load's err.code")
    same(loaded, err.loaded, "load's err.loaded")
  end
end

-- Queries and scans -----------------------------------------------------------------------------

local comparisons = {
  ["="] = function(c) return c == 0 end,
  ["<"] = function(c) return c < 0 end,
  ["<="] = function(c) return c <= 0 end,
  [">"] = function(c) return c > 0 end,
  [">="] = function(c) return c >= 0 end,
}
local comparison_names = { "=", "<", "<=", ">", ">=", "between", "begins_with" }

--- A condition on the sort key: the library's words, and a test.
local function condition(t)
  local name = pick(comparison_names)
  local a = random(3) > 1 and pick(t.sorts) or keys.make("sort", t.sort[2])
  if name == "begins_with" then
    if t.sort[2] == "N" then
      return nil
    end
    local prefix = a.raw:sub(1, random(1, #a.raw))
    while t.sort[2] == "S" and not utf8.len(prefix) do
      prefix = prefix:sub(1, -2)
    end
    if prefix == "" then
      return nil
    end
    local lua = t.sort[2] == "S" and prefix or tidetable.binary(prefix)
    return { name, lua }, function(s) return s.raw:sub(1, #prefix) == prefix end
  elseif name == "between" then
    local b = pick(t.sorts)
    if keys.compare(a, b) > 0 then
      a, b = b, a
    end
    return { name, a.lua, b.lua }, function(s)
      return keys.compare(a, s) <= 0 and keys.compare(s, b) <= 0
    end
  end
  return { name, a.lua }, function(s) return comparisons[name](keys.compare(s, a)) end
end

local function reversed(items)
  local turned = {}
  for i = #items, 1, -1 do
    turned[#turned + 1] = items[i]
  end
  return turned
end

--- What is behind the start key: all that comes after its place. Where a place can't be
--- compared (a hashed partition), the key is one of an item that is there.
local function behind(items, start, is_before)
  local rest = {}
  for _, item in ipairs(items) do
    if is_before(start, item) then
      rest[#rest + 1] = item
    end
  end
  return rest
end

local function take(items, count)
  return table.move(items, 1, math.min(count, #items), 1, {})
end

local function read_pages(read, options, limit)
  local got, guard = {}, 0
  options.limit = limit
  while true do
    local page, key, code = read(options)
    same(nil, code, "a page: " .. tostring(key))
    if limit and #page > limit then
      error("a page of more than its limit")
    end
    table.move(page, 1, #page, #got + 1, got)
    if not key then
      return got
    end
    same(true, #page > 0, "an empty page has an end")
    options.start_key = key
    guard = guard + 1
    if guard > 10000 then
      error("pages without end")
    end
  end
end

--- Reads what is expected in one of the ways there are.
local function read_in_some_way(expected, options, iterate, page, what)
  local way = random(4)
  if way == 1 then
    World.same_items(expected, read_pages(page, options, random(2) == 1 and random(5) or nil), what)
    return
  end
  if way == 2 then
    options.limit = random(6)
    expected = take(expected, options.limit)
  end
  options.snapshot = random(3) == 1 or nil
  local got = {}
  for item in iterate(options) do
    got[#got + 1] = item
  end
  World.same_items(expected, got, what)
end

function steps.query(world)
  local t, handle = pick_table(world), world:handle()
  local p = pick(t.partitions)
  local object = world.table(handle, t.name)
  local options, expected, test = {}, world.partition(t, p), nil
  if t.sort and random(4) > 1 then
    options.sort, test = condition(t)
    if test then
      local matching = {}
      for _, item in ipairs(expected) do
        matching[#matching + 1] = test(item.s) and item or nil
      end
      expected = matching
    end
  end
  local sign = 1
  if random(2) == 1 then
    options.descending, expected, sign = true, reversed(expected), -1
  end
  if t.sort and random(3) == 1 then
    local start = make_key(t, p, random(2) == 1 and pick(t.sorts) or
      keys.make("sort", t.sort[2]))
    options.start_key = start.lua
    expected = behind(expected, start, function(a, b) return keys.compare(a.s, b.s) * sign < 0 end)
    if test and not test(start.s) then
      local page, _, code = object:query_page(p.lua, options)
      same(nil, page, "a start key that doesn't match the condition")
      return same("VALIDATION", code, "a start key that doesn't match the condition")
    end
  end
  read_in_some_way(expected, options,
    function(o) return object:query(p.lua, o) end,
    function(o) return object:query_page(p.lua, o) end, "query")
end

function steps.scan(world)
  local t, handle = pick_table(world), world:handle()
  world:look_at_table(handle, t)
  local options, expected = {}, world.in_order(t)
  local ranks = {}
  for i, item in ipairs(expected) do
    ranks[item.key.text] = i
  end
  local sign = 1
  if random(2) == 1 then
    options.descending, expected, sign = true, reversed(expected), -1
  end
  if random(2) == 1 and #expected > 0 then
    local start = pick(expected).key
    options.start_key = start.lua
    expected = behind(expected, start, function(a, b)
      return (ranks[a.text] - ranks[b.key.text]) * sign < 0
    end)
  end
  local object = world.table(handle, t.name)
  read_in_some_way(expected, options,
    function(o) return object:scan(o) end,
    function(o) return object:scan_page(o) end, "scan")
end

--- What is written while a snapshot is read isn't seen.
function steps.snapshot(world)
  local t, handle = pick_table(world), world:handle()
  world:look_at_table(handle, t)
  local expected, got = world.in_order(t), {}
  for item in world.table(handle, t.name):scan { snapshot = true } do
    got[#got + 1] = item
    if #got == 1 then
      put(world, new_item(t), t, world:handle())
    end
  end
  World.same_items(expected, got, "a snapshot")
end

-- Streams: reading --------------------------------------------------------------------------------

--- A sequence number around which something may go wrong.
local function interesting_number(world, stream)
  local model = world.model
  local list = { 0, model.sequence, model.sequence + 1, model.sequence + 2, model.sequence - 1 }
  if stream then
    local hidden = model:hidden(stream)[stream]
    list[#list + 1], list[#list + 2], list[#list + 3] = hidden, hidden + 1, math.max(0, hidden - 1)
  end
  for _ = 1, 3 do
    list[#list + 1] = random(math.max(0, model.sequence - 300), model.sequence + 3)
  end
  return math.max(0, pick(list))
end

local function interesting_time(world, stream)
  local records = (stream or pick(world.model.streams)).records
  local record = records[random(math.max(1, #records - 200), math.max(1, #records))]
  local at = record and record.created_at or world.model.moment.now
  return at + pick { -HOUR, -1, 0, 0, 1, HOUR }
end

local function random_place(world, stream)
  local what = random(6)
  if what == 1 then
    return { from = "LATEST" }
  elseif what == 2 then
    return { at = interesting_number(world, stream) }
  elseif what == 3 then
    return { after = interesting_number(world, stream) }
  elseif what == 4 and (stream or world.model.streams[1]) then
    return { time = interesting_time(world, stream) }
  end
  return { from = "TRIM_HORIZON" }
end

local function for_library(options)
  local copy = {}
  for name, value in pairs(options) do
    copy[name] = name == "time" and value / 1000 or value
  end
  return copy
end

--- Checks an error against what the model says is lost.
local function same_loss(lost, err)
  same("TRIMMED", type(err) == "table" and err.code or tostring(err), "reading behind the horizon")
  for _, range in ipairs(lost) do
    if range.first == err.first and range.last == err.last then
      return
    end
  end
  error(("TRIMMED names %s to %s; lost are %d to %d"):format(err.first, err.last, lost[1].first,
    lost[1].last))
end

local function pick_stream(world)
  return random(4) > 1 and pick(world.model.streams) or nil
end

local function grouped(records)
  local groups = {}
  for _, record in ipairs(records) do
    local last = groups[#groups]
    if last and last[1].transaction_id == record.transaction_id then
      last[#last + 1] = record
    else
      groups[#groups + 1] = { record }
    end
  end
  return groups
end

local function read_all(iterator)
  local got = {}
  local ok, err = pcall(function()
    for each in iterator() do
      got[#got + 1] = each
    end
  end)
  return got, not ok and err or nil
end

--- Reads from some position to the end, or to a limit.
local function read(world, compare, iterator_of, expected_of)
  local handle = world:handle()
  world:notice_gone(handle)
  local stream = pick_stream(world)
  local options = random_place(world, stream)
  local object = assert(world.library_stream(handle, stream))
  local place, ahead = world.model:place(options, stream)
  local limit = random(3) == 1 and random(10) or nil
  options = for_library(options)
  options.limit = limit
  local got, err = read_all(function() return iterator_of(object, options) end)
  if ahead then
    same("AHEAD", err and err.code, "a position ahead")
    return
  end
  local floors, lost = world.model:behind(place, stream)
  if #lost > 0 then
    same_loss(lost, err)
    return
  end
  if err then
    error(err)
  end
  local expected = expected_of(world.model:records_behind(floors, stream))
  compare(limit and take(expected, limit) or expected, got)
end

function steps.records(world)
  read(world, function(expected, got)
    world:same_records(expected, got, "records")
  end, function(object, options) return object:records(options) end,
  function(records) return records end)
end

function steps.transactions(world)
  read(world, function(expected, got)
    same(#expected, #got, "transactions")
    for i, group in ipairs(expected) do
      world:same_records(group, got[i], "a transaction")
      same(group[1].transaction_id, got[i].transaction_id, "transaction_id")
      same(group[#group].sequence_number, got[i].last_sequence_number, "last_sequence_number")
      same(group[1].created_at / 1000, got[i].created_at, "created_at")
    end
  end, function(object, options) return object:transactions(options) end, grouped)
end

-- Readers that live for many steps.

local function new_reader(world, handle, only, options)
  local place, ahead = world.model:place(options, only)
  local object, err, code = world.library_stream(handle, only, for_library(options))
  if ahead then
    same(nil, object, "a position ahead")
    same("AHEAD", code, "a position ahead")
    return
  end
  world.readers[#world.readers + 1] = { object = assert(object, err), place = place,
    only = only, handle = handle }
end

local function forget_reader(world, wanted)
  world:drop_readers(function(reader) return reader == wanted end)
end

--- One call of next. What was read into the page before it expired is given still.
local function read_next(world, reader)
  local record, err, code = reader.object:next()
  if code == "NOT_FOUND" then
    same(true, reader.only and reader.only.gone, "a stream that has gone")
    return forget_reader(world, reader)
  end
  local floors, lost = world.model:behind(reader.place, reader.only)
  local expected = world.model:records_behind(floors, reader.only)[1]
  if err then
    same_loss(lost, err)
    forget_reader(world, reader)
    return new_reader(world, reader.handle, reader.only, { after = err.last })
  elseif not record then
    same(nil, expected and expected.sequence_number, "next")
    return
  end
  same(true, expected ~= nil, "next gives something, that there is something")
  world:same_record(expected, record, random(10) == 1)
  reader.place.position = record.sequence_number
  same(record.sequence_number, reader.object.position, "position")
end

function steps.next(world)
  world:notice_gone(world:handle())
  if #world.readers < 5 then
    local only = pick_stream(world)
    new_reader(world, world:handle(), only, random_place(world, only))
  end
  local reader = pick(world.readers)
  for _ = 1, random(0, 6) do
    if reader then
      read_next(world, reader)
      reader = pick(world.readers)
    end
  end
end

-- Streams and tables: making, changing, ending -----------------------------------------------------

local function random_retention()
  local kind = random(8)
  if kind == 1 then
    return { age = 24 * HOUR, count = random(5, 40) }
  elseif kind == 2 then
    return { age = 24 * HOUR, bytes = random(300, 200000) }
  elseif kind == 3 then
    return { age = random(2, 60) * MINUTE, bytes = random(10000, 2000000), count = random(100, 900) }
  elseif kind == 4 then
    return { age = 24 * HOUR }
  elseif kind == 5 then
    return { age = random(1, 5000) }
  end
  return { age = random(1, 300) * MINUTE }
end

local function settings()
  return {
    view_type = pick { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES" },
    retention = random_retention(),
  }
end

local function retention_for_library(retention)
  local age = retention.age
  return {
    age = random(2) == 1 and age / 1000 or age .. "ms", bytes = retention.bytes,
    count = retention.count,
  }
end

local function settings_for_library(s)
  return { view_type = s.view_type, retention = retention_for_library(s.retention) }
end

local kinds = { "S", "N", "B" }
local table_names = { "one", "two-2", "three.3", "FOUR_4", "five" }

function steps.create_table(world)
  local name, handle = pick(table_names), world:handle()
  if world.model.tables[name] then
    local made, _, code = handle.db:create_table { name = name, partition_key = "x" }
    handle.known = nil
    same(nil, made, "a second table of one name")
    same("IN_USE", code, "a second table of one name")
    return
  end
  local t = {
    name = name, partition = { pick { "pk", "größe des Kunden" }, pick(kinds) },
    sort = random(3) > 1 and { "sk", pick(kinds) } or nil,
  }
  t.kind, t.used = t.partition[2], {}
  t.partitions = keys.pool("partition", t.kind, t.sort and 8 or 60)
  t.sorts = t.sort and keys.pool("sort", t.sort[2], 30)
  local stream = random(5) > 1 and settings() or nil
  assert(handle.db:create_table {
    name = name, partition_key = t.partition, sort_key = t.sort,
    stream = stream and settings_for_library(stream),
  })
  world.model:create_table(handle, t, stream)
  if stream then
    world:learn_label(handle, t)
  end
end

function steps.delete_table(world)
  local handle = world:handle()
  local t = pick_table(world)
  if next(world.model.tables, next(world.model.tables)) == nil then
    return
  end
  world.model:delete_table(handle, t.name)
  assert(handle.db:delete_table(t.name))
  world:notice_gone(handle, true)
  local item, _, code = world.table(handle, t.name):get(make_key(t, t.partitions[1],
    t.sort and t.sorts[1]).lua)
  same(nil, item, "get from a table that is gone")
  same("NOT_FOUND", code, "get from a table that is gone")
end

function steps.switch_stream(world)
  local t, handle = pick_table(world), world:handle()
  local object = world.table(handle, t.name)
  if t.stream then
    same(nil, object:enable_stream(), "enabling twice")
    handle.known = nil
    assert(object:disable_stream())
    world.model:disable_stream(handle, t)
  else
    local chosen = settings()
    assert(object:enable_stream(settings_for_library(chosen)))
    world.model:enable_stream(handle, t, chosen)
    world:learn_label(handle, t)
  end
end

function steps.set_retention(world)
  local handle = world:handle()
  world:notice_gone(handle)
  local stream = pick(world.model.streams)
  if stream then
    local retention = random_retention()
    local object = assert(world.library_stream(handle, stream))
    assert(object:set_retention(retention_for_library(retention)))
    world.model:set_retention(handle, stream, retention)
    world:notice_gone(handle)
  end
end

function steps.trim(world)
  local handle = world:handle()
  local tx = world.model:begin(handle)
  local count, err = handle.db:trim()
  same("integer", math.type(count), tostring(err))
  local clock = world.model.clock
  world.model.clock = tx.clock
  tx.changed = count > 0 or world:notice_gone(handle, true) > 0
  world.model.clock = clock
  reference.commit(tx)
end

-- Time ------------------------------------------------------------------------------------------

function steps.advance(world)
  local ms = pick { random(5), random(5 * SECOND), random(5 * SECOND), random(MINUTE),
    random(10 * MINUTE), random(90 * MINUTE) }
  world.clock:advance(ms / 1000)
  world.model:advance(ms)
end

local function set_clock(world, now)
  world.clock:set(now / 1000)
  world.model:set_clock(now)
end

function steps.jump(world)
  local now = world.model.moment.now
  local what = random(6)
  if what <= 2 then
    set_clock(world, now + random(HOUR))
  elseif what <= 4 then
    set_clock(world, now - random(20 * MINUTE))
  elseif what == 5 then
    set_clock(world, now + random(80 * HOUR))
  else
    -- Somebody puts it right again.
    set_clock(world, world.model.clock.at + random(SECOND))
  end
end

function steps.reboot(world)
  world.clock:reboot()
  world.model:reboot()
end

-- Handles ---------------------------------------------------------------------------------------

function steps.reopen(world)
  while world.handles[1] do
    world:close(world.handles[1])
  end
  if random(3) == 1 then
    local handle = world:open { read_only = true }
    world:look(handle)
    local ok, _, code = world.table(handle, pick_table(world).name):put { pk = 1 }
    same(nil, ok, "put, read-only")
    same("READ_ONLY", code, "put, read-only")
    world:close(handle)
  end
  world:open()
end

function steps.second_handle(world)
  if #world.handles > 1 then
    world:close(world:handle())
  else
    world:open()
  end
end

function steps.count_changes(world)
  same(world.model.sequence, world:handle().db:info().sequence_number, "sequence_number")
end

--- How often each is taken.
local weights = {
  put = 30, put_what_is_there = 4, delete = 12, get = 5, transact = 8, load = 2, query = 12,
  scan = 1, snapshot = 0.5, records = 5, transactions = 1.5, next = 8, create_table = 0.4,
  delete_table = 0.15, switch_stream = 0.3, set_retention = 0.5, trim = 1, advance = 8, jump = 1,
  reboot = 0.1, reopen = 0.4, second_handle = 0.4, count_changes = 2,
}

local order, total = {}, 0
for name, weight in pairs(weights) do
  order[#order + 1] = name
  total = total + weight
end
table.sort(order)

--- Takes a step at random; returns its name.
function steps.choose()
  local at = random() * total
  for _, name in ipairs(order) do
    at = at - weights[name]
    if at < 0 then
      return name
    end
  end
  return order[1]
end

return steps
