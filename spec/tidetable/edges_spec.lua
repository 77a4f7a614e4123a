-- edges_spec.lua - rare conditions: the limit of Lua's stack, debug hooks, foreign userdata.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local raises, refused = helper.raises, helper.refused

helper.setup(before_each, after_each)

local function new_table(db)
  return assert(db:create_table { name = "things", partition_key = "id", stream = true })
end

describe("with a deep stack", function()
  it("an error searches a bounded number of levels for its line", function()
    local things, levels = new_table(helper.memory()), 0
    finally(function() core.library(require "tidetable.options".source) end)
    core.library "" -- a prefix of every source, so every line belongs to the library
    local function deep(n)
      if n == 0 then return select(2, things:get { name = 1 }) end
      levels = levels + 1
      return (deep(n - 1))
    end
    -- A search of all levels would take 19 billion steps.
    local err = deep(195000)
    assert.equal(195000, levels)
    assert.equal("VALIDATION", err.code)
    assert.is_nil(err.where)
  end)
end)

describe("near the limit of Lua's stack", function()
  local MOST = 1000000 -- LUAI_MAXSTACK

  --- Calls the function with fewer and fewer stack slots left, until none is left for a call. Each
  --- call succeeds or fails without effect.
  local function squeeze(call)
    local well, failed = 0, 0
    local function descend()
      if pcall(call) then well = well + 1 else failed = failed + 1 end
      descend()
      return well
    end
    local function above(...)
      return (pcall(descend)), (...)
    end
    collectgarbage "stop" -- each collection would traverse a million slots
    coroutine.wrap(function() above(table.unpack({}, 1, MOST - 600)) end)()
    collectgarbage "restart"
    assert.is_true(well > 0 and failed > 0)
  end

  it("a put stores the item or nothing", function()
    local db = helper.memory()
    local things = new_table(db)
    local deep = { id = "x", a = { { { { { { 1 } } } } } } }
    local puts = 0
    squeeze(function()
      if not things:put { id = "x", n = puts, deep = deep } then error "refused" end
      puts = puts + 1
    end)
    local records = 0
    for _ in things:stream():records() do records = records + 1 end
    assert.equal(puts, records)
    assert.equal(puts - 1, things:get { id = "x" }.n)
    assert.is_true(db:check().ok)
  end)

  it("a get returns the item or raises an error", function()
    local db = helper.memory()
    local things = new_table(db)
    assert(things:put { id = "x", a = { { { { b = { 1 } } } } } })
    squeeze(function()
      assert.same({ { { { b = { 1 } } } } }, assert(things:get { id = "x" }).a)
    end)
    assert.is_true(db:check().ok)
  end)
end)

describe("in a transaction with a time limit", function()
  it("a function that exceeds the limit in its last call stores nothing", function()
    local db = helper.memory()
    local things = new_table(db)
    local err = raises("TIMEOUT", db.transact, db, function(tx)
      tx:table "things":put { id = "late" }
      os.execute "sleep 0.1" -- runs no Lua instruction, so no hook is called
    end, { time_limit = 0.02 })
    assert.is_true(err.retryable)
    assert.is_nil(things:get { id = "late" })
    assert.is_truthy(things:put { id = "in time" })
  end)

  it("the next operation raises TIMEOUT", function()
    local db = helper.memory()
    local things = new_table(db)
    raises("TIMEOUT", db.transact, db, function(tx)
      local inside = tx:table "things"
      os.execute "sleep 0.1"
      inside:put { id = "late" }
    end, { time_limit = 0.02 })
    assert.is_nil(things:get { id = "late" })
  end)

  it("the program's hook is kept, and so is one that the function sets", function()
    local db = helper.memory()
    new_table(db)
    local function mine() end
    debug.sethook(mine, "", 100000)
    assert(db:transact(function(tx) return tx:table "things":put { id = "x" } end))
    assert.equal(mine, (debug.gethook()))
    debug.sethook()
    assert(db:transact(function(tx)
      debug.sethook(mine, "", 100000)
      return tx:table "things":put { id = "y" }
    end))
    assert.equal(mine, (debug.gethook()))
    debug.sethook()
  end)

  it("a hook that outlives the transaction does nothing", function()
    local db = helper.memory()
    new_table(db)
    local thread = coroutine.create(function()
      assert(db:transact(function(tx)
        local hook, mask, count = debug.gethook()
        assert(tx:table "things":put { id = "x" })
        return true, hook, mask, count
      end))
    end)
    assert(coroutine.resume(thread))
    for _ = 1, 100000 do assert(true) end
    assert.is_true(db:check().ok)
  end)
end)

