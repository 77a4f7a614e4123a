-- clock_spec.lua - the clock of tidetable.testing: what it moves, waits, nested clocks, misuse.
local core = require "tidetable.core"
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local START = 1700000000
local HOUR = 3600

local clock, db, orders

local function new_db(options)
  local own = { memory = true, tables = {
    { name = "orders", partition_key = "id", stream = true, ttl = "expires" },
  } }
  for name, value in pairs(options or {}) do own[name] = value end
  db = testing.database(own)
  orders = db:table "orders"
end

before_each(function() clock = testing.clock(START) end)

after_each(function()
  if db then db:close() end
  clock:close()
  db = nil
  collectgarbage()
  assert.is_false(core.is_clock_replaced())
end)

describe("the test's clock", function()
  it("stands still unless it is moved", function()
    assert.equal(START, clock:now())
    assert.equal(0, clock:elapsed())
    clock:advance(1.25)
    assert.equal(START + 1.25, clock:now())
    assert.equal(1.25, clock:elapsed())
    clock:set(START - 7)
    assert.equal(START - 7, clock:now())
    assert.equal(1.25, clock:elapsed())
  end)

  it("begins at the present time unless a time is given", function()
    clock:close()
    clock = testing.clock()
    assert.is_true(math.abs(clock:now() - os.time()) < 100)
  end)

  it("is the clock of records, retention and time to live", function()
    new_db()
    assert(orders:put { id = "a" })
    clock:advance(10)
    assert(orders:put { id = "b", expires = START + 20 })
    local list = testing.records(orders, { "created_at" })
    assert.same({ { created_at = START }, { created_at = START + 10 } }, list)
    clock:advance(9.999)
    assert.is_truthy(orders:get { id = "b" })
    clock:advance(1.001)
    assert.is_nil(orders:get { id = "b" })
    clock:advance(24 * HOUR - 21)
    assert.equal(1, #testing.records(orders))
    clock:advance(10)
    assert.equal(0, #testing.records(orders))
  end)

  it("can be set back: nothing expires, and the order stays", function()
    new_db()
    assert(orders:put { id = "a" })
    clock:set(START - 100 * HOUR)
    assert(orders:put { id = "b" })
    clock:advance(23 * HOUR)
    assert.same({ { created_at = START, keys = { id = "a" } },
      { created_at = START - 100 * HOUR, keys = { id = "b" } } },
      testing.records(orders, { "created_at", "keys" }))
    clock:advance(2 * HOUR)
    assert.same({}, testing.records(orders))
  end)

  it("does not move a database with a clock of its own", function()
    new_db { clock = tidetable.manual_clock(77) }
    clock:advance(1000)
    assert(orders:put { id = "a" })
    assert.equal(77, testing.records(orders)[1].created_at)
  end)

  it("moves a database that was open before, from its first commit on", function()
    clock:close()
    new_db()
    assert(orders:put { id = "a" })
    clock = testing.clock(START)
    assert(orders:put { id = "b" })
    assert.equal(START, testing.records(orders)[2].created_at)
    clock:advance(25 * HOUR)
    assert.equal(0, #testing.records(orders))
    clock:close()
    assert(orders:put { id = "c" })
    assert.is_true(math.abs(testing.records(orders)[1].created_at - os.time()) < 100)
  end)

  it("ends the time limit of transactions and snapshots", function()
    new_db()
    helper.raises("TIMEOUT", db.transact, db, function(tx)
      tx:table "orders":put { id = "a" }
      clock:advance(6)
      tx:table "orders":put { id = "b" }
    end)
    assert.same({}, testing.items(orders))
    for i = 1, 1500 do assert(orders:put { id = tostring(i) }) end   -- more than one page
    helper.raises("TIMEOUT", function()
      for _ in orders:scan { snapshot = true, snapshot_limit = 100 } do clock:advance(1) end
    end)
  end)

  it("leaves the boot of the file and the sequence numbers alone", function()
    new_db { memory = false, durability = "none" }
    local first = assert(orders:put { id = "a" })
    clock:close()
    db = testing.reopen(db)
    assert.equal(first + 1, db:table "orders":put { id = "b" })
  end)

  it("is unknown to other processes", function()
    local child <close> = testing.child [[
      print(require "tidetable.core".is_clock_replaced())
    ]]
    assert.equal("false\n", child:wait().output)
  end)
end)

describe("a wait in a plain script", function()
  it("takes no time and advances the clock", function()
    new_db()
    local stream = orders:stream()
    local before = core.elapsed()
    assert.is_nil(stream:next(1e6))
    assert.is_nil(stream:next(0.0004))
    assert.equal(START + 1e6 + 0.001, clock:now())
    for _ in stream:records { follow = true, timeout = 1e6 } do error "no record" end
    assert.is_true(clock:elapsed() >= 2e6)
    assert.is_true(core.elapsed() - before < 60)
  end)

  it("is the same with a wait function where no coroutine can yield", function()
    new_db()
    local stream = orders:stream { wait = function() error "nobody else would run" end }
    assert.is_nil(stream:next(100))
    assert.equal(START + 100, clock:now())
  end)

  it("returns a record without moving the clock", function()
    new_db()
    local stream = orders:stream()
    assert(orders:put { id = "a" })
    assert.equal("a", stream:next(100).keys.id)
    assert.equal(0, clock:elapsed())
  end)

  it("removes items that expire meanwhile", function()
    new_db()
    local stream = orders:stream()
    assert(orders:put { id = "a", expires = START + 10 })
    assert.equal("INSERT", stream:next(100).event_name)
    local record = stream:next(100)
    assert.equal("REMOVE", record.event_name)
    assert.is_truthy(record.user_identity)
    assert.is_true(clock:elapsed() >= 10 and clock:elapsed() <= 12)
    assert.is_nil(stream:next(5))
  end)

  it("is again a wait of the machine's clock after the clock was closed", function()
    clock:close()
    clock = testing.clock()
    new_db()
    local stream = orders:stream()
    assert.is_nil(stream:next(1000))
    clock:close()
    local before = core.elapsed()
    assert.is_nil(stream:next(0.05))
    assert.is_true(core.elapsed() - before >= 0.048)
    assert(orders:put { id = "a", expires = os.time() - 10 })
    assert.equal("INSERT", stream:next(60).event_name)
    assert.equal("REMOVE", stream:next(60).event_name)
  end)

  it("for the write lock depends on another process, and so on the machine's clock", function()
    new_db { memory = false, busy_timeout = 0.05 }
    local holder <close> = testing.child([[
      local db <close> = assert(require "tidetable".open(...))
      db:transact(function() print "holds" io.read() end, { time_limit = 60 })
    ]], { db.path })
    assert.equal("holds", holder:line())
    helper.refused("BUSY", orders:put { id = "a" })
    assert.equal(0, clock:elapsed())
    holder:send()
    assert.equal(0, holder:wait().status)
    assert(orders:put { id = "a" })
  end)
end)

describe("a wait in an event loop", function()
  it("ends when another coroutine has advanced the clock by so much", function()
    new_db()
    local stream, loop, steps, returned = orders:stream(), cqueues.new(), 0, nil
    loop:wrap(function()
      assert.is_nil(stream:next(30))
      returned = steps
    end)
    loop:wrap(function()
      while not returned do
        cqueues.sleep(0.03)
        steps = steps + 1
        clock:advance(10)
      end
    end)
    assert(loop:loop())
    assert.is_true(returned >= 3)
  end)

  it("ends at a commit", function()
    new_db()
    local stream, loop = orders:stream(), cqueues.new()
    loop:wrap(function() assert.equal("a", stream:next(30).keys.id) end)
    loop:wrap(function()
      cqueues.sleep(0.03)
      assert(orders:put { id = "a" })
    end)
    assert(loop:loop())
    assert.equal(0, clock:elapsed())
  end)
end)

describe("clocks of one process", function()
  it("can be nested, and closed in any order", function()
    new_db()
    local second, third = testing.clock(1000), testing.clock(2000)
    local function now()
      local id = tostring(third)
      assert(orders:put { id = id, n = db:last_change() })
      local list = testing.records(db:stream())
      return list[#list].created_at
    end
    assert.equal(2000, now())
    second:close()
    assert.equal(2000, now())
    clock:advance(5)
    assert.equal(2000, now())
    third:close()
    assert.equal(START + 5, now())
    second:close()
    assert.equal(START + 5, now())
  end)

  it("end when they are collected", function()
    do
      local inner = testing.clock(1)
      assert.equal(1, inner:now())
      assert.equal(1, core.time())
    end
    collectgarbage()
    collectgarbage()
    assert.equal(START, core.time())
  end)
end)

describe("misuse of the clock", function()
  it("is raised", function()
    helper.blames('clock: start must be a number of seconds since 1970, got "x"',
      function() testing.clock "x" end)
    helper.blames("clock: start must be a number of seconds since 1970, got -1",
      function() testing.clock(-1) end)
    helper.blames("advance: seconds must be a number of seconds from 0, got -1",
      function() clock:advance(-1) end)
    helper.blames("advance: seconds must be a number of seconds from 0",
      function() clock:advance(math.huge) end)
    helper.blames("set: time must be a number of seconds since 1970", function() clock:set() end)
    helper.blames("call it with a colon", function() clock.advance(1) end)
    helper.blames('did you mean "advance"', function() clock:advanse(1) end)
  end)

  it("after its end is raised", function()
    clock:close()
    clock:close()
    for _, use in ipairs { "now", "elapsed" } do
      helper.blames("clock: it is closed", function() clock[use](clock) end)
    end
    helper.blames("clock: it is closed", function() clock:advance(1) end)
    helper.blames("clock: it is closed", function() clock:set(1) end)
  end)
end)
