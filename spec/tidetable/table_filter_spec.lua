-- table_filter_spec.lua - filters, projections, counts and key conditions of queries and scans.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local refused, raises, blames = helper.refused, helper.raises, helper.blames
local collect, field = helper.collect, helper.field

local db, orders

local function invalid(message, ...)
  assert.equal(message, refused("VALIDATION", ...).message)
end

local function raises_invalid(message, ...)
  assert.equal(message, raises("VALIDATION", ...).message)
end

before_each(function()
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "n", "N" } })
  for n = 1, 10 do
    assert(orders:put { customer = "ann", n = n, odd = n % 2 == 1, m = { v = n, w = "w" } })
  end
  for n = 1, 4 do assert(orders:put { customer = "bob", n = n, odd = true }) end
end)

-- Calls f with the table outside of a transaction, then with the table in a transaction of each
-- mode: first all items are stored, then some of them are written by the transaction.
local function everywhere(f)
  f(orders)
  for _, mode in ipairs { "locked", "optimistic" } do
    db:transact(function(tx) f(tx:table "orders") end, { mode = mode })
  end
  for n = 3, 8 do assert(orders:delete { customer = "ann", n = n }) end
  for _, mode in ipairs { "locked", "optimistic" } do
    refused("CANCELLED", db:transact(function(tx)
      local t = tx:table "orders"
      for n = 3, 8 do
        t:put { customer = "ann", n = n, odd = n % 2 == 1, m = { v = n, w = "w" } }
      end
      f(t)
      tx:cancel "the next mode writes them too"
    end, { mode = mode }))
  end
end

-- Returns the VALIDATION error that f returns outside of a transaction and raises inside.
local function page_fails(t, f)
  if t == orders then return refused("VALIDATION", f()) end
  return raises("VALIDATION", f)
end

