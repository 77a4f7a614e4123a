-- definition_spec.lua - ensure_table, definition and alter, as documented in doc/modules/table.md.
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local refused, raises, blames = helper.refused, helper.raises, helper.blames
local field = helper.field

local db

before_each(function()
  db = helper.memory()
end)

local function orders(more)
  local spec = { name = "orders", partition_key = "customer", sort_key = { "placed_at", "N" } }
  for name, value in pairs(more or {}) do spec[name] = value end
  return spec
end

local function invalid(message, ...)
  assert.equal(message, refused("VALIDATION", ...).message)
end

describe("definition", function()
  it("is what create_table accepts", function()
    for i, spec in ipairs {
      { name = "one", partition_key = { "id", "S" } },
      { name = "two", partition_key = { "id", "N" }, sort_key = { "at", "B" } },
      { name = "three", partition_key = { "id", "B" },
        stream = { view_type = "KEYS_ONLY",
          retention = { age = 90, bytes = 1 << 20, count = 7 },
          hold = { age = 600, bytes = 1 << 24 } } },
    } do
      local t = assert(db:create_table(spec))
      local definition = assert(t:definition())
      assert.are.same(spec, definition)
      definition.name = "copy" .. i
      local copy = assert(db:create_table(definition))
      assert.are.same(definition, copy:definition())
    end
  end)

  it("contains the stream's settings, and none after it is disabled", function()
    local t = assert(db:create_table(orders { stream = true }))
    local definition = assert(t:definition())
    assert.equal("NEW_AND_OLD_IMAGES", definition.stream.view_type)
    assert.equal(86400, definition.stream.retention.age)
    assert(db:delete_table "orders")
    t = assert(db:create_table(definition))
    assert.are.same(definition, t:definition())
    assert(t:disable_stream())
    assert.is_nil(t:definition().stream)
  end)

  it("returns NOT_FOUND for a table that does not exist", function()
    local t = assert(db:create_table(orders()))
    assert(db:delete_table "orders")
    refused("NOT_FOUND", t:definition())
    refused("NOT_FOUND", t:alter { stream = true })
  end)
end)

