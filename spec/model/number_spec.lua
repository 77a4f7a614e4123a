-- number_spec.lua - compares exact numbers with decimals of any length.
--
-- A third of STEPS random calculations, each with two numbers near each other, far apart or at
-- the ends of the range: operators, rounding and formatting must return what decimals.lua
-- computes, or fail if it needs more than 38 digits. If python3 is installed, decimals.lua itself
-- is compared with its decimal module.
local decimals = require "spec.model.decimals"
local tidetable = require "tidetable"

local STEPS = (math.tointeger(tonumber(os.getenv("STEPS"))) or 3000) // 3
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local number = tidetable.number

-- Numbers --------------------------------------------------------------------

local alphabets = { "0123456789", "09", "01", "5" }

local function random_digits(count)
  local alphabet, digits = alphabets[math.random(#alphabets)], {}
  for i = 1, count do
    local at = math.random(#alphabet)
    digits[i] = alphabet:sub(at, at)
  end
  digits[1] = math.random(9)
  return table.concat(digits)
end

-- Returns a number as text, with its first digit near 10^near.
local function random_text(near)
  if math.random(30) == 1 then return "0" end
  local digits = random_digits(math.random(2) == 1 and math.random(38) or math.random(5))
  local first = math.max(-130, math.min(125, near + math.random(-6, 6)))
  return (math.random(2) == 1 and "-" or "") .. digits .. "e" .. first - #digits + 1
end

local function random_near()
  local where = math.random(6)
  return where == 1 and 125 or where == 2 and -130 or where == 3 and math.random(-130, 125)
    or math.random(-3, 12)
end

-- Returns the result of f as text; the message if f raises VALIDATION.
local function try(f)
  local ok, result = pcall(f)
  if ok then return tostring(result) end
  return type(result) == "table" and assert(result.code == "VALIDATION") and result.message
    or error(result, 0)
end

local function check(what, a, b, actual, expected)
  local text, why = decimals.text(expected)
  local result = try(actual)
  if result ~= text and not (why and result:find(why, 1, true)) then
    error(("SEED=%d: %s of %s and %s is %s, not %s"):format(SEED, what, a, b, result,
      text or why), 0)
  end
end

-- Calculations ---------------------------------------------------------------

local function random_places()
  return math.random(3) == 1 and math.random(-125, 167) or math.random(-3, 40)
end

local function random_rounding()
  return decimals.roundings[math.random(#decimals.roundings)]
end

local function check_pair(a, b)
  local x, y, p, q = assert(number(a)), assert(number(b)), decimals.parse(a), decimals.parse(b)
  check("+", a, b, function() return x + y end, decimals.add(p, q))
  check("-", a, b, function() return x - y end, decimals.subtract(p, q))
  check("*", a, b, function() return x * y end, decimals.multiply(p, q))
  check("unary -", a, "", function() return -x end, decimals.negate(p))
  local order = decimals.compare(p, q)
  assert.equal(order, x:compare(y))
  assert.equal(order < 0, x < y)
  assert.equal(order <= 0, x <= y)
  assert.equal(order == 0, x == y and x:equals(y))
end

local function check_quotient(a, b)
  local x, y, p, q = assert(number(a)), assert(number(b)), decimals.parse(a), decimals.parse(b)
  if y:sign() == 0 then return end
  local places, rounding = random_places(), random_rounding()
  check(rounding .. " to " .. places, a, b, function() return x:divide(y, places, rounding) end,
    decimals.divide(p, q, places, rounding))
  check("//", a, b, function() return x // y end, decimals.divide(p, q, 0, "floor"))
  check("%", a, b, function() return x % y end, decimals.modulo(p, q))
end

local function check_digits(a)
  local x, p = assert(number(a)), decimals.parse(a)
  local places, rounding = random_places(), random_rounding()
  local rounded = decimals.round(p, places, rounding)
  check(rounding .. " to", a, places, function() return x:round(places, rounding) end, rounded)
  local text, digits, decimal_places = decimals.text(p)
  assert.same({ text, digits, decimal_places, decimal_places == 0 },
    { tostring(x), x:digits(), x:places(), x:is_integer() })
  if places >= 0 then
    local plain, _, has = decimals.text(rounded)
    local point = has == 0 and places > 0 and "." or ""
    assert.equal(plain .. point .. ("0"):rep(places - has), x:format(places, rounding))
  end
end

-- Integers and floats must give the same results as number objects.
local function check_mixed()
  local x = assert(number(random_text(math.random(-3, 12))))
  local plain = math.random(2) == 1 and math.random(0) >> math.random(0, 63)
    or (math.random() - 0.5) * 10.0 ^ math.random(-5, 15)
  local y = assert(number(plain))
  local operators = {
    function(a, b) return a + b end, function(a, b) return a - b end,
    function(a, b) return a * b end, function(a, b) return a // b end,
    function(a, b) return a % b end, function(a, b) return a < b end,
    function(a, b) return a <= b end,
  }
  for i = 1, (y:sign() == 0 or x:sign() == 0) and 3 or #operators do
    local f = operators[i]
    assert.equal(try(function() return f(x, y) end), try(function() return f(x, plain) end))
    assert.equal(try(function() return f(y, x) end), try(function() return f(plain, x) end))
  end
  assert.is_true(y:equals(plain))
  assert.equal(x == y, x:equals(plain))
end

describe(("random calculations (SEED=%d)"):format(SEED), function()
  math.randomseed(SEED)

  it("return the exact result, or fail", function()
    for step = 1, STEPS do
      local near = random_near()
      local a, b = random_text(near), random_text(math.random(4) == 1 and random_near() or near)
      check_pair(a, b)
      check_digits(a)
      check_mixed()
      if step % 5 == 0 then check_quotient(a, b) end
    end
  end)
end)

-- The reference itself -------------------------------------------------------

-- Input: lines of "operation a b places". Output: for each a plain decimal of any length.
local python = [[
import decimal, sys
from decimal import Decimal as D
decimal.getcontext().prec = 2000
for line in sys.stdin:
    what, a, b, places = line.split()
    a, b, unit = D(a), D(b), D((0, (1,), -int(places)))
    if what == "add": r = a + b
    elif what == "multiply": r = a * b
    elif what == "modulo": r = a - b * (a / b).to_integral_value(decimal.ROUND_FLOOR)
    else: r = (a / b).quantize(unit, getattr(decimal, "ROUND_" + what.upper()))
    r = format(r, "f")
    if "." in r: r = r.rstrip("0").rstrip(".")
    print("0" if r == "-0" else r)
]]

local function run_python(lines)
  local script, input = os.tmpname(), os.tmpname()
  for path, text in pairs { [script] = python, [input] = table.concat(lines, "\n") .. "\n" } do
    local file = assert(io.open(path, "w"))
    file:write(text)
    assert(file:close())
  end
  local pipe = assert(io.popen(("unset LD_PRELOAD; python3 %s <%s 2>/dev/null"):format(script,
    input)))
  local answers = {}
  for line in pipe:lines() do answers[#answers + 1] = line end
  pipe:close()
  os.remove(script)
  os.remove(input)
  return answers
end

describe(("decimals.lua, compared with Python (SEED=%d)"):format(SEED), function()
  it("computes the same", function()
    if #run_python { "add 1 1 0" } ~= 1 then
      return pending("there is no python3 here that could check decimals.lua")
    end
    math.randomseed(SEED)
    local lines, expected = {}, {}
    for step = 1, math.min(STEPS // 5, 10000) do
      local near = random_near()
      local a, b, places = random_text(near), random_text(near), random_places()
      local x, y = decimals.parse(a), decimals.parse(b)
      local what = ({ "add", "multiply", "modulo" })[step % 6] or random_rounding()
      if not b:find "[1-9]" then what = "add" end
      local result = decimals[what] and decimals[what](x, y)
        or decimals.divide(x, y, places, what)
      lines[step] = ("%s %s %s %d"):format(what, a, b, places)
      expected[step] = decimals.plain(result)
    end
    local answers = run_python(lines)
    for step, line in ipairs(lines) do
      if answers[step] ~= expected[step] then
        error(("SEED=%d: %s is %s, not %s"):format(SEED, line, answers[step], expected[step]), 0)
      end
    end
  end)
end)
