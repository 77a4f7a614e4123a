-- annotation_spec.lua - context and origin of transactions, as documented in
-- doc/modules/transaction.md and doc/modules/stream.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local collect, misuse, refused = helper.collect, helper.misuse, helper.refused

local LARGEST = 4096

--- Returns a context of this size: that of its name and of its text.
local function context_of_size(size)
  return { t = ("x"):rep(size - 1) }
end

describe("an annotation", function()
  local db, orders, log
  before_each(function()
    db = helper.memory {}
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    log = assert(db:create_table { name = "log", partition_key = "id", stream = true })
  end)

  --- Returns the last record of a table.
  local function last(t)
    local records = collect(assert(t:stream()):records())
    return records[#records]
  end

  it("is an option of each single write", function()
    local context = { by = "ann", why = { tickets = { 1, 2 } }, tags = tidetable.set { "a" } }
    local writes = {
      function(opts) return orders:put({ id = "a", n = 1 }, opts) end,
      function(opts) return orders:update({ id = "a" }, "ADD n :one", {
        values = { [":one"] = 1 }, context = opts.context, origin = opts.origin }) end,
      function(opts) return orders:delete({ id = "a" }, opts) end,
      function(opts) return orders:put({ id = "b" }, { condition = "attribute_not_exists(id)",
        return_values = "ALL_OLD", context = opts.context, origin = opts.origin }) end,
      function(opts) return orders:load({ { id = "c" } }, opts) end,
    }
    for _, write in ipairs(writes) do
      assert(write { context = context, origin = "my tool" })
      local record = last(orders)
      assert.is_true(tidetable.equal(context, record.context))
      assert.equal("my tool", record.origin)
      assert.equal(0, record.depth)
      assert(orders:put { id = "plain", n = record.sequence_number })
      record = last(orders)
      assert.is_nil(record.context)
      assert.is_nil(record.origin)
      assert.equal(0, record.depth)
    end
    assert.is_true(db:check().ok)
  end)

  for _, mode in ipairs { "locked", "optimistic" } do
    it("is that of all records of a transaction, in every stream: " .. mode, function()
      local function write(tx)
        for i = 1, 20 do
          tx:table(i % 3 == 0 and "log" or "orders"):put { id = mode .. i }
        end
      end
      assert(db:transact(write, { mode = mode, context = { by = mode } }))
      assert(db:transact(function(tx) tx:table "log":put { id = "x" } end, { mode = mode }))
      assert(db:transact(function(tx) tx:table "log":put { id = "y" } end,
        { mode = mode, origin = "tool" }))
      for _, stream in ipairs { db:stream(), orders:stream(), log:stream() } do
        local count = 0
        for record in stream:records() do
          if record.keys.id == "x" then
            assert.is_nil(record.context)
          elseif record.keys.id == "y" then
            assert.is_nil(record.context)
            assert.equal("tool", record.origin)
          else
            count = count + 1
            assert.same({ by = mode }, record.context)
            assert.is_nil(record.origin)
          end
        end
        assert.is_true(count >= 6)
      end
      for transaction in db:stream():transactions { at = 2 } do
        for _, record in ipairs(transaction) do
          assert.is_true(record.context ~= nil or #transaction == 1)
        end
      end
      assert.is_true(db:check().ok)
    end)
  end

  it("is the same at each position and for each kind of reader", function()
    assert(db:transact(function(tx)
      for i = 1, 30 do tx:table "orders":put { id = "a" .. i } end
    end, { context = { n = 1 } }))
    for at = 1, 30 do
      assert.same({ n = 1 }, assert(orders:stream { at = at }):next().context)
    end
    local one = assert(orders:stream { key = { id = "a17" } }):next()
    assert.same({ n = 1 }, one.context)
    db:close()
    collectgarbage()
    assert.same({ n = 1 }, one.context)
    assert.is_true(rawequal(one.context, one.context))
  end)

  it("has fields for filters", function()
    for i = 1, 3 do
      assert(orders:put({ id = "c" .. i }, { context = { n = i, who = { name = "n" .. i } } }))
      assert(orders:put({ id = "o" .. i }, { origin = "tool" .. i }))
    end
    assert(orders:put { id = "plain" })
    local function ids(filter, ...)
      local found = {}
      for record in assert(orders:stream { filter = filter, ... }):records() do
        found[#found + 1] = record.keys.id
      end
      return table.concat(found, " ")
    end
    assert.equal("c2 c3", ids("context.n > ?", 1))
    assert.equal("c1", ids("context.who.name = ?", "n1"))
    assert.equal("o2", ids("origin = ?", "tool2"))
    assert.equal("plain", ids "attribute_not_exists(context) AND attribute_not_exists(origin)")
    assert.equal("c1 o1 c2 o2 c3 o3 plain", ids("depth = ?", 0))
  end)

  it("can be of any size up to the limit", function()
    for _, size in ipairs { 2, 1900, 2000, 2100, LARGEST - 1, LARGEST } do
      local context = context_of_size(size)
      assert(db:transact(function(tx)
        tx:table "orders":put { id = "s" .. size, v = ("v"):rep(size) }
        tx:table "orders":put { id = "t" .. size, v = "small" }
      end, { context = context, origin = ("o"):rep(64) }))
      for record in assert(orders:stream { at = db:last_change() - 1 }):records() do
        assert.same(context, record.context)
        assert.equal(("o"):rep(64), record.origin)
      end
    end
    assert(orders:put({ id = "empty" }, { context = {} }))
    assert.same({}, last(orders).context)
    assert.is_true(db:check().ok)
  end)

  it("is refused if the context is too large or cannot be stored", function()
    local before = db:last_change()
    local too_large = { context = context_of_size(LARGEST + 1) }
    local calls = {
      function(opts) return orders:put({ id = "a" }, opts) end,
      function(opts) return orders:update({ id = "a" }, nil, opts) end,
      function(opts) return orders:delete({ id = "a" }, opts) end,
      function(opts) return orders:load({ { id = "a" } }, opts) end,
      function(opts) return db:transact(function() error "not called" end, opts) end,
      function(opts)
        return db:transact(error, { mode = "optimistic", context = opts.context })
      end,
    }
    for _, call in ipairs(calls) do
      local err = refused("VALIDATION", call(too_large))
      assert.equal("the context is larger than 4,096 bytes", err.message)
      err = refused("VALIDATION", call { context = context_of_size(500000) })
      assert.equal("the context is larger than 4,096 bytes", err.message)
      err = refused("VALIDATION", call { context = { f = print } })
      assert.equal("context.f: a function can't be stored", err.message)
      err = refused("VALIDATION", call { context = { 1, 2 } })
      assert.equal("context: expected attributes by name, got a list", err.message)
      refused("VALIDATION", call { context = tidetable.list {} })
    end
    assert.equal(before, db:last_change())
  end)

  it("has options that are checked", function()
    misuse('put: option "context" must be table, got "x"', orders.put, orders, { id = "a" },
      { context = "x" })
    local wrong = 'option "origin" must be a string of 1 to 64 printable ASCII characters, got '
    for _, origin in ipairs { "", ("x"):rep(65), "tab\t", "\xc3\xa9", 1, true, {} } do
      misuse("put: " .. wrong, orders.put, orders, { id = "a" }, { origin = origin })
      misuse("transact: " .. wrong, db.transact, db, print, { origin = origin })
    end
    misuse('load: unknown option "contxt" (did you mean "context"?)', orders.load, orders, {},
      { contxt = {} })
  end)

  it("belongs to the transaction, not to its writes", function()
    for _, mode in ipairs { "locked", "optimistic" } do
      assert(db:transact(function(tx)
        local t = tx:table "orders"
        for name, value in pairs { context = {}, origin = "x" } do
          local text = (': option "%s" is not available in a transaction: give it to db:transact')
            :format(name)
          misuse("put" .. text, t.put, t, { id = "a" }, { [name] = value })
          misuse("update" .. text, t.update, t, { id = "a" }, nil, { [name] = value })
          misuse("delete" .. text, t.delete, t, { id = "a" }, { [name] = value })
          misuse("load" .. text, t.load, t, {}, { [name] = value })
        end
      end, { mode = mode, origin = "y" }))
    end
  end)

  it("is that of each transaction of load", function()
    local items = {}
    for i = 1, 25 do items[i] = { id = "l" .. i } end
    assert.equal(25, orders:load(items, { batch = 10, context = { job = 7 } }))
    local count = 0
    for transaction in orders:stream():transactions() do
      count = count + 1
      for _, record in ipairs(transaction) do assert.same({ job = 7 }, record.context) end
    end
    assert.equal(3, count)
  end)

  it("is lost with a transaction that fails, and stored by its repetition", function()
    local runs = 0
    assert(orders:put { id = "a", n = 0 })
    assert(db:transact(function(tx)
      local t = tx:table "orders"
      local item = t:get { id = "a" }
      runs = runs + 1
      if runs == 1 then assert(orders:put({ id = "a", n = 5 }, { origin = "other" })) end
      t:put { id = "a", n = item.n + 1 }
    end, { mode = "optimistic", origin = "mine" }))
    assert.equal("mine", last(orders).origin)
    assert.equal(6, last(orders).new_image.n)
    pcall(db.transact, db, function(tx)
      tx:table "orders":put { id = "b" }
      error "no"
    end, { origin = "lost" })
    assert(orders:put { id = "c" })
    assert.is_nil(last(orders).origin)
  end)

  it("is not stored for changes that are none", function()
    assert(orders:put { id = "a" })
    assert.equal(0, orders:put({ id = "a" }, { context = { n = 1 } }))
    assert.is_nil(last(orders).context)
    assert(orders:put { id = "b" })
    assert.is_nil(last(orders).context)
  end)

  it("is not that of removals by time to live, whichever commit emits them", function()
    local clock = helper.clock(1700000000)
    local items = assert(db:create_table { name = "items", partition_key = "id", ttl = "at",
      stream = true })
    for i = 1, 5 do assert(items:put { id = "old" .. i, at = 1700000010 }) end
    clock:advance(100)
    -- The put meets an expired item. The commit also sweeps the others.
    assert(db:transact(function(tx)
      tx:table "items":put { id = "old1", at = 1700009999 }
      tx:table "items":put { id = "new" }
    end, { context = { n = 1 }, origin = "tool" }))
    assert(db:sweep())
    local removals, changes = 0, 0
    for record in items:stream { at = 9 }:records() do
      if record.user_identity then
        removals = removals + 1
        assert.is_nil(record.context)
        assert.is_nil(record.origin)
        assert.equal(0, record.depth)
      else
        changes = changes + 1
        assert.same({ n = 1 }, record.context)
      end
    end
    assert.equal(5, removals)
    assert.equal(2, changes)
    assert.is_true(db:check().ok)
  end)

  it("remains while the record is retained, also if others of its transaction were trimmed",
    function()
      assert(db:transact(function(tx)
        for i = 1, 10 do
          tx:table(i % 2 == 0 and "log" or "orders"):put { id = "i" .. i }
        end
      end, { context = { n = 1 } }))
      assert(orders:put { id = "later" })
      assert(orders:stream():set_retention { count = 1 })
      assert(db:sweep())
      assert.equal(1, #collect(orders:stream():records()))
      for record in log:stream():records() do assert.same({ n = 1 }, record.context) end
      assert.is_true(db:check().ok)
    end)
end)
