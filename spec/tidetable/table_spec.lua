-- table_spec.lua - what doc/modules/table.md promises.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, misuse = helper.refused, helper.raises, helper.misuse
local collect, field = helper.collect, helper.field
local binary, set, list = tidetable.binary, tidetable.set, tidetable.list

local db, orders

-- Of a table with a sort key of this type, one partition with these sort keys.
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

describe("a handle", function()
  it("says its name", function()
    assert.equal("orders", orders.name)
    assert.equal("tidetable.table: orders", tostring(orders))
  end)

  it("goes by the name", function()
    local other = assert(db:table "orders")
    assert(other:put { customer = "ann", placed_at = 1 })
    assert(db:delete_table "orders")
    refused("NOT_FOUND", orders:get { customer = "ann", placed_at = 1 })
    refused("NOT_FOUND", orders:put { customer = "ann", placed_at = 1 })
    refused("NOT_FOUND", orders:delete { customer = "ann", placed_at = 1 })
    refused("NOT_FOUND", orders:query_page "ann")
    refused("NOT_FOUND", orders:scan_page())
    refused("NOT_FOUND", orders:load { { customer = "ann", placed_at = 1 } })
    refused("NOT_FOUND", orders:enable_stream())
    refused("NOT_FOUND", orders:disable_stream())
    refused("NOT_FOUND", orders:stream())
    raises("NOT_FOUND", orders.query, orders, "ann")
    raises("NOT_FOUND", orders.scan, orders)
    local err = refused("NOT_FOUND", orders:describe())
    assert.is_truthy(err.message:find("orders", 1, true))
    assert(db:create_table { name = "orders", partition_key = "id" })
    assert.is_true(orders:put { id = "x" })
    assert.are.same({ id = "x" }, other:get { id = "x" })
    assert.are.same({ "id", "S" }, orders:describe().partition_key)
  end)

  it("ends an iteration with NOT_FOUND when the table is made anew in between", function()
    local items = {}
    for i = 1, 1001 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    local seen = 0
    raises("NOT_FOUND", function()
      for _ in orders:scan() do
        if seen == 0 then
          assert(db:delete_table "orders")
          assert(db:create_table { name = "orders", partition_key = "customer",
            sort_key = { "placed_at", "N" } })
        end
        seen = seen + 1
      end
    end)
    assert.equal(1000, seen)
  end)
end)

