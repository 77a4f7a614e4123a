-- types_number_spec.lua - arithmetic of exact numbers, as documented in doc/modules/types.md.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"
local types = require "tidetable.types"

local number, binary = types.number, types.binary

local function equal(text, n)
  assert.equal("tidetable.number", getmetatable(n))
  assert.equal(text, tostring(n))
end

-- Checks that f raises an error object with the code VALIDATION.
local function refused(what, f)
  local err = helper.raises("VALIDATION", f)
  assert.truthy(err.message:find(what, 1, true), err.message)
end

describe("arithmetic of exact numbers", function()
  it("is exact", function()
    equal("0.3", number "0.1" + number "0.2")
    equal("0.7", number "1" - number "0.3")
    equal("-59.97", number "19.99" * number "-3")
    equal("-1.5", -number "1.5")
    equal("0", -number "0")
    equal("99999999999999999999999999999999999999", number "1e38" - 1)
    equal("36893488147419103230", number(math.maxinteger) * 4 + 2)
  end)

  it("accepts integers, and floats as the decimals they would be stored as", function()
    equal("3", number "1" + 2)
    equal("3", 2 + number "1")
    equal("0.2", number "0.1" + 0.1)
    equal("-0.9", 0.1 - number "1")
    equal("2.5", 5 * number "0.5")
    equal("1152921504606846977", number "1" + 2^60)
    equal("1000000000000000000000000000001", 1e30 + number "1")
  end)

  it("has Lua's // and %, with the same signs", function()
    for _, a in ipairs { 7, -7, 6, 0 } do
      for _, b in ipairs { 3, -3 } do
        equal(tostring(a // b), number(a) // b)
        equal(tostring(a % b), number(a) % b)
        equal(tostring(a % b), a % number(b))
      end
    end
    equal("0.25", number "5.75" % 0.5)
    equal("-12", number "-5.75" // 0.5)
    equal("5", number "1e125" % 7)
  end)

  it("raises VALIDATION for a result of more than 38 digits or out of range", function()
    local most = assert(number "9.9999999999999999999999999999999999999e125")
    refused("more than 38 significant digits", function() return number "1e50" + 1 end)
    refused("more than 38 significant digits", function() return -number "1e-50" % 1 end)
    refused("Number overflow", function() return most + most end)
    refused("Number overflow", function() return most * 10 end)
    refused("Number underflow", function() return number "1e-130" * 0.1 end)
    refused("Number underflow", function() return number "1.1e-130" - number "1e-130" end)
    refused("NaN and infinity", function() return number "1" + 0 / 0 end)
    refused("NaN and infinity", function() return 1 / 0 - number "1" end)
    refused("Number overflow", function() return number "1" + 1e200 end)
  end)

  it("raises an error for misuse", function()
    local one = number "1"
    helper.misuse("on a string and an exact number", function() return one + "1" end)
    helper.misuse("on a string and an exact number", function() return "1" * one end)
    helper.misuse("on a table and an exact number", function() return {} - one end)
    helper.misuse("on a userdata and an exact number", function() return one - binary "1" end)
    helper.misuse("on a nil and an exact number", function() return one % nil end)
    helper.blames("attempt to perform 'n//0'", function() return one // 0 end)
    helper.blames("attempt to perform 'n%%0'", function() return 1 % number "0.0" end)
    helper.blames("exact numbers have no '/': use a:divide(b, places)",
      function() return one / 2 end)
    helper.blames("exact numbers have no '^'", function() return 2 ^ one end)
    helper.misuse("bitwise", function() return one | 1 end)
  end)

  it("does not change its operands", function()
    local a, b = number "2", number "3"
    local calls = { function() return a + b end, function() return -a end,
      function() return a:round(-1) end, function() return a:abs() end,
      function() return a:divide(b, 2) end }
    for _, f in ipairs(calls) do
      f()
      assert.equal("2 3", a .. " " .. b)
    end
    helper.misuse("attempt to index", function() a.x = 1 end)
  end)
end)

describe("an exact number's method", function()
  it("equals compares with any value", function()
    local one = number "1.0"
    assert.is_true(one:equals(1) and one:equals(1.0) and one:equals(number "1e0"))
    assert.is_true(number "0.1":equals(0.1))
    for _, other in ipairs { 2, 0 / 0, "1", true, {}, binary "1", math.huge } do
      assert.is_false(one:equals(other))
    end
    assert.is_false(one:equals(nil))
    helper.misuse("value expected", function() one:equals() end)
  end)

  it("compare returns the order, nil for NaN", function()
    local n = number "2.5"
    assert.same({ 1, 0, -1, 1, -1 }, { n:compare(2), n:compare(2.5), n:compare(number "2.51"),
      n:compare(-math.huge), n:compare(1e300) })
    assert.is_nil(n:compare(0 / 0))
    helper.misuse("number expected, got string", function() n:compare "2" end)
  end)

  it("tofloat returns a float if it is exact", function()
    for _, x in ipairs { 0.0, 3.0, 0.1, -1e100, 2.0^60, -2.0^63, 1e23, 1 / 3 } do
      local back = assert(number(x)):tofloat()
      assert.equal("float", math.type(back))
      assert.is_true(back == x)
    end
    for _, text in ipairs { "0.10000000000000000001", "9007199254740993",
      "9223372036854775809", "1234567890.12345678901" } do
      assert.is_nil(number(text):tofloat())
    end
  end)

  it("sign, abs, digits, places and is_integer describe it", function()
    local function described(text)
      local n = assert(number(text))
      return { n:sign(), tostring(n:abs()), n:digits(), n:places(), n:is_integer() }
    end
    assert.same({ 0, "0", 1, 0, true }, described "-0.00")
    assert.same({ -1, "12.5", 3, 1, false }, described "-12.50")
    assert.same({ 1, "1200", 2, 0, true }, described "1200")
    assert.same({ 1, "0." .. ("0"):rep(129) .. ("1"):rep(38), 38, 167, false },
      described(("1"):rep(38) .. "e-167"))
  end)

  it("round rounds, to the even digit by default", function()
    equal("2", number "2.5":round())
    equal("12.34", number "12.345":round(2))
    equal("12.4", number "12.345":round(1, "up"))
    equal("-1200", number "-1250":round(-2))
    equal("7", number "7":round(167))
    local halves = { half_even = "-2", half_up = "-3", half_down = "-2", up = "-3", down = "-2",
      ceiling = "-2", floor = "-3" }
    for how, text in pairs(halves) do equal(text, number "-2.5":round(0, how)) end
    refused("Number overflow", function() return number "9.9e125":round(-125) end)
    helper.misuse("invalid option 'nearest'", function() number "1":round(0, "nearest") end)
    helper.misuse("places out of range", function() number "1":round(168) end)
    helper.misuse("places out of range", function() number "1":round(-126) end)
    helper.misuse("integer", function() number "1":round(0.5) end)
  end)

  it("divide returns a quotient with the given number of places", function()
    equal("0.33333", number "1":divide(3, 5))
    equal("-0.67", number "-2":divide(3, 2))
    equal("-0.66", number "-2":divide(3, 2, "ceiling"))
    equal("0.5", number "1":divide(2.0, 38))
    equal("1200", number "12345":divide(number "10", -2))
    equal("0", number "0":divide(-7, 2))
    refused("38 significant digits", function() return number "1":divide(3, 39) end)
    helper.misuse("division by zero", function() number "1":divide(0, 2) end)
    helper.misuse("number expected, got no value", function() number "1":divide(3) end)
    helper.misuse("number expected, got string", function() number "1":divide("3", 1) end)
  end)

  it("format returns the given number of digits after the point", function()
    assert.equal("12.50", number "12.5":format(2))
    assert.equal("12.5", number "12.5":format())
    assert.equal("12", number "12.5":format(0))
    assert.equal("13", number "12.5":format(0, "half_up"))
    assert.equal("1000.0", number "1e3":format(1))
    assert.equal("0.00", number "-0.001":format(2))
    assert.equal("0.0000", number(0):format(4))
    assert.equal("0.1" .. ("0"):rep(166), number "0.1":format(167))
    assert.equal("-" .. ("9"):rep(38) .. ("0"):rep(88) .. "." .. ("0"):rep(167),
      number("-" .. ("9"):rep(38) .. "e88"):format(167))
    helper.misuse("places out of range", function() number "1":format(-1) end)
  end)

  it("refuses another object as self", function()
    local methods = { "tointeger", "tonumber", "tofloat", "compare", "equals", "sign", "abs",
      "digits", "places", "is_integer", "round", "divide", "format" }
    for _, name in ipairs(methods) do
      local method = number "1"[name]
      helper.misuse("tidetable.number expected", function() method(1, 1, 1) end)
      helper.misuse("tidetable.number expected", function() method(binary "1", 1, 1) end)
    end
  end)
end)

describe("an exact number", function()
  it("is stored as computed", function()
    local db <close> = assert(tidetable.open ":memory:")
    local accounts = assert(db:create_table { name = "accounts", partition_key = "id" })
    local total = number(0)
    for _ = 1, 10 do total = total + 0.1 end
    assert(accounts:put { id = "a", total = total, rest = number "1e38" - 1 })
    local account = assert(accounts:get { id = "a" })
    assert.equal(1, account.total)
    equal(("9"):rep(38), account.rest)
  end)

  it("is found as a key by its value", function()
    local seen = { [tostring(number "1.50")] = true }
    assert.is_true(seen[tostring(number "1.5")])
    assert.is_nil(seen[number "1.5"])
  end)

  it("sorts among numbers of all kinds", function()
    local list = { number "2.5", 3, 0.5, number "-1e100", number(1) }
    table.sort(list, function(a, b) return number(a) < b end)
    local texts = {}
    for i, n in ipairs(list) do texts[i] = i > 1 and tostring(n) or "least" end
    assert.same({ "least", "0.5", "1", "2.5", "3" }, texts)
  end)

  it("is not equal to a binary, and is not ordered with other types", function()
    assert.is_false(number "1" == tidetable.binary "1")
    assert.is_false(tidetable.binary "1" == number "1")
    assert.is_false(number "1" <= 0 / 0)
    assert.is_false(0 / 0 <= number "1")
    assert.is_false(number "1" < 0 / 0)
  end)
end)
