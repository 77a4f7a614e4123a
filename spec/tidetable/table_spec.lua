-- table_spec.lua - items and streams of a table, as documented in doc/modules/table.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, misuse = helper.refused, helper.raises, helper.misuse
local collect = helper.collect
local binary, set, list = tidetable.binary, tidetable.set, tidetable.list

local db, orders

before_each(function()
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
end)

describe("a handle", function()
  it("has a name and a text", function()
    assert.equal("orders", orders.name)
    assert.equal("tidetable.table: orders", tostring(orders))
  end)

  it("finds the table by name at each call", function()
    local other = assert(db:table "orders")
    assert(other:put { customer = "ann", placed_at = 1 })
    assert(db:delete_table "orders")
    refused("NOT_FOUND", orders:get { customer = "ann", placed_at = 1 })
    refused("NOT_FOUND", orders:put { customer = "ann", placed_at = 1 })
    refused("NOT_FOUND", orders:delete { customer = "ann", placed_at = 1 })
    refused("NOT_FOUND", orders:update({ customer = "ann", placed_at = 1 }, "REMOVE v"))
    refused("NOT_FOUND", orders:put({ customer = "ann", placed_at = 1 },
      { condition = "attribute_exists(v)" }))
    refused("NOT_FOUND", orders:get({ customer = "ann", placed_at = 1 }, { projection = "v" }))
    refused("NOT_FOUND", orders:query_page { key_condition = "customer = ?", "ann" })
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
    assert.is_truthy(orders:put { id = "x" })
    assert.are.same({ id = "x" }, other:get { id = "x" })
    assert.are.same({ "id", "S" }, orders:describe().partition_key)
  end)

  it("ends an iteration with NOT_FOUND if the table was created again", function()
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
    assert.equal(8, seen)          -- the first page
  end)
end)