describe("put", function()
  it("stores the item in place of whatever had its key", function()
    assert.is_true(orders:put { customer = "ann", placed_at = 1, total = 5, note = "x" })
    assert.is_true(orders:put { customer = "ann", placed_at = 1, total = 6 })
    assert.are.same({ customer = "ann", placed_at = 1, total = 6 },
      orders:get { customer = "ann", placed_at = 1 })
    assert.equal(1, #collect(orders:scan()))
  end)

  it("gives the old item when it is asked for", function()
    local all_old = { return_values = "ALL_OLD" }
    local ok, old = orders:put({ customer = "ann", placed_at = 1, v = 1 }, all_old)
    assert.is_true(ok)
    assert.is_nil(old)
    ok, old = orders:put({ customer = "ann", placed_at = 1, v = 2 }, all_old)
    assert.is_true(ok)
    assert.are.same({ customer = "ann", placed_at = 1, v = 1 }, old)
    ok, old = orders:put({ customer = "ann", placed_at = 1, v = 2 }, all_old)
    assert.is_true(ok)
    assert.are.same({ customer = "ann", placed_at = 1, v = 2 }, old)
    local text = ("x"):rep(300000)
    assert(orders:put { customer = "ann", placed_at = 1, v = text })
    ok, old = orders:put({ customer = "ann", placed_at = 1, v = 3 }, all_old)
    assert.is_true(ok)
    assert.equal(text, old.v)
    ok, old = orders:put({ customer = "ann", placed_at = 1 }, { return_values = "NONE" })
    assert.is_true(ok)
    assert.is_nil(old)
    assert.is_nil((select(2, orders:put { customer = "ann", placed_at = 1, v = 4 })))
  end)

  it("of an item that is there already changes nothing and appends no record", function()
    local item = {
      customer = "ann", placed_at = 1, tags = set { "a", "b", "c" }, sizes = set { 1, 2.5, 3 },
      blobs = set { binary "x", binary "y" }, deep = { list { 1, { n = 1.5 } }, "x" },
      exact = tidetable.number "12.50", nothing = tidetable.null, empty = list {}, none = {},
    }
    assert(orders:put(item))
    local before = db:info().sequence_number
    for _, same in ipairs {
      item,
      orders:get { customer = "ann", placed_at = 1 },
      {
        none = tidetable.map {}, empty = list {}, nothing = tidetable.null, exact = 12.5,
        deep = { { 1.0, { n = tidetable.number "1.50" } }, "x" },
        blobs = set { binary "y", binary "x" }, sizes = set { 3.0, 2.5, 1 },
        tags = set { "c", "b", "a" }, placed_at = 1.0, customer = "ann",
      },
    } do
      assert.is_true(orders:put(same))
    end
    assert.equal(before, db:info().sequence_number)
    assert.equal(1, #collect(orders:stream():records()))
    item.empty = nil
    assert(orders:put(item))
    assert.equal(2, #collect(orders:stream():records()))
  end)

  it("refuses what DynamoDB refuses", function()
    local function message(item)
      return refused("VALIDATION", orders:put(item)).message
    end
    assert.is_truthy(message({ placed_at = 1 }):find("Missing the key customer", 1, true))
    assert.is_truthy(message({ customer = "ann" }):find("Missing the key placed_at", 1, true))
    assert.is_truthy(message({ customer = 1, placed_at = 1 }):find(
      "Type mismatch for key customer expected: S actual: N", 1, true))
    assert.is_truthy(message({ customer = "ann", placed_at = "1" }):find(
      "Type mismatch for key placed_at expected: N actual: S", 1, true))
    assert.is_truthy(message({ customer = "", placed_at = 1 }):find("empty string value", 1, true))
    message { customer = ("x"):rep(2049), placed_at = 1 }
    assert(orders:put { customer = ("x"):rep(2048), placed_at = 1 })
    message { customer = "ann", placed_at = 1, text = ("x"):rep(400 * 1024) }
    message { customer = "ann", placed_at = 1, bad = "\xff" }
    message { customer = "ann", placed_at = 1, bad = 0 / 0 }
    message { customer = "ann", placed_at = 1 / 0 }
    message { customer = "ann", placed_at = 1, bad = function() end }
    message { customer = "ann", placed_at = 1, [3] = true }
    message { customer = "ann", placed_at = 1, bad = setmetatable({}, {}) }
    message(setmetatable({ customer = "ann", placed_at = 1 }, {}))
    message {}
    assert.equal(1, #collect(orders:scan()))
    local sorted = partition("S", { "a" })
    refused("VALIDATION", sorted:put { p = "x", s = ("s"):rep(1025) })
    assert(sorted:put { p = "x", s = ("s"):rep(1024) })
    refused("VALIDATION", sorted:put { p = "x", s = "" })
  end)

  it("stores items up to 400 KB to the byte", function()
    -- 400 KB less the names and values of the keys, and the name of the text.
    local room = 400 * 1024 - #"customer" - #"ann" - #"placed_at" - 2 - #"text"
    assert.is_true(orders:put { customer = "ann", placed_at = 1, text = ("x"):rep(room) })
    refused("VALIDATION", orders:put { customer = "ann", placed_at = 1,
      text = ("x"):rep(room + 1) })
    assert.equal(room, #orders:get({ customer = "ann", placed_at = 1 }).text)
    assert.is_true(db:check().ok)
  end)

  it("raises what only a mistake can cause", function()
    misuse('unknown option "return_value" (did you mean "return_values"?)', orders.put, orders,
      { customer = "ann", placed_at = 1 }, { return_value = "ALL_OLD" })
    misuse('option "return_values" must be "NONE", "ALL_OLD"', orders.put, orders,
      { customer = "ann", placed_at = 1 }, { return_values = "ALL_NEW" })
    misuse("options are a table", orders.put, orders, { customer = "ann", placed_at = 1 }, true)
    assert.are.same({}, collect(orders:scan()))
  end)
end)

describe("get", function()
  it("gives the item, or nil and no error", function()
    assert(orders:put { customer = "ann", placed_at = 1, list = { 1, 2 } })
    assert.are.same({ customer = "ann", placed_at = 1, list = { 1, 2 } },
      orders:get { customer = "ann", placed_at = 1 })
    local nothing, err = orders:get { customer = "ann", placed_at = 2 }
    assert.is_nil(nothing)
    assert.is_nil(err)
    assert.is_not_nil(orders:get { customer = "ann", placed_at = 1.0 })
    assert.is_not_nil(orders:get { customer = "ann", placed_at = tidetable.number "1.00" })
  end)

  it("gives a table of the caller's own each time", function()
    assert(orders:put { customer = "ann", placed_at = 1 })
    local one = orders:get { customer = "ann", placed_at = 1 }
    one.total = 9
    assert.is_nil(orders:get({ customer = "ann", placed_at = 1 }).total)
  end)

  it("takes the key attributes and nothing else", function()
    for _, key in ipairs { {}, { customer = "ann" }, { placed_at = 1 },
        { customer = "ann", placed_at = 1, total = 5 }, { customer = "ann", placed_at = "1" },
        { customer = "ann", placed = 1 }, { customer = "", placed_at = 1 },
        { customer = ("x"):rep(2049), placed_at = 1 } } do
      refused("VALIDATION", orders:get(key))
      refused("VALIDATION", orders:delete(key))
    end
  end)
end)

describe("delete", function()
  it("returns true, whether or not there was an item", function()
    assert(orders:put { customer = "ann", placed_at = 1 })
    assert.is_true(orders:delete { customer = "ann", placed_at = 1 })
    assert.is_nil(orders:get { customer = "ann", placed_at = 1 })
    assert.is_true(orders:delete { customer = "ann", placed_at = 1 })
    assert.equal(2, #collect(orders:stream():records()))
  end)

  it("gives the old item when it is asked for", function()
    assert(orders:put { customer = "ann", placed_at = 1, v = 1 })
    local ok, old = orders:delete({ customer = "ann", placed_at = 1 },
      { return_values = "ALL_OLD" })
    assert.is_true(ok)
    assert.are.same({ customer = "ann", placed_at = 1, v = 1 }, old)
    ok, old = orders:delete({ customer = "ann", placed_at = 1 }, { return_values = "ALL_OLD" })
    assert.is_true(ok)
    assert.is_nil(old)
    misuse("unknown option", orders.delete, orders, { customer = "ann", placed_at = 1 },
      { all_old = true })
  end)
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

  it("goes over one partition, by sort key, both ways", function()
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

  it("finds nothing between bounds that are reversed", function()
    local t = partition("N", { 1, 2, 3 })
    expect(t, {}, { "between", 3, 1 })
    local items, key = t:query_page("x", { sort = { "between", 3, 1 } })
    assert.are.same({}, items)
    assert.is_nil(key)
  end)

  it("refuses what the schema can't have", function()
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

  it("raises what only a mistake can cause", function()
    helper.blames("the partition key's value is missing", function() orders:query() end)
    helper.blames('unknown option "sorted"', function() orders:query("a", { sorted = {} }) end)
    helper.blames("one of = < <= > >= between begins_with", function()
      orders:query("a", { sort = { "==", 1 } })
    end)
    helper.blames('"between" with 2 value(s)', function()
      orders:query("a", { sort = { "between", 1 } })
    end)
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

  it("stops at the limit", function()
    local t = partition("N", { 1, 2, 3, 4, 5 })
    for limit = 1, 6 do
      assert.equal(math.min(limit, 5), #collect(t:query("x", { limit = limit })))
    end
    assert.are.same({ 5, 4 }, field("s", t:query("x", { limit = 2, descending = true })))
  end)

  it("goes on behind a start key, which need not be there", function()
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

  it("refuses a start key from elsewhere", function()
    local t = partition("N", { 1, 2, 3 })
    for _, key in ipairs { {}, { p = "x" }, { p = "w", s = 1 }, { p = "x", s = "1" },
        { p = "x", s = 1, v = 1 } } do
      raises("VALIDATION", t.query, t, "x", { start_key = key })
      refused("VALIDATION", t:query_page("x", { start_key = key }))
    end
    raises("VALIDATION", t.query, t, "x", { start_key = { p = "x", s = 9 },
      sort = { "<", 5 } })
  end)

  it("is read in pages, each of which sees what is there then", function()
    local items = {}
    for i = 1, 2500 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    local seen = {}
    for item in orders:query "ann" do
      seen[#seen + 1] = item.placed_at
      if #seen == 1 then
        assert(orders:delete { customer = "ann", placed_at = 2 })       -- in this page
        assert(orders:delete { customer = "ann", placed_at = 2000 })    -- in a later one
        assert(orders:put { customer = "ann", placed_at = 2000.5 })
      end
      assert.equal(0, db:info().oldest_reader_lag)
    end
    assert.equal(2500, #seen)
    assert.equal(2, seen[2])
    assert.equal(2000.5, seen[2000])
  end)

  it("holds one snapshot when asked", function()
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

  it("holds a snapshot no longer than snapshot_limit", function()
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
    assert.equal(1000, count)
    assert(orders:put { customer = "bob", placed_at = 1 })
    assert.equal(0, db:info().oldest_reader_lag)
    misuse('option "snapshot_limit" must be', orders.query, orders, "ann",
      { snapshot = true, snapshot_limit = "60" })
  end)

  it("works on partitions whose keys are too long to be stored as they are", function()
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

  it("closes the iterator when the loop ends early, and when a loop raises", function()
    local items = {}
    for i = 1, 1200 do items[i] = { customer = "ann", placed_at = i } end
    assert(orders:load(items))
    helper.first(orders:query "ann")
    pcall(function() for _ in orders:scan { snapshot = true } do error "x" end end)
    assert(orders:put { customer = "bob", placed_at = 1 })
    assert.equal(0, db:info().oldest_reader_lag)
    local next_item, state, _, closing <close> = orders:scan()
    assert.is_not_nil(next_item(state))
    assert.is_not_nil(closing)
  end)

  it("may be taken in turns with another, and with itself ended", function()
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
  it("goes over the whole table in key order, both ways", function()
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

  it("of an empty table gives nothing", function()
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

  it("give an array, and the key to go on behind when there is more", function()
    local items, key = orders:query_page("ann", { limit = 2 })
    assert.are.same({ 1, 2 }, { items[1].placed_at, items[2].placed_at })
    assert.are.same({ customer = "ann", placed_at = 2 }, key)
    items, key = orders:query_page("ann", { limit = 2, start_key = key })
    assert.are.same({ 3, 4 }, { items[1].placed_at, items[2].placed_at })
    items, key = orders:query_page("ann", { limit = 2, start_key = key })
    assert.equal(1, #items)
    assert.is_nil(key)
  end)

  it("walk through everything, whatever the limit and the direction", function()
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

  it("give no more than 1,000 items, or 1 MB", function()
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

  it("take the options but snapshot", function()
    misuse('unknown option "snapshot"', orders.query_page, orders, "ann", { snapshot = true })
    misuse('unknown option "snapshot"', orders.scan_page, orders, { snapshot = true })
    misuse("value is missing", orders.query_page, orders)
    assert.equal(2, #orders:query_page("ann", { sort = { "<", 3 } }))
    refused("VALIDATION", orders:query_page("ann", { sort = { "begins_with", 3 } }))
  end)

  it("give a key of the table's attributes, of every type", function()
    local t = assert(db:create_table { name = "blobs", partition_key = { "p", "B" },
      sort_key = { "s", "B" } })
    for i = 1, 3 do assert(t:put { p = binary "\xff", s = binary(("\xff"):rep(i)), v = i }) end
    local _, key = t:query_page(binary "\xff", { limit = 1 })
    assert.are.same({ p = binary "\xff", s = binary "\xff" }, key)
    assert.equal(2, #t:scan_page { start_key = key })
  end)
end)

describe("load", function()
  local function item(i)
    return { customer = "ann", placed_at = i }
  end

  local function items(from, to)
    local array = {}
    for i = from, to do array[#array + 1] = item(i) end
    return array
  end

  local function batches()
    local counts = {}
    for transaction in db:stream():transactions() do counts[#counts + 1] = #transaction end
    return counts
  end

  it("stores an array, or what a function gives, and counts", function()
    assert.equal(3, orders:load(items(1, 3)))
    local i = 3
    assert.equal(4, orders:load(function()
      i = i + 1
      return i <= 7 and item(i) or nil
    end))
    assert.equal(7, #collect(orders:scan()))
    assert.equal(0, orders:load {})
    assert.equal(0, orders:load(function() end))
    assert.are.same({ 3, 4 }, batches())
  end)

  it("stores in transactions of `batch` items", function()
    assert.equal(7, orders:load(items(1, 7), { batch = 3 }))
    assert.are.same({ 3, 3, 1 }, batches())
    assert.equal(6, orders:load(coroutine.wrap(function()
      for i = 11, 16 do coroutine.yield(item(i)) end
    end), { batch = 3 }))
    assert.are.same({ 3, 3, 1, 3, 3 }, batches())
    assert.equal(1001, orders:load(items(101, 1101)))
    assert.are.same({ 3, 3, 1, 3, 3, 1000, 1 }, batches())
  end)

  it("counts items given, also those that were there", function()
    assert(orders:load(items(1, 5)))
    assert.equal(5, orders:load(items(1, 5)))
    assert.equal(3, orders:load { item(9), item(9), item(9) })
    assert.equal(6, #collect(orders:scan()))
  end)

  it("says in err.loaded how many are stored", function()
    local bad = items(1, 10)
    bad[8] = { customer = "ann" }
    local err = refused("VALIDATION", orders:load(bad, { batch = 3 }))
    assert.equal(6, err.loaded)
    assert.equal(6, #collect(orders:scan()))
    err = refused("VALIDATION", orders:load({ item(20), "x" }))
    assert.equal(0, err.loaded)
    local i = 0
    err = refused("VALIDATION", orders:load(function()
      i = i + 1
      return i == 5 and { customer = "ann", placed_at = "5" } or item(100 + i)
    end, { batch = 2 }))
    assert.equal(4, err.loaded)
    assert.equal(10, #collect(orders:scan()))
    assert.is_true(db:check().ok)
  end)

  it("lets an error of the function through; what was stored stays", function()
    local i = 0
    local ok, err = pcall(orders.load, orders, function()
      i = i + 1
      if i == 6 then error({ mine = true }) end
      return item(i)
    end, { batch = 2 })
    assert.is_false(ok)
    assert.is_true(err.mine)
    assert.equal(4, #collect(orders:scan()))
  end)

  it("stores batches that are too many bytes for one transaction", function()
    local big = {}
    for i = 1, 100 do
      big[i] = { customer = "big", placed_at = i, text = ("x"):rep(390000) }
    end
    assert.equal(100, orders:load(big))
    assert.equal(100, #collect(orders:query "big"))
    assert.is_true(#batches() > 1)
  end)

  it("lets everyone else have a turn in between", function()
    local seen = {}
    local i = 0
    assert.equal(10, orders:load(function()
      i = i + 1
      seen[i] = #collect(orders:scan())
      if i == 4 then assert(orders:put { customer = "bob", placed_at = 1 }) end
      return i <= 10 and item(i) or nil
    end, { batch = 5 }))
    assert.equal(0, seen[1])
    assert.equal(6, seen[6])
  end)

  it("in a transaction is one with the rest", function()
    assert.equal(2500, db:transact(function(tx)
      tx:table "orders":put { customer = "bob", placed_at = 1 }
      return tx:table "orders":load(items(1, 2500), { batch = 10 })
    end))
    assert.are.same({ 2501 }, batches())
    pcall(db.transact, db, function(tx)
      tx:table "orders":load(items(3001, 3010))
      error "no"
    end)
    assert.is_nil(orders:get(item(3001)))
  end)

  it("raises what only a mistake can cause", function()
    misuse("items are an array or a function, got nil", orders.load, orders)
    misuse("items are an array or a function, got string", orders.load, orders, "x")
    misuse('option "batch" must be an integer from 1', orders.load, orders, {}, { batch = 0 })
    misuse("unknown option", orders.load, orders, {}, { size = 3 })
  end)
end)

describe("the streams of a table", function()
  it("are enabled and disabled; a new one begins each time", function()
    local clock = tidetable.manual_clock(1e9)
    local own = helper.memory { clock = clock }
    local t = assert(own:create_table { name = "things", partition_key = "id" })
    local err = refused("NOT_FOUND", t:stream())
    assert.is_truthy(err.message:find("things", 1, true))
    refused("VALIDATION", t:disable_stream())
    assert(t:put { id = "before" })
    assert.is_true(t:enable_stream { view_type = "NEW_IMAGE", retention = "2h" })
    err = refused("VALIDATION", t:enable_stream())
    assert.equal("ValidationException", err.exception)
    refused("VALIDATION", t:enable_stream { view_type = "KEYS_ONLY" })
    local first = assert(t:stream())
    assert(t:put { id = "one" })
    assert.is_true(t:disable_stream())
    refused("VALIDATION", t:disable_stream())
    assert(t:put { id = "unseen" })
    assert.equal(first.label, t:stream().label)          -- the newest, though disabled
    assert.is_true(t:enable_stream { view_type = "KEYS_ONLY" })
    assert(t:put { id = "two" })
    local second = assert(t:stream())
    assert.are_not.equal(first.label, second.label)
    local records = collect(first:records())
    assert.equal(1, #records)
    assert.equal("one", records[1].keys.id)
    assert.equal(1, #collect(second:records()))
    assert.equal("two", second:next().keys.id)
    local older = assert(t:stream { label = first.label })
    assert.equal(first.label, older.label)
    assert.equal("one", older:next().keys.id)
    refused("NOT_FOUND", t:stream { label = "2001-01-01T00:00:00.000" })
    assert.equal("DISABLED", first:describe().status)
    assert.equal("ENABLED", second:describe().status)
    assert.are.same({ age = 7200 }, first:describe().retention)
    assert.is_true(own:check().ok)
  end)

  it("have labels of their own, also in one millisecond", function()
    local clock = tidetable.manual_clock(1e9)
    local own = helper.memory { clock = clock }
    local t = assert(own:create_table { name = "things", partition_key = "id", stream = true })
    local labels = {}
    for i = 1, 20 do
      local label = t:stream().label
      assert.is_nil(labels[label])
      assert.is_truthy(label:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d$"))
      labels[label] = i
      assert(t:put { id = "a", v = i })
      assert(t:disable_stream())
      assert(t:enable_stream())
    end
    assert.equal(21, #own:list_streams())
    for label, i in pairs(labels) do
      local stream = assert(t:stream { label = label })
      assert.equal(i, stream:next().new_image.v)
      assert.is_nil(stream:next())
    end
    -- So have the streams of a table that is made anew under its name.
    assert(own:delete_table "things")
    t = assert(own:create_table { name = "things", partition_key = "id", stream = true })
    assert.is_nil(labels[t:stream().label])
    assert.equal(22, #own:list_streams())
  end)

  it("begin with default view type and retention", function()
    local t = assert(db:create_table { name = "things", partition_key = "id" })
    assert.is_true(t:enable_stream())
    local description = t:stream():describe()
    assert.equal("NEW_AND_OLD_IMAGES", description.view_type)
    assert.are.same({ age = 86400 }, description.retention)
    misuse('option "view_type" must be', t.enable_stream, t, { view_type = "ALL" })
    misuse("unknown option", t.enable_stream, t, { view = "ALL" })
    misuse("unknown option", t.stream, t, { lable = "x" })
  end)

  it("are those of the table as other handles and processes see it", function()
    local own = helper.open()
    local t = assert(own:create_table { name = "things", partition_key = "id" })
    local child = helper.child [[
      local t = assert(db:table "things")
      assert(t:enable_stream { view_type = "NEW_IMAGE" })
      assert(t:put { id = "theirs" })
      print "done"
    ]]
    assert.equal("done", child:line())
    child:close()
    assert(t:put { id = "mine" })                     -- captured here as well
    assert.equal(2, #collect(t:stream():records()))
    assert.equal("NEW_IMAGE", t:describe().stream.view_type)
  end)
end)

describe("describe", function()
  it("says what the table is", function()
    local clock = tidetable.manual_clock(1700000000)
    local own = helper.memory { clock = clock }
    local t = assert(own:create_table { name = "things", partition_key = { "id", "B" },
      sort_key = { "at", "N" } })
    assert.are.same({ name = "things", id = 1, created_at = 1700000000,
      partition_key = { "id", "B" }, sort_key = { "at", "N" } }, t:describe())
    assert(t:enable_stream { view_type = "KEYS_ONLY" })
    local description = t:describe()
    assert.are.same(t:stream():describe(), description.stream)
    assert.equal(t:stream().label, description.newest_stream_label)
    assert(t:disable_stream())
    description = t:describe()
    assert.is_nil(description.stream)
    assert.equal(t:stream().label, description.newest_stream_label)
    local second = assert(own:create_table { name = "second", partition_key = "id" })
    assert.equal(2, second:describe().id)
  end)
end)
