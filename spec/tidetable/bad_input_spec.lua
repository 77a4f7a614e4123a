-- bad_input_spec.lua - bad input returns a clear error, and changes nothing.
--
-- Each kind of bad input is passed to every call that accepts it. Afterwards the items, the
-- records, the sequence number and the write lock must be unchanged. Single errors that the pages
-- document are tested in the specs of the pages.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

local path, refused, misuse = helper.path, helper.refused, helper.misuse

helper.setup(before_each, after_each)

local function nested(levels)
  local t = {}
  for _ = 2, levels do
    t = { t }
  end
  return t
end

--- A map of 29 levels, each of which contains the next one twice: half a billion nodes, 29 tables.
local function exploding()
  local t = { x = 1 }
  for _ = 1, 28 do
    t = { a = t, b = t }
  end
  return t
end

local function cycle()
  local t = {}
  t[1] = t
  return t
end

--- Invalid values of an attribute, and a part of the message.
local bad_values = {
  { "a function", print, "function can't be stored" },
  { "a thread", coroutine.create(print), "thread can't be stored" },
  { "a foreign userdata", io.stdout, "userdata can't be stored" },
  { "NaN", 0 / 0, "NaN" },
  { "infinity", math.huge, "infinity" },
  { "minus infinity", -math.huge, "infinity" },
  { "a number above the range", 1e126, "overflow" },
  { "a number below the range", 1e-131, "underflow" },
  { "bytes that are no UTF-8", "\xff\xfe", "UTF-8" },
  { "half a character", "caf\xc3", "UTF-8" },
  { "a surrogate", "\xed\xa0\x80", "UTF-8" },
  { "a foreign metatable", setmetatable({ 1 }, {}), "metatable" },
  { "a foreign metatable with __index", setmetatable({}, { __index = { a = 1 } }), "metatable" },
  { "a list with a hole", { 1, nil, 3 }, "" },
  { "a map and a list", { 1, a = 2 }, "" },
  { "a key that is a boolean", { [true] = 1 }, "" },
  { "a key that is a float", { [1.5] = 1 }, "" },
  { "an empty name", { [""] = 1 }, "Empty attribute name" },
  { "a name of 65,536 bytes", { [("n"):rep(65536)] = 1 }, "65535" },
  { "32 levels", nested(32), "Nesting" },
  { "a cycle", cycle(), "Nesting" },
  { "a table that explodes", exploding(), "Item size" },
  { "400 KB", ("x"):rep(409600), "Item size" },
  { "an empty set", setmetatable({}, getmetatable(tidetable.set { 1 })), "empty" },
  { "a set with a member twice", setmetatable({ 1, 1.0 }, getmetatable(tidetable.set { 1 })),
    "duplicates" },
}

--- Invalid keys of the table `one` (id: S).
local bad_keys = {
  { "no key", {}, "id" },
  { "an empty key", { id = "" }, "empty" },
  { "a key of another type", { id = 1 }, "id" },
  { "a null", { id = tidetable.null }, "id" },
  { "2,049 bytes", { id = ("k"):rep(2049) }, "2048" },
}

--- Invalid keys of the table `two` (id: S, at: B).
local bad_sort_keys = {
  { "no sort key", { id = "a" }, "at" },
  { "an empty sort key", { id = "a", at = tidetable.binary "" }, "empty" },
  { "a string for a binary", { id = "a", at = "x" }, "at" },
  { "1,025 bytes", { id = "a", at = tidetable.binary(("k"):rep(1025)) }, "1024" },
}

local db, one, two, before

