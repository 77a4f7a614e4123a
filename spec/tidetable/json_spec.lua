-- json_spec.lua - tidetable.json: what its page promises. spec/model/json_spec.lua compares it with
-- a converter in Lua.
local helper = require "spec.tidetable.helper"
local json = require "tidetable.json"
local tidetable = require "tidetable"

local number, binary, set, list = tidetable.number, tidetable.binary, tidetable.set, tidetable.list

describe("json", function()
  it("writes and reads all types in both forms", function()
    local item = {
      s = "a\n\u{2028}", n = 1.5, big = number "12345678901234567890123456789012345678",
      b = binary "hello", t = true, z = tidetable.null, l = list { 1, list {} },
      m = { x = { y = {} } }, ss = set { "b", "a" }, ns = set { 2, -1 }, bs = set { binary "\0" },
    }
    assert.equal('{"b":{"$B":"aGVsbG8="},"big":12345678901234567890123456789012345678,'
      .. '"bs":{"$BS":["AA=="]},"l":[1,[]],"m":{"x":{"y":{}}},"n":1.5,"ns":{"$NS":[-1,2]},'
      .. '"s":"a\\n\\u2028","ss":{"$SS":["a","b"]},"t":true,"z":null}', json.encode(item))
    for _, form in ipairs { "plain", "dynamodb" } do
      local read = assert(json.decode(assert(json.encode(item, form)), form))
      assert.is_true(tidetable.equal(item, read))
    end
  end)

  it("has the plain form unless another one is named", function()
    assert.equal(json.encode({ a = 1 }), json.encode({ a = 1 }, "plain"))
    assert.same({ a = { N = "1" } }, json.decode '{"a":{"N":"1"}}')
    assert.same({ a = 1 }, json.decode('{"a":{"N":"1"}}', "dynamodb"))
  end)

  it("returns only the item", function()
    assert.equal(1, select("#", json.decode "{}"))
  end)

  it("reports the position of a defect", function()
    local item, err, code = json.decode '{"a": [1,\n 2,,]}'
    assert.is_nil(item)
    assert.equal("VALIDATION", code)
    assert.equal("line 2, column 4: expected a value, got ','", err.message)
    assert.same({ 14, 2, 4 }, { err.position, err.line, err.column })
    assert.equal("SerializationException", err.exception)
    assert.is_nil(err.path)
    item, err, code = json.decode('{"a":{"L":[{"N":"x"}]}}', "dynamodb")
    assert.is_nil(item)
    assert.equal("VALIDATION", code)
    assert.equal("a[1]: The parameter cannot be converted to a numeric value: x", err.message)
    assert.same({ 17, "a[1]" }, { err.position, err.path })
    assert.equal("ValidationException", err.exception)
    assert.is_nil(err.line)
  end)

  it("refuses what can't be stored", function()
    local text, err, code = json.encode { a = { b = "\xff" } }
    assert.is_nil(text)
    assert.equal("VALIDATION", code)
    assert.truthy(err.message:find("a.b: a string must be UTF-8", 1, true))
    _, err = json.decode('{"a":"' .. ("x"):rep(409600) .. '"}')
    assert.equal("Item size has exceeded the maximum allowed size", err.message)
    _, err = json.decode('{"a":' .. ("["):rep(32) .. ("]"):rep(32) .. "}")
    assert.equal("Nesting Levels have exceeded supported limits", err.reason)
  end)

  it("raises for a wrong argument", function()
    helper.blames("an item (a table) expected, got number", function() json.encode(5) end)
    helper.blames("a string expected, got table", function() json.decode {} end)
    for _, name in ipairs { "encode", "decode" } do
      helper.blames('form must be "dynamodb" or "plain", got xml', function()
        json[name](name == "encode" and {} or "{}", "xml")
      end)
    end
  end)

  it("is used again by a finalizer", function()
    local done = 0
    for i = 1, 200 do
      setmetatable({}, { __gc = function()
        assert(json.decode('{"other":"' .. ("y"):rep(i) .. '"}').other == ("y"):rep(i))
        done = done + 1
      end })
      local text = '{"a":["' .. ("x"):rep(i) .. '",{"b":[' .. ("1,"):rep(i) .. "2]}]}"
      local read = assert(json.decode(text))
      assert.equal(text, json.encode(read))
    end
    collectgarbage()
    assert.equal(200, done)
  end)
end)
