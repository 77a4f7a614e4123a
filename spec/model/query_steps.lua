-- query_steps.lua - steps of the model test: queries, scans and pages.
local choice = require "spec.model.choice"
local keys = require "spec.model.keys"
local item_steps = require "spec.model.item_steps"
local tidetable = require "tidetable"
local World = require "spec.model.world"

local steps = {}
local random, same, pick = math.random, World.same, choice.of

local comparisons = {
  ["="] = function(c) return c == 0 end,
  ["<"] = function(c) return c < 0 end,
  ["<="] = function(c) return c <= 0 end,
  [">"] = function(c) return c > 0 end,
  [">="] = function(c) return c >= 0 end,
}
local comparison_names = { "=", "<", "<=", ">", ">=", "between", "begins_with" }

--- Returns a random condition on the sort key: the library's options, and a test.
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

--- Returns the items after a start key. If its position is unknown (a hashed partition), the key is
--- that of an existing item.
local function items_after(items, start, is_before)
  local rest = {}
  for _, item in ipairs(items) do
    if is_before(start, item) then
      rest[#rest + 1] = item
    end
  end
  return rest
end

local function read_pages(read, options, limit)
  local got, guard = {}, 0
  options.limit = limit
  while true do
    local page, key, scanned = read(options)
    same("table", type(page), "a page: " .. tostring(key))
    same(#page, scanned, "the number of items evaluated")
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
      error("the pages do not end")
    end
  end
end

--- Reads the expected items by a random function: iterator or pages.
local function read_in_some_way(expected, options, iterate, page, what)
  local way = random(4)
  if way == 1 then
    World.same_items(expected, read_pages(page, options, random(2) == 1 and random(5) or nil), what)
    return
  end
  if way == 2 then
    options.limit = random(6)
    expected = choice.first(expected, options.limit)
  end
  options.snapshot = random(3) == 1 or nil
  local got = {}
  for item in iterate(options) do
    got[#got + 1] = item
  end
  World.same_items(expected, got, what)
end

function steps.query(world)
  local t, handle = choice.table(world), world:handle()
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
    local start = choice.key_of(t, p, random(2) == 1 and pick(t.sorts) or
      keys.make("sort", t.sort[2]))
    options.start_key = start.lua
    expected = items_after(expected, start, function(a, b)
      return keys.compare(a.s, b.s) * sign < 0
    end)
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
  local t, handle = choice.table(world), world:handle()
  world:check_table(handle, t)
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
    expected = items_after(expected, start, function(a, b)
      return (ranks[a.text] - ranks[b.key.text]) * sign < 0
    end)
  end
  local object = world.table(handle, t.name)
  read_in_some_way(expected, options,
    function(o) return object:scan(o) end,
    function(o) return object:scan_page(o) end, "scan")
end

--- A snapshot must not show what is written while it is read.
function steps.snapshot(world)
  local t, handle = choice.table(world), world:handle()
  world:check_table(handle, t)
  local expected, got = world.in_order(t), {}
  for item in world.table(handle, t.name):scan { snapshot = true } do
    got[#got + 1] = item
    if #got == 1 then
      item_steps.put_item(world, choice.item(t), t, world:handle())
    end
  end
  World.same_items(expected, got, "a snapshot")
end

return steps
