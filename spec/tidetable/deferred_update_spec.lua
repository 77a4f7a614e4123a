-- deferred_update_spec.lua - updates of optimistic transactions that are no reads.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe("an update in an optimistic transaction", function()
  helper.setup(before_each, after_each)

  local db, items

  before_each(function()
    db = helper.open()
    items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
  end)

  -- Runs f(tx table), and `meanwhile` once, before the commit. Returns the number of runs.
  local function transact(f, meanwhile, attempts)
    local runs = 0
    local ok, err = db:transact(function(tx)
      runs = runs + 1
      f(tx:table "items")
      if runs == 1 then meanwhile() end
    end, { mode = "optimistic", attempts = attempts })
    return runs, ok, err
  end

  local function add_elsewhere()
    assert(items:update({ id = "a" }, "ADD n ?", { 10 }))
  end

  it("does not conflict, and is evaluated on the item at the commit", function()
    local function add(t) t:update({ id = "a" }, "ADD n ?", { 1 }) end
    assert.equal(1, transact(add, add_elsewhere))       -- the item is created meanwhile
    assert.equal(11, items:get({ id = "a" }).n)
    assert.equal(1, transact(add, add_elsewhere))
    assert.equal(22, items:get({ id = "a" }).n)
    assert.equal(1, transact(add, function() assert(items:delete { id = "a" }) end))
    assert.equal(1, items:get({ id = "a" }).n)
  end)

  it("is evaluated again with each later one of the same item", function()
    assert.equal(1, transact(function(t)
      for i = 1, 3 do t:update({ id = "a" }, "ADD n :n SET #l = :l", {
        names = { ["#l"] = "last" }, values = { [":n"] = i, [":l"] = i } }) end
    end, add_elsewhere))
    assert.same({ id = "a", n = 16, last = 3 }, items:get { id = "a" })
  end)

  it("does not use values that the program changes after the call", function()
    local given, key = { 1, n = 1 }, { id = "a" }
    assert.equal(1, transact(function(t)
      given[1], key.id = 1, "a"
      t:update(key, "ADD n ?", given)
      given[1], key.id = 1000, "b"
    end, add_elsewhere))
    assert.equal(11, items:get({ id = "a" }).n)
    assert.is_nil(items:get { id = "b" })
  end)

  it("is a read if the transaction reads the item, before or after", function()
    local function put_elsewhere() assert(items:put { id = "a", n = math.random(1000) }) end
    for name, f in pairs {
      before = function(t)
        t:get { id = "a" }
        t:update({ id = "a" }, "ADD n ?", { 1 })
      end,
      after = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:get { id = "a" }
      end,
      query = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        helper.collect(t:query "a")
      end,
      page = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:scan_page()
      end,
      condition = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:update({ id = "a" }, "ADD n ?", { 1, condition = "attribute_exists(id)" })
      end,
      returned = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1, return_values = "ALL_NEW" })
      end,
      table_value = function(t)
        t:update({ id = "a" }, "SET l = ?", { { "a list" } })
      end,
    } do
      put_elsewhere()
      assert.equal(2, transact(f, put_elsewhere), name)
    end
  end)

  it("that changed nothing is evaluated again if the item appears", function()
    assert.equal(1, transact(function(t)
      t:update({ id = "a" }, "REMOVE x")
      t:put { id = "b" }
    end, function()
      assert(items:put { id = "a", x = 1 })
    end))
    assert.same({ id = "a" }, items:get { id = "a" })
  end)

  it("is no read if the transaction has replaced the item when it reads it", function()
    for name, f in pairs {
      put_after = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:put { id = "a", n = 5 }
        assert.equal(5, t:get({ id = "a" }).n)
      end,
      put_before = function(t)
        t:put { id = "a", n = 4 }
        t:update({ id = "a" }, "ADD n ?", { 1 })
        assert.equal(5, t:get({ id = "a" }).n)
      end,
      put_between = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:put { id = "a", n = 3 }
        t:update({ id = "a" }, "ADD n ?", { 2, return_values = "NONE" })
        assert.equal(5, t:get({ id = "a" }).n)
      end,
      deleted = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:delete { id = "a" }
        assert.is_nil(t:get { id = "a" })
        t:update({ id = "a" }, "SET n = ?", { 5 })
      end,
      another_range = function(t)
        t:update({ id = "a" }, "SET n = ?", { 5 })
        assert.same({}, helper.collect(t:query "b"))
        assert.same({}, t:query_page "b")
      end,
    } do
      assert.equal(1, transact(f, add_elsewhere), name)
      assert.same({ id = "a", n = 5 }, items:get { id = "a" }, name)
    end
  end)

  it("is seen by every later operation on the item", function()
    assert(items:put { id = "b", n = 1 })
    assert(db:transact(function(tx)
      local t = tx:table "items"
      for _ = 1, 2 do
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:update({ id = "b" }, "ADD n ?", { 1 })
      end
      assert.same({ { id = "a", n = 2 } }, helper.collect(t:query "a"))
      local all = helper.collect(t:scan())
      table.sort(all, function(x, y) return x.id < y.id end)
      assert.same({ { id = "a", n = 2 }, { id = "b", n = 3 } }, all)
      assert.equal(2, #t:scan_page())
      t:update({ id = "a" }, "ADD n ?", { 1 })
      assert.same({ id = "a", n = 3 }, t:get { id = "a" })
      t:update({ id = "a" }, "ADD n ?", { 1, condition = "n = ?", 3, n = 2 })
      helper.raises("CONDITION_FAILED", t.put, t, { id = "a" }, { 3, condition = "n = ?" })
      t:update({ id = "a" }, "ADD n ?", { 1 })
      local _, old = t:put({ id = "a", n = 0 }, { return_values = "ALL_OLD" })
      assert.equal(5, old.n)
      t:update({ id = "a" }, "ADD n ?", { 1 })
      _, old = t:delete({ id = "a" }, { return_values = "ALL_OLD" })
      assert.equal(1, old.n)
      t:update({ id = "a" }, "ADD n ?", { 7 })
      assert.equal(7, t:get({ id = "a" }).n)
    end, { mode = "optimistic" }))
    assert.same({ id = "a", n = 7 }, items:get { id = "a" })
    assert.same({ id = "b", n = 3 }, items:get { id = "b" })
  end)

  it("is not seen by an iteration that began before", function()
    assert(db:transact(function(tx)
      local t = tx:table "items"
      t:update({ id = "a" }, "ADD n ?", { 1 })
      local before = t:query "a"
      t:update({ id = "a" }, "ADD n ?", { 1 })
      assert.same({ id = "a", n = 1 }, before())
      assert.same({ id = "a", n = 2 }, t:query "a"())
    end, { mode = "optimistic" }))
  end)

  it("has a record, in the order of the calls, also if it is evaluated again", function()
    for _, meanwhile in ipairs { function() end, function() assert(items:put { id = "z" }) end } do
      local first = db:last_change()
      transact(function(t)
        t:update({ id = "b" }, "ADD n ?", { 1 })
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:put { id = "c", n = first }
        t:update({ id = "b" }, "ADD n ?", { 1 })
      end, meanwhile)
      local ids = {}
      for record in items:stream():records { after = first } do
        if record.keys.id ~= "z" then ids[#ids + 1] = record.keys.id end
      end
      assert.equal("b a c b", table.concat(ids, " "))
    end
  end)

  it("raises its errors when it is called, like in a locked transaction", function()
    assert(items:put { id = "a", n = "text" })
    local cases = {
      { { id = "a" }, "ADD n ?", { 1 } }, { { id = "b" }, "ADD n ?", { "text" } },
      { { id = 1 }, "ADD n ?", { 1 } }, { { id = "a", x = 1 }, "ADD n ?", { 1 } },
      { { "a" }, "ADD n ?", { 1 } }, { { id = "a" }, "ADD", { 1 } },
      { { id = "a" }, "ADD #n ?", { 1, names = { ["#m"] = "n" } } },
      { { id = "a" }, "SET n = :n", { values = { [":n"] = 1, [":m"] = 2 } } },
      { { id = "a" }, "SET n = :n", { values = { [1] = 1 } } },
      { { id = "a" }, "SET id = ?", { "b" } }, { { id = "b" }, "SET n = m" },
      { { id = "b" }, "SET n = ?", { ("x"):rep(410000) } },
    }
    for i, case in ipairs(cases) do
      local messages = {}
      for _, mode in ipairs { "locked", "optimistic" } do
        assert(db:transact(function(tx)
          local t = tx:table "items"
          t:update({ id = "c" }, "ADD n ?", { 1 })
          local err = helper.raises("VALIDATION", t.update, t, table.unpack(case))
          messages[#messages + 1] = err.message
        end, { mode = mode }))
      end
      assert.equal(messages[1], messages[2], i)
    end
    assert.equal(2 * #cases, items:get({ id = "c" }).n)
    assert.same({ id = "a", n = "text" }, items:get { id = "a" })
  end)

  it("raises misuse", function()
    assert(db:transact(function(tx)
      local t = tx:table "items"
      for message, arguments in pairs {
        ["1 `?`, the array part has 2 values"] = { { id = "a" }, "ADD n ?", { 1, 2 } },
        ["1 `?`, the array part has 0 values"] = { { id = "a" }, "ADD n ?" },
        ["value 1 of the array part is nil"] = { { id = "a" }, "ADD n ?", { n = 1 } },
        ['option "n" must be the number'] = { { id = "a" }, "ADD n ?", { 1, n = 1.5 } },
        ['unknown option "conditions"'] = { { id = "a" }, "ADD n ?", { 1, conditions = "x" } },
        ['unknown option "key"'] = { { id = "a" }, "ADD n ?", { 1, key = "x" } },
        ['unknown option "1.5"'] = { { id = "a" }, "ADD n ?", { 1, [1.5] = "x" } },
        ['option "names" must be table'] = { { id = "a" }, "ADD n ?", { 1, names = "x" } },
        ['option "return_values" must be'] = { { id = "a" }, "ADD n ?", { 1, return_values = 1 } },
        ["options must be a table, got number"] = { { id = "a" }, "ADD n ?", 1 },
        ["expected an update expression (a string), got number"] = { { id = "a" }, 1 },
        ["expected a key (a table), got string"] = { "a", "ADD n ?", { 1 } },
      } do
        helper.blames(message, function() t:update(table.unpack(arguments, 1, 3)) end)
      end
      helper.blames("call it with a colon", function()
        t.update({ id = "a" }, "ADD n ?", { 1 })
      end)
      assert.is_nil(t:get { id = "a" })
    end, { mode = "optimistic" }))
  end)

  it("has its values by position, also if the table has gaps, and by name", function()
    for _, meanwhile in ipairs { function() end, function() assert(items:put { id = "z" }) end } do
      assert.equal(1, transact(function(t)
        local given = { 1, 2, nil, nil, 5, n = 2 }
        t:update({ id = "a" }, "SET x = ?, y = ?", given)
        local holes = {}
        for i = 1, 12 do holes[i] = i end
        holes[5] = nil
        holes.n = 4
        t:update({ id = "b" }, "SET k = ?, l = ?, m = ?, o = ?", holes)
        t:update({ id = "c" }, "SET #x = :x, y = :y", {
          names = { ["#x"] = "x" }, values = { [":x"] = true, [":y"] = "text" } })
        t:update({ id = "d" })
        local twelve = {}
        for i = 1, 12 do twelve[i] = "a" .. i .. " = ?" end
        t:update({ id = "e" }, "SET " .. table.concat(twelve, ", "),
          { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 })
      end, meanwhile))
      assert.same({ id = "a", x = 1, y = 2 }, items:get { id = "a" })
      assert.same({ id = "b", k = 1, l = 2, m = 3, o = 4 }, items:get { id = "b" })
      assert.same({ id = "c", x = true, y = "text" }, items:get { id = "c" })
      assert.same({ id = "d" }, items:get { id = "d" })
      assert.equal(12, items:get({ id = "e" }).a12)
    end
  end)

  it("raises CLOSED after the transaction", function()
    local kept
    assert(db:transact(function(tx) kept = tx:table "items" end, { mode = "optimistic" }))
    helper.raises("CLOSED", kept.update, kept, { id = "a" }, "ADD n ?", { 1 })
  end)

  it("raises TIMEOUT after the time limit", function()
    local clock = helper.clock()
    local err = helper.raises("TIMEOUT", db.transact, db, function(tx)
      local t = tx:table "items"
      t:update({ id = "a" }, "ADD n ?", { 1 })
      clock:advance(100)
      t:update({ id = "a" }, "ADD n ?", { 1 })
    end, { mode = "optimistic" })
    assert.is_truthy(err.message:find "time limit")
    assert.is_nil(items:get { id = "a" })
  end)

  it("is made in a function that yields while others write", function()
    local thread = coroutine.wrap(function()
      return db:transact(function(tx)
        local t = tx:table "items"
        for _ = 1, 3 do
          t:update({ id = "a" }, "ADD n ?", { 1 })
          coroutine.yield(false)
        end
      end, { mode = "optimistic", attempts = 1 })
    end)
    local ok, err
    repeat
      ok, err = thread()
      if ok == false then add_elsewhere() end
    until ok ~= false
    assert.is_true(ok, tostring(err))
    assert.equal(33, items:get({ id = "a" }).n)
  end)

  it("raises if it can't be applied to the item at the commit, and stores nothing", function()
    local err = helper.raises("VALIDATION", function()
      transact(function(t)
        t:put { id = "b" }
        t:update({ id = "a" }, "ADD n ?", { 1 })
      end, function() assert(items:put { id = "a", n = "text" }) end)
    end)
    assert.is_truthy(err.message:find "ADD" or err.message:find "type", err.message)
    assert.equal("items", err.table)
    assert.same({ id = "a" }, err.key)
    assert.is_nil(items:get { id = "b" })
    assert.equal("text", items:get({ id = "a" }).n)
  end)

  it("returns TOO_BIG at the end if it is evaluated again", function()
    local large = ("x"):rep(390000)
    for _, meanwhile in ipairs { function() end, add_elsewhere } do
      local runs, ok, err = transact(function(t)
        for i = 1, 50 do t:update({ id = "b" .. i }, "SET x = ?", { large }) end
      end, meanwhile)
      assert.equal(1, runs)
      assert.is_nil(ok)
      assert.equal("TOO_BIG", err.code)
      assert.is_nil(items:get { id = "b1" })
    end
  end)

  it("of an item that expires meanwhile makes a new one", function()
    local clock = tidetable.manual_clock(1700000000)
    local ttl = helper.open({ clock = clock }, ":memory:")
    local sessions = assert(ttl:create_table { name = "sessions", partition_key = "id",
      ttl = "expires" })
    assert(sessions:put { id = "a", n = 5, expires = 1700000010 })
    assert(sessions:put { id = "b", n = 5, expires = 1700000010 })
    local runs = 0
    assert(ttl:transact(function(tx)
      runs = runs + 1
      local t = tx:table "sessions"
      t:update({ id = "a" }, "ADD n ?", { 1 })
      t:update({ id = "c" }, "SET expires = ?", { 1600000000 })
      assert.is_nil(t:get { id = "c" })
      t:update({ id = "c" }, "ADD n ?", { 1 })
      if runs == 1 then clock:advance(20) end
    end, { mode = "optimistic" }))
    assert.equal(1, runs)
    assert.same({ id = "a", n = 1 }, sessions:get { id = "a" })
    assert.same({ id = "c", n = 1 }, sessions:get { id = "c" })
    assert.is_nil(sessions:get { id = "b" })
  end)

  it("is made after a put of the same transaction", function()
    assert.equal(1, transact(function(t)
      t:put { id = "a", n = 100 }
      t:update({ id = "a" }, "ADD n ?", { 1 })
    end, add_elsewhere))
    assert.equal(101, items:get({ id = "a" }).n)
    assert.equal(1, transact(function(t)
      t:update({ id = "a" }, "ADD n ?", { 1 })
      t:put { id = "a", n = 7 }
      t:update({ id = "a" }, "ADD n ?", { 1 })
      t:delete { id = "a" }
      t:update({ id = "a" }, "ADD n ?", { 5 })
    end, add_elsewhere))
    assert.equal(5, items:get({ id = "a" }).n)
  end)

  it("adds up with those of others, whatever the order", function()
    math.randomseed(SEED)
    local sum = {}
    local function add(t, opts)
      for _ = 1, math.random(5) do
        local id, n = tostring(math.random(3)), math.random(100)
        sum[id] = (sum[id] or 0) + n
        if opts then assert(t:update({ id = id }, "ADD n ?", { n }))
        else t:update({ id = id }, "ADD n ?", { n }) end
      end
    end
    for _ = 1, 300 do
      assert.equal(1, transact(add, function() add(items, true) end), "SEED=" .. SEED)
    end
    for id, n in pairs(sum) do
      assert.equal(n, items:get({ id = id }).n, "SEED=" .. SEED)
    end
    assert.same({}, assert(db:check()).problems)
  end)
end)
