-- key_order_spec.lua - the order of keys is the order of values, up to DynamoDB's limits.
--
-- Compares the results of a query and a scan with values sorted here: a third of STEPS random
-- items of each type. Many keys have a length near one where a key is split (keys.lua).
local keys = require "spec.model.keys"
local tidetable = require "tidetable"
local values = require "spec.model.values"

local STEPS = math.min((math.tointeger(tonumber(os.getenv("STEPS"))) or 1000) // 3, 20000)
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local function sorted(pool)
  table.sort(pool, function(a, b) return keys.compare(a, b) < 0 end)
  return pool
end

local function shuffled(pool)
  local copy = table.move(pool, 1, #pool, 1, {})
  for i = #copy, 2, -1 do
    local j = math.random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

local function texts(name, ...)
  local list = {}
  for item in ... do
    list[#list + 1] = values.freeze(item[name])
  end
  return list
end

local function same_order(expected, actual, first, last)
  assert.equal(last - first + 1, #actual)
  for i = first, last do
    if expected[i].text ~= actual[i - first + 1] then
      error(("SEED=%d: position %d is %q, not %q"):format(SEED, i, actual[i - first + 1],
        expected[i].text), 0)
    end
  end
end

--- Returns keys of every length up to the limit that differ in one byte, early or late.
local function neighbours(kind, limit)
  local pool, seen = {}, {}
  local make = kind == "S" and values.string or values.binary
  for width = 1, limit, math.random(7, 40) do
    local base = ("k"):rep(width)
    for _ = 1, 3 do
      local at = math.random(width)
      for _, byte in ipairs { "\0", "j", "l", "" } do
        local text = base:sub(1, at - 1) .. byte .. base:sub(at + 1)
        if text ~= "" and not seen[text] then
          seen[text], pool[#pool + 1] = true, make(text)
        end
      end
    end
  end
  return pool
end

local function fill(db, name, pool, role)
  local t = assert(db:create_table {
    name = name, partition_key = role == "p" and { "p", pool.kind } or "p",
    sort_key = role == "s" and { "s", pool.kind } or nil,
  })
  local order = shuffled(pool)
  local i = 0
  assert(t:load(function()
    i = i + 1
    return order[i] and (role == "p" and { p = order[i].lua } or { p = "one", s = order[i].lua })
  end))
  return t
end

describe("the order of keys", function()
  local db

  setup(function()
    print(("key order: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    db = assert(tidetable.open ":memory:")
  end)

  teardown(function()
    local report = assert(db:check())
    db:close()
    assert.same({}, report.problems)
  end)

  local function check_sort_keys(name, pool)
    local t = fill(db, name, sorted(pool), "s")
    same_order(pool, texts("s", t:query("one")), 1, #pool)
    local backward = texts("s", t:query("one", { descending = true }))
    local turned = {}
    for i = #backward, 1, -1 do
      turned[#turned + 1] = backward[i]
    end
    same_order(pool, turned, 1, #pool)
    for _ = 1, 50 do
      local from, to = math.random(#pool), math.random(#pool)
      if from > to then
        from, to = to, from
      end
      same_order(pool, texts("s", t:query("one", {
        sort = { "between", pool[from].lua, pool[to].lua },
      })), from, to)
      local limit = math.min(3, #pool - from)
      if limit > 0 then
        same_order(pool, texts("s", t:query("one", { limit = limit,
          start_key = { p = "one", s = pool[from].lua } })), from + 1, from + limit)
      end
    end
  end

  for _, kind in ipairs { "S", "N", "B" } do
    it("is that of the values, for sort keys of type " .. kind, function()
      local pool = keys.pool("sort", kind, STEPS)
      pool.kind = kind
      check_sort_keys("sort." .. kind, pool)
    end)

    it("is that of the values, for partition keys that are not hashed, of type " .. kind, function()
      local pool = {}
      for _, value in ipairs(keys.pool("partition", kind, STEPS)) do
        if not keys.is_hashed(value) then
          pool[#pool + 1] = value
        end
      end
      pool.kind = kind
      local t = fill(db, "partition." .. kind, sorted(pool), "p")
      same_order(pool, texts("p", t:scan()), 1, #pool)
    end)
  end

  for _, kind in ipairs { "S", "B" } do
    it("is that of the values, for keys that differ in one byte, of type " .. kind, function()
      local pool = neighbours(kind, keys.SORT_MAX)
      pool.kind = kind
      check_sort_keys("neighbours." .. kind, pool)
    end)
  end
end)
