-- tidetable_spec.lua - the module tidetable, as documented in doc/modules/tidetable.md.
local elapsed = require "tidetable.core".elapsed
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local path, refused, raises, misuse = helper.path, helper.refused, helper.raises, helper.misuse

local function write(name, bytes)
  local file = assert(io.open(path(name), "wb"))
  file:write(bytes)
  file:close()
  return path(name)
end

describe("the module", function()
  it("has a version", function()
    assert.equal("tidetable 0.1.0", tidetable._VERSION)
    local version = tidetable.version()
    assert.equal("0.1.0", version.tidetable)
    assert.equal(_VERSION, version.lua)
    assert.is_truthy(version.lmdb:find("^LMDB %d+%.%d+%.%d+: "))
    assert.is_nil(next(version, next(version, next(version, next(version)))))
  end)

  it("has the functions of the types", function()
    local types = require "tidetable.types"
    for _, name in ipairs { "null", "binary", "list", "map", "set", "number", "type" } do
      assert.equal(types[name], tidetable[name])
      assert.is_not_nil(tidetable[name])
    end
  end)
end)

describe("open", function()
  it("creates the database, and opens an existing one", function()
    local db = assert(tidetable.open(path()))
    assert.equal("file", lfs.attributes(path(), "mode"))
    assert(db:create_table { name = "orders", partition_key = "id" })
    db:close()
    local again <close> = assert(tidetable.open(path()))
    assert.are.same({ "orders" }, again:list_tables())
  end)

  it("returns a database that `local db <close>` closes", function()
    local kept
    do
      local db <close> = assert(tidetable.open(path()))
      kept = db
    end
    raises("CLOSED", kept.list_tables, kept)
  end)

  it("creates files that only their owner can access", function()
    helper.open()
    for _, suffix in ipairs { "", "-lock", "-wake" } do
      assert.equal("rw-------", lfs.attributes(path() .. suffix, "permissions"))
    end
  end)

  it("opens a new database in memory each time", function()
    local a, b = helper.memory(), helper.memory()
    assert(a:create_table { name = "orders", partition_key = "id" })
    assert.are.same({ "orders" }, a:list_tables())
    assert.are.same({}, b:list_tables())
    assert.equal(":memory:", a:info().path)
    assert.is_nil(lfs.attributes(":memory:"))
  end)

  it("with read_only writes and creates nothing", function()
    refused("NO_FILE", tidetable.open(path(), { read_only = true }))
    assert.is_nil(lfs.attributes(path()))
    local db = helper.open()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(orders:put { id = "a" })
    local reader = helper.open({ read_only = true })
    local seen = assert(reader:table "orders")
    assert.are.same({ id = "a" }, seen:get { id = "a" })
    assert.equal(1, #helper.collect(seen:stream():records()))
    refused("READ_ONLY", seen:put { id = "b" })
    refused("READ_ONLY", seen:delete { id = "a" })
    refused("READ_ONLY", seen:load { { id = "b" } })
    refused("READ_ONLY", reader:transact(function() error "not reached" end))
    refused("READ_ONLY", reader:create_table { name = "other", partition_key = "id" })
    refused("READ_ONLY", reader:delete_table "orders")
    refused("READ_ONLY", seen:enable_stream())
    refused("READ_ONLY", seen:disable_stream())
    refused("READ_ONLY", seen:stream():set_retention "1h")
    refused("READ_ONLY", reader:sweep())
    assert.is_true(reader:info().read_only)
    assert.is_false(db:info().read_only)
    assert.are.same({ id = "a" }, seen:get { id = "a" })
  end)

  it("without create returns NO_FILE", function()
    local err = refused("NO_FILE", tidetable.open(path(), { create = false }))
    assert.equal("ResourceNotFoundException", err.exception)
    assert.is_nil(lfs.attributes(path()))
    helper.open():close()
    assert(tidetable.open(path(), { create = false })):close()
  end)

  it("accepts each durability", function()
    for _, level in ipairs { "full", "one_flush", "none" } do
      local db <close> = assert(tidetable.open(path(level), { durability = level }))
      assert.equal(level, db:info().durability)
      assert(db:create_table { name = "orders", partition_key = "id" })
      assert(db:table "orders"):put { id = "a" }
      assert.is_true(db:sync())
    end
    local db <close> = assert(tidetable.open(path()))
    assert.equal("full", db:info().durability)
  end)

  it("lets the file grow to max_size and no further", function()
    local db = helper.open { max_size = "32 MiB" }
    assert.equal(32 << 20, db:info().max_bytes)
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local text, n, err, code, ok = ("x"):rep(100000), 0
    repeat
      n = n + 1
      ok, err, code = orders:put { id = tostring(n), text = text }
    until not ok or n > 1000
    refused("FULL", ok, err, code)
    assert.match("33554432 bytes %(max_size%)$", err.message)
    assert.is_false(err.retryable)
    -- Nothing was stored; reading, deleting and trimming still work.
    assert.is_nil(orders:get { id = tostring(n) })
    assert.equal(text, orders:get({ id = "1" }).text)
    assert.is_truthy(orders:delete { id = "1" })
    assert.equal(0, assert(db:sweep()))
    assert.is_true(db:delete_table "orders")
    assert.is_true(db:check().ok)
  end)

  describe("records max_size", function()
    local MIB = 1 << 20

    local function limits(opts)
      local db <close> = assert(tidetable.open(path(), opts))
      local info = db:info()
      return { info.max_size, info.max_bytes }
    end

    it("and uses it when none is given", function()
      assert.same({ 32 * MIB, 32 * MIB }, limits { max_size = "32 MiB" })
      assert.same({ 32 * MIB, 32 * MIB }, limits())
      assert.same({ 32 * MIB, 32 * MIB }, limits { read_only = true })
      assert.same({ 32 * MIB, 32 * MIB }, limits { durability = "none" })
    end)

    it("of the last handle that was opened for writing with one", function()
      assert.same({ 64 << 30, 64 << 30 }, limits())
      assert.same({ 32 * MIB, 32 * MIB }, limits { max_size = "32 MiB" })
      assert.same({ 8 * MIB, 8 * MIB }, limits { max_size = "8 MiB", read_only = true })
      assert.same({ 32 * MIB, 32 * MIB }, limits())
      assert.same({ 96 << 30, 96 << 30 }, limits { max_size = "96 GiB", durability = "none" })
      assert.same({ 96 << 30, 96 << 30 }, limits())
      local db <close> = assert(tidetable.open(path()))
      assert.is_true(db:check().ok)
    end)

    it("for all handles of a process", function()
      limits { max_size = "32 MiB" }
      local first <close> = assert(tidetable.open(path()))
      assert.same({ 32 * MIB, 32 * MIB }, limits())
      assert.same({ 32 * MIB, 32 * MIB }, limits { max_size = "32 MiB" })
      refused("OPTIONS", tidetable.open(path(), { max_size = "64 MiB" }))
      assert.equal(32 * MIB, first:info().max_size)
    end)

    it("in copies and compacted files", function()
      limits { max_size = "32 MiB" }
      local db = assert(tidetable.open(path()))
      assert(db:backup(path "copy.tide"))
      assert(db:backup(path "small.tide", { compact = true }))
      db:close()
      assert(tidetable.compact(path()))
      for _, name in ipairs { "copy.tide", "small.tide" } do
        local copy <close> = assert(tidetable.open(path(name)))
        assert.equal(32 * MIB, copy:info().max_size)
      end
      assert.same({ 32 * MIB, 32 * MIB }, limits())
    end)

    it("so that a script does not let a service's file grow beyond it", function()
      local service <close> = helper.open { max_size = "4 MiB" }
      assert(service:create_table { name = "orders", partition_key = "id" })
      local script = helper.child [[
        local orders, text, ok, err = db:table "orders", ("x"):rep(100000)
        for n = 1, 100 do
          ok, err = orders:put { id = tostring(n), text = text }
          if not ok then break end
        end
        print(err.code, err.message)]]
      assert.match("^FULL\t.*maximum size of 4194304 bytes %(max_size%)$", script:line())
    end)
  end)

  it("has the defaults of the page", function()
    local db <close> = assert(tidetable.open(path()))
    assert.equal(64 << 30, db:info().max_size)
    assert.equal(5, db.busy_timeout)
  end)

  it("refuses a file that is not a database", function()
    for name, bytes in pairs { text = ("hello\n"):rep(5000), short = "x",
        zeros = ("\0"):rep(65536) } do
      local before = write(name, bytes)
      refused("NOT_DATABASE", tidetable.open(before))
      local file <close> = assert(io.open(before, "rb"))
      assert.equal(bytes, file:read("a"))
    end
  end)

  it("refuses a directory, and a path without an existing directory", function()
    assert(lfs.mkdir(path "folder"))
    assert.is_nil((tidetable.open(path "folder")))
    refused("NO_FILE", tidetable.open(path "no/such/folder.tide"))
  end)

  it("raises an error for mistakes in the program", function()
    misuse("open: expected a path, got nil", tidetable.open)
    misuse("open: expected a path, got table", tidetable.open, {})
    misuse("open: path must not be empty or contain a NUL byte", tidetable.open, "")
    misuse("open: path must not be empty or contain a NUL byte", tidetable.open, "a\0b")
    misuse("open: options must be a table, got number", tidetable.open, path(), 3)
    misuse('unknown option "durabilty" (did you mean "durability"?)', tidetable.open, path(),
      { durabilty = "none" })
    misuse('option "durability" must be "full", "one_flush" or "none", got "maybe"', tidetable.open,
      path(), { durability = "maybe" })
    misuse('option "read_only" must be boolean', tidetable.open, path(), { read_only = 1 })
    misuse('option "create" must be boolean', tidetable.open, path(), { create = "yes" })
    misuse('option "create" must not be true with option "read_only"', tidetable.open,
      path(), { create = true, read_only = true })
    misuse('":memory:" is always created: option "create" must not be false', tidetable.open,
      ":memory:", { create = false })
    misuse('option "max_size" must be a number of bytes, or', tidetable.open, path(),
      { max_size = "64 GB" })
    misuse('option "max_size" must be a number of bytes, or', tidetable.open, path(),
      { max_size = 0 })
    misuse('option "busy_timeout" must be a number of seconds', tidetable.open, path(),
      { busy_timeout = -1 })
    misuse('option "wait" must be function', tidetable.open, path(), { wait = true })
    for _, wrong in ipairs { os.time, io.stdout } do
      misuse('option "clock" must be a clock of tidetable.manual_clock', tidetable.open, path(),
        { clock = wrong })
    end
    assert.is_nil(lfs.attributes(path()))
    helper.blames("unknown option", function() tidetable.open(path(), { sync = true }) end)
  end)

  it("is not damaged by a program that writes to closed standard streams", function()
    helper.open():close()
    local script = write("closed.lua", [[
      local db = assert(require "tidetable".open(...))
      io.stdout:write(("out "):rep(50)):flush()
      io.stderr:write(("err "):rep(50))]])
    local line = ("env LUA_PATH='%s' LUA_CPATH='%s' %s %s %s <&- >&- 2>&-"):format(package.path,
      package.cpath, os.getenv("LUA") or "lua5.4", script, path())
    assert(os.execute(line))
    assert.is_true(helper.open():check().ok)
  end)
end)

describe("two handles in a process", function()
  it("share one database", function()
    local a, b = helper.open(), helper.open()
    local mine = assert(a:create_table { name = "orders", partition_key = "id", stream = true })
    local yours = assert(b:table "orders")
    assert(mine:put { id = "a" })
    assert.are.same({ id = "a" }, yours:get { id = "a" })
    assert(yours:put { id = "b" })
    assert.are.same({ "a", "b" }, helper.field("id", mine:scan()))
    assert.equal(2, #helper.collect(mine:stream():records()))
    a:close()
    assert.are.same({ id = "a" }, yours:get { id = "a" })
    raises("CLOSED", mine.get, mine, { id = "a" })
    assert(yours:put { id = "c" })
    assert.equal(3, #helper.collect(yours:stream():records()))
    assert.is_true(b:check().ok)
  end)

  it("may use different paths", function()
    local a = helper.open()
    local b = helper.open(nil, (path():gsub("/([^/]*)$", "/./%1")))
    assert(a:create_table { name = "orders", partition_key = "id" })
    assert.are.same({ "orders" }, b:list_tables())
    assert.equal(a:info().database_id, b:info().database_id)
    assert(lfs.link(path(), path "link.tide", true))
    refused("PERMISSION", tidetable.open(path "link.tide"))
  end)

  it("must agree in durability, max_size and clock", function()
    helper.open { max_size = "64 MiB" }
    local err = refused("OPTIONS", tidetable.open(path(), { durability = "full",
      max_size = "64 MiB" }))
    assert.equal("ValidationException", err.exception)
    refused("OPTIONS", tidetable.open(path(), { durability = "none", max_size = "65 MiB" }))
    refused("OPTIONS", tidetable.open(path(), { durability = "none", max_size = "64 MiB",
      clock = tidetable.manual_clock(1) }))
    helper.open { max_size = 64 << 20 }
  end)

  it("share one clock", function()
    local clock = tidetable.manual_clock(1000)
    local a, b = helper.open { clock = clock }, helper.open { clock = clock }
    refused("OPTIONS", tidetable.open(path(), { durability = "none",
      clock = tidetable.manual_clock(1000) }))
    assert(a:create_table { name = "orders", partition_key = "id" })
    assert.equal(1000, b:table("orders"):describe().created_at)
  end)
end)

describe("another version of Lua", function()
  it("gets a message that names the required versions", function()
    local file = assert(package.searchpath("tidetable", package.path))
    local older = setmetatable({ _VERSION = "Lua 5.1" }, { __index = _G })
    local ok, err = pcall(assert(loadfile(file, "t", older)))
    assert.is_false(ok)
    assert.match("tidetable requires Lua 5.4 or 5.5, this is Lua 5.1", err)
    -- The old Lua must be able to compile the whole file before it runs this line.
    for line in io.lines(file) do
      assert.is_nil(line:find "<%a+>" or line:find "[^-]//" or line:find "^%s*goto ", line)
    end
  end)
end)

describe("an error", function()
  it("is an object with a text, and can be concatenated", function()
    local db = helper.memory()
    local ok, err, code = db:table "nothing"
    refused("NOT_FOUND", ok, err, code)
    assert.equal("ResourceNotFoundException", err.exception)
    assert.match("tidetable_spec.lua:%d+$", err.where)
    assert.equal(err.where .. ": NOT_FOUND: " .. err.message, tostring(err))
    assert.equal("so: " .. tostring(err) .. "!", "so: " .. err .. "!")
    assert.is_nil(err.pid)
    assert.is_nil(err.first)
    assert.is_nil(err.last)
  end)

  it("is shown completely by assert", function()
    helper.open()
    local child = helper.child "print(select(2, pcall(assert, db:table 'nothing')))"
    assert.is_truthy(child:line():find "^[^:]+:%d+: NOT_FOUND: .*nothing")
  end)

  -- lua prints an uncaught error object as its text, without a traceback.
  it("has the line of the program that called, whether returned or raised", function()
    local db = helper.memory()
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    local returned = {
      "orders:put { id = 1 }", "db:table 'none'", "tidetable.number 'x'",
      "orders:load { { id = 'a' }, { id = 2 } }",
    }
    local raised = {
      "for _ in orders:query(1) do end", "db:transact(function() db:sweep() end)",
      "db:transact(function(tx) tx:table 'none' end)",
      "coroutine.wrap(function() assert(db:table 'none') end)()",
      "db:close() orders:get { id = 'a' }",
    }
    local function check(text, err)
      assert.equal("shop.lua:2", err.where, text)
      assert.equal(1, tostring(err):find("shop.lua:2: " .. err.code .. ": ", 1, true))
    end
    local function program(text)
      return assert(load("local db, orders, tidetable = ...\n" .. text, "@shop.lua"))
    end
    for _, text in ipairs(returned) do
      local _, err = program("local ok, err = " .. text .. " return ok, err")(db, orders, tidetable)
      check(text, err)
    end
    for _, text in ipairs(raised) do
      local _, err = pcall(program(text), db, orders, tidetable)
      check(text, err)
    end
  end)

  it("has the system's error number if there is one", function()
    local err = refused("NO_FILE", tidetable.open(path "no/such/folder.tide"))
    assert.equal(2, err.errno)
    assert.is_truthy(err.message:find("No such file or directory", 1, true))
    assert.is_nil(refused("NO_FILE", tidetable.open(path(), { create = false })).errno)
  end)

  it("READERS_FULL is returned to the 1,024th reader, and is retryable", function()
    local db = helper.memory()
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    assert(orders:put { id = "a" })
    local held, ok, err = {}, true, nil
    while ok and #held < 2000 do
      local loop = table.pack(pcall(orders.scan, orders, { snapshot = true }))
      ok, err = loop[1], loop[2]
      held[#held + 1] = ok and loop or nil
    end
    assert.equal(1023, #held)
    assert.equal("READERS_FULL", err.code)
    assert.is_true(err.retryable)
    assert.are.same({ id = "a" }, orders:get { id = "a" })
    do
      local _ <close> = table.remove(held)[5]
    end
    assert.equal("a", helper.first(orders:scan { snapshot = true }).id)
  end)

  it("names the attribute of an item", function()
    local db = helper.memory()
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    local err = refused("VALIDATION", orders:put { id = "a", tags = { 1, 2, { name = print } } })
    assert.is_truthy(err.message:find("^tags%[3%]%.name: "), err.message)
    assert.equal("ValidationException", err.exception)
  end)

  it("BUSY names the writer's process, and is retryable", function()
    local db = helper.open { busy_timeout = 0.1 }
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    local child = helper.child [[
      db:transact(pause, { time_limit = 60 })
      print "out"
    ]]
    child:paused()
    local before = elapsed()
    local err = refused("BUSY", orders:put { id = "a" })
    assert.is_true(err.retryable)
    assert.equal(child.pid, err.pid)
    assert.equal("ThrottlingException", err.exception)
    assert.is_true(elapsed() - before < 4.5)     -- the default is 5
    refused("BUSY", db:transact(function() end))
    refused("BUSY", db:create_table { name = "other", partition_key = "id" })
    refused("BUSY", orders:load { { id = "a" } })
    refused("BUSY", db:sweep())
    assert.is_nil(orders:get { id = "a" })       -- readers never wait
    child:go()
    assert.equal("out", child:line())
    assert.is_truthy(orders:put { id = "a" })
  end)

  it("BUSY is not returned if the writer ends in time; the waiting writer sleeps", function()
    local db = helper.open { busy_timeout = 60 }
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    local child = helper.child [[
      db:transact(function(tx)
        print "in"
        local deadline = os.clock() + 0.3
        while os.clock() < deadline do end
        tx:table "orders":put { id = "b" }
      end, { time_limit = 60 })
    ]]
    assert.equal("in", child:line())
    local before = os.clock()
    assert.is_truthy(orders:put { id = "a" })
    assert.is_true(os.clock() - before < 0.15, "it was busy while it waited")
    assert.is_not_nil(orders:get { id = "b" })
  end)

  it("BUSY has no pid if no process holds the lock: another process removed the file", function()
    local child = helper.child [[
      pause()
    ]]
    child:paused()
    assert(os.remove(helper.path()))
    local err = refused("BUSY", tidetable.open(helper.path(), { durability = "none" }))
    assert.equal(helper.path() .. " was removed, but another process still has the file open",
      err.message)
    assert.is_nil(err.pid)
    child:go()
    child:close()
    helper.open()
  end)

  it("BUSY is returned at once with a busy_timeout of 0", function()
    local db, other = helper.open { busy_timeout = 0 }, helper.open { busy_timeout = 0 }
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    db:transact(function()
      refused("BUSY", other:table("orders"):put { id = "a" })
      helper.raises("NESTED", orders.put, orders, { id = "a" })
    end)
  end)
end)

describe("the database of a killed writer", function()
  it("is unlocked, and contains nothing uncommitted", function()
    local db = helper.open()
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    local child = helper.child([[
      db:transact(function(tx)
        tx:table "orders":put { id = "b" }
        print "in"
        while true do end
      end, { time_limit = 60 })
    ]])
    assert.equal("in", child:line())
    child:kill()
    assert.is_truthy(orders:put { id = "a" })
    assert.are.same({ "a" }, helper.field("id", orders:scan()))
    assert.is_true(db:check().ok)
  end)
end)

describe("a writer that waits for a killed one", function()
  it("continues soon without a notification", function()
    local db = helper.open { busy_timeout = 60 }
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    local child = helper.child([[
      db:transact(function() print "in" while true do end end, { time_limit = 60 })
    ]])
    assert.equal("in", child:line())
    local before = elapsed()
    os.execute(("(sleep 0.1; kill -9 %d) & "):format(child.pid))
    assert.is_truthy(orders:put { id = "a" })
    assert.is_true(elapsed() - before < 30)
  end)
end)

describe("a closed handle", function()
  it("raises CLOSED, and so does every object made from it", function()
    local db = helper.open()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(orders:put { id = "a" })
    local stream, all = assert(orders:stream()), assert(db:stream())
    local wakeup = assert(db:wakeup())
    local scan, state = orders:scan()
    local records, feed = stream:records()
    local follow = stream:records { follow = true, from = "LATEST", timeout = 0 }
    db:close()
    db:close()
    for _, name in ipairs { "list_tables", "list_streams", "sweep", "check", "info", "sync",
        "wakeup" } do
      raises("CLOSED", db[name], db)
    end
    raises("CLOSED", db.table, db, "orders")
    raises("CLOSED", db.delete_table, db, "orders")
    raises("CLOSED", db.transact, db, print)
    raises("CLOSED", db.create_table, db, { name = "other", partition_key = "id" })
    for _, name in ipairs { "describe", "enable_stream", "disable_stream", "stream", "scan",
        "scan_page" } do
      raises("CLOSED", orders[name], orders)
    end
    raises("CLOSED", orders.put, orders, { id = "b" })
    raises("CLOSED", orders.get, orders, { id = "a" })
    raises("CLOSED", orders.delete, orders, { id = "a" })
    raises("CLOSED", orders.query, orders, "a")
    raises("CLOSED", orders.query_page, orders, "a")
    raises("CLOSED", orders.load, orders, { { id = "c" } })
    for _, each in ipairs { stream, all } do
      for _, name in ipairs { "records", "transactions", "describe", "wakeup", "next" } do
        raises("CLOSED", each[name], each)
      end
    end
    raises("CLOSED", stream.set_retention, stream, "1h")
    raises("CLOSED", scan, state)
    raises("CLOSED", records, feed)
    raises("CLOSED", follow)
    raises("CLOSED", wakeup.pollfd, wakeup)
    raises("CLOSED", wakeup.wait, wakeup, 0)
    raises("CLOSED", wakeup.clear, wakeup)
    wakeup:close()
    assert.equal("tidetable.database: " .. path() .. " (closed)", tostring(db))
  end)
end)

describe("a manual clock", function()
  it("keeps its time until it is changed", function()
    local clock = tidetable.manual_clock(1000.5)
    assert.equal(1000.5, clock:now())
    clock:advance(2)
    assert.equal(1002.5, clock:now())
    clock:advance(0.001)
    assert.equal(1002.501, clock:now())
    clock:set(10)
    assert.equal(10, clock:now())
    clock:reboot()
    assert.equal(10, clock:now())
    assert.is_truthy(tostring(clock):find("clock", 1, true))
  end)

  it("is the time of everything in its database", function()
    local clock = tidetable.manual_clock(1700000000.123)
    local db = helper.memory { clock = clock }
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert.equal(1700000000.123, orders:describe().created_at)
    assert.equal("2023-11-14T22:13:20.123", orders:stream().label)
    clock:advance(5)
    assert(orders:put { id = "a" })
    assert.equal(1700000005.123, assert(orders:stream():next()).created_at)
  end)

  it("accepts numbers of seconds", function()
    for _, wrong in ipairs { "x", -1, 0 / 0, math.huge } do
      helper.blames("manual_clock: expected a number of seconds since 1970, got "
        .. tostring(wrong), function() tidetable.manual_clock(wrong) end)
    end
    local clock = tidetable.manual_clock(0)
    misuse("expected seconds from 0 to 1e14", clock.advance, clock, -1)
    misuse("expected seconds from 0 to 1e14", clock.set, clock, 1e300)
  end)

  it("is kept by the database when its Lua handle is collected", function()
    local db = helper.memory { clock = tidetable.manual_clock(77) }
    collectgarbage()
    collectgarbage()
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    assert.equal(77, orders:describe().created_at)
  end)
end)
