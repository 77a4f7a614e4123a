-- transaction_spec.lua - locked mode, as documented in doc/modules/transaction.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, misuse = helper.refused, helper.raises, helper.misuse
local collect, field = helper.collect, helper.field

describe("transact", function()
  local db, accounts, ledger
  before_each(function()
    db = helper.open { busy_timeout = 0.2 }
    accounts = assert(db:create_table { name = "accounts", partition_key = "id", stream = true })
    ledger = assert(db:create_table { name = "ledger", partition_key = "id", stream = true })
    assert(accounts:put { id = "ann", balance = 100 })
  end)

  it("makes all changes", function()
    db:transact(function(tx)
      local account = tx:table "accounts"
      local ann = account:get { id = "ann" }
      account:put { id = "ann", balance = ann.balance - 10 }
      tx:table "ledger":put { id = "x1", amount = 10 }
    end)
    assert.equal(90, accounts:get({ id = "ann" }).balance)
    assert.equal(10, ledger:get({ id = "x1" }).amount)
  end)

  it("or none: an error undoes everything and is raised unchanged", function()
    local mine = setmetatable({}, { __tostring = function() return "mine" end })
    for _, thrown in ipairs { mine, "text", 42, false, tidetable.null } do
      local ok, err = pcall(db.transact, db, function(tx)
        tx:table "accounts":put { id = "ann", balance = 0 }
        tx:table "accounts":delete { id = "ann" }
        tx:table "ledger":load { { id = "1" }, { id = "2" } }
        error(thrown, 0)
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(thrown, err))
    end
    local ok, err = pcall(db.transact, db, function() error(nil) end)
    assert.is_false(ok)
    assert.is_nil(err)
    assert.equal(100, accounts:get({ id = "ann" }).balance)
    assert.are.same({}, collect(ledger:scan()))
    assert.equal(1, #collect(db:stream():records()))
    assert.is_truthy(accounts:put { id = "ann", balance = 1 })
    assert.is_true(db:check().ok)
  end)

  it("returns the results of fn", function()
    assert.is_true(assert(db:transact(function() end)))       -- no results: true
    local packed = table.pack(db:transact(function() return nil end))
    assert.are.same({ n = 1 }, packed)
    packed = table.pack(db:transact(function() return nil, 2, nil, false, nil end))
    assert.are.same({ n = 5, [2] = 2, [4] = false }, packed)
    packed = table.pack(db:transact(function() return nil, "not mine", "BUSY" end))
    assert.are.same({ n = 3, [2] = "not mine", [3] = "BUSY" }, packed)
    local many = {}
    for i = 1, 5000 do many[i] = i end
    packed = table.pack(db:transact(function() return table.unpack(many) end))
    assert.equal(5000, packed.n)
    assert.equal(5000, packed[5000])
  end)

  it("appends consecutive records with one id", function()
    db:transact(function(tx)
      for i = 1, 5 do
        tx:table(i % 2 == 0 and "ledger" or "accounts"):put { id = tostring(i) }
      end
      tx:table "ledger":put { id = "2" }           -- nothing changed, no record
      tx:table "ledger":delete { id = "2" }
      tx:table "ledger":put { id = "2", again = true }
    end)
    assert(accounts:put { id = "later" })
    local records = collect(db:stream():records { after = 3 })
    assert.equal(8, #records)
    local id = records[1].sequence_number
    for i = 1, 7 do
      local record = records[i]
      assert.equal(id, record.transaction_id)
      assert.equal(i, record.transaction_position)
      assert.equal(7, record.transaction_count)
      assert.equal(records[1].created_at, record.created_at)
      assert.equal(id + i - 1, record.sequence_number)
    end
    assert.equal("REMOVE", records[6].event_name)
    assert.equal("INSERT", records[7].event_name)
    assert.equal(records[8].sequence_number, records[8].transaction_id)
    assert.equal(1, records[8].transaction_count)
    assert.is_true(db:check().ok)
  end)

  it("makes its records and items visible at its end, together", function()
    local other = helper.open()
    local feed = assert(other:stream { from = "LATEST" })
    db:transact(function(tx)
      for i = 1, 3 do
        tx:table "ledger":put { id = tostring(i) }
        assert.is_nil(other:table("ledger"):get { id = tostring(i) })
        assert.is_nil(feed:next())
      end
    end)
    for i = 1, 3 do assert.equal(tostring(i), feed:next().keys.id) end
    assert.is_nil(feed:next())
  end)

  it("reads its own writes with every operation", function()
    local times = assert(db:create_table { name = "times", partition_key = "id",
      sort_key = { "at", "N" } })
    assert(times:load { { id = "a", at = 1 }, { id = "a", at = 2 }, { id = "b", at = 1 } })
    db:transact(function(tx)
      local t = tx:table "times"
      assert.is_truthy(t:put { id = "a", at = 3 })
      assert.is_truthy(t:delete { id = "a", at = 1 })
      local ok, old = t:put({ id = "a", at = 2, v = 1 }, { return_values = "ALL_OLD" })
      assert.is_true(ok)
      assert.are.same({ id = "a", at = 2 }, old)
      ok, old = t:delete({ id = "a", at = 9 }, { return_values = "ALL_OLD" })
      assert.is_true(ok)
      assert.is_nil(old)
      assert.is_nil(t:get { id = "a", at = 1 })
      assert.are.same({ id = "a", at = 3 }, t:get { id = "a", at = 3 })
      assert.are.same({ 2, 3 }, field("at", t:query "a"))
      assert.are.same({ 3, 2 }, field("at", t:query("a", { descending = true })))
      assert.equal(3, #collect(t:scan()))
      local items, key = t:query_page("a", { limit = 1 })
      assert.are.same({ { id = "a", at = 2, v = 1 } }, items)
      assert.are.same({ id = "a", at = 2 }, key)
      assert.equal(3, #t:scan_page())
      assert.equal(2, t:load { { id = "c", at = 1 }, { id = "c", at = 2 } })
      assert.equal(2, #collect(t:query "c"))
    end)
    assert.equal(5, #collect(times:scan()))
  end)

  it("reads its own writes in an iteration with a snapshot too", function()
    db:transact(function(tx)
      tx:table "ledger":put { id = "new" }
      assert.are.same({ "new" }, field("id", tx:table "ledger":scan { snapshot = true }))
    end)
  end)

  it("raises the errors of its operations", function()
    db:transact(function(tx)
      raises("NOT_FOUND", tx.table, tx, "nothing")
      local t = tx:table "accounts"
      raises("VALIDATION", t.put, t, { id = 1 })
      raises("VALIDATION", t.get, t, { name = "ann" })
      raises("VALIDATION", t.delete, t, { id = "ann", balance = 1 })
      raises("VALIDATION", t.query, t, 1)
      raises("VALIDATION", t.scan_page, t, { start_key = { x = 1 } })
      local err = raises("VALIDATION", t.load, t, { { id = "1" }, { id = 2 } })
      assert.equal("number", type(err.loaded))
      misuse("unknown option", t.put, t, { id = "a" }, { all_old = true })
      helper.blames("table: expected a name, got nil", function() tx:table() end)
      t:put { id = "bob" }
    end)
    assert.is_not_nil(accounts:get { id = "bob" })
  end)

  it("makes other writers wait", function()
    local other = helper.open { busy_timeout = 0 }
    db:transact(function()
      local err = refused("BUSY", other:table("ledger"):put { id = "x" })
      assert.equal("number", type(err.pid))
    end)
    assert.is_truthy(other:table("ledger"):put { id = "x" })
  end)

  it("returns NESTED for a write through db inside it", function()
    local stream = ledger:stream()
    db:transact(function(tx)
      raises("NESTED", ledger.put, ledger, { id = "x" })
      raises("NESTED", ledger.delete, ledger, { id = "x" })
      raises("NESTED", ledger.update, ledger, { id = "x" }, "REMOVE v")
      raises("NESTED", ledger.put, ledger, { id = "x" }, { condition = "attribute_exists(v)" })
      raises("NESTED", ledger.alter, ledger, { stream = false })
      raises("NESTED", ledger.load, ledger, { { id = "x" } })
      raises("NESTED", ledger.enable_stream, ledger)
      raises("NESTED", ledger.disable_stream, ledger)
      raises("NESTED", stream.set_retention, stream, "1h")
      raises("NESTED", db.transact, db, function() error "not reached" end)
      raises("NESTED", db.create_table, db, { name = "other", partition_key = "id" })
      raises("NESTED", db.delete_table, db, "ledger")
      raises("NESTED", db.sweep, db)
      raises("NESTED", db.close, db)
      tx:table "ledger":put { id = "y" }
    end)
    assert.are.same({ "y" }, field("id", ledger:scan()))
  end)

  it("shows uncommitted changes only to its own tx", function()
    local iterate, page_before = accounts:scan(), accounts:scan_page()
    local stream, sequence = accounts:stream { from = "LATEST" }, db:info().sequence_number
    local pinned
    local function check(ids)
      assert.equal(100, accounts:get({ id = "ann" }).balance)
      assert.is_nil(accounts:get { id = "bob" })
      assert.are.same(ids, field("id", accounts:scan()))
      assert.are.same({}, collect(accounts:query "bob"))
      assert.are.same(page_before, accounts:scan_page())
      assert.are.same(ids, field("id", accounts:scan { snapshot = true }))
      assert.is_nil(stream:next())
      assert.equal(sequence, db:info().sequence_number)
    end
    pcall(db.transact, db, function(tx)
      local inner = tx:table "accounts"
      inner:put { id = "ann", balance = 1 }
      inner:put { id = "bob", balance = 1 }
      check { "ann" }
      assert.equal(100, iterate().balance)
      assert.is_nil(iterate())
      pinned = accounts:scan { snapshot = true }
      setmetatable({}, { __gc = function() check { "ann" } end })
      collectgarbage()
      assert.equal(1, inner:get({ id = "ann" }).balance)
      assert.are.same({ "ann", "bob" }, field("id", inner:scan()))
      error "undone"
    end)
    assert.equal(100, pinned().balance)
    assert.is_nil(pinned())
    check { "ann" }
  end)

  it("keeps an iterator begun outside at the last commit, also for its next page", function()
    local t = assert(db:create_table { name = "times", partition_key = "id",
      sort_key = { "at", "N" } })
    for at = 1, 1500 do t:put { id = "a", at = at } end
    local iterate, seen = t:scan(), 1
    assert.equal(1, iterate().at)
    db:transact(function(tx)
      local inner = tx:table "times"
      for at = 1, 1500 do inner:put { id = "a", at = at, secret = true } end
      for item in iterate do
        seen = seen + 1
        assert.is_nil(item.secret)
      end
    end)
    assert.equal(1500, seen)
  end)

  it("ends its iterators, even with items that were read already", function()
    local function open(tx)
      local t = tx:table "accounts"
      t:put { id = "bob", secret = true }
      local plain, pinned, again = t:scan(), t:scan { snapshot = true }, t:query "bob"
      return plain, pinned, again, plain() and pinned() and again()
    end
    local plain, pinned, again = db:transact(open)
    for _, iterate in ipairs { plain, pinned, again } do raises("CLOSED", iterate) end
    db:transact(function()
      for _, iterate in ipairs { plain, pinned, again } do raises("CLOSED", iterate) end
    end)
    local kept = {}
    pcall(db.transact, db, function(tx)
      kept = { open(tx) }
      error "undone"
    end)
    for i = 1, 3 do raises("CLOSED", kept[i]) end
    plain, pinned, again = db:transact(open, { mode = "optimistic" })
    for _, iterate in ipairs { plain, pinned, again } do raises("CLOSED", iterate) end
  end)

  it("returns all results of fn, or is undone if they are too many for the stack", function()
    local big = {}
    for i = 1, 500000 do big[i] = i end
    for _, mode in ipairs { "locked", "optimistic" } do
      local well = 0
      for _, count in ipairs { 500000, 499000, 333400, 333300, 240000, 10000, 200 } do
        local id = mode .. count
        local results = table.pack(pcall(db.transact, db, function(tx)
          tx:table "ledger":put { id = id }
          return table.unpack(big, 1, count)
        end, { mode = mode, time_limit = 60 }))
        local stored = ledger:get { id = id } ~= nil
        assert.equal(results[1], stored, id)
        assert.is_true(not stored or results.n == count + 1 and results[count + 1] == count)
        well = well + (stored and 1 or 0)
      end
      assert.is_true(well >= 2, mode)
    end
    local err = raises("LIMIT", db.transact, db, function() return table.unpack(big) end)
    assert.is_truthy(err.message:find("500000 values", 1, true))
    assert.is_truthy(ledger:put { id = "x" })
  end)

  it("cannot yield", function()
    local co = coroutine.wrap(function()
      return pcall(db.transact, db, function(tx)
        tx:table "ledger":put { id = "x" }
        coroutine.yield "out"
      end)
    end)
    local ok, err = co()
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("attempt to yield across a C-call boundary", 1, true))
    assert.is_nil(ledger:get { id = "x" })
    assert.is_truthy(ledger:put { id = "x" })
  end)

  it("allows coroutines inside fn to yield to each other", function()
    db:transact(function(tx)
      local generate = coroutine.wrap(function()
        for i = 1, 3 do coroutine.yield { id = tostring(i) } end
      end)
      assert.equal(3, tx:table "ledger":load(generate))
    end)
    assert.equal(3, #collect(ledger:scan()))
  end)

  it("ends with TIMEOUT after its time limit", function()
    local err = raises("TIMEOUT", db.transact, db, function(tx)
      tx:table "ledger":put { id = "x" }
      while true do end
    end, { time_limit = 0.05 })
    assert.is_true(err.retryable)
    raises("TIMEOUT", db.transact, db, function(tx)
      while true do tx:table "ledger":put { id = "x" } end
    end, { time_limit = 0.05 })
    -- The function cannot continue after catching the error with pcall.
    raises("TIMEOUT", db.transact, db, function(tx)
      pcall(function() while true do end end)
      tx:table "ledger":put { id = "x" }
    end, { time_limit = 0.05 })
    assert.is_nil(ledger:get { id = "x" })
    assert.is_truthy(ledger:put { id = "x" })
    assert.is_nil((debug.gethook()))
    for _, mode in ipairs { "locked", "optimistic" } do
      assert.equal(7, db:transact(function() return 7 end,
        { mode = mode, time_limit = math.huge }))
    end
    misuse('option "time_limit" must be a number of seconds', db.transact, db, print,
      { time_limit = "5s" })
  end)

  it("ends with TIMEOUT also if one call took all the time", function()
    raises("TIMEOUT", db.transact, db, function(tx)
      tx:table "ledger":put { id = "x" }
      os.execute "sleep 0.1"
    end, { time_limit = 0.05 })
    local code
    raises("TIMEOUT", db.transact, db, function(tx)
      local t = tx:table "ledger"
      os.execute "sleep 0.1"
      for _, call in ipairs { t.put, t.delete, t.load } do
        local ok, err = pcall(call, t, call == t.load and { { id = "x" } } or { id = "x" })
        assert(not ok)
        code = (code or "") .. err.code .. " "
      end
    end, { time_limit = 0.05 })
    assert.equal("TIMEOUT TIMEOUT TIMEOUT ", code)
    assert.are.same({}, collect(ledger:scan()))
  end)

  it("has the default time limits and attempts of the page", function()
    local core, seen, runs = require "tidetable.core", {}, 0
    local transact, snapshot, pin = core.transact, core.snapshot, core.pin
    finally(function() core.transact, core.snapshot, core.pin = transact, snapshot, pin end)
    function core.transact(database, seconds, ...)
      seen[#seen + 1] = "transact " .. seconds
      return transact(database, seconds, ...)
    end
    function core.snapshot(database, seconds)
      seen[#seen + 1] = "snapshot " .. seconds
      return snapshot(database, seconds)
    end
    function core.pin(query, seconds)
      seen[#seen + 1] = "pin " .. seconds
      return pin(query, seconds)
    end
    db:transact(function() end)
    db:transact(function() end, { mode = "optimistic" })
    assert.is_nil(helper.first(ledger:scan { snapshot = true }))
    assert.are.same({ "transact 5", "snapshot 60", "pin 60" }, seen)
    refused("CONFLICT", db:transact(function(tx)
      runs = runs + 1
      tx:table "accounts":get { id = "ann" }
      accounts:put { id = "ann", balance = runs }
      tx:table "accounts":put { id = "bob" }
    end, { mode = "optimistic" }))
    assert.equal(10, runs)
  end)

  it("raises CLOSED when a tx is used after it", function()
    local kept, kept_table, iterate, state
    db:transact(function(tx)
      kept, kept_table = tx, tx:table "accounts"
      iterate, state = kept_table:scan()
    end)
    local function check()
      raises("CLOSED", kept.table, kept, "accounts")
      raises("CLOSED", kept_table.get, kept_table, { id = "ann" })
      raises("CLOSED", kept_table.put, kept_table, { id = "ann" })
      raises("CLOSED", kept_table.delete, kept_table, { id = "ann" })
      raises("CLOSED", kept_table.load, kept_table, {})
      for _, name in ipairs { "query", "scan", "query_page", "scan_page" } do
        raises("CLOSED", kept_table[name], kept_table, "ann")
      end
    end
    check()
    raises("CLOSED", iterate, state)
    db:transact(check)
    db:transact(function(tx) iterate, state = tx:table "accounts":scan() end)
    db:transact(function() raises("CLOSED", iterate, state) end)
    pcall(db.transact, db, function(tx) kept, kept_table = tx, tx:table "accounts" error "x" end)
    check()
  end)

  it("of another database may run inside", function()
    local other = helper.memory()
    local notes = assert(other:create_table { name = "notes", partition_key = "id" })
    db:transact(function(tx)
      assert.is_truthy(notes:put { id = "plain" })
      other:transact(function(inner)
        inner:table "notes":put { id = "inner" }
        tx:table "ledger":put { id = "outer" }
      end)
    end)
    assert.equal(2, #collect(notes:scan()))
    assert.equal(1, #collect(ledger:scan()))
    -- The time limit of the outer transaction still applies after the inner one.
    raises("TIMEOUT", db.transact, db, function()
      other:transact(function() end)
      while true do end
    end, { time_limit = 0.05 })
  end)

  it("keeps the program's hook, and one that its function sets", function()
    local calls = 0
    local function mine() calls = calls + 1 end
    debug.sethook(mine, "", 100)
    local ok, hook = pcall(db.transact, db, function()
      for _ = 1, 10000 do end
      return (debug.gethook())
    end)
    local after = debug.gethook()
    debug.sethook()
    assert.is_true(ok)
    assert.equal(mine, hook)
    assert.equal(mine, after)
    assert.is_true(calls > 10)
    db:transact(function() debug.sethook(mine, "", 1 << 20) end)
    after = debug.gethook()
    debug.sethook()
    assert.equal(mine, after)
  end)

  it("writes nothing if fn writes nothing", function()
    local before = db:info().sequence_number
    assert.equal(100, db:transact(function(tx)
      return tx:table("accounts"):get({ id = "ann" }).balance
    end))
    assert.equal(before, db:info().sequence_number)
  end)

  it("over 32 MiB returns TOO_BIG, and nothing is stored", function()
    local text = ("x"):rep(390 * 1024)
    raises("TOO_BIG", db.transact, db, function(tx)
      for i = 1, 100 do tx:table "ledger":put { id = tostring(i), text = text } end
    end, { time_limit = 60 })
    assert.are.same({}, collect(ledger:scan()))
    assert.is_true(db:check().ok)
  end)

  it("checks its arguments", function()
    helper.blames("expected a function, got nil", function() db:transact() end)
    helper.blames("unknown option", function() db:transact(print, { limit = 1 }) end)
  end)
end)

for _, mode in ipairs { "locked", "optimistic" } do
  describe("in " .. mode .. " mode, transact", function()
    local db, accounts, runs
    local function transact(fn)
      runs = 0
      return db:transact(function(tx)
        runs = runs + 1
        return fn(tx, tx:table "accounts")
      end, { mode = mode })
    end

    --- Checks that nothing has been written, and that the database can be.
    local function check_unchanged()
      assert.equal(1, runs)
      assert.equal(2, db:last_change())
      assert.are.same({ { id = "ann", balance = 100 } }, collect(accounts:scan()))
      assert.equal(1, #collect(db:stream():records()))
      assert.equal(0, accounts:put { id = "ann", balance = 100 })
      assert.equal(1, db:info().readers)
      assert.is_true(db:check().ok)
    end

    before_each(function()
      db = helper.memory()
      accounts = assert(db:create_table { name = "accounts", partition_key = "id", stream = true })
      assert(accounts:put { id = "ann", balance = 100 })
    end)

    it("returns CANCELLED, with the reason, after tx:cancel", function()
      for _, reason in ipairs { "too little", { balance = 100 }, false, 42, "nil" } do
        if reason == "nil" then reason = nil end
        local err = refused("CANCELLED", transact(function(tx, t)
          t:put { id = "bob" }
          t:update({ id = "ann" }, "SET balance = ?", { 0 })
          tx:cancel(reason)
          error "not reached"
        end))
        assert.is_true(rawequal(reason, err.reason))
        assert.equal("TransactionCanceledException", err.exception)
        check_unchanged()
      end
    end)

    it("returns CANCELLED even if fn catches the error and returns something", function()
      for _, results in ipairs { { n = 0 }, { n = 1, "done" }, { n = 2, nil, "refused" } } do
        local raised
        local err = refused("CANCELLED", transact(function(tx, t)
          t:put { id = "bob" }
          raised = raises("CANCELLED", tx.cancel, tx, "why")
          t:put { id = "eve" }          -- still open
          return table.unpack(results, 1, results.n)
        end))
        assert.is_true(rawequal(raised, err))
        assert.equal("why", err.reason)
        check_unchanged()
      end
    end)

    it("raises another error that fn raises after a cancel", function()
      local ok, err = pcall(transact, function(tx)
        pcall(tx.cancel, tx)
        error("another", 0)
      end)
      assert.is_false(ok)
      assert.equal("another", err)
      check_unchanged()
    end)

    it("returns the last reason of several cancels", function()
      local err = refused("CANCELLED", transact(function(tx)
        pcall(tx.cancel, tx, 1)
        pcall(tx.cancel, tx, 2)
      end))
      assert.equal(2, err.reason)
      check_unchanged()
    end)

    it("raises a CANCELLED error of another transaction", function()
      local foreign
      refused("CANCELLED", transact(function(tx)
        local _
        _, foreign = pcall(tx.cancel, tx)
      end))
      local other = helper.memory()
      local ok, err = pcall(other.transact, other, function() error(foreign, 0) end,
        { mode = mode })
      assert.is_false(ok)
      assert.is_true(rawequal(foreign, err))
      -- The outer transaction is cancelled inside the inner one, so both are rolled back.
      local items = assert(other:create_table { name = "items", partition_key = "id" })
      refused("CANCELLED", transact(function(tx, t)
        t:put { id = "bob" }
        other:transact(function(inner)
          inner:table "items":put { id = "x" }
          tx:cancel()
        end, { mode = mode })
      end))
      assert.are.same({}, collect(items:scan()))
      check_unchanged()
      -- The inner one is cancelled: the outer one continues.
      assert.equal("CANCELLED", transact(function(_, t)
        t:put { id = "bob" }
        return (select(3, other:transact(function(inner) inner:cancel() end, { mode = mode })))
      end))
      assert.is_table(accounts:get { id = "bob" })
    end)

    it("raises CLOSED for a cancel after its end", function()
      local kept
      transact(function(tx) kept = tx end)
      raises("CLOSED", kept.cancel, kept)
    end)

    it("is undone if fn returns nil or false and a reason, and returns these results", function()
      for _, results in ipairs {
        { n = 2, nil, "too little" }, { n = 2, false, "too little" }, { n = 2, nil, false },
        { n = 4, nil, "too little", "CODE", nil }, { n = 3, nil, "not mine", "BUSY" },
      } do
        assert.are.same(results, table.pack(transact(function(_, t)
          t:put { id = "bob" }
          t:delete { id = "ann" }
          return table.unpack(results, 1, results.n)
        end)))
        check_unchanged()
      end
    end)

    it("commits if fn returns anything else", function()
      local before = db:last_change()
      for i, results in ipairs {
        { n = 0 }, { n = 1 }, { n = 1, false }, { n = 2 }, { n = 3, false, nil, "third" },
        { n = 2, 0, "x" }, { n = 2, true, "x" }, { n = 2, "", nil },
      } do
        local given = table.pack(transact(function(_, t)
          t:put { id = tostring(i) }
          return table.unpack(results, 1, results.n)
        end))
        assert.are.same(results.n == 0 and { n = 1, true } or results, given)
        assert.is_table(accounts:get { id = tostring(i) })
        assert.equal(before + i, db:last_change())
      end
    end)
  end)
end
