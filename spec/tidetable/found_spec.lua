-- found_spec.lua - regression tests of defects found by reviews, each as a small example.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local hour = 3600

-- Inverts bits after each occurrence of a text in the file. Returns the number of occurrences.
local function damage(path, text, offset)
  local file = assert(io.open(path, "r+b"))
  local bytes = file:read "a"
  local count, from = 0, 1
  while true do
    local _, last = bytes:find(text, from, true)
    if not last then break end
    file:seek("set", last + offset)
    file:write(string.char(bytes:byte(last + offset + 1) ~ 0x55))
    count, from = count + 1, last + 1
  end
  file:close()
  return count
end

local function create(db, name, options)
  return assert(db:create_table {
    name = name or "orders", partition_key = "id", stream = options == nil and true or options,
  })
end

describe("regression:", function()
  helper.setup(before_each, after_each)

  it("a stream that was read inside a transaction returns its commit afterwards", function()
    local db = helper.memory()
    local orders = create(db)
    local stream = assert(orders:stream { from = "LATEST" })
    assert(db:transact(function(tx)
      tx:table("orders"):put { id = "a" }
      assert.is_nil((stream:next()))
    end))
    assert.equal("a", stream:next().keys.id)
  end)

  it("a stream that was read inside a failed transaction misses nothing later", function()
    local db = helper.memory()
    local orders = create(db)
    local stream = assert(orders:stream { from = "LATEST" })
    pcall(db.transact, db, function(tx)
      tx:table("orders"):put { id = "a" }
      stream:next()
      error "no"
    end)
    assert(orders:put { id = "b" })
    assert.equal("b", stream:next().keys.id)
  end)

  it("LATEST inside a failed transaction is not a position ahead of later changes", function()
    local db = helper.memory()
    local orders, stream = create(db), nil
    pcall(db.transact, db, function(tx)
      for i = 1, 10 do tx:table("orders"):put { id = "gone" .. i } end
      stream = assert(db:stream { from = "LATEST" })
      error "no"
    end)
    assert(orders:put { id = "a" })
    assert.equal("a", stream:next().keys.id)
  end)

  it("the removal of a stream without visible records loses nothing", function()
    local clock = tidetable.manual_clock(1e9)
    local db = helper.memory { clock = clock }
    local one = create(db, "one")
    for i = 1, 10 do one:put { id = "a" .. i } end
    clock:advance(10 * hour)
    assert(one:disable_stream())
    clock:advance(15 * hour)
    assert(db:sweep())
    local two = create(db, "two")
    local stream = assert(db:stream { from = "TRIM_HORIZON" })
    assert.is_nil((stream:next()))
    clock:advance(10 * hour)
    assert(db:sweep())
    assert.equal(1, #db:list_streams())
    two:put { id = "x" }
    assert.equal("x", stream:next().keys.id)
  end)

  it("trim confirms a jump of the clock on a database without writers", function()
    local clock = tidetable.manual_clock(1e9)
    local db = helper.open { clock = clock }
    local orders = create(db)
    for i = 1, 100 do orders:put { id = "a" .. i } end
    db:close()
    clock:advance(48 * hour)
    clock:reboot()
    db = helper.open { clock = clock }
    assert.equal(0, db:sweep())
    db:close()
    clock:advance(2 * hour)
    db = helper.open { clock = clock }
    assert.equal(100, db:sweep())
  end)

  it("two streams enabled at time 0 have different labels", function()
    local db = helper.memory { clock = tidetable.manual_clock(0) }
    local orders = create(db)
    assert(orders:disable_stream())
    assert(orders:enable_stream())
    local streams = db:list_streams()
    assert.not_equal(streams[1].label, streams[2].label)
  end)

  it("check terminates after a damaged node with a long key", function()
    local path = helper.path()
    local db = helper.open(nil, path)
    local long = assert(db:create_table { name = "long", partition_key = "p", sort_key = "s" })
    for i = 1, 5 do long:put { p = "short", s = "a" .. i } end
    long:put { p = "short", s = ("k"):rep(900) }
    long:put { p = "short", s = "z" }
    db:close()
    assert.is_true(damage(path, "short\0\1" .. ("k"):rep(510 - 9) .. "\1", 6) > 0)
    db = helper.open(nil, path)
    local report = assert(db:check())
    assert.is_false(report.ok)
    assert.equal(6, report.items)
  end)

  it("pcall cannot catch a time limit, and nothing is stored after it", function()
    local db = helper.memory()
    local orders = create(db)
    local ok, err = pcall(db.transact, db, function(tx)
      tx:table("orders"):put { id = "late" }
      pcall(function() while true do end end)
    end, { time_limit = 0.05 })
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    assert.is_nil((orders:get { id = "late" }))
    ok, err = pcall(db.transact, db, function()
      while true do pcall(function() while true do end end) end
    end, { time_limit = 0.05 })
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
  end)

  it("a page with records of a removed stream is read again", function()
    local clock = tidetable.manual_clock(1e9)
    local db = helper.memory { clock = clock }
    local one, two = create(db, "one", { retention = "1h" }), create(db, "two")
    two:put { id = "first" }
    one:put { id = "gone" }
    two:put { id = "last" }
    local stream = assert(db:stream { from = "TRIM_HORIZON" })
    assert.equal("first", stream:next().keys.id)
    assert(db:delete_table "one")
    clock:advance(2 * hour)
    assert(db:sweep())
    assert.equal(1, #db:list_streams())
    local record, err, code = stream:next()
    assert.is_nil(record)
    assert.equal("TRIMMED", code)
    assert.equal(4, err.last)
  end)

  it("a damaged last record does not prevent later operations", function()
    local path = helper.path()
    local db = helper.open(nil, path)
    local orders = create(db, "orders", { view_type = "NEW_IMAGE" })
    for i = 1, 20 do orders:put { id = "item" .. i } end
    orders:put { id = "item21", v = "MARKERMARKER" }
    db:close()
    assert.is_true(damage(path, "MARKERMARKER", -1) > 0)
    db = helper.open(nil, path)
    local count, ok, err = 0, pcall(function() return db:table("orders"):stream() end)
    assert.is_true(ok, tostring(err))
    ok, err = pcall(function()
      for _ in db:stream():records { after = 0 } do count = count + 1 end
    end)
    assert.is_false(ok)
    assert.equal("CORRUPT", err.code)
    assert.equal(20, count)
  end)

  it("damage in one stream does not hide earlier records of another", function()
    local path = helper.path()
    local db = helper.open(nil, path)
    local one, two = create(db, "one"), create(db, "two")
    one:put { id = "a" }
    two:put { id = "b" }
    one:put { id = "c", v = "MARKERMARKER" }
    db:close()
    assert.is_true(damage(path, "MARKERMARKER", -1) > 0)
    db = helper.open(nil, path)
    local stream, ids = assert(db:stream { after = 3 }), {}
    ids[1] = stream:next().keys.id
    local record, _, code = stream:next()
    assert.same({ "b" }, ids)
    assert.is_nil(record)
    assert.equal("CORRUPT", code)
  end)

  it("delete_table deletes a table with damaged items", function()
    local path = helper.path()
    local db = helper.open(nil, path)
    local orders = create(db)
    for i = 1, 600 do
      orders:put { id = ("%04d"):format(i), v = i == 300 and "MARKERMARKER" or i }
    end
    db:close()
    assert.is_true(damage(path, "MARKERMARKER", -1) > 0)
    db = helper.open(nil, path)
    assert.is_true((db:delete_table "orders"))
    assert.equal("NOT_FOUND", select(3, db:table "orders"))
    local other = create(db, "other")
    for i = 1, 200 do assert(other:put { id = "x" .. i }) end
  end)

  it("between names the bound that has the wrong type", function()
    local db = helper.memory()
    local numbers = assert(db:create_table { name = "numbers", partition_key = "p",
      sort_key = { "s", "N" } })
    local _, err = numbers:query_page("a", { sort = { "between", 1, "x" } })
    assert.equal("VALIDATION", err.code)
    assert.matches("expected: N actual: S", err.message, 1, true)
  end)

  it("an iterator of one transaction does not continue in the next", function()
    local db = helper.memory()
    local orders = create(db)
    for i = 1, 5 do orders:put { id = "a" .. i } end
    local step, state
    assert(db:transact(function(tx)
      step, state = tx:table("orders"):scan { limit = 5 }
    end))
    assert(db:transact(function()
      local ok, err = pcall(step, state)
      assert.is_false(ok)
      assert.equal("CLOSED", err.code)
    end))
  end)

  it("load makes its transactions smaller if the replaced items are large", function()
    local db = helper.memory()
    local orders, big, small = create(db, "orders", false), {}, {}
    for i = 1, 120 do
      big[i] = { id = "i" .. i, v = ("x"):rep(390000) }
      small[i] = { id = "i" .. i }
    end
    assert.equal(120, assert(orders:load(big)))
    assert.equal(120, assert(orders:load(small)))
    assert.same({ id = "i120" }, orders:get { id = "i120" })
  end)

  it("the stream of a deleted table can be opened by its label", function()
    local path = helper.path()
    local db = helper.open(nil, path)
    local orders = create(db)
    orders:put { id = "a" }
    local label = assert(orders:stream()).label
    assert(db:delete_table "orders")
    db:close()
    db = helper.open(nil, path)
    local stream = assert(db:stream { table = "orders", label = label })
    assert.equal("a", stream:next().keys.id)
    assert.equal("NOT_FOUND", select(3, db:stream { table = "orders" }))
    helper.blames('"label" requires option "table"', function() db:stream { label = label } end)
  end)

  it("a misuse has the line of the caller as its position", function()
    local db = helper.memory()
    local orders = create(db)
    helper.blames('did you mean "label"?', function() orders:stream { labl = "x" } end)
    helper.blames('did you mean "from"?', function() db:stream { frm = "LATEST" } end)
    helper.blames("an array or a function", function() orders:load(3) end)
    helper.blames("expected an item (a table), got string", function() orders:put("x") end)
    helper.blames("expected a key (a table), got nil", function() orders:get(nil) end)
    helper.blames("expected a name, got nil", function() db:delete_table(nil) end)
  end)

  it("a clock that a finalizer uses after its own collection raises an error", function()
    local child = helper.child([[
      db:close()
      KEEP = setmetatable({}, { __gc = function() print(pcall(function() CLOCK:now() end)) end })
      CLOCK = tidetable.manual_clock(1)
    ]])
    assert.matches("^false", child:line())
  end)
end)
