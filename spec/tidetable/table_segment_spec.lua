-- table_segment_spec.lua - segments of a scan, as documented in doc/modules/table.md.
--
-- spec/model/segment_spec.lua compares random segments with the scan.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local collect, field = helper.collect, helper.field

local function fill(db, count)
  local t = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
  assert(t:load((function()
    local i = -1
    return function()
      i = i + 1
      return i < 2 * count and { customer = ("c%04d"):format(i // 2), placed_at = i % 2 } or nil
    end
  end)()))
  return t
end

describe("a segment", function()
  it("has no expired item, as the whole scan, before and after they are removed", function()
    local clock = tidetable.manual_clock(1700000000)
    local db = helper.memory { clock = clock }
    local sessions = assert(db:create_table { name = "sessions", partition_key = "id",
      ttl = "expires", stream = true })
    for i = 1, 300 do
      assert(sessions:put { id = tostring(i), expires = clock:now() + (i % 3 == 0 and 10 or 1000) })
    end
    local function count_segments()
      local count = 0
      for segment = 0, 6 do
        for item in sessions:scan { segment = segment, total_segments = 7 } do
          assert.is_true(item.expires > clock:now())
          count = count + 1
        end
      end
      return count
    end
    assert.equal(300, count_segments())
    clock:advance(11)
    assert.equal(200, count_segments())
    assert.same({ 0, 100 }, { db:sweep() })
    assert.equal(200, count_segments())
    assert.equal(200, #collect(sessions:scan()))
  end)

  it("follows from the partition_hash of the stream records", function()
    local orders = fill(helper.memory(), 200)
    local expected = { [0] = {}, {}, {} }
    for record in orders:stream():records() do
      local list = expected[record.partition_hash * 3 >> 32]
      list[#list + 1] = record.keys.customer .. record.keys.placed_at
    end
    for segment = 0, 2 do
      local found = {}
      for item in orders:scan { segment = segment, total_segments = 3 } do
        found[#found + 1] = item.customer .. item.placed_at
      end
      assert.is_true(#found > 50)
      assert.are.same(expected[segment], found)
    end
  end)

  it("is scanned in key order or in reverse, with filter, projection, count and limit", function()
    local orders = fill(helper.memory(), 200)
    local up = field("customer", orders:scan { segment = 1, total_segments = 2 })
    local down = field("customer", orders:scan { segment = 1, total_segments = 2,
      descending = true })
    for i = 1, #up do assert.equal(up[i], down[#up + 1 - i]) end
    local opts = { segment = 1, total_segments = 2, filter = "placed_at = ?", 1 }
    assert.equal(#up // 2, #collect(orders:scan(opts)))
    opts.count = true
    assert.are.same({ #up // 2, #up }, { orders:scan(opts) })
    local items, last, scanned = orders:scan_page { segment = 1, total_segments = 2, limit = 5,
      projection = "placed_at" }
    assert.are.same({ { placed_at = 0 }, { placed_at = 1 }, { placed_at = 0 }, { placed_at = 1 },
      { placed_at = 0 } }, items)
    assert.are.same({ customer = up[5], placed_at = 0 }, last)
    assert.equal(5, scanned)
    assert.are.same({ 5, last, 5 }, { orders:scan_page { segment = 1, total_segments = 2,
      limit = 5, count = true } })
    assert.are.same({ up[1], up[2], up[3] }, field("customer", orders:scan { segment = 1,
      total_segments = 2, limit = 3, snapshot = true }))
  end)

  it("may be empty, and the only one is the table", function()
    local orders = fill(helper.memory(), 3)
    local sizes = {}
    for segment = 0, 63 do
      local n = orders:scan { segment = segment, total_segments = 64, count = true }
      sizes[n] = (sizes[n] or 0) + 1
    end
    assert.is_true(sizes[0] >= 61)
    assert.equal(6, (orders:scan { segment = 0, total_segments = 1, count = true }))
    assert.are.same({}, (orders:scan_page { segment = 999999, total_segments = 1000000 }))
  end)

  it("is read by each of two processes", function()
    local db = helper.open()
    fill(db, 500)
    local children = {}
    for segment = 0, 1 do
      children[segment] = helper.child(([[
        for item in db:table "orders":scan { segment = %d, total_segments = 2 } do
          print(item.customer .. item.placed_at)
        end
      ]]):format(segment))
    end
    local seen, count = {}, 0
    for segment = 0, 1 do
      for key in children[segment]:close():gmatch "[^\n]+" do
        assert.is_nil(seen[key])
        seen[key], count = true, count + 1
      end
    end
    assert.equal(1000, count)
  end)
end)

describe("a page of a segment", function()
  local orders, db, other, first

  --- A table with 120,000 items in one partition, and before and after it one in the other segment.
  before_each(function()
    db = helper.memory()
    orders = assert(db:create_table { name = "orders", partition_key = "customer",
      sort_key = { "placed_at", "N" } })
    local function segment_of(customer)
      assert(orders:put { customer = customer, placed_at = 0 })
      local n = orders:scan { segment = 0, total_segments = 2, count = true }
      assert(orders:delete { customer = customer, placed_at = 0 })
      return n == 1 and 0 or 1
    end
    other = 1 - segment_of "m"
    local ends = {}
    for _, letter in ipairs { "a", "z" } do
      local n = 0
      repeat n = n + 1 until segment_of(letter .. n) == other
      ends[#ends + 1] = letter .. n
    end
    local i = 0
    assert(orders:load(function()
      i = i + 1
      return i <= 120000 and { customer = "m", placed_at = i } or nil
    end))
    first = { customer = ends[1], placed_at = 0 }
    assert(orders:load { { customer = ends[1], placed_at = 0 }, { customer = ends[2],
      placed_at = 0 } })
  end)

  local function by_pages(t, limit)
    local found, pages, empty, last = 0, 0, 0, nil
    repeat
      local items, key, scanned = t:scan_page { segment = other, total_segments = 2,
        start_key = last, limit = limit }
      assert.equal(#items, scanned)
      found, pages = found + #items, pages + 1
      empty = empty + (#items == 0 and 1 or 0)
      last = key
    until not last
    return found, pages, empty
  end

  it("ends after a bounded number of other items, and continues from its last key", function()
    assert.are.same({ 2, 2, 0 }, { by_pages(orders) })
    assert.are.same({ 2, 3, 1 }, { by_pages(orders, 1) })
    local items, last = orders:scan_page { segment = other, total_segments = 2, descending = true,
      limit = 1 }
    assert.equal("z", items[1].customer:sub(1, 1))
    local again, key, scanned = orders:scan_page { segment = other, total_segments = 2,
      descending = true, start_key = last, count = true }
    assert.are.same({ 0, "m", 0 }, { again, key.customer, scanned })
  end)

  it("does not end an iterator, a count, a snapshot or a transaction", function()
    local opts = { segment = other, total_segments = 2 }
    local after = { segment = other, total_segments = 2, start_key = first }
    assert.equal(2, #collect(orders:scan(opts)))
    assert.equal(1, #collect(orders:scan(after)))
    after.snapshot = true
    assert.equal(1, #collect(orders:scan(after)))
    assert.equal(2, #collect(orders:scan { segment = other, total_segments = 2,
      snapshot = true }))
    assert.are.same({ 2, 2 }, { orders:scan { segment = other, total_segments = 2,
      count = true } })
    for _, mode in ipairs { "locked", "optimistic" } do
      assert(db:transact(function(tx)
        local t = tx:table "orders"
        assert.equal(2, #collect(t:scan(opts)))
        assert.equal(1, #collect(t:scan(after)))
        assert.equal(2, (by_pages(t, 1)))
        t:put { customer = "m", placed_at = 0 }
      end, { mode = mode, attempts = mode == "optimistic" and 1 or nil }))
    end
  end)
end)

describe("the core", function()
  it("ends a query with a page limit of 0, and tests items without a segment", function()
    local db = helper.memory()
    local orders = fill(db, 1)
    local snapshot = assert(core.snapshot(db.core, 60))
    local query = assert(core.query(orders.core, nil, "all", nil, nil, false, nil, 0, snapshot))
    assert.equal(0, select("#", core.next_versioned(query)))
    local _, key = core.key_at(snapshot, orders.core, { customer = "c0000", placed_at = 0 }, true)
    assert.is_true(core.in_segment(query, key))
    core.finish(query)
    core.finish(snapshot)
  end)
end)

describe("an optimistic transaction", function()
  it("conflicts with a change in its segment only", function()
    local db = helper.memory()
    local orders = fill(db, 50)
    local firsts = {}
    for segment = 0, 1 do
      firsts[segment] = orders:scan { segment = segment, total_segments = 2 }()
    end
    local function runs(changed)
      local n = 0
      assert(db:transact(function(tx)
        n = n + 1
        collect(tx:table "orders":scan { segment = 0, total_segments = 2 })
        tx:table "orders":put { customer = "new" .. changed, placed_at = 0 }
        if n == 1 then
          assert(orders:update({ customer = firsts[changed].customer,
            placed_at = firsts[changed].placed_at }, "SET n = ?", { n }))
        end
      end, { mode = "optimistic" }))
      return n
    end
    assert.equal(1, runs(1))
    assert.equal(2, runs(0))
  end)
end)

describe("the options of a segment", function()
  it("require each other and are checked", function()
    local orders = fill(helper.memory(), 1)
    for _, name in ipairs { "scan", "scan_page" } do
      local function refused(text, opts)
        helper.misuse(name .. ": " .. text, orders[name], orders, opts)
      end
      refused('option "segment" requires option "total_segments"', { segment = 0 })
      refused('option "total_segments" requires option "segment"', { total_segments = 2 })
      refused('option "segment" must be less than option "total_segments": 2 is not less than 2',
        { segment = 2, total_segments = 2 })
      refused('option "segment" must be an integer from 0, got -1',
        { segment = -1, total_segments = 2 })
      for _, total in ipairs { 0, 1000001, 1.5, "2" } do
        refused('option "total_segments" must be an integer from 1 to 1000000',
          { segment = 0, total_segments = total })
      end
    end
    helper.misuse('query: unknown option', orders.query, orders, "c0000",
      { segment = 0, total_segments = 2 })
  end)

  it("refuse a start key of another segment", function()
    local db = helper.memory()
    local orders = fill(db, 50)
    local opts = { segment = 0, total_segments = 2 }
    for item in orders:scan { segment = 1, total_segments = 2 } do
      opts.start_key = item
      if not orders:scan_page(opts) then break end    -- one key in 1,024 is a stop
    end
    local text = "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use "
      .. "ExclusiveStartKey with correct Segment. TotalSegments: 2 Segment: 0"
    local err = helper.refused("VALIDATION", orders:scan_page(opts))
    assert.equal(text, err.message)
    assert.equal(text, helper.raises("VALIDATION", orders.scan, orders, opts).message)
    for _, mode in ipairs { "locked", "optimistic" } do
      assert(db:transact(function(tx)
        local t = tx:table "orders"
        assert.equal(text, helper.raises("VALIDATION", t.scan_page, t, opts).message)
      end, { mode = mode }))
    end
  end)
end)
