-- decimals.lua - decimals of any length, the reference for exact numbers.
--
-- A decimal is whole x 10^exponent; a whole is an array of limbs below 10^6, lowest first,
-- without zeros at its end. Slow and plain, and shares no code with the core.
local decimals = {}

local BASE, WIDTH = 1000000, 6

-- Wholes ---------------------------------------------------------------------

local function trim(whole)
  while whole[#whole] == 0 do whole[#whole] = nil end
  return whole
end

local function whole_of(digits)
  local whole = {}
  for last = #digits, 1, -WIDTH do
    whole[#whole + 1] = math.tointeger(tonumber(digits:sub(math.max(last - WIDTH + 1, 1), last)))
  end
  return trim(whole)
end

local function text_of(whole)
  local pieces = { tostring(whole[#whole] or 0) }
  for i = #whole - 1, 1, -1 do pieces[#pieces + 1] = ("%06d"):format(whole[i]) end
  return table.concat(pieces)
end

local function compare(a, b)
  if #a ~= #b then return #a < #b and -1 or 1 end
  for i = #a, 1, -1 do
    if a[i] ~= b[i] then return a[i] < b[i] and -1 or 1 end
  end
  return 0
end

-- Returns a + factor * b, which must not be negative.
local function plus(a, b, factor)
  local sum, carry = {}, 0
  for i = 1, math.max(#a, #b) + 2 do
    local column = (a[i] or 0) + factor * (b[i] or 0) + carry
    sum[i], carry = column % BASE, column // BASE
  end
  assert(carry == 0)
  return trim(sum)
end

local function times(a, b)
  local product = {}
  for i = 1, #a + #b do product[i] = 0 end
  for i = 1, #a do
    local carry = 0
    for j = 1, #b + 1 do
      local at = i + j - 1
      local column = (product[at] or 0) + a[i] * (b[j] or 0) + carry
      if product[at] then product[at] = column % BASE end
      carry = column // BASE
    end
  end
  return trim(product)
end

local function power_of_ten(n)
  return whole_of("1" .. ("0"):rep(n))
end

-- Returns quotient and remainder, by long division.
local function divide(a, b)
  local digits, rest, ten = {}, {}, { 10 }
  for digit in text_of(a):gmatch("%d") do
    rest = plus(times(rest, ten), whole_of(digit), 1)
    local count = 0
    while compare(rest, b) >= 0 do
      rest, count = plus(rest, b, -1), count + 1
    end
    digits[#digits + 1] = count
  end
  return whole_of(table.concat(digits)), rest
end

-- Decimals -------------------------------------------------------------------

local function new(negative, whole, exponent)
  return { negative = negative and #whole > 0, whole = whole, exponent = exponent }
end

--- Parses [-]digits[.digits][e[-]digits].
function decimals.parse(text)
  local sign, before, after, exponent = text:match("^(%-?)(%d*)%.?(%d*)e?(%-?%d*)$")
  return new(sign == "-", whole_of(before .. after),
    (math.tointeger(tonumber(exponent)) or 0) - #after)
end

-- Returns the two wholes in units of the lower exponent.
local function align(a, b)
  local exponent = math.min(a.exponent, b.exponent)
  return times(a.whole, power_of_ten(a.exponent - exponent)),
    times(b.whole, power_of_ten(b.exponent - exponent)), exponent
end

function decimals.negate(a)
  return new(not a.negative, a.whole, a.exponent)
end

function decimals.add(a, b)
  local x, y, exponent = align(a, b)
  if a.negative == b.negative then
    return new(a.negative, plus(x, y, 1), exponent)
  elseif compare(x, y) >= 0 then
    return new(a.negative, plus(x, y, -1), exponent)
  end
  return new(b.negative, plus(y, x, -1), exponent)
end

function decimals.subtract(a, b)
  return decimals.add(a, decimals.negate(b))
end

function decimals.multiply(a, b)
  return new(a.negative ~= b.negative, times(a.whole, b.whole), a.exponent + b.exponent)
end

--- Returns -1, 0 or 1.
function decimals.compare(a, b)
  local difference = decimals.subtract(a, b)
  return #difference.whole == 0 and 0 or difference.negative and -1 or 1
end

-- For each rounding mode: whether to increment the quotient, given twice the remainder and the
-- divisor.
local grows = {
  half_even = function(twice, odd) return twice > 0 or twice == 0 and odd end,
  half_up = function(twice) return twice >= 0 end,
  half_down = function(twice) return twice > 0 end,
  up = function() return true end,
  down = function() return false end,
  ceiling = function(_, _, negative) return not negative end,
  floor = function(_, _, negative) return negative end,
}

decimals.roundings = {}
for name in pairs(grows) do decimals.roundings[#decimals.roundings + 1] = name end
table.sort(decimals.roundings)

--- Returns a / b in units of 10^-places.
function decimals.divide(a, b, places, rounding)
  local shift = a.exponent - b.exponent + places
  local x = times(a.whole, power_of_ten(math.max(shift, 0)))
  local y = times(b.whole, power_of_ten(math.max(-shift, 0)))
  local quotient, rest = divide(x, y)
  local negative = a.negative ~= b.negative
  local twice = compare(plus(rest, rest, 1), y)
  if #rest > 0 and grows[rounding](twice, (quotient[1] or 0) % 2 == 1, negative) then
    quotient = plus(quotient, { 1 }, 1)
  end
  return new(negative, quotient, -places)
end

local ONE = decimals.parse "1"

function decimals.round(a, places, rounding)
  return decimals.divide(a, ONE, places, rounding)
end

function decimals.modulo(a, b)
  return decimals.subtract(a, decimals.multiply(b, decimals.divide(a, b, 0, "floor")))
end

-- Returns the significant digits, the position of the decimal point, and the number of decimal
-- places.
local function split(a)
  local digits = text_of(a.whole)
  local significant = digits:gsub("0+$", "")
  local exponent = a.exponent + #digits - #significant
  return significant, #significant + exponent, math.max(-exponent, 0)
end

--- Returns the decimal without an exponent, of any length.
function decimals.plain(a)
  if #a.whole == 0 then return "0" end
  local digits, point = split(a)
  local text
  if point >= #digits then
    text = digits .. ("0"):rep(point - #digits)
  elseif point > 0 then
    text = digits:sub(1, point) .. "." .. digits:sub(point + 1)
  else
    text = "0." .. ("0"):rep(-point) .. digits
  end
  return (a.negative and "-" or "") .. text
end

--- Returns the text of decimals.plain, the number of significant digits and of decimal places. If
--- DynamoDB refuses the number, returns nil and the reason: "overflow", "underflow", "38
--- significant digits".
function decimals.text(a)
  if #a.whole == 0 then return "0", 1, 0 end
  local digits, point, decimal_places = split(a)
  if point - 1 > 125 then return nil, "overflow" end
  if point - 1 < -130 then return nil, "underflow" end
  if #digits > 38 then return nil, "38 significant digits" end
  return decimals.plain(a), #digits, decimal_places
end

return decimals
