-- item_argument_spec.lua - keys and items on the command line.
local console = require "tidetable.cli.console"
local tidetable = require "tidetable"
local item_argument = require "tidetable.cli.item_argument"

local orders = { name = "orders", partition_key = { "customer", "S" },
  sort_key = { "placed_at", "N" } }
local files = { name = "files", partition_key = { "hash", "B" } }

local function misused(message, hint, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(console.is_failure(err), tostring(err))
  assert.is_true(err.is_usage)
  assert.equal(message, err.message)
  assert.equal(hint, err.hint)
end

describe("the arguments of an item", function()
  local function item(given, form)
    return item_argument.attributes(given, orders, form or "plain")
  end

  it("are text, except key attributes, which have their type", function()
    assert.same({ customer = "5", placed_at = 12, status = "12", note = "a=b" },
      item { "customer=5", "placed_at=12", "status=12", "note=a=b" })
    assert.equal(1.5, item { "placed_at=1.5" }.placed_at)
    assert.equal(tidetable.number "12345678901234567890",
      item { "placed_at=12345678901234567890" }.placed_at)
    assert.equal("", item { "note=" }.note)
    assert.equal("a\nb", item { "note=a\nb" }.note)
    assert.equal(tidetable.binary "\0\1",
      item_argument.attributes({ "hash=AAE=" }, files, "plain").hash)
  end)

  it("are JSON after :=", function()
    assert.same({ total = 12.5, ok = true, none = tidetable.null, list = { 1, { a = "b" } } },
      item { "total:=12.5", "ok:=true", "none:=null", 'list:=[1,{"a":"b"}]' })
    assert.equal(tidetable.set { "a" }, item { 'tags:={"$SS":["a"]}' }.tags)
    assert.equal(tidetable.set { "a" }, item({ 'tags:={"SS":["a"]}' }, "dynamodb").tags)
    assert.equal("a:=b", item { "note=a:=b" }.note)
  end)

  it("may be one JSON argument", function()
    assert.same({ customer = "ann", placed_at = 1 }, item { ' {"customer":"ann","placed_at":1}' })
    assert.same({ customer = "ann" }, item({ '{"customer":{"S":"ann"}}' }, "dynamodb"))
  end)

  it("are refused if they are malformed", function()
    local form = "an attribute is NAME=TEXT or NAME:=JSON; a whole item is one JSON argument"
    local json = "NAME:=VALUE expects JSON; use NAME=VALUE for text"
    misused("'ann': expected NAME=VALUE", form, item, { "ann" })
    misused("'=ann': expected NAME=VALUE", form, item, { "=ann" })
    misused("':=1': expected NAME=VALUE", form, item, { ":=1" })
    misused("'{}': expected NAME=VALUE", form, item, { "a=b", "{}" })
    misused("a: duplicate attribute", nil, item, { "a=b", "a:=1" })
    misused("total: line 1, column 1: expected a value, got \"twelve\"", json, item,
      { "total:=twelve" })
    misused("tags: expected an array, got a string", json, item, { 'tags:={"$SS":"a"}' })
    misused("placed_at: The parameter cannot be converted to a numeric value: x", nil, item,
      { "placed_at=x" })
    misused("line 1, column 3: expected a name in double quotes, got \"customer\"", nil, item,
      { "{ customer=1 }" })
    misused("customer: expected a number in a string: \"1\"", nil, item_argument.attributes,
      { '{"customer":{"N":1}}' }, orders, "dynamodb")
    misused("hash: expected a binary in base64", nil, item_argument.attributes, { "hash=x" },
      files,
      "plain")
  end)
end)

describe("the arguments of a key", function()
  it("are all key attributes and nothing else", function()
    local function key(...) return item_argument.key({ ... }, orders, "plain") end
    assert.same({ customer = "ann", placed_at = 1 }, key("customer=ann", "placed_at=1"))
    assert.same({ customer = "ann", placed_at = 1 }, key '{"customer":"ann","placed_at":1}')
    misused("key: missing attribute placed_at", "a whole key is customer=... placed_at=...", key,
      "customer=ann")
    misused("plced_at: not a key attribute of orders", "did you mean placed_at?", key,
      "customer=ann", "plced_at=1")
    misused("x: not a key attribute of orders", "its key is customer=... placed_at=...", key,
      "customer=ann", "placed_at=1", "x=1")
  end)

  it("of a query are the partition key and an optional sort key", function()
    local function partition(...) return item_argument.partition({ ... }, orders, "plain") end
    assert.same({ "ann" }, { partition "customer=ann" })
    assert.same({ "ann", 5 }, { partition("customer=ann", "placed_at=5") })
    misused("key: missing partition key customer", nil, partition, "placed_at=5")
    assert.same({ tidetable.binary "\0" },
      { item_argument.partition({ "hash=AA==" }, files, "plain") })
  end)

  it("are shown with quotes for the shell", function()
    assert.equal([['{"customer":"o'\''hara","placed_at":1}']],
      item_argument.quoted({ customer = "o'hara", placed_at = 1 }, "plain"))
  end)
end)
