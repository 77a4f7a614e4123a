-- backup_spec.lua - db:backup and tidetable.compact, as documented in doc/modules/backup.md.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local function target(name)
  return helper.path(name or "copy.tide")
end

--- CRC-32C, one bit at a time.
local function crc32c(text)
  local crc = 0xffffffff
  for i = 1, #text do
    crc = crc ~ text:byte(i)
    for _ = 1, 8 do crc = crc >> 1 ~ (crc & 1 == 1 and 0x82f63b78 or 0) end
  end
  return crc ~ 0xffffffff
end

--- Returns the path of an unfinished copy with this name (doc/format.md).
local function part_of(name)
  local digits = "0123abcd"
  return target(("%s-part%s%08x"):format(name, digits, crc32c(digits .. name)))
end

--- Returns the names in the test's directory, except side files of databases and files of children.
local function files()
  local names = {}
  for name in lfs.dir(helper.path("")) do
    if not name:find("^%.") and not name:find("%-lock$") and not name:find("%-wake$")
      and not name:find("^child%d") then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function exists(name)
  return lfs.symlinkattributes(name, "mode") ~= nil
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  assert(file:close())
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- Fills a database: two tables, an ended and an enabled stream, deleted items and large items.
local function fill(db)
  local orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "number", "N" }, stream = true })
  for i = 1, 30 do
    assert(orders:put { customer = "ann", number = i, note = ("x"):rep(i * 100) })
  end
  assert(orders:delete { customer = "ann", number = 1 })
  assert(orders:disable_stream())
  assert(orders:put { customer = "bob", number = 1 })
  assert(orders:enable_stream { view_type = "NEW_IMAGE" })
  assert(orders:put { customer = "bob", number = 2 })
  local logs = assert(db:create_table { name = "logs", partition_key = "id" })
  assert(logs:put { id = "one" })
  return orders
end

