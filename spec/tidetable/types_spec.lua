-- types_spec.lua - the types of values, as documented in doc/modules/types.md.
local helper = require "spec.tidetable.helper"
local types = require "tidetable.types"
local values = require "tidetable.core".values

local number, binary, null = types.number, types.binary, types.null
local list, map, set = types.list, types.map, types.set

-- Stores a value and reads it back.
local function stored(item)
  return assert(values.decode(assert(values.encode(item))))
end

local function stored_value(value)
  return stored({ v = value }).v
end

local function refusal(item)
  local bytes, err, code = values.encode(item)
  assert.is_nil(bytes)
  assert.equal("VALIDATION", code)
  assert.equal(code, err.code)
  return err.message
end

local function nested(levels)
  local t = {}
  for _ = 2, levels do t = { t } end
  return t
end

describe("a value is returned as it was put:", function()
  it("strings", function()
    for _, text in ipairs { "", "x", "\0", "a\0b", "größe", "\u{1F30A}", ("x"):rep(100000) } do
      assert.equal(text, stored_value(text))
    end
  end)

  it("booleans and null", function()
    assert.is_true(stored_value(true))
    assert.is_false(stored_value(false))
    assert.equal(null, stored_value(null))
    assert.is_truthy(null)
  end)

  it("integers of up to 64 bits", function()
    local limits = { 0, 1, -1, 2^53 // 1 | 0, 2^53 // 1 + 1 | 0, math.maxinteger, math.mininteger,
      math.maxinteger - 1, math.mininteger + 1, 1000, 123456789012 }
    for _, n in ipairs(limits) do
      local back = stored_value(n)
      assert.equal(n, back)
      assert.equal("integer", math.type(back))
    end
  end)

  it("floats, exactly", function()
    local floats = { 0.1, 0.1 + 0.2, 1 / 3, -1.5e-100, 5e-130, 1e100, 2^63, -2^63, 2^64, 1e22,
      123456789.123, 2.2250738585072014e-100, math.pi }
    for _, x in ipairs(floats) do
      assert.is_true(stored_value(x) == x, ("%.17g"):format(x))
    end
  end)

  it("an integral float as the equal integer", function()
    for _, x in ipairs { 3.0, 2^53, 2^60, -2^63, 1e15 } do
      local back = stored_value(x)
      assert.is_true(back == x)
      assert.equal("integer", math.type(back))
    end
    assert.equal("0", tostring(stored_value(-0.0)))
  end)

  it("numbers of 38 digits", function()
    for _, text in ipairs {
      "12345678901234567890123456789012345678", "-0.12345678901234567890123456789012345678",
      "9223372036854775808", "0.30000000000000000000000000000000000001" } do
      local back = stored_value(assert(number(text)))
      assert.equal("N", types.type(back))
      assert.equal("userdata", type(back))
      assert.equal(text, tostring(back))
    end
  end)

  it("an exact number as a Lua number if nothing is lost", function()
    assert.equal(12.5, stored_value(number "12.50"))
    assert.equal("integer", math.type(stored_value(number "1e3")))
    assert.equal(1e30, stored_value(number "1e30"))
  end)

  it("binaries", function()
    for _, bytes in ipairs { "", "\0", "\xff\xfe", ("\0\xff"):rep(1000) } do
      local back = stored_value(binary(bytes))
      assert.equal("B", types.type(back))
      assert.equal(bytes, tostring(back))
    end
  end)

  it("sets", function()
    assert.equal(set { "a", "b" }, stored_value(set { "b", "a" }))
    assert.equal(set { 1, 2.5, number "1e40" }, stored_value(set { 2.5, 1, number "1e40" }))
    assert.equal(set { binary "\xff", binary "" }, stored_value(set { binary "", binary "\xff" }))
    assert.equal(set { "" }, stored_value(set { "" }))
  end)

  it("lists and maps, empty ones included", function()
    assert.equal("M", types.type(stored_value {}))
    assert.equal("M", types.type(stored_value(map {})))
    assert.equal("L", types.type(stored_value(list {})))
    assert.same({ 1, "two", { three = 3 } }, stored_value { 1, "two", { three = 3 } })
    assert.same({ a = { b = { c = { 1, { 2 } } } } }, stored { a = { b = { c = { 1, { 2 } } } } })
  end)

  it("an item without a metatable, lists with theirs", function()
    assert.is_nil(getmetatable(stored {}))
    assert.is_nil(getmetatable(stored_value { a = 1 }))
    assert.equal("L", types.type(stored_value { 1 }))
    local emptied = stored_value { 1 }
    emptied[1] = nil
    assert.equal("L", types.type(stored_value(emptied)))
  end)
end)

