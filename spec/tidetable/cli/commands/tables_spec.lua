-- tables_spec.lua - `tidetable tables`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local open = require "tidetable.cli.open_database"

helper.setup(before_each, after_each)

local function make()
  local db = helper.open()
  assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
  assert(db:create_table { name = "files", partition_key = { "odd \27name", "B" } })
  db:close()
  return helper.path()
end

describe("tables", function()
  local on_terminal = command.on_terminal(it, pending)

  it("are names in a pipe", function()
    assert.equal("files\norders\n", command.must { "tables", make() })
  end)

  it("are described with --json, one per line", function()
    local lines = {}
    for line in command.must({ "tables", make(), "--json" }):gmatch("[^\n]+") do
      lines[#lines + 1] = dkjson.decode(line)
    end
    assert.equal(2, #lines)
    assert.equal("files", lines[1].name)
    assert.are.same({ "placed_at", "N" }, lines[2].sort_key)
    assert.equal("NEW_AND_OLD_IMAGES", lines[2].stream.view_type)
    assert.is_nil(lines[2].items)
    local line = command.must({ "tables", helper.path(), "--json", "--count" }):match "[^\n]+"
    assert.equal(0, dkjson.decode(line).items)
  end)

  on_terminal("are shown in columns on a terminal", function()
    local path = make()
    local db = helper.open()
    assert(db:table("orders"):count_items())
    db:close()
    local screen = command.terminal { "tables", path }
    assert.truthy(screen:find("\27[1morders\27[0m", 1, true))
    assert.equal([[
TABLE   PARTITION KEY   SORT KEY     ITEMS  STREAM
files   "odd \ename" B                   -  no stream
orders  customer S      placed_at N      0  NEW_AND_OLD_IMAGES
]], command.plain(screen))
    assert.truthy(command.terminal({ "tables", helper.path() }, { columns = 30 })
      :find("placed_at…", 1, true) == nil)
  end)

  it("are only those that still exist", function()
    local db = helper.open()
    for _, name in ipairs { "left", "middle", "right" } do
      assert(db:create_table { name = name, partition_key = "id" })
    end
    local found = open.tables {
      path = helper.path(),
      list_tables = function()
        local names = db:list_tables()
        assert(db:delete_table "middle")
        return names
      end,
      table = function(_, name) return db:table(name) end,
    }
    assert.same({ "left", "right" }, { found[1].description.name, found[2].description.name })
    assert.is_nil(found[3])
  end)

  it("are none in an empty database, which is not an error", function()
    helper.open():close()
    assert.equal("", command.must { "tables", helper.path() })
    assert.equal("", command.must { "tables", helper.path(), "--json" })
  end)
end)
