-- choice.lua - random tables, keys and items for the steps of the model test.
local values = require "spec.model.values"

local choice = {}
local random = math.random

--- Returns a random element of a list.
function choice.of(list)
  return list[random(#list)]
end
local pick = choice.of

--- Returns the first `count` elements of a list.
function choice.first(list, count)
  return table.move(list, 1, math.min(count, #list), 1, {})
end

--- Returns a random table that exists.
function choice.table(world)
  local names = {}
  for name in pairs(world.model.tables) do
    names[#names + 1] = name
  end
  table.sort(names)
  return world.model.tables[pick(names)]
end

local names = { "a", "b", "cc", "größe", "list", "z.z", "0" }

--- Returns the key with these values.
function choice.key_of(t, p, s)
  local attributes = { [t.partition[1]] = p }
  if t.sort then
    attributes[t.sort[1]] = s
  end
  local key = values.map(attributes)
  key.p, key.s = p, s
  return key
end

--- Returns a key from the table's pools, usually one that is in use. Must not use pairs, whose
--- order differs from run to run, so that a seed repeats its steps.
function choice.key(t)
  if #t.used > 0 and random(4) > 1 then
    return pick(t.used)
  end
  local key = choice.key_of(t, pick(t.partitions), t.sort and pick(t.sorts))
  if not t.used[key.text] then
    t.used[#t.used + 1], t.used[key.text] = key, true
  end
  return key
end

local function big_text()
  local size = random(30) == 1 and random(100000, 330000) or random(1500, 12000)
  return values.string(("0123456789abcdef"):rep(size // 16) .. random(0))
end

--- Returns an item with this key. If `small` is true, its size is limited.
function choice.item_with(t, key, small)
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

--- Returns an item with a random key.
function choice.item(t, small)
  return choice.item_with(t, choice.key(t), small)
end

local CONTEXT_MAX, LENGTHS = 4096, 2

--- Returns a random annotation of a transaction, often an empty one: context (a map of the model),
--- origin, and its stored size in bytes.
function choice.annotation()
  local annotation = { bytes = 0 }
  if random(3) > 1 then
    return annotation
  end
  if random(3) > 1 then
    local context = values.map { why = values.any(), by = values.string("ann") }
    annotation.context = context.item_size <= CONTEXT_MAX and context or nil
  end
  if random(2) == 1 then
    annotation.origin = ("o"):rep(random(64))
  end
  if annotation.context or annotation.origin then
    annotation.bytes = LENGTHS + #(annotation.origin or "")
      + (annotation.context and annotation.context.body or 0)
  end
  return annotation
end

--- Adds an annotation to options.
function choice.with_annotation(annotation, opts)
  opts = opts or {}
  opts.context, opts.origin = annotation.context and annotation.context.lua, annotation.origin
  return opts
end

return choice
