-- update_spec.lua - `tidetable update`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

describe("update", function()
  local path

  before_each(function()
    path = shop.make()
  end)

  local function words(...)
    return { "update", path, "orders", "customer=ann", "placed_at=2", ... }
  end

  local function get(placed_at)
    return shop.look("orders", function(orders)
      return (orders:get { customer = "ann", placed_at = placed_at })
    end)
  end

  it("changes attributes of an item, or creates it", function()
    assert.equal("", command.must(words("SET #s = :s REMOVE #t", "--names",
      '{"#s":"status","#t":"total"}', "--values", '{":s":"paid"}')))
    assert.same({ customer = "ann", placed_at = 2, status = "paid" }, get(2))
    assert.equal("", command.must { "update", path, "orders", "--values", '{":n":1}',
      '{"customer":"ann","placed_at":9}', "ADD n :n" })
    assert.same({ customer = "ann", placed_at = 9, n = 1 }, get(9))
    assert.equal("", command.must { "update", path, "orders", "--format", "dynamodb", "--values",
      '{":n":{"N":"2"}}', '{"customer":{"S":"ann"},"placed_at":{"N":"9"}}', "ADD n :n" })
    assert.equal(3, get(9).n)
    assert.equal("", command.must { "update", path, "files", "hash=AAE=", "REMOVE #s",
      "--names", '{"#s":"size"}' })
    shop.look("files", function(files)
      for item in files:scan() do
        assert.is_nil(item.size)
      end
    end)
  end)

  it("gives its record a context and an origin, as put and delete do", function()
    local annotation = { "--context", '{"user":"ann","n":1}', "--origin", "shell" }
    command.must(words("SET a = :a", "--values", '{":a":1}', table.unpack(annotation)))
    command.must { "put", path, "orders", "customer=eve", "placed_at=1",
      table.unpack(annotation) }
    local ran = command.shell("echo '" .. '{"customer":"eve","placed_at":2}'
      .. '{"customer":"eve","placed_at":3}' .. "' | $TIDETABLE put " .. path
      .. [[ orders - --context '{"user":"ann","n":1}' --origin shell]])
    assert.same({ "", 0 }, { ran.err, ran.status })
    command.must { "delete", path, "orders", "customer=eve", "placed_at=1",
      table.unpack(annotation) }
    local records = shop.look("orders", function(orders)
      local found = {}
      for record in orders:stream():records() do found[#found + 1] = record end
      return found
    end)
    for i = #records - 4, #records do
      assert.same({ { user = "ann", n = 1 }, "shell" }, { records[i].context, records[i].origin })
    end
    command.refuses(2, "--context: ", words("REMOVE a", "--context", "{"))
    command.refuses(2, "'': expected a string of 1 to 64 printable ASCII characters",
      words("REMOVE a", "--origin", "")) -- it was reported as a bug, with a traceback
    command.refuses(1, "larger than 4,096 bytes",
      words("REMOVE a", "--context", ('{"a":"%s"}'):format(("x"):rep(4096))))
  end)

  it("shows what --return-values asks for", function()
    local function shown(which, ...)
      return command.must(words("ADD n :n", "--values", '{":n":1}', "--return-values", which, ...))
    end
    assert.equal("", shown "NONE")
    assert.equal('{"n":1}\n', shown "UPDATED_OLD")
    assert.equal('{"n":3}\n', shown "UPDATED_NEW")
    assert.equal('{"customer":"ann","placed_at":2,"n":3,"status":"open","total":3}\n',
      shown "ALL_OLD")
    assert.equal('{"customer":"ann","placed_at":2,"n":5,"status":"open","total":3}\n',
      shown "ALL_NEW")
    assert.equal('{"n":{"N":"6"}}\n', command.must(words("ADD n :n", "--values",
      '{":n":{"N":"1"}}', "--return-values", "UPDATED_NEW", "--format", "dynamodb",
      "--busy-timeout", "1")))
    assert.equal("n  7\n", shown("UPDATED_NEW", "--format", "text"))
    command.refuses(2, "must be one of", words("REMOVE a", "--return-values", "OLD"))
  end)

  it("writes only if the condition holds", function()
    local function update_if(status)
      return words("REMOVE #t", "--condition", "#s = :s", "--names",
        '{"#s":"status","#t":"total"}', "--values", ('{":s":"%s"}'):format(status))
    end
    command.refuses(5, "The conditional request failed", update_if "paid")
    assert.equal(3, get(2).total)
    assert.equal("", command.must(update_if "open"))
    assert.is_nil(get(2).total)
  end)

  it("refuses invalid arguments", function()
    command.refuses(2, "missing argument 'key'", { "update", path, "orders" })
    command.refuses(2, "missing argument 'expression'",
      { "update", path, "orders", "customer=ann" })
    command.refuses(2, "key: missing attribute placed_at",
      { "update", path, "orders", "customer=ann", "REMOVE a" })
    command.refuses(2, "status: not a key attribute", words("status=open", "REMOVE a"))
    command.refuses(2, "expression: '?' has no value", words "SET a = ?")
    command.refuses(1, "Invalid UpdateExpression: Syntax error", words "SET a")
    command.refuses(1, "Cannot update attribute placed_at", words("SET placed_at = :p", "--values",
      '{":p":1}'))
    command.refuses(1, "no table nothing", { "update", path, "nothing", "a=1", "REMOVE a" })
    assert.same({ customer = "ann", placed_at = 2, status = "open", total = 3 }, get(2))
  end)
end)
