-- options_spec.lua - options of all functions: known names, values, durations and sizes.
local helper = require "spec.tidetable.helper"
local options = require "tidetable.options"

local misuse = helper.misuse

local known = {
  limit = options.integer_from(1), follow = "boolean", name = { "string", "number" },
  timeout = options.seconds, view = options.one_of { "OLD", "NEW" },
}

describe("path", function()
  it("must be a string of at least one byte, without NUL", function()
    options.path("a", "open")
    misuse("open: expected a path, got nil", options.path, nil, "open")
    misuse("open: expected a path, got number", options.path, 1, "open")
    for _, wrong in ipairs { "", "a\0b" } do
      misuse("open: path must not be empty or contain a NUL byte", options.path, wrong, "open")
    end
  end)
end)

describe("check", function()
  local function check(given, level)
    return options.check(given, known, "read", level)
  end

  it("returns the options, or an empty table for nil", function()
    local given = { limit = 3, follow = false, name = 1, timeout = 0, view = "NEW" }
    assert.is_true(rawequal(given, check(given)))
    assert.are.same({}, check(nil))
    assert.are.same({}, check {})
  end)

  it("raises an error for anything except a table", function()
    for _, wrong in ipairs { 1, "limit", true, print } do
      misuse("read: options must be a table, got " .. type(wrong), check, wrong)
    end
    misuse("read: options must be a table, got boolean", check, false)
  end)

  it("finds the most similar word", function()
    local words = { orders = true, ledger = true }
    assert.equal("orders", options.nearest("ordres", words))
    assert.equal("orders", options.nearest("Orders", words))
    assert.is_nil(options.nearest("customers", words))
    assert.equal("old_image", options.nearest("OldImage", { new_image = 1, old_image = 1 }))
    assert.is_nil(options.nearest("hash_key", { sort_key = true }))
    assert.is_nil(options.nearest("orders", {}))
    assert.equal("query", options.nearest("qeury", { query = 1 }, 1))     -- an exchange is one step
    assert.is_nil(options.nearest("quree", { query = 1 }, 1))
    assert.equal("query", options.nearest("quree", { query = 1 }))
    assert.equal("get", options.nearest("gte", { get = 1, put = 1 }, 1))
    -- The result is the same each time if several are equally similar.
    local alike = {}
    for letter in ("abcdefghijklmnopqrstuvwyz"):gmatch "." do alike[letter .. "rders"] = true end
    assert.equal("arders", options.nearest("xrders", alike))
  end)

  it("raises an error for an unknown name, and names the most similar one", function()
    misuse('read: unknown option "limits" (did you mean "limit"?)', check, { limits = 1 })
    misuse('read: unknown option "folow" (did you mean "follow"?)', check, { folow = true })
    misuse('read: unknown option "timout" (did you mean "timeout"?)', check, { timout = 1 })
    misuse('read: unknown option "Limit" (did you mean "limit"?)', check, { Limit = 1 })
    misuse('read: unknown option "snapshot"; known: follow, limit, name, timeout, view', check,
      { snapshot = true })
    misuse('read: unknown option "1"; known: follow, limit', check, { "limit" })
    misuse('unknown option "true"', check, { [true] = 1 })
  end)

  it("raises an error for a wrong value, and says what is expected", function()
    misuse('read: option "follow" must be boolean, got 1', check, { follow = 1 })
    misuse('read: option "name" must be string or number, got table', check, { name = {} })
    misuse('read: option "limit" must be an integer from 1, got 0', check, { limit = 0 })
    misuse('read: option "view" must be "OLD" or "NEW", got "old"', check, { view = "old" })
  end)

  it("has the line of the API's caller as its position", function()
    local function api(given) check(given, 2) return nil end
    helper.blames("unknown option", function() api { x = 1 } end)
  end)

  it("calls no metamethod", function()
    local given = setmetatable({ limit = 1 }, {
      __pairs = function() error "asked" end, __index = function() error "asked" end,
    })
    assert.equal(given, check(given))
  end)
end)

describe("integer_from and seconds", function()
  it("return what is expected if the value is wrong, else nil", function()
    local from = options.integer_from(1)
    assert.is_nil(from(1))
    assert.is_nil(from(math.maxinteger))
    for _, wrong in ipairs { 0, -1, 1.0, 1.5, "1", {}, 0 / 0, math.huge } do
      assert.equal("an integer from 1", from(wrong))
    end
    local between = options.integer_from(1, 3)
    assert.is_nil(between(1))
    assert.is_nil(between(3))
    assert.equal("an integer from 1 to 3", between(0))
    assert.equal("an integer from 1 to 3", between(4))
    assert.is_nil(options.seconds(0))
    assert.is_nil(options.seconds(0.001))
    assert.is_nil(options.seconds(86400.0))
    assert.is_nil(options.seconds(math.huge))
    assert.is_nil(options.seconds(math.maxinteger))
    assert.is_nil(options.time(0))
    assert.is_nil(options.time(1e9 + 0.5))
    for _, wrong in ipairs { -1, "1", {}, 0 / 0, -math.huge, -0.5 } do
      assert.equal("a number of seconds from 0", options.seconds(wrong))
      assert.equal("a number of seconds since 1970", options.time(wrong))
    end
    assert.equal("a number of seconds since 1970", options.time(math.huge))
    assert.equal("a number of seconds since 1970", options.time(1e12))
  end)

  it("check arguments too", function()
    options.argument("next", "timeout", options.seconds, 1)
    helper.blames("next: timeout must be a number of seconds from 0, got -1", function()
      options.argument("next", "timeout", options.seconds, -1)
    end)
  end)
end)

