-- stream_steps.lua - steps of the model test: reading streams from every kind of position.
local choice = require "spec.model.choice"
local World = require "spec.model.world"

local steps = {}
local random, same, pick = math.random, World.same, choice.of
local HOUR = 3600000

--- Returns a sequence number near a boundary.
local function interesting_number(world, stream)
  local model = world.model
  local list = { 0, model.sequence, model.sequence + 1, model.sequence + 2, model.sequence - 1 }
  if stream then
    local hidden = model:hidden(stream)[stream.is_everything and model.changes or stream]
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
  local at = record and record.created_at or world.model.time_sample.now
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

--- Compares a TRIMMED error with what the model has lost.
local function same_loss(lost, err)
  same("TRIMMED", type(err) == "table" and err.code or tostring(err), "reading before the horizon")
  for _, range in ipairs(lost) do
    if range.first == err.first and range.last == err.last then
      return
    end
  end
  error(("TRIMMED names %s to %s, expected %d to %d"):format(err.first, err.last, lost[1].first,
    lost[1].last))
end

--- Returns a stream, nil for all, or everything.
local function pick_scope(world)
  local what = random(8)
  return what > 3 and pick(world.model.streams) or what > 1 and world.model.everything or nil
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
  world:find_removed(handle)
  local stream = pick_scope(world)
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
  local floors, lost = world.model:floors_after(place, stream)
  if #lost > 0 then
    same_loss(lost, err)
    return
  end
  if err then
    error(err)
  end
  local expected = expected_of(world.model:records_after(floors, stream))
  compare(limit and choice.first(expected, limit) or expected, got)
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

--- Reads the history of an item in both directions, to the end or to a limit.
function steps.history(world)
  local handle = world:handle()
  world:find_removed(handle)
  local t = choice.table(world)
  local key, stream = choice.key(t), t.newest
  local exists = stream ~= nil and not stream.gone
  local all = exists and world.model:records_after(world.model:hidden(stream), stream) or {}
  for _, descending in ipairs { true, false } do
    local limit, expected = random(3) == 1 and random(5) or nil, {}
    for _, record in ipairs(all) do
      if record.keys == key.text then
        table.insert(expected, descending and 1 or #expected + 1, record)
      end
    end
    local got, err = read_all(function()
      return world.table(handle, t.name):history(key.lua,
        { descending = descending, limit = limit })
    end)
    same(not exists and "NOT_FOUND" or nil, err and err.code, "the history of " .. t.name)
    world:same_records(limit and choice.first(expected, limit) or expected, got, "the history")
  end
end

-- Readers that are used by many steps.

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

--- Checks that a reader of one stream has read all of it, and that no records can follow.
local function check_ended(world, reader)
  local only = reader.only
  same("DISABLED", only and only.status, "a stream that has ended")
  if only.gone then
    return forget_reader(world, reader)
  end
  local floors, lost = world.model:floors_after(reader.place, only)
  same(0, #lost, "lost before the end of a stream")
  same(nil, world.model:records_after(floors, only)[1], "after the end of a stream")
end

--- Calls next once. It still returns what was read into the page before it expired.
local function read_next(world, reader)
  local record, err, code = reader.object:next()
  if code == "STREAM_ENDED" then
    return check_ended(world, reader)
  elseif code == "NOT_FOUND" then
    same(true, reader.only and reader.only.gone, "a stream that has gone")
    return forget_reader(world, reader)
  end
  local floors, lost = world.model:floors_after(reader.place, reader.only)
  local expected = world.model:records_after(floors, reader.only)[1]
  if err then
    same_loss(lost, err)
    forget_reader(world, reader)
    return new_reader(world, reader.handle, reader.only, { after = err.last })
  elseif not record then
    same(nil, expected and expected.sequence_number, "next")
    same(false, reader.only ~= nil and reader.only.status == "DISABLED", "waits after the end")
    return
  end
  same(true, expected ~= nil, "next gives something, that there is something")
  world:same_record(expected, record, random(10) == 1)
  reader.place.position = record.sequence_number
  same(record.sequence_number, reader.object.position, "position")
end

function steps.next(world)
  world:find_removed(world:handle())
  if #world.readers < 5 then
    local only = pick_scope(world)
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

return steps
