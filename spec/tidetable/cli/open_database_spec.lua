-- open_database_spec.lua - what a command does to open its database and its table.
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"
local open = require "tidetable.cli.open_database"

helper.setup(before_each, after_each)

local function failure(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(console.is_failure(err), tostring(err))
  return err
end

describe("a database", function()
  it("is opened read-only, and not created", function()
    local path = helper.path()
    assert.equal(("the database %s does not exist"):format(path),
      failure(open.database, { database = path }).message)
    helper.open():close()
    local reading = open.database { database = path }
    assert.is_true(reading:info().read_only)
    reading:close()
    local writing <close> = open.database({ database = path }, { durability = "full" })
    assert.is_false(writing:info().read_only)
  end)
end)

describe("a table", function()
  it("that does not exist has a hint with a similar name", function()
    local db = helper.memory()
    assert.equal("the database has no tables", failure(open.table, db, "orders").hint)
    assert(db:create_table { name = "orders", partition_key = "id" })
    assert.equal("orders", open.table(db, "orders").name)
    local err = failure(open.table, db, "ordres")
    assert.equal(":memory:: no table ordres", err.message)
    assert.equal("did you mean orders?", err.hint)
    assert.equal("did you mean orders?", failure(open.table, db, "Orders!").hint)
    assert.equal("to list its tables: tidetable tables :memory:",
      failure(open.table, db, "something").hint)
  end)
end)
