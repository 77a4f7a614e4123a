-- backup_spec.lua - `tidetable backup`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"

helper.setup(before_each, after_each)

local function make(items)
  local db = helper.open()
  assert(db:create_table { name = "orders", partition_key = { "id", "N" }, stream = true })
  assert(db:transact(function(tx)
    for id = 1, items or 3 do
      tx:table("orders"):put { id = id }
    end
  end))
  db:close()
  return helper.path(), helper.path("copy.tide")
end

local function exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

describe("backup", function()
  local on_terminal = command.on_terminal(it, pending)

  it("copies a database that is in use, and shows a summary", function()
    local path, target = make()
    helper.open(nil, path)
    local said = command.must { "backup", path, target }
    assert.truthy(said:find("copy.tide: [%d.]+ KiB, 3 items, 3 records, last sequence number 4\n"),
      said)
    local copy = helper.open(nil, target)
    assert.is_true(copy:check().ok)
    assert.same({ id = 2 }, assert(copy:table("orders")):get { id = 2 })
  end)

  it("shows the result with --json", function()
    local path, target = make()
    local facts = dkjson.decode(command.must { "backup", "--json", "--compact", path, target })
    assert.equal(3, facts.items)
    assert.equal(lfs.attributes(target, "size"), facts.bytes)
    assert.equal(helper.open(nil, target):info().incarnation, facts.incarnation)
  end)

  it("leaves out free pages with --compact only", function()
    local path, target = make()
    local db = helper.open(nil, path)
    assert(db:create_table { name = "much", partition_key = { "id", "N" } })
    for id = 1, 20 do assert(db:table("much"):put { id = id, text = ("x"):rep(100000) }) end
    assert(db:delete_table "much")
    db:close()
    local size = lfs.attributes(path, "size")
    command.must { "backup", path, target }
    assert.equal(size, lfs.attributes(target, "size"))
    command.must { "backup", "--compact", "-f", path, target }
    assert.is_true(lfs.attributes(target, "size") < size / 4)
  end)

  it("overwrites a database with --overwrite, and nothing else", function()
    local path, target = make()
    command.must { "backup", path, target }
    local ran = command.refuses(1, "copy.tide already exists", { "backup", path, target })
    assert.truthy(ran.err:find("--overwrite replaces it if it is a database", 1, true))
    command.must { "backup", "-f", path, target }
    command.refuses(1, "is a file of the database itself", { "backup", "-f", path, path })
    local letter = helper.path("letter")
    local file <close> = assert(io.open(letter, "w"))
    assert(file:write("Dear Ann,\n"):close())
    command.refuses(1, "not a tidetable database", { "backup", "-f", path, letter })
    local open = helper.open(nil, target)
    ran = command.refuses(1, "is already open", { "backup", "-f", path, target })
    assert.truthy(ran.err:find("when no process has it open", 1, true))
    open:close()
  end)

  it("waits for a writer, at most --busy-timeout", function()
    local path, target = make()
    local db = helper.open(nil, path)
    db:transact(function()
      local ran = command.refuses(1, "another writer holds the database",
        { "backup", path, target, "--busy-timeout", "0.05" })
      assert.truthy(ran.err:find("is writing: try again", 1, true), ran.err)
    end)
    assert.is_false(exists(target))
  end)

  it("needs two paths", function()
    command.refuses(2, "missing argument 'target'", { "backup", helper.path() })
    command.refuses(2, "not a database file", { "backup", helper.path(), ":memory:" })
    command.refuses(1, "does not exist", { "backup", helper.path("none"), helper.path("copy") })
  end)

  -- A writer blocks it, so it runs until --busy-timeout.
  on_terminal("shows its progress on a terminal, and removes it", function()
    local path, target = make()
    local db = helper.open(nil, path)
    local screen, status
    db:transact(function()
      screen, status = command.terminal({ "backup", path, target, "--busy-timeout", "1" })
    end)
    assert.equal(1, status)
    assert.truthy(screen:find("\rcopying ", 1, true), screen)
    assert.truthy(screen:find("\r\27[K", 1, true), screen)
  end)
end)