describe("put", function()
  it("stores the item and replaces the one with the same key", function()
    assert.is_truthy(orders:put { customer = "ann", placed_at = 1, total = 5, note = "x" })
    assert.is_truthy(orders:put { customer = "ann", placed_at = 1, total = 6 })
    assert.are.same({ customer = "ann", placed_at = 1, total = 6 },
      orders:get { customer = "ann", placed_at = 1 })
    assert.equal(1, #collect(orders:scan()))
  end)

  it('returns the old item with return_values = "ALL_OLD"', function()
    local all_old = { return_values = "ALL_OLD" }
    local seq, old = orders:put({ customer = "ann", placed_at = 1, v = 1 }, all_old)
    assert.equal(2, seq)
    assert.is_nil(old)
    seq, old = orders:put({ customer = "ann", placed_at = 1, v = 2 }, all_old)
    assert.equal(3, seq)
    assert.are.same({ customer = "ann", placed_at = 1, v = 1 }, old)
    seq, old = orders:put({ customer = "ann", placed_at = 1, v = 2 }, all_old)
    assert.equal(0, seq)
    assert.are.same({ customer = "ann", placed_at = 1, v = 2 }, old)
    local text = ("x"):rep(300000)
    assert(orders:put { customer = "ann", placed_at = 1, v = text })
    seq, old = orders:put({ customer = "ann", placed_at = 1, v = 3 }, all_old)
    assert.equal(5, seq)
    assert.equal(text, old.v)
    seq, old = orders:put({ customer = "ann", placed_at = 1 }, { return_values = "NONE" })
    assert.equal(6, seq)
    assert.is_nil(old)
    assert.is_nil((select(2, orders:put { customer = "ann", placed_at = 1, v = 4 })))
  end)

  it("of an equal item changes nothing and appends no record", function()
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
      assert.is_truthy(orders:put(same))
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
    local sorted = assert(db:create_table { name = "sorted", partition_key = "p",
      sort_key = "s" })
    refused("VALIDATION", sorted:put { p = "x", s = ("s"):rep(1025) })
    assert(sorted:put { p = "x", s = ("s"):rep(1024) })
    refused("VALIDATION", sorted:put { p = "x", s = "" })
  end)

  it("stores items of up to 400 KB exactly", function()
    -- 400 KB minus the names and values of the keys and the name of the text.
    local room = 400 * 1024 - #"customer" - #"ann" - #"placed_at" - 2 - #"text"
    assert.is_truthy(orders:put { customer = "ann", placed_at = 1, text = ("x"):rep(room) })
    refused("VALIDATION", orders:put { customer = "ann", placed_at = 1,
      text = ("x"):rep(room + 1) })
    assert.equal(room, #orders:get({ customer = "ann", placed_at = 1 }).text)
    assert.is_true(db:check().ok)
  end)

  it("raises an error for mistakes in the program", function()
    misuse('unknown option "return_value" (did you mean "return_values"?)', orders.put, orders,
      { customer = "ann", placed_at = 1 }, { return_value = "ALL_OLD" })
    misuse('option "return_values" must be "NONE" or "ALL_OLD", got "ALL_NEW"', orders.put, orders,
      { customer = "ann", placed_at = 1 }, { return_values = "ALL_NEW" })
    misuse("options must be a table", orders.put, orders, { customer = "ann", placed_at = 1 }, true)
    assert.are.same({}, collect(orders:scan()))
  end)
end)

describe("get", function()
  it("returns the item, or nil without an error", function()
    assert(orders:put { customer = "ann", placed_at = 1, list = { 1, 2 } })
    assert.are.same({ customer = "ann", placed_at = 1, list = { 1, 2 } },
      orders:get { customer = "ann", placed_at = 1 })
    local nothing, err = orders:get { customer = "ann", placed_at = 2 }
    assert.is_nil(nothing)
    assert.is_nil(err)
    assert.is_not_nil(orders:get { customer = "ann", placed_at = 1.0 })
    assert.is_not_nil(orders:get { customer = "ann", placed_at = tidetable.number "1.00" })
  end)

  it("returns a new table each time", function()
    assert(orders:put { customer = "ann", placed_at = 1 })
    local one = orders:get { customer = "ann", placed_at = 1 }
    one.total = 9
    assert.is_nil(orders:get({ customer = "ann", placed_at = 1 }).total)
  end)

  it("accepts the key attributes and no others", function()
    for _, key in ipairs { {}, { customer = "ann" }, { placed_at = 1 },
        { customer = "ann", placed_at = 1, total = 5 }, { customer = "ann", placed_at = "1" },
        { customer = "ann", placed = 1 }, { customer = "", placed_at = 1 },
        { customer = ("x"):rep(2049), placed_at = 1 } } do
      refused("VALIDATION", orders:get(key))
      refused("VALIDATION", orders:delete(key))
    end
    -- The message names the attributes that the key must have.
    local schema = "The provided key element does not match the schema: key must contain exactly: "
    for _, call in ipairs { orders.get, orders.delete } do
      local err = refused("VALIDATION", call(orders, { customer = "ann", placed_at = "1" }))
      assert.equal(schema .. "customer (S), placed_at (N)", err.message)
    end
    local one = assert(db:create_table { name = "one", partition_key = { "id", "B" } })
    local err = refused("VALIDATION", one:get { id = "a" })
    assert.equal(schema .. "id (B)", err.message)
  end)

  it("has the options of a projection", function()
    local key = { customer = "ann", placed_at = 1 }
    misuse('get: unknown option "consistent_read"; known: names, projection', orders.get, orders,
      key, { consistent_read = true })
    misuse("get: options must be a table, got boolean", orders.get, orders, key, true)
    misuse('get: option "projection" must be string', orders.get, orders, key, { projection = 5 })
    for _, mode in ipairs { "locked", "optimistic" } do
      misuse('get: unknown option "filter"', db.transact, db, function(tx)
        tx:table "orders":get(key, { filter = "v = v" })
      end, { mode = mode })
    end
    assert.is_nil(orders:get(key, {}))
    assert(orders:put { customer = "ann", placed_at = 1, v = 1, m = { a = 1, b = { 1, 2 } } })
    assert.are.same({ v = 1, m = { b = { 2 } } }, orders:get(key, { projection = "v, m.b[1]" }))
    assert.are.same({ placed_at = 1 },
      orders:get(key, { projection = "#p", names = { ["#p"] = "placed_at" } }))
  end)
end)

describe("delete", function()
  it("returns true, whether or not there was an item", function()
    assert(orders:put { customer = "ann", placed_at = 1 })
    assert.is_truthy(orders:delete { customer = "ann", placed_at = 1 })
    assert.is_nil(orders:get { customer = "ann", placed_at = 1 })
    assert.is_truthy(orders:delete { customer = "ann", placed_at = 1 })
    assert.equal(2, #collect(orders:stream():records()))
  end)

  it('returns the old item with return_values = "ALL_OLD"', function()
    assert(orders:put { customer = "ann", placed_at = 1, v = 1 })
    local seq, old = orders:delete({ customer = "ann", placed_at = 1 },
      { return_values = "ALL_OLD" })
    assert.equal(3, seq)
    assert.are.same({ customer = "ann", placed_at = 1, v = 1 }, old)
    seq, old = orders:delete({ customer = "ann", placed_at = 1 }, { return_values = "ALL_OLD" })
    assert.equal(0, seq)
    assert.is_nil(old)
    misuse("unknown option", orders.delete, orders, { customer = "ann", placed_at = 1 },
      { all_old = true })
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

  it("stores an array, or the results of a function, and counts them", function()
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

  it("counts all items, equal ones included", function()
    assert(orders:load(items(1, 5)))
    assert.equal(5, orders:load(items(1, 5)))
    assert.equal(3, orders:load { item(9), item(9), item(9) })
    assert.equal(6, #collect(orders:scan()))
  end)

  it("sets err.loaded to the number of stored items, err.item to the refused one", function()
    local bad = items(1, 10)
    bad[8] = { customer = "ann" }
    local err = refused("VALIDATION", orders:load(bad, { batch = 3 }))
    assert.equal(6, err.loaded)
    assert.equal(8, err.item)
    assert.match("^item 8: .*Missing the key placed_at", err.message)
    assert.equal(6, #collect(orders:scan()))
    err = refused("VALIDATION", orders:load({ item(20), "x" }))
    assert.equal(0, err.loaded)
    assert.equal("item 2: expected a table, got string", err.message)
    local i = 0
    err = refused("VALIDATION", orders:load(function()
      i = i + 1
      return i == 5 and { customer = "ann", placed_at = "5" } or item(100 + i)
    end, { batch = 2 }))
    assert.equal(4, err.loaded)
    assert.equal(5, err.item)
    for _, mode in ipairs { "locked", "optimistic" } do
      err = helper.raises("VALIDATION", db.transact, db, function(tx)
        tx:table "orders":load({ item(20), item(21), { customer = 7 } }, { batch = 2 })
      end, { mode = mode })
      assert.equal(3, err.item)
      assert.match("^item 3: ", err.message)
    end
    assert.equal(10, #collect(orders:scan()))
    assert.is_true(db:check().ok)
  end)

  it("encodes an item at once, so that a function may reuse its table", function()
    local one = { customer = "ann" }
    local i = 0
    assert.equal(7, orders:load(function()
      i = i + 1
      one.placed_at = i
      return i <= 7 and one or nil
    end, { batch = 3 }))
    assert.equal(7, #collect(orders:scan()))
    db:transact(function(tx)
      i = 10
      assert.equal(5, tx:table "orders":load(function()
        i = i + 1
        one.placed_at = i
        return i <= 15 and one or nil
      end))
    end)
    assert.equal(12, #collect(orders:scan()))
  end)

  it("refuses a hole in an array, and takes no item after a refused one", function()
    local err = refused("VALIDATION", orders:load { item(1), nil, item(3) })
    assert.equal("item 2: expected a table, got nil", err.message)
    assert.equal(2, err.item)
    local calls = 0
    err = refused("VALIDATION", orders:load(function()
      calls = calls + 1
      return calls == 2 and { customer = 0 / 0 } or item(calls)
    end))
    assert.equal(2, err.item)
    assert.equal(2, calls)
    err = refused("VALIDATION", orders:load(function() return false end))
    assert.equal("item 1: expected a table, got boolean", err.message)
    assert.are.same({}, collect(orders:scan()))
  end)

  it("passes on an error of the function; stored batches stay", function()
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

  it("divides batches that are too large for one transaction", function()
    local big = {}
    for i = 1, 100 do
      big[i] = { customer = "big", placed_at = i, text = ("x"):rep(390000) }
    end
    assert.equal(100, orders:load(big))
    assert.equal(100, #collect(orders:query "big"))
    local stored = batches()
    assert.is_true(#stored > 1)
    big[60] = { customer = "big", placed_at = {} }
    local err = refused("VALIDATION", orders:load(big))
    assert.equal(60, err.item)
    assert.equal(55, err.loaded)
    assert.equal(0, err.loaded % stored[1])
  end)

  it("lets other writers write between its transactions", function()
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

  it("in a transaction is a part of it", function()
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

  it("in a transaction reports the number of stored items after an error", function()
    local bad = { { customer = "ann" }, { customer = "ann", placed_at = 0 / 0 } }
    for _, mode in ipairs { "locked", "optimistic" } do
      local loaded = 0
      db:transact(function(tx)
        local mine = tx:table "orders"
        for n, refused_item in ipairs(bad) do
          local ok, err = pcall(mine.load, mine,
            { item(10 * n), item(10 * n + 1), item(10 * n + 2), refused_item }, { batch = 2 })
          assert.is_false(ok)
          assert.equal(4, err.item)
          loaded = loaded + err.loaded
        end
        local calls = 0
        local ok = pcall(mine.load, mine, function()
          calls = calls + 1
          return calls < 3 and item(50 + calls) or error "no more"
        end)
        assert.is_false(ok)
      end, { mode = mode })
      assert.equal(loaded, #collect(orders:scan()), mode)
      assert.is_true(loaded >= 4)
      for order in orders:scan() do assert(orders:delete(order)) end
    end
  end)

  it("that is resumed after its transaction stores nothing in the next one", function()
    for _, mode in ipairs { "locked", "optimistic" } do
      local load
      db:transact(function(tx)
        local given = false
        load = coroutine.wrap(function()
          local inside = tx:table "orders"
          return pcall(inside.load, inside, function()
            if given then
              coroutine.yield()
              return nil
            end
            given = true
            return item(99)
          end)
        end)
        load()
      end, { mode = mode })
      db:transact(function()
        local ok, err = load()
        assert.is_false(ok)
        assert.equal("CLOSED", err.code)
      end, { mode = mode })
      assert.are.same({}, collect(orders:scan()), mode)
    end
  end)

  it("reads no element after an array's last", function()
    local array = setmetatable({ item(1), item(2) }, {
      __index = function(_, i) error("there is no " .. i) end,
    })
    assert.equal(2, orders:load(array))
  end)

  it("raises an error for mistakes in the program", function()
    misuse("items must be an array or a function, got nil", orders.load, orders)
    misuse("items must be an array or a function, got one item: use put", orders.load, orders,
      item(1))
    misuse("items must be an array or a function, got string", orders.load, orders, "x")
    misuse('option "batch" must be an integer from 1', orders.load, orders, {}, { batch = 0 })
    misuse("unknown option", orders.load, orders, {}, { size = 3 })
  end)
end)

describe("the streams of a table", function()
  it("are enabled and disabled; each is a new stream", function()
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

  it("have different labels, even within one millisecond", function()
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
    -- This holds for the streams of a table that is created again, too.
    assert(own:delete_table "things")
    t = assert(own:create_table { name = "things", partition_key = "id", stream = true })
    assert.is_nil(labels[t:stream().label])
    assert.equal(22, #own:list_streams())
  end)

  it("have a default view type and retention", function()
    local t = assert(db:create_table { name = "things", partition_key = "id" })
    assert.is_true(t:enable_stream())
    local description = t:stream():describe()
    assert.equal("NEW_AND_OLD_IMAGES", description.view_type)
    assert.are.same({ age = 86400 }, description.retention)
    misuse('option "view_type" must be', t.enable_stream, t, { view_type = "ALL" })
    misuse("unknown option", t.enable_stream, t, { view = "ALL" })
    misuse("unknown option", t.stream, t, { lable = "x" })
  end)

  it("are visible to other handles and processes", function()
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
  it("describes the table", function()
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

describe("an item that cannot be stored", function()
  it("is refused with the path of the value, in Lua's notation", function()
    local own = helper.memory()
    local t = assert(own:create_table { name = "things", partition_key = "id" })
    local places = {
      UPPER_9z = "UPPER_9z[1]", ["a@"] = '["a@"][1]', ["A["] = '["A["][1]', ["`"] = '["`"][1]',
      ["{"] = '["{"][1]', ['"it"'] = '["\\x22it\\x22"][1]', ["a\\b"] = '["a\\x5cb"][1]',
      ["del\127"] = '["del\\x7f"][1]', ["\1"] = '["\\x01"][1]', ["caf\u{e9}"] = '["caf\u{e9}"][1]',
      [("\u{e9}"):rep(25)] = '["' .. ("\u{e9}"):rep(20) .. '..."][1]',
      ["x" .. ("\u{e9}"):rep(25)] = '["x' .. ("\u{e9}"):rep(19) .. '..."][1]',
      ["\xff\xfe"] = '["\\xff\\xfe"]',
    }
    for name, place in pairs(places) do
      local ok, err, code = t:put { id = "a", [name] = { print } }
      assert.is_nil(ok)
      assert.equal("VALIDATION", code)
      assert.equal(place .. ":", err.message:sub(1, #place + 1))
    end
  end)
end)

-- Ids of tables and streams are one byte in keys up to 247, and five above.
it("tables whose ids are long in keys work like others", function()
  for _ = 2, 246 do
    assert(db:create_table { name = "passing", partition_key = "p", stream = true })
    assert(db:delete_table "passing")
  end
  local made = {}
  for i = 1, 3 do
    local name = "late" .. i
    made[i] = assert(db:create_table { name = name, partition_key = "p", sort_key = "s",
      stream = true })
    for _, s in ipairs { "b", "a", ("c"):rep(900) } do
      assert(made[i]:put { p = "one", s = s, of = name })
    end
    assert(made[i]:put { p = ("two"):rep(100), s = "a", of = name })
  end
  for i, late in ipairs(made) do
    local function is_own(item)
      return item.of == "late" .. i
    end
    local items = collect(late:scan())
    assert.equal(4, #items)
    assert.equal(("c"):rep(900), collect(late:query("one", { descending = true }))[1].s)
    assert.equal("late" .. i, late:get { p = ("two"):rep(100), s = "a" }.of)
    for _, item in ipairs(items) do assert.is_true(is_own(item)) end
    local records = collect(late:stream():records())
    assert.equal(4, #records)
    for _, record in ipairs(records) do assert.is_true(is_own(record.new_image)) end
  end
  assert(db:delete_table "late2")
  db:sweep()
  assert.equal(4, #collect(made[1]:scan()))
  assert.equal(4, #collect(made[3]:scan()))
  assert.is_true(assert(db:check()).ok)
end)
