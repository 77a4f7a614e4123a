-- stream_spec.lua - streams and records, as documented in doc/modules/stream.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local raises, misuse = helper.raises, helper.misuse
local collect, field = helper.collect, helper.field
local set = tidetable.set

local clock, db, orders

local function numbers(...)
  return field("sequence_number", ...)
end

local function put(first, last, into)
  helper.put_each(into or orders, clock, first, last)
end

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

describe("records", function()
  it("returns all records, oldest first, and ends", function()
    put(1, 5)
    assert.are.same({ 2, 3, 4, 5, 6 }, numbers(orders:stream():records()))
    assert.are.same({ 2, 3, 4, 5, 6 }, numbers(orders:stream():records { from = "TRIM_HORIZON" }))
    assert.are.same({}, numbers(orders:stream():records { from = "LATEST" }))
  end)

  it("ends after limit records", function()
    put(1, 5)
    local stream = assert(orders:stream())
    for limit = 1, 6 do
      assert.equal(math.min(limit, 5), #collect(stream:records { limit = limit }))
      assert.equal(math.min(limit, 5), #collect(stream:records { limit = limit, follow = true,
        timeout = 0 }))
    end
    assert.are.same({ 2, 3 }, numbers(stream:records { after = 1, limit = 2 }))
    -- When the limit is reached, the iterator ends without waiting.
    assert.equal(5, #collect(stream:records { limit = 5, follow = true }))
  end)

  it("reads page by page, and returns records appended while it runs", function()
    local items = {}
    for i = 1, 2500 do items[i] = { id = tostring(i) } end
    assert(orders:load(items))
    local count = 0
    for record in orders:stream():records() do
      count = count + 1
      assert.equal(count + 1, record.sequence_number)
      if count == 2400 then assert(orders:put { id = "late" }) end
    end
    assert.equal(2501, count)
  end)

  it("of an empty stream returns nothing", function()
    assert.are.same({}, collect(orders:stream():records()))
    assert.are.same({}, collect(db:stream():records { from = "LATEST" }))
    assert.are.same({}, collect(helper.memory():stream():records()))
    assert.are.same({}, collect(db:stream():records { time = 5 }))
    assert.is_nil(orders:stream():next())
  end)

  it("closes the iterator when the loop is left, by break or an error", function()
    put(1, 3)
    local stream = assert(orders:stream())
    local iterate, state, _, closing = stream:records()
    do
      local guard <close> = closing
      assert.is_not_nil(guard)
      assert.equal(2, iterate(state).sequence_number)
    end
    raises("CLOSED", iterate, state)
    iterate, _, _, closing = stream:records { follow = true, timeout = 0 }
    do
      local _guard <close> = closing
      iterate()
    end
    raises("CLOSED", iterate)
  end)

  it("checks its options", function()
    local stream = assert(orders:stream())
    for _, name in ipairs { "records", "transactions" } do
      misuse('unknown option "form" (did you mean "from"?)', stream[name], stream,
        { form = "LATEST" })
      misuse('option "from" must be "TRIM_HORIZON" or "LATEST", got "latest"', stream[name], stream,
        { from = "latest" })
      local message = "only one of the options from, at, after and time can be given"
      misuse(message, stream[name], stream, { from = "LATEST", at = 1 })
      misuse(message, stream[name], stream, { time = 1, after = 1 })
      misuse('option "at" must be an integer from 0', stream[name], stream, { at = 1.5 })
      misuse('option "after" must be an integer from 0', stream[name], stream, { after = -1 })
      misuse('option "time" must be a number of seconds', stream[name], stream, { time = "now" })
      misuse('option "limit" must be an integer from 1', stream[name], stream, { limit = 0 })
      misuse('option "timeout" must be', stream[name], stream, { follow = true, timeout = -1 })
      misuse('option "timeout" requires option "follow"', stream[name], stream, { timeout = 1 })
      misuse('option "wait" requires option "follow"', stream[name], stream, { wait = print })
      misuse('option "wait" requires option "follow"', stream[name], stream,
        { wait = print, follow = false })
      misuse('option "wait" must be function', stream[name], stream, { wait = 1 })
    end
    misuse('unknown option "limit"', orders.stream, orders, { limit = 1 })
    misuse("only one of the options", orders.stream, orders, { from = "LATEST", at = 1 })
    for _, wrong in ipairs { "", 1 } do
      misuse('option "label" must be a stream\'s label', orders.stream, orders, { label = wrong })
    end
  end)
end)