describe("a filter", function()
  it("leaves out the items that do not satisfy it", function()
    everywhere(function(t)
      local opts = { filter = "odd = ?", true }
      assert.are.same({ 1, 3, 5, 7, 9 }, field("n", t:query("ann", opts)))
      assert.are.same({ 1, 3, 5, 7, 9, 1, 2, 3, 4 }, field("n", t:scan(opts)))
      opts.descending = true
      assert.are.same({ 9, 7, 5, 3, 1 }, field("n", t:query("ann", opts)))
      assert.are.same({ 7, 5 }, field("n", t:query("ann", { filter = "odd = :o",
        values = { [":o"] = true }, sort = { "between", 4, 8 }, descending = true })))
      assert.are.same({ 4, 5, 6 }, field("n", t:scan { filter = "#m.v BETWEEN ? AND ?", 4, 6,
        names = { ["#m"] = "m" } }))
      assert.are.same({}, collect(t:query("ann", { filter = "attribute_exists(x)" })))
      assert.are.same({}, collect(t:query("nobody", { filter = "attribute_exists(odd)" })))
    end)
  end)

  it("does not count items that it leaves out in the limit of an iteration", function()
    everywhere(function(t)
      assert.are.same({ 1, 3, 5 }, field("n", t:query("ann", { filter = "odd = ?", true,
        limit = 3 })))
      assert.are.same({ 9, 7 }, field("n", t:query("ann", { filter = "odd = ?", true,
        limit = 2, descending = true })))
      assert.are.same({ 5, 7 }, field("n", t:query("ann", { filter = "odd = ?", true,
        limit = 2, start_key = { customer = "ann", n = 4 } })))
    end)
  end)

  it("is refused on key attributes in a query, and allowed in a scan", function()
    everywhere(function(t)
      local text = "Filter Expression can only contain non-primary key attributes:"
        .. " Primary key attribute: "
      assert.equal(text .. "n", page_fails(t, function()
        return t:query_page("ann", { filter = "n > ?", 3 })
      end).message)
      assert.equal(text .. "customer", page_fails(t, function()
        return t:query_page("ann", { filter = "customer = ?", "ann" })
      end).message)
      raises_invalid(text .. "n", t.query, t, "ann", { filter = "#n > ?", 3,
        names = { ["#n"] = "n" } })
      assert.are.same({ 9, 10 }, field("n", t:scan { filter = "customer = ? AND n > ?", "ann",
        8 }))
    end)
  end)

  it("reads many pages that contain no matching item", function()
    local items = {}
    for n = 1, 5000 do items[n] = { customer = "many", n = n, v = n % 2500 } end
    assert(orders:load(items))
    for _, snapshot in ipairs { false, true } do
      local opts = { filter = "v = ?", 2499, snapshot = snapshot }
      assert.are.same({ 2499, 4999 }, field("n", orders:query("many", opts)))
      assert.are.same({ 2499, 4999 }, field("n", orders:scan(opts)))
      opts[1] = -1
      assert.are.same({}, collect(orders:scan(opts)))
    end
    for _, mode in ipairs { "locked", "optimistic" } do
      db:transact(function(tx)
        assert.are.same({ 2499, 4999 }, field("n", tx:table "orders":query("many",
          { filter = "v = ?", 2499 })))
      end, { mode = mode })
    end
  end)

  it("with a snapshot does not see later changes", function()
    local items = {}
    for n = 1, 3000 do items[n] = { customer = "many", n = n, v = n % 2 } end
    assert(orders:load(items))
    local count = 0
    for item in orders:query("many", { filter = "v = ?", 1, snapshot = true }) do
      if count == 0 then
        for n = 2001, 3000 do assert(orders:update({ customer = "many", n = n }, "REMOVE v")) end
      end
      assert.equal(2 * count + 1, item.n)
      count = count + 1
    end
    assert.equal(1500, count)
    assert.equal(1000, (orders:query("many", { filter = "v = ?", 1, count = true })))
    local deadline
    raises("TIMEOUT", function()
      for _ in orders:query("many", { filter = "v = ?", 1, snapshot = true,
          snapshot_limit = 0.01 }) do
        deadline = deadline or os.clock() + 0.05
        while os.clock() < deadline do end -- luacheck: ignore 542
      end
    end)
  end)

  it("is interrupted by a hook between pages without a matching item", function()
    local items = {}
    for n = 1, 5000 do items[n] = { customer = "many", n = n, v = n } end
    assert(orders:load(items))
    for _, read in ipairs {
      function() collect(orders:scan { filter = "v = ?", -1 }) end,
      function() collect(orders:query("many", { filter = "v = ?", -1 })) end,
      function() orders:scan { filter = "v = ?", -1, count = true } end,
      function() orders:query("many", { count = true }) end,
    } do
      local calls = 0
      -- Ctrl-C in the stand-alone interpreter sets such a hook. The core runs it between two pages.
      debug.sethook(function()
        if debug.getinfo(2, "S").source == "return" then
          calls = calls + 1
          if calls == 4 then error("interrupted!", 0) end
        end
      end, "", 1)
      local ok, err = pcall(read)
      debug.sethook()
      assert.is_false(ok)
      assert.equal("interrupted!", err)
    end
    assert.equal(5014, (orders:scan { count = true }))
  end)

  it("may use the transaction's own versions of the items", function()
    for _, mode in ipairs { "locked", "optimistic" } do
      refused("CANCELLED", db:transact(function(tx)
        local t = tx:table "orders"
        t:update({ customer = "ann", n = 1 }, "SET odd = ?", { false })
        t:update({ customer = "ann", n = 2 }, "SET odd = ?", { true })
        t:delete { customer = "ann", n = 3 }
        t:put { customer = "ann", n = 11, odd = true }
        local opts = { filter = "odd = ?", true }
        assert.are.same({ 2, 5, 7, 9, 11 }, field("n", t:query("ann", opts)))
        local items, key, scanned = t:query_page("ann", { filter = "odd = ?", true, limit = 4 })
        assert.are.same({ 2, 5 }, { items[1].n, items[2].n })
        assert.are.same({ customer = "ann", n = 5 }, key)
        assert.equal(4, scanned)
        opts.count = true
        assert.equal(5, (t:query("ann", opts)))
        opts.descending = true
        assert.are.same({ 5, nil, 10 }, { t:query_page("ann", opts) })
        tx:cancel()
      end, { mode = mode }))
    end
  end)
end)

