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

describe("the consumers", function()
  it("are described in byte order", function()
    local db = helper.memory()
    assert.same({}, open.consumers(db))
    for _, name in ipairs { "b", "a", "C" } do assert(db:consumer(name, { source = "*" })) end
    local names = {}
    for i, each in ipairs(open.consumers(db)) do names[i] = each.name end
    assert.same({ "C", "a", "b" }, names)
  end)

  it("do not include one that is deleted during the call", function()
    local db = helper.memory()
    for _, name in ipairs { "a", "b" } do assert(db:consumer(name, { source = "*" })) end
    assert(db:consumer "a":delete())
    function db.list_consumers() return { "a", "b" } end
    local found = open.consumers(db)
    assert.same({ 1, "b" }, { #found, found[1].name })
  end)

  it("end the command if one cannot be read", function()
    local db = helper.memory()
    assert(db:consumer("a", { source = "*" }))
    function db.consumer() return nil, { code = "CORRUPT", message = "damaged" }, "CORRUPT" end
    assert.matches("damaged", failure(open.consumers, db).message)
  end)
end)
