-- database_spec.lua - temporary databases of tidetable.testing: files, handles, reopening, misuse.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local function exists(path) return lfs.attributes(path) ~= nil end
local function directory_of(db) return db.path:match "^(.*)/[^/]*$" end

local spec = { name = "orders", partition_key = "id" }

describe("a temporary database", function()
  it("lies in a directory of its own, which is removed when it is closed", function()
    local directory
    do
      local db <close> = testing.database { tables = { spec, { name = "stock",
        partition_key = "id" } } }
      directory = directory_of(db)
      assert.equal("rwx------", lfs.attributes(directory, "permissions"))
      assert.same({ "orders", "stock" }, db:list_tables())
      assert.equal("none", db:info().durability)
      assert(db:backup(directory .. "/copy.tide"))
      assert(lfs.mkdir(directory .. "/more"))
      local other <close> = testing.database()
      assert.not_equal(directory, directory_of(other))
    end
    assert.is_false(exists(directory))
  end)

  it("is removed when the last of its handles is closed, in any order", function()
    for first = 1, 3 do
      local db = testing.database { tables = { spec }, durability = "one_flush" }
      local handles = { db, testing.handle(db), testing.handle(db, { durability = "one_flush" }) }
      local directory = directory_of(db)
      assert(db:table "orders":put { id = "a" })
      for i = 0, 2 do
        local handle = handles[(first + i - 1) % 3 + 1]
        assert.is_truthy(handle:table "orders":get { id = "a" })
        handle:close()
        handle:close()
        assert.equal(i < 2, exists(directory))
      end
    end
  end)

  it("can be closed and opened again", function()
    local db = testing.database { tables = { spec }, busy_timeout = 0.25 }
    assert(db:table "orders":put { id = "a" })
    local again = testing.reopen(db)
    helper.raises("CLOSED", db.info, db)
    assert.is_truthy(again:table "orders":get { id = "a" })
    assert.equal(0.25, again.busy_timeout)
    local read_only = testing.reopen(again, { read_only = true })
    assert.is_true(read_only:info().read_only)
    local directory = directory_of(db)
    read_only:close()
    assert.is_false(exists(directory))
  end)

  it("is removed when its directory is collected without close", function()
    local db = testing.database()
    local directory = directory_of(db)
    db = nil -- luacheck: ignore 311
    for _ = 1, 3 do collectgarbage() end
    assert.is_false(exists(directory))
  end)

  it("can be in memory", function()
    local db <close> = testing.database { memory = true, tables = { spec } }
    assert.equal(":memory:", db.path)
    assert.same({ "orders" }, db:list_tables())
    helper.blames("handle: a database in memory has one handle",
      function() testing.handle(db) end)
    helper.blames("reopen: a database in memory has one handle",
      function() testing.reopen(db) end)
  end)

  it("leaves nothing if it cannot be created", function()
    local before = os.getenv "TMPDIR" or "/tmp"
    local function count()
      local n = 0
      for name in lfs.dir(before) do n = n + (name:find "^tidetable%-" and 1 or 0) end
      return n
    end
    local n = count()
    helper.blames("partition_key is missing",
      function() testing.database { tables = { { name = "orders" } } } end)
    helper.raises("IN_USE", testing.database, { tables = { spec, spec } })
    helper.blames("unknown option", function() testing.database { durable = true } end)
    assert.is_true(count() <= n)
  end)

  it("raises misuse", function()
    helper.blames("database: expected a table of options", function() testing.database(1) end)
    helper.blames('database: option "tables"', function() testing.database { tables = 1 } end)
    local own <close> = assert(tidetable.open ":memory:")
    for _, wrong in ipairs { own, 1 } do
      helper.blames("handle: expected a database of testing.database",
        function() testing.handle(wrong) end)
    end
    local db = testing.database()
    db:close()
    helper.blames("reopen: the database was removed when its last handle was closed",
      function() testing.reopen(db) end)
  end)
end)
