-- put_spec.lua - `tidetable put`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local function count()
  return shop.look("orders", function(orders) return #helper.collect(orders:scan()) end)
end

local function get(customer, placed_at)
  return shop.look("orders", function(orders)
    return (orders:get { customer = customer, placed_at = placed_at })
  end)
end

local function input(path, text, words)
  return command.shell(("$TIDETABLE put %s orders - %s <%s"):format(command.quote(path),
    words or "", command.quote(shop.file("in.json", text))))
end

describe("put", function()
  it("accepts a byte order mark, CRLF, and no line end at the end", function()
    local path = shop.make()
    assert.same({ status = 0, out = "", err = "" }, input(path,
      '\u{feff}{"customer":"cyd",\r\n"placed_at":7}\r\n{"customer":"cyd","placed_at":8}'))
    assert.same({ customer = "cyd", placed_at = 8 }, get("cyd", 8))
    assert.equal("tidetable put: standard input: no item\n", input(path, "\u{feff}\r\n").err)
  end)

  it("stores an item of attributes or of JSON", function()
    local path = shop.make()
    assert.equal("", command.must { "put", path, "orders", "customer=cyd", "placed_at=7",
      "status=12", "total:=12", 'tags:={"$SS":["a"]}' })
    assert.same({ customer = "cyd", placed_at = 7, status = "12", total = 12,
      tags = tidetable.set { "a" } }, get("cyd", 7))
    assert.equal("", command.must { "put", path, "orders", '{"customer":"cyd","placed_at":8}' })
    assert.equal("", command.must { "put", path, "orders", "--format", "dynamodb",
      '{"customer":{"S":"cyd"},"placed_at":{"N":"9"}}' })
    assert.same({ customer = "cyd", placed_at = 9 }, get("cyd", 9))
  end)

  it("shows the replaced item with --old", function()
    local path = shop.make()
    local words = { "put", path, "orders", "customer=ann", "placed_at=1", "--old" }
    assert.equal('{"customer":"ann","placed_at":1,"status":"open","total":1.5}\n',
      command.must(words))
    assert.equal('{"customer":"ann","placed_at":1}\n', command.must(words))
    words[5] = "placed_at=99"
    assert.equal("", command.must(words))
  end)

  it("stores an item only if the condition holds", function()
    local path = shop.make()
    local function words(placed_at, ...)
      return { "put", path, "orders", "customer=ann", "placed_at=" .. placed_at, "paid:=true",
        "--condition", ... }
    end
    command.refuses(5, ": The conditional request failed\n",
      words(1, "attribute_not_exists(customer)"))
    assert.is_nil(get("ann", 1).paid)
    assert.equal("", command.must(words(9, "attribute_not_exists(customer)")))
    assert.is_true(get("ann", 9).paid)
    assert.equal('{"customer":"ann","placed_at":2,"status":"open","total":3}\n',
      command.must(words(2, "#t = :t", "--names", '{"#t":"total"}', "--values", '{":t":3}',
        "--old")))
    assert.equal("", command.must { "put", path, "orders", "--format", "dynamodb", "--condition",
      "placed_at = :p", "--values", '{":p":{"N":"2"}}',
      '{"customer":{"S":"ann"},"placed_at":{"N":"2"}}' })
    command.refuses(1, "Invalid ConditionExpression: Syntax error", words(3, "a ="))
    command.refuses(1, "can only be specified when using expressions",
      { "put", path, "orders", "customer=ann", "placed_at=1", "--values", '{":p":1}' })
  end)

  it("requires the condition of every item on standard input", function()
    local path = shop.make()
    local condition = "--condition 'attribute_not_exists(customer)'"
    local ran = input(path, '{"customer":"cyd","placed_at":1}\n{"customer":"ann","placed_at":1}',
      condition)
    assert.same({ status = 5, out = "",
      err = "tidetable put: standard input: line 2: The conditional request failed\n" }, ran)
    assert.equal(6, count())
    ran = input(path, '{"customer":"cyd","placed_at":1}\n{"customer":"cyd","placed_at":2}',
      condition)
    assert.same({ status = 0, out = "", err = "" }, ran)
    assert.equal(8, count())
  end)

  it("stores the items on standard input, all or none", function()
    local path = shop.make()
    local ran = input(path, '{"customer":"a",\n "placed_at":1}\n{"customer":"b","placed_at":1} '
      .. '{"customer":"c","placed_at":1}')
    assert.same({ status = 0, out = "", err = "" }, ran)
    assert.equal(9, count())
    ran = input(path, '\n\n{"customer":"d","placed_at":1}\n\n{"customer":"e"}\n')
    assert.equal(1, ran.status)
    assert.is_truthy(ran.err:find("standard input: line 5: ", 1, true), ran.err)
    assert.is_truthy(ran.err:find("Missing the key placed_at", 1, true), ran.err)
    assert.equal(9, count())
    ran = input(path, '{"customer":{"S":"f"},"placed_at":{"N":"1"}}', "--format dynamodb")
    assert.same({ status = 0, out = "", err = "" }, ran)
    assert.same({ customer = "f", placed_at = 1 }, get("f", 1))
  end)

  it("names the place of an error on standard input", function()
    local path = shop.make()
    for text, message in pairs {
      [""] = "standard input: no item",
      [" \n "] = "standard input: no item",
      ['{"customer":"a",\n}'] =
        "standard input: line 2, column 1: expected a name in double quotes",
      ['{"customer":"a","placed_at":1}\n{"customer"'] = "standard input: line 2, column 12: ",
      ["\n[[]]"] = "standard input: line 2: expected an object, got an array",
      ["[]"] = "standard input: no item",
      ['[{"customer":"a","placed_at":1}\n'] =
        "standard input: line 2, column 1: missing end of the array that begins on line 1",
      ["\xff"] = "standard input: line 1, column 1: invalid UTF-8",
      ['{"customer":"a","placed_at":{"$B":"x"}}'] =
        "standard input: line 1: placed_at: invalid base64",
      ['{"customer":"a","placed_at":1,"v":"' .. ("x"):rep(409600) .. '"}'] =
        "standard input: line 1: ",
    } do
      local ran = input(path, text)
      assert.equal(1, ran.status, text:sub(1, 60))
      assert.is_truthy(ran.err:find(message, 1, true), ran.err)
    end
    assert.equal(6, count())
    command.refuses(2, "--old: not available with standard input",
      { "put", path, "orders", "-", "--old" })
  end)

  it("accepts no more than fits into one transaction", function()
    local path = shop.make()
    local ran = command.shell(("{ echo '{\"customer\":\"big\",\"placed_at\":1}'; "
      .. "head -c 33554432 /dev/zero | tr '\\0' ' '; } | $TIDETABLE put %s orders -")
      :format(command.quote(path)))
    assert.same({ status = 1, out = "", err = "tidetable put: standard input: more than 32 MiB\n  "
      .. "use 'tidetable import', which stores items in several transactions\n" },
      ran)
    assert.equal(6, count())
  end)

  it("fails if the table refuses the item", function()
    local path = shop.make()
    command.refuses(1, "Missing the key placed_at", { "put", path, "orders", "customer=ann" })
    command.refuses(1, "placed_at", { "put", path, "orders", "customer=a", 'placed_at:="1"' })
    command.refuses(1, "does not exist", { "put", path .. "x", "orders", "customer=a" })
    assert.is_nil(io.open(path .. "x"))
  end)

  it("waits no longer than --busy-timeout for another writer", function()
    local path = shop.make()
    local child = helper.child [[
      db:transact(function()
        print "busy"
        io.read()
        local until_then = os.clock() + 60
        while os.clock() < until_then do end
      end, { time_limit = 120 })
    ]]
    assert.equal("busy", child:line())
    command.refuses(1, "is writing", { "put", path, "orders", "customer=a", "placed_at=1",
      "--busy-timeout", "0.05" })
    child:kill()
  end)
end)
