-- numbers.lua - DynamoDB's numbers for the model of expressions: texts without an exponent.
--
-- A number is its canonical text, so equal numbers have equal texts. The arithmetic is that of
-- decimals.lua.
local decimals = require "spec.model.decimals"

local numbers = {}

local parsed = setmetatable({}, { __mode = "v" })

local function decimal_of(text)
  local decimal = parsed[text]
  if not decimal then
    decimal = decimals.parse(text)
    parsed[text] = decimal
  end
  return decimal
end

--- Returns the canonical text of a number; or nil and the reason of decimals.text.
function numbers.canonical(text)
  local plain, reason = decimals.text(decimals.parse(text))
  return plain, plain == nil and reason or nil
end

--- Numbers of at most this length have the order of their floats.
local SHORT = 15

--- Returns a < b.
function numbers.less(a, b)
  if #a <= SHORT and #b <= SHORT then return tonumber(a) < tonumber(b) end
  return a ~= b and decimals.compare(decimal_of(a), decimal_of(b)) < 0
end

local function result(decimal)
  local plain, reason = decimals.text(decimal)
  return plain, plain == nil and reason or nil
end

--- Returns the sum; or nil and the reason: "overflow", "underflow", "38 significant digits".
function numbers.add(a, b) return result(decimals.add(decimal_of(a), decimal_of(b))) end

--- Returns the difference, or nil and the reason.
function numbers.subtract(a, b) return result(decimals.subtract(decimal_of(a), decimal_of(b))) end

--- Returns the size in bytes that DynamoDB counts.
function numbers.size(text)
  local digits = text:gsub("[-.]", ""):gsub("^0+", ""):gsub("0+$", "")
  if digits == "" then return 1 end
  local before, after = text:match("^%-?(%d+)%.?(%d*)$")
  local exponent = before ~= "0" and #before - 1 or -#after:match("^0*") - 1
  local is_aligned = #digits % 2 == 1 or exponent % 2 == 1
  return 1 + (#digits + 1) // 2 + (is_aligned and 0 or 1) + (text:sub(1, 1) == "-" and 1 or 0)
end

return numbers
