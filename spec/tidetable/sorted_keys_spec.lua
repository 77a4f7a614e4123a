-- sorted_keys_spec.lua - the skip list, compared with a sorted array.
local sorted_keys = require "tidetable.sorted_keys"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

--- Returns the keys in the order of the list of a level; checks the links back on level 1.
local function keys_of(set, level)
  local keys, node = {}, set.head
  while node[level] do
    if level == 1 then assert.equal(node, node[1].previous) end
    node = node[level]
    keys[#keys + 1] = node.key
  end
  return keys
end

--- Adds the keys. Checks all levels against the sorted array.
local function check(keys)
  local set, sorted = sorted_keys.new(), table.move(keys, 1, #keys, 1, {})
  for _, key in ipairs(keys) do set:add(key) end
  table.sort(sorted)
  assert.are.same(sorted, keys_of(set, 1))
  for level = 2, set.height do
    local upper, is_below = keys_of(set, level), {}
    for _, key in ipairs(keys_of(set, level - 1)) do is_below[key] = true end
    for i, key in ipairs(upper) do
      assert.is_true(is_below[key] and (i == 1 or upper[i - 1] < key))
    end
  end
  return set, sorted
end

local function numbered(n, first, step)
  local keys = {}
  for i = 0, n - 1 do keys[i + 1] = ("%06d"):format(first + i * step) end
  return keys
end

--- Returns distinct random keys of 0 to 4 bytes, in a random order.
local function random_keys(n)
  local keys, seen = {}, {}
  while #keys < n do
    local bytes = {}
    for i = 1, math.random(0, 4) do bytes[i] = math.random(0, 255) end
    local key = string.char(table.unpack(bytes))
    if not seen[key] then
      seen[key], keys[#keys + 1] = true, key
    end
  end
  return keys
end

describe("a set of sorted keys", function()
  it("is in order, however the keys are added", function()
    print(("sorted keys: SEED=%d"):format(SEED))
    math.randomseed(SEED)
    check {}
    check(numbered(500, 0, 1))
    check(numbered(500, 500, -1))
    for _ = 1, 30 do check(random_keys(math.random(300))) end
  end)

  it("finds the last key before any place", function()
    math.randomseed(SEED)
    local set, sorted = check(random_keys(200))
    for count = 0, #sorted do
      local limit = sorted[count]
      local node = set:last_before(function(key) return limit ~= nil and key <= limit end)
      assert.equal(limit, node.key)
      assert.equal(sorted[count + 1], node[1] and node[1].key)
    end
  end)

  it("keeps the place of an iteration when keys are added", function()
    math.randomseed(SEED)
    local keys = random_keys(400)
    local set, seen = check(table.move(keys, 1, 100, 1, {})), {}
    for i = 101, #keys do
      set:add(keys[i])
      seen[keys[i]] = true
    end
    local node, found = set.tails[1], 0
    while node.key do
      found, node = found + (seen[node.key] and 1 or 0), node.previous
    end
    assert.equal(300, found)
  end)

  it("has about log2 n levels", function()
    local set = check(numbered(4096, 0, 1))
    assert.is_true(set.height >= 8 and set.height <= 24, set.height)
  end)
end)
