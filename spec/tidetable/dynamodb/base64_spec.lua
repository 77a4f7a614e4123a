-- base64_spec.lua - base64: test vectors of RFC 4648, lossless, one text for each value.
local base64 = require "tidetable.dynamodb.base64"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe("base64", function()
  it("is that of RFC 4648, section 10", function()
    local vectors = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
    for bytes, text in pairs(vectors) do
      assert.equal(text, base64.encode(bytes))
      assert.equal(bytes, base64.decode(text))
    end
    assert.equal("+/+/", base64.encode "\xfb\xff\xbf")
  end)

  it("preserves bytes of any length", function()
    math.randomseed(SEED)
    for length = 0, 300 do
      local bytes = {}
      for i = 1, length do bytes[i] = string.char(math.random(0, 255)) end
      local all = table.concat(bytes)
      assert.equal(all, base64.decode(base64.encode(all)), "SEED=" .. SEED)
    end
  end)

  -- A text that can be decoded is encoded to the same text.
  it("refuses a text that encode does not return", function()
    math.randomseed(SEED)
    local letters = { "A", "Z", "a", "/", "+", "9", "=", "-", "_", " ", "\n", "\0", "B", "é" }
    local decoded = 0
    for _ = 1, 20000 do
      local text = {}
      for i = 1, math.random(0, 9) do text[i] = letters[math.random(#letters)] end
      local all = table.concat(text)
      local bytes = base64.decode(all)
      if bytes then
        decoded = decoded + 1
        assert.equal(all, base64.encode(bytes), "SEED=" .. SEED)
      end
    end
    assert.is_true(decoded > 100)
  end)

  it("refuses wrong padding, truncated and non-canonical texts", function()
    for _, text in ipairs { "Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Zh==", "Zm9=", "Zm9v\n",
      "Zm 9", "Zg==Zg==", "Zm9v====", "Zm9-", "Z===", "Zm=9" } do
      assert.is_nil(base64.decode(text), text)
    end
  end)
end)