describe("alter", function()
  it("keeps what is not given of the present stream", function()
    local t = assert(db:create_table { name = "kept", partition_key = "id",
      stream = { view_type = "KEYS_ONLY", retention = { age = "2h", count = 7 } } })
    local label = t:describe().stream.label
    assert.is_true(t:alter { stream = true })
    assert.is_true(t:alter { stream = { retention = "7d" } })
    local stream = t:describe().stream
    assert.equal(label, stream.label)                    -- the same stream
    assert.equal("KEYS_ONLY", stream.view_type)
    assert.equal(7 * 86400, stream.retention.age)
    assert.is_true(t:alter { stream = { view_type = "NEW_IMAGE" } })
    assert.equal(7 * 86400, t:describe().stream.retention.age)
  end)

  local t
  before_each(function()
    t = assert(db:create_table(orders()))
  end)

  it("enables and disables the stream", function()
    assert.is_true(t:alter { stream = false })           -- nothing to change
    assert.is_true(t:alter { stream = true })
    assert.equal("NEW_AND_OLD_IMAGES", t:definition().stream.view_type)
    assert(t:put { customer = "ann", placed_at = 1 })
    local label = t:stream().label
    assert.is_true(t:alter { stream = true })
    assert.equal(label, t:stream().label)
    assert.is_true(t:alter { stream = false })
    assert.is_nil(t:definition().stream)
    assert(t:put { customer = "ann", placed_at = 2 })
    assert.are.same({ "INSERT" }, field("event_name", db:stream():records()))
  end)

  it("changes the retention of the stream and keeps its records", function()
    assert(t:alter { stream = true })
    assert(t:put { customer = "ann", placed_at = 1 })
    local label = t:stream().label
    assert.is_true(t:alter { stream = { retention = { count = 5, age = "2h" } } })
    local stream = t:definition().stream
    assert.equal(7200, stream.retention.age)
    assert.equal(5, stream.retention.count)
    assert.equal(label, t:stream().label)
    assert.equal(1, #helper.collect(t:stream():records()))
  end)

  it("changes the view type by a new stream", function()
    assert(t:alter { stream = true })
    assert(t:put { customer = "ann", placed_at = 1 })
    assert.is_true(t:alter { stream = { view_type = "KEYS_ONLY", retention = { count = 9 } } })
    assert.equal("KEYS_ONLY", t:definition().stream.view_type)
    assert.equal(9, t:definition().stream.retention.count)
    assert(t:put { customer = "ann", placed_at = 2 })
    local records = helper.collect(t:stream():records())
    assert.equal(1, #records)
    assert.is_nil(records[1].new_image)
    assert.equal(2, #db:list_streams { table = "orders" })
    assert.is_true(db:check().ok)
  end)

  it("checks its arguments", function()
    blames("alter: expected a table with stream or ttl", function() t:alter() end)
    blames("alter: expected a table with stream or ttl", function() t:alter {} end)
    blames('unknown option "streams"', function() t:alter { streams = true } end)
    blames('option "stream"', function() t:alter { stream = 5 } end)
    blames("alter: stream", function() t:alter { stream = { view = "KEYS_ONLY" } } end)
  end)
end)

describe("ensure_table", function()
  it("creates the table, or returns the existing one", function()
    local t = assert(db:ensure_table(orders { stream = true }))
    assert(t:put { customer = "ann", placed_at = 1 })
    local again = assert(db:ensure_table(orders { stream = true }))
    assert.equal("orders", again.name)
    assert.is_table(again:get { customer = "ann", placed_at = 1 })
    assert(db:ensure_table(t:definition()))
    assert(db:ensure_table(orders { partition_key = { "customer", "S" }, stream = true }))
    assert.equal(1, #db:list_streams())
    assert.are.same({ "orders" }, db:list_tables())
  end)

  it("returns VALIDATION, and names the difference, for another key schema", function()
    assert(db:ensure_table(orders()))
    for _, alter in ipairs { false, true } do
      invalid("orders: partition_key is customer (S), not client (S)",
        db:ensure_table(orders { partition_key = "client", alter = alter }))
      invalid("orders: partition_key is customer (S), not customer (B)",
        db:ensure_table(orders { partition_key = { "customer", "B" }, alter = alter }))
      invalid("orders: sort_key is placed_at (N), not placed_at (S)",
        db:ensure_table(orders { sort_key = { "placed_at" }, alter = alter }))
      invalid("orders: sort_key is placed_at (N), not none",
        db:ensure_table { name = "orders", partition_key = "customer", alter = alter })
    end
    assert(db:ensure_table { name = "plain", partition_key = "id" })
    invalid("plain: sort_key is none, not n (N)",
      db:ensure_table { name = "plain", partition_key = "id", sort_key = { "n", "N" } })
  end)

  it("alters a stream that differs only with alter = true", function()
    local text = "orders: the stream differs from the definition; alter = true changes it"
    assert(db:ensure_table(orders()))
    local last
    for _, stream in ipairs { true, { view_type = "KEYS_ONLY" },
      { view_type = "KEYS_ONLY", retention = { count = 3 } }, false } do
      invalid(text, db:ensure_table(orders { stream = stream }))
      invalid(text, db:ensure_table(orders { stream = stream, alter = false }))
      assert.are.same(last, db:table "orders":definition().stream)
      local t = assert(db:ensure_table(orders { stream = stream, alter = true }))
      last = t:definition().stream
      assert.equal(stream and (stream ~= true and stream.view_type or "NEW_AND_OLD_IMAGES"),
        last and last.view_type or false)
      assert(db:ensure_table(orders { stream = stream }))
    end
  end)

  it("can be called by several processes at once", function()
    local file_db = helper.open()
    local children = {}
    for i = 1, 4 do
      children[i] = helper.child [[
        pause()
        local t = assert(db:ensure_table { name = "orders", partition_key = "id",
          stream = { retention = { count = 100 } } })
        assert(t:update({ id = "a" }, "ADD starts ?", { 1 }))
        print "done"
      ]]
    end
    for _, child in ipairs(children) do child:paused() end
    for _, child in ipairs(children) do child:go() end
    for _, child in ipairs(children) do assert.equal("done\n", child:close()) end
    assert.equal(4, file_db:table "orders":get { id = "a" }.starts)
    assert.equal(1, #file_db:list_streams())
    assert.equal(4, #helper.collect(file_db:stream():records()))
    assert.is_true(file_db:check().ok)
  end)

  it("creates the table again if another process has deleted it meanwhile", function()
    assert(db:create_table(orders()))
    db.table = function(self, name)      -- between the two steps of ensure_table
      self.table = nil
      assert(self:delete_table(name))
      return self:table(name)
    end
    local t = assert(db:ensure_table(orders()))
    assert.is_nil(rawget(db, "table"))
    assert(t:put { customer = "ann", placed_at = 1 })
  end)

  it("checks its arguments", function()
    local text = "ensure_table: expected a table with name and partition_key"
    blames(text, function() db:ensure_table "orders" end)
    blames(text, function() db:ensure_table() end)
    blames('ensure_table: unknown option "names"', function()
      db:ensure_table { names = "orders", partition_key = "id" }
    end)
    blames("ensure_table: name is missing", function() db:ensure_table { partition_key = "id" } end)
    blames("ensure_table: partition_key is missing", function()
      db:ensure_table { name = "orders" }
    end)
    blames('ensure_table: option "alter"', function()
      db:ensure_table(orders { alter = "yes" })
    end)
    blames("ensure_table: stream", function()
      db:ensure_table(orders { stream = { view = "KEYS_ONLY" } })
    end)
    refused("VALIDATION", db:ensure_table { name = "o", partition_key = "id" })
    assert.are.same({}, db:list_tables())
  end)

  it("is refused in a transaction, and on a read-only handle if there is no table", function()
    db:transact(function() raises("NESTED", db.ensure_table, db, orders()) end)
    local file_db = helper.open()
    assert(file_db:ensure_table { name = "there", partition_key = "id" })
    local reader = helper.open { read_only = true }
    refused("READ_ONLY", reader:ensure_table(orders()))
  end)
end)

describe("last_change", function()
  it("is the sequence number of the last change that the handle committed", function()
    local path = helper.path()
    local one, two = helper.open({}, path), helper.open({}, path)
    local t = assert(one:ensure_table { name = "items", partition_key = "id", stream = true })
    assert.equal(1, one:last_change())
    assert.equal(2, t:put { id = "a" })
    assert.equal(2, one:last_change())
    assert.equal(0, two:last_change())
    assert.equal(3, two:table "items":put { id = "b" })
    assert.equal(2, one:last_change())
    assert.equal(3, two:last_change())
    for _, mode in ipairs { "locked", "optimistic" } do
      local before = one:last_change()
      pcall(one.transact, one, function(tx)
        tx:table "items":put { id = "c" .. mode }
        error "undone"
      end, { mode = mode })
      one:transact(function(tx) return nil, tx:table "items":put { id = "d" .. mode } end,
        { mode = mode })
      one:transact(function(tx) tx:table "items":put { id = "a" } end, { mode = mode })
      assert.equal(before, one:last_change())
      one:transact(function(tx)
        for i = 1, 3 do tx:table "items":put { id = mode .. i } end
        assert.equal(before, one:last_change())
      end, { mode = mode })
      assert.equal(mode == "locked" and 6 or 9, one:last_change())
    end
    assert.equal(10, t:delete { id = "b" })
    assert.equal(0, t:delete { id = "b" })
    assert.equal(10, one:last_change())
    local last
    for record in one:stream():records() do last = record.sequence_number end
    assert.equal(10, last)
  end)
end)
