-- display_spec.lua - formatting of names, numbers and values.
local display = require "tidetable.cli.display"
local tidetable = require "tidetable"

local number = tidetable.number

describe("safe", function()
  it("leaves text unchanged, and escapes everything else", function()
    for given, shown in pairs {
      ["plain ~"] = "plain ~", ["naïve 漢字 🌊"] = "naïve 漢字 🌊", [""] = "",
      ["a\nb\tc\r"] = "a\\nb\\tc\\r", ["\27[2J"] = "\\e[2J", ["\0\127"] = "\\x00\\x7F",
      ["caf\xe9"] = "caf\\xE9", ["\u{9b}2J"] = "\\u{9B}2J", ["\u{202e}abc"] = "\\u{202E}abc",
      ["\u{200b}"] = "\\u{200B}", ["\u{10ffff}"] = "\\u{10FFFF}", ["\xc0\x80"] = "\\xC0\\x80",
      ["\xed\xa0\x80"] = "\\xED\\xA0\\x80",
    } do
      assert.equal(shown, display.safe(given))
    end
  end)

  it("escapes all characters outside ASCII unless the locale is UTF-8", function()
    display.use_ascii(true)
    local shown = display.safe("a\n\u{db}漢")
    display.use_ascii(false)
    assert.equal("a\\n\\u{DB}\\u{6F22}", shown)
  end)

  it("turns any bytes into UTF-8 without control characters", function()
    local seed = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
    math.randomseed(seed)
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(0, 20) do
        bytes[i] = math.random(3) > 1 and string.char(math.random(0, 255))
          or utf8.char(math.random(0, 0x2fff))
      end
      local safe = display.safe(table.concat(bytes))
      local where = ("SEED=%d: %q"):format(seed, table.concat(bytes))
      if not utf8.len(safe) or safe:find "%c" then error(where) end
      for _, code in utf8.codes(safe) do
        if code >= 0x80 and code < 0xa0 or code >= 0x202a and code <= 0x202e then error(where) end
      end
    end
  end)
end)

it("a word is quoted where the shell would interpret it", function()
  for _, plain in ipairs { "orders", "/var/lib/shop-1.tide", "2026-01-31T12:00:00.000" } do
    assert.equal(plain, display.word(plain))
  end
  for _, word in ipairs { "", "a b", "it's", "$(x)", "a;b", "*", "a\nb", '{"id":"x"}' } do
    local pipe = assert(io.popen("printf %s " .. display.word(word)))
    assert.equal(word, pipe:read("a"))
    pipe:close()
  end
end)

describe("width", function()
  it("counts columns, not bytes", function()
    for given, columns in pairs {
      [""] = 0, ["abc"] = 3, ["naïve"] = 5, ["漢字"] = 4, ["e\u{301}"] = 1,
      ["\27[1;31mred\27[0m"] = 3,
    } do
      assert.equal(columns, display.columns(given))
    end
  end)

  it("is limited by cut, which closes colors and splits no character", function()
    assert.equal("abc", display.cut("abc", 3))
    assert.equal("ab…", display.cut("abcd", 3))
    assert.equal("a...", display.cut("abcdef", 4, "..."))
    assert.equal("漢…", display.cut("漢字", 3))
    assert.equal("…", display.cut("漢字", 2))
    assert.equal("\27[31mab…\27[0m", display.cut("\27[31mabcdef\27[0m", 3))
    assert.equal("..", display.cut("abcdef", 2, "..."))
    assert.equal("", display.cut("abc", 0, "..."))
  end)

  it("is counted up to a maximum only", function()
    for most, counted in pairs { [0] = 1, 3, 3, 4, 4 } do
      assert.equal(counted, display.columns("é漢x", most))
    end
  end)

  it("excludes trailing blanks after trimming", function()
    for given, trimmed in pairs { [""] = "", ["  "] = "", [" a b  "] = " a b", ["a\n"] = "a\n" } do
      assert.equal(trimmed, display.trimmed(given))
    end
  end)

  it("of a column is that of its widest cell", function()
    assert.are.same({ "a      12  x", "漢字    3", "c     100" }, display.grid({
      { "a", "", "12", "x" }, { "漢字", "", "3", "" }, { "c", "", "100", "" },
    }, { [3] = true }))
    assert.are.same({}, display.grid {})
  end)
end)

