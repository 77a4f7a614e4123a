-- json_text_spec.lua - parser and writer of JSON: exactly RFC 8259, and every digit.
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local json_text = require "tidetable.dynamodb.json_text"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local function refuses(json, line, column, reason)
  local value, err, code = json_text.decode(json)
  assert.is_nil(value, json)
  assert.equal("VALIDATION", code)
  assert.equal("SerializationException", err.exception)
  assert.equal(reason, err.reason)
  assert.same({ line, column }, { err.line, err.column }, json)
  assert.equal(("line %d, column %d: %s"):format(line, column, reason), err.message)
end

describe("reading", function()
  it("returns tidetable's values", function()
    assert.equal("a", json_text.decode ' "a" ')
    assert.is_true(json_text.decode "true")
    assert.is_false(json_text.decode "false")
    assert.equal(tidetable.null, json_text.decode "null")
    assert.same({ a = { 1, tidetable.list {} } }, json_text.decode '{ "a" : [ 1 , [ ] ] }')
    assert.equal("L", tidetable.type(json_text.decode "[]"))
    assert.equal("M", tidetable.type(json_text.decode "{}"))
    assert.equal("L", tidetable.type(json_text.decode "[[]]"))
  end)

  it("keeps every digit of a number", function()
    for json, expected in pairs {
      ["0"] = 0, ["-0"] = 0, ["-7"] = -7, ["1.0"] = 1, ["1.5"] = 1.5, ["1e2"] = 100,
      ["25E-1"] = 2.5,
      ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger,
      ["0.30000000000000004"] = 0.1 + 0.2, ["0e999"] = 0,
    } do
      local value = json_text.decode(json)
      assert.equal(expected, value, json)
      assert.equal(math.type(expected), math.type(value), json)
    end
    for _, digits in ipairs { "9223372036854775808", "12345678901234567890123456789012345678",
      "0.12345678901234567890123456789012345678", "-19.990000000000000000001" } do
      local value = json_text.decode(digits)
      assert.equal(tidetable.number(digits), value)
      assert.equal(digits, tostring(value))
    end
  end)

  it("reads every escape, and pairs of surrogates", function()
    assert.equal('"\\/\b\f\n\r\t', json_text.decode [["\"\\\/\b\f\n\r\t"]])
    assert.equal("A\0é漢\u{1F30A}x", json_text.decode [["\u0041\u0000\u00e9\u6F22\ud83c\udf0Ax"]])
    assert.equal("é漢\127\u{10FFFF}", json_text.decode '"é漢\127\u{10FFFF}"')
  end)

  it("reports line and column of an error, in characters", function()
    refuses("", 1, 1, "expected a value, got the end")
    refuses("tru", 1, 1, 'expected a value, got "tru"')
    refuses("trueish", 1, 1, 'expected a value, got "trueish"')
    refuses("{} {}", 1, 4, "expected the end, got '{'")
    refuses('{"é":1\n ;}', 2, 2, "expected ',' or '}', got ';'")
    refuses('["é" "a"]', 1, 6, "expected ',' or ']', got '\"'")
    refuses('[1,]', 1, 4, "expected a value, got ']'")
    refuses('{"a":1,}', 1, 8, "expected a name in double quotes, got '}'")
    refuses("{a:1}", 1, 2, 'expected a name in double quotes, got "a"')
    refuses('{"a" 1}', 1, 6, "expected ':', got \"1\"")
    refuses('{"a"', 1, 5, "expected ':', got the end")
    refuses('[1\n', 2, 1, "expected ',' or ']', got the end")
    refuses('{"a":1,"b":{},"a":2}', 1, 15, 'duplicate name "a"')
    refuses('{"a":1,"\\u0061":2}', 1, 8, 'duplicate name "a"')
    refuses('"abc', 1, 1, "unterminated string")
    refuses('"ab\\', 1, 4, "invalid escape: \\ and the end")
    refuses('"ab\\n', 1, 1, "unterminated string")
    refuses('"\\x"', 1, 2, 'invalid escape: \\ and "x"')
    refuses('"\\u12g4"', 1, 2, "invalid escape: expected four hexadecimal digits after \\u")
    refuses('"\\ud800"', 1, 2, "\\ud800: unpaired surrogate")
    refuses('"\\ud800\\u0041"', 1, 2, "\\ud800: unpaired surrogate")
    refuses('"\\udc00\\ud800"', 1, 2, "\\udc00: unpaired surrogate")
    refuses('"a\tb"', 1, 3, "a control character (9) in a string must be escaped")
    refuses('"a\nb"', 1, 3, "a control character (10) in a string must be escaped")
    refuses('"\\n\0"', 1, 4, "a control character (0) in a string must be escaped")
    refuses("\0", 1, 1, "expected a value, got a control character (0)")
    refuses('"a\xff"', 1, 3, "invalid UTF-8")
    refuses('"\xed\xa0\x80"', 1, 2, "invalid UTF-8")
    refuses('"\xc0\x80"', 1, 2, "invalid UTF-8")
    refuses("/* no */ 1", 1, 1, "expected a value, got '/'")
    refuses("\u{feff}1", 1, 1, "expected a value, got '\u{feff}'")
    refuses("NaN", 1, 1, 'expected a value, got "NaN"')
    refuses(("["):rep(101), 1, 101, "more than 100 nested levels")
    refuses(("["):rep(1000000), 1, 101, "more than 100 nested levels")
  end)

  it("refuses numbers of other grammars", function()
    local no_number = "invalid number"
    refuses("01", 1, 1, no_number)
    refuses("-", 1, 1, no_number)
    refuses("-01", 1, 1, no_number)
    refuses("-a", 1, 1, no_number)
    refuses("1.", 1, 1, "invalid number: expected a digit after the point")
    refuses("1.e5", 1, 1, "invalid number: expected a digit after the point")
    refuses("1e", 1, 1, "invalid number: expected a digit after the e")
    refuses("1e+", 1, 1, "invalid number: expected a digit after the e")
    refuses("+1", 1, 1, "expected a value, got '+'")
    refuses(".5", 1, 1, "expected a value, got '.'")
    refuses("1.2.3", 1, 4, "expected the end, got '.'")
    refuses("0x10", 1, 2, 'expected the end, got "x10"')
    refuses("1e126", 1, 1,
      "Number overflow. Attempting to store a number with magnitude larger than supported range")
    refuses("123456789012345678901234567890123456789", 1, 1,
      "Attempting to store more than 38 significant digits in a Number")
  end)

  it("reads one value after another", function()
    local json, at, found = ' {"a":1} [2]\n3 ', nil, {}
    repeat
      found[#found + 1], at = json_text.decode_at(json, at)
    until at > #json
    assert.same({ { a = 1 }, { 2 }, 3 }, found)
    local _, err = json_text.decode_at("1 x", 3)
    assert.equal("line 1, column 3: expected a value, got \"x\"", err.message)
  end)

  -- Truncated and changed texts result in a value or an error.
  it("accepts any bytes", function()
    math.randomseed(SEED)
    local whole = [[{"a":[1.5e3,"\u00e9\ud83c\udf0a",true,null,{"b":{}}],"c":"\\"}]]
    local errors, values = 0, 0
    for _ = 1, 5000 do
      local at = math.random(#whole)
      local json = whole:sub(1, at - 1) .. string.char(math.random(0, 255)) .. whole:sub(at + 1)
      if math.random(2) == 1 then json = json:sub(1, math.random(#json)) end
      local value, err, code = json_text.decode(json)
      if code then
        errors = errors + 1
        assert.is_nil(value)
        assert.is_truthy(err.line >= 1 and err.column >= 1 and err.column <= #json + 1)
      else
        values = values + 1
      end
    end
    assert.is_true(errors > 1000 and values > 10, ("SEED=%d: %d, %d"):format(SEED, errors, values))
  end)
end)

describe("writing", function()
  it("sorts names, with the given ones first", function()
    local value = { b = 1, a = { z = 1, id = 2 }, id = 3 }
    assert.equal('{"a":{"id":2,"z":1},"b":1,"id":3}', json_text.encode(value))
    assert.equal('{"id":3,"b":1,"a":{"id":2,"z":1}}',
      json_text.encode(value, json_text.order { "id", "b", "nowhere" }))
  end)

  it("writes every digit of a number", function()
    assert.equal("[1,-0.5,3,100000000000000000000,0.30000000000000004]",
      json_text.encode { 1, -0.5, 3.0, tidetable.number "1e20", 0.1 + 0.2 })
    assert.equal(tostring(math.mininteger), json_text.encode(math.mininteger))
  end)

  it("distinguishes an empty list from an empty map", function()
    assert.equal('[[],{},null,false]',
      json_text.encode { tidetable.list {}, tidetable.map {}, tidetable.null, false })
  end)

  -- Also those that a terminal interprets, and no other characters.
  it("escapes control characters", function()
    assert.equal([["\"\\\b\f\n\r\t\u0000\u001b\u007f\u009b/é"]],
      json_text.encode '"\\\b\f\n\r\t\0\27\127\u{9b}/é')
  end)

  it("escapes invisible and direction-changing characters", function()
    assert.equal([["\u202e\u200b\u2066\ufeff\u061c“€…£д–]] .. '\u{61b}\u{2010}\u{fefe}"',
      json_text.encode "\u{202e}\u{200b}\u{2066}\u{feff}\u{61c}“€…£д–\u{61b}\u{2010}\u{fefe}")
    assert.is_true(json_text.is_treacherous "\u{202e}" and json_text.is_treacherous "\27")
    assert.is_false(json_text.is_treacherous "é" or json_text.is_treacherous '"')
  end)

  it("preserves every string, also for another library", function()
    math.randomseed(SEED)
    for _ = 1, 2000 do
      local letters = {}
      for i = 1, math.random(0, 8) do
        local code = math.random(0, math.random(2) == 1 and 0x9f or 0x10ffff)
        letters[i] = utf8.char(code >= 0xd800 and code <= 0xdfff and 65 or code)
      end
      local s = table.concat(letters)
      local json = json_text.encode { s = s }
      assert.same({ s = s }, json_text.decode(json), "SEED=" .. SEED)
      assert.same({ s = s }, (dkjson.decode(json)), "SEED=" .. SEED)
      assert.same({ s = s }, json_text.decode(dkjson.encode { s = s }), "SEED=" .. SEED)
    end
  end)

  it("raises an error for values that JSON cannot represent", function()
    for _, value in ipairs { tidetable.binary "x", tidetable.set { 1 }, print } do
      helper.blames("cannot be encoded as JSON", function() json_text.encode { a = value } end)
    end
    helper.blames("decode: expected a string, got number", function() json_text.decode(5) end)
  end)
end)
