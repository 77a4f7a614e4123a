-- found_spec.lua - minimal versions of failures that the model test has found.
local tidetable = require "tidetable"

local function open(seconds)
  local clock = tidetable.manual_clock(seconds or 1000)
  return assert(tidetable.open(":memory:", { clock = clock })), clock
end

local function create(db, name, retention)
  return assert(db:create_table { name = name, partition_key = { "id", "N" },
    stream = { retention = retention } })
end

local function create_orders(db)
  return assert(db:create_table { name = "orders", partition_key = "p", sort_key = { "s", "N" } })
end

local function ids(stream, options)
  local list = {}
  for record in stream:records(options) do
    list[#list + 1] = record.keys.id
  end
  return list
end

describe("found by the model:", function()
  it("reading from a time returns nothing older although one stream ends before it", function()
    local db <close>, clock = open(1000)
    local one, two = create(db, "one"), create(db, "two")
    assert(one:put { id = 1 })
    assert(two:put { id = 2 })
    assert.same({}, ids(db:stream(), { time = 2000 }))
    clock:set(2000)
    assert(one:put { id = 3 })
    assert(two:put { id = 4 })
    assert.same({ 3, 4 }, ids(db:stream(), { time = 2000 }))
  end)

  it("TRIMMED names the whole lost range, also if a part of it expired earlier", function()
    local db <close>, clock = open(1000)
    local one = create(db, "one", 60)
    assert(one:put { id = 1 })
    clock:advance(60)
    local stream = assert(one:stream())
    assert(stream:set_retention(120)) -- hides record 1 permanently
    assert(one:put { id = 2 })
    clock:advance(120)
    local ok, err = pcall(ids, stream, { after = 0 })
    assert.is_false(ok)
    assert.same({ "TRIMMED", 1, 4 }, { err.code, err.first, err.last })
  end)

  it("a query with the option sort keeps its value beside those of its filter", function()
    local db <close> = open()
    local t = create_orders(db)
    for s = 1, 3 do assert(t:put { p = "x", s = s + 0.5 }) end
    for _, sort in ipairs { { "=", 1.5 }, { "between", 1.5, 1.5 }, { "<=", 1.5 } } do
      local count, key, scanned =
        t:query_page("x", { sort = sort, filter = "a = ?", 2, count = true })
      assert.same({ 0, nil, 1 }, { count, key, scanned })
    end
  end)

  it("a counted page has a last key without a filter too", function()
    local db <close> = open()
    local t = create_orders(db)
    for s = 1, 3 do assert(t:put { p = "x", s = s }) end
    local count, key, scanned = t:scan_page { count = true, limit = 2 }
    assert.same({ 2, { p = "x", s = 2 }, 2 }, { count, key, scanned })
    count, key, scanned = t:query_page("x", { count = true, limit = 2, start_key = key })
    assert.same({ 1, nil, 1 }, { count, key, scanned })
  end)

  it("an iteration that counts obeys its limit", function()
    local db <close> = open()
    local t = create_orders(db)
    for s = 1, 6 do assert(t:put { p = "x", s = s, odd = s % 2 }) end
    local function count(options)
      options.count = true
      return (t:query("x", options))
    end
    assert.equal(2, count { limit = 2 })
    assert.equal(2, count { limit = 2, filter = "odd = ?", 1 })
    assert.equal(3, count { limit = 4, filter = "odd = ?", 1 })
  end)

  it("a projection of a path into a key attribute is refused", function()
    local db <close> = open()
    local t = create_orders(db)
    local key, options = { p = "x", s = 1 }, { projection = "a, p.b" }
    local function refused(result, err)
      assert.is_falsy(result)
      assert.equal("VALIDATION", err.code)
      assert.equal(1, err.message:find("Key attributes must be scalars;", 1, true))
    end
    refused(t:get(key, options))
    refused(t:query_page("x", options))
    refused(t:scan_page(options))
    for _, mode in ipairs { "locked", "optimistic" } do
      local result, err = db:transact(function(tx)
        local inside = tx:table "orders"
        refused(pcall(inside.get, inside, key, options))
        refused(pcall(inside.scan_page, inside, options))
        return "done"
      end, { mode = mode })
      assert.equal("done", result, err)
    end
  end)
end)