describe("a foreign userdata", function()
  -- A light userdata that is not null: only C code and the debug library create them.
  local light = debug.upvalueid(function() return helper end, 1)

  it("is refused as a value, and its type is named", function()
    local things = new_table(helper.memory())
    local err = refused("VALIDATION", things:put { id = "x", a = { light } })
    assert.match("^a%[1%]: ", err.message)
    assert.is_nil(tidetable.type(light))
    assert.equal("NULL", tidetable.type(tidetable.null))
  end)

  it("is not equal to a number or a binary", function()
    local number, binary = assert(tidetable.number "1"), tidetable.binary "1"
    for _, other in ipairs { io.stdout, binary } do
      assert.is_false(number == other)
      assert.is_false(other == number)
    end
    for _, other in ipairs { io.stdout, number } do
      assert.is_false(binary == other)
      assert.is_false(other == binary)
    end
  end)

  it("is accepted neither as a record nor as a handle", function()
    local db = helper.memory()
    local things = new_table(db)
    assert(things:put { id = "x" })
    local record = things:stream():records()
    record = record(select(2, things:stream():records()))
    local meta = debug.getmetatable(record)
    for _, other in ipairs { 1, "text", io.stdout, tidetable.binary "", light,
      tidetable.binary(("x"):rep(200)), {} } do
      for _, name in ipairs { "__index", "__tostring", "__pairs" } do
        assert.has_error(function() meta[name](other, "keys") end)
      end
      assert.has_error(function() core.sync(other) end)
      assert.has_error(function() core.next_item(other) end)
      assert.has_error(function() core.rewind(other) end)
    end
    assert.equal("INSERT", record.event_name)
  end)

  it("is not accepted as a clock, nor is a closed clock", function()
    assert.is_false(core.is_clock(io.stdout))
    local clock = tidetable.manual_clock(1)
    assert.is_true(core.is_clock(clock))
    debug.getmetatable(clock).__gc(clock)
    assert.is_false(core.is_clock(clock))
    assert.has_error(function() tidetable.open(":memory:", { clock = clock }) end)
  end)
end)

describe("text of UTF-8 continuation bytes only", function()
  -- A message contains complete characters only. This text contains no complete character.
  local invalid = ("\x80"):rep(300)

  it("is not a number", function()
    refused("VALIDATION", tidetable.number(invalid))
  end)

  it("is not an attribute name", function()
    local things = new_table(helper.memory())
    refused("VALIDATION", things:put { id = "x", [invalid] = 1 })
    refused("VALIDATION", things:put { id = "x", a = { [invalid] = print } })
  end)
end)

describe("an error object", function()
  it("has a text even if its fields were removed", function()
    local _, err = tidetable.open("/nowhere/at/all")
    assert.equal("string", type(err.code))
    err.code = nil
    assert.match("ERROR: /nowhere", tostring(err))
    err.message = {}
    assert.match("ERROR: unknown$", tostring(err))
    err.where = nil
    assert.equal("ERROR: unknown", tostring(err))
  end)

  it("has no field `where` if no Lua function of the program has called", function()
    local _, err = coroutine.wrap(tidetable.open)("/nowhere/at/all")
    assert.is_nil(err.where)
    assert.equal(err.code .. ": " .. err.message, tostring(err))
  end)
end)

describe("a wait", function()
  it("accepts any number of seconds", function()
    local db = helper.memory()
    local things = new_table(db)
    local wakeup <close> = assert(db:wakeup())
    assert(things:put { id = "x" })
    assert.is_true(core.wakeup_wait(wakeup.core, 1e300))
  end)

  it("returns at once if there is a new record", function()
    local db = helper.memory()
    local things = new_table(db)
    local stream <close> = things:stream { from = "LATEST" }
    assert.is_nil(stream:next())
    assert(things:put { id = "x" })
    local before = core.elapsed()
    core.wait_feed(stream.reader.core, 1)
    assert.is_true(core.elapsed() - before < 1)
    assert.equal("x", stream:next().keys.id)
  end)
end)

describe("a code point", function()
  it("has a width; an invalid one is misuse", function()
    assert.equal(1, core.terminal_char_columns(("a"):byte()))
    assert.has_error(function() core.terminal_char_columns(-1) end)
    assert.has_error(function() core.terminal_char_columns(0x110000) end)
  end)
end)

describe("a query without a snapshot", function()
  it("has neither versions nor positions", function()
    local things = new_table(helper.memory())
    local next_item, state, value, query = things:query "x"
    assert.is_nil(next_item(state, value))
    for _, name in ipairs { "next_versioned", "place", "rewind", "follows" } do
      local ok, message = pcall(core[name], query, "", 0)
      assert.is_false(ok)
      assert.match("expected a query with a snapshot", message)
    end
  end)
end)
