-- table_steps.lua - steps of the model test: creating, changing, deleting and trimming tables and
-- streams.
local choice = require "spec.model.choice"
local keys = require "spec.model.keys"
local reference = require "spec.model.reference"
local World = require "spec.model.world"

local steps = {}
local random, same, pick = math.random, World.same, choice.of
local MINUTE, HOUR = 60000, 3600000

local function random_retention()
  local kind = random(8)
  if kind == 1 then
    return { age = 24 * HOUR, count = random(5, 40) }
  elseif kind == 2 then
    return { age = 24 * HOUR, bytes = random(300, 200000) }
  elseif kind == 3 then
    return { age = random(2, 60) * MINUTE, bytes = random(10000, 2000000),
      count = random(100, 900) }
  elseif kind == 4 then
    return { age = 24 * HOUR }
  elseif kind == 5 then
    return { age = random(1, 5000) }
  elseif kind == 6 then
    return { age = random(25, 60) * HOUR, count = random(2) == 1 and random(200, 900) or nil }
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
  world:learn_id(handle, t)
  if stream then
    world:learn_label(handle, t)
  end
end

function steps.delete_table(world)
  local handle = world:handle()
  local t = choice.table(world)
  if next(world.model.tables, next(world.model.tables)) == nil then
    return
  end
  world.model:delete_table(handle, t.name)
  assert(handle.db:delete_table(t.name))
  world:find_removed(handle, true)
  local item, _, code = world.table(handle, t.name):get(choice.key_of(t, t.partitions[1],
    t.sort and t.sorts[1]).lua)
  same(nil, item, "get from a table that is gone")
  same("NOT_FOUND", code, "get from a table that is gone")
end

--- Each transaction removes 1,000 items, or fewer whose bodies have 1 MiB (csrc/table/truncate.h).
function steps.truncate(world)
  local t, handle = choice.table(world), world:handle()
  world:check_table(handle, t)
  local items = world.in_order(t)
  local at = 1
  world.model:begin_truncation(handle, t)
  repeat
    local tx, count, bytes = world.model:begin(handle), 0, 0
    while items[at] and count < 1000 and bytes < 1048576 do
      reference.change(tx, t, items[at].key, nil)
      count, bytes, at = count + 1, bytes + items[at].body, at + 1
    end
    reference.commit(tx)
  until not items[at]
  same(#items, world.table(handle, t.name):truncate(), "truncate")
  world:check_table(handle, t)
end

function steps.switch_stream(world)
  local t, handle = choice.table(world), world:handle()
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
  world:find_removed(handle)
  local stream = pick(world.model.streams)
  if stream then
    local retention = random_retention()
    local object = assert(world.library_stream(handle, stream))
    assert(object:set_retention(retention_for_library(retention)))
    world.model:set_retention(handle, stream, retention)
    world:find_removed(handle)
  end
end

function steps.trim(world)
  local handle = world:handle()
  local tx = world.model:begin(handle)
  local count, err = handle.db:sweep()
  same("integer", math.type(count), tostring(err))
  local clock = world.model.clock
  world.model.clock = tx.clock
  local removed = world:find_removed(handle, true)
  tx.changed = count > 0 or removed > 0
  world.model.clock = clock
  reference.commit(tx)
end

return steps
