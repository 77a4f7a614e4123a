-- query_spec.lua - `tidetable query`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

describe("query", function()
  local path

  before_each(function()
    path = shop.make()
  end)

  local function found(...)
    local numbers = {}
    for number in command.must({ "query", path, "orders", "customer=ann", ... })
        :gmatch '"placed_at":(%d+)' do
      numbers[#numbers + 1] = number
    end
    return table.concat(numbers, " ")
  end

  it("shows one partition by sort key", function()
    assert.equal("1 2 3 4 5", found())
    assert.equal("5 4 3 2 1", found "--reverse")
    assert.equal("3", found "placed_at=3")
    assert.equal("", command.must { "query", path, "orders", "customer=eve" })
  end)

  it("compares the sort key", function()
    assert.equal("1 2", found("--lt", "3"))
    assert.equal("1 2 3", found("--le", "3"))
    assert.equal("4 5", found("--gt", "3"))
    assert.equal("3 4 5", found("--ge", "3"))
    assert.equal("3 4 5", found "--ge=2.5")
    assert.equal("1 2 3 4 5", found "--ge=-5")
    assert.equal("2 3 4", found("--ge", "2", "--le", "4"))
    assert.equal("4 3 2", found("--ge", "2", "--le", "4", "--reverse"))
  end)

  it("finds sort keys with a prefix", function()
    local db = helper.open()
    local paths = assert(db:create_table { name = "paths", partition_key = "root",
      sort_key = "path" })
    for _, each in ipairs { "a", "a/b", "a/c", "ab" } do
      assert(paths:put { root = "r", path = each })
    end
    db:close()
    assert.equal('{"root":"r","path":"a/b"}\n{"root":"r","path":"a/c"}\n',
      command.must { "query", path, "paths", "root=r", "--begins-with", "a/" })
  end)

  it("continues where --limit ended", function()
    local ran = command.run { "query", path, "orders", "customer=ann", "--ge", "2", "--limit", "2" }
    assert.equal([[more items: continue with --start '{"customer":"ann","placed_at":3}']]
      .. "\n", ran.err)
    assert.equal("4 5", found("--ge", "2", "--limit", "2", "--start",
      '{"customer":"ann","placed_at":3}'))
  end)

  it("filters and projects, also with --limit", function()
    local function total(...)
      return found("--filter", "#t >= :t", "--names", '{"#t":"total"}', "--values", ...)
    end
    assert.equal("3 4 5", total '{":t":4.5}')
    assert.equal("5 4 3", total('{":t":4.5}', "--reverse"))
    assert.equal('{"customer":{"S":"ann"},"placed_at":{"N":"5"}}\n', command.must { "query", path,
      "orders", "customer=ann", "--filter", "#t > :t", "--names", '{"#t":"total"}', "--values",
      '{":t":{"N":"6"}}', "--projection", "customer,placed_at", "--format", "dynamodb" })
    assert.equal('{"placed_at":1}\n', command.must { "query", path, "orders", "customer=bob",
      "--projection", "placed_at" })
    local ran = command.run { "query", path, "orders", "customer=ann", "--filter", "#t >= :t",
      "--names", '{"#t":"total"}', "--values", '{":t":3}', "--limit", "2" }
    assert.equal([[more items: continue with --start '{"customer":"ann","placed_at":3}']]
      .. "\n", ran.err)
    assert.equal("4 5", total('{":t":3}', "--start", '{"customer":"ann","placed_at":3}'))
  end)

  it("accepts a key condition instead of the key", function()
    local values = '{":c":"ann",":p":3,":o":"open"}'
    local words = { "query", path, "orders", "--key-condition", "customer = :c AND placed_at > :p",
      "--filter", "#s = :o", "--names", '{"#s":"status"}', "--values", values, "--projection",
      "placed_at" }
    assert.equal('{"placed_at":4}\n{"placed_at":5}\n', command.must(words))
    words[#words + 1] = "--reverse"
    assert.equal('{"placed_at":5}\n{"placed_at":4}\n', command.must(words))
    command.refuses(2, "--key-condition: cannot be combined with a key or a comparison",
      { "query", path, "orders", "customer=ann", "--key-condition", "customer = :c" })
    command.refuses(2, "--key-condition: cannot be combined with a key or a comparison",
      { "query", path, "orders", "--ge", "1", "--key-condition", "customer = :c" })
    command.refuses(2, "--key-condition: '?' has no value",
      { "query", path, "orders", "--key-condition", "customer = ?" })
    command.refuses(1, "Invalid KeyConditionExpression",
      { "query", path, "orders", "--key-condition", "customer" })
    command.refuses(2, "key: missing partition key customer", { "query", path, "orders" })
  end)

  it("refuses invalid arguments", function()
    local function refuses(message, status, ...)
      command.refuses(status, message, { "query", path, "orders", ... })
    end
    refuses("key: missing partition key customer", 2, "placed_at=1")
    refuses("status: not a key attribute of orders", 2, "customer=ann", "status=open")
    refuses("cannot be combined", 2, "customer=ann", "--lt", "3", "--gt", "1")
    refuses("cannot be combined", 2, "customer=ann", "--ge", "3", "--le", "5", "--gt", "1")
    refuses("given and compared", 2, "customer=ann", "placed_at=1", "--lt", "3")
    refuses("placed_at: The parameter cannot be converted", 2, "customer=ann", "--lt", "x")
    refuses("BETWEEN", 1, "customer=ann", "--ge", "3", "--le", "2")
    refuses("begins_with", 1, "customer=ann", "--begins-with", "1")
    command.refuses(2, "files: no sort key",
      { "query", path, "files", "hash=AAE=", "--lt", "3" })
  end)
end)
