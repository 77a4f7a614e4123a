-- ttl_spec.lua - time to live: definitions, hiding, removal, records.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local blames, refused = helper.blames, helper.refused
local START = 1700000000

local clock, db, t

local function set_up(options, path)
  clock = tidetable.manual_clock(START)
  options = options or {}
  options.clock = clock
  db = helper.open(options, path or ":memory:")
  t = assert(db:create_table {
    name = "sessions", partition_key = "id", ttl = "expires", stream = true,
  })
end

local function put(id, seconds)
  assert(t:put { id = id, expires = START + seconds })
end

local function ids()
  local list = {}
  for item in t:scan() do list[#list + 1] = item.id end
  return table.concat(list, " ")
end

--- Returns the records as text: "INSERT a", "TTL a".
local function events(after)
  local list = {}
  for record in t:stream():records { after = after or 0 } do
    list[#list + 1] = (record.user_identity and "TTL" or record.event_name) .. " " .. record.keys.id
  end
  return table.concat(list, ", ")
end

describe("the definition of time to live", function()
  it("is part of the description and the definition", function()
    set_up()
    assert.equal("expires", t:describe().ttl)
    assert.equal("expires", t:definition().ttl)
    local other = assert(db:create_table { name = "other", partition_key = "id" })
    assert.is_nil(other:definition().ttl)
    assert(db:create_table { name = "none", partition_key = "id", ttl = false })
  end)

  it("changes on a live table", function()
    set_up()
    put("a", 10)
    assert(t:put { id = "b", until_when = START + 10 })
    clock:advance(20)
    assert.equal("b", ids())
    assert(t:alter { ttl = "until_when" })
    assert.equal("a", ids())
    assert(t:alter { ttl = false })
    assert.equal("a b", ids())
    assert(t:alter { ttl = "expires", stream = { retention = "2d" } })
    assert.equal("b", ids())
    assert.equal(2 * 24 * 3600, t:definition().stream.retention.age)
    assert.is_true(t:alter { ttl = "expires" })
    assert.same({}, db:check().problems)
  end)

  it("covers items that exist when it is enabled", function()
    set_up()
    assert(t:alter { ttl = false })
    local items = {}
    for i = 1, 700 do items[i] = { id = ("%03d"):format(i), expires = START + i % 2 * 1000 } end
    assert(t:load(items))
    clock:advance(1)
    assert(t:alter { ttl = "expires" })
    assert.equal(350, (t:scan_page { count = true }))
    assert.equal(350, select(2, db:sweep()))
    assert.equal(350, db:check().items)
    assert.same({}, db:check().problems)
  end)

  it("is compared and altered by ensure_table", function()
    set_up()
    local wanted = { name = "sessions", partition_key = "id", ttl = "other", stream = true }
    local err = refused("VALIDATION", db:ensure_table(wanted))
    assert.matches("the ttl differs", err.message, 1, true)
    wanted.alter = true
    assert(db:ensure_table(wanted))
    assert.equal("other", t:definition().ttl)
    wanted.ttl, wanted.alter = nil, nil
    refused("VALIDATION", db:ensure_table(wanted))
    wanted.alter = true
    assert(db:ensure_table(wanted))
    assert.is_nil(t:definition().ttl)
    assert(db:ensure_table(t:definition()))
  end)

  it("is checked", function()
    set_up()
    for _, wrong in ipairs { 5, true, "", ("x"):rep(256) } do
      blames('option "ttl"', function() t:alter { ttl = wrong } end)
      blames('option "ttl"', function()
        db:create_table { name = "other", partition_key = "id", ttl = wrong }
      end)
    end
    refused("VALIDATION", t:alter { ttl = "\xff" })
    refused("VALIDATION", db:create_table { name = "other", partition_key = "id", ttl = "\xff" })
    assert(db:create_table { name = "other", partition_key = "id", ttl = ("x"):rep(255) })
    db:transact(function() helper.raises("NESTED", t.alter, t, { ttl = "x" }) end)
  end)

  it("may name a key attribute", function()
    set_up()
    local events_table = assert(db:create_table {
      name = "events", partition_key = "id", sort_key = { "at", "N" }, ttl = "at",
    })
    for i = 1, 5 do assert(events_table:put { id = "a", at = START + i }) end
    clock:advance(4)
    assert.equal(2, (events_table:query_page("a", { count = true })))
    assert.equal(3, select(2, db:sweep()))
  end)
end)

describe("an expired item", function()
  it("is absent to reads and conditions", function()
    set_up()
    put("a", 10)
    put("b", 20)
    clock:advance(10)
    assert.equal("a b", ids())    -- it expires after this moment
    clock:advance(0.001)
    assert.equal("b", ids())
    assert.is_nil(t:get { id = "a" })
    assert.equal(1, (t:scan_page { count = true }))
    refused("CONDITION_FAILED", t:put({ id = "a" }, { condition = "attribute_exists(id)" }))
    local _, err = t:update({ id = "a" }, "SET x = ?", {
      1, condition = "attribute_exists(id)", return_values_on_failure = "ALL_OLD",
    })
    assert.is_nil(err.item)
    assert.equal("INSERT a, INSERT b", events())
  end)

  it("is removed before a write replaces it, in the same transaction", function()
    set_up()
    put("a", 10)
    clock:advance(11)
    local sequence, old = t:update({ id = "a" }, "ADD n ?", { 1, return_values = "ALL_OLD" })
    assert.equal(4, sequence)
    assert.is_nil(old)
    assert.same({ id = "a", n = 1 }, (t:get { id = "a" }))
    assert.equal("TTL a, INSERT a", events(2))
    local group = t:stream { after = 2 }:next_transaction()
    assert.equal(2, #group)
    assert.equal(3, group.transaction_id)
  end)

  it("is removed by a delete, which returns 0", function()
    set_up()
    put("a", 10)
    clock:advance(11)
    assert.equal(0, (t:delete { id = "a" }))
    assert.equal("TTL a", events(2))
    assert.equal(0, (t:delete { id = "a" }))
    assert.equal("TTL a", events(2))
  end)

  it("is left to the sweep by a refused write", function()
    set_up()
    put("a", 10)
    clock:advance(11)
    refused("CONDITION_FAILED", t:put({ id = "a" }, { condition = "attribute_exists(id)" }))
    assert.equal("", events(2))
    local records, items = db:sweep()
    assert.equal(1, items)
    assert.equal(0, records)
    assert.equal("TTL a", events(2))
  end)

  it("is removed by writes to other items", function()
    set_up()
    put("a", 10)
    put("b", 15)
    clock:advance(16)
    assert.equal(4, (t:put { id = "c" }))
    assert.equal(4, db:last_change())
    assert.equal("INSERT c, TTL a, TTL b", events(3))
    local own = t:stream { after = 3 }:next_transaction()
    assert.equal(1, #own)
    local swept = t:stream { after = 4 }:next_transaction()
    assert.equal(2, #swept)
    assert.equal(5, swept.transaction_id)
  end)

  it("is absent to a snapshot as of when it was taken", function()
    set_up()
    for i = 1, 1500 do put(("%04d"):format(i), i <= 1400 and 10 or 5) end
    clock:advance(6)
    local seen = 0
    for _ in t:scan { snapshot = true } do
      seen = seen + 1
      if seen == 1 then clock:advance(100) end
    end
    assert.equal(1400, seen)
    assert.equal("", ids())
  end)

  it("makes pages short, not scans", function()
    set_up()
    assert(t:alter { ttl = false })
    local items = {}
    for i = 1, 25000 do
      items[i] = { id = ("%05d"):format(i), expires = START - (i > 24990 and -100 or 100) }
    end
    assert(t:load(items))
    assert(t:alter { ttl = "expires" })
    local page, last, scanned = t:scan_page { limit = 1 }
    assert.same({}, page)
    assert.equal(0, scanned)
    local found = 0
    while last do
      page, last = t:scan_page { limit = 100, start_key = last }
      found = found + #page
    end
    assert.equal(10, found)
    assert.equal(10, #helper.collect(t:scan()))
    assert.equal(3, #helper.collect(t:scan { limit = 3 }))
  end)
end)

describe("records of removals", function()
  it("carry DynamoDB's user identity", function()
    set_up()
    put("a", 10)
    clock:advance(11)
    db:sweep()
    local record = t:stream { after = 2 }:next()
    assert.equal("REMOVE", record.event_name)
    assert.same({ type = "Service", principal_id = "dynamodb.amazonaws.com" }, record.user_identity)
    local function identity_with(account)
      return core.json_record(record, "dynamodb", "", "local", account)
        :match '"userIdentity":(%b{})'
    end
    assert.equal('{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}', identity_with(nil))
    assert.equal('{"principalId":"dynamodb.amazonaws.com","type":"Service"}',
      identity_with "000000000000")
    assert.same({ id = "a", expires = START + 10 }, record.old_image)
  end)

  it("come to a waiting reader, which removes the items itself", function()
    set_up({}, helper.path())
    put("a", 10)
    local stream = t:stream { from = "LATEST" }
    clock:advance(11)
    local record = assert(stream:next(20))
    assert.equal("REMOVE", record.event_name)
    assert.equal("a", record.keys.id)
  end)

  it("do not come from a reader that cannot write", function()
    set_up({}, helper.path())
    put("a", 10)
    local reader = helper.open({ clock = clock, read_only = true })
    local stream = reader:table "sessions":stream { from = "LATEST" }
    clock:advance(11)
    assert.is_nil(stream:next(0.01))
    assert.equal("", events(2))
  end)

  it("have a table without a stream as no reader", function()
    set_up()
    assert(t:alter { stream = false })
    put("a", 10)
    clock:advance(11)
    assert.equal(1, select(2, db:sweep()))
    assert.equal(0, db:check().items)
  end)
end)

describe("a wrong clock", function()
  it("hides items, but removes none", function()
    set_up()
    put("a", 1000)
    clock:set(START + 30 * 24 * 3600)
    assert.equal("", ids())
    assert.equal(0, select(2, db:sweep()))
    clock:set(START + 1)
    assert.equal("a", ids())
    assert.equal("INSERT a", events())
  end)

  it("is trusted when an hour has confirmed it", function()
    set_up()
    put("a", 5000)
    clock:set(START + 30 * 24 * 3600)
    assert.equal(0, select(2, db:sweep()))
    clock:advance(3599)
    assert.equal(0, select(2, db:sweep()))
    clock:advance(1)
    assert.equal(1, select(2, db:sweep()))
  end)
end)

describe("an optimistic transaction", function()
  it("does not see its own write that has expired", function()
    set_up()
    assert(db:transact(function(tx)
      local own = tx:table "sessions"
      own:put { id = "a", expires = START - 1 }
      own:put { id = "b", expires = START + 1 }
      assert.is_nil(own:get { id = "a" })
      assert.equal("b", helper.collect(own:scan())[1].id)
      assert.equal(1, #own:scan_page())
    end, { mode = "optimistic" }))
    assert.equal("b", ids())
  end)

  it("runs again if an item that a scan has read expires", function()
    set_up()
    put("a", 10)
    local attempts = 0
    assert(db:transact(function(tx)
      attempts = attempts + 1
      local own = tx:table "sessions"
      own:put { id = "count", n = #helper.collect(own:scan()) }
      if attempts == 1 then clock:advance(11) end
    end, { mode = "optimistic" }))
    assert.equal(2, attempts)
    assert.equal(0, t:get { id = "count" }.n)
  end)
end)