describe("is_tuple", function()
  it("returns true only for the keys 1 to n", function()
    assert.is_true(options.is_tuple({ "a", false, 3.0 }, 3))
    assert.is_true(options.is_tuple({}, 0))
    for _, wrong in ipairs { {}, { 1 }, { 1, 2, 3 }, { 1, nil, 3 }, { 1, 2, type = "N" },
      { 1, [2.5] = 1 }, { [0] = 1, 2 } } do
      assert.is_false(options.is_tuple(wrong, 2))
    end
  end)
end)

describe("duration_ms", function()
  it("accepts seconds, or a number with a unit", function()
    for said, ms in pairs { [1] = 1000, [0.25] = 250, [0.001] = 1, ["250ms"] = 250, ["2s"] = 2000,
        ["3m"] = 180000, ["36h"] = 129600000, ["7d"] = 604800000, ["1.5h"] = 5400000,
        [" 2 h "] = 7200000, ["0.5s"] = 500 } do
      assert.equal(ms, options.duration_ms(said))
      assert.equal("integer", math.type(options.duration_ms(said)))
    end
  end)

  it("returns nil for other values", function()
    for _, wrong in ipairs { 0, -1, 0.0001, 0 / 0, math.huge, 1e300, "", "1", "h", "1 week", "1hs",
        "-1h", "1e3s", "0x10s", "1H", "1.2.3s", {}, true, print } do
      assert.is_nil(options.duration_ms(wrong))
    end
    assert.is_nil(options.duration_ms(nil))
  end)
end)

describe("a long text of an option", function()
  it("is not matched as a number with a unit", function()
    local library = getmetatable("").__index
    local match, find, longest = library.match, library.find, 0
    local function measured(f)
      return function(text, ...)
        longest = math.max(longest, #text)
        return f(text, ...)
      end
    end
    finally(function() library.match, library.find = match, find end)
    library.match, library.find = measured(match), measured(find)
    for _, text in ipairs { ("1"):rep(100000) .. "!", (" "):rep(1 << 20),
        ("1."):rep(1000) .. "h" } do
      assert.is_nil(options.duration_ms(text))
      assert.is_nil(options.bytes(text))
    end
    assert.is_true(longest <= 64, longest)
  end)

  it("is shortened in a message, and is not compared with known names", function()
    local name = ("n"):rep(1 << 20)
    assert.is_nil(options.nearest(name, { name = 1 }))
    local ok, err = pcall(options.check, { [name] = 1 }, { name = "string" }, "test")
    assert.is_false(ok)
    assert.is_true(#err < 300)
    ok, err = pcall(options.retention, name, "test")
    assert.is_false(ok)
    assert.is_true(#err < 300)
  end)
end)

describe("bytes", function()
  it("accepts an integer, or a number with a unit", function()
    for said, bytes in pairs { [1] = 1, [4096] = 4096, ["10B"] = 10, ["1KiB"] = 1024,
        ["2 MiB"] = 2 << 20, ["64 GiB"] = 64 << 30, ["1.5 KiB"] = 1536, ["1TiB"] = 1 << 40 } do
      assert.equal(bytes, options.bytes(said))
      assert.equal("integer", math.type(options.bytes(said)))
    end
  end)

  it("returns nil for other values", function()
    for _, wrong in ipairs { 0, -1, 1.5, 1 << 60, "", "1", "1 KB", "1 kib", "GiB", "-1KiB",
        "1e3KiB", {}, true } do
      assert.is_nil(options.bytes(wrong))
    end
    assert.is_nil(options.bytes(nil))
  end)
end)

describe("retention", function()
  local function retention(value)
    return { options.retention(value, "set_retention") }
  end

  it("returns age in ms, bytes and count, 0 for no limit", function()
    assert.are.same({ 86400000, 0, 0 }, retention(nil))
    assert.are.same({ 86400000, 0, 0 }, retention {})
    assert.are.same({ 3600000, 0, 0 }, retention "1h")
    assert.are.same({ 1500, 0, 0 }, retention(1.5))
    assert.are.same({ 86400000, 1 << 30, 0 }, retention { bytes = "1 GiB" })
    assert.are.same({ 60000, 100, 5 }, retention { age = "1m", bytes = 100, count = 5 })
  end)

  it("raises an error that names the wrong limit", function()
    misuse('set_retention: retention: age must be seconds or a string with ms, s, m, h or d, got'
      .. ' "soon"', retention, "soon")
    misuse("retention: bytes must be an integer or a string with KiB, MiB or GiB, got \"1 GB\"",
      retention, { bytes = "1 GB" })
    misuse('set_retention: retention: unknown option "ages" (did you mean "age"?)', retention,
      { ages = 1 })
    misuse('option "count" must be an integer from 1', retention, { count = 0 })
    misuse("retention: age must be seconds or a string with ms, s, m, h or d", retention, 0)
    misuse('option "age" must be string or number, got true', retention, true)
  end)
end)
