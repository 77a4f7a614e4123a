-- tables_spec.lua - records of changes of tables (doc/modules/stream.md, "Changes of tables").
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"

helper.setup(before_each, after_each)

local collect, field, refused = helper.collect, helper.field, helper.refused

local db

before_each(function() db = helper.memory() end)

local function create(name, opts)
  local spec = { name = name, partition_key = "id", stream = true }
  for option, value in pairs(opts or {}) do spec[option] = value end
  return assert(db:create_table(spec))
end

--- Returns the records with the changes of tables, from a position on.
local function records(opts)
  local given = { tables = true }
  for name, value in pairs(opts or {}) do given[name] = value end
  return collect(db:stream():records(given))
end

local function last() return records { after = db:last_change() - 1 }[1] end

--- Returns the event, the table and, for an item, its id.
local function describe_record(record)
  return table.concat({ record.event_name, record.table_name, record.keys and record.keys.id }, " ")
end

local function events(list)
  local found = {}
  for i, record in ipairs(list) do found[i] = describe_record(record) end
  return found
end

describe("the stream of all tables with tables = true", function()
  it("has the changes of tables in the order of all changes", function()
    local orders = create "orders"
    assert(orders:put { id = "1" })
    assert(orders:alter { ttl = "expires_at" })
    assert(orders:alter { stream = { retention = "2h" } })
    assert(orders:put { id = "2" })
    assert(orders:disable_stream())
    assert(orders:put { id = "3" })              -- without a stream
    assert(orders:enable_stream { view_type = "KEYS_ONLY" })
    assert(orders:put { id = "4" })
    assert(orders:truncate())
    assert(db:delete_table "orders")
    create "orders"
    local list = records()
    assert.same({ "CREATE_TABLE orders", "INSERT orders 1", "ALTER_TABLE orders",
      "ALTER_TABLE orders", "INSERT orders 2", "ALTER_TABLE orders", "ALTER_TABLE orders",
      "INSERT orders 4", "TRUNCATE_TABLE orders", "REMOVE orders 1", "REMOVE orders 2",
      "REMOVE orders 3", "REMOVE orders 4", "DELETE_TABLE orders", "CREATE_TABLE orders" },
      events(list))
    for i = 2, #list do
      assert.is_true(list[i].sequence_number > list[i - 1].sequence_number)
      assert.is_true(list[i].created_at >= list[i - 1].created_at)
    end
    assert.same({ 1, 1, 1, 2 },
      { list[1].table_id, list[2].table_id, list[14].table_id, list[15].table_id })
    assert.same({}, db:check().problems)
  end)

  it("returns the other records unchanged", function()
    local orders = create "orders"
    for i = 1, 20 do
      assert(orders:put { id = tostring(i) })
      if i % 5 == 0 then assert(orders:alter { ttl = "t" .. i }) end
    end
    local with = {}
    for _, record in ipairs(records()) do
      if record.keys then with[#with + 1] = record.sequence_number end
    end
    assert.same(with, field("sequence_number", db:stream():records()))
    assert.same(with, field("sequence_number", db:stream():records { tables = false }))
    assert.equal(20, #collect(db:stream():transactions()))
  end)

  it("has every definition, before and after", function()
    local spec = { name = "orders", partition_key = { "customer", "B" }, sort_key = { "at", "N" },
      ttl = "e", stream = { view_type = "NEW_IMAGE", retention = { age = 90.5, bytes = 1 << 20,
        count = 7 }, hold = { age = 3600, bytes = 1 << 21 } } }
    local orders = assert(db:create_table(spec))
    local created = last()
    assert.same(spec, created.definition)
    assert.is_nil(created.old_definition)
    assert.equal(orders:describe().created_at, created.created_at)
    assert.same({ orders:stream().label, "NEW_IMAGE" }, { created.stream_label, created.view_type })
    assert(orders:alter { ttl = false, stream = false })
    local list = records { after = created.sequence_number }
    assert.same({ "ALTER_TABLE orders", "ALTER_TABLE orders" }, events(list))
    assert.same(spec, list[1].old_definition)
    assert.same(list[1].definition, list[2].old_definition)
    local rest = { name = "orders", partition_key = { "customer", "B" }, sort_key = { "at", "N" } }
    assert.same(rest, list[2].definition)
    assert.same({}, { list[2].stream_label, list[2].view_type })
    assert.same(orders:definition(), list[2].definition)
  end)

  it("has definitions that create_table accepts", function()
    local orders = assert(db:create_table { name = "orders", partition_key = "id",
      sort_key = { "n", "N" }, ttl = "e", stream = { retention = "90m" } })
    local other = helper.memory()
    assert(other:create_table(last().definition))
    assert.same(orders:definition(), other:table("orders"):definition())
  end)

  it("has no record for a command that changes nothing", function()
    local orders = create("orders", { ttl = "e" })
    local before = db:info().sequence_number
    assert(orders:alter { ttl = "e" })
    assert(orders:alter { stream = true })
    assert(orders:stream():set_retention "24h")
    assert(db:ensure_table { name = "orders", partition_key = "id", ttl = "e", stream = true })
    refused("IN_USE", db:create_table { name = "orders", partition_key = "id" })
    refused("NOT_FOUND", db:delete_table "other")
    assert.equal(before, db:info().sequence_number)
    -- The retention of an older stream is not part of the definition.
    local old = orders:stream()
    assert(orders:disable_stream())
    assert(old:set_retention "3h")
    assert.equal(before + 1, db:info().sequence_number)
  end)

  it("has transactions of one record, apart from those of a truncation", function()
    local orders = create "orders"
    for i = 1, 3 do assert(orders:put { id = tostring(i) }) end
    assert(orders:truncate())
    local groups = collect(db:stream():transactions { tables = true, after = 4 })
    assert.same({ 1, 3 }, { #groups[1], #groups[2] })
    local mark, remove = groups[1][1], groups[2][1]
    assert.same({ "TRUNCATE_TABLE", 1, 1, mark.sequence_number }, { mark.event_name,
      mark.transaction_count, mark.transaction_position, mark.transaction_id })
    assert.same({ "REMOVE", 3, 1 }, { remove.event_name, remove.transaction_count,
      remove.transaction_position })
  end)

  it("marks a truncation of an empty table, and of one without a stream", function()
    local orders = create("orders", { stream = false })
    assert(orders:put { id = "1" })
    assert.equal(1, orders:truncate())
    assert.equal(0, orders:truncate())
    assert.same({ "CREATE_TABLE orders", "TRUNCATE_TABLE orders", "TRUNCATE_TABLE orders" },
      events(records()))
  end)

  it("returns them by next, and by the options of the stream", function()
    create "aaa"
    local all = assert(db:stream { tables = true })
    assert.equal("CREATE_TABLE aaa", describe_record(all:next()))
    assert.is_nil(all:next())
    create "bbb"
    assert.equal("CREATE_TABLE bbb", describe_record(all:next_transaction()[1]))
    assert.same({}, collect(all:records()))
    assert.equal(2, #collect(all:records { from = "TRIM_HORIZON" }))
    assert.equal(0, #collect(all:records { from = "TRIM_HORIZON", tables = false }))
    local latest = assert(db:stream { tables = true, from = "LATEST" })
    create "ccc"
    assert.equal("CREATE_TABLE ccc", describe_record(latest:next()))
    assert.same({ "CREATE_TABLE bbb", "CREATE_TABLE ccc" }, events(records { at = 2 }))
    assert.same({ "CREATE_TABLE ccc" }, events(records { after = 2 }))
    assert.same({ "CREATE_TABLE aaa" }, events(records { limit = 1 }))
  end)

  it("has them at a time", function()
    local clock = helper.clock(1e9)
    db = helper.memory()
    for i = 1, 3 do
      create("table" .. i)
      clock:advance(10)
    end
    assert.same({ "CREATE_TABLE table2", "CREATE_TABLE table3" },
      events(records { time = 1e9 + 10 }))
  end)

  it("wakes its followers, also in another process", function()
    local path = helper.path()
    db = helper.open(nil, path)
    local child = helper.child [[
      assert(db:create_table { name = "theirs", partition_key = "id" })
      pause()
      assert(db:delete_table "theirs")
    ]]
    local follow = db:stream():records { tables = true, follow = true, timeout = 60 }
    assert.equal("CREATE_TABLE theirs", describe_record(follow()))
    child:paused()
    child:go()
    assert.equal("DELETE_TABLE theirs", describe_record(follow()))
    child:close()
  end)

  it("passes them through every filter, and never through that of a key", function()
    local orders = create "orders"
    assert(orders:put { id = "1", n = 1 })
    assert(orders:put { id = "2", n = 2 })
    local filter = { filter = "new_image.n = ?", 2 }
    assert.same({ "CREATE_TABLE orders", "INSERT orders 2" }, events(records(filter)))
    assert.same({ "CREATE_TABLE orders", "INSERT orders 1", "INSERT orders 2" },
      events(records { projection = "n" }))
    helper.misuse('"key"', db.stream, db, { tables = true, key = { id = "1" } })
  end)

  it("is refused by the stream of one table", function()
    local orders = create "orders"
    local words = 'option "tables" requires the stream of all tables, db:stream()'
    helper.misuse(words, orders.stream, orders, { tables = true })
    helper.misuse(words, db.stream, db, { table = "orders", tables = true })
    local stream = orders:stream()
    helper.misuse(words, stream.records, stream, { tables = true })
    helper.misuse(words, stream.transactions, stream, { tables = true })
    helper.misuse('"tables"', db.stream, db, { tables = "yes" })
  end)

  it("is not for consumers", function()
    helper.misuse("tables", db.consumer, db, "c", { source = "*", tables = true })
    local orders = create "orders"
    assert(orders:put { id = "1" })
    local consumer, seen = assert(db:consumer("c", { source = "*" })), {}
    create "other"
    while consumer:step(function(batch)
      for _, record in ipairs(batch) do seen[#seen + 1] = record.event_name end
    end) > 0 do end
    assert.same({ "INSERT" }, seen)
    assert.equal(0, consumer:lag().records)
  end)
end)

describe("the record of a change of a table", function()
  it("has the fields of a record, without those of an item", function()
    create("orders", { stream = false })
    local record = last()
    assert.equal("CREATE_TABLE 1 orders", tostring(record))
    local got = {}
    for name, value in pairs(record) do got[name] = value end
    local expected = { depth = 0 }
    for _, name in ipairs { "sequence_number", "id", "event_name", "table_name", "table_id",
        "definition", "created_at", "transaction_id", "transaction_position", "transaction_count",
        "size_bytes" } do
      expected[name] = record[name]
    end
    assert.same(expected, got)
    assert.is_true(record.size_bytes > 20)
    assert.error_matches(function() record:changes() end, "has no images")
    assert.is_true(rawequal(record.definition, record.definition))
  end)

  it("is in each copy of the file, with its sequence number", function()
    db = helper.open()
    local orders = create "orders"
    assert(orders:put { id = "x" })
    assert(orders:alter { ttl = "e" })
    assert(orders:truncate())
    local function shown(list)
      local lines = {}
      for i, record in ipairs(list) do
        lines[i] = { record.sequence_number, record.table_id, describe_record(record),
          record.definition, record.old_definition }
      end
      return lines
    end
    local expected, position = shown(records()), db:last_change()
    assert.equal(5, #expected)
    for _, compact in ipairs { false, true } do
      local path = helper.path(compact and "compact.tide" or "copy.tide")
      assert(db:backup(path, { compact = compact }))
      local copy <close> = helper.open({}, path)
      assert.are_not.equal(db:info().incarnation, copy:info().incarnation)
      assert.same(expected, shown(collect(copy:stream():records { tables = true })))
      assert(copy:delete_table "orders")
      assert.same({ "DELETE_TABLE orders" },
        events(collect(copy:stream():records { tables = true, after = position })))
      assert.same({}, assert(copy:check()).problems)
    end
  end)

  it("remains valid after db:close", function()
    create "orders"
    local record = last()
    db:close()
    collectgarbage()
    assert.equal("orders", record.definition.name)
  end)

  it("is plain JSON, and none of DynamoDB's", function()
    local orders = create("orders", { sort_key = { "n", "N" }, ttl = "e",
      stream = { retention = { age = 0.5, count = 9 } } })
    assert(orders:disable_stream())
    local record = last()
    local tree = assert(json_text.decode(json.encode_record(record, "plain")))
    assert.same(record.definition, tree.definition)
    assert.same(record.old_definition, tree.old_definition)
    for name, value in pairs(record) do
      if type(value) ~= "table" and name ~= "id" then assert.equal(value, tree[name], name) end
    end
    local ok, err = pcall(json.encode_record, record, "dynamodb")
    assert.is_false(ok)
    assert.matches("no form for the change of a table", err, 1, true)
  end)
end)

describe("the retention of changes of tables", function()
  local clock

  before_each(function()
    clock = helper.clock(1e9)
    db = helper.memory()
  end)

  it("is 24 h at least", function()
    create "orders"
    clock:advance(86400 - 1)
    assert.same({ 0, 0 }, { db:sweep() })
    assert.equal(1, #records())
    clock:advance(1)
    assert.same({ 0, 0 }, { db:sweep() })        -- these are not counted
    assert.equal(0, #records())
    assert.same({}, db:check().problems)
  end)

  it("is that of the oldest record that follows", function()
    local orders = create("orders", { stream = { retention = "7d" } })
    assert(orders:put { id = "1" })
    assert(orders:alter { ttl = "e" })
    clock:advance(3 * 86400)
    db:sweep()
    assert.same({ "INSERT orders 1", "ALTER_TABLE orders" }, events(records()))
    local err = helper.raises("TRIMMED", function() records { after = 0 } end)
    assert.same({ 1, 1 }, { err.first, err.last })
    assert.same({ count = 1, bytes = db:stream({ tables = true }):describe().table_changes.bytes,
      first_sequence_number = 3, last_sequence_number = 3, trimmed_through = 1 },
      db:stream({ tables = true }):describe().table_changes)
    assert.is_nil(db:stream():describe().table_changes)
  end)

  it("is that of a consumer of all tables with a hold", function()
    local consumer = assert(db:consumer("replica", { source = "*", hold = true,
      hold_limit = 30 * 86400 }))
    for i = 1, 3 do create("table" .. i) end
    clock:advance(20 * 86400)
    db:sweep()
    assert.equal(3, #records())
    assert(consumer:seek { after = 2 })
    db:sweep()
    assert.equal(1, #records())
    assert(consumer:delete())
    db:sweep()
    assert.equal(0, #records())
  end)

  it("bounds the size of a file in which tables are created and dropped", function()
    local most = 0
    for i = 1, 3000 do
      create("table" .. i % 7, { stream = { retention = 60 } })
      assert(core.delete_table(db.core, "table" .. i % 7))
      clock:advance(600)
      most = math.max(most, db:stream({ tables = true }):describe().table_changes.count)
    end
    -- 288 in a day, and those that a writer has not removed yet.
    assert.is_true(most < 288 + 2 * 64 + 10, most)
  end)
end)
