-- limits_spec.lua - limits and defaults that the documentation states are those of the library.
--
-- A limit that can be reached quickly is tested by reaching it. Any other limit is compared with
-- the constant in the core.
local pages = require "spec.documentation.pages"
local source = require "spec.source"
local tidetable = require "tidetable"

local db, orders

before_each(function()
  db = assert(tidetable.open ":memory:")
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

after_each(function() db:close() end)

--- Fails unless a page contains this text. Line breaks count as blanks.
local function says(page, text)
  local prose = pages.prose(page):gsub("%s+", " ")
  assert.truthy(prose:find(text, 1, true), ("%s does not say %q"):format(page, text))
end

--- Returns the definition of a constant of the core, from any of its files.
local function constant(name)
  for _, path in ipairs(source.walk(".", "csrc")) do
    local text = source.read(".", path):match("\n#define " .. name .. "[ \t]+([^\n]*)")
    if text then return (text:gsub("%s*/%*.*$", "")) end
  end
  error("no constant " .. name)
end

local function is_refused(item)
  local ok, _, code = orders:put(item)
  return ok == nil and code == "VALIDATION"
end

describe("the documentation states", function()
  it("the limits of items", function()
    says("README.md", "| item | 400 KB by DynamoDB's rule, 31 maps or lists around a value")
    local rest = 400 * 1024 - #"id" - 1 - #"text"
    assert(orders:put { id = "a", text = ("x"):rep(rest) })
    assert.is_true(is_refused { id = "a", text = ("x"):rep(rest + 1) })
    local nested = { x = 1 }
    for _ = 2, 31 do nested = { x = nested } end
    assert(orders:put { id = "a", nested = nested })
    assert.is_true(is_refused { id = "a", nested = { x = nested } })
    says("doc/modules/types.md", "empty or longer than 65,535 bytes")
    assert(orders:put { id = "a", [("x"):rep(65535)] = 1 })
    assert.is_true(is_refused { id = "a", [("x"):rep(65536)] = 1 })
  end)

  it("the limits of keys and names", function()
    says("README.md", "partition key 2,048 bytes, sort key 1,024 bytes; types S, N, B")
    local long = assert(db:create_table {
      name = "long", partition_key = "id", sort_key = "place",
    })
    assert(long:put { id = ("x"):rep(2048), place = ("y"):rep(1024) })
    assert.is_nil((long:put { id = ("x"):rep(2049), place = "y" }))
    assert.is_nil((long:put { id = "x", place = ("y"):rep(1025) }))
    says("doc/modules/database.md", "3 to 255 characters of `a-z A-Z 0-9 _ - .`")
    for name, is_good in pairs {
      ["ab"] = false, ["a_-"] = true, [("x"):rep(255)] = true, [("x"):rep(256)] = false,
      ["a/b"] = false, ["A.9"] = true,
    } do
      assert.are.equal(is_good, db:create_table { name = name, partition_key = "id" } ~= nil, name)
    end
  end)

  it("the range of numbers", function()
    says("README.md", "38 digits, 1E-130 to 9.99E+125")
    assert(tidetable.number(("9"):rep(38)))
    assert.is_nil((tidetable.number(("9"):rep(39))))
    for text, is_good in pairs {
      ["1E-130"] = true, ["9E-131"] = false, ["9.99E+125"] = true, ["1E+126"] = false,
    } do
      assert.are.equal(is_good, tidetable.number(text) ~= nil, text)
    end
  end)

  it("the size of a transaction", function()
    local counted = "each change counts its old item once and its new item twice"
    says("README.md", "32 MiB, in which " .. counted)
    says("doc/modules/transaction.md", counted)
    says("doc/modules/transaction.md", "insert about 16 MB of large items, overwrite 10 MB with "
      .. "items of the same size, or delete 32 MB")
    local text = ("x"):rep(400000)
    --- Returns the number of MiB that fit into one transaction.
    local function fit(change)
      local count = 0
      local ok, err = pcall(db.transact, db, function(tx)
        local table = tx:table "orders"
        while true do
          change(table, tostring(count))
          count = count + 1
        end
      end)
      assert.are.same({ false, "TOO_BIG" }, { ok, err.code })
      return (count * #text) / 2 ^ 20
    end
    local function put(table, id) table:put { id = id, text = text } end
    local inserted = fit(put)
    assert.is_true(inserted > 15 and inserted <= 16, inserted)
    for first = 0, 80, 20 do
      assert(db:transact(function(tx)
        for id = first, first + 19 do put(tx:table "orders", tostring(id)) end
      end))
    end
    local other = ("y"):rep(400000)
    local overwritten = fit(function(table, id) table:put { id = id, text = other } end)
    assert.is_true(overwritten > 10 and overwritten < 11, overwritten)
    local deleted = fit(function(table, id) table:delete { id = id } end)
    assert.is_true(deleted > 31 and deleted <= 32, deleted)
  end)

  it("when an optimistic transaction gets TOO_BIG", function()
    says("doc/modules/transaction.md", "so `db:transact` returns TOO_BIG only at the end")
    local text, count = ("x"):rep(400000), 0
    local _, _, code = db:transact(function(tx)
      for id = 1, 50 do
        tx:table("orders"):put { id = tostring(id), text = text }
        count = count + 1
      end
    end, { mode = "optimistic" })
    assert.are.same({ "TOO_BIG", 50 }, { code, count })
  end)

  it("which results of a transaction fail an assert", function()
    says("doc/modules/database.md", "If `fn` returns `nil` or `false`, so does `db:transact`")
    assert.is_true(db:transact(function() end))
    assert.are.same({ n = 1 }, table.pack(db:transact(function() return nil end)))
    assert.is_false(db:transact(function() return false end))
  end)

  it("the defaults of open", function()
    says("README.md", "64 GiB by default (`max_size`, at most 64 TiB)")
    assert.are.equal(64 * 2 ^ 30, db:info().max_size)
    assert.are.equal("full", db:info().durability)
    local name = os.tmpname()
    local _, _, code = tidetable.open(name .. ".tide", { max_size = "65 TiB" })
    os.remove(name)
    assert.are.equal("VALIDATION", code)
    local description = assert(assert(orders:stream()):describe())
    assert.are.same({ age = 86400 }, description.retention)
    assert.are.equal("NEW_AND_OLD_IMAGES", description.view_type)
  end)

  it("which positions get AHEAD", function()
    says("README.md", "A position from another database is only recognized if it is greater than "
      .. "the last sequence number")
    for id = 1, 5 do assert(orders:put { id = tostring(id) }) end
    assert(orders:stream { after = 3 })
    assert(orders:stream { after = 6 })
    local _, _, code = orders:stream { after = 7 }
    assert.are.equal("AHEAD", code)
  end)

  it("the reader slots, and what a process takes of them", function()
    says("README.md", "1,024 reader slots: one for each process that has the database open, one "
      .. "for each snapshot that is held")
    local name = os.tmpname()
    local file <close> = assert(tidetable.open(name .. ".tide", { durability = "none" }))
    local items = assert(file:create_table { name = "items", partition_key = "id" })
    assert(items:put { id = "a" })
    assert.are.equal(1024, file:info().readers_max)
    local before = file:info().readers
    local held = {}
    for i = 1, 1024 - before do held[i] = items:scan { snapshot = true } end
    local _, _, code = file:info()
    assert.are.equal("READERS_FULL", code)
    assert.is_table(items:get { id = "a" })
    assert(items:put { id = "b" })
    file:close()
    for _, suffix in ipairs { "", ".tide", ".tide-lock", ".tide-wake" } do
      os.remove(name .. suffix)
    end
    assert.are.equal(1, before)
    assert.are.equal(1023, #held)
  end)

  it("the mode of the files", function()
    says("README.md", "its files have mode 0600")
    local name = os.tmpname()
    local file <close> = assert(tidetable.open(name .. ".tide"))
    for _, suffix in ipairs { ".tide", ".tide-lock", ".tide-wake" } do
      assert.are.equal("rw-------", require "lfs".attributes(name .. suffix, "permissions"))
    end
    file:close()
    for _, suffix in ipairs { "", ".tide", ".tide-lock", ".tide-wake" } do
      os.remove(name .. suffix)
    end
  end)

  it("the numbers of tables and streams", function()
    says("README.md", "10,000 tables; 20,000 streams")
    says("doc/modules/tidetable.md", "10,000 tables or 20,000 streams exist")
    assert.are.equal("10000", constant "TABLES_MAX")
    assert.are.equal("20000", constant "STREAMS_MAX")
  end)

  it("the limits of expressions", function()
    local rows = {
      { "text of an expression | 4,096 bytes", "EXPRESSION_BYTES_MAX", "4096" },
      { "operators in all expressions of a request | 300", "OPERATORS_MAX", "300" },
      { "operands in the list of an IN | 100", "IN_OPERANDS_MAX", "100" },
      { "steps of a path | 32", "PATH_STEPS_MAX", "32" },
      { "list index | 0 to 4,294,967,294", "LIST_INDEX_MAX", "4294967294u" },
      { "placeholder | 255 bytes", "PLACEHOLDER_BYTES_MAX", "255" },
    }
    for _, row in ipairs(rows) do
      says("doc/expressions.md", "| " .. row[1])
      assert.are.equal(row[3], constant(row[2]), row[2])
    end
  end)

  it("the limits of segments and truncations", function()
    local page = "doc/modules/table.md"
    says(page, "number of segments, 1 to 1,000,000")
    assert(orders:scan { segment = 0, total_segments = 1000000 })
    assert.are.equal("1000000", constant "TIDE_SEGMENTS_MAX")
    says(page, "that has skipped 100,000 items ends soon after")
    assert.are.equal("100000", constant "PAGE_SKIPPED")
    says(page, "one key in 1,024")
    assert.are.equal("1024", constant "STOP_DISTANCE")
    says(page, "in transactions of up to 1,000 items or about 1 MB")
    assert.are.equal("1000", constant "TRUNCATE_ITEMS")
    assert.are.equal("(1024 * 1024)", constant "TRUNCATE_BYTES")
  end)

  it("the versions of LMDB", function()
    says("README.md", "0.9.24 to 0.9.69 with robust mutexes")
    assert.are.equal("24", constant "LMDB_OLDEST_PATCH")
    assert.are.equal("70", constant "LMDB_NEXT_FORMAT_PATCH")
  end)
end)