describe("a page", function()
  it("limits the items evaluated, and returns their number", function()
    everywhere(function(t)
      local opts = { filter = "odd = ?", true, limit = 4 }
      local items, key, scanned = t:query_page("ann", opts)
      assert.are.same({ 1, 3 }, { items[1].n, items[2].n, items[3] })
      assert.are.same({ customer = "ann", n = 4 }, key)
      assert.equal(4, scanned)
      opts.start_key = key
      items, key, scanned = t:query_page("ann", opts)
      assert.are.same({ 5, 7 }, { items[1].n, items[2].n, items[3] })
      assert.are.same({ customer = "ann", n = 8 }, key)
      assert.equal(4, scanned)
      opts.start_key = key
      items, key, scanned = t:query_page("ann", opts)
      assert.are.same({ 9 }, { items[1].n, items[2] })
      assert.is_nil(key)
      assert.equal(2, scanned)
    end)
  end)

  it("may be empty and have a last key", function()
    everywhere(function(t)
      local seen, pages, total, key = {}, 0, 0, nil
      repeat
        local items, scanned
        items, key, scanned = t:scan_page { filter = "n = ?", 4, limit = 2, start_key = key }
        for _, item in ipairs(items) do seen[#seen + 1] = item.customer end
        assert.is_true(#items > 0 or key ~= nil)
        pages, total = pages + 1, total + scanned
      until not key
      assert.are.same({ "ann", "bob" }, seen)
      assert.equal(7, pages)
      assert.equal(14, total)
      local items, last, scanned = t:query_page("ann", { filter = "odd = ?", "x", limit = 10 })
      assert.are.same({ {}, nil, 10 }, { items, last, scanned })
      items, last, scanned = t:query_page("ann", { filter = "odd = ?", "x", limit = 9,
        descending = true })
      assert.are.same({ {}, { customer = "ann", n = 2 }, 9 }, { items, last, scanned })
    end)
  end)

  it("has at most 1,000 items that were evaluated", function()
    local items = {}
    for n = 1, 1500 do items[n] = { customer = "many", n = n, v = n } end
    assert(orders:load(items))
    for _, limit in ipairs { 1200, math.maxinteger } do
      local opts = { filter = "v > ?", 1400, limit = limit }
      local page, key, scanned = orders:query_page("many", opts)
      assert.are.same({}, page)
      assert.are.same({ customer = "many", n = 1000 }, key)
      assert.equal(1000, scanned)
      opts.start_key = key
      page, key, scanned = orders:query_page("many", opts)
      assert.equal(100, #page)
      assert.is_nil(key)
      assert.equal(500, scanned)
    end
  end)

  it("has at most 1 MB of items that were evaluated", function()
    local text = ("x"):rep(300000)
    for n = 1, 6 do assert(orders:put { customer = "big", n = n, text = text }) end
    local function check(t)
      for _, opts in ipairs { { filter = "attribute_not_exists(#t)" }, { projection = "n" },
        { count = true } } do
        opts.names = not opts.count and opts.filter and { ["#t"] = "text" } or nil
        local total, pages, key = 0, 0, nil
        repeat
          local items, scanned
          opts.start_key = key
          items, key, scanned = t:query_page("big", opts)
          assert.equal(opts.filter and 0 or scanned, opts.count and items or #items)
          total, pages = total + scanned, pages + 1
          assert.are.same(pages == 1 and { customer = "big", n = 4 } or nil, key)
        until not key
        assert.are.same({ 6, 2 }, { total, pages })
      end
    end
    check(orders)
    for _, mode in ipairs { "locked", "optimistic" } do
      db:transact(function(tx) check(tx:table "orders") end, { mode = mode })
    end
  end)

  it("returns the number of items without a filter too", function()
    everywhere(function(t)
      assert.equal(10, select(3, t:query_page "ann"))
      assert.equal(3, select(3, t:query_page("ann", { limit = 3 })))
      assert.equal(14, select(3, t:scan_page()))
      assert.equal(0, select(3, t:query_page "nobody"))
    end)
  end)
end)

describe("count", function()
  it("returns the number of items instead of the items", function()
    everywhere(function(t)
      assert.are.same({ 10, 10 }, { t:query("ann", { count = true }) })
      assert.are.same({ 5, 10 }, { t:query("ann", { count = true, filter = "odd = ?", true }) })
      assert.are.same({ 9, 14 }, { t:scan { count = true, filter = "odd = ?", true } })
      assert.are.same({ 3, 3 }, { t:query("ann", { count = true, sort = { "<", 4 } }) })
      assert.are.same({ 0, 0 }, { t:query("nobody", { count = true }) })
      assert.are.same({ 10, nil, 10 }, { t:query_page("ann", { count = true }) })
      assert.are.same({ 2, { customer = "ann", n = 4 }, 4 },
        { t:query_page("ann", { count = true, filter = "odd = ?", true, limit = 4 }) })
      assert.are.same({ 9, nil, 14 }, { t:scan_page { count = true, filter = "odd = ?", true } })
    end)
  end)

  it("counts up to the limit", function()
    everywhere(function(t)
      assert.equal(3, (t:query("ann", { count = true, limit = 3 })))
      assert.equal(2, (t:query("ann", { count = true, limit = 2, filter = "odd = ?", true })))
      assert.equal(5, (t:query("ann", { count = true, limit = 7, filter = "odd = ?", true })))
      assert.equal(12, (t:scan { count = true, limit = 12 }))
    end)
  end)

  it("returns and raises errors like a read of the items", function()
    local query = core.query
    finally(function() core.query = query end)
    function core.query(...)     -- the table is deleted before the first page is read
      local handle = query(...)
      assert(db:delete_table "orders")
      assert(db:create_table { name = "orders", partition_key = "customer",
        sort_key = { "n", "N" } })
      return handle
    end
    for _, count in ipairs { false, true } do
      refused("NOT_FOUND", orders:query_page("ann", { count = count }))
      refused("NOT_FOUND", orders:scan_page { count = count, filter = "odd = ?", true })
      raises("NOT_FOUND", function() collect(orders:scan { count = count }) end)
    end
  end)

  it("counts all pages, from a snapshot if wanted", function()
    local items = {}
    for n = 1, 3500 do items[n] = { customer = "many", n = n, v = n % 5 } end
    assert(orders:load(items))
    assert.are.same({ 700, 3500 }, { orders:query("many", { count = true, filter = "v = ?", 0 }) })
    assert.are.same({ 3514, 3514 }, { orders:scan { count = true, snapshot = true } })
    assert.equal(1000, (orders:query_page("many", { count = true })))
    assert.equal(2500, (orders:query("many", { count = true, limit = 2500 })))
  end)
end)

describe("a projection", function()
  it("returns the attributes that it names", function()
    everywhere(function(t)
      local expected = { { n = 1, m = { v = 1 } }, { n = 2, m = { v = 2 } } }
      local opts = { projection = "n, m.v", limit = 2 }
      assert.are.same(expected, collect(t:query("ann", opts)))
      assert.are.same(expected, collect(t:scan(opts)))
      local items, key, scanned = t:query_page("ann", opts)
      assert.are.same(expected, items)
      assert.are.same({ customer = "ann", n = 2 }, key)
      assert.equal(2, scanned)
      assert.are.same({ { odd = true } }, collect(t:query("ann", { projection = "#o", limit = 1,
        names = { ["#o"] = "odd" }, filter = "m.v > ?", 4, descending = false })))
    end)
  end)

  it("returns items without attributes if it finds none", function()
    everywhere(function(t)
      assert.are.same({ {}, {}, {}, {} }, collect(t:query("bob", { projection = "x, m.v" })))
      local items, key = t:query_page("bob", { projection = "x", limit = 3 })
      assert.are.same({ {}, {}, {} }, items)
      assert.are.same({ customer = "bob", n = 3 }, key)
      assert.are.same({}, t:get({ customer = "bob", n = 1 }, { projection = "x" }))
      assert.are.same({ m = { w = "w" } }, t:get({ customer = "ann", n = 1 },
        { projection = "#m.w", names = { ["#m"] = "m" } }))
      assert.is_nil(t:get({ customer = "nobody", n = 1 }, { projection = "x" }))
    end)
  end)

  it("is refused with DynamoDB's message", function()
    local text = "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved"
      .. " keyword: status"
    everywhere(function(t)
      assert.equal(text, page_fails(t, function()
        return t:scan_page { projection = "status" }
      end).message)
      assert.equal(text, page_fails(t, function()
        return t:get({ customer = "ann", n = 1 }, { projection = "status" })
      end).message)
      assert.is_truthy(page_fails(t, function()
        return t:query_page("ann", { projection = "m, m.v" })
      end).message:find("Two document paths overlap with each other", 1, true))
    end)
    blames('get: unknown option "filter"', function()
      orders:get({ customer = "ann", n = 1 }, { filter = "x = x" })
    end)
  end)
end)

describe("a key condition", function()
  it("has all operators", function()
    everywhere(function(t)
      local function keys(condition, ...)
        return field("n", t:query { key_condition = condition, "ann", ... })
      end
      assert.equal(10, #keys "customer = ?")
      assert.are.same({ 3 }, keys("customer = ? AND n = ?", 3))
      assert.are.same({ 1, 2 }, keys("customer = ? AND n < ?", 3))
      assert.are.same({ 1, 2, 3 }, keys("customer = ? AND n <= ?", 3))
      assert.are.same({ 10 }, keys("customer = ? AND n > ?", 9))
      assert.are.same({ 9, 10 }, keys("customer = ? AND n >= ?", 9))
      assert.are.same({ 4, 5 }, keys("customer = ? AND n BETWEEN ? AND ?", 4, 5))
      assert.are.same({ 1, 2 }, keys("? = customer AND ? > n", 3))
      assert.are.same({ 2 }, field("n", t:query { key_condition = "n = ? AND customer = ?", 2,
        "ann" }))
    end)
    local files = assert(db:create_table { name = "files", partition_key = "dir",
      sort_key = "path" })
    for _, path in ipairs { "a/1", "a/2", "b" } do assert(files:put { dir = "x", path = path }) end
    assert.are.same({ "a/1", "a/2" }, field("path", files:query {
      key_condition = "dir = :d AND begins_with(#p, :p)", names = { ["#p"] = "path" },
      values = { [":d"] = "x", [":p"] = "a/" } }))
  end)

  it("goes with the other options, and takes ? before the filter", function()
    everywhere(function(t)
      assert.are.same({ { n = 7 }, { n = 5 } }, collect(t:query {
        filter = "odd = ?", key_condition = "customer = ? AND n BETWEEN ? AND ?", "ann", 4, 8,
        true, projection = "n", descending = true, limit = 2 }))
      local items, key, scanned = t:query_page { key_condition = "customer = ?", "ann",
        limit = 2, start_key = { customer = "ann", n = 3 } }
      assert.are.same({ 4, 5 }, { items[1].n, items[2].n })
      assert.are.same({ customer = "ann", n = 5 }, key)
      assert.equal(2, scanned)
      assert.are.same({ 2, nil, 2 }, { t:query_page { key_condition = "customer = ? AND n > ?",
        "ann", 8, count = true } })
    end)
    assert.are.same({ 9, 10 }, field("n", orders:query { snapshot = true,
      key_condition = "customer = ? AND n > ?", "ann", 8 }))
  end)

  it("is refused with DynamoDB's message if it does not fit the key", function()
    everywhere(function(t)
      local function refuses(message, condition, ...)
        local values = { ... }
        assert.equal(message, page_fails(t, function()
          return t:query_page { key_condition = condition, table.unpack(values) }
        end).message)
        raises_invalid(message, t.query, t, { key_condition = condition, ... })
      end
      refuses("Query condition missed key schema element: customer", "n = ?", 1)
      refuses("Query condition missed key schema element: customer", "x = ? AND n = ?", 1, 1)
      refuses("Query condition missed key schema element: n", "customer = ? AND x = ?", "a", 1)
      refuses("Query key condition not supported", "customer > ?", "ann")
      refuses("Query key condition not supported", "begins_with(customer, ?)", "ann")
      refuses("Invalid operator used in KeyConditionExpression: OR", "customer = ? OR n = ?",
        "ann", 1)
      refuses("Invalid operator used in KeyConditionExpression: <>", "customer = ? AND n <> ?",
        "ann", 1)
      local types = "One or more parameter values were invalid: Condition parameter type does not"
        .. " match schema type"
      refuses(types, "customer = ?", 5)
      refuses(types, "customer = ? AND n > ?", "ann", "x")
      refuses("KeyConditionExpressions must only contain one condition per key",
        "customer = ? AND n > ? AND n < ?", "ann", 1, 3)
    end)
    local plain = assert(db:create_table { name = "plain", partition_key = "id" })
    invalid("The number of query conditions (2) exceeds the number of key attributes defined in"
      .. " the schema (1)", plain:query_page { key_condition = "id = ? AND n = ?", "a", 1 })
    assert(plain:put { id = "a" })
    assert.are.same({ { id = "a" } }, collect(plain:query { key_condition = "id = ?", "a" }))
  end)

  it("takes the place of the partition and of sort", function()
    blames('query: unknown option "sort"', function()
      orders:query { key_condition = "customer = ?", "ann", sort = { "=", 1 } }
    end)
    blames('query: unknown option "key_condition"', function()
      orders:query("ann", { key_condition = "customer = ?", "ann" })
    end)
    blames('scan: unknown option "key_condition"', function()
      orders:scan { key_condition = "customer = ?", "ann" }
    end)
    blames("query: the partition key's value is missing", function() orders:query() end)
  end)
end)

describe("the options of a read", function()
  it("are checked", function()
    everywhere(function(t)
      local function wrong(text, opts)
        blames("query: " .. text, function() t:query("ann", opts) end)
        blames("query_page: " .. text, function() t:query_page("ann", opts) end)
        blames("scan: " .. text, function() t:scan(opts) end)
        blames("scan_page: " .. text, function() t:scan_page(opts) end)
      end
      wrong('option "filter" must be string, got 5', { filter = 5 })
      wrong('option "projection" must be string, got', { projection = { "a" } })
      wrong('option "names" must be table, got 5', { names = 5 })
      wrong('option "values" must be table, got', { values = true })
      wrong('option "count" must be boolean, got 1', { count = 1 })
      wrong('unknown option "filters"', { filters = "v = v" })
      wrong("the expressions have 1 `?`, the array part has 0 values", { filter = "v = ?" })
      wrong("the expressions have 1 `?`, the array part has 2 values", { filter = "v = ?", 1, 2 })
      wrong("the expressions have 0 `?`, the array part has 1 values", { 1 })
      wrong("value 2 of the array part is nil", { filter = "v IN (?, ?)", 1, nil, n = 2 })
    end)
  end)

  it("are refused with DynamoDB's messages", function()
    invalid("ExpressionAttributeValues can only be specified when using expressions:"
      .. " FilterExpression is null", orders:scan_page { values = { [":v"] = 1 } })
    invalid("ExpressionAttributeValues can only be specified when using expressions:"
      .. " FilterExpression is null", orders:scan_page { projection = "v",
      values = { [":v"] = 1 } })
    invalid("ExpressionAttributeNames can only be specified when using expressions",
      orders:scan_page { names = { ["#v"] = "v" } })
    invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {#w}",
      orders:query_page("ann", { filter = "#v = ?", 1, names = { ["#v"] = "v", ["#w"] = "w" } }))
    invalid("Invalid FilterExpression: The expression can not be empty;",
      orders:scan_page { filter = "" })
    raises_invalid('Invalid FilterExpression: Syntax error; token: "=", near: "= = v"', orders.scan,
      orders, { filter = "v = = v" })
    raises("VALIDATION", orders.scan, orders, { filter = "v = ?", print })
    refused("VALIDATION", orders:scan_page { filter = "v = ?", io.stdout })
  end)
end)
