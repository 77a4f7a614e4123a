-- item_steps.lua - steps of the model test: put, get, delete, load, and transactions.
local choice = require "spec.model.choice"
local reference = require "spec.model.reference"
local values = require "spec.model.values"
local World = require "spec.model.world"

local steps = {}
local random, same = math.random, World.same

local function same_old(expected, old, what)
  same(expected and expected.text, old and values.freeze(old), what)
end

--- Compares the sequence number of a change, 0 if the item did not change, and last_change.
local function same_change(world, before, sequence, handle, what)
  local expected = world.model.sequence > before and world.model.sequence or 0
  same(expected, sequence, what)
  if expected > 0 then
    same(expected, handle.db:last_change(), "last_change")
  end
end

--- Puts an item into the database and the model.
function steps.put_item(world, item, t, handle)
  local annotation = choice.annotation()
  local tx, before = world.model:begin(handle, annotation), world.model.sequence
  local old = reference.change(tx, t, item.key, item)
  reference.commit(tx)
  local wants = random(2) == 1
  local opts = wants and { return_values = "ALL_OLD" } or nil
  if annotation.bytes > 0 then
    opts = choice.with_annotation(annotation, opts)
  end
  local sequence, got = world.table(handle, t.name):put(item.lua, opts)
  same_change(world, before, sequence, handle, "put: " .. tostring(got))
  same_old(wants and old or nil, got, "put's old item")
end

function steps.put(world)
  local t = choice.table(world)
  steps.put_item(world, choice.item(t), t, world:handle())
end

function steps.put_existing(world)
  local t = choice.table(world)
  local item = t.items[choice.key(t).text]
  if item then
    steps.put_item(world, item, t, world:handle())
  end
end

function steps.delete(world)
  local t, handle = choice.table(world), world:handle()
  local key = choice.key(t)
  local annotation = choice.annotation()
  local tx, before = world.model:begin(handle, annotation), world.model.sequence
  local old = reference.change(tx, t, key, nil)
  reference.commit(tx)
  local sequence, got = world.table(handle, t.name):delete(key.lua,
    choice.with_annotation(annotation, { return_values = "ALL_OLD" }))
  same_change(world, before, sequence, handle, "delete: " .. tostring(got))
  same_old(old, got, "delete's old item")
end

function steps.get(world)
  local t = choice.table(world)
  local key = choice.key(t)
  local item, err = world.table(world:handle(), t.name):get(key.lua)
  same(nil, err, "get")
  same_old(t.items[key.text], item, "get")
end

-- Several items ---------------------------------------------------------------------------------

--- Runs one operation inside a transaction, on the database and the model.
local function operate(world, tx, model_tx)
  local t = choice.table(world)
  local inside = tx:table(t.name)
  local what = random(10)
  if what <= 5 then
    local item = choice.item(t)
    local old = reference.change(model_tx, t, item.key, item)
    local _, got = inside:put(item.lua, { return_values = "ALL_OLD" })
    same_old(old, got, "tx put's old item")
  elseif what <= 7 then
    local key = choice.key(t)
    local old = reference.change(model_tx, t, key, nil)
    local _, got = inside:delete(key.lua, { return_values = "ALL_OLD" })
    same_old(old, got, "tx delete's old item")
  elseif what == 8 then
    local key = choice.key(t)
    same_old(t.items[key.text], inside:get(key.lua), "tx get")
  elseif what == 9 then
    local p = choice.of(t.partitions)
    local got = {}
    for item in inside:query(p.lua) do
      got[#got + 1] = item
    end
    world.same_items(world.partition(t, p), got, "tx query")
  else
    local items = {}
    for i = 1, random(4) do
      local item = choice.item(t, true)
      reference.change(model_tx, t, item.key, item)
      items[i] = item.lua
    end
    same(#items, inside:load(items), "tx load")
  end
end

local function fail_inside(world, tx)
  local t = choice.table(world)
  local item = choice.item_with(t, choice.key(t), true)
  item.lua.zz = 0 / 0
  tx:table(t.name):put(item.lua)
end

function steps.transact(world)
  local handle = world:handle()
  local ending = random(6) -- 1: raises; 2: an operation fails; 3: continues after a failure
  local annotation = choice.annotation()
  local model_tx = world.model:begin(handle, annotation)
  local ok, result = pcall(handle.db.transact, handle.db, function(tx)
    for _ = 1, random(0, 8) do
      operate(world, tx, model_tx)
    end
    if ending == 1 then
      error({ "mine" })
    elseif ending == 2 then
      fail_inside(world, tx)
    elseif ending == 3 then
      local refused, why = pcall(fail_inside, world, tx)
      same(false, refused, "an item that can't be stored, inside")
      same("VALIDATION", why.code, "why")
    end
    return "done"
  end, choice.with_annotation(annotation))
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

--- Loads items in batches; the item at `bad` is invalid.
function steps.load(world)
  local t, handle = choice.table(world), world:handle()
  local count, batch = random(0, 30), random(3) > 1 and random(12) or nil
  local bad = count > 0 and random(5) == 1 and random(count) or nil
  local loaded = bad and (bad - 1) // (batch or 1000) * (batch or 1000) or count
  local items, lua = {}, {}
  for i = 1, count do
    items[i] = choice.item(t, true)
    lua[i] = items[i].lua
  end
  local first, annotation = 1, choice.annotation()
  while first <= loaded do
    local tx = world.model:begin(handle, annotation)
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
  local n, err = world.table(handle, t.name):load(source,
    choice.with_annotation(annotation, { batch = batch }))
  same(not bad and count or nil, n, "load: " .. tostring(err))
  if bad then
    same("VALIDATION", err.code, "load's err.code")
    same(loaded, err.loaded, "load's err.loaded")
  end
end

return steps
