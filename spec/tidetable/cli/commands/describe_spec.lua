-- describe_spec.lua - `tidetable describe`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local must, refuses = command.must, command.refuses

local function make()
  local db = helper.open()
  local orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" },
    stream = { view_type = "NEW_IMAGE", retention = { age = "36h", count = 1000 } } })
  assert(db:create_table { name = "plain", partition_key = { "id", "B" } })
  for i = 1, 3 do orders:put { customer = "ann", placed_at = i } end
  return db, orders
end

describe("describe", function()
  it("counts the items with --count, and shows the number and its time later", function()
    local db, orders = make()
    assert.is_nil(must({ "describe", helper.path(), "orders" }):find("items", 1, true))
    local said = must { "describe", helper.path(), "orders", "--count" }
    assert.truthy(said:find("\n  items    3 %(counted [%d-]+ [%d:]+, %d+s ago%)\n"), said)
    assert(orders:put { customer = "bob", placed_at = 1 })
    db:close()
    local tree = dkjson.decode(must { "describe", helper.path(), "orders", "--json" })
    assert.equal(3, tree.items)
    assert.is_true(math.abs(os.time() - tree.items_counted_at) < 600)
  end)

  it("shows a table and its streams", function()
    local db, orders = make()
    orders:disable_stream()
    orders:enable_stream { view_type = "KEYS_ONLY" }
    db:close()
    local said = must { "describe", helper.path(), "orders" }
    local function holds(...)
      for _, line in ipairs { ... } do assert.truthy(said:find(line), line .. " in\n" .. said) end
    end
    holds("^table orders\n", "\n  keys     customer %(S%), partition key\n",
      "\n           placed_at %(N%), sort key\n", "\nstream %S+  ENABLED\n",
      "\n  view type  KEYS_ONLY\n", "\n  records    none\n", "\nstream %S+  DISABLED\n",
      "\n  retention  1d 12h, 1,000 records\n",
      "\n  records    3 %([%d,]+ B%), sequence numbers 3 to 5\n", "\n  trimmed    nothing yet\n")
    assert.is_true(said:find("ENABLED", 1, true) < said:find("DISABLED", 1, true))
    assert.is_nil(said:find("\n  stream", 1, true))
    said = must { "describe", helper.path(), "plain" }
    holds("\n  keys     id %(B%), partition key\n", "\n  stream   none\n$")
  end)

  it("shows the difference between the clocks, as stats does", function()
    make():close()
    assert.is_nil(must({ "describe", helper.path(), "orders" }):find "clock")
    assert.is_nil(must({ "stats", helper.path() }):find "clock")
    for days, expected in pairs {
      [1000] = "clock +1000d %S* ?ahead of the wall clock, which was set back",
      [-10] = "clock +10d %S* ?behind the wall clock, which was set forward; not confirmed yet",
    } do
      local path = helper.path("clock" .. days .. ".tide")
      -- Half an hour more, so that the duration of the test does not matter.
      local clock = tidetable.manual_clock(os.time() + days * 86400 + (days > 0 and 1800 or -1800))
      local db = helper.open({ clock = clock }, path)
      assert(db:create_table { name = "orders", partition_key = "id", stream = true })
      db:close()
      for _, said in ipairs { must { "describe", path, "orders" }, must { "stats", path } } do
        assert.truthy(said:find(expected), said)
      end
      local tree = dkjson.decode(must { "describe", path, "orders", "--json" })
      assert.is_true(math.abs(tree.streams[1].retention_clock_lead - days * 86400) < 2000)
    end
  end)

  it("shows what has been trimmed", function()
    local db, orders = make()
    assert(orders:stream():set_retention { count = 1 })
    assert.equal(2, db:sweep())
    db:close()
    local said = must { "describe", helper.path(), "orders" }
    assert.truthy(said:find("\n  records    1 %([%d,]+ B%), sequence numbers 5 to 5\n"), said)
    assert.truthy(said:find("\n  trimmed    through 4\n$"), said)
  end)

  it("shows the same with --json", function()
    make():close()
    local tree = dkjson.decode(must { "describe", helper.path(), "orders", "--json" })
    assert.equal("orders", tree.name)
    assert.are.same({ "placed_at", "N" }, tree.sort_key)
    assert.equal(1, #tree.streams)
    assert.equal(129600, tree.streams[1].retention.age)
    assert.equal(5, tree.streams[1].last_sequence_number)
    local json = must { "describe", helper.path(), "plain", "--json" }
    assert.truthy(json:find('"streams":[]', 1, true), json)
  end)

  it("shows the streams of a deleted table", function()
    local db = make()
    assert(db:delete_table "orders")
    db:close()
    local said = must { "describe", helper.path(), "orders" }
    assert.truthy(said:find("^table orders  DELETED\nstream %S+  DISABLED\n"), said)
    local tree = dkjson.decode(must { "describe", helper.path(), "orders", "--json" })
    assert.equal("orders", tree.name)
    assert.is_nil(tree.partition_key)
    assert.equal(3, tree.streams[1].count)
    refuses(1, "no table nothing", { "describe", helper.path(), "nothing" })
  end)
end)
