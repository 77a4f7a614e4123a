-- base64_spec.lua - base64: RFC 4648's own vectors, everything back, nothing twice.
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

  it("gives back all bytes, of any length", function()
    math.randomseed(SEED)
    for length = 0, 300 do
      local bytes = {}
      for i = 1, length do bytes[i] = string.char(math.random(0, 255)) end
      local all = table.concat(bytes)
      assert.equal(all, base64.decode(base64.encode(all)), "SEED=" .. SEED)
    end
  end)

  -- One text for each sequence of bytes: whatever decodes, encodes to the same text.
  it("refuses any text that is not the one for its bytes", function()
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

  it("refuses what is padded wrongly, cut short or not canonical", function()
    for _, text in ipairs { "Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Zh==", "Zm9=", "Zm9v\n",
      "Zm 9", "Zg==Zg==", "Zm9v====", "Zm9-", "Z===", "Zm=9" } do
      assert.is_nil(base64.decode(text), text)
    end
  end)
end)
