-- json_spec.lua - tidetable.json: what its page promises. spec/model/json_spec.lua compares it with
-- a converter in Lua.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.json"
local tidetable = require "tidetable"

local number, binary, set, list = tidetable.number, tidetable.binary, tidetable.set, tidetable.list

helper.setup(before_each, after_each)

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
    err = select(2, json.decode('{"a":"' .. ("x"):rep(409600) .. '"}'))
    assert.equal("Item size has exceeded the maximum allowed size", err.message)
    err = select(2, json.decode('{"a":' .. ("["):rep(32) .. ("]"):rep(32) .. "}"))
    assert.equal("Nesting Levels have exceeded supported limits", err.reason)
  end)

  -- The locale has a decimal comma.
  it("is the same under de_DE", function()
    helper.open()
    local child = helper.child([[
      local json = require "tidetable.json"
      print(os.setlocale "de_DE.UTF-8" and ("%.1f"):format(1.5))
      print(json.encode(json.decode
        '{"a":1.5,"b":[1e-3,12345678901234567890.5],"c":{"$NS":[0.25]}}'))
      print(json.encode(
        json.decode('{"a":{"N":"1.5e1"},"b":{"N":"-.25"}}', "dynamodb"), "dynamodb"))
    ]], ("cd %s && (localedef -c -i de_DE -f UTF-8 ./de_DE.UTF-8; cd - ) >/dev/null 2>&1;"
      .. " export LOCPATH=$PWD; cd - >/dev/null"):format(helper.path ""))
    local comma, plain, typed = child:line(), child:line(), child:line()
    child:close()
    os.execute("rm -rf " .. helper.path "de_DE.UTF-8")
    assert.equal('{"a":1.5,"b":[0.001,12345678901234567890.5],"c":{"$NS":[0.25]}}', plain)
    assert.equal('{"a":{"N":"15"},"b":{"N":"-0.25"}}', typed)
    if comma ~= "1,5" then pending "localedef can't make a locale here" end
  end)

  it("raises for a wrong argument", function()
    helper.blames("expected an item (a table), got number", function() json.encode(5) end)
    helper.blames("expected a string, got table", function() json.decode {} end)
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

-- The core's functions for the command line.
describe("the lines of a query", function()
  local db, items

  before_each(function()
    db = helper.memory()
    items = assert(db:create_table { name = "items", partition_key = "p", sort_key = { "n", "N" } })
    assert(items:load(coroutine.wrap(function()
      for i = 1, 2500 do
        coroutine.yield { p = "p", n = i, a = i % 7, t = ("x"):rep(i % 100) }
      end
    end)))
  end)

  local function lines_of(query, form, first, before, after)
    local texts, total = {}, 0
    while true do
      local text, count = core.next_json(query, form, first, before, after)
      if not text then return table.concat(texts), total, #texts end
      texts[#texts + 1], total = text, total + count
    end
  end

  it("are those of its items", function()
    for _, options in ipairs { {}, { descending = true }, { limit = 1 }, { limit = 1700 },
      { filter = "a = ?", 3 }, { filter = "a = ?", 100 }, { projection = "n, a", limit = 12 } } do
      for _, form in ipairs { "plain", "dynamodb" } do
        local expected = {}
        for item in items:scan(options) do
          expected[#expected + 1] = "<" .. json.encode(item, form) .. ">"
        end
        local _, _, _, query = items:scan(options)
        local text, total, texts = lines_of(query, form, nil, "<", ">")
        assert.equal(table.concat(expected), text)
        assert.equal(#expected, total)
        assert.is_true(texts >= total // 1000)
        assert.equal(0, select("#", core.next_json(query, form, nil, "", "")))
      end
    end
  end)

  it("continue where an iteration has stopped", function()
    local next_item, _, _, query = items:query("p", { limit = 5 })
    next_item()
    assert.equal('{"n":2,"p":"p","a":2,"t":"xx"};{"n":3,"p":"p","a":3,"t":"xxx"};'
      .. '{"n":4,"p":"p","a":4,"t":"xxxx"};{"n":5,"p":"p","a":5,"t":"xxxxx"};',
      (lines_of(query, "plain", { "n", "p", "n" }, "", ";")))
    assert.is_nil(next_item())
  end)

  it("are read from a snapshot too", function()
    local snapshot = assert(core.snapshot(db.core, 60))
    assert(items:put { p = "p", n = 9999 })
    local query = assert(core.query(items.core, nil, "all", nil, nil, false, nil, nil, snapshot,
      false, { filter = "a < ?", 2 }))
    local text, total = lines_of(query, "plain", { "n" }, "", "\n")
    assert.equal('{"n":1,"a":1,"p":"p","t":"x"}', text:match "^[^\n]*")
    assert.equal(715, total)
    core.finish(query)
    core.finish(snapshot)
    assert.is_false((pcall(core.next_json, query, "plain", nil, "", "")))
  end)

  it("end when a hook reads the last items of the limit", function()
    local next_item, _, _, query = items:scan { limit = 2000 }
    for _ = 1, 500 do next_item() end
    debug.sethook(function()
      debug.sethook()
      lines_of(query, "plain", nil, "", "")
    end, "", 1)
    local count = 0
    while next_item() do count = count + 1 end
    debug.sethook()
    assert.is_true(count <= 1500)
  end)
end)

describe("the bytes of a text", function()
  it("are those of its item, with or without a wrapper", function()
    local bytes = core.values.encode { a = 1 }
    assert.equal(bytes, core.json_bytes('{"a":1}', "plain"))
    assert.equal(bytes, core.json_bytes('{"Item":{"a":{"N":"1"}}}', "dynamodb", "Item"))
    assert.equal(bytes, core.json_bytes(' { "Item" : {"a":1} } ', "plain", "Item"))
    for _, text in ipairs { '{"Item":{"a":1}', '{"Item":{"a":1},"b":2}', '{"Item":{"a":1}} x',
      '{"Item"}', '{"Item":', '{"It', "", "{}", '{"item":{}}', '{"Item":[]}', '["Item":{}}' } do
      assert.is_nil(core.json_bytes(text, "plain", "Item"))
    end
    assert.is_nil(core.json_bytes('{"a":1,"a":2}', "plain"))
  end)
end)
