-- snapshot_spec.lua - consumers that start with a snapshot, as doc/modules/consumer.md describes
-- them.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local readers = require "tidetable.stream.reader"
local testing = require "tidetable.testing"

local of_consumer = readers.of_consumer

--- Limits the pages of items in readers that are opened later.
local function limit_pages(count)
  readers.of_consumer = function(...)
    local reader, err, code = of_consumer(...)
    if reader then core.limit_page(reader.core, count) end
    return reader, err, code
  end
end

local function unlimit_pages() readers.of_consumer = of_consumer end

--- Puts items with the ids "001" to "003" and so on.
local function put(orders, first, last)
  for i = first, last do assert(orders:put { id = ("%03d"):format(i), v = i }) end
end

--- Updates an item repeatedly.
local function update(orders, count, base)
  for i = 1, count do
    assert(orders:update({ id = "001" }, "SET n = ?", { (base or 0) + i }))
  end
end

describe("a snapshot", function()
  helper.setup(before_each, after_each)

  local db, orders, events

  before_each(function()
    db, orders = consumers.orders "mirror"
    events = {}
  end)
  after_each(unlimit_pages)

  local function fill(first, last) put(orders, first, last) end

  local function open(opts, name)
    local given = { source = "orders", from = "SNAPSHOT",
      on_snapshot = function(event) events[#events + 1] = event end }
    for option, value in pairs(opts or {}) do given[option] = value end
    return assert(db:consumer(name or "c", given))
  end

  --- Returns a record as text: the key, "+" for an item, "=" for a change, "-" for a removal.
  local function text_of(record)
    local kind = record.is_snapshot and "+" or record.event_name == "REMOVE" and "-" or "="
    return record.keys.id .. kind
  end

  --- Handles batches until none is left. Returns the records as texts.
  local function drain(consumer)
    return table.concat(consumers.drain(consumer, text_of), " ")
  end

  --- Opens a consumer that has handled the first of three items, which are read one by one.
  local function begin_copy(opts)
    limit_pages(1)
    fill(1, 3)
    local given = { batch_size = 1 }
    for option, value in pairs(opts or {}) do given[option] = value end
    local consumer = open(given)
    assert.equal(1, consumer:step(function() end))
    return consumer
  end

  it("gives the items of a table, then its changes", function()
    fill(1, 3)
    local consumer = open()
    assert.is_true(consumer:describe().is_copying)
    assert.equal(0, consumer:describe().copied)
    assert.equal("001+ 002+ 003+", drain(consumer))
    assert.same({ "begin", "end" }, events)
    assert.is_false(consumer:describe().is_copying)
    assert.is_nil(consumer:describe().copied)
    fill(3, 4)
    assert(orders:put { id = "003", v = "new" })
    assert(orders:delete { id = "001" })
    assert.equal("004= 003= 001-", drain(consumer))
    assert.same({ "begin", "end" }, events)
  end)

  it("of an empty table consists of the marks", function()
    local consumer = open()
    assert.equal(0, consumer:step(error))
    assert.same({ "begin", "end" }, events)
    fill(1, 1)
    assert.equal("001=", drain(consumer))
  end)

  it("gives an item as an INSERT record with the item's last change", function()
    fill(1, 2)
    assert(orders:put { id = "001", v = "new" })
    local before = os.time()
    open():step(function(records)
      local record = records[1]
      assert.is_true(record.is_snapshot)
      assert.equal("INSERT", record.event_name)
      assert.equal(3, record.sequence_number)
      assert.same({ id = "001", v = "new" }, record.new_image)
      assert.same({ id = "001" }, record.keys)
      assert.is_nil(record.old_image)
      assert.equal("orders", record.table_name)
      assert.equal(db:table "orders":describe().stream.label, record.stream_label)
      assert.is_true(math.abs(record.created_at - before) < 60)
      assert.is_nil(record.transaction_id)
      assert.is_nil(record.transaction_position)
      assert.is_nil(record.transaction_count)
      assert.is_nil(record.user_identity)
      assert.equal(10, record.size_bytes)
      assert.equal(testing.records(orders)[1].partition_hash, record.partition_hash)
      assert.equal("INSERT 3 orders", tostring(record))
      assert.equal(testing.records(orders)[3].id, record.id)
      for _, form in ipairs { "plain", "dynamodb" } do
        local tree = json_text.decode(json.encode_record(record, form))
        assert.same(json.record_tree(record, form), tree)
        assert.equal(form == "plain" or nil, tree.is_snapshot)
      end
    end)
    assert.is_nil(testing.records(orders)[1].is_snapshot)
  end)

  it("shows only the keys if the view type has no new images", function()
    for _, view in ipairs { "KEYS_ONLY", "OLD_IMAGE" } do
      local source = assert(db:create_table { name = view, partition_key = "id",
        stream = { view_type = view } })
      assert(source:put { id = "1", v = 2 })
      local seen
      open({ source = view }, view):step(function(records) seen = records[1] end)
      assert.same({ id = "1" }, seen.keys)
      assert.is_nil(seen.new_image)
      assert.is_nil(seen.old_image)
    end
  end)

  it("gives changes of what was read between its pages, and no others", function()
    limit_pages(2)
    fill(1, 6)
    local consumer = open { batch_size = 2 }
    local seen = {}
    local function step()
      consumer:step(function(records)
        for _, record in ipairs(records) do seen[#seen + 1] = text_of(record) end
      end)
    end
    step()
    assert(orders:put { id = "001", v = "changed" })
    assert(orders:put { id = "005", v = "changed" })
    assert(orders:delete { id = "006" })
    assert(orders:put { id = "007", v = 7 })
    assert(orders:put { id = "000", v = 0 })
    assert.equal(2, consumer:describe().copied)
    for _ = 1, 5 do step() end
    assert.equal("001+ 002+ 001= 000= 003+ 004+ 005+ 007+", table.concat(seen, " "))
    assert.equal("", drain(consumer))
  end)

  it("ignores the changes that its own handler makes, if it ignores its origin", function()
    limit_pages(2)
    fill(1, 5)
    local consumer = open { batch_size = 2, ignore_origin = true }
    local seen = {}
    repeat
      local count = assert(consumer:step(function(records, tx)
        for _, record in ipairs(records) do
          seen[#seen + 1] = text_of(record)
          assert.equal(0, record.depth)
          assert.is_nil(record.origin)
          tx:table "orders":update({ id = "001" }, "ADD n ?", { 1 })
          tx:table "orders":update({ id = "005" }, "ADD n ?", { 1 })
        end
      end))
    until count == 0
    assert.equal("001+ 002+ 003+ 004+ 005+", table.concat(seen, " "))
    assert.same({ "begin", "end" }, events)
    assert.equal(5, orders:get({ id = "001" }).n)
  end)

  it("continues where it was after the worker's end", function()
    limit_pages(3)
    fill(1, 7)
    local consumer = open { batch_size = 2 }
    assert.equal(2, consumer:step(function() end))
    core.worker_leave(db.core, consumer.worker.slot)     -- as the end of its process does
    assert.equal("003+ 004+ 005+ 006+ 007+", drain(open { batch_size = 2 }))
    assert.same({ "begin", "end" }, events)
  end)

  -- Each commit of a copy is killed once at each point: joining, the beginning, three batches of
  -- items and the end.
  it("gives each item once, whenever its process is killed", function()
    local commits, killed = 0, 0
    for _, point in ipairs { "before_commit", "after_write", "after_commit" } do
      for n = 1, 6 do
        local file <close> = testing.database { tables = {
          { name = "orders", partition_key = "id", stream = true },
          { name = "counts", partition_key = "id" } } }
        for i = 1, 6 do assert(file:table("orders"):put { id = tostring(i) }) end
        local source = [[
          local tidetable, testing = require "tidetable", require "tidetable.testing"
          local db <close> = assert(tidetable.open(arg[1], { durability = "none" }))
          local consumer = assert(db:consumer("c", { source = "orders", from = "SNAPSHOT",
            batch_size = 2, on_snapshot = function(event, tx)
              tx:table "counts":update({ id = event }, "ADD n ?", { 1 })
            end }))
          if arg[2] then testing.crash_at(arg[2], math.tointeger(tonumber(arg[3]))) end
          while assert(consumer:step(function(records, tx)
            for _, record in ipairs(records) do
              tx:table "counts":update({ id = record.keys.id }, "ADD n ?", { 1 })
            end
          end)) > 0 do end
        ]]
        killed = killed + (testing.child(source, { file.path, point, tostring(n) }):wait().signal
          and 1 or 0)
        assert.equal(0, testing.child(source, { file.path }):wait().status)
        for _, count in pairs(testing.items(file:table "counts")) do
          assert.equal(1, count.n, count.id)
          commits = commits + 1
        end
        assert.same({}, assert(file:check()).problems)
      end
    end
    assert.equal(3 * 6, killed)
    assert.equal(3 * 6 * (6 + 2), commits)
  end)

  it("can have several tables, in the order of their creation", function()
    local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    assert(db:create_table { name = "silent", partition_key = "id" }:put { id = "s" })
    fill(1, 2)
    assert(items:put { id = "a" })
    assert.equal("001+ 002+ a+", drain(open { source = "*" }))
  end)

  it("reads only the tables that are named", function()
    local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    local others = assert(db:create_table { name = "others", partition_key = "id", stream = true })
    fill(1, 1)
    assert(items:put { id = "a" })
    assert(others:put { id = "b" })
    local consumer = open { source = { "others", "orders" } }
    assert.equal("001+ b+", drain(consumer))
    assert(items:put { id = "a", v = 1 })
    assert(others:put { id = "b", v = 1 })
    assert.equal("b=", drain(consumer))
  end)

  it("ends with SOURCE_GONE if all of several tables are deleted", function()
    assert(db:create_table { name = "items", partition_key = "id", stream = true })
    fill(1, 1)
    local consumer = open { source = { "items", "orders" } }
    assert(db:delete_table "orders")
    assert(db:delete_table "items")
    helper.refused("SOURCE_GONE", consumer:run(error))
    assert.same({ "begin" }, events)
  end)

  it("begins anew with the table's next stream, if on_gap is continue", function()
    local consumer = begin_copy { on_gap = "continue" }
    assert(orders:disable_stream())
    assert(orders:delete { id = "001" })
    assert.equal("", drain(consumer))            -- it waits for a stream
    assert(orders:enable_stream())
    assert.equal("002+ 003+", drain(consumer))
    assert.same({ "begin", "begin", "end" }, events)
    assert.equal(1, consumer:describe().gaps)
    assert(orders:put { id = "004" })
    assert.equal("004=", drain(consumer))
  end)

  it("leaves out a table that is deleted, if there are several", function()
    limit_pages(1)
    fill(1, 3)
    local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
    assert(items:put { id = "a" })
    local consumer = open { source = "*", batch_size = 1 }
    assert.equal(1, consumer:step(function() end))
    assert(db:delete_table "orders")
    assert.equal("a+", drain(consumer))
    assert.same({ "begin", "end" }, events)
  end)

  it("ends with SOURCE_GONE if its table is deleted, and names it", function()
    local consumer = begin_copy()
    assert(db:delete_table "orders")
    local err = helper.refused("SOURCE_GONE", consumer:run(error))
    assert.is_truthy(err.message:find("orders", 1, true), err.message)
    assert.is_true(consumer:describe().is_copying)
  end)

  it("ends with STREAM_GAP if the table was truncated without a stream, and names it", function()
    local consumer = begin_copy()
    assert(orders:disable_stream())
    assert(orders:truncate())
    assert(orders:enable_stream())
    local err = helper.refused("STREAM_GAP", consumer:run(error))
    assert.is_truthy(err.message:find("orders", 1, true), err.message)
  end)

  it("of a truncated table with a stream follows its removals", function()
    local consumer = begin_copy()
    assert(orders:truncate())
    assert.equal("001-", drain(consumer))
  end)

  it("contains expired items until they are removed", function()
    local clock = helper.clock()
    assert(orders:alter { ttl = "expires" })
    assert(orders:put { id = "1", expires = math.floor(clock:now()) + 8000 })
    clock:set(clock:now() + 10000)               -- hides the item, but removes it after an hour
    assert.is_nil(orders:get { id = "1" })
    local consumer = open()
    assert.equal("1+", drain(consumer))
    clock:advance(3700)
    assert(db:sweep())
    assert.equal("1-", drain(consumer))
  end)

  it("requires a stream", function()
    assert(db:create_table { name = "silent", partition_key = "id" })
    helper.refused("NOT_FOUND", db:consumer("s", { source = "silent", from = "SNAPSHOT" }))
    helper.misuse('option "from"', db.stream, db, { from = "SNAPSHOT" })
  end)

  it("calls on_snapshot in the transactions that begin and end it", function()
    fill(1, 2)
    local mirror = db:table "mirror"
    assert(mirror:put { id = "stale" })
    local consumer = open { on_snapshot = function(event, tx)
      if event == "begin" then
        tx:table "mirror":delete { id = "stale" }
      else
        tx:table "mirror":put { id = event, count = 2 }
      end
    end }
    drain(consumer)
    assert.is_nil(mirror:get { id = "stale" })
    assert.same({ id = "end", count = 2 }, mirror:get { id = "end" })
  end)

  it("does not begin while on_snapshot fails", function()
    fill(1, 1)
    local fails = true
    local consumer = open { backoff = 0, on_snapshot = function(event)
      if fails then error("not " .. event, 0) end
    end }
    local err = helper.refused("BATCH_FAILED", consumer:step(error))
    assert.equal("not begin", err.reason)
    assert.is_truthy(err.message:find('on_snapshot("begin")', 1, true), err.message)
    assert.equal(1, consumer:describe().attempts)
    fails = false
    assert.equal("001+", drain(consumer))
  end)

  it("has no function if the program gives none", function()
    fill(1, 1)
    assert(db:consumer("plain", { source = "orders", from = "SNAPSHOT" }))
    assert.equal("001+", drain(assert(db:consumer "plain")))
  end)

  it("is read by batches, too", function()
    fill(1, 3)
    local consumer, seen = open { batch_size = 2 }, {}
    for batch in consumer:batches() do
      for _, record in ipairs(batch) do seen[#seen + 1] = record.keys.id end
      assert(batch:commit())
      if #seen == 3 then fill(4, 4) end
      if #seen == 4 then consumer:stop() end
    end
    assert.same({ "001", "002", "003", "004" }, seen)
    assert.same({ "begin", "end" }, events)
  end)

  it("raises the errors of on_snapshot in a loop over batches", function()
    local fails = true
    local consumer = open { on_snapshot = function() if fails then error("broken", 0) end end }
    local iterate = consumer:batches()
    local ok, err = pcall(iterate)
    assert.is_false(ok)
    assert.equal("broken", err)
    fails = false
    fill(1, 1)
    assert.equal(1, #iterate())
    consumer:close()
    local refusing = open({ on_snapshot = function() return nil, "no" end }, "refusing")
    ok, err = pcall(refusing:batches())
    assert.is_false(ok)
    assert.equal("no", err)
    refusing = open({ on_snapshot = function() return false, "still no" end }, "refusing")
    ok, err = pcall(refusing:batches())
    assert.is_false(ok)
    assert.equal("still no", err)
  end)

  it("is divided at the record that failed", function()
    fill(1, 4)
    local consumer = open { bisect = true, backoff = 0 }
    local sizes, fails = {}, true
    local function handle(records)
      sizes[#sizes + 1] = #records
      for _, record in ipairs(records) do
        if record.keys.id == "003" and fails then
          fails = #records > 1
          error "this one"
        end
      end
    end
    assert.equal(2, consumer:step(handle))
    assert.equal(2, consumer:describe().copied)
    helper.refused("BATCH_FAILED", consumer:step(handle))
    assert.equal(1, consumer:step(handle))
    assert.equal(1, consumer:step(handle))
    assert.same({ 4, 2, 2, 1, 1, 1 }, sizes)
    assert.equal(0, consumer:step(handle))
    assert.same({ "begin", "end" }, events)
  end)

  it("begins again after seek, also while one is being delivered", function()
    limit_pages(1)
    fill(1, 2)
    local consumer = open { batch_size = 1 }
    assert.equal(1, consumer:step(function() end))
    assert.equal(0, consumer:step(function()             -- its commit is refused
      assert(helper.open():consumer "c":seek { from = "SNAPSHOT" })
    end))
    assert.equal("001+ 002+", drain(consumer))
    assert(consumer:seek { from = "SNAPSHOT" })
    assert.equal("001+ 002+", drain(consumer))
    assert.same({ "begin", "begin", "end", "begin", "end" }, events)
    assert(consumer:seek { from = "TRIM_HORIZON" })
    assert.equal("001= 002=", drain(consumer))
  end)

  it("ends when the position is set to a record", function()
    local consumer = begin_copy()
    assert.equal(0, consumer:step(function()             -- its commit is refused
      assert(helper.open():consumer "c":seek { at = 5 })
    end))
    assert.is_false(consumer:describe().is_copying)
    assert.equal("003=", drain(consumer))
  end)
end)

describe("a consumer whose records have expired", function()
  helper.setup(before_each, after_each)

  local db, orders, events

  before_each(function()
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { retention = { count = 2 }, hold = { bytes = 1 } } })
    events = {}
  end)
  after_each(unlimit_pages)

  local function fill(first, last) put(orders, first, last) end

  local function open(on_trimmed, from)
    return assert(db:consumer("c", { source = "orders", on_trimmed = on_trimmed, batch_size = 1,
      from = from, on_snapshot = function(event) events[#events + 1] = event end }))
  end

  local function drain(consumer) return table.concat(consumers.drain(consumer), " ") end

  it("ends at every start, until the position is set", function()
    local consumer = open("error")
    fill(1, 5)
    for _ = 1, 2 do
      local err = helper.refused("TRIMMED", consumer:run(error))
      assert.equal(2, err.first)
      assert.equal(4, err.last)
    end
    assert.equal(0, consumer:describe().gaps)
    assert(consumer:seek { from = "TRIM_HORIZON" })
    assert.equal(1, consumer:describe().gaps)
    assert.equal("004 005", drain(consumer))
    assert(consumer:seek { from = "TRIM_HORIZON" })
    assert.equal(1, consumer:describe().gaps)
  end)

  it("continues at the oldest record with skip, and counts the gap", function()
    local consumer = open("skip")
    fill(1, 5)
    assert.equal("004 005", drain(consumer))
    assert.equal(1, consumer:describe().gaps)
    assert.equal(6, consumer:describe().position)
    fill(6, 9)
    assert.equal("008 009", drain(consumer))
    assert.equal(2, consumer:describe().gaps)
    assert.same({}, events)
  end)

  it("skips only what it has lost of several streams", function()
    local whole = assert(db:create_table { name = "whole", partition_key = "id", stream = true })
    local consumer = assert(db:consumer("all", { source = "*", on_trimmed = "skip" }))
    assert(whole:put { id = "a" })
    fill(1, 1)
    assert.equal("a 001", drain(consumer))
    assert(whole:put { id = "b" })
    fill(2, 5)
    assert(whole:put { id = "c" })
    assert.equal("b 004 005 c", drain(consumer))
    assert.equal(1, consumer:describe().gaps)
  end)

  it("starts with a snapshot again, and counts the gap", function()
    fill(1, 2)
    local consumer = open("snapshot")
    assert.equal("001 002", drain(consumer))
    fill(3, 6)
    assert.equal("001 002 003 004 005 006", drain(consumer))
    assert.same({ "begin", "end" }, events)
    assert.equal(1, consumer:describe().gaps)
    fill(7, 7)
    assert.equal("007", drain(consumer))
  end)

  it("begins a copy at most three times before one has ended", function()
    for _, answer in ipairs { "skip", "snapshot" } do
      fill(1, 6)
      local consumer = open(answer, "SNAPSHOT")
      limit_pages(1)
      for round = 1, 3 do
        assert.equal(1, consumer:step(function() end))
        assert.equal(round, core.consumer_describe(db.core, "c").copy_rounds)
        update(orders, 4, round * 10)
      end
      helper.refused("TRIMMED", consumer:step(error))
      helper.refused("TRIMMED", consumer:run(error))
      unlimit_pages()
      assert.equal(2, consumer:describe().gaps)
      assert.same({ "begin", "begin", "begin" }, events)
      assert(consumer:seek { from = "SNAPSHOT" })
      assert.equal(3, consumer:describe().gaps)
      drain(consumer)
      assert.is_false(consumer:describe().is_copying)
      assert(consumer:delete())
      events = {}
    end
  end)

  it("ends a copy with the error if it has to", function()
    fill(1, 6)
    local consumer = open("error", "SNAPSHOT")
    assert.equal(1, consumer:step(function() end))
    consumer:close()
    fill(1, 1)
    update(orders, 4)
    helper.refused("TRIMMED", consumer:run(error))
    assert.is_true(consumer:describe().is_copying)
  end)

  it("holds the records of its tables while a copy lasts", function()
    assert(orders:stream():set_retention({ count = 2 }, { bytes = 1000000 }))
    fill(1, 6)
    local consumer = open("error", "SNAPSHOT")
    limit_pages(1)
    assert.equal(1, consumer:step(function() end))
    assert.equal("holds", consumer:lag().hold)
    update(orders, 9)
    drain(consumer)
    assert.same({ false, "none", 0 },
      { consumer:describe().is_copying, consumer:lag().hold, consumer:describe().gaps })
    assert.same({}, assert(db:check()).problems)
  end)

  it("misses nothing before the first item", function()
    local consumer = open("error", "SNAPSHOT")
    fill(1, 6)
    assert.equal("001 002 003 004 005 006", drain(consumer))
    assert.equal(0, consumer:describe().gaps)
  end)
end)