local function contents()
  local list = { db:info().sequence_number }
  for _, t in ipairs { one, two } do
    for item in t:scan() do
      list[#list + 1] = item.id .. tostring(item.at) .. tostring(item.n)
    end
  end
  for record in db:stream():records() do
    list[#list + 1] = record.sequence_number
  end
  return table.concat(list, " ")
end

local function open_shop(options)
  db = helper.open(options)
  one = assert(db:create_table { name = "one", partition_key = "id", stream = true })
  two = assert(db:create_table { name = "two", partition_key = "id", sort_key = { "at", "B" },
    stream = true })
  assert(one:put { id = "a", n = 1 })
  assert(two:put { id = "a", at = tidetable.binary "x", n = 1 })
  before = contents()
end

--- Checks that nothing has changed, and that the database still works.
local function check_unharmed()
  assert.equal(before, contents())
  assert.is_truthy(one:put { id = "a", n = 1 })
  assert.equal(before, contents())
  assert.same({}, db:check().problems)
end

--- Runs a transaction that changes items and then calls f.
local function after_a_change(f)
  return pcall(db.transact, db, function(tx)
    tx:table("one"):put { id = "a", n = 2 }
    tx:table("one"):put { id = "b", n = 2 }
    tx:table("two"):delete { id = "a", at = tidetable.binary "x" }
    f(tx)
  end)
end

describe("an item with", function()
  before_each(function() open_shop() end)

  for _, case in ipairs(bad_values) do
    it(case[1] .. " is refused by every call, and nothing is stored", function()
      local item = { id = "b", deep = { inside = case[2] } }
      if case[1] == "32 levels" then
        item = { id = "b", deep = case[2] }
      end
      local err = refused("VALIDATION", one:put(item))
      assert.is_truthy(err.message:find(case[3], 1, true), err.message)
      assert.equal("ValidationException", err.exception)
      assert.is_false(err.retryable)
      refused("VALIDATION", one:put(item, { return_values = "ALL_OLD" }))
      err = refused("VALIDATION", one:load { { id = "c" }, item })
      assert.equal(0, err.loaded)
      local ok
      ok, err = after_a_change(function(tx) tx:table("one"):put(item) end)
      assert.is_false(ok)
      assert.equal("VALIDATION", err.code)
      ok, err = after_a_change(function(tx) tx:table("one"):load { { id = "c" }, item } end)
      assert.is_false(ok)
      assert.equal("VALIDATION", err.code)
      check_unharmed()
    end)
  end

  it("refuses an attribute name that is neither a string nor a list index", function()
    refused("VALIDATION", one:put { id = "b", [1] = "x" })
    refused("VALIDATION", one:put { id = "b", [true] = "x" })
    refused("VALIDATION", one:put { id = "b", ["\xff"] = "x" })
    check_unharmed()
  end)

  it("accepts 31 levels of nesting", function()
    assert(one:put { id = "deep", list = nested(31) })
    assert.same({}, db:check().problems)
  end)
end)

describe("a key with", function()
  before_each(function() open_shop() end)

  local function check_key(t, case)
    local err = refused("VALIDATION", t:put(case[2]))
    assert.is_truthy(err.message:find(case[3], 1, true), err.message)
    refused("VALIDATION", t:get(case[2]))
    refused("VALIDATION", t:delete(case[2]))
    refused("VALIDATION", t:scan_page { start_key = case[2] })
    refused("VALIDATION", t:load { case[2] })
    for _, method in ipairs { "put", "get", "delete" } do
      local ok
      ok, err = after_a_change(function(tx)
        local inside = tx:table(t.name)
        inside[method](inside, case[2])
      end)
      assert.is_false(ok)
      assert.equal("VALIDATION", err.code)
    end
    check_unharmed()
  end

  for _, case in ipairs(bad_keys) do
    it(case[1] .. " is refused", function() check_key(one, case) end)
  end

  for _, case in ipairs(bad_sort_keys) do
    it(case[1] .. " is refused", function() check_key(two, case) end)
  end

  it("with other attributes than those of the key is refused", function()
    refused("VALIDATION", one:get { id = "a", n = 1 })
    refused("VALIDATION", one:delete { id = "a", n = 1 })
    refused("VALIDATION", two:scan_page { start_key = {
      id = "a", at = tidetable.binary "x", n = 1 } })
    check_unharmed()
  end)

  -- The message was "the keys of a table must be all strings, or 1 to n", which a list satisfies.
  it("values without names says that names are expected, and which", function()
    local of_key = "key: expected attributes by name, { id = ..., at = ... }, got a list"
    local of_item = "item: expected attributes by name, { id = ..., at = ..., ... }, got a list"
    for _, list in ipairs { { "a", 1 }, tidetable.list { "a" }, { "a", n = 1 } } do
      assert.equal(of_key, refused("VALIDATION", two:get(list)).message)
      assert.equal(of_key, refused("VALIDATION", two:get(list, { projection = "id" })).message)
      assert.equal(of_key, refused("VALIDATION", two:delete(list)).message)
      assert.equal(of_key, refused("VALIDATION", two:update(list, "SET n = ?", { 1 })).message)
      assert.equal(of_item, refused("VALIDATION", two:put(list)).message)
      assert.equal(of_item, refused("VALIDATION", two:put(list, {
        condition = "attribute_exists(id)" })).message)
      for _, mode in ipairs { "locked", "optimistic" } do
        local options = { mode = mode == "optimistic" and mode or nil }
        local ok, err = pcall(db.transact, db, function(tx) tx:table("two"):get(list) end, options)
        assert.same({ false, of_key }, { ok, err.message })
        ok, err = pcall(db.transact, db, function(tx) tx:table("two"):put(list) end, options)
        assert.same({ false, of_item }, { ok, err.message })
      end
    end
    assert.equal("key: expected attributes by name, { id = ... }, got a list",
      refused("VALIDATION", one:get { "a" }).message)
    assert.equal("start_key: expected attributes by name, got a list",
      refused("VALIDATION", two:scan_page { start_key = { "a" } }).message)
    assert.equal("item: the names of attributes must be strings",
      refused("VALIDATION", one:put { id = "a", [true] = 1 }).message)
    check_unharmed()
  end)

  it("of the maximum length is accepted", function()
    local key = { id = ("k"):rep(2048), at = tidetable.binary(("\255"):rep(1024)) }
    assert(two:put(key))
    assert.equal(2048, #two:get(key).id)
    assert(two:delete(key))
    assert.same({}, db:check().problems)
  end)

  it("of another type than the schema's is refused by a query", function()
    local function page(...)
      return refused("VALIDATION", two:query_page(...))
    end
    page(1)
    page("")
    page(0 / 0)
    page({})
    page(("k"):rep(2049))
    page("a", { sort = { "=", "text" } })
    page("a", { sort = { "=", 1 } })
    page("a", { sort = { "between", tidetable.binary "a", 1 } })
    page("a", { sort = { "<", tidetable.binary(("k"):rep(1025)) } })
    page("a", { start_key = { id = "b", at = tidetable.binary "x" } })
    page("a", { start_key = { id = "a" } })
    refused("VALIDATION", one:query_page("a", { sort = { "=", "x" } }))
    misuse("sort", two.query, two, "a", { sort = { "like", "x" } })
    misuse("sort", two.query, two, "a", { sort = { "between", tidetable.binary "x" } })
    misuse("missing", two.query, two)
    check_unharmed()
  end)
end)

describe("a mistake in the program", function()
  before_each(function() open_shop() end)

  it("with an argument of a wrong type raises an error and stores nothing", function()
    for _, value in ipairs { 1, "x", true, print, io.stdout, coroutine.create(print) } do
      assert.is_false(pcall(one.put, one, value))
      assert.is_false(pcall(one.get, one, value))
      assert.is_false(pcall(one.delete, one, value))
      assert.is_false(pcall(one.put, one, { id = "b" }, value))
      assert.is_false(pcall(one.scan, one, value))
      assert.is_false(pcall(one.query, one, "a", value))
      assert.is_false(pcall(db.create_table, db, value))
      assert.is_false(pcall(db.transact, db, type(value) == "function" and {} or value))
      assert.is_false(pcall(db.stream, db, value))
      assert.is_false(pcall(tidetable.open, path "other", value))
    end
    for _, value in ipairs { 1.5, -1, 0, "3", {}, 0 / 0 } do
      misuse("limit", one.scan, one, { limit = value })
      misuse("batch", one.load, one, {}, { batch = value })
      misuse("limit", db:stream().records, db:stream(), { limit = value })
    end
    for _, value in ipairs { -1, "3", {}, 0 / 0, -math.huge } do
      misuse("time_limit", db.transact, db, print, { time_limit = value })
      misuse("busy_timeout", tidetable.open, path "other", { busy_timeout = value })
      misuse("snapshot_limit", one.scan, one, { snapshot = true, snapshot_limit = value })
      misuse("stall_timeout", tidetable.check, path "other",
        { isolate = true, stall_timeout = value })
    end
    check_unharmed()
  end)

  it("with an unknown option raises an error that names the most similar known option", function()
    misuse("did you mean \"return_values\"", one.put, one, { id = "b" }, { return_value = "NONE" })
    misuse("did you mean \"descending\"", one.scan, one, { decending = true })
    misuse("did you mean \"limit\"", one.query, one, "a", { limits = 1 })
    misuse("did you mean \"durability\"", tidetable.open, path "other", { durabilty = "full" })
    misuse("did you mean \"partition_key\"", db.create_table, db, { partition_keys = "p" })
    misuse("did you mean \"view_type\"", one.enable_stream, one, { viewtype = "KEYS_ONLY" })
    misuse("did you mean \"count\"", one.enable_stream, one, { retention = { counts = 1 } })
    misuse("did you mean \"time_limit\"", db.transact, db, print, { timelimit = 1 })
    misuse("did you mean \"follow\"", db:stream().records, db:stream(), { folow = true })
    misuse("did you mean \"condition\"", one.put, one, { id = "b" }, { conditions = "v = v" })
    misuse("did you mean \"filter\"", one.scan, one, { filters = "v = v" })
    misuse("did you mean \"alter\"", db.ensure_table, db, { name = "shop", alters = true })
    misuse("the array part has 1 values", one.put, one, { id = "b" }, { [1] = true })
    misuse("unknown option", one.put, one, { id = "b" }, { [1.5] = true })
    assert.is_nil(lfs.attributes(path "other"))
    check_unharmed()
  end)

  it("with a dot instead of a colon raises an error and crashes nothing", function()
    for _, object in ipairs { db, one, db:stream(), db:wakeup() } do
      for name, method in pairs(getmetatable(object).__index) do
        if type(method) == "function" and not name:find("^__") and name ~= "events" and
            name ~= "timeout" then
          assert.is_false(pcall(method), name)
          assert.is_false(pcall(method, 1), name)
          assert.is_false(pcall(method, io.stdout), name)
        end
      end
    end
    check_unharmed()
  end)
end)

describe("inside a transaction", function()
  before_each(function() open_shop() end)

  it("a yield raises an error, and nothing is stored", function()
    local co = coroutine.create(function()
      db:transact(function(tx)
        tx:table("one"):put { id = "a", n = 2 }
        coroutine.yield()
      end)
    end)
    local ok, err = coroutine.resume(co)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("yield", 1, true), tostring(err))
    check_unharmed()
  end)

  it("a write outside the transaction returns NESTED, for every call that writes", function()
    local codes = {}
    local ok, err = after_a_change(function()
      local function note(f, ...)
        local ok, err = pcall(f, ...)
        codes[#codes + 1] = not ok and type(err) == "table" and err.code or tostring(err)
      end
      note(one.put, one, { id = "c" })
      note(one.delete, one, { id = "a" })
      note(one.load, one, { { id = "c" } })
      note(db.create_table, db, { name = "new", partition_key = "p" })
      note(db.delete_table, db, "two")
      note(db.transact, db, function() end)
      note(one.disable_stream, one)
      note(one.enable_stream, one)
      local stream = assert(one:stream())
      note(stream.set_retention, stream, "1h")
      note(db.sweep, db)
      error("enough", 0)
    end)
    assert.is_false(ok)
    assert.equal("enough", err)
    assert.equal(("NESTED "):rep(10), table.concat(codes, " ") .. " ")
    check_unharmed()
  end)

  it("a write outside the transaction rolls it back, even if its result is ignored", function()
    local ok, err = after_a_change(function()
      one:put { id = "c" }
    end)
    assert.is_false(ok)
    assert.equal("NESTED", err.code)
    check_unharmed()
  end)

  it("an endless loop ends with TIMEOUT", function()
    local ok, err = pcall(db.transact, db, function(tx)
      tx:table("one"):put { id = "a", n = 2 }
      while true do end -- luacheck: ignore 542
    end, { time_limit = 0.05 })
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    check_unharmed()
  end)

  it("an endless loop that catches errors ends with TIMEOUT too", function()
    local began = os.clock()
    local ok, err = pcall(db.transact, db, function(tx)
      local t = tx:table("one")
      t:put { id = "a", n = 2 }
      while os.clock() - began < 10 do
        pcall(function()
          while true do end -- luacheck: ignore 542
        end)
        local fine, why = pcall(t.get, t, { id = "a" })
        if not fine then
          error(why, 0)
        end
      end
    end, { time_limit = 0.05 })
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    check_unharmed()
  end)

  it("an error that the function catches does not roll back its other writes", function()
    assert(db:transact(function(tx)
      local t = tx:table "one"
      assert(not pcall(t.put, t, { id = "b", bad = print }))
      assert(not pcall(t.put, t, { id = 7 }))
      assert(not pcall(tx.table, tx, "nowhere"))
      t:put { id = "b", n = 3 }
      return true
    end))
    assert.equal(3, one:get({ id = "b" }).n)
    assert.same({}, db:check().problems)
  end)

  it("closing the database is refused, and the transaction continues", function()
    assert(db:transact(function(tx)
      tx:table("one"):put { id = "b", n = 3 }
      assert(not pcall(db.close, db))
      return true
    end))
    assert.equal(3, one:get({ id = "b" }).n)
  end)
end)

describe("a handle that", function()
  it("is read-only refuses every write, and can read", function()
    open_shop()
    db:close()
    local reader = helper.open { read_only = true }
    local t = assert(reader:table "one")
    refused("READ_ONLY", t:put { id = "b" })
    refused("READ_ONLY", t:delete { id = "a" })
    refused("READ_ONLY", t:load { { id = "b" } })
    refused("READ_ONLY", reader:create_table { name = "new", partition_key = "p" })
    refused("READ_ONLY", reader:delete_table "one")
    refused("READ_ONLY", reader:transact(function() end))
    refused("READ_ONLY", t:enable_stream())
    refused("READ_ONLY", t:disable_stream())
    refused("READ_ONLY", reader:sweep())
    refused("READ_ONLY", assert(t:stream()):set_retention("1h"))
    assert.equal(1, t:get({ id = "a" }).n)
    assert.is_true(reader:check().ok)
  end)

  it("is opened with other options than the first one is refused, and changes nothing", function()
    open_shop()
    for _, options in ipairs { { durability = "full" }, { durability = "none", max_size = "1 GiB" },
        { durability = "none", clock = tidetable.manual_clock(1) } } do
      refused("OPTIONS", tidetable.open(path(), options))
    end
    check_unharmed()
  end)

  it("is closed raises CLOSED, and so does every object made from it", function()
    open_shop()
    local stream, wakeup = db:stream(), db:wakeup()
    local next_item, query = one:scan()
    local next_record, feed = stream:records()
    db:close()
    for _, f in ipairs {
      function() db:info() end, function() db:check() end, function() db:table "one" end,
      function() db:transact(print) end, function() one:put { id = "a" } end,
      function() one:get { id = "a" } end, function() one:scan() end, function() stream:next() end,
      function() next_item(query) end, function() next_record(feed) end,
      function() wakeup:pollfd() end,
      function() db:create_table { name = "new", partition_key = "p" } end,
    } do
      helper.raises("CLOSED", f)
    end
    db:close()
    db = helper.open()
    one, two = assert(db:table "one"), assert(db:table "two")
    check_unharmed()
  end)
end)

describe("a full map", function()
  it("refuses writes that need space, and allows deleting and trimming", function()
    local clock = tidetable.manual_clock(1000)
    open_shop { max_size = "32 MiB", clock = clock }
    local n, ok, err, code = 0
    repeat
      n = n + 1
      ok, err, code = one:put { id = "n" .. n, text = ("x"):rep(50000) }
    until not ok
    refused("FULL", ok, err, code)
    refused("FULL", db:create_table { name = "more", partition_key = "id" })
    local stored = n - 1
    -- All kinds of writes, many times: none may use up the reserved space.
    for i = 1, 50 do
      assert.is_nil((one:put { id = "more" .. i, text = ("x"):rep(300000) }))
      assert.is_false(pcall(db.transact, db, function(tx)
        for j = 1, 100 do
          tx:table("one"):put { id = "in" .. j, text = ("y"):rep(100000) }
        end
      end))
    end
    assert.equal(50000, #one:get({ id = "n" .. stored }).text)
    for i = 1, stored do
      assert(one:delete { id = "n" .. i })
    end
    clock:advance(86400)
    assert(db:sweep() > 0)
    assert(one:put { id = "again", text = ("x"):rep(300000) })
    assert(db:delete_table "one")
    assert.same({}, db:check().problems)
  end)
end)

describe("a file that", function()
  local function write(name, bytes)
    local file = assert(io.open(path(name), "wb"))
    file:write(bytes)
    file:close()
    return path(name)
  end

  local function read(name)
    local file <close> = assert(io.open(path(name), "rb"))
    return file:read("a")
  end

  --- Checks that opening the file returns the code and does not change the file.
  local function check_refused(code, name, options)
    local bytes = read(name)
    for _, each in ipairs { options or {}, { read_only = true } } do
      refused(code, tidetable.open(path(name), each))
      assert.equal(bytes, read(name))
    end
  end

  it("is not a database is refused and not changed", function()
    write("empty", "")
    write("byte", "x")
    write("text", ("not a database\n"):rep(1000))
    write("zeros", ("\0"):rep(1 << 16))
    math.randomseed(7)
    local noise = {}
    for i = 1, 1 << 16 do
      noise[i] = string.char(math.random(0, 255))
    end
    write("noise", table.concat(noise))
    for _, name in ipairs { "empty", "byte", "text", "zeros", "noise" } do
      check_refused("NOT_DATABASE", name)
    end
  end)

  it("is truncated is refused and not changed", function()
    open_shop()
    for i = 1, 100 do
      assert(one:put { id = "n" .. i, text = ("x"):rep(1000) })
    end
    db:close()
    local whole = read()
    for _, size in ipairs { 1, 100, 4095, 4096, 4097, 8191, 8192, 8193, 12288, #whole // 2,
        #whole - 4096, #whole - 1 } do
      local name = "cut" .. size
      write(name, whole:sub(1, size))
      local opened, err, code = tidetable.open(path(name))
      if opened then
        -- If the last page is a free one, all items must be readable.
        assert.same({}, opened:check().problems, "cut to " .. size)
        assert.equal(101, #helper.collect(opened:table("one"):scan()))
        opened:close()
      else
        assert.is_truthy(code == "NOT_DATABASE" or code == "CORRUPT", tostring(err))
        assert.equal(whole:sub(1, size), read(name))
      end
    end
  end)

  it("has a newer or an older format is refused with that code", function()
    open_shop()
    db:close()
    local bytes = read()
    local version = bytes:match("tidetabl\0.\0."):byte(-1)
    local function with(number)
      local other = (">c8I2I2"):pack("tidetabl", number, number)
      local changed, count = bytes:gsub("tidetabl\0.\0.", other)
      assert.is_true(count >= 1)
      return changed
    end
    write("newer", with(version + 1))
    check_refused("NEWER_FORMAT", "newer")
    write("older", with(version - 1))
    check_refused("OLDER_FORMAT", "older")
    write("foreign", (bytes:gsub("(tidetabl\0.\0.).", "%1\4")))
    check_refused("FOREIGN_FORMAT", "foreign")
  end)

  it("has a damaged row can be read except for this row, which the error names", function()
    open_shop()
    for i = 1, 20 do
      assert(one:put { id = "n" .. i, n = i, text = "needle" .. i .. "." })
    end
    db:close()
    local bytes = read()
    local at, count = 1, 0
    local damaged = bytes:gsub("needle7%.", "needlE7.")
    while bytes:find("needle7.", at, true) do
      at, count = bytes:find("needle7.", at, true) + 1, count + 1
    end
    assert.is_true(count >= 2, "the item and its record")
    write("damaged", damaged)
    db = helper.open(nil, path "damaged")
    one = assert(db:table "one")
    local err = refused("CORRUPT", one:get { id = "n7" })
    assert.is_truthy(err.message:find("one", 1, true), err.message)
    assert.equal(8, one:get({ id = "n8" }).n)
    helper.raises("CORRUPT", function() helper.collect(one:scan()) end)
    err = helper.raises("CORRUPT", function() helper.collect(one:stream():records()) end)
    assert.is_truthy(err.message:find("%d"), err.message)
    refused("CORRUPT", one:put { id = "n7", n = 8 })
    assert.equal(8, one:get({ id = "n8" }).n)
    assert(one:put { id = "n8", n = 9 })
    local report = assert(db:check())
    assert.is_false(report.ok)
    assert.is_truthy(table.concat(report.problems, "\n"):find("n7", 1, true) or
      #report.problems >= 2, table.concat(report.problems, "\n"))
  end)
end)

--- Misuses of every kind of call, each on its own line.
local misuses = {
  open = function() tidetable.open(path "x", { creat = true }) end,
  ["open's clock"] = function() tidetable.open(path "x", { clock = io.stdout }) end,
  manual_clock = function() tidetable.manual_clock "x" end,
  set = function() tidetable.set {} end,
  create_table = function(opened) opened:create_table { name = "two" } end,
  ["create_table's key"] = function(opened)
    opened:create_table { name = "two", partition_key = 1 }
  end,
  ["create_table's retention"] = function(opened)
    opened:create_table { name = "two", partition_key = "id", stream = { retention = "a" } }
  end,
  put = function(_, orders) orders:put(1) end,
  ["put's option"] = function(_, orders) orders:put({ id = "a" }, { return_value = 1 }) end,
  query = function(_, orders) orders:query("a", { limt = 1 }) end,
  scan = function(_, orders) for _ in orders:scan { limit = 0 } do error "not here" end end,
  load = function(_, orders) orders:load(1) end,
  stream = function(_, orders) orders:stream { from = "LATEST", at = 3 } end,
  ["db:stream"] = function(opened) opened:stream { label = "x" } end,
  records = function(_, orders) orders:stream():records { follow = 1 } end,
  ["stream:next"] = function(_, orders) orders:stream():next(-1) end,
  set_retention = function(_, orders) orders:stream():set_retention "abc" end,
  transact = function(opened) opened:transact(1) end,
  ["a transaction's put"] = function(opened)
    opened:transact(function(tx)
      tx:table("one"):put(1)
    end)
  end,
  ["a transaction's query"] = function(opened)
    opened:transact(function(tx) tx:table("one"):query("a", { limt = 1 }) end)
  end,
  ["an optimistic query"] = function(opened)
    opened:transact(function(tx)
      tx:table("one"):query("a", { limt = 1 })
    end, { mode = "optimistic" })
  end,
  ["a name that is none"] = function(opened)
    opened:transact(function(tx) tx:table(opened) end)
  end,
  ["an optimistic name that is none"] = function(opened)
    opened:transact(function(tx) tx:table(opened) end, { mode = "optimistic" })
  end,
  ["one item for load"] = function(_, orders) orders:load { id = "a" } end,
  ["timeout without follow"] = function(_, orders)
    orders:stream():transactions { timeout = 1 }
  end,
}

--- Calls all methods with a dot instead of a colon, with no arguments and with a table.
local dotted = {
  "db.close()", "db.info()", "db.check()", "db.sweep()", "db.sync()", "db.stream()", "db.wakeup()",
  "db.list_tables()", "db.list_streams()", "db.create_table { name = 'new', partition_key = 'id' }",
  "db.table 'one'", "db.delete_table 'one'", "db.backup 'x'", "db.transact(print)",
  "orders.put { id = 'a' }", "orders.put({ id = 'a' }, { return_values = 'ALL_OLD' })",
  "orders.put()", "orders.get { id = 'a' }", "orders.get({ id = 'a' }, {})", "orders.get()",
  "orders.delete { id = 'a' }", "orders.query 'a'", "orders.scan()", "orders.scan { limit = 1 }",
  "orders.query_page 'a'", "orders.scan_page()", "orders.load {}", "orders.stream()",
  "orders.describe()", "orders.enable_stream()", "orders.disable_stream()",
  "stream.records()", "stream.records { limit = 1 }", "stream.transactions()", "stream.next()",
  "stream.next_transaction()", "stream.describe()", "stream.set_retention '1h'", "stream.close()",
  "stream.wakeup()",
  "db:transact(function(tx) tx.table 'one' end)",
  "db:transact(function(tx) tx:table('one').put { id = 'a' } end)",
  "db:transact(function(tx) tx:table('one').get { id = 'a' } end)",
  "db:transact(function(tx) tx:table('one').scan() end)",
  "db:transact(function(tx) tx.table 'one' end, { mode = 'optimistic' })",
  "db:transact(function(tx) tx:table('one').put { id = 'a' } end, { mode = 'optimistic' })",
  "db:transact(function(tx) tx:table('one').query 'a' end, { mode = 'optimistic' })",
}

describe("a dot for a colon", function()
  it("is named in the error, whose position is the line of the call", function()
    local opened = helper.open()
    local orders = assert(opened:create_table {
      name = "one", partition_key = "id", stream = true,
    })
    for _, call in ipairs(dotted) do
      local chunk = assert(load("local db, orders, stream = ...\n" .. call, "=program"))
      local ok, err = pcall(chunk, opened, orders, orders:stream())
      assert.is_false(ok, call)
      assert.is_truthy(tostring(err):find "^program:2: [%w_]+: call it with a colon: %w+:[%w_]+%(",
        call .. ": " .. tostring(err))
    end
    assert(orders:put { id = "a" })
  end)
end)

describe("a misuse", function()
  for name, call in pairs(misuses) do
    it(("of %s has the line of the call as its position"):format(name), function()
      local opened = helper.open()
      local orders = assert(opened:create_table {
        name = "one", partition_key = "id", stream = true,
      })
      local ok, err = pcall(call, opened, orders)
      local info = debug.getinfo(call, "S")
      assert.is_false(ok)
      local line = tonumber(tostring(err):match "bad_input_spec%.lua:(%d+): ")
      assert.is_truthy(line and line >= info.linedefined and line <= info.lastlinedefined,
        tostring(err))
    end)
  end

  it("with a name that is too long for a key is refused like an empty one", function()
    local opened = helper.open()
    for _, name in ipairs { "", ("n"):rep(256), ("n"):rep(100000) } do
      local err = refused("VALIDATION", opened:create_table { name = "two", partition_key = name })
      assert.match("1 to 255 bytes", err.message)
    end
    assert(opened:create_table { name = "two", partition_key = ("n"):rep(255) })
  end)
end)
