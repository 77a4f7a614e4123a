-- compact_spec.lua - `tidetable compact`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"

helper.setup(before_each, after_each)

local function make()
  local db = helper.open()
  assert(db:create_table { name = "orders", partition_key = { "id", "N" } })
  assert(db:transact(function(tx)
    for id = 1, 2000 do
      tx:table("orders"):put { id = id, pad = ("x"):rep(300) }
    end
  end))
  assert(db:delete_table "orders")
  db:close()
  return helper.path(), lfs.attributes(helper.path(), "size")
end

describe("compact", function()
  it("shrinks the file and shows both sizes", function()
    local path, size = make()
    local said = command.must { "compact", path }
    assert.truthy(said:find("test.tide: [%d.]+ KiB, was [%d.]+ [KM]iB\n"), said)
    assert.is_true(lfs.attributes(path, "size") < size / 2)
    assert.is_true(helper.open():check().ok)
  end)

  it("shows the result with --json", function()
    local path, size = make()
    local facts = dkjson.decode(command.must { "compact", "--json", path })
    assert.equal(size, facts.source_bytes)
    assert.equal(lfs.attributes(path, "size"), facts.bytes)
  end)

  it("fails while the database is open, with a hint", function()
    local path = make()
    local db = helper.open()
    local ran = command.refuses(1, "is already open", { "compact", path })
    assert.truthy(ran.err:find("copy it with 'tidetable backup --compact'", 1, true))
    db:close()
    command.must { "compact", path }
  end)

  it("needs an existing database", function()
    command.refuses(1, "does not exist", { "compact", helper.path("none") })
    command.refuses(2, "not a database file", { "compact", ":memory:" })
  end)
end)
