-- create_spec.lua - `tidetable create`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

local function definition(name)
  return shop.look(name, function(found) return assert(found:definition()) end)
end

describe("create", function()
  it("creates a table, and the database", function()
    local path = helper.path()
    assert.equal("", command.must { "create", path, "customers", "id" })
    assert.same({ name = "customers", partition_key = { "id", "S" } }, definition "customers")
    assert.equal("", command.must { "create", path, "visits", "pa:ge:B", "at:N", "--stream",
      "NEW_IMAGE", "--retention", "7d", "--retention-size", "1 MiB", "--retention-count", "9",
      "--hold", "14d" })
    assert.same({ name = "visits", partition_key = { "pa:ge", "B" }, sort_key = { "at", "N" },
      stream = { view_type = "NEW_IMAGE",
        retention = { age = 604800, bytes = 1048576, count = 9 },
        hold = { age = 1209600, bytes = 1 << 30 } } }, definition "visits")
    assert.equal("", command.must { "create", path, "streamed", "id", "--stream", "KEYS_ONLY" })
    assert.same({ view_type = "KEYS_ONLY", retention = { age = 86400 },
      hold = { age = 604800, bytes = 1 << 30 } },
      definition "streamed".stream)
  end)

  it("accepts a table with the same definition with --if-not-exists", function()
    local path = shop.make()
    local function words(...)
      return { "create", path, "orders", "customer", ... }
    end
    local ran = command.refuses(1, "Table already exists: orders", words "placed_at:N")
    assert.truthy(ran.err:find("--if-not-exists accepts", 1, true))
    assert.equal("", command.must(words("placed_at:N", "--if-not-exists", "--stream", "KEYS_ONLY",
      "--retention", "7d")))
    ran = command.refuses(1, "orders: the stream differs from the definition\n",
      words("placed_at:N", "--if-not-exists"))
    assert.truthy(ran.err:find("'tidetable alter' changes it", 1, true))
    command.refuses(1, "orders: sort_key is placed_at (N), not placed_at (S)",
      words("placed_at", "--if-not-exists"))
    assert.equal("", command.must { "create", path, "more", "id", "--if-not-exists" })
    assert.same({ name = "more", partition_key = { "id", "S" } }, definition "more")
  end)

  it("refuses invalid arguments", function()
    local path = helper.path()
    for _, key in ipairs { "", ":N", "id:X", "id:" } do
      command.refuses(2, ("'%s': expected NAME or NAME:TYPE"):format(key),
        { "create", path, "orders", key })
    end
    command.refuses(2, "--retention: the table would have no stream",
      { "create", path, "orders", "id", "--retention", "7d" })
    command.refuses(2, "'week': invalid duration",
      { "create", path, "orders", "id", "--stream", "KEYS_ONLY", "--retention", "week" })
    command.refuses(2, "must be one of", { "create", path, "orders", "id", "--stream", "ALL" })
    assert.is_nil(io.open(path))
    command.refuses(1, "TableName must be", { "create", path, "o", "id" })
  end)
end)