--- Returns the complete content of a database, for a comparison.
local function everything(db)
  local all = { tables = assert(db:list_tables()), items = {}, records = {}, streams = {} }
  for _, name in ipairs(all.tables) do
    all.items[name] = helper.collect(assert(db:table(name)):scan())
  end
  for _, stream in ipairs(assert(db:list_streams())) do
    all.streams[#all.streams + 1] = stream
  end
  for record in db:stream():records { from = "TRIM_HORIZON" } do
    local copy = {}
    for name, value in pairs(record) do copy[name] = value end
    all.records[#all.records + 1] = copy
  end
  all.sequence_number = db:info().sequence_number
  return all
end

describe("backup", function()
  helper.setup(before_each, after_each)

  local db

  before_each(function()
    db = helper.open()
    fill(db)
  end)

  for _, compact in ipairs { false, true } do
    it("contains everything" .. (compact and ", compact" or ""), function()
      local facts = assert(db:backup(target(), { compact = compact }))
      local copy = helper.open(nil, target())
      assert.same(everything(db), everything(copy))
      assert.same({}, copy:check().problems)
      assert.equal(db:info().sequence_number, facts.sequence_number)
      assert.equal(copy:info().incarnation, facts.incarnation)
      assert.equal(db:info().database_id, facts.database_id)
      assert.equal(32, facts.items)
      assert.equal(32, facts.records)
      assert.is_true(facts.bytes > 0 and facts.bytes <= facts.source_bytes + 65536)
      assert.equal(0, facts.grown_bytes)
      assert.equal("number", type(facts.seconds))
      assert.same({ "copy.tide", "test.tide" }, files())
    end)
  end

  it("creates one file and no others", function()
    assert(db:backup(target()))
    for _, suffix in ipairs { "-wake", "-lock" } do
      assert.is_nil(lfs.attributes(target() .. suffix))
    end
  end)

  it("keeps the ids of records, and gives other ones to new records", function()
    local things = assert(db:create_table { name = "ids", partition_key = "id", stream = true })
    local function ids(database)
      local list = {}
      for record in assert(database:table("ids"):stream()):records() do
        list[#list + 1] = record.id
      end
      return list
    end
    assert(things:put { id = "1" })
    local info, first = db:info(), ids(db)[1]
    assert.equal(("%s/%s/%d"):format(info.database_id, info.incarnation, db:last_change()), first)
    local copies = { db }
    for i = 1, 3 do
      local path = target(("copy%d.tide"):format(i))
      assert(copies[i]:backup(path))
      copies[i + 1] = helper.open({}, path)
      if i == 2 then                           -- this one is copied without a change of its own
        assert.same(ids(copies[2]), ids(copies[3]))
      else
        assert(copies[i]:table("ids"):put { id = "more" .. i })
        assert(copies[i + 1]:table("ids"):put { id = "other" .. i })
      end
    end
    local seen, count = {}, 0
    for _, database in ipairs(copies) do
      assert.equal(first, ids(database)[1])
      for record in assert(database:table("ids"):stream()):records() do
        assert.is_true(seen[record.id] == nil or seen[record.id] == record.keys.id)
        count = count + (seen[record.id] and 0 or 1)
        seen[record.id] = record.keys.id
      end
      assert.same({}, assert(database:check()).problems)
    end
    assert.equal(5, count)
  end)

  it("has the same database id and another incarnation, and changes independently", function()
    assert(db:backup(target()))
    assert(db:backup(target("second.tide")))
    local copy, second = helper.open(nil, target()), helper.open(nil, target("second.tide"))
    local original = db:info()
    assert.equal(original.database_id, copy:info().database_id)
    assert.not_equal(original.incarnation, copy:info().incarnation)
    assert.not_equal(second:info().incarnation, copy:info().incarnation)
    local last = original.sequence_number
    assert(assert(copy:table("logs")):put { id = "two" })
    assert.is_true(copy:info().sequence_number > last)
    assert.equal(last, db:info().sequence_number)
    assert.is_nil(assert(db:table("logs")):get { id = "two" })
    assert(assert(db:table("orders")):put { customer = "bob", number = 3 })
    local after = helper.collect(db:stream():records { after = last })
    assert.same({ 3 }, { after[1].keys.number, after[2] })
    assert.same({}, helper.collect(copy:stream():records { after = last }))
  end)

  it("can be read by its owner only", function()
    assert(db:backup(target()))
    assert.equal("rw-------", lfs.attributes(target(), "permissions"))
  end)

  it("omits free pages if compact", function()
    local orders = assert(db:table("orders"))
    for i = 1, 200 do
      assert(orders:put { customer = "cat", number = i, note = ("y"):rep(3000) })
    end
    for i = 1, 200 do
      assert(orders:delete { customer = "cat", number = i })
    end
    assert(orders:disable_stream())
    local plain = assert(db:backup(target()))
    assert(db:delete_table("orders"))
    local compact = assert(db:backup(target("compact.tide"), { compact = true }))
    assert.is_true(compact.bytes < plain.bytes, compact.bytes .. " of " .. plain.bytes)
    assert.is_true(helper.open(nil, target("compact.tide")):check().ok)
  end)

  it("is a consistent state between two transactions while others write", function()
    local child = helper.child([[
      assert(db:create_table { name = "pairs", partition_key = "id",
        stream = { retention = { count = 100 } } })
      print "go"
      for n = 1, 1000000 do
        db:transact(function(tx)
          local both = tx:table("pairs")
          both:put { id = "a", n = n, pad = ("x"):rep(n % 5000) }
          both:put { id = "b", n = n }
        end)
      end]])
    assert.equal("go", child:line())
    local last = 0
    for i = 1, 6 do
      local facts = assert(db:backup(target(), { compact = i % 2 == 0, overwrite = true }))
      local copy <close> = helper.open(nil, target())
      local both = assert(copy:table("pairs"))
      local a, b = both:get { id = "a" }, both:get { id = "b" }
      if a or b then
        assert.equal(a.n, b.n)
        assert.is_true(a.n >= last)
        last = a.n
      end
      assert.same({}, copy:check().problems)
      assert.equal(facts.sequence_number, copy:info().sequence_number)
    end
    child:kill()
    assert.is_true(last > 0)
    assert.same({ "copy.tide", "test.tide" }, files())
  end)

  it("works on a read-only handle and on a database in memory", function()
    local path = db.path
    local before = everything(db)
    db:close()
    local reader = helper.open({ read_only = true }, path)
    assert(reader:backup(target()))
    assert.same(before, everything(helper.open(nil, target())))
    local memory = helper.memory()
    fill(memory)
    assert(memory:backup(target("memory.tide")))
    assert.same(everything(memory), everything(helper.open(nil, target("memory.tide"))))
  end)

  -- The target --------------------------------------------------------------------------------

  it("overwrites a database only with the option overwrite", function()
    assert(db:backup(target()))
    local old = read_file(target())
    local err = helper.refused("IN_USE", db:backup(target()))
    assert.is_truthy(err.message:find("already exists", 1, true))
    assert.equal(old, read_file(target()))
    assert(assert(db:table("logs")):put { id = "later" })
    assert(db:backup(target(), { overwrite = true }))
    assert.is_truthy(assert(helper.open(nil, target()):table("logs")):get { id = "later" })
    assert.same({ "copy.tide", "test.tide" }, files())
  end)

  it("never overwrites a file that is not a database", function()
    for _, text in ipairs { "", "a letter to my aunt" } do
      write_file(target(), text)
      helper.refused("NOT_DATABASE", db:backup(target(), { overwrite = true }))
      assert.equal(text, read_file(target()))
    end
    os.remove(target())
    lfs.mkdir(target())
    helper.refused("NOT_DATABASE", db:backup(target(), { overwrite = true }))
    lfs.rmdir(target())
    write_file(helper.path("victim"), "precious")
    assert(lfs.link(helper.path("victim"), target(), true))
    helper.refused("PERMISSION", db:backup(target(), { overwrite = true }))
    helper.refused("IN_USE", db:backup(target()))
    assert.equal("precious", read_file(helper.path("victim")))
    os.remove(target())
    helper.refused("NO_FILE", db:backup(helper.path("no/such/folder")))
  end)

  it("overwrites a damaged copy", function()
    assert(db:backup(target()))
    local file <close> = assert(io.open(target(), "r+b"))
    file:seek("set", 16 + 120) -- in both meta pages
    file:write(("\xff"):rep(16))
    file:seek("set", 4096 + 16 + 120)
    file:write(("\xff"):rep(16))
    file:flush()
    assert(db:backup(target(), { overwrite = true }))
    assert.is_true(helper.open(nil, target()):check().ok)
  end)

  it("never overwrites the database itself or its files", function()
    for _, suffix in ipairs { "", "-lock", "-wake" } do
      for _, overwrite in ipairs { false, true } do
        helper.refused("VALIDATION", db:backup(db.path .. suffix, { overwrite = overwrite }))
      end
    end
    assert(lfs.link(".", helper.path("here"), true))
    helper.refused("VALIDATION", db:backup(helper.path("here/test.tide"), { overwrite = true }))
    os.remove(helper.path("here"))
    assert.is_true(db:check().ok)
  end)

  it("does not replace a database that is open", function()
    assert(db:backup(target()))
    local open = helper.open(nil, target())
    helper.refused("BUSY", db:backup(target(), { overwrite = true }))
    open:close()
    local child = helper.child([[
      other = assert(tidetable.open(path:gsub("test", "copy"), {}))
      print "open"
      require "system".sleep(3600)]])
    assert.equal("open", child:line())
    local err = helper.refused("BUSY", db:backup(target(), { overwrite = true }))
    assert.equal(child.pid, err.pid)
    child:kill()
    assert(db:backup(target(), { overwrite = true }))
    assert.same({ "copy.tide", "test.tide" }, files())
  end)

  it("removes the temporary files of a killed copy, and no others", function()
    local left, others = part_of "copy.tide", target("copy.tide-part0123abcd01234567")
    for _, path in ipairs { left, left .. "-lock", left .. "-wake", others } do
      write_file(path, "")
    end
    assert(db:backup(target()))
    for _, path in ipairs { left, left .. "-lock", left .. "-wake" } do
      assert.is_false(exists(path), path)
    end
    assert.is_true(exists(others))
  end)

  -- Transactions and waiting ---------------------------------------------------------------------

  it("is refused inside a transaction, and waits for transactions of other handles", function()
    db:transact(function()
      helper.raises("NESTED", db.backup, db, target())
    end)
    local other = helper.open({ busy_timeout = 0.05 })
    db:transact(function()
      local err = helper.refused("BUSY", other:backup(target()))
      assert.equal("number", type(err.pid))
    end)
    assert.same({ "test.tide" }, files())
    assert(db:backup(target()))
  end)

  -- Progress --------------------------------------------------------------------------------------

  it("reports its progress", function()
    local phases, seen = {}, { copying = 1, verifying = 2, publishing = 3 }
    local before = 0
    for first = 1, 20000, 1000 do
      db:transact(function(tx)
        for i = first, first + 999 do
          tx:table("logs"):put { id = "number " .. i }
        end
      end)
    end
    local core, expected, given = require "tidetable.core", {}, {}
    local progress = core.backup_progress
    finally(function() core.backup_progress = progress end)
    function core.backup_progress(copy)
      expected[#expected + 1] = table.pack(progress(copy))
      return table.unpack(expected[#expected])
    end
    local facts = assert(db:backup(target(), { progress = function(phase, done, total)
      given[#given + 1] = { n = 3, phase, done, total }
      assert.is_true(seen[phase] >= before, phase)
      before = seen[phase]
      phases[#phases + 1] = phase
      assert.equal("integer", math.type(done))
      assert.equal("integer", math.type(total))
      assert.is_true(done >= 0 and done <= total)
    end }))
    assert.equal(20032, facts.items)
    assert.equal("copying", phases[1])
    assert.same(expected, given)
  end)

  it("ends if the progress function raises an error, and leaves no file", function()
    for _ = 1, 3 do
      local ok, err = pcall(db.backup, db, target(), { progress = function()
        error("enough", 0)
      end })
      assert.same({ false, "enough" }, { ok, err })
      assert.same({ "test.tide" }, files())
    end
    assert(assert(db:table("logs")):put { id = "lock is free" })
  end)

  it("ends if the database is closed during the copy", function()
    helper.raises("CLOSED", db.backup, db, target(), { progress = function() db:close() end })
    assert.same({ "test.tide" }, files())
  end)

  it("ends at Ctrl-C, and leaves no file", function()
    local child = helper.child([[
      local other <close> = assert(tidetable.open(path, { durability = "none", busy_timeout = 60 }))
      local ok, why = pcall(other.backup, other, path .. "-b", { progress = function()
        print "waiting"
      end })
      print(ok, why)]])
    db:transact(function()
      assert.equal("waiting", child:line())
      os.execute("kill -INT " .. child.pid)
      local line
      repeat line = child:line() until line ~= "waiting"
      assert.is_truthy(line:find("false.*interrupted!"), line)
    end, { time_limit = 60 })
    child:close()
    assert.same({ "test.tide" }, files())
  end)

  it("lets an event loop run", function()
    local cqueues = require "cqueues"
    local loop = cqueues.new()
    local ticks, ended, facts = 0, false, nil
    local other = helper.open({ busy_timeout = 60 })
    loop:wrap(function()
      facts = assert(other:backup(target()))
      ended = true
    end)
    loop:wrap(function()
      while not ended do
        ticks = ticks + 1
        cqueues.sleep(0.001)
      end
    end)
    db:transact(function() -- holds the write lock, so the copy waits
      for _ = 1, 30 do
        assert(loop:step(0.01))
      end
    end)
    assert(loop:loop())
    assert.is_true(ticks > 10)
    assert.equal(32, facts.items)
  end)

  it("uses the `wait` function of the database", function()
    local fds, ended = {}, nil
    local other = helper.open { wait = function(wakeup, seconds)
      fds[wakeup:pollfd()] = true
      assert.equal("r", wakeup:events())
      assert.is_true(seconds <= 1 and wakeup:timeout() <= 1)
      wakeup:clear()
      ended = wakeup:wait(seconds)
    end }
    assert(other:backup(target()))
    assert.is_true(ended)
    assert.equal("number", type(next(fds)))
  end)

  it("ends if another coroutine closes the database", function()
    local cqueues = require "cqueues"
    local loop = cqueues.new()
    local other = helper.open({ busy_timeout = 60 })
    local err
    loop:wrap(function()
      err = select(2, pcall(other.backup, other, target()))
    end)
    loop:wrap(function()
      cqueues.sleep(0.001)
      other:close()
    end)
    db:transact(function() -- holds the write lock, so the copy waits
      for _ = 1, 5 do
        assert(loop:step(0.01))
      end
    end)
    assert(loop:loop())
    assert.equal("CLOSED", err.code)
    assert.same({ "test.tide" }, files())
  end)

  -- Damage ----------------------------------------------------------------------------------------

  it("refuses to copy a damaged database", function()
    assert(assert(db:table("logs")):put { id = "needle in a haystack" })
    db:close()
    local text = read_file(target("test.tide"))
    local file <close> = assert(io.open(target("test.tide"), "r+b"))
    for at in text:gmatch("()needle in a haystack") do
      file:seek("set", at - 1)
      file:write("N")
    end
    file:flush()
    db = helper.open()
    for _, compact in ipairs { false, true } do
      local err = helper.refused("CORRUPT", db:backup(target(), { compact = compact }))
      assert.is_truthy(err.message:find("wrong checksum", 1, true), err.message)
    end
    assert.same({ "test.tide" }, files())
  end)

  -- Misuse ----------------------------------------------------------------------------------------

  it("blames misuse on its caller", function()
    helper.blames("expected a path, got nil", function() db:backup() end)
    helper.blames("path must not be empty", function() db:backup("") end)
    helper.blames("path must not be empty or contain a NUL byte", function() db:backup("a\0b") end)
    helper.blames('did you mean "compact"', function() db:backup(target(), { compakt = true }) end)
    helper.blames("overwrite", function() db:backup(target(), { overwrite = 1 }) end)
    db:close()
    helper.raises("CLOSED", db.backup, db, target())
  end)
end)

describe("compact", function()
  helper.setup(before_each, after_each)

  local db, before

  before_each(function()
    db = helper.open()
    fill(db)
    db:transact(function(tx)
      for i = 1, 3000 do
        tx:table("logs"):put { id = "number " .. i, pad = ("z"):rep(300) }
      end
    end)
    assert(db:delete_table("logs"))
    before = everything(db)
    before.info = db:info()
    db:close()
  end)

  it("uses the options wait and max_size", function()
    local core, waits, asked = require "tidetable.core", 0, nil
    local open = core.open
    finally(function() core.open = open end)
    function core.open(...)
      asked = select(5, ...)
      return open(...)
    end
    assert(tidetable.compact(db.path, { max_size = "48 MiB", wait = function(wakeup, seconds)
      waits = waits + 1
      wakeup:wait(seconds)
    end }))
    assert.equal(48 << 20, asked)
    assert.is_true(waits > 0)
  end)

  it("shrinks the file of the same database", function()
    local size = lfs.attributes(db.path, "size")
    local facts = assert(tidetable.compact(db.path))
    assert.equal(size, facts.source_bytes)
    assert.equal(lfs.attributes(db.path, "size"), facts.bytes)
    assert.is_true(facts.bytes < size / 2, facts.bytes .. " of " .. size)
    assert.equal("rw-------", lfs.attributes(db.path, "permissions"))
    assert.same({ "test.tide" }, files())
    local info = before.info
    assert.equal(info.incarnation, facts.incarnation)
    local again = helper.open()
    before.info = nil
    assert.same(before, everything(again))
    assert.equal(info.incarnation, again:info().incarnation)
    assert.equal(info.database_id, again:info().database_id)
    assert.same({}, again:check().problems)
    assert(assert(again:table("orders")):put { customer = "ann", number = 99 })
    assert.equal(99, helper.first(again:stream():records { after = info.sequence_number })
      .keys.number)
    again:close()
    assert(tidetable.compact(db.path)) -- a second time
  end)

  -- Puts items of two tables in turns and in random order, so that pages are split in the middle.
  -- Returns the size after compaction and the size of files in which each table was loaded alone.
  local function sizes_of(make_item, count)
    local path, order, random = helper.path("mixed.tide"), {}, math.random
    local function create(handle, name)
      return assert(handle:create_table { name = name, partition_key = "k", stream = true })
    end
    for i = 1, count do order[i] = i end
    for i = count, 2, -1 do
      local other = random(i)
      order[i], order[other] = order[other], order[i]
    end
    do
      local mixed <close> = helper.open(nil, path)
      local tables = { create(mixed, "first"), create(mixed, "second") }
      for from = 1, count, 500 do
        assert(mixed:transact(function(tx)
          for i = from, math.min(from + 499, count) do
            for n in ipairs(tables) do
              tx:table(n == 1 and "first" or "second"):put(make_item(order[i]))
            end
          end
        end))
      end
    end
    local bytes = assert(tidetable.compact(path)).bytes
    local alone = helper.open(nil, helper.path("alone.tide"))
    local i = 0
    assert(create(alone, "only"):load(function()
      i = i + 1
      return i <= count and make_item(i) or nil
    end))
    local twice = 2 * alone:info().file_bytes
    assert.same({}, helper.open(nil, path):check().problems)
    return bytes, twice
  end

  for name, make_item in pairs {
    ["interleaved tables"] = function(i) return { k = ("%08d"):format(i), v = ("x"):rep(100) } end,
    ["long keys"] = function(i)
      return { k = ("%08d"):format(i) .. ("k"):rep(1500), v = ("x"):rep(50) }
    end,
    ["items in parts"] = function(i) return { k = ("%08d"):format(i), v = ("x"):rep(5000) } end,
  } do
    it("fills pages as a fresh load does: " .. name, function()
      print(("pages of %s: SEED=%d"):format(name, SEED))
      math.randomseed(SEED)
      local bytes, fresh = sizes_of(make_item, name == "interleaved tables" and 10000 or 2000)
      assert.is_true(bytes <= fresh * 1.05, ("%d bytes, %d fresh"):format(bytes, fresh))
    end)
  end

  it("is refused while a process has the database open", function()
    local again = helper.open()
    local err = helper.refused("BUSY", tidetable.compact(db.path))
    assert.equal("number", type(err.pid))
    again:close()
    local child = helper.child "print 'open' require 'system'.sleep(3600)"
    assert.equal("open", child:line())
    err = helper.refused("BUSY", tidetable.compact(db.path))
    assert.equal(child.pid, err.pid)
    child:kill()
    assert(tidetable.compact(db.path))
  end)

  it("excludes other processes while it runs", function()
    local code
    assert(tidetable.compact(db.path, { progress = function(phase)
      assert.is_truthy(phase)
      code = select(3, tidetable.open(db.path))
    end }))
    assert.equal("BUSY", code)
    assert.same({ "test.tide" }, files())
  end)

  it("changes nothing if it is cancelled", function()
    -- The copy is made by a thread, which can have finished before the function is called.
    local bytes, is_cancelled, tries = read_file(db.path), false, 0
    while not is_cancelled and tries < 50 do
      assert.is_false((pcall(tidetable.compact, db.path, { progress = error })))
      assert.same({ "test.tide" }, files())
      is_cancelled, tries = #read_file(db.path) == #bytes, tries + 1
      if not is_cancelled then write_file(db.path, bytes) end
    end
    assert.is_true(is_cancelled)
    local again = helper.open()
    before.info = nil
    assert.same(before, everything(again))
  end)

  it("requires an existing database", function()
    helper.refused("NO_FILE", tidetable.compact(helper.path("none.tide")))
    write_file(helper.path("letter"), "a letter to my aunt")
    helper.refused("NOT_DATABASE", tidetable.compact(helper.path("letter")))
    helper.blames("expected a path", function() tidetable.compact() end)
    helper.blames("unknown option", function() tidetable.compact("x", { overwrite = true }) end)
  end)
end)
