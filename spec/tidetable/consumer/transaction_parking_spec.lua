-- transaction_parking_spec.lua - consumers with by = "transaction" that park whole transactions.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

--- A database with the tables `orders`, `totals` and `dead`, and a consumer "c" of orders.
local Parking = {}
Parking.__index = Parking

function Parking:start()
  self.failing, self.puts = {}, 0
  self.db, self.orders = consumers.orders "totals"
  assert(self.db:create_table { name = "dead", partition_key = "id", sort_key = { "part", "N" } })
end

--- Returns the sequence number of the n-th change after Parking:start.
local function change(n) return helper.after_creation(3, n) end

function Parking:open(opts)
  local given = { by = "transaction", mode = self.mode, backoff = 0, on_failure = "park",
    max_attempts = 1 }
  for name, value in pairs(opts or {}) do given[name] = value end
  return consumers.open(self.db, "c", given)
end

--- Puts items with these ids in one transaction; each word of a call is a transaction, "a-b" puts
--- a and b.
function Parking:put(...)
  for _, each in ipairs { ... } do
    assert(self.db:transact(function(tx)
      for id in each:gmatch "[^-]+" do
        self.puts = self.puts + 1
        tx:table "orders":put { id = id, n = self.puts }
      end
    end))
  end
end

--- Returns the ids of records: "a-b c" are a transaction of two records and one of one.
local function text(records)
  local parts = {}
  for i, record in ipairs(records) do
    local joins = i > 1 and records[i - 1].transaction_id == record.transaction_id
    parts[#parts + 1] = (joins and "-" or i > 1 and " " or "") .. record.keys.id
  end
  return table.concat(parts)
end

--- Returns a handler that fails on the ids in `failing`, and adds up the others.
function Parking:handler()
  return function(records, tx)
    for _, record in ipairs(records) do
      if self.failing[record.keys.id] then error("bad " .. record.keys.id, 0) end
      tx:table "totals":update({ id = record.keys.id }, "ADD n ?", { 1 })
    end
  end
end

--- Steps until nothing is left. Returns the transactions that were handled.
function Parking:drain(consumer)
  local handled, handler = {}, self:handler()
  for _ = 1, 200 do
    local got
    local count, err = consumer:step(function(records, tx)
      handler(records, tx)
      got = text(records)
    end)
    assert(count or err.code == "BATCH_FAILED", err)
    if count == 0 then return table.concat(handled, " ") end
    if got then handled[#handled + 1] = got end
  end
  error "endless"
end

--- Returns the parked transactions, those to be delivered again with a star.
function Parking.parked(_, consumer, opts)
  local parts, last, star = {}, nil, nil
  for each in consumer:parked(opts) do
    if each.transaction_id == last then
      assert.equal(star, each.is_to_be_replayed and "*" or "")
      parts[#parts] = parts[#parts]:gsub("%*$", "") .. "-" .. each.record.keys.id .. star
    else
      last, star = each.transaction_id, each.is_to_be_replayed and "*" or ""
      parts[#parts + 1] = each.record.keys.id .. star
    end
  end
  return table.concat(parts, " ")
end

function Parking.counts(_, consumer)
  local about = consumer:describe()
  return { about.parked, about.replays, about.dead_letters }
end

consumers.for_each_mode(describe, before_each, after_each, 'by = "transaction" parks', function(p)
  local function finish() assert.same({}, assert(p.db:check()).problems) end

  it("a transaction that fails, and later ones that share a key, with all records", function()
    local consumer = p:open()
    p.failing.a = true
    p:put("x-y", "a-b", "b-c", "d", "c-e", "e", "x-f")
    assert.equal("x-y d x-f", p:drain(consumer))
    assert.equal("a-b b-c c-e e", p:parked(consumer))
    assert.same({ 7, 0, 0 }, p:counts(consumer))
    p:put("g", "f-e")
    assert.equal("g", p:drain(consumer))
    assert.equal("a-b b-c c-e e f-e", p:parked(consumer))
    local errors, attempts = {}, {}
    for each in consumer:parked() do
      errors[#errors + 1] = each.error or "-"
      attempts[#attempts + 1] = each.attempts
    end
    assert.equal("bad a bad a - - - - - - -", table.concat(errors, " "))
    assert.equal("1 1 0 0 0 0 0 0 0", table.concat(attempts, " "))
    finish()
  end)

  it("and replays them undivided, in order", function()
    local consumer = p:open()
    p.failing.a = true
    p:put("a-b", "d-b", "d-e", "q")
    assert.equal("q", p:drain(consumer))
    p.failing.a = nil
    assert.equal(3, consumer:replay())
    assert.same({ 6, 6, 0 }, p:counts(consumer))
    p:put("e-f", "g")
    assert.equal("a-b d-b d-e e-f g", p:drain(consumer))
    assert.same({ 0, 0, 0 }, p:counts(consumer))
    p:put("a")
    assert.equal("a", p:drain(consumer))
    assert.equal(11, consumer:describe().records)
    finish()
  end)

  it("and keeps all that share keys with one that fails again", function()
    local consumer = p:open { batch_size = 2 }
    p.failing.a = true
    p:put("a-b", "x", "b-c", "c", "d")
    p.failing.x = true
    assert.equal("d", p:drain(consumer))
    assert.equal("a-b x b-c c", p:parked(consumer))
    p.failing.x = nil
    assert.equal(4, consumer:replay())
    assert.equal("x", p:drain(consumer))
    assert.equal("a-b b-c c", p:parked(consumer))
    local attempts = {}
    for each in consumer:parked() do attempts[#attempts + 1] = each.attempts end
    assert.equal("2 2 0 0 0", table.concat(attempts, " "))
    finish()
  end)

  it("and a replay by key includes what must be delivered before", function()
    local consumer = p:open()
    p.failing.a, p.failing.x = true, true
    p:put("a-b", "x-y", "b-c", "c-d", "y")
    assert.equal("", p:drain(consumer))
    assert.equal("b-c c-d", p:parked(consumer, { key = { id = "c" } }))
    assert.equal("b-c", p:parked(consumer, { key = { id = "c" }, limit = 1 }))
    assert.equal(1, consumer:replay { key = { id = "c" }, limit = 1 })
    assert.equal("a-b* x-y b-c c-d y", p:parked(consumer))
    assert.equal(2, consumer:replay { key = { id = "d" } })
    assert.equal("a-b* x-y b-c* c-d* y", p:parked(consumer))
    assert.equal(0, consumer:replay { key = { id = "c" } })
    p.failing.a = nil
    assert.equal("a-b b-c c-d", p:drain(consumer))
    assert.equal("x-y y", p:parked(consumer))
    finish()
  end)

  it("and discards whole transactions", function()
    local consumer = p:open()
    p.failing.a = true
    p:put("a-b", "b-c", "c", "a")
    assert.equal("", p:drain(consumer))
    assert.equal(0, consumer:discard { key = { id = "z" } })
    assert.equal(1, consumer:discard { key = { id = "c" }, limit = 1 })
    assert.equal("a-b c a", p:parked(consumer))
    assert.equal(2, consumer:discard { key = { id = "a" }, table = "orders" })
    assert.equal("c", p:parked(consumer))
    p:put("b", "c-d")
    assert.equal("b", p:drain(consumer))
    assert.equal(2, consumer:discard())
    assert.same({ 0, 0, 0 }, p:counts(consumer))
    finish()
  end)

  describe("with tx:park", function()
    --- Returns a handler that parks each record with this id, and notes the ids it has seen.
    local function parking(id, seen)
      return function(records, tx)
        for _, record in ipairs(records) do
          seen[#seen + 1] = record.keys.id
          tx:table "totals":update({ id = record.keys.id }, "ADD n ?", { 1 })
          if record.keys.id == id then tx:park(record, "why " .. id) end
        end
      end
    end

    it("the whole transaction, and later ones of the batch that share a key", function()
      local consumer, seen = p:open { on_failure = "stop" }, {}
      p:put("x", "a-b-c", "y", "c-d", "z", "d")
      assert.equal(9, consumer:step(parking("b", seen)))
      -- The rest of the transaction and the later ones are no longer in the array.
      assert.equal("x a b y z", table.concat(seen, " "))
      assert.equal("a-b-c c-d d", p:parked(consumer))
      assert.same({ 6, 0, 0 }, p:counts(consumer))
      assert.equal(3, consumer:describe().records)
      local texts = {}
      for each in consumer:parked() do
        texts[#texts + 1] = ("%s %d"):format(each.error or "-", each.attempts)
      end
      assert.equal("why b 1, why b 1, why b 1, - 0, - 0, - 0", table.concat(texts, ", "))
      -- What the handler has written for the records before the call is committed.
      assert.equal(1, p.db:table "totals":get({ id = "a" }).n)
      finish()
    end)

    it("also of records that the handler has removed from its array", function()
      local consumer = p:open()
      p:put("a-b", "b", "c")
      assert.equal(4, consumer:step(function(records, tx)
        local first = records[1]
        table.remove(records, 3)
        table.remove(records, 2)
        tx:park(first)
        tx:park(first, "again")
        assert.equal(2, #records)
      end))
      assert.equal("a-b b", p:parked(consumer))
      for each in consumer:parked { limit = 1 } do
        assert.equal("parked by the handler", each.error)
      end
      p:put("d")
      helper.refused("BATCH_FAILED", p.db:consumer("e", { source = "orders", by = "transaction",
        max_attempts = 1 }):step(function(records, tx)
        tx:park(records[1].keys)
      end))
      finish()
    end)

    it("in a replay", function()
      local consumer, seen = p:open(), {}
      p.failing.a = true
      p:put("a-b", "x", "b-c", "y")
      p.failing.x, p.failing.y = true, true
      assert.equal("", p:drain(consumer))
      assert.equal(4, consumer:replay())
      assert.equal(6, consumer:step(parking("a", seen)))
      assert.equal("a x y", table.concat(seen, " "))
      assert.equal("a-b b-c", p:parked(consumer))
      assert.same({ 4, 0, 0 }, p:counts(consumer))
      for each in consumer:parked { limit = 1 } do
        assert.same({ "why a", 2 }, { each.error, each.attempts })
      end
      assert.equal(2, consumer:describe().records)
      finish()
    end)

    it("and delivers it again after the attempt has failed", function()
      local consumer = p:open { max_attempts = 3 }
      p:put("a-b", "b")
      helper.refused("BATCH_FAILED", consumer:step(function(records, tx)
        tx:park(records[1])
        error "no"
      end))
      assert.equal("a-b b", p:drain(consumer))
      assert.same({ 0, 0, 0 }, p:counts(consumer))
    end)
  end)

  it("at the limits no part of a transaction", function()
    local consumer = p:open { max_parked = 3 }
    p.failing.a, p.failing.b = true, true
    p:put("a-x", "b-y", "c")
    local err = helper.refused("PARKED_FULL", consumer:run(p:handler()))
    assert.matches("2 parked records of .* it may have 3 .*; the transaction has 2 records",
      err.message)
    assert.equal("a-x", p:parked(consumer))
    consumer = p:open { max_parked = 3, dead_letter = "dead", update = true }
    assert.equal("c", p:drain(consumer))
    assert.same({ 2, 0, 2 }, p:counts(consumer))
    p:put("x", "x-b")
    assert.equal("", p:drain(consumer))
    assert.equal("a-x x", p:parked(consumer))
    assert.same({ 3, 0, 4 }, p:counts(consumer))
    p:open { max_parked_bytes = 1, dead_letter = "dead", update = true }
    p:put("a-b-c", "z")
    assert.equal("z", p:drain(consumer))
    assert.same({ 3, 0, 7 }, p:counts(consumer))
    assert.equal(7, assert(p.db:table "dead":count_items()))
    finish()
  end)

  it("the records that the filter leaves, and waits for them", function()
    local consumer = p:open { filter = "begins_with(keys.id, ?)", "a" }
    p.failing.a1 = true
    p:put("a1-b1-a2", "b1", "a3", "b2-a2")
    assert.equal("a3", p:drain(consumer))
    assert.equal("a1-a2 a2", p:parked(consumer))
    assert.same({ true, "parked" }, { consumer:wait_for(change(1), 0) })
    local last = consumer:describe().position
    assert.same({ true, "parked" }, { consumer:wait_for(last, 0) })
    assert.same({ true }, { consumer:wait_for(change(2), 0) })
    finish()
  end)

  it("records of several tables with one transaction", function()
    assert(p.db:create_table { name = "other", partition_key = "key", stream = true })
    local consumer = assert(p.db:consumer("c", { source = { "orders", "other" },
      by = "transaction", on_failure = "park", max_attempts = 1, backoff = 0, mode = p.mode }))
    assert(p.db:transact(function(tx)
      tx:table "orders":put { id = "a" }
      tx:table "other":put { key = "a" }
    end))
    assert(p.db:table "other":put { key = "b" })
    assert(p.db:table "other":put { key = "a", n = 2 })
    for _ = 1, 5 do
      consumer:step(function(records)
        for _, record in ipairs(records) do
          assert(record.table_name ~= "orders", "bad")
        end
      end)
    end
    local function names(opts)
      local found = {}
      for each in consumer:parked(opts) do
        found[#found + 1] = each.record.table_name .. (each.is_to_be_replayed and "*" or "")
      end
      return table.concat(found, " ")
    end
    assert.equal("orders other other", names())
    assert.equal("orders other", names { table = "orders" })
    assert.equal("orders other other", names { table = "other" })
    assert.equal("orders other", names { key = { id = "a" } })
    assert.equal("orders other", names { key = { id = "a" }, limit = 1 })
    assert.equal("", names { key = { id = "b" } })
    assert.equal(1, consumer:replay { table = "orders" })
    assert.equal("orders* other* other", names())
    assert.equal(2, consumer:discard { key = { key = "a" } })
    assert.equal("", names())
    finish()
  end)

  it("items of a snapshot alone", function()
    p:put("a-b", "c")
    local consumer = p:open { from = "SNAPSHOT", batch_size = 2 }
    p.failing.a, p.failing.b = true, true
    repeat
      local count, err = consumer:step(p:handler())
      assert(count or err.code == "BATCH_FAILED", err)
    until count == 0
    assert.equal("a b", p:parked(consumer))
    local ids = {}
    for each in consumer:parked() do
      assert.equal(each.record.sequence_number, each.transaction_id)
      ids[#ids + 1] = each.transaction_id
    end
    assert.same({ change(1), change(2) }, ids)
    p:put("b-d", "e")
    p.failing.a, p.failing.b = nil, nil
    assert.equal("e", p:drain(consumer))
    assert.equal("a b b-d", p:parked(consumer))
    assert.equal(3, consumer:replay())
    local names = {}
    repeat
      local count = assert(consumer:step(function(records)
        for _, record in ipairs(records) do names[#names + 1] = record.keys.id end
      end))
    until count == 0
    assert.equal("a b b d", table.concat(names, " "))
    finish()
  end)

  it("the transaction that kills its worker", function()
    local consumer = p:open { lease = 1 }
    p:put("x-y", "a-b", "z", "b")
    local deadly = [[
      local consumer = assert(db:consumer "c")
      consumer:run(function(records, tx)
        for _, record in ipairs(records) do
          if record.keys.id == "b" then os.exit(9, false) end
          tx:table "totals":update({ id = record.keys.id }, "ADD n ?", { 1 })
        end
        if records[#records].keys.id == "z" then consumer:stop() end
      end)
    ]]
    local deaths = 0
    while consumer:describe().parked == 0 do
      deaths = deaths + 1
      assert.is_true(deaths < 9)
      helper.child(deadly):output()
    end
    assert.equal("", p:drain(consumer))
    assert.equal("a-b b", p:parked(consumer))
    -- A replay that kills its worker keeps both, and removes the marks of both.
    assert.equal(2, consumer:replay())
    consumer:close()
    helper.child(deadly):output()      -- two transactions
    helper.child(deadly):output()      -- one: an attempt
    assert.equal("", p:drain(consumer))
    assert.equal("a-b b", p:parked(consumer))
    local texts = {}
    for each in consumer:parked() do
      texts[#texts + 1] = ("%s %d"):format(each.error or "-", each.attempts)
    end
    assert.equal("the worker died in the handler 2, the worker died in the handler 2, - 0",
      table.concat(texts, ", "))
    finish()
  end)

  it("and removes a transaction that reaches beyond a new position", function()
    local consumer = p:open()
    p.failing.a = true
    p:put("x", "a-b-c", "d", "c")
    assert.equal("x d", p:drain(consumer))
    local err = helper.refused("PARKED", consumer:seek { after = change(3) })
    assert.matches("has 4 parked records after", err.message, 1, true)
    err = helper.refused("PARKED", consumer:seek { after = change(4) })
    assert.matches("has 1 parked records after", err.message, 1, true)
    assert(consumer:seek { after = change(6) })
    assert.equal("a-b-c c", p:parked(consumer))
    p.failing.a = nil
    assert(consumer:seek { after = change(3), discard = true })
    assert.equal("", p:parked(consumer))
    -- The first record of the transaction is before the position.
    assert.equal("c d c", p:drain(consumer))
    finish()
  end)

  it("and refuses a change of `by` while transactions are parked", function()
    local consumer = p:open()
    p.failing.a = true
    p:put("a-b", "c")
    assert.equal("c", p:drain(consumer))
    assert(consumer:pause())
    local err = helper.refused("PARKED", p.db:consumer("c", { source = "orders", update = true,
      on_failure = "park" }))
    assert.matches('has 2 parked records: replay or discard them before "by" is changed',
      err.message, 1, true)
    assert.equal(1, consumer:discard())
    assert(p.db:consumer("c", { source = "orders", update = true, on_failure = "park",
      max_attempts = 1, backoff = 0, mode = p.mode }))
    assert(consumer:resume())
    p:put("a-b")
    assert.equal("b", p:drain(consumer))
    for each in consumer:parked() do assert.is_nil(each.transaction_id) end
    finish()
  end)

  it("in batches that the program takes", function()
    local consumer, seen = p:open(), {}
    p:put("a-b", "b", "c")
    for batch in consumer:batches() do
      assert(batch:commit(function(tx)
        for _, record in ipairs(batch) do
          seen[#seen + 1] = record.keys.id
          if record.keys.id == "a" then tx:park(record) end
        end
      end))
      consumer:stop()
    end
    assert.equal("a c", table.concat(seen, " "))
    assert.equal("a-b b", p:parked(consumer))
    assert.equal(2, consumer:replay())
    for batch in consumer:batches() do
      assert.equal("a-b b", text(batch))
      assert(batch:commit())
      consumer:stop()
    end
    assert.same({ 0, 0, 0 }, p:counts(consumer))
    finish()
  end)
end, Parking)
