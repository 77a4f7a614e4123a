-- table_query_spec.lua - queries and scans, as documented in doc/modules/table.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, misuse = helper.refused, helper.raises, helper.misuse
local collect, field = helper.collect, helper.field
local binary = tidetable.binary

local db, orders

-- Creates a table with a sort key of this type, and one partition with these sort keys.
local function partition(kind, keys)
  local t = assert(db:create_table { name = "sorted_" .. kind, partition_key = "p",
    sort_key = { "s", kind } })
  for _, key in ipairs(keys) do assert(t:put { p = "x", s = key }) end
  assert(t:put { p = "w", s = keys[1] })
  assert(t:put { p = "y", s = keys[#keys] })
  return t
end

before_each(function()
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
end)

describe("query", function()
  local function keys(t, sort, descending)
    return field("s", t:query("x", { sort = sort, descending = descending }))
  end

  local function reversed(array)
    local back = {}
    for i = #array, 1, -1 do back[#back + 1] = array[i] end
    return back
  end

  local function expect(t, expected, sort)
    assert.are.same(expected, keys(t, sort))
    assert.are.same(reversed(expected), keys(t, sort, true))
  end

  it("iterates over one partition, by sort key, in both directions", function()
    expect(partition("N", { -1e20 // 1, -2, -1.5, 0, 0.001, 1, 10, 9007199254740993 }),
      { -1e20 // 1, -2, -1.5, 0, 0.001, 1, 10, 9007199254740993 })
    expect(partition("S", { "\0", "a", "a\0", "a\0b", "aa", "b", "ä", "\u{10000}" }),
      { "\0", "a", "a\0", "a\0b", "aa", "b", "ä", "\u{10000}" })
  end)

  it("compares sort keys of type N", function()
    local t = partition("N", { -2, -1, 0, 1, 2, 3 })
    expect(t, { 1 }, { "=", 1 })
    expect(t, {}, { "=", 1.5 })
    expect(t, { -2, -1 }, { "<", 0 })
    expect(t, { -2, -1, 0 }, { "<=", 0 })
    expect(t, { 2, 3 }, { ">", 1 })
    expect(t, { 1, 2, 3 }, { ">=", 1 })
    expect(t, { 1, 2, 3 }, { ">=", 0.5 })
    expect(t, { -1, 0, 1 }, { "between", -1, 1 })
    expect(t, { 0 }, { "between", -0.5, 0.5 })
    expect(t, { 1 }, { "between", 1, 1.0 })
    expect(t, {}, { "<", -2 })
    expect(t, {}, { ">", 3 })
    expect(t, { -2, -1, 0, 1, 2, 3 }, { "<", 1e100 })
  end)

  it("compares sort keys of types S and B", function()
    local texts = { "a", "a\0", "aa", "ab", "b", "ba" }
    local s = partition("S", texts)
    expect(s, { "aa" }, { "=", "aa" })
    expect(s, { "a", "a\0" }, { "<", "aa" })
    expect(s, { "a", "a\0", "aa" }, { "<=", "aa" })
    expect(s, { "ab", "b", "ba" }, { ">", "aa" })
    expect(s, { "aa", "ab", "b", "ba" }, { ">=", "a\0\0" })
    expect(s, { "aa", "ab", "b" }, { "between", "aa", "b" })
    expect(s, { "a", "a\0", "aa", "ab" }, { "begins_with", "a" })
    expect(s, { "ba" }, { "begins_with", "ba" })
    expect(s, {}, { "begins_with", "c" })
    local blobs = {}
    for i, bytes in ipairs { "\0", "a", "a\xff", "a\xff\0", "a\xff\xff", "b", "\xff", "\xff\0",
        "\xff\xff" } do
      blobs[i] = binary(bytes)
    end
    local b = partition("B", blobs)
    local function texts_of(sort, descending)
      local all = {}
      for _, key in ipairs(keys(b, sort, descending)) do all[#all + 1] = tostring(key) end
      return all
    end
    for _, case in ipairs {
      { { "begins_with", binary "a\xff" }, { "a\xff", "a\xff\0", "a\xff\xff" } },
      { { "begins_with", binary "\xff" }, { "\xff", "\xff\0", "\xff\xff" } },
      { { "begins_with", binary "\xff\xff" }, { "\xff\xff" } },
      { { "begins_with", binary "a" }, { "a", "a\xff", "a\xff\0", "a\xff\xff" } },
      { { ">=", binary "\xff" }, { "\xff", "\xff\0", "\xff\xff" } },
      { { "<", binary "a" }, { "\0" } },
      { { "between", binary "a\xff\xff", binary "\xff" }, { "a\xff\xff", "b", "\xff" } },
    } do
      assert.are.same(case[2], texts_of(case[1]))
      assert.are.same(reversed(case[2]), texts_of(case[1], true))
    end
  end)

  it("refuses a lower bound above the upper one", function()
    local t = partition("N", { 1, 2, 3 })
    raises("VALIDATION", t.query, t, "x", { sort = { "between", 3, 1 } })
    helper.refused("VALIDATION",
      t:query_page("x", { sort = { "between", 3, 1 } }))
  end)

  it("refuses conditions that do not match the key schema", function()
    local t = partition("N", { 1 })
    raises("VALIDATION", t.query, t, "x", { sort = { "begins_with", 1 } })
    raises("VALIDATION", t.query, t, "x", { sort = { "=", "1" } })
    raises("VALIDATION", t.query, t, "x", { sort = { "between", 1, "2" } })
    raises("VALIDATION", t.query, t, 1)
    raises("VALIDATION", t.query, t, "")
    raises("VALIDATION", t.query, t, {})
    raises("VALIDATION", t.query, t, print)
    local plain = assert(db:create_table { name = "plain", partition_key = "id" })
    assert(plain:put { id = "a" })
    assert.are.same({ { id = "a" } }, collect(plain:query "a"))
    raises("VALIDATION", plain.query, plain, "a", { sort = { "=", "x" } })
  end)

  it("raises an error for mistakes in the program", function()
    helper.blames("the partition key's value is missing", function() orders:query() end)
    helper.blames('unknown option "sorted"', function() orders:query("a", { sorted = {} }) end)
    helper.blames("an operator (= < <= > >= between begins_with)", function()
      orders:query("a", { sort = { "==", 1 } })
    end)
    helper.blames('"between" with 2 value(s)', function()
      orders:query("a", { sort = { "between", 1 } })
    end)
    for _, sort in ipairs { { ">=", 1, 5 }, { "between", 1, 5, 9 }, { "=", 1, upto = 5 } } do
      helper.blames(("%q with %d value(s)"):format(sort[1], sort[1] == "between" and 2 or 1),
        function() orders:query("a", { sort = sort }) end)
    end
    helper.blames('option "limit" must be an integer from 1', function()
      orders:query("a", { limit = 0 })
    end)
    helper.blames('option "limit" must be an integer from 1', function()
      orders:query("a", { limit = 1.5 })
    end)
    helper.blames('option "descending" must be boolean', function()
      orders:query("a", { descending = "yes" })
    end)
    helper.blames('option "sort" must be', function() orders:query("a", { sort = "=" }) end)
    helper.blames('option "start_key" must be table', function()
      orders:query("a", { start_key = 1 })
    end)
  end)

  it("ends at the limit", function()
    local t = partition("N", { 1, 2, 3, 4, 5 })
    for limit = 1, 6 do
      assert.equal(math.min(limit, 5), #collect(t:query("x", { limit = limit })))
    end
    assert.are.same({ 5, 4 }, field("s", t:query("x", { limit = 2, descending = true })))
  end)

  it("starts after a start key, which need not exist", function()
    local t = partition("N", { 1, 2, 3, 4, 5 })
    local function from(s, descending)
      return field("s", t:query("x", { start_key = { p = "x", s = s }, descending = descending }))
    end
    assert.are.same({ 3, 4, 5 }, from(2))
    assert.are.same({ 3, 4, 5 }, from(2.5))
    assert.are.same({ 1, 2, 3, 4, 5 }, from(0))
    assert.are.same({}, from(5))
    assert.are.same({}, from(9))
    assert.are.same({ 1 }, from(2, true))
    assert.are.same({ 2, 1 }, from(2.5, true))
    assert.are.same({}, from(1, true))
    assert.are.same({ 5, 4, 3, 2, 1 }, from(9, true))
    assert.are.same({ 3 }, field("s", t:query("x", { start_key = { p = "x", s = 2 },
      sort = { "between", 2, 3 } })))
  end)

  it("refuses a start key outside its range", function()
    local t = partition("N", { 1, 2, 3 })
    for _, key in ipairs { {}, { p = "x" }, { p = "w", s = 1 }, { p = "x", s = "1" },
        { p = "x", s = 1, v = 1 } } do
      raises("VALIDATION", t.query, t, "x", { start_key = key })
      refused("VALIDATION", t:query_page("x", { start_key = key }))
    end
    raises("VALIDATION", t.query, t, "x", { start_key = { p = "x", s = 9 },
      sort = { "<", 5 } })
  end)

  it("reads pages, each from the last commit", function()
    local items = {}
    for i = 1, 2500 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    local seen = {}
    for item in orders:query "ann" do
      seen[#seen + 1] = item.placed_at
      if #seen == 1 then
        assert(orders:delete { customer = "ann", placed_at = 2 })       -- in this page
        assert(orders:delete { customer = "ann", placed_at = 2000 })    -- in a later page
        assert(orders:put { customer = "ann", placed_at = 2000.5 })
      end
      assert.equal(0, db:info().oldest_reader_lag)
    end
    assert.equal(2500, #seen)
    assert.equal(2, seen[2])
    assert.equal(2000.5, seen[2000])
  end)

  it("reads from one snapshot with the option snapshot", function()
    local items = {}
    for i = 1, 2500 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    local count = 0
    for item in orders:query("ann", { snapshot = true }) do
      count = count + 1
      assert.equal(count, item.placed_at)
      if count == 1 then
        assert(orders:delete { customer = "ann", placed_at = 2000 })
        assert(orders:put { customer = "ann", placed_at = 2000.5 })
        assert.is_true(db:info().oldest_reader_lag > 0)
      end
    end
    assert.equal(2500, count)
    assert.equal(0, db:info().oldest_reader_lag)
    helper.first(orders:query("ann", { snapshot = true }))
    assert(orders:put { customer = "bob", placed_at = 1 })
    assert.equal(0, db:info().oldest_reader_lag)
  end)

  it("holds a snapshot for at most snapshot_limit", function()
    local items = {}
    for i = 1, 1500 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    local count = 0
    local err = raises("TIMEOUT", function()
      for _ in orders:query("ann", { snapshot = true, snapshot_limit = 0.01 }) do
        count = count + 1
        local deadline = os.clock() + (count == 1 and 0.05 or 0)
        while os.clock() < deadline do end
      end
    end)
    assert.is_true(err.retryable)
    assert.equal(8, count)         -- the first page
    assert(orders:put { customer = "bob", placed_at = 1 })
    assert.equal(0, db:info().oldest_reader_lag)
    for _, given in ipairs { { snapshot_limit = 1 }, { snapshot_limit = 1, snapshot = false } } do
      misuse('query: option "snapshot_limit" requires option "snapshot"', orders.query, orders,
        "ann", given)
      misuse('scan: option "snapshot_limit" requires option "snapshot"', orders.scan, orders, given)
    end
    assert.equal(1500, #helper.collect(orders:query("ann",
      { snapshot = true, snapshot_limit = math.huge })))
    misuse('option "snapshot_limit" must be', orders.query, orders, "ann",
      { snapshot = true, snapshot_limit = "60" })
  end)

  --- Returns the number of items of each page of an iteration over `count` items with this note, by
  --- changing all of them after the first item of a page.
  local function page_sizes(count, note, options, iterate)
    local sizes, version = {}, 0
    local function put_all()
      version = version + 1
      local items = {}
      for i = 1, count do
        items[i] = { customer = "ann", placed_at = i, version = version, note = note }
      end
      assert(orders:load(items))
    end
    put_all()
    for item in iterate(orders, options) do
      if sizes[item.version] then
        sizes[item.version] = sizes[item.version] + 1
      else
        sizes[item.version] = 1
        put_all()
      end
    end
    return sizes
  end

  local function query(table, options) return table:query("ann", options) end
  local function scan(table, options) return table:scan(options) end

  it("reads a small page first, and then larger ones", function()
    for _, descending in ipairs { false, true } do
      for _, iterate in ipairs { query, scan } do
        local function sizes(options)
          options.descending = descending
          return page_sizes(1600, nil, options, iterate)
        end
        assert.are.same({ 8, 64, 512, 1000, 16 }, sizes {})
        assert.are.same({ 20 }, sizes { limit = 20 })
        assert.are.same({ 8, 12 }, sizes { limit = 20, filter = "version > ?", 0 })
      end
    end
    assert.are.same({ 8, 64, 512, 1000, 16 },
      page_sizes(1600, nil, { segment = 0, total_segments = 1 }, scan))
    assert.are.same({ 1600 }, page_sizes(1600, nil, { snapshot = true }, query))
  end)

  it("reads little in the first pages also if items are large", function()
    assert.are.same({ 1, 1, 3, 7 }, page_sizes(12, ("x"):rep(100000), {}, query))
  end)

  it("returns large items whole, in every place of a page", function()
    local function note_of(i) return (string.char(96 + i)):rep(i * 16000) end
    local items = {}
    for i = 1, 12 do items[i] = { customer = "ann", placed_at = i, note = note_of(i) } end
    assert(orders:load(items))
    local function check(inside, options)
      local seen = 0
      for item in inside:query("ann", options) do
        seen = seen + 1
        local i = options.descending and 13 - seen or seen
        assert.is_true(item.placed_at == i and item.note == note_of(i))
      end
      assert.equal(12, seen)
    end
    for _, descending in ipairs { false, true } do
      local options = { descending = descending }
      local filtered = { descending = descending, filter = "note > ?", "" }
      check(orders, options)
      check(orders, filtered)
      assert(db:transact(function(tx)
        local inside = tx:table "orders"
        check(inside, options)
        check(inside, filtered)
      end, { mode = "optimistic" }))
      local page = orders:query_page("ann", { descending = descending, limit = 2 })
      assert.equal(note_of(descending and 12 or 1), page[1].note)
      assert.equal(note_of(descending and 11 or 2), page[2].note)
      local _, key = orders:query_page("ann", { descending = descending, limit = 2, count = true })
      assert.are.same({ customer = "ann", placed_at = descending and 11 or 2 }, key)
    end
  end)

  it("works on partitions whose keys are too long to be stored directly", function()
    for _, n in ipairs { 127, 128, 129, 2048 } do
      local customer = ("k"):rep(n)
      for i = 1, 3 do assert(orders:put { customer = customer, placed_at = i }) end
      assert.are.same({ 3, 2, 1 }, field("placed_at", orders:query(customer,
        { descending = true })))
      assert.are.same({ 2, 3 }, field("placed_at", orders:query(customer,
        { sort = { ">", 1 } })))
      assert.are.same({ 3 }, field("placed_at", orders:query(customer,
        { start_key = { customer = customer, placed_at = 2 } })))
    end
    assert.equal(12, #collect(orders:scan()))
  end)

  it("closes the iterator when the loop is left, by break or an error", function()
    local items = {}
    for i = 1, 1200 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    helper.first(orders:query "ann")
    pcall(function() for _ in orders:scan { snapshot = true } do error "x" end end)
    assert(orders:put { customer = "bob", placed_at = 1 })
    assert.equal(0, db:info().oldest_reader_lag)
    local next_item, _, _, closing <close> = orders:scan()
    assert.is_not_nil(next_item())
    assert.is_not_nil(closing)
  end)

  it("returns a function that can be called without a loop, in transactions too", function()
    for i = 1, 3 do assert(orders:put { customer = "ann", placed_at = i }) end
    local function first_of(a_table)
      local next_item = a_table:query("ann", { descending = true })
      assert.equal(3, next_item().placed_at)
      assert.equal(2, next_item().placed_at)
      return a_table:scan { limit = 1 }().placed_at
    end
    assert.equal(1, first_of(orders))
    for _, mode in ipairs { "locked", "optimistic" } do
      assert.equal(1, db:transact(function(tx)
        return first_of(tx:table "orders")
      end, { mode = mode }))
    end
  end)

  it("can be interleaved with another, and called after its end", function()
    for i = 1, 3 do assert(orders:put { customer = "ann", placed_at = i }) end
    local a, a_state = orders:query "ann"
    local b, b_state = orders:query("ann", { descending = true })
    for i = 1, 3 do
      assert.equal(i, a(a_state).placed_at)
      assert.equal(4 - i, b(b_state).placed_at)
    end
    assert.is_nil(a(a_state))
    assert.is_nil(a(a_state))
    assert.is_nil(b(b_state))
  end)
end)

describe("scan", function()
  it("iterates over the whole table in key order, in both directions", function()
    local names = { "ann", "bob", "cai" }
    for i, customer in ipairs(names) do
      for j = 1, 2 do assert(orders:put { customer = customer, placed_at = i * 10 + j }) end
    end
    assert(db:create_table { name = "other", partition_key = "id" }):put { id = "x" }
    assert.are.same({ 11, 12, 21, 22, 31, 32 }, field("placed_at", orders:scan()))
    assert.are.same({ 32, 31, 22, 21, 12, 11 }, field("placed_at",
      orders:scan { descending = true }))
    assert.are.same({ 11, 12, 21 }, field("placed_at", orders:scan { limit = 3 }))
    assert.are.same({ 22, 31, 32 }, field("placed_at",
      orders:scan { start_key = { customer = "bob", placed_at = 21 } }))
    assert.are.same({ 22, 31, 32 }, field("placed_at",
      orders:scan { start_key = { customer = "bob", placed_at = 21.5 }, snapshot = true }))
    assert.are.same({ 12, 11 }, field("placed_at", orders:scan {
      start_key = { customer = "ann", placed_at = 100 }, descending = true }))
    misuse('unknown option "sort"', orders.scan, orders, { sort = { "=", 1 } })
    raises("VALIDATION", orders.scan, orders, { start_key = { customer = "ann" } })
  end)

  it("of an empty table returns nothing", function()
    assert.are.same({}, collect(orders:scan()))
    assert.are.same({}, collect(orders:query "ann"))
    assert.are.same({}, collect(orders:scan { descending = true, snapshot = true }))
    local items, key = orders:scan_page()
    assert.are.same({}, items)
    assert.is_nil(key)
  end)
end)

describe("query_page and scan_page", function()
  before_each(function()
    for i = 1, 5 do assert(orders:put { customer = "ann", placed_at = i }) end
    assert(orders:put { customer = "bob", placed_at = 1 })
  end)

  it("return an array, and the last key if there are more items", function()
    local items, key = orders:query_page("ann", { limit = 2 })
    assert.are.same({ 1, 2 }, { items[1].placed_at, items[2].placed_at })
    assert.are.same({ customer = "ann", placed_at = 2 }, key)
    items, key = orders:query_page("ann", { limit = 2, start_key = key })
    assert.are.same({ 3, 4 }, { items[1].placed_at, items[2].placed_at })
    items, key = orders:query_page("ann", { limit = 2, start_key = key })
    assert.equal(1, #items)
    assert.is_nil(key)
  end)

  it("return all items with any limit, in both directions", function()
    for limit = 1, 7 do
      for _, descending in ipairs { false, true } do
        local seen, key, pages = 0, nil, 0
        repeat
          local items
          items, key = orders:scan_page { limit = limit, start_key = key, descending = descending }
          seen, pages = seen + #items, pages + 1
        until not key
        assert.equal(6, seen)
        assert.is_true(pages <= 6 // limit + 1)
      end
    end
  end)

  it("return the number of items with count, and the last key as without it", function()
    local function count_all(t, opts)
      local total, scanned = 0, 0
      repeat
        local count, key, evaluated = t:scan_page(opts)
        total, scanned, opts.start_key = total + count, scanned + evaluated, key
      until not key
      return { total, scanned }
    end
    local function check(t)
      for limit = 1, 7 do
        assert.are.same({ 6, 6 }, count_all(t, { count = true, limit = limit }))
        assert.are.same({ 6, 6 }, count_all(t, { count = true, limit = limit,
          projection = "placed_at" }))
        assert.are.same({ 3, 6 }, count_all(t, { count = true, limit = limit,
          filter = "placed_at > ?", 2 }))
      end
    end
    check(orders)
    for _, mode in ipairs { "locked", "optimistic" } do
      assert(db:transact(function(tx) check(tx:table "orders") end, { mode = mode }))
    end
  end)

  it("return at most 1,000 items, or 1 MB", function()
    local items = {}
    for i = 1, 1500 do items[i] = { customer = "many", placed_at = i } end
    assert(orders:load(items))
    local page, key = orders:query_page "many"
    assert.equal(1000, #page)
    assert.are.same({ customer = "many", placed_at = 1000 }, key)
    page, key = orders:query_page("many", { start_key = key })
    assert.equal(500, #page)
    assert.is_nil(key)
    for i = 1, 10 do
      assert(orders:put { customer = "big", placed_at = i, text = ("x"):rep(300000) })
    end
    page, key = orders:query_page "big"
    assert.is_true(#page >= 3 and #page <= 4)
    assert.is_not_nil(key)
    assert.equal(10, #collect(orders:query "big"))
  end)

  it("accept the options of query and scan except snapshot", function()
    misuse('unknown option "snapshot"', orders.query_page, orders, "ann", { snapshot = true })
    misuse('unknown option "snapshot"', orders.scan_page, orders, { snapshot = true })
    misuse("value is missing", orders.query_page, orders)
    assert.equal(2, #orders:query_page("ann", { sort = { "<", 3 } }))
    refused("VALIDATION", orders:query_page("ann", { sort = { "begins_with", 3 } }))
  end)

  it("return a last key with the table's key attributes, of every type", function()
    local t = assert(db:create_table { name = "blobs", partition_key = { "p", "B" },
      sort_key = { "s", "B" } })
    for i = 1, 3 do assert(t:put { p = binary "\xff", s = binary(("\xff"):rep(i)), v = i }) end
    local _, key = t:query_page(binary "\xff", { limit = 1 })
    assert.are.same({ p = binary "\xff", s = binary "\xff" }, key)
    assert.equal(2, #t:scan_page { start_key = key })
  end)
end)
