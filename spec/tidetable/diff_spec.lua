-- diff_spec.lua - db:diff, as doc/modules/database.md describes it.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local keys = { partition_key = "id", sort_key = { "n", "N" } }

local function create(db, name, more)
  local spec = { name = name or "orders" }
  for field, value in pairs(keys) do spec[field] = value end
  for field, value in pairs(more or {}) do spec[field] = value end
  return assert(db:create_table(spec))
end

--- Returns two databases, each with the table orders, and the two tables.
local function pair(more)
  local a, b = helper.open(nil, helper.path "a.tide"), helper.open(nil, helper.path "b.tide")
  return a, b, create(a, nil, more), create(b, nil, more)
end

local function differences(a, b, opts)
  return helper.collect(a:diff(b, opts))
end

describe("diff", function()
  it("finds no difference between equal tables, however they were written", function()
    local a, b, first, second = pair { stream = true }
    for i = 1, 50 do assert(first:put { id = "k" .. i % 7, n = i, tags = { "x" } }) end
    for i = 50, 1, -1 do assert(second:put { id = "k" .. i % 7, n = i, other = i }) end
    assert.equal(50, #differences(a, b))
    for i = 50, 1, -1 do assert(second:put { id = "k" .. i % 7, n = i, tags = { "x" } }) end
    assert.same({}, differences(a, b))
  end)

  it("returns the items that only one table has, and those that differ, in key order", function()
    local a, b, first, second = pair()
    for i = 1, 3 do assert(first:put { id = "a", n = i, v = i }) end
    for i = 2, 4 do assert(second:put { id = "a", n = i, v = i == 3 and "three" or i }) end
    assert.same({
      { kind = "first", table = "orders", other_table = "orders", key = { id = "a", n = 1 },
        first = { id = "a", n = 1, v = 1 } },
      { kind = "both", table = "orders", other_table = "orders", key = { id = "a", n = 3 },
        first = { id = "a", n = 3, v = 3 }, second = { id = "a", n = 3, v = "three" } },
      { kind = "second", table = "orders", other_table = "orders", key = { id = "a", n = 4 },
        second = { id = "a", n = 4, v = 4 } },
    }, differences(a, b))
  end)

  it("returns the differences of definitions, and compares items although they differ", function()
    local a, b, first = pair()
    assert(first:alter { stream = true, ttl = "expires" })
    assert(first:put { id = "a", n = 1 })
    create(a, "only_first")
    create(b, "only_second")
    local found = differences(a, b)
    assert.same({ "first", "second", "definition", "first" },
      { found[1].kind, found[2].kind, found[3].kind, found[4].kind })
    assert.equal("only_first", found[1].first.name)
    assert.is_nil(found[1].key)
    assert.equal("only_second", found[2].second.name)
    assert.same({ "ttl", "stream" }, found[3].parts)
    assert.equal("expires", found[3].first.ttl)
    assert.is_nil(found[3].second.ttl)
  end)

  it("does not compare the items of tables of one name with other keys", function()
    local a, b = pair()
    assert(b:delete_table "orders")
    assert(b:create_table { name = "orders", partition_key = "number" })
    assert(b:table("orders"):put { number = "1" })
    local found = differences(a, b)
    assert.equal(1, #found)
    assert.same({ "partition_key", "sort_key" }, found[1].parts)
  end)

  it("compares two tables of one database in one snapshot", function()
    local db = helper.open()
    local first, second = create(db), create(db, "copy")
    for i = 1, 10 do
      assert(first:put { id = "a", n = i })
      assert(second:put { id = "a", n = i })
    end
    assert.same({}, differences(db, db, { tables = { "orders" }, other_table = "copy" }))
    assert(second:put { id = "b", n = 1 })
    assert.equal("second",
      differences(db, db, { tables = { "orders" }, other_table = "copy" })[1].kind)
    assert(db:create_table { name = "other", partition_key = "other" })
    helper.raises("VALIDATION", differences, db, db,
      { tables = { "orders" }, other_table = "other" })
  end)

  it("counts an expired item as stored", function()
    local clock = helper.clock(1000000)
    local a, b, first, second = pair { ttl = "expires" }
    assert(first:put { id = "a", n = 1, expires = 1000010 })
    assert(second:put { id = "a", n = 1, expires = 1000010 })
    clock:advance(60)
    assert.is_nil(first:get { id = "a", n = 1 })
    assert.same({}, differences(a, b))
    assert(second:delete { id = "a", n = 1 })
    assert.equal("first", differences(a, b)[1].kind)
  end)

  it("reads each database from one snapshot", function()
    local a, b, first, second = pair()
    for i = 1, 3 do
      assert(first:put { id = "a", n = i, side = "first" })
      assert(second:put { id = "a", n = i, side = "second" })
    end
    local seen = 0
    for found in a:diff(b) do
      seen = seen + 1
      assert(first:put { id = "a", n = seen + 1, side = "second" })
      assert.equal("first", found.first.side)
    end
    assert.equal(3, seen)
  end)

  it("raises TIMEOUT after snapshot_limit, and the errors of the databases", function()
    local clock = helper.clock()
    local a, b, first = pair()
    for i = 1, 2 do assert(first:put { id = "a", n = i }) end
    local read, _, _, diff = a:diff(b, { snapshot_limit = 10 })
    assert.truthy(read())
    clock:advance(11)
    helper.raises("TIMEOUT", read)
    diff:close()
    helper.raises("NOT_FOUND", a.diff, a, b, { tables = { "none" } })
    helper.raises("NOT_FOUND", a.diff, a, b, { tables = { "orders" }, other_table = "none" })
    b:close()
    helper.raises("CLOSED", a.diff, a, b)
  end)

  it("refuses databases and tables that can't be compared", function()
    local a, b = pair()
    helper.misuse("expected a database", a.diff, a, "b")
    helper.misuse("same one", a.diff, a, a)
    helper.misuse('requires one table in option "tables"', a.diff, a, b, { other_table = "x" })
    helper.misuse("a list of names", a.diff, a, b, { tables = "orders" })
    helper.misuse("a list of names", a.diff, a, b, { tables = { 1 } })
    helper.misuse("a list of names", a.diff, a, b, { tables = {} })
  end)
end)

-- Seeded -----------------------------------------------------------------------

local seed = tonumber(os.getenv "SEED") or 4711

--- Returns keys of all forms: short, escaped, hashed and longer than a row key.
local function random_key()
  local kind = math.random(5)
  local id = ("k%d"):format(math.random(12))
  if kind == 2 then id = id .. "\0\1\255" end
  if kind == 3 then id = id .. ("h"):rep(200) end
  return { id = tidetable.binary(id),
    n = tidetable.binary(kind >= 4 and ("s"):rep(600 + math.random(3)) or "s" .. math.random(3)) }
end

local function random_item(key)
  local sizes = { 1, 20, 5000 }
  return { id = key.id, n = key.n, v = math.random(2), text = ("t"):rep(sizes[math.random(3)]) }
end

local function text_of(key)
  return tostring(key.id) .. "/" .. tostring(key.n)
end

--- Returns the kinds of the differences of two models, by key.
local function expected(first, second)
  local kinds = {}
  for key, item in pairs(first) do
    local other = second[key]
    kinds[key] = not other and "first" or (item.v ~= other.v or item.text ~= other.text) and "both"
      or nil
  end
  for key in pairs(second) do kinds[key] = kinds[key] or not first[key] and "second" or nil end
  return kinds
end

describe("diff of random tables", function()
  it(("finds the differences of two models (seed %d)"):format(seed), function()
    math.randomseed(seed)
    local a, b = helper.open(nil, helper.path "a.tide"), helper.open(nil, helper.path "b.tide")
    local models, tables = { {}, {} }, {}
    assert(a:create_table { name = "before", partition_key = "id" })
    for i, db in ipairs { a, b } do
      tables[i] = assert(db:create_table { name = "items", partition_key = { "id", "B" },
        sort_key = { "n", "B" } })
      assert(db:create_table { name = "after", partition_key = "id" })
      assert(db:table("after"):put { id = "x" })
    end
    for _ = 1, 40 do
      for _ = 1, 15 do
        local key = random_key()
        local item = random_item(key)
        for i = 1, 2 do
          local how = math.random(5)
          if how == 1 then
            assert(tables[i]:delete(key))
            models[i][text_of(key)] = nil
          elseif how <= 4 then
            assert(tables[i]:put(item))
            models[i][text_of(key)] = item
          end
        end
      end
      local kinds = {}
      for found in a:diff(b, { tables = { "items" } }) do
        assert.is_nil(kinds[text_of(found.key)])
        kinds[text_of(found.key)] = found.kind
      end
      assert.same(expected(models[1], models[2]), kinds)
    end
  end)
end)
