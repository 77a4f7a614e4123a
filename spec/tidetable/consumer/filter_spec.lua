-- filter_spec.lua - what a consumer with a filter delivers, and its position over ignored records.
local consumers = require "spec.tidetable.consumers"
local core = require "tidetable.core"
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local ignored = require "tidetable.consumer.ignored"
local readers = require "tidetable.stream.reader"

--- A filter that only items with keep = true satisfy.
local KEEP = "new_image.keep = ?"

describe("a consumer with a filter", function()
  helper.setup(before_each, after_each)

  local db, orders, other, clock
  local base       -- sequence number of the last change before the first record

  before_each(function()
    db, orders, other = consumers.two_tables()
    base = db:last_change()
  end)

  --- Opens another database, with the table `orders`, on a clock that the test advances.
  local function open_with_clock(stream)
    clock = helper.clock(1e9)
    db = helper.open(nil, helper.path "clock.tide")
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = stream or true })
    base = db:last_change()
  end

  local function open(name, opts)
    local given = { filter = KEEP, true, lease = 100 }
    for option, value in pairs(opts or {}) do given[option] = value end
    return consumers.open(db, name, given)
  end

  --- Puts an item in a transaction for each argument; true: it satisfies the filter.
  local function put(...)
    for _, keep in ipairs { ... } do
      assert(orders:put { id = tostring(db:last_change() - base + 1), keep = keep })
    end
  end

  --- Puts `count` items that do not satisfy the filter.
  local function put_many(count)
    local items = {}
    for i = 1, count do items[i] = { id = "i" .. i, keep = false, n = db:last_change() } end
    assert(orders:load(items))
  end

  local function handled(consumer)
    return table.concat(consumers.drain(consumer, function(record)
      return record.sequence_number - base
    end), " ")
  end

  local function position(consumer) return consumer:describe().position - base end

  it("gets the records that satisfy it", function()
    put(true, false, false, true)
    assert(orders:delete { id = "1" })
    assert.equal("1 4", handled(open "c"))
    assert.equal("1 2 3 4 5", handled(open("all", { filter = "depth = ?", 0 })))
    assert.equal("5", handled(consumers.open(db, "gone", { filter = "event_name = ?", "REMOVE" })))
    assert.equal("1 4", handled(consumers.open(db, "named", { filter = "#i.keep = :k",
      names = { ["#i"] = "new_image" }, values = { [":k"] = true } })))
    assert.equal("5", handled(consumers.open(db, "old", { filter = "old_image.keep = ?", true })))
    local about = db:consumer "c":describe()
    assert.same({ 4, 2, 1 }, { about.position - base, about.records, about.batches })
  end)

  -- Rule 12.
  it("sees an image that a record does not have as missing", function()
    assert(orders:put { id = "1", v = 1 })
    assert(orders:put { id = "1", v = 2 })
    assert(orders:delete { id = "1" })
    assert.equal("1", handled(consumers.open(db, "a", { filter =
      "attribute_not_exists(old_image)" })))
    assert.equal("1 3", handled(consumers.open(db, "b", { filter =
      "attribute_not_exists(old_image.v) OR attribute_not_exists(new_image.v)" })))
    assert.equal("2", handled(consumers.open(db, "c", { filter = "old_image.v < new_image.v" })))
  end)

  it("of several tables and of all tables reads images that some streams lack", function()
    assert(db:create_table { name = "keys", partition_key = "id",
      stream = { view_type = "KEYS_ONLY" } }:put { id = "1", keep = true })
    put(true, false)
    assert(other:put { id = "1", keep = true })
    assert.equal("3 5", handled(open("all", { source = "*" })))
    assert.equal("3", handled(open("two", { source = { "orders", "keys" } })))
    assert.equal("2 3", handled(consumers.open(db, "three", { source = { "keys", "orders" },
      filter = "new_image.keep = ? OR table_name = ?", true, "keys" })))
  end)

  it("combines it with ignored origins", function()
    put(true)
    assert(orders:put({ id = "a", keep = true }, { origin = "quiet" }))
    assert(orders:put({ id = "b" }, { origin = "quiet" }))
    put(false, true)
    assert.equal("1 5", handled(open("c", { ignore_origin = "quiet" })))
  end)

  -- Rules 1 and 3.
  it("moves its position over ignored records with the next batch", function()
    local consumer = open("c", { from = "LATEST" })
    local start = position(consumer)
    put(false, false, true, false)
    assert.equal(1, consumer:step(function() end))
    assert.equal(start + 3, position(consumer))
    assert.equal(0, consumer:step(error))
    assert.equal(start + 3, position(consumer))
    put(true)
    assert.equal(1, consumer:step(function() end))
    assert.same({ start + 5, 2, 2 }, { position(consumer), consumer:describe().records,
      consumer:describe().batches })
  end)

  it("moves it after 10 seconds if no batch follows", function()
    open_with_clock()
    local consumer = open "c"
    put(false, false)
    assert.equal(0, consumer:step(error))
    clock:advance(9.9)
    put(false)
    assert.equal(0, consumer:step(error))
    assert.equal(0, position(consumer))
    clock:advance(0.2)
    assert.equal(0, consumer:step(error))
    local about = consumer:describe()
    assert.same({ 3, 0, 0 }, { about.position - base, about.records, about.batches })
    clock:advance(100)
    local last = db:info().sequence_number
    assert.equal(0, consumer:step(error))
    assert.equal(last, db:info().sequence_number)
  end)

  it("moves it by itself while it waits, and keeps its hold", function()
    open_with_clock { retention = 60 }
    local consumer = open("c", { hold = true, hold_limit = 30 })
    put(false)
    local began, moved, pass = clock:elapsed(), nil, ignored.skip
    local _ <close> = setmetatable({}, { __close = function() ignored.skip = pass end })
    ignored.skip = function(worker)
      local owns, err, code = pass(worker)
      if worker.position == base + 1 and not moved then
        moved = position(consumer)
        put(true)
      end
      return owns, err, code
    end
    assert.is_true(consumer:run(function() consumer:stop() end))
    assert.equal(1, moved)
    assert.is_true(clock:elapsed() - began >= 10 and clock:elapsed() - began < 12)
    assert.equal("holds", consumer:lag().hold)
  end)

  it("moves it after 10,000 records, and keeps reading", function()
    local consumer = open("c", { batch_size = 7 })
    put_many(10500)
    assert.equal(0, consumer:step(error))
    assert.equal(10000, position(consumer))
    put(true)
    assert.equal("10501", handled(consumer))
    assert.equal(10501, position(consumer))
    put_many(9000)
    assert.equal(0, consumer:step(error))
    assert.equal(10501, position(consumer))
    put_many(1500)
    assert.equal(0, consumer:step(error))
    assert.is_true(position(consumer) >= 20000, position(consumer))
  end)

  it("fills a batch from records that are far apart", function()
    local consumer = open("c", { batch_size = 3 })
    for _ = 1, 4 do
      put_many(2500)
      put(true)
    end
    local sizes = {}
    while assert(consumer:step(function(records) sizes[#sizes + 1] = #records end)) > 0 do end
    assert.same({ 3, 1 }, sizes)
  end)

  it("delivers a batch that is not full after 100,000 ignored records", function()
    local consumer, sizes = open "c", {}
    put(true)
    for _ = 1, 10 do put_many(10100) end
    put(true)
    while assert(consumer:step(function(records) sizes[#sizes + 1] = #records end)) > 0 do end
    assert.same({ 1, 1 }, sizes)
  end)

  it("never moves it past a record that is not handled or waits for its window", function()
    open_with_clock()
    local window = open("window", { window = 60 })
    local failing = open "failing"
    put(false, true, false)
    for _ = 1, 3 do
      assert.equal(0, window:step(error))
      helper.refused("BATCH_FAILED", failing:step(error))
      put(false)
      clock:advance(15)
    end
    put_many(12000)
    assert.equal(0, window:step(error))
    helper.refused("BATCH_FAILED", failing:step(error))
    assert.is_true(position(window) <= 1)
    assert.is_true(position(failing) <= 1)
    assert.equal(4, failing:describe().attempts)
    clock:advance(30)
    assert.equal(1, window:step(function() end))
    assert.equal(1, failing:step(function() end))
    assert.equal(2, position(window))
    assert.equal(0, window:step(error))
    assert.is_true(position(window) > 10000)
  end)

  it("does not move the position past the undelivered part of a divided batch", function()
    local consumer = open("c", { bisect = true, max_attempts = 3, on_failure = "park" })
    put(true, false, true, false)
    local seen = {}
    local function handler(records)
      seen[#seen + 1] = #records
      if #records > 1 then error "divide" end
    end
    assert.equal(1, consumer:step(handler))
    assert.equal(1, position(consumer))
    put_many(12000)
    assert.equal(1, consumer:step(handler))
    assert.equal(3, position(consumer))
    assert.same({ 2, 1, 1 }, seen)
  end)

  it("moves it when the worker is closed", function()
    local consumer = open "c"
    put(true, false)
    assert.equal(1, consumer:step(function() end))
    assert.equal(0, consumer:step(error))
    assert.equal(1, position(consumer))
    consumer:close()
    assert.equal(2, position(consumer))
    put(false, true, false)
    helper.refused("BATCH_FAILED", consumer:step(error))
    consumer:close()
    assert.is_true(position(consumer) <= 3)
    assert.equal("4", handled(consumer))
  end)

  it("is not lost if the commit of its position finds another owner", function()
    open_with_clock()
    local consumer = open "c"
    put(false, false)
    assert.equal(0, consumer:step(error))
    clock:advance(11)
    assert(db:consumer "c":seek { after = base + 1 })
    assert.equal(0, consumer:step(error))
    assert.equal(1, position(consumer))
    put(true)
    assert.equal("3", handled(consumer))
  end)

  it("continues in another worker after a crash", function()
    put(true, false, true, false, false)
    local child = helper.child([[
      local consumer = assert(db:consumer("c", { source = "orders", filter = "new_image.keep = ?",
        true, batch_size = 1 }))
      assert(consumer:step(function() end))
      print "handled"
      os.exit(0, false)
    ]])
    assert.equal("handled", child:line())
    child:output()
    assert.equal("3", handled(open("c", { batch_size = 1, lease = 10, backoff = 0.1 })))
  end)

  -- Loss of records ------------------------------------------------------------

  it("gets TRIMMED if records have expired before its filter tested them", function()
    open_with_clock { retention = 60 }
    local consumer = open "c"
    put(false, false)
    assert.equal(0, consumer:step(error))
    clock:advance(11)
    assert.equal(0, consumer:step(error))
    clock:advance(100)
    assert(db:sweep())
    assert.equal(0, consumer:step(error))           -- those that it has ignored are not lost
    put(false, true)
    clock:advance(100)
    assert(db:sweep())
    local err = helper.refused("TRIMMED", consumer:step(error))
    assert.same({ 3, 4 }, { err.first - base, err.last - base })
    assert(consumer:seek { from = "TRIM_HORIZON" })
    put(true)
    assert.equal("5", handled(consumer))
    assert.equal(1, consumer:describe().gaps)
  end)

  it("continues with the next stream of its table", function()
    local consumer = consumers.open(db, "c", { filter = "old_image.v = ?", 1, on_gap = "continue" })
    assert(orders:put { id = "1", v = 1 })
    assert.equal(0, consumer:step(error))
    assert(orders:disable_stream())
    assert(orders:enable_stream { view_type = "NEW_IMAGE" })
    assert(orders:put { id = "1", v = 2 })           -- its old image is missing
    assert.equal("", handled(consumer) .. handled(consumer))
    assert.equal(1, consumer:describe().gaps)
  end)

  -- Update ---------------------------------------------------------------------

  it("uses another filter from its next batch", function()
    local consumer = open "c"
    put(true, false)
    assert.equal("1", handled(consumer))
    put(false, false)
    assert.equal(0, consumer:step(error))
    assert.equal(1, position(consumer))
    open("c", { filter = "new_image.keep = ?", false, update = true })
    put(false, true)
    -- The position stays after the records that the old filter ignored.
    assert.equal("5", handled(consumer))
    assert.equal(5, position(consumer))
  end)

  it("uses it after the current batch, and tests the other records read so far again", function()
    open_with_clock()
    local consumer = open("c", { batch_size = 2 })
    put(true, true, false, true, false)
    helper.refused("BATCH_FAILED", consumer:step(error))
    open("c", { filter = "new_image.keep = ?", false, batch_size = 2, update = true })
    local seen = {}
    local function handler(records)
      for _, record in ipairs(records) do seen[#seen + 1] = record.sequence_number - base end
    end
    assert.equal(2, consumer:step(handler))          -- the batch that was read before
    assert.same({ 1, 2 }, seen)
    assert.equal(2, consumer:step(handler))
    assert.same({ 1, 2, 3, 5 }, seen)
  end)

  it("does not deliver a record that waits for its window if the new filter ignores it", function()
    open_with_clock()
    local consumer = open("c", { window = 60 })
    put(false, true, false)
    assert.equal(0, consumer:step(error))            -- 2 waits
    local opts = { source = "orders", window = 60, backoff = 0.001, lease = 100, update = true,
      filter = "new_image.keep = ?", false }
    assert(db:consumer("c", opts))
    assert.equal(0, consumer:step(error))            -- 3 waits
    assert.equal(1, position(consumer))              -- the old filter has ignored 1
    clock:advance(61)
    assert.equal("3", handled(consumer))
  end)

  it("can replace the filter while its worker runs", function()
    local loop, seen = cqueues.new(), {}
    local consumer = open "c"
    loop:wrap(function()
      assert(consumer:run(function(records)
        for _, record in ipairs(records) do seen[#seen + 1] = record.sequence_number - base end
        if seen[#seen] >= 4 then consumer:stop() end
      end))
    end)
    loop:wrap(function()
      put(true)
      while #seen == 0 do cqueues.sleep(0.001) end
      open("c", { filter = "new_image.keep = ?", false, update = true })
      put(true, true, false)
    end)
    assert(loop:loop())
    assert.same({ 1, 4 }, seen)
  end)

  -- wait_for -------------------------------------------------------------------

  -- Rule 24.
  it("moves its position at once if a caller waits", function()
    open_with_clock()
    local consumer = open "c"
    put(false)
    assert.equal(0, consumer:step(error))
    assert.equal(0, position(consumer))
    assert.is_false(consumer:wait_for(base + 1, 0))
    assert.equal(0, consumer:step(error))
    assert.equal(1, position(consumer))
    assert.is_true(consumer:wait_for(base + 1, 0))
    put(false)
    assert.equal(0, consumer:step(error))            -- no caller waits for this record
    assert.equal(1, position(consumer))
  end)

  it("never moves it past a record that is not handled, even if a caller waits", function()
    open_with_clock()
    local consumer = open "c"
    put(false, true, false)
    helper.refused("BATCH_FAILED", consumer:step(error))
    assert.is_false(consumer:wait_for(base + 3, 0))
    helper.refused("BATCH_FAILED", consumer:step(error))
    assert.is_true(position(consumer) <= 1)
    assert.equal("2", handled(consumer))
    assert.equal(3, position(consumer))
  end)

  for _, loops in ipairs { true, false } do
    it("wakes a worker in another process" .. (loops and " with an event loop" or ""), function()
      local consumer = open "c"
      local child = helper.child(([[
        local cqueues = %s
        local consumer = assert(db:consumer "c")
        print "runs"
        local function run()
          assert(consumer:run(function(records) consumer:stop() end))
        end
        if cqueues then
          local loop = cqueues.new()
          loop:wrap(run)
          assert(loop:loop())
        else
          run()
        end
        print "stopped"
      ]]):format(loops and 'require "cqueues"' or "nil"))
      assert.equal("runs", child:line())
      for _ = 1, 3 do
        local number = assert(orders:put { id = "1", keep = false })
        local before = core.elapsed()
        assert.is_true(consumer:wait_for(number, 30))
        assert.is_true(core.elapsed() - before < 5)
        cqueues.sleep(0.05)
        number = assert(orders:put { id = "1", keep = false })
        cqueues.sleep(0.05)                          -- the worker has read it and sleeps
        before = core.elapsed()
        assert.is_true(consumer:wait_for(number, 30))
        assert.is_true(core.elapsed() - before < 1, core.elapsed() - before)
      end
      put(true)
      assert.equal("stopped", child:line())
    end)
  end

  it("answers a wait in the same event loop at once", function()
    local loop, consumer = cqueues.new(), open "c"
    loop:wrap(function() assert(consumer:run(function() consumer:stop() end)) end)
    loop:wrap(function()
      for _ = 1, 3 do
        put(false)
        cqueues.sleep(0.02)
        local before = core.elapsed()
        assert.is_true(assert(db:consumer "c"):wait_for(nil, 30))
        assert.is_true(core.elapsed() - before < 1)
      end
      put(true)
    end)
    assert(loop:loop())
  end)

  it("is asked only if it ignores records", function()
    local plain = consumers.open(db, "plain", {})
    put(true)
    local commits = assert(db:wakeup())
    local batch = plain:batches()()
    assert.equal(1, #batch)
    commits:clear()
    assert.is_false(plain:wait_for(base + 1, 0))
    assert.is_false(commits:wait(0))
    plain:close()
  end)

  -- Parked records -------------------------------------------------------------

  it("parks only records that satisfy it, and replays them", function()
    local consumer = open("c", { on_failure = "park", max_attempts = 1, bisect = true })
    for i, keep in ipairs { true, false, true, false } do
      assert(orders:put { id = "a", keep = keep, i = i })
    end
    repeat local count = assert(consumer:step(error)) until count == 0
    assert.equal(2, consumer:describe().parked)
    assert.equal(2, consumer:replay())
    open("c", { filter = "new_image.keep = ?", false, on_failure = "park", max_attempts = 1,
      bisect = true, update = true })
    assert(orders:put { id = "a", keep = true })
    assert.equal("1 3", handled(consumer))           -- the new filter does not apply to them
    assert.equal(0, consumer:describe().parked)
  end)

  -- Loops ----------------------------------------------------------------------

  it("whose own records are ignored never ends with LOOP", function()
    local consumer = consumers.open(db, "c", { filter = "depth = ?", 0 })
    put(true)
    for _ = 1, 20 do
      local count = assert(consumer:step(function(records, tx)
        tx:table "orders":put { id = "x" .. records[1].sequence_number }
      end))
      if count == 0 then put(true) end
    end
    assert.is_true(consumer:describe().records >= 9)
  end)

  -- Snapshots ------------------------------------------------------------------

  describe("in a snapshot", function()
    local of_consumer = readers.of_consumer

    after_each(function() readers.of_consumer = of_consumer end)

    --- Limits the pages of items in readers that are opened later.
    local function limit_pages(count)
      readers.of_consumer = function(...)
        local reader, err, code = of_consumer(...)
        if reader then core.limit_page(reader.core, count) end
        return reader, err, code
      end
    end

    local function copier(opts)
      local given = { from = "SNAPSHOT" }
      for option, value in pairs(opts or {}) do given[option] = value end
      return open("copier", given)
    end

    --- Returns the id, and + for an item.
    local function text_of(record)
      return record.keys.id .. (record.is_snapshot and "+" or "=")
    end

    local function drain(consumer)
      return table.concat(consumers.drain(consumer, text_of), " ")
    end

    local function fill(first, last)
      for i = first, last do
        assert(orders:put { id = ("%03d"):format(i), keep = i % 3 == 0 })
      end
    end

    it("gets the items that satisfy it, then the changes", function()
      fill(1, 7)
      local consumer = copier()
      assert.equal("003+ 006+", drain(consumer))
      assert.is_false(consumer:describe().is_copying)
      assert(orders:put { id = "001", keep = true })
      assert(orders:put { id = "003", keep = false })
      assert(orders:put { id = "008", keep = true })
      assert.equal("001= 008=", drain(consumer))
    end)

    it("tests the fields that the handler would get", function()
      fill(1, 3)
      for text, wanted in pairs {
        ["attribute_not_exists(transaction_id) AND keys.id = ?"] = "002+",
        ["attribute_not_exists(transaction_count) AND keys.id = ?"] = "002+",
        ["attribute_not_exists(transaction_position) AND keys.id = ?"] = "002+",
        ["attribute_exists(transaction_id) AND keys.id = ?"] = "",
        ["attribute_not_exists(old_image) AND depth < sequence_number AND keys.id = ?"] = "002+",
        ["attribute_exists(origin) OR attribute_exists(context) AND keys.id = ?"] = "",
      } do
        local consumer = copier { filter = text, "002" }
        assert.equal(wanted, drain(consumer), text)
        assert(consumer:delete())
      end
    end)

    it("gets the later changes of an ignored item that it has passed", function()
      limit_pages(2)
      fill(1, 9)
      local consumer = copier { batch_size = 1 }
      assert.equal(1, consumer:step(function(records)
        assert.equal("003", records[1].keys.id)
      end))
      assert(orders:put { id = "001", keep = true })    -- passed
      assert(orders:put { id = "008", keep = true })    -- not yet: the item of its page
      assert(orders:put { id = "003", keep = false })
      assert.equal("001= 006+ 008+ 009+", drain(consumer))
    end)

    it("moves the key of the copy over ignored items", function()
      open_with_clock()
      local items = {}
      for i = 1, 12500 do items[i] = { id = ("%05d"):format(i), keep = false } end
      assert(orders:load(items))
      local consumer = copier()
      local stopped
      local pass = ignored.skip
      local _ <close> = setmetatable({}, { __close = function() ignored.skip = pass end })
      ignored.skip = function(worker)
        local before = worker.ignored_records
        local owns, err, code = pass(worker)
        if owns and not worker.ignored_records and before and not stopped then
          stopped = before.key
          assert(orders:put { id = "00001", keep = true })
          assert(orders:put { id = "12400", keep = true })
          consumer:stop()
        end
        return owns, err, code
      end
      assert.is_true(consumer:run(error))
      assert.is_string(stopped)
      assert.is_true(consumer:describe().is_copying)
      assert.equal(0, consumer:describe().copied)
      -- Another worker continues after the key: 00001 was passed, so its change is a record.
      local again = assert(db:consumer "copier")
      assert.equal("00001= 12400+", drain(again))
      assert.is_false(again:describe().is_copying)
      assert.same({}, assert(db:check()).problems)
    end)

    it("gets TRIMMED if changes of items that it has ignored expire", function()
      open_with_clock { retention = 60, hold = { age = 60 } }
      put_many(1500)                                 -- a page of the copy has 1,000
      assert(orders:put { id = "x", keep = true })
      local consumer = copier()
      local batch = consumer:batches()()
      assert.equal("x", batch[1].keys.id)
      consumer:close()                               -- it stores its place after a page
      assert.equal(0, consumer:describe().copied)
      assert(orders:put { id = "i1", keep = true })
      clock:advance(100)
      assert(db:sweep())
      helper.refused("TRIMMED", consumer:step(error))
    end)

    it("does not get an item again if it was ignored and changed before a crash", function()
      limit_pages(1)
      fill(1, 6)
      local consumer = copier { batch_size = 1 }
      assert.equal(1, consumer:step(function(records)
        assert.equal("003", records[1].keys.id)
      end))
      local reader, pages = consumer.worker.reader, 0
      local yield = reader.yield
      function reader:yield()
        pages = pages + 1
        if pages == 2 then                           -- 004 and 005 were ignored
          assert(orders:put { id = "004", keep = true })
        end
        return yield(self)
      end
      assert.equal(1, consumer:step(function(records)
        assert.equal("004=", text_of(records[1]))
      end))
      core.worker_leave(consumer.worker.database.core, consumer.worker.slot)
      db = helper.open()
      consumer = copier { batch_size = 1 }
      assert.equal("006+", drain(consumer))
    end)

    it("uses another filter for the items that follow", function()
      limit_pages(1)
      fill(1, 6)
      local consumer = copier { batch_size = 1 }
      assert.equal(1, consumer:step(function(records)
        assert.equal("003", records[1].keys.id)
      end))
      open("copier", { filter = KEEP, false, batch_size = 1, update = true })
      assert.equal("004+ 005+", drain(consumer))
    end)
  end)
end)