describe("numbers", function()
  it("have thousands separators", function()
    for given, shown in pairs { [0] = "0", [999] = "999", [1000] = "1,000",
      [1234567] = "1,234,567", [-1234] = "-1,234" } do
      assert.equal(shown, display.count(given))
    end
    for given, shown in pairs { [0] = "0 items", [1] = "1 item", [1000] = "1,000 items" } do
      assert.equal(shown, display.counted(given, "item"))
    end
  end)

  it("of bytes have a suitable unit", function()
    for given, shown in pairs { [0] = "0 B", [1023] = "1023 B", [1024] = "1 KiB",
      [1536] = "1.5 KiB", [1048575] = "1 MiB", [2 ^ 36] = "64 GiB", [2 ^ 60] = "1024 PiB" } do
      assert.equal(shown, display.bytes(given))
    end
  end)

  it("of seconds have at most two units", function()
    for given, shown in pairs { [0] = "0s", [0.25] = "250ms", [0.0001] = "1ms", [59.6] = "1m",
      [61] = "1m 1s", [3600] = "1h", [3601] = "1h", [86400] = "1d", [93600] = "1d 2h" } do
      assert.equal(shown, display.duration(given))
    end
  end)
end)

-- os.time has whole seconds, but ages were shown in milliseconds: "748ms ago".
it("an age is in whole seconds", function()
  for seconds, shown in pairs { [1000] = "0s",
    [1000.9] = "0s", [999.9] = "1s", [0.5] = "16m 40s" } do
    assert.equal(shown, display.ago(seconds, 1000))
  end
  assert.is_nil(display.ago(1001, 1000))
end)

describe("values", function()
  it("that are cut are beginnings of the whole", function()
    local letters = { "a", "\n", "\u{e9}", "\u{301}", "\u{202e}", "\u{4e00}", "\xff", '"' }
    for _, letter in ipairs(letters) do
      for _, other in ipairs(letters) do
        for _, length in ipairs { 250, 333, 499, 960, 999, 1001 } do
          local long = letter:rep(length) .. other:rep(50)
          assert.equal(display.cut(display.value(long), 40), display.short(long, 40))
        end
      end
    end
    assert.equal("[1, 2]", display.short({ 1, 2 }, 40))
  end)

  it("of each type are distinguishable and take one line", function()
    for shown, value in pairs {
      ['"\\n"'] = "\n", ['"\\\\n"'] = "\\n",
      ['"a \\"b\\" \\n"'] = 'a "b" \n', ["12.5"] = 12.5, ["7"] = 7,
      ["1.00000000000000000001"] = number "1.00000000000000000001",
      ["true"] = true, ["null"] = tidetable.null, ["<00ff>"] = tidetable.binary "\0\xff",
      ["<" .. ("61"):rep(16) .. " and 84 more>"] = tidetable.binary(("a"):rep(100)),
      ['[1, "x", []]'] = { 1, "x", tidetable.list {} }, ["{}"] = tidetable.map {},
      ['{a: 1, "odd name": 2}'] = { a = 1, ["odd name"] = 2 },
      ['{"a", "b"}'] = tidetable.set { "b", "a" }, ["{1, 2, 10}"] = tidetable.set { 10, 2, 1 },
    } do
      assert.equal(shown, display.value(value))
    end
  end)

  it("of an item are sorted by name", function()
    assert.equal('a: 1, b: "x"', display.attributes { b = "x", a = 1 })
    assert.equal("a: 1", display.attributes({ b = "x", a = 1 }, { b = true }))
    assert.equal('a: 1, b: "x"', display.attributes({ b = "x", a = 1, c = 2 }, nil, 8))
  end)

  it("of keys have quotes only where needed", function()
    assert.equal("ann 7", display.key({ c = "ann", t = 7 }, "c", "t"))
    assert.equal('"12" 7', display.key({ c = "12", t = 7 }, "c", "t"))
    assert.equal('"a b"', display.key({ c = "a b" }, "c"))
    assert.equal("<00>", display.key({ c = tidetable.binary "\0" }, "c"))
  end)
end)