describe("a record", function()
  it("has the fields of the page", function()
    assert(orders:put { id = "a", v = 1 })
    clock:advance(0.25)
    db:transact(function(tx)
      tx:table "orders":put { id = "a", v = 2 }
      tx:table "orders":delete { id = "a" }
    end)
    local insert, modify, remove = table.unpack(collect(orders:stream():records()))
    assert.equal(2, insert.sequence_number)
    assert.equal("integer", math.type(insert.sequence_number))
    assert.equal("INSERT", insert.event_name)
    assert.equal("orders", insert.table_name)
    assert.equal(orders:stream().label, insert.stream_label)
    assert.equal("NEW_AND_OLD_IMAGES", insert.view_type)
    assert.are.same({ id = "a" }, insert.keys)
    assert.is_nil(insert.old_image)
    assert.are.same({ id = "a", v = 1 }, insert.new_image)
    assert.equal(1e9, insert.created_at)
    assert.equal(2, insert.transaction_id)
    assert.equal(1, insert.transaction_position)
    assert.equal(1, insert.transaction_count)
    assert.equal("integer", math.type(insert.partition_hash))
    assert.is_nil(insert.user_identity)

    assert.equal("MODIFY", modify.event_name)
    assert.are.same({ id = "a", v = 1 }, modify.old_image)
    assert.are.same({ id = "a", v = 2 }, modify.new_image)
    assert.equal(1e9 + 0.25, modify.created_at)
    assert.equal("REMOVE", remove.event_name)
    assert.are.same({ id = "a", v = 2 }, remove.old_image)
    assert.is_nil(remove.new_image)
    assert.equal(3, remove.transaction_id)
    assert.equal(2, remove.transaction_position)
    assert.equal(2, remove.transaction_count)
  end)

  it("has a size by DynamoDB's rule", function()
    -- The developer guide's example of sizes: names, values, and 1 + digits / 2 of numbers.
    assert(orders:put { id = "ab", v = 12 })
    assert(orders:put { id = "ab", v = 123 })
    assert(orders:delete { id = "ab" })
    assert.are.same({ 4 + 7, 4 + 7 + 8, 4 + 8 }, field("size_bytes", orders:stream():records()))
    for record in orders:stream():records() do
      assert.equal(record.size_bytes, record.size_bytes)       -- computed, then remembered
    end
  end)

  it("has equal partition hashes for equal partition keys", function()
    local t = assert(db:create_table { name = "things", partition_key = "p",
      sort_key = { "s", "N" }, stream = true })
    for i = 1, 6 do assert(t:put { p = i % 2 == 0 and "even" or "odd", s = i }) end
    local hashes = field("partition_hash", t:stream():records())
    for i = 3, 6 do assert.equal(hashes[i - 2], hashes[i]) end
    assert.are_not.equal(hashes[1], hashes[2])
  end)

  it("has the images of its view type and event", function()
    local old, new = { id = "a", v = 1 }, { id = "a", v = 2 }
    local expected = {
      KEYS_ONLY = { {}, {}, {} },
      NEW_IMAGE = { { new = old }, { new = new }, {} },
      OLD_IMAGE = { {}, { old = old }, { old = new } },
      NEW_AND_OLD_IMAGES = { { new = old }, { old = old, new = new }, { old = new } },
    }
    for view, events in pairs(expected) do
      local t = assert(db:create_table { name = view, partition_key = "id",
        stream = { view_type = view } })
      assert(t:put(old))
      assert(t:put(new))
      assert(t:delete { id = "a" })
      local records = collect(t:stream():records())
      assert.equal(3, #records)
      for i, event in ipairs { "INSERT", "MODIFY", "REMOVE" } do
        assert.equal(event, records[i].event_name)
        assert.equal(view, records[i].view_type)
        assert.are.same({ id = "a" }, records[i].keys)
        assert.are.same(events[i].old, records[i].old_image)
        assert.are.same(events[i].new, records[i].new_image)
      end
    end
    assert.are.same({}, db:check().problems)
  end)

  it("is appended for a change only", function()
    local silent = assert(db:create_table { name = "silent", partition_key = "id" })
    assert(silent:put { id = "a" })
    assert(orders:delete { id = "a" })
    assert(orders:put { id = "a", tags = set { "x", "y" }, n = 1, deep = { { s = set { 1, 2 } } } })
    assert(orders:put { id = "a", tags = set { "y", "x" }, n = 1.0,
      deep = { { s = set { 2.0, 1 } } } })
    orders:put { id = 5 }
    pcall(db.transact, db, function(tx) tx:table "orders":put { id = "b" } error "no" end)
    assert.equal(1, #collect(db:stream():records()))
    -- Put and deleted in one transaction: two changes.
    db:transact(function(tx)
      tx:table "orders":put { id = "c" }
      tx:table "orders":delete { id = "c" }
    end)
    assert.are.same({ "INSERT", "INSERT", "REMOVE" }, field("event_name", db:stream():records()))
    assert(orders:delete { id = "a" })
    assert(orders:put { id = "a" })
    assert.are.same({ "REMOVE", "INSERT" }, field("event_name", db:stream():records { after = 6 }))
  end)

  it("contains large images, assembled from parts", function()
    local text = ("0123456789"):rep(39000)
    assert(orders:put { id = "a", text = text })
    assert(orders:put { id = "a", text = text:reverse() })
    local record = collect(orders:stream():records())[2]
    assert.equal(text, record.old_image.text)
    assert.equal(text:reverse(), record.new_image.text)
  end)

  it("keeps its decoded tables", function()
    assert(orders:put { id = "a", v = 1 })
    local record = orders:stream():next()
    assert.is_true(rawequal(record.new_image, record.new_image))
    assert.is_true(rawequal(record.keys, record.keys))
    record.new_image.v = 9
    assert.equal(9, record.new_image.v)
    assert.equal(1, orders:stream():next().new_image.v)
  end)

  it("remains valid after the loop, and after db:close", function()
    put(1, 3)
    local kept
    for record in orders:stream():records() do kept = kept or record end
    collectgarbage()
    db:close()
    collectgarbage()
    assert.equal(2, kept.sequence_number)
    assert.are.same({ id = "0001" }, kept.new_image)
    assert.equal("orders", kept.table_name)
    assert.equal("INSERT 2 orders", tostring(kept))
  end)

  it("iterates over its fields with pairs", function()
    assert(orders:put { id = "a", v = 1 })
    assert(orders:put { id = "a", v = 2 })
    local insert, modify = table.unpack(collect(orders:stream():records()))
    local expected = {}
    for _, name in ipairs { "sequence_number", "id", "event_name", "table_name", "stream_label",
        "view_type", "keys", "new_image", "created_at", "transaction_id",
        "transaction_position", "transaction_count", "size_bytes", "partition_hash", "depth",
        "table_id" } do
      expected[name] = insert[name]
    end
    local got = {}
    for name, value in pairs(insert) do got[name] = value end
    assert.are.same(expected, got)
    got = {}
    for name, value in pairs(modify) do got[name] = value end
    assert.are.same({ id = "a", v = 1 }, got.old_image)
    assert.is_true(rawequal(modify.new_image, got.new_image))
  end)

  it("has no other field, and names the one that may be meant", function()
    assert(orders:put { id = "a" })
    local record = orders:stream():next()
    local meant = {
      eventName = "event_name", EventName = "event_name", evnet_name = "event_name",
      eventID = "sequence_number", SequenceNumber = "sequence_number", NewImage = "new_image",
      OldImage = "old_image", Keys = "keys", key = "keys", SizeBytes = "size_bytes",
      ApproximateCreationDateTime = "created_at", StreamViewType = "view_type",
      userIdentity = "user_identity", eventSourceARN = "table_name", change = "changes",
      Changes = "changes",
    }
    for name, known in pairs(meant) do
      helper.blames(('record: unknown field "%s" (did you mean "%s"?)'):format(name, known),
        function() return record[name] end)
    end
    helper.blames("its members (Keys, NewImage, ...) are fields of the record",
      function() return record.dynamodb.NewImage end)
    helper.blames('record: unknown field "customer_id"; known: attempt, changes, context,',
      function() return record.customer_id end)
    for _, wrong in ipairs { 1, true, print, {}, 0.5 } do
      helper.blames(('record: unknown field "%s"; known: '):format(tostring(wrong)),
        function() return record[wrong] end)
    end
    helper.blames('record: unknown field "nil"; known: ', function() return record[nil] end)
    for name in pairs(record) do
      assert.is_not_nil(record[name])
    end
  end)

  it("cannot be changed, and has a protected metatable", function()
    assert(orders:put { id = "a" })
    local record = orders:stream():next()
    misuse("a record can't be changed", function() record.keys = {} end)
    assert.equal("tidetable", getmetatable(record))
    assert.equal("userdata", type(record))
  end)
end)

describe("describe", function()
  it("describes the stream", function()
    put(1, 3)
    local stream = assert(orders:stream())
    local description = stream:describe()
    local bytes = description.bytes
    assert.equal("integer", math.type(bytes))
    assert.are.same({
      table_name = "orders", label = stream.label, view_type = "NEW_AND_OLD_IMAGES",
      status = "ENABLED", created_at = 1e9, retention = { age = 86400 },
      hold = { age = 604800, bytes = 1 << 30 },
      first_sequence_number = 2, last_sequence_number = 4, count = 3, bytes = bytes,
      trimmed_through = 0, retention_clock_lead = 0,
    }, description)
    assert(orders:disable_stream())
    assert.equal("DISABLED", stream:describe().status)
    assert.are.same({ last_sequence_number = 5 }, db:stream():describe())
  end)

  it("of a stream without records", function()
    local description = orders:stream():describe()
    assert.equal(0, description.count)
    assert.equal(0, description.bytes)
    assert.equal(0, description.trimmed_through)
    assert.is_nil(description.first_sequence_number)
    assert.is_nil(description.last_sequence_number)
  end)

  it("and tostring name table and label", function()
    local stream = assert(orders:stream())
    assert.equal("tidetable.stream: orders/" .. stream.label, tostring(stream))
    assert.equal("orders", stream.table_name)
    assert.equal("tidetable.stream: all", tostring(db:stream()))
  end)
end)