describe("tables", function()
  it("are lists if their keys are 1 to n, filled in any order", function()
    local backwards = {}
    for i = 100, 1, -1 do backwards[i] = i end
    local back = stored_value(backwards)
    for i = 1, 100 do assert.equal(i, back[i]) end
    assert.equal(100, #back)
    local middle = { [2] = "b", [3] = "c" }
    middle[1] = "a"
    assert.same({ "a", "b", "c" }, stored_value(middle))
  end)

  --- Returns a table whose constructor allocates a slot for each key. The keys are kept in the
  --- order of their hashes, and lua_next traverses them in that order.
  local function scattered(keys, value)
    local parts = {}
    for i, key in ipairs(keys) do parts[i] = ("[%d] = %s"):format(key, value(key)) end
    return assert(load("return { " .. table.concat(parts, ", ") .. " }"))()
  end

  local function downwards(from, to)
    local keys = {}
    for i = from, to, -1 do keys[#keys + 1] = i end
    return keys
  end

  it("are lists if their keys are 1 to n in any order of traversal", function()
    local unordered = 0
    for n = 2, 70 do
      local t = scattered(downwards(n, 1), tostring)
      if next(t) ~= 1 then unordered = unordered + 1 end
      local expected = {}
      for i = 1, n do expected[i] = i end
      assert.same(expected, setmetatable(stored_value(t), nil))
    end
    assert.is_true(unordered > 0)
    local words = setmetatable(scattered({ 3, 2, 1 }, function(n) return '"' .. n .. '"' end),
      debug.getmetatable(set { "1" }))
    assert.is_true(set { "1", "2", "3" } == stored_value(words))
  end)

  it("with unordered keys are refused if a key is wrong", function()
    local function three_is_a_function(n) return n == 3 and "print" or tostring(n) end
    assert.match("^v%[3%]: ", refusal { v = scattered(downwards(3, 1), three_is_a_function) })
    assert.match("hole", refusal { v = scattered({ 4, 3, 1, 0 }, tostring) })
    assert.match("hole", refusal { v = scattered({ 7, 5, 2, 1, -1 }, tostring) })
    local mixed = setmetatable(scattered({ 3, 2, 1 }, function(n)
      return n == 2 and "2" or '"' .. n .. '"'
    end), debug.getmetatable(set { "1" }))
    assert.match("^v", refusal { v = mixed })
  end)

  it("with holes are refused", function()
    assert.equal("v: a list or set must have the keys 1 to n, without holes",
      refusal { v = { 1, 2, nil, 4 } })
    assert.match("hole", refusal { v = { 1, 2, nil, 4, [-1] = 0 } })
    assert.match("hole", refusal { v = { [2] = true } })
    assert.match("hole", refusal { v = { [0] = true } })
    assert.match("hole", refusal { v = { true, [1000000] = true } })
    assert.match("hole", refusal { v = { [1.5] = true } })
    assert.match("hole", refusal { v = list { [3] = 1 } })
  end)

  it("with keys of both kinds are refused", function()
    assert.match("^v:", refusal { v = { 1, name = 2 } })
    assert.match("^v:", refusal { v = { [5] = 2, name = 2 } })
    assert.match("^v:", refusal { v = list { 1, name = 2 } })
    assert.match("^v:", refusal { v = map { 1 } })
    assert.match("^v:", refusal { v = { [true] = 1 } })
    assert.match("^item:", refusal { 1, 2 })
    assert.match("^item:", refusal { a = 1, [1] = 1 })
  end)

  it("with foreign metatables are refused, and no metamethod is called", function()
    local function never() error "called" end
    local foreign = setmetatable({ 1 }, { __index = never, __len = never, __pairs = never,
      __metatable = "locked" })
    assert.equal("v[1]: a table with a foreign metatable can't be stored",
      refusal { v = { foreign } })
    assert.match("^item:", refusal(foreign))
    assert.match("^item:", refusal(list {}))
    assert.match("^item:", refusal(set { "a" }))
    assert.is_string(values.encode(map { a = 1 }))
  end)
end)

describe("a refused value", function()
  it("is named by its path", function()
    assert.equal("tags[3].name: a function can't be stored",
      refusal { tags = { 1, 2, { name = print } } })
    assert.match('^%["odd name"%]%[1%]: ', refusal { ["odd name"] = { print } })
    assert.match('^a%["\\x00\\xff"%]: ', refusal { a = { ["\0\xff"] = 1 } })
    assert.match('^%["größe"%]%.b: ', refusal { ["größe"] = { b = print } })
    assert.match("^item: expected a table, got number", refusal(7))
  end)

  it("is named by a shortened path if names are long or deeply nested", function()
    local message = refusal { [("ö"):rep(1000)] = print }
    assert.match('^%["' .. ("ö"):rep(20) .. '%.%.%."%]: a function', message)
    local t = { [("k"):rep(39)] = print }
    for _ = 1, 20 do t = { [("k"):rep(39)] = t } end
    message = refusal(t)
    assert.match("k%.%.%.: a function", message)
    assert.is_true(#message < 200)
  end)

  it("may have a type that cannot be stored", function()
    for _, value in ipairs { print, coroutine.create(print), io.stdout } do
      assert.match("^v: a %w+ can't be stored$", refusal { v = value })
    end
  end)

  it("may be text that is not UTF-8", function()
    for _, text in ipairs { "\xff", "a\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80" } do
      assert.equal("v: a string must be UTF-8 (for bytes use tidetable.binary)",
        refusal { v = text })
    end
    assert.match("UTF%-8", refusal { ["\xff"] = 1 })
  end)

  it("may be NaN, infinite or out of range", function()
    for _, x in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
      assert.match("^v%.n: NaN and infinity", refusal { v = { n = x } })
    end
    assert.match("overflow", refusal { v = 1e126 })
    assert.match("underflow", refusal { v = 1e-131 })
  end)

  it("may have empty or too long names", function()
    assert.match("Empty attribute name", refusal { [""] = 1 })
    assert.match("65535", refusal { [("n"):rep(65536)] = 1 })
    assert.is_string(values.encode { [("n"):rep(65535)] = 1 })
  end)

  it("may contain a cycle, or more than 31 levels", function()
    local cycle = {}
    cycle.again = cycle
    assert.match("^again%.again.*: Nesting", refusal(cycle))
    assert.is_string(values.encode { v = nested(31) })
    assert.match("Nesting", refusal { v = nested(32) })
  end)

  it("may be an item over 400 KB, exactly", function()
    assert.is_string(values.encode { v = ("x"):rep(409600 - 1) })
    assert.equal("Item size has exceeded the maximum allowed size",
      refusal { v = ("x"):rep(409600) })
    assert.is_string(values.encode { v = ("x"):rep(409600 - 3), w = true })
  end)

  it("is refused quickly if a small document expands to a huge one", function()
    local t = { "" }
    for _ = 1, 30 do t = { t, t } end
    local m = { x = true }
    for _ = 1, 30 do m = { a = m, b = m } end
    local start = os.clock()
    assert.match("Item size", refusal { v = t })
    assert.match("Item size", refusal { v = m })
    assert.is_true(os.clock() - start < 1)
  end)

  it("has an error with a readable text", function()
    local _, err = values.encode { v = print }
    assert.equal(err.where .. ": VALIDATION: v: a function can't be stored", tostring(err))
    assert.equal("put: " .. tostring(err), "put: " .. err)
    assert.equal("ValidationException", err.exception)
    assert.is_false(err.retryable)
    assert.equal("none", err.outcome)
  end)
end)

describe("decode", function()
  it("returns CORRUPT for every truncation and for noise", function()
    local bytes = assert(values.encode { a = 1, l = { "x", set { 1, 2 } }, m = { b = binary "x" } })
    for len = 0, #bytes - 1 do
      local item, err, code = values.decode(bytes:sub(1, len))
      assert.is_nil(item)
      assert.equal("CORRUPT", code)
      assert.equal(code, err.code)
    end
    assert.has_error(function() values.decode(12) end)
  end)
end)

describe("number", function()
  it("converts text, Lua numbers and exact numbers", function()
    assert.equal("12.5", tostring(number "12.50"))
    assert.equal("-0.001", tostring(number "-1E-3"))
    assert.equal("100000000000000000000", tostring(number "1e20"))
    assert.equal("7", tostring(number(7)))
    assert.equal("0.1", tostring(number(0.1)))
    assert.equal("9223372036854775807", tostring(number(math.maxinteger)))
    assert.equal("1152921504606846976", tostring(number(2^60)))
    local n = number "1"
    assert.is_true(rawequal(n, number(n)))
  end)

  it("returns VALIDATION for invalid numbers, and raises an error for other types", function()
    local no_numbers = { "", "x", " 1", "0x10", "1e", "NaN", "1e126", "1e-131", ("1"):rep(39) }
    for _, text in ipairs(no_numbers) do
      local n, err, code = number(text)
      assert.is_nil(n)
      assert.equal("VALIDATION", code)
      assert.equal(code, err.code)
    end
    assert.match("numeric value: x$", select(2, number "x").message)
    assert.match("numeric value$", select(2, number "\xff").message)
    assert.match("numeric value: x" .. ("ö"):rep(29) .. "$",
      select(2, number("x" .. ("ö"):rep(100))).message)
    assert.equal("VALIDATION", select(3, number(0 / 0)))
    for _, value in ipairs { {}, true, print, binary "1" } do
      assert.has_error(function() number(value) end)
    end
    assert.has_error(function() number() end)
  end)

  it("compares by value, with its own kind and with Lua numbers", function()
    local one, big, tiny = number "1.0", number "1e40", number "1e-130"
    assert.is_true(one == number(1))
    assert.is_false(one == number(2))
    assert.is_false(one == binary "1")
    assert.is_true(one < 2 and 0 < one and one <= 1 and 1 <= one)
    assert.is_false(one < 1 or 1 < one or one > 1 or 1 > one)
    assert.is_true(one < 1.5 and 0.5 < one and big > math.maxinteger and -1 > number(-2))
    assert.is_true(big < 1 / 0 and -1 / 0 < big and big < 1e200 and number(-1) > -1e200)
    assert.is_true(tiny > 1e-200 and number(0) < 1e-200 and number(0) > -1e-200 and tiny > 0)
    local nan = 0 / 0
    assert.is_false(one < nan or one <= nan or nan < one or nan <= one)
    assert.is_true(number "9007199254740993" > 2^53)
    assert.is_true(number(0.1) <= 0.1 and number(0.1) >= 0.1)
    assert.has_error(function() return one < "2" end)
    assert.has_error(function() return one < binary "2" end)
    assert.has_error(function() return {} < one end)
  end)

  it("converts to Lua numbers", function()
    assert.equal(12, number("12"):tointeger())
    assert.is_nil(number("12.5"):tointeger())
    assert.is_nil(number("9223372036854775808"):tointeger())
    assert.equal(math.mininteger, number("-9223372036854775808"):tointeger())
    assert.equal(12.5, number("12.5"):tonumber())
    assert.equal("integer", math.type(number("12"):tonumber()))
    assert.equal(2^63, number("9223372036854775808"):tonumber())
    assert.equal(1 / 3, number("0.33333333333333333333333333333333333333"):tonumber())
  end)

  it("concatenates as text", function()
    assert.equal("n=1.5", "n=" .. number "1.50")
    assert.equal("1.52", number "1.5" .. 2)
    assert.equal("12", number "1" .. number "2")
    assert.has_error(function() return number "1" .. {} end)
    assert.has_error(function() return number "1" .. nil end)
  end)
end)

describe("binary", function()
  it("is bytes of its own type", function()
    local b = binary "a\0b"
    assert.equal("a\0b", tostring(b))
    assert.equal(3, #b)
    assert.is_true(b == binary "a\0b")
    assert.is_false(b == binary "a")
    assert.is_false(b == number(1))
    assert.is_true(binary "a" < b and b <= b and binary "\xff" > b)
    assert.is_true(rawequal(b, binary(b)))
    for _, value in ipairs { 1, {}, true, number "1" } do
      assert.has_error(function() binary(value) end)
    end
  end)

  it("concatenates with bytes and with text", function()
    assert.is_true(binary "a" .. "b" == binary "ab")
    assert.is_true("a" .. binary "b" == binary "ab")
    assert.is_true(binary "" .. binary "" == binary "")
    assert.has_error(function() return binary "a" .. 1 end)
  end)

  it("has sub, like a string", function()
    local text = "hello"
    for first = -7, 7 do
      assert.equal(text:sub(first), tostring(binary(text):sub(first)))
      for last = -7, 7 do
        assert.equal(text:sub(first, last), tostring(binary(text):sub(first, last)))
      end
    end
    assert.equal("", tostring(binary(text):sub(math.mininteger, math.mininteger)))
    assert.equal(text, tostring(binary(text):sub(math.mininteger, math.maxinteger)))
  end)
end)

it("number and binary have the line of the caller as position of a misuse", function()
  helper.blames("number or string expected, got table", function() assert(number {}) end)
  helper.blames("string expected, got number", function() assert(binary(5)) end)
end)

describe("list and map", function()
  it("mark the given table", function()
    local t = { 1 }
    assert.is_true(rawequal(t, list(t)))
    assert.equal("L", types.type(t))
    assert.equal("M", types.type(map(t)))
    assert.has_error(function() list(1) end)
    assert.has_error(function() map(set { 1 }) end)
    assert.has_error(function() list(setmetatable({}, {})) end)
  end)

  it("mark tables as encoders of JSON expect", function()
    assert.equal("array", getmetatable(list {}).__jsontype)
    assert.equal("object", getmetatable(map {}).__jsontype)
    assert.equal("seq", getmetatable(list {}).__serialize)
    assert.equal("map", getmetatable(map {}).__serialize)
    assert.equal("tidetable.list", getmetatable(list {}).__name)
  end)
end)

describe("set", function()
  it("has members of one type, each once", function()
    assert.equal("SS", types.type(set { "a" }))
    assert.equal("NS", types.type(set { 1, 2.5, number "3" }))
    assert.equal("BS", types.type(set { binary "a" }))
    for _, members in ipairs { {}, { "a", 1 }, { true }, { {} }, { "a", "a" }, { 1, 1.0 },
      { 1, number "1.00" }, { 0.1, number "0.1" }, { binary "x", binary "x" }, { 0 / 0 } } do
      assert.has_error(function() set(members) end)
    end
    assert.has_error(function() set() end)
    assert.error_matches(function() set { "a", "b", "a" } end, "%[1%] and %[3%] are equal")
  end)

  it("copies the given array", function()
    local members = { "a" }
    local s = set(members)
    members[1] = "b"
    assert.is_true(s:has "a")
  end)

  it("has, adds and removes members", function()
    local s = set { 1, 2 }
    assert.is_true(s:has(1) and s:has(1.0) and s:has(number "1") and not s:has(3))
    assert.is_true(s:add(number "0.1"))
    assert.is_false(s:add(0.1))
    assert.is_true(s:remove(2.0))
    assert.is_false(s:remove(2))
    assert.equal(2, #s)
    assert.has_error(function() s:has "1" end)
    assert.has_error(function() s:add "1" end)
    assert.has_error(function() s.add({}, 1) end)
    assert.has_error(function() s:add(0 / 0) end)
  end)

  it("returns its members in order", function()
    local sorted = set({ 10, 9, number "1e40", 0.5 }):values()
    assert.equal("L", types.type(sorted))
    assert.same({ 0.5, 9, 10 }, { sorted[1], sorted[2], sorted[3] })
    local seen = {}
    for _, member in ipairs(set { "b", "a" }) do seen[member] = true end
    assert.same({ a = true, b = true }, seen)
    assert.equal('set{"a", "b"}', tostring(set { "b", "a" }))
    assert.equal("set{1, 2.5}", tostring(set { 2.5, 1 }))
  end)

  it("equals a set of the same members in any order", function()
    assert.is_true(set { "a", "b" } == set { "b", "a" })
    assert.is_true(set { 1, 0.1 } == set { number "0.1", 1.0 })
    assert.is_false(set { "a" } == set { "a", "b" })
    assert.is_false(set { "a" } == set { binary "a" })
    assert.is_false(set { "a" } == { "a" })
  end)

  it("that was changed to an invalid one is refused, with its path", function()
    local function spoilt(kind, change)
      local s = set(kind)
      change(s)
      return refusal { s = s }
    end
    assert.match("^s%[3%]: this set holds strings", spoilt({ "a", "b" }, function(s) s[3] = 1 end))
    assert.match("^s%[1%]: this set holds numbers", spoilt({ 1 }, function(s) s[1] = "1" end))
    assert.match("^s%[1%]: this set holds bin", spoilt({ binary "" }, function(s) s[1] = "" end))
    assert.match("^s: .*empty", spoilt({ "a" }, function(s) s:remove "a" end))
    assert.match("^s: .*duplicates", spoilt({ 1 }, function(s) s[2] = 1.0 end))
    assert.match("^s: .*hole", spoilt({ 1 }, function(s) s.x = 1 end))
  end)
end)

describe("type", function()
  it("returns DynamoDB's name", function()
    local names = { S = "x", N = 1, B = binary "", BOOL = true, NULL = null, M = {}, L = { 1 },
      SS = set { "a" }, NS = set { 1 }, BS = set { binary "" } }
    for name, value in pairs(names) do assert.equal(name, types.type(value)) end
    assert.equal("N", types.type(1.5))
    assert.equal("N", types.type(number "1"))
    assert.equal("M", types.type { a = 1 })
    for _, value in ipairs { print, io.stdout, coroutine.create(print), setmetatable({}, {}) } do
      assert.is_nil(types.type(value))
    end
    assert.is_nil(types.type(nil))
  end)
end)

describe("the metatables", function()
  it("of userdata are not accessible", function()
    assert.equal("tidetable.number", getmetatable(number(1)))
    assert.equal("tidetable.binary", getmetatable(binary ""))
  end)

  it("stay the same when the core is required again", function()
    local before = set { "a" }
    package.loaded["tidetable.core"] = nil
    local again = require "tidetable.core".values
    assert.is_string(again.encode { s = before, n = number "1", l = list {} })
    assert.equal(again.metatables.list, values.metatables.list)
  end)
end)

-- Random documents --------------------------------------------------------------

local seed = tonumber(os.getenv "SEED") or os.time()

local function random_text()
  local pieces = { "a", "b", "zz", "é", "\u{1F30A}", "\0", "name", "longer than a word" }
  local text = {}
  for i = 1, math.random(0, 3) do text[i] = pieces[math.random(#pieces)] end
  return table.concat(text)
end

local function random_number()
  local pick = math.random(5)
  if pick == 1 then return math.random(-5, 5) end
  if pick == 2 then return math.random(0) end
  if pick == 3 then return (math.random() - 0.5) * 10.0 ^ math.random(-100, 100) end
  if pick == 4 then return math.random(-1000, 1000) / 100 end
  local digits = {}
  for i = 1, 38 do digits[i] = math.random(1, 9) end
  return number(table.concat(digits) .. "e" .. math.random(-90, 80))
end

local function random_set()
  local make = ({ random_text, random_number, function() return binary(random_text()) end })
  local random = make[math.random(3)]
  local s = set { random() }
  for _ = 1, math.random(0, 5) do s:add(random()) end
  return s
end

local random_value

local function random_map(depth)
  local t = {}
  for _ = 1, math.random(0, 5) do
    local name = random_text()
    if name ~= "" then t[name] = random_value(depth + 1) end
  end
  return t
end

local function random_list(depth)
  local t = {}
  for i = 1, math.random(0, 5) do t[i] = random_value(depth + 1) end
  return list(t)
end

local makers = {
  random_text, random_number, random_set,
  function() return math.random(2) == 1 end,
  function() return null end,
  function() return binary(random_text()) end,
  random_map, random_list,
}

function random_value(depth)
  return makers[math.random(depth < 6 and #makers or #makers - 2)](depth)
end

local same

local function same_fields(a, b)
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

function same(a, b)
  local kind = types.type(a)
  if kind ~= types.type(b) then return false end
  if kind == "M" or kind == "L" then return same_fields(a, b) end
  return a == b or (kind == "N" and a <= b and b <= a)
end

describe("random documents (SEED=" .. seed .. ")", function()
  math.randomseed(seed)

  it("are returned unchanged, and are always encoded as the same bytes", function()
    for _ = 1, 2000 do
      local item = random_map(0)
      local bytes = assert(values.encode(item))
      local back = assert(values.decode(bytes))
      assert.is_true(same(item, back))
      assert.equal(bytes, values.encode(back))
    end
  end)
end)

describe("equal", function()
  local equal = types.equal

  it("compares items and values by DynamoDB's rules", function()
    assert.is_true(equal({ a = 1, b = { 1, { c = "x" } } }, { b = { 1.0, { c = "x" } }, a = 1 }))
    assert.is_true(equal(types.set { 1, 2 }, types.set { 2, 1 }))
    assert.is_true(equal(types.number "1.50", types.number "1.5"))
    assert.is_true(equal(types.null, types.null))
    assert.is_false(equal({ 1, 2 }, { 2, 1 }))
    assert.is_false(equal(types.set { 1, 2 }, { 1, 2 }))
    assert.is_false(equal(types.binary "a", "a"))
    assert.is_false(equal(1, "1"))
    assert.is_false(equal({ a = 1 }, { a = 1, b = types.null }))
  end)

  it("compares nil only with nil", function()
    assert.is_true(equal(nil, nil))
    assert.is_false(equal(nil, types.null))
  end)

  it("refuses values that cannot be stored", function()
    assert.has_error(function() equal(print, 1) end)
    assert.has_error(function() equal(1, 0 / 0) end)
  end)
end)
